//! Lattice cryptography for private inference: exact arithmetic on encrypted integers.
//!
#![cfg_attr(feature = "bfv", doc = "```")]
#![cfg_attr(not(feature = "bfv"), doc = "```ignore")]
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
//! | module | holds | feature |
//! |---|---|---|
//! | [`ct`] | masks and selects | |
//! | [`error`] | what can go wrong, with its numbers | |
//! | [`modulus`] | arithmetic modulo one `q < 2^60`: Barrett, Shoup, Montgomery | |
//! | [`prime`] | NTT primes and roots of unity | |
//! | [`backend`] | slice kernels, one implementation per instruction set | |
//! | [`ntt`] | the negacyclic transform | |
//! | [`rns`] | CRT bases, base conversion, exact scaling | |
//! | [`poly`] | polynomials; the domain is a type | |
//! | `sample` | uniform, ternary, centred binomial | `rlwe` |
//! | `params` | validated, secure parameter sets | `rlwe` |
//! | `rlwe` | keys, key switching, the noise bound | `rlwe` |
//! | `bfv` | exact arithmetic on slots | `bfv` |
//! | `ckks` | approximate arithmetic on slots | `ckks` |
//! | `wire` | bytes | `wire` |
//!
//! # Constant time
//!
//! Branches, addresses and instruction choice do not depend on secrets (keys, noise, plaintexts of clients), except in
//! functions whose name ends in `_vartime`, which are given public data.
//!
//! | functions | secret operands | shown by | public by design |
//! |---|---|---|---|
//! | [`ct`], [`modulus::Modulus`] | residues and words | valgrind | `q`; factors given to `shoup`; whether `are_residues` |
//! | [`ntt`], kernels of [`backend::Portable`] | residues | valgrind | `q`, tables, lengths, weights, indices |
//! | kernels of `avx2` | residues | valgrind, disassembly | the same |
//! | kernels of `avx512`, `avx512ifma` | residues | disassembly | the same |
//! | [`rns::BaseConverter`], [`rns::Scaler`], [`rns::CrtComposer`] | residues | valgrind | the bases and multipliers |
//! | [`poly::Ring`], [`poly::Poly`] | residues | valgrind | the ring, permutations, whether `poly` accepts |
//! | `sample::ternary`, `sample::noise` | random bytes, the sample | valgrind | how many |
//! | `rlwe`: generation of keys | secret key, noise | valgrind | parameters, seeds, Galois elements |
//! | `bfv`: `encode`, `encrypt`, `encrypt_public`, `decrypt`, `decode` | plaintext, key, noise | valgrind | which value does not fit, levels, the noise bound |
//! | `bfv`: the evaluator | none: ciphertexts are public | the same kernels | levels, sizes, the noise bound |
//! | `bfv`: `multiplicand`, `norm` | none: a server's own plaintext | | the norm of the plaintext |
//! | `ckks`: `encode`, `encrypt`, `encrypt_public`, `decrypt` | plaintext, key, noise | valgrind; doubles are assumed to take equal time | whether a number is within its bound, levels, scales, bounds |
//! | `wire`: secret keys | coefficients | valgrind | whether bytes are a key |
//! | `params`, [`prime`], [`ntt::NttPlan::new`], constructors of [`rns`] | none | | moduli |
//! | `*_vartime` | none | | every operand |
//!
//! *Valgrind* means that the optimised code for baseline x86-64 runs under memcheck with secrets marked as uninitialised
//! (`cargo test --test constant_time`), which reports branches and addresses but knows no latencies; no secret is divided,
//! which a lint checks in the source. *Disassembly* means that every path of the machine code is followed
//! (`cargo test --test disassembly`). `SECURITY.md` says what is not promised.
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | none | modular arithmetic, primes, backends, transforms, residue number systems, polynomials | always |
//! | `rlwe` | sampling, parameter sets, keys, key switching; implied by schemes | implied |
//! | `bfv` | the BFV scheme | yes |
//! | `ckks` | the CKKS scheme | yes |
//! | `wire` | bytes of keys, and of ciphertexts where there is a scheme | yes |
//! | `testing` | small insecure rings, measured noise, the conformance suite of backends; never for use | no |
//!
//! A feature adds items and changes none. Instruction sets are no features: they are found when the program runs, see
//! [`backend::Kernels`]. With `default-features = false` the dependencies are `cpufeatures`, `num-bigint`, `num-traits`,
//! `once_cell` and `zeroize`.

#![no_std]
#![cfg_attr(
    not(all(feature = "bfv", feature = "ckks", feature = "wire")),
    allow(dead_code, unused_imports, reason = "what lower layers hold for those that are left out")
)]
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

#[cfg(feature = "rlwe")]
pub mod sample;

#[cfg(feature = "rlwe")]
pub mod params;

#[cfg(feature = "rlwe")]
pub mod rlwe;

#[cfg(feature = "bfv")]
pub mod bfv;
#[cfg(feature = "ckks")]
pub mod ckks;

#[cfg(feature = "wire")]
pub mod wire;
