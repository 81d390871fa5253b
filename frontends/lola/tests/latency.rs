//! The plan for low latency: its methods against plain products, its counts, and the bundled network encrypted.

#![allow(clippy::unwrap_used, reason = "tests")]

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand_core::SeedableRng;
use tacit_lola::evaluate::{Clear, run};
use tacit_lola::plan::{Affine, Builder, Cost, Plan};
use tacit_lola::representation::{Representation, Segmented};
use tacit_lola::{Deployment, PlanError, PlanKind, Sequential, latency};
use tacit_model::{DIGITS, Layer, Network, read_picture};

const SLOTS: usize = 256;
const MODULUS: u64 = (1 << 40) + 15;

fn network() -> Network {
    tacit_model::mnist().unwrap()
}

fn digit(network: &Network, digit: usize) -> Vec<i64> {
    network.quantise(&read_picture(DIGITS[digit]).unwrap()).unwrap()
}

/// Every logit in its place of the answer.
fn logits(plan: &Plan, messages: &[Vec<i128>]) -> Vec<i128> {
    plan.answer().iter().map(|&(message, slot)| messages[message][slot]).collect()
}

fn product(weights: &[i64], bias: &[i128], x: &[i128]) -> Vec<i128> {
    let dot = |row: &[i64]| row.iter().zip(x).map(|(&w, x)| i128::from(w) * x).sum::<i128>();
    weights.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

proptest! {
    /// Two dense layers: by diagonals in segments, then a row per segment.
    #[test]
    fn dense_layers(
        (x, first, hidden_bias, second, bias) in (1usize..200, 1usize..24, 1usize..8).prop_flat_map(|(n, h, m)| {
            let values = |count| proptest::collection::vec(-20i64..20, count);
            let biases = |count| proptest::collection::vec(-1000i128..1000, count);
            (values(n), values(n * h), biases(h), values(h * m), biases(m))
        })
    ) {
        let segments = Segmented::for_outputs(x.len(), hidden_bias.len(), SLOTS).unwrap();
        prop_assume!(bias.len() <= SLOTS / segments.period);
        let message: Vec<i64> = segments.spread(|i| i128::from(x[i])).iter().map(|&v| v as i64).collect();
        let (mut b, v) = Builder::new("test", SLOTS, segments);
        let hidden = b.segmented_diagonals(&v, Affine { weights: &first, bias: &hidden_bias });
        let y = b.replicated_rows(&hidden, Affine { weights: &second, bias: &bias });
        let plan = b.finish(&y);
        let clear = Clear::new(&plan, MODULUS);
        let messages = run(&plan, &clear, vec![clear.message(&message)], &Sequential, &|_, _| {}).unwrap();
        let x: Vec<i128> = x.into_iter().map(i128::from).collect();
        prop_assert_eq!(logits(&plan, &messages), product(&second, &bias, &product(&first, &hidden_bias, &x)));
    }
}

#[test]
fn segments_hold_every_value_wherever_a_diagonal_looks() {
    for (len, outputs, slots) in [(845, 100, 4096), (845, 100, 8192), (1, 1, 64), (64, 1, 64), (300, 9, 512)] {
        let segments = Segmented::for_outputs(len, outputs, slots).unwrap();
        assert!(outputs + segments.per_segment - 1 <= segments.period);
        assert!((0..len).all(|i| segments.value_at(segments.locate(i).1) == Some(i)));
    }
    assert_eq!(Segmented::for_outputs(845, 100, 8192).unwrap().per_segment, 14);
    assert_eq!(Segmented::for_outputs(845, 100, 128), None);
}

/// 25 products of the convolution, 14 diagonals and the last row product; 6 baby steps, a giant step, 6 folds across segments
/// and 7 within.
#[test]
fn counts_of_the_bundled_network() {
    let (plan, _) = latency::plan(&network(), 8192).unwrap();
    let rotations: Vec<_> = plan.stages().iter().map(|stage| plan.stage_cost(stage).rotations).collect();
    assert_eq!(rotations, [0, 0, 6 + 1 + 6, 0, 7]);
    let Cost { squares, plain_products, scalar_products, .. } = plan.cost();
    assert_eq!((squares, plain_products, scalar_products), (2, 25 + 14 + 1, 0));
    assert_eq!(plan.cost().key_switches(), 22);
}

#[test]
fn the_clear_plan_agrees_with_the_interpreter() {
    let network = network();
    for slots in [4096, 8192, 16384] {
        let (plan, layout) = latency::plan(&network, slots).unwrap();
        let clear = Clear::new(&plan, (1 << 61) - 1);
        for number in 0..10 {
            let input = digit(&network, number);
            let message = |slots: &Vec<Option<usize>>| {
                clear.message(&slots.iter().map(|index| index.map_or(0, |i| input[i])).collect::<Vec<_>>())
            };
            let messages = run(&plan, &clear, layout.iter().map(message).collect(), &Sequential, &|_, _| {}).unwrap();
            assert_eq!(logits(&plan, &messages), network.evaluate(&input).unwrap().logits);
        }
    }
}

#[test]
fn encrypted_logits_are_exact() {
    let network = network();
    let deployment = Deployment::new(&network, PlanKind::Latency).unwrap();
    let mut rng = ChaCha20Rng::from_seed([11; 32]);
    let client = deployment.client(&mut rng);
    let spec = deployment.spec();
    let keys = client.evaluation_keys(&mut rng).unwrap();
    assert_eq!(keys.len(), spec.evaluation_keys_len());
    let server = deployment.server().unwrap();
    let keys = server.read_keys(&keys).unwrap();
    for number in [3, 8] {
        let input = digit(&network, number);
        let query = client.encrypt(&input, &mut rng).unwrap();
        assert_eq!(query.len(), spec.query_len());
        let answer = server.evaluate(&keys, &query, &Sequential, &|_, _| {}).unwrap();
        assert_eq!(answer.len(), spec.answer_len());
        assert_eq!(client.decrypt(&answer).unwrap().release(), network.evaluate(&input).unwrap().logits);
    }
}

/// One dense layer behind the convolution is enough; two squares in a row are not this plan's.
#[test]
fn other_shapes() {
    let network = network();
    let with = |layers: &[usize], outputs: usize| {
        let layers = layers.iter().enumerate().map(|(place, &i)| {
            let layer = network.layers()[i].clone();
            Layer { name: format!("{}-{place}", layer.name), ..layer }
        });
        let labels = (0..outputs).map(|i| i.to_string()).collect();
        Network::new("cut", *network.input(), layers.collect(), labels).unwrap()
    };
    let short = with(&[0, 1, 2], 100);
    let (plan, layout) = latency::plan(&short, 4096).unwrap();
    let clear = Clear::new(&plan, (1 << 61) - 1);
    let input = digit(&short, 5);
    let message = |slots: &Vec<Option<usize>>| {
        clear.message(&slots.iter().map(|index| index.map_or(0, |i| input[i])).collect::<Vec<_>>())
    };
    let messages = run(&plan, &clear, layout.iter().map(message).collect(), &Sequential, &|_, _| {}).unwrap();
    assert_eq!(logits(&plan, &messages), short.evaluate(&input).unwrap().logits);

    let refused = latency::plan(&with(&[0, 1, 1, 2], 100), 4096).unwrap_err();
    let layer = format!("{}-2", network.layers()[1].name);
    assert!(matches!(&refused, PlanError::Shape { plan: latency::NAME, layer: found, .. } if *found == layer));
    assert!(matches!(latency::plan(&network, 64), Err(PlanError::TooWide { .. })));
}
