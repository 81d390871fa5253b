//! Runs one operation of the core on operands that memcheck takes for uninitialised: it then reports every branch and
//! every address that depends on them (Langley, "ctgrind", 2010). The release build is run, so the compiler's output is
//! what is looked at, for every backend that valgrind decodes: it does not decode AVX-512, and its processor does not
//! have it. Latencies it does not know.
//!
//! Without arguments the program lists its cases, with a line for each backend where a case depends on it; with such a
//! line's case and backend as arguments it runs it. `tests/constant_time.rs` runs them all. With `timing` as argument it
//! measures instead, see [`timing`]. `tests/disassembly.rs` reads the program's code.

mod approximate;
mod arithmetic;
mod cases;
mod controls;
mod kernels;
mod leaks;
mod memcheck;
mod secret;
mod timing;

use std::process::ExitCode;

use tacit_core::backend::{Backend, Kernels};

/// What memcheck must say about a case.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Nothing.
    Clean,
    /// At least one error: a control, without which silence would mean nothing.
    Flagged,
    /// Nothing, although it leaks: what memcheck is blind to.
    Unseen,
}

/// Whether a case runs slice kernels.
#[derive(Clone, Copy)]
enum Case {
    Words(fn()),
    Slices(fn(Kernels)),
}
use Case::{Slices, Words};

const CASES: &[(Expected, &str, Case)] = &[
    (Expected::Clean, "words", Words(arithmetic::words)),
    (Expected::Clean, "ternary", Words(cases::ternary)),
    (Expected::Clean, "noise", Words(cases::noise)),
    (Expected::Clean, "kernels", Slices(kernels::all)),
    (Expected::Clean, "polynomials", Slices(arithmetic::polynomials)),
    (Expected::Clean, "crt_composition", Slices(arithmetic::compose)),
    (Expected::Clean, "public_key", Slices(cases::public_key)),
    (Expected::Clean, "evaluation_keys", Slices(cases::evaluation_keys)),
    (Expected::Clean, "secret_key_bytes", Slices(cases::secret_key_bytes)),
    (Expected::Clean, "encode", Slices(cases::encode)),
    (Expected::Clean, "encrypt", Slices(cases::encrypt)),
    (Expected::Clean, "encrypt_public", Slices(cases::encrypt_public)),
    (Expected::Clean, "decrypt", Slices(cases::decrypt)),
    (Expected::Clean, "decrypt_traced", Slices(cases::decrypt_traced)),
    (Expected::Clean, "ckks_encrypt", Slices(approximate::encrypt)),
    (Expected::Clean, "ckks_encrypt_public", Slices(approximate::encrypt_public)),
    (Expected::Clean, "ckks_decrypt", Slices(approximate::decrypt)),
    (Expected::Clean, "ckks_decrypt_traced", Slices(approximate::decrypt_traced)),
    (Expected::Clean, "ckks_scalar", Slices(approximate::scalar)),
    (Expected::Flagged, "leaky_select", Words(controls::leaky_select)),
    (Expected::Flagged, "leaky_index", Words(controls::leaky_index)),
    (Expected::Flagged, "leaky_seed", Slices(controls::leaky_seed)),
    (Expected::Flagged, "leaky_measurement", Slices(controls::leaky_measurement)),
    (Expected::Flagged, "leaky_kernel", Slices(controls::leaky_kernel)),
    (Expected::Unseen, "leaky_division", Words(controls::leaky_division)),
];

fn main() -> ExitCode {
    leaks::keep();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => list(),
        ["timing"] => return timing::report(),
        [name] => run(name, Kernels::PORTABLE),
        [name, backend, ..] => run(name, named(backend)),
    }
    ExitCode::SUCCESS
}

fn list() {
    for kernels in Kernels::available() {
        println!("backend {}", kernels.name());
    }
    for (expected, name, case) in CASES {
        match case {
            Words(_) => println!("{expected:?} {name}"),
            Slices(_) => Kernels::available().for_each(|kernels| println!("{expected:?} {name} {}", kernels.name())),
        }
    }
}

fn named(backend: &str) -> Kernels {
    Kernels::available().find(|kernels| kernels.name() == backend).expect("no such backend here")
}

fn run(asked: &str, kernels: Kernels) {
    let (_, _, case) = CASES.iter().find(|(_, name, _)| *name == asked).expect("no such case");
    match case {
        Words(run) => run(),
        Slices(run) => run(kernels),
    }
}
