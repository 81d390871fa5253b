//! A grey picture and the steps that bring it to the form of MNIST.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use image::DynamicImage;

/// Row-major pixels; at least one row and one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Grey {
    /// The luma of a picture that lies on white paper.
    pub(super) fn over_white(picture: DynamicImage) -> Self {
        let picture = picture.into_rgba8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Self { width, height, pixels: picture.pixels().map(|pixel| luma_over_white(pixel.0)).collect() }
    }

    #[cfg(test)]
    pub(super) fn new(width: usize, pixels: Vec<u8>) -> Self {
        Self { width, height: pixels.len() / width, pixels }
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    pub(super) const fn height(&self) -> usize {
        self.height
    }

    pub(super) fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// The mean of the outermost rows and columns, rounded down.
    pub(super) fn border_mean(&self) -> u64 {
        let border = self.border();
        border.iter().map(|&pixel| u64::from(pixel)).sum::<u64>() / border.len().max(1) as u64
    }

    /// The median of the outermost rows and columns: unlike the mean, it does not see ink that touches the border.
    pub(super) fn border_median(&self) -> u8 {
        let mut border = self.border();
        let middle = border.len() / 2;
        *border.select_nth_unstable(middle).1
    }

    pub(super) fn invert(&mut self) {
        self.pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    }

    /// Maps `background..=max` linearly to `0..=255` and all below to 0; returns the contrast `max - background`.
    pub(super) fn stretch_from(&mut self, background: u8) -> u8 {
        let max = self.pixels.iter().copied().max().unwrap_or(0);
        let contrast = max.saturating_sub(background);
        for pixel in &mut self.pixels {
            let above = u32::from(pixel.saturating_sub(background));
            *pixel = divide_rounded((above * 255).into(), contrast.max(1).into());
        }
        contrast
    }

    /// The smallest part that holds all pixels above a quarter of 255; the whole picture if there is none.
    pub(super) fn crop_to_ink(&self) -> Self {
        let is_ink = |pixel: &u8| 4 * u32::from(*pixel) > 255;
        let rows = extent(self.height, |y| self.row(y).iter().any(is_ink));
        let columns = extent(self.width, |x| (0..self.height).any(|y| is_ink(&self.row(y)[x])));
        let pixels = rows.clone().flat_map(|y| &self.row(y)[columns.clone()]).copied().collect();
        Self { width: columns.len(), height: rows.len(), pixels }
    }

    /// Resamples so that the longer side has `side` pixels and the aspect is kept as far as whole pixels allow.
    ///
    /// Each new pixel is the mean of the area that it covers, with the exact share of the pixels at its edges.
    pub(super) fn fit(&self, side: usize) -> Self {
        let longer = self.width.max(self.height);
        let scaled = |length: usize| ((2 * length * side + longer) / (2 * longer)).max(1);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixels = pixels.map(|(x, y)| self.mean_of(x, width, y, height)).collect();
        Self { width, height, pixels }
    }

    /// The mean over column `x` of `width` and row `y` of `height` equal parts of this picture.
    fn mean_of(&self, x: usize, width: usize, y: usize, height: usize) -> u8 {
        let mut sum = 0;
        for (row, row_share) in shares(self.height, y, height) {
            let line = self.row(row);
            let line_sum: u64 =
                shares(self.width, x, width).map(|(column, share)| share * u64::from(line[column])).sum();
            sum += row_share * line_sum;
        }
        // The shares of a row add up to the picture's width, those of a column to its height.
        divide_rounded(sum, (self.width * self.height) as u64)
    }

    /// Places the picture in a black square of `side` pixels, no smaller than the picture, so that its centre of mass
    /// comes as near to the middle as the frame allows.
    pub(super) fn centre_in(&self, side: usize) -> Self {
        let column_mass = |x: usize| (0..self.height).map(|y| u64::from(self.row(y)[x])).sum();
        let row_mass = |y: usize| self.row(y).iter().map(|&pixel| u64::from(pixel)).sum();
        let left = offset((0..self.width).map(column_mass), self.width, side);
        let top = offset((0..self.height).map(row_mass), self.height, side);
        let mut pixels = vec![0; side * side];
        for y in 0..self.height {
            let start = (top + y) * side + left;
            pixels[start..start + self.width].copy_from_slice(self.row(y));
        }
        Self { width: side, height: side, pixels }
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    fn border(&self) -> Vec<u8> {
        let (right, bottom) = (self.width - 1, self.height - 1);
        let is_border = |x: usize, y: usize| x == 0 || y == 0 || x == right || y == bottom;
        let positions = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        positions.filter(|&(x, y)| is_border(x, y)).map(|(x, y)| self.row(y)[x]).collect()
    }
}

/// ITU-R BT.709 luma of a pixel over white.
fn luma_over_white([red, green, blue, alpha]: [u8; 4]) -> u8 {
    let alpha = u64::from(alpha);
    let over_white = |channel: u8| u64::from(channel) * alpha + 255 * (255 - alpha);
    let weighted = 2126 * over_white(red) + 7152 * over_white(green) + 722 * over_white(blue);
    divide_rounded(weighted, 10_000 * 255)
}

/// A quotient that is at most 255, rounded half up.
fn divide_rounded(numerator: u64, denominator: u64) -> u8 {
    ((numerator + denominator / 2) / denominator).min(255) as u8
}

/// From the first to the last index that holds; all indices if none does.
fn extent(length: usize, holds: impl Fn(usize) -> bool) -> Range<usize> {
    let first = (0..length).find(|&index| holds(index)).unwrap_or(0);
    let last = (0..length).rfind(|&index| holds(index)).unwrap_or(length - 1);
    first..last + 1
}

/// The old pixels under part `part` of `parts` equal parts of `length` pixels, and how much of each, in units of
/// `1 / parts` of a pixel.
fn shares(length: usize, part: usize, parts: usize) -> impl Iterator<Item = (usize, u64)> {
    let (start, end) = (part * length, (part + 1) * length);
    let pixels = start / parts..end.div_ceil(parts);
    pixels.map(move |pixel| {
        let overlap = end.min((pixel + 1) * parts) - start.max(pixel * parts);
        (pixel, overlap as u64)
    })
}

/// Where `length` pixels with these masses start in `side` pixels so that their centre of mass is next to the middle.
fn offset(masses: impl Iterator<Item = u64>, length: usize, side: usize) -> usize {
    let (mut mass, mut moment) = (0, 0);
    for (index, value) in masses.enumerate() {
        mass += value;
        // Twice the position of the pixel's middle, to stay with integers.
        moment += value * (2 * index as u64 + 1);
    }
    // start = side / 2 - moment / (2 * mass), rounded half up: (side * mass - moment + mass) / (2 * mass).
    let middle = (side as u64 + 1) * mass;
    let start = middle.saturating_sub(moment) / (2 * mass).max(1);
    (start as usize).min(side - length)
}
