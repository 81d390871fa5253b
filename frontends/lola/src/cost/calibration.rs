//! How long kernels take on the machine at hand.

use core::hint::black_box;
use core::time::Duration;
use std::collections::BTreeSet;

use rand_core::CryptoRng;
use tacit_core::bfv;
use tacit_core::ckks::{self, Bounds, Complex};
use tacit_core::error::EvalError;
use tacit_core::poly::{Coeff, Eval, Poly, Ring};
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, NoiseBound, SecretKey, rotation_element};
use tacit_core::wire::Wire;

use super::{Calls, Sizes, Work};
use crate::deployment::Deployment;
use crate::error::{MessageError, RunError};
use crate::evaluate::Evaluator;
use crate::evaluate::Pool;
use crate::evaluate::approximate::{self, Approximate, encode};
use crate::evaluate::exact::{self, Exact};
use crate::evaluate::query::Unpack;
use crate::plan::Op;
use crate::spec::{Crypto, Spec};

/// The time since some moment, the same one at every call: clocks are the caller's.
pub type Clock<'a> = &'a dyn Fn() -> Duration;

/// Each measurement is repeated at least and at most so often, and the median counts.
const REPETITIONS: [usize; 2] = [3, 15];

/// Between the two, so long.
const PATIENCE: Duration = Duration::from_millis(10);

/// Pairs of polynomials that products are measured with: more than the caches next to a core hold.
const PAIRS: usize = 16;

/// Passes that are timed together.
const PASSES: u32 = 4;

/// Rotations of one message that are timed together.
const ROTATIONS: usize = 4;

/// The most messages of a query that are read together: what is read is not in the cache when it is used.
const MESSAGES: usize = 4;

/// The times of kernels on one limb and one thread, in milliseconds, with the parameters and the backend of a deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// A number-theoretic transform.
    pub transform: f64,
    /// A product with a sum, its factors from memory.
    pub product: f64,
    /// A pass in the cache.
    pub pass: f64,
    /// A limb of a query unpacked, and another made of the seed.
    pub read: f64,
    /// The time of a whole first rotation, as a multiple of its calls'.
    pub rotation: f64,
    /// The time of a further rotation of the same message, as a multiple of its calls'.
    pub hoisted: f64,
    /// The time of a square with its relinearisation, as a multiple of its calls'.
    pub multiplication: f64,
}

impl Calibration {
    /// Times the kernels of a deployment on messages of zeros under a key of its own, on the calling thread: about a tenth
    /// of a second, and nobody's data. Single operations are those of the highest level that the plan has them at.
    ///
    /// # Errors
    /// [`RunError`] if an operation fails, which none does with parameters that hold a plan.
    pub fn measure(deployment: &Deployment, clock: Clock<'_>, rng: &mut impl CryptoRng) -> Result<Self, RunError> {
        let (spec, subject) = (deployment.spec(), Subject::of(deployment));
        let params = spec.params();
        let bench = Bench::new(params.key_ring(), clock);
        let secret = SecretKey::generate(params, rng);
        let keys = EvaluationKeys::generate(&secret, &subject.request(params.degree()), rng)?;
        match &spec.crypto {
            Crypto::Bfv(bfv) => {
                let bytes = bfv.encrypt(&secret, &bfv.encode(&[0])?, rng)?.to_bytes(params);
                let (prepared, memory) = (exact::Prepared::default(), exact::Memory::default());
                let evaluator = Exact::new(bfv, &prepared, &keys, &memory);
                let read = || bfv::PackedCiphertext::from_bytes(bfv, &bytes).map(|packed| evaluator.expand(&packed));
                subject.measure(&bench, &evaluator, || Ok(read().map_err(part)?))
            }
            Crypto::Ckks(ckks) => {
                let encoded = encode(ckks, &[Complex::default()], spec.query.level, spec.query.encoded)?;
                let bytes = ckks.encrypt(&secret, &encoded, rng)?.to_bytes(params);
                // Zeros have no bound that a product could exceed.
                let least = NoiseBound::new(1.0);
                let bounds = Bounds { message: least, noise: least };
                let (prepared, pool) = (approximate::Prepared::default(), Pool::default());
                let evaluator = Approximate::new(ckks, deployment.lowered(), &prepared, &keys, &pool);
                let read = || ckks::PackedCiphertext::from_bytes(ckks, &bytes).map(|packed| evaluator.expand(&packed));
                let read = || Ok(read().map_err(part)?.with_bounds(bounds));
                subject.measure(&bench, &evaluator, read)
            }
        }
    }

    /// The time of some work, in milliseconds, on one thread.
    #[must_use]
    pub fn milliseconds(&self, work: &Work) -> f64 {
        let linear = self.read * work.reads + self.calls(&work.linear);
        let rotations = self.rotation * self.calls(&work.rotations) + self.hoisted * self.calls(&work.hoisted);
        linear + rotations + self.multiplication * self.calls(&work.multiplications)
    }

    fn calls(&self, calls: &Calls) -> f64 {
        self.transform * calls.transforms + self.product * calls.products + self.pass * calls.passes
    }
}

fn part(error: tacit_core::error::WireError) -> MessageError {
    MessageError::Part { part: 0, error }
}

/// Which single operations are timed.
struct Subject {
    sizes: Sizes,
    query_level: usize,
    /// Messages that are read one after the other.
    messages: usize,
    /// The highest level at which a message is rotated, and steps of such rotations, of which none is known to the cache
    /// when its turn comes: as many as there are, over and over.
    rotations: Option<(usize, [isize; ROTATIONS])>,
    /// The product of the highest level.
    multiplication: Option<usize>,
}

impl Subject {
    fn of(deployment: &Deployment) -> Self {
        let (lowered, Spec { query, request, .. }) = (deployment.lowered(), deployment.spec());
        let rotations = lowered.plan().ops().iter().flat_map(Op::rotations);
        let rotations = rotations.map(|(input, steps)| (lowered.level(input), steps));
        let rotations: BTreeSet<_> = rotations.collect();
        let highest = rotations.last().map(|&(level, _)| {
            let mut steps = rotations.iter().filter(|(of, _)| *of == level).map(|(_, steps)| *steps).cycle();
            (level, core::array::from_fn(|_| steps.next().unwrap_or_default()))
        });
        Self {
            sizes: deployment.sizes(),
            query_level: query.level,
            messages: lowered.plan().inputs().clamp(1, MESSAGES),
            rotations: highest,
            multiplication: request.relin,
        }
    }

    fn request(&self, degree: usize) -> KeyRequest {
        let mut request = KeyRequest { relin: self.multiplication, ..KeyRequest::default() };
        if let Some((level, steps)) = &self.rotations {
            steps.iter().for_each(|&steps| request.need_galois(rotation_element(degree, steps), *level));
        }
        request
    }

    fn measure<E: Evaluator<Error = EvalError>>(
        &self,
        bench: &Bench<'_>,
        evaluator: &E,
        read: impl Fn() -> Result<E::Value, RunError>,
    ) -> Result<Calibration, RunError> {
        let reading = bench.time(|| {
            let values = (0..self.messages).map(|_| read()).collect::<Result<Vec<_>, _>>()?;
            values.into_iter().for_each(|value| evaluator.recycle(value));
            Ok(())
        })?;
        let read_limbs = (self.messages * self.query_level * self.sizes.streams()) as f64;
        let [transform, product, pass] = bench.kernels()?;
        let flat = Calibration {
            transform,
            product,
            pass,
            read: reading / read_limbs,
            rotation: 1.0,
            hoisted: 1.0,
            multiplication: 1.0,
        };
        let value = read()?;
        let [rotation, hoisted] = self.rotations(bench, evaluator, &value, &flat)?;
        let multiplication = self.multiplication(bench, evaluator, &value, &flat)?;
        Ok(Calibration { rotation, hoisted, multiplication, ..flat })
    }

    /// The overheads of a first rotation and of further ones.
    fn rotations<E: Evaluator<Error = EvalError>>(
        &self,
        bench: &Bench<'_>,
        evaluator: &E,
        value: &E::Value,
        flat: &Calibration,
    ) -> Result<[f64; 2], RunError> {
        let Some((level, steps)) = &self.rotations else { return Ok([1.0; 2]) };
        let (level, value) = (*level, evaluator.switch_to(value, *level)?);
        let rotate = |steps: &[isize]| {
            let rotated = evaluator.rotate_many(&value, steps)?;
            rotated.into_iter().for_each(|value| evaluator.recycle(value));
            Ok(())
        };
        let single = bench.time(|| {
            evaluator.recycle(evaluator.rotate(&value, steps[0])?);
            Ok(())
        })?;
        let (one, all) = (bench.time(|| rotate(&steps[..1]))?, bench.time(|| rotate(steps))?);
        let further = (all - one).max(0.0) / (ROTATIONS - 1) as f64;
        let counted = |hoisted| flat.calls(&self.sizes.rotation(level, level, hoisted));
        Ok([single / counted(false), further / counted(true)])
    }

    /// The overhead of a square.
    fn multiplication<E: Evaluator<Error = EvalError>>(
        &self,
        bench: &Bench<'_>,
        evaluator: &E,
        value: &E::Value,
        flat: &Calibration,
    ) -> Result<f64, RunError> {
        let Some(level) = self.multiplication else { return Ok(1.0) };
        let value = evaluator.switch_to(value, level)?;
        let square = bench.time(|| {
            evaluator.recycle(evaluator.square(&value)?);
            Ok(())
        })?;
        Ok(square / flat.calls(&self.sizes.multiplication(level, level, true, 0)))
    }
}

/// Something to time kernels with.
struct Bench<'a> {
    clock: Clock<'a>,
    ring: &'a Ring,
    pairs: Vec<[Poly<Eval>; 2]>,
}

impl<'a> Bench<'a> {
    fn new(ring: &'a Ring, clock: Clock<'a>) -> Self {
        // Not zeros: those could be there without memory of their own.
        let poly = ring.forward(ring.lift(&vec![1; ring.degree()]));
        Self { clock, ring, pairs: (0..PAIRS).map(|_| [poly.clone(), poly.clone()]).collect() }
    }

    /// The times of a transform, a product and a pass, on one limb.
    fn kernels(&self) -> Result<[f64; 3], RunError> {
        let limbs = self.ring.basis().len() as f64;
        let [mut sum, addend] = self.pairs[0].clone();
        let mut poly: Option<Poly<Coeff>> = Some(self.ring.zero());
        let transforms = self.time(|| {
            poly = poly.take().map(|poly| self.ring.inverse(self.ring.forward(poly)));
            Ok(())
        })?;
        let terms: Vec<_> = self.pairs.iter().map(|[a, b]| (a, b)).collect();
        let products = self.time(|| Ok(self.ring.dot(&terms)))?;
        let passes = self.time(|| {
            (0..PASSES).for_each(|_| self.ring.add_assign(&mut sum, &addend));
            Ok(())
        })?;
        Ok([transforms / (2.0 * limbs), products / (PAIRS as f64 * limbs), passes / (f64::from(PASSES) * limbs)])
    }

    /// The median time of something, in milliseconds. Before each repetition other data take the caches next to the core,
    /// as in a query, where every key and plaintext is used once.
    fn time<T>(&self, mut run: impl FnMut() -> Result<T, RunError>) -> Result<f64, RunError> {
        let (start, [least, most]) = ((self.clock)(), REPETITIONS);
        let mut times = Vec::new();
        while times.len() < least || (times.len() < most && (self.clock)().saturating_sub(start) < PATIENCE) {
            black_box(self.pairs.iter().flatten().flat_map(Poly::residues).fold(0, |all, &word| all ^ word));
            let before = (self.clock)();
            let result = run()?;
            times.push((self.clock)().saturating_sub(before));
            drop(black_box(result));
        }
        times.sort_unstable();
        Ok(times[times.len() / 2].as_secs_f64() * 1000.0)
    }
}
