//! The transforms, replayed level by level: what is between two levels keeps the stated range, for the worst operands and
//! for the smallest and the largest prime of each size.

use alloc::vec;
use alloc::vec::Vec;

use super::portable::{forward_butterfly, inverse_butterfly};
use super::suite::moduli;
use super::{Backend, NttTables, Portable};
use crate::modulus::Shoup;

pub(super) const DEGREE: usize = 512;

/// All at the top, all at the bottom, both in turn at several strides, and in ascending order.
pub(super) fn operands(q: u64) -> Vec<Vec<u64>> {
    let stripes = |stride: usize| (0..DEGREE).map(|i| if (i / stride).is_multiple_of(2) { q - 1 } else { 0 }).collect();
    let mut out: Vec<Vec<u64>> = [1, 2, 16, DEGREE / 2].map(stripes).to_vec();
    out.extend([vec![q - 1; DEGREE], vec![0; DEGREE], (0..DEGREE as u64).map(|i| q - 1 - i).collect()]);
    out
}

type Butterfly = fn(u64, u64, Shoup, u64) -> (u64, u64);

/// One level of transforms whose blocks have two halves of this length.
fn level(xs: &mut [u64], half: usize, roots: &[Shoup], q: u64, butterfly: Butterfly) {
    for (block, &w) in xs.chunks_exact_mut(2 * half).zip(&roots[DEGREE / (2 * half)..]) {
        let (lows, highs) = block.split_at_mut(half);
        for (x, y) in lows.iter_mut().zip(highs) {
            (*x, *y) = butterfly(*x, *y, w, q);
        }
    }
}

/// Halves of the levels, in the order of the forward transform.
fn halves() -> impl DoubleEndedIterator<Item = usize> {
    (0..DEGREE.trailing_zeros()).rev().map(|log| 1 << log)
}

fn largest(xs: &[u64]) -> u64 {
    xs.iter().copied().max().unwrap_or(0)
}

#[test]
fn forward_levels_stay_below_four_q() {
    for modulus in moduli() {
        let (q, tables) = (modulus.value(), NttTables::new(modulus, DEGREE).unwrap());
        let mut most = 0;
        for xs in operands(q) {
            let mut values = xs.clone();
            for half in halves() {
                level(&mut values, half, tables.roots(), q, forward_butterfly);
                assert!(largest(&values) < 4 * q, "q = {q}, half = {half}");
                most = most.max(largest(&values));
            }
            let mut expected = xs;
            Portable.ntt_forward(&tables, &mut expected);
            assert!(values.iter().zip(&expected).all(|(x, y)| x % q == *y), "the replay is the transform");
        }
        assert!(most > 3 * q, "q = {q}: the bound is not vacuous");
    }
}

#[test]
fn inverse_levels_stay_below_two_q() {
    for modulus in moduli() {
        let (q, tables) = (modulus.value(), NttTables::new(modulus, DEGREE).unwrap());
        let (scale, _) = tables.last_inverse_level();
        let mut most = 0;
        for xs in operands(q) {
            let mut values = xs.clone();
            for half in halves().rev() {
                level(&mut values, half, tables.inverse_roots(), q, inverse_butterfly);
                assert!(largest(&values) < 2 * q, "q = {q}, half = {half}");
                most = most.max(largest(&values));
            }
            let mut expected = xs;
            Portable.ntt_inverse(&tables, &mut expected);
            assert!(values.iter().zip(&expected).all(|(&x, y)| scale.mul(x, q) == *y), "the replay is the transform");
        }
        assert!(most >= q, "q = {q}: the bound is not vacuous");
    }
}
