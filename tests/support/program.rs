//! The program of `tests/constant_time/`, built as it is shipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/constant_time")
}

fn target() -> PathBuf {
    // Its own target directory: tests run inside cargo, which holds the lock of the other one.
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("constant_time")
}

/// Where the program is once it is built.
pub(crate) fn path() -> PathBuf {
    target().join("release/tacit-constant-time")
}

/// The optimised program, built once in a process, or none where it cannot be checked: then `missing` is said, and is a
/// failure if the variable `required` is 1.
pub(crate) fn built(missing: &str, required: &str) -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    let path = PROGRAM.get_or_init(|| found.then(build)).as_deref();
    if path.is_none() {
        skip(missing, required);
    }
    path
}

/// Says loudly what is not checked.
pub(crate) fn skip(missing: &str, required: &str) {
    // Not `eprintln`, which the harness captures.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
    assert!(std::env::var_os(required).is_none_or(|value| value != "1"), "{required}=1: {missing}");
}

fn build() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target())
        // The baseline of the architecture: with AVX-512 in every function, valgrind could not run the program.
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "the program does not build");
    path()
}

/// The lines that the program prints about itself, in the way that it is run here.
pub(crate) fn list(mut command: Command) -> Vec<String> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The backends that the program can run, in the way that it is run here.
pub(crate) fn backends(command: Command) -> Vec<String> {
    list(command).iter().filter_map(|line| line.strip_prefix("backend ").map(str::to_owned)).collect()
}
