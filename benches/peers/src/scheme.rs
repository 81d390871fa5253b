//! BFV with the same ciphertext primes and plaintext modulus on both sides.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use fhe::bfv::{
    BfvParameters, BfvParametersBuilder, Ciphertext as PeerCiphertext, Encoding, EvaluationKey, EvaluationKeyBuilder,
    Multiplicator, Plaintext as PeerPlaintext, RelinearizationKey, SecretKey as PeerSecretKey,
};
use fhe_traits::{FheDecoder, FheDecrypter, FheEncoder, FheEncrypter};
use rand_core::SeedableRng;
use tacit_core::backend::Kernels;
use tacit_core::bfv::{Bfv, Ciphertext, Plaintext};
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};

use crate::measure::{Row, Table};

/// Degree, and bits of the ciphertext and special primes. The first two are SEAL's split, made to fit the 2024 bounds; the
/// last spends its special bits on digits of two primes.
const SETS: [(usize, &[u32], &[u32]); 3] = [
    (8192, &[43, 43, 43, 42], &[43]),
    (16384, &[48, 48, 48, 48, 48, 48, 47, 47], &[48]),
    (16384, &[49, 49, 49, 49, 49, 49], &[50, 50]),
];
const PLAIN_BITS: u32 = 20;

/// One operation of both sides.
type Operation = (&'static str, fn(&mut Ours), fn(&mut Peer));

/// Each call drops its result: the allocator's part is measured on both sides.
const OPERATIONS: [Operation; 5] = [
    (
        "encrypt",
        |our| drop(black_box(our.bfv.encrypt(&our.secret, &our.plaintext, &mut our.rng))),
        |peer| drop(black_box(peer.encrypt())),
    ),
    (
        "encrypt, whole",
        |our| drop(black_box(our.bfv.encrypt(&our.secret, &our.plaintext, &mut our.rng).map(|x| our.bfv.expand(&x)))),
        |peer| drop(black_box(peer.encrypt())),
    ),
    (
        "decrypt",
        |our| drop(black_box(our.bfv.decrypt(&our.secret, &our.operands[0]))),
        |peer| drop(black_box(peer.secret.try_decrypt(&peer.operands[0]))),
    ),
    ("multiply, relinearise", |our| drop(black_box(our.product())), |peer| drop(black_box(peer.product()))),
    ("rotate", |our| drop(black_box(our.rotation())), |peer| drop(black_box(peer.rotation()))),
];

/// Measures every set, and asserts first that both sides are right. Returns the description of each set.
pub fn compare(table: &mut Table) -> Result<Vec<String>, Box<dyn Error>> {
    let mut sets = Vec::new();
    for (degree, ciphertext, special) in SETS {
        let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special);
        let builder = builder.plain_bits(&[PLAIN_BITS]);
        let ours = Kernels::available().map(|kernels| Ours::new(&builder.clone().kernels(kernels).build()?));
        let mut ours = ours.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let params = ours[0].bfv.params().clone();
        let mut peer = Peer::new(&params)?;
        peer.check()?;
        ours.iter_mut().try_for_each(Ours::check)?;

        let (data, keys) = (ciphertext.iter().sum::<u32>(), special.iter().sum::<u32>());
        sets.push(format!(
            "{data}+{keys} at n = {degree}: ciphertext primes of {ciphertext:?} bits on both sides, t = {}; ours adds special \
             primes of {special:?} bits, log2(QP) = {}; the peer has none, log2(Q) = {:.0}",
            params.plain_moduli()[0],
            params.log2_qp(),
            params.log2_q(params.max_level()),
        ));
        for (op, our_run, peer_run) in OPERATIONS {
            let mut contestants: Vec<Box<dyn FnMut() + '_>> = Vec::new();
            for ours in &mut ours {
                contestants.push(Box::new(move || our_run(ours)));
            }
            contestants.push(Box::new(|| peer_run(&mut peer)));
            let mut times = table.medians(&mut contestants);
            let theirs = times.pop().unwrap_or(f64::NAN);
            table.rows.push(Row { op, n: degree, bits: format!("{data}+{keys}"), ours: times, peer: "fhe", theirs });
        }
    }
    Ok(sets)
}

/// Slots small enough that products stay below the plaintext modulus.
fn slots(degree: usize) -> Vec<u64> {
    (0..degree as u64).map(|i| i % 255).collect()
}

/// What a product and a rotation by one must decrypt to.
fn expected(degree: usize) -> [Vec<u64>; 2] {
    let (slots, row) = (slots(degree), degree / 2);
    let rotated = (0..degree).map(|i| slots[i / row * row + (i + 1) % row]).collect();
    [slots.iter().map(|x| x * x).collect(), rotated]
}

struct Ours {
    bfv: Bfv,
    secret: SecretKey,
    keys: EvaluationKeys,
    plaintext: Plaintext,
    /// What operations write into, as a server that answers one query after the other keeps it.
    product: Ciphertext,
    out: Ciphertext,
    scratch: Scratch,
    /// Two encryptions of the same slots: not a square.
    operands: [Ciphertext; 2],
    rng: ChaCha20Rng,
}

impl Ours {
    fn new(params: &Params) -> Result<Self, Box<dyn Error>> {
        let bfv = Bfv::new(params)?;
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let secret = SecretKey::generate(params, &mut rng);
        let mut request = KeyRequest::default();
        request.need_relin(params.max_level());
        request.need_galois(rotation_element(params.degree(), 1), params.max_level());
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng)?;
        let values: Vec<i128> = slots(params.degree()).into_iter().map(i128::from).collect();
        let plaintext = bfv.encode(&values)?;
        let mut encrypt = || Ok::<_, Box<dyn Error>>(bfv.expand(&bfv.encrypt(&secret, &plaintext, &mut rng)?));
        let operands = [encrypt()?, encrypt()?];
        let [product, out] = [params.max_level(); 2].map(|level| bfv.zero(level));
        Ok(Self { bfv, secret, keys, plaintext, operands, rng, product, out, scratch: Scratch::new() })
    }

    /// Leaves the product in `out`.
    fn product(&mut self) -> Result<(), Box<dyn Error>> {
        let [a, b] = &self.operands;
        self.bfv.multiply_into(a, b, &mut self.product, &mut self.scratch)?;
        Ok(self.bfv.relinearise_into(&self.product, &self.keys, &mut self.out, &mut self.scratch)?)
    }

    /// Leaves the rotation in `out`.
    fn rotation(&mut self) -> Result<(), Box<dyn Error>> {
        let element = rotation_element(self.bfv.params().degree(), 1);
        Ok(self.bfv.apply_galois_into(&self.operands[0], element, &self.keys, &mut self.out, &mut self.scratch)?)
    }

    fn check(&mut self) -> Result<(), Box<dyn Error>> {
        let [product, rotation] = expected(self.bfv.slot_count());
        self.product()?;
        self.check_out(product)?;
        self.rotation()?;
        self.check_out(rotation)
    }

    fn check_out(&self, expected: Vec<u64>) -> Result<(), Box<dyn Error>> {
        let values = self.bfv.decode(&self.bfv.decrypt(&self.secret, &self.out)?.release());
        assert!(values.iter().copied().eq(expected.into_iter().map(i128::from)), "ours is wrong");
        Ok(())
    }
}

struct Peer {
    params: Arc<BfvParameters>,
    secret: PeerSecretKey,
    multiplicator: Multiplicator,
    rotations: EvaluationKey,
    plaintext: PeerPlaintext,
    operands: [PeerCiphertext; 2],
}

impl Peer {
    fn new(ours: &Params) -> Result<Self, Box<dyn Error>> {
        let params = BfvParametersBuilder::new()
            .set_degree(ours.degree())
            .set_plaintext_modulus(ours.plain_moduli()[0])
            .set_moduli(ours.ciphertext_primes())
            .build_arc()?;
        let mut rng = rand::rng();
        let secret = PeerSecretKey::random(&params, &mut rng);
        let multiplicator = Multiplicator::default(&RelinearizationKey::new(&secret, &mut rng)?)?;
        let rotations = EvaluationKeyBuilder::new(&secret)?.enable_column_rotation(1)?.build(&mut rng)?;
        let plaintext = PeerPlaintext::try_encode(&slots(ours.degree()), Encoding::simd(), &params)?;
        let operands = [secret.try_encrypt(&plaintext, &mut rng)?, secret.try_encrypt(&plaintext, &mut rng)?];
        Ok(Self { params, secret, multiplicator, rotations, plaintext, operands })
    }

    fn encrypt(&self) -> fhe::Result<PeerCiphertext> {
        self.secret.try_encrypt(&self.plaintext, &mut rand::rng())
    }

    fn product(&self) -> fhe::Result<PeerCiphertext> {
        let [a, b] = &self.operands;
        self.multiplicator.multiply(a, b)
    }

    /// The peer calls columns what we call steps within rows.
    fn rotation(&self) -> fhe::Result<PeerCiphertext> {
        self.rotations.rotates_columns_by(&self.operands[0], 1)
    }

    fn check(&self) -> Result<(), Box<dyn Error>> {
        for (result, expected) in [self.product()?, self.rotation()?].iter().zip(expected(self.params.degree())) {
            let values = Vec::<u64>::try_decode(&self.secret.try_decrypt(result)?, Encoding::simd())?;
            assert_eq!(values, expected, "the peer is wrong");
        }
        Ok(())
    }
}
