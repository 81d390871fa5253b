//! The networks that come with the crate, on the data that they were made for. These tests need data that is not in the
//! repository: they look in the folder of the environment variable `TACIT_DATA`, otherwise in `shared/data` beside the
//! workspace, and say so when they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{Write, stderr};
use std::path::PathBuf;

use tacit_model::{Dataset, Network, Rows, Split, named};

/// The folder `name` of the test data, if it is there.
fn data(name: &str) -> Option<PathBuf> {
    let beside_workspace = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let root = std::env::var_os("TACIT_DATA").map_or_else(beside_workspace, PathBuf::from);
    let folder = root.join(name);
    if !folder.is_dir() {
        // Past the capture of the test harness: a skipped test must be seen.
        let folder = folder.display();
        let _ = writeln!(stderr(), "skipped: no test data in {folder}; set TACIT_DATA to the folder that holds {name}");
        return None;
    }
    Some(folder)
}

fn load(name: &str) -> Network {
    named(name).unwrap().network().unwrap()
}

/// How many of the inputs the network labels rightly; no logit may be beyond the declared bound.
fn judge(network: &Network, inputs: impl Iterator<Item = (Vec<i64>, usize)>) -> usize {
    let bound = network.logit_bound().unwrap();
    let rightly = inputs.filter(|(input, label)| {
        let evaluation = network.evaluate(input).unwrap();
        assert!(evaluation.logits.iter().all(|logit| logit.unsigned_abs() <= bound), "{:?}", evaluation.logits);
        evaluation.class == *label
    });
    rightly.count()
}

fn judge_images(network: &Network, images: &Dataset, count: usize) -> usize {
    images.check_fits(network).unwrap();
    let inputs = images.iter().take(count).map(|(pixels, label)| (network.quantise(pixels).unwrap(), label.into()));
    judge(network, inputs)
}

#[test]
fn the_small_network_of_digits_is_as_accurate_as_the_paper() {
    let Some(folder) = data("mnist") else { return };
    let images = Dataset::open(folder, Split::Test).unwrap();
    // The paper: 96.92 %.
    assert_eq!(judge_images(&load("mnist-small"), &images, 10_000), 9_714);
}

#[test]
fn the_network_of_pictures_is_as_accurate_as_stated() {
    let Some(folder) = data("cifar10") else { return };
    let images = Dataset::open(folder, Split::Test).unwrap();
    assert_eq!((images.len(), images.images().shape()), (1_000, [3, 32, 32]));
    assert_eq!(images.labels()[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    // Of all 1,000 it labels 768 rightly; the paper: 74.1 %.
    assert_eq!(judge_images(&load("cifar"), &images, 200), 157);
}

#[test]
fn the_network_of_features_is_as_accurate_as_stated() {
    let Some(folder) = data("caltech101") else { return };
    let network = load("caltech");
    let rows = Rows::open_folder(folder, Split::Test, network.inputs()).unwrap().unwrap();
    let labels = rows.labels().unwrap();
    // Ten images of each class but the background: the class-balanced accuracy is the plain one.
    assert!((1..102).all(|class| labels.iter().filter(|&&label| label == class).count() == 10));
    let inputs = rows.iter().zip(labels).map(|(row, &label)| {
        let reals: Vec<f64> = row.iter().map(|&value| value.into()).collect();
        (network.quantise_reals(&reals).unwrap(), label)
    });
    assert_eq!(judge(&network, inputs), 899);
}
