//! The core works without the standard library: builds and runs the program in `no_std/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths and symbols that code of the standard library leaves in a binary: places of panics, and mangled names.
const TRACES: [&str; 4] = ["library/std/src/", "3std2rt", "3std2io", "__rust_start_panic"];

/// Builds for the host and returns the program.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Its own target directory: this test runs inside cargo, which holds the lock of the other one.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--manifest-path"])
        .arg(root.join("tests/no_std/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "the program without std does not build");
    target.join("debug/tacit-no-std")
}

fn traces(program: &Path) -> Vec<&'static str> {
    let bytes = std::fs::read(program).unwrap();
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    TRACES.into_iter().filter(|text| contains(text)).collect()
}

#[test]
fn a_round_trip_without_std() {
    let program = build();
    let status = Command::new(&program).status().unwrap();
    assert_eq!(status.code(), Some(0), "{status}: the code is the step that failed");
    assert_eq!(traces(&program), [""; 0], "std is linked");
}

/// The control: the same search finds the standard library in a program that has it, this one.
#[test]
fn the_search_finds_std_where_it_is() {
    let found = traces(&std::env::current_exe().unwrap());
    assert!(found.len() >= 2, "{found:?}");
}
