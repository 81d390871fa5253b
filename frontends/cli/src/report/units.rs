//! Numbers for people.

use core::time::Duration;

/// Bytes in decimal units, three digits or so.
pub(crate) fn bytes(count: usize) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let count_f = count as f64;
    match units.into_iter().find(|(size, _)| count_f >= *size) {
        Some((size, unit)) => format!("{} {unit}", three_digits(count_f / size)),
        None => format!("{count} bytes"),
    }
}

/// A time, three digits or so.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s >= 120.0 => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
        s if s >= 1.0 => format!("{} s", three_digits(s)),
        s if s >= 1e-3 => format!("{} ms", three_digits(s * 1e3)),
        s => format!("{} µs", three_digits(s * 1e6)),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measure of any size, three digits or so.
pub(crate) fn measure(value: f64) -> String {
    match value {
        v if (999.5..1e18).contains(&v) => grouped(v.round() as i128),
        v if (0.1..999.5).contains(&v) => three_digits(v),
        v => format!("{v:.2e}"),
    }
}

/// A number of things.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number as i128), if number == 1 { "" } else { "s" })
}

/// A share in percent.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "–".into() } else { format!("{:.2} %", 100.0 * part as f64 / whole as f64) }
}

/// A share of a measure in percent.
pub(crate) fn percent_of(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", 100.0 * part / whole) } else { "–".into() }
}

fn three_digits(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_well() {
        assert_eq!(
            [0, 999, 1000, 20_700_000, 3 << 30].map(bytes),
            ["0 bytes", "999 bytes", "1.00 kB", "20.7 MB", "3.22 GB"]
        );
        let times = [7, 1_500, 99_960, 2_346_000, 119_000_000, 3_725_000_000].map(Duration::from_micros);
        assert_eq!(times.map(time), ["7.00 µs", "1.50 ms", "100 ms", "2.35 s", "119 s", "62 min 05 s"]);
        assert_eq!([0, 999, -1000, 1_234_567, i128::MIN].map(grouped)[..4], ["0", "999", "-1,000", "1,234,567"]);
        assert_eq!(
            [counted(0, "image"), counted(1, "image"), counted(4096, "image")],
            ["0 images", "1 image", "4,096 images"]
        );
        let measures = [18_530.0, 999.7, 12.34, 0.5844, 0.05, f64::MAX].map(measure);
        assert_eq!(measures, ["18,530", "1,000", "12.3", "0.58", "5.00e-2", "1.80e308"]);
        assert_eq!((percent(989, 1000), percent(0, 0)), ("98.90 %".into(), "–".into()));
    }
}
