//! Real numbers row by row: NumPy files, and tables of comma-separated values.
//!
//! A row is one input of a network: the pixels of an image, the features of a patient. A table may carry the label of
//! each row as its last column.

use alloc::string::String;
use alloc::vec::Vec;
use std::path::Path;

use crate::error::ModelError;
use crate::format::read_bounded;
use crate::idx::{Dataset, Split};

mod npy;
mod table;

pub use npy::{Array, read_npy};

/// The largest file that is read: 1 GiB.
pub const MAX_FILE: u64 = 1 << 30;

/// Rows of equally many numbers, and perhaps a label for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    width: usize,
    values: Vec<f32>,
    labels: Option<Vec<usize>>,
}

impl Rows {
    /// Numbers as rows of `width`.
    ///
    /// # Errors
    ///
    /// [`ModelError::RowWidth`] if they do not make whole rows, or make none; [`ModelError::RowValue`] if one is not
    /// finite; [`ModelError::CountMismatch`] unless there is a label per row.
    pub fn new(width: usize, values: Vec<f32>, labels: Option<Vec<usize>>) -> Result<Self, ModelError> {
        if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(ModelError::RowWidth { found: values.len(), expected: width });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(ModelError::RowValue { row: index / width, column: index % width });
        }
        let rows = values.len() / width;
        match &labels {
            Some(labels) if labels.len() != rows => {
                Err(ModelError::CountMismatch { images: rows, labels: labels.len() })
            }
            _ => Ok(Self { width, values, labels }),
        }
    }

    /// Reads a file whose name ends in `.npy` as a NumPy array, and any other as a table ([`Self::from_csv`]) whose labels
    /// are among `names`.
    ///
    /// # Errors
    ///
    /// [`ModelError::File`], naming the file, around [`ModelError::Io`], [`ModelError::FileTooLarge`], or an error of
    /// [`read_npy`], [`Self::new`] or [`Self::from_csv`].
    pub fn open(file: impl AsRef<Path>, width: usize, names: &[String]) -> Result<Self, ModelError> {
        let file = file.as_ref();
        let rows = read_bounded(file, MAX_FILE).and_then(|bytes| {
            if is_npy(file) {
                Self::new(width, read_npy(&bytes)?.values, None)
            } else {
                Self::from_csv(&bytes, width, names)
            }
        });
        rows.map_err(|error| error.in_file(file))
    }

    /// Reads a split of a data set of features from `folder`: the NumPy files [`file_names`], rows and their labels. `None`
    /// if the folder has no such rows.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`] and [`Self::with_labels`].
    pub fn open_folder(folder: impl AsRef<Path>, split: Split, width: usize) -> Result<Option<Self>, ModelError> {
        let folder = folder.as_ref();
        let [names @ .., labels] = file_names(split);
        let Some(file) = names.iter().map(|name| folder.join(name)).find(|file| file.is_file()) else {
            return Ok(None);
        };
        Self::open(file, width, &[])?.with_labels(folder.join(labels)).map(Some)
    }

    /// Reads a table of `width` columns, or one more: then the last is the label, a name among `names` or the number of
    /// a class. A first row without any number is a header, and skipped.
    ///
    /// # Errors
    ///
    /// [`ModelError::TableSize`], [`ModelError::TableNumber`], [`ModelError::TableLabel`], and the errors of [`Self::new`].
    pub fn from_csv(bytes: &[u8], width: usize, names: &[String]) -> Result<Self, ModelError> {
        table::read(bytes, width, names)
    }

    /// The images of a data set: each pixel times `scale`.
    pub fn from_dataset(dataset: &Dataset, scale: f32) -> Self {
        let width = dataset.images().shape().iter().product();
        let values =
            dataset.iter().flat_map(|(pixels, _)| pixels.iter().map(|&pixel| f32::from(pixel) * scale)).collect();
        Self { width, values, labels: Some(dataset.labels().iter().map(|&label| label.into()).collect()) }
    }

    /// The same rows with the labels of a NumPy file of integers.
    ///
    /// # Errors
    ///
    /// [`ModelError::File`] around the errors of reading, and [`ModelError::RowValue`] for what is no class;
    /// [`ModelError::CountMismatch`].
    pub fn with_labels(self, file: impl AsRef<Path>) -> Result<Self, ModelError> {
        let file = file.as_ref();
        let array =
            read_bounded(file, MAX_FILE).and_then(|bytes| read_npy(&bytes)).map_err(|error| error.in_file(file))?;
        let class = |(row, &value): (usize, &f32)| {
            let is_class = value >= 0.0 && value < (1 << 24) as f32 && value.fract() == 0.0;
            if is_class { Ok(value as usize) } else { Err(ModelError::RowValue { row, column: 0 }.in_file(file)) }
        };
        let labels = array.values.iter().enumerate().map(class).collect::<Result<_, _>>()?;
        Self::new(self.width, self.values, Some(labels))
    }

    /// The first `count` rows, or all if they are fewer.
    #[must_use]
    pub fn truncated(mut self, count: usize) -> Self {
        let count = count.max(1).min(self.len());
        self.values.truncate(count * self.width);
        if let Some(labels) = &mut self.labels {
            labels.truncate(count);
        }
        self
    }

    /// How many rows there are; at least one.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Never: there is at least one row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers per row.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// A row.
    pub fn get(&self, index: usize) -> Option<&[f32]> {
        self.iter().nth(index)
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The class of each row, if it is known.
    pub fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }
}

/// The names under which a folder holds features: those of the rows, of which the first found is read, and of their labels.
pub const fn file_names(split: Split) -> [&'static str; 4] {
    match split {
        Split::Train => [
            "features_train.npy",
            "mobilenetv2_feat1280_train.npy",
            "mobilenetv2_feat1280_train.f16.npy",
            "labels_train.npy",
        ],
        Split::Test => [
            "features_test.npy",
            "mobilenetv2_feat1280_test.npy",
            "mobilenetv2_feat1280_test.f16.npy",
            "labels_test.npy",
        ],
    }
}

/// Whether a file is a NumPy file by its name.
pub fn is_npy(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A NumPy file of one type.
    fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn a_folder_holds_features_and_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Rows::open_folder(folder.path(), Split::Test, 2);
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        assert_eq!(open().unwrap(), None);
        // 1, 2, -2, 0.5 as half-precision floats.
        let halves: Vec<u8> = [0x3c00_u16, 0x4000, 0xc000, 0x3800].iter().flat_map(|half| half.to_le_bytes()).collect();
        write("mobilenetv2_feat1280_test.f16.npy", &npy("<f2", "(2, 2)", &halves));
        assert!(open().unwrap_err().to_string().contains("labels_test.npy"));
        write("labels_test.npy", &npy("|u1", "(2,)", &[7, 0]));
        let rows = open().unwrap().unwrap();
        assert_eq!((rows.values(), rows.labels()), ([1.0, 2.0, -2.0, 0.5].as_slice(), Some([7, 0].as_slice())));
        write("labels_test.npy", &npy("|u1", "(3,)", &[7, 0, 1]));
        assert!(matches!(open(), Err(ModelError::CountMismatch { images: 2, labels: 3 })));
        write("mobilenetv2_feat1280_test.f16.npy", &npy("<f2", "(2, 2)", &halves[..7]));
        assert!(open().unwrap_err().to_string().contains("truncated"));
    }

    #[test]
    fn rows_are_whole_and_finite() {
        let rows = Rows::new(2, vec![1.0, 2.0, 3.0, 4.0], Some(vec![0, 1])).unwrap();
        assert_eq!((rows.len(), rows.width(), rows.get(1), rows.get(2)), (2, 2, Some([3.0, 4.0].as_slice()), None));
        assert_eq!(rows.truncated(1).labels(), Some([0].as_slice()));
        assert!(matches!(Rows::new(2, vec![1.0; 3], None), Err(ModelError::RowWidth { found: 3, expected: 2 })));
        assert!(matches!(Rows::new(0, vec![1.0; 3], None), Err(ModelError::RowWidth { .. })));
        assert!(matches!(Rows::new(1, vec![], None), Err(ModelError::RowWidth { .. })));
        let infinite = Rows::new(2, vec![1.0, 2.0, 3.0, f32::INFINITY], None);
        assert!(matches!(infinite, Err(ModelError::RowValue { row: 1, column: 1 })));
        assert!(matches!(Rows::new(1, vec![1.0], Some(vec![])), Err(ModelError::CountMismatch { .. })));
    }
}
