//! Running the command, and files that tests share.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tacit_model::{Dense, Input, Layer, Network, Op, Scale, Tolerance};
use tempfile::TempDir;

/// The command with these arguments, in a plain environment.
pub(crate) fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// A finished command.
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        // No code means a signal, such as that of an abort.
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs the command with arguments separated by blanks.
pub(crate) fn run(args: &str) -> Finished {
    command(args.split_whitespace()).output().unwrap().into()
}

/// Runs the command, which must succeed, and gives its standard output.
pub(crate) fn succeed(args: &str) -> String {
    let finished = run(args);
    assert_eq!(finished.code, 0, "{args}: {}", finished.stderr);
    finished.stdout
}

/// Runs the command, which must print one JSON object and nothing else.
pub(crate) fn json(args: &str) -> Value {
    let value: Value = serde_json::from_str(&succeed(args)).unwrap();
    assert!(value.is_object());
    value
}

/// Runs the command, which must fail with this code and one line that contains each part.
pub(crate) fn refuse(args: &str, code: i32, parts: &[&str]) {
    let Finished { code: found, stdout, stderr } = run(args);
    assert_eq!(found, code, "{args}: {stderr}");
    assert!(stdout.is_empty(), "{args}: {stdout}");
    assert!(stderr.starts_with("error: "), "{args}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{args}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{args}: {stderr:?} does not say {part:?}");
    }
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Keys, a query for the digit 7 and its answer, made once for all tests.
pub(crate) struct Shared {
    folder: PathBuf,
}

impl Shared {
    pub(crate) fn get() -> &'static Self {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Nobody drops a static: a folder of its own name is at least taken again by the next run.
            let shared = Self { folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("tacit-shared") };
            let _ = fs::remove_dir_all(&shared.folder);
            fs::create_dir_all(&shared.folder).unwrap();
            let [keys, query, answer] = ["keys", "query", "answer"].map(|name| shared.path(name));
            succeed(&format!("keygen --out {keys}"));
            succeed(&format!("encrypt --keys {keys} --digit 7 --out {query}"));
            succeed(&format!("evaluate --eval-keys {keys}/evaluation.key --query {query} --out {answer}"));
            shared
        })
    }

    /// The path of one of its files.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().into()
    }
}

/// A folder for one test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn as_path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().into()
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a data set of images of 28×28 equal pixels, and gives its folder.
    pub(crate) fn flat_images(&self, greys: &[u8]) -> String {
        let count = greys.len() as u32;
        let images = greys.iter().flat_map(|&grey| [grey; 784]).collect();
        self.file("t10k-images-idx3-ubyte", idx(&[2051, count, 28, 28], images));
        self.file("t10k-labels-idx1-ubyte", idx(&[2049, count], vec![0; greys.len()]));
        self.0.path().to_str().unwrap().into()
    }
}

/// An IDX file.
pub(crate) fn idx(header: &[u32], body: Vec<u8>) -> Vec<u8> {
    header.iter().flat_map(|word| word.to_be_bytes()).chain(body).collect()
}

/// The embedded network under another name: another deployment.
pub(crate) fn renamed_network() -> Vec<u8> {
    let network = tacit_model::mnist().unwrap();
    let (layers, labels) = (network.layers().to_vec(), network.labels().to_vec());
    let mut renamed = Network::new("another", *network.input(), layers, labels).unwrap();
    if let Some(bound) = network.declared_logit_bound() {
        renamed = renamed.with_logit_bound(bound);
    }
    if let Some(deviation) = network.logit_tolerance() {
        renamed = renamed.with_logit_tolerance(Tolerance::new(deviation).unwrap());
    }
    renamed.to_bytes().unwrap()
}

/// A network that reads 784 pixels and has a single dense layer.
pub(crate) fn dense_network() -> Vec<u8> {
    dense_layers(&["only"])
}

/// A network that reads 784 pixels and has dense layers of these names.
pub(crate) fn dense_layers(names: &[&str]) -> Vec<u8> {
    let dense = |inputs: usize| Op::Dense(Dense { outputs: 2, inputs, weights: vec![1; 2 * inputs], bias: vec![0; 2] });
    let layer = |(i, name): (usize, &&str)| Layer { name: (*name).into(), op: dense(if i == 0 { 784 } else { 2 }) };
    let input = Input { shape: [1, 28, 28], scale: Scale::new(1, 16).unwrap() };
    let layers = names.iter().enumerate().map(layer).collect();
    Network::new("dense", input, layers, vec!["a".into(), "b".into()]).unwrap().to_bytes().unwrap()
}

/// The MNIST data set, if it is there.
pub(crate) fn mnist() -> Option<String> {
    let beside_workspace = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let root = std::env::var_os("TACIT_DATA").map_or_else(beside_workspace, PathBuf::from);
    let folder = root.join("mnist");
    if !folder.is_dir() {
        println!("SKIPPED: no data set in {}; set TACIT_DATA to the folder that holds `mnist`", folder.display());
        return None;
    }
    folder.to_str().map(Into::into)
}
