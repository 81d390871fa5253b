//! Base conversion in one pass: residues are read once, scaled residues never leave the first cache.

use core::arch::x86_64::*;

use zeroize::Zeroizing;

use super::slices::fraction;
use super::sums::Sums;
use super::{Factor, Lanes, MAX_BITS, load, splat, splat_factor, store};
use crate::backend::Conversion;
use crate::backend::conversion::{Source, Target};
use crate::modulus::Reciprocal;

/// Columns that are converted together: this many vectors of eight. Enough to hide the latency of the multipliers, few enough
/// for the registers.
const WIDTH: usize = 4;

/// The most sources that one pass takes.
const MAX_SOURCES: usize = 24;

type Vector = [u64; 8];

/// The scaled residues of some columns, and last the overflow.
type Scaled = [[Vector; WIDTH]; MAX_SOURCES + 1];

/// Whether [`convert`] takes this conversion: whole vectors, and sums that [`Sums`] reduces.
pub(super) fn serves(tables: &Conversion, columns: usize) -> bool {
    let narrow = |bits: u32| bits <= MAX_BITS;
    let largest = tables.sources().iter().map(|s| s.modulus.bits()).max().unwrap_or(0);
    let fits = |target: &Target| {
        narrow(target.modulus.bits()) && Sums::hold(largest + target.modulus.bits(), target.weights.len())
    };
    let sources = tables.sources().len();
    columns.is_multiple_of(8) && sources <= MAX_SOURCES && narrow(largest) && tables.targets().iter().all(fits)
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn convert(tables: &Conversion, input: &[u64], out: &mut [u64], columns: usize) {
    let (input, out) = (input.as_chunks::<8>().0, out.as_chunks_mut::<8>().0);
    let vectors = columns >> 3;
    let mut scaled = Zeroizing::new([[[0; 8]; WIDTH]; MAX_SOURCES + 1]);
    let wide = vectors & !(WIDTH - 1);
    for at in (0..wide).step_by(WIDTH) {
        columns_at::<WIDTH>(tables, input, out, vectors, at, &mut scaled);
    }
    for at in wide..vectors {
        columns_at::<1>(tables, input, out, vectors, at, &mut scaled);
    }
}

/// The `W` vectors of every row that begin at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn columns_at<const W: usize>(
    tables: &Conversion,
    input: &[Vector],
    out: &mut [Vector],
    vectors: usize,
    at: usize,
    scaled: &mut Scaled,
) {
    let count = tables.sources().len();
    let (mut sums, mut carries) = ([splat(1 << 63); W], [splat(0); W]);
    let sources = tables.sources().iter().zip(tables.reciprocals());
    for ((source, row), scaled) in sources.zip(input.chunks_exact(vectors)).zip(scaled.iter_mut()) {
        let xs: &[Vector] = &row[at..at + W];
        scale::<W>(source, xs, scaled, &mut sums, &mut carries);
    }
    for (slot, carry) in scaled[count].iter_mut().zip(carries) {
        store(slot, carry);
    }
    for (target, row) in tables.targets().iter().zip(out.chunks_exact_mut(vectors)) {
        combine::<W>(target, &scaled[..=count], &mut row[at..at + W]);
    }
}

/// `y = f·x mod q`, and `y/q` added to the quotients.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn scale<const W: usize>(
    (source, &reciprocal): (&Source, &Reciprocal),
    xs: &[Vector],
    scaled: &mut [Vector; WIDTH],
    sums: &mut [__m512i; W],
    carries: &mut [__m512i; W],
) {
    let (lanes, factor): (Lanes, Factor) = (Lanes::new(&source.modulus), splat_factor(source.factor));
    for (((x, y), sum), carry) in xs.iter().zip(scaled).zip(sums).zip(carries) {
        let value = Lanes::reduce_once(lanes.mul_lazy(load(x), factor), lanes.q);
        store(y, value);
        let part = fraction(value, reciprocal);
        *sum = _mm512_add_epi64(*sum, part);
        *carry = _mm512_mask_add_epi64(*carry, _mm512_cmplt_epu64_mask(*sum, part), *carry, splat(1));
    }
}

/// `Σ w_i·y_i mod p`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn combine<const W: usize>(target: &Target, scaled: &[[Vector; WIDTH]], out: &mut [Vector]) {
    let sums = Sums::new(&target.modulus);
    let (mut high, mut low) = ([splat(0); W], [splat(0); W]);
    for (ys, &w) in scaled.iter().zip(&target.weights) {
        let w = splat(w);
        for ((y, high), low) in ys.iter().zip(&mut high).zip(&mut low) {
            let y = load(y);
            *low = _mm512_madd52lo_epu64(*low, y, w);
            *high = _mm512_madd52hi_epu64(*high, y, w);
        }
    }
    for ((out, high), low) in out.iter_mut().zip(high).zip(low) {
        store(out, sums.reduce(high, low));
    }
}
