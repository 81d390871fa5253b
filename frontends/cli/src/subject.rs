//! What a command is about: a network, and the plan to evaluate it by.

use core::fmt;

use tacit_core::backend::Kernels;
use tacit_lola::{Deployment, Goal, Logits, Scheme};
use tacit_model::{Network, argmax};

use crate::args::{NetArgs, NetSource, PlanName, SchemeName};
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
    /// The scheme asked for.
    pub(crate) scheme: SchemeName,
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
        let one_message = matches!(args.net, NetSource::Named(named) if named.one_message);
        let usual = if one_message { PlanName::Upload } else { PlanName::Latency };
        let (plan, kernels) = (args.plan.unwrap_or(usual), args.backend.unwrap_or_default());
        Ok(Self { name, network, plan, scheme: args.scheme, kernels })
    }

    /// What the network reads of a picture of a digit.
    pub(crate) fn quantise(&self, pixels: &[u8]) -> Result<Vec<i64>, CliError> {
        let (network, expected, found) = (&self.name, self.network.inputs(), pixels.len());
        if expected != found {
            return Err(CliError::NoPictures { network: network.clone(), expected, found });
        }
        Ok(self.network.quantise(pixels)?)
    }

    /// Plans the encrypted evaluation.
    pub(crate) fn deploy(&self) -> Result<Deployment, CliError> {
        let scheme = match self.scheme {
            SchemeName::Bfv => Scheme::Bfv,
            SchemeName::Ckks => Scheme::Ckks,
            SchemeName::Clear => return Err(CliError::NotEncrypted),
        };
        Deployment::with_kernels(&self.network, self.plan.goal(), scheme, self.kernels)
            .map_err(|error| self.plan_error(error))
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
    pub(crate) fn label(&self, logits: &Logits) -> &str {
        self.label_of(logits.argmax())
    }

    /// The label of the largest logit in the clear.
    pub(crate) fn clear_label(&self, logits: &[i128]) -> &str {
        self.label_of(argmax(logits))
    }

    fn label_of(&self, class: Option<usize>) -> &str {
        class.and_then(|class| self.network.labels().get(class)).map_or("", String::as_str)
    }
}

impl PlanName {
    const fn goal(self) -> Goal {
        match self {
            Self::Paper => Goal::Paper,
            Self::Latency => Goal::Latency,
            Self::Upload => Goal::Upload,
            Self::Throughput => Goal::Throughput,
        }
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Latency => "latency",
            Self::Upload => "upload",
            Self::Throughput => "throughput",
        })
    }
}
