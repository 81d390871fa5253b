//! Hostile bytes cannot make the decoder allocate more than their own length warrants: every buffer is allocated after
//! its bytes were seen to be there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts")]

#[path = "support/party.rs"]
mod party;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::System;

use party::rng;
use tacit_core::bfv::{Bfv, Ciphertext, SeededCiphertext};
use tacit_core::params::Params;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, PublicKey, SecretKey, rotation_element};
use tacit_core::wire::{HEADER_BYTES, Wire, WireError};

/// The system's allocator; counts all bytes ever asked for.
struct Counting;

static ASKED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(layout.size(), Ordering::Relaxed);
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

/// Bytes asked for per byte of input, at most: 34-bit residues become 64-bit words, and a key's uniform halves come from
/// its seed.
const PER_BYTE: usize = 8;

/// Bytes asked for whatever the input: the two bits of a secret coefficient become a word for each key prime. This is less
/// than two key-switching digits, so a claim of many keys cannot hide in it.
const FIXED: usize = 1 << 18;

/// Decodes and checks the account.
fn account<T: Wire>(params: &Params, bytes: &[u8]) -> Result<T, WireError> {
    let before = ASKED.load(Ordering::Relaxed);
    let result = T::from_bytes(params, bytes);
    let asked = ASKED.load(Ordering::Relaxed) - before;
    assert!(asked <= FIXED + PER_BYTE * bytes.len(), "{}: {asked} bytes asked for {}", T::KIND, bytes.len());
    result
}

/// Every prefix length of interest, with every byte in front of the polynomials set to what claims most.
fn attack<T: Wire>(params: &Params, value: &T) {
    let bytes = value.to_bytes(params);
    let fields = HEADER_BYTES..bytes.len().min(HEADER_BYTES + 64);
    for len in [HEADER_BYTES, HEADER_BYTES + 6, HEADER_BYTES + 38, HEADER_BYTES + 64, bytes.len() / 2, bytes.len()] {
        assert_eq!(account::<T>(params, &bytes[..len]).is_ok(), len == bytes.len());
        for at in fields.clone().filter(|at| *at < len) {
            for claim in [0x10, 0x7f, 0xff] {
                let mut claimed = bytes[..len].to_vec();
                claimed[at] = claim;
                // A changed seed or coefficient may still be a value; the account is what counts.
                let _ = account::<T>(params, &claimed);
            }
        }
    }
}

/// One test in this file, because the account is the whole process's.
#[test]
fn allocations_follow_the_bytes_that_are_there() {
    let builder = Params::builder(4096).ciphertext_bits(&[36, 36]).special_bits(&[34]).plain_bits(&[17]);
    let params = builder.build().unwrap();
    let (bfv, mut rng) = (Bfv::new(&params).unwrap(), rng(50));
    let secret = SecretKey::generate(&params, &mut rng);
    let mut request = KeyRequest::default();
    request.need_relin(2);
    request.need_galois(rotation_element(4096, 1), 2);
    let seeded = bfv.encrypt(&secret, &bfv.encode(&[1]).unwrap(), &mut rng).unwrap();
    attack(&params, &secret);
    attack(&params, &PublicKey::generate(&secret, &mut rng));
    attack(&params, &EvaluationKeys::generate(&secret, &request, &mut rng).unwrap());
    attack::<Ciphertext>(&params, &bfv.expand(&seeded));
    attack::<SeededCiphertext>(&params, &seeded);
    attack(&params, &bfv.trace(&bfv.expand(&seeded), 16).unwrap());
    attack(&params, &bfv.trace(&bfv.expand(&seeded), 2048).unwrap());
}
