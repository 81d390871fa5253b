//! Known answers: transforms, CRT composition, base conversion and exact scaling against vectors that
//! `fixtures/generate.py` works out from definitions with plain integers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use num_bigint::{BigInt, BigUint};
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::prime::primitive_root_vartime;
use tacit_core::rns::{BaseConverter, CrtComposer, RnsBasis, Scaler};

const NTT: &str = include_str!("fixtures/ntt.txt");
const CRT: &str = include_str!("fixtures/crt.txt");

/// The lines of a fixture as a name and its words.
fn lines(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split_whitespace();
        (words.next().unwrap(), words.collect())
    })
}

fn word(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

fn big(text: &str) -> BigUint {
    BigUint::parse_bytes(text.as_bytes(), 16).unwrap()
}

fn modulus(text: &str) -> Modulus {
    Modulus::new(word(text)).unwrap()
}

/// One transform of the fixture.
struct Transform {
    plan: NttPlan,
    root: u64,
    coefficients: Vec<u64>,
    values: Vec<u64>,
}

fn transforms() -> Vec<Transform> {
    let lines: Vec<_> = lines(NTT).collect();
    let parse = |three: &[(&str, Vec<&str>)]| {
        let [("ntt", head), ("in", coefficients), ("out", values)] = three else { panic!("a line is missing") };
        let words = |list: &[&str]| list.iter().map(|w| word(w)).collect();
        Transform {
            plan: NttPlan::new(modulus(head[0]), word(head[1]) as usize).unwrap(),
            root: word(head[2]),
            coefficients: words(coefficients),
            values: words(values),
        }
    };
    lines.chunks(3).map(parse).collect()
}

#[test]
fn transforms_match_the_vectors_on_every_backend() {
    let transforms = transforms();
    assert_eq!(transforms.len(), 4 * 3 * 2, "four sizes, three degrees, two primes each");
    for t in &transforms {
        for kernels in Kernels::available() {
            let at = format!("q = {}, n = {}, {}", t.plan.modulus().value(), t.plan.degree(), kernels.name());
            let mut xs = t.coefficients.clone();
            t.plan.forward(kernels, &mut xs);
            assert_eq!(xs, t.values, "forward, {at}");
            t.plan.inverse(kernels, &mut xs);
            assert_eq!(xs, t.coefficients, "inverse, {at}");
        }
    }
}

#[test]
fn the_root_is_the_smallest() {
    for t in transforms() {
        assert_eq!(primitive_root_vartime(t.plan.modulus(), t.plan.degree()), Ok(t.root));
    }
}

/// The order contract, with the root of the fixture and bits reversed here: the monomial `X^k` has the value
/// `ψ^(k·(2·rev(i) + 1))` at index `i`.
#[test]
fn monomials_spell_out_the_order() {
    for t in transforms() {
        let (q, n) = (t.plan.modulus(), t.plan.degree());
        let reversed = |i: usize| (0..n.ilog2()).fold(0, |r, bit| (r << 1) | ((i >> bit) & 1));
        for k in [0, 1, 2, n - 1] {
            for kernels in Kernels::available() {
                let mut xs = vec![0; n];
                xs[k] = 1;
                t.plan.forward(kernels, &mut xs);
                let expected = (0..n).map(|i| q.pow_vartime(t.root, (k * (2 * reversed(i) + 1)) as u64));
                assert_eq!(xs, expected.collect::<Vec<_>>(), "X^{k}, q = {}, n = {n}", q.value());
            }
        }
    }
}

/// Checks one value in several columns, so that kernels see whole vectors: `convert` maps residues modulo the basis,
/// limb-major, to residues modulo the targets.
fn check_columns(residues: &[u64], expected: &[u64], convert: impl Fn(Kernels, Vec<u64>, &mut [u64])) {
    const COLUMNS: usize = 16;
    let spread = |row: &[u64]| row.iter().flat_map(|&x| [x; COLUMNS]).collect::<Vec<_>>();
    for kernels in Kernels::available() {
        let mut out = vec![0; expected.len() * COLUMNS];
        convert(kernels, spread(residues), &mut out);
        assert_eq!(out, spread(expected), "{}", kernels.name());
    }
}

/// Walks through the CRT fixture and counts what it checked: values, conversions, scalings.
fn walk_crt() -> [usize; 3] {
    let mut basis = RnsBasis::new(&[]).unwrap();
    let (mut targets, mut multiplier) = (Vec::new(), BigUint::default());
    let (mut value, mut residues) = (BigUint::default(), Vec::new());
    let mut counts = [0; 3];
    for (name, list) in lines(CRT) {
        let words = || list.iter().map(|w| word(w)).collect::<Vec<_>>();
        match name {
            "moduli" => basis = RnsBasis::new(&list.iter().map(|w| modulus(w)).collect::<Vec<_>>()).unwrap(),
            "targets" => targets = list.iter().map(|w| modulus(w)).collect::<Vec<_>>(),
            "multiplier" => multiplier = big(list[0]),
            "value" => value = big(list[0]),
            "residues" => {
                residues = words();
                check_composition(&basis, &value, &residues);
                counts[0] += 1;
            }
            "centred" => {
                let converter = BaseConverter::new(&basis, &targets);
                check_columns(&residues, &words(), |kernels, input, out| converter.convert(kernels, &input, out));
                counts[1] += 1;
            }
            "scaled" => {
                let scaler = Scaler::new(&multiplier, &basis, &targets);
                let numerator: Vec<u64> = targets.iter().map(|p| u64::try_from(&value % p.value()).unwrap()).collect();
                check_columns(&residues, &words(), |kernels, input, out| {
                    let degree = out.len() / numerator.len();
                    let mut remainder = vec![0; out.len()];
                    scaler.remainder(kernels, &input, &mut remainder);
                    out.chunks_exact_mut(degree).zip(&numerator).for_each(|(row, &x)| row.fill(x));
                    scaler.divide(kernels, out, &mut remainder);
                });
                counts[2] += 1;
            }
            other => panic!("unknown line {other}"),
        }
    }
    counts
}

fn check_composition(basis: &RnsBasis, value: &BigUint, residues: &[u64]) {
    assert_eq!(basis.decompose_vartime(value), residues);
    assert_eq!(basis.compose_vartime(residues), *value);
    if basis.product().bits() <= CrtComposer::MAX_BITS {
        let composer = CrtComposer::new(basis).unwrap();
        let (value, product) = (BigInt::from(value.clone()), BigInt::from(basis.product()));
        let centred = if &value * 2u32 >= product { value - product } else { value };
        assert_eq!(BigInt::from(composer.compose(residues)), centred);
    }
}

#[test]
fn residues_match_the_vectors_on_every_backend() {
    let [values, conversions, scalings] = walk_crt();
    assert_eq!((values, conversions), (8 * 11, 8 * 9), "eight bases");
    assert!(scalings >= 8 * 9, "{scalings}");
}
