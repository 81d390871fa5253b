//! The byte format of what tells the trace of a message.

use alloc::boxed::Box;
use alloc::vec;

use super::{HEADER_BYTES, Kind, Reader, Wire, WireError, Writer, check_field, check_level, level_ring, poly_len};
use crate::backend::packed_len;
use crate::params::Params;
use crate::poly::Ring;
use crate::rlwe::MIN_TRACE_PERIOD;
use crate::rlwe::trace::TraceParts;

/// Bytes of both parts.
fn parts_len(ring: &Ring, period: usize) -> usize {
    ring.moduli().iter().map(|q| packed_len(2 * period, q.bits())).sum::<usize>() + poly_len(ring)
}

fn write_parts(parts: &TraceParts, ring: &Ring, period: usize, out: &mut Writer<'_>) {
    parts
        .body
        .chunks_exact(2 * period)
        .zip(ring.moduli())
        .for_each(|(limb, q)| out.words(ring.kernels(), q.bits(), limb));
    out.poly(ring, &parts.mask);
}

fn read_parts(ring: &Ring, period: usize, bytes: &mut Reader<'_>) -> Result<TraceParts, WireError> {
    // All that is needed is there before anything is allocated for it.
    let mut bytes = Reader::of(bytes.take(parts_len(ring, period))?);
    let mut body: Box<[u64]> = vec![0; 2 * period * ring.basis().len()].into();
    for (limb, q) in body.chunks_exact_mut(2 * period).zip(ring.moduli()) {
        bytes.residues(ring.kernels(), q, limb)?;
    }
    Ok(TraceParts { body, mask: bytes.poly(ring)? })
}

fn read_level_and_period(params: &Params, bytes: &mut Reader<'_>) -> Result<(usize, usize), WireError> {
    let [level, log2_period] = bytes.array()?;
    let level = check_level(params, level)?;
    let [least, most] = [MIN_TRACE_PERIOD, params.degree() >> 1].map(|period| u64::from(period.trailing_zeros()));
    check_field("log2 of the period", log2_period.into(), least, most)?;
    Ok((level, 1 << log2_period))
}

#[cfg(feature = "bfv")]
mod exact {
    use super::super::check_streams;
    use super::*;
    use crate::bfv::TracedCiphertext;
    use crate::rlwe::NoiseBound;

    /// The length of what tells a trace, header included.
    #[must_use]
    pub fn traced_ciphertext_len(params: &Params, level: usize, period: usize) -> usize {
        let streams = params.plain_moduli().len();
        HEADER_BYTES + 2 + size_of::<u32>() + streams * parts_len(&level_ring(params, level), period)
    }

    impl Wire for TracedCiphertext {
        const KIND: Kind = Kind::TracedCiphertext;

        fn write(&self, params: &Params, out: &mut Writer<'_>) {
            out.bytes(&[self.level as u8, self.period.trailing_zeros() as u8]);
            out.bytes(&self.noise.steps().to_le_bytes());
            let ring = level_ring(params, self.level);
            self.streams.iter().for_each(|parts| write_parts(parts, &ring, self.period, out));
        }

        fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
            check_streams(params)?;
            let (level, period) = read_level_and_period(params, bytes)?;
            let steps = u32::from_le_bytes(bytes.array()?);
            let largest = NoiseBound::from_log2(params.log2_q(level));
            check_field("noise bound", u64::from(steps), 0, u64::from(largest.steps()))?;
            let ring = level_ring(params, level);
            let streams = params.plain_moduli().iter().map(|_| read_parts(&ring, period, bytes));
            Ok(Self {
                level,
                noise: NoiseBound::from_steps(steps),
                period,
                streams: streams.collect::<Result<_, _>>()?,
            })
        }

        fn body_len(&self, params: &Params) -> usize {
            traced_ciphertext_len(params, self.level, self.period) - HEADER_BYTES
        }
    }
}

#[cfg(feature = "ckks")]
mod approximate {
    use super::super::ckks::{read_bound, read_scale};
    use super::*;
    use crate::ckks::{Bounds, TracedCiphertext};

    /// The length of what tells a trace of a CKKS ciphertext, header included.
    #[must_use]
    pub fn traced_ckks_ciphertext_len(params: &Params, level: usize, period: usize) -> usize {
        let fields = 2 + size_of::<u64>() + 2 * size_of::<u32>();
        HEADER_BYTES + fields + parts_len(&level_ring(params, level), period)
    }

    impl Wire for TracedCiphertext {
        const KIND: Kind = Kind::TracedCkksCiphertext;

        fn write(&self, params: &Params, out: &mut Writer<'_>) {
            out.bytes(&[self.level() as u8, self.period.trailing_zeros() as u8]);
            out.bytes(&self.scale.value().to_bits().to_le_bytes());
            out.bytes(&self.bounds.message.steps().to_le_bytes());
            out.bytes(&self.bounds.noise.steps().to_le_bytes());
            write_parts(&self.parts, &level_ring(params, self.level()), self.period, out);
        }

        fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
            let (level, period) = read_level_and_period(params, bytes)?;
            let scale = read_scale(bytes)?;
            let message = read_bound("message bound", params, level, bytes)?;
            let noise = read_bound("noise bound", params, level, bytes)?;
            let parts = read_parts(&level_ring(params, level), period, bytes)?;
            Ok(Self { scale, bounds: Bounds { message, noise }, period, parts })
        }

        fn body_len(&self, params: &Params) -> usize {
            traced_ckks_ciphertext_len(params, self.level(), self.period) - HEADER_BYTES
        }
    }
}

#[cfg(feature = "ckks")]
pub use approximate::traced_ckks_ciphertext_len;
#[cfg(feature = "bfv")]
pub use exact::traced_ciphertext_len;
