//! The rows of a table as text, however its columns are separated.

use std::path::Path;

use csv::StringRecord;

use super::{csv_error, table_error};
use crate::data::DataError;

/// A table as text.
pub(super) struct Records {
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// Where they stand.
    pub(super) header_line: u64,
    /// Cells, with the line of each row.
    pub(super) rows: Vec<(u64, StringRecord)>,
    /// What parts the cells: a comma, a semicolon, a tab, or a space for any number of them.
    pub(super) separator: u8,
    /// How many rows the file says it has.
    pub(super) promised: Option<usize>,
}

impl Records {
    /// The rows of `text`; `path` is for messages.
    ///
    /// Errors: what cannot be read as CSV.
    pub(super) fn of(path: &Path, text: &str) -> Result<Self, DataError> {
        let mut lines = text
            .lines()
            .zip(1u64..)
            .filter(|(l, _)| !l.trim().is_empty());
        let first = lines.next().map_or("", |(line, _)| line);
        let delimiter = delimiter(first);
        // CelebA's: how many rows, the names, then the rows, with spaces between. The files' column has no name.
        if let Ok(n) = first.trim().parse::<usize>()
            && let Some((names, line)) = lines.next()
        {
            let header = std::iter::once("file").chain(names.split_whitespace());
            return Ok(Self {
                header: header.map(str::to_owned).collect(),
                header_line: line,
                rows: lines.map(spaced).collect(),
                promised: Some(n),
                separator: b' ',
            });
        }
        let Some(delimiter) = delimiter else {
            let header: Vec<String> = first.split_whitespace().map(str::to_owned).collect();
            let rows: Vec<_> = lines.map(spaced).collect();
            // Else it is one column, whose names may have spaces in them.
            if header.len() > 1 && rows.iter().all(|(_, cells)| cells.len() == header.len()) {
                return Ok(Self {
                    header,
                    header_line: 1,
                    rows,
                    promised: None,
                    separator: b' ',
                });
            }
            return Self::separated(path, text, b',');
        };
        Self::separated(path, text, delimiter)
    }

    fn separated(path: &Path, text: &str, delimiter: u8) -> Result<Self, DataError> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| csv_error(path, &e))?;
        let header: Vec<String> = header.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| csv_error(path, &e))?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push((line, record));
        }
        if header.is_empty() {
            return Err(table_error(
                path,
                Some(1),
                "the header has no columns; name them",
            ));
        }
        Ok(Self {
            header,
            header_line: 1,
            rows,
            promised: None,
            separator: delimiter,
        })
    }
}

fn spaced((line, number): (&str, u64)) -> (u64, StringRecord) {
    (number, line.split_whitespace().collect())
}

/// What separates the columns of a header: whichever of comma, semicolon and tab it has most of, where it has any.
fn delimiter(header: &str) -> Option<u8> {
    let count = |delimiter: &u8| header.bytes().filter(|b| b == delimiter).count();
    // Of equal counts the last wins, so the comma stands last.
    let most = [b'\t', b';', b','].into_iter().max_by_key(count);
    most.filter(|delimiter| count(delimiter) > 0)
}
