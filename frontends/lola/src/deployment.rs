//! What client and server agree on before the first query.

use sha2::{Digest, Sha256};
use tacit_core::backend::Kernels;
use tacit_core::bfv::Bfv;
use tacit_core::params::{Params, Security};
use tacit_model::Network;

use crate::client::Client;
use crate::error::{Fingerprint, PlanError};
use crate::evaluate::Prepared;
use crate::lower::{Lowered, MAX_DEGREE, lower, lower_to, too_deep};
use crate::plan::Plan;
use crate::representation::InputLayout;
use crate::server::Server;
use crate::spec::Spec;
use crate::{latency, paper};

/// The smallest ring that is tried.
const MIN_DEGREE: usize = 2048;

/// The plans that a network can be deployed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanKind {
    /// The plan of the paper's Table 1.
    Paper,
    /// The fewest key switches, in the smallest ring that holds the noise.
    Latency,
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
        let Planned { plan, layout, params, lowered } = match kind {
            PlanKind::Paper => paper_deployment(network, kernels)?,
            PlanKind::Latency => latency_deployment(network, kernels)?,
        };
        let mut hash = Sha256::new();
        hash.update(b"tacit lola deployment 1");
        hash.update(network.fingerprint().as_bytes());
        hash.update(plan.name().as_bytes());
        hash.update(params.fingerprint());
        let digest = hash.finalize();
        let spec = Spec {
            fingerprint: Fingerprint(core::array::from_fn(|i| digest[i])),
            inputs: network.inputs(),
            answer: plan.answer().to_vec(),
            answer_messages: plan.outputs().len(),
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

/// A plan, the layout of its input, and parameters that hold it.
struct Planned {
    plan: Plan,
    layout: InputLayout,
    params: Params,
    lowered: Lowered,
}

const SECURITY: Security = Security::Classical128;

fn paper_deployment(network: &Network, kernels: Kernels) -> Result<Planned, PlanError> {
    let (plan, layout) = paper::plan(network)?;
    let (params, lowered) = lower(&plan, network.logit_bound()?, SECURITY, kernels)?;
    Ok(Planned { plan, layout, params, lowered })
}

/// The plan depends on the slots of a message, which are half the ring's degree: the smallest ring that works is the
/// fastest.
fn latency_deployment(network: &Network, kernels: Kernels) -> Result<Planned, PlanError> {
    let bound = network.logit_bound()?;
    let mut degree = MIN_DEGREE;
    loop {
        let found = match latency::plan(network, degree / 2) {
            Ok((plan, layout)) => {
                let found = lower_to(&plan, bound, degree, SECURITY, kernels)?;
                found.map(|(params, lowered)| Planned { plan, layout, params, lowered })
            }
            Err(PlanError::TooWide { .. }) if degree < MAX_DEGREE => None,
            Err(error) => return Err(error),
        };
        match found {
            Some(planned) => return Ok(planned),
            None if degree >= MAX_DEGREE => return Err(too_deep(bound, degree, SECURITY)?),
            None => degree *= 2,
        }
    }
}
