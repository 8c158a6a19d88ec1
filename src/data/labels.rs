//! Attribute tables: numbers for each picture, read from CSV files and merged by file name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::DataError;
use crate::disk::{self, ReadError, looks_like};
use crate::quote::piece;

/// Larger tables are refused before they are read: a million rows of forty numbers fit.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// The column that names the picture; where no column has this name, the first one does.
const FILE_COLUMN: &str = "file";
/// The column that says what a picture may be used for.
const SPLIT_COLUMN: &str = "split";

/// What is known of each picture, sorted by file name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelTable {
    columns: Vec<String>,
    rows: BTreeMap<String, LabelRow>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct LabelRow {
    split: Option<String>,
    /// As long as the table's columns; `None` where the cell is empty or the file had no row.
    values: Vec<Option<f32>>,
}

impl LabelTable {
    /// Reads one table: a header, a column of file names (`file`, else the first), an optional column `split`, and
    /// numbers. An empty cell means that the number is unknown. Commas, semicolons or tabs part the cells, whichever the
    /// header has; CelebA's own lists, which have spaces, are understood too.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = disk::read(path, MAX_TABLE_BYTES).map_err(|e| match e {
            ReadError::IsFolder { .. } => {
                table_error(path, None, "this is a folder; name the CSV file inside it")
            }
            other => other.into(),
        })?;
        Self::parse(path, &bytes)
    }

    /// Reads several CSV files and merges them by file name.
    pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<Self, DataError> {
        let mut table = Self::default();
        for path in paths {
            let path = path.as_ref();
            table.merge(path, Self::read(path)?)?;
        }
        Ok(table)
    }

    /// Parses the bytes of a CSV file; `path` is for messages.
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        if let Some(what) = looks_like(bytes).filter(|w| !bytes.is_empty() && *w != "a text") {
            return Err(table_error(path, None, format!("not a table but {what}")));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = 1 + count_newlines(&bytes[..e.valid_up_to()]);
            table_error(path, Some(line), "not UTF-8 text; save it as CSV in UTF-8")
        })?;
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Err(table_error(
                path,
                None,
                "the table is empty; it needs a header such as `file,age` and a row a picture",
            ));
        }
        let (text, separator) = separated(text);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .delimiter(separator)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| csv_error(path, &e))?.clone();
        let layout = Layout::of_header(path, &header, separator)?;

        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|e| csv_error(path, &e))?;
            let line = record.position().map(csv::Position::line);
            let (file, row) = layout.row(path, line, &header, &record)?;
            if rows.insert(file.clone(), row).is_some() {
                let problem = format!("`{}` is listed twice; keep one of the rows", piece(&file));
                return Err(table_error(path, line, problem));
            }
        }
        if rows.is_empty() {
            let problem = "the table has a header but no rows; add a row for each picture";
            return Err(table_error(path, None, problem));
        }
        let columns = layout
            .numbers
            .iter()
            .filter_map(|&i| header.get(i))
            .map(str::to_owned)
            .collect();
        Ok(Self { columns, rows })
    }

    /// Adds the rows and columns of `other`, read from `path`. Where both tables know a number of
    /// a picture, or its split, they must agree.
    pub fn merge(&mut self, path: &Path, other: Self) -> Result<(), DataError> {
        let target: Vec<usize> = other
            .columns
            .iter()
            .map(|name| {
                self.column_index(name).unwrap_or_else(|| {
                    self.columns.push(name.clone());
                    self.columns.len() - 1
                })
            })
            .collect();
        for row in self.rows.values_mut() {
            row.values.resize(self.columns.len(), None);
        }
        for (file, theirs) in other.rows {
            let ours = self.rows.entry(file.clone()).or_default();
            ours.values.resize(self.columns.len(), None);
            let conflict = |column: &str| {
                let problem = format!(
                    "`{file}` has another value of `{column}` here than in a table read before; \
                     correct one of them"
                );
                table_error(path, None, problem)
            };
            match (&ours.split, theirs.split) {
                (Some(a), Some(b)) if *a != b => return Err(conflict(SPLIT_COLUMN)),
                (None, Some(b)) => ours.split = Some(b),
                _ => {}
            }
            for (&at, value) in target.iter().zip(theirs.values) {
                let Some(value) = value else { continue };
                match ours.values[at] {
                    Some(known) if known != value => return Err(conflict(&self.columns[at])),
                    _ => ours.values[at] = Some(value),
                }
            }
        }
        Ok(())
    }

    /// Names of the number columns, in the order read.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Pictures that have a row.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no picture has a row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// File names, sorted; with a split, only those of that split.
    pub fn files(&self, split: Option<&str>) -> Vec<&str> {
        self.rows
            .iter()
            .filter(|(_, row)| split.is_none_or(|s| row.split.as_deref() == Some(s)))
            .map(|(file, _)| file.as_str())
            .collect()
    }

    /// The names of the splits, sorted.
    pub fn splits(&self) -> Vec<&str> {
        let mut splits: Vec<&str> = self
            .rows
            .values()
            .filter_map(|r| r.split.as_deref())
            .collect();
        splits.sort_unstable();
        splits.dedup();
        splits
    }

    /// The split of a picture, where the table says it.
    pub fn split(&self, file: &str) -> Option<&str> {
        self.rows.get(file)?.split.as_deref()
    }

    /// The number of a picture in a column, where it is known.
    pub fn value(&self, file: &str, column: &str) -> Option<f32> {
        let at = self.column_index(column)?;
        *self.rows.get(file)?.values.get(at)?
    }

    /// Rows whose file is none of these, and the first of them.
    pub fn unmatched<'a>(&'a self, is_there: impl Fn(&str) -> bool) -> (usize, Option<&'a str>) {
        let mut lost = self.rows.keys().filter(|file| !is_there(file));
        let first = lost.next().map(String::as_str);
        (usize::from(first.is_some()) + lost.count(), first)
    }

    fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }
}

/// The text of a table and what parts its cells.
fn separated(text: &str) -> (Cow<'_, str>, u8) {
    let mut lines = text.lines();
    let (first, second) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    if first.contains(',') {
        return (text.into(), b',');
    }
    for separator in [';', '\t'] {
        if first.contains(separator) {
            return (text.into(), separator as u8);
        }
    }
    // CelebA's lists: how many rows, the names of the numbers, then rows of a file and its numbers.
    let is_list = first.trim().parse::<usize>().is_ok() && !second.contains([',', ';']);
    if !is_list {
        return (text.into(), b',');
    }
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("\t");
    let rows = std::iter::once(format!("{FILE_COLUMN}\t{}", line(second))).chain(lines.map(line));
    (rows.collect::<Vec<_>>().join("\n").into(), b'\t')
}

/// Which field of a row is what.
struct Layout {
    /// What parts the cells.
    separator: u8,
    file: usize,
    split: Option<usize>,
    numbers: Vec<usize>,
}

impl Layout {
    fn of_header(
        path: &Path,
        header: &csv::StringRecord,
        separator: u8,
    ) -> Result<Self, DataError> {
        let fail = |problem: String| Err(table_error(path, Some(1), problem));
        if header.len() > 1 && header.iter().skip(1).all(|c| c.parse::<f32>().is_ok()) {
            return fail("the header is missing; name the columns, such as `file,age`".into());
        }
        for (i, name) in header.iter().enumerate() {
            if name.is_empty() {
                return fail(format!("column {} has no name; name it", i + 1));
            }
            if header.iter().take(i).any(|earlier| earlier == name) {
                return fail(format!(
                    "two columns are named `{}`; rename one",
                    piece(name)
                ));
            }
        }
        let file = header.iter().position(|c| c == FILE_COLUMN).unwrap_or(0);
        let split = header
            .iter()
            .position(|c| c == SPLIT_COLUMN)
            .filter(|&i| i != file);
        let numbers = (0..header.len())
            .filter(|&i| i != file && Some(i) != split)
            .collect();
        Ok(Self {
            separator,
            file,
            split,
            numbers,
        })
    }

    fn row(
        &self,
        path: &Path,
        line: Option<u64>,
        header: &csv::StringRecord,
        record: &csv::StringRecord,
    ) -> Result<(String, LabelRow), DataError> {
        if record.len() != header.len() {
            let problem = format!(
                "{} fields where the header has {}; add or remove {}",
                record.len(),
                header.len(),
                match self.separator {
                    b';' => "semicolons",
                    b'\t' => "tabs",
                    _ => "commas",
                }
            );
            return Err(table_error(path, line, problem));
        }
        let file = record.get(self.file).unwrap_or_default();
        if file.is_empty() {
            return Err(table_error(
                path,
                line,
                "the file name is empty; fill it in",
            ));
        }
        let split = self
            .split
            .and_then(|i| record.get(i))
            .filter(|s| !s.is_empty())
            .map(str::to_owned);
        let mut values = Vec::with_capacity(self.numbers.len());
        for &i in &self.numbers {
            let text = record.get(i).unwrap_or_default();
            // Where semicolons part the cells, a comma is a decimal point.
            let number = match self.separator {
                b';' => Cow::Owned(text.replacen(',', ".", 1)),
                _ => Cow::Borrowed(text),
            };
            values.push(match number.parse::<f32>() {
                _ if text.is_empty() => None,
                Ok(value) if value.is_finite() => Some(value),
                _ => {
                    let column = header.get(i).unwrap_or_default();
                    let problem = format!(
                        "`{}` in column `{}` is not a number; correct it or leave it empty",
                        piece(text),
                        piece(column)
                    );
                    return Err(table_error(path, line, problem));
                }
            });
        }
        Ok((file.to_owned(), LabelRow { split, values }))
    }
}

fn table_error(path: &Path, line: Option<u64>, problem: impl Into<String>) -> DataError {
    DataError::Table {
        path: path.display().to_string(),
        line,
        problem: problem.into(),
    }
}

fn csv_error(path: &Path, error: &csv::Error) -> DataError {
    let line = error.position().map(csv::Position::line);
    table_error(path, line, format!("cannot be read as CSV ({error})"))
}

fn count_newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
