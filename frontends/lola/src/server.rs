//! The server half: holds the network and never a secret key.

use tacit_core::error::EvalError;
use tacit_core::rlwe::{EvaluationKeys, NoiseBound};
use tacit_core::wire::Wire;
use tacit_core::{bfv, ckks};

use crate::error::{MessageError, MessageKind, PlanError, RunError};
use crate::evaluate::approximate::{self, Approximate};
use crate::evaluate::exact::{self, Exact};
use crate::evaluate::query::{self, FromBytes};
use crate::evaluate::{Executor, Pool, Progress, run};
use crate::lower::Lowered;
use crate::message;
use crate::spec::{Crypto, Spec};

/// A server of one deployment. Bytes in, bytes out.
#[derive(Debug)]
pub struct Server<'a> {
    spec: &'a Spec,
    lowered: &'a Lowered,
    weights: Weights<'a>,
}

/// The scheme with the plan's encoded plaintexts, and memory for queries.
#[derive(Debug)]
enum Weights<'a> {
    Bfv(&'a bfv::Bfv, exact::Prepared, exact::Memory),
    Ckks(&'a ckks::Ckks, approximate::Prepared, Pool<ckks::Ciphertext>),
}

/// A client's evaluation keys, checked to serve the plan.
#[derive(Clone, Debug)]
pub struct ClientKeys(EvaluationKeys);

impl<'a> Server<'a> {
    pub(crate) fn new(spec: &'a Spec, lowered: &'a Lowered) -> Result<Self, PlanError> {
        let weights = match &spec.crypto {
            Crypto::Bfv(bfv) => Weights::Bfv(bfv, exact::Prepared::new(bfv, lowered)?, exact::Memory::default()),
            Crypto::Ckks(ckks) => Weights::Ckks(ckks, approximate::Prepared::new(ckks, lowered)?, Pool::default()),
        };
        Ok(Self { spec, lowered, weights })
    }

    /// Reads a client's evaluation keys.
    ///
    /// # Errors
    /// [`MessageError`] for anything else, a secret key by its type tag.
    pub fn read_keys(&self, bytes: &[u8]) -> Result<ClientKeys, MessageError> {
        let kind = MessageKind::EvaluationKeys;
        let keys: EvaluationKeys = message::read_one(kind, self.spec.fingerprint, self.spec.params(), bytes)?;
        if keys.request() == self.spec.request { Ok(ClientKeys(keys)) } else { Err(MessageError::Keys) }
    }

    /// Evaluates the network on a query.
    ///
    /// # Errors
    /// [`RunError::Message`] for a query that is malformed or made for something else, [`RunError::Eval`] if an operation
    /// fails.
    pub fn evaluate(
        &self,
        keys: &ClientKeys,
        query: &[u8],
        executor: &dyn Executor,
        progress: Progress<'_>,
    ) -> Result<Vec<u8>, RunError> {
        let Spec { fingerprint, .. } = self.spec;
        let (of, kind) = (*fingerprint, MessageKind::Query);
        let sizes = (self.spec.query_messages(), self.spec.query_part_len());
        let plan = self.lowered.plan();
        let answer = match &self.weights {
            Weights::Bfv(bfv, prepared, memory) => {
                let read = |bytes| bfv::PackedCiphertext::from_bytes(bfv, bytes);
                let parts = message::read_with(kind, of, query, sizes, read)?;
                let evaluator = FromBytes(Exact::new(bfv, prepared, &keys.0, memory));
                let outputs = run(plan, &evaluator, query::inputs(plan, parts), executor, progress)?;
                let outputs: Vec<_> = outputs.into_iter().map(|output| evaluator.keep(output)).collect();
                self.answer(&outputs, |output, period| bfv.trace(output, period))?
            }
            Weights::Ckks(ckks, prepared, pool) => {
                let read = |bytes| ckks::PackedCiphertext::from_bytes(ckks, bytes);
                let parts = message::read_with(kind, of, query, sizes, read)?;
                self.check_scales(&parts)?;
                let evaluator = FromBytes(Approximate::new(ckks, self.lowered, prepared, &keys.0, pool));
                let outputs = run(plan, &evaluator, query::inputs(plan, parts), executor, progress)?;
                let outputs: Vec<_> = outputs.into_iter().map(|output| evaluator.keep(output)).collect();
                self.answer(&outputs, |output, period| ckks.trace(output, period))?
            }
        };
        Ok(answer)
    }

    /// The outputs, or what of them tells the sums that the client is to see.
    fn answer<C: Wire, T: Wire>(
        &self,
        outputs: &[C],
        trace: impl Fn(&C, usize) -> Result<T, EvalError>,
    ) -> Result<Vec<u8>, EvalError> {
        let (kind, of, params) = (MessageKind::Answer, self.spec.fingerprint, self.spec.params());
        match self.spec.answer.period {
            None => Ok(message::write_public(kind, of, params, outputs)),
            Some(period) => {
                let traced = outputs.iter().map(|output| trace(output, period)).collect::<Result<Vec<_>, _>>()?;
                Ok(message::write_public(kind, of, params, &traced))
            }
        }
    }

    /// A query at another scale or level would be evaluated to nonsense.
    fn check_scales(&self, parts: &[ckks::PackedCiphertext<'_>]) -> Result<(), MessageError> {
        let query = self.spec.query;
        let alike =
            |part: &ckks::PackedCiphertext<'_>| (part.scale(), part.level()) == (query.encoded.scale, query.level);
        parts.iter().position(|part| !alike(part)).map_or(Ok(()), |part| Err(MessageError::Scale { part }))
    }

    /// The largest noise bound of an answer, and the largest that does no harm, as `log2`.
    #[must_use]
    pub fn answer_noise(&self) -> (f64, f64) {
        (self.spec.result.noise.log2(), self.spec.result.limit)
    }

    /// The noise bound of a fresh query.
    #[must_use]
    pub const fn query_noise(&self) -> NoiseBound {
        self.spec.query.noise
    }
}
