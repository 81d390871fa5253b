//! What client and server agree on before the first query.

use sha2::{Digest, Sha256};
use tacit_core::backend::Kernels;
use tacit_core::bfv::Bfv;
use tacit_core::ckks::Ckks;
use tacit_model::Network;

use crate::client::Client;
use crate::cost::{Memory, Sizes, Work};
use crate::error::{Fingerprint, PlanError};
use crate::lower::Lowered;
use crate::lower::approximate::Precision;
use crate::planner::{self, Goal, Planned};
use crate::server::Server;
use crate::spec::{Crypto, Scheme, Spec};

/// A network with a plan and parameters.
#[derive(Clone, Debug)]
pub struct Deployment {
    spec: Spec,
    lowered: Lowered,
    work: Work,
    precision: Option<Precision>,
    choices: Vec<planner::Choice>,
}

impl Deployment {
    /// Plans a network: layout, operations, parameters, levels.
    ///
    /// # Errors
    /// [`PlanError`] if the plan is not for such a network, or no secure parameters hold it.
    pub fn new(network: &Network, goal: Goal, scheme: Scheme) -> Result<Self, PlanError> {
        Self::with_kernels(network, goal, scheme, Kernels::detect())
    }

    /// As [`Deployment::new`], on a backend of choice. The two sides may differ in it: all give the same bytes.
    ///
    /// # Errors
    /// See [`Deployment::new`].
    pub fn with_kernels(network: &Network, goal: Goal, scheme: Scheme, kernels: Kernels) -> Result<Self, PlanError> {
        let (planned, choices) = planner::plan(network, goal, scheme, kernels)?;
        let Planned { layout, params, lowered, choice } = planned;
        let plan = lowered.plan();
        let mut hash = Sha256::new();
        hash.update(b"tacit lola deployment 3");
        hash.update(network.fingerprint().as_bytes());
        hash.update(plan.name().as_bytes());
        hash.update(layout.to_string().as_bytes());
        hash.update(plan.to_string().as_bytes());
        hash.update(plan.answer().period.unwrap_or_default().to_le_bytes());
        hash.update(params.fingerprint());
        let of = |register: Option<&_>| register.map(|&register| *lowered.state(register));
        let (query, result) = (of(Some(&planner::FIRST_INPUT)), of(plan.outputs().first()));
        for state in [query, result].iter().flatten() {
            hash.update(state.encoded.scale.value().to_bits().to_le_bytes());
        }
        let digest = hash.finalize();
        let spec = Spec {
            fingerprint: Fingerprint(core::array::from_fn(|i| digest[i])),
            batch: choice.batch,
            inputs: network.inputs(),
            input_range: network.input_range(),
            query: query.ok_or(PlanError::Empty)?,
            result: result.ok_or(PlanError::Empty)?,
            answer: plan.answer().clone(),
            answer_messages: plan.outputs().len(),
            request: lowered.key_request(params.degree()),
            crypto: match scheme {
                Scheme::Bfv => Crypto::Bfv(Bfv::new(&params)?),
                Scheme::Ckks => Crypto::Ckks(Ckks::new(&params)),
            },
            layout,
        };
        let work = Work::of(&lowered, &Sizes::from(&params));
        let precision = (scheme == Scheme::Ckks).then(|| Precision::of(network)).transpose()?;
        Ok(Self { spec, lowered, work, precision, choices })
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

    /// What the work of operations depends on.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes::from(self.spec.params())
    }

    /// The work of a query.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }

    /// How large errors of the logits may be; `None` if they are exact.
    #[must_use]
    pub const fn precision(&self) -> Option<Precision> {
        self.precision
    }

    /// What the server holds.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::of(&self.lowered, &self.sizes())
    }

    /// What the planner compared, the chosen plan first.
    #[must_use]
    pub fn choices(&self) -> &[planner::Choice] {
        &self.choices
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
        Server::new(&self.spec, &self.lowered)
    }
}
