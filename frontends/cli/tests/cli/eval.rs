//! `tacit eval`.

use core::time::Duration;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Finished, Folder, command, json, mnist, refuse, run, succeed};

const ALWAYS: [&str; 12] = [
    "net",
    "scheme",
    "images",
    "correct",
    "clear_correct",
    "disagreements",
    "logit_mismatches",
    "threads",
    "accuracy",
    "clear_ms",
    "version",
    "split",
];

const ENCRYPTED: [&str; 18] = [
    "plan",
    "ring_degree",
    "log2_qp",
    "security_bits",
    "plain_moduli",
    "backend",
    "key_switches",
    "plain_products",
    "scalar_products",
    "encrypt_ms",
    "server_ms",
    "decrypt_ms",
    "upload_bytes",
    "download_bytes",
    "key_bytes",
    "keygen_ms",
    "plan_ms",
    "noise_bits",
];

#[test]
fn encrypted_images_of_the_data_set() {
    let Some(folder) = mnist() else { return };
    let report = json(&format!("eval --net mnist --plan paper --scheme bfv --images {folder} --count 2 --json"));
    for key in ALWAYS.iter().chain(&ENCRYPTED) {
        assert!(report.get(key).is_some_and(|value| !value.is_null()), "{key}");
    }
    assert!(report.get("peak_rss_bytes").is_some());
    // For one thread alone.
    let alone = json(&format!("eval --scheme ckks --images {folder} --count 1 --threads 1 --json"));
    assert!(alone["predicted_ms"].as_f64().is_some_and(|time| time > 0.0), "{alone}");
    let together = json(&format!("eval --scheme ckks --images {folder} --count 1 --threads 2 --json"));
    assert!(together["predicted_ms"].is_null() && together["server_ms"].is_f64(), "{together}");
    assert_eq!((&report["images"], &report["correct"]), (&Value::from(2), &Value::from(2)));
    assert_eq!((&report["disagreements"], &report["logit_mismatches"]), (&Value::from(0), &Value::from(0)));
    assert_eq!((&report["key_switches"], &report["security_bits"]), (&Value::from(285), &Value::from(128)));
}

#[test]
fn the_whole_data_set_in_the_clear() {
    let Some(folder) = mnist() else { return };
    let report = json(&format!("eval --images {folder} --scheme clear --count 10000 --json"));
    assert!(report["correct"].as_u64().is_some_and(|correct| correct >= 9_890), "{report}");
    assert_eq!(report["correct"], report["clear_correct"]);
    for key in ALWAYS {
        assert!(report.get(key).is_some_and(|value| !value.is_null()), "{key}");
    }
    for key in ENCRYPTED {
        assert_eq!(report.get(key), Some(&Value::Null), "{key}");
    }
}

/// Two records of CIFAR-10 of equal pixels, with these labels.
fn records(labels: [u8; 2]) -> Vec<u8> {
    labels.iter().flat_map(|&label| core::iter::once(label).chain([100; 3072])).collect()
}

#[test]
fn pictures_from_a_file_or_a_folder_of_records() {
    let folder = Folder::new();
    let file = folder.file("test_batch.bin", records([0, 9]));
    for source in [file.as_str(), folder.as_path().to_str().unwrap()] {
        let report = json(&format!("eval --net cifar --images {source} --scheme clear --count 2 --json"));
        assert_eq!((&report["net"], &report["images"]), (&Value::from("cifar"), &Value::from(2)));
        // One picture under two labels.
        assert!(report["correct"].as_u64().unwrap() <= 1);
    }
    let eval = |net: &str, file: &str| format!("eval --net {net} --images {file} --scheme clear --count 1");
    refuse(&eval("mnist", &file), 1, &["images of [3, 32, 32] pixels, expected [1, 28, 28]"]);
    let truncated = folder.file("truncated.bin", &records([0, 1])[..6000]);
    refuse(&eval("cifar", &truncated), 1, &["truncated.bin", "expected 6146 bytes, found 6000"]);
    let mislabelled = folder.file("mislabelled.bin", records([0, 12]));
    refuse(&eval("cifar", &mislabelled), 1, &["mislabelled.bin", "image 1 (from 0) has label 12", "10 classes"]);
}

#[test]
fn features_from_a_folder() {
    let npy = |kind: &str, shape: &str, data: &[u8]| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    };
    let folder = Folder::new();
    let (root, halves) = (folder.as_path().display(), [0x3c00_u16.to_le_bytes(); 1280].concat());
    let eval = format!("eval --net caltech --images {root} --scheme clear --count 1");
    refuse(&eval, 1, &["holds none of", "features_test.npy", "test_batch.bin", "t10k-images-idx3-ubyte"]);
    folder.file("features_test.npy", npy("<f2", "(1, 1280)", &halves));
    refuse(&eval, 1, &["labels_test.npy"]);
    folder.file("labels_test.npy", npy("<i4", "(1,)", &1_i32.to_le_bytes()));
    assert_eq!(json(&format!("{eval} --json"))["images"], Value::from(1));
    folder.file("features_test.npy", npy("<f2", "(1, 1280)", &[0x7c00_u16.to_le_bytes(); 1280].concat()));
    refuse(&eval, 1, &["features_test.npy", "not finite"]);
}

#[test]
fn skip_and_split_choose_the_images() {
    let Some(folder) = mnist() else { return };
    // The sixty thousandth image of the training set, alone.
    let text = succeed(&format!("eval --images {folder} --scheme clear --split train --skip 59999 --count 1"));
    assert!(text.contains("1 of the train images, from number 59999"), "{text}");
}

#[test]
fn a_table_for_people() {
    let folder = Folder::new();
    let images = folder.flat_images(&[0]);
    let text = succeed(&format!("eval --images {images} --count 1 --threads 1"));
    for part in ["accuracy", "agrees: no logit of any image differs", "per image", "evaluation keys", "1 thread,"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Inputs far from any digit give logits that the plaintexts have no room for: they wrap around, and this is noticed.
#[test]
fn logits_beyond_the_bound_are_a_mismatch() {
    let network = tacit_model::mnist().unwrap();
    let bound = network.logit_bound().unwrap();
    let beyond = |grey: u8| network.classify(&[grey; 784]).unwrap().logits.iter().any(|l| l.unsigned_abs() > 3 * bound);
    let Some(grey) = (0..=255).rev().find(|&grey| beyond(grey)) else {
        println!("SKIPPED: no flat image leaves the bound of the embedded network");
        return;
    };
    let folder = Folder::new();
    let images = folder.flat_images(&[grey]);
    let Finished { code, stdout, stderr } = run(&format!("eval --images {images} --count 1 --json"));
    assert_eq!(code, 3, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["logit_mismatches"], &report["beyond_bound"]), (&Value::from(1), &Value::from(1)));
    assert!(stderr.contains("logits of 1") && stderr.contains(&bound.to_string()), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_its_own_code() {
    let folder = Folder::new();
    let images = folder.flat_images(&[0; 1000]);
    let child = command(["eval", "--images", &images, "--count", "1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 130);
    assert!(finished.stderr.contains("error: interrupted"), "{}", finished.stderr);
}
