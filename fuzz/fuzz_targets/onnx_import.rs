//! ONNX files from outside: an error, or a graph that can be simplified, lowered and evaluated without panic, and that the
//! passes do not change.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tacit_model::onnx::{Limits, import};
use tacit_model::{Graph, Tensor, leveled, pass};

/// The most values of all results together that a graph may have to be evaluated here.
const SMALL: usize = 1 << 12;

fn evaluate(graph: &Graph) -> Vec<f32> {
    let count = graph.input_shape().iter().product();
    let input = (0..count).map(|i| (i % 7) as f32 - 3.0).collect();
    let input = Tensor::new(graph.input_shape().to_vec(), input).expect("as many as the shape says");
    graph.evaluate(&input).expect("the input has the shape").into_data()
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { nodes: 1 << 8, computed: 1 << 12 };
    let Ok(graph) = import(data.to_vec(), limits) else { return };
    let (simple, _) = pass::simplify(&graph).expect("a graph stays one");
    assert_eq!(simple.output_shape(), graph.output_shape());
    let values: usize = graph.nodes().iter().map(|node| node.shape().iter().product::<usize>()).sum();
    if values > SMALL || graph.input_shape().iter().product::<usize>() > SMALL {
        return;
    }
    assert_eq!(evaluate(&graph).len(), evaluate(&simple).len());
    if let Ok(chain) = leveled::lower(&graph, leveled::Options::default()) {
        assert!(chain.outputs() > 0);
    }
});
