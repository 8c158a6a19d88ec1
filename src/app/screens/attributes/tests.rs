//! The attributes screen, by wishes and by label.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::tab::amount_of;
use super::{AttributesWish, ExampleOrigin, ExamplePath, STRIP, TAGGED, Tag};
use crate::app::action::Action;
use crate::app::dialog::{Dialog, PathPurpose};
use crate::app::intake;
use crate::app::screens::edit::EditWish;
use crate::app::screens::sample::SampleWish;
use crate::app::state::{LogLevel, Selection, State, Tab, ThemeChoice};
use crate::app::tests::{Bench, named};
use crate::engine::message::{BuildRequest, Command, ExampleSource, FindBy, Recipe};

fn open(bench: &mut Bench) {
    bench.perform(Action::SetTab(Tab::Attributes));
}

/// Tags two pictures of the shelf on each side, by key.
fn tag_four(bench: &mut Bench) {
    let shelf: Vec<_> = bench.state().doc.shelf.iter().map(|e| e.id).collect();
    for (id, key) in shelf.into_iter().zip([Key::Y, Key::Y, Key::N, Key::N]) {
        bench.perform(Action::Select(Selection::Item(id)));
        bench.press(Modifiers::NONE, key);
    }
}

fn requests(bench: &Bench) -> Vec<BuildRequest> {
    let heard = bench.engine.heard.iter();
    heard
        .filter_map(|command| match command {
            Command::Build { request, .. } => Some((**request).clone()),
            _ => None,
        })
        .collect()
}

fn own(bench: &Bench) -> Vec<String> {
    let own = bench.state().doc.attributes.own.iter();
    own.map(|own| own.name.clone()).collect()
}

#[test]
fn a_tag_is_put_and_taken_away_by_the_same_wish() {
    let mut state = State::default();
    let tags = |state: &State| -> Vec<Tag> {
        let tags = state.doc.attributes.tags.iter();
        tags.map(|t| t.tag).collect()
    };
    state.apply(AttributesWish::SetTag(named(0), Tag::With));
    state.apply(AttributesWish::SetTag(named(1), Tag::With));
    state.apply(AttributesWish::SetTag(named(0), Tag::Without));
    assert_eq!(tags(&state), [Tag::With, Tag::Without]);
    state.apply(AttributesWish::SetTag(named(0), Tag::Without));
    assert_eq!(tags(&state), [Tag::With]);
}

#[test]
fn two_tagged_pictures_a_side_become_a_slider_on_edit() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    bench
        .harness
        .get_by_label_contains("Tag pictures of both sides");
    tag_four(&mut bench);
    bench.harness.get_by_label("+ With it: 2");
    bench.harness.get_by_label("− Without it: 2");
    let first = bench.state().doc.shelf[0].id;
    assert!(bench.state().marks_of(first).ends_with('+'));
    bench.perform(AttributesWish::SetName("Cheerful".to_owned()));
    bench.click("Build");
    let asked = requests(&bench);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].name.as_str(), asked[0].how),
        ("Cheerful", FindBy::Usual)
    );
    let ExampleSource::Tagged { with, without } = &asked[0].source else {
        panic!("tags were asked for");
    };
    assert_eq!((with.len(), without.len()), (2, 2));
    assert_eq!(own(&bench), ["Cheerful"]);
    // Its figures, and a picture moved along it.
    bench
        .harness
        .get_by_label("Learnt from 14 with it and 16 without");
    bench
        .harness
        .get_by_label_contains("+1 also moves Smiling +0.42");
    let strip = &bench.state().live.views[&STRIP].shown;
    assert_eq!(strip.len(), 5);
    assert!(
        matches!(&strip[&4].recipe, Recipe::Edited { edits, .. } if edits[0].amount == 2.0 && edits[0].name == "Cheerful")
    );
    // The slider is there at once.
    bench.click("Edit with it");
    assert_eq!(bench.state().tab, Tab::Edit);
    bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Cheerful");
    bench.perform(EditWish::SetAmount("Cheerful".to_owned(), 1.0));
    // Undo takes back the amount, then all that was done since the build, and the build itself.
    for _ in 0..12 {
        bench.press(Modifiers::COMMAND, Key::Z);
    }
    assert!(own(&bench).is_empty());
    assert!(
        bench
            .state()
            .live
            .attributes
            .iter()
            .all(|a| a.built.is_none())
    );
    for _ in 0..12 {
        bench.press(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    }
    assert_eq!(own(&bench), ["Cheerful"]);
    assert!(
        bench
            .state()
            .live
            .attributes
            .iter()
            .any(|a| a.name == "Cheerful")
    );
}

#[test]
fn two_folders_are_counted_before_they_are_built_from() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    bench.click("Two folders");
    bench.harness.get_by_label_contains("Choose a folder");
    // Nothing is looked at while a path is typed.
    for (which, path) in [
        (ExamplePath::With, "/home/me/smiling"),
        (ExamplePath::Without, "/home/me/serious"),
    ] {
        bench.perform(AttributesWish::TypePath(which, path.to_owned()));
    }
    let asks = |bench: &Bench| {
        let heard = bench.engine.heard.iter();
        heard.filter(|c| matches!(c, Command::Ask { .. })).count()
    };
    assert_eq!(asks(&bench), 0);
    let answer = intake::actions_of_paths(
        PathPurpose::Examples(ExamplePath::Without),
        vec!["/home/me/serious".into()],
    );
    answer.into_iter().for_each(|action| bench.perform(action));
    assert_eq!(asks(&bench), 1);
    bench.harness.get_by_label("14 with it, 16 without");
    bench.click("Build");
    assert_eq!(
        requests(&bench)[0].name,
        "smiling",
        "called after its folder"
    );
    bench.harness.get_by_label("1 picture left out");
    bench
        .harness
        .get_by_label_contains("/home/me/smiling/7.png");
}

#[test]
fn the_columns_of_a_table_are_chosen() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    bench.perform(AttributesWish::SetOrigin(ExampleOrigin::Labels));
    for (which, path) in [
        (ExamplePath::Table, "/home/me/labels.csv"),
        (ExamplePath::Pictures, "/home/me/faces"),
    ] {
        bench.perform(AttributesWish::SetPath(which, path.to_owned()));
    }
    bench
        .harness
        .get_by_label_contains("Choose the attributes of the table");
    bench.harness.get_by_label_contains("`place` is left out");
    let check = |bench: &mut Bench, label: &str| {
        bench
            .harness
            .get_by_role_and_label(egui::Role::CheckBox, label)
            .click();
        bench.settle();
    };
    check(&mut bench, "hat: 0 with it, 200 without");
    bench
        .harness
        .get_by_label("Both sides of hat need pictures");
    check(&mut bench, "hat: 0 with it, 200 without");
    check(&mut bench, "glasses: 40 with it, 160 without");
    check(
        &mut bench,
        "age: a measure, 100 above the middle, 100 below",
    );
    bench.click("Build");
    assert_eq!(requests(&bench)[0].columns, ["glasses", "age"]);
    assert_eq!(own(&bench), ["glasses", "age"]);
}

#[test]
fn components_of_the_shelf_are_named_by_the_person() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    bench.click("No labels");
    bench.perform(AttributesWish::SetComponents(2));
    bench.click("Build");
    let asked = requests(&bench);
    let ExampleSource::Unlabelled(all) = &asked[0].source else {
        panic!("the shelf was asked for");
    };
    assert_eq!((all.len(), asked[0].components), (4, 2));
    assert_eq!(asked[0].name, "Component");
    bench.perform(AttributesWish::SetPath(
        ExamplePath::Pictures,
        "/home/me/faces".to_owned(),
    ));
    bench.harness.get_by_label("14 pictures");
    bench.click("Build");
    let folder = ExampleSource::UnlabelledFolder("/home/me/faces".into());
    assert_eq!(requests(&bench)[1].source, folder);
}

#[test]
fn a_build_is_watched_and_given_up() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    tag_four(&mut bench);
    bench.engine.holds_builds = true;
    bench.click("Build");
    bench.harness.get_by_label("Building directions");
    assert!(bench.state().is_at_work());
    assert_eq!(
        bench.harness.query_all_by_label("Build").count(),
        0,
        "one at a time"
    );
    bench.click("Cancel building");
    assert!(!bench.state().is_at_work());
    let log = &bench.state().live.log;
    assert!(log.iter().all(|line| line.level != LogLevel::Error));
    bench.harness.get_by_label("Build");
}

#[test]
fn a_direction_is_renamed_and_removed_and_its_slider_with_it() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    tag_four(&mut bench);
    bench.click("Build");
    bench.click("Build");
    // The same direction is not there twice.
    assert_eq!(own(&bench), ["My attribute"]);
    bench.perform(EditWish::SetAmount("My attribute".to_owned(), 1.5));
    let id = bench.state().doc.attributes.own[0].id;
    bench.perform(AttributesWish::Rename(id, "Smiling".to_owned()));
    assert_eq!(own(&bench), ["My attribute"], "that name is another's");
    open(&mut bench);
    bench.click("Rename");
    bench.perform(AttributesWish::TypeName(Some((id, "Kind".to_owned()))));
    bench.click("OK");
    assert_eq!(own(&bench), ["Kind"]);
    assert_eq!(bench.state().doc.edit.amounts.get("Kind"), Some(&1.5));
    bench.click("Remove Kind");
    assert!(own(&bench).is_empty());
    assert!(bench.state().doc.edit.amounts.is_empty());
    assert!(
        bench
            .state()
            .live
            .attributes
            .iter()
            .all(|a| a.name != "Kind")
    );
    bench.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(own(&bench), ["Kind"]);
}

#[test]
fn a_picture_that_is_not_on_the_shelf_is_tagged_and_seen() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(AttributesWish::SetTag(named(9), Tag::With));
    bench.perform(SampleWish::SetSeed(77));
    open(&mut bench);
    let shown = &bench.state().live.views[&TAGGED].shown;
    assert_eq!(shown[&0].recipe, named(9).recipe);
    bench.click(&format!("Untag {}", named(9).label));
    assert!(bench.state().doc.attributes.tags.is_empty());
}

#[test]
fn closing_the_window_over_a_build_asks() {
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    tag_four(&mut bench);
    bench.engine.holds_builds = true;
    bench.click("Build");
    bench.perform(Action::Show(Dialog::Quit));
    bench.harness.get_by_label("Directions are being built");
    bench.click("Stay");
}

#[test]
fn the_strip_goes_no_further_than_the_slider() {
    let bench = Bench::new(Vec::new());
    let mut direction = bench.state().live.attributes[0].clone();
    direction.range = [-1.5, 3.5];
    let amounts: Vec<f32> = (0..6)
        .filter_map(|cell| amount_of(&direction, cell))
        .collect();
    assert_eq!(amounts, [-1.5, -1.0, 0.0, 1.0, 2.0]);
}

#[test]
fn directions_are_saved_and_no_file_is_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.attributes.safetensors");
    let mut bench = Bench::new(Vec::new());
    open(&mut bench);
    tag_four(&mut bench);
    bench.click("Build");
    bench.perform(AttributesWish::SetOnlyBuilt(true));
    let typed = |text: String| Dialog::TypePath {
        purpose: PathPurpose::SaveDirections,
        text,
        note: String::new(),
    };
    let saved = |bench: &Bench| -> Vec<(std::path::PathBuf, bool)> {
        let heard = bench.engine.heard.iter();
        heard
            .filter_map(|command| match command {
                Command::SaveDirections {
                    path, only_built, ..
                } => Some((path.clone(), *only_built)),
                _ => None,
            })
            .collect()
    };
    // An ending is added.
    let stem = folder.path().join("mine").display().to_string();
    bench.perform(Action::Show(typed(stem.clone())));
    bench.click("Save");
    assert_eq!(saved(&bench), [(path.clone(), true)]);
    std::fs::write(&path, b"").unwrap();
    bench.perform(Action::Show(typed(stem)));
    bench.click("Save");
    assert_eq!(saved(&bench).len(), 1);
    bench.click("Replace");
    assert_eq!(saved(&bench).len(), 2);
    assert!(bench.state().live.exporting.is_empty());
}

#[test]
fn everything_is_reached_in_a_small_window() {
    let mut bench = Bench::with_size(Vec::new(), [600.0, 450.0], egui::Theme::Light);
    open(&mut bench);
    tag_four(&mut bench);
    bench.perform(AttributesWish::Build);
    for label in ["Rename", "Save directions…", "Remove My attribute"] {
        let node = bench
            .harness
            .get_by_role_and_label(egui::Role::Button, label);
        let rect = node.rect();
        assert!(
            rect.left() >= 0.0 && rect.right() <= 600.0,
            "{label}: {rect:?}"
        );
    }
}

/// Writes pictures of the screen to the folder named by `GLOW_SCREENS`, for people to look at.
#[test]
#[ignore = "needs a graphics adapter; draws, asserts little"]
fn draw_the_attributes_screen() {
    let Some(folder) = std::env::var_os("GLOW_SCREENS").map(std::path::PathBuf::from) else {
        eprintln!("skipped: GLOW_SCREENS is not set");
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    for (theme, suffix) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
        for (size, name) in [([1280.0, 800.0], "wide"), ([600.0, 450.0], "small")] {
            let mut bench = Bench::with_size(Vec::new(), size, theme);
            bench.perform(Action::SetTheme(match theme {
                egui::Theme::Dark => ThemeChoice::Dark,
                egui::Theme::Light => ThemeChoice::Light,
            }));
            let shoot = |bench: &mut Bench, what: &str| {
                bench.settle();
                let file = format!("attributes-{what}-{name}-{suffix}.png");
                let picture = bench.harness.render().unwrap();
                picture.save(folder.join(file)).unwrap();
            };
            open(&mut bench);
            shoot(&mut bench, "1-empty");
            tag_four(&mut bench);
            bench.perform(AttributesWish::SetName("Cheerful".to_owned()));
            shoot(&mut bench, "2-tagged");
            bench.perform(AttributesWish::Build);
            shoot(&mut bench, "3-built");
            bench.perform(AttributesWish::SetOrigin(ExampleOrigin::Labels));
            for (which, path) in [
                (ExamplePath::Table, "/home/me/labels.csv"),
                (ExamplePath::Pictures, "/home/me/faces"),
            ] {
                bench.perform(AttributesWish::SetPath(which, path.to_owned()));
            }
            bench.perform(AttributesWish::SetColumn("glasses".to_owned(), true));
            bench.perform(AttributesWish::Build);
            shoot(&mut bench, "4-labels");
            bench.perform(AttributesWish::SetOrigin(ExampleOrigin::Folders));
            bench.perform(AttributesWish::SetPath(
                ExamplePath::With,
                "/home/me/smiling".to_owned(),
            ));
            bench.perform(AttributesWish::SetPath(
                ExamplePath::Without,
                "/home/me/serious".to_owned(),
            ));
            bench.engine.holds_builds = true;
            bench.perform(AttributesWish::Build);
            shoot(&mut bench, "5-building");
        }
    }
}
