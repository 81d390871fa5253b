#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::testing::{Builder, encode, float, info, int, ints, real, tensor, text};
use super::*;
use crate::graph::Tensor;

fn read(model: &Builder, opset: i64) -> Graph {
    import(model.bytes(opset), Limits::default()).unwrap()
}

fn refuse(model: &Builder, opset: i64) -> GraphError {
    import(model.bytes(opset), Limits::default()).unwrap_err()
}

fn run(model: &Builder, opset: i64, input: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let graph = read(model, opset);
    let output = graph.evaluate(&Tensor::new(graph.input_shape().into(), input.into()).unwrap()).unwrap();
    (output.shape().into(), output.into_data())
}

/// One node from `x` to `y`.
fn one(shape: &[i64], operator: &str, inputs: &str, attributes: Vec<proto::Attribute>) -> Builder {
    Builder::new(shape).node_with(operator, inputs, "y", attributes)
}

const COUNT: [f32; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

#[test]
fn convolution_as_in_the_specification() {
    // The examples `Conv` of the ONNX operator documentation: ones, padded or not.
    let conv = |attributes| one(&[1, 1, 3, 3], "Conv", "x w", attributes).weights("w", &[1, 1, 3, 3], &[1.0; 9]);
    let same = [12.0, 21.0, 16.0, 27.0, 45.0, 33.0, 24.0, 39.0, 28.0];
    assert_eq!(run(&conv(vec![ints("pads", &[1, 1, 1, 1])]), 11, &COUNT), (vec![1, 1, 3, 3], same.into()));
    assert_eq!(run(&conv(vec![text("auto_pad", "SAME_UPPER")]), 11, &COUNT).1, same);
    assert_eq!(run(&conv(vec![text("auto_pad", "VALID")]), 7, &COUNT).1, [45.0]);
    let strided = conv(vec![ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])]);
    assert_eq!(run(&strided, 22, &COUNT).1, [12.0, 16.0, 24.0, 28.0]);
    let dilated = one(&[1, 1, 3, 3], "Conv", "x w b", vec![ints("dilations", &[2, 2])]);
    let dilated = dilated.weights("w", &[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]).weights("b", &[1], &[0.5]);
    assert_eq!(run(&dilated, 11, &COUNT).1, [9731.5]);
    let grouped = one(&[1, 2, 1, 2], "Conv", "x w", vec![int("group", 2)]).weights("w", &[2, 1, 1, 1], &[2.0, 3.0]);
    assert_eq!(run(&grouped, 11, &[1.0, 2.0, 3.0, 4.0]).1, [2.0, 4.0, 9.0, 12.0]);
}

#[test]
fn same_padding_puts_the_odd_side_where_it_is_asked() {
    let conv =
        |pad| one(&[1, 1, 1, 3], "Conv", "x w", vec![text("auto_pad", pad)]).weights("w", &[1, 1, 1, 2], &[1.0, 10.0]);
    assert_eq!(run(&conv("SAME_UPPER"), 11, &COUNT[..3]).1, [21.0, 32.0, 3.0]);
    assert_eq!(run(&conv("SAME_LOWER"), 11, &COUNT[..3]).1, [10.0, 21.0, 32.0]);
}

#[test]
fn matrices() {
    let gemm = |attributes| one(&[1, 2], "Gemm", "x w c", attributes).weights("c", &[3], &[1.0, 2.0, 3.0]);
    let rows = gemm(vec![int("transB", 1), float("alpha", 2.0), float("beta", 10.0)]);
    let rows = rows.weights("w", &[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(run(&rows, 13, &[5.0, 7.0]), (vec![1, 3], vec![20.0, 34.0, 54.0]));
    let columns = gemm(vec![]).weights("w", &[2, 3], &[1.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
    assert_eq!(run(&columns, 7, &[5.0, 7.0]).1, [6.0, 9.0, 15.0]);
    let product = one(&[1, 2], "MatMul", "x w", vec![]).weights("w", &[2, 1], &[3.0, 4.0]);
    assert_eq!(run(&product, 13, &[5.0, 7.0]), (vec![1, 1], vec![43.0]));
    assert!(refuse(&one(&[2, 1], "MatMul", "x x", vec![]), 13).to_string().contains("batch of 2"));
    assert!(refuse(&one(&[1, 1], "MatMul", "x x", vec![]), 13).to_string().contains("operand 1 must be a constant"));
}

#[test]
fn normalisation_of_batches() {
    let model = |attributes| {
        one(&[1, 2, 1, 2], "BatchNormalization", "x s b m v", attributes)
            .weights("s", &[2], &[2.0, 1.0])
            .weights("b", &[2], &[1.0, 0.0])
            .weights("m", &[2], &[1.0, 5.0])
            .weights("v", &[2], &[3.0, 0.0])
    };
    let (_, values) = run(&model(vec![float("epsilon", 1.0)]), 9, &[1.0, 3.0, 5.0, 7.0]);
    assert_eq!(values, [1.0, 3.0, 0.0, 2.0]);
    let trained = refuse(&model(vec![int("training_mode", 1)]), 15);
    assert!(trained.to_string().contains("evaluation mode"), "{trained}");
    let nothing = refuse(&model(vec![float("epsilon", 0.0)]), 9);
    assert!(matches!(nothing, GraphError::NonFinite { .. }), "{nothing}");
}

#[test]
fn arithmetic_with_constants_and_without() {
    let model = |operator: &str, inputs: &str| {
        one(&[1, 2, 1, 2], operator, inputs, vec![]).weights("c", &[2, 1, 1], &[2.0, 4.0]).weights(
            "r",
            &[2],
            &[1.0, 2.0],
        )
    };
    let input = [1.0, 2.0, 3.0, 4.0];
    let cases = [
        ("Add", "x c", [3.0, 4.0, 7.0, 8.0]),
        ("Sub", "x c", [-1.0, 0.0, -1.0, 0.0]),
        ("Sub", "c x", [1.0, 0.0, 1.0, 0.0]),
        ("Mul", "c x", [2.0, 4.0, 12.0, 16.0]),
        ("Div", "x c", [0.5, 1.0, 0.75, 1.0]),
        ("Add", "x r", [2.0, 4.0, 4.0, 6.0]),
        ("Mul", "x r", [1.0, 4.0, 3.0, 8.0]),
        ("Mul", "x x", [1.0, 4.0, 9.0, 16.0]),
        ("Add", "x x", [2.0, 4.0, 6.0, 8.0]),
        ("Sum", "x x", [2.0, 4.0, 6.0, 8.0]),
        ("Sub", "x x", [0.0; 4]),
    ];
    for (operator, inputs, expected) in cases {
        assert_eq!(run(&model(operator, inputs), 13, &input).1, expected, "{operator} {inputs}");
    }
    assert!(refuse(&model("Div", "c x"), 13).to_string().contains("must be a constant"));
    let zero = one(&[1, 2], "Div", "x z", vec![]).weights("z", &[1], &[0.0]);
    assert!(refuse(&zero, 13).to_string().contains("divisor is 0"));
    let power = |exponent| one(&[1, 2], "Pow", "x p", vec![]).weights("p", &[], &[exponent]);
    assert_eq!(run(&power(2.0), 12, &[3.0, -4.0]).1, [9.0, 16.0]);
    assert!(refuse(&power(3.0), 12).to_string().contains("exponent 2"));
}

#[test]
fn pools() {
    let pool = |operator: &str, attributes| one(&[1, 1, 3, 3], operator, "x", attributes);
    let two = || vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    let ceiling = || [two(), vec![int("ceil_mode", 1)]].concat();
    assert_eq!(run(&pool("MaxPool", two()), 8, &COUNT).1, [5.0]);
    assert_eq!(run(&pool("MaxPool", ceiling()), 10, &COUNT).1, [5.0, 6.0, 8.0, 9.0]);
    assert_eq!(run(&pool("AveragePool", ceiling()), 10, &COUNT).1, [3.0, 4.5, 7.5, 9.0]);
    let padded = |count| [two(), vec![ints("pads", &[1, 1, 0, 0]), int("count_include_pad", count)]].concat();
    assert_eq!(run(&pool("AveragePool", padded(0)), 7, &COUNT).1, [1.0, 2.5, 5.5, 7.0]);
    assert_eq!(run(&pool("AveragePool", padded(1)), 7, &COUNT).1, [0.25, 1.25, 2.75, 7.0]);
    assert_eq!(run(&pool("GlobalAveragePool", vec![]), 7, &COUNT), (vec![1, 1, 1, 1], vec![5.0]));
    let both = [ceiling(), vec![int("count_include_pad", 1)]].concat();
    assert!(refuse(&pool("AveragePool", both), 10).to_string().contains("ceil_mode"));
}

#[test]
fn axes_moved_from_attributes_to_inputs() {
    let old = one(&[1, 1, 2, 1], "Squeeze", "x", vec![ints("axes", &[1, -1])]);
    let new = one(&[1, 1, 2, 1], "Squeeze", "x a", vec![]).integers("a", &[1, -1]);
    let all = one(&[1, 1, 2, 1], "Squeeze", "x", vec![]);
    for (model, opset, shape) in [(&old, 11, vec![1, 2]), (&new, 13, vec![1, 2]), (&all, 13, vec![2])] {
        assert_eq!(run(model, opset, &[1.0, 2.0]).0, shape);
    }
    let old = one(&[1, 2], "Unsqueeze", "x", vec![ints("axes", &[0, 3])]);
    let new = one(&[1, 2], "Unsqueeze", "x a", vec![]).integers("a", &[-1, 0]);
    assert_eq!(run(&old, 7, &[1.0, 2.0]).0, [1, 1, 2, 1]);
    assert_eq!(run(&new, 13, &[1.0, 2.0]).0, [1, 1, 2, 1]);
    // An attribute that the newer operator does not have is not passed over.
    let mixed = one(&[1, 2], "Unsqueeze", "x", vec![ints("axes", &[0])]);
    assert!(refuse(&mixed, 13).to_string().contains("no axes"));
}

#[test]
fn bounds_and_padding_moved_from_attributes_to_inputs() {
    let old = one(&[1, 3], "Clip", "x", vec![float("min", 0.0), float("max", 6.0)]);
    let new = one(&[1, 3], "Clip", "x _ h", vec![]).weights("h", &[], &[6.0]);
    assert_eq!(run(&old, 7, &[-1.0, 3.0, 9.0]).1, [0.0, 3.0, 6.0]);
    assert_eq!(run(&new, 11, &[-1.0, 3.0, 9.0]).1, [-1.0, 3.0, 6.0]);
    let old = one(&[1, 2], "Pad", "x", vec![ints("pads", &[0, 1, 0, 2]), float("value", 7.0)]);
    let new = one(&[1, 2], "Pad", "x p v", vec![]).integers("p", &[0, 1, 0, 2]).weights("v", &[], &[7.0]);
    let axes =
        one(&[1, 2], "Pad", "x p v a", vec![]).integers("p", &[1, 2]).weights("v", &[], &[7.0]).integers("a", &[-1]);
    for (model, opset) in [(&old, 7), (&new, 11), (&axes, 18)] {
        assert_eq!(run(model, opset, &[1.0, 2.0]), (vec![1, 5], vec![7.0, 1.0, 2.0, 7.0, 7.0]));
    }
    let reflect = one(&[1, 2], "Pad", "x p", vec![text("mode", "reflect")]).integers("p", &[0, 1, 0, 1]);
    assert!(refuse(&reflect, 13).to_string().contains("reflect"));
    let dropout = one(&[1, 2], "Dropout", "x r t", vec![]).weights("r", &[], &[0.5]).integers("t", &[1]);
    assert!(refuse(&dropout, 12).to_string().contains("evaluation mode"));
    assert_eq!(run(&one(&[1, 2], "Dropout", "x", vec![float("ratio", 0.5)]), 7, &[1.0, 2.0]).1, [1.0, 2.0]);
}

#[test]
fn shapes_and_orders() {
    let reshape = |shape: &[i64], attributes| one(&[1, 2, 3], "Reshape", "x s", attributes).integers("s", shape);
    let input = &COUNT[..6];
    assert_eq!(run(&reshape(&[0, -1], vec![]), 13, input).0, [1, 6]);
    assert_eq!(run(&reshape(&[-1, 0, 3], vec![]), 7, input).0, [1, 2, 3]);
    assert!(refuse(&reshape(&[0, -1], vec![int("allowzero", 1)]), 14).to_string().contains("no values"));
    assert!(refuse(&reshape(&[-1, -1], vec![]), 14).to_string().contains("more than one side"));
    assert!(refuse(&reshape(&[1, 5], vec![]), 14).to_string().contains("cannot become"));
    let flat = |axis| one(&[1, 2, 3], "Flatten", "x", vec![int("axis", axis)]);
    assert_eq!(
        [0, 2, 3, -1].map(|axis| run(&flat(axis), 11, input).0),
        [[1, 6], [2, 3], [6, 1], [2, 3]].map(Vec::from)
    );
    let turned = one(&[1, 2, 3], "Transpose", "x", vec![ints("perm", &[0, 2, 1])]);
    assert_eq!(run(&turned, 13, input), (vec![1, 3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    assert_eq!(run(&one(&[1, 2, 3], "Transpose", "x", vec![]), 13, input).0, [3, 2, 1]);
    let joined = one(&[1, 2], "Concat", "x x", vec![int("axis", -1)]);
    assert_eq!(run(&joined, 11, &[1.0, 2.0]).1, [1.0, 2.0, 1.0, 2.0]);
    let sliced = one(&[1, 2, 3], "Slice", "x s e a t", vec![]).integers("s", &[2, 0]).integers("e", &[-9, 1]);
    let sliced = sliced.integers("a", &[2, 1]).integers("t", &[-2, 1]);
    assert_eq!(run(&sliced, 10, input), (vec![1, 1, 2], vec![3.0, 1.0]));
    let old = one(&[1, 2, 3], "Slice", "x", vec![ints("starts", &[1]), ints("ends", &[9]), ints("axes", &[2])]);
    assert_eq!(run(&old, 7, input).1, [2.0, 3.0, 5.0, 6.0]);
}

#[test]
fn the_axis_of_softmax_changed_its_meaning() {
    let model =
        |axis: Option<i64>| one(&[1, 2, 2], "Softmax", "x", axis.map(|axis| int("axis", axis)).into_iter().collect());
    let input = [0.0, 3_f32.ln(), 0.0, 0.0];
    let rounded = |model, opset| run(&model, opset, &input).1.iter().map(|x| (x * 120.0).round()).collect::<Vec<_>>();
    assert_eq!(rounded(model(None), 7), [20.0, 60.0, 20.0, 20.0], "all axes from 1 on");
    assert_eq!(rounded(model(None), 13), [30.0, 90.0, 60.0, 60.0], "the last axis");
    assert_eq!(rounded(model(Some(1)), 13), [60.0, 90.0, 60.0, 30.0], "axis 1 alone");
    let log = one(&[1, 2], "LogSoftmax", "x", vec![]);
    assert_eq!(run(&log, 13, &[1000.0, 0.0]).1, [0.0, -1000.0], "nothing overflows");
    let best = one(&[1, 3], "ArgMax", "x", vec![int("axis", 1), int("keepdims", 0)]);
    assert_eq!(run(&best, 13, &[1.0, 5.0, 5.0]), (vec![1], vec![1.0]));
}

#[test]
fn constants_are_folded() {
    let model = Builder::new(&[1, 2])
        .node_with("Constant", "", "a", vec![tensor("value", real(&[2], &[1.0, 2.0]))])
        .integers("n", &[2])
        .node_with("ConstantOfShape", "n", "b", vec![tensor("value", real(&[1], &[10.0]))])
        .node("Mul", "a b", "c")
        .integers("s", &[1])
        .integers("t", &[2])
        .node_with("Concat", "s t", "st", vec![int("axis", 0)])
        .node("Reshape", "c st", "d")
        .node_with("Cast", "d", "e", vec![int("to", 1)])
        .node("Add", "x e", "y");
    let graph = read(&model, 13);
    assert_eq!(graph.nodes().len(), 1);
    assert_eq!(run(&model, 13, &[1.0, 1.0]).1, [11.0, 21.0]);
}

#[test]
fn old_files_list_weights_as_inputs_and_have_open_batches() {
    let mut model = one(&[-1, 2], "Add", "x w", vec![]).weights("w", &[2], &[1.0, 2.0]);
    model.graph.inputs.push(info("w", &[2]));
    assert_eq!(run(&model, 7, &[0.0, 0.0]), (vec![1, 2], vec![1.0, 2.0]));
}

#[test]
fn what_is_not_supported_is_named() {
    let model = one(&[1, 2], "Gelu", "x", vec![]);
    assert_eq!(refuse(&model, 20).to_string().split(';').next(), Some("node \"y\": operator Gelu is not supported"));
    let relu = one(&[1, 2], "Relu", "x", vec![]);
    for opset in [0, 6, NEWEST_OPSET + 1] {
        assert!(matches!(refuse(&relu, opset), GraphError::Opset { found, .. } if found == opset));
    }
    let unknown = one(&[1, 2], "Relu", "x", vec![int("alpha", 1)]);
    assert!(refuse(&unknown, 13).to_string().contains("attribute \"alpha\""));
    let error = refuse(&one(&[1, -1], "Relu", "x", vec![]), 13);
    assert!(error.to_string().starts_with("axis 1 of input \"x\" is dynamic (N)"), "{error}");
    assert!(matches!(refuse(&one(&[4, 2], "Relu", "x", vec![]), 13), GraphError::Batch { batch: 4, .. }));
    assert!(matches!(refuse(&one(&[1, 2], "Relu", "z", vec![]), 13), GraphError::Undefined { .. }));
    let twice = relu.clone().node("Relu", "x", "y");
    assert!(refuse(&twice, 13).to_string().contains("two values are named \"y\""));
    let mut two = relu.clone();
    two.graph.inputs.push(info("z", &[1]));
    assert!(matches!(refuse(&two, 13), GraphError::Ends { what: "input", found: 2 }));
    let mut none = relu;
    none.graph.outputs.clear();
    assert!(matches!(refuse(&none, 13), GraphError::Ends { what: "output", found: 0 }));
}

#[test]
fn weights_that_are_no_numbers_or_elsewhere_are_refused() {
    let model = one(&[1, 2], "Add", "x w", vec![]).weights("w", &[2], &[1.0, f32::NAN]);
    assert!(matches!(refuse(&model, 13), GraphError::NonFinite { index: 1, .. }));
    let mut external = one(&[1, 2], "Add", "x w", vec![]);
    let tensor = proto::Tensor { name: "w".into(), data_location: 1, ..real(&[2], &[]) };
    external.graph.initializers.push(encode(&tensor));
    assert!(refuse(&external, 13).to_string().contains("tensor \"w\" is stored outside"));
    let overflow = one(&[1, 1], "Add", "x z", vec![]).weights("w", &[1], &[f32::MAX]).node("Add", "w w", "z");
    let mut nodes = overflow.graph.nodes.clone();
    nodes.reverse();
    let overflow = Builder { graph: proto::Graph { nodes, ..overflow.graph } };
    assert!(matches!(refuse(&overflow, 13), GraphError::NonFinite { .. }));
}

#[test]
fn a_small_file_cannot_ask_for_much() {
    let huge = Builder::new(&[1, 2]).integers("n", &[1 << 24, 1 << 10]).node("ConstantOfShape", "n", "y");
    assert!(matches!(refuse(&huge, 13), GraphError::TooMany { .. }));
    let mut doubling = Builder::new(&[1, 2]).integers("n", &[1 << 20]).node("ConstantOfShape", "n", "c0");
    for i in 0..80 {
        doubling = doubling.node("Add", &format!("c{i} c{i}"), &format!("c{}", i + 1));
    }
    assert!(matches!(refuse(&doubling, 13), GraphError::TooMany { what: "computed constants", .. }));
    let mut many = Builder::new(&[1, 2]);
    many.graph.nodes = vec![Bytes::new(); (1 << 16) + 1];
    assert!(matches!(refuse(&many, 13), GraphError::TooMany { what: "nodes", .. }));
    let wide = one(&[1, 1 << 40], "Relu", "x", vec![]);
    assert!(matches!(refuse(&wide, 13), GraphError::Shape { .. }));
    let pad = one(&[1, 2], "Pad", "x p", vec![]).integers("p", &[0, 0, 0, i64::MAX]);
    assert!(matches!(refuse(&pad, 13), GraphError::Shape { .. }));
}

#[test]
fn truncated_and_changed_files_never_panic() {
    let conv =
        one(&[1, 1, 3, 3], "Conv", "x w", vec![ints("pads", &[1, 1, 1, 1])]).weights("w", &[1, 1, 2, 2], &[1.0; 4]);
    let bytes = conv.bytes(13);
    for length in 0..bytes.len() {
        let _ = import(bytes[..length].to_vec(), Limits::default());
    }
    for index in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, bytes[index] ^ 1, bytes[index].wrapping_add(8)] {
            let mut changed = bytes.clone();
            changed[index] = value;
            let _ = import(changed, Limits::default());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(import(bytes, Limits::default()).is_err());
    }
}
