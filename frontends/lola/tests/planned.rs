//! The planner's own plans: counts, and networks encrypted by both schemes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_lola::plan::Cost;
use tacit_lola::{Deployment, Goal, Logits, PlanError, RunError, Scheme, Sequential};
use tacit_model::{
    Conv2d, DIGITS, Dense, Input, Interval, Layer, Network, Op, Padding, Scale, Tolerance, read_picture,
};

fn mnist() -> Network {
    tacit_model::mnist().unwrap()
}

fn digit(network: &Network, digit: usize) -> Vec<i64> {
    network.quantise(&read_picture(DIGITS[digit]).unwrap()).unwrap()
}

/// The decrypted logits of some inputs.
fn encrypted(deployment: &Deployment, inputs: &[Vec<i64>]) -> Vec<Logits> {
    let mut rng = ChaCha20Rng::from_seed([11; 32]);
    let client = deployment.client(&mut rng);
    let spec = deployment.spec();
    let keys = client.evaluation_keys(&mut rng).unwrap();
    assert_eq!(keys.len(), spec.evaluation_keys_len());
    let server = deployment.server().unwrap();
    let keys = server.read_keys(&keys).unwrap();
    let answer = |input: &Vec<i64>| {
        let query = client.encrypt(input, &mut rng).unwrap();
        assert_eq!(query.len(), spec.query_len());
        let answer = server.evaluate(&keys, &query, &Sequential, &|_, _| {}).unwrap();
        assert_eq!(answer.len(), spec.answer_len());
        client.decrypt(&answer).unwrap().release().unwrap()
    };
    inputs.iter().map(answer).collect()
}

#[test]
fn exact_logits_are_those_of_the_interpreter() {
    let network = mnist();
    for goal in [Goal::Latency, Goal::Upload] {
        let deployment = Deployment::new(&network, goal, Scheme::Bfv).unwrap();
        let inputs: Vec<_> = [3, 8].map(|number| digit(&network, number)).into();
        for (input, logits) in inputs.iter().zip(encrypted(&deployment, &inputs)) {
            assert_eq!(logits, Logits::Exact(network.evaluate(input).unwrap().logits), "{goal:?}");
        }
    }
}

/// No error exceeds the bound, and the bound is not absurd: the errors are above a hundredth of it.
#[test]
fn approximate_logits_are_within_their_bound() {
    let network = mnist();
    for goal in [Goal::Latency, Goal::Upload] {
        let deployment = Deployment::new(&network, goal, Scheme::Ckks).unwrap();
        let inputs: Vec<_> = (0..10).map(|number| digit(&network, number)).collect();
        let (mut largest, mut bound): (f64, f64) = (0.0, 0.0);
        for (input, logits) in inputs.iter().zip(encrypted(&deployment, &inputs)) {
            let clear = network.evaluate(input).unwrap();
            assert!(logits.agree_with(&clear.logits), "{goal:?}: {logits:?} for {:?}", clear.logits);
            assert_eq!(logits.argmax(), Some(clear.class));
            largest = largest.max(logits.largest_difference(&clear.logits));
            bound = bound.max(logits.error().unwrap());
        }
        assert!(largest > bound / 100.0, "{goal:?}: {largest} of {bound}");
        // Beside the error there is what releasing rounds away.
        assert!(bound < 2.0 * 8.0 * network.logit_tolerance().unwrap(), "{goal:?}: {bound}");
    }
}

/// The floor of key switches and products that is known for the shape, and one message up.
#[test]
fn counts_of_the_bundled_network() {
    let cost = |goal, scheme| {
        let deployment = Deployment::new(&mnist(), goal, scheme).unwrap();
        (deployment.lowered().plan().cost(), deployment.spec().query_messages())
    };
    let (Cost { plain_products, .. }, messages) = cost(Goal::Latency, Scheme::Bfv);
    assert!(plain_products <= 53 && messages == 25);
    assert_eq!(cost(Goal::Upload, Scheme::Ckks).1, 1);
    assert_eq!(cost(Goal::Upload, Scheme::Bfv).1, 1);
    let (fast, _) = cost(Goal::Latency, Scheme::Ckks);
    assert!(fast.plain_products <= 53 && fast.key_switches() <= 23, "{fast:?}");
}

/// A table of numbers: signed inputs, a dense first layer, no convolution.
fn table(outputs: usize, bound: u64) -> Network {
    let weights = |count: usize| (0..count as i64).map(|i| i * 7919 % 41 - 20).collect::<Vec<_>>();
    let dense = |outputs: usize, inputs: usize| {
        let bias = weights(outputs).into_iter().map(i128::from).collect();
        Op::Dense(Dense { outputs, inputs, weights: weights(outputs * inputs), bias })
    };
    let ops = [dense(12, 30), Op::Square, dense(outputs, 12)];
    let layers = ops.into_iter().enumerate().map(|(i, op)| Layer { name: format!("layer{i}"), op }).collect();
    let labels = (0..outputs).map(|i| i.to_string()).collect();
    let input = Input { shape: [30, 1, 1], scale: Scale::new(1, 1).unwrap() };
    let network = Network::new("table", input, layers, labels).unwrap();
    network.with_input_range(Interval::new(-9, 9)).with_logit_bound(bound)
}

#[test]
fn tables_of_numbers() {
    let network = table(3, 1 << 33);
    let input: Vec<i64> = (0..30).map(|i| i * 5 % 19 - 9).collect();
    let clear = network.evaluate(&input).unwrap();
    for scheme in [Scheme::Bfv, Scheme::Ckks] {
        let deployment = Deployment::new(&network, Goal::Latency, scheme).unwrap();
        let logits = encrypted(&deployment, core::slice::from_ref(&input));
        assert!(logits[0].agree_with(&clear.logits), "{scheme:?}: {logits:?} for {:?}", clear.logits);
    }
}

/// Nothing to compute, and ranges and bounds at the ends of their types: a plan or a refusal.
#[test]
fn networks_at_the_edges() {
    let nothing = Dense { outputs: 2, inputs: 3, weights: vec![0; 6], bias: vec![0; 2] };
    let layers = vec![Layer { name: "nothing".into(), op: Op::Dense(nothing) }];
    let input = Input { shape: [3, 1, 1], scale: Scale::new(1, 1).unwrap() };
    let network = Network::new("nothing", input, layers, vec!["a".into(), "b".into()]).unwrap();
    for scheme in [Scheme::Bfv, Scheme::Ckks] {
        let deployment = Deployment::new(&network, Goal::Latency, scheme).unwrap();
        let logits = encrypted(&deployment, &[vec![255, 0, 7]]);
        assert!(logits[0].agree_with(&[0, 0]), "{scheme:?}: {logits:?}");
        let widest = network.clone().with_input_range(Interval::new(i128::MIN, i128::MAX)).with_logit_bound(u64::MAX);
        drop(Deployment::new(&widest, Goal::Latency, scheme));
        for bits in [1, 40, 50, 57, 60, 63] {
            let network = table(3, 1 << bits);
            assert!(Deployment::new(&network, Goal::Latency, scheme).is_ok(), "{scheme:?}, logits of {bits} bits");
        }
    }
}

/// A query of many inputs: each has the logits of its own, and more inputs than slots are refused.
#[test]
fn batches() {
    let network = table(3, 1 << 33);
    let input = |i: usize| (0..30).map(|j| (i * 7 + j * j) as i64 % 19 - 9).collect::<Vec<_>>();
    for (scheme, slots) in [(Scheme::Bfv, 1), (Scheme::Ckks, 2)] {
        let deployment = Deployment::new(&network, Goal::Throughput, scheme).unwrap();
        let (spec, mut rng) = (deployment.spec(), ChaCha20Rng::from_seed([6; 32]));
        assert_eq!(spec.batch(), spec.params().degree() / slots);
        assert_eq!(deployment.lowered().plan().cost().rotations, 0);
        let (client, server) = (deployment.client(&mut rng), deployment.server().unwrap());
        let keys = server.read_keys(&client.evaluation_keys(&mut rng).unwrap()).unwrap();
        for count in [1, 37, spec.batch()] {
            let inputs: Vec<_> = (0..count).map(input).collect();
            let query = client.encrypt_batch(&inputs, &mut rng).unwrap();
            let answer = server.evaluate(&keys, &query, &Sequential, &|_, _| {}).unwrap();
            let logits = client.decrypt(&answer).unwrap().release_batch(count).unwrap();
            assert_eq!(logits.len(), count);
            for (input, logits) in inputs.iter().zip(logits) {
                let clear = network.evaluate(input).unwrap().logits;
                assert!(logits.agree_with(&clear), "{scheme:?}: {logits:?} for {clear:?}");
            }
            let many = vec![input(0); spec.batch() + 1];
            let refusal = RunError::Batch { found: many.len(), most: spec.batch() };
            assert_eq!(client.encrypt_batch(&many, &mut rng).unwrap_err(), refusal);
            assert_eq!(client.decrypt(&answer).unwrap().release_batch(many.len()).unwrap_err(), refusal);
        }
        let none: [Vec<i64>; 0] = [];
        let refusal = RunError::Batch { found: 0, most: spec.batch() };
        assert_eq!(client.encrypt_batch(&none, &mut rng).unwrap_err(), refusal);
    }
    let single = Deployment::new(&network, Goal::Latency, Scheme::Bfv).unwrap();
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let two = single.client(&mut rng).encrypt_batch(&[input(0), input(1)], &mut rng);
    assert_eq!(two.unwrap_err(), RunError::Batch { found: 2, most: 1 });
}

/// The less a network's labels bear, the smaller is the error, and no plan exceeds what they bear.
#[test]
fn errors_stay_within_the_tolerance() {
    let bound = f64::from(30).exp2();
    let deployed = |bits: f64| {
        let tolerance = Tolerance::new(bound * (-bits).exp2() / 8.0).unwrap();
        let network = table(3, 1 << 30).with_logit_tolerance(tolerance);
        let deployment = Deployment::new(&network, Goal::Latency, Scheme::Ckks).unwrap();
        assert_eq!(deployment.precision().unwrap().bits(), bits);
        let lowered = deployment.lowered();
        let output = lowered.state(lowered.plan().outputs()[0]);
        // The largest message over the error of a slot, whose real part has half of the variance.
        let found = output.limit - output.noise.log2();
        assert!(found >= bits - 0.5, "{found} bits of {bits}");
        found
    };
    let found: Vec<_> = [5.0, 9.0, 17.0, 24.0].map(deployed).into();
    assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
    let default = Deployment::new(&table(3, 1 << 30), Goal::Latency, Scheme::Ckks).unwrap();
    assert_eq!(default.precision().map(|p| (p.bits(), p.tolerance())), Some((9.0, None)));
    assert_eq!(Deployment::new(&table(3, 1 << 30), Goal::Latency, Scheme::Bfv).unwrap().precision(), None);
}

#[test]
fn values_that_the_network_does_not_read_are_refused_before_encryption() {
    let network = table(3, 1 << 33);
    let mut input = vec![0; 30];
    input[17] = 10;
    for scheme in [Scheme::Bfv, Scheme::Ckks] {
        let deployment = Deployment::new(&network, Goal::Latency, scheme).unwrap();
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let client = deployment.client(&mut rng);
        let error = client.encrypt(&input, &mut rng).unwrap_err();
        assert_eq!(error, RunError::Range { index: 17, value: 10, low: -9, high: 9 });
    }
}

/// A layer of a size that no plan is laid out for is refused by name, at once.
#[test]
fn a_layer_too_large_is_refused() {
    let conv = Conv2d {
        maps: 64,
        channels: 64,
        kernel: [3, 3],
        stride: [1, 1],
        padding: Padding::default(),
        weights: vec![1; 64 * 64 * 9],
        bias: vec![0; 64],
    };
    let last = Conv2d { maps: 1, kernel: [222, 222], weights: vec![1; 64 * 222 * 222], bias: vec![0], ..conv.clone() };
    let layers = [("wide", conv), ("last", last)].map(|(name, conv)| Layer { name: name.into(), op: Op::Conv2d(conv) });
    let input = Input { shape: [64, 224, 224], scale: Scale::new(1, 255).unwrap() };
    let network = Network::new("large", input, layers.into(), vec!["only".into()]).unwrap().with_logit_bound(1 << 40);
    for scheme in [Scheme::Bfv, Scheme::Ckks] {
        let refused = Deployment::new(&network, Goal::Latency, scheme).map(drop);
        assert!(matches!(&refused, Err(PlanError::TooLarge { layer, .. }) if layer == "wide"), "{refused:?}");
    }
}

/// A message per value takes a term per product: far fewer products are planned so.
#[test]
fn batches_of_a_large_network_are_refused() {
    let network = tacit_model::named("caltech-4096").unwrap().network().unwrap();
    assert!(Deployment::new(&network, Goal::Throughput, Scheme::Bfv).is_ok());
    let wide = Dense { outputs: 300, inputs: 4096, weights: vec![1; 300 * 4096], bias: vec![0; 300] };
    let labels = (0..300).map(|i| i.to_string()).collect();
    let layers = vec![Layer { name: "wide".into(), op: Op::Dense(wide) }];
    let wide = Network::new("wide", *network.input(), layers, labels).unwrap();
    let refused = Deployment::new(&wide, Goal::Throughput, Scheme::Bfv).map(drop);
    assert!(matches!(&refused, Err(PlanError::TooLarge { layer, .. }) if layer == "wide"), "{refused:?}");
}

/// Squares upon squares: no supported ring has a modulus for them.
#[test]
fn a_network_too_deep_is_refused() {
    let square = |i: usize| Layer { name: format!("square{i}"), op: Op::Square };
    let one = Dense { outputs: 1, inputs: 1, weights: vec![1], bias: vec![0] };
    let mut layers: Vec<Layer> = (0..40).map(square).collect();
    layers.push(Layer { name: "last".into(), op: Op::Dense(one) });
    let input = Input { shape: [1, 1, 1], scale: Scale::new(1, 255).unwrap() };
    let network = Network::new("deep", input, layers, vec!["only".into()]).unwrap().with_logit_bound(1 << 40);
    let refused = |scheme| Deployment::new(&network, Goal::Latency, scheme).map(drop);
    assert!(matches!(refused(Scheme::Bfv), Err(PlanError::TooDeep { degree: 32768, .. })));
    assert!(matches!(refused(Scheme::Ckks), Err(PlanError::TooManySquares { squares: 40, degree: 32768, .. })));
}
