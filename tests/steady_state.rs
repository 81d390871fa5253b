//! Operations with outputs and a work space that have seen them before allocate nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts")]

#[path = "support/party.rs"]
mod party;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::System;

use party::{Party, request};
use tacit_core::bfv;
use tacit_core::ckks::{self, Ckks, Encoding, Scale};
use tacit_core::error::EvalError;
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, SecretKey, rotation_element, row_swap_element};
use tacit_core::wire::Wire;

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

type Operation<'a, C> = (&'a str, &'a mut dyn FnMut(&mut C, &mut Scratch) -> Result<(), EvalError>);

/// One test in this file, because the account is the whole process's.
#[test]
fn repeated_operations_allocate_nothing() {
    exact();
    approximate();
}

/// Each operation twice more after the first time.
fn check<C: Clone + PartialEq>(operations: &mut [Operation<'_, C>], zero: impl Fn() -> C, scratch: &mut Scratch) {
    for (what, operation) in operations {
        let mut out = zero();
        operation(&mut out, scratch).unwrap();
        let first = out.clone();
        let before = CALLS.load(Ordering::Relaxed);
        operation(&mut out, scratch).unwrap();
        operation(&mut out, scratch).unwrap();
        assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0, "{what}");
        assert!(out == first, "{what}");
    }
}

fn exact() {
    let builder = Params::builder(16384).ciphertext_bits(&[49; 5]).special_bits(&[50; 3]).plain_bits(&[17, 18]);
    let params = builder.build().unwrap();
    let Party { bfv, keys, secret, mut rng } = Party::new(&params, &request(&params, &[1, 2], 5), 84);
    let slots = bfv.encode(&[1, 2, 3]).unwrap();
    let bytes = bfv.encrypt(&secret, &slots, &mut rng).unwrap().to_bytes(&params);
    let packed = bfv::PackedCiphertext::from_bytes(&bfv, &bytes).unwrap();
    let x = bfv.expand(&Wire::from_bytes(&params, &bytes).unwrap());
    let (square, low) = (bfv.square(&x).unwrap(), bfv.switch_to(&x, 2).unwrap());
    let (factor, addend) = (bfv.multiplicand(&slots, 5).unwrap(), bfv.addend(&slots, 5).unwrap());
    let (element, swap) = (rotation_element(params.degree(), 1), row_swap_element(params.degree()));
    let (mut running, mut many) = (x.clone(), [bfv.zero(5), bfv.zero(5), bfv.zero(5)]);

    let mut scratch = Scratch::new();
    let hoisted = bfv.hoist(&x, 5, &mut scratch).unwrap();
    let mut operations: [Operation<'_, bfv::Ciphertext>; 16] = [
        ("rotate", &mut |out, s| bfv.apply_galois_into(&x, element, &keys, out, s)),
        ("rotate low", &mut |out, s| bfv.apply_galois_into(&low, element, &keys, out, s)),
        ("rotate hoisted", &mut |out, s| hoisted.apply_galois_into(element, &keys, out, s)),
        ("rotate many", &mut |_, s| bfv.rotate_many_into(&x, &[1, 0, 2], &keys, &mut many, s)),
        ("sum rotated", &mut |out, s| bfv.sum_rotated_into(&[(&x, &[0, 1, 2]), (&x, &[1])], &keys, out, s)),
        ("sum images", &mut |out, s| bfv.sum_galois_into(&[(&low, &[1, element, swap])], &keys, out, s)),
        ("relinearise", &mut |out, s| bfv.relinearise_into(&square, &keys, out, s)),
        ("plain product", &mut |out, s| bfv.mul_plain_into(&x, &factor, out, s)),
        ("expand", &mut |out, s| {
            bfv.expand_into(&packed, out, s);
            Ok(())
        }),
        ("packed products", &mut |out, s| {
            bfv.inner_product_packed_into(&[&packed, &packed], &[&factor, &factor], out, s)
        }),
        ("plain products", &mut |out, s| bfv.inner_product_into(&[&x, &x], &[&factor, &factor], out, s)),
        ("plain sum", &mut |out, s| bfv.add_plain_into(&x, &addend, out, s)),
        ("sum", &mut |out, s| bfv.sum_into(&[&x, &x, &x], out, s)),
        ("add", &mut |_, _| bfv.add_assign(&mut running, &x)),
        ("combination", &mut |out, s| bfv.linear_combination_into(&[&x, &x], &[3, -4], out, s)),
        ("switch", &mut |out, s| bfv.switch_to_into(&x, 2, out, s)),
    ];
    check(&mut operations, || bfv.zero(5), &mut scratch);
}

fn approximate() {
    let params = Params::builder(16384).ciphertext_bits(&[50, 40, 40, 40, 40]).special_bits(&[50; 3]).build().unwrap();
    let (ckks, mut rng) = (Ckks::new(&params), party::rng(85));
    let secret = SecretKey::generate(&params, &mut rng);
    let keys = EvaluationKeys::generate(&secret, &request(&params, &[1, 2], 5), &mut rng).unwrap();
    let encoding = Encoding { level: 5, scale: Scale::from_bits(40).unwrap(), bound: 4.0 };
    let p = ckks.encode(&[1.0, 2.0, 3.0], &encoding).unwrap();
    let bytes = ckks.encrypt(&secret, &p, &mut rng).unwrap().to_bytes(&params);
    let before = CALLS.load(Ordering::Relaxed);
    let packed = ckks::PackedCiphertext::from_bytes(&ckks, &bytes).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), before, "bytes are looked at where they are");
    let x = ckks.expand(&Wire::from_bytes(&params, &bytes).unwrap());
    let (product, low) = (ckks.square(&x).unwrap(), ckks.drop_to(&x, 2).unwrap());
    let (element, conjugate) = (rotation_element(params.degree(), 1), row_swap_element(params.degree()));
    let (mut running, mut many) = (x.clone(), [ckks.zero(5), ckks.zero(5), ckks.zero(5)]);

    let mut scratch = Scratch::new();
    let hoisted = ckks.hoist(&x, 5, &mut scratch).unwrap();
    let raised = ckks.raised_plaintext(&p, 5).unwrap();
    let mut operations: [Operation<'_, ckks::Ciphertext>; 23] = [
        ("rotate", &mut |out, s| ckks.apply_galois_into(&x, element, &keys, out, s)),
        ("rotate low", &mut |out, s| ckks.apply_galois_into(&low, element, &keys, out, s)),
        ("rotate hoisted", &mut |out, s| hoisted.apply_galois_into(element, &keys, out, s)),
        ("images", &mut |_, s| ckks.apply_galois_many_into(&x, &[element, conjugate, 1], &keys, &mut many, s)),
        ("raised product", &mut |out, s| {
            let rotated = hoisted.rotate_raised(2, &keys, s)?;
            let product = ckks.mul_raised(&rotated, &raised, s)?;
            rotated.recycle(s);
            ckks.lower_into(product, out, s)
        }),
        ("sum rotated", &mut |out, s| ckks.sum_rotated_into(&[(&x, &[0, 1, 2]), (&x, &[1])], &keys, out, s)),
        ("sum rotated, rescaled", &mut |out, s| {
            ckks.sum_rotated_rescale_into(&[(&x, &[0, 1]), (&x, &[2])], &keys, out, s)
        }),
        ("sum images", &mut |out, s| ckks.sum_galois_into(&[(&low, &[1, element, conjugate])], &keys, out, s)),
        ("relinearise", &mut |out, s| ckks.relinearise_into(&product, &keys, out, s)),
        ("multiply, relinearise and rescale", &mut |out, s| {
            ckks.multiply_relinearise_rescale_into(&x, &x, &keys, out, s)
        }),
        ("multiply", &mut |out, s| ckks.multiply_into(&x, &x, out, s)),
        ("multiply and relinearise", &mut |out, s| ckks.multiply_relinearise_into(&x, &x, &keys, out, s)),
        ("square and relinearise", &mut |out, s| ckks.square_relinearise_into(&x, &keys, out, s)),
        ("plain product", &mut |out, s| ckks.mul_plain_into(&x, &p, out, s)),
        ("expand", &mut |out, s| {
            ckks.expand_into(&packed, out, s);
            Ok(())
        }),
        ("packed products", &mut |out, s| ckks.dot_packed_into(&[&packed, &packed], &[&p, &p], out, s)),
        ("plain products", &mut |out, s| ckks.dot_plain_into(&[&x, &x], &[&p, &p], out, s)),
        ("plain sum", &mut |out, s| ckks.add_plain_into(&x, &p, out, s)),
        ("sum", &mut |out, s| ckks.sum_into(&[&x, &x, &x], out, s)),
        ("linear combination", &mut |out, s| ckks.linear_combination_into(&[&x, &x], &[3, -4], out, s)),
        ("add", &mut |_, _| ckks.add_assign(&mut running, &x)),
        ("rescale", &mut |out, s| ckks.rescale_into(&product, out, s)),
        ("drop", &mut |out, s| ckks.drop_to_into(&x, 2, out, s)),
    ];
    check(&mut operations, || ckks.zero(5), &mut scratch);
}
