//! Our kernels and scheme beside crates from the registry, in one process and one thread. Prints one Markdown table, or
//! with `--json` one JSON object; `--smoke` runs everything once instead of measuring. See README.md for how to run it.

mod json;
mod measure;
mod scheme;
mod transform;

use std::error::Error;

use measure::{Row, Table};
use tacit_core::backend::{Backend, Kernels};

fn main() -> Result<(), Box<dyn Error>> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = options.iter().find(|option| !["--json", "--smoke"].contains(&option.as_str())) {
        return Err(format!("unknown option {unknown}; --json and --smoke are known").into());
    }
    let has = |name: &str| options.iter().any(|option| option == name);
    let allocator = std::env::var("GLIBC_TUNABLES").unwrap_or("as the system sets it".into());
    let mut table = Table { rows: Vec::new(), smoke: has("--smoke") };
    transform::compare(&mut table)?;
    let sets = scheme::compare(&mut table)?;
    if has("--json") {
        println!("{}", json::document(&cpu(), &allocator, &table, &sets));
        return Ok(());
    }
    println!("{}; allocator: {allocator}\n", cpu());
    print_table(&table.rows);
    println!("\nMicroseconds, medians; a ratio above 1 means that ours is faster.\n\n{}", sets.join("\n"));
    Ok(())
}

/// The name of the processor, where the system tells.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)?.split_once(": "));
    let family = |key: &str| field(key).map_or("?", |(_, value)| value);
    match field("model name") {
        Some((_, name)) => format!("{name} (family {}, model {})", family("cpu family"), family("model\t")),
        None => format!("unknown {} processor", std::env::consts::ARCH),
    }
}

fn print_table(rows: &[Row]) {
    let backends: Vec<_> = Kernels::available().map(Backend::name).collect();
    let mut table: Vec<Vec<String>> = vec![["op", "n", "bits"].map(String::from).to_vec()];
    table[0].extend(backends.iter().map(ToString::to_string));
    table[0].extend(["peer", "peer µs"].map(String::from));
    table[0].extend(backends.iter().map(|name| format!("peer/{name}")));
    table.extend(rows.iter().map(|row| {
        let mut cells = vec![row.op.to_string(), row.n.to_string(), row.bits.clone()];
        cells.extend(row.ours.iter().map(|&us| digits(us)));
        cells.extend([row.peer.to_string(), digits(row.theirs)]);
        cells.extend(row.ours.iter().map(|us| format!("{:.2}", row.theirs / us)));
        cells
    }));
    let width = |column: usize| table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let rule = widths.iter().map(|&width| "-".repeat(width)).collect();
    table.insert(1, rule);
    for cells in table {
        let padded: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("| {} |", padded.join(" | "));
    }
}

/// Three significant digits, as far as a median is worth them.
fn digits(us: f64) -> String {
    let decimals = if us < 10.0 { 2 } else { usize::from(us < 100.0) };
    format!("{us:.decimals$}")
}
