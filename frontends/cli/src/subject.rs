//! What a command is about: a network, and the plan to evaluate it by.

use core::fmt;

use tacit_core::backend::Kernels;
use tacit_lola::{Deployment, PlanKind};
use tacit_model::{Network, argmax};

use crate::args::{NetArgs, NetSource, PlanName};
use crate::error::CliError;

/// A network under the name by which it was asked for.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The name in reports.
    pub(crate) name: String,
    /// The network.
    pub(crate) network: Network,
    /// The plan asked for.
    pub(crate) plan: PlanName,
    /// The backend to compute with.
    kernels: Kernels,
}

impl Subject {
    /// Loads the network.
    pub(crate) fn load(args: &NetArgs) -> Result<Self, CliError> {
        let (name, network) = match &args.net {
            NetSource::Named(named) => (named.name.to_owned(), named.network()?),
            NetSource::File(file) if file.extension().is_some_and(|extension| extension == "onnx") => {
                return Err(CliError::NotImported { file: file.clone() });
            }
            NetSource::File(file) if !file.exists() => return Err(CliError::NoNetwork { file: file.clone() }),
            NetSource::File(file) => {
                let network = Network::open(file)?;
                (network.name().to_owned(), network)
            }
        };
        Ok(Self { name, network, plan: args.plan, kernels: args.backend.unwrap_or_default() })
    }

    /// Plans the encrypted evaluation.
    pub(crate) fn deploy(&self) -> Result<Deployment, CliError> {
        Deployment::with_kernels(&self.network, self.plan.kind(), self.kernels).map_err(|error| self.plan_error(error))
    }

    /// For `map_err`: what planning says of this network.
    pub(crate) fn plan_error(&self, error: tacit_lola::PlanError) -> CliError {
        CliError::Plan { network: self.name.clone(), error }
    }

    /// The largest logit that plaintexts have room for.
    pub(crate) fn bound(&self) -> Result<u128, CliError> {
        Ok(self.network.logit_bound()?)
    }

    /// The label of the largest logit.
    pub(crate) fn label(&self, logits: &[i128]) -> &str {
        argmax(logits).and_then(|class| self.network.labels().get(class)).map_or("", String::as_str)
    }
}

impl PlanName {
    const fn kind(self) -> PlanKind {
        match self {
            Self::Paper => PlanKind::Paper,
            Self::Latency => PlanKind::Latency,
        }
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Latency => "latency",
        })
    }
}
