//! Slices of the wrong length are refused by every kernel of every backend, in release builds too, and leave no trace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use tacit_core::backend::{Backend, BlockOrder, Kernels, KeyRows, MAX_TERMS, PairFinish, Rounds};
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::poly::{Coeff, Poly, Ring};
use tacit_core::prime::ntt_primes_vartime;
use tacit_core::rns::{BaseConverter, CrtComposer, RnsBasis, Scaler};

const N: usize = 256;

fn moduli() -> Vec<Modulus> {
    let primes = [30, 50, 60].map(|bits| ntt_primes_vartime(bits, N, 1, &[]).unwrap()[0]);
    primes.map(|q| Modulus::new(q).unwrap()).to_vec()
}

/// Checks that `run` panics and does not touch the output, which starts as it ends.
fn refused(what: &str, output: &mut [u64], run: impl FnOnce(&mut [u64])) {
    let before = output.to_vec();
    assert!(catch_unwind(AssertUnwindSafe(|| run(output))).is_err(), "{what}: accepted");
    assert_eq!(output, before, "{what}: refused too late");
}

#[test]
fn kernels_refuse_slices_of_different_lengths() {
    for (kernels, q) in Kernels::available().flat_map(|k| moduli().into_iter().map(move |q| (k, q))) {
        let name = |what: &str| format!("{what}, {}, {} bits", kernels.name(), q.bits());
        let (xs, out) = ([1; N], &mut [2; N][..]);
        for len in [0, 8, N - 8, N - 1] {
            let b = &xs[..len];
            refused(&name("add"), out, |out| kernels.add(&q, out, b));
            refused(&name("sub"), out, |out| kernels.sub(&q, out, b));
            refused(&name("mul"), out, |out| kernels.mul(&q, out, b));
            refused(&name("mul_add, left"), out, |out| kernels.mul_add(&q, out, b, &xs));
            refused(&name("mul_add, right"), out, |out| kernels.mul_add(&q, out, &xs, b));
            refused(&name("dot, left"), out, |out| kernels.dot(&q, out, &[(&xs, &xs), (b, &xs)]));
            refused(&name("dot, right"), out, |out| kernels.dot(&q, out, &[(&xs, b), (&xs, &xs)]));
            refused(&name("combine"), out, |out| kernels.combine(&q, out, &[&xs, b], &[1, 1], 20));
            refused(&name("round_quotients"), out, |out| kernels.round_quotients(out, &[b], &[q.reciprocal()]));
            refused(&name("permute, values"), out, |out| kernels.permute(out, b, &[0; N]));
            refused(&name("permute, indices"), out, |out| kernels.permute(out, &xs, &vec![0; len]));
        }
        refused(&name("combine, weights"), out, |out| kernels.combine(&q, out, &[&xs], &[1, 1], 20));
        refused(&name("combine, large weight"), out, |out| kernels.combine(&q, out, &[&xs], &[1 << 20], 20));
        refused(&name("combine, bits"), out, |out| kernels.combine(&q, out, &[&xs], &[1], 61));
        refused(&name("round_quotients, count"), out, |out| kernels.round_quotients(out, &[&xs], &[]));
        let many = MAX_TERMS + 1;
        refused(&name("dot, terms"), out, |out| kernels.dot(&q, out, &vec![(&xs[..], &xs[..]); many]));
        refused(&name("combine, terms"), out, |out| kernels.combine(&q, out, &vec![&xs[..]; many], &vec![1; many], 20));
    }
}

#[test]
fn fused_kernels_refuse_slices_of_different_lengths() {
    for (kernels, q) in Kernels::available().flat_map(|k| moduli().into_iter().map(move |q| (k, q))) {
        let name = |what: &str| format!("{what}, {}, {} bits", kernels.name(), q.bits());
        let (xs, w, out) = ([1; N], q.shoup(3), &mut [2; N][..]);
        for len in [0, 8, N - 8, N - 1] {
            let b = &xs[..len];
            refused(&name("add_into, left"), out, |out| kernels.add_into(&q, out, b, &xs));
            refused(&name("add_into, right"), out, |out| kernels.add_into(&q, out, &xs, b));
            refused(&name("mul_into, left"), out, |out| kernels.mul_into(&q, out, b, &xs));
            refused(&name("mul_into, right"), out, |out| kernels.mul_into(&q, out, &xs, b));
            refused(&name("scale_into"), out, |out| kernels.scale_into(&q, out, b, w));
            refused(&name("scale_add"), out, |out| kernels.scale_add(&q, out, b, w));
            refused(&name("divide"), out, |out| kernels.divide(&q, out, b, w));
            refused(&name("lift_centred"), out, |out| kernels.lift_centred(&q, out, b, &q));
            refused(&name("permute_blocks, values"), out, |out| kernels.permute_blocks(out, b, &[0; N]));
            refused(&name("permute_blocks, indices"), out, |out| kernels.permute_blocks(out, &xs, &vec![0; len]));
            refused(&name("add_small"), out, |out| kernels.add_small(&q, out, &vec![0; len]));
        }
    }
}

/// Three outputs of the same length.
fn thirds(out: &mut [u64]) -> [&mut [u64]; 3] {
    let (first, rest) = out.split_at_mut(N);
    let (second, third) = rest.split_at_mut(N);
    [first, second, third]
}

/// The same, of which one is shorter.
fn shortened(out: &mut [u64], i: usize, len: usize) -> [&mut [u64]; 3] {
    let mut outs = thirds(out);
    outs[i] = &mut core::mem::take(&mut outs[i])[..len];
    outs
}

#[test]
fn kernels_of_several_outputs_refuse_slices_of_different_lengths() {
    for (kernels, q) in Kernels::available().flat_map(|k| moduli().into_iter().map(move |q| (k, q))) {
        let name = |what: &str, i| format!("{what} {i}, {}, {} bits", kernels.name(), q.bits());
        let (xs, out) = (&[1; N][..], &mut [2; 3 * N][..]);
        for len in [0, 8, N - 8, N - 1] {
            let b = &xs[..len];
            let factors = [([b, xs], [xs; 2]), ([xs, b], [xs; 2]), ([xs; 2], [b, xs]), ([xs; 2], [xs, b])];
            for (i, (left, right)) in factors.into_iter().enumerate() {
                refused(&name("tensor", i), out, |out| kernels.tensor(&q, thirds(out), left, right));
            }
            for (i, term) in [(b, [xs; 2]), (xs, [b, xs]), (xs, [xs, b])].into_iter().enumerate() {
                refused(&name("dot_pair", i), out, |out| {
                    let [first, second, _] = thirds(out);
                    kernels.dot_pair(&q, [first, second], &[(xs, [xs; 2]), term]);
                });
            }
            for i in 0..3 {
                refused(&name("tensor, output", i), out, |out| {
                    kernels.tensor(&q, shortened(out, i, len), [xs; 2], [xs; 2]);
                });
                refused(&name("dot_pair, output", i), out, |out| {
                    let [first, second, third] = shortened(out, i, len);
                    let outs = if i == 2 { [first, third] } else { [first, second] };
                    kernels.dot_pair(&q, outs, &[(xs, [xs; 2])]);
                });
            }
        }
        refused(&name("dot_pair, terms", 0), out, |out| {
            let [first, second, _] = thirds(out);
            kernels.dot_pair(&q, [first, second], &vec![(xs, [xs; 2]); MAX_TERMS + 1]);
        });
    }
}

/// Of [`N`] values where nothing else is said, of three digits.
#[test]
fn key_products_refuse_slices_of_different_lengths() {
    for (kernels, q) in Kernels::available().flat_map(|k| moduli().into_iter().map(move |q| (k, q))) {
        let name = |what: &str| format!("switch_pair, {what}, {}, {} bits", kernels.name(), q.bits());
        let (xs, words, w, out) = (&[1; N][..], &[1; 6 * N][..], q.shoup(3), &mut [2; 2 * N][..]);
        let (indices, places) = (&(0..N as u32).collect::<Vec<_>>()[..], &(0..N as u32 / 8).collect::<Vec<_>>()[..]);
        let run = |out: &mut [u64], len: usize, xs: &[&[u64]], key: KeyRows<'_>, finish: &PairFinish<'_>| {
            let (first, second) = out.split_at_mut(N);
            kernels.switch_pair(&q, [first, &mut second[..len]], xs, key, finish);
        };
        let (key, none) = (KeyRows::new(words, 3), PairFinish::default());
        refused(&name("digits"), out, |out| run(out, N, &[xs; 4], key, &none));
        refused(&name("key"), out, |out| run(out, N, &[xs; 3], KeyRows::new(&words[8..], 3), &none));
        for len in [0, 8, N - 8, N - 1] {
            let b = &xs[..len];
            refused(&name("output"), out, |out| run(out, len, &[xs; 3], key, &none));
            refused(&name("digit"), out, |out| run(out, N, &[xs, xs, b], key, &none));
            for halves in [[b, xs], [xs, b]] {
                let finish = PairFinish { scaled: Some((halves, w)), ..none };
                refused(&name("scaled"), out, |out| run(out, N, &[xs; 3], key, &finish));
                let finish = PairFinish { addends: halves.map(Some), ..none };
                refused(&name("addend"), out, |out| run(out, N, &[xs; 3], key, &finish));
            }
            for order in
                [BlockOrder { indices: &indices[..len], places }, BlockOrder { indices, places: &places[..len >> 3] }]
            {
                let finish = PairFinish { order: Some(order), ..none };
                refused(&name("order"), out, |out| run(out, N, &[xs; 3], key, &finish));
            }
        }
    }
}

#[test]
fn samplers_refuse_slices_that_do_not_fit() {
    for kernels in Kernels::available() {
        for len in [1, 7, N - 1, N + 1] {
            refused("keystream", &mut vec![2; len], |out| kernels.keystream(Rounds::Eight, &[7; 32], 1, 0, out));
            let mut small = [3; N];
            assert!(catch_unwind(AssertUnwindSafe(|| kernels.binomial(&mut small, &vec![5; len]))).is_err());
            assert_eq!(small, [3; N], "binomial of {}", kernels.name());
            for bits in [17, 43, 60] {
                let bytes = N / 8 * bits as usize;
                let packed = vec![5; len.abs_diff(N) + bytes];
                refused("unpack", &mut [2; N], |out| kernels.unpack(bits, out, &packed));
                refused("unpack", &mut vec![2; len], |out| kernels.unpack(bits, out, &packed[..bytes]));
                let mut out = vec![3; bytes];
                assert!(catch_unwind(AssertUnwindSafe(|| kernels.pack(bits, &mut out, &vec![0; len]))).is_err());
                assert!(out.iter().all(|&byte| byte == 3), "pack of {}", kernels.name());
            }
        }
    }
}

#[test]
fn permutations_refuse_indices_out_of_range() {
    for kernels in Kernels::available() {
        for bad in [N as u32, u32::MAX] {
            for place in [0, 3, N - 1] {
                let mut indices = [0; N];
                indices[place] = bad;
                let run = || kernels.permute(&mut [0; N], &[1; N], &indices);
                assert!(catch_unwind(run).is_err(), "{}: index {bad} at {place}", kernels.name());
                // Whole blocks, as that kernel must be given.
                indices[place & !7..][..8].fill(bad);
                let run = || kernels.permute_blocks(&mut [0; N], &[1; N], &indices);
                assert!(catch_unwind(run).is_err(), "{}: blocks, index {bad} at {place}", kernels.name());
            }
        }
    }
}

#[test]
fn transforms_refuse_slices_of_another_degree() {
    for (kernels, q) in Kernels::available().flat_map(|k| moduli().into_iter().map(move |q| (k, q))) {
        let plan = NttPlan::new(q, N).unwrap();
        for len in [0, 1, 8, N / 2, N - 1, N + 1, 2 * N] {
            let xs = &mut vec![2; len][..];
            refused("forward", xs, |xs| plan.forward(kernels, xs));
            refused("inverse", xs, |xs| plan.inverse(kernels, xs));
            refused("forward kernel", xs, |xs| kernels.ntt_forward(plan.tables(), xs));
            refused("inverse kernel", xs, |xs| kernels.ntt_inverse(plan.tables(), xs));
        }
    }
}

#[test]
fn conversions_refuse_lengths_that_do_not_fit() {
    let moduli = moduli();
    let (from, to) = (RnsBasis::new(&moduli[..2]).unwrap(), &moduli[2..]);
    let converter = BaseConverter::new(&from, to);
    let scaler = Scaler::new(&3u32.into(), &from, to);
    for kernels in Kernels::available() {
        for len in [0, 1, 2 * N - 1, 2 * N + 1, 3 * N] {
            let out = &mut [2; N][..];
            refused("convert", out, |out| converter.convert(kernels, &vec![1; len], out));
            refused("remainder", out, |out| scaler.remainder(kernels, &mut vec![1; len], out));
            refused("divide", out, |out| scaler.divide(kernels, out, &mut vec![1; len]));
        }
    }
    let composer = CrtComposer::new(&from).unwrap();
    for residues in [&[][..], &[1], &[1, 1, 1]] {
        assert!(catch_unwind(|| composer.compose(residues)).is_err());
        assert!(catch_unwind(|| from.compose_vartime(residues)).is_err());
    }
}

#[test]
fn rings_refuse_operands_of_other_rings() {
    let primes: Vec<u64> = moduli().iter().map(Modulus::value).collect();
    let ring = Ring::new(N, &primes, Kernels::detect()).unwrap();
    let others = [Ring::new(N / 2, &primes, Kernels::detect()).unwrap(), ring.select([0, 2])];
    for other in others {
        let foreign: Poly<Coeff> = other.zero();
        let own = || ring.zero::<Coeff>();
        let runs: [&dyn Fn(); 7] = [
            &|| ring.add_assign(&mut own(), &foreign),
            &|| ring.sub_assign(&mut foreign.clone(), &own()),
            &|| ring.neg_assign(&mut foreign.clone()),
            &|| drop(ring.combine(&[&own(), &foreign], &[1, 1])),
            &|| drop(ring.forward(foreign.clone())),
            &|| drop(ring.dot(&[(&other.zero(), &ring.zero())])),
            &|| ring.mul_assign(&mut ring.zero(), &other.zero()),
        ];
        for (i, run) in runs.iter().enumerate() {
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "operation {i}");
        }
    }
    assert!(catch_unwind(|| ring.lift(&[1; N - 1])).is_err());
    assert!(catch_unwind(|| ring.mul_residues_assign(&mut ring.zero::<Coeff>(), &[1, 2])).is_err());
    assert!(catch_unwind(|| ring.mul_residues_assign(&mut ring.zero::<Coeff>(), &[1, 2, primes[2]])).is_err());
}
