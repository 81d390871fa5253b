//! Lattice cryptography for private inference: exact arithmetic on encrypted integers.
//!
//! ```
//! use rand_core::SeedableRng;
//! use tacit_core::bfv::Bfv;
//! use tacit_core::params::Params;
//! use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // 128-bit security is checked here and cannot be skipped.
//! let params = Params::builder(4096).ciphertext_bits(&[36, 36]).special_bits(&[34]).plain_bits(&[17]).build()?;
//! let bfv = Bfv::new(&params)?;
//!
//! // A real program seeds this from the operating system.
//! let mut rng = chacha20::ChaCha20Rng::from_seed([7; 32]);
//! let secret = SecretKey::generate(&params, &mut rng);
//! let mut request = KeyRequest::default();
//! request.need_galois(tacit_core::rlwe::rotation_element(4096, 1), 2);
//! let keys = EvaluationKeys::generate(&secret, &request, &mut rng)?;
//!
//! let query = bfv.expand(&bfv.encrypt(&secret, &bfv.encode(&[1, 2, 3])?, &mut rng)?);
//! let sum = bfv.add(&query, &bfv.rotate_rows(&query, 1, &keys)?)?;
//!
//! let answer = bfv.decrypt(&secret, &sum)?.release();
//! assert_eq!(bfv.decode(&answer)[..3], [3, 5, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! The crate is `no_std` with `alloc`. Modules, in the order in which they build on each other:
//!
//! | module | holds |
//! |---|---|
//! | [`ct`] | masks and selects |
//! | [`error`] | what can go wrong, with its numbers |
//! | [`modulus`] | arithmetic modulo one `q < 2^60`: Barrett, Shoup, Montgomery |
//! | [`prime`] | NTT primes and roots of unity |
//! | [`backend`] | slice kernels, one implementation per instruction set |
//! | [`ntt`] | the negacyclic transform |
//! | [`rns`] | CRT bases, base conversion, exact scaling |
//! | [`poly`] | polynomials; the domain is a type |
//! | [`sample`] | uniform, ternary, centred binomial |
//! | [`params`] | validated, secure parameter sets |
//! | [`rlwe`] | keys, key switching, the noise bound |
//! | [`bfv`] | exact arithmetic on slots |
//! | `ckks` | approximate arithmetic on slots (feature `ckks`) |
//! | [`wire`] | bytes |
//!
//! # Constant time
//!
//! Branches, addresses and instruction choice do not depend on secrets (keys, noise, plaintexts of clients), except in
//! functions whose name ends in `_vartime`, which are given public data. The secret paths are [`sample::ternary`],
//! [`sample::noise`], key generation, encryption, decryption, [`bfv::Bfv::encode`] and [`bfv::Bfv::decode`]. The norm
//! that [`bfv::Bfv::multiplicand`] computes is for plaintexts of the server itself. `ckks` says what it assumes of doubles.

#![no_std]
#![warn(clippy::integer_division_remainder_used)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::integer_division_remainder_used,
        reason = "tests"
    )
)]

extern crate alloc;

pub mod ct;
pub mod error;

pub mod modulus;
pub mod prime;

pub mod backend;
pub mod ntt;

pub mod rns;

pub mod poly;
pub mod sample;

pub mod params;

pub mod rlwe;

pub mod bfv;
#[cfg(feature = "ckks")]
pub mod ckks;
pub mod wire;
