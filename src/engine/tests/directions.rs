//! Directions built by the worker, from tags, folders and tables.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use super::*;

fn build(ticket: u64, source: ExampleSource, columns: &[&str]) -> Command {
    let request = BuildRequest {
        name: "Bright".to_owned(),
        source,
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        components: 3,
        how: FindBy::Usual,
        mirror: true,
        frame_faces: false,
    };
    Command::Build {
        ticket: Ticket(ticket),
        request: Box::new(request),
    }
}

/// Two samples a side.
fn tagged() -> ExampleSource {
    ExampleSource::Tagged {
        with: vec![sample(0), sample(1)],
        without: vec![sample(2), sample(3)],
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::Built { .. } | Event::Failed { .. })
}

#[track_caller]
fn report(events: &[Event]) -> BuildReport {
    let found = events.iter().find_map(|e| match e {
        Event::Built { report, .. } => Some(report.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("not built: {}", message(events)))
}

/// What the sliders say once these directions are open.
fn arranged(bench: &Bench, list: &[(DirectionId, String)]) -> Vec<AttributeInfo> {
    bench.send([Command::ArrangeDirections(list.to_vec())]);
    let events = bench.until(|e| matches!(e, Event::DirectionsArranged(_)));
    match events.into_iter().last() {
        Some(Event::DirectionsArranged(all)) => all,
        _ => unreachable!(),
    }
}

/// Pictures of one brightness, give or take, numbered from `first`.
fn pictures(folder: &Path, first: usize, n: usize, grey: u8) {
    std::fs::create_dir_all(folder).unwrap();
    for i in first..first + n {
        let pixels = RgbImage::from_fn(16, 16, |x, y| {
            let texture = (i as u32 * 7 + x * 5 + y * 3) % 40;
            Rgb([grey + texture as u8, grey, grey + (y % 8) as u8])
        });
        let path = folder.join(format!("{i:03}.png"));
        crate::export::write_png(&path, &pixels, None).unwrap();
    }
}

/// A folder of twelve bright pictures, then twelve dark ones.
fn labelled(folder: &Path) -> PathBuf {
    let faces = folder.join("faces");
    pictures(&faces, 0, 12, 180);
    pictures(&faces, 12, 12, 20);
    faces
}

#[track_caller]
fn counts(bench: &Bench, source: &ExampleSource) -> ExampleCounts {
    bench.send([Command::Ask {
        ticket: Ticket(90),
        question: Question::Examples(source.clone()),
    }]);
    let events = bench.until(|e| matches!(e, Event::Answered { .. } | Event::Failed { .. }));
    match events.into_iter().last() {
        Some(Event::Answered {
            answer: Answer::Examples(counts),
            ..
        }) => counts,
        other => panic!("not counted: {other:?}"),
    }
}

#[test]
fn two_tagged_pictures_a_side_become_a_direction_that_opens_when_the_window_says_so() {
    let bench = Bench::new(false);
    bench.send([build(5, tagged(), &[])]);
    let built = report(&bench.until(is_end)).directions;
    assert_eq!(built.len(), 1);
    assert_eq!(built[0].1, "Bright");
    let id = built[0].0;
    let all = arranged(&bench, &[(id, "Mine".to_owned())]);
    assert_eq!((all.len(), all[0].name.as_str()), (1, "Mine"));
    assert_eq!((all[0].built, all[0].counts), (Some(id), [2, 2]));
    assert_eq!(
        (all[0].auc, all[0].held_out),
        (None, 0),
        "too few to hold any out"
    );
    let edited = Recipe::Edited {
        base: Box::new(sample(9)),
        edits: vec![AttributeEdit {
            name: "Mine".to_owned(),
            amount: 1.0,
        }],
        keep_others: false,
    };
    bench.send([render(6, View(3), [edited])]);
    assert_eq!(bench.words_until(done(6)), "r6.0 d6");
    // The same examples give the same direction, and closing it closes its slider.
    bench.send([build(7, tagged(), &[])]);
    assert_eq!(report(&bench.until(is_end)).directions[0].0, id);
    assert!(arranged(&bench, &[]).is_empty());
}

#[test]
fn two_folders_are_learnt_from_and_an_unreadable_picture_is_named() {
    let bench = Bench::new(false);
    let folder = tempfile::tempdir().unwrap();
    let (with, without) = (folder.path().join("bright"), folder.path().join("dark"));
    pictures(&with, 0, 12, 180);
    pictures(&without, 0, 12, 20);
    std::fs::write(with.join("broken.png"), b"no picture").unwrap();
    let source = ExampleSource::Folders { with, without };
    assert_eq!(counts(&bench, &source).columns[0].counts, [13, 12]);
    bench.send([build(5, source, &[])]);
    let events = bench.until(is_end);
    let report = report(&events);
    assert_eq!(report.unreadable.len(), 1);
    assert!(report.unreadable[0].contains("broken.png"));
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::Progress { what, .. } if what == "encoding")),
        "it says how far it is"
    );
    let all = arranged(&bench, &report.directions);
    assert_eq!(all[0].auc, Some(1.0), "black and white are told apart");
    assert!(all[0].held_out >= 4);
    assert_eq!(all[0].counts.iter().sum::<usize>() + all[0].held_out, 24);
}

#[test]
fn a_csv_and_the_text_of_celeba_are_read_alike() {
    let bench = Bench::new(false);
    let folder = tempfile::tempdir().unwrap();
    let faces = labelled(folder.path());
    let value = |i: usize| if i < 12 { 1 } else { -1 };
    let csv: String = (0..24)
        .map(|i| {
            let light = if i < 12 { "bright" } else { "dark" };
            let age = 20 + i;
            format!("{i:03}.png,{},{light},{age},place {i}\n", value(i))
        })
        .collect();
    let csv_path = folder.path().join("labels.csv");
    std::fs::write(&csv_path, format!("file,bright,light,age,place\n{csv}")).unwrap();
    let celeba: String = (0..24)
        .map(|i| format!("{i:03}.png {} {}\n", value(i), -value(i)))
        .collect();
    let text_path = folder.path().join("list_attr.txt");
    std::fs::write(&text_path, format!("24\nBright Dark\n{celeba}")).unwrap();

    let source = |table: &Path| ExampleSource::Labels {
        table: table.to_owned(),
        pictures: faces.clone(),
    };
    let found = counts(&bench, &source(&csv_path));
    let names: Vec<&str> = found.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["bright", "light", "age"]);
    assert!(found.columns.iter().all(|c| c.counts == [12, 12]));
    assert!(found.columns[2].is_number && !found.columns[1].is_number);
    let noted = |word: &str| found.notes.iter().any(|note| note.contains(word));
    assert!(noted("`light` is text") && noted("`place` is left out"));
    let found = counts(&bench, &source(&text_path));
    assert_eq!(found.columns[0].counts, [12, 12]);

    for (ticket, table, column) in [(5, &csv_path, "light"), (6, &text_path, "Bright")] {
        bench.send([build(ticket, source(table), &[column])]);
        let built = report(&bench.until(is_end)).directions;
        assert_eq!(built[0].1, column);
        let all = arranged(&bench, &built);
        assert_eq!(all[0].auc, Some(1.0));
    }
    // Several at once, each named after its column; what cannot be built is said.
    bench.send([build(7, source(&text_path), &["Bright", "Dark"])]);
    assert_eq!(report(&bench.until(is_end)).directions.len(), 2);
}

#[test]
fn pictures_without_labels_give_their_principal_components() {
    let bench = Bench::new(false);
    let source = ExampleSource::Unlabelled((0..9).map(sample).collect());
    bench.send([build(5, source, &[])]);
    let built = report(&bench.until(is_end)).directions;
    let names: Vec<&str> = built.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["Bright 1", "Bright 2", "Bright 3"]);
    let all = arranged(&bench, &built);
    assert!(all[0].method.starts_with("principal component 1 of 9"));
    assert!(
        all[0].leakage.iter().all(|(_, by)| by.abs() < 0.01),
        "at right angles"
    );

    let folder = tempfile::tempdir().unwrap();
    let faces = labelled(folder.path());
    std::fs::write(faces.join("broken.png"), b"no picture").unwrap();
    let source = ExampleSource::UnlabelledFolder(faces);
    assert_eq!(counts(&bench, &source).columns[0].counts[0], 25);
    bench.send([build(6, source, &[])]);
    let report = report(&bench.until(is_end));
    assert_eq!(report.directions.len(), 3);
    assert!(report.unreadable[0].contains("broken.png"));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let bench = Bench::new(false);
    let folder = tempfile::tempdir().unwrap();
    let faces = labelled(folder.path());
    let nowhere = folder.path().join("nowhere");
    let source = ExampleSource::Folders {
        with: nowhere.clone(),
        without: faces.clone(),
    };
    bench.send([build(5, source, &[])]);
    let events = bench.until(is_end);
    assert!(message(&events).contains(&nowhere.display().to_string()));
    let table = folder.path().join("labels.csv");
    std::fs::write(&table, "file,bright\nother.png,1\n").unwrap();
    let source = ExampleSource::Labels {
        table: table.clone(),
        pictures: faces,
    };
    bench.send([build(6, source, &["bright"])]);
    let events = bench.until(is_end);
    assert!(
        message(&events).contains(&table.display().to_string()),
        "{}",
        message(&events)
    );
    // One side alone teaches nothing.
    let one_side = ExampleSource::Tagged {
        with: vec![sample(0)],
        without: Vec::new(),
    };
    bench.send([build(7, one_side, &[])]);
    let events = bench.until(is_end);
    assert!(
        message(&events).contains("both sides"),
        "{}",
        message(&events)
    );
}

#[test]
fn interactive_requests_are_served_while_directions_are_built() {
    let mut bench = Bench::new(true);
    bench.send([build(5, tagged(), &[])]);
    // A few of the edits that are tried are at the gate.
    bench.held();
    bench.send([render(6, View(3), [sample(40)])]);
    bench.release();
    bench.held();
    bench.open_gate();
    let words = bench.words_until(done(6));
    assert!(!words.contains("built5"), "{words}");
    report(&bench.until(is_end));
}

#[test]
fn a_build_that_is_given_up_says_so_once_and_leaves_room_for_the_next() {
    let mut bench = Bench::new(true);
    bench.send([build(5, tagged(), &[])]);
    bench.held();
    bench.send([build(6, tagged(), &[]), Command::Cancel(Ticket(5))]);
    bench.open_gate();
    let events = bench.until(is_failure);
    assert!(
        message(&events).contains("cancelled"),
        "{}",
        message(&events)
    );
    let built = bench.until(is_end);
    assert_eq!(report(&built).directions.len(), 1, "the next one is built");
}

#[test]
fn a_build_that_has_not_begun_is_given_up() {
    let mut bench = Bench::new(true);
    bench.send([render(1, View(3), [sample(0)])]);
    bench.held();
    bench.send([build(7, tagged(), &[]), Command::Cancel(Ticket(7))]);
    bench.open_gate();
    let words = bench.words_until(is_failure);
    assert_eq!(words, "r1.0 d1 f7");
}

#[test]
fn a_panic_of_the_model_ends_a_build_and_nothing_else() {
    let bench = Bench::new(false);
    bench.panics.store(1, Ordering::SeqCst);
    bench.send([build(5, tagged(), &[])]);
    let events = bench.until(is_failure);
    assert!(message(&events).contains("toy panic"));
    bench.send([build(6, tagged(), &[]), render(7, View(3), [sample(0)])]);
    assert!(bench.words_until(done(7)).ends_with("d7"));
    report(&bench.until(is_end));
}

#[test]
fn another_model_ends_a_build_and_built_directions_wait_for_their_own() {
    let mut bench = Bench::new(true);
    bench.send([build(5, tagged(), &[])]);
    bench.held();
    bench.send([Command::OpenModel(Some("16".into()))]);
    bench.open_gate();
    let events = bench.until(is_failure);
    assert!(
        message(&events).contains("another model"),
        "{}",
        message(&events)
    );

    bench.send([build(6, tagged(), &[])]);
    let built = report(&bench.until(is_end)).directions;
    assert_eq!(arranged(&bench, &built).len(), 1);
    let open = |bench: &Bench, path: Option<PathBuf>| -> usize {
        bench.send([Command::OpenModel(path)]);
        let events = bench.until(|e| matches!(e, Event::AttributesOpened(_)));
        match events.last() {
            Some(Event::AttributesOpened(all)) => all.len(),
            _ => unreachable!(),
        }
    };
    assert_eq!(open(&bench, None), 0, "they belong to the other model");
    assert_eq!(open(&bench, Some("16".into())), 1, "and are there with it");
}

#[test]
fn saved_directions_open_again_as_those_that_were_built() {
    let bench = Bench::new(false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.attributes.safetensors");
    let save = |ticket, only_built| Command::SaveDirections {
        ticket: Ticket(ticket),
        path: path.clone(),
        only_built,
    };
    bench.send([save(4, true)]);
    let events = bench.until(is_failure);
    assert!(message(&events).contains("no directions to save"));
    assert!(!path.exists());
    bench.send([build(5, tagged(), &[])]);
    let built = report(&bench.until(is_end)).directions;
    arranged(&bench, &built);
    bench.send([save(6, true)]);
    assert_eq!(
        bench.words_until(|e| matches!(e, Event::Exported { .. })),
        "x6"
    );
    let file = files::attributes::read(&path).unwrap();
    assert!(file.fingerprint.is_some());
    assert!(
        file.directions.as_slice()[0]
            .figures
            .provenance
            .contains("tagged")
    );
    // Opened, it is not there twice.
    bench.send([Command::OpenAttributes(path)]);
    let events = bench.until(|e| matches!(e, Event::AttributesOpened(_)));
    let Some(Event::AttributesOpened(all)) = events.last() else {
        unreachable!()
    };
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].built, Some(built[0].0));
}
