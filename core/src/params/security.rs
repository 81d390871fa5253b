//! The bound on `log2(Q·P)` that cannot be skipped.

use crate::error::ParamError;

/// The security level of a parameter set: uniform ternary secrets, noise of standard deviation at least 3.19.
///
/// Classical limits are Table 5.2 of Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption"
/// (ePrint 2024/463). That table has no quantum columns; the limits here are those of the same authors' script run with
/// the cost model of Chailloux and Loyer (2021), the more conservative of the published choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// 128 bits against classical attacks.
    Classical128,
    /// 192 bits against classical attacks.
    Classical192,
    /// 256 bits against classical attacks.
    Classical256,
    /// 128 bits against quantum attacks.
    Quantum128,
    /// 192 bits against quantum attacks.
    Quantum192,
    /// 256 bits against quantum attacks.
    Quantum256,
    /// No security at all: tiny rings for tests.
    #[cfg(any(test, feature = "testing"))]
    InsecureForTests,
}

/// Per degree: classical 128, 192, 256, quantum 128, 192, 256; 0 where the table has no entry.
const LIMITS: [(usize, [u32; 6]); 8] = [
    (1024, [26, 0, 0, 20, 0, 0]),
    (2048, [53, 36, 27, 40, 29, 22]),
    (4096, [106, 73, 56, 80, 59, 47]),
    (8192, [214, 147, 114, 161, 119, 95]),
    (16384, [430, 297, 230, 322, 239, 192]),
    (32768, [868, 597, 462, 644, 479, 385]),
    (65536, [1747, 1199, 929, 1289, 959, 773]),
    (131_072, [3523, 2411, 1866, 2578, 1920, 0]),
];

impl Security {
    /// The levels with a table.
    pub const ALL: [Self; 6] = [
        Self::Classical128,
        Self::Classical192,
        Self::Classical256,
        Self::Quantum128,
        Self::Quantum192,
        Self::Quantum256,
    ];

    /// The level in bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Classical128 | Self::Quantum128 => 128,
            Self::Classical192 | Self::Quantum192 => 192,
            Self::Classical256 | Self::Quantum256 => 256,
            #[cfg(any(test, feature = "testing"))]
            Self::InsecureForTests => 0,
        }
    }

    /// The largest `ceil(log2(Q·P))` at this degree, or `None` where the table has no entry.
    #[must_use]
    pub fn limit(self, degree: usize) -> Option<u32> {
        let column = Self::ALL.iter().position(|level| *level == self)?;
        let (_, row) = LIMITS.iter().find(|(n, _)| *n == degree)?;
        Some(row[column]).filter(|limit| *limit > 0)
    }

    /// Compares `ceil(log2(Q·P))` with the limit.
    ///
    /// # Errors
    /// [`ParamError::Insecure`] if it is larger, or the table has no entry.
    pub fn check(self, degree: usize, log2_qp: u64) -> Result<(), ParamError> {
        #[cfg(any(test, feature = "testing"))]
        if self == Self::InsecureForTests {
            return Ok(());
        }
        let limit = self.limit(degree).unwrap_or(0);
        if limit > 0 && log2_qp <= u64::from(limit) {
            return Ok(());
        }
        Err(ParamError::Insecure { degree, bits: log2_qp, limit, security: self.bits() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use alloc::vec::Vec;

    /// Sizes of two or more primes that multiply to exactly `total` bits, the last one for the special prime.
    fn split(total: u32) -> Vec<u32> {
        let count = total.div_ceil(58).max(2);
        (0..count).map(|i| total / count + u32::from(i < total % count)).collect()
    }

    /// Every cell at its limit and one bit over. Primes just below a power of two make the bits of the product exact.
    #[test]
    fn every_cell_is_enforced() {
        for (degree, _) in LIMITS {
            for security in Security::ALL {
                let Some(limit) = security.limit(degree) else {
                    assert!(matches!(security.check(degree, 1), Err(ParamError::Insecure { limit: 0, .. })));
                    continue;
                };
                assert_eq!(security.check(degree, u64::from(limit)), Ok(()));
                let over =
                    ParamError::Insecure { degree, bits: u64::from(limit) + 1, limit, security: security.bits() };
                assert_eq!(security.check(degree, u64::from(limit) + 1), Err(over));
            }
        }
    }

    /// The builder itself at the limits of the degrees in daily use.
    #[test]
    fn the_builder_enforces_the_table() {
        for (degree, plain) in [(4096, 20), (8192, 20), (16384, 20)] {
            for security in [Security::Classical128, Security::Classical192, Security::Quantum128] {
                let limit = security.limit(degree).unwrap();
                let build = |total| {
                    let bits = split(total);
                    let (special, ciphertext) = bits.split_last().unwrap();
                    let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(&[*special]);
                    builder.plain_bits(&[plain]).security(security).build()
                };
                assert_eq!(build(limit).map(|p| p.log2_qp()), Ok(u64::from(limit)));
                assert!(matches!(build(limit + 1), Err(ParamError::Insecure { .. })), "{degree} {security:?}");
            }
        }
    }

    /// The first column against the published classical table, row by row.
    #[test]
    fn classical_column_is_the_published_one() {
        let published = [26, 53, 106, 214, 430, 868, 1747, 3523];
        let column: Vec<u32> = LIMITS.iter().map(|(_, row)| row[0]).collect();
        assert_eq!(column, published);
        assert_eq!(Security::Classical128.limit(512), None);
    }
}
