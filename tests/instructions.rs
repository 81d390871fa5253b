//! No operation needs more instructions than it did: runs the cases of `instructions/` under callgrind and compares with
//! `instructions/baseline.toml`. Unlike times, counts are the same on a busy machine.
//!
//! `BLESS=1 cargo test --test instructions` writes the baseline anew. Counts depend on the compiler: with another version
//! than that of the baseline, or without valgrind, the test says so on standard error and passes; `REQUIRE_VALGRIND=1` makes
//! the latter a failure. Valgrind does not decode AVX-512: those kernels are timed by the benches only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A count may grow by so many percent: libraries of the system and the order of functions matter a little.
const TOLERANCE: u64 = 3;

type Counts = BTreeMap<String, u64>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions")
}

/// Not `eprintln`, which the harness captures.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn can_count() -> bool {
    let native = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    let found = native && Command::new("valgrind").arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        say("SKIPPED: instructions are not counted without valgrind on x86-64 Linux");
        assert!(std::env::var_os("REQUIRE_VALGRIND").is_none_or(|value| value != "1"), "valgrind is required");
    }
    found
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn build(target: &Path) -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "the program does not build");
    target.join("release/tacit-instructions")
}

/// Runs the program and reads a count for each id that it prints: callgrind dumps behind each counted region.
fn count() -> Counts {
    // Its own target directory: this test runs inside cargo, which holds the lock of the other one.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let program = build(&target);
    let dumps = target.join("callgrind.out");
    // Dumps are added to what is there.
    let _ = std::fs::remove_file(&dumps);
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--combine-dumps=yes"])
        .args(["--toggle-collect=*counted_region*", "--dump-before=*region_counted*"])
        .arg(format!("--callgrind-out-file={}", dumps.display()))
        .arg(program)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dumps = std::fs::read_to_string(dumps).unwrap();
    // The last dump is that of the end of the program, with nothing in it.
    let totals: Vec<u64> =
        dumps.lines().filter_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok()).collect();
    let ids: Vec<_> = core::str::from_utf8(&output.stdout).unwrap().lines().collect();
    assert!(totals.len() >= ids.len() && totals[ids.len()..].iter().all(|&total| total == 0), "{totals:?} for {ids:?}");
    assert!(totals[..ids.len()].iter().all(|&total| total > 0), "{totals:?}");
    ids.into_iter().map(str::to_owned).zip(totals).collect()
}

/// The compiler, and a count by id.
fn read(text: &str) -> (String, Counts) {
    let mut compiler = String::new();
    let mut counts = Counts::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(" = ")) {
        match key {
            "rustc" => compiler = value.trim_matches('"').to_owned(),
            id => drop(counts.insert(id.trim_matches('"').to_owned(), value.parse().unwrap())),
        }
    }
    (compiler, counts)
}

fn written(compiler: &str, counts: &Counts) -> String {
    let mut text =
        "# Instructions by op/n/limbs/backend. Written by `BLESS=1 cargo test --test instructions`.\n".to_owned();
    write!(text, "rustc = \"{compiler}\"\n\n[instructions]\n").unwrap();
    counts.iter().for_each(|(id, count)| writeln!(text, "\"{id}\" = {count}").unwrap());
    text
}

/// What is worse than the baseline, and what is worth a new one.
fn compare(baseline: &Counts, counts: &Counts) -> (Vec<String>, Vec<String>) {
    let (mut worse, mut other) = (Vec::new(), Vec::new());
    let backend = |id: &str| id.rsplit('/').next().map(str::to_owned);
    for (id, &count) in counts {
        let Some(&before) = baseline.get(id) else {
            other.push(format!("{id}: {count}, not in the baseline"));
            continue;
        };
        let change = 100.0 * (count as f64 / before as f64 - 1.0);
        let line = format!("{id}: {count} instructions, {before} before ({change:+.1} %)");
        if 100 * count > (100 + TOLERANCE) * before {
            worse.push(line);
        } else if 100 * count < (100 - TOLERANCE) * before {
            other.push(line);
        }
    }
    // A backend may be missing on this machine; an operation of one that is there may not.
    let gone = baseline.keys().filter(|id| !counts.contains_key(*id));
    let gone = gone.filter(|id| counts.keys().any(|other| backend(other) == backend(id)));
    worse.extend(gone.map(|id| format!("{id}: in the baseline, but not run")));
    (worse, other)
}

#[test]
fn no_operation_needs_more_instructions_than_before() {
    if !can_count() {
        return;
    }
    let (file, compiler) = (folder().join("baseline.toml"), compiler());
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(file, written(&compiler, &count())).unwrap();
        return;
    }
    let (of, baseline) = read(&std::fs::read_to_string(file).unwrap());
    if of != compiler {
        say(&format!("SKIPPED: the baseline of instruction counts is of {of}, this is {compiler}"));
        return;
    }
    let (worse, other) = compare(&baseline, &count());
    other.iter().for_each(|line| say(&format!("NOTE, worth BLESS=1: {line}")));
    assert!(worse.is_empty(), "more than {TOLERANCE} % above the baseline:\n{}", worse.join("\n"));
}

/// The control: what the comparison must tell apart.
#[test]
fn the_comparison_sees_growth_and_gaps() {
    let counts = |list: &[(&str, u64)]| list.iter().map(|&(id, count)| (id.to_owned(), count)).collect::<Counts>();
    let baseline = counts(&[("a/1/1/x", 1000), ("b/1/1/x", 1000), ("c/1/1/x", 1000), ("a/1/1/y", 1000)]);
    assert_eq!(read(&written("rustc 1", &baseline)), ("rustc 1".to_owned(), baseline.clone()));
    let (worse, other) = compare(&baseline, &counts(&[("a/1/1/x", 1030), ("b/1/1/x", 970), ("c/1/1/x", 1000)]));
    assert_eq!((worse.len(), other.len()), (0, 0), "{worse:?} {other:?}");
    let (worse, other) = compare(&baseline, &counts(&[("a/1/1/x", 1031), ("b/1/1/x", 900), ("d/1/1/x", 1)]));
    assert!(worse.len() == 2 && worse[0].starts_with("a/1/1/x") && worse[1].starts_with("c/1/1/x"), "{worse:?}");
    assert!(other.len() == 2 && other[0].starts_with("b/1/1/x") && other[1].starts_with("d/1/1/x"), "{other:?}");
}
