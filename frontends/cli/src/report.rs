//! What commands report: units, bars, and the facts of a deployment.

pub(crate) mod bars;
pub(crate) mod facts;
pub(crate) mod prediction;
pub(crate) mod units;

use std::fs;

use serde::Serializer;

use core::time::Duration;

/// For `serialize_with`: milliseconds, to a microsecond.
pub(crate) fn millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3),
        None => serializer.serialize_none(),
    }
}

/// The median of some times: the lower of the middle two if their number is even.
pub(crate) fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

/// The most memory that the process has held, where the system tells.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let seconds = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect::<Vec<_>>();
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut seconds(&[3])), Some(Duration::from_secs(3)));
        assert_eq!(median(&mut seconds(&[9, 1, 5])), Some(Duration::from_secs(5)));
        assert_eq!(median(&mut seconds(&[4, 2, 3, 1])), Some(Duration::from_secs(2)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_known() {
        assert!(peak_memory().is_some_and(|bytes| bytes > 1 << 16));
    }
}
