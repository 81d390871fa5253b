//! `tacit eval`.

use core::time::Duration;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Finished, Folder, command, json, mnist, run, succeed};

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
