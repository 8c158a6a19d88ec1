use std::fs;

use super::*;

fn parse(text: &str) -> Result<LabelTable, DataError> {
    LabelTable::parse(Path::new("t.csv"), text.as_bytes())
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let message = parse(text).unwrap_err().to_string();
    assert_eq!(message, expected);
}

#[test]
fn reads_splits_numbers_and_gaps() {
    let table = parse("\u{feff}age,file,split\n25,b.jpg,train\n,a.jpg,valid\n").unwrap();
    assert_eq!(table.columns(), ["age"]);
    assert_eq!(table.files(None), ["a.jpg", "b.jpg"]);
    assert_eq!(table.files(Some("train")), ["b.jpg"]);
    assert_eq!(table.value("b.jpg", "age"), Some(25.0));
    assert_eq!(table.value("a.jpg", "age"), None);
    assert_eq!(table.split("a.jpg"), Some("valid"));
    assert_eq!(table.splits(), ["train", "valid"]);
}

#[test]
fn the_first_column_names_the_file_where_none_is_called_file() {
    let table = parse("image_id,Smiling\nx.jpg,-1\n").unwrap();
    assert_eq!(table.value("x.jpg", "Smiling"), Some(-1.0));
}

#[test]
fn merging_joins_rows_and_columns() {
    let mut table = parse("file,split,age\na.jpg,train,3\nb.jpg,train,4\n").unwrap();
    let more = parse("file,smiling,age\nb.jpg,1,4\nc.jpg,-1,9\n").unwrap();
    table.merge(Path::new("more.csv"), more).unwrap();
    assert_eq!(table.columns(), ["age", "smiling"]);
    assert_eq!(table.value("a.jpg", "smiling"), None);
    assert_eq!(table.value("b.jpg", "smiling"), Some(1.0));
    assert_eq!(table.value("c.jpg", "age"), Some(9.0));
    assert_eq!(table.split("b.jpg"), Some("train"));
    assert_eq!(table.split("c.jpg"), None);

    let other = parse("file,age\na.jpg,5\n").unwrap();
    let message = table
        .merge(Path::new("o.csv"), other)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`a.jpg` has another value of `age`"),
        "{message}"
    );
}

#[test]
fn errors_name_the_line_and_the_remedy() {
    check_error(
        "",
        "the table is empty; it needs a header such as `file,age` and a row a picture: t.csv",
    );
    check_error(
        "a.jpg,3\nb.jpg,4\n",
        "the header is missing; name the columns, such as `file,age`: t.csv, line 1",
    );
    check_error(
        "file,age\na.jpg,3\nb.jpg\n",
        "1 fields where the header has 2; add or remove commas: t.csv, line 3",
    );
    check_error(
        "file,age\na.jpg,old\n",
        "`old` in column `age` is not a number; correct it or leave it empty: t.csv, line 2",
    );
    check_error(
        "file,age\na.jpg,inf\n",
        "`inf` in column `age` is not a number; correct it or leave it empty: t.csv, line 2",
    );
    check_error(
        "file,age\na.jpg,1\na.jpg,1\n",
        "`a.jpg` is listed twice; keep one of the rows: t.csv, line 3",
    );
    check_error(
        "file,age,age\na.jpg,1,2\n",
        "two columns are named `age`; rename one: t.csv, line 1",
    );
    check_error(
        "file,age\n",
        "the table has a header but no rows; add a row for each picture: t.csv",
    );
    check_error(
        "file,age\n,1\n",
        "the file name is empty; fill it in: t.csv, line 2",
    );
}

#[test]
fn bytes_that_are_not_utf8_are_found_by_line() {
    let bytes = b"file,age\na.jpg,1\n\xff\xfe.jpg,2\n";
    let error = LabelTable::parse(Path::new("t.csv"), bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not UTF-8 text; save it as CSV in UTF-8: t.csv, line 3"
    );
}

#[test]
fn missing_and_oversized_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.csv");
    assert!(matches!(
        LabelTable::read(&path),
        Err(DataError::Missing { .. })
    ));
    assert!(matches!(
        LabelTable::read(folder.path()),
        Err(DataError::Table { .. })
    ));
    // A sparse file: its length is refused before anything is read.
    let large = folder.path().join("large.csv");
    let file = fs::File::create(&large).unwrap();
    file.set_len(MAX_TABLE_BYTES + 1).unwrap();
    assert!(matches!(
        LabelTable::read(&large),
        Err(DataError::TooLarge { .. })
    ));
}

#[test]
fn reads_the_training_tables() {
    let Some(data) = crate::data::training_data() else {
        return;
    };
    let table =
        LabelTable::read_all(&[data.join("labels.csv"), data.join("attributes.csv")]).unwrap();
    assert_eq!(table.files(Some("valid")).len(), 1000);
    assert!(table.columns().iter().any(|c| c == "eyeglasses"));
}
