//! Real numbers in a box of up to eight dimensions.

use alloc::vec::Vec;

use super::error::GraphError;
use super::gather::volume;

/// The most dimensions of a tensor.
pub const MAX_RANK: usize = 8;

/// Numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// Numbers under a shape.
    ///
    /// # Errors
    ///
    /// [`GraphError::Tensor`] unless there are as many as the shape says.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, GraphError> {
        if volume(&shape) != Some(data.len()) || shape.len() > MAX_RANK {
            let reason = alloc::format!("{} values under the shape {shape:?}", data.len());
            return Err(GraphError::Tensor { tensor: "tensor".into(), reason });
        }
        Ok(Self { shape, data })
    }

    /// For kernels, whose sizes are right by construction.
    pub(crate) fn of(shape: &[usize], data: Vec<f32>) -> Self {
        debug_assert_eq!(volume(shape), Some(data.len()));
        Self { shape: shape.into(), data }
    }

    /// One number.
    pub fn scalar(value: f32) -> Self {
        Self { shape: Vec::new(), data: alloc::vec![value] }
    }

    /// The sides.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers alone.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The same tensor with `f` of each number.
    #[must_use]
    pub fn map(mut self, f: impl Fn(f32) -> f32) -> Self {
        self.data.iter_mut().for_each(|value| *value = f(*value));
        self
    }
}
