//! The binary files of CIFAR-10: records of a label and the 3×32×32 bytes of an image, channel by channel.
//!
//! The layout is that of the page of the data set (Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*,
//! 2009): no header, 3,073 bytes per record, red before green before blue, row-major.

use alloc::vec::Vec;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::ModelError;
use crate::idx::{Dataset, Images, Split};
use crate::network::Shape;

/// The shape of an image: red, green and blue, rows, columns.
pub const SHAPE: Shape = [3, 32, 32];

/// The classes, in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The most bytes of a file: ten times the training images, which are often put into one file.
pub const MAX_BYTES: u64 = 10 * 50_000 * RECORD as u64;

const RECORD: usize = 1 + 3 * 32 * 32;

/// The names under which a folder holds a part of the data set. Of the test images the first name found is read, of the
/// training images every one.
pub const fn file_names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "train_exact_7728.bin",
        ],
        Split::Test => &["test_batch.bin", "test_batch_first1000.bin"],
    }
}

/// Reads one file of records.
///
/// # Errors
///
/// [`ModelError::File`], naming the file, around [`ModelError::Io`] or an error of [`read_records`].
pub fn open_file(file: impl AsRef<Path>) -> Result<Dataset, ModelError> {
    let file = file.as_ref();
    let open = File::open(file).map_err(ModelError::Io);
    open.and_then(|open| read_records(BufReader::new(open))).map_err(|error| error.in_file(file))
}

/// Reads the files of a split; `None` if the folder has none of them.
///
/// # Errors
///
/// Those of [`open_file`].
pub fn open_folder(folder: impl AsRef<Path>, split: Split) -> Result<Option<Dataset>, ModelError> {
    let present = file_names(split).iter().map(|name| folder.as_ref().join(name)).filter(|file| file.is_file());
    let files: Vec<PathBuf> = match split {
        Split::Train => present.collect(),
        Split::Test => present.take(1).collect(),
    };
    let mut parts = files.into_iter().map(open_file);
    let Some(first) = parts.next() else { return Ok(None) };
    parts.try_fold(first?, |whole, part| whole.joined(&part?)).map(Some)
}

/// Reads records to the end.
///
/// # Errors
///
/// [`ModelError::Truncated`] if the last record is not whole, or there is none; [`ModelError::ImageLabel`] for a label that
/// is no class; [`ModelError::FileTooLarge`] beyond [`MAX_BYTES`]; [`ModelError::Io`].
pub fn read_records(reader: impl Read) -> Result<Dataset, ModelError> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(ModelError::Io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ModelError::FileTooLarge { limit: MAX_BYTES });
    }
    let whole = bytes.len().next_multiple_of(RECORD).max(RECORD);
    if bytes.len() != whole {
        return Err(ModelError::Truncated { expected: whole as u64, found: bytes.len() as u64 });
    }
    let records = || bytes.chunks_exact(RECORD);
    let labels: Vec<u8> = records().map(|record| record[0]).collect();
    if let Some(image) = labels.iter().position(|&label| usize::from(label) >= CLASSES.len()) {
        return Err(ModelError::ImageLabel { image, label: labels[image], classes: CLASSES.len() });
    }
    let pixels = records().flat_map(|record| &record[1..]).copied().collect();
    Dataset::new(Images::new(SHAPE, pixels)?, labels)
}

/// Whether a file is one of records by its name.
pub fn is_records(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("bin"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// Records whose pixels count upwards from the label, modulo 256.
    fn records(labels: &[u8]) -> Vec<u8> {
        let record =
            |&label: &u8| core::iter::once(label).chain((0..3072_u32).map(move |i| (i + u32::from(label)) as u8));
        labels.iter().flat_map(record).collect()
    }

    #[test]
    fn records_are_images_channel_by_channel() {
        let dataset = read_records(records(&[9, 0]).as_slice()).unwrap();
        assert_eq!((dataset.len(), dataset.images().shape(), dataset.labels()), (2, [3, 32, 32], [9, 0].as_slice()));
        let (first, second) = (dataset.images().get(0).unwrap(), dataset.images().get(1).unwrap());
        assert_eq!((first.len(), first[0], first[1025], second[0], second[3071]), (3072, 9, 10, 0, 255));
        assert_eq!(dataset.images().get(2), None);
    }

    #[test]
    fn damaged_records_are_refused() {
        let refused = |bytes: &[u8]| read_records(bytes).unwrap_err();
        let whole = records(&[1, 2]);
        assert!(matches!(refused(&[]), ModelError::Truncated { expected: 3073, found: 0 }));
        assert!(matches!(refused(&whole[..3072]), ModelError::Truncated { expected: 3073, found: 3072 }));
        assert!(matches!(refused(&whole[..3074]), ModelError::Truncated { expected: 6146, found: 3074 }));
        assert!(matches!(refused(&records(&[3, 10])), ModelError::ImageLabel { image: 1, label: 10, classes: 10 }));
        assert!(matches!(refused(&[255; 3073]), ModelError::ImageLabel { image: 0, label: 255, classes: 10 }));
        assert!(matches!(read_records(std::io::repeat(0)), Err(ModelError::FileTooLarge { limit: MAX_BYTES })));
    }

    #[test]
    fn a_folder_holds_batches_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, labels: &[u8]| std::fs::write(folder.path().join(name), records(labels)).unwrap();
        assert!(open_folder(folder.path(), Split::Train).unwrap().is_none());
        let error = Dataset::open(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("data_batch_1.bin") && error.contains("train-images-idx3-ubyte"), "{error}");
        write("data_batch_2.bin", &[2, 3]);
        write("data_batch_1.bin", &[1]);
        write("test_batch_first1000.bin", &[4]);
        assert_eq!(Dataset::open(folder.path(), Split::Train).unwrap().labels(), [1, 2, 3]);
        assert_eq!(Dataset::open(folder.path(), Split::Test).unwrap().labels(), [4]);
        write("test_batch.bin", &[5, 6]);
        assert_eq!(Dataset::open(folder.path(), Split::Test).unwrap().labels(), [5, 6]);
        write("data_batch_2.bin", &[77]);
        let error = Dataset::open(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("data_batch_2.bin") && error.contains("label 77"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..7000)) {
            let _ = read_records(bytes.as_slice());
        }
    }
}
