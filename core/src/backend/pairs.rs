//! Products with both halves of a switching key, what follows the division by the special primes, and the order in which
//! results are written.

use core::ops::Range;

use super::{Backend, MAX_TERMS, PairTerm};
use crate::modulus::{Modulus, Shoup};

/// Values of each half of a digit that lie next to each other: 512 bytes.
pub(crate) const TILE: usize = 64;

/// A switching key modulo one prime, in the order in which products read it: for each `TILE` values (or all, if there are
/// fewer), for each digit, those of both halves. One stream, however many digits there are.
#[derive(Clone, Copy, Debug)]
pub struct KeyRows<'a> {
    words: &'a [u64],
    digits: usize,
}

/// What [`Backend::switch_pair`] does beside its products.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairFinish<'a> {
    /// A value for each half, and the factor in `[0, q)` that it is added with.
    pub scaled: Option<([&'a [u64]; 2], Shoup)>,
    /// What is added to each half.
    pub addends: [Option<&'a [u64]>; 2],
    /// A factor in `[0, q)` of both sums.
    pub times: Option<Shoup>,
    /// Where values are written; in place without.
    pub order: Option<BlockOrder<'a>>,
    /// Whether values are added to what is there, in `[0, q)`, in place of it.
    pub accumulate: bool,
}

/// A permutation that takes aligned eights to aligned eights.
#[derive(Clone, Copy, Debug)]
pub struct BlockOrder<'a> {
    /// As in [`Backend::permute_blocks`]: the value that is written at `i` is the one at `indices[i]`.
    pub indices: &'a [u32],
    /// For each eight that is read, which eight it becomes: `indices[8·places[b]]` is in the `b`-th.
    pub places: &'a [u32],
}

impl<'a> KeyRows<'a> {
    /// The key of so many digits with these words.
    #[must_use]
    pub const fn new(words: &'a [u64], digits: usize) -> Self {
        Self { words, digits }
    }

    /// The number of digits.
    #[cfg(target_arch = "x86_64")]
    pub(super) const fn digits(self) -> usize {
        self.digits
    }

    /// The words.
    pub(crate) const fn words(self) -> &'a [u64] {
        self.words
    }

    /// The place of one half of a digit's values from `start` on, up to the end of their tile, for `len` values each.
    pub(crate) fn place(digits: usize, len: usize, digit: usize, half: usize, start: usize) -> Range<usize> {
        let (tile, end) = (TILE.min(len), len.min((start & !(TILE - 1)) + TILE));
        let first = 2 * digits * (start & !(TILE - 1)) + (2 * digit + half) * tile;
        first + (start & (TILE - 1))..first + (end - (start & !(TILE - 1)))
    }
}

impl PairFinish<'_> {
    /// Refuses slices that do not fit together: `len` values, whole eights, and whole tiles if there are several.
    pub(super) fn check(&self, len: usize, xs: &[&[u64]], key: KeyRows<'_>) {
        assert!(len.is_multiple_of(TILE) || len < TILE && len.is_multiple_of(8));
        assert!(xs.len() < MAX_TERMS && xs.len() <= key.digits && key.words.len() == 2 * key.digits * len);
        assert!(xs.iter().all(|x| x.len() == len));
        assert!(self.scaled.iter().all(|(rs, _)| rs.iter().all(|r| r.len() == len)));
        assert!(self.addends.iter().flatten().all(|a| a.len() == len));
        if let Some(BlockOrder { indices, places }) = self.order {
            assert!(indices.len() == len && places.len() == len >> 3);
        }
    }
}

/// Terms at a time.
const TERMS: usize = 16;

/// The kernel by the other kernels, for backends that have none in one pass.
#[inline(always)]
pub(super) fn switch_pair<B: Backend>(
    backend: B,
    q: &Modulus,
    outs: [&mut [u64]; 2],
    xs: &[&[u64]],
    key: KeyRows<'_>,
    finish: &PairFinish<'_>,
) {
    let [first, second] = outs;
    let len = first.len();
    assert_eq!(second.len(), len);
    finish.check(len, xs, key);
    for start in (0..len).step_by(TILE) {
        let end = len.min(start + TILE);
        let mut sums = [[0; TILE]; 2];
        let [left, right] = sums.each_mut().map(|sum| &mut sum[..end - start]);
        products(backend, q, [left, right], xs, key, start..end);
        for (half, (sum, out)) in [left, right].into_iter().zip([&mut *first, &mut *second]).enumerate() {
            if let Some((rs, w)) = finish.scaled {
                backend.scale_add(q, sum, &rs[half][start..end], w);
            }
            if let Some(addend) = finish.addends[half] {
                backend.add(q, sum, &addend[start..end]);
            }
            if let Some(w) = finish.times {
                backend.mul_scalar(q, sum, w);
            }
            match finish.order {
                Some(order) if finish.accumulate => order.write(out, sum, start, |out, x| *out = q.add(*out, x)),
                Some(order) => order.write(out, sum, start, |out, x| *out = x),
                None if finish.accumulate => backend.add(q, &mut out[start..end], sum),
                None => out[start..end].copy_from_slice(sum),
            }
        }
    }
}

/// `Σ_j x_j·y_(j,h)` of one tile.
#[inline(always)]
fn products<B: Backend>(
    backend: B,
    q: &Modulus,
    [left, right]: [&mut [u64]; 2],
    xs: &[&[u64]],
    key: KeyRows<'_>,
    range: Range<usize>,
) {
    let width = range.len();
    let tile = &key.words[2 * key.digits * range.start..][..2 * key.digits * width];
    let mut partial = [[0; TILE]; 2];
    let mut terms: [PairTerm<'_>; TERMS] = [(&[], [&[]; 2]); TERMS];
    for (i, (xs, tile)) in xs.chunks(TERMS).zip(tile.chunks(2 * TERMS * width)).enumerate() {
        for ((term, x), ys) in terms.iter_mut().zip(xs).zip(tile.chunks_exact(2 * width)) {
            let (y0, y1) = ys.split_at(width);
            *term = (&x[range.clone()], [y0, y1]);
        }
        let terms = &terms[..xs.len()];
        if i == 0 {
            backend.dot_pair(q, [&mut *left, &mut *right], terms);
            continue;
        }
        let [more_left, more_right] = partial.each_mut().map(|sum| &mut sum[..width]);
        backend.dot_pair(q, [&mut *more_left, &mut *more_right], terms);
        backend.add(q, left, more_left);
        backend.add(q, right, more_right);
    }
}

impl BlockOrder<'_> {
    /// Writes whole eights, of which the first is read at `start`.
    #[inline(always)]
    fn write(&self, out: &mut [u64], values: &[u64], start: usize, put: impl Fn(&mut u64, u64)) {
        let (out, indices) = (out.as_chunks_mut::<8>().0, self.indices.as_chunks::<8>().0);
        for (block, &place) in values.as_chunks::<8>().0.iter().zip(&self.places[start >> 3..]) {
            for (out, &i) in out[place as usize].iter_mut().zip(&indices[place as usize]) {
                put(out, block[(i & 7) as usize]);
            }
        }
    }
}
