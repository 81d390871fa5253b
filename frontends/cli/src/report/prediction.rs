//! What the cost model predicts for this machine.

use std::time::Instant;

use tacit_lola::Deployment;
use tacit_lola::cost::{Calibration, Work};
use tacit_lola::planner::Choice;

use crate::error::CliError;
use crate::random;

/// Predicted times of the server in milliseconds, on one thread.
#[derive(Clone, Debug)]
pub(crate) struct Prediction {
    calibration: Calibration,
    /// By the chosen parameters; other rings are a multiple away.
    relative: f64,
    /// A whole query.
    pub(crate) total: f64,
    /// Reading a query.
    pub(crate) reading: f64,
    /// Each stage.
    pub(crate) stages: Vec<f64>,
}

impl Prediction {
    /// Times the kernels that the deployment uses: about a tenth of a second.
    pub(crate) fn of(deployment: &Deployment) -> Result<Self, CliError> {
        let start = Instant::now();
        let calibration = Calibration::measure(deployment, &|| start.elapsed(), &mut random::generator()?)
            .map_err(CliError::run("calibration"))?;
        let (lowered, sizes) = (deployment.lowered(), deployment.sizes());
        let stage = |stage| rounded(calibration.milliseconds(&Work::of_stage(lowered, &sizes, stage)));
        Ok(Self {
            calibration,
            relative: sizes.relative(),
            total: rounded(calibration.milliseconds(&deployment.work())),
            reading: rounded(calibration.milliseconds(&Work::reading(lowered, &sizes))),
            stages: lowered.plan().stages().iter().map(stage).collect(),
        })
    }

    /// The time of another way of computing the network, by the calibration of the chosen one.
    pub(crate) fn of_choice(&self, choice: &Choice) -> f64 {
        rounded(self.calibration.milliseconds(&choice.work) * choice.relative / self.relative)
    }
}

/// To three digits after the point: microseconds, of milliseconds.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
