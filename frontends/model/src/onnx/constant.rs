//! Tensors of the file.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::proto;
use crate::graph::{GraphError, MAX_RANK, Tensor};

/// A constant of the file, or what was computed from constants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// Real numbers are weights; integers are shapes, axes and indices.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Real(Vec<f32>),
    Integer(Vec<i64>),
}

impl Data {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Integer(values) => values.len(),
        }
    }
}

impl Constant {
    /// Reads a tensor; `name` is what errors call it.
    pub(super) fn read(tensor: &proto::Tensor, name: &str) -> Result<Self, GraphError> {
        if tensor.data_location != 0 || !tensor.external_data.is_empty() {
            return Err(GraphError::ExternalData { tensor: name.into() });
        }
        let wrong = |reason: String| GraphError::Tensor { tensor: name.into(), reason };
        let shape = dimensions(&tensor.dims).map_err(wrong)?;
        let data = numbers(tensor).map_err(wrong)?;
        let expected: Option<usize> = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        if expected != Some(data.len()) {
            return Err(wrong(alloc::format!("holds {} numbers under the shape {shape:?}", data.len())));
        }
        check_finite(&data, name)?;
        Ok(Self { shape, data })
    }

    /// As a tensor of reals; integers are converted.
    pub(super) fn real(&self) -> Tensor {
        let data = match &self.data {
            Data::Real(values) => values.clone(),
            Data::Integer(values) => values.iter().map(|&value| value as f32).collect(),
        };
        Tensor::of(&self.shape, data)
    }

    pub(super) fn from_tensor(tensor: Tensor) -> Self {
        Self { shape: tensor.shape().into(), data: Data::Real(tensor.into_data()) }
    }

    /// As a list of integers, if it is one.
    pub(super) fn integers(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Integer(values) if self.shape.len() <= 1 => Some(values),
            _ => None,
        }
    }

    /// As one number, if it is one.
    pub(super) fn number(&self) -> Option<f32> {
        match &self.data {
            Data::Real(values) if values.len() == 1 => Some(values[0]),
            Data::Integer(values) if values.len() == 1 => Some(values[0] as f32),
            _ => None,
        }
    }
}

/// Every number must be one.
pub(super) fn check_finite(data: &Data, name: &str) -> Result<(), GraphError> {
    let Data::Real(values) = data else { return Ok(()) };
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(GraphError::NonFinite { tensor: name.into(), index, value: values[index] }),
        None => Ok(()),
    }
}

fn dimensions(sides: &[i64]) -> Result<Vec<usize>, String> {
    let shape: Option<Vec<usize>> = sides.iter().map(|&side| side.try_into().ok()).collect();
    let shape = shape.filter(|shape| shape.len() <= MAX_RANK);
    shape.ok_or_else(|| alloc::format!("has {} sides, expected at most {MAX_RANK}, none below 0", sides.len()))
}

fn numbers(tensor: &proto::Tensor) -> Result<Data, String> {
    let raw = &tensor.raw_data;
    let listed = raw.is_empty();
    let narrow = |value: &f64| *value as f32;
    let half = |bits: &i32| half_to_single(*bits as u16);
    Ok(match tensor.data_type {
        1 if listed => Data::Real(tensor.float_data.clone()),
        1 => Data::Real(words(raw)?.map(f32::from_le_bytes).collect()),
        10 if listed => Data::Real(tensor.int32_data.iter().map(half).collect()),
        10 => Data::Real(words(raw)?.map(|word| half_to_single(u16::from_le_bytes(word))).collect()),
        11 if listed => Data::Real(tensor.double_data.iter().map(narrow).collect()),
        11 => Data::Real(words(raw)?.map(f64::from_le_bytes).map(|value| narrow(&value)).collect()),
        // A brain float is the upper half of a single.
        16 if listed => Data::Real(tensor.int32_data.iter().map(|&bits| f32::from_bits((bits as u32) << 16)).collect()),
        16 => Data::Real(words(raw)?.map(|word| f32::from_bits(u32::from(u16::from_le_bytes(word)) << 16)).collect()),
        7 if listed => Data::Integer(tensor.int64_data.clone()),
        7 => Data::Integer(words(raw)?.map(i64::from_le_bytes).collect()),
        6 if listed => Data::Integer(tensor.int32_data.iter().map(|&value| value.into()).collect()),
        6 => Data::Integer(words(raw)?.map(|word| i32::from_le_bytes(word).into()).collect()),
        other => return Err(unknown_type(other)),
    })
}

fn unknown_type(number: i32) -> String {
    const NAMES: [&str; 17] = [
        "no type",
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number));
    let name = name.map_or_else(|| number.to_string(), ToString::to_string);
    alloc::format!(
        "has type {name}, expected float, float16, bfloat16, double, int32 or int64: export in floating point"
    )
}

fn words<const N: usize>(raw: &Bytes) -> Result<impl Iterator<Item = [u8; N]>, String> {
    let (words, rest) = raw.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(alloc::format!("{} bytes are not a whole number of {N}-byte values", raw.len()));
    }
    Ok(words.iter().copied())
}

/// IEEE 754 binary16 to binary32, which holds every value of it.
fn half_to_single(bits: u16) -> f32 {
    const SMALLEST: f32 = 1.0 / (1 << 24) as f32;
    let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction as f32 * SMALLEST,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn halves_are_exact() {
        // IEEE 754: fraction / 2^24 below the normal numbers, (1 + fraction / 2^10) * 2^(exponent - 15) from there on.
        for bits in 0..0x7c00_u16 {
            let (exponent, fraction) = (i32::from(bits >> 10), f64::from(bits & 1023));
            let expected = match exponent {
                0 => fraction * 2_f64.powi(-24),
                _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
            };
            assert_eq!(f64::from(half_to_single(bits)), expected, "{bits:#x}");
            assert_eq!(half_to_single(bits | 0x8000), -half_to_single(bits));
        }
        assert_eq!(half_to_single(0x7c00), f32::INFINITY);
        assert!(half_to_single(0x7c01).is_nan());
    }

    #[test]
    fn tensors_are_checked() {
        let tensor = proto::Tensor { dims: vec![2], data_type: 1, float_data: vec![1.0, 2.0], ..Default::default() };
        assert_eq!(Constant::read(&tensor, "w").unwrap().data, Data::Real(vec![1.0, 2.0]));
        let raw = proto::Tensor { raw_data: Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 64]), ..tensor.clone() };
        assert_eq!(Constant::read(&raw, "w"), Constant::read(&tensor, "w"));
        let refused = |tensor: proto::Tensor| Constant::read(&tensor, "w").unwrap_err().to_string();
        assert!(refused(proto::Tensor { dims: vec![3], ..tensor.clone() }).contains("2 numbers under the shape [3]"));
        assert!(refused(proto::Tensor { dims: vec![-1], ..tensor.clone() }).contains("none below 0"));
        assert!(refused(proto::Tensor { dims: vec![i64::MAX; 3], ..tensor.clone() }).contains("2 numbers"));
        assert!(refused(proto::Tensor { dims: vec![1; 9], ..tensor.clone() }).contains("9 sides"));
        assert!(refused(proto::Tensor { data_type: 3, ..tensor.clone() }).contains("int8"));
        assert!(refused(proto::Tensor { data_type: 99, ..tensor.clone() }).contains("99"));
        assert!(refused(proto::Tensor { data_location: 1, ..tensor.clone() }).contains("outside"));
        assert!(refused(proto::Tensor { raw_data: Bytes::from_static(&[0; 7]), ..tensor.clone() }).contains("7 bytes"));
        let nan = proto::Tensor { float_data: vec![0.0, f32::NAN], ..tensor };
        assert!(refused(nan).contains("NaN at index 1"));
    }
}
