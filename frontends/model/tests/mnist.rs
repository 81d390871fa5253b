//! Networks on the 10,000 test images of MNIST. These tests need data that is not in the repository: they look in the
//! folder of the environment variable `TACIT_DATA`, otherwise in `shared/data` beside the workspace, and say so when
//! they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::time::Instant;

use tacit_model::{Dataset, Interval, Network, RangeTracker, Scales, Split, lola_mnist, mnist};

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

fn test_images() -> Option<Dataset> {
    Some(Dataset::open(data("mnist")?, Split::Test).unwrap())
}

fn published(scales: Scales) -> Option<Network> {
    Some(lola_mnist(data("lola/mnist-lola")?, scales).unwrap())
}

/// How many images the network labels rightly, and the largest absolute logit.
fn judge(network: &Network, images: &Dataset) -> (usize, u128) {
    images.check_fits(network).unwrap();
    let start = Instant::now();
    let mut correct = 0;
    let mut largest = 0;
    for (pixels, label) in images.iter() {
        let evaluation = network.classify(pixels).unwrap();
        correct += usize::from(evaluation.class == usize::from(label));
        largest = evaluation.logits.iter().map(|logit| logit.unsigned_abs()).fold(largest, u128::max);
    }
    let (name, count, time) = (network.name(), images.len(), start.elapsed());
    println!("{name}: {correct} of {count} correct, largest logit {largest}, {time:.2?}");
    (correct, largest)
}

#[test]
fn data_set_is_mnist() {
    let Some(images) = test_images() else { return };
    assert_eq!((images.len(), images.images().shape()), (10_000, [1, 28, 28]));
    assert_eq!(images.labels()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let histogram = (0..10).map(|class| images.labels().iter().filter(|&&label| label == class).count());
    assert_eq!(histogram.collect::<Vec<_>>(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
}

#[test]
fn bundled_network_is_accurate() {
    let Some(images) = test_images() else { return };
    let (correct, _) = judge(&mnist().unwrap(), &images);
    assert!(correct >= 9_890, "{correct}");
}

#[test]
fn published_weights_reach_the_accuracy_of_the_paper() {
    let (Some(images), Some(network)) = (test_images(), published(Scales::PAPER)) else { return };
    assert_eq!(judge(&network, &images), (9_895, 722_747_806_699_089_708_316));
}

#[test]
fn published_weights_at_small_scales() {
    let scales = Scales { input: 5, conv: 6, dense: 64, output: 32 };
    let (Some(images), Some(network)) = (test_images(), published(scales)) else { return };
    let (correct, largest) = judge(&network, &images);
    assert_eq!(correct, 9_896);
    let bits = Interval::new(0, largest.try_into().unwrap()).bits();
    assert!((bits - 46.07).abs() < 0.005, "{bits}");
}

#[test]
fn measured_ranges_lie_within_the_worst_case() {
    let (Some(images), Some(network)) = (test_images(), published(Scales::PAPER)) else { return };
    let mut tracker = RangeTracker::new(&network);
    for (pixels, _) in images.iter().take(500) {
        tracker.record(&network.evaluate_traced(&network.quantise(pixels).unwrap()).unwrap());
    }
    assert_eq!(tracker.images(), 500);
    for (measured, worst) in tracker.ranges().iter().zip(network.worst_case_ranges().unwrap()) {
        let bits = (measured.interval.bits(), worst.interval.bits());
        println!("{}: measured {:.2} bits, worst case {:.2} bits", worst.layer, bits.0, bits.1);
        assert_eq!(measured.layer, worst.layer);
        assert_eq!(measured.interval.hull(worst.interval), worst.interval);
    }
}

#[test]
fn published_network_has_the_shapes_of_the_paper() {
    let Some(network) = published(Scales::PAPER) else { return };
    assert_eq!(network.shapes(), [[1, 28, 28], [5, 13, 13], [5, 13, 13], [100, 1, 1], [100, 1, 1], [10, 1, 1]]);
    let parameters: Vec<_> = network.describe().iter().map(|layer| layer.parameters).collect();
    assert_eq!(parameters, [130, 0, 84_600, 0, 1_010]);
}
