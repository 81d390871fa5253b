//! The byte format of CKKS ciphertexts.

use alloc::boxed::Box;

use super::{
    HEADER_BYTES, Kind, Reader, Wire, WireError, Writer, check_field, check_level, decode, level_ring, poly_len,
};
use crate::ckks::{Bounds, Ciphertext, Ckks, PackedCiphertext, Scale, SeededCiphertext};
use crate::params::Params;
use crate::rlwe::NoiseBound;
use crate::sample::Seed;

/// The length of a CKKS ciphertext of this level and size, header included.
#[must_use]
pub fn ckks_ciphertext_len(params: &Params, level: usize, size: usize) -> usize {
    HEADER_BYTES + 2 + size_of::<u64>() + 2 * size_of::<u32>() + size * poly_len(&level_ring(params, level))
}

/// The length of a seeded CKKS ciphertext of this level, header included.
#[must_use]
pub fn seeded_ckks_ciphertext_len(params: &Params, level: usize) -> usize {
    let fields = Seed::BYTES + 1 + size_of::<u64>() + size_of::<u32>();
    HEADER_BYTES + fields + poly_len(&level_ring(params, level))
}

impl Wire for Ciphertext {
    const KIND: Kind = Kind::CkksCiphertext;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        out.bytes(&[self.level() as u8, self.size() as u8]);
        out.bytes(&self.scale.value().to_bits().to_le_bytes());
        out.bytes(&self.bounds.message.steps().to_le_bytes());
        out.bytes(&self.bounds.noise.steps().to_le_bytes());
        let ring = level_ring(params, self.level());
        self.parts.iter().for_each(|part| out.poly(&ring, part));
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        let [level, size] = bytes.array()?;
        let level = check_level(params, level)?;
        check_field("size", u64::from(size), 2, 3)?;
        let scale = read_scale(bytes)?;
        let message = read_bound("message bound", params, level, bytes)?;
        let noise = read_bound("noise bound", params, level, bytes)?;
        let ring = level_ring(params, level);
        let parts = (0..size).map(|_| bytes.poly(&ring)).collect::<Result<Box<[_]>, _>>()?;
        Ok(Self { scale, bounds: Bounds { message, noise }, parts })
    }

    fn body_len(&self, params: &Params) -> usize {
        ckks_ciphertext_len(params, self.level(), self.size()) - HEADER_BYTES
    }
}

impl Wire for SeededCiphertext {
    const KIND: Kind = Kind::SeededCkksCiphertext;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        out.bytes(&self.seed.0);
        out.bytes(&[self.level() as u8]);
        out.bytes(&self.scale.value().to_bits().to_le_bytes());
        out.bytes(&self.message.steps().to_le_bytes());
        out.poly(&level_ring(params, self.level()), &self.body);
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        let Fields { seed, level, scale, message } = Fields::read(params, bytes)?;
        let body = bytes.poly(&level_ring(params, level))?;
        Ok(Self { scale, message, seed, body })
    }

    fn body_len(&self, params: &Params) -> usize {
        seeded_ckks_ciphertext_len(params, self.level()) - HEADER_BYTES
    }
}

impl<'a> PackedCiphertext<'a> {
    /// Checks the bytes of a [`SeededCiphertext`], as [`Wire::from_bytes`] does.
    ///
    /// # Errors
    /// [`WireError`] for anything that [`Wire::from_bytes`] refuses.
    pub fn from_bytes(ckks: &Ckks, bytes: &'a [u8]) -> Result<Self, WireError> {
        let params = ckks.params();
        decode(SeededCiphertext::KIND, params, bytes, |reader| {
            let Fields { seed, level, scale, message } = Fields::read(params, reader)?;
            let (body, bounds) = (reader.packed(ckks.ring(level))?, ckks.fresh_bounds(level, message));
            Ok(Self { scale, bounds, level, seed, body })
        })
    }
}

/// What stands before the residues of a seeded ciphertext.
struct Fields {
    seed: Seed,
    level: usize,
    scale: Scale,
    message: NoiseBound,
}

impl Fields {
    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        let seed = bytes.seed()?;
        let [level] = bytes.array()?;
        let level = check_level(params, level)?;
        let scale = read_scale(bytes)?;
        let message = read_bound("message bound", params, level, bytes)?;
        Ok(Self { seed, level, scale, message })
    }
}

/// Positive numbers are ordered like their bits, so that one comparison refuses NaN, infinities, zero, denormals, negative
/// numbers and numbers out of range.
pub(super) fn read_scale(bytes: &mut Reader<'_>) -> Result<Scale, WireError> {
    let found = u64::from_le_bytes(bytes.array()?);
    let (min, max) = (Scale::MIN.value().to_bits(), Scale::MAX.value().to_bits());
    Scale::new(f64::from_bits(found)).ok_or(WireError::Field { name: "scale", found, min, max })
}

/// A bound is at most the level's modulus.
pub(super) fn read_bound(
    name: &'static str,
    params: &Params,
    level: usize,
    bytes: &mut Reader<'_>,
) -> Result<NoiseBound, WireError> {
    let steps = u32::from_le_bytes(bytes.array()?);
    let largest = NoiseBound::from_log2(params.log2_q(level));
    check_field(name, u64::from(steps), 0, u64::from(largest.steps()))?;
    Ok(NoiseBound::from_steps(steps))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assault, params, rng};
    use super::super::{MAGIC, VERSION, traced_ckks_ciphertext_len};
    use super::*;
    use crate::ckks::Encoding;
    use crate::rlwe::SecretKey;

    fn seeded(level: usize) -> (Params, Ckks, SeededCiphertext) {
        let params = params(&[10, 12]);
        let ckks = Ckks::new(&params);
        let secret = SecretKey::generate(&params, &mut rng());
        let encoding = Encoding { level, scale: Scale::new(3e5).unwrap(), bound: 3.0 };
        let plaintext = ckks.encode(&[1.0, -2.0, 3.0], &encoding).unwrap();
        let seeded = ckks.encrypt(&secret, &plaintext, &mut rng()).unwrap();
        (params, ckks, seeded)
    }

    #[test]
    fn ciphertexts() {
        for level in [1, 2] {
            let (params, ckks, seeded) = seeded(level);
            assert_eq!(seeded.to_bytes(&params).len(), seeded_ckks_ciphertext_len(&params, level));
            assault(&seeded, PartialEq::eq);
            let ciphertext = ckks.expand(&seeded);
            assert_eq!(ciphertext.to_bytes(&params).len(), ckks_ciphertext_len(&params, level, 2));
            assault(&ciphertext, PartialEq::eq);
            let traced = ckks.trace(&ciphertext, 8).unwrap();
            assert_eq!(traced.to_bytes(&params).len(), traced_ckks_ciphertext_len(&params, level, 8));
            assault(&traced, PartialEq::eq);
            if level == 2 {
                assault(&ckks.square(&ciphertext).unwrap(), PartialEq::eq);
            }
        }
    }

    #[test]
    fn scales_and_bounds_out_of_range_are_refused() {
        let (params, ckks, seeded) = seeded(2);
        let bytes = ckks.expand(&seeded).to_bytes(&params);
        let decode = |at: usize, field: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[HEADER_BYTES + at..][..field.len()].copy_from_slice(field);
            Ciphertext::from_bytes(&params, &bytes).map(|value| value.to_bytes(&params).to_vec() == bytes)
        };
        for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0, -0.0, 0.5, 1e-310, 2e301] {
            let error = decode(2, &bad.to_le_bytes()).unwrap_err();
            assert!(matches!(error, WireError::Field { name: "scale", found, .. } if found == bad.to_bits()), "{bad}");
        }
        for good in [Scale::MIN, Scale::MAX] {
            assert_eq!(decode(2, &good.value().to_le_bytes()), Ok(true));
        }
        let largest = NoiseBound::from_log2(params.log2_q(2)).steps();
        for (at, name) in [(10, "message bound"), (14, "noise bound")] {
            assert_eq!(decode(at, &largest.to_le_bytes()), Ok(true));
            let error = WireError::Field { name, found: u64::from(largest) + 1, min: 0, max: largest.into() };
            assert_eq!(decode(at, &(largest + 1).to_le_bytes()), Err(error));
        }
        for level in [0, 3] {
            let error = WireError::Field { name: "level", found: level.into(), min: 1, max: 2 };
            assert_eq!(decode(0, &[level]), Err(error));
        }
        for size in [1, 4] {
            let error = WireError::Field { name: "size", found: size.into(), min: 2, max: 3 };
            assert_eq!(decode(1, &[size]), Err(error));
        }
    }

    /// BFV ciphertexts need a plaintext modulus: without one there would be no residues to check.
    #[test]
    fn sets_without_plaintext_moduli_have_no_bfv_ciphertexts() {
        let params = params(&[]);
        let header = |kind: Kind| [&MAGIC[..], &VERSION.to_le_bytes(), &[kind as u8, 0], params.fingerprint()].concat();
        let found = |error| matches!(error, Some(WireError::Field { name: "plaintext modulus count", found: 0, .. }));
        let body = [&header(Kind::Ciphertext)[..], &[1, 2, 0, 0, 0, 0]].concat();
        assert!(found(crate::bfv::Ciphertext::from_bytes(&params, &body).err()));
        let body = [&header(Kind::SeededCiphertext)[..], &[0; 32]].concat();
        assert!(found(crate::bfv::SeededCiphertext::from_bytes(&params, &body).err()));
    }
}
