//! `tacit keygen`, `encrypt`, `evaluate` and `decrypt`, through files and pipes.

use std::fs::{self, File};
use std::process::Stdio;

use crate::support::{Folder, Shared, command, json, mnist, names, run, succeed};

#[test]
fn a_query_comes_back_as_its_label() {
    let shared = Shared::get();
    let (keys, answer) = (shared.path("keys"), shared.path("answer"));
    let text = succeed(&format!("decrypt --keys {keys} --answer {answer}"));
    assert!(text.starts_with("label 7\n") && text.contains("▶ 7"), "{text}");
    assert_eq!(succeed(&format!("decrypt -q --keys {keys} --answer {answer}")), "7\n");
    let report = json(&format!("decrypt --keys {keys} --answer {answer} --json"));
    let network = tacit_model::mnist().unwrap();
    let clear = network.classify(&tacit_model::read_picture(tacit_model::DIGITS[7]).unwrap()).unwrap();
    let logits: Vec<_> = report["logits"].as_array().unwrap().iter().map(|l| i128::from(l.as_i64().unwrap())).collect();
    assert_eq!((report["label"].as_str(), report["class"].as_u64()), (Some("7"), Some(7)));
    assert_eq!(logits, clear.logits);
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let keys = Shared::get().path("keys");
    let mode = |path: String| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(format!("{keys}/secret.key")), 0o600);
    assert_eq!(mode(format!("{keys}/evaluation.key")), 0o600);
    assert_eq!(mode(keys.clone()), 0o700);
    assert_eq!(names(keys.as_ref()), ["evaluation.key", "secret.key"]);
}

#[test]
fn through_pipes() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let keys = shared.path("keys");
    let picture = folder.file("5.png", tacit_model::DIGITS[5]);
    let query = command(["encrypt", "--keys", &keys, "--image", "-", "--out", "-"])
        .stdin(File::open(picture).unwrap())
        .output()
        .unwrap();
    assert!(query.status.success());
    let evaluation = format!("{keys}/evaluation.key");
    let answer = command(["evaluate", "--eval-keys", &evaluation, "--query", "-", "--out", "-", "--threads", "1"])
        .stdin(File::open(folder.file("query", query.stdout)).unwrap())
        .output()
        .unwrap();
    assert!(answer.status.success());
    let label = command(["decrypt", "--quiet", "--keys", &keys, "--answer", "-"])
        .stdin(File::open(folder.file("answer", answer.stdout)).unwrap())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(label.stdout, b"5\n");
}

#[test]
fn images_of_a_data_set_can_be_encrypted() {
    let Some(images) = mnist() else { return };
    let (shared, folder) = (Shared::get(), Folder::new());
    let (keys, query) = (shared.path("keys"), folder.path("query"));
    succeed(&format!("encrypt --keys {keys} --images {images} --index 9999 --out {query}"));
    assert_eq!(fs::metadata(query).unwrap().len(), fs::metadata(shared.path("query")).unwrap().len());
    let args = format!("encrypt --keys {keys} --images {images} --index 10000 --out {}", folder.path("more"));
    crate::support::refuse(&args, 1, &["no test image number 10000", "10000"]);
}

#[test]
fn queries_are_never_the_same() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let query = folder.file("query", b"what was here before");
    succeed(&format!("encrypt --keys {} --digit 7 --out {query}", shared.path("keys")));
    assert_ne!(fs::read(query).unwrap(), fs::read(shared.path("query")).unwrap());
    assert_eq!(names(folder.as_path()), ["query"]);
}

#[test]
fn keys_are_replaced_by_force_only() {
    let folder = Folder::new();
    let keys = folder.path("keys");
    succeed(&format!("keygen --out {keys}"));
    let before = fs::read(format!("{keys}/secret.key")).unwrap();
    let refused = run(&format!("keygen --out {keys}"));
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("exists") && refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read(format!("{keys}/secret.key")).unwrap(), before);
    succeed(&format!("keygen --quiet --force --out {keys}"));
    assert_ne!(fs::read(format!("{keys}/secret.key")).unwrap(), before);
    assert_eq!(names(keys.as_ref()), ["evaluation.key", "secret.key"]);
}
