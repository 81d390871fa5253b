#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// Every number of the published shapes is `value`, but the bias of the convolution's maps is 1.
fn write_folder(value: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |columns| vec![value; columns].join(",");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("Weights_0.csv", format!("{},1\n", row(25)).repeat(5));
    write("Weights_1.csv", format!("{}\n", row(100)).repeat(845));
    write("Biases_2.csv", row(100));
    write("Weights_3.csv", format!("{}\n", row(100)).repeat(10));
    write("Biases_3.csv", row(10));
    folder
}

#[test]
fn scales_multiply_through() {
    let folder = write_folder("0.5");
    let network = lola_mnist(folder.path(), Scales { input: 3, conv: 5, dense: 7, output: 11 }).unwrap();
    let parameters: Vec<_> = network.layers().iter().filter_map(|layer| layer.op.parameters()).collect();
    let first = parameters.iter().map(|(weights, bias)| (weights[0], bias[0]));
    // 5/2, 7/2 and 11/2 round to even; the sums have scales 15, 15^2 * 7 = 1575 and 1575^2 * 11 = 27286875.
    assert_eq!(first.collect::<Vec<_>>(), [(2, 15), (4, 788), (6, 13_643_438)]);
}

#[test]
fn numbers_beyond_the_integers_are_refused() {
    let folder = write_folder("1e17");
    let small = Scales { input: 1, conv: 1, dense: 1, output: 1 };
    assert!(lola_mnist(folder.path(), small).is_ok());
    let error = lola_mnist(folder.path(), Scales { conv: 93, ..small }).unwrap_err();
    assert!(matches!(error, ModelError::Quantisation { bits: 64, .. }), "{error}");
    let error = lola_mnist(folder.path(), Scales { input: 0, ..small }).unwrap_err();
    assert!(matches!(error, ModelError::Scale { numerator: 0, .. }), "{error}");
}

#[test]
fn quantise_is_exact_at_its_limits() {
    assert_eq!(quantise(1.5, 1.0, 8).unwrap(), 2);
    assert_eq!(quantise(-2.5, 1.0, 8).unwrap(), -2);
    assert_eq!(quantise(127.4, 1.0, 8).unwrap(), 127);
    assert!(quantise(127.5, 1.0, 8).is_err());
    assert!(quantise(1.0, f64::INFINITY, 128).is_err());
    assert_eq!(quantise(1.0, 126_f64.exp2(), 128).unwrap(), 1 << 126);
    assert!(quantise(1.0, 127_f64.exp2(), 128).is_err());
}

#[test]
fn tables_must_have_their_size() {
    let table = |text: &str| Table::parse(text.as_bytes(), 2, 2);
    let read = table("1,-2.5\r\n3e-1, 4\n").unwrap();
    assert_eq!(read.numbers(), [1.0, -2.5, 0.3, 4.0]);
    assert_eq!(read.transposed().numbers(), [1.0, 0.3, -2.5, 4.0]);
    for (text, wrong) in [
        ("1,2\n3", (2, 2, 1)),
        ("1,2,3\n4,5", (2, 1, 3)),
        ("1,2\n3,4\n5,6", (3, 3, 2)),
        ("1,2", (1, 1, 2)),
        ("", (0, 0, 2)),
    ] {
        let error = table(text).unwrap_err();
        let ModelError::TableSize { expected: [2, 2], rows, row, columns } = error else {
            unreachable!("{text:?}: {error}")
        };
        assert_eq!((rows, row, columns), wrong, "{text:?}");
    }
    for cell in ["", "x", "NaN", "inf", "1e999", "1 2"] {
        let error = table(&format!("1,2\n3,{cell}")).unwrap_err();
        assert!(matches!(error, ModelError::TableNumber { row: 2, column: 2, .. }), "{cell:?}: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = write_folder("0");
    std::fs::remove_file(folder.path().join("Weights_3.csv")).unwrap();
    let error = lola_mnist(folder.path(), Scales::PAPER).unwrap_err();
    assert!(error.to_string().contains("Weights_3.csv: cannot be read"), "{error}");
}
