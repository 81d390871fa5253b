//! The core compiles for WebAssembly and for 32 bits, with the arithmetic alone and with everything.
//!
//! A target needs its own standard library, or the sources of it, with which this test builds `core` and `alloc`. Both are
//! looked for where `TARGETS_RUSTC` says, or else in the compiler at hand. A target without either is named on standard
//! error and skipped; `REQUIRE_TARGETS=target,target` makes that a failure. `.ci/targets` finds a compiler with sources.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The browser, a small processor without an operating system, and an old one with.
const TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "thumbv7em-none-eabi", "i686-unknown-linux-gnu"];

const FEATURES: [&str; 2] = ["--no-default-features", "--all-features"];

fn compiler() -> OsString {
    ["TARGETS_RUSTC", "RUSTC"].into_iter().find_map(std::env::var_os).unwrap_or("rustc".into())
}

fn printed(arguments: &[&str]) -> Option<PathBuf> {
    let output = Command::new(compiler()).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().into())
}

/// How cargo gets a library for a target: it is there, or it is built.
fn library(target: &str) -> Option<&'static [&'static str]> {
    if printed(&["--print", "target-libdir", "--target", target]).is_some_and(|folder| folder.exists()) {
        return Some(&[]);
    }
    let sources = printed(&["--print", "sysroot"])?.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    sources.exists().then_some(&["-Zbuild-std=core,alloc"])
}

fn check(target: &str, library: &[&str], features: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--locked", "-p", "tacit-core", features, "--target", target])
        .args(library)
        // Nothing runs, so nothing is optimised.
        .args(["--config", "profile.dev.opt-level=0", "--config", "profile.dev.package.\"*\".opt-level=0"])
        // Its own target directory: this test runs inside cargo, which holds the lock of the other one.
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("targets"))
        .current_dir(root)
        .env("RUSTC", compiler())
        .env("RUSTC_BOOTSTRAP", if library.is_empty() { "0" } else { "1" })
        .env("RUSTFLAGS", "-D warnings")
        .status()
        .unwrap();
    assert!(status.success(), "tacit-core {features} does not compile for {target}");
}

#[test]
fn the_core_compiles_for_other_targets() {
    let required = std::env::var("REQUIRE_TARGETS").unwrap_or_default();
    let required: Vec<_> = required.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    assert!(required.iter().all(|name| TARGETS.contains(name)), "{required:?} are not all among {TARGETS:?}");
    for target in TARGETS {
        match library(target) {
            Some(library) => FEATURES.iter().for_each(|features| check(target, library, features)),
            None => {
                // Not `eprintln`, which the harness captures.
                let _ = writeln!(std::io::stderr(), "SKIPPED: {target} has no library here, nor its sources");
                assert!(!required.contains(&target), "{target} is required");
            }
        }
    }
}
