//! What client and server agree on before the first query.

use sha2::{Digest, Sha256};
use tacit_core::backend::Kernels;
use tacit_core::bfv::Bfv;
use tacit_core::params::Security;
use tacit_model::Network;

use crate::client::Client;
use crate::error::{Fingerprint, PlanError};
use crate::evaluate::Prepared;
use crate::lower::{Lowered, lower};
use crate::paper;
use crate::server::Server;
use crate::spec::Spec;

/// The plans that a network can be deployed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanKind {
    /// The plan of the paper's Table 1.
    Paper,
}

/// A network with a plan and parameters.
#[derive(Clone, Debug)]
pub struct Deployment {
    spec: Spec,
    lowered: Lowered,
}

impl Deployment {
    /// Plans a network: layout, operations, parameters, levels.
    ///
    /// # Errors
    /// [`PlanError`] if the plan is not for such a network, or no secure parameters hold it.
    pub fn new(network: &Network, kind: PlanKind) -> Result<Self, PlanError> {
        Self::with_kernels(network, kind, Kernels::detect())
    }

    /// As [`Deployment::new`], on a backend of choice. The two sides may differ in it: all give the same bytes.
    ///
    /// # Errors
    /// See [`Deployment::new`].
    pub fn with_kernels(network: &Network, kind: PlanKind, kernels: Kernels) -> Result<Self, PlanError> {
        let (plan, layout) = match kind {
            PlanKind::Paper => paper::plan(network)?,
        };
        let (params, lowered) = lower(&plan, network.logit_bound()?, Security::Classical128, kernels)?;
        let mut hash = Sha256::new();
        hash.update(b"tacit lola deployment 1");
        hash.update(network.fingerprint().as_bytes());
        hash.update(plan.name().as_bytes());
        hash.update(params.fingerprint());
        let digest = hash.finalize();
        let spec = Spec {
            fingerprint: Fingerprint(core::array::from_fn(|i| digest[i])),
            inputs: network.inputs(),
            outputs: network.outputs(),
            answer_level: lowered.answer_level(),
            request: lowered.key_request(params.degree()),
            bfv: Bfv::new(&params)?,
            layout,
        };
        Ok(Self { spec, lowered })
    }

    /// The public side.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The plan with its modulus switches, levels and noise bounds.
    #[must_use]
    pub const fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// A client half with a fresh secret key.
    #[must_use]
    pub fn client(&self, rng: &mut impl rand_core::CryptoRng) -> Client<'_> {
        self.spec.client(rng)
    }

    /// The server half: encodes the weights.
    ///
    /// # Errors
    /// [`PlanError::Step`] if a plaintext cannot be encoded.
    pub fn server(&self) -> Result<Server<'_>, PlanError> {
        let prepared = Prepared::new(&self.spec.bfv, &self.lowered)?;
        Ok(Server::new(&self.spec, &self.lowered, prepared))
    }
}
