//! The server half: holds the network and never a secret key.

use tacit_core::bfv::{Ciphertext, SeededCiphertext};
use tacit_core::rlwe::{EvaluationKeys, NoiseBound};
use tacit_core::wire;

use crate::error::{MessageError, MessageKind, RunError};
use crate::evaluate::{Encrypted, Executor, Prepared, Progress, run};
use crate::lower::Lowered;
use crate::message;
use crate::spec::Spec;

/// A server of one deployment. Bytes in, bytes out.
#[derive(Debug)]
pub struct Server<'a> {
    spec: &'a Spec,
    lowered: &'a Lowered,
    prepared: Prepared,
}

/// A client's evaluation keys, checked to serve the plan.
#[derive(Clone, Debug)]
pub struct ClientKeys(EvaluationKeys);

impl<'a> Server<'a> {
    pub(crate) const fn new(spec: &'a Spec, lowered: &'a Lowered, prepared: Prepared) -> Self {
        Self { spec, lowered, prepared }
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
        let (fingerprint, params) = (self.spec.fingerprint, self.spec.params());
        let part_len = wire::seeded_ciphertext_len(params);
        let read = message::read::<SeededCiphertext>;
        let parts = read(MessageKind::Query, fingerprint, params, query, self.spec.layout.len(), part_len)?;
        let inputs: Vec<Ciphertext> = parts.iter().map(|part| self.spec.bfv.expand(part)).collect();
        let evaluator = Encrypted::new(&self.spec.bfv, &self.prepared, &keys.0);
        let outputs = run(self.lowered.plan(), &evaluator, inputs, executor, progress)?;
        Ok(message::write(MessageKind::Answer, fingerprint, params, &outputs).to_vec())
    }

    /// The largest noise bound of an answer, and the largest that decrypts, as `log2`.
    #[must_use]
    pub fn answer_noise(&self) -> (f64, f64) {
        let outputs = self.lowered.plan().outputs().iter();
        let noise = outputs.map(|&register| self.lowered.noise(register).log2()).fold(0.0, f64::max);
        (noise, self.spec.bfv.rules(self.spec.answer_level).limit_log2())
    }

    /// The noise bound of a fresh query.
    #[must_use]
    pub fn query_noise(&self) -> NoiseBound {
        self.spec.bfv.rules(self.spec.params().max_level()).fresh_secret()
    }
}
