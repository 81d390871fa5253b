//! Operations with outputs and a work space that have seen them before allocate nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts")]

#[path = "support/party.rs"]
mod party;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::System;

use party::{Party, request};
use tacit_core::bfv::Ciphertext;
use tacit_core::error::EvalError;
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::rotation_element;

/// The system's allocator; counts calls.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `System` made the block.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test in this file, because the account is the whole process's.
#[test]
fn repeated_operations_allocate_nothing() {
    let builder = Params::builder(16384).ciphertext_bits(&[49; 5]).special_bits(&[50; 3]).plain_bits(&[17, 18]);
    let params = builder.build().unwrap();
    let Party { bfv, keys, secret, mut rng } = Party::new(&params, &request(&params, &[1, 2], 5), 84);
    let slots = bfv.encode(&[1, 2, 3]).unwrap();
    let x = bfv.expand(&bfv.encrypt(&secret, &slots, &mut rng).unwrap());
    let (square, low) = (bfv.square(&x).unwrap(), bfv.switch_to(&x, 2).unwrap());
    let (factor, addend) = (bfv.multiplicand(&slots, 5).unwrap(), bfv.addend(&slots, 5).unwrap());
    let element = rotation_element(params.degree(), 1);
    let mut running = x.clone();

    let mut scratch = Scratch::new();
    let hoisted = bfv.hoist(&x, 5, &mut scratch).unwrap();
    type Operation<'a> = &'a mut dyn FnMut(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>;
    let operations: [(&str, Operation<'_>); 10] = [
        ("rotate", &mut |out, s| bfv.apply_galois_into(&x, element, &keys, out, s)),
        ("rotate low", &mut |out, s| bfv.apply_galois_into(&low, element, &keys, out, s)),
        ("rotate hoisted", &mut |out, s| hoisted.apply_galois_into(element, &keys, out, s)),
        ("relinearise", &mut |out, s| bfv.relinearise_into(&square, &keys, out, s)),
        ("plain product", &mut |out, s| bfv.mul_plain_into(&x, &factor, out, s)),
        ("plain sum", &mut |out, s| bfv.add_plain_into(&x, &addend, out, s)),
        ("sum", &mut |out, s| bfv.sum_into(&[&x, &x, &x], out, s)),
        ("add", &mut |_, _| bfv.add_assign(&mut running, &x)),
        ("combination", &mut |out, s| bfv.linear_combination_into(&[&x, &x], &[3, -4], out, s)),
        ("switch", &mut |out, s| bfv.switch_to_into(&x, 2, out, s)),
    ];
    for (what, operation) in operations {
        let mut out = bfv.zero(5);
        operation(&mut out, &mut scratch).unwrap();
        let first = out.clone();
        let before = CALLS.load(Ordering::Relaxed);
        operation(&mut out, &mut scratch).unwrap();
        operation(&mut out, &mut scratch).unwrap();
        assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0, "{what}");
        assert!(out == first, "{what}");
    }
}
