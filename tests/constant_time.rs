//! Secrets decide no branch and no address in the compiled code: runs the cases of `constant_time/` under valgrind's
//! memcheck, one process each, on every backend whose instructions valgrind decodes: portable code and AVX2.
//!
//! Where valgrind is missing the tests say so on standard error and pass; `REQUIRE_VALGRIND=1` makes that a failure, so
//! that a machine without it cannot look as if it had tested anything. So does `REQUIRE_BACKENDS` for the backends in it.
//! What valgrind does not decode, `tests/disassembly.rs` reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Output};

/// What valgrind exits with if it has errors to report; the program itself exits with 0, or 101 for a panic.
const FLAGGED: i32 = 99;
/// The backends whose instructions valgrind decodes.
const DECODED: [&str; 2] = ["portable", "avx2"];

/// The optimised program, or none where it cannot be checked.
fn program() -> Option<&'static Path> {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|out| out.status.success()) {
        program::skip("constant time is not checked without valgrind", "REQUIRE_VALGRIND");
        return None;
    }
    program::built("constant time is not checked but on x86-64 Linux", "REQUIRE_VALGRIND")
}

fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", &format!("--error-exitcode={FLAGGED}")]);
    command.arg(format!("--suppressions={}", program::folder().join("outcomes.supp").display()));
    command.arg(program);
    command
}

fn run(program: &Path, case: &str) -> Output {
    valgrind(program).args(case.split(' ')).output().unwrap()
}

/// Runs every case of which the program says that this is expected, on every backend that it sees under valgrind.
fn check(expected: &str, code: i32) {
    let Some(program) = program() else { return };
    let list = program::list(valgrind(program));
    let cases: Vec<_> = list.iter().filter_map(|line| line.strip_prefix(expected)?.strip_prefix(' ')).collect();
    assert!(!cases.is_empty());
    let verdicts = cases.iter().map(|case| (case, run(program, case)));
    let wrong: Vec<_> = verdicts.filter(|(_, output)| output.status.code() != Some(code)).collect();
    for (case, output) in &wrong {
        eprintln!("{case}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let names: Vec<_> = wrong.iter().map(|(case, _)| case).collect();
    assert!(wrong.is_empty(), "not {expected}: {names:?}");
}

/// Says which backends the other tests run, and that they are all that they can.
#[test]
fn backends_that_valgrind_decodes_are_checked() {
    let Some(program) = program() else { return };
    let (checked, here) = (program::backends(valgrind(program)), program::backends(Command::new(program)));
    println!("under valgrind: {}; on this machine: {}", checked.join(", "), here.join(", "));
    let required = std::env::var("REQUIRE_BACKENDS").unwrap_or_default();
    let required: Vec<_> = required.split(',').map(str::trim).filter(|name| DECODED.contains(name)).collect();
    for backend in DECODED.iter().filter(|backend| !checked.iter().any(|name| name == **backend)) {
        assert!(!here.iter().any(|name| name == backend), "{backend} is here, but not under valgrind");
        assert!(!required.contains(backend), "{backend} is required, but not here");
        program::skip(&format!("constant time of {backend} is not checked under valgrind: no such backend here"), "");
    }
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
