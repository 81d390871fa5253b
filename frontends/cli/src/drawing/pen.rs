//! Text and shapes of a drawing.
//!
//! How wide a text is depends on the reader's fonts: it is estimated generously, and names are shortened to what is
//! left. Names come from model files and only ever become text, which the writer escapes; attributes are ours alone.

use svg::node::element::{Rectangle, Text};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A kind of text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Face {
    Title,
    /// A layer, the head of a column.
    Name,
    Body,
}

impl Face {
    pub(super) const ALL: [Self; 3] = [Self::Title, Self::Name, Self::Body];

    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Name => "name",
            Self::Body => "body",
        }
    }

    /// In pixels.
    pub(super) const fn size(self) -> f64 {
        match self {
            Self::Title => 20.0,
            Self::Name => 13.0,
            Self::Body => 12.0,
        }
    }

    pub(super) const fn weight(self) -> usize {
        match self {
            Self::Title | Self::Name => 600,
            Self::Body => 400,
        }
    }

    /// About the most pixels that a column of text takes on average, in the wider of the usual fonts.
    const fn advance(self) -> f64 {
        let share = if self.weight() > 400 { 0.68 } else { 0.62 };
        self.size() * share
    }

    /// About the most pixels that a text takes.
    pub(super) fn width(self, text: &str) -> f64 {
        text.width() as f64 * self.advance()
    }
}

/// A text that begins at `x`, with its base line at `y`.
pub(super) fn text(face: Face, x: f64, y: f64, content: &str) -> Text {
    Text::new(legible(content)).set("class", face.class()).set("x", tenth(x)).set("y", tenth(y))
}

/// A text that ends at `x`.
pub(super) fn text_to(face: Face, x: f64, y: f64, content: &str) -> Text {
    text(face, x, y, content).set("text-anchor", "end")
}

/// A rectangle with its upper left corner at `x`, `y`.
pub(super) fn rectangle(class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) -> Rectangle {
    let place = Rectangle::new().set("class", class).set("x", tenth(x)).set("y", tenth(y));
    place.set("width", tenth(width)).set("height", tenth(height))
}

/// As much of a text as fits into `room` pixels; an ellipsis tells that there was more.
pub(super) fn shortened(face: Face, content: &str, room: f64) -> String {
    if face.width(content) <= room {
        return content.into();
    }
    let room = room - face.advance();
    let mut width = 0.0;
    let fitting = content.chars().take_while(|c| {
        width += c.width().unwrap_or(1) as f64 * face.advance();
        width <= room
    });
    fitting.collect::<String>().trim_end().to_owned() + "…"
}

/// Without what XML forbids and what nobody can read.
pub(super) fn legible(content: &str) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    content.chars().map(|c| if forbidden(c) { '\u{fffd}' } else { c }).collect()
}

/// A coordinate with one decimal, which is as fine as it need be.
fn tenth(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_ends_in_an_ellipsis() {
        let room = Face::Body.width("0123456789");
        assert_eq!(shortened(Face::Body, "0123456789", room), "0123456789");
        assert_eq!(shortened(Face::Body, "0123456789a", room), "012345678…");
        assert_eq!(shortened(Face::Body, "01234567 9a", room), "01234567…");
        // Wide characters take two columns.
        assert_eq!(shortened(Face::Body, "畳み込み層一", room), "畳み込み…");
        assert_eq!(shortened(Face::Body, "畳", 0.0), "…");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(legible("a\0b\n\u{ffff}<é>"), "a\u{fffd}b\u{fffd}\u{fffd}<é>");
    }
}
