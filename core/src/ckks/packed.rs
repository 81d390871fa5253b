//! Fresh ciphertexts in their bytes: what is read from outside, expanded where it is needed and not before.

use super::in_place::Shape;
use super::{Bounds, Ciphertext, Ckks, Plaintext, Scale};
use crate::error::EvalError;
use crate::poly::{PackedPoly, Scratch};
use crate::sample::{Label, Seed, uniform_into_vartime, uniform_limb_vartime};

const LABEL: Label = Label::Ciphertext { stream: 0 };

/// The bytes of a [`SeededCiphertext`](super::SeededCiphertext), checked and not copied.
#[derive(Clone, Copy, Debug)]
pub struct PackedCiphertext<'a> {
    pub(crate) scale: Scale,
    pub(crate) bounds: Bounds,
    pub(crate) level: usize,
    pub(crate) seed: Seed,
    pub(crate) body: PackedPoly<'a>,
}

impl PackedCiphertext<'_> {
    /// The level.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// The scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// The same with other bounds; see [`Ciphertext::with_bounds`].
    #[must_use]
    pub const fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    fn shape(&self) -> Shape {
        Shape { level: self.level, size: 2, scale: self.scale, bounds: self.bounds }
    }
}

impl Ckks {
    /// `out = a`, as [`Ckks::expand`] gives it.
    pub fn expand_into(&self, a: &PackedCiphertext<'_>, out: &mut Ciphertext, scratch: &mut Scratch) {
        self.make_room(out, a.shape(), scratch);
        let ring = &self.level(a.level).ring;
        let [body, mask] = &mut *out.parts else { return };
        a.body.unpack(ring, body);
        uniform_into_vartime(ring, &a.seed, LABEL, mask);
    }

    /// `out = Σ a_i·b_i`, as [`Ckks::dot_plain`] gives it for the expanded ciphertexts: these are made a few limbs at a time,
    /// which stay in the cache.
    ///
    /// # Errors
    /// See [`Ckks::dot_plain`].
    pub fn dot_packed_into(
        &self,
        a: &[&PackedCiphertext<'_>],
        b: &[&Plaintext],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let shape = Self::dot_shape(a.iter().map(|a| a.shape()), b)?;
        self.reshape(out, shape, scratch)?;
        let (ring, kernels) = (&self.level(shape.level).ring, self.params.kernels());
        let [body, mask] = &mut *out.parts else { return Ok(()) };
        let unpack = |i: usize, number: usize, limb: &mut [u64]| a[i].body.unpack_limb(ring, number, limb);
        ring.dot_made_into(body, a.len(), unpack, |i| &b[i].poly, scratch);
        let expand = |i: usize, number: usize, limb: &mut [u64]| {
            uniform_limb_vartime(kernels, &ring.moduli()[number], (&a[i].seed, LABEL, number), limb);
        };
        ring.dot_made_into(mask, a.len(), expand, |i| &b[i].poly, scratch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::Encoding;
    use crate::error::WireError;
    use crate::params::{Params, Security};
    use crate::rlwe::SecretKey;
    use crate::wire::Wire;
    use alloc::vec::Vec;
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// More terms than are made at a time, at every level.
    const TERMS: usize = 19;

    fn queries(level: usize) -> (Ckks, Vec<Vec<u8>>, Vec<Plaintext>) {
        let builder = Params::builder(256).ciphertext_bits(&[50, 40, 33]).special_bits(&[50]);
        let params = builder.security(Security::InsecureForTests).build().unwrap();
        let (ckks, mut rng) = (Ckks::new(&params), ChaCha20Rng::from_seed([6; 32]));
        let secret = SecretKey::generate(&params, &mut rng);
        let encode = |i: usize, bits| {
            let encoding = Encoding { level, scale: Scale::from_bits(bits).unwrap(), bound: 32.0 };
            ckks.encode(&[i as f64, -1.0, 0.5], &encoding).unwrap()
        };
        let mut encrypt = |i| ckks.encrypt(&secret, &encode(i, 16), &mut rng).unwrap().to_bytes(&params).to_vec();
        let bytes = (0..TERMS).map(&mut encrypt).collect();
        (ckks.clone(), bytes, (0..TERMS).map(|i| encode(i, 9)).collect())
    }

    #[test]
    fn bytes_give_what_expanded_ciphertexts_give() {
        for level in 1..=3 {
            let (ckks, bytes, plains) = queries(level);
            let read = |bytes| ckks.expand(&Wire::from_bytes(ckks.params(), bytes).unwrap());
            let (whole, packed): (Vec<_>, Vec<_>) =
                bytes.iter().map(|bytes| (read(bytes), PackedCiphertext::from_bytes(&ckks, bytes).unwrap())).unzip();
            let mut scratch = Scratch::new();
            for count in [1, 7, TERMS] {
                let whole: Vec<_> = whole[..count].iter().collect();
                let (packed, plains): (Vec<_>, Vec<_>) = packed.iter().zip(&plains).take(count).unzip();
                // Over a ciphertext of another level and more polynomials.
                let mut out = ckks.square(&ckks.zero(4 - level)).unwrap();
                ckks.dot_packed_into(&packed, &plains, &mut out, &mut scratch).unwrap();
                assert_eq!(out, ckks.dot_plain(&whole, &plains).unwrap(), "level {level}, {count} terms");
                ckks.expand_into(packed[0], &mut out, &mut scratch);
                assert_eq!(&out, whole[0]);
            }
        }
    }

    #[test]
    fn bytes_are_refused_as_elsewhere() {
        let (ckks, bytes, _) = queries(2);
        let bytes = &bytes[0];
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let whole = super::super::SeededCiphertext::from_bytes(ckks.params(), &changed);
            assert_eq!(PackedCiphertext::from_bytes(&ckks, &changed).err(), whole.err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            let error = PackedCiphertext::from_bytes(&ckks, &bytes[..len]).unwrap_err();
            assert!(matches!(error, WireError::Length { found, .. } if found == len), "{len}: {error:?}");
        }
        let longer = [bytes, &[0][..]].concat();
        assert!(matches!(PackedCiphertext::from_bytes(&ckks, &longer), Err(WireError::Length { .. })));
    }

    #[test]
    fn misuse_has_its_error() {
        let (ckks, bytes, plains) = queries(2);
        let a = PackedCiphertext::from_bytes(&ckks, &bytes[0]).unwrap();
        let (other, mut scratch) = (queries(1), Scratch::new());
        let low = PackedCiphertext::from_bytes(&ckks, &other.1[0]).unwrap();
        let mut dot = |a: &[&PackedCiphertext<'_>], b: &[&Plaintext]| {
            ckks.dot_packed_into(a, b, &mut ckks.zero(2), &mut scratch).unwrap_err()
        };
        assert_eq!(dot(&[], &[]), EvalError::OperandCount { left: 0, right: 0 });
        assert_eq!(dot(&[&a], &[]), EvalError::OperandCount { left: 1, right: 0 });
        let mismatch = EvalError::LevelMismatch { left: 2, right: 1 };
        assert_eq!(dot(&[&a, &low], &[&plains[0], &plains[1]]), mismatch);
        assert_eq!(dot(&[&a], &[&other.2[0]]), mismatch);
    }
}
