//! From a picture of a handwritten digit to the 28×28 pixels that MNIST networks read.
//!
//! A PNG or JPEG of any size is brought to the form in which the MNIST images were made: light ink on a black ground,
//! 20 pixels along its longer side, its centre of mass in the middle. The steps are, in this order,
//!
//! 1. decode, turn as the camera says, lay transparent pixels over white, take the luma;
//! 2. if the border is light (its mean is above 127), invert;
//! 3. take the median of the border as background, subtract it, and stretch the rest to `0..=255`;
//! 4. crop to the pixels above a quarter of the maximum, average areas so that the longer side has 20 pixels, and
//!    stretch again, since averaging pales thin strokes;
//! 5. place the centre of mass as near to the centre as the frame allows.
//!
//! **A picture that already has 28×28 pixels and a dark border is kept as it is**: it is taken to be an MNIST image.

use alloc::vec::Vec;
use std::io::Cursor;

use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::error::ModelError;

mod grey;

use grey::Grey;

/// Rows and columns of the result.
pub const SIDE: usize = 28;

/// The most rows or columns that a picture may have.
pub const MAX_SIDE: u32 = 8192;

/// The most bytes that the decoder may take; turning and converting its result takes at most twice as much again.
pub const MAX_MEMORY: u64 = 256 << 20;

/// The longer side of the ink in the result.
const INK_SIDE: usize = 20;

/// Borders with a larger mean are light.
const LIGHT: u64 = 127;

/// Less contrast than this is paper, not ink.
const MIN_CONTRAST: u8 = 24;

/// Reads a PNG or JPEG picture of a digit as 28×28 pixels, row-major, 0 the background and 255 the strongest ink.
///
/// # Errors
///
/// [`ModelError::PictureFormat`] if the bytes are neither PNG nor JPEG; [`ModelError::PictureDecode`] if they are damaged or
/// the picture is beyond [`MAX_SIDE`] or [`MAX_MEMORY`]; [`ModelError::BlankPicture`] if it shows no ink.
pub fn read_picture(bytes: &[u8]) -> Result<Vec<u8>, ModelError> {
    let mut grey = Grey::over_white(decode(bytes)?);
    let light = grey.border_mean() > LIGHT;
    if (grey.width(), grey.height()) == (SIDE, SIDE) && !light {
        return Ok(grey.into_pixels());
    }
    if light {
        grey.invert();
    }
    let contrast = grey.stretch_from(grey.border_median());
    if contrast < MIN_CONTRAST {
        return Err(ModelError::BlankPicture { contrast, limit: MIN_CONTRAST });
    }
    let mut ink = grey.crop_to_ink().fit(INK_SIDE);
    ink.stretch_from(0);
    Ok(ink.centre_in(SIDE).into_pixels())
}

/// The decoder takes for granted that a palette is whole colours.
fn check_palette(bytes: &[u8]) -> Result<(), ModelError> {
    const SIGNATURE: usize = 8;
    let mut rest = bytes.get(SIGNATURE..).unwrap_or(&[]);
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let Some((kind, data)) = tail.split_first_chunk::<4>() else { break };
        let length = u32::from_be_bytes(*length) as usize;
        if kind == b"PLTE" && (length == 0 || !length.is_multiple_of(3)) {
            let hint = ImageFormatHint::Exact(ImageFormat::Png);
            let error =
                DecodingError::new(hint, format!("a palette of {length} bytes: expected three for each colour"));
            return Err(ModelError::PictureDecode(ImageError::Decoding(error)));
        }
        // A chunk ends with four bytes of checksum.
        rest = length.checked_add(4).and_then(|length| data.get(length..)).unwrap_or(&[]);
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, ModelError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(ModelError::Io)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(ModelError::PictureFormat);
    }
    if reader.format() == Some(ImageFormat::Png) {
        check_palette(bytes)?;
    }
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(ModelError::PictureDecode)?;
    // A camera's note on orientation is a courtesy: a damaged one is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // `from_decoder` knows no limits: the buffer that it takes is counted here.
    limits().reserve(decoder.total_bytes()).map_err(ModelError::PictureDecode)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(ModelError::PictureDecode)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    limits
}

#[cfg(test)]
mod tests;
