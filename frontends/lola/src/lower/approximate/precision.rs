//! How large the errors of approximate logits may be.

use tacit_model::{ModelError, Network};

use super::DEVIATIONS;

/// What is asked for where the network does not say what its labels bear: on MNIST's test images such errors change one label
/// in 60,000.
const DEFAULT_BITS: f64 = 9.0;

/// The least that is asked for. Errors are followed to first order through products, for a typical input, which is true while
/// they are small beside the values: eight deviations are then an eighth of the largest logit, a declared bound being twice
/// the largest seen.
const LEAST_BITS: f64 = 4.0;

/// The error that the logits of a plan may have, from the network's [tolerance](tacit_model::tolerance).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    bits: f64,
    tolerance: Option<f64>,
}

impl Precision {
    /// As fine as the network's labels need: eight deviations of the error are at most eight times its tolerance. Without a
    /// tolerance, `2^-9` of the bound on logits.
    ///
    /// It is at least 4 bits, and no finer than an error of 1/2: rounding then gives the exact logits.
    ///
    /// # Errors
    /// Those of [`Network::logit_bound`].
    pub fn of(network: &Network) -> Result<Self, ModelError> {
        let (bound, tolerance) = (network.logit_bound()?.max(1) as f64, network.logit_tolerance());
        let allowed = tolerance.map(|deviation| (DEVIATIONS * deviation).max(0.5));
        let bits = allowed.map_or(DEFAULT_BITS, |error| (bound / error).log2());
        Ok(Self { bits: bits.max(LEAST_BITS), tolerance })
    }

    /// Eight deviations of a logit's error are at most `2^-bits` of the bound on logits: at least 4.
    #[must_use]
    pub const fn bits(self) -> f64 {
        self.bits
    }

    /// The network's tolerance, if that decided.
    #[must_use]
    pub const fn tolerance(self) -> Option<f64> {
        self.tolerance
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tacit_model::Tolerance;

    fn bits(bound: u64, tolerance: Option<f64>) -> f64 {
        let network = tacit_model::named("caltech-4096").unwrap().network().unwrap().with_logit_bound(bound);
        let network = match tolerance {
            Some(deviation) => network.with_logit_tolerance(Tolerance::new(deviation).unwrap()),
            None => network,
        };
        let precision = Precision::of(&network).unwrap();
        assert_eq!(precision.tolerance(), tolerance);
        precision.bits()
    }

    #[test]
    fn bits_follow_the_tolerance_within_limits() {
        assert!([0, 1, 1 << 40, u64::MAX].iter().all(|&bound| bits(bound, None) == DEFAULT_BITS));
        assert_eq!(bits(1 << 20, Some(1024.0)), 7.0);
        assert_eq!(bits(1 << 20, Some(1024.0 * 8.0)), LEAST_BITS);
        assert_eq!(bits(1 << 20, Some(f64::MAX)), LEAST_BITS);
        // An error of 1/2 makes nothing wrong.
        assert_eq!(bits(1 << 20, Some(1.0 / 16.0)), 21.0);
        assert_eq!(bits(1 << 20, Some(5e-324)), 21.0);
        assert_eq!(bits(0, Some(5e-324)), LEAST_BITS);
        assert_eq!(bits(u64::MAX, Some(5e-324)), 65.0);
    }
}
