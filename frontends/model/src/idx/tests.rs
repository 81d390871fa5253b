#![allow(clippy::unwrap_used, reason = "tests")]

use core::time::Duration;
use std::io::Write;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::samples::tiny;

/// An IDX file with these words as its header.
fn idx(header: &[u32], body: &[u8]) -> Vec<u8> {
    header.iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect()
}

/// Two images of 2×3 pixels.
fn two_images() -> Vec<u8> {
    idx(&[2051, 2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn reads_images_and_labels_plain_or_compressed() {
    for bytes in [two_images(), gzip(&two_images())] {
        let images = Images::read(bytes.as_slice()).unwrap();
        assert_eq!((images.len(), images.shape()), (2, [1, 2, 3]));
        assert_eq!(images.get(1), Some([7, 8, 9, 10, 11, 12].as_slice()));
        assert_eq!(images.get(2), None);
    }
    let labels = idx(&[2049, 3], &[4, 0, 9]);
    assert_eq!(read_labels(labels.as_slice()).unwrap(), [4, 0, 9]);
    assert_eq!(read_labels(gzip(&labels).as_slice()).unwrap(), [4, 0, 9]);
    assert!(Images::read(idx(&[2051, 0, 28, 28], &[]).as_slice()).unwrap().is_empty());
}

#[test]
fn magic_numbers_are_told_apart() {
    let error = Images::read(idx(&[2049, 1], &[7]).as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "not an IDX file of images: magic number 2049, expected 2051");
    assert!(matches!(read_labels(two_images().as_slice()), Err(ModelError::Magic { found: 2051, expected: 2049, .. })));
}

#[test]
fn truncation_is_measured() {
    let bytes = two_images();
    for length in 0..bytes.len() {
        let error = Images::read(&bytes[..length]).unwrap_err();
        let expected = if length < 16 { 16 } else { 28 };
        let found = length as u64;
        assert!(
            matches!(error, ModelError::Truncated { expected: e, found: f } if (e, f) == (expected, found)),
            "{error}"
        );
    }
}

#[test]
fn broken_gzip_is_refused_at_every_length() {
    let packed = gzip(&two_images());
    // The shortest remains are not known as gzip; the longest lack only the checksum.
    for length in 0..packed.len() {
        let error = Images::read(&packed[..length]).unwrap_err();
        assert!(matches!(error, ModelError::Truncated { .. } | ModelError::Io(_)), "{length}: {error}");
    }
    let breaks_off = Images::read(&packed[..packed.len() / 2]).unwrap_err();
    assert!(matches!(breaks_off, ModelError::Truncated { .. }), "{breaks_off}");
    let mut damaged = packed;
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    assert!(matches!(Images::read(damaged.as_slice()), Err(ModelError::Io(_))));
}

#[test]
fn trailing_bytes_are_refused() {
    let longer = [two_images().as_slice(), &[0]].concat();
    for bytes in [longer.clone(), gzip(&longer)] {
        assert!(matches!(Images::read(bytes.as_slice()), Err(ModelError::TrailingBytes { expected: 28 })));
    }
    let after_gzip = [gzip(&two_images()).as_slice(), b"junk"].concat();
    assert!(Images::read(after_gzip.as_slice()).is_err());
}

#[test]
fn sizes_are_bounded_before_memory_is_taken() {
    for sizes in [[u32::MAX; 3], [1 << 30, 2, 1], [0, u32::MAX, u32::MAX]] {
        let bytes = idx(&[2051, sizes[0], sizes[1], sizes[2]], &[0; 8]);
        let error = Images::read(bytes.as_slice()).unwrap_err();
        assert!(
            matches!(error, ModelError::FileTooLarge { limit: MAX_BYTES } | ModelError::TrailingBytes { .. }),
            "{error}"
        );
    }
    let promised = idx(&[2051, 1 << 20, 32, 32], &[0; 8]);
    assert!(matches!(Images::read(promised.as_slice()), Err(ModelError::Truncated { found: 24, .. })));
    assert!(matches!(Images::read(idx(&[2051, 1, 0, 28], &[]).as_slice()), Err(ModelError::EmptyShape { .. })));
}

#[test]
fn a_decompression_bomb_is_left_after_the_announced_size() {
    let bomb = gzip(&idx(&[2049, 10], &vec![0; 1 << 26]));
    let start = Instant::now();
    assert!(matches!(read_labels(bomb.as_slice()), Err(ModelError::TrailingBytes { expected: 18 })));
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[test]
fn opens_a_folder_by_the_usual_names() {
    let folder = tempfile::tempdir().unwrap();
    let error = Dataset::open(folder.path(), Split::Test).unwrap_err();
    assert!(error.to_string().contains("t10k-images.idx3-ubyte.gz"), "{error}");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("t10k-images.idx3-ubyte", &two_images());
    write("t10k-labels-idx1-ubyte.gz", &gzip(&idx(&[2049, 2], &[5, 6])));
    let dataset = Dataset::open(folder.path(), Split::Test).unwrap();
    let items: Vec<_> = dataset.iter().collect();
    assert_eq!(items, [([1, 2, 3, 4, 5, 6].as_slice(), 5), ([7, 8, 9, 10, 11, 12].as_slice(), 6)]);
    assert!(matches!(Dataset::open(folder.path(), Split::Train), Err(ModelError::DataNotFound { .. })));
    write("t10k-labels-idx1-ubyte.gz", &idx(&[2049, 1], &[5]));
    let error = Dataset::open(folder.path(), Split::Test).unwrap_err();
    assert!(matches!(error, ModelError::CountMismatch { images: 2, labels: 1 }));
    write("t10k-labels-idx1-ubyte.gz", &idx(&[2050, 1], &[5]));
    let error = Dataset::open(folder.path(), Split::Test).unwrap_err();
    assert!(error.to_string().contains("t10k-labels-idx1-ubyte.gz: not an IDX file of labels"), "{error}");
}

#[test]
fn images_must_fit_the_network() {
    let dataset = Dataset::new(Images::read(two_images().as_slice()).unwrap(), vec![0, 1]).unwrap();
    let error = dataset.check_fits(&tiny()).unwrap_err();
    assert!(matches!(error, ModelError::ImageSize { expected: [1, 4, 4], found: [1, 2, 3] }));
    let images = Images::read(idx(&[2051, 1, 4, 4], &[0; 16]).as_slice()).unwrap();
    assert!(Dataset::new(images, vec![0]).unwrap().check_fits(&tiny()).is_ok());
}

proptest! {
    #[test]
    fn a_changed_byte_never_panics(index in 0..28_usize, value: u8) {
        let mut bytes = two_images();
        bytes[index] = value;
        let read = Images::read(bytes.as_slice());
        prop_assert!(index < 16 || read.is_ok());
    }

    #[test]
    fn a_changed_compressed_byte_never_panics(index in 0..40_usize, value: u8) {
        let mut bytes = gzip(&two_images());
        let last = bytes.len() - 1;
        bytes[index.min(last)] = value;
        let _ = Images::read(bytes.as_slice());
    }
}
