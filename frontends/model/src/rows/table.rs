//! Tables of comma-separated values.

use alloc::string::String;
use alloc::vec::Vec;

use super::Rows;
use crate::error::ModelError;

/// The longest part of a cell that errors show, in characters.
const SHOWN: usize = 24;

pub(super) fn read(bytes: &[u8], width: usize, names: &[String]) -> Result<Rows, ModelError> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let (mut values, mut labels, mut rows) = (Vec::new(), Vec::new(), 0);
    for (place, record) in reader.records().enumerate() {
        let record = record.map_err(ModelError::Table)?;
        if place == 0 && record.iter().all(|cell| cell.parse::<f32>().is_err()) {
            continue;
        }
        // The first row decides whether there are labels.
        let labelled = if rows == 0 { record.len() == width + 1 } else { !labels.is_empty() };
        rows += 1;
        if record.len() != width + usize::from(labelled) {
            return Err(ModelError::TableSize { expected: [rows, width], rows, row: place + 1, columns: record.len() });
        }
        for (column, cell) in record.iter().take(width).enumerate() {
            values.push(number(cell).ok_or_else(|| ModelError::TableNumber {
                row: place + 1,
                column: column + 1,
                text: cell.chars().take(SHOWN).collect(),
            })?);
        }
        if let Some(cell) = record.get(width) {
            labels.push(label(cell, names).ok_or_else(|| ModelError::TableLabel {
                row: place + 1,
                text: cell.chars().take(SHOWN).collect(),
                classes: names.len(),
            })?);
        }
    }
    Rows::new(width, values, (!labels.is_empty()).then_some(labels))
}

fn number(cell: &str) -> Option<f32> {
    cell.parse().ok().filter(|value: &f32| value.is_finite())
}

/// A name among the classes, or the number of one.
fn label(cell: &str, names: &[String]) -> Option<usize> {
    let class = names.iter().position(|name| name == cell);
    class
        .or_else(|| number(cell).filter(|class| class.fract() == 0.0 && *class >= 0.0).map(|class| class as usize))
        .filter(|&class| class < names.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn names() -> Vec<String> {
        vec!["benign".into(), "malignant".into()]
    }

    #[test]
    fn tables_have_headers_and_labels_or_not() {
        let plain = read(b"1,2\n3, 4.5\n", 2, &names()).unwrap();
        assert_eq!((plain.values(), plain.labels()), ([1.0, 2.0, 3.0, 4.5].as_slice(), None));
        let labelled = read(b"size,age,class\n1,2,malignant\n-3,4e1,0\n", 2, &names()).unwrap();
        assert_eq!((labelled.len(), labelled.labels()), (2, Some([1, 0].as_slice())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |text: &str| read(text.as_bytes(), 2, &names()).unwrap_err();
        assert!(matches!(refused("1,2\n1\n"), ModelError::TableSize { row: 2, columns: 1, .. }));
        assert!(matches!(refused("1,2\n1,2,0\n"), ModelError::TableSize { row: 2, columns: 3, .. }));
        assert!(matches!(refused("1,2,0\n1,2\n"), ModelError::TableSize { row: 2, columns: 2, .. }));
        assert!(matches!(refused("1,x\n"), ModelError::TableNumber { row: 1, column: 2, .. }));
        assert!(matches!(refused("1,inf\n"), ModelError::TableNumber { .. }));
        assert!(matches!(refused("1,2,2\n"), ModelError::TableLabel { row: 1, classes: 2, .. }));
        assert!(matches!(refused("1,2,-1\n"), ModelError::TableLabel { .. }));
        assert!(matches!(refused(""), ModelError::RowWidth { .. }));
    }
}
