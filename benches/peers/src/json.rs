//! The table for machines.

use tacit_core::backend::{Backend, Kernels};

use crate::measure::{Row, Table};

/// One object: the machine, the parameter sets, and a row per line. Times are microseconds, ratios are theirs by ours.
pub fn document(cpu: &str, allocator: &str, table: &Table, sets: &[String]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| text(set)).collect();
    let rows: Vec<String> = table.rows.iter().map(row).collect();
    format!(
        "{{\"cpu\": {}, \"allocator\": {}, \"measured\": {}, \"sets\": [{}], \"rows\": [\n{}\n]}}",
        text(cpu),
        text(allocator),
        !table.smoke,
        sets.join(", "),
        rows.join(",\n")
    )
}

fn row(row: &Row) -> String {
    let by_backend = |value: &dyn Fn(f64) -> f64| {
        let fields = Kernels::available().zip(&row.ours);
        let fields: Vec<_> = fields.map(|(k, &us)| format!("{}: {:.4}", text(k.name()), value(us))).collect();
        format!("{{{}}}", fields.join(", "))
    };
    format!(
        "{{\"op\": {}, \"n\": {}, \"bits\": {}, \"ours_us\": {}, \"peer\": {}, \"peer_us\": {:.4}, \"ratio\": {}}}",
        text(row.op),
        row.n,
        text(&row.bits),
        by_backend(&|us| us),
        text(row.peer),
        row.theirs,
        by_backend(&|us| row.theirs / us),
    )
}

/// A string of JSON. No name here has control characters.
fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
