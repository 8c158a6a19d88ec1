//! The morph screen, by wishes and by label.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::{HERO, MAX_KEYS, MorphWish};
use crate::app::action::Action;
use crate::app::state::{State, Tab};
use crate::app::tests::{Bench, named, seed_and_index};
use crate::engine::message::{Easing, PathKind, PlayMode, Recipe};

#[test]
fn keys_and_slots() {
    let mut state = State::default();
    state.apply(MorphWish::SetKey(0, named(1)));
    assert!(
        state.doc.morph.path_keys().is_none(),
        "one picture is no path"
    );
    state.apply(MorphWish::SetKey(1, named(2)));
    for _ in 0..20 {
        state.apply(MorphWish::AddSlot);
    }
    assert_eq!(state.doc.morph.keys.len(), MAX_KEYS);
    state.apply(MorphWish::SetKey(MAX_KEYS, named(3)));
    assert_eq!(state.doc.morph.keys.len(), MAX_KEYS);
    state.apply(MorphWish::SetT(0.25));
    state.apply(MorphWish::ReverseKeys);
    assert_eq!(state.desks.morph.t, 0.75);
    assert_eq!(state.doc.morph.keys[MAX_KEYS - 1], Some(named(1)));
    state.apply(MorphWish::ClearKey(MAX_KEYS - 1));
    assert_eq!(state.doc.morph.keys.len(), MAX_KEYS - 1);
}

#[test]
fn play_modes_meet_the_end_in_their_own_way() {
    let mut state = State::default();
    state.apply(MorphWish::SetKey(0, named(1)));
    state.apply(MorphWish::SetKey(1, named(2)));
    state.apply(MorphWish::SetPlaySeconds(1.0));
    let mut run = |mode, t: f32| {
        state.apply(MorphWish::SetPlayMode(mode));
        state.apply(MorphWish::SetT(t));
        state.apply(MorphWish::Play(true));
        state.apply(MorphWish::Advance(0.5));
        (
            state.desks.morph.t,
            state.desks.morph.playing,
            state.desks.morph.backwards,
        )
    };
    assert_eq!(run(PlayMode::Loop, 0.75), (0.25, true, false));
    assert_eq!(run(PlayMode::PingPong, 0.75), (0.75, true, true));
    assert_eq!(run(PlayMode::Once, 0.75), (1.0, false, false));
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
    assert_eq!(bench.state().desks.morph.t, 0.25);
    let hero = &bench.state().live.views[&HERO].shown[&0];
    assert!(matches!(&hero.recipe, Recipe::Morph { t, keys: k, .. } if *t == 0.25 && *k == keys));
}

#[test]
fn keyframes_change_places_by_wish_and_by_drag() {
    let mut state = State::default();
    for slot in 0..4 {
        state.apply(MorphWish::SetKey(slot, named(slot as u32)));
    }
    let order = |state: &State| -> Vec<u32> {
        let keys = state.doc.morph.path_keys().unwrap();
        keys.iter().map(|key| seed_and_index(key).1).collect()
    };
    state.apply(MorphWish::MoveKey(3, 0));
    assert_eq!(order(&state), [3, 0, 1, 2]);
    state.apply(MorphWish::MoveKey(1, 2));
    assert_eq!(order(&state), [3, 1, 0, 2]);
    state.apply(MorphWish::MoveKey(1, 9));
    assert_eq!(order(&state), [3, 1, 0, 2]);

    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Morph));
    for slot in 0..3 {
        bench.perform(MorphWish::SetKey(slot, named(slot as u32)));
    }
    let place = |bench: &Bench, label: &str| {
        let slot = bench.harness.get_by_label_contains(label);
        slot.rect().center()
    };
    let (from, to) = (place(&bench, "Slot C"), place(&bench, "Slot A"));
    bench.harness.drag_at(from);
    bench.harness.step();
    bench.harness.hover_at(from - egui::vec2(0.0, 20.0));
    bench.harness.step();
    bench.harness.hover_at(to);
    bench.harness.step();
    bench.harness.drop_at(to);
    bench.settle();
    assert_eq!(order(bench.state()), [2, 0, 1]);
}

#[test]
fn easing_and_the_path_of_each_level_are_chosen_by_label() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Morph));
    bench.click("Per level");
    assert_eq!(bench.state().doc.morph.path, PathKind::SphericalPerLevel);
    bench.click("Smooth");
    assert_eq!(bench.state().doc.morph.easing, Easing::Smooth);
    bench.perform(MorphWish::SetT(0.25));
    let hero = &bench.state().live.views[&HERO].shown[&0];
    assert!(matches!(hero.recipe, Recipe::Morph { t, .. } if (t - 0.15625).abs() < 1e-6));
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
    let before = bench.state().desks.morph.t;
    bench.harness.key_press(Key::Space);
    bench.harness.run_steps(4);
    assert!(bench.state().desks.morph.playing);
    assert_ne!(bench.state().desks.morph.t, before);
    bench.harness.key_press(Key::Space);
    bench.harness.run_steps(2);
    assert!(!bench.state().desks.morph.playing);
    bench.settle();
}
