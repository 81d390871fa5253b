//! Primes with roots of unity for the negacyclic NTT. All of it is public data and variable time.

use alloc::vec::Vec;

use crate::error::ParamError;
use crate::modulus::Modulus;

/// The largest degree of a transform.
pub const MAX_DEGREE: usize = 1 << 17;

/// Whether `n` is prime: Miller–Rabin with the first twelve primes as bases, which is exact below `3.18·10^23`
/// (Sorenson and Webster, "Strong pseudoprimes to twelve prime bases", 2017).
#[must_use]
pub fn is_prime_vartime(n: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if BASES.contains(&n) {
        return true;
    }
    let Ok(modulus) = Modulus::new(n) else {
        return false;
    };
    let twos = (n - 1).trailing_zeros();
    let odd = (n - 1) >> twos;
    BASES.iter().all(|&base| {
        let mut x = modulus.pow_vartime(modulus.reduce(base), odd);
        if x <= 1 || x == n - 1 {
            // A base that is 0 modulo n divides n, so n is no prime.
            return x != 0;
        }
        for _ in 1..twos {
            x = modulus.mul(x, x);
            if x == n - 1 {
                return true;
            }
        }
        false
    })
}

/// The `count` largest primes of exactly `bits` bits that are 1 modulo `2·degree`, in descending order, without those in
/// `taken`.
///
/// # Errors
/// [`ParamError::BadDegree`] unless `degree` is a power of two up to [`MAX_DEGREE`]; [`ParamError::BadPrimeSize`] unless
/// `bits` is in `[2, 60]`; [`ParamError::NotEnoughPrimes`] if there are fewer.
pub fn ntt_primes_vartime(bits: u32, degree: usize, count: usize, taken: &[u64]) -> Result<Vec<u64>, ParamError> {
    check_degree(degree)?;
    if !(2..=Modulus::MAX_BITS).contains(&bits) {
        return Err(ParamError::BadPrimeSize { bits, min: 2, max: Modulus::MAX_BITS });
    }
    let step = 2 * degree as u64;
    let (low, high) = (1u64 << (bits - 1), 1u64 << bits);
    let mut found = Vec::new();
    let mut candidate = ((high - 1) & !(step - 1)) | 1;
    while found.len() < count && candidate > low {
        if candidate < high && !taken.contains(&candidate) && is_prime_vartime(candidate) {
            found.push(candidate);
        }
        candidate = candidate.saturating_sub(step);
    }
    if found.len() < count { Err(ParamError::NotEnoughPrimes { bits, degree, wanted: count }) } else { Ok(found) }
}

/// The smallest prime at or above `least` that is 1 modulo `2·degree`.
///
/// # Errors
/// [`ParamError::BadDegree`] unless `degree` is a power of two up to [`MAX_DEGREE`]; [`ParamError::NotEnoughPrimes`] if
/// none lies below `2^60`.
pub fn next_ntt_prime_vartime(least: u64, degree: usize) -> Result<u64, ParamError> {
    check_degree(degree)?;
    let step = 2 * degree as u64;
    let scarce = ParamError::NotEnoughPrimes { bits: u64::BITS - least.leading_zeros(), degree, wanted: 1 };
    // The least number that is 1 modulo the step and at least `least`; 1 itself is no prime.
    let start = least.saturating_sub(1).min(1 << Modulus::MAX_BITS).next_multiple_of(step).max(step) + 1;
    let mut candidates = (start..1 << Modulus::MAX_BITS).step_by(2 * degree);
    candidates.find(|&q| is_prime_vartime(q)).ok_or(scarce)
}

/// The smallest primitive `2·degree`-th root of unity modulo the prime `q`, so that tables are the same everywhere.
///
/// Cost: `degree` multiplications.
///
/// # Errors
/// [`ParamError::BadDegree`] unless `degree` is a power of two up to [`MAX_DEGREE`]; [`ParamError::NotPrime`] if `q` is
/// composite; [`ParamError::NoRoot`] unless `2·degree` divides `q - 1`.
pub fn primitive_root_vartime(modulus: &Modulus, degree: usize) -> Result<u64, ParamError> {
    check_degree(degree)?;
    let q = modulus.value();
    if !is_prime_vartime(q) {
        return Err(ParamError::NotPrime { value: q });
    }
    let order = 2 * degree as u64;
    if (q - 1) & (order - 1) != 0 {
        return Err(ParamError::NoRoot { modulus: q, degree });
    }
    let cofactor = (q - 1) >> order.trailing_zeros();
    // x^cofactor has order exactly 2n when its n-th power is -1. Half of all x do.
    let root = (2..q)
        .map(|x| modulus.pow_vartime(x, cofactor))
        .find(|&root| modulus.pow_vartime(root, degree as u64) == q - 1)
        .ok_or(ParamError::NoRoot { modulus: q, degree })?;
    let square = modulus.mul(root, root);
    // The primitive roots are the odd powers of any one of them.
    let odd_powers = (0..degree).scan(root, |power, _| {
        let current = *power;
        *power = modulus.mul(current, square);
        Some(current)
    });
    Ok(odd_powers.min().unwrap_or(root))
}

fn check_degree(degree: usize) -> Result<(), ParamError> {
    if degree.is_power_of_two() && degree <= MAX_DEGREE {
        Ok(())
    } else {
        Err(ParamError::BadDegree { degree, min: 1, max: MAX_DEGREE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primality_of_small_numbers_and_pseudoprimes() {
        let sieve = |n: u64| n >= 2 && (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
        for n in 0..2000 {
            assert_eq!(is_prime_vartime(n), sieve(n), "{n}");
        }
        // Carmichael numbers and strong pseudoprimes to small bases.
        for n in [561, 41041, 3_215_031_751, 3_474_749_660_383, 341_550_071_728_321] {
            assert!(!is_prime_vartime(n), "{n}");
        }
        assert!(is_prime_vartime((1 << 59) - 55));
        assert!(!is_prime_vartime(((1 << 29) - 3) * ((1 << 29) - 43)));
    }

    #[test]
    fn ntt_primes_have_the_size_and_the_root() {
        for (bits, degree) in [(17, 4096), (30, 1024), (46, 8192), (50, 65536), (60, 16384)] {
            for q in ntt_primes_vartime(bits, degree, 2, &[]).unwrap() {
                assert_eq!(u64::BITS - q.leading_zeros(), bits);
                let modulus = Modulus::new(q).unwrap();
                let root = primitive_root_vartime(&modulus, degree).unwrap();
                assert_eq!(modulus.pow_vartime(root, degree as u64), q - 1);
            }
        }
    }

    #[test]
    fn next_primes_are_the_nearest() {
        for least in [0, 1, 97, 98, 193, 194, 1 << 33, (1 << 59) + 12345] {
            let q = next_ntt_prime_vartime(least, 16).unwrap();
            assert!(q >= least && q & 31 == 1 && is_prime_vartime(q));
            assert!((least.max(2)..q).take(5000).all(|x| x & 31 != 1 || !is_prime_vartime(x)), "{least}");
        }
        assert!(next_ntt_prime_vartime((1 << 60) - 1, 16).is_err());
        assert!(next_ntt_prime_vartime(u64::MAX, 16).is_err());
    }

    #[test]
    fn taken_primes_are_left_out_and_scarcity_is_an_error() {
        let first = ntt_primes_vartime(30, 1024, 3, &[]).unwrap();
        assert_eq!(ntt_primes_vartime(30, 1024, 2, &first[..1]).unwrap(), first[1..]);
        assert_eq!(
            ntt_primes_vartime(12, 1024, 2, &[]),
            Err(ParamError::NotEnoughPrimes { bits: 12, degree: 1024, wanted: 2 })
        );
        for bits in [0, 1, 61, u32::MAX] {
            let error = ParamError::BadPrimeSize { bits, min: 2, max: 60 };
            assert_eq!(ntt_primes_vartime(bits, 1024, 1, &[]), Err(error));
        }
    }

    #[test]
    fn degrees_without_roots_are_refused() {
        let q = Modulus::new(65537).unwrap();
        for degree in [0, 3, 24, 1 << 18, 1 << (usize::BITS - 1), usize::MAX] {
            let error = ParamError::BadDegree { degree, min: 1, max: MAX_DEGREE };
            assert_eq!(ntt_primes_vartime(30, degree, 1, &[]), Err(error.clone()));
            assert_eq!(next_ntt_prime_vartime(1 << 30, degree), Err(error.clone()));
            assert_eq!(primitive_root_vartime(&q, degree), Err(error));
        }
    }

    #[test]
    fn roots_are_the_smallest_and_refused_where_there_are_none() {
        // 3 has order 16 modulo 17, and so have 5, 6, 7, 10, 11, 12, 14.
        assert_eq!(primitive_root_vartime(&Modulus::new(17).unwrap(), 8), Ok(3));
        let no_root = ParamError::NoRoot { modulus: 19, degree: 8 };
        assert_eq!(primitive_root_vartime(&Modulus::new(19).unwrap(), 8), Err(no_root));
        let composite = ParamError::NotPrime { value: 33 };
        assert_eq!(primitive_root_vartime(&Modulus::new(33).unwrap(), 8), Err(composite));
    }
}
