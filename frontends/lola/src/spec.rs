//! The public side of a deployment.

use tacit_core::bfv::Bfv;
use tacit_core::ckks::Ckks;
use tacit_core::params::Params;
use tacit_core::rlwe::KeyRequest;
use tacit_core::wire;
use tacit_model::Interval;

use crate::error::Fingerprint;
use crate::lower::State;
use crate::message::HEADER_BYTES;
use crate::plan::Answer;
use crate::representation::Layout;

/// How values are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Exact integers modulo plaintext primes: Brakerski, Fan and Vercauteren.
    Bfv,
    /// Approximate numbers, faster: Cheon, Kim, Kim and Song.
    Ckks,
}

/// The scheme with its tables.
#[derive(Clone, Debug)]
pub(crate) enum Crypto {
    Bfv(Bfv),
    Ckks(Ckks),
}

/// The public side of a deployment: all that a client needs, and no weight.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) crypto: Crypto,
    pub(crate) fingerprint: Fingerprint,
    /// Where the values of the input go.
    pub(crate) layout: Layout,
    /// Inputs of a query.
    pub(crate) batch: usize,
    /// Values of an input.
    pub(crate) inputs: usize,
    pub(crate) input_range: Interval,
    /// A message of the query, and one of the answer.
    pub(crate) query: State,
    pub(crate) result: State,
    /// Where the logits are.
    pub(crate) answer: Answer,
    pub(crate) answer_messages: usize,
    pub(crate) request: KeyRequest,
}

impl Spec {
    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        match &self.crypto {
            Crypto::Bfv(bfv) => bfv.params(),
            Crypto::Ckks(ckks) => ckks.params(),
        }
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        match self.crypto {
            Crypto::Bfv(_) => Scheme::Bfv,
            Crypto::Ckks(_) => Scheme::Ckks,
        }
    }

    /// A digest of network architecture, plan and parameters; every message carries it.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// How many inputs a query takes: 1, or as many as a message has slots if the plan is for throughput.
    #[must_use]
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// Messages of a query.
    #[must_use]
    pub fn query_messages(&self) -> usize {
        self.layout.cells().len()
    }

    /// Bytes of a query.
    #[must_use]
    pub fn query_len(&self) -> usize {
        HEADER_BYTES + self.query_messages() * self.query_part_len()
    }

    /// Bytes of an answer.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        HEADER_BYTES + self.answer_messages * self.answer_part_len()
    }

    /// Bytes of the evaluation keys.
    #[must_use]
    pub fn evaluation_keys_len(&self) -> usize {
        HEADER_BYTES + wire::evaluation_keys_len(self.params(), &self.request)
    }

    /// The level of the answer, in ciphertext primes.
    #[must_use]
    pub const fn answer_level(&self) -> usize {
        self.result.level
    }

    /// The evaluation keys that the plan needs.
    #[must_use]
    pub const fn key_request(&self) -> &KeyRequest {
        &self.request
    }

    pub(crate) fn query_part_len(&self) -> usize {
        match &self.crypto {
            Crypto::Bfv(bfv) => wire::seeded_ciphertext_len(bfv.params()),
            Crypto::Ckks(ckks) => wire::seeded_ckks_ciphertext_len(ckks.params(), self.query.level),
        }
    }

    pub(crate) fn answer_part_len(&self) -> usize {
        let (params, level) = (self.params(), self.result.level);
        match (&self.crypto, self.answer.period) {
            (Crypto::Bfv(_), None) => wire::ciphertext_len(params, level, 2),
            (Crypto::Bfv(_), Some(period)) => wire::traced_ciphertext_len(params, level, period),
            (Crypto::Ckks(_), None) => wire::ckks_ciphertext_len(params, level, 2),
            (Crypto::Ckks(_), Some(period)) => wire::traced_ckks_ciphertext_len(params, level, period),
        }
    }
}
