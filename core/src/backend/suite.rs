//! The one conformance suite, run against every backend.
//!
//! Each check compares a backend with arithmetic on single words, at the edges of each range and for each size class.

#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]
#![allow(clippy::integer_division_remainder_used, reason = "the oracle divides")]
#![allow(clippy::missing_panics_doc, reason = "a check fails by panicking")]

use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "rlwe")]
use chacha20::{ChaCha8Rng, ChaCha20Rng};
#[cfg(feature = "rlwe")]
use rand_core::{Rng, SeedableRng};

#[cfg(feature = "rlwe")]
use super::Rounds;
use super::{Backend, BlockOrder, Conversion, KeyRows, NttTables, PairFinish};
use crate::modulus::Modulus;
use crate::prime::{next_ntt_prime_vartime, ntt_primes_vartime};

/// Runs the whole suite.
pub fn check<B: Backend>(backend: B) {
    for modulus in moduli() {
        for n in [8, 64, 128, 256, 512, 1024] {
            pointwise(backend, &modulus, n);
            sums(backend, &modulus, n);
            quotients(backend, &modulus, n);
            transforms(backend, &modulus, n);
            switching(backend, &modulus, n);
            key_products(backend, &modulus, n);
            lifted_transforms(backend, &modulus, n);
            tensors(backend, &modulus, n);
        }
    }
    for n in [1, 7, 8, 24, 32, 40, 264] {
        conversions(backend, n);
        #[cfg(feature = "rlwe")]
        samples(backend, n);
    }
    #[cfg(feature = "rlwe")]
    {
        keystreams(backend);
        [8, 16, 64, 72].into_iter().for_each(|n| packing(backend, n));
    }
}

/// NTT primes for degrees up to 1024, smallest and largest of each size.
pub(crate) fn moduli() -> Vec<Modulus> {
    [17, 30, 31, 32, 46, 48, 50, 51, 52, 59, 60]
        .into_iter()
        .flat_map(|bits| {
            let smallest = next_ntt_prime_vartime(1 << (bits - 1), 1024).unwrap();
            [smallest, ntt_primes_vartime(bits, 1024, 1, &[]).unwrap()[0]]
        })
        .map(|q| Modulus::new(q).unwrap())
        .collect()
}

/// Residues that begin with the edges of the range.
fn residues(modulus: &Modulus, n: usize, seed: u64) -> Vec<u64> {
    let q = modulus.value();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        modulus.reduce(state ^ (state >> 29))
    };
    let edges = [0, q - 1, 1, q - 1, q >> 1];
    (0..n).map(|i| edges.get(i).copied().unwrap_or_else(&mut next)).collect()
}

fn pointwise<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let (a, b, c) = (residues(q, n, 1), residues(q, n, 2), residues(q, n, 3));
    let apply = |f: &dyn Fn(&mut [u64])| {
        let mut out = a.clone();
        f(&mut out);
        out
    };
    let expect = |f: &dyn Fn(usize) -> u64| (0..n).map(f).collect::<Vec<_>>();
    assert_eq!(apply(&|x| backend.add(q, x, &b)), expect(&|i| q.add(a[i], b[i])), "add");
    assert_eq!(apply(&|x| backend.sub(q, x, &b)), expect(&|i| q.sub(a[i], b[i])), "sub");
    assert_eq!(apply(&|x| backend.neg(q, x)), expect(&|i| q.neg(a[i])), "neg");
    assert_eq!(apply(&|x| backend.mul(q, x, &b)), expect(&|i| q.mul(a[i], b[i])), "mul");
    assert_eq!(apply(&|x| backend.mul_add(q, x, &b, &c)), expect(&|i| q.mul_add(b[i], c[i], a[i])), "mul_add");
    for w in [0, 1, q.value() - 1, q.value() >> 1] {
        assert_eq!(apply(&|x| backend.mul_scalar(q, x, q.shoup(w))), expect(&|i| q.mul(a[i], w)), "mul_scalar");
    }
    let reversed: Vec<u32> = (0..n as u32).rev().collect();
    assert_eq!(apply(&|x| backend.permute(x, &b, &reversed)), expect(&|i| b[n - 1 - i]), "permute");
}

fn sums<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let worst = vec![q.value() - 1; n];
    let mixed = residues(q, n, 4);
    for count in [0, 1, 2, 3, 4, 5, 6, super::MAX_TERMS] {
        let mut out = vec![1; n];
        let terms: Vec<(&[u64], &[u64])> =
            (0..count).map(|i| (&worst[..], if i == 0 { &mixed[..] } else { &worst })).collect();
        backend.dot(q, &mut out, &terms);
        let one = |i: usize| terms.iter().fold(0, |sum, (a, b)| q.add(sum, q.mul(a[i], b[i])));
        assert_eq!(out, (0..n).map(one).collect::<Vec<_>>(), "dot of {count}");

        for bits in [50, 52, Modulus::MAX_BITS] {
            combinations(backend, q, &mixed, count, bits);
        }
    }
}

/// The kernels of key switching, at lengths that no vector divides too.
fn switching<B: Backend>(backend: B, q: &Modulus, n: usize) {
    for n in [n, n - 3] {
        let (a, b, c) = (residues(q, n, 8), residues(q, n, 9), residues(q, n, 10));
        let expect = |f: &dyn Fn(usize) -> u64| (0..n).map(f).collect::<Vec<_>>();
        let write = |f: &dyn Fn(&mut [u64])| {
            let mut out = c.clone();
            f(&mut out);
            out
        };
        assert_eq!(write(&|x| backend.add_into(q, x, &a, &b)), expect(&|i| q.add(a[i], b[i])), "add_into");
        assert_eq!(write(&|x| backend.mul_into(q, x, &a, &b)), expect(&|i| q.mul(a[i], b[i])), "mul_into");
        for w in [0, 1, q.value() - 1, q.value() >> 1] {
            let s = q.shoup(w);
            assert_eq!(write(&|x| backend.scale_into(q, x, &a, s)), expect(&|i| q.mul(a[i], w)), "scale_into");
            assert_eq!(write(&|x| backend.scale_add(q, x, &a, s)), expect(&|i| q.mul_add(a[i], w, c[i])), "scale_add");
            assert_eq!(write(&|x| backend.divide(q, x, &a, s)), expect(&|i| q.mul(q.sub(a[i], c[i]), w)), "divide");
        }
        for from in moduli() {
            let mut xs = residues(&from, n, 11);
            let edges = [from.value() >> 1, (from.value() >> 1) + 1, from.value() - 1, 0, 1];
            xs.iter_mut().zip(edges).for_each(|(x, edge)| *x = edge);
            let lifted = expect(&|i| q.reduce_signed(i128::from(from.center(xs[i]))));
            assert_eq!(
                write(&|x| backend.lift_centred(q, x, &xs, &from)),
                lifted,
                "lift_centred from {}",
                from.value()
            );
        }
        pairs(backend, q, &[&a, &b, &c], n);
    }
    // Aligned eights in any order, each in any order.
    let blocks = n as u32 >> 3;
    let indices: Vec<u32> =
        (0..n as u32).map(|i| (((i >> 3) * 3 + 1) & (blocks - 1)) << 3 | ((i * 5 + (i >> 3)) & 7)).collect();
    let (xs, mut out) = (residues(q, n, 12), vec![1; n]);
    backend.permute_blocks(&mut out, &xs, &indices);
    assert_eq!(out, indices.iter().map(|&i| xs[i as usize]).collect::<Vec<_>>(), "permute_blocks");
}

/// Sums of the largest products, of every number of terms that has a loop of its own, and of more.
fn pairs<B: Backend>(backend: B, q: &Modulus, [a, b, c]: &[&[u64]; 3], n: usize) {
    let worst = vec![q.value() - 1; n];
    for count in [0, 1, 2, 3, 4, 5, 15, 16, super::MAX_TERMS] {
        let term = |j: usize| -> super::PairTerm<'_> { if j == 0 { (a, [b, c]) } else { (&worst, [&worst, a]) } };
        let terms: Vec<_> = (0..count).map(term).collect();
        let (mut first, mut second) = (vec![1; n], vec![1; n]);
        backend.dot_pair(q, [&mut first, &mut second], &terms);
        for (half, out) in [first, second].iter().enumerate() {
            let one = |i: usize| terms.iter().fold(0, |sum, (x, ys)| q.mul_add(x[i], ys[half][i], sum));
            assert_eq!(*out, (0..n).map(one).collect::<Vec<_>>(), "dot_pair of {count}, half {half}");
        }
    }
}

/// Sums of every number of terms that has a loop of its own, and of more, with everything that can follow and without, in
/// place and in another order.
fn key_products<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let (mixed, other, worst) = (residues(q, n, 13), residues(q, n, 14), vec![q.value() - 1; n]);
    let blocks = n as u32 >> 3;
    let indices: Vec<u32> =
        (0..n as u32).map(|i| (((i >> 3) * 3 + 1) & (blocks - 1)) << 3 | ((i * 5 + (i >> 3)) & 7)).collect();
    let mut places = vec![0; n >> 3];
    (0..blocks).for_each(|b| places[(indices[8 * b as usize] >> 3) as usize] = b);
    let order = BlockOrder { indices: &indices, places: &places };
    let scaled = |w: u64| Some(([&worst[..], &mixed], q.shoup(w)));
    let none = PairFinish::default();
    let finishes = [
        none,
        PairFinish { addends: [Some(&worst), None], order: Some(order), ..none },
        PairFinish { scaled: scaled(q.value() - 1), addends: [Some(&worst), Some(&other)], ..none },
        PairFinish { scaled: scaled(q.value() >> 1), addends: [Some(&other), None], order: Some(order), ..none },
        PairFinish { scaled: scaled(q.value() - 1), times: Some(q.shoup(q.value() - 1)), accumulate: true, ..none },
        PairFinish { addends: [Some(&other); 2], order: Some(order), accumulate: true, ..none },
        PairFinish {
            scaled: scaled(q.value() - 1),
            addends: [Some(&worst), Some(&other)],
            times: Some(q.shoup(q.value() >> 1)),
            order: Some(order),
            accumulate: true,
        },
    ];
    let term = |j: usize| -> super::PairTerm<'_> {
        if j == 0 { (&mixed, [&other, &worst]) } else { (&worst, [&worst, &mixed]) }
    };
    // More digits than the sums have terms, as for ciphertexts below the key's level.
    for (count, digits) in [(0, 0), (1, 1), (1, 2), (2, 2), (3, 3), (3, 5), (4, 4), (5, 5), (17, 18)] {
        let terms: Vec<_> = (0..digits).map(term).collect();
        let mut words = vec![0; 2 * digits * n];
        for (j, (_, ys)) in terms.iter().enumerate() {
            for (half, y) in ys.iter().enumerate() {
                let tiles = y.chunks(super::TILE).zip((0..).step_by(super::TILE));
                tiles.for_each(|(tile, at)| words[KeyRows::place(digits, n, j, half, at)].copy_from_slice(tile));
            }
        }
        let xs: Vec<&[u64]> = terms[..count].iter().map(|(x, _)| *x).collect();
        for finish in &finishes {
            let mut outs = [mixed.clone(), worst.clone()];
            let [first, second] = &mut outs;
            backend.switch_pair(q, [first, second], &xs, KeyRows::new(&words, digits), finish);
            for (half, out) in outs.iter().enumerate() {
                let before = [&mixed, &worst][half];
                let one = |place: usize| {
                    let i = if finish.order.is_some() { indices[place] as usize } else { place };
                    let start = finish.addends[half].map_or(0, |a| a[i]);
                    let start = finish.scaled.map_or(start, |(rs, w)| q.mul_add(rs[half][i], w.value, start));
                    let sum = terms[..count].iter().fold(start, |sum, (x, ys)| q.mul_add(x[i], ys[half][i], sum));
                    let value = finish.times.map_or(sum, |w| q.mul(sum, w.value));
                    if finish.accumulate { q.add(before[place], value) } else { value }
                };
                assert_eq!(*out, (0..n).map(one).collect::<Vec<_>>(), "switch_pair of {count}, half {half}");
            }
        }
    }
}

/// From primes of every size: shorter ones, ones as long, and ones of more than twice the value.
fn lifted_transforms<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let tables = NttTables::new(*q, n).unwrap();
    for from in moduli() {
        let mut xs = residues(&from, n, 15);
        let edges = [from.value() >> 1, (from.value() >> 1) + 1, from.value() - 1, 0, 1];
        xs.iter_mut().zip(edges).for_each(|(x, edge)| *x = edge);
        let lifted: Vec<u64> = xs.iter().map(|&x| q.reduce_signed(i128::from(from.center(x)))).collect();
        let (mut out, mut expected) = (vec![1; n], lifted);
        backend.ntt_forward_lifted(&tables, &mut out, &xs, &from, &xs[..n - 5]);
        super::Portable.ntt_forward(&tables, &mut expected);
        assert_eq!(out, expected, "ntt_forward_lifted from {}, n = {n}", from.value());
    }
}

/// Weights and operands at the top of their range, beside residues.
fn combinations<B: Backend>(backend: B, q: &Modulus, mixed: &[u64], count: usize, bits: u32) {
    let largest = (1u64 << bits) - 1;
    let any_word = vec![largest; mixed.len()];
    let narrow: Vec<u64> = mixed.iter().map(|x| x & largest).collect();
    let terms: Vec<&[u64]> = (0..count).map(|i| if i == 0 { &narrow[..] } else { &any_word }).collect();
    let weights: Vec<u64> = (0..count as u64).map(|i| largest - i).collect();
    let mut out = vec![1; mixed.len()];
    backend.combine(q, &mut out, &terms, &weights, bits);
    let one = |i: usize| {
        let products = terms.iter().zip(&weights).map(|(a, &w)| q.mul(q.reduce(a[i]), q.reduce(w)));
        products.fold(0, |sum, x| q.add(sum, x))
    };
    assert_eq!(out, (0..mixed.len()).map(one).collect::<Vec<_>>(), "combine of {count} at {bits} bits");
}

/// Each term `a_i/q_i` beside its neighbours one half apart, against exact integers.
fn quotients<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let terms = [residues(q, n, 6), residues(q, n, 7), vec![q.value() - 1; n]];
    let slices: Vec<&[u64]> = terms.iter().map(Vec::as_slice).collect();
    let mut out = vec![0; n];
    backend.round_quotients(&mut out, &slices, &[q.reciprocal(); 3]);
    for (i, &rounded) in out.iter().enumerate() {
        let doubled_sum: u128 = terms.iter().map(|a| 2 * u128::from(a[i])).sum();
        let exact = (doubled_sum + u128::from(q.value())) / (2 * u128::from(q.value()));
        assert_eq!(u128::from(rounded), exact, "round_quotients");
    }
}

fn tensors<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let operand = |seed| residues(q, n, seed);
    let (a, b) = ([operand(8), operand(9)], [vec![q.value() - 1; n], operand(10)]);
    for base in [0, q.value() - 1] {
        let mut out = [0; 3].map(|_| vec![base; n]);
        let product = |i: usize, j: usize, at: usize| q.mul(a[i][at], b[j][at]);
        let expected = [0, 1, 2].map(|k| {
            let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().filter(move |(i, j)| i + j == k);
            let sum = |at: usize| pairs.clone().fold(base, |sum, (i, j)| q.add(sum, product(i, j, at)));
            (0..n).map(sum).collect::<Vec<_>>()
        });
        backend.tensor(q, out.each_mut().map(Vec::as_mut_slice), [&a[0], &a[1]], [&b[0], &b[1]]);
        assert_eq!(out, expected, "tensor, n = {n}");
    }
}

/// From few and many moduli of several sizes to one of each size, by definition.
fn conversions<B: Backend>(backend: B, n: usize) {
    let sizes: [&[u32]; 5] = [&[17], &[50; 4], &[43, 48, 50], &[46; 25], &[60, 50, 31]];
    for bits in sizes {
        let mut taken = Vec::new();
        for &size in bits {
            taken.extend(ntt_primes_vartime(size, 512, 1, &taken).unwrap());
        }
        let from: Vec<_> = taken.iter().map(|&q| Modulus::new(q).unwrap()).collect();
        let rows: Vec<_> = from.iter().zip(20..).map(|(q, seed)| residues(q, n, seed)).collect();
        for narrow in [true, false] {
            let to: Vec<_> = moduli().into_iter().filter(|p| !narrow || p.bits() <= 50).collect();
            for shift in [0, 1] {
                convert(backend, &from, &to, &rows, shift);
            }
        }
    }
}

/// With factors and weights at one end of their ranges or the other.
fn convert<B: Backend>(backend: B, from: &[Modulus], to: &[Modulus], rows: &[Vec<u64>], shift: u64) {
    let weights =
        |p: &Modulus| -> Vec<u64> { (0..=from.len() as u64).map(|i| p.reduce(p.value() - shift + i)).collect() };
    let factor = |q: &Modulus| if shift == 0 { 1 } else { q.value() - 1 };
    let targets: Vec<_> = to.iter().map(|p| (*p, weights(p).into())).collect();
    let tables = Conversion::new(from.iter().map(|q| (*q, factor(q))), targets);
    let n = rows[0].len();
    let mut out = vec![1; to.len() * n];
    backend.convert(&tables, &rows.concat(), &mut out);
    for at in 0..n {
        let mut scaled: Vec<_> = from.iter().zip(rows).map(|(q, row)| q.mul(row[at], factor(q))).collect();
        let fractions = from.iter().zip(&scaled).map(|(q, &y)| u128::from(q.reciprocal().fraction(y)));
        let overflow = (fractions.sum::<u128>() + (1 << 63)) >> 64;
        scaled.push(overflow as u64);
        for (j, p) in to.iter().enumerate() {
            let terms = scaled.iter().zip(weights(p));
            let expected = terms.fold(0, |sum, (&y, w)| p.mul_add(p.reduce(y), w, sum));
            assert_eq!(
                out[j * n + at],
                expected,
                "convert from {} to {} of {} bits, n = {n}",
                from.len(),
                to.len(),
                p.bits()
            );
        }
    }
}

/// Against the crate, from both ends of the range of blocks, where the counter carries and where it ends.
#[cfg(feature = "rlwe")]
fn keystreams<B: Backend>(backend: B) {
    let key = core::array::from_fn(|i| 3 * i as u8);
    for stream in [0, u64::MAX - 5, 1 << 32] {
        for (block, blocks) in [(0, 1), (0, 16), (7, 40), ((1 << 32) - 9, 33), ((1 << 57) + 1, 17)] {
            let (mut eight, mut twenty) = (ChaCha8Rng::from_seed(key), ChaCha20Rng::from_seed(key));
            eight.set_stream(stream);
            twenty.set_stream(stream);
            eight.set_word_pos(u128::from(block) << 4);
            twenty.set_word_pos(u128::from(block) << 4);
            let words: Vec<_> = (0..8 * blocks).map(|_| [eight.next_u64(), twenty.next_u64()]).collect();
            for (rounds, i) in [(Rounds::Eight, 0), (Rounds::Twenty, 1)] {
                let mut out = vec![0; 8 * blocks];
                backend.keystream(rounds, &key, stream, block, &mut out);
                assert!(out.iter().eq(words.iter().map(|both| &both[i])), "{rounds:?}, block {block}");
            }
        }
    }
}

/// Bit by bit; words of ones show bits that spill over.
#[cfg(feature = "rlwe")]
fn packing<B: Backend>(backend: B, n: usize) {
    for bits in 1..=u64::BITS {
        let mask = u64::MAX >> (64 - bits);
        for words in
            [vec![mask; n], (0..n as u64).map(|i| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask).collect()]
        {
            let mut bytes = vec![0xa5; n / 8 * bits as usize];
            backend.pack(bits, &mut bytes, &words);
            let bit = |at: usize| u64::from(bytes[at / 8] >> (at % 8) & 1);
            let stride = bits as usize;
            let read = (0..n).map(|i| (0..stride).fold(0, |word, k| word | bit(i * stride + k) << k));
            assert!(read.eq(words.iter().copied()), "pack, {bits} bits, n = {n}");
            let mut out = vec![1; n];
            backend.unpack(bits, &mut out, &bytes);
            assert_eq!(out, words, "unpack, {bits} bits, n = {n}");
        }
    }
    for q in moduli() {
        let mut words = residues(&q, n, 12);
        let mut bytes = vec![0; n / 8 * q.bits() as usize];
        backend.pack(q.bits(), &mut bytes, &words);
        assert!(backend.are_packed_residues(&q, &bytes));
        for place in [0, n / 2, n - 1] {
            for bad in [q.value(), (1 << q.bits()) - 1] {
                let kept = core::mem::replace(&mut words[place], bad);
                backend.pack(q.bits(), &mut bytes, &words);
                assert!(!backend.are_packed_residues(&q, &bytes), "{bad} at {place} of {n}");
                words[place] = kept;
            }
        }
    }
}

/// The candidates are cut from the words bit by bit, 64 at a time.
#[cfg(feature = "rlwe")]
fn acceptance<B: Backend>(backend: B, q: &Modulus, words: &[u64]) {
    let bits = q.bits() as usize;
    let bit = |at: usize| words[at / 64] >> (at % 64) & 1;
    let candidate = |i: usize| (0..bits).fold(0, |word, k| word | bit(i * bits + k) << k);
    for room in [0, 1, 63, 64, 65, 200, 64 * words.len()] {
        let (mut read, mut expected) = (0, Vec::new());
        while expected.len() < room && read + bits <= words.len() {
            let first = read / bits * 64;
            expected.extend((first..first + 64).map(candidate).filter(|&word| word < q.value()));
            read += bits;
        }
        expected.truncate(room);
        let mut out = vec![0; room];
        let (found, written) = backend.accept_vartime(q, words, &mut out);
        out.truncate(written);
        assert_eq!((found, out), (read, expected), "accept, {bits} bits, room = {room}");
    }
}

#[cfg(feature = "rlwe")]
fn samples<B: Backend>(backend: B, n: usize) {
    let mut words = vec![0; 8 * n.div_ceil(8)];
    backend.keystream(Rounds::Twenty, &[n as u8; 32], 1, 2, &mut words);
    words.truncate(n);
    words[0] = u64::MAX;
    let coins = |word: u64| (word & 0x1f_ffff).count_ones() as i8;
    let expected: Vec<i8> = words.iter().map(|&word| coins(word) - coins(word >> 21)).collect();
    let mut small = vec![1; n];
    backend.binomial(&mut small, &words);
    assert_eq!(small, expected, "binomial, n = {n}");

    let edges = [-128i8, 127, -1, 0, 1];
    let small: Vec<i8> = (0..n).map(|i| edges[i % edges.len()]).collect();
    for q in moduli() {
        let xs = residues(&q, n, 11);
        let mut sums = xs.clone();
        backend.add_small(&q, &mut sums, &small);
        let sum = |(&x, &e): (&u64, &i8)| (i128::from(x) + i128::from(e)).rem_euclid(i128::from(q.value())) as u64;
        assert_eq!(sums, xs.iter().zip(&small).map(sum).collect::<Vec<_>>(), "add_small, n = {n}");

        acceptance(backend, &q, &words);
    }
}

fn transforms<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let tables = NttTables::new(*q, n).unwrap();
    for xs in [vec![0; n], vec![q.value() - 1; n], residues(q, n, 5)] {
        let mut evaluations = xs.clone();
        backend.ntt_forward(&tables, &mut evaluations);
        assert_eq!(evaluations, tables.evaluate_schoolbook(&xs), "forward transform, n = {n}");
        backend.ntt_inverse(&tables, &mut evaluations);
        assert_eq!(evaluations, xs, "inverse transform, n = {n}");
    }
}
