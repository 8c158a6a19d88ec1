//! The window by label.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::Bench;
use crate::app::action::Action;
use crate::app::fake::FakeEngine;
use crate::app::screens::edit::EditWish;
use crate::app::screens::sample::{self, SampleWish};
use crate::app::state::{self, ItemStatus, Tab};
use crate::app::{check_display, keys};
use crate::engine::message::{Command, Event};

#[test]
fn the_first_screen_is_full() {
    let bench = Bench::new(Vec::new());
    assert!(matches!(bench.engine.heard[0], Command::OpenModel(None)));
    let sample = &bench.state().live.views[&sample::GRID];
    assert_eq!(sample.shown.len(), 24);
    assert_eq!(bench.state().doc.shelf.len(), 4);
    assert!(
        bench
            .state()
            .items
            .values()
            .all(|i| i.status == ItemStatus::Ready)
    );
    assert!(bench.state().doc.morph.path_keys().is_some());
    let cell = bench
        .harness
        .get_by_role_and_label(egui::Role::Button, "Seed 1 · 1");
    assert!(cell.rect().width() > 60.0);
    bench.harness.get_by_label("faces-64 (shipped)");
}

#[test]
fn every_control_is_there_by_name() {
    let mut bench = Bench::new(Vec::new());
    for label in [
        "File",
        "Edit",
        "View",
        "Model",
        "Help",
        "Undo",
        "Redo",
        "Commands",
        "Open…",
        "Previous seed",
        "Next seed",
        "New seed",
        "Pin",
        "Use as A",
        "Use as B",
        "More like this",
        "Export…",
        "Per level",
        "Actions ▾",
        "Decode times",
    ] {
        assert!(
            bench.harness.query_all_by_label_contains(label).count() > 0,
            "{label}"
        );
    }
    for label in ["Seed", "Columns", "Rows", "Temperature"] {
        bench
            .harness
            .get_by_role_and_label(egui::Role::SpinButton, label);
    }
    bench.perform(Action::SetTab(Tab::Morph));
    for label in [
        "Position",
        "Duration",
        "Steps",
        "Picture of slot A",
        "Picture of slot B",
        "Swap",
        "+ Keyframe",
        "Ping-pong",
        "Linear",
    ] {
        assert!(
            bench.harness.query_all_by_label(label).count() > 0,
            "{label}"
        );
    }
    bench.perform(Action::SetTab(Tab::Edit));
    for label in [
        "Smiling",
        "Mouth slightly open",
        "Search attributes",
        "Reset all",
        "Keep other attributes",
        "Hold to compare",
        "Base",
    ] {
        assert!(
            bench.harness.query_all_by_label(label).count() > 0,
            "{label}"
        );
    }
}

#[test]
fn an_idle_window_asks_for_nothing() {
    let mut bench = Bench::new(Vec::new());
    let from = bench.engine.heard.len();
    for _ in 0..5 {
        bench.harness.step();
    }
    assert_eq!(bench.engine.answer(), 0);
    assert_eq!(bench.engine.heard.len(), from);
    let delay = bench
        .harness
        .output()
        .viewport_output
        .values()
        .next()
        .unwrap()
        .repaint_delay;
    assert!(delay > std::time::Duration::from_secs(1), "{delay:?}");
}

#[test]
fn a_removed_picture_comes_back_with_undo() {
    let mut bench = Bench::new(Vec::new());
    let name = bench.state().doc.shelf[0].name.clone();
    bench
        .harness
        .get_by_label(&format!("{name}, sample"))
        .click();
    bench.settle();
    bench.press(Modifiers::NONE, Key::Delete);
    assert_eq!(bench.state().doc.shelf.len(), 3);
    assert!(bench.state().doc.morph.keys[0].is_none());
    bench.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(bench.state().doc.shelf.len(), 4);
    assert!(bench.state().doc.morph.keys[0].is_some());
    assert!(
        !bench
            .engine
            .heard
            .iter()
            .any(|c| matches!(c, Command::Forget(_)))
    );
}

#[test]
fn letters_in_a_text_field_are_letters() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Edit));
    let seed = bench.state().doc.sample.seed;
    bench
        .harness
        .get_by_role_and_label(egui::Role::TextInput, "Search attributes")
        .click();
    bench.settle();
    bench.harness.event(egui::Event::Text("r".to_owned()));
    bench.press(Modifiers::NONE, Key::R);
    bench.press(Modifiers::NONE, Key::Num1);
    assert_eq!(bench.state().doc.sample.seed, seed);
    assert_eq!(bench.state().tab, Tab::Edit);
    assert_eq!(bench.state().desks.edit.search, "r");
}

#[test]
fn the_palette_finds_and_does() {
    let mut bench = Bench::new(Vec::new());
    bench.press(Modifiers::COMMAND, Key::P);
    bench.harness.event(egui::Event::Text("light".to_owned()));
    bench.settle();
    bench.press(Modifiers::NONE, Key::Enter);
    assert_eq!(bench.state().settings.theme, state::ThemeChoice::Light);
    assert!(bench.state().dialog.is_none());
}

#[test]
fn pictures_that_are_not_finite_are_flagged() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(SampleWish::SetTemperature(40.0));
    let picture = bench.state().cell_picture(sample::GRID, 0).unwrap();
    assert!(picture.non_finite > 0);
    let flagged = bench.harness.query_all_by_label_contains("not finite");
    assert!(flagged.count() > 0);
}

#[test]
fn every_dialog_opens_and_escape_closes_it() {
    let mut bench = Bench::new(vec!["/tmp/anna.png".into()]);
    for name in [
        "Keyboard",
        "Messages",
        "About",
        "Commands…",
        "Type a path…",
        "Export…",
        "Rename",
    ] {
        let action = keys::entry(name).unwrap().action(bench.state()).unwrap();
        bench.perform(action);
        assert!(bench.state().dialog.is_some(), "{name}");
        bench.press(Modifiers::NONE, Key::Escape);
        assert!(bench.state().dialog.is_none(), "{name}");
    }
}

#[test]
fn a_worker_that_has_gone_is_reported_once() {
    let mut bench = Bench::new(Vec::new());
    let (engine, _) = FakeEngine::new();
    drop(std::mem::replace(&mut bench.engine, engine));
    bench.harness.run_steps(3);
    let gone = bench
        .state()
        .live
        .log
        .iter()
        .filter(|l| l.text.contains("worker"));
    assert_eq!(gone.count(), 1);
}

#[test]
fn without_a_display_the_error_names_the_other_ways() {
    let error = check_display(true, |_| false).unwrap_err().to_string();
    assert!(error.contains("no display"), "{error}");
    assert!(error.contains("glow-explorer sample"), "{error}");
    assert!(check_display(true, |name| name == "DISPLAY").is_ok());
    assert!(check_display(false, |_| false).is_ok());
}

#[test]
fn stale_answers_are_dropped() {
    let mut bench = Bench::new(Vec::new());
    let before = bench.state().cell_picture(sample::GRID, 0).unwrap().id;
    let event = Event::Rendered {
        view: sample::GRID,
        ticket: crate::engine::message::Ticket(3),
        cell: 0,
        pixels: Arc::new(image::RgbImage::new(1, 1)),
        non_finite: 0,
        draft: false,
        elapsed: None,
    };
    bench.harness.state_mut().state.receive(event);
    assert_eq!(
        bench.state().cell_picture(sample::GRID, 0).unwrap().id,
        before
    );
}

#[test]
fn a_model_that_does_not_open_leaves_a_way_on() {
    let mut bench = Bench::new(Vec::new());
    let ctx = bench.harness.ctx.clone();
    let app = bench.harness.state_mut();
    app.state.live.model = None;
    app.state.receive(Event::Failed {
        ticket: None,
        item: None,
        message: "model.safetensors: not a weight file".to_owned(),
    });
    ctx.request_repaint();
    bench.settle();
    bench.harness.get_by_label("No model is open");
    bench.click("Open the shipped model");
    assert!(bench.state().live.model.is_some());
}

#[test]
fn scrolling_over_a_large_picture_zooms_it() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(SampleWish::Enlarge(true));
    let place = bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 1");
    bench.harness.hover_at(place.rect().center());
    bench.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 300.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    bench.settle();
    // A drag now pans instead of carrying the picture away.
    let place = bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 1");
    let center = place.rect().center();
    bench.harness.drag_at(center);
    bench.harness.step();
    bench.harness.hover_at(center + egui::vec2(60.0, 0.0));
    bench.harness.step();
    assert!(egui::DragAndDrop::payload::<state::Named>(&bench.harness.ctx).is_none());
    bench.harness.drop_at(center);
    bench.settle();
}

/// Storage in memory.
#[derive(Default)]
struct Memory(std::collections::HashMap<String, String>);

impl eframe::Storage for Memory {
    fn get_string(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    fn remove_string(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn flush(&mut self) {}
}

#[test]
fn seed_and_theme_survive_a_restart() {
    let mut bench = Bench::new(vec!["/tmp/anna.png".into()]);
    bench.perform(SampleWish::SetSeed(4711));
    bench.perform(Action::SetTheme(state::ThemeChoice::Light));
    bench.perform(EditWish::SetAmount("Smiling".to_owned(), 1.0));
    let mut storage = Memory::default();
    eframe::App::save(bench.harness.state_mut(), &mut storage);
    let stored: state::State = eframe::get_value(&storage, eframe::APP_KEY).unwrap();
    let restored = stored.restored();
    assert_eq!(restored.doc.sample.seed, 4711);
    assert_eq!(restored.settings.theme, state::ThemeChoice::Light);
    assert!(restored.doc.shelf.is_empty() && restored.doc.edit.amounts.is_empty());
}

#[test]
fn every_screen_has_a_picture_to_look_at_in_a_small_window_and_with_large_text() {
    for (size, scale) in [([600.0, 450.0], 1.0), ([1280.0, 800.0], 1.8)] {
        let mut bench = Bench::with_size(Vec::new(), size, egui::Theme::Dark);
        bench.perform(Action::SetScale(scale));
        let room = bench.harness.ctx.content_rect();
        for &tab in Tab::ALL {
            bench.perform(Action::SetTab(tab));
            let name = tab.screen().label();
            let pictures = bench.harness.query_all_by_role(egui::Role::Image);
            let whole = pictures.filter(|node| room.contains_rect(node.rect()));
            let widest = whole.map(|node| node.rect().width()).fold(0.0, f32::max);
            if matches!(name, "Morph" | "Edit" | "Mix") {
                assert!(widest >= 80.0, "{name} at {size:?}, {scale}: {widest}");
            }
        }
    }
}

#[test]
fn the_selected_picture_takes_the_whole_screen_and_gives_it_back() {
    let mut bench = Bench::new(Vec::new());
    bench.press(Modifiers::NONE, Key::F11);
    assert!(bench.state().full_screen);
    let picture = bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 1");
    assert_eq!(picture.rect().height(), 800.0);
    assert_eq!(bench.harness.query_all_by_label("File").count(), 0);
    bench.press(Modifiers::NONE, Key::Escape);
    assert!(!bench.state().full_screen);
    bench.harness.get_by_label("File");
}

#[test]
fn the_tour_goes_through_five_steps_and_can_be_left() {
    let mut bench = Bench::new(Vec::new());
    assert_eq!(
        bench.state().tour,
        None,
        "not by itself in a run without a store"
    );
    bench.perform(Action::Tour(Some(0)));
    bench.harness.get_by_label("Tour, 1 of 5: Sample");
    bench.click("Next");
    assert_eq!(bench.state().tab, Tab::Morph);
    bench.click("Next");
    bench.click("Next");
    bench.click("Next");
    bench.harness.get_by_label("Tour, 5 of 5: Your own photos");
    bench.click("Done");
    assert_eq!(bench.state().tour, None);
    assert!(bench.state().settings.tour_seen);
    bench.perform(Action::Tour(Some(2)));
    bench.click("Skip the tour");
    assert_eq!(bench.state().tour, None);
}

#[test]
fn a_picture_that_is_not_finite_says_so_and_the_export_counts_it() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(SampleWish::SetTemperature(40.0));
    let broken = bench.harness.query_all_by_label_contains(", not finite");
    let broken = broken.count();
    assert!(broken > 0);
    bench.press(Modifiers::COMMAND, Key::E);
    bench
        .harness
        .get_by_label_contains(&format!("{broken} of them ha"));
}
