//! The networks that come with this crate, by the names of the LoLa paper.
//!
//! Brutzkus, Elisha, Gilad-Bachrach: *Low Latency Privacy Preserving Inference*, ICML 2019. CryptoNets, LoLa and LoLa-Dense
//! share one network for MNIST, LoLa-Small has a smaller one; CIFAR-10 has two convolutions, CalTech-101 a linear layer on deep
//! features. The weights here are this project's own, trained by the scripts in `frontends/model/train`, whose README states
//! accuracies and commands. The network for CIFAR-10 has maps and windows of its own: powers of two.
//!
//! ```
//! let small = tacit_model::named("mnist-small").ok_or("no such network")?.network()?;
//! assert_eq!(small.shapes(), [[1, 28, 28], [5, 13, 13], [5, 13, 13], [10, 1, 1]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::error::ModelError;
use crate::network::{Dense, Input, Layer, Network, Op};
use crate::quantise::Scale;

/// A network that needs no file.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// The name by which it is asked for; lower-case letters, digits and hyphens.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Whether the paper sends its input in one message.
    pub one_message: bool,
    source: Source,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    /// The bytes of a model file.
    File(&'static [u8]),
    /// A function that makes the network.
    Made(fn() -> Result<Network, ModelError>),
}

/// The model file of the network `mnist`: handwritten digits, 28×28 pixels, ten classes.
pub const MNIST: &[u8] = include_bytes!("../models/mnist.safetensors");

/// All networks, in the order in which help lists them.
pub const NAMED: [Named; 7] = [
    file("mnist", "handwritten digits: conv 5×5 to 5 maps, square, dense 100, square, dense 10", MNIST),
    file("cryptonets", "the network of CryptoNets; its weights are those of mnist", MNIST),
    Named {
        one_message: true,
        ..file("mnist-dense", "the network of LoLa-Dense, one message up; its weights are those of mnist", MNIST)
    },
    file(
        "mnist-small",
        "handwritten digits, LoLa-Small: conv 5×5 to 5 maps, square, dense 10",
        include_bytes!("../models/mnist-small.safetensors"),
    ),
    file(
        "cifar",
        "CIFAR-10: conv 8×8 to 64 maps, square, conv 6×6 to 128 maps, square, dense 10",
        include_bytes!("../models/cifar.safetensors"),
    ),
    file(
        "caltech",
        "CalTech-101: one layer 1280 to 102 on features of MobileNetV2",
        include_bytes!("../models/caltech.safetensors"),
    ),
    Named {
        name: "caltech-4096",
        about: "the paper's layer 4096 to 102, with pseudo-random weights: for timing only",
        one_message: false,
        source: Source::Made(caltech_4096),
    },
];

/// The network of this name.
pub fn named(name: &str) -> Option<&'static Named> {
    const { &NAMED }.iter().find(|network| network.name == name)
}

impl Named {
    /// Loads the network.
    ///
    /// # Errors
    ///
    /// Those of [`Network::from_bytes`] and [`Network::new`]; a test shows that there is none.
    pub fn network(&self) -> Result<Network, ModelError> {
        match self.source {
            Source::File(bytes) => Network::from_bytes(bytes),
            Source::Made(make) => make(),
        }
    }
}

const fn file(name: &'static str, about: &'static str, bytes: &'static [u8]) -> Named {
    Named { name, about, one_message: false, source: Source::File(bytes) }
}

/// The linear layer of the paper's CalTech-101 network, 4096 AlexNet features to 102 classes, whose weights are not
/// published: it has the right shape and labels nothing.
///
/// Input `i` is a pixel over 16, `0..=16`. Weight `102 * 4096` of them, row-major, are the top five bits of consecutive
/// outputs of [`splitmix`] from seed 4096, less 16: uniform in `-16..=15`. The biases are 0. No logit exceeds
/// `4096 * 16 * 16 = 2^20` in magnitude, so plaintexts of 22 bits hold it, as in the paper.
fn caltech_4096() -> Result<Network, ModelError> {
    let (outputs, inputs) = (102, 4096);
    let weights: Vec<i64> = splitmix(4096).map(|word| (word >> 59) as i64 - 16).take(outputs * inputs).collect();
    let dense = Dense { outputs, inputs, weights, bias: alloc::vec![0; outputs] };
    let input = Input { shape: [inputs, 1, 1], scale: Scale::new(1, 16)? };
    let layers = alloc::vec![Layer { name: "dense1".into(), op: Op::Dense(dense) }];
    Network::new("caltech-4096", input, layers, (0..outputs).map(|class| class.to_string()).collect())
}

/// The generator SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014).
fn splitmix(seed: u64) -> impl Iterator<Item = u64> {
    let states = core::iter::successors(Some(seed), |state| Some(state.wrapping_add(0x9e37_79b9_7f4a_7c15))).skip(1);
    states.map(|state| {
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::network::Shape;

    fn load(name: &str) -> Network {
        named(name).unwrap().network().unwrap()
    }

    #[test]
    fn every_network_has_the_shape_of_the_paper() {
        let digits: &[Shape] = &[[1, 28, 28], [5, 13, 13], [5, 13, 13], [100, 1, 1], [100, 1, 1], [10, 1, 1]];
        let cifar = &[[3, 32, 32], [64, 16, 16], [64, 16, 16], [128, 8, 8], [128, 8, 8], [10, 1, 1]];
        let shapes: [(&str, &[Shape]); 7] = [
            ("mnist", digits),
            ("cryptonets", digits),
            ("mnist-dense", digits),
            ("mnist-small", &[[1, 28, 28], [5, 13, 13], [5, 13, 13], [10, 1, 1]]),
            ("cifar", cifar),
            ("caltech", &[[1280, 1, 1], [102, 1, 1]]),
            ("caltech-4096", &[[4096, 1, 1], [102, 1, 1]]),
        ];
        assert_eq!(shapes.map(|(name, _)| name), NAMED.map(|network| network.name));
        for (name, shapes) in shapes {
            assert_eq!(load(name).shapes(), shapes, "{name}");
        }
    }

    #[test]
    fn names_that_share_weights_share_the_network() {
        let digest = load("mnist").digest();
        assert!(["cryptonets", "mnist-dense"].iter().all(|name| load(name).digest() == digest));
        assert!(["", "MNIST", "mnist ", "cifar10"].iter().all(|name| named(name).is_none()));
    }

    #[test]
    fn trained_networks_declare_what_their_logits_need() {
        for network in &NAMED[..6] {
            let network = network.network().unwrap();
            let declared = u128::from(network.declared_logit_bound().unwrap());
            let proved = network.worst_case_ranges().unwrap().last().unwrap().interval.magnitude();
            assert!(declared <= proved, "{}: {declared} of {proved}", network.name());
            let bits = (declared as f64 / network.logit_tolerance().unwrap()).log2();
            assert!((9.0..17.0).contains(&bits), "{}: a tolerance of 2^-{bits} of the bound", network.name());
            assert!(network.training().unwrap().contains(".py"));
        }
    }

    #[test]
    fn files_are_small_and_canonical() {
        for network in &NAMED {
            let Source::File(bytes) = network.source else { continue };
            assert!(bytes.len() < 900_000, "{}", network.name);
            let network = network.network().unwrap();
            assert_eq!(Network::from_bytes(&network.to_bytes().unwrap()).unwrap(), network);
        }
    }

    #[test]
    fn made_weights_are_those_documented() {
        // The first outputs of the reference implementation for seed 1234567.
        let words = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(splitmix(1_234_567).take(3).collect::<Vec<_>>(), words);
        let network = load("caltech-4096");
        let Op::Dense(dense) = &network.layers()[0].op else { unreachable!() };
        assert_eq!((dense.weights.iter().min(), dense.weights.iter().max()), (Some(&-16), Some(&15)));
        assert!(network.logit_bound().unwrap() <= 1 << 20);
        assert_eq!(network.digest(), load("caltech-4096").digest());
    }
}
