//! Data sets of images: the IDX format of MNIST, a big-endian header, then the bytes of all images or labels.
//!
//! A folder may hold the records of CIFAR-10 instead; [`cifar`] reads them.
//!
//! Files may be plain or compressed with gzip; the content decides, not the name. A file is read to the size that its
//! header announces, within [`MAX_BYTES`], and not a byte further: a small file cannot ask for much memory unless it
//! also delivers the bytes.

use alloc::string::String;
use alloc::vec::Vec;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::cifar;
use crate::error::ModelError;
use crate::network::{Network, Shape, values};

/// The most bytes that a file may hold after its header and after decompression: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;

const IMAGES: u32 = 2051;
const LABELS: u32 = 2049;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The images that a network learns from.
    Train,
    /// The images that it is judged by.
    Test,
}

/// Images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// No side is 0.
    shape: Shape,
    pixels: Vec<u8>,
}

/// Images and the label of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    images: Images,
    labels: Vec<u8>,
}

impl Dataset {
    /// Reads a split of a data set from `folder`, under the names that MNIST and its relatives are stored by:
    /// `t10k-images-idx3-ubyte` or `t10k-images.idx3-ubyte`, and so on, each with or without `.gz`; or under those of
    /// CIFAR-10, [`cifar::file_names`].
    ///
    /// # Errors
    ///
    /// [`ModelError::DataNotFound`] if there is no such file; [`ModelError::CountMismatch`]; and, within
    /// [`ModelError::File`], [`ModelError::Io`] or an error of [`Images::read`], [`read_labels`] or
    /// [`cifar::read_records`].
    pub fn open(folder: impl AsRef<Path>, split: Split) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        if let Some(dataset) = cifar::open_folder(folder, split)? {
            return Ok(dataset);
        }
        let prefix = match split {
            Split::Train => "train",
            Split::Test => "t10k",
        };
        let images = find(folder, prefix, "images", 3).map_err(|error| error.or_none_of(cifar::file_names(split)))?;
        let images = read_file(&images, Images::read)?;
        let labels = read_file(&find(folder, prefix, "labels", 1)?, read_labels)?;
        Self::new(images, labels)
    }

    /// Puts images and labels together.
    ///
    /// # Errors
    ///
    /// [`ModelError::CountMismatch`] unless there is a label per image.
    pub fn new(images: Images, labels: Vec<u8>) -> Result<Self, ModelError> {
        if images.len() != labels.len() {
            return Err(ModelError::CountMismatch { images: images.len(), labels: labels.len() });
        }
        Ok(Self { images, labels })
    }

    /// These images, then those of `other`.
    ///
    /// # Errors
    ///
    /// [`ModelError::ImageSize`] unless they have one shape.
    pub fn joined(mut self, other: &Self) -> Result<Self, ModelError> {
        let (expected, found) = (self.images.shape, other.images.shape);
        if expected != found {
            return Err(ModelError::ImageSize { expected, found });
        }
        self.images.pixels.extend_from_slice(&other.images.pixels);
        self.labels.extend_from_slice(&other.labels);
        Ok(self)
    }

    /// Checks that the images have the size of the network's input.
    ///
    /// # Errors
    ///
    /// [`ModelError::ImageSize`] if they have not.
    pub fn check_fits(&self, network: &Network) -> Result<(), ModelError> {
        let (expected, found) = (network.input().shape, self.images.shape());
        if expected != found {
            return Err(ModelError::ImageSize { expected, found });
        }
        Ok(())
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images.
    pub const fn images(&self) -> &Images {
        &self.images
    }

    /// The label of each image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Each image's pixels, in the order of its shape, and its label.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u8)> {
        self.images.iter().zip(self.labels.iter().copied())
    }
}

impl Images {
    /// Reads an IDX file of images (magic number 2051), plain or gzip.
    ///
    /// # Errors
    ///
    /// [`ModelError::Magic`]; [`ModelError::EmptyShape`] if the images have no pixels; [`ModelError::FileTooLarge`] if the
    /// header announces more than [`MAX_BYTES`]; [`ModelError::Truncated`]; [`ModelError::TrailingBytes`];
    /// [`ModelError::Io`], also for damaged gzip data.
    pub fn read(reader: impl BufRead) -> Result<Self, ModelError> {
        let ([count, rows, columns], reader) = read_header(reader, "images", IMAGES)?;
        if rows == 0 || columns == 0 {
            let shape = [1, rows as usize, columns as usize];
            return Err(ModelError::EmptyShape { what: "an image of the file".into(), shape });
        }
        let pixels = read_body(reader, 16, &[count, rows, columns])?;
        Ok(Self { shape: [1, rows as usize, columns as usize], pixels })
    }

    /// Images whose pixels, in the order of `shape`, follow each other.
    ///
    /// # Errors
    ///
    /// [`ModelError::EmptyShape`] if an image has no pixels; [`ModelError::RowWidth`] if they do not make whole images.
    pub fn new(shape: Shape, pixels: Vec<u8>) -> Result<Self, ModelError> {
        let width = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)).unwrap_or(usize::MAX);
        if width == 0 {
            return Err(ModelError::EmptyShape { what: "an image".into(), shape });
        }
        if !pixels.len().is_multiple_of(width) {
            return Err(ModelError::RowWidth { found: pixels.len(), expected: width });
        }
        Ok(Self { shape, pixels })
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / values(self.shape)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The shape of each image: channels (one, if it is grey), rows, columns.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The pixels of an image, in the order of its shape; `None` beyond the last.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.iter().nth(index)
    }

    /// The pixels of each image, in the order of its shape.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.pixels.chunks_exact(values(self.shape))
    }
}

/// Reads an IDX file of labels (magic number 2049), plain or gzip.
///
/// # Errors
///
/// Those of [`Images::read`].
pub fn read_labels(reader: impl BufRead) -> Result<Vec<u8>, ModelError> {
    let ([count], reader) = read_header(reader, "labels", LABELS)?;
    read_body(reader, 8, &[count])
}

fn find(folder: &Path, prefix: &str, kind: &str, dimensions: u8) -> Result<PathBuf, ModelError> {
    let plain = ["-", "."].map(|joint| alloc::format!("{prefix}-{kind}{joint}idx{dimensions}-ubyte"));
    let names: Vec<String> = plain.iter().flat_map(|name| [name.clone(), alloc::format!("{name}.gz")]).collect();
    let found = names.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| ModelError::DataNotFound { folder: folder.into(), names })
}

fn read_file<T>(file: &Path, read: impl FnOnce(BufReader<File>) -> Result<T, ModelError>) -> Result<T, ModelError> {
    let open = File::open(file).map_err(ModelError::Io);
    open.and_then(|open| read(BufReader::new(open))).map_err(|error| error.in_file(file))
}

/// The sizes after the magic number, and the reader, decompressed if need be, of what follows.
fn read_header<const N: usize>(
    mut reader: impl BufRead,
    what: &'static str,
    expected: u32,
) -> Result<([u32; N], impl Read), ModelError> {
    let compressed = reader.fill_buf().map_err(ModelError::Io)?.starts_with(&GZIP);
    let mut reader = Content::new(reader, compressed);
    let header = read_up_to(&mut reader, 4 * (N as u64 + 1), 0)?;
    let mut words = header.as_chunks().0.iter().map(|&bytes| u32::from_be_bytes(bytes));
    // A file that is too short for a magic number is told apart from one with a wrong one.
    if let Some(found) = words.next()
        && found != expected
    {
        return Err(ModelError::Magic { what, found, expected });
    }
    let mut sizes = [0; N];
    for size in &mut sizes {
        let truncated = ModelError::Truncated { expected: 4 * (N as u64 + 1), found: header.len() as u64 };
        *size = words.next().ok_or(truncated)?;
    }
    Ok((sizes, reader))
}

/// All bytes after a header of `header` bytes; they must be as many as the product of `sizes`.
fn read_body(mut reader: impl Read, header: u64, sizes: &[u32]) -> Result<Vec<u8>, ModelError> {
    let length = sizes.iter().try_fold(1_u64, |product, &size| product.checked_mul(size.into()));
    let length = length.filter(|&length| length <= MAX_BYTES);
    let length = length.ok_or(ModelError::FileTooLarge { limit: MAX_BYTES })?;
    let body = read_up_to(&mut reader, length, 1)?;
    let found = body.len() as u64;
    if found < length {
        return Err(ModelError::Truncated { expected: header + length, found: header + found });
    }
    if found > length {
        return Err(ModelError::TrailingBytes { expected: header + length });
    }
    Ok(body)
}

/// The next `length` bytes and up to `beyond` more, or fewer if the content ends before.
///
/// A gzip file that breaks off before `length` ends its content, and the caller can say how much is missing. If it
/// breaks off later it lacks its checksum, or something that is not gzip follows.
fn read_up_to(reader: &mut impl Read, length: u64, beyond: u64) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    let result = reader.by_ref().take(length + beyond).read_to_end(&mut bytes);
    let breaks_off = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof && (bytes.len() as u64) < length;
    match result {
        Err(error) if !breaks_off(&error) => Err(ModelError::Io(error)),
        _ => Ok(bytes),
    }
}

/// The content of a file, with or without compression.
enum Content<R> {
    Plain(R),
    Gzip(MultiGzDecoder<R>),
}

impl<R: BufRead> Content<R> {
    fn new(reader: R, compressed: bool) -> Self {
        if compressed { Self::Gzip(MultiGzDecoder::new(reader)) } else { Self::Plain(reader) }
    }
}

impl<R: BufRead> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
