//! Secrets decide no branch and no address in the compiled code of the portable backend: runs the cases of
//! `constant_time/` under valgrind's memcheck, one process each.
//!
//! Where valgrind is missing the tests say so on standard error and pass; `REQUIRE_VALGRIND=1` makes that a failure, so
//! that a machine without it cannot look as if it had tested anything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What valgrind exits with if it has errors to report; the program itself exits with 0, or 101 for a panic.
const FLAGGED: i32 = 99;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/constant_time")
}

/// The optimised program, or none where it cannot be checked.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(|| can_check().then(build)).as_deref()
}

fn can_check() -> bool {
    let native = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    let found = native && Command::new("valgrind").arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        // Not `eprintln`, which the harness captures.
        let _ = writeln!(std::io::stderr(), "SKIPPED: constant time is not checked without valgrind on x86-64 Linux");
        assert!(std::env::var_os("REQUIRE_VALGRIND").is_none_or(|value| value != "1"), "valgrind is required");
    }
    found
}

fn build() -> PathBuf {
    // Its own target directory: this test runs inside cargo, which holds the lock of the other one.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("constant_time");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // The baseline of the architecture: with AVX-512 in every function, valgrind could not run the program.
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "the program does not build");
    target.join("release/tacit-constant-time")
}

fn run(program: &Path, case: &str) -> Output {
    Command::new("valgrind")
        .args(["--quiet", &format!("--error-exitcode={FLAGGED}")])
        .arg(format!("--suppressions={}", folder().join("outcomes.supp").display()))
        .arg(program)
        .arg(case)
        .output()
        .unwrap()
}

/// Runs every case of which the program says that this is expected.
fn check(expected: &str, code: i32) {
    let Some(program) = program() else { return };
    let list = String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap();
    let cases: Vec<_> = list.lines().filter_map(|line| line.strip_prefix(expected)?.strip_prefix(' ')).collect();
    assert!(!cases.is_empty());
    let verdicts = cases.iter().map(|case| (case, run(program, case)));
    let wrong: Vec<_> = verdicts.filter(|(_, output)| output.status.code() != Some(code)).collect();
    for (case, output) in &wrong {
        eprintln!("{case}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let names: Vec<_> = wrong.iter().map(|(case, _)| case).collect();
    assert!(wrong.is_empty(), "not {expected}: {names:?}");
}

#[test]
fn secrets_decide_no_branch_and_no_address() {
    check("Clean", 0);
}

#[test]
fn leaks_on_purpose_are_flagged() {
    check("Flagged", FLAGGED);
}

/// What SECURITY.md says about variable latency: this check does not see it.
#[test]
fn division_is_not_seen() {
    check("Unseen", 0);
}
