//! The window by label.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::Bench;
use crate::app::action::Action;
use crate::app::fake::FakeEngine;
use crate::app::state::{self, ItemStatus, Tab};
use crate::app::{check_display, keys};
use crate::engine::message::{Command, Event, Recipe, View};

fn seed_and_index(recipe: &Recipe) -> (u64, u32) {
    match recipe {
        Recipe::Scaled { base, .. } => seed_and_index(base),
        Recipe::Sample { seed, index } => (*seed, *index),
        other => panic!("not a sample: {other:?}"),
    }
}

#[test]
fn the_first_screen_is_full() {
    let bench = Bench::new(Vec::new());
    assert!(matches!(bench.engine.heard[0], Command::OpenModel(None)));
    let sample = &bench.state().live.views[&View::Sample];
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
fn a_change_of_temperature_redraws_the_same_faces() {
    let mut bench = Bench::new(Vec::new());
    let from = bench.engine.heard.len();
    let before = bench.state().doc.sample.temperature;
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Temperature");
    slider.increment_accesskit();
    bench.settle();
    let after = bench.state().doc.sample.temperature;
    assert!(after > before, "{before} {after}");
    let renders = bench.renders(View::Sample, from);
    let cells: Vec<_> = renders.iter().flatten().collect();
    assert!(cells.len() >= 24, "{}", cells.len());
    for (cell, recipe) in cells {
        assert_eq!(seed_and_index(recipe), (1, *cell));
        assert!(matches!(recipe, Recipe::Scaled { temperature, .. } if *temperature == [after]));
    }
}

#[test]
fn cells_nearest_the_pointer_come_first() {
    let mut bench = Bench::new(Vec::new());
    let place = bench.harness.get_by_label("Seed 1 · 15").rect().center();
    bench.harness.hover_at(place);
    bench.settle();
    let from = bench.engine.heard.len();
    bench.perform(Action::SetSeed(5));
    let renders = bench.renders(View::Sample, from);
    assert_eq!(renders[0][0].0, 14);
    assert_eq!(renders[0].len(), 24);
    let columns = bench.state().doc.sample.columns;
    let distance = |cell: u32| {
        let away = |of: fn(u32, u32) -> u32| of(cell, columns).abs_diff(of(14, columns)).pow(2);
        away(|cell, columns| cell % columns) + away(|cell, columns| cell / columns)
    };
    let distances: Vec<u32> = renders[0].iter().map(|(cell, _)| distance(*cell)).collect();
    assert!(distances.is_sorted(), "{distances:?}");
}

#[test]
fn a_fast_drag_waits_for_pictures_and_ends_on_the_last_value() {
    let mut bench = Bench::new(Vec::new());
    let from = bench.engine.heard.len();
    // Ten values with no answer in between: the worker may not be asked ten times, only for a draft of the
    // first, one of the last, and the exact picture of the last when the pointer is up.
    let aside = egui::pos2(640.0, 60.0);
    bench.harness.drag_at(aside);
    bench.harness.step();
    for i in 0..10 {
        let action = Action::SetTemperature(0.3 + 0.05 * i as f32);
        let ctx = bench.harness.ctx.clone();
        bench.harness.state_mut().perform(&ctx, action);
        bench.harness.run();
    }
    bench.settle();
    bench.harness.drop_at(aside);
    bench.settle();
    let renders = bench.renders(View::Sample, from);
    assert!(renders.len() <= 3, "{} renders", renders.len());
    let (_, last) = &renders.last().unwrap()[0];
    assert!(
        matches!(last, Recipe::Scaled { temperature, .. } if *temperature == [0.3 + 0.05 * 9.0])
    );
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
fn slots_and_position_decide_the_morph() {
    let mut bench = Bench::new(Vec::new());
    bench.click("Seed 1 · 3");
    bench.click("Use as A");
    bench.click("Seed 1 · 9");
    bench.click("Use as B");
    let keys = bench.state().doc.morph.path_keys().unwrap();
    assert_eq!(
        keys.iter().map(seed_and_index).collect::<Vec<_>>(),
        [(1, 2), (1, 8)]
    );
    bench.press(Modifiers::NONE, Key::Num2);
    assert_eq!(bench.state().tab, Tab::Morph);
    bench.click("Step 3 of 9");
    assert_eq!(bench.state().playback.t, 0.25);
    let hero = &bench.state().live.views[&View::Morph].shown[&0];
    assert!(matches!(&hero.recipe, Recipe::Morph { t, keys: k, .. } if *t == 0.25 && *k == keys));
}

#[test]
fn a_picture_is_dragged_from_the_shelf_into_a_slot() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Morph));
    let entry = bench.state().doc.shelf[3].clone();
    let label = format!("{}, sample", entry.name);
    let row = bench.harness.get_by_label(&label);
    let from = row.rect().left_center() + egui::vec2(30.0, 0.0);
    let slot = bench.harness.get_by_label_contains("Slot B");
    let to = slot.rect().center();
    bench.harness.drag_at(from);
    bench.harness.step();
    bench.harness.hover_at(from + egui::vec2(30.0, 10.0));
    bench.harness.step();
    bench.harness.hover_at(to);
    bench.harness.step();
    bench.harness.drop_at(to);
    bench.settle();
    let key = bench.state().doc.morph.keys[1].as_ref().unwrap();
    assert_eq!(key.recipe, Recipe::Item(entry.id));
}

#[test]
fn playing_moves_and_stops() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Morph));
    let before = bench.state().playback.t;
    bench.harness.key_press(Key::Space);
    bench.harness.run_steps(4);
    assert!(bench.state().playback.playing);
    assert_ne!(bench.state().playback.t, before);
    bench.harness.key_press(Key::Space);
    bench.harness.run_steps(2);
    assert!(!bench.state().playback.playing);
    bench.settle();
}

#[test]
fn an_attribute_moves_the_edited_picture_and_undo_brings_it_back() {
    let mut bench = Bench::new(Vec::new());
    bench.press(Modifiers::NONE, Key::Num3);
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Smiling");
    slider.set_value_accesskit(1.0);
    bench.settle();
    assert_eq!(bench.state().doc.edit.amounts.get("Smiling"), Some(&1.0));
    let shown = &bench.state().live.views[&View::Edit].shown[&0];
    assert!(matches!(&shown.recipe, Recipe::Edited { edits, .. } if edits[0].amount == 1.0));
    bench.press(Modifiers::COMMAND, Key::Z);
    assert!(bench.state().doc.edit.amounts.is_empty());
    bench.press(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(bench.state().doc.edit.amounts.get("Smiling"), Some(&1.0));
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
    assert_eq!(bench.state().search, "r");
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
    bench.perform(Action::SetTemperature(40.0));
    let picture = bench.state().cell_picture(View::Sample, 0).unwrap();
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
        let action = (keys::entry(name).unwrap().action)(bench.state()).unwrap();
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
    let before = bench.state().cell_picture(View::Sample, 0).unwrap().id;
    let event = Event::Rendered {
        view: View::Sample,
        ticket: crate::engine::message::Ticket(3),
        cell: 0,
        pixels: Arc::new(image::RgbImage::new(1, 1)),
        non_finite: 0,
        draft: false,
        elapsed: None,
    };
    bench.harness.state_mut().state.receive(event);
    assert_eq!(
        bench.state().cell_picture(View::Sample, 0).unwrap().id,
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
    bench.perform(Action::Enlarge(true));
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
    bench.perform(Action::SetSeed(4711));
    bench.perform(Action::SetTheme(state::ThemeChoice::Light));
    bench.perform(Action::SetAmount("Smiling".to_owned(), 1.0));
    let mut storage = Memory::default();
    eframe::App::save(bench.harness.state_mut(), &mut storage);
    let stored: state::State = eframe::get_value(&storage, eframe::APP_KEY).unwrap();
    let restored = stored.restored();
    assert_eq!(restored.doc.sample.seed, 4711);
    assert_eq!(restored.settings.theme, state::ThemeChoice::Light);
    assert!(restored.doc.shelf.is_empty() && restored.doc.edit.amounts.is_empty());
}
