//! What the fuzz targets and the seed generator share: a small parameter set with every kind of value.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_core::bfv::{Bfv, Ciphertext};
use tacit_core::ckks::{self, Ckks, Encoding};
use tacit_core::params::{Params, Security};
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element, row_swap_element};
use tacit_core::wire::{Kind, Wire};

/// Rotations that the world has keys for.
pub const STEPS: [isize; 3] = [1, 3, -1];

/// The ring degree of the small parameter set.
pub const DEGREE: usize = 32;

/// A small ring with two plaintext moduli, and a party that holds every key.
pub struct World {
    pub bfv: Bfv,
    pub secret: SecretKey,
    pub keys: EvaluationKeys,
}

impl World {
    /// The same world in every run. `T` is below `2^25`, so that `i128` holds every product of clear values.
    pub fn new() -> Self {
        let params = Params::builder(DEGREE)
            .ciphertext_bits(&[40, 41, 42])
            .special_bits(&[43])
            .plain_bits(&[11, 13])
            .security(Security::InsecureForTests)
            .build()
            .expect("valid parameters");
        let mut rng = rng(1);
        let secret = SecretKey::generate(&params, &mut rng);
        let mut request = KeyRequest::default();
        request.need_relin(3);
        request.need_galois(row_swap_element(DEGREE), 2);
        for steps in STEPS {
            request.need_galois(rotation_element(DEGREE, steps), 3);
        }
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng).expect("valid request");
        Self { bfv: Bfv::new(&params).expect("valid parameters"), secret, keys }
    }

    pub fn params(&self) -> &Params {
        self.bfv.params()
    }

    pub fn encrypt(&self, values: &[i128], seed: u8) -> Ciphertext {
        let plaintext = self.bfv.encode(values).expect("values in range");
        self.bfv.expand(&self.bfv.encrypt(&self.secret, &plaintext, &mut rng(seed)).expect("fresh noise fits"))
    }

    pub fn decrypt(&self, ciphertext: &Ciphertext) -> Vec<i128> {
        let plaintext = self.bfv.decrypt(&self.secret, ciphertext).expect("noise within its bound").release();
        self.bfv.decode(&plaintext).to_vec()
    }

    /// The representative of `x` in `[-T/2, T/2)`.
    pub fn centre(&self, x: i128) -> i128 {
        let t = self.params().composer().product() as i128;
        let residue = x.rem_euclid(t);
        if residue > t / 2 { residue - t } else { residue }
    }

    /// Uses a ciphertext that came from outside in every way: nothing may panic.
    pub fn use_ciphertext(&self, x: &Ciphertext) {
        let _ = self.bfv.add(x, x);
        let _ = self.bfv.mul_scalar(x, i64::MIN);
        let _ = self.bfv.multiply(x, x);
        let _ = self.bfv.square(x);
        let _ = self.bfv.relinearise(x, &self.keys);
        let _ = self.bfv.rotate_rows(x, 1, &self.keys);
        let _ = self.bfv.rotate_columns(x, &self.keys);
        let _ = self.bfv.switch_to(x, 1);
        let _ = self.bfv.decrypt(&self.secret, x).map(|plaintext| self.bfv.decode(&plaintext.release()));
    }
}

/// Uses a CKKS ciphertext that came from outside in every way: nothing may panic.
pub fn use_approximate(world: &World, ckks: &Ckks, x: &ckks::Ciphertext) {
    let encoding = Encoding { level: x.level(), scale: x.scale(), bound: 1.0 };
    let _ = ckks.encode(&[1.0, -0.5], &encoding).map(|plaintext| {
        let _ = ckks.add_plain(x, &plaintext);
        let _ = ckks.dot_plain(&[x, x], &[&plaintext, &plaintext]).and_then(|product| ckks.rescale(&product));
    });
    let _ = ckks.add(x, x).and_then(|sum| ckks.sub(&sum, x));
    let _ = ckks.mul_integer(&ckks.neg(x), i64::MIN);
    let _ = ckks.mul_scalar(x, -1e30, x.scale());
    let _ = ckks.square(&ckks.mul_i(x)).and_then(|square| ckks.relinearise(&square, &world.keys));
    let _ = ckks.relinearise(x, &world.keys);
    let _ = ckks.rotate(x, 1, &world.keys);
    let _ = ckks.conjugate(x, &world.keys);
    let _ = ckks.rescale(x);
    let _ = ckks.drop_to(x, 1);
    let _ = ckks.decrypt(&world.secret, x).map(|decrypted| {
        let bits = decrypted.available_bits();
        decrypted.release(bits)
    });
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

pub fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The header of a kind, so that the fuzzer need not guess the fingerprint.
pub fn header(params: &Params, kind: Kind) -> Vec<u8> {
    [b"TCIT\x01\0", &[kind as u8, 0][..], params.fingerprint()].concat()
}

/// Decodes the bytes as they are, and as a body behind the right header. What decodes must encode to the same bytes.
pub fn decode<T: Wire>(params: &Params, data: &[u8]) -> Option<T> {
    let framed = [&header(params, T::KIND), data].concat();
    [data, &framed].into_iter().find_map(|bytes| {
        let value = T::from_bytes(params, bytes).ok()?;
        assert!(*value.to_bytes(params) == bytes, "{} decodes to something else", T::KIND);
        Some(value)
    })
}
