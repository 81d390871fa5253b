//! The transform between coefficients and slots, in double precision.
//!
//! A real polynomial `m` of degree below `n` is packed into `N = n/2` complex coefficients `w_k = m_k + i·m_(k+N)`. At the
//! primitive `2n`-th roots of unity `ζ^e` with `e ≡ 1 (mod 4)`, where `X^N = i`, its value is `Σ w_k·ζ^(e·k)`; at the other
//! primitive roots it is the conjugate of one of these. So slots are values modulo `X^N - i`, which splits like the modulus
//! of the number-theoretic transform: `X^M - r² = (X^(M/2) - r)(X^(M/2) + r)`, down to the linear factors. **Order:** the
//! leaf `k` is the value at `ζ^(4·rev(k) + 1)`. Slot `j` is the value at `ζ^(5^j)`, so that rotations are automorphisms.
//!
//! Real and imaginary parts lie in two slices, so that each level is a loop over plain slices that compilers vectorise. The
//! last three levels, whose halves are shorter than a vector, work on tiles of 64 values that are transposed in passing.
//! Nothing is contracted to fused operations: every machine gives the same bits.
//!
//! **Error.** With the unit roundoff `u = 2^-53`, one level of a transform has a relative error of at most `6.7u` in the
//! Euclidean norm, roots included (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, theorem 24.2);
//! [`relative_error`] is `8u` per level.

use alloc::boxed::Box;
use core::f64::consts::PI;

use super::Complex;
use crate::backend::bit_reverse;
use crate::rlwe::GALOIS_GENERATOR;

/// Lanes of a tile.
const LANES: usize = 8;
/// Values of a tile.
const TILE: usize = LANES * LANES;

type Row = [f64; LANES];

/// Seven roots per block of eight values: one of the level of halves of 4, two of halves of 2, four of halves of 1.
#[derive(Clone, Debug)]
struct TileRoots {
    re: [Row; 7],
    im: [Row; 7],
}

/// The transform of one ring degree.
#[derive(Clone, Debug)]
pub(super) struct SlotTransform {
    /// Entry `2^s + b` is the root of block `b` of level `s`.
    roots: Box<[Complex]>,
    /// One entry per tile; empty if there are fewer than 64 slots.
    tiles: Box<[TileRoots]>,
    /// Where each slot lies after [`SlotTransform::to_slots`].
    places: Box<[u32]>,
}

/// The relative error of a transform of `slots` values in the Euclidean norm.
pub(super) fn relative_error(slots: usize) -> f64 {
    8.0 * f64::from(slots.trailing_zeros() + 1) * f64::EPSILON / 2.0
}

impl SlotTransform {
    /// The tables of ring degree `degree`, a power of two and at least 8.
    pub(super) fn new(degree: usize) -> Self {
        let slots = degree >> 1;
        let roots: Box<[Complex]> = core::iter::once(Complex::default()).chain((1..slots).map(root)).collect();
        let tiled = slots >= TILE;
        let tile_count = if tiled { slots >> TILE.trailing_zeros() } else { 0 };
        let tiles = (0..tile_count).map(|tile| TileRoots::new(&roots, tile)).collect();
        let mask = 2 * degree - 1;
        let exponents = core::iter::successors(Some(1usize), |e| Some((e * GALOIS_GENERATOR) & mask)).take(slots);
        let leaves = exponents.map(|exponent| bit_reverse(exponent >> 2, slots));
        let places = leaves.map(|leaf| if tiled { transposed(leaf) } else { leaf } as u32).collect();
        Self { roots, tiles, places }
    }

    /// The number of slots.
    pub(super) fn slots(&self) -> usize {
        self.places.len()
    }

    /// Where each slot lies.
    pub(super) fn places(&self) -> &[u32] {
        &self.places
    }

    /// Coefficients → values, in place. Cost: `N/2·log2 N` butterflies.
    pub(super) fn to_slots(&self, re: &mut [f64], im: &mut [f64]) {
        assert!(re.len() == self.slots() && im.len() == self.slots());
        let (mut half, last) = (re.len() >> 1, self.narrowest());
        while half >= last {
            // Two levels in one pass, while there are two.
            if half >= 2 * last {
                self.two_levels(re, im, half >> 1, forward_four);
                half >>= 2;
            } else {
                self.level(re, im, half, forward);
                half >>= 1;
            }
        }
        for (roots, (re, im)) in self.tiles.iter().zip(tiles(re, im)) {
            let (mut x, mut y) = (transpose(re), transpose(im));
            roots.forward(&mut x, &mut y);
            *re = x;
            *im = y;
        }
    }

    /// Values → coefficients times `N`, in place. Cost: `N/2·log2 N` butterflies.
    pub(super) fn to_coefficients(&self, re: &mut [f64], im: &mut [f64]) {
        assert!(re.len() == self.slots() && im.len() == self.slots());
        for (roots, (re, im)) in self.tiles.iter().zip(tiles(re, im)) {
            let (mut x, mut y) = (*re, *im);
            roots.inverse(&mut x, &mut y);
            *re = transpose(&x);
            *im = transpose(&y);
        }
        let (mut half, end) = (self.narrowest(), re.len());
        while half < end {
            if 2 * half < end {
                self.two_levels(re, im, half, inverse_four);
                half <<= 2;
            } else {
                self.level(re, im, half, inverse);
                half <<= 1;
            }
        }
    }

    /// The smallest half of a level that is no tile's.
    fn narrowest(&self) -> usize {
        if self.tiles.is_empty() { 1 } else { LANES }
    }

    /// One level: blocks of `2·half` values.
    fn level(&self, re: &mut [f64], im: &mut [f64], half: usize, butterflies: impl Fn(Complex, [Pair<'_>; 2])) {
        let blocks = re.chunks_exact_mut(2 * half).zip(im.chunks_exact_mut(2 * half));
        for ((re, im), &w) in blocks.zip(self.level_roots(2 * half)) {
            let ((re0, re1), (im0, im1)) = (re.split_at_mut(half), im.split_at_mut(half));
            butterflies(w, [(re0, im0), (re1, im1)]);
        }
    }

    /// Two levels: blocks of `4·quarter` values, of which the wider level has one root and the narrower two.
    fn two_levels(
        &self,
        re: &mut [f64],
        im: &mut [f64],
        quarter: usize,
        butterflies: impl Fn([Complex; 3], [Pair<'_>; 4]),
    ) {
        let (wide, narrow) = (self.level_roots(4 * quarter), self.level_roots(2 * quarter).as_chunks::<2>().0);
        let blocks = re.chunks_exact_mut(4 * quarter).zip(im.chunks_exact_mut(4 * quarter));
        for (((re, im), &w), &[low, high]) in blocks.zip(wide).zip(narrow) {
            butterflies([w, low, high], quarters(re, im, quarter));
        }
    }

    /// The roots of the level whose blocks have this many values.
    fn level_roots(&self, block: usize) -> &[Complex] {
        let count = self.slots() >> block.trailing_zeros();
        &self.roots[count..2 * count]
    }
}

/// Real and imaginary parts.
type Pair<'a> = (&'a mut [f64], &'a mut [f64]);

fn quarters<'a>(re: &'a mut [f64], im: &'a mut [f64], quarter: usize) -> [Pair<'a>; 4] {
    let ((re01, re23), (im01, im23)) = (re.split_at_mut(2 * quarter), im.split_at_mut(2 * quarter));
    let ((re0, re1), (im0, im1)) = (re01.split_at_mut(quarter), im01.split_at_mut(quarter));
    let ((re2, re3), (im2, im3)) = (re23.split_at_mut(quarter), im23.split_at_mut(quarter));
    [(re0, im0), (re1, im1), (re2, im2), (re3, im3)]
}

/// `(x + w·y, x - w·y)`, value by value.
fn forward(w: Complex, [(x_re, x_im), (y_re, y_im)]: [Pair<'_>; 2]) {
    for (((x_re, x_im), y_re), y_im) in x_re.iter_mut().zip(x_im).zip(y_re).zip(y_im) {
        let (x, t) = (Complex::new(*x_re, *x_im), w * Complex::new(*y_re, *y_im));
        store(x + t, x_re, x_im);
        store(x - t, y_re, y_im);
    }
}

/// `(x + y, (x - y)/w)`, value by value: twice the inverse.
fn inverse(w: Complex, [(x_re, x_im), (y_re, y_im)]: [Pair<'_>; 2]) {
    let w = w.conjugate();
    for (((x_re, x_im), y_re), y_im) in x_re.iter_mut().zip(x_im).zip(y_re).zip(y_im) {
        let (x, y) = (Complex::new(*x_re, *x_im), Complex::new(*y_re, *y_im));
        store(x + y, x_re, x_im);
        store((x - y) * w, y_re, y_im);
    }
}

fn forward_four([w, low, high]: [Complex; 3], values: [Pair<'_>; 4]) {
    each_four(values, |[a, b, c, d]| {
        let (c, d) = (w * c, w * d);
        let (lower, upper) = (low * (b + d), high * (b - d));
        [(a + c) + lower, (a + c) - lower, (a - c) + upper, (a - c) - upper]
    });
}

fn inverse_four([w, low, high]: [Complex; 3], values: [Pair<'_>; 4]) {
    let (w, low, high) = (w.conjugate(), low.conjugate(), high.conjugate());
    each_four(values, |[a, b, c, d]| {
        let (lower, upper) = ((a - b) * low, (c - d) * high);
        [(a + b) + (c + d), lower + upper, ((a + b) - (c + d)) * w, (lower - upper) * w]
    });
}

#[inline(always)]
fn each_four(values: [Pair<'_>; 4], f: impl Fn([Complex; 4]) -> [Complex; 4]) {
    let [(a_re, a_im), (b_re, b_im), (c_re, c_im), (d_re, d_im)] = values;
    let (a, b) = (a_re.iter_mut().zip(a_im), b_re.iter_mut().zip(b_im));
    let (c, d) = (c_re.iter_mut().zip(c_im), d_re.iter_mut().zip(d_im));
    for ((a, b), (c, d)) in a.zip(b).zip(c.zip(d)) {
        let [w, x, y, z] = f([&a, &b, &c, &d].map(|(re, im)| Complex::new(**re, **im)));
        store(w, a.0, a.1);
        store(x, b.0, b.1);
        store(y, c.0, c.1);
        store(z, d.0, d.1);
    }
}

#[inline(always)]
fn store(value: Complex, re: &mut f64, im: &mut f64) {
    *re = value.re;
    *im = value.im;
}

impl TileRoots {
    fn new(roots: &[Complex], tile: usize) -> Self {
        let first = (roots.len() >> LANES.trailing_zeros()) + tile * LANES;
        // Row 0 holds the roots `first + lane`, rows 1 and 2 their two children each, rows 3 to 6 their four.
        let pick = |row: usize, lane: usize| {
            let (scale, offset) = [(1, 0), (2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (4, 3)][row];
            roots[scale * (first + lane) + offset]
        };
        let rows =
            |part: fn(Complex) -> f64| core::array::from_fn(|row| core::array::from_fn(|lane| part(pick(row, lane))));
        Self { re: rows(|w| w.re), im: rows(|w| w.im) }
    }

    fn forward(&self, re: &mut [Row; LANES], im: &mut [Row; LANES]) {
        for (row, x, y) in PATTERN {
            for lane in 0..LANES {
                let w = Complex::new(self.re[row][lane], self.im[row][lane]);
                let a = Complex::new(re[x][lane], im[x][lane]);
                let t = w * Complex::new(re[y][lane], im[y][lane]);
                store(a + t, &mut re[x][lane], &mut im[x][lane]);
                store(a - t, &mut re[y][lane], &mut im[y][lane]);
            }
        }
    }

    fn inverse(&self, re: &mut [Row; LANES], im: &mut [Row; LANES]) {
        for (row, x, y) in PATTERN.into_iter().rev() {
            for lane in 0..LANES {
                let w = Complex::new(self.re[row][lane], -self.im[row][lane]);
                let a = Complex::new(re[x][lane], im[x][lane]);
                let b = Complex::new(re[y][lane], im[y][lane]);
                store(a + b, &mut re[x][lane], &mut im[x][lane]);
                store((a - b) * w, &mut re[y][lane], &mut im[y][lane]);
            }
        }
    }
}

/// The butterflies of three levels on eight values: the row of roots and the two values.
const PATTERN: [(usize, usize, usize); 12] = [
    (0, 0, 4),
    (0, 1, 5),
    (0, 2, 6),
    (0, 3, 7),
    (1, 0, 2),
    (1, 1, 3),
    (2, 4, 6),
    (2, 5, 7),
    (3, 0, 1),
    (4, 2, 3),
    (5, 4, 5),
    (6, 6, 7),
];

/// The tiles of two slices.
fn tiles<'a>(
    re: &'a mut [f64],
    im: &'a mut [f64],
) -> impl Iterator<Item = (&'a mut [Row; LANES], &'a mut [Row; LANES])> {
    let rows = |values: &'a mut [f64]| values.as_chunks_mut::<LANES>().0.as_chunks_mut::<LANES>().0;
    rows(re).iter_mut().zip(rows(im))
}

fn transpose(rows: &[Row; LANES]) -> [Row; LANES] {
    core::array::from_fn(|i| core::array::from_fn(|j| rows[j][i]))
}

/// The place of a leaf in a transposed tile.
const fn transposed(leaf: usize) -> usize {
    let inside = leaf & (TILE - 1);
    (leaf - inside) | ((inside & (LANES - 1)) << 3) | (inside >> 3)
}

/// The root of entry `2^s + b`: `exp(2πi·(4·rev(b) + 1)/2^(s + 3))`, where `rev` reverses `s` bits.
fn root(index: usize) -> Complex {
    let count = 1usize << index.ilog2();
    // Reversed with its leading one, the index is 2·rev(b) + 1.
    unit(2 * bit_reverse(index, 2 * count) - 1, 3 + index.ilog2())
}

/// `exp(2πi·numerator/2^bits)` with an error near one unit in the last place, for `numerator < 2^bits` and `bits ≥ 3`: the
/// angle is folded into one eighth of the circle exactly.
fn unit(numerator: usize, bits: u32) -> Complex {
    let eighth = 1usize << (bits - 3);
    let (octant, rest) = (numerator >> (bits - 3), numerator & (eighth - 1));
    let folded = if octant & 1 == 0 { rest } else { eighth - rest };
    let angle = 2.0 * PI * (folded as f64 / (1u64 << bits) as f64);
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let (x, y) = if matches!(octant & 3, 1 | 2) { (sin, cos) } else { (cos, sin) };
    let re = if matches!(octant, 2..=5) { -x } else { x };
    Complex::new(re, if octant >= 4 { -y } else { y })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn values(len: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    /// A sum of doubles to twice their precision (Knuth's exact addition, Dekker's exact product).
    #[derive(Clone, Copy, Default)]
    struct Exact(f64, f64);

    impl Exact {
        fn add_product(self, a: f64, b: f64) -> Self {
            let product = a * b;
            let error = libm::fma(a, b, -product);
            let sum = self.0 + product;
            let part = sum - self.0;
            let lost = (self.0 - (sum - part)) + (product - part);
            Self(sum, self.1 + lost + error)
        }

        fn value(self) -> f64 {
            self.0 + self.1
        }
    }

    /// Slot `j` by its definition: `Σ m_k·ζ^(5^j·k)`, summed to twice the precision.
    fn embedding(coefficients: &[f64], slot: usize) -> Complex {
        let n = coefficients.len();
        let power = (0..slot).fold(1usize, |e, _| e * 5 % (2 * n));
        let (mut re, mut im) = (Exact::default(), Exact::default());
        for (k, &m) in coefficients.iter().enumerate() {
            let w = unit(power * k % (2 * n), (2 * n).ilog2());
            re = re.add_product(m, w.re);
            im = im.add_product(m, w.im);
        }
        Complex::new(re.value(), im.value())
    }

    fn slots(transform: &SlotTransform, coefficients: &[f64]) -> Vec<Complex> {
        let (mut re, mut im) = (coefficients[..transform.slots()].to_vec(), coefficients[transform.slots()..].to_vec());
        transform.to_slots(&mut re, &mut im);
        transform.places().iter().map(|&p| Complex::new(re[p as usize], im[p as usize])).collect()
    }

    fn norm(values: impl Iterator<Item = f64>) -> f64 {
        libm::sqrt(values.map(|x| x * x).sum())
    }

    #[test]
    fn slots_are_values_at_powers_of_five() {
        for log_n in 3..=13 {
            let n = 1usize << log_n;
            let coefficients = values(n, 1 + log_n as u64);
            let found = slots(&SlotTransform::new(n), &coefficients);
            // All slots of small rings, and some hundred of large ones.
            let step = (n / 512).max(1);
            let worst =
                (0..n / 2).step_by(step).map(|j| (found[j] - embedding(&coefficients, j)).abs()).fold(0.0, f64::max);
            let size = norm(found.iter().map(|z| z.abs()));
            assert!(worst <= relative_error(n / 2) * size, "n = {n}: {worst:e} of {size:e}");
        }
    }

    #[test]
    fn transforms_are_inverse_up_to_the_stated_error() {
        for log_n in 3..=14 {
            let n = 1usize << log_n;
            let transform = SlotTransform::new(n);
            let (re, im) = (values(n / 2, 5), values(n / 2, 6));
            let (mut x, mut y) = (re.clone(), im.clone());
            transform.to_coefficients(&mut x, &mut y);
            transform.to_slots(&mut x, &mut y);
            let scale = 2.0 / n as f64;
            let error = x.iter().zip(&re).chain(y.iter().zip(&im)).map(|(x, y)| x * scale - y);
            let (error, size) = (norm(error), norm(re.iter().chain(&im).copied()));
            assert!(error <= 2.0 * relative_error(n / 2) * size, "n = {n}: {error:e} of {size:e}");
        }
    }

    #[test]
    fn roots_are_on_the_circle() {
        let exact = [(0, 1.0, 0.0), (1, 0.5f64.sqrt(), 0.5f64.sqrt()), (2, 0.0, 1.0), (4, -1.0, 0.0), (6, 0.0, -1.0)];
        for (k, re, im) in exact {
            assert!((unit(k, 3) - Complex::new(re, im)).abs() < 2.0 * f64::EPSILON, "{k}");
        }
        for k in 0..64 {
            let angle = 2.0 * PI * k as f64 / 64.0;
            assert!((unit(k, 6) - Complex::new(angle.cos(), angle.sin())).abs() < 1e-15, "{k}");
        }
    }

    #[test]
    fn a_tile_is_transposed_once() {
        let rows: [Row; LANES] = core::array::from_fn(|i| core::array::from_fn(|j| (8 * i + j) as f64));
        assert_eq!(transpose(&transpose(&rows)), rows);
        let mut places = vec![0; 4 * TILE];
        (0..places.len()).for_each(|leaf| places[transposed(leaf)] += 1);
        assert!(places.iter().all(|&count| count == 1));
    }
}
