//! The NumPy array file, as NumPy's own format description (NEP 1) specifies it: a magic string, a header that is a
//! Python dictionary of three entries, and the numbers.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::ModelError;

/// The numbers of a file in row-major order, and their shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The sides.
    pub shape: Vec<usize>,
    /// The numbers, rounded to single precision if they are wider.
    pub values: Vec<f32>,
}

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Reads a little-endian array in C order of type `f2`, `f4`, `f8`, `u1`, `i1`, `i4` or `i8`. Memory stays within four times
/// the bytes.
///
/// # Errors
///
/// [`ModelError::Npy`] for any other file; [`ModelError::Truncated`] and [`ModelError::TrailingBytes`] if the numbers are
/// not as many as the shape says.
pub fn read_npy(bytes: &[u8]) -> Result<Array, ModelError> {
    let refused = |reason: &str| ModelError::Npy { reason: reason.to_string() };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| refused("it does not begin as one"))?;
    let (length, rest) = match rest {
        [1, _, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(refused("its version is not 1 to 3")),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| refused("its header is truncated"))?;
    let header = core::str::from_utf8(header).map_err(|_| refused("its header is not text"))?;
    if entry(header, "fortran_order").is_none_or(|order| !order.starts_with("False")) {
        return Err(refused("its order is not C: save it with numpy.ascontiguousarray"));
    }
    let shape = shape(header).ok_or_else(|| refused("its shape cannot be read"))?;
    let kind = entry(header, "descr").and_then(|text| text.strip_prefix('\'')?.split('\'').next());
    let kind = kind.unwrap_or("structured");
    let width = match kind {
        "|u1" | "|i1" => 1,
        "<f2" => 2,
        "<f4" | "<i4" => 4,
        "<f8" | "<i8" => 8,
        other => return Err(refused(&alloc::format!("type {other:?} is not one of f2, f4, f8, u1, i1, i4, i8"))),
    };
    let count = shape.iter().try_fold(width, |product: usize, &side| product.checked_mul(side));
    let expected = count.ok_or_else(|| refused("its shape is too large"))?;
    match data.len() {
        found if found < expected => Err(ModelError::Truncated { expected: expected as u64, found: found as u64 }),
        found if found > expected => Err(ModelError::TrailingBytes { expected: expected as u64 }),
        _ => Ok(Array { shape, values: numbers(kind, data) }),
    }
}

fn numbers(kind: &str, data: &[u8]) -> Vec<f32> {
    let (fours, eights) = (data.as_chunks::<4>().0.iter(), data.as_chunks::<8>().0.iter());
    match kind {
        "|u1" => data.iter().map(|&byte| byte.into()).collect(),
        "|i1" => data.iter().map(|&byte| byte.cast_signed().into()).collect(),
        "<f2" => data.as_chunks().0.iter().map(|&half| from_half(u16::from_le_bytes(half))).collect(),
        "<i4" => fours.map(|&word| i32::from_le_bytes(word) as f32).collect(),
        "<i8" => eights.map(|&word| i64::from_le_bytes(word) as f32).collect(),
        "<f8" => eights.map(|&word| f64::from_le_bytes(word) as f32).collect(),
        _ => fours.map(|&word| f32::from_le_bytes(word)).collect(),
    }
}

/// The number that a half-precision float (IEEE 754 binary16) stands for; single precision holds each of them exactly.
fn from_half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        31 => f32::from_bits(0xff << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 127 - 15) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// What follows a key of the header.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = alloc::format!("'{key}':");
    header.split_once(quoted.as_str()).map(|(_, value)| value.trim_start())
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let (sides, _) = entry(header, "shape")?.strip_prefix('(')?.split_once(')')?;
    let sides: Vec<String> = sides.split(',').map(|side| side.trim().to_string()).collect();
    sides.iter().filter(|side| !side.is_empty()).map(|side| side.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [MAGIC.as_slice(), &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn header(kind: &str, shape: &str) -> String {
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
    }

    #[test]
    fn arrays_are_read() {
        let data: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let array = read_npy(&file(&header("<f4", "(1, 2)"), &data)).unwrap();
        assert_eq!(array, Array { shape: vec![1, 2], values: vec![1.5, -2.0] });
        let array = read_npy(&file(&header("|u1", "(3,)"), &[0, 7, 255])).unwrap();
        assert_eq!(array, Array { shape: vec![3], values: vec![0.0, 7.0, 255.0] });
        assert_eq!(read_npy(&file(&header("<i8", "()"), &(-3_i64).to_le_bytes())).unwrap().values, [-3.0]);
    }

    #[test]
    fn halves_are_read_exactly() {
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        let data: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let array = read_npy(&file(&header("<f2", "(256, 256)"), &data)).unwrap();
        for (half, value) in halves.into_iter().zip(array.values) {
            let (sign, exponent, fraction) = (half >> 15, i32::from(half >> 10 & 31), f64::from(half & 1023));
            let magnitude = match exponent {
                0 => fraction * (-24_f64).exp2(),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
            };
            let expected = if sign == 1 { -magnitude } else { magnitude };
            assert!(f64::from(value) == expected || (value.is_nan() && expected.is_nan()), "{half:#06x}: {value}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |bytes: &[u8]| read_npy(bytes).unwrap_err().to_string();
        assert!(refused(b"PNG").contains("does not begin as one"));
        assert!(refused(&file(&header("<c8", "(1,)"), &[0; 8])).contains("<c8"));
        assert!(refused(&file(&header("<f4", "(-1,)"), &[0; 4])).contains("shape"));
        assert!(refused(&file(&header("<f4", "(9999999999999, 9999999999999)"), &[])).contains("too large"));
        assert!(refused(&file(&header("<f4", "(2,)"), &[0; 7])).contains("truncated"));
        assert!(refused(&file(&header("<f4", "(2,)"), &[0; 9])).contains("after the 8"));
        assert!(refused(&file(&header("<f2", "(2,)"), &[0; 3])).contains("expected 4 bytes"));
        assert!(refused(&file(&header("<f4", "(2,)").replace("False", "True"), &[0; 8])).contains("order"));
        assert!(refused(&[MAGIC.as_slice(), &[1, 0, 255, 255]].concat()).contains("header is truncated"));
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "\\PC{0,80}", data in proptest::collection::vec(any::<u8>(), 0..16)) {
            let _ = read_npy(&file(&text, &data));
        }
    }
}
