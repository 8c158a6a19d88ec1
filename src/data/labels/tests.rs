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
fn text_with_two_values_counts_and_other_text_is_left_out_and_named() {
    let text = "file,source,gender,glasses,age,tall\n\
        a.jpg,x,male,Yes,3,1\nb.jpg,y,female,no,n/a,inf\nc.jpg,z,,no,old,-1\nd.jpg,z,male,yes,4,\n";
    let table = parse(text).unwrap();
    assert_eq!(table.columns(), ["gender", "glasses"]);
    let values = |column| ["a.jpg", "b.jpg", "c.jpg", "d.jpg"].map(|f| table.value(f, column));
    assert_eq!(values("gender"), [Some(1.0), Some(-1.0), None, Some(1.0)]);
    assert_eq!(
        values("glasses"),
        [Some(1.0), Some(-1.0), Some(-1.0), Some(1.0)]
    );
    assert_eq!(values("source"), [None; 4]);
    let notes = table.notes().join("\n");
    for part in [
        "`source` is left out: it holds text of more than two kinds (`x`, `y`, …)",
        "`gender` is text: `male` counts as 1 and `female` as -1",
        "`age` is left out: `old` in line 4 is not a number",
        "`tall` is left out: `inf` in line 3 is not a number",
    ] {
        assert!(notes.contains(part), "{part} is not in:\n{notes}");
    }
    let same = parse("file,by\na.jpg,me\nb.jpg,me\n").unwrap();
    assert!(same.columns().is_empty() && same.notes()[0].contains("all that it says is `me`"));
}

#[test]
fn text_of_two_tables_is_one_attribute() {
    let mut table = parse("file,g\na.jpg,m\nb.jpg,m\n").unwrap();
    assert!(table.columns().is_empty());
    let more = parse("file,g\nc.jpg,f\nb.jpg,m\n").unwrap();
    table.merge(Path::new("more.csv"), more).unwrap();
    assert_eq!(table.columns(), ["g"]);
    assert_eq!(table.value("c.jpg", "g"), Some(-1.0));
    assert_eq!(table.value("b.jpg", "g"), Some(1.0));
    let other = parse("file,g\na.jpg,f\nz.jpg,m\n").unwrap();
    let error = table.merge(Path::new("o.csv"), other).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`a.jpg` has another value of `g`")
    );
}

#[test]
fn columns_are_separated_by_what_the_header_has() {
    let plain = parse("file,age,tall\na.jpg,3,1\nb.jpg,4,-1\n").unwrap();
    for text in [
        "file;age;tall\na.jpg;3;1\nb.jpg;4;-1\n",
        "file\tage\ttall\r\na.jpg\t3\t1\r\nb.jpg\t4\t-1\r\n",
        "file  age tall\na.jpg 3  1\nb.jpg 4 -1\n",
        "2\nage tall\na.jpg  3  1\nb.jpg  4 -1\n",
        "file;age;tall\na.jpg;3,0;1\nb.jpg;4,0;-1\n",
    ] {
        assert_eq!(parse(text).unwrap(), plain, "{text}");
    }
    let cut = parse("202599\nage tall\na.jpg 3 1\n").unwrap();
    assert!(cut.notes()[0].contains("202599 rows, but there are 1"));
}

#[test]
fn the_file_is_found_by_its_name_or_by_what_it_holds() {
    for text in [
        ",x,Filename\n0,1,a.jpg\n1,2,b.jpg\n",
        "x,which\n1,a.JPG\n2,b.JPG\n",
    ] {
        let table = parse(text).unwrap();
        assert_eq!(table.columns(), ["x"], "{text}");
        assert_eq!(table.value("b.jpg", "x"), Some(2.0), "{text}");
    }
}

#[test]
fn names_that_differ_in_the_ending_are_found_and_told() {
    let table = parse("file,x\na.jpg,1\nb,2\nc.png,3\nc.jpg,4\ngone.jpg,5\n").unwrap();
    assert_eq!(table.value("A.JPG", "x"), Some(1.0));
    assert_eq!(table.value("b.png", "x"), Some(2.0));
    assert_eq!(table.value("c.jpg", "x"), Some(4.0));
    assert_eq!(table.value("c.gif", "x"), None);
    let (n_lost, notes) = table.notes_on(["A.JPG", "b.png", "c.jpg"].into_iter());
    assert_eq!(n_lost, 2);
    assert!(notes[0].contains("2 rows") && notes[0].contains("`a.jpg` for A.JPG"));
    assert!(
        notes[1].contains("2 of 5 rows name no picture"),
        "{notes:?}"
    );
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
