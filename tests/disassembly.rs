//! Secrets decide no jump, no address and no division in the compiled kernels of any backend, those that valgrind cannot
//! run included: an abstract interpretation of their machine code.
//!
//! The program of `constant_time/` has one function per kernel, all with the same four arguments, of which is known what
//! lies behind each: public tables, slices of secret words, tables of such slices. From there every path is followed,
//! through calls and into every backend, whether or not this machine can run it. See SECURITY.md for what that shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "disassembly/analysis.rs"]
mod analysis;
#[path = "disassembly/execute.rs"]
mod execute;
#[path = "disassembly/image.rs"]
mod image;
#[path = "support/program.rs"]
mod program;
#[path = "disassembly/state.rs"]
mod state;
#[path = "disassembly/value.rs"]
mod value;

use std::collections::BTreeSet;

use analysis::{Findings, Kind, follow};
use iced_x86::Register;
use image::{Function, Image};
use value::Value;

/// All but `accept_vartime`, whose words are public and decide how long it takes, and `switch_pair` and
/// `ntt_forward_lifted`, whose operands are ciphertexts and evaluation keys: they move more slices over the stack than this
/// interpretation can tell apart. What valgrind decodes of them is run with poisoned operands. Packed words are public but
/// for secret keys, whose bytes valgrind follows.
const KERNELS: [&str; 25] = [
    "ntt_forward",
    "ntt_inverse",
    "add",
    "sub",
    "neg",
    "mul",
    "mul_add",
    "mul_scalar",
    "dot",
    "combine",
    "round_quotients",
    "permute",
    "add_into",
    "mul_into",
    "scale_into",
    "scale_add",
    "divide",
    "lift_centred",
    "dot_pair",
    "permute_blocks",
    "convert",
    "tensor",
    "keystream",
    "binomial",
    "add_small",
];
/// Kernels of which every backend but the portable one has its own.
const OWN: [&str; 3] = ["ntt_forward", "ntt_inverse", "mul"];
const BACKENDS: &str = "tacit_core::backend::";

/// What the functions of `constant_time/src/{kernels,leaks}.rs` are given.
fn arguments() -> [(Register, Value); 4] {
    let table = |depth| Value::Slices { depth, offset: Some(0) };
    [
        (Register::RDI, Value::Number),
        (Register::RSI, Value::Public),
        (Register::RDX, table(1)),
        (Register::RCX, table(2)),
    ]
}

fn image() -> Option<Image> {
    Some(Image::read(program::built("disassembly is not checked", "REQUIRE_DISASSEMBLY")?))
}

fn function<'a>(image: &'a Image, name: &str) -> &'a Function {
    let found: Vec<_> = image.functions.iter().filter(|function| function.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0]
}

/// The backends of which the program has code.
fn backends(image: &Image) -> BTreeSet<String> {
    let inside = image.functions.iter().filter_map(|function| function.name.split_once(BACKENDS)?.1.split_once("::"));
    let helpers = ["portable", "tables", "aligned", "suite", "conversion", "sampling", "pairs", "bits"];
    // Types of this module, not modules in it, have capitals.
    let modules = inside.map(|(module, _)| module).filter(|module| module.starts_with(char::is_lowercase));
    modules.filter(|module| !helpers.contains(module)).map(str::to_owned).collect()
}

/// How many functions of a backend were followed.
fn functions_of(backend: &str, findings: &Findings) -> usize {
    let module = format!("{BACKENDS}{backend}::");
    findings.functions.iter().filter(|name| name.contains(&module)).count()
}

#[test]
fn secrets_decide_no_jump_address_or_division_in_any_kernel() {
    let Some(image) = image() else { return };
    let backends = backends(&image);
    let mut violations = Vec::new();
    for kernel in KERNELS {
        let findings =
            follow(&image, function(&image, &format!("tacit_constant_time::kernels::{kernel}")), &arguments());
        let counts = backends.iter().map(|backend| format!("{backend}: {}", functions_of(backend, &findings)));
        let (instructions, jumps) = (findings.instructions.len(), findings.jumps.len());
        println!(
            "{kernel}: {instructions} instructions, {jumps} conditional jumps, functions of {}",
            counts.collect::<Vec<_>>().join(", ")
        );
        if OWN.contains(&kernel) {
            backends.iter().for_each(|backend| assert!(functions_of(backend, &findings) > 0, "{kernel} of {backend}"));
        }
        violations.extend(findings.violations.into_values());
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A backend that this machine runs cannot be missing from what is looked at.
#[test]
fn available_backends_are_looked_at() {
    let Some(image) = image() else { return };
    let looked_at = backends(&image);
    println!("backends in the program: portable, {looked_at:?}");
    for backend in program::backends(std::process::Command::new(program::path())) {
        assert!(backend == "portable" || looked_at.contains(&backend), "no code of {backend} in {looked_at:?}");
    }
}

#[test]
fn leaks_on_purpose_are_found() {
    let Some(image) = image() else { return };
    let leaks = [
        ("branch", Kind::Branch),
        ("branch_on_stack", Kind::Branch),
        ("branch_on_heap", Kind::Branch),
        ("branch_in_callee", Kind::Branch),
        ("lanes::branch_on_lanes", Kind::Branch),
        ("address", Kind::Address),
        ("division", Kind::Latency),
        ("float_division", Kind::Latency),
        ("escape", Kind::Escape),
        ("escape_in_box", Kind::Escape),
    ];
    for (leak, kind) in leaks {
        let findings = follow(&image, function(&image, &format!("tacit_constant_time::leaks::{leak}")), &arguments());
        let found: BTreeSet<_> = findings.violations.keys().map(|(_, kind)| *kind).collect();
        assert_eq!(found, BTreeSet::from([kind]), "{leak}: {:?}", findings.violations);
    }
}
