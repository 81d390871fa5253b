//! Arithmetic modulo one `q < 2^50` on four doubles that hold integers.
//!
//! # Why the results are exact
//!
//! A double holds every integer of at most `2^53`, and every integer up to `2^53` times a power of two. An operation
//! rounds to the nearest double, ties to even: the default of `MXCSR`, which Rust does not let programs change. If the
//! exact result is a double, rounding does nothing. `u = 2^-53` bounds the relative error of one rounding. Nothing here
//! is as large as `2^102` or a fraction below `2^-51`, so nothing overflows or is subnormal.
//!
//! **Rounding to an integer.** With `R = 3·2^51`, the doubles between `2^52` and `2^53` are the integers, so `a·b + R`,
//! which a fused operation rounds once, is `R + k` for the integer `k` next to `a·b` (either one at a tie) if
//! `|a·b| ≤ 2^51`; then `(R + k) - R = k` is exact.
//!
//! **A product and its remainder.** For integers `|y| ≤ 2^52` and `|w| < 2^50`, let `h` be the double next to `y·w` and
//! `l = y·w - h`, so `|l| ≤ u·|y·w|`. `l` is an integer, and a double, as the error of a rounded product always is (no
//! subnormals are near): one fused operation gives it exactly. For an integer `k` with `|k| < 2^52`, let
//! `r = y·w - k·q`. If `|r| + |l| ≤ 2^53`, then `h - k·q = r - l` is an integer that a double holds, and one fused
//! operation gives it exactly; the last sum gives `r`, exactly again. What is left is to find a `k` that makes `r` small:
//! if it is next to an estimate that is off `y·w/q` by at most `e`, then `|r| ≤ (1/2 + e)·q`.
//!
//! * **Factors known beforehand** ([`Field::mul`]) are centred, `|w| < q/2`, and have `t`, which differs from `w/q` by at
//!   most `2^-55 + 2^-64` ([`Factor`]). The estimate `y·t` is off by `e ≤ 2^52·(2^-55 + 2^-64) < 1/6`, so
//!   `|r| < 2q/3`. It is at most `2^52·(1/2) = 2^51`, as rounding to an integer needs. `|r| + |l| ≤ 2q/3 + q/4 < 2^50`.
//! * **Two residues** ([`Field::mul_pair`]), both in `[0, q)`: with `i` next to `1/q`, `h·i` is off `y·w/q < 2^50` by at
//!   most `2^50·(2u + u²) < 1/4 + 2^-50`; a sum of `h` and a residue, rounded once more, by less than
//!   `(2^50 + 1)·(3u + 3u² + u³) < 3/8 + 2^-48`. So `|r| < q`, and `|l| ≤ q/8`.
//! * **Reduction** ([`Field::reduce`]) is the case `w = 1`, `l = 0`: for `|y| ≤ 2^53`, `y·i` is off by at most
//!   `|y|·u/q ≤ 1/q`, so `|r| ≤ q/2 + 1`. (`|y·i| ≤ 2^51` since `q > 4`.)

use core::arch::x86_64::*;

use crate::modulus::{Modulus, Shoup};

/// Whether a modulus is of this class: `4q < 2^52`, and quotients of `2^53` stay below `2^51`.
pub(super) const fn serves(modulus: &Modulus) -> bool {
    matches!(modulus.bits(), 3..=50)
}

/// `2^52`, whose mantissa is zero: adding an integer below writes its bits there.
const WORD: f64 = (1u64 << 52) as f64;
/// `R`.
const ROUNDER: f64 = 1.5 * WORD;

/// The constants of one modulus, in every lane.
#[derive(Clone, Copy)]
pub(super) struct Field {
    q: __m256d,
    /// The double next to `1/q`.
    inverse: __m256d,
    /// `q` as an integer, seen as a double.
    word: __m256d,
}

/// A centred factor `w`, one per lane or the same in all, with its quotient by `q`.
#[derive(Clone, Copy)]
pub(super) struct Factor {
    pub(super) value: __m256d,
    pub(super) quotient: __m256d,
}

/// A centred factor and its quotient, which differs from `value/q` by at most `2^-55 + 2^-64`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Ratio {
    pub(super) value: f64,
    pub(super) quotient: f64,
}

impl Ratio {
    /// Shoup's quotient has the 64 bits below the point, which as a signed number are those of the centred factor; they
    /// lose less than `2^-64`, and as the 53 bits of a double at most `2^-55` more, since they are below `1/2`.
    pub(super) const fn of(w: Shoup, q: u64) -> Self {
        let quotient = w.quotient.cast_signed();
        let above = (quotient >> 63).cast_unsigned();
        let value = w.value.wrapping_sub(q & above).cast_signed();
        Self { value: value as f64, quotient: quotient as f64 * UNIT }
    }
}

/// `2^-64`.
const UNIT: f64 = 1.0 / (WORD * 4096.0);

impl Field {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new(modulus: &Modulus) -> Self {
        debug_assert!(serves(modulus));
        let q = modulus.value();
        Self {
            q: _mm256_set1_pd(q as f64),
            inverse: _mm256_set1_pd(1.0 / q as f64),
            word: _mm256_set1_pd(f64::from_bits(q)),
        }
    }

    /// `w·y` in `(-2q/3, 2q/3)`, for `|y| ≤ 2^52`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn mul(&self, y: __m256d, w: Factor) -> __m256d {
        let k = nearest(y, w.quotient);
        let h = _mm256_mul_pd(y, w.value);
        let l = _mm256_fmsub_pd(y, w.value, h);
        _mm256_add_pd(_mm256_fnmadd_pd(k, self.q, h), l)
    }

    /// `a·b` in `(-q, q)`, for `a, b` in `[0, q)`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn mul_pair(&self, a: __m256d, b: __m256d) -> __m256d {
        let h = _mm256_mul_pd(a, b);
        let k = nearest(h, self.inverse);
        let l = _mm256_fmsub_pd(a, b, h);
        _mm256_add_pd(_mm256_fnmadd_pd(k, self.q, h), l)
    }

    /// `a·b + c` in `(-q, q)`, for `a, b, c` in `[0, q)`.
    ///
    /// `c` is in the estimate; as `|l + c| ≤ 9q/8`, all sums stay below `2^53`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn mul_pair_add(&self, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        let h = _mm256_mul_pd(a, b);
        let k = nearest(_mm256_add_pd(h, c), self.inverse);
        let l = _mm256_add_pd(_mm256_fmsub_pd(a, b, h), c);
        _mm256_add_pd(_mm256_fnmadd_pd(k, self.q, h), l)
    }

    /// `[-2^53, 2^53] → [-q/2 - 1, q/2 + 1]`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn reduce(&self, y: __m256d) -> __m256d {
        _mm256_fnmadd_pd(nearest(y, self.inverse), self.q, y)
    }

    /// `(-q, q) → [0, q)`, as words.
    ///
    /// The mantissa of `2^52 + x` is `x`; that of what is added is `q` where `x` is negative.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn words(&self, x: __m256d) -> __m256i {
        let negative = _mm256_cmp_pd::<_CMP_LT_OQ>(x, _mm256_setzero_pd());
        let word = _mm256_set1_pd(WORD);
        let shift = _mm256_or_pd(word, _mm256_and_pd(negative, self.word));
        _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(x, shift), word))
    }

    /// `(x + w·y, x - w·y)`; each level adds at most `2q/3` to `|x|`. With `REDUCE`, `x` is reduced before.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn forward<const REDUCE: bool>(&self, x: &mut __m256d, y: &mut __m256d, w: Factor) {
        let product = self.mul(*y, w);
        let base = if REDUCE { self.reduce(*x) } else { *x };
        *x = _mm256_add_pd(base, product);
        *y = _mm256_sub_pd(base, product);
    }

    /// `(x + y, w·(x - y))`, for `|x| + |y| ≤ 2^52`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn inverse(&self, x: &mut __m256d, y: &mut __m256d, w: Factor) {
        let difference = _mm256_sub_pd(*x, *y);
        *x = _mm256_add_pd(*x, *y);
        *y = self.mul(difference, w);
    }
}

/// The integer next to `a·b`, for `|a·b| ≤ 2^51`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn nearest(a: __m256d, b: __m256d) -> __m256d {
    let rounder = _mm256_set1_pd(ROUNDER);
    _mm256_sub_pd(_mm256_fmadd_pd(a, b, rounder), rounder)
}

/// Words below `2^52` as doubles: their bits are the mantissa of `2^52 + x`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn doubles(words: __m256i) -> __m256d {
    let word = _mm256_set1_pd(WORD);
    _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(words), word), word)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn load(xs: &[u64; 4]) -> __m256i {
    // SAFETY: four words are 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(xs.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn store(xs: &mut [u64; 4], value: __m256i) {
    // SAFETY: four words are 32 writable bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(xs.as_mut_ptr().cast(), value) }
}

/// The same factor in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat(w: &Ratio) -> Factor {
    Factor { value: _mm256_set1_pd(w.value), quotient: _mm256_set1_pd(w.quotient) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::avx2::Avx2;

    /// The smallest and the largest moduli, prime or not: the arithmetic needs no prime.
    const MODULI: [u64; 6] = [5, 65_537, (1 << 30) + 3, (1 << 49) + 1, (1 << 50) - 27, (1 << 50) - 1];

    fn unsplat(x: __m256d) -> i128 {
        // SAFETY: a vector is four doubles.
        let lanes: [f64; 4] = unsafe { core::mem::transmute(x) };
        assert!(lanes.iter().all(|x| x.to_bits() == lanes[0].to_bits()));
        assert_eq!(lanes[0] as i64 as f64, lanes[0], "an integer");
        i128::from(lanes[0] as i64)
    }

    #[target_feature(enable = "avx2,fma")]
    fn splat_integer(x: i64) -> __m256d {
        assert_eq!(x as f64 as i64, x);
        _mm256_set1_pd(x as f64)
    }

    /// `r` is the residue of `exact`, and `|r| ≤ thirds·q/3`.
    fn check(r: __m256d, exact: i128, q: u64, thirds: i128) {
        let (r, q) = (unsplat(r), i128::from(q));
        assert_eq!((r - exact).rem_euclid(q), 0, "q = {q}, exact = {exact}, r = {r}");
        assert!(3 * r.abs() <= thirds * q, "q = {q}, exact = {exact}, r = {r}");
    }

    #[target_feature(enable = "avx2,fma")]
    fn check_all(modulus: &Modulus) {
        let (q, field) = (modulus.value(), Field::new(modulus));
        let word = |x| {
            let mut words = [0; 4];
            store(&mut words, field.words(x));
            words[0]
        };
        let multiples = [1, 2, 3, q >> 1, q - 1].map(|k| k.saturating_mul(q).min(1 << 52).cast_signed());
        let operands = [0, 1, 2, 1 << 51, (1 << 52) - 1, 1 << 52].into_iter().chain(multiples);
        let operands = operands.flat_map(|y| [y, y - 1, -y, 1 - y]);
        let residues = [0, 1, 2, q / 3, q / 2, q / 2 + 1, q - 2, q - 1];
        for y in operands {
            let exact = i128::from(y);
            let reduced = field.reduce(splat_integer(y));
            check(reduced, exact, q, 2);
            assert_eq!(i128::from(word(reduced)), exact.rem_euclid(i128::from(q)));
            for w in residues {
                let factor = splat(&Ratio::of(modulus.shoup(w), q));
                check(field.mul(splat_integer(y), factor), exact * i128::from(w), q, 2);
            }
        }
        for (a, b, c) in residues.iter().flat_map(|&a| residues.iter().flat_map(move |&b| residues.map(|c| (a, b, c))))
        {
            let [x, y, z] = [a, b, c].map(|x| splat_integer(x.cast_signed()));
            let (product, sum) = (field.mul_pair(x, y), field.mul_pair_add(x, y, z));
            check(product, i128::from(a) * i128::from(b), q, 3);
            check(sum, i128::from(a) * i128::from(b) + i128::from(c), q, 3);
            assert_eq!([word(product), word(sum)], [modulus.mul(a, b), modulus.mul_add(a, b, c)]);
        }
    }

    /// Every operation against exact integers, at the edges of its range.
    #[test]
    fn results_are_exact_and_in_range() {
        if Avx2::detect().is_none() {
            return;
        }
        for q in MODULI {
            // SAFETY: the token was there.
            unsafe { check_all(&Modulus::new(q).unwrap()) }
        }
    }
}
