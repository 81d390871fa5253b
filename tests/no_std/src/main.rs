//! The core without the standard library: keys, encryption, bytes, a product, a rotation and decryption in a program that
//! has its own allocator and panic handler. Exits with 0, or with the number of the step that failed.
//!
//! That this program links is the proof: if any crate in it used `std`, there would be two panic handlers, which the
//! compiler refuses.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;

use alloc::vec::Vec;
use core::panic::PanicInfo;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_core::bfv::{Bfv, Ciphertext, SeededCiphertext};
use tacit_core::ckks::{Ckks, Encoding, Scale};
use tacit_core::params::Params;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};
use tacit_core::wire::Wire;

// The C run-time's start code calls `main`; `abort` is all else that is needed of it.
#[link(name = "c")]
unsafe extern "C" {
    safe fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    abort()
}

/// The compiled `alloc` names this symbol in its unwinding tables, which a program that aborts never reads.
// SAFETY: the standard library, which defines this symbol, is not in the program; nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// SAFETY: no other symbol of the program is called `main`, and the signature is the one that the C run-time expects of it.
#[unsafe(no_mangle)]
extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    match round_trip().and_then(|()| approximate()) {
        Ok(()) => 0,
        Err(step) => step,
    }
}

/// What is computed: `rotate(x², 1)` at 128-bit security.
fn round_trip() -> Result<(), i32> {
    let builder = Params::builder(4096).ciphertext_bits(&[36, 36]).special_bits(&[34]).plain_bits(&[17]);
    let params = builder.build().map_err(|_| 1)?;
    let bfv = Bfv::new(&params).map_err(|_| 2)?;
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let secret = SecretKey::generate(&params, &mut rng);
    let mut request = KeyRequest::default();
    request.need_relin(2);
    request.need_galois(rotation_element(params.degree(), 1), 2);
    let keys = EvaluationKeys::generate(&secret, &request, &mut rng).map_err(|_| 3)?;

    let values: Vec<i128> = (0..4096).map(|i| i % 251 - 125).collect();
    let query = bfv.encrypt(&secret, &bfv.encode(&values).map_err(|_| 4)?, &mut rng).map_err(|_| 5)?;
    let answer = serve(&params, &query.to_bytes(&params), &keys.to_bytes(&params)).map_err(|_| 6)?;

    let answer = Ciphertext::from_bytes(&params, &answer).map_err(|_| 7)?;
    let plaintext = bfv.decrypt(&secret, &answer).map_err(|_| 8)?.release();
    let row = values.len() / 2;
    let expected = |i: usize| values[(i / row) * row + (i + 1) % row].pow(2);
    if bfv.decode(&plaintext).iter().enumerate().all(|(i, &value)| value == expected(i)) { Ok(()) } else { Err(9) }
}

/// The server's half: bytes in, bytes out.
fn serve(params: &Params, query: &[u8], keys: &[u8]) -> Result<Vec<u8>, ()> {
    let bfv = Bfv::new(params).map_err(drop)?;
    let keys = EvaluationKeys::from_bytes(params, keys).map_err(drop)?;
    let query = bfv.expand(&SeededCiphertext::from_bytes(params, query).map_err(drop)?);
    let square = bfv.relinearise(&bfv.square(&query).map_err(drop)?, &keys).map_err(drop)?;
    let rotated = bfv.rotate_rows(&square, 1, &keys).map_err(drop)?;
    Ok(rotated.to_bytes(params).to_vec())
}

/// The square of real numbers in CKKS.
fn approximate() -> Result<(), i32> {
    let builder = Params::builder(4096).ciphertext_bits(&[40, 30]).special_bits(&[34]);
    let params = builder.build().map_err(|_| 21)?;
    let ckks = Ckks::new(&params);
    let mut rng = ChaCha20Rng::from_seed([2; 32]);
    let secret = SecretKey::generate(&params, &mut rng);
    let scale = Scale::from_bits(30).ok_or(22)?;
    let values = [1.5, -2.25, 3.0];
    let plaintext = ckks.encode(&values, &Encoding { level: 2, scale, bound: 3.0 }).map_err(|_| 23)?;
    let query = ckks.expand(&ckks.encrypt(&secret, &plaintext, &mut rng).map_err(|_| 24)?);
    let square = ckks.rescale(&ckks.square(&query).map_err(|_| 25)?).map_err(|_| 26)?;
    let answer = ckks.decrypt(&secret, &square).map_err(|_| 27)?.release_real(4).map_err(|_| 28)?;
    let close = |(answer, value): (&f64, &f64)| (answer - value * value).abs() < 0.25;
    if answer.iter().zip(&values).all(close) { Ok(()) } else { Err(29) }
}
