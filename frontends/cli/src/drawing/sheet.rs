//! Where everything goes: cards with arrows between them on the left, columns of figures beside them.

use svg::node::element::{Group, Line, Path, Title};

use super::pen::{Face, rectangle, shortened, text, text_to};
use super::{Drawing, DrawnStage, duration};
use crate::report::units::grouped;

const MARGIN: f64 = 32.0;
const CARD: [f64; 2] = [280.0, 52.0];
/// Between two cards: an arrow and a representation.
const GAP: f64 = 44.0;
const LINE: f64 = 18.0;
const BAR: f64 = 14.0;

/// A column of figures beside the stages: where it begins, where its numbers end and where its bars begin.
struct Column {
    head: &'static str,
    x: f64,
    numbers: f64,
    bars: f64,
    /// The longest bar.
    longest: f64,
}

const KEY_SWITCHES: Column = Column { head: "key switches", x: 340.0, numbers: 392.0, bars: 398.0, longest: 44.0 };
const PRODUCTS: Column = Column { head: "products", x: 464.0, numbers: 516.0, bars: 522.0, longest: 44.0 };
const PRIMES: Column = Column { head: "primes", x: 588.0, numbers: 646.0, bars: 654.0, longest: 62.0 };
/// Its numbers follow its bars.
const NOISE: Column = Column { head: "noise and budget, bits", x: 740.0, numbers: 1030.0, bars: 740.0, longest: 190.0 };
const TIME: Column = Column { head: "time", x: 1050.0, numbers: 1112.0, bars: 1118.0, longest: 60.0 };

/// The largest figure of each column: that of its longest bar.
struct Scales {
    key_switches: f64,
    products: f64,
    primes: f64,
    noise: f64,
    time: f64,
}

impl Scales {
    fn of(stages: &[DrawnStage]) -> Self {
        let most = |of: fn(&DrawnStage) -> f64| stages.iter().map(of).fold(f64::MIN_POSITIVE, f64::max);
        Self {
            key_switches: most(|stage| stage.key_switches as f64),
            products: most(|stage| stage.products as f64),
            primes: most(|stage| stage.levels[0].max(stage.levels[1]) as f64),
            noise: most(|stage| stage.limit_bits.max(stage.noise_bits)),
            time: most(|stage| stage.milliseconds.unwrap_or_default()),
        }
    }
}

/// What is on paper so far.
pub(super) struct Sheet<'a> {
    drawing: &'a Drawing,
    scales: Scales,
    pub(super) groups: Vec<Group>,
    bottom: f64,
}

impl<'a> Sheet<'a> {
    /// All of it, from top to bottom.
    pub(super) fn of(drawing: &'a Drawing) -> Self {
        let mut sheet = Self { drawing, scales: Scales::of(&drawing.stages), groups: Vec::new(), bottom: MARGIN };
        sheet.header();
        for number in 0..drawing.stages.len() {
            sheet.arrow(number);
            sheet.stage(number);
        }
        if !drawing.stages.is_empty() {
            sheet.arrow(drawing.stages.len());
            sheet.totals();
        }
        sheet.legend();
        sheet
    }

    /// Width and height.
    pub(super) fn size(&self) -> [f64; 2] {
        [self.right() + MARGIN, self.bottom + MARGIN]
    }

    fn columns(&self) -> impl Iterator<Item = Column> {
        let time = self.drawing.stages.iter().any(|stage| stage.milliseconds.is_some()).then_some(TIME);
        [KEY_SWITCHES, PRODUCTS, PRIMES, NOISE].into_iter().chain(time)
    }

    /// Where the last column ends.
    fn right(&self) -> f64 {
        self.columns().map(|column| column.numbers.max(column.bars + column.longest)).fold(0.0, f64::max)
    }

    fn header(&mut self) {
        let room = self.right() - MARGIN;
        self.bottom += Face::Title.size();
        let title = shortened(Face::Title, &self.drawing.title, room);
        let mut group = Group::new().add(text(Face::Title, MARGIN, self.bottom, &title));
        self.bottom += 6.0;
        for note in &self.drawing.notes {
            self.bottom += LINE;
            group = group.add(text(Face::Body, MARGIN, self.bottom, &shortened(Face::Body, note, room)));
        }
        self.bottom += 2.0 * LINE;
        for column in self.columns() {
            group = group.add(text(Face::Name, column.x, self.bottom, column.head));
        }
        self.bottom += 8.0;
        self.groups.push(group.add(self.rule(self.bottom)));
    }

    fn rule(&self, y: f64) -> Line {
        Line::new().set("class", "rule").set("x1", MARGIN).set("x2", self.right()).set("y1", y).set("y2", y)
    }

    /// The arrow that leads to stage `number` from the one before, with the representation that goes along it.
    fn arrow(&mut self, number: usize) {
        let stages = &self.drawing.stages;
        let before = number.checked_sub(1).and_then(|last| stages.get(last)).map(|stage| stage.to.as_str());
        let after = stages.get(number).map(|stage| stage.from.as_str());
        let label = match (before, after) {
            (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
            (Some(between), Some(_)) => between.into(),
            (Some(answer), None) => format!("answer: {answer}"),
            (None, Some(query)) => format!("query: {query}"),
            (None, None) => return,
        };
        let (x, from, to) = (MARGIN + 20.0, self.bottom + 3.0, self.bottom + GAP - 3.0);
        let (head, room) = (to - 7.0, CARD[0] - 36.0);
        let arrow = format!("M{x} {from}V{to}M{} {head}L{x} {to}L{} {head}", x - 4.0, x + 4.0);
        let label = shortened(Face::Body, &label, room);
        let label = text(Face::Body, x + 16.0, self.bottom + GAP / 2.0 + 4.0, &label);
        self.groups.push(Group::new().add(Path::new().set("class", "arrow").set("d", arrow)).add(label));
        self.bottom += GAP;
    }

    fn stage(&mut self, number: usize) {
        let Some(stage) = self.drawing.stages.get(number) else { return };
        let (y, room) = (self.bottom, CARD[0] - 24.0);
        let band = [self.right() - MARGIN - CARD[0] + 4.0, CARD[1]];
        let mut group = Group::new()
            .set("class", "stage")
            .add(Title::new(stage.sentence()))
            .add(rectangle("band", [MARGIN + CARD[0] - 4.0, y], band))
            .add(rectangle("card", [MARGIN, y], CARD).set("rx", 6))
            .add(text(Face::Name, MARGIN + 12.0, y + 22.0, &shortened(Face::Name, &stage.layer, room)))
            .add(text(Face::Body, MARGIN + 12.0, y + 41.0, &shortened(Face::Body, &stage.method, room)));
        let middle = y + CARD[1] / 2.0;
        let (keys, products) = (stage.key_switches, stage.products);
        group = bar(group, &KEY_SWITCHES, middle, &count(keys), keys as f64 / self.scales.key_switches);
        group = bar(group, &PRODUCTS, middle, &count(products), products as f64 / self.scales.products);
        group = self.primes(group, middle, stage);
        group = self.noise(group, middle, stage);
        if let Some(time) = stage.milliseconds {
            group = bar(group, &TIME, middle, &duration(time), time / self.scales.time);
        }
        self.groups.push(group);
        self.bottom += CARD[1];
    }

    /// A box for each prime; those that the stage drops are empty.
    fn primes(&self, mut group: Group, middle: f64, stage: &DrawnStage) -> Group {
        let [before, after] = stage.levels;
        group = group.add(text_to(Face::Body, PRIMES.numbers, middle + 4.0, &stage.levels()));
        let pitch = (PRIMES.longest / self.scales.primes).min(13.0);
        let side = [pitch * 0.75, 10.0];
        (0..before.max(after)).fold(group, |group, number| {
            let class = if number < after { "prime" } else { "dropped" };
            group.add(rectangle(class, [PRIMES.bars + pitch * number as f64, middle - side[1] / 2.0], side))
        })
    }

    /// The noise within what decrypts, and how much is left.
    fn noise(&self, group: Group, middle: f64, stage: &DrawnStage) -> Group {
        let length = |bits: f64| NOISE.longest * fraction(bits / self.scales.noise);
        let (noise, limit) = (length(stage.noise_bits), length(stage.limit_bits));
        let (x, y) = (NOISE.bars, middle - BAR / 2.0);
        group.add(rectangle("budget", [x, y], [limit, BAR])).add(rectangle("noise", [x, y], [noise, BAR])).add(text(
            Face::Body,
            x + limit.max(noise) + 8.0,
            middle + 4.0,
            &format!("{:.1} left", stage.budget()),
        ))
    }

    fn totals(&mut self) {
        let stages = &self.drawing.stages;
        let total = |of: fn(&DrawnStage) -> usize| count(stages.iter().map(of).fold(0, usize::saturating_add));
        let y = self.bottom - GAP / 2.0 + 4.0;
        let mut group = Group::new()
            .add(text_to(Face::Name, KEY_SWITCHES.numbers, y, &total(|stage| stage.key_switches)))
            .add(text_to(Face::Name, PRODUCTS.numbers, y, &total(|stage| stage.products)))
            .add(text(Face::Body, PRIMES.x, y, "in total"));
        // Without the time of a stage there is no time of all of them.
        if let Some(time) = stages.iter().map(|stage| stage.milliseconds).sum::<Option<f64>>() {
            group = group.add(text_to(Face::Name, TIME.numbers, y, &duration(time)));
        }
        self.groups.push(group.add(self.rule(self.bottom)));
    }

    fn legend(&mut self) {
        let mut group = Group::new();
        let mut x = MARGIN;
        self.bottom += LINE + 6.0;
        for (class, meaning) in LEGEND {
            let width = 18.0 + Face::Body.width(meaning);
            if x + width > self.right() {
                (x, self.bottom) = (MARGIN, self.bottom + LINE + 2.0);
            }
            group = group.add(rectangle(class, [x, self.bottom - 10.0], [11.0, 11.0]));
            group = group.add(text(Face::Body, x + 18.0, self.bottom, meaning));
            x += width + 20.0;
        }
        self.groups.push(group);
    }
}

const LEGEND: [(&str, &str); 5] = [
    ("noise", "noise: bound after the stage"),
    ("budget", "budget: at 0 nothing decrypts"),
    ("prime", "prime of the modulus"),
    ("dropped", "dropped by the stage"),
    ("bar", "key switches are rotations and relinearisations; products, those with plaintexts and scalars"),
];

/// A number and its bar.
fn bar(group: Group, column: &Column, middle: f64, number: &str, share: f64) -> Group {
    let length = column.longest * fraction(share);
    group.add(text_to(Face::Body, column.numbers, middle + 4.0, number)).add(rectangle(
        "bar",
        [column.bars, middle - BAR / 2.0],
        [length, BAR],
    ))
}

/// From 0 to 1, whatever a model of noise or time says.
fn fraction(share: f64) -> f64 {
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

fn count(number: usize) -> String {
    if number < 1_000_000 { grouped(number as i128) } else { format!("{:.1e}", number as f64) }
}
