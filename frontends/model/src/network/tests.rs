#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::samples::{network, tiny};

fn parts() -> (Input, Vec<Layer>, Vec<String>) {
    let network = tiny();
    (network.input, network.layers, network.labels)
}

fn rebuild(edit: impl FnOnce(&mut Input, &mut Vec<Layer>, &mut Vec<String>)) -> Result<Network, ModelError> {
    let (mut input, mut layers, mut labels) = parts();
    edit(&mut input, &mut layers, &mut labels);
    Network::new("sample", input, layers, labels)
}

fn conv(edit: impl FnOnce(&mut Conv2d)) -> Result<Network, ModelError> {
    rebuild(|_, layers, _| {
        let Op::Conv2d(conv) = &mut layers[0].op else { panic!("the first layer is a convolution") };
        edit(conv);
    })
}

#[test]
fn shapes_follow_the_layers() {
    let network = tiny();
    assert_eq!(network.shapes(), [[1, 4, 4], [2, 2, 2], [2, 2, 2], [3, 1, 1]]);
    assert_eq!((network.inputs(), network.outputs()), (16, 3));
    assert_eq!(rebuild(|_, _, _| ()).unwrap(), network);
}

#[test]
fn describe_counts_parameters_and_products() {
    let network = tiny();
    let rows: Vec<_> =
        network.describe().iter().map(|row| (row.name, row.kind, row.parameters, row.products)).collect();
    // Each map meets 9 + 6 + 6 + 4 input values: the padding takes a column, a row, or both from the other windows.
    let expected = [("layer0", "conv2d", 20, 50), ("layer1", "square", 0, 8), ("layer2", "dense", 27, 24)];
    assert_eq!(rows, expected);
    assert_eq!((network.describe()[0].input, network.describe()[0].output), ([1, 4, 4], [2, 2, 2]));
}

#[test]
fn window_is_row_major_with_padding() {
    let (_, layers, _) = parts();
    let Op::Conv2d(conv) = &layers[0].op else { panic!("the first layer is a convolution") };
    let at = |row, column| conv.window([1, 4, 4], row, column).collect::<Vec<_>>();
    assert_eq!(at(0, 0), [0, 1, 2, 4, 5, 6, 8, 9, 10].map(Some));
    assert_eq!(at(1, 1), [Some(10), Some(11), None, Some(14), Some(15), None, None, None, None]);
    let padding = Padding { top: 1, left: 1, ..Padding::default() };
    let two = Conv2d { channels: 2, kernel: [2, 2], padding, ..conv.clone() };
    let window: Vec<_> = two.window([2, 4, 4], 0, 0).collect();
    assert_eq!(window, [None, None, None, Some(0), None, None, None, Some(16)]);
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let edits: [fn(&mut Conv2d); 3] =
        [|conv| conv.stride[0] = 0, |conv| conv.stride[1] = 0, |conv| conv.padding.top = usize::MAX];
    for edit in edits {
        assert!(matches!(conv(edit), Err(ModelError::Window { layer }) if layer == "layer0"));
    }
    let too_large = conv(|conv| (conv.kernel, conv.weights) = ([6, 3], vec![0; 36]));
    assert!(matches!(too_large, Err(ModelError::Window { .. })));
    let empty = conv(|conv| (conv.kernel, conv.weights) = ([0, 3], vec![]));
    assert!(matches!(empty, Err(ModelError::Window { .. })));
}

#[test]
fn parameters_must_be_as_many_as_the_sizes_say() {
    let error = conv(|conv| conv.weights.truncate(17)).unwrap_err();
    assert_eq!(error.to_string(), "layer \"layer0\" has 17 weights and 2 biases, but its sizes ask for 18 and 2");
    assert!(matches!(conv(|conv| conv.bias.push(0)), Err(ModelError::Parameters { .. })));
    assert!(matches!(conv(|conv| conv.maps = usize::MAX), Err(ModelError::Parameters { .. })));
}

#[test]
fn layers_must_take_what_they_are_given() {
    let error = conv(|conv| (conv.channels, conv.weights) = (2, vec![0; 36])).unwrap_err();
    assert!(matches!(&error, ModelError::LayerInput { layer, found: [1, 4, 4], .. } if layer == "layer0"));
    let error = rebuild(|_, layers, _| drop(layers.remove(0))).unwrap_err();
    assert!(matches!(&error, ModelError::LayerInput { layer, found: [1, 4, 4], .. } if layer == "layer2"));
    assert!(error.to_string().contains("takes 8 values"), "{error}");
}

#[test]
fn sizes_are_bounded() {
    let shape = |shape| rebuild(|input, _, _| input.shape = shape).unwrap_err();
    assert!(matches!(shape([1, 0, 4]), ModelError::EmptyShape { what, .. } if what == "input"));
    assert!(matches!(shape([1, 1 << 12, (1 << 12) + 1]), ModelError::TooManyValues { .. }));
    assert!(matches!(shape([1, usize::MAX, usize::MAX]), ModelError::TooManyValues { .. }));
    let wide = conv(|conv| (conv.padding.bottom, conv.padding.right) = (1 << 13, 1 << 13));
    assert!(matches!(wide, Err(ModelError::TooManyValues { what, .. }) if what == "layer0"));
}

#[test]
fn names_and_labels_are_checked() {
    assert!(matches!(rebuild(|_, layers, _| layers.clear()), Err(ModelError::NoLayers)));
    let twice = rebuild(|_, layers, _| layers[1].name = "layer0".into());
    assert!(matches!(twice, Err(ModelError::DuplicateLayer { layer }) if layer == "layer0"));
    let fewer = rebuild(|_, _, labels| drop(labels.pop()));
    assert!(matches!(fewer, Err(ModelError::LabelCount { expected: 3, found: 2 })));
    for name in ["", "\u{1b}[2J", "a\n", &"x".repeat(MAX_NAME + 1)] {
        let layer = rebuild(|_, layers, _| layers[0].name = name.into());
        assert!(matches!(layer, Err(ModelError::Name { what: "layer", .. })), "{name:?}");
        let label = rebuild(|_, _, labels| labels[2] = name.into());
        assert!(matches!(label, Err(ModelError::Name { what: "label", .. })), "{name:?}");
    }
}

#[test]
fn fingerprint_sees_the_architecture_and_digest_the_weights() {
    let network = tiny();
    let weights = conv(|conv| conv.weights[0] += 1).unwrap();
    let bias = conv(|conv| conv.bias[0] += 1).unwrap();
    for other in [&weights, &bias] {
        assert_eq!(other.fingerprint(), network.fingerprint());
        assert_ne!(other.digest(), network.digest());
    }
    let stride = conv(|conv| (conv.stride, conv.padding) = ([1, 1], Padding::default())).unwrap();
    let label = rebuild(|_, _, labels| labels[0] = "zero".into()).unwrap();
    let scale = rebuild(|input, _, _| input.scale = Scale::new(2, 16).unwrap()).unwrap();
    for other in [&stride, &label, &scale] {
        assert_eq!(other.shapes(), network.shapes());
        assert_ne!(other.fingerprint(), network.fingerprint());
        assert_ne!(other.digest(), network.digest());
    }
    let noted = network.clone().with_training("by hand");
    assert_eq!((noted.digest(), noted.training()), (network.digest(), Some("by hand")));
}

#[test]
fn a_square_alone_is_a_network() {
    assert_eq!(network([2, 1, 1], vec![Op::Square]).evaluate(&[-3, 5]).unwrap().logits, [9, 25]);
}
