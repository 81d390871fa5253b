//! Whatever is wrong: one clear line, the right code, and nothing left behind.

use std::fs;

use crate::support::{Folder, Shared, dense_layers, idx, names, refuse, renamed_network, run, succeed};

#[test]
fn the_server_refuses_a_secret_key_by_its_kind() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let (keys, query, out) = (shared.path("keys"), shared.path("query"), folder.path("answer"));
    let args = format!("evaluate --eval-keys {keys}/secret.key --query {query} --out {out}");
    refuse(&args, 1, &["secret.key", "this is a secret key", "evaluation-key", "no server may ever hold it"]);
    assert!(names(folder.as_path()).is_empty());
}

#[test]
fn messages_of_the_wrong_kind_are_named() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let (keys, query, answer, out) =
        (shared.path("keys"), shared.path("query"), shared.path("answer"), folder.path("x"));
    let evaluate =
        |eval_keys: &str, query: &str| format!("evaluate --eval-keys {eval_keys} --query {query} --out {out}");
    let evaluation = format!("{keys}/evaluation.key");
    refuse(&evaluate(&query, &query), 1, &["query", "evaluation-key"]);
    refuse(&evaluate(&evaluation, &answer), 1, &["this is an answer, but a query is needed"]);
    refuse(&format!("decrypt --keys {keys} --answer {query}"), 1, &["this is a query, but an answer is needed"]);
    assert!(names(folder.as_path()).is_empty());
}

#[test]
fn damaged_messages_are_refused() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let (keys, out) = (shared.path("keys"), folder.path("out"));
    let answer = fs::read(shared.path("answer")).unwrap();
    let decrypt = |bytes: &[u8]| format!("decrypt --keys {keys} --answer {}", folder.file("answer", bytes));
    refuse(&decrypt(b""), 1, &["not a tacit message"]);
    refuse(&decrypt(b"\x1b[2J"), 1, &["not a tacit message"]);
    refuse(&decrypt(&answer[..answer.len() - 1]), 1, &["truncated"]);
    refuse(&decrypt(&answer[..10]), 1, &["truncated"]);
    refuse(&decrypt(&[&answer[..], &[0]].concat()), 1, &["too long"]);
    let mut version = answer.clone();
    version[4] = 99;
    refuse(&decrypt(&version), 1, &["version 99"]);
    let mut deployment = answer;
    deployment[8] ^= 1;
    refuse(&decrypt(&deployment), 1, &["another network, plan or parameters"]);
    let query = folder.file("query", &fs::read(shared.path("query")).unwrap()[..5000]);
    refuse(&format!("evaluate --eval-keys {keys}/evaluation.key --query {query} --out {out}"), 1, &["truncated"]);
    assert!(!fs::exists(out).unwrap());
}

#[test]
fn another_network_is_noticed() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let model = folder.file("another.safetensors", renamed_network());
    let (keys, query, out) = (shared.path("keys"), shared.path("query"), folder.path("out"));
    let other = "another network, plan or parameters";
    refuse(&format!("encrypt --net {model} --keys {keys} --digit 1 --out {out}"), 1, &["secret.key", other]);
    let args = format!("evaluate --net {model} --eval-keys {keys}/evaluation.key --query {query} --out {out}");
    refuse(&args, 1, &["evaluation.key", other]);
    let other_keys = folder.path("keys");
    succeed(&format!("keygen --net {model} --out {other_keys}"));
    let args = format!("evaluate --net {model} --eval-keys {other_keys}/evaluation.key --query {query} --out {out}");
    refuse(&args, 1, &["query", other]);
    assert_eq!(names(folder.as_path()), ["another.safetensors", "keys"]);
    // Nor is the secret key of another network overwritten.
    refuse(&format!("encrypt --keys {keys} --digit 1 --out {other_keys}/secret.key"), 1, &["is a secret key"]);
}

#[cfg(unix)]
#[test]
fn an_exposed_secret_key_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (shared, folder) = (Shared::get(), Folder::new());
    let key = folder.file("secret.key", fs::read(shared.path("keys/secret.key")).unwrap());
    let keys = folder.as_path().display();
    for mode in [0o640, 0o604, 0o660, 0o777] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let args = format!("decrypt --keys {keys} --answer {}", shared.path("answer"));
        refuse(&args, 1, &[&format!("{mode:03o}"), &format!("chmod 600 {key}")]);
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    succeed(&format!("decrypt --keys {keys} --answer {}", shared.path("answer")));
}

#[test]
fn pictures_that_are_none() {
    let folder = Folder::new();
    let picture = |bytes: &[u8]| format!("demo --image {}", folder.file("picture", bytes));
    refuse(&picture(b""), 1, &["picture", "PNG or JPEG"]);
    refuse(&picture(b"GIF89a"), 1, &["PNG or JPEG"]);
    refuse(&picture(&tacit_model::DIGITS[0][..40]), 1, &["cannot be decoded"]);
    refuse(&format!("demo --image {}", folder.path("missing")), 1, &["cannot read", "missing"]);
    refuse(&format!("demo --image {}", folder.as_path().display()), 1, &["cannot read"]);
}

#[test]
fn models_that_are_none() {
    let folder = Folder::new();
    let model = |bytes: &[u8]| format!("plan --net {}", folder.file("model", bytes));
    refuse(&model(b""), 1, &["model"]);
    refuse(&model(b"certainly not a model"), 1, &["not a safetensors file"]);
    let mut corrupt = tacit_model::MNIST.to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    refuse(&model(&corrupt), 1, &["corrupt"]);
    refuse(&model(&tacit_model::MNIST[..5000]), 1, &["model"]);
    refuse(&format!("plan --net {}", folder.path("missing")), 1, &["missing", "no network or model file", "mnist"]);
    refuse("plan --net cfiar", 1, &["no network or model file cfiar", "cifar, caltech, caltech-4096"]);
}

#[test]
fn a_network_without_a_plan_has_its_own_code() {
    let folder = Folder::new();
    let model = folder.file("dense", dense_layers(&["first", "last"]));
    refuse(&format!("plan --net {model} --plan paper"), 4, &["network \"dense\"", "plan `paper`", "layer `first`"]);
    refuse(&format!("keygen --net {model} --plan paper --out {}", folder.path("keys")), 4, &["plan `paper`"]);
    assert_eq!(names(folder.as_path()), ["dense"], "no key folder is made for it");
}

#[test]
fn data_sets_that_are_none() {
    let folder = Folder::new();
    let eval = format!("eval --scheme clear --images {}", folder.as_path().display());
    refuse(&eval, 1, &["t10k-images-idx3-ubyte"]);
    refuse(&format!("eval --scheme clear --images {}", folder.path("missing")), 1, &["missing"]);
    folder.flat_images(&[0, 0]);
    refuse(&format!("{eval} --count 3"), 1, &["3 test images", "has 2", "--count 2"]);
    refuse(&format!("{eval} --count 20000"), 1, &["20000", "has 2"]);
    refuse(&format!("{eval} --skip 2 --count 1"), 1, &["--skip"]);
    refuse(&format!("{eval} --skip {} --count 1", usize::MAX), 1, &["--skip"]);
    refuse(&format!("{eval} --split train"), 1, &["train-images-idx3-ubyte"]);
    let images = |bytes: Vec<u8>| folder.file("t10k-images-idx3-ubyte", bytes);
    images(idx(&[2049, 2, 28, 28], vec![0; 2 * 784]));
    refuse(&eval, 1, &["magic number 2049, expected 2051"]);
    images(idx(&[2051, 2, 28, 28], vec![0; 784]));
    refuse(&eval, 1, &["truncated"]);
    images(idx(&[2051, 2, 28, 28], vec![0; 2 * 784 + 1]));
    refuse(&eval, 1, &["bytes after"]);
    images(idx(&[2051, 2, 32, 32], vec![0; 2 * 1024]));
    refuse(&eval, 1, &["[1, 32, 32]", "[1, 28, 28]"]);
    images(idx(&[2051, 3, 28, 28], vec![0; 3 * 784]));
    refuse(&eval, 1, &["3 images but 2 labels"]);
}

#[test]
fn outputs_that_cannot_be() {
    let (shared, folder) = (Shared::get(), Folder::new());
    let keys = shared.path("keys");
    let encrypt = |out: &str| format!("encrypt --keys {keys} --digit 1 --out {out}");
    refuse(&encrypt(&folder.path("none/query")), 1, &["no folder", "none"]);
    refuse(&encrypt(&folder.as_path().display().to_string()), 1, &["is a folder"]);
    refuse(&encrypt(&folder.path("file/")), 1, &["cannot write"]);
    refuse(&format!("keygen --out {}", folder.path("none/keys")), 1, &["no folder", "none"]);
    let file = folder.file("file", b"");
    refuse(&format!("keygen --out {file}"), 1, &["cannot write"]);
    refuse(&encrypt(&format!("{keys}/secret.key")), 1, &["is a secret key", "another output"]);
    refuse(&encrypt("/proc/query"), 1, &["cannot write /proc/query"]);
    assert_eq!(names(folder.as_path()), ["file"]);
}

#[test]
fn missing_keys_come_with_advice() {
    let folder = Folder::new();
    let keys = folder.path("keys");
    let advice = format!("tacit keygen --out {keys}");
    refuse(&format!("encrypt --keys {keys} --digit 1 --out {}", folder.path("query")), 1, &["secret.key", &advice]);
    refuse(&format!("decrypt --keys {keys} --answer {}", folder.path("answer")), 1, &[&advice]);
    refuse("evaluate --eval-keys - --query - --out x", 1, &["standard input"]);
    assert!(names(folder.as_path()).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    use std::process::Stdio;
    let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
    let output = crate::support::command(["plan"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to the standard output"));
    // Nobody hears the error, but the code is there.
    let output = crate::support::command(["plan", "--net", "/none"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn names_do_not_write_on_the_screen() {
    let finished = run("plan --net no\x1b[2Jsuch\x07file");
    assert_eq!(finished.code, 1);
    assert!(!finished.stderr.contains(['\x1b', '\x07']), "{:?}", finished.stderr);
}
