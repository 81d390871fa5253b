//! The paper's plan against the paper's counts, and against the interpreter, in the clear and encrypted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_lola::evaluate::{Clear, run};
use tacit_lola::plan::Cost;
use tacit_lola::representation::Cell;
use tacit_lola::{Deployment, Executor, Goal, Logits, Scheme, Sequential, paper};
use tacit_model::{DIGITS, Network, read_picture};

fn network() -> Network {
    tacit_model::mnist().unwrap()
}

fn digit(network: &Network, digit: usize) -> Vec<i64> {
    network.quantise(&read_picture(DIGITS[digit]).unwrap()).unwrap()
}

/// Two threads per wave, the tasks dealt out alternately.
struct TwoThreads;

impl Executor for TwoThreads {
    fn for_each(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..count).step_by(2).for_each(task));
            (1..count).step_by(2).for_each(task);
        });
    }
}

/// Table 1 and the text of section 6: 4, 8 (one of them by nothing), 12 rotations to combine vectors; 13 and 10 rows of
/// 10 and 13 rotations.
#[test]
fn counts_are_the_papers() {
    let (plan, _) = paper::plan(&network()).unwrap();
    let rows: Vec<_> = plan.stages().iter().map(|stage| (stage.from.as_str(), stage.to.as_str())).collect();
    let expected = [
        ("25 × 169 convolution", "5 × 169 dense"),
        ("5 × 169 dense", "1 × 845 dense"),
        ("1 × 845 dense", "1 × 845 dense"),
        ("1 × 845 dense", "1 × 6760 stacked"),
        ("1 × 6760 stacked", "13 × 8 interleave"),
        ("13 × 8 interleave", "1 × 100 interleave"),
        ("1 × 100 interleave", "1 × 100 interleave"),
        ("1 × 100 interleave", "1 × 10 sparse"),
    ];
    assert_eq!(rows, expected);
    let rotations: Vec<_> = plan.stages().iter().map(|stage| plan.stage_cost(stage).rotations).collect();
    assert_eq!(rotations, [0, 4, 0, 7, 130, 12, 0, 130]);
    let Cost { squares, plain_products, scalar_products, plain_additions, .. } = plan.cost();
    assert_eq!((squares, plain_products, plain_additions), (2, 13 + 13 + 10, 5 + 1 + 10));
    assert_eq!(scalar_products, 5 * 25);
    assert_eq!(plan.cost().key_switches(), 285);
}

/// LoLa-Small: 4 rotations to one vector, and a product and 13 folds for each of 10 rows.
#[test]
fn counts_of_the_small_network() {
    let (plan, _) = paper::plan(&tacit_model::named("mnist-small").unwrap().network().unwrap()).unwrap();
    assert_eq!((plan.cost().rotations, plan.cost().squares), (4 + 10 * 13, 1));
    assert_eq!((plan.cost().plain_products, plan.cost().scalar_products), (10, 5 * 25));
}

/// 102 rows, each folded over 4096 features.
#[test]
fn counts_of_one_dense_layer() {
    let (plan, _) = paper::plan(&tacit_model::named("caltech-4096").unwrap().network().unwrap()).unwrap();
    assert_eq!((plan.cost().rotations, plan.cost().squares), (102 * 12, 0));
    assert_eq!((plan.cost().plain_products, plan.cost().scalar_products), (102, 0));
}

#[test]
fn the_clear_plan_agrees_with_the_interpreter() {
    for network in [network(), tacit_model::named("mnist-small").unwrap().network().unwrap()] {
        agrees(&network, &(0..10).map(|number| digit(&network, number)).collect::<Vec<_>>());
    }
    let caltech = tacit_model::named("caltech").unwrap().network().unwrap();
    agrees(&caltech, &[(0..1280).map(|i| i * i % 13).collect()]);
}

fn agrees(network: &Network, inputs: &[Vec<i64>]) {
    let (plan, layout) = paper::plan(network).unwrap();
    let clear = Clear::new(&plan, (1 << 61) - 1);
    for input in inputs {
        let message = |cells: &Vec<Cell>| {
            let value = |cell: &Cell| (cell.re().map_or(0, |i| input[i]), 0);
            clear.message(&cells.iter().map(value).collect::<Vec<_>>())
        };
        let outputs =
            run(&plan, &clear, layout.cells().iter().map(message).collect(), &Sequential, &|_, _| {}).unwrap();
        let logits = network.evaluate(input).unwrap().logits;
        for (output, logit) in outputs.iter().zip(logits) {
            assert!(output.iter().all(|&slot| slot == (logit, 0)), "sparse: the logit is in every slot");
        }
    }
}

#[test]
fn encrypted_logits_are_exact_for_any_number_of_threads() {
    let network = network();
    let deployment = Deployment::new(&network, Goal::Paper, Scheme::Bfv).unwrap();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let client = deployment.client(&mut rng);
    let keys = client.evaluation_keys(&mut rng).unwrap();
    let spec = deployment.spec();
    assert_eq!(keys.len(), spec.evaluation_keys_len());
    let server = deployment.server().unwrap();
    let keys = server.read_keys(&keys).unwrap();
    let input = digit(&network, 7);
    let query = client.encrypt(&input, &mut rng).unwrap();
    assert_eq!(query.len(), spec.query_len());
    let answer = server.evaluate(&keys, &query, &TwoThreads, &|_, _| {}).unwrap();
    assert_eq!(answer.len(), spec.answer_len());
    assert_eq!(answer, server.evaluate(&keys, &query, &Sequential, &|_, _| {}).unwrap());
    let logits = client.decrypt(&answer).unwrap().release().unwrap();
    assert_eq!(logits, Logits::Exact(network.evaluate(&input).unwrap().logits));
}
