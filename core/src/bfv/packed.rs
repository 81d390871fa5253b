//! Fresh ciphertexts in their bytes: what is read from outside, expanded where it is needed and not before.

use alloc::boxed::Box;

use super::evaluate::check_levels;
use super::{Bfv, Ciphertext, PlainMultiplicand};
use crate::error::EvalError;
use crate::poly::{PackedPoly, Scratch};
use crate::sample::{Label, Seed, uniform_into_vartime, uniform_limb_vartime};

/// The bytes of a [`SeededCiphertext`](super::SeededCiphertext), checked and not copied.
#[derive(Clone, Debug)]
pub struct PackedCiphertext<'a> {
    pub(crate) seed: Seed,
    pub(crate) bodies: Box<[PackedPoly<'a>]>,
}

impl Bfv {
    /// `out = a`, as [`Bfv::expand`] gives it.
    pub fn expand_into(&self, a: &PackedCiphertext<'_>, out: &mut Ciphertext, scratch: &mut Scratch) {
        let level = self.params.max_level();
        self.make_room(out, level, 2, self.rules(level).fresh_secret(), scratch);
        let ring = &self.level(level).ring;
        for (j, (parts, packed)) in out.streams.iter_mut().zip(&a.bodies).enumerate() {
            let [body, mask] = &mut **parts else { continue };
            packed.unpack(ring, body);
            uniform_into_vartime(ring, &a.seed, label(j), mask);
        }
    }

    /// `out = Σ a_i·b_i`, as [`Bfv::inner_product`] gives it for the expanded ciphertexts: these are made a few limbs at a
    /// time, which stay in the cache.
    ///
    /// # Errors
    /// See [`Bfv::inner_product`].
    pub fn inner_product_packed_into(
        &self,
        a: &[&PackedCiphertext<'_>],
        factors: &[&PlainMultiplicand],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        if a.is_empty() || a.len() != factors.len() {
            return Err(EvalError::OperandCount { left: a.len(), right: factors.len() });
        }
        let (level, kernels) = (self.params.max_level(), self.params.kernels());
        factors.iter().try_for_each(|factor| check_levels(level, factor.level))?;
        let rules = self.rules(level);
        let bounds = factors.iter().map(|factor| (rules.mul_plain(rules.fresh_secret(), factor.norm), 1));
        self.reshape(out, level, 2, rules.linear_combination(bounds), scratch)?;
        let ring = &self.level(level).ring;
        for (j, parts) in out.streams.iter_mut().enumerate() {
            let [body, mask] = &mut **parts else { continue };
            let unpack = |i: usize, number: usize, limb: &mut [u64]| a[i].bodies[j].unpack_limb(ring, number, limb);
            ring.dot_made_into(body, a.len(), unpack, |i| &factors[i].streams[j], scratch);
            let expand = |i: usize, number: usize, limb: &mut [u64]| {
                uniform_limb_vartime(kernels, &ring.moduli()[number], (&a[i].seed, label(j), number), limb);
            };
            ring.dot_made_into(mask, a.len(), expand, |i| &factors[i].streams[j], scratch);
        }
        Ok(())
    }
}

const fn label(stream: usize) -> Label {
    Label::Ciphertext { stream: stream as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bfv::SeededCiphertext;
    use crate::params::{Params, Security};
    use crate::rlwe::SecretKey;
    use crate::wire::Wire;
    use alloc::vec::Vec;
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// More terms than are made at a time.
    const TERMS: usize = 19;

    fn queries() -> (Bfv, Vec<Vec<u8>>, Vec<PlainMultiplicand>) {
        let builder = Params::builder(256).ciphertext_bits(&[45, 45, 33]).special_bits(&[50]).plain_bits(&[13, 14]);
        let params = builder.security(Security::InsecureForTests).build().unwrap();
        let (bfv, mut rng) = (Bfv::new(&params).unwrap(), ChaCha20Rng::from_seed([6; 32]));
        let secret = SecretKey::generate(&params, &mut rng);
        let encode = |i: usize| bfv.encode(&[i as i128, -1, 2]).unwrap();
        let mut encrypt = |i| bfv.encrypt(&secret, &encode(i), &mut rng).unwrap().to_bytes(&params).to_vec();
        let bytes = (0..TERMS).map(&mut encrypt).collect();
        (bfv.clone(), bytes, (0..TERMS).map(|i| bfv.multiplicand(&encode(i), 3).unwrap()).collect())
    }

    #[test]
    fn bytes_give_what_expanded_ciphertexts_give() {
        let (bfv, bytes, factors) = queries();
        let read = |bytes| bfv.expand(&Wire::from_bytes(bfv.params(), bytes).unwrap());
        let (whole, packed): (Vec<_>, Vec<_>) =
            bytes.iter().map(|bytes| (read(bytes), PackedCiphertext::from_bytes(&bfv, bytes).unwrap())).unzip();
        let mut scratch = Scratch::new();
        for count in [1, 7, TERMS] {
            let whole: Vec<_> = whole[..count].iter().collect();
            let (packed, factors): (Vec<_>, Vec<_>) = packed.iter().zip(&factors).take(count).unzip();
            let mut out = bfv.zero(1);
            bfv.inner_product_packed_into(&packed, &factors, &mut out, &mut scratch).unwrap();
            assert_eq!(out, bfv.inner_product(&whole, &factors).unwrap(), "{count} terms");
            bfv.expand_into(packed[0], &mut out, &mut scratch);
            assert_eq!(&out, whole[0]);
        }
    }

    #[test]
    fn bytes_are_refused_as_elsewhere() {
        let (bfv, bytes, _) = queries();
        let bytes = &bytes[0];
        for bit in (0..8 * bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let whole = SeededCiphertext::from_bytes(bfv.params(), &changed);
            assert_eq!(PackedCiphertext::from_bytes(&bfv, &changed).err(), whole.err(), "bit {bit}");
        }
        for len in (0..bytes.len()).step_by(5) {
            let whole = SeededCiphertext::from_bytes(bfv.params(), &bytes[..len]);
            assert_eq!(PackedCiphertext::from_bytes(&bfv, &bytes[..len]).err(), whole.err(), "{len} bytes");
        }
    }

    #[test]
    fn misuse_has_its_error() {
        let (bfv, bytes, factors) = queries();
        let a = PackedCiphertext::from_bytes(&bfv, &bytes[0]).unwrap();
        let (low, mut scratch) = (bfv.multiplicand(&bfv.encode(&[1]).unwrap(), 2).unwrap(), Scratch::new());
        let mut dot = |a: &[&PackedCiphertext<'_>], b: &[&PlainMultiplicand]| {
            bfv.inner_product_packed_into(a, b, &mut bfv.zero(3), &mut scratch).unwrap_err()
        };
        assert_eq!(dot(&[], &[]), EvalError::OperandCount { left: 0, right: 0 });
        assert_eq!(dot(&[&a], &[&factors[0], &factors[1]]), EvalError::OperandCount { left: 1, right: 2 });
        assert_eq!(dot(&[&a], &[&low]), EvalError::LevelMismatch { left: 3, right: 2 });
    }
}
