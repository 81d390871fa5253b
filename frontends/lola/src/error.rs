//! What can go wrong, in one line each: what was found, what the limit is, what to do.

use core::fmt;

use tacit_core::error::{EvalError, ParamError, WireError};
use tacit_model::ModelError;

/// A network for which no plan or no parameters exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The network has another shape than the plan is for.
    #[error("plan `{plan}` is for {shape}; layer `{layer}` does not fit: use a network of that shape")]
    Shape {
        /// The plan.
        plan: &'static str,
        /// The layers that it is for.
        shape: &'static str,
        /// The first layer that does not fit.
        layer: String,
    },
    /// No supported ring holds the scales that the network's depth takes.
    #[error(
        "the network squares {squares} times, which at a precision of {precision_bits} bits takes more than the {limit_bits} bits of modulus that ring degree {degree} leaves at {security}-bit security, or a layer needs more plaintexts than a gigabyte holds: use fewer or narrower layers"
    )]
    TooManySquares {
        /// Squares.
        squares: usize,
        /// Bits of the logits' bound above their error, by the network's tolerance.
        precision_bits: u32,
        /// The largest degree tried.
        degree: usize,
        /// Bits that the security table leaves there.
        limit_bits: u32,
        /// The security level in bits.
        security: u32,
    },
    /// A layer beyond what the planner lays out.
    #[error(
        "layer `{layer}` multiplies {products} times, the limit for this goal is {limit}: make the layer smaller, or plan for another goal"
    )]
    TooLarge {
        /// The layer.
        layer: String,
        /// Its products.
        products: usize,
        /// The most that the planner takes.
        limit: usize,
    },
    /// A network without layers.
    #[error("the network computes nothing: it needs a layer")]
    Empty,
    /// A layer with more values than a message has room for.
    #[error("layer `{layer}` has {values} values, too many for messages of {slots} slots: make the layer smaller")]
    TooWide {
        /// The layer.
        layer: String,
        /// Its values.
        values: usize,
        /// Slots of a message.
        slots: usize,
    },
    /// No supported ring holds the noise.
    #[error(
        "the plan needs a ciphertext modulus of more than {limit_bits} bits, which is all that ring degree {degree} leaves at {security}-bit security for logits of {plain_bits} bits: use smaller weights or fewer layers"
    )]
    TooDeep {
        /// The largest degree tried.
        degree: usize,
        /// Bits that the security table leaves for the ciphertext modulus.
        limit_bits: u32,
        /// Bits of the plaintext modulus.
        plain_bits: u32,
        /// The security level in bits.
        security: u32,
    },
    /// The logits' bound leaves no plaintext modulus.
    #[error(
        "logits of up to {bits} bits do not fit the supported plaintext moduli of at most 126 bits: use smaller weights"
    )]
    LogitsTooWide {
        /// Bits of the logits, sign included.
        bits: u32,
    },
    /// A parameter set that cannot be built.
    #[error("parameters: {0}")]
    Params(#[from] ParamError),
    /// A step that cannot be done.
    #[error("plan step {step}: {error}")]
    Step {
        /// The operation's number.
        step: usize,
        /// What is wrong.
        error: EvalError,
    },
    /// The clear interpreter refuses the network.
    #[error("{0}")]
    Model(String),
}

impl From<ModelError> for PlanError {
    fn from(error: ModelError) -> Self {
        Self::Model(error.to_string())
    }
}

/// The kinds of messages between the halves, and of key files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageKind {
    /// The client's encrypted input.
    Query = 1,
    /// The server's encrypted output.
    Answer = 2,
    /// The client's evaluation keys, for the server.
    EvaluationKeys = 3,
    /// The client's secret key, for nobody else.
    SecretKey = 4,
}

impl MessageKind {
    pub(crate) const ALL: [Self; 4] = [Self::Query, Self::Answer, Self::EvaluationKeys, Self::SecretKey];

    /// The kind with this type tag.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == tag)
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query => "query",
            Self::Answer => "answer",
            Self::EvaluationKeys => "evaluation-key file",
            Self::SecretKey => "secret key",
        })
    }
}

/// Bytes that are not the message that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Too short for a header, or other first bytes.
    #[error("not a tacit message (wrong or missing first bytes)")]
    Magic,
    /// A format version that this build does not read.
    #[error("message format version {found}; this build reads version {supported}: use the same release on both sides")]
    Version {
        /// The version found.
        found: u16,
        /// The version this build reads.
        supported: u16,
    },
    /// A message of another kind.
    #[error("this is {}, but {expected} is needed", name(.found))]
    Kind {
        /// The kind asked for.
        expected: Named,
        /// The tag found.
        found: u8,
    },
    /// A reserved byte that is not zero.
    #[error("corrupt header: the reserved byte is {found}")]
    Reserved {
        /// The byte.
        found: u8,
    },
    /// Made for another network, plan or parameter set.
    #[error(
        "made for another network, plan or parameters (fingerprint {found}, this one is {expected}): make it again for this network"
    )]
    Deployment {
        /// Fingerprint of this deployment.
        expected: Fingerprint,
        /// Fingerprint found.
        found: Fingerprint,
    },
    /// Fewer or more bytes than the message has.
    #[error("{} bytes where {expected} are needed: {}", .found, if found < expected { "truncated" } else { "too long" })]
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// One of the values inside is malformed.
    #[error("part {part}: {error}")]
    Part {
        /// Its number.
        part: usize,
        /// What is wrong.
        error: WireError,
    },
    /// A ciphertext that is not at the level and of the size that the plan ends with.
    #[error("part {part} is at level {level} with {size} polynomials, the plan ends at level {expected} with 2")]
    Form {
        /// Its number.
        part: usize,
        /// Its level.
        level: usize,
        /// Its polynomials.
        size: usize,
        /// The plan's last level.
        expected: usize,
    },
    /// A ciphertext that does not have the level, scale or bounds that the plan has there.
    #[error(
        "part {part} does not have the level, scale and bounds of this plan: make the message again for this network"
    )]
    Scale {
        /// Its number.
        part: usize,
    },
    /// Evaluation keys that do not serve the plan.
    #[error("these evaluation keys do not serve the plan: make keys for this network")]
    Keys,
}

/// A message kind with its article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named(pub MessageKind);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if matches!(self.0, MessageKind::Answer | MessageKind::EvaluationKeys) { "an" } else { "a" };
        write!(f, "{article} {}", self.0)
    }
}

fn name(tag: &u8) -> String {
    match MessageKind::from_tag(*tag) {
        Some(kind) => Named(kind).to_string(),
        None => format!("of unknown type {tag}"),
    }
}

/// The first bytes of a digest of everything that both halves must agree on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the client or server half refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Malformed bytes.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// An operation that failed.
    #[error("{0}")]
    Eval(#[from] EvalError),
    /// An input of the wrong size or range.
    #[error("input has {found} values, the network takes {expected}")]
    Input {
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// No input, or more inputs than a query takes.
    #[error("{found} inputs for a query that takes 1 to {most}: split them, or plan for throughput")]
    Batch {
        /// Inputs given.
        found: usize,
        /// The most that a query takes.
        most: usize,
    },
    /// A value outside the range that the network reads.
    #[error(
        "input value {index} is {value}; the network reads {low} to {high}: scale the input as the network was trained"
    )]
    Range {
        /// Its position.
        index: usize,
        /// The value.
        value: i64,
        /// The smallest that is read.
        low: i128,
        /// The largest that is read.
        high: i128,
    },
}
