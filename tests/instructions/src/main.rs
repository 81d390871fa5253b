//! Runs each operation once in [`counted_region`], where callgrind counts its instructions, on every backend that there
//! is: under valgrind that leaves out AVX-512. Prints the ids of the cases, `op/n/limbs/backend`, in the order in which
//! they ran. `tests/instructions.rs` reads both.

mod kernels;
mod scheme;

use core::hint::black_box;

use tacit_core::backend::{Backend, Kernels};

fn main() {
    for kernels in Kernels::available() {
        let mut count = |op: &str, n: usize, limbs: usize, run: &mut dyn FnMut()| {
            // What is made once, when it is first needed, is not counted.
            run();
            counted_region(run);
            region_counted();
            println!("{op}/{n}/{limbs}/{}", kernels.name());
        };
        kernels::run(kernels, &mut count);
        scheme::run(kernels, &mut count);
    }
}

/// Takes an operation, a degree, a number of limbs, and what to count.
type Count<'a> = &'a mut dyn FnMut(&str, usize, usize, &mut dyn FnMut());

/// Callgrind finds it by its name and counts from its start to its end.
#[inline(never)]
fn counted_region(run: &mut dyn FnMut()) {
    run();
    // Not the last call: that would be a jump, which has no end.
    black_box(());
}

/// Where callgrind writes down what it has counted, and begins anew.
#[inline(never)]
fn region_counted() {
    black_box(());
}
