//! `tacit plan`, and the help of every command.

use std::fs;

use serde_json::Value;

use crate::support::{Folder, dense_network, json, refuse, run, succeed};

#[test]
fn a_row_per_stage_and_a_total() {
    let text = succeed("plan --plan paper");
    for part in
        ["128-bit security", "convolution vector – row major", "interleaved vector – row major", "1 × 10 sparse"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let total = text.lines().find(|line| line.trim_start().starts_with("total")).unwrap();
    let report = json("plan --plan paper --json");
    let counts = ["key_switches", "plain_products", "scalar_products"].map(|key| report[key].to_string());
    assert_eq!(total.split_whitespace().skip(1).collect::<Vec<_>>(), counts);
    assert!(report["upload_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
}

#[test]
fn stages_add_up_and_stay_within_their_noise() {
    let report = json("plan --net mnist --plan paper --json");
    let stages = report["stages"].as_array().unwrap();
    for key in ["key_switches", "plain_products", "scalar_products"] {
        let sum: u64 = stages.iter().map(|stage| stage[key].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), report[key].as_u64(), "{key}");
    }
    for stage in stages {
        assert!(stage["noise_bits"].as_f64().unwrap() < stage["noise_limit_bits"].as_f64().unwrap(), "{stage}");
        assert!(stage["level_from"].as_u64().unwrap() >= stage["level_to"].as_u64().unwrap(), "{stage}");
    }
    assert_eq!(stages.last().unwrap()["noise_bits"], report["noise_bits"]);
}

#[test]
fn predictions_add_up() {
    let report = json("plan --scheme ckks --json");
    let number = |key: &str| report[key].as_f64().unwrap();
    let stages = report["stages"].as_array().unwrap().iter().map(|stage| stage["milliseconds"].as_f64().unwrap());
    let stages: Vec<f64> = stages.collect();
    assert!(stages.iter().all(|&time| time > 0.0) && number("reading_ms") > 0.0);
    // Each is rounded to a microsecond.
    let sum = stages.iter().sum::<f64>() + number("reading_ms");
    assert!((sum - number("predicted_ms")).abs() < 0.001 * (stages.len() + 2) as f64, "{report}");
    let choices = report["choices"].as_array().unwrap();
    assert!(choices.len() > 1);
    assert_eq!(choices[0]["predicted_ms"], report["predicted_ms"]);
    assert_eq!(choices[0]["relative_effort"].as_f64(), Some(1.0));
    for key in ["key_switches", "plain_products", "ring_degree", "log2_qp"] {
        assert_eq!(choices[0][key], report[key], "{key}");
    }
    for choice in choices {
        // The goal is the least time, by the estimate.
        assert!(choice["relative_effort"].as_f64().unwrap() >= 1.0, "{choice}");
        assert!(choice["predicted_ms"].as_f64().unwrap() > 0.0 && choice["messages"].as_u64().unwrap() > 0, "{choice}");
    }
    let memory = &report["memory_bytes"];
    assert!(["weights", "keys", "ciphertexts"].iter().all(|key| memory[key].as_u64().unwrap() > 0), "{memory}");
    // Expanded, keys are at least twice their bytes on the wire.
    assert!(memory["keys"].as_u64().unwrap() > 2 * report["key_bytes"].as_u64().unwrap());
    let keys = report["rotations"].as_array().unwrap().len() + usize::from(report["conjugation"] == true);
    assert_eq!(Some(keys as u64 + 1), report["keys"].as_u64());
}

#[test]
fn explanations_say_what_was_compared() {
    let short = succeed("plan");
    assert!(
        short.lines().any(|line| line.starts_with("server ") && line.contains("predicted on one thread")),
        "{short}"
    );
    assert!(!short.contains("Why this plan"));
    let long = succeed("plan mnist --explain");
    for part in ["Why this plan", "the least time", "estimate", "What the server will take", "memory ", "rotations by "]
    {
        assert!(long.contains(part), "{part}: {long}");
    }
    assert!(!long.contains("eight deviations"), "{long}");
    assert!(succeed("plan --plan upload --explain").contains("The goal is the smallest query"));
    assert!(succeed("plan --plan paper --explain").contains("nothing else was compared"));
}

#[test]
fn approximate_plans_say_how_small_their_errors_are_and_why() {
    let errors = |net: &str| {
        let text = succeed(&format!("plan {net} --scheme ckks --explain"));
        let line = text.lines().find(|line| line.starts_with("errors ")).map(String::from);
        line.unwrap_or_else(|| panic!("{text}"))
    };
    assert!(
        errors("mnist-small").ends_with("the network's labels bear a deviation of 0.58"),
        "{}",
        errors("mnist-small")
    );
    let report = json("plan mnist-small --scheme ckks --json");
    assert_eq!((report["logit_tolerance"].as_f64(), report["precision_bits"].as_f64()), (Some(0.5844), Some(8.467)));
    let folder = Folder::new();
    let dense = folder.file("dense.tacit", dense_network());
    assert!(errors(&dense).contains("2^-9.0 of the bound on logits: the default"), "{}", errors(&dense));
    let report = json(&format!("plan {dense} --scheme ckks --json"));
    assert!(report["logit_tolerance"].is_null() && report["precision_bits"] == 9.0, "{report}");
    assert!(json("plan mnist-small --json")["precision_bits"].is_null());
}

#[test]
fn the_network_is_an_argument_too() {
    let folder = Folder::new();
    let file = folder.file("dense.tacit", dense_network());
    let [named, option] = [format!("plan {file} --json"), format!("plan --net {file} --json")].map(|args| json(&args));
    assert_eq!((&named["net"], &named["fingerprint"]), (&Value::from("dense"), &option["fingerprint"]));
    refuse(&format!("plan {}", folder.path("none.tacit")), 1, &["none.tacit"]);
}

#[test]
fn operations_one_to_a_line() {
    let text = succeed("plan --ops");
    let operations = json("plan --json")["operations"].as_u64().unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(" = ")).count() as u64, operations);
    assert!(text.contains("rotate r") && text.trim_end().lines().last().unwrap().starts_with("; outputs"));
}

#[test]
fn a_picture_has_every_stage() {
    let folder = Folder::new();
    let file = folder.path("plan.svg");
    let report = json(&format!("plan --json --svg {file}"));
    let picture = fs::read_to_string(&file).unwrap();
    let document = roxmltree::Document::parse(&picture).unwrap();
    let stages = document.descendants().filter(|node| node.attribute("class") == Some("stage"));
    assert_eq!(stages.count(), report["stages"].as_array().unwrap().len());
    for stage in report["stages"].as_array().unwrap() {
        let method = stage["method"].as_str();
        let shown = |node: roxmltree::Node<'_, '_>| node.has_tag_name("text") && node.text().map(str::trim) == method;
        assert!(document.descendants().any(shown), "{stage}");
    }
    let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    assert!(texts.contains(&"time") && texts.iter().any(|text| text.ends_with(" ms")), "{texts:?}");
    // On the standard output it stands alone.
    assert!(roxmltree::Document::parse(&succeed("plan --svg -")).is_ok());
}

#[test]
fn a_picture_needs_a_place() {
    let folder = Folder::new();
    refuse(&format!("plan --svg {}", folder.path("none/plan.svg")), 1, &["no folder", "none"]);
    refuse(&format!("plan --svg {}", folder.path("")), 1, &["cannot write", "folder"]);
}

#[test]
fn help_has_examples_and_exit_codes() {
    for command in ["", "demo", "eval", "keygen", "encrypt", "evaluate", "decrypt", "plan"] {
        for help in ["--help", "-h"] {
            let text = succeed(&format!("{command} {help}"));
            assert!(text.contains("Examples:") && text.contains("Exit codes:"), "{command}: {text}");
            assert!(text.contains("tacit ") && !text.contains('\x1b'), "{command}");
        }
    }
    assert!(succeed("--version").starts_with("tacit "));
}

#[test]
fn help_lists_the_networks() {
    let text = succeed("eval --help");
    for network in tacit_model::NAMED {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{}: ", network.name)));
        assert!(line.is_some(), "{}: {text}", network.name);
    }
}

#[test]
fn usage_errors_have_their_code() {
    for args in [
        "",
        "nonsense",
        "demo --threads 0",
        "demo --threads many",
        "demo --threads 99999999999999999999",
        "demo --digit 10",
        "demo --digit 1 --image x",
        "plan --net mnist --net x",
        "plan mnist --net mnist",
        "plan --explain --ops",
        "plan --plan nonsense",
        "eval --images x --count 0",
        "eval",
        "encrypt --keys k --out q",
        "encrypt --keys k --out q --images d",
        "encrypt --keys k --out q --index 1",
        "evaluate --eval-keys k --out a",
        "evaluate --secret-key k --eval-keys k --query q --out a",
    ] {
        let finished = run(args);
        assert_eq!(finished.code, 2, "{args}: {}", finished.stderr);
        assert!(finished.stdout.is_empty(), "{args}");
    }
}
