//! Runs one operation of the core on operands that memcheck takes for uninitialised: it then reports every branch and
//! every address that depends on them (Langley, "ctgrind", 2010). The release build is run, so the compiler's output is
//! what is looked at, for the portable backend: valgrind does not decode AVX-512. Latencies it does not know.
//!
//! Without arguments the program lists its cases; with one as argument it runs it. `tests/constant_time.rs` runs them all.

mod arithmetic;
mod cases;
mod controls;
mod memcheck;
mod secret;

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

const CASES: &[(Expected, &str, fn())] = &[
    (Expected::Clean, "words", arithmetic::words),
    (Expected::Clean, "polynomials", arithmetic::polynomials),
    (Expected::Clean, "crt_composition", arithmetic::compose),
    (Expected::Clean, "ternary", cases::ternary),
    (Expected::Clean, "noise", cases::noise),
    (Expected::Clean, "public_key", cases::public_key),
    (Expected::Clean, "evaluation_keys", cases::evaluation_keys),
    (Expected::Clean, "secret_key_bytes", cases::secret_key_bytes),
    (Expected::Clean, "encode", cases::encode),
    (Expected::Clean, "encrypt", cases::encrypt),
    (Expected::Clean, "encrypt_public", cases::encrypt_public),
    (Expected::Clean, "decrypt", cases::decrypt),
    (Expected::Flagged, "leaky_select", controls::leaky_select),
    (Expected::Flagged, "leaky_index", controls::leaky_index),
    (Expected::Flagged, "leaky_seed", controls::leaky_seed),
    (Expected::Flagged, "leaky_measurement", controls::leaky_measurement),
    (Expected::Unseen, "leaky_division", controls::leaky_division),
];

fn main() {
    let Some(asked) = std::env::args().nth(1) else {
        CASES.iter().for_each(|(expected, name, _)| println!("{expected:?} {name}"));
        return;
    };
    let (_, _, run) = CASES.iter().find(|(_, name, _)| *name == asked).expect("no such case");
    run();
}
