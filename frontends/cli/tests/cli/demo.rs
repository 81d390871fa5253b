//! `tacit demo`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{Finished, Folder, command, json, run, succeed};

#[test]
fn shows_every_phase_and_agrees() {
    let Finished { code, stdout, stderr } = run("demo --digit 7");
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for part in [
        "sample digit 7",
        "ring degree",
        "128-bit security",
        "plaintexts modulo",
        "evaluation keys",
        "query of",
        "operations on ciphertexts",
        "noise at most",
        "▶ 7",
        "The label is 7.",
        "agrees: all 10 logits are equal",
        "It never held a secret key.",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let phases = ["plan", "keys", "encrypt", "prepare", "evaluate", "decrypt"].map(|phase| format!("\n  {phase} "));
    let places = phases.map(|phase| stdout.find(&phase).unwrap());
    assert!(places.is_sorted());
    assert!(!stdout.contains('\x1b'), "not a terminal, no escape codes");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

#[test]
fn reads_a_picture_from_a_file_and_answers_in_json() {
    let folder = Folder::new();
    let picture = folder.file("three.png", tacit_model::DIGITS[3]);
    let report = json(&format!("demo --image {picture} --threads 1 --json"));
    assert_eq!(report["label"], "3");
    assert_eq!(report["agrees"], true);
    assert_eq!(report["logits"], report["clear_logits"]);
    assert_eq!(report["logits"].as_array().unwrap().len(), 10);
    assert_eq!(report["threads"], 1);
    assert_eq!(report["picture"].as_str(), Some(picture.as_str()));
    for key in ["plan_ms", "keygen_ms", "encrypt_ms", "prepare_ms", "server_ms", "decrypt_ms", "noise_bits"] {
        assert!(report[key].as_f64().is_some_and(|value| value > 0.0), "{key}");
    }
}

#[test]
fn quiet_gives_the_label_alone() {
    let label = succeed("demo --quiet");
    assert!(("0\n"..="9\n").contains(&label.as_str()) && label.len() == 2, "{label}");
}

#[test]
fn colour_is_a_matter_of_the_environment() {
    let forced = command(["demo", "--digit", "1"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    let text = String::from_utf8(forced.stdout).unwrap();
    assert!(text.contains("\x1b[38;5;") && text.contains('▀'));
    let refused =
        command(["demo", "--digit", "1"]).envs([("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]).output().unwrap();
    assert!(!refused.stdout.contains(&0x1b) && !refused.stderr.contains(&0x1b));
    assert!(refused.status.success());
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = command(["demo", "--digit", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("A server"));
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
}
