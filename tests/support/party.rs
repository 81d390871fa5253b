//! One party that holds every key: what most tests need to run a program and look at its result.

#![allow(dead_code, reason = "each test file uses the part that it needs")]

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_core::bfv::{Bfv, Ciphertext};
use tacit_core::params::Params;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element, row_swap_element};

/// A generator for tests; the same numbers in every run.
pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// A relinearisation key at the highest level, a row-swap key and the keys of these rotations at `level`.
pub(crate) fn request(params: &Params, steps: &[isize], level: usize) -> KeyRequest {
    let mut request = KeyRequest::default();
    request.need_relin(params.max_level());
    request.need_galois(row_swap_element(params.degree()), level);
    for &steps in steps.iter().filter(|steps| **steps != 0) {
        request.need_galois(rotation_element(params.degree(), steps), level);
    }
    request
}

pub(crate) struct Party {
    pub(crate) bfv: Bfv,
    pub(crate) secret: SecretKey,
    pub(crate) keys: EvaluationKeys,
    pub(crate) rng: ChaCha20Rng,
}

impl Party {
    pub(crate) fn new(params: &Params, request: &KeyRequest, seed: u8) -> Self {
        let mut rng = rng(seed);
        let secret = SecretKey::generate(params, &mut rng);
        let keys = EvaluationKeys::generate(&secret, request, &mut rng).unwrap();
        Self { bfv: Bfv::new(params).unwrap(), secret, keys, rng }
    }

    pub(crate) fn params(&self) -> &Params {
        self.bfv.params()
    }

    /// `T`, the range of the slots.
    pub(crate) fn modulus(&self) -> i128 {
        self.params().composer().product() as i128
    }

    /// The representative of `x` that decoding gives.
    pub(crate) fn centre(&self, x: i128) -> i128 {
        centre(x, self.modulus())
    }

    pub(crate) fn encrypt(&mut self, values: &[i128]) -> Ciphertext {
        let plaintext = self.bfv.encode(values).unwrap();
        self.bfv.expand(&self.bfv.encrypt(&self.secret, &plaintext, &mut self.rng).unwrap())
    }

    pub(crate) fn decrypt(&self, ciphertext: &Ciphertext) -> Vec<i128> {
        let plaintext = self.bfv.decrypt(&self.secret, ciphertext).unwrap().release();
        self.bfv.decode(&plaintext).to_vec()
    }
}

/// The representative of `x` modulo an odd `t` in `[-t/2, t/2)`.
pub(crate) fn centre(x: i128, t: i128) -> i128 {
    let residue = x.rem_euclid(t);
    if residue > t / 2 { residue - t } else { residue }
}

/// The slots of both rows rotated to the left: what `Bfv::rotate_rows` does.
pub(crate) fn rotated(values: &[i128], steps: isize) -> Vec<i128> {
    let row = values.len() / 2;
    let source = |i: usize| (i / row) * row + ((i % row) as isize + steps).rem_euclid(row as isize) as usize;
    (0..values.len()).map(|i| values[source(i)]).collect()
}

/// The two rows exchanged: what `Bfv::rotate_columns` does.
pub(crate) fn swapped(values: &[i128]) -> Vec<i128> {
    let row = values.len() / 2;
    [&values[row..], &values[..row]].concat()
}
