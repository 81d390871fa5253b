//! A grey picture in a terminal: two pixels to a character.

use core::fmt::Write;

/// The greys of the 256-colour palette: 232 the darkest, 255 the lightest.
const DARKEST: u8 = 232;
const GREYS: u16 = 24;

/// Characters by how much ink they have.
const RAMP: &[u8; 10] = b" .:-=+*#%@";

/// The rows of a drawing, light ink on dark ground.
///
/// In colour the upper half of a character is one pixel and its background the pixel below; otherwise a character
/// stands for the mean of both.
pub(crate) fn draw(pixels: &[u8], columns: usize, colour: bool) -> Vec<String> {
    let rows: Vec<&[u8]> = pixels.chunks(columns.max(1)).collect();
    let pairs = rows.chunks(2).map(|pair| {
        let lower = pair.get(1).copied().unwrap_or(&[]);
        let lower = lower.iter().copied().chain(core::iter::repeat(0));
        pair[0].iter().copied().zip(lower)
    });
    pairs.map(|pair| if colour { half_blocks(pair) } else { ramp(pair) }).collect()
}

fn half_blocks(pixels: impl Iterator<Item = (u8, u8)>) -> String {
    let mut line = String::new();
    let mut last = None;
    for pair in pixels {
        let (upper, lower) = (grey(pair.0), grey(pair.1));
        // Writing to a string does not fail.
        if last != Some((upper, lower)) {
            let _ = write!(line, "\x1b[38;5;{upper};48;5;{lower}m");
            last = Some((upper, lower));
        }
        line.push('▀');
    }
    line + "\x1b[0m"
}

fn ramp(pixels: impl Iterator<Item = (u8, u8)>) -> String {
    let ink = |(upper, lower)| (usize::from(upper) + usize::from(lower)) * RAMP.len() / 511;
    pixels.map(|pair| char::from(RAMP[ink(pair)])).collect()
}

const fn grey(pixel: u8) -> u8 {
    DARKEST + (pixel as u16 * GREYS / 256) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_pictures_are_ascii() {
        assert_eq!(draw(&[0, 255, 0, 255, 255, 255, 0, 0], 4, false), ["=@ ="]);
        assert_eq!(draw(&[0, 255], 2, false), [" ="], "below the last row it is dark");
        assert_eq!(draw(&[255, 0, 255, 0], 2, false), ["@ "]);
    }

    #[test]
    fn colours_are_set_once_and_reset() {
        assert_eq!(draw(&[0, 0, 255, 255], 2, true), ["\x1b[38;5;232;48;5;255m▀▀\x1b[0m"]);
        assert_eq!(draw(&[255], 1, true), ["\x1b[38;5;255;48;5;232m▀\x1b[0m"]);
    }

    #[test]
    fn nothing_draws_nothing() {
        assert!(draw(&[], 28, true).is_empty());
        assert!(draw(&[], 0, false).is_empty());
    }
}
