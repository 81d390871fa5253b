//! A table of numbers, a row per line, separated by commas.

use alloc::string::String;
use alloc::vec::Vec;
use std::path::Path;

use crate::error::ModelError;
use crate::format::read_bounded;

/// Far above the largest of the published files (0.7 MB).
const MAX_FILE: u64 = 1 << 24;

/// Row-major numbers, all finite.
#[derive(Debug)]
pub(super) struct Table {
    columns: usize,
    numbers: Vec<f64>,
}

impl Table {
    /// Reads a table of exactly `rows` by `columns`.
    pub(super) fn open(file: &Path, rows: usize, columns: usize) -> Result<Self, ModelError> {
        let bytes = read_bounded(file, MAX_FILE);
        bytes.and_then(|bytes| Self::parse(&bytes, rows, columns)).map_err(|error| error.in_file(file))
    }

    /// Row-major numbers.
    pub(super) fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.columns)
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.numbers.len() / self.columns, self.columns]
    }

    /// Rows become columns.
    pub(super) fn transposed(&self) -> Self {
        let column = |column| self.rows().map(move |row| row[column]);
        Self { columns: self.size()[0], numbers: (0..self.columns).flat_map(column).collect() }
    }

    pub(super) fn parse(bytes: &[u8], rows: usize, columns: usize) -> Result<Self, ModelError> {
        let text = String::from_utf8_lossy(bytes);
        let mut numbers = Vec::new();
        let mut found = 0;
        for line in text.lines() {
            found += 1;
            let before = numbers.len();
            for (index, cell) in line.split(',').enumerate() {
                numbers.push(parse_number(cell, found, index + 1)?);
            }
            let width = numbers.len() - before;
            if width != columns {
                let expected = [rows, columns];
                return Err(ModelError::TableSize { expected, rows: text.lines().count(), row: found, columns: width });
            }
        }
        if found != rows {
            return Err(ModelError::TableSize { expected: [rows, columns], rows: found, row: found, columns });
        }
        Ok(Self { columns, numbers })
    }
}

fn parse_number(cell: &str, row: usize, column: usize) -> Result<f64, ModelError> {
    let number = cell.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| ModelError::TableNumber { row, column, text: cell.chars().take(24).collect() })
}
