//! The public side of a deployment.

use tacit_core::bfv::Bfv;
use tacit_core::params::Params;
use tacit_core::rlwe::KeyRequest;
use tacit_core::wire;

use crate::error::Fingerprint;
use crate::message::HEADER_BYTES;
use crate::representation::InputLayout;

/// The public side of a deployment: all that a client needs, and no weight.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) bfv: Bfv,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) layout: InputLayout,
    pub(crate) inputs: usize,
    /// For each logit, the message of the answer and the slot that hold it.
    pub(crate) answer: Vec<(usize, usize)>,
    pub(crate) answer_messages: usize,
    pub(crate) answer_level: usize,
    pub(crate) request: KeyRequest,
}

impl Spec {
    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        self.bfv.params()
    }

    /// A digest of network architecture, plan and parameters; every message carries it.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Bytes of a query.
    #[must_use]
    pub fn query_len(&self) -> usize {
        HEADER_BYTES + self.layout.len() * wire::seeded_ciphertext_len(self.params())
    }

    /// Bytes of an answer.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        HEADER_BYTES + self.answer_messages * wire::ciphertext_len(self.params(), self.answer_level, 2)
    }

    /// Bytes of the evaluation keys.
    #[must_use]
    pub fn evaluation_keys_len(&self) -> usize {
        HEADER_BYTES + wire::evaluation_keys_len(self.params(), &self.request)
    }

    /// The level of the answer, in ciphertext primes.
    #[must_use]
    pub const fn answer_level(&self) -> usize {
        self.answer_level
    }

    /// The evaluation keys that the plan needs.
    #[must_use]
    pub const fn key_request(&self) -> &KeyRequest {
        &self.request
    }
}
