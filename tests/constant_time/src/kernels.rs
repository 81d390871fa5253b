//! Every kernel, called alone. The functions of [`KERNELS`] are also where `tests/disassembly.rs` begins to read the
//! compiled code: all of them take the same four arguments, of which it knows what is secret behind each.

use core::hint::black_box;

use tacit_core::backend::{Backend, BlockOrder, Kernels, KeyRows, PairFinish, PairTerm, Rounds};
use tacit_core::modulus::{Modulus, Reciprocal, Shoup};
use tacit_core::ntt::NttPlan;
use tacit_core::prime::ntt_primes_vartime;
use tacit_core::rns::{BaseConverter, RnsBasis};

use crate::memcheck::{hide, secrets};

/// Public: everything that is reachable from here.
pub struct Public {
    pub plan: NttPlan,
    pub q: Modulus,
    pub factor: Shoup,
    pub weights: Vec<u64>,
    pub bits: u32,
    pub reciprocals: Vec<Reciprocal>,
    pub indices: Vec<u32>,
    /// Each aligned eight from one aligned eight.
    pub blocks: Vec<u32>,
    /// Where `blocks` takes each eight.
    pub places: Vec<u32>,
    /// No smaller than `q`.
    pub from: Modulus,
    pub converter: BaseConverter,
    /// The smallest modulus that is read or written.
    pub smallest: u64,
}

/// Slices, whose lengths are public and whose words are secret. Nothing but slices: one lies every 16 bytes.
#[repr(C)]
pub struct Data<'a> {
    pub out: &'a mut [u64],
    pub a: &'a [u64],
    pub b: &'a [u64],
    pub more: [&'a mut [u64]; 2],
    /// One row per modulus that `converter` reads.
    pub rows: &'a [u64],
    pub small: &'a mut [i8],
    pub key: &'a [u8],
}

/// Slices of such slices.
#[repr(C)]
pub struct Sums<'a> {
    pub terms: &'a [&'a [u64]],
    pub pairs: &'a [(&'a [u64], &'a [u64])],
    pub shared: &'a [PairTerm<'a>],
}

pub type Kernel = fn(Kernels, &Public, &mut Data<'_>, &Sums<'_>);

/// Each kernel of [`Backend`] under its name, but `accept_vartime`: the words that it picks from are public, and which of
/// them it takes decides its branches and addresses; and but those of packed words, which are bytes and not words: keys of
/// two bits apart, they are public.
pub const KERNELS: &[(&str, Kernel)] = &[
    ("ntt_forward", ntt_forward),
    ("ntt_inverse", ntt_inverse),
    ("add", add),
    ("sub", sub),
    ("neg", neg),
    ("mul", mul),
    ("mul_add", mul_add),
    ("mul_scalar", mul_scalar),
    ("dot", dot),
    ("combine", combine),
    ("round_quotients", round_quotients),
    ("permute", permute),
    ("add_into", add_into),
    ("mul_into", mul_into),
    ("scale_into", scale_into),
    ("scale_add", scale_add),
    ("divide", divide),
    ("lift_centred", lift_centred),
    ("dot_pair", dot_pair),
    ("ntt_forward_lifted", ntt_forward_lifted),
    ("switch_pair", switch_pair),
    ("permute_blocks", permute_blocks),
    ("convert", convert),
    ("tensor", tensor),
    ("keystream", keystream),
    ("binomial", binomial),
    ("add_small", add_small),
];

#[inline(never)]
fn ntt_forward(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.ntt_forward(public.plan.tables(), data.out);
}

#[inline(never)]
fn ntt_inverse(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.ntt_inverse(public.plan.tables(), data.out);
}

#[inline(never)]
fn add(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.add(&public.q, data.out, data.a);
}

#[inline(never)]
fn sub(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.sub(&public.q, data.out, data.a);
}

#[inline(never)]
fn neg(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.neg(&public.q, data.out);
}

#[inline(never)]
fn mul(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul(&public.q, data.out, data.a);
}

#[inline(never)]
fn mul_add(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul_add(&public.q, data.out, data.a, data.b);
}

#[inline(never)]
fn mul_scalar(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul_scalar(&public.q, data.out, public.factor);
}

#[inline(never)]
fn dot(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    kernels.dot(&public.q, data.out, sums.pairs);
}

#[inline(never)]
fn combine(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    kernels.combine(&public.q, data.out, sums.terms, &public.weights, public.bits);
}

#[inline(never)]
fn round_quotients(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    kernels.round_quotients(data.out, sums.terms, &public.reciprocals);
}

#[inline(never)]
fn permute(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.permute(data.out, data.a, &public.indices);
}

#[inline(never)]
fn add_into(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.add_into(&public.q, data.out, data.a, data.b);
}

#[inline(never)]
fn mul_into(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul_into(&public.q, data.out, data.a, data.b);
}

#[inline(never)]
fn scale_into(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.scale_into(&public.q, data.out, data.a, public.factor);
}

#[inline(never)]
fn scale_add(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.scale_add(&public.q, data.out, data.a, public.factor);
}

#[inline(never)]
fn divide(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.divide(&public.q, data.out, data.a, public.factor);
}

#[inline(never)]
fn lift_centred(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.lift_centred(&public.q, data.out, data.a, &public.from);
}

#[inline(never)]
fn dot_pair(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    let [second, _] = &mut data.more;
    kernels.dot_pair(&public.q, [data.out, second], sums.shared);
}

#[inline(never)]
fn ntt_forward_lifted(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.ntt_forward_lifted(public.plan.tables(), data.out, data.a, &public.from, data.b);
}

/// On whole eights, with everything that can follow: the key's rows are those that `converter` reads elsewhere.
#[inline(never)]
fn switch_pair(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    let len = if data.out.len() < DEGREE { 8 } else { DEGREE };
    let [second, third] = &mut data.more;
    let (a, b) = (&data.a[..len], &data.b[..len]);
    let order = BlockOrder { indices: &public.blocks[..len], places: &public.places[..len >> 3] };
    let finish = PairFinish {
        scaled: Some(([a, b], public.factor)),
        addends: [Some(b), Some(&third[..len])],
        times: Some(public.factor),
        order: Some(order),
        accumulate: true,
    };
    let key = KeyRows::new(&data.rows[..2 * len], 1);
    kernels.switch_pair(&public.q, [&mut data.out[..len], &mut second[..len]], &[a], key, &finish);
}

#[inline(never)]
fn permute_blocks(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.permute_blocks(data.out, data.a, &public.blocks);
}

#[inline(never)]
fn convert(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    public.converter.convert(kernels, data.rows, data.out);
}

#[inline(never)]
fn tensor(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    let [second, third] = &mut data.more;
    kernels.tensor(&public.q, [data.out, second, third], [data.a, data.b], [data.b, data.a]);
}

#[inline(never)]
fn keystream(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    let (blocks, _) = data.out.as_chunks_mut::<8>();
    let key = data.key.first_chunk().expect("a key");
    kernels.keystream(Rounds::Twenty, key, u64::from(public.bits), 0, blocks.as_flattened_mut());
}

#[inline(never)]
fn binomial(kernels: Kernels, _: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.binomial(data.small, data.a);
}

#[inline(never)]
fn add_small(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.add_small(&public.q, data.out, data.small);
}

const DEGREE: usize = 256;
const TERMS: usize = 3;

impl Public {
    /// For the largest prime of some size and slices of some length.
    pub fn new(bits: u32, degree: usize, len: usize) -> Self {
        let primes = ntt_primes_vartime(bits, degree, TERMS + 1, &[]).expect("enough primes");
        let moduli: Vec<_> = primes.iter().map(|&prime| Modulus::new(prime).expect("an odd prime")).collect();
        let (q, indices) = (moduli[0], (0..len as u32).collect::<Vec<_>>());
        let from = ntt_primes_vartime(if bits <= 50 { 50 } else { 60 }, degree, 1, &[]).expect("enough primes")[0];
        let basis = RnsBasis::new(&moduli[1..]).expect("distinct primes");
        Self {
            plan: NttPlan::new(q, degree).expect("a degree and a prime"),
            q,
            factor: q.shoup(q.value() / 3),
            weights: vec![q.value() - 1; TERMS],
            bits,
            reciprocals: vec![q.reciprocal(); TERMS],
            blocks: indices.chunks(8).flat_map(|block| block.iter().rev().copied()).collect(),
            places: (0..len as u32 >> 3).collect(),
            indices: indices.into_iter().rev().collect(),
            from: Modulus::new(from).expect("an odd prime"),
            converter: BaseConverter::new(&basis, &moduli[..1]),
            smallest: primes.into_iter().min().expect("enough primes"),
        }
    }

    /// Runs one kernel on operands that are residues.
    pub fn run(&self, kernels: Kernels, kernel: Kernel, data: &mut Data<'_>) {
        let (a, b) = (data.a, data.b);
        let sums = Sums {
            terms: &[a, b, a],
            pairs: &[(a, b), (b, b), (a, a)],
            shared: &[(a, [a, b]), (b, [b, b]), (a, [b, a])],
        };
        black_box(kernel)(kernels, self, data, &sums);
    }
}

/// Every kernel on primes of every size, on whole vectors and on what is left beside them.
pub fn all(kernels: Kernels) {
    for bits in [17, 30, 31, 46, 50, 51, 60] {
        for len in [DEGREE, 13] {
            let public = Public::new(bits, DEGREE, len);
            let mut rows = vec![public.smallest - 1; TERMS * len];
            let (mut small, mut key) = (vec![-21; len], [7; 32]);
            hide(&mut rows);
            hide(&mut small);
            hide(&mut key);
            for (name, kernel) in KERNELS.iter().filter(|(name, _)| len == DEGREE || !name.starts_with("ntt")) {
                let a = &rows[..len];
                let (mut out, mut second, mut third, mut small) = (a.to_vec(), a.to_vec(), a.to_vec(), small.clone());
                let more = [&mut second[..], &mut third];
                let data = &mut Data { out: &mut out, a, b: a, more, rows: &rows, small: &mut small, key: &key };
                public.run(kernels, *kernel, data);
                let words = [out, second, third].map(|words| secrets(&words));
                assert_eq!((words, secrets(&small)), ([len; 3], len), "{name}: no secret went through");
            }
        }
    }
}
