#![allow(clippy::unwrap_used, reason = "tests")]

use roxmltree::{Document, Node};

use super::*;

const LONG: &str = "features.denseblock4.denselayer16.conv2.weight_quantised_and_folded_with_normalisation";

fn stage(layer: &str, levels: [usize; 2], [noise_bits, limit_bits]: [f64; 2]) -> DrawnStage {
    DrawnStage {
        layer: layer.into(),
        method: "diagonals in segments".into(),
        from: "25 × 845 windows".into(),
        to: "1 × 845 segmented".into(),
        key_switches: 13,
        products: 1200,
        levels,
        noise_bits,
        limit_bits,
        milliseconds: None,
    }
}

fn drawing(count: usize, name: &str) -> Drawing {
    let falling = |i: usize| {
        let level = count - i;
        stage(&format!("{i}{name}"), [level + 1, level], [20.0, 40.0 * level as f64])
    };
    Drawing { title: name.into(), notes: vec![name.into(); 4], stages: (0..count).map(falling).collect() }
}

/// Drawings of every size and with the widest of everything.
fn drawings() -> impl Iterator<Item = Drawing> {
    let names = ["conv", LONG, "畳み込み層畳み込み層畳み込み層畳み込み層畳み込み層"];
    let plain = (0..=15).flat_map(move |count| names.map(|name| drawing(count, name)));
    plain.flat_map(|drawing| {
        let mut wide = drawing.clone();
        for stage in &mut wide.stages {
            (stage.method, stage.from, stage.to) = (LONG.into(), LONG.into(), LONG.repeat(2));
            (stage.key_switches, stage.products) = (usize::MAX, 999_999);
            stage.levels = [100, 99];
            stage.milliseconds = Some(999_999.0);
            (stage.noise_bits, stage.limit_bits) = (0.1, 9999.9);
        }
        [drawing, wide]
    })
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// What an element says; the writer puts line breaks around it, which mean nothing.
fn said<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

/// Left, top, right and bottom of a rectangle or a text; characters of a text are taken to be 0.6 of its size wide.
fn extent(node: Node<'_, '_>) -> [f64; 4] {
    let (x, y) = (number(node, "x"), number(node, "y"));
    if node.has_tag_name("rect") {
        return [x, y, x + number(node, "width"), y + number(node, "height")];
    }
    let size = if node.attribute("class") == Some("title") { 20.0 } else { 13.0 };
    let columns = |c: char| if c > '\u{2fff}' { 2.0 } else { 1.0 };
    let width: f64 = said(node).chars().map(columns).sum::<f64>() * 0.6 * size;
    let left = if node.attribute("text-anchor") == Some("end") { x - width } else { x };
    [left, y - 0.8 * size, left + width, y + 0.2 * size]
}

fn with_class<'a>(document: &'a Document<'a>, class: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.attribute("class") == Some(class))
}

#[test]
fn names_are_text_whatever_is_in_them() {
    for name in ["<script>alert(1)</script>", "a & b", "\"'>]]><!--", "&lt;", "nul\0bell\x07\u{fffe}", "\u{202e}x", ""]
    {
        let svg = drawing(3, name).svg();
        let document = Document::parse(&svg).unwrap();
        let title = document.descendants().find(|node| node.has_tag_name("title")).unwrap();
        assert_eq!(said(title), legible(name));
        assert!(document.descendants().all(|node| !node.has_tag_name("script")));
        let named = with_class(&document, "name").any(|node| said(node) == legible(&format!("1{name}")));
        assert!(named || name.len() > 20, "{svg}");
    }
}

#[test]
fn every_stage_is_there_and_can_be_heard() {
    for count in [0, 1, 3, 15] {
        let svg = drawing(count, "-layer").svg();
        let document = Document::parse(&svg).unwrap();
        assert_eq!(document.root_element().attribute("role"), Some("img"));
        assert_eq!(with_class(&document, "stage").count(), count);
        let description = document.descendants().find(|node| node.has_tag_name("desc")).unwrap();
        let description = said(description);
        for (number, group) in with_class(&document, "stage").enumerate() {
            let layer = format!("{number}-layer");
            assert!(group.descendants().any(|node| node.has_tag_name("text") && said(node) == layer));
            assert!(description.contains(&format!("{layer}: diagonals in segments, 25 × 845 windows → 1 × 845")));
        }
    }
}

#[test]
fn nothing_leaves_the_view_box() {
    for drawing in drawings() {
        let svg = drawing.svg();
        let document = Document::parse(&svg).unwrap();
        let view: Vec<f64> =
            document.root_element().attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        let shown = document.descendants().filter(|node| node.has_tag_name("rect") || node.has_tag_name("text"));
        for node in shown {
            let [left, top, right, bottom] = extent(node);
            let inside = left >= 0.0 && top >= 0.0 && right <= view[2] && bottom <= view[3];
            assert!(inside, "{node:?} {:?} of {view:?}", extent(node));
        }
    }
}

#[test]
fn texts_do_not_overlap() {
    for drawing in drawings() {
        let svg = drawing.svg();
        let document = Document::parse(&svg).unwrap();
        let texts: Vec<_> = document.descendants().filter(|node| node.has_tag_name("text")).collect();
        for (i, &a) in texts.iter().enumerate() {
            for &b in &texts[..i] {
                let ([l, t, r, u], [left, top, right, bottom]) = (extent(a), extent(b));
                let apart = r <= left || right <= l || u <= top || bottom <= t;
                assert!(apart, "{:?} and {:?}", said(a), said(b));
            }
        }
    }
}

#[test]
fn bars_have_the_lengths_of_their_figures() {
    let stages = vec![stage("a", [5, 5], [50.0, 200.0]), stage("b", [5, 2], [80.0, 100.0])];
    let svg = Drawing { title: String::new(), notes: Vec::new(), stages }.svg();
    let document = Document::parse(&svg).unwrap();
    let lengths = |class| with_class(&document, class).map(|node| number(node, "width")).collect::<Vec<_>>();
    // The last ones are the legend's.
    assert_eq!(lengths("budget"), [190.0, 95.0, 11.0]);
    assert_eq!(lengths("noise"), [47.5, 76.0, 11.0]);
    assert_eq!((lengths("prime").len(), lengths("dropped").len()), (5 + 2 + 1, 3 + 1));
    let texts: Vec<_> = document.descendants().filter(|node| node.has_tag_name("text")).map(said).collect();
    for text in ["150.0 left", "20.0 left", "5 → 2", "1,200", "2,400", "26"] {
        assert!(texts.contains(&text), "{text}: {texts:?}");
    }
}

#[test]
fn times_have_a_column_only_if_there_are_any_and_a_sum_only_if_all_are_known() {
    let texts = |times: [Option<f64>; 2]| {
        let mut drawing = drawing(2, "x");
        for (stage, time) in drawing.stages.iter_mut().zip(times) {
            stage.milliseconds = time;
        }
        let svg = drawing.svg();
        let document = Document::parse(&svg).unwrap();
        let shown = ["time", "40.0 ms", "2.00 ms", "42.0 ms"];
        shown.map(|text| document.descendants().any(|node| node.has_tag_name("text") && said(node) == text))
    };
    assert_eq!(texts([None, None]), [false, false, false, false]);
    assert_eq!(texts([Some(40.0), None]), [true, true, false, false]);
    assert_eq!(texts([Some(40.0), Some(2.0)]), [true, true, true, true]);
}

#[test]
fn figures_that_are_no_numbers_draw_empty_bars() {
    for bits in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut odd = stage("a", [0, 0], [bits, bits]);
        odd.milliseconds = Some(bits);
        let svg = Drawing { title: String::new(), notes: Vec::new(), stages: vec![odd] }.svg();
        let document = Document::parse(&svg).unwrap();
        let bars: Vec<_> = ["noise", "budget"].iter().flat_map(|class| with_class(&document, class)).collect();
        assert!(bars.iter().all(|bar| [0.0, 11.0].contains(&number(*bar, "width"))), "{svg}");
    }
}
