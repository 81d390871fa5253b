//! Integer neural networks as data: what a private inference computes, without the privacy.
//!
//! A [`Network`] is a chain of convolutions, squares and dense layers with integer weights. It is evaluated here in the
//! clear and exactly, so that an encrypted evaluation can be compared with it value by value.
//!
//! ```
//! use tacit_model::{Dense, Input, Layer, Network, Op, Scale};
//!
//! // Two pixels: is the first one brighter, or the second?
//! let input = Input { shape: [1, 1, 2], scale: Scale::new(1, 16)? };
//! let compare = Dense { outputs: 2, inputs: 2, weights: vec![1, -1, -1, 1], bias: vec![0, 0] };
//! let layers = vec![Layer { name: "compare".into(), op: Op::Dense(compare) }];
//! let network = Network::new("brighter", input, layers, vec!["first".into(), "second".into()])?;
//!
//! let answer = network.classify(&[40, 200])?;
//! assert_eq!(answer.logits, [-10, 10]); // 40/16 = 2.5 rounds to the even 2, 200/16 = 12.5 to 12
//! assert_eq!(network.labels()[answer.class], "second");
//! # Ok::<(), tacit_model::ModelError>(())
//! ```
//!
//! In reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`network`] | the network, its layers and shapes, its fingerprint |
//! | [`quantise`] | pixels to integers |
//! | [`interpret`] | the exact evaluation, the oracle of every other one |
//! | [`range`] | how large values become, proved and measured |
//! | [`tolerance`] | how much error the logits bear |
//! | [`format`](mod@format) | the model file |
//! | [`graph`] | networks of other frameworks: operators over real numbers, their clear interpreter |
//! | [`onnx`] | the reader of ONNX files |
//! | [`pass`] | rewrites of a graph that keep what it computes |
//! | [`leveled`] | from a graph to a chain that leveled encryption computes |
//! | [`calibrate`] | from real weights to integers, by search on data |
//! | [`rows`] | NumPy files and tables |
//! | [`published`] | the weights published with LoLa |
//! | [`named`](mod@named) | the networks that come with this crate, by the names of the paper |
//! | [`idx`] | data sets of images and labels |
//! | [`cifar`] | the records of CIFAR-10 |
//! | [`picture`] | a picture of a digit |
//! | [`digest`], [`error`] | identities and refusals |
//!
//! Nothing here is secret from its caller, and nothing runs in constant time.

extern crate alloc;

mod apply;
pub mod calibrate;
pub mod cifar;
pub mod digest;
pub mod error;
pub mod format;
pub mod graph;
pub mod idx;
pub mod interpret;
pub mod leveled;
pub mod named;
pub mod network;
pub mod onnx;
pub mod pass;
pub mod picture;
pub mod published;
pub mod quantise;
pub mod range;
pub mod rows;
#[cfg(test)]
mod samples;
pub mod tolerance;

pub use digest::Digest;
pub use error::ModelError;
pub use graph::{Graph, GraphError, Tensor};
pub use idx::{Dataset, Split};
pub use interpret::{Evaluation, Trace, argmax};
pub use named::{MNIST, NAMED, Named, named};
pub use network::{Conv2d, Dense, Input, Layer, LayerSummary, Network, Op, Padding, Shape};
pub use picture::read_picture;
pub use published::{Scales, lola_mnist};
pub use quantise::Scale;
pub use range::{Interval, LayerRange, RangeTracker};
pub use rows::Rows;
pub use tolerance::Tolerance;

/// A sample picture of each digit, a PNG file, for [`read_picture`]; none of them is from the MNIST data set.
pub const DIGITS: [&[u8]; 10] = [
    include_bytes!("../digits/0.png"),
    include_bytes!("../digits/1.png"),
    include_bytes!("../digits/2.png"),
    include_bytes!("../digits/3.png"),
    include_bytes!("../digits/4.png"),
    include_bytes!("../digits/5.png"),
    include_bytes!("../digits/6.png"),
    include_bytes!("../digits/7.png"),
    include_bytes!("../digits/8.png"),
    include_bytes!("../digits/9.png"),
];

/// The network in [`MNIST`].
///
/// # Errors
///
/// Those of [`Network::from_bytes`]; a test shows that there is none.
pub fn mnist() -> Result<Network, ModelError> {
    Network::from_bytes(MNIST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_bundled_network_reads_the_bundled_digits() {
        let network = mnist().unwrap();
        assert_eq!((network.inputs(), network.outputs()), (784, 10));
        for (digit, picture) in DIGITS.into_iter().enumerate() {
            let evaluation = network.classify(&read_picture(picture).unwrap()).unwrap();
            assert_eq!(network.labels()[evaluation.class], digit.to_string());
        }
    }
}
