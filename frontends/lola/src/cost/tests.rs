#![allow(clippy::unwrap_used, reason = "tests")]

use core::cell::Cell;
use core::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_model::{Dense, Input, Layer, Network, Op as Layered, Scale};

use super::*;
use crate::{Deployment, Goal, Scheme};

/// Three layers of few values.
fn small() -> Network {
    let dense = |outputs, inputs| {
        Layered::Dense(Dense { outputs, inputs, weights: vec![1; outputs * inputs], bias: vec![1; outputs] })
    };
    let input = Input { shape: [1, 1, 16], scale: Scale::new(1, 64).unwrap() };
    let layers = [("first", dense(4, 16)), ("square", Layered::Square), ("last", dense(2, 4))];
    let layers = layers.into_iter().map(|(name, op)| Layer { name: name.into(), op }).collect();
    Network::new("small", input, layers, vec!["a".into(), "b".into()]).unwrap()
}

fn deployments() -> impl Iterator<Item = Deployment> {
    [Scheme::Bfv, Scheme::Ckks].into_iter().map(|scheme| Deployment::new(&small(), Goal::Latency, scheme).unwrap())
}

/// Counts are of whole calls, so that sums of them are exact.
#[test]
fn work_adds_up_over_stages() {
    for deployment in deployments() {
        let (lowered, sizes) = (deployment.lowered(), deployment.sizes());
        let mut sum = Work::reading(lowered, &sizes);
        assert!(sum.reads > 0.0 && sum.calls() == Calls::default());
        for stage in lowered.plan().stages() {
            let work = Work::of_stage(lowered, &sizes, stage);
            assert!(work.reads == 0.0 && work.calls().products > 0.0);
            sum += work;
        }
        assert_eq!(sum, deployment.work());
        assert_eq!(sum, Work::of(lowered, &sizes));
        assert_eq!(Some(sum), deployment.choices().first().map(|choice| choice.work));
    }
}

/// The formulas of `tacit_core` at seven primes of 49 bits and three special ones of 50.
#[test]
fn transforms_of_single_operations() {
    let primes = [&[(1u64 << 49) - 1; 7][..], &[(1 << 50) - 1; 3]];
    let [exact, approximate] = [1, 0].map(|plain| Sizes::new(16384, primes, plain));
    for (level, key_level, digits, limbs) in [(7, 7, 3, 10), (4, 7, 2, 7), (4, 4, 2, 6), (1, 1, 1, 2)] {
        let (first, hoisted) = (digits * limbs + 2 * limbs, 2 * limbs);
        for sizes in [&exact, &approximate] {
            assert_eq!(sizes.rotation(level, key_level, false).transforms, f64::from(first), "{level} {key_level}");
            assert_eq!(sizes.rotation(level, key_level, true).transforms, f64::from(hoisted), "{level} {key_level}");
            assert_eq!(sizes.rotation(level, key_level, true).products, f64::from(2 * digits * limbs));
        }
        assert_eq!(approximate.multiplication(level, key_level, true, 0).transforms, f64::from(first));
        // As many auxiliary primes as primes: 49 bits each and 4 more are at most 50 bits each, for 4 primes or more.
        let auxiliary = if level < 4 { level + 1 } else { level };
        let square = first + 7 * (level + auxiliary) as i32;
        assert_eq!(exact.multiplication(level, key_level, true, 0).transforms, f64::from(square));
        assert_eq!(exact.multiplication(level, key_level, false, 0).transforms, f64::from(square + 2 * level as i32));
        // Three rotations, of which two share digits, and one division.
        let images = [vec![None, Some(key_level), Some(key_level)], vec![Some(key_level)]];
        let sum = approximate.sum_rotations(level, &images);
        assert_eq!(sum.transforms, f64::from(first + digits * limbs));
        assert_eq!(sum.products, f64::from(3 * 2 * digits * limbs + 2 * level as i32));
    }
    // 7 and 6 limbs of two polynomials, for each stream.
    assert_eq!(exact.switch(7, 5).transforms, 26.0);
    assert_eq!(Sizes::new(16384, primes, 2).switch(7, 5).transforms, 52.0);
}

/// A clock that ticks at every look tells one tick for everything: overheads shrink with the work that is counted.
#[test]
fn a_calibration_is_arithmetic_on_the_clock() {
    for deployment in deployments() {
        let ticks = Cell::new(0);
        let clock = || {
            ticks.set(ticks.get() + 1);
            Duration::from_millis(ticks.get())
        };
        let found = Calibration::measure(&deployment, &clock, &mut ChaCha20Rng::from_seed([1; 32])).unwrap();
        let limbs = deployment.sizes().key_limbs(1) as f64;
        assert!(limbs > 0.0 && found.transform > found.product && found.pass > 0.0);
        // One rotation takes a tick, as four do.
        assert_eq!(found.hoisted, 0.0);
        assert!(found.rotation > 0.0 && found.multiplication > 0.0);
        let read = Work { reads: 3.0, ..Work::default() };
        assert_eq!(found.milliseconds(&read), 3.0 * found.read);
        let total: f64 = found.milliseconds(&deployment.work());
        assert!(total > found.milliseconds(&Work::reading(deployment.lowered(), &deployment.sizes())));
    }
}

#[test]
fn work_and_memory_grow_with_the_ring() {
    let primes = [&[(1u64 << 40) - 1; 3][..], &[(1 << 41) - 1]];
    let [small, large] = [8192, 16384].map(|degree| Sizes::new(degree, primes, 1));
    assert_eq!(small.relative(), 1.0);
    assert!(large.relative() > 2.0);
    for deployment in deployments() {
        let memory = deployment.memory();
        assert!(memory.weights > 0 && memory.keys > 0 && memory.ciphertexts > 0);
        assert_eq!(memory.total(), memory.weights + memory.keys + memory.ciphertexts);
        // The query alone, expanded.
        let level = deployment.lowered().level(Register(0));
        let query = 2 * 8 * deployment.sizes().degree() * level * deployment.sizes().streams();
        assert!(memory.ciphertexts >= query * deployment.lowered().plan().inputs());
    }
}
