//! The cost model on a real clock. Only what no load of the machine can turn around is asserted.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_lola::cost::{Calibration, Work};
use tacit_lola::{Deployment, Goal, Scheme};
use tacit_model::{Dense, Input, Layer, Network, Op, Scale};

fn measure(deployment: &Deployment) -> Calibration {
    let start = Instant::now();
    let found = Calibration::measure(deployment, &|| start.elapsed(), &mut ChaCha20Rng::from_seed([3; 32])).unwrap();
    let Calibration { transform, product, pass, read, rotation, hoisted, multiplication } = found;
    for time in [transform, product, pass, read, rotation, multiplication] {
        assert!(time > 0.0 && time.is_finite(), "{found:?}");
    }
    assert!(hoisted >= 0.0 && hoisted.is_finite(), "{found:?}");
    found
}

/// A matrix alone, in a small ring.
fn small() -> Network {
    let input = Input { shape: [1, 1, 8], scale: Scale::new(1, 64).unwrap() };
    let op = Op::Dense(Dense { outputs: 2, inputs: 8, weights: vec![1; 16], bias: vec![0; 2] });
    Network::new("small", input, vec![Layer { name: "only".into(), op }], vec!["a".into(), "b".into()]).unwrap()
}

#[test]
fn times_are_positive_and_grow_with_the_ring() {
    let small = Deployment::new(&small(), Goal::Latency, Scheme::Bfv).unwrap();
    let large = Deployment::new(&tacit_model::mnist().unwrap(), Goal::Paper, Scheme::Bfv).unwrap();
    assert!(4 * small.sizes().degree() <= large.sizes().degree());
    let [less, more] = [&small, &large].map(measure);
    assert!(less.transform < more.transform && less.read < more.read, "{less:?} {more:?}");
    assert!(less.milliseconds(&small.work()) < more.milliseconds(&large.work()));
    assert_eq!(more.milliseconds(&Work::default()), 0.0);
}
