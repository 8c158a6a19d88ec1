//! Folders on their way in.

use std::path::Path;
use std::sync::Arc;

use egui_kittest::kittest::Queryable as _;

use super::Bench;
use crate::app::action::Action;
use crate::app::dialog::{Dialog, PathPurpose};
use crate::app::state::{LogLevel, Selection, State};
use crate::engine::message::{Command, Event, FolderListing, Inspection, PictureSource, Ticket};

/// A folder of files with these names; the scripted worker looks at nothing but those.
fn folder_of(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(folder.path().join(name), "text").unwrap();
    }
    folder
}

fn last_line(state: &State) -> (LogLevel, String) {
    let line = state.live.log.back().unwrap();
    (line.level, line.text.clone())
}

#[test]
fn a_folder_comes_onto_the_shelf_and_what_is_left_out_is_said_once() {
    let folder = folder_of(&["anna.png", "ben.jpg", "missing.png", "notes.txt"]);
    for by_command_line in [true, false] {
        let path = folder.path().to_owned();
        let mut bench = Bench::new(if by_command_line {
            vec![path.clone()]
        } else {
            Vec::new()
        });
        if !by_command_line {
            bench.perform(Action::OpenFolder(path));
        }
        bench.harness.get_by_label("anna.png, photo");
        bench.harness.get_by_label("ben.jpg, photo");
        assert_eq!(
            bench
                .harness
                .query_all_by_label_contains("missing.png, ")
                .count(),
            0
        );
        let state = bench.state();
        let first = state.doc.shelf.iter().find(|e| e.name == "anna.png");
        assert_eq!(state.selection, Selection::Item(first.unwrap().id));
        let (level, text) = last_line(state);
        assert_eq!(level, LogLevel::Notice);
        assert!(
            text.starts_with("opened 2 of 3 pictures of ") && text.contains("; left out 2"),
            "{text}"
        );
        let lines = || state.live.log.iter().map(|l| l.text.as_str());
        assert!(lines().any(|l| l == "left out: notes.txt: no picture"));
        assert_eq!(lines().filter(|l| l.contains("no such file")).count(), 1);
        assert!(state.live.log.iter().all(|l| l.level != LogLevel::Error));
        assert!(state.folders.is_empty());
        // What one of our own was made of would change the screens.
        let inquired =
            |c: &Command| matches!(c, Command::Inquire { path, .. } if path.ends_with("anna.png"));
        assert!(!bench.engine.heard.iter().any(inquired));
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_said_beside_its_path() {
    let folder = folder_of(&["notes.txt"]);
    let mut bench = Bench::new(Vec::new());
    let path = folder.path().to_owned();
    let text = path.display().to_string();
    bench.perform(Action::Show(Dialog::TypePath {
        purpose: PathPurpose::Folder,
        text,
        note: String::new(),
    }));
    bench.click("Open");
    match &bench.state().dialog {
        Some(Dialog::TypePath { note, .. }) => assert!(note.contains("no pictures here"), "{note}"),
        other => panic!("{other:?}"),
    }
}

fn numbered(n: usize) -> FolderListing {
    FolderListing {
        folder: Path::new("/tmp/holiday").to_owned(),
        pictures: (0..n).map(|i| format!("{i:04}.jpg")).collect(),
        ..FolderListing::default()
    }
}

fn folder_read(listing: FolderListing) -> Event {
    let ticket = Some(Ticket(0));
    Event::FolderRead { ticket, listing }
}

#[test]
fn very_many_pictures_are_asked_about_and_only_rows_that_are_seen_are_drawn() {
    let mut bench = Bench::new(Vec::new());
    let own = bench.state().doc.shelf.len();
    let commands = bench
        .harness
        .state_mut()
        .state
        .receive(folder_read(numbered(201)));
    assert!(commands.is_empty());
    bench.perform(Action::Tour(None));
    bench.click("Open the first 200");
    assert_eq!(bench.state().doc.shelf.len(), own + 200);
    assert!(bench.state().dialog.is_none());
    let rows = |bench: &Bench| {
        let rows = bench.harness.query_all_by_role(egui::Role::ListItem);
        rows.count()
    };
    assert!(rows(&bench) < 20, "{}", rows(&bench));
    assert_eq!(last_line(bench.state()).0, LogLevel::Done);
    // What is selected is scrolled to.
    let last = bench.state().doc.shelf.last().unwrap().id;
    assert_eq!(
        bench.harness.query_all_by_label("0199.jpg, photo").count(),
        0
    );
    bench.perform(Action::Select(Selection::Item(last)));
    bench.harness.get_by_label("0199.jpg, photo");
    assert!(rows(&bench) < 20, "{}", rows(&bench));
}

#[test]
fn a_folder_given_up_keeps_what_came() {
    let mut state = State::default();
    let commands = state.receive(folder_read(numbered(3)));
    let items: Vec<_> = commands
        .iter()
        .filter_map(|c| match c {
            Command::Import {
                item,
                source: PictureSource::Path(_),
                ..
            } => Some(*item),
            _ => None,
        })
        .collect();
    assert_eq!(items.len(), 3);
    let inspection = Inspection {
        bits_per_dim: 3.0,
        level_bits: Vec::new(),
        relative_norm: 1.0,
        level_norms: Vec::new(),
        round_trip: 0.0,
        projections: Vec::new(),
        non_finite: 0,
        condition: Default::default(),
    };
    state.receive(Event::Encoded {
        item: items[0],
        thumbnail: Arc::new(image::RgbImage::new(1, 1)),
        inspection: Some(inspection),
    });
    assert_eq!(state.folders.len(), 1);
    let forgotten = state.apply(Action::CancelImports);
    assert!(matches!(&forgotten[..], [Command::Forget(gone)] if *gone == items[1..]));
    assert_eq!(state.doc.shelf.len(), 1);
    assert!(state.folders.is_empty());
    let (_, text) = last_line(&state);
    assert!(
        text.starts_with("opened 1 of 3 pictures of holiday, then cancelled"),
        "{text}"
    );
}

fn typed(bench: &Bench) -> String {
    match &bench.state().dialog {
        Some(Dialog::TypePath { text, .. }) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn type_path(bench: &mut Bench, purpose: PathPurpose, text: &str) {
    bench.perform(Action::Show(Dialog::TypePath {
        purpose,
        text: text.to_owned(),
        note: String::new(),
    }));
}

#[test]
fn a_typed_path_is_completed_from_what_lies_there() {
    let folder = folder_of(&["anna-1.png", "anna-2.png", "ben.jpg", ".hidden.png"]);
    std::fs::create_dir(folder.path().join("more")).unwrap();
    let path = |end: &str| format!("{}/{end}", folder.path().display());
    let mut bench = Bench::new(Vec::new());
    type_path(&mut bench, PathPurpose::Pictures, &path("an"));
    let offered = |bench: &Bench, label: &str| bench.harness.query_all_by_label(label).count();
    assert_eq!(
        (offered(&bench, "anna-1.png"), offered(&bench, "ben.jpg")),
        (1, 0)
    );
    bench.press(egui::Modifiers::NONE, egui::Key::Tab);
    assert_eq!(typed(&bench), path("anna-"), "as far as all of them go");
    bench.click("anna-2.png");
    assert_eq!(typed(&bench), path("anna-2.png"));
    bench.click("Open");
    bench.harness.get_by_label("anna-2.png, photo");

    type_path(&mut bench, PathPurpose::MapFolder, &path(""));
    assert_eq!(
        (offered(&bench, "more/"), offered(&bench, "ben.jpg")),
        (1, 0)
    );
    bench.press(egui::Modifiers::NONE, egui::Key::Tab);
    assert_eq!(typed(&bench), path("more/"));
    // What is not there is no error while one types.
    let lines = bench.state().live.log.len();
    type_path(&mut bench, PathPurpose::Pictures, &path("gone/a"));
    assert_eq!(bench.state().live.log.len(), lines);
}

#[test]
fn what_was_opened_before_is_offered() {
    let folder = folder_of(&["anna.png"]);
    let mut bench = Bench::new(vec!["/tmp/ben.jpg".into()]);
    bench.perform(Action::OpenFolder(folder.path().to_owned()));
    assert_eq!(bench.state().recent_pictures, [Path::new("/tmp/ben.jpg")]);
    type_path(&mut bench, PathPurpose::Pictures, "");
    bench.click(&folder.path().display().to_string());
    assert_eq!(typed(&bench), folder.path().display().to_string());
    type_path(&mut bench, PathPurpose::Folder, "");
    assert_eq!(bench.harness.query_all_by_label("/tmp/ben.jpg").count(), 0);
}
