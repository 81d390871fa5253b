//! What can go wrong, with the numbers that explain it.
//!
//! No variant carries a secret, and none carries a free-form string.

use core::fmt;

#[cfg(feature = "ckks")]
use crate::ckks::Scale;

/// A parameter set, modulus or plan that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamError {
    /// A modulus outside `[3, 2^60)` or even.
    BadModulus {
        /// The value asked for.
        value: u64,
    },
    /// A modulus that must be prime and is not.
    NotPrime {
        /// The value asked for.
        value: u64,
    },
    /// A modulus that must have an inverse of the divisor and has none.
    NoInverse {
        /// The modulus.
        modulus: u64,
    },
    /// The same modulus twice in one basis.
    RepeatedModulus {
        /// The value found twice.
        value: u64,
    },
    /// The modulus has no primitive `2n`-th root of unity.
    NoRoot {
        /// The modulus.
        modulus: u64,
        /// The ring degree `n`.
        degree: usize,
    },
    /// The ring degree is no power of two in the supported range.
    BadDegree {
        /// The degree asked for.
        degree: usize,
        /// Smallest supported degree.
        min: usize,
        /// Largest supported degree.
        max: usize,
    },
    /// Primes of a size that no modulus has.
    BadPrimeSize {
        /// The size asked for, in bits.
        bits: u32,
        /// The smallest size.
        min: u32,
        /// The largest size.
        max: u32,
    },
    /// Fewer primes of the wanted size exist than were asked for.
    NotEnoughPrimes {
        /// Size of the primes in bits.
        bits: u32,
        /// The ring degree `n`; primes are 1 modulo `2n`.
        degree: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// An empty or too long list of moduli.
    ModulusCount {
        /// Which list.
        list: ModulusList,
        /// How many were given.
        given: usize,
        /// Smallest allowed count.
        min: usize,
        /// Largest allowed count.
        max: usize,
    },
    /// `log2(Q·P)` above the bound of the security table.
    Insecure {
        /// The ring degree `n`.
        degree: usize,
        /// `ceil(log2(Q·P))` of the set asked for.
        bits: u64,
        /// The largest value the table allows at this degree and level; 0 where the table has no entry.
        limit: u32,
        /// The level, in bits.
        security: u32,
    },
    /// The product of the plaintext moduli does not fit the decoder's 126 bits.
    PlainTooWide {
        /// `ceil(log2)` of the product.
        bits: u64,
    },
    /// A plaintext modulus that is not smaller than every ciphertext prime, or is one of them.
    PlainNotSmaller {
        /// The plaintext modulus.
        plain: u64,
        /// The ciphertext prime.
        prime: u64,
    },
    /// Fewer or more residues than the ring or transform has.
    LengthMismatch {
        /// Residues given.
        given: usize,
        /// Residues needed.
        needed: usize,
    },
    /// A word among residues that is not below their modulus.
    NotReduced {
        /// The modulus.
        modulus: u64,
    },
}

/// The lists of moduli that a parameter set is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModulusList {
    /// The ciphertext primes, whose product is `Q`.
    Ciphertext,
    /// The special primes of key switching, whose product is `P`.
    Special,
    /// The plaintext moduli.
    Plain,
    /// The moduli of a residue number system.
    Basis,
}

impl fmt::Display for ModulusList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ciphertext => "ciphertext primes",
            Self::Special => "special primes",
            Self::Plain => "plaintext moduli",
            Self::Basis => "moduli of a basis",
        })
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadModulus { value } => write!(f, "modulus {value} is not odd in [3, 2^60)"),
            Self::NotPrime { value } => write!(f, "modulus {value} is not prime"),
            Self::NoInverse { modulus } => write!(
                f,
                "the divisor has no inverse modulo {modulus}; a target must be a prime that does not divide it"
            ),
            Self::RepeatedModulus { value } => write!(f, "modulus {value} is given twice; moduli must be distinct"),
            Self::NoRoot { modulus, degree } => write!(
                f,
                "modulus {modulus} has no primitive {}-th root of unity; for degree {degree} take a prime that is 1 modulo {}",
                2 * degree,
                2 * degree
            ),
            Self::BadDegree { degree, min, max } => {
                write!(f, "ring degree {degree} is no power of two in [{min}, {max}]")
            }
            Self::BadPrimeSize { bits, min, max } => {
                write!(f, "primes of {bits} bits asked for; {min} to {max} bits are possible")
            }
            Self::NotEnoughPrimes { bits, degree, wanted } => write!(
                f,
                "there are fewer than {wanted} primes of {bits} bits that are 1 modulo {}; ask for larger primes",
                2 * degree
            ),
            Self::ModulusCount { list, given, min, max } => {
                write!(f, "{given} {list} given, between {min} and {max} are needed")
            }
            Self::Insecure { degree, limit: 0, security, .. } => write!(
                f,
                "the security table has no entry for degree {degree} at {security} bits; take a larger degree"
            ),
            Self::Insecure { degree, bits, limit, security } => write!(
                f,
                "log2(Q·P) is {bits} bits, but degree {degree} allows at most {limit} at {security}-bit security; drop primes or double the degree"
            ),
            Self::PlainTooWide { bits } => {
                write!(f, "the plaintext moduli multiply to {bits} bits, at most 126 are supported")
            }
            Self::PlainNotSmaller { plain, prime } => {
                write!(
                    f,
                    "plaintext modulus {plain} must be smaller than every ciphertext prime, and {prime} is not larger"
                )
            }
            Self::LengthMismatch { given, needed } => write!(f, "{given} residues given where {needed} are needed"),
            Self::NotReduced { modulus } => {
                write!(f, "a residue is not below its modulus {modulus}; reduce it first")
            }
        }
    }
}

impl core::error::Error for ParamError {}

/// Bytes that are not a well-formed value for the parameters at hand.
#[cfg(feature = "wire")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// Fewer or more bytes than the value has.
    Length {
        /// Bytes that the value needs.
        expected: usize,
        /// Bytes that were there.
        found: usize,
    },
    /// The first bytes are not the format's magic.
    Magic,
    /// A format version that this build does not read.
    Version {
        /// The version found.
        found: u16,
        /// The version this build reads.
        supported: u16,
    },
    /// A value of another kind, such as a secret key where a ciphertext belongs.
    Kind {
        /// The kind that was asked for.
        expected: Kind,
        /// The tag found.
        found: u8,
    },
    /// Made under other parameters.
    Parameters,
    /// A field outside its range.
    Field {
        /// The field's name.
        name: &'static str,
        /// The value found.
        found: u64,
        /// The smallest allowed value.
        min: u64,
        /// The largest allowed value.
        max: u64,
    },
    /// A residue that is not smaller than its modulus, or stray bits after the last one.
    NotCanonical,
}

/// The kinds of values that have a byte format, by type tag.
#[cfg(feature = "wire")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The secret key.
    SecretKey = 1,
    /// A public encryption key.
    PublicKey = 2,
    /// Relinearisation and Galois keys.
    EvaluationKeys = 3,
    /// A ciphertext with all its polynomials.
    Ciphertext = 4,
    /// A fresh ciphertext whose uniform half is a seed.
    SeededCiphertext = 5,
    /// A CKKS ciphertext with all its polynomials.
    CkksCiphertext = 6,
    /// A fresh CKKS ciphertext whose uniform half is a seed.
    SeededCkksCiphertext = 7,
    /// What of a ciphertext tells the trace of its message.
    TracedCiphertext = 8,
    /// What of a CKKS ciphertext tells the trace of its message.
    TracedCkksCiphertext = 9,
}

#[cfg(feature = "wire")]
impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::SecretKey,
        Self::PublicKey,
        Self::EvaluationKeys,
        Self::Ciphertext,
        Self::SeededCiphertext,
        Self::CkksCiphertext,
        Self::SeededCkksCiphertext,
        Self::TracedCiphertext,
        Self::TracedCkksCiphertext,
    ];

    /// The kind with this type tag.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == tag)
    }
}

#[cfg(feature = "wire")]
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretKey => "secret key",
            Self::PublicKey => "public key",
            Self::EvaluationKeys => "evaluation keys",
            Self::Ciphertext => "ciphertext",
            Self::SeededCiphertext => "seeded ciphertext",
            Self::CkksCiphertext => "CKKS ciphertext",
            Self::SeededCkksCiphertext => "seeded CKKS ciphertext",
            Self::TracedCiphertext => "traced ciphertext",
            Self::TracedCkksCiphertext => "traced CKKS ciphertext",
        })
    }
}

#[cfg(feature = "wire")]
impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } if found < expected => {
                write!(f, "truncated: {expected} bytes needed, {found} found")
            }
            Self::Length { expected, found } => write!(f, "trailing bytes: {expected} bytes needed, {found} found"),
            Self::Magic => f.write_str("not in this project's format (wrong first bytes)"),
            Self::Version { found, supported } => {
                write!(f, "format version {found}; this build reads version {supported}")
            }
            Self::Kind { expected, found } => match Kind::from_tag(*found) {
                Some(kind) => write!(f, "this is a {kind}, but a {expected} is needed"),
                None => write!(f, "unknown type tag {found}, but a {expected} is needed"),
            },
            Self::Parameters => f.write_str("made under other parameters"),
            Self::Field { name, found, min, max } => {
                write!(f, "field {name} is {found}, {min} to {max} are allowed")
            }
            Self::NotCanonical => f.write_str("corrupt: a residue is not smaller than its modulus"),
        }
    }
}

#[cfg(feature = "wire")]
impl core::error::Error for WireError {}

/// An operation on ciphertexts or plaintexts that cannot be done.
#[cfg(feature = "rlwe")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvalError {
    /// The noise bound reached the modulus: the result would not decrypt.
    NoiseExhausted {
        /// log2 of the noise bound, in bits.
        noise_bits: u32,
        /// The largest that decrypts at this level.
        limit_bits: u32,
    },
    /// Operands at different levels.
    LevelMismatch {
        /// Limbs of the first operand.
        left: usize,
        /// Limbs of the second operand.
        right: usize,
    },
    /// The lowest level has no prime left to drop, or a level above the operand's was asked for.
    NoSuchLevel {
        /// The level asked for, in limbs.
        asked: usize,
        /// The highest level possible here.
        max: usize,
    },
    /// Not a period of traces: a power of two within bounds.
    BadPeriod {
        /// The period asked for, in slots.
        period: usize,
        /// The shortest.
        least: usize,
        /// The longest: a row.
        most: usize,
    },
    /// The ciphertext has more polynomials than the operation takes; relinearise first.
    SizeMismatch {
        /// Polynomials found.
        found: usize,
        /// Polynomials needed.
        needed: usize,
    },
    /// No key for this Galois element at this level was made.
    MissingGaloisKey {
        /// The Galois element.
        element: usize,
        /// The level of the ciphertext, in limbs.
        level: usize,
    },
    /// No relinearisation key at this level was made.
    MissingRelinKey {
        /// The level of the ciphertext, in limbs.
        level: usize,
    },
    /// Digits or sums modulo `Q·P` for keys of one level, used with those of another that has other digits or special
    /// primes.
    KeyLevelMismatch {
        /// The level of the keys that were hoisted for.
        left: usize,
        /// The other level.
        right: usize,
    },
    /// More values than slots.
    TooManyValues {
        /// Values given.
        given: usize,
        /// Slots there are.
        slots: usize,
    },
    /// A value outside the plaintext range.
    OutOfRange {
        /// Position of the first such value.
        index: usize,
        /// The range is `[-2^bits/2, 2^bits/2)` for this many bits.
        bits: u32,
    },
    /// An empty list where at least one operand is needed, or lists of different lengths.
    OperandCount {
        /// Operands of the first kind.
        left: usize,
        /// Operands of the second kind.
        right: usize,
    },
    /// No Galois element: even, 1, or not below `2n`.
    BadGaloisElement {
        /// The element.
        element: usize,
        /// The ring degree `n`.
        degree: usize,
    },
    /// Operands of a CKKS sum at different scales.
    #[cfg(feature = "ckks")]
    ScaleMismatch {
        /// Scale of the first operand.
        left: Scale,
        /// Scale of the second operand.
        right: Scale,
    },
    /// A CKKS scale that would leave `[1, 2^1000]`: too many rescalings for the products before them, or too few.
    #[cfg(feature = "ckks")]
    ScaleOutOfRange {
        /// log2 of the scale, rounded towards zero.
        log2: i32,
    },
    /// A CKKS message that may wrap around the modulus at its scale.
    #[cfg(feature = "ckks")]
    MessageTooLarge {
        /// log2 of the bound on the scaled message and its error, rounded up.
        message_bits: u32,
        /// log2 of the largest that fits, rounded down.
        limit_bits: u32,
    },
    /// A number that is infinite or none, or a bound that is negative or none.
    #[cfg(feature = "ckks")]
    NotFinite {
        /// Position of the first such value; 0 for the bound.
        index: usize,
    },
    /// A value above the bound that was stated for all values of a CKKS plaintext.
    #[cfg(feature = "ckks")]
    AboveBound {
        /// Position of the first such value.
        index: usize,
    },
    /// A CKKS result asked for at more bits after the binary point than its error bound leaves.
    #[cfg(feature = "ckks")]
    TooPrecise {
        /// Bits asked for.
        asked: i32,
        /// Bits that the error bound leaves.
        available: i32,
    },
}

#[cfg(feature = "rlwe")]
impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoiseExhausted { noise_bits, limit_bits } => write!(
                f,
                "noise bound of {noise_bits} bits exceeds the {limit_bits} bits that still decrypt; take a longer ciphertext modulus"
            ),
            Self::LevelMismatch { left, right } => {
                write!(f, "operands at {left} and {right} limbs; switch the higher one down first")
            }
            Self::NoSuchLevel { asked, max } => write!(f, "level of {asked} limbs asked, 1 to {max} are possible"),
            Self::BadPeriod { period, least, most } => {
                write!(f, "trace with a period of {period} slots asked; take a power of two from {least} to {most}")
            }
            Self::SizeMismatch { found, needed } => {
                write!(f, "ciphertext of {found} polynomials where {needed} are needed; relinearise first")
            }
            Self::MissingGaloisKey { element, level } => {
                write!(f, "no Galois key for element {element} at {level} limbs")
            }
            Self::MissingRelinKey { level } => write!(f, "no relinearisation key at {level} limbs"),
            Self::KeyLevelMismatch { left, right } => {
                write!(
                    f,
                    "hoisted for keys of {left} limbs, used with those of {right}; hoist again for that key level"
                )
            }
            Self::TooManyValues { given, slots } => write!(f, "{given} values for {slots} slots"),
            Self::OutOfRange { index, bits } => {
                write!(f, "value {index} does not fit the plaintext range of {bits} bits, sign included")
            }
            Self::OperandCount { left, right } => write!(f, "{left} operands against {right}"),
            Self::BadGaloisElement { element, degree } => {
                write!(f, "{element} is no Galois element; it must be odd, above 1 and below {}", 2 * degree)
            }
            #[cfg(feature = "ckks")]
            Self::ScaleMismatch { left, right } => write!(
                f,
                "operands at scales {left} and {right}; multiply one by 1 at the ratio of the scales, or rescale it"
            ),
            #[cfg(feature = "ckks")]
            Self::ScaleOutOfRange { log2 } => {
                write!(f, "scale of about 2^{log2}, 2^0 to 2^1000 are possible; rescale after products and only then")
            }
            #[cfg(feature = "ckks")]
            Self::MessageTooLarge { message_bits, limit_bits } => write!(
                f,
                "scaled message of up to {message_bits} bits where {limit_bits} fit; rescale, take a smaller scale or bound, or a higher level"
            ),
            #[cfg(feature = "ckks")]
            Self::NotFinite { index } => write!(f, "value {index} or its bound is not a finite number"),
            #[cfg(feature = "ckks")]
            Self::AboveBound { index } => write!(f, "value {index} is above the stated bound; state a larger one"),
            #[cfg(feature = "ckks")]
            Self::TooPrecise { asked, available } => write!(
                f,
                "{asked} bits after the point asked, but the error leaves {available}; ask for fewer or take larger scales"
            ),
        }
    }
}

#[cfg(feature = "rlwe")]
impl core::error::Error for EvalError {}
