//! `tacit import`: from an ONNX file to a network that the other commands take.

use std::fs;

use crate::support::{Folder, json, refuse, run, succeed};

/// A field of bytes of the protocol-buffer encoding.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        encoded.push(length as u8 | 0x80);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend_from_slice(bytes);
    encoded
}

fn info(name: &str) -> Vec<u8> {
    let side = |side: u8| field(1, &[0x08, side]);
    let shape = field(2, &[side(1), side(2)].concat());
    [field(1, name.as_bytes()), field(2, &field(1, &[&[0x08, 1], &shape[..]].concat()))].concat()
}

fn matrix(name: &str, values: [f32; 4]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    field(5, &[field(1, &[2, 2]), vec![0x10, 1], field(8, name.as_bytes()), field(9, &raw)].concat())
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    let names = [field(2, output.as_bytes()), field(3, format!("{operator}_1").as_bytes())].concat();
    field(1, &[inputs, names, field(4, operator.as_bytes())].concat())
}

/// `(x0, x1)` is in class 0 if `|x0 + x1| > |x0 - x1|`: two matrices around an activation.
fn model(activation: &str) -> Vec<u8> {
    let operands: &[&str] = if activation == "Mul" { &["a", "a"] } else { &["a"] };
    let nodes = [
        node("MatMul", &["x", "v"], "a"),
        node(activation, operands, "b"),
        node("Gemm", &["b", "w"], "c"),
        node("Softmax", &["c"], "y"),
    ];
    let constants = [matrix("v", [1.0, 1.0, 1.0, -1.0]), matrix("w", [0.7, 0.1, 0.1, 0.7])];
    let ends = [field(11, &info("x")), field(12, &info("y"))];
    let graph = [nodes.concat(), constants.concat(), ends.concat()].concat();
    [field(7, &graph), field(8, &[0x10, 13])].concat()
}

/// Rows around the unit square with the class that the model should give.
fn rows() -> String {
    let cell = |i: i32| f64::from(i) / 10.0;
    let points = (-9..10).flat_map(|a| (-9..10).map(move |b| (a, b))).filter(|&(a, b)| a * b != 0);
    let row = |(a, b)| format!("{},{},{}\n", cell(a), cell(b), if a * b > 0 { "alike" } else { "unlike" });
    points.map(row).collect()
}

#[test]
fn an_imported_network_is_evaluated() {
    let folder = Folder::new();
    let (onnx, table) = (folder.file("m.onnx", model("Mul")), folder.file("rows.csv", rows()));
    let net = folder.path("m.tacit");
    let import = format!("import {onnx} --calibrate {table} --names alike,unlike --out {net}");
    let text = succeed(&import);
    for part in
        ["MatMul_1", "Square", "dropped  Softmax `Softmax_1`", "Layers under encryption", "Trade-off", "100.00 %"]
    {
        assert!(text.contains(part), "{text} does not say {part:?}");
    }
    let report = json(&format!("eval --net {net} --images {table} --scheme clear --count 324 --json"));
    assert_eq!((report["correct"].as_u64(), report["images"].as_u64()), (Some(324), Some(324)));
    refuse(&format!("plan --net {net} --plan paper"), 4, &["plan `paper`"]);
    let json = json(&format!("import {onnx} --calibrate {table} --names alike,unlike --json"));
    let bits: Vec<f64> =
        json["trade_off"].as_array().unwrap().iter().map(|row| row["logit_bits"].as_f64().unwrap()).collect();
    assert!(bits.len() > 2 && bits.is_sorted_by(|a, b| a >= b), "{bits:?}");
    assert_eq!(json["nodes"][1]["operator"], "Square");
    assert_eq!(json["real_accuracy"], 1.0);
    assert!(json["logit_tolerance"].is_null() && text.contains("tolerance        not measured"), "{text}");
}

#[test]
fn many_rows_tell_what_errors_the_labels_bear() {
    let folder = Folder::new();
    let (onnx, table) = (folder.file("m.onnx", model("Mul")), folder.file("rows.csv", rows().repeat(4)));
    let net = folder.path("m.tacit");
    let import = format!("import {onnx} --calibrate {table} --names alike,unlike --out {net}");
    let text = succeed(&import);
    assert!(text.lines().any(|line| line.starts_with("tolerance ") && line.contains("one label in 10,000")), "{text}");
    let stored = tacit_model::Network::open(&net).unwrap().logit_tolerance();
    assert!(stored.is_some_and(|deviation| deviation > 0.0));
    let report = json(&format!("import {onnx} --calibrate {table} --names alike,unlike --json"));
    assert_eq!(report["logit_tolerance"].as_f64(), stored);
    assert_eq!(json(&format!("plan {net} --scheme ckks --json"))["logit_tolerance"].as_f64(), stored);
}

#[test]
fn without_data_the_model_is_shown() {
    let folder = Folder::new();
    let onnx = folder.file("m.onnx", model("Mul"));
    let finished = run(&format!("import {onnx}"));
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains("dense") && finished.stderr.contains("--calibrate"));
    assert_eq!(run(&format!("import {onnx} --out x")).code, 2, "--out needs data");
}

#[test]
fn what_encryption_cannot_compute_is_refused_by_name_but_shown_in_the_clear() {
    let folder = Folder::new();
    let (onnx, table) = (folder.file("m.onnx", model("Relu")), folder.file("rows.csv", rows()));
    refuse(&format!("import {onnx}"), 4, &["m.onnx", "\"Relu_1\" (Relu)", "square (x·x)", "--clear"]);
    let report = json(&format!("import {onnx} --clear --calibrate {table} --names alike,unlike --json"));
    assert_eq!(report["clear"]["rows"], 324);
    assert!(report["clear"]["correct"].as_u64().unwrap() > 160);
    assert!(succeed(&format!("import {onnx} --clear")).contains("Relu"));
    refuse(&format!("plan --net {onnx}"), 1, &["is an ONNX model", "tacit import"]);
}

#[test]
fn what_is_wrong_with_files_is_named() {
    let folder = Folder::new();
    let onnx = folder.file("m.onnx", model("Mul"));
    let import = |rows: &str| format!("import {onnx} --calibrate {}", folder.file("rows.csv", rows));
    refuse(&import("1,2,3,4\n"), 1, &["rows.csv", "2 numbers, found 4 in row 1"]);
    refuse(&import("1,x\n"), 1, &["row 1, column 2", "not a finite number"]);
    refuse(&import("1,2,7\n"), 1, &["label \"7\"", "2 classes"]);
    refuse(&format!("import {}", folder.file("n.onnx", [0xff; 40])), 1, &["n.onnx", "not an ONNX model"]);
    let bytes = model("Mul");
    let half = folder.file("half.onnx", &bytes[..bytes.len() / 2]);
    refuse(&format!("import {half}"), 1, &["half.onnx"]);
    refuse(&format!("import {}", folder.path("none.onnx")), 1, &["none.onnx", "cannot be read"]);
    let named = format!("import {onnx} --calibrate {} --names one", folder.file("rows.csv", "1,2\n3,4\n"));
    refuse(&named, 1, &["2 outputs but 1 labels"]);
    assert!(!fs::exists(folder.path("m.tacit")).unwrap());
}
