#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn operands_are_defined_before_they_are_used() {
    let mut graph = Graph::new("g", vec![1, 2]).unwrap();
    let x = graph.push("a", Operator::Square, vec![Value::INPUT]).unwrap();
    assert!(
        matches!(graph.push("b", Operator::Add, vec![x, Value(7)]), Err(GraphError::Operand { node }) if node == "b")
    );
    assert!(matches!(graph.push("c", Operator::Multiply, vec![x]), Err(GraphError::Operand { .. })));
    assert!(matches!(graph.push("d", Operator::Add, vec![]), Err(GraphError::Operand { .. })));
    assert!(graph.set_output(Value(9)).is_err());
    assert_eq!((graph.output(), graph.nodes().len(), graph.uses()), (x, 1, vec![1, 1]));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    for shape in [vec![0], vec![1; MAX_RANK + 1], vec![MAX_VALUES + 1], vec![usize::MAX, usize::MAX]] {
        assert!(matches!(Graph::new("g", shape), Err(GraphError::Shape { .. })));
    }
    let mut graph = Graph::new("g", vec![1, 2, 3]).unwrap();
    let x = Value::INPUT;
    let refused = [
        Operator::Reshape(vec![1, 7]),
        Operator::Transpose(vec![0, 0, 1]),
        Operator::Pad { sides: vec![[0, usize::MAX]; 3], value: 0.0 },
        Operator::Softmax { first: 2, end: 4, log: false },
        Operator::ArgMax { axis: 3, keep: true },
        Operator::Slice { start: vec![0; 3], step: vec![1; 3], shape: vec![1, 2, 4] },
        Operator::Slice { start: vec![0; 3], step: vec![1, 1, -1], shape: vec![1, 2, 2] },
        Operator::Slice { start: vec![0; 3], step: vec![isize::MIN; 3], shape: vec![1, 2, 3] },
        Operator::MaxPool(Window::of([1, 1])),
        Operator::ChannelAffine { scale: vec![1.0; 3], shift: vec![0.0; 3] },
        Operator::Scale(Tensor::of(&[4], vec![1.0; 4])),
    ];
    for operator in refused {
        let error = graph.push("node", operator.clone(), vec![x]).unwrap_err();
        assert!(matches!(&error, GraphError::Shape { node, .. } if node == "node"), "{operator:?}: {error}");
    }
    assert!(graph.nodes().is_empty());
}

#[test]
fn windows_that_hold_too_much_are_refused() {
    let mut graph = Graph::new("g", vec![1, 64, 512, 512]).unwrap();
    let (maps, channels, groups) = (1, 64, 1);
    let conv = |side: usize| {
        let (weights, bias) = (vec![0.0; channels * side * side], vec![0.0]);
        Operator::Convolution(Convolution { window: Window::of([side, side]), maps, channels, groups, weights, bias })
    };
    assert!(graph.push("small", conv(3), vec![Value::INPUT]).is_ok());
    let error = graph.push("large", conv(9), vec![Value::INPUT]).unwrap_err();
    assert!(error.to_string().contains("its windows hold more than"), "{error}");
}

#[test]
fn a_value_may_be_used_many_times() {
    let mut graph = Graph::new("g", vec![1, 2]).unwrap();
    let square = graph.push("square", Operator::Square, vec![Value::INPUT]).unwrap();
    graph.push("unused", Operator::Relu, vec![square]).unwrap();
    let sum = graph.push("sum", Operator::Add, vec![square, square, Value::INPUT]).unwrap();
    graph.push("product", Operator::Multiply, vec![sum, square]).unwrap();
    let output = graph.evaluate(&Tensor::new(vec![1, 2], vec![1.0, -2.0]).unwrap()).unwrap();
    assert_eq!(output.data(), [3.0, 24.0]);
    let wrong = graph.evaluate(&Tensor::scalar(1.0)).unwrap_err();
    assert_eq!(wrong.to_string(), "the graph reads values of shape [1, 2] but was given []");
}
