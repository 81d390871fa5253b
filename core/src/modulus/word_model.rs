//! The formulas of this folder and of the 52-bit lanes, written once for words of any width `W`.
//!
//! At small widths every modulus and every operand is tried, so that each stated range is seen to hold, and how near to
//! its end the results come. At 64 bits the model is compared with the code, so that it is the code's
//! formula that was tried. Where a formula needs `q < 2^60`, the model has `q < 2^(W-4)`; lanes of 52 bits take
//! `q < 2^50`, the model `q < 2^(W-2)`.

use alloc::vec;
use alloc::vec::Vec;

use super::Modulus;
use super::tests::EDGE_MODULI;
use crate::ct;

/// `x mod 2^W`.
const fn low<const W: u32>(x: u128) -> u128 {
    x & (u128::MAX >> (u128::BITS - W))
}

const fn bits(q: u128) -> u32 {
    u128::BITS - q.leading_zeros()
}

/// Every odd modulus in `[3, 2^bits)`.
fn moduli(bits: u32) -> impl Iterator<Item = u128> {
    (3..1u128 << bits).step_by(2)
}

/// [`ct::reduce_once`].
fn reduce_once<const W: u32>(x: u128, q: u128) -> u128 {
    let d = low::<W>(x.wrapping_sub(q));
    low::<W>(d + (q & mask_negative::<W>(d)))
}

/// [`ct::mask_negative`].
fn mask_negative<const W: u32>(x: u128) -> u128 {
    low::<W>((x >> (W - 1)).wrapping_neg())
}

/// The unsigned minimum of a lane and its difference: `Lanes::reduce_once` of the AVX-512 backend.
fn min_reduce_once<const LANE: u32>(x: u128, m: u128) -> u128 {
    x.min(low::<LANE>(x.wrapping_sub(m)))
}

/// [`super::barrett::Barrett::reduce_product_lazy`].
fn barrett_product_lazy<const W: u32>(z: u128, q: u128) -> u128 {
    let narrow = (1 << (2 * bits(q) + 3)) / q;
    assert!(narrow == low::<W>(narrow), "the constant fits a word");
    let estimate = (low::<W>(z >> (bits(q) - 2)) * narrow) >> (bits(q) + 5);
    low::<W>(z.wrapping_sub(low::<W>(estimate).wrapping_mul(q)))
}

/// [`super::barrett::Barrett::reduce_wide_lazy`].
fn barrett_wide_lazy<const W: u32>(x: u128, q: u128) -> u128 {
    let wide = (u128::MAX >> (u128::BITS - 2 * W)) / q;
    let ((x1, x0), (r1, r0)) = ((x >> W, low::<W>(x)), (wide >> W, low::<W>(wide)));
    let middle = x1 * r0 + ((x0 * r0) >> W);
    let middle_low = x0 * r1 + low::<W>(middle);
    let quotient = low::<W>(low::<W>(x1 * r1) + (middle >> W) + (middle_low >> W));
    low::<W>(x.wrapping_sub(quotient.wrapping_mul(q)))
}

/// [`super::montgomery::Montgomery::reduce`] before its last step.
fn montgomery_lazy<const W: u32>(x: u128, q: u128) -> u128 {
    let mut inverse = q;
    let mut correct = 3;
    while correct < W {
        inverse = low::<W>(inverse.wrapping_mul(low::<W>(2u128.wrapping_sub(low::<W>(q.wrapping_mul(inverse))))));
        correct *= 2;
    }
    let m = low::<W>(low::<W>(x) * low::<W>(inverse.wrapping_neg()));
    (x + m * q) >> W
}

/// [`super::shoup::Shoup::mul_lazy`], and `Lanes::mul_lazy` at 52 bits.
fn shoup_lazy<const W: u32>(w: u128, x: u128, q: u128) -> u128 {
    let quotient = (w << W) / q;
    let x = low::<W>(x);
    let estimate = (quotient * x) >> W;
    low::<W>((w * x).wrapping_sub(estimate * q))
}

/// [`super::reciprocal::Reciprocal`]'s constant, for a word of `W` bits.
fn reciprocal<const W: u32>(q: u128) -> u128 {
    (1 << (W - 1 + bits(q))) / q
}

/// [`super::reciprocal::Reciprocal::fraction`].
fn fraction<const W: u32>(x: u128, q: u128) -> u128 {
    low::<W>((x * reciprocal::<W>(q)) >> (bits(q) - 1))
}

/// `Barrett::reduce` of 52-bit lanes before its last steps.
fn lane_barrett_lazy<const W: u32>(high: u128, low_half: u128, q: u128) -> u128 {
    let b = bits(q);
    let reciprocal = (1 << (b + W - 2)) / q;
    assert!(reciprocal >> (W - 1) == 0, "the constant is below half a word");
    let top = (low_half >> (b - 2)) + (high << (W + 2 - b));
    assert!(top == low::<W>(top), "the multiplier reads all of it");
    let estimate = (top * reciprocal) >> W;
    low::<W>(low_half.wrapping_sub(estimate.wrapping_mul(q)))
}

/// `Wide::reduce` of 52-bit lanes before its last steps.
fn lane_wide_lazy<const W: u32>(high: u128, low_half: u128, q: u128) -> u128 {
    let word = (1 << W) % q;
    let high = high + (low_half >> W);
    let top = high >> W;
    assert!(top == low::<W>(top), "the multiplier reads all of it");
    shoup_lazy::<W>(1, low_half, q) + shoup_lazy::<W>(word, high, q) + shoup_lazy::<W>(word * word % q, top, q)
}

/// `fraction` of 52-bit lanes, whose reciprocals have a whole lane.
fn lane_fraction<const W: u32, const LANE: u32>(x: u128, q: u128) -> u128 {
    let (r, shift) = (reciprocal::<LANE>(q), bits(q) - 1);
    let (r0, r1) = (low::<W>(r), r >> W);
    let upper = x * r1 + ((x * r0) >> W);
    assert!(x * r1 == low::<LANE>(x * r1), "a lane holds the product");
    let lower = low::<W>(x * r0);
    low::<LANE>(upper << (W - shift)) + (lower >> shift)
}

/// `Sums::reduce` of 52-bit lanes before its last step.
fn lane_sums_lazy<const W: u32>(high: u128, low_half: u128, q: u128) -> u128 {
    let half = 1 << (W - 1);
    let upper = 2 * high + (low_half >> (W - 1));
    assert!(upper == low::<W>(upper), "the multiplier reads all of it");
    let sum = low_half % half + shoup_lazy::<W>(half % q, upper, q);
    assert!(sum == low::<W>(sum), "a word holds the sum");
    shoup_lazy::<W>(1, sum, q)
}

/// `Short::reduce` of 52-bit lanes before its last steps.
fn lane_short_lazy<const W: u32>(high: u128, low_half: u128, q: u128) -> u128 {
    let high = high + (low_half >> W);
    assert!(high == low::<W>(high), "the multiplier reads all of it");
    shoup_lazy::<W>(1, low_half, q) + shoup_lazy::<W>((1 << W) % q, high, q)
}

/// `high_estimate` of 64-bit lanes: the product of the lower halves is dropped, and two fractions.
fn high_estimate<const W: u32>(x: u128, y: u128) -> u128 {
    let half = |x: u128| (x >> (W / 2), x & ((1 << (W / 2)) - 1));
    let ((x1, x0), (y1, y0)) = (half(x), half(y));
    low::<W>(x1 * y1 + ((x1 * y0) >> (W / 2)) + ((x0 * y1) >> (W / 2)))
}

/// `Barrett::mul_lazy` of 64-bit lanes: every modulus as if it had `W - 4` bits.
fn half_barrett_lazy<const W: u32>(x: u128, y: u128, q: u128) -> u128 {
    let most = W - 4;
    let shift = most - bits(q);
    let (m, z) = (q << shift, (x << shift) * y);
    let (reciprocal, top) = ((1 << (2 * most + 2)) / m, z >> (most - 2));
    assert!(reciprocal == low::<W>(reciprocal) && top == low::<W>(top), "words hold both");
    low::<W>(z.wrapping_sub(high_estimate::<W>(top, reciprocal).wrapping_mul(m))) >> shift
}

/// Checks `f(x) = expected mod q` and `f(x) < bound` for each operand, and gives the largest result.
fn largest(q: u128, operands: impl Iterator<Item = (u128, u128)>, bound: u128, f: impl Fn(u128) -> u128) -> u128 {
    operands.fold(0, |largest, (x, residue)| {
        let y = f(x);
        assert!(y < bound && y % q == residue % q, "q = {q}, x = {x}: {y}");
        largest.max(y)
    })
}

#[test]
fn single_subtractions() {
    for q in 1..1u128 << 6 {
        for x in 0..2 * q {
            assert_eq!(reduce_once::<8>(x, q), x % q);
            assert_eq!(min_reduce_once::<8>(x, q), x % q);
        }
    }
    // The stated range keeps a bit in reserve: the sign of the difference is right up to half a word, and not beyond.
    assert!((0..1 << 8).all(|x| reduce_once::<8>(x, 1 << 7) == x % (1 << 7)));
    assert_ne!(reduce_once::<8>(0, (1 << 7) + 1), 0);
    for (a, b) in (0..1u128 << 7).flat_map(|a| (0..1u128 << 7).map(move |b| (a, b))) {
        assert_eq!(mask_negative::<8>(low::<8>(a.wrapping_sub(b))), if a < b { 0xff } else { 0 });
    }
    for q in moduli(6) {
        assert!((0..q).all(|a| (q - a) & mask_negative::<8>(low::<8>(a.wrapping_neg())) == (q - a) % q));
    }
}

/// Every value below `2^(2b)`: the remainder is below `2q`, and gets as far as the derivation allows.
#[test]
fn barrett_of_products() {
    let mut closest = 0.0f64;
    for q in moduli(8) {
        let all = (0..1u128 << (2 * bits(q))).map(|z| (z, z));
        let largest = largest(q, all, 2 * q, |z| barrett_product_lazy::<12>(z, q));
        closest = closest.max(largest as f64 / q as f64);
    }
    // The estimate is short by less than 5/8 before it is rounded down: the remainder is below 13/8·q.
    assert!((1.55..1.625).contains(&closest), "{closest}");
}

/// Every double word: the estimate is short by less than 1 before it is rounded down.
#[test]
fn barrett_of_double_words() {
    let mut closest = 0.0f64;
    for q in moduli(4) {
        let largest = largest(q, (0..1u128 << 16).map(|x| (x, x)), 2 * q, |x| barrett_wide_lazy::<8>(x, q));
        assert!(largest >= q, "q = {q}: the subtraction is needed");
        closest = closest.max(largest as f64 / q as f64);
    }
    assert!((1.72..2.0).contains(&closest), "{closest}");
}

#[test]
fn montgomery() {
    for q in moduli(4) {
        let inverse = (1..q).find(|r| (r << 8) % q == 1).unwrap();
        let all = (0..q << 8).map(|x| (x, x * inverse));
        assert_eq!(largest(q, all, 2 * q, |x| montgomery_lazy::<8>(x, q)), 2 * q - 1, "the bound is reached");
    }
    for q in moduli(6) {
        let inverse = (1..q).find(|r| (r << 10) % q == 1).unwrap();
        let all = (0..q << 10).map(|x| (x, x * inverse));
        assert_eq!(largest(q, all, 2 * q, |x| montgomery_lazy::<10>(x, q)), 2 * q - 1, "the bound is reached");
    }
}

/// Lazy products, of every factor with every word: also of moduli up to half a word, beyond those in use.
#[test]
fn shoup() {
    let mut closest = 0.0f64;
    for q in moduli(7) {
        for w in 0..q {
            let largest = largest(q, (0..1 << 8).map(|x| (x, w * x)), 2 * q, |x| shoup_lazy::<8>(w, x, q));
            closest = closest.max(largest as f64 / q as f64);
        }
    }
    assert!((1.97..2.0).contains(&closest), "{closest}");
}

/// How much a fraction can be short, in units of its last bit.
#[test]
fn fractions() {
    let mut shortest = 0.0f64;
    for q in moduli(8) {
        for x in 0..q {
            let fraction = fraction::<12>(x, q);
            assert!(fraction < 1 << 12 && fraction * q <= x << 12 && x << 12 < (fraction + 3) * q, "x = {x}, q = {q}");
            shortest = shortest.max((x << 12) as f64 / q as f64 - fraction as f64);
        }
    }
    assert!((2.68..3.0).contains(&shortest), "{shortest}");
}

/// Every value below `2^(2b)`, and every product of residues with every summand as the lanes have it: added to the low
/// half, which may then be longer than a word.
#[test]
fn lane_barrett() {
    let mut closest = 0.0f64;
    for q in moduli(6) {
        let all = (0..1u128 << (2 * bits(q))).map(|z| (z, z));
        let most = largest(q, all, 3 * q, |z| lane_barrett_lazy::<8>(z >> 8, low::<8>(z), q));
        // Short by less than 3/2 before it is rounded down: the remainder is even below 5/2·q.
        closest = closest.max(most as f64 / q as f64);
        for product in (0..q).flat_map(|a| (0..q).map(move |b| a * b)) {
            for c in 0..q {
                let lazy = lane_barrett_lazy::<8>(product >> 8, low::<8>(product) + c, q);
                let reduced = min_reduce_once::<12>(min_reduce_once::<12>(lazy, 2 * q), q);
                assert_eq!(reduced, (product + c) % q);
            }
        }
    }
    assert!((2.19..2.5).contains(&closest), "{closest}");
}

/// Every pair of half sums, up to one bit less than a lane of three bits more than a word.
#[test]
fn lane_sums() {
    for q in moduli(4) {
        for high in 0..1u128 << 8 {
            let values = (0..1u128 << 8).map(|x| (x, (high << 6) + x));
            largest(q, values, 6 * q, |x| lane_wide_lazy::<6>(high, x, q));
            for x in 0..1u128 << 8 {
                let lazy = lane_wide_lazy::<6>(high, x, q);
                let halves = min_reduce_once::<9>(lazy, 4 * q);
                assert_eq!(min_reduce_once::<9>(min_reduce_once::<9>(halves, 2 * q), q), ((high << 6) + x) % q);
            }
        }
    }
    // The low word and the high one do not depend on each other: what comes of both at most, for longer words.
    let closest = moduli(6).map(|q| {
        let most = |highs: u128, lows: u128| {
            (0..highs).flat_map(|high| (0..lows).map(move |x| lane_wide_lazy::<8>(high, x, q))).max()
        };
        (most(1, 1 << 8).unwrap() + most(1 << 11, 1).unwrap()) as f64 / q as f64
    });
    let closest = closest.fold(0.0, f64::max);
    assert!((4.57..6.0).contains(&closest), "the subtraction of 4q is needed: {closest}");
}

/// Every value below half a double word, also with low halves that are longer than a word.
#[test]
fn lane_sums_of_few_products() {
    for q in moduli(6) {
        for z in 0..1u128 << 15 {
            let (high, half) = (z >> 8, low::<8>(z));
            for carry in 0..=high.min(3) {
                let lazy = lane_sums_lazy::<8>(high - carry, half + (carry << 8), q);
                assert!(lazy < 2 * q && lazy % q == z % q, "q = {q}, z = {z}: {lazy}");
            }
        }
    }
    for q in moduli(4) {
        for (high, half) in (0..48u128).flat_map(|high| (0..1u128 << 10).map(move |half| (high, half))) {
            let lazy = lane_short_lazy::<6>(high, half, q);
            assert!(lazy < 4 * q && lazy % q == ((high << 6) + half) % q, "q = {q}, {high}, {half}: {lazy}");
        }
    }
}

/// Every product of residues, alone and with a summand: it is below `4q`, but not below `3q`, so that a summand has to wait
/// for the first subtraction.
#[test]
fn barrett_by_halves() {
    let mut closest = 0.0f64;
    for q in moduli(8) {
        for (x, y) in (0..q).flat_map(|x| (0..q).map(move |y| (x, y))) {
            let lazy = half_barrett_lazy::<12>(x, y, q);
            assert!(lazy < 4 * q, "{x}·{y} mod {q}: {lazy}");
            closest = closest.max(lazy as f64 / q as f64);
            let product = min_reduce_once::<12>(lazy, 2 * q);
            for c in [0, q - 1] {
                let sum = min_reduce_once::<12>(min_reduce_once::<12>(product + c, 2 * q), q);
                assert_eq!(sum, (x * y + c) % q, "{x}·{y} + {c} mod {q}");
            }
        }
    }
    assert!((3.0..3.75).contains(&closest), "{closest}");
}

#[test]
fn lane_fractions_are_those_of_words() {
    for q in moduli(6) {
        assert!((0..q).all(|x| lane_fraction::<8, 12>(x, q) == fraction::<12>(x, q)), "q = {q}");
    }
}

/// Words at the edges of a range, and some between.
fn words(end: u128) -> Vec<u128> {
    let edges = [0, 1, 2, end / 3, end / 2, end / 2 + 1, end.wrapping_sub(2), end.wrapping_sub(1)];
    edges.into_iter().filter(|&x| x < end).collect()
}

/// At 64 bits the model gives what the code gives, before the last subtraction too.
#[test]
fn the_model_is_the_code() {
    for value in EDGE_MODULI {
        let (m, q) = (Modulus::new(value).unwrap(), u128::from(value));
        for a in words(q) {
            for b in words(q) {
                let product = u128::from(m.barrett.reduce_product_lazy(a * b));
                assert_eq!(product, barrett_product_lazy::<64>(a * b, q));
                assert_eq!(u128::from(ct::reduce_once((a + b) as u64, value)), reduce_once::<64>(a + b, q));
                let x = vec![a, 1 << 63, u128::from(u64::MAX)];
                for x in x {
                    let lazy = m.shoup(b as u64).mul_lazy(x as u64, value);
                    assert_eq!(u128::from(lazy), shoup_lazy::<64>(b, x, q));
                }
            }
            assert_eq!(u128::from(m.reciprocal().fraction(a as u64)), fraction::<64>(a, q));
        }
        for x in words(q << 64) {
            let reduced = reduce_once::<64>(montgomery_lazy::<64>(x, q), q);
            assert_eq!(u128::from(m.montgomery().reduce(x)), reduced);
        }
        for x in words(u128::MAX) {
            assert_eq!(u128::from(m.barrett.reduce_wide_lazy(x)), barrett_wide_lazy::<64>(x, q));
        }
    }
}
