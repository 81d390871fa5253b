//! The network as data: an input, a chain of layers, a label per output.
//!
//! [`Input`], [`Layer`] and the operators are plain data with public fields. A [`Network`] owns them and can only be
//! built by [`Network::new`], which checks that they fit together; what holds a `Network` need not check again.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::digest::{Digest, Hasher};
use crate::error::ModelError;
use crate::interpret::LinearBound;
use crate::quantise::Scale;
use crate::range::Interval;
use crate::tolerance::Tolerance;

mod op;

pub use op::{Conv2d, Dense, Op, Padding};

/// The shape of the values between two layers: channels, height, width.
///
/// Values are stored row-major in this order (a value's index is `(channel * height + row) * width + column`), so
/// flattening a feature map for a dense layer leaves every value where it is. A vector of `n` values is `[n, 1, 1]`.
pub type Shape = [usize; 3];

/// The most values that an input or a layer may have: 2^24.
pub const MAX_VALUES: usize = 1 << 24;

/// The longest name or label, in bytes.
pub const MAX_NAME: usize = 64;

/// What the network reads: the shape of its input and the scale at which pixels become integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Channels, height, width; each at least 1.
    pub shape: Shape,
    /// The factor from a pixel in `0..=255` to an integer.
    pub scale: Scale,
}

/// A named operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Unique within the network.
    pub name: String,
    /// What the layer computes.
    pub op: Op,
}

impl Layer {
    /// The shape of the layer's output for an input of shape `input`.
    ///
    /// # Errors
    ///
    /// [`ModelError::LayerInput`] if the operator takes another shape, [`ModelError::Window`] if a convolution's window
    /// does not fit, [`ModelError::TooManyValues`] if the output is beyond [`MAX_VALUES`].
    pub fn output_shape(&self, input: Shape) -> Result<Shape, ModelError> {
        if let Some((expected, unit)) = self.op.refuses(input) {
            return Err(ModelError::LayerInput { layer: self.name.clone(), expected, unit, found: input });
        }
        let output = self.op.output_shape(input).ok_or_else(|| ModelError::Window { layer: self.name.clone() })?;
        check_size(&self.name, output)?;
        Ok(output)
    }
}

/// One row of a table of layers; see [`Network::describe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary<'a> {
    /// The layer's name.
    pub name: &'a str,
    /// `"conv2d"`, `"square"` or `"dense"`, as in the model file.
    pub kind: &'static str,
    /// The shape that enters.
    pub input: Shape,
    /// The shape that leaves.
    pub output: Shape,
    /// Weights and biases stored.
    pub parameters: usize,
    /// Multiplications of one evaluation; products with padding are not counted.
    pub products: usize,
}

/// A network of integer weights whose layers fit together, and whose outputs have one label each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    name: String,
    input: Input,
    layers: Vec<Layer>,
    labels: Vec<String>,
    training: Option<String>,
    logit_bound: Option<u64>,
    logit_tolerance: Option<Tolerance>,
    input_range: Option<Interval>,
    shapes: Vec<Shape>,
    bounds: Vec<LinearBound>,
}

impl Network {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    ///
    /// [`ModelError::Name`] for a name or label that is empty, longer than [`MAX_NAME`] or not printable;
    /// [`ModelError::NoLayers`]; [`ModelError::DuplicateLayer`]; [`ModelError::LabelCount`] unless there is a label per
    /// output; [`ModelError::Parameters`] if an operator's weights or biases are not as many as its sizes say;
    /// [`ModelError::EmptyShape`] and the errors of [`Layer::output_shape`] if a shape does not fit.
    pub fn new(
        name: impl Into<String>,
        input: Input,
        layers: Vec<Layer>,
        labels: Vec<String>,
    ) -> Result<Self, ModelError> {
        let name = name.into();
        check_names(&name, &layers, &labels)?;
        layers.iter().try_for_each(check_parameters)?;
        let shapes = infer_shapes(&input, &layers)?;
        let outputs = shapes.last().map_or(0, |shape| values(*shape));
        if labels.len() != outputs {
            return Err(ModelError::LabelCount { expected: outputs, found: labels.len() });
        }
        let bounds = layers.iter().map(|layer| LinearBound::of(&layer.op)).collect();
        Ok(Self {
            name,
            input,
            layers,
            labels,
            training: None,
            logit_bound: None,
            logit_tolerance: None,
            input_range: None,
            shapes,
            bounds,
        })
    }

    /// The same network with a note on how it was trained: opaque text that takes no part in
    /// [`Self::fingerprint`] or [`Self::digest`].
    #[must_use]
    pub fn with_training(mut self, training: impl Into<String>) -> Self {
        self.training = Some(training.into());
        self
    }

    /// The same network, whose maker declares that no logit of a proper input exceeds `bound` in magnitude: a bound
    /// measured on data, which is smaller than what [`Self::worst_case_ranges`] proves for every input there is.
    #[must_use]
    pub fn with_logit_bound(mut self, bound: u64) -> Self {
        self.logit_bound = Some(bound);
        self
    }

    /// The same network, whose labels bear errors of the logits of this standard deviation: see [`crate::tolerance`].
    #[must_use]
    pub const fn with_logit_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.logit_tolerance = Some(tolerance);
        self
    }

    /// The same network, whose inputs are integers of this range rather than quantised pixels: what it was calibrated
    /// for, and [`Self::quantise_reals`] allows.
    #[must_use]
    pub fn with_input_range(mut self, range: Interval) -> Self {
        self.input_range = Some(range);
        self
    }

    /// The declared range of the inputs, if there is one.
    pub const fn declared_input_range(&self) -> Option<Interval> {
        self.input_range
    }

    /// The range of the inputs: the declared one, or else that of quantised pixels.
    pub fn input_range(&self) -> Interval {
        self.input_range.unwrap_or_else(|| Interval::new(0, self.input.scale.quantise(u8::MAX).into()))
    }

    /// The declared bound of the logits, if there is one.
    pub const fn declared_logit_bound(&self) -> Option<u64> {
        self.logit_bound
    }

    /// The standard deviation of errors that the logits bear, in their own units, if it was measured: positive and finite. See
    /// [`crate::tolerance`].
    pub fn logit_tolerance(&self) -> Option<f64> {
        self.logit_tolerance.map(Tolerance::deviation)
    }

    /// The bound that exact arithmetic must leave room for: the declared one, or else the proved one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::worst_case_ranges`].
    pub fn logit_bound(&self) -> Result<u128, ModelError> {
        match self.logit_bound {
            Some(bound) => Ok(u128::from(bound)),
            None => Ok(self.worst_case_ranges()?.last().map_or(0, |range| range.interval.magnitude())),
        }
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape and scale of the input.
    pub const fn input(&self) -> &Input {
        &self.input
    }

    /// The layers, in the order of evaluation; at least one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// One label per output.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How the network was trained, as its maker wrote it.
    pub fn training(&self) -> Option<&str> {
        self.training.as_deref()
    }

    /// The shape of the input, then the output shape of each layer: one more entry than [`Self::layers`].
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// How many values the network reads.
    pub fn inputs(&self) -> usize {
        values(self.input.shape)
    }

    /// How many values the network answers with: the number of labels.
    pub fn outputs(&self) -> usize {
        self.labels.len()
    }

    /// A row for each layer.
    pub fn describe(&self) -> Vec<LayerSummary<'_>> {
        let shapes = self.shapes.iter().zip(&self.shapes[1..]);
        self.layers.iter().zip(shapes).map(|(layer, (&input, &output))| summary(layer, input, output)).collect()
    }

    /// The digest of what is public in every mode: names, shapes, scale, kinds of layers and labels, but no weight.
    pub fn fingerprint(&self) -> Digest {
        let mut hasher = Hasher::with_label("tacit-model architecture 1");
        hasher.text(&self.name);
        hasher.numbers(&self.input.shape);
        hasher.numbers(&[self.input.scale.numerator() as usize, self.input.scale.denominator() as usize]);
        hasher.number(self.layers.len());
        for (layer, &output) in self.layers.iter().zip(&self.shapes[1..]) {
            hasher.text(&layer.name);
            layer.op.hash_architecture(&mut hasher);
            hasher.numbers(&output);
        }
        hasher.number(self.labels.len());
        self.labels.iter().for_each(|label| hasher.text(label));
        hasher.finish()
    }

    /// The digest of the whole network: its [`Self::fingerprint`], and every weight and bias.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::with_label("tacit-model network 1");
        hasher.bytes(self.fingerprint().as_bytes());
        for layer in &self.layers {
            let Some((weights, bias)) = layer.op.parameters() else { continue };
            hasher.number(weights.len());
            weights.iter().for_each(|weight| hasher.bytes(&weight.to_le_bytes()));
            hasher.number(bias.len());
            bias.iter().for_each(|bias| hasher.bytes(&bias.to_le_bytes()));
        }
        hasher.finish()
    }

    pub(crate) fn bounds(&self) -> &[LinearBound] {
        &self.bounds
    }
}

/// The number of values of a checked shape.
pub(crate) const fn values(shape: Shape) -> usize {
    shape[0] * shape[1] * shape[2]
}

/// The number of values of any shape, if it fits.
fn checked_values(shape: Shape) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))
}

fn summary(layer: &Layer, input: Shape, output: Shape) -> LayerSummary<'_> {
    let parameters = layer.op.parameters().map_or(0, |(weights, bias)| weights.len() + bias.len());
    let products = layer.op.products(input, output);
    LayerSummary { name: &layer.name, kind: layer.op.kind(), input, output, parameters, products }
}

fn check_names(name: &str, layers: &[Layer], labels: &[String]) -> Result<(), ModelError> {
    check_name("network", name)?;
    labels.iter().try_for_each(|label| check_name("label", label))?;
    if layers.is_empty() {
        return Err(ModelError::NoLayers);
    }
    let mut seen = BTreeSet::new();
    for layer in layers {
        check_name("layer", &layer.name)?;
        if !seen.insert(&layer.name) {
            return Err(ModelError::DuplicateLayer { layer: layer.name.clone() });
        }
    }
    Ok(())
}

/// Names come from files and go to terminals: control characters would let a file write on the screen.
fn check_name(what: &'static str, name: &str) -> Result<(), ModelError> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ModelError::Name { what, name: name.into() });
    }
    Ok(())
}

fn check_parameters(layer: &Layer) -> Result<(), ModelError> {
    let Some((weights, bias)) = layer.op.parameters() else { return Ok(()) };
    let expected = layer.op.parameter_counts();
    let found = [weights.len(), bias.len()];
    if expected != found {
        return Err(ModelError::Parameters { layer: layer.name.clone(), expected, found });
    }
    Ok(())
}

fn infer_shapes(input: &Input, layers: &[Layer]) -> Result<Vec<Shape>, ModelError> {
    check_size("input", input.shape)?;
    let mut shapes = Vec::with_capacity(layers.len() + 1);
    let mut shape = input.shape;
    shapes.push(shape);
    for layer in layers {
        shape = layer.output_shape(shape)?;
        shapes.push(shape);
    }
    Ok(shapes)
}

fn check_size(what: &str, shape: Shape) -> Result<(), ModelError> {
    match checked_values(shape) {
        Some(0) => Err(ModelError::EmptyShape { what: what.into(), shape }),
        Some(values) if values <= MAX_VALUES => Ok(()),
        _ => Err(ModelError::TooManyValues { what: what.into(), shape, limit: MAX_VALUES }),
    }
}

#[cfg(test)]
mod tests;
