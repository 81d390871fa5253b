//! Inputs from a data set: a folder of images, or a file of rows.

use std::path::{Path, PathBuf};

use tacit_model::{Dataset, Network, Rows, cifar, rows};

use crate::args::SplitName;
use crate::error::CliError;

/// Inputs that a network reads, with their labels where these are known.
#[derive(Debug)]
pub(crate) enum Examples {
    /// Images of bytes.
    Images(Dataset),
    /// The rows of a NumPy file or a table.
    Rows(Rows),
}

impl Examples {
    /// Opens a folder as features or images and a file as records of CIFAR-10 or rows, for a network. A NumPy file has its
    /// labels in a file of its own.
    pub(crate) fn open(
        source: &Path,
        split: SplitName,
        labels: Option<&PathBuf>,
        network: &Network,
    ) -> Result<Self, CliError> {
        let records = source.is_file() && cifar::is_records(source);
        if source.is_file() && !records {
            let rows = Rows::open(source, network.inputs(), network.labels())?;
            return Ok(Self::Rows(labels.map_or(Ok(rows.clone()), |labels| rows.with_labels(labels))?));
        }
        if let Some(rows) = Rows::open_folder(source, split.part(), network.inputs())? {
            return Ok(Self::Rows(rows));
        }
        let dataset = if records { cifar::open_file(source) } else { Dataset::open(source, split.part()) };
        let dataset = dataset.map_err(|error| error.or_none_of(&rows::file_names(split.part())))?;
        dataset.check_fits(network)?;
        Ok(Self::Images(dataset))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Images(dataset) => dataset.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// The integers that the network reads; none beyond the end.
    pub(crate) fn input(&self, network: &Network, index: usize) -> Result<Option<Vec<i64>>, CliError> {
        Ok(match self {
            Self::Images(dataset) => dataset.images().get(index).map(|pixels| network.quantise(pixels)).transpose()?,
            Self::Rows(rows) => {
                let reals = rows.get(index).map(|row| row.iter().map(|&value| value.into()).collect::<Vec<f64>>());
                reals.map(|reals| network.quantise_reals(&reals)).transpose()?
            }
        })
    }

    /// The label, if it is known.
    pub(crate) fn label(&self, index: usize) -> Option<usize> {
        match self {
            Self::Images(dataset) => dataset.labels().get(index).map(|&label| label.into()),
            Self::Rows(rows) => rows.labels()?.get(index).copied(),
        }
    }
}
