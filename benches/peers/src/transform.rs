//! The negacyclic transform and the pointwise product modulo one prime.

use std::error::Error;
use std::hint::black_box;

use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::prime::ntt_primes_vartime;
use tfhe_ntt::prime64::Plan;

use crate::measure::{Row, Table};

const BITS: [u32; 3] = [46, 50, 60];
const POINTWISE: usize = 16384;

/// Measures every size, and asserts first that both sides compute the same product of polynomials.
pub fn compare(table: &mut Table) -> Result<(), Box<dyn Error>> {
    for bits in BITS {
        for n in (10..=16).map(|log_n| 1 << log_n) {
            let (ours, peer) = plans(bits, n)?;
            check(&ours, &peer);
            transforms(table, bits, &ours, &peer);
        }
        pointwise(table, bits)?;
    }
    Ok(())
}

fn plans(bits: u32, n: usize) -> Result<(NttPlan, Plan), Box<dyn Error>> {
    let prime = ntt_primes_vartime(bits, n, 1, &[])?[0];
    let peer = Plan::try_new(n, prime).ok_or("the peer has no plan for this prime")?;
    Ok((NttPlan::new(Modulus::new(prime)?, n)?, peer))
}

fn check(ours: &NttPlan, peer: &Plan) {
    let q = ours.modulus();
    let [mut a, mut b] = [1, 2].map(|seed| Residues::new(q, ours.degree(), seed));
    peer.fwd(a.get());
    peer.fwd(b.get());
    peer.mul_assign_normalize(a.get(), b.get());
    peer.inv(a.get());
    for kernels in Kernels::available() {
        let [mut x, mut y] = [1, 2].map(|seed| Residues::new(q, ours.degree(), seed));
        ours.forward(kernels, x.get());
        ours.forward(kernels, y.get());
        kernels.mul(q, x.get(), y.get());
        ours.inverse(kernels, x.get());
        assert_eq!(x.get(), a.get(), "{}", kernels.name());
    }
}

type OurTransform = fn(&NttPlan, Kernels, &mut [u64]);
type PeerTransform = fn(&Plan, &mut [u64]);

fn transforms(table: &mut Table, bits: u32, ours: &NttPlan, peer: &Plan) {
    let directions: [(_, OurTransform, PeerTransform); 2] =
        [("forward NTT", NttPlan::forward, Plan::fwd), ("inverse NTT", NttPlan::inverse, Plan::inv)];
    let n = ours.degree();
    let residues = || Residues::new(ours.modulus(), n, 1);
    for (op, our_run, peer_run) in directions {
        let mut contestants: Vec<Box<dyn FnMut() + '_>> = Vec::new();
        for kernels in Kernels::available() {
            let mut xs = residues();
            contestants.push(Box::new(move || our_run(ours, kernels, black_box(xs.get()))));
        }
        let mut xs = residues();
        contestants.push(Box::new(move || peer_run(peer, black_box(xs.get()))));
        push(table, (op, n, bits), &mut contestants, &["tfhe-ntt"]);
    }
}

fn pointwise(table: &mut Table, bits: u32) -> Result<(), Box<dyn Error>> {
    let (plan, peer) = plans(bits, POINTWISE)?;
    let q = plan.modulus();
    let math = fhe_math::zq::Modulus::new(q.value())?;
    let mut contestants: Vec<Box<dyn FnMut() + '_>> = Vec::new();
    let operands = || [1, 2].map(|seed| Residues::new(q, POINTWISE, seed));
    for kernels in Kernels::available() {
        let [mut a, mut b] = operands();
        contestants.push(Box::new(move || kernels.mul(q, black_box(a.get()), b.get())));
    }
    let [mut a, mut b] = operands();
    contestants.push(Box::new(move || peer.mul_assign_normalize(black_box(a.get()), b.get())));
    let [mut a, mut b] = operands();
    contestants.push(Box::new(move || math.mul_vec(black_box(a.get()), b.get())));
    push(table, ("pointwise multiply", POINTWISE, bits), &mut contestants, &["tfhe-ntt", "fhe-math"]);
    Ok(())
}

/// Measures contestants, ours first, and adds a row for each peer.
fn push(
    table: &mut Table,
    (op, n, bits): (&'static str, usize, u32),
    contestants: &mut [Box<dyn FnMut() + '_>],
    peers: &[&'static str],
) {
    let times = table.medians(contestants);
    let (ours, theirs) = times.split_at(times.len() - peers.len());
    for (&peer, &theirs) in peers.iter().zip(theirs) {
        table.rows.push(Row { op, n, bits: bits.to_string(), ours: ours.to_vec(), peer, theirs });
    }
}

/// Residues that start on a cache line: vectors that straddle lines would cost each side differently, by chance.
struct Residues {
    words: Vec<u64>,
    start: usize,
    len: usize,
}

impl Residues {
    fn new(q: &Modulus, len: usize, seed: u64) -> Self {
        let mut words = vec![0; len + 8];
        let start = words.as_ptr().align_offset(64);
        for (i, word) in (seed..).zip(&mut words[start..start + len]) {
            *word = q.reduce(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        Self { words, start, len }
    }

    fn get(&mut self) -> &mut [u64] {
        &mut self.words[self.start..self.start + self.len]
    }
}
