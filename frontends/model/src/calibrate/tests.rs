#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::graph::Operator;
use crate::leveled::{self, lower};
use crate::pass::testing::{conv, graph, matrix, noise};

fn chain() -> Chain {
    let graph = graph(&[1, 1, 5, 4], |g, x| {
        let x = g.push("conv", conv(3, 1, 1), vec![x])?;
        let x = g.push("square", Operator::Square, vec![x])?;
        let x = g.push("flatten", Operator::Reshape(vec![1, 27]), vec![x])?;
        g.push("dense", matrix(4, 27), vec![x])
    });
    lower(&graph, leveled::Options::default()).unwrap()
}

fn rows(count: usize, labels: Option<Vec<usize>>) -> Rows {
    Rows::new(20, noise(20 * count, 77), labels).unwrap()
}

fn names() -> Vec<String> {
    ["a", "b", "c", "d"].map(String::from).into()
}

#[test]
fn the_range_shrinks_as_far_as_the_agreement_allows() {
    let options = Options { loss: 0.05, ..Options::default() };
    let found = quantise(&chain(), &rows(400, None), names(), &options).unwrap();
    let (first, last) = (&found.trials[0], &found.trials[found.trials.len() - 1]);
    assert!(last.logit_bits < first.logit_bits - 8.0, "{} to {}", first.logit_bits, last.logit_bits);
    assert!(last.agree * 100 >= last.rows * 95 && last.rows == 300);
    assert!(found.trials.windows(2).all(|pair| pair[1].logit_bits < pair[0].logit_bits));
    let held_out = found.held_out.unwrap();
    assert_eq!(held_out.rows, 100);
    assert!(held_out.agree >= 85, "{held_out:?}");
    // The exact network answers as the search said.
    assert_eq!(held_out.weight_bits, last.weight_bits);
    assert!(found.network.logit_bound().unwrap() as f64 >= last.logit_bits.exp2() - 2.0);
    assert_eq!(found.network.logit_tolerance(), None, "400 rows");
    let again = Network::from_bytes(&found.network.to_bytes().unwrap()).unwrap();
    assert_eq!(again, found.network);
}

#[test]
fn many_rows_say_what_errors_the_labels_bear() {
    let rows = rows(MANY_ROWS, None);
    let network = quantise(&chain(), &rows, names(), &Options { loss: 0.05, ..Options::default() }).unwrap().network;
    let mut gaps = crate::tolerance::Gaps::default();
    for row in rows.iter() {
        let row: Vec<f64> = row.iter().map(|&value| value.into()).collect();
        gaps.add(&network.evaluate(&network.quantise_reals(&row).unwrap()).unwrap().logits);
    }
    assert!(network.logit_tolerance().is_some());
    assert_eq!(network.logit_tolerance(), gaps.tolerance().map(crate::Tolerance::deviation));
}

#[test]
fn labels_count_more_than_agreement() {
    // Labels that are wrong everywhere leave the search free.
    let options = Options { loss: 0.0, ..Options::default() };
    let real = quantise(&chain(), &rows(40, None), names(), &options).unwrap();
    let input: Vec<usize> = rows(40, None)
        .iter()
        .map(|row| {
            let row: Vec<f64> = row.iter().map(|&value| value.into()).collect();
            real.network.evaluate(&real.network.quantise_reals(&row).unwrap()).unwrap().class
        })
        .collect();
    let right = quantise(&chain(), &rows(40, Some(input)), names(), &options).unwrap();
    assert_eq!((right.real_correct, right.held_out), (Some(40), None));
    assert_eq!(right.trials.last().unwrap().correct, Some(40));
}

#[test]
fn pixels_are_read_as_pixels() {
    let pixels: Vec<f32> = noise(20 * 50, 5).iter().map(|value| (value.abs() * 255.0).floor() / 255.0).collect();
    let options = Options { loss: 0.1, pixel_scale: Some(1.0 / 255.0), ..Options::default() };
    let found = quantise(&chain(), &Rows::new(20, pixels, None).unwrap(), names(), &options).unwrap();
    assert_eq!(found.network.declared_input_range(), None);
    let largest = found.network.input().scale.quantise(255);
    assert!((1..=255).contains(&largest), "{largest}");
}

#[test]
fn inputs_beyond_the_calibrated_range_are_refused() {
    let found = quantise(&chain(), &rows(40, None), names(), &Options { loss: 0.2, ..Options::default() }).unwrap();
    let network = found.network;
    assert!(network.quantise_reals(&[1.9; 20]).is_ok());
    assert!(matches!(network.quantise_reals(&[3.0; 20]), Err(ModelError::InputRange { index: 0, .. })));
    assert!(matches!(network.quantise_reals(&[f64::NAN; 20]), Err(ModelError::InputRange { .. })));
    assert!(matches!(network.quantise_reals(&[0.0; 19]), Err(ModelError::InputLength { .. })));
}

#[test]
fn unfit_data_are_refused() {
    let quantise = |rows: Rows, options: &Options| quantise(&chain(), &rows, names(), options).unwrap_err().to_string();
    let plain = Options::default();
    assert!(quantise(Rows::new(10, vec![1.0; 20], None).unwrap(), &plain).contains("10 values per sample"));
    assert!(quantise(rows(3, Some(vec![0, 1, 4])), &plain).contains("label 4"));
    assert!(quantise(Rows::new(20, vec![0.0; 20], None).unwrap(), &plain).contains("all values are 0"));
    let strict = Options { loss: 0.0, weight_bits: 2, input_bits: 1, ..Options::default() };
    assert!(quantise(rows(300, None), &strict).contains("even 2-bit weights agree"));
}
