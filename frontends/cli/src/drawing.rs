//! A plan as a picture: its stages from top to bottom, and beside each what it costs and what is left. SVG.

mod pen;
mod sheet;

use core::time::Duration;

use svg::Document;
use svg::node::element::{Description, Style, Title};

use crate::report::units::time;
use pen::{Face, legible, rectangle};
use sheet::Sheet;

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    pub(crate) title: String,
    /// Lines below the title.
    pub(crate) notes: Vec<String>,
    pub(crate) stages: Vec<DrawnStage>,
}

/// A stage, in the order of evaluation.
#[derive(Clone, Debug)]
pub(crate) struct DrawnStage {
    pub(crate) layer: String,
    pub(crate) method: String,
    /// The representation before.
    pub(crate) from: String,
    /// The representation after.
    pub(crate) to: String,
    pub(crate) key_switches: usize,
    /// Products with plaintexts and scalars.
    pub(crate) products: usize,
    /// Primes of the ciphertext modulus, before and after.
    pub(crate) levels: [usize; 2],
    /// `log2` of the bound on the noise after the stage.
    pub(crate) noise_bits: f64,
    /// `log2` of the largest noise that decrypts there.
    pub(crate) limit_bits: f64,
    /// The time that a cost model predicts, if there is one.
    pub(crate) milliseconds: Option<f64>,
}

impl DrawnStage {
    /// Bits between the noise and its limit.
    fn budget(&self) -> f64 {
        (self.limit_bits - self.noise_bits).max(0.0)
    }

    /// All of it in one sentence: for those who hear the drawing, or point at a stage.
    fn sentence(&self) -> String {
        let Self { layer, method, from, to, key_switches, products, .. } = self;
        let (levels, budget) = (self.levels(), self.budget());
        let time = self.milliseconds.map_or_else(String::new, |time| format!(", {}", duration(time)));
        legible(&format!(
            "{layer}: {method}, {from} → {to}, key switches {key_switches}, products {products}, \
             primes {levels}, noise budget {budget:.1} bits{time}"
        ))
    }

    fn levels(&self) -> String {
        let [before, after] = self.levels;
        if before == after { after.to_string() } else { format!("{before} → {after}") }
    }
}

impl Drawing {
    /// The drawing as a file.
    pub(crate) fn svg(&self) -> String {
        let sheet = Sheet::of(self);
        let [width, height] = sheet.size();
        let paper = rectangle("paper", [0.0, 0.0], [width, height]);
        let document = Document::new()
            .set("viewBox", (0, 0, width as usize, height as usize))
            .set("width", width)
            .set("height", height)
            .set("role", "img")
            .set("aria-labelledby", "title description")
            .add(Title::new(legible(&self.title)).set("id", "title"))
            .add(Description::new().set("id", "description").add(svg::node::Text::new(self.description())))
            .add(Style::new(style()))
            .add(paper);
        format!("{}\n", sheet.groups.into_iter().fold(document, Document::add))
    }

    fn description(&self) -> String {
        let stages: Vec<String> = self.stages.iter().map(DrawnStage::sentence).collect();
        format!("{} stages from top to bottom. {}.", stages.len(), stages.join(". "))
    }
}

fn duration(milliseconds: f64) -> String {
    Duration::try_from_secs_f64(milliseconds / 1000.0).map_or_else(|_| "–".into(), time)
}

fn style() -> String {
    let face = |face: Face| format!(".{}{{font-size:{}px;font-weight:{}}}", face.class(), face.size(), face.weight());
    let faces: String = Face::ALL.into_iter().map(face).collect();
    format!("text{{font-family:system-ui,Helvetica,Arial,sans-serif;fill:#1f2933}}{faces}{COLOURS}")
}

/// Told apart without colour too: the noise is dark, the budget light; primes are full, dropped ones empty.
const COLOURS: &str = ".paper{fill:#ffffff}.band{fill:#f5f7fa}.card{fill:#e6eef8;stroke:#35618f}.bar{fill:#5b87b5}\
    .prime{fill:#35618f}.dropped{fill:#ffffff;stroke:#35618f}.noise{fill:#b4542f}.budget{fill:#cfe3cf}\
    .arrow{fill:none;stroke:#52606d;stroke-width:1.5}.rule{stroke:#cbd2d9}";

#[cfg(test)]
mod tests;
