//! The transforms of 52-bit lanes in exact integers, level by level: no value leaves its word, for the worst operands and
//! for the smallest and the largest prime of each size.

use alloc::vec::Vec;

use super::room::{Ample, Modest, Room, Tight};
use super::{BLOCK, WORD_BITS, pass_levels};
use crate::backend::level_bounds::{DEGREE, operands};
use crate::backend::suite::moduli;
use crate::backend::{Backend, NttTables, Portable};
use crate::modulus::{Modulus, Shoup};

/// What a lane holds: an exact integer that must be the one that its 52 bits say.
fn word(x: i128, what: &str) -> i128 {
    assert!((0..1 << WORD_BITS).contains(&x), "{what}: {x} does not fit a word");
    x
}

/// `w·y` less Shoup's estimate and `more` multiples of `q`.
fn product(y: i128, w: Shoup, q: i128, more: i128) -> i128 {
    let quotient = i128::from(w.quotient >> (u64::BITS - WORD_BITS));
    i128::from(w.value) * y - (((quotient * y) >> WORD_BITS) + more) * q
}

/// What is left of `x` without Barrett's estimate of its multiples of `q`.
fn reduced(x: i128, q: i128) -> i128 {
    x - ((x * ((1 << WORD_BITS) / q)) >> WORD_BITS) * q
}

/// The numbers of levels of the passes, the two of each block last.
fn passes() -> Vec<u32> {
    let mut vectors = DEGREE / 8;
    let mut passes = Vec::new();
    while vectors > BLOCK {
        passes.push(pass_levels(vectors));
        vectors >>= pass_levels(vectors);
    }
    passes.extend([3, 3]);
    passes
}

fn forward<R: Room>(tables: &NttTables, xs: &[u64]) -> Vec<i128> {
    let q = i128::from(tables.modulus().value());
    let mut values: Vec<i128> = xs.iter().map(|&x| i128::from(x)).collect();
    if R::FORWARD_LIFT == 0 {
        let lift = i128::from(DEGREE.trailing_zeros()) * q;
        values[..DEGREE / 2].iter_mut().for_each(|x| *x += lift);
    }
    let mut half = DEGREE / 2;
    for level in passes().into_iter().flat_map(|levels| 0..levels as usize) {
        for (block, &w) in values.chunks_exact_mut(2 * half).zip(&tables.roots()[DEGREE / (2 * half)..]) {
            let (lows, highs) = block.split_at_mut(half);
            for (x, y) in lows.iter_mut().zip(highs) {
                if R::FORWARD[level] {
                    *x = reduced(*x, q) + i128::from(R::FORWARD_LIFT) * q;
                }
                let t = product(*y, w, q, 1);
                (*x, *y) = (word(*x + t, "sum"), word(*x - t, "difference"));
            }
        }
        half /= 2;
    }
    values
}

/// All levels, without the scaling of the last.
fn inverse<R: Room>(tables: &NttTables, xs: &[u64]) -> Vec<i128> {
    let q = i128::from(tables.modulus().value());
    let mut values: Vec<i128> = xs.iter().map(|&x| i128::from(x)).collect();
    let mut half = 1;
    for (pass, levels) in passes().into_iter().rev().enumerate() {
        let rows = 1 << levels;
        let height = half;
        for level in 0..levels as usize {
            let lift = if pass == 0 { R::LANES_LIFT } else { R::PASS_LIFT }[level];
            let roots = &tables.inverse_roots()[DEGREE / (2 * half)..];
            for (block, &w) in values.chunks_exact_mut(2 * half).zip(roots) {
                let (lows, highs) = block.split_at_mut(half);
                for (i, (x, y)) in lows.iter_mut().zip(highs).enumerate() {
                    let (sum, difference) = (*x + *y, *x - *y + i128::from(lift) * q);
                    (*x, *y) = (word(sum, "sum"), product(word(difference, "difference"), w, q, 0));
                    // Within an aligned group of rows, which of the lower rows of this level it is.
                    let row = i / height;
                    let reduce = match (pass, rows) {
                        (0, _) => R::LANES_REDUCE[level],
                        (_, 8) if level == 2 => R::EIGHT_REDUCE[2][row],
                        (_, 8) => R::EIGHT_REDUCE[level][row] && R::EIGHT_REDUCE[level][row + 2],
                        _ if level == 1 => R::FOUR_REDUCE[1][row],
                        _ => R::FOUR_REDUCE[0][0] && R::FOUR_REDUCE[0][1],
                    };
                    if reduce {
                        *x = reduced(*x, q);
                    }
                }
            }
            half *= 2;
        }
    }
    values
}

fn check<R: Room>(modulus: Modulus) {
    let (q, tables) = (modulus.value(), NttTables::new(modulus, DEGREE).unwrap());
    let (scale, _) = tables.last_inverse_level();
    let residue = |x: i128| x.rem_euclid(i128::from(q)) as u64;
    for xs in operands(q) {
        let mut expected = xs.clone();
        Portable.ntt_forward(&tables, &mut expected);
        assert_eq!(forward::<R>(&tables, &xs).into_iter().map(residue).collect::<Vec<_>>(), expected);
        let mut expected = xs.clone();
        Portable.ntt_inverse(&tables, &mut expected);
        let found = inverse::<R>(&tables, &xs).into_iter().map(|x| scale.mul(residue(x), q));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn no_lane_leaves_its_word() {
    for modulus in moduli() {
        let fits = |multiples: u64| modulus.bits() <= 50 && (multiples * modulus.value()) >> WORD_BITS == 0;
        if fits(Ample::CAPACITY) {
            check::<Ample>(modulus);
        }
        if fits(Modest::CAPACITY) {
            check::<Modest>(modulus);
        }
        if fits(Tight::CAPACITY) {
            check::<Tight>(modulus);
        }
    }
}

/// The classes are no narrower than they must be: the next larger primes leave their words.
#[test]
#[should_panic(expected = "does not fit a word")]
fn larger_primes_leave_their_words() {
    let modulus =
        *moduli().iter().filter(|modulus| modulus.bits() == 50).max_by_key(|modulus| modulus.value()).unwrap();
    check::<Modest>(modulus);
}
