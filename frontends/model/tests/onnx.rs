//! Trained ONNX models against the outputs of another runtime. These tests need data that is not in the repository: they look
//! in the folder of the environment variable `TACIT_DATA`, otherwise in `shared/data` beside the workspace, and say so when
//! they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{Write, stderr};
use std::path::PathBuf;
use std::time::Instant;

use tacit_model::rows::{Array, read_npy};
use tacit_model::{Graph, GraphError, Tensor, leveled, onnx, pass};

/// A file of the test data, if it is there.
fn data(name: &str) -> Option<PathBuf> {
    let beside_workspace = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let root = std::env::var_os("TACIT_DATA").map_or_else(beside_workspace, PathBuf::from);
    let file = root.join(name);
    if !file.exists() {
        // Past the capture of the test harness: a skipped test must be seen.
        let _ = writeln!(
            stderr(),
            "skipped: there is no {}; set TACIT_DATA to the folder of the test data",
            file.display()
        );
        return None;
    }
    Some(file)
}

fn array(name: &str) -> Array {
    read_npy(&fs::read(data(name).expect("lies beside its model")).unwrap()).unwrap()
}

/// The outputs for each input of a batch, one after the other.
fn run(graph: &Graph, batch: &Array) -> Vec<f32> {
    let size: usize = graph.input_shape().iter().product();
    let images = batch.values.chunks_exact(size);
    let evaluate = |image: &[f32]| graph.evaluate(&Tensor::new(graph.input_shape().into(), image.into()).unwrap());
    images.flat_map(|image| evaluate(image).unwrap().into_data()).collect()
}

/// The largest difference, in units of the largest expected value.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

/// The model agrees with the reference outputs, as it is and after it was simplified.
fn agrees(name: &str) {
    let Some(file) = data(&format!("models/{name}.onnx")) else { return };
    let start = Instant::now();
    let graph = onnx::open(file).unwrap();
    let read = start.elapsed();
    let (input, expected) =
        (array(&format!("models/golden/{name}.input.npy")), array(&format!("models/golden/{name}.output.npy")));
    let start = Instant::now();
    let error = difference(&run(&graph, &input), &expected.values);
    println!("{name}: read in {read:.2?}, {} rows in {:.2?}, error {error:e}", input.shape[0], start.elapsed());
    assert!(error < 1e-3, "{error}");
    let (simple, notes) = pass::simplify(&graph).unwrap();
    let error = difference(&run(&simple, &input), &expected.values);
    println!("{name}: {} of {} nodes folded, error {error:e}", notes.len(), graph.nodes().len());
    assert!(error < 1e-3 && !simple.nodes().iter().any(|node| node.operator.name() == "ChannelAffine"), "{error}");
}

macro_rules! agrees {
    ($($test:ident: $name:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            agrees($name);
        }
    )*};
}

agrees! {
    mnist: "mnist",
    resnet8: "resnet8_cifar10",
    resnet20: "resnet20_cifar10",
    resnet32: "resnet32_cifar10",
    squeezenet_10: "squeezenet1.0_deepcomp",
    squeezenet_11: "squeezenet1.1_fp32_from_fp16",
    mobilenet_v1: "mobilenetv1_0.25_128_qat_dequant",
    mobilenet_v2: "mobilenetv2_1.0_224_qat_dequant",
    person_detector: "vww_mobilenetv1_0.25_96",
}

/// The halves of this file are the singles of the other.
#[test]
fn half_precision_weights_are_read() {
    let Some(file) = data("models/SqueezeNet_fp16.onnx") else { return };
    let graph = onnx::open(file).unwrap();
    let input = array("models/golden/squeezenet1.1_fp32_from_fp16.input.npy");
    let expected = array("models/golden/squeezenet1.1_fp32_from_fp16.output.npy");
    assert!(difference(&run(&graph, &input), &expected.values) < 1e-3);
}

/// Every trained model has an operation that leveled encryption does not compute: the first is named.
#[test]
fn trained_models_are_refused_by_their_first_comparison() {
    let cases = [
        ("resnet20_cifar10", "Relu"),
        ("mnist", "Relu"),
        ("mobilenetv1_0.25_128_qat_dequant", "Clip"),
        ("squeezenet1.0_deepcomp", "Relu"),
    ];
    for (name, expected) in cases {
        let Some(file) = data(&format!("models/{name}.onnx")) else { return };
        let graph = onnx::open(file).unwrap();
        let first = graph.nodes().iter().find(|node| node.operator.name() == expected).unwrap();
        match leveled::lower(&graph, leveled::Options::default()) {
            Err(GraphError::NotLeveled { node, operator, .. }) => {
                assert_eq!((node.as_str(), operator), (first.name.as_str(), expected));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// The large networks whose weights are filled by nodes: every probability is defined.
#[test]
fn graphs_without_weights_run() {
    for (name, outputs) in [("light_resnet50", 1000), ("light_densenet121", 1000), ("light_squeezenet", 1000)] {
        let Some(file) = data(&format!("models/{name}.onnx")) else { return };
        let graph = onnx::open(file).unwrap();
        let start = Instant::now();
        let input = Tensor::new(vec![1, 3, 224, 224], vec![0.5; 3 * 224 * 224]).unwrap();
        let output = graph.evaluate(&input).unwrap();
        println!("{name}: {} nodes, {} parameters, {:.2?}", graph.nodes().len(), graph.parameters(), start.elapsed());
        assert_eq!(output.data().len(), outputs);
        assert!(output.data().iter().all(|value| value.is_finite()));
    }
}
