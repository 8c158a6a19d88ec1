//! Attribute tables: numbers for each picture, read from CSV files and from CelebA's text, merged by file name.
//!
//! Any table will do: what is a number counts as one, text with two values as 1 and -1, and other columns are left out and
//! named. Columns may be separated by commas, semicolons or tabs; CelebA's `list_attr` text (a line with the count, a line
//! of names, then rows with spaces between) is known by its first line.

mod records;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::DataError;
use super::names::has_picture_name;
use crate::disk::{self, ReadError, looks_like};
use crate::quote::piece;
use records::Records;

/// Larger tables are refused before they are read: a million rows of forty numbers fit.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// Names of the column that names the picture, the surest first; where no column has one, it is the first column that holds
/// names of pictures, or else the first.
const FILE_COLUMNS: &[&str] = &[
    "file",
    "filename",
    "file_name",
    "image_id",
    "image",
    "img",
    "picture",
    "photo",
    "path",
];
/// The column that says what a picture may be used for.
const SPLIT_COLUMN: &str = "split";

/// Text that stands for a number that is not known.
const UNKNOWN: &[&str] = &["", "nan", "na", "n/a", "null", "?"];

/// Text that counts as 1 where a column has two values.
const POSITIVE: &[&str] = &["true", "yes", "y", "t", "on", "positive", "present"];

/// What is known of each picture, sorted by file name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelTable {
    columns: Vec<TableColumn>,
    /// Names of the columns that count, in the order read.
    usable: Vec<String>,
    rows: BTreeMap<String, LabelRow>,
    /// Files by what their names have in common with other spellings.
    aliases: HashMap<String, Option<String>>,
    /// What was noticed while reading.
    remarks: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct LabelRow {
    split: Option<String>,
    /// As long as the table's columns; unknown where the cell is empty or the file had no row.
    values: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Cell {
    #[default]
    Unknown,
    Number(f32),
    /// A place in [`TableColumn::texts`]; beyond its end where there are more than two.
    Text(u8),
}

/// What a column holds.
#[derive(Clone, Debug, Default, PartialEq)]
struct TableColumn {
    name: String,
    /// The first two different texts in it.
    texts: Vec<String>,
    /// Whether there are more.
    has_more_texts: bool,
    has_numbers: bool,
    /// The line of the first text.
    text_line: u64,
}

impl TableColumn {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Takes a cell in.
    fn cell(&mut self, text: &str, line: u64) -> Cell {
        if UNKNOWN.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Cell::Unknown;
        }
        match text.parse::<f32>() {
            Ok(value) if value.is_finite() => {
                self.has_numbers = true;
                Cell::Number(value)
            }
            _ => self.text(text, line),
        }
    }

    fn text(&mut self, text: &str, line: u64) -> Cell {
        if self.texts.is_empty() {
            self.text_line = line;
        }
        // Yes and yes are one.
        let same = |known: &String| known.to_lowercase() == text.to_lowercase();
        let at = self.texts.iter().position(same);
        let at = at.unwrap_or_else(|| {
            if self.texts.len() < 2 {
                self.texts.push(text.to_owned());
                return self.texts.len() - 1;
            }
            self.has_more_texts = true;
            2
        });
        Cell::Text(at as u8)
    }

    /// The place of the text that counts as 1.
    fn positive(&self) -> usize {
        let is_positive =
            |text: &String| POSITIVE.iter().any(|word| text.eq_ignore_ascii_case(word));
        match (self.texts.first(), self.texts.get(1)) {
            (Some(a), Some(b)) if is_positive(a) != is_positive(b) => usize::from(is_positive(b)),
            (Some(a), Some(b)) => usize::from(b.to_lowercase() > a.to_lowercase()),
            _ => 0,
        }
    }

    /// Why it cannot be used, where it cannot.
    fn problem(&self, rows: usize) -> Option<String> {
        let (first, second) = (self.texts.first()?, self.texts.get(1));
        if self.has_numbers {
            return Some(format!(
                "`{}` in line {} is not a number",
                piece(first),
                self.text_line
            ));
        }
        match second {
            None => Some(format!("all that it says is `{}`", piece(first))),
            Some(second) if self.has_more_texts => Some(format!(
                "it holds text of more than two kinds (`{}`, `{}`, …)",
                piece(first),
                piece(second)
            )),
            // Of two rows any two texts differ.
            Some(_) if rows <= 2 => Some(format!("it holds text (`{}`, …)", piece(first))),
            Some(_) => None,
        }
    }

    fn value(&self, cell: Cell) -> Option<f32> {
        match cell {
            Cell::Unknown => None,
            Cell::Number(value) => Some(value),
            Cell::Text(at) if usize::from(at) == self.positive() => Some(1.0),
            Cell::Text(_) => Some(-1.0),
        }
    }
}

impl LabelTable {
    /// Reads one table: a header, a column of file names (`file`, `image_id` and the like, else the first that looks so), an
    /// optional column `split`, and anything else. An empty cell means that the number is unknown.
    ///
    /// Errors: a file that cannot be read, is no table, or names a picture twice.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = disk::read(path, MAX_TABLE_BYTES).map_err(|e| match e {
            ReadError::IsFolder { .. } => {
                table_error(path, None, "this is a folder; name the CSV file inside it")
            }
            other => other.into(),
        })?;
        Self::parse(path, &bytes)
    }

    /// Reads several files and merges them by file name.
    ///
    /// Errors: as [`LabelTable::read`], and numbers that contradict each other.
    pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<Self, DataError> {
        let mut table = Self::default();
        for path in paths {
            let path = path.as_ref();
            table.merge(path, Self::read(path)?)?;
        }
        Ok(table)
    }

    /// Parses the bytes of a table; `path` is for messages.
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
        let Records {
            header,
            header_line,
            rows: records,
            promised,
            separator,
        } = Records::of(path, text)?;
        if records.is_empty() {
            let problem = "the table has a header but no rows; add a row for each picture";
            return Err(table_error(path, None, problem));
        }
        let first = records.first().map(|(_, cells)| cells);
        let layout = TableLayout::of_header(path, header_line, &header, first, separator)?;
        let numbers = layout.numbers.iter().filter_map(|&i| header.get(i));
        let mut table = Self {
            columns: numbers.map(|name| TableColumn::named(name)).collect(),
            ..Self::default()
        };
        for (line, cells) in &records {
            let (file, row) = layout.row(path, *line, header.len(), cells, &mut table.columns)?;
            if table.rows.insert(file.clone(), row).is_some() {
                let problem = format!(
                    "`{}` is listed twice; keep one of the rows",
                    piece(file.as_str())
                );
                return Err(table_error(path, Some(*line), problem));
            }
        }
        if let Some(promised) = promised.filter(|n| *n != records.len()) {
            table.remarks.push(format!(
                "its first line promises {promised} rows, but there are {}",
                records.len()
            ));
        }
        table.settle();
        Ok(table)
    }

    /// Works out what follows from the rows.
    fn settle(&mut self) {
        let known = |at: usize| {
            let cells = self.rows.values().filter_map(|row| row.values.get(at));
            cells.filter(|cell| **cell != Cell::Unknown).take(3).count()
        };
        let usable = self.columns.iter().enumerate();
        let usable = usable.filter(|(at, column)| column.problem(known(*at)).is_none());
        self.usable = usable.map(|(_, column)| column.name.clone()).collect();
        self.aliases = by_alias(self.rows.keys().cloned());
    }

    /// Adds the rows and columns of `other`, read from `path`. Where both tables know a number of
    /// a picture, or its split, they must agree.
    ///
    /// Errors: they do not.
    pub fn merge(&mut self, path: &Path, other: Self) -> Result<(), DataError> {
        let target: Vec<usize> = other
            .columns
            .iter()
            .map(|column| {
                self.column_index(&column.name).unwrap_or_else(|| {
                    self.columns.push(TableColumn::named(&column.name));
                    self.columns.len() - 1
                })
            })
            .collect();
        for row in self.rows.values_mut() {
            row.values.resize(self.columns.len(), Cell::Unknown);
        }
        for (&at, theirs) in target.iter().zip(&other.columns) {
            self.columns[at].has_numbers |= theirs.has_numbers;
            self.columns[at].has_more_texts |= theirs.has_more_texts;
        }
        for (file, theirs) in other.rows {
            let ours = self.rows.entry(file.clone()).or_default();
            ours.values.resize(self.columns.len(), Cell::Unknown);
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
            for ((&at, cell), column) in target.iter().zip(theirs.values).zip(&other.columns) {
                // The same text has another place in another table.
                let cell = match cell {
                    Cell::Text(text) => match column.texts.get(usize::from(text)) {
                        Some(text) => self.columns[at].text(text, column.text_line),
                        None => Cell::Text(2),
                    },
                    other => other,
                };
                match (ours.values[at], cell) {
                    (_, Cell::Unknown) => {}
                    (Cell::Unknown, cell) => ours.values[at] = cell,
                    (known, cell) if known != cell => {
                        return Err(conflict(&self.columns[at].name));
                    }
                    _ => {}
                }
            }
        }
        self.remarks.extend(other.remarks);
        self.settle();
        Ok(())
    }

    /// Names of the columns that say a number of pictures, in the order read.
    pub fn columns(&self) -> &[String] {
        &self.usable
    }

    /// What people should know of the table: text that counts as a number, and columns that are left out.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.remarks.clone();
        for column in &self.columns {
            let name = &column.name;
            if !self.usable.contains(name) {
                let problem = column.problem(usize::from(!column.texts.is_empty()));
                let problem = problem.unwrap_or_default();
                notes.push(format!("column `{}` is left out: {problem}", piece(name)));
            } else if let [a, b] = column.texts.as_slice() {
                let (one, other) = match column.positive() {
                    0 => (a, b),
                    _ => (b, a),
                };
                notes.push(format!(
                    "column `{}` is text: `{}` counts as 1 and `{}` as -1",
                    piece(name),
                    piece(one),
                    piece(other)
                ));
            }
        }
        notes
    }

    /// What people should know of how the table fits these pictures: rows that name none of them, and those found by a name that
    /// differs in its ending or in capital letters.
    ///
    /// The number is that of rows that name no picture.
    pub fn notes_on<'a>(&self, pictures: impl Iterator<Item = &'a str>) -> (usize, Vec<String>) {
        let (mut n_pictures, mut found) = (0usize, BTreeSet::new());
        let (mut n_alike, mut example) = (0usize, None);
        for picture in pictures {
            n_pictures += 1;
            let Some((file, _)) = self.row_of(picture) else {
                continue;
            };
            found.insert(file.to_owned());
            if file != picture {
                n_alike += 1;
                example.get_or_insert_with(|| format!("`{}` for {}", piece(file), piece(picture)));
            }
        }
        let mut notes = Vec::new();
        if let Some(example) = example {
            notes.push(format!(
                "{n_alike} rows name their picture with another ending or other capital letters, such as {example}"
            ));
        }
        let lost = || self.rows.keys().filter(|file| !found.contains(*file));
        let n_lost = lost().count();
        if let Some(example) = lost().next() {
            notes.push(format!(
                "{n_lost} of {} rows name no picture of the {n_pictures} in the folder (the first is of `{}`)",
                self.rows.len(),
                piece(example)
            ));
        }
        (n_lost, notes)
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

    /// The row of a picture: that of its name, or the only one of a name that differs in nothing but its ending and capital
    /// letters.
    fn row_of(&self, picture: &str) -> Option<(&str, &LabelRow)> {
        let named = |file: &str| self.rows.get_key_value(file);
        let row = named(picture).or_else(|| named(self.aliases.get(&alias(picture))?.as_ref()?));
        row.map(|(file, row)| (file.as_str(), row))
    }

    /// The split of a picture, where the table says it.
    pub fn split(&self, file: &str) -> Option<&str> {
        self.row_of(file)?.1.split.as_deref()
    }

    /// The number of a picture in a column, where it is known.
    pub fn value(&self, file: &str, column: &str) -> Option<f32> {
        if !self.usable.iter().any(|name| name == column) {
            return None;
        }
        let at = self.column_index(column)?;
        self.columns[at].value(*self.row_of(file)?.1.values.get(at)?)
    }

    fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// Files by their [`alias`], where only one has it.
pub(super) fn by_alias(files: impl IntoIterator<Item = String>) -> HashMap<String, Option<String>> {
    let mut aliases = HashMap::new();
    for file in files {
        // Two files of one name apart from the ending: the name says nothing.
        let entry = aliases.entry(alias(&file));
        entry.and_modify(|only| *only = None).or_insert(Some(file));
    }
    aliases
}

/// A file name without its ending, in small letters.
pub(super) fn alias(file: &str) -> String {
    let stem = match file.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && !ending.contains(['/', '\\']) => stem,
        _ => file,
    };
    stem.to_lowercase()
}

/// Which field of a row is what.
struct TableLayout {
    /// What parts the cells.
    separator: u8,
    file: usize,
    split: Option<usize>,
    numbers: Vec<usize>,
}

impl TableLayout {
    fn of_header(
        path: &Path,
        line: u64,
        header: &[String],
        first: Option<&csv::StringRecord>,
        separator: u8,
    ) -> Result<Self, DataError> {
        let fail = |problem: String| Err(table_error(path, Some(line), problem));
        if header.len() > 1 && header.iter().skip(1).all(|c| c.parse::<f32>().is_ok()) {
            return fail("the header is missing; name the columns, such as `file,age`".into());
        }
        for (i, name) in header.iter().enumerate() {
            if !name.is_empty() && header.iter().take(i).any(|earlier| earlier == name) {
                return fail(format!(
                    "two columns are named `{}`; rename one",
                    piece(name)
                ));
            }
        }
        let named =
            |wanted: &&'static str| header.iter().position(|c| c.eq_ignore_ascii_case(wanted));
        let file = FILE_COLUMNS.iter().find_map(named);
        let file = file.or_else(|| first?.iter().position(has_picture_name));
        let file = file.unwrap_or(0);
        let split = named(&SPLIT_COLUMN).filter(|&i| i != file);
        // A column without a name holds the numbers of the rows, as some programs write them.
        let numbers = (0..header.len())
            .filter(|&i| i != file && Some(i) != split && !header[i].is_empty())
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
        line: u64,
        n_fields: usize,
        cells: &csv::StringRecord,
        columns: &mut [TableColumn],
    ) -> Result<(String, LabelRow), DataError> {
        if cells.len() != n_fields {
            let problem = format!(
                "{} fields where the header has {n_fields}; add or remove {}",
                cells.len(),
                match self.separator {
                    b';' => "semicolons",
                    b'\t' => "tabs",
                    b' ' => "spaces",
                    _ => "commas",
                }
            );
            return Err(table_error(path, Some(line), problem));
        }
        let cell = |i: usize| cells.get(i).unwrap_or_default();
        let file = cell(self.file);
        if file.is_empty() {
            return Err(table_error(
                path,
                Some(line),
                "the file name is empty; fill it in",
            ));
        }
        let split = self.split.map(cell).filter(|s| !s.is_empty());
        let numbers = self.numbers.iter().zip(columns);
        // Where semicolons part the cells, a comma is a decimal point.
        let number = |i: usize| match self.separator {
            b';' if cell(i).parse::<f32>().is_err() => {
                let dotted = cell(i).replacen(',', ".", 1);
                match dotted.parse::<f32>() {
                    Ok(_) => Cow::Owned(dotted),
                    Err(_) => Cow::Borrowed(cell(i)),
                }
            }
            _ => Cow::Borrowed(cell(i)),
        };
        let values = numbers.map(|(&i, column)| column.cell(&number(i), line));
        let row = LabelRow {
            values: values.collect(),
            split: split.map(str::to_owned),
        };
        Ok((file.to_owned(), row))
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
