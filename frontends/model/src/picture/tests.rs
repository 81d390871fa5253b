#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use core::ops::Range;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, GrayImage, ImageEncoder, Luma, Rgba, RgbaImage};
use proptest::prelude::*;

use super::*;

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    encode(picture, ImageFormat::Png)
}

/// A grey picture of `paper` with a rectangle of `ink` in columns `x..x + w` and rows `y..y + h`.
fn rectangle(size: [u32; 2], [x, y, w, h]: [u32; 4], paper: u8, ink: u8) -> GrayImage {
    let inside = |column, row| (x..x + w).contains(&column) && (y..y + h).contains(&row);
    GrayImage::from_fn(size[0], size[1], |column, row| Luma([if inside(column, row) { ink } else { paper }]))
}

/// 28×28 pixels, 255 in the given columns and rows.
fn expected(columns: Range<usize>, rows: Range<usize>) -> Vec<u8> {
    let inside = |index: usize| columns.contains(&(index % SIDE)) && rows.contains(&(index / SIDE));
    (0..SIDE * SIDE).map(|index| if inside(index) { 255 } else { 0 }).collect()
}

#[test]
fn a_rectangle_fills_twenty_pixels_at_the_centre() {
    let dark_on_light = rectangle([200, 100], [100, 20, 40, 20], 250, 10);
    let wide = read_picture(&png(dark_on_light)).unwrap();
    assert_eq!(wide, expected(4..24, 9..19));
    let light_on_dark = rectangle([60, 90], [3, 40, 10, 40], 5, 90);
    assert_eq!(read_picture(&png(light_on_dark)).unwrap(), expected(12..17, 4..24));
    let enlarged = rectangle([9, 9], [2, 2, 4, 4], 255, 0);
    assert_eq!(read_picture(&png(enlarged)).unwrap(), expected(4..24, 4..24));
}

#[test]
fn transparency_is_paper() {
    let ink = |column, row| (30..50).contains(&column) && (10..50).contains(&row);
    let clear = RgbaImage::from_fn(80, 60, |x, y| Rgba(if ink(x, y) { [0, 0, 200, 255] } else { [0, 0, 0, 0] }));
    assert_eq!(read_picture(&png(clear)).unwrap(), expected(9..19, 4..24));
}

#[test]
fn jpeg_is_read_like_png() {
    let bytes = encode(rectangle([160, 160], [40, 40, 80, 80], 255, 0), ImageFormat::Jpeg);
    let pixels = read_picture(&bytes).unwrap();
    let differs = pixels.iter().zip(expected(4..24, 4..24)).filter(|(found, expected)| found.abs_diff(*expected) > 48);
    assert_eq!(differs.count(), 0);
}

#[test]
fn a_dark_picture_of_the_right_size_is_kept() {
    let mnist = GrayImage::from_fn(28, 28, |x, y| Luma([if x.min(y) > 3 { (x * y % 256) as u8 } else { 0 }]));
    assert_eq!(read_picture(&png(mnist.clone())).unwrap(), mnist.into_raw());
    let light = rectangle([28, 28], [5, 5, 10, 10], 255, 0);
    assert_eq!(read_picture(&png(light)).unwrap(), expected(4..24, 4..24));
}

#[test]
fn the_camera_orientation_is_followed() {
    // TIFF, little-endian, one entry: tag 0x0112 (orientation), type 3 (short), one value: 6 (turn right by 90°).
    let exif = [&b"II*\0\x08\0\0\0\x01\0"[..], &[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0], &[0; 4]].concat();
    let picture = rectangle([100, 100], [20, 40, 60, 30], 255, 0);
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&picture, 100, 100, ExtendedColorType::L8).unwrap();
    assert_eq!(read_picture(&bytes).unwrap(), expected(9..19, 4..24));
}

#[test]
fn blank_pictures_are_refused() {
    for (paper, ink) in [(255, 255), (0, 0), (200, 190), (128, 128)] {
        let error = read_picture(&png(rectangle([50, 50], [10, 10, 20, 20], paper, ink))).unwrap_err();
        assert!(matches!(error, ModelError::BlankPicture { limit: MIN_CONTRAST, .. }), "{paper} {ink}: {error}");
    }
    let pixel = read_picture(&png(GrayImage::new(1, 1)));
    assert!(matches!(pixel, Err(ModelError::BlankPicture { contrast: 0, .. })));
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"P", b"not a picture", b"GIF89a\x01\0\x01\0", b"BM\0\0\0\0\0\0"] {
        assert!(matches!(read_picture(bytes), Err(ModelError::PictureFormat)), "{bytes:?}");
    }
}

#[test]
fn large_pictures_are_refused() {
    let error = read_picture(&png(GrayImage::new(MAX_SIDE + 1, 1))).unwrap_err();
    assert!(matches!(error, ModelError::PictureDecode(ImageError::Limits(_))), "{error}");
    // A header that announces 8192×8192 pixels of 8 bytes each, 512 MiB, and nothing behind it.
    let mut bytes = png(DynamicImage::new_rgba16(1, 1));
    for side in [16, 20] {
        bytes[side..side + 4].copy_from_slice(&MAX_SIDE.to_be_bytes());
    }
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let error = read_picture(&bytes).unwrap_err();
    assert!(matches!(error, ModelError::PictureDecode(ImageError::Limits(_))), "{error}");
}

#[test]
fn damaged_pictures_never_panic() {
    let picture = rectangle([20, 20], [4, 4, 9, 9], 255, 0);
    for bytes in [png(picture.clone()), encode(picture, ImageFormat::Jpeg)] {
        for length in 0..bytes.len() {
            let _ = read_picture(&bytes[..length]);
        }
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 0x55;
            let _ = read_picture(&changed);
        }
    }
}

#[test]
fn areas_are_averaged_exactly() {
    assert_eq!(Grey::new(2, vec![0, 255, 255, 0]).fit(1).into_pixels(), [128]);
    // Three pixels into two: each takes one whole pixel and half of the middle one.
    assert_eq!(Grey::new(3, vec![90, 30, 0]).fit(2), Grey::new(2, vec![70, 10]));
    assert_eq!(Grey::new(2, vec![7, 9]).fit(4), Grey::new(4, vec![7, 7, 9, 9, 7, 7, 9, 9]));
    assert_eq!(Grey::new(1, vec![50; 100]).fit(20), Grey::new(1, vec![50; 20]));
}

#[test]
fn the_centre_of_mass_stays_within_the_frame() {
    // All the mass in the last of five columns: the picture moves left as far as the frame allows.
    let grey = Grey::new(5, vec![0, 0, 0, 0, 9]).centre_in(6);
    assert_eq!(grey.into_pixels().iter().position(|&pixel| pixel == 9), Some(3 * 6 + 4));
    let even = Grey::new(2, vec![9, 9]).centre_in(6);
    assert_eq!(even.into_pixels().iter().position(|&pixel| pixel == 9), Some(3 * 6 + 2));
}

proptest! {
    #[test]
    fn averages_stay_within_the_pixels(width in 1..9_usize, height in 1..9_usize, side in 1..30_usize, seed in any::<[u8; 64]>()) {
        let pixels = seed[..width * height].to_vec();
        let (low, high) = (*pixels.iter().min().unwrap(), *pixels.iter().max().unwrap());
        let fitted = Grey::new(width, pixels).fit(side);
        prop_assert_eq!(fitted.width().max(fitted.height()), side);
        prop_assert!(fitted.into_pixels().iter().all(|pixel| (low..=high).contains(pixel)));
    }

    #[test]
    fn every_picture_gives_pixels_or_an_error(width in 1..40_u32, height in 1..40_u32, seed in any::<[u8; 32]>()) {
        let picture = GrayImage::from_fn(width, height, |x, y| Luma([seed[((x * 7 + y * 13) % 32) as usize]]));
        if let Ok(pixels) = read_picture(&png(picture)) {
            prop_assert_eq!(pixels.len(), SIDE * SIDE);
        }
    }
}

#[test]
fn palettes_of_broken_colours_are_refused() {
    let chunk = |kind: &[u8; 4], data: &[u8]| [&(data.len() as u32).to_be_bytes()[..], kind, data, &[0; 4]].concat();
    let header = chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0]);
    for colours in [0usize, 1, 49] {
        let bytes = [&b"\x89PNG\r\n\x1a\n"[..], &header, &chunk(b"PLTE", &vec![7; colours])].concat();
        let error = read_picture(&bytes).unwrap_err();
        assert!(matches!(error, ModelError::PictureDecode(_)) && error.to_string().contains("palette"), "{error}");
    }
}
