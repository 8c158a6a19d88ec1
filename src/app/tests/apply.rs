//! What wishes do, without a window.

use crate::app::action::Action;
use crate::app::fake::FakeEngine;
use crate::app::shelf::REMOVED_KEPT;
use crate::app::state::{Document, MAX_KEYS, Named, PlayMode, State};
use crate::engine::message::{Command, Event, ItemId, Recipe, View};

fn named(index: u32) -> Named {
    State::default().doc.sample.cell(index)
}

#[test]
fn one_temperature_is_passed_to_all_levels() {
    let mut state = State::default();
    state.doc.sample.level_temperatures = vec![0.7; 3];
    state.apply(Action::SetTemperature(0.4));
    state.apply(Action::SetPerLevel(true));
    state.apply(Action::SetLevelTemperature(1, 0.9));
    state.apply(Action::SetLevelTemperature(7, 0.9));
    assert_eq!(state.doc.sample.temperatures(), [0.4, 0.9, 0.4]);
    state.apply(Action::SetPerLevel(false));
    assert_eq!(state.doc.sample.temperatures(), [0.4]);
}

#[test]
fn keys_and_slots() {
    let mut state = State::default();
    state.apply(Action::SetKey(0, named(1)));
    assert!(
        state.doc.morph.path_keys().is_none(),
        "one picture is no path"
    );
    state.apply(Action::SetKey(1, named(2)));
    for _ in 0..20 {
        state.apply(Action::AddSlot);
    }
    assert_eq!(state.doc.morph.keys.len(), MAX_KEYS);
    state.apply(Action::SetKey(MAX_KEYS, named(3)));
    assert_eq!(state.doc.morph.keys.len(), MAX_KEYS);
    state.apply(Action::SetT(0.25));
    state.apply(Action::ReverseKeys);
    assert_eq!(state.playback.t, 0.75);
    assert_eq!(state.doc.morph.keys[MAX_KEYS - 1], Some(named(1)));
    state.apply(Action::ClearKey(MAX_KEYS - 1));
    assert_eq!(state.doc.morph.keys.len(), MAX_KEYS - 1);
}

#[test]
fn play_modes_meet_the_end_in_their_own_way() {
    let mut state = State::default();
    state.apply(Action::SetKey(0, named(1)));
    state.apply(Action::SetKey(1, named(2)));
    state.apply(Action::SetPlaySeconds(1.0));
    let mut run = |mode, t: f32| {
        state.apply(Action::SetPlayMode(mode));
        state.apply(Action::SetT(t));
        state.apply(Action::Play(true));
        state.apply(Action::Advance(0.5));
        (
            state.playback.t,
            state.playback.playing,
            state.playback.backwards,
        )
    };
    assert_eq!(run(PlayMode::Loop, 0.75), (0.25, true, false));
    assert_eq!(run(PlayMode::PingPong, 0.75), (0.75, true, true));
    assert_eq!(run(PlayMode::Once, 0.75), (1.0, false, false));
}

#[test]
fn a_slider_at_zero_leaves_the_recipe() {
    let mut state = State::default();
    state.apply(Action::EditBase(named(3)));
    state.apply(Action::SetAmount("Smiling".to_owned(), 0.5));
    assert!(matches!(
        state.doc.edit.result().unwrap().recipe,
        Recipe::Edited { .. }
    ));
    state.apply(Action::SetAmount("Smiling".to_owned(), 0.0));
    assert_eq!(state.doc.edit.result().unwrap(), named(3));
}

#[test]
fn removing_a_picture_empties_what_stood_on_it() {
    let mut state = State::default();
    state.pin(named(0));
    let id = state.doc.shelf[0].id;
    let item = Named {
        recipe: Recipe::Item(id),
        label: "item".to_owned(),
    };
    let varied = Named {
        recipe: Recipe::Varied {
            base: Box::new(item.recipe.clone()),
            seed: 1,
            amount: 0.2,
        },
        label: "like it".to_owned(),
    };
    state.apply(Action::SetKey(0, varied));
    state.apply(Action::EditBase(item));
    assert!(
        state.apply(Action::Remove(id)).is_empty(),
        "undo may want it back"
    );
    assert!(state.doc.morph.keys[0].is_none() && state.doc.edit.base.is_none());
}

#[test]
fn the_worker_forgets_what_was_removed_long_ago() {
    let mut state = State::default();
    for index in 0..REMOVED_KEPT as u32 + 1 {
        state.pin(named(index));
    }
    let ids: Vec<ItemId> = state.doc.shelf.iter().map(|e| e.id).collect();
    let commands: Vec<Command> = (ids.iter())
        .flat_map(|&id| state.apply(Action::Remove(id)))
        .collect();
    assert!(matches!(&commands[..], [Command::Forget(gone)] if *gone == [ids[0]]));
}

#[test]
fn nothing_is_asked_for_before_a_model_is_open() {
    let mut state = State::default();
    assert!(state.sync(true).is_empty());
}

#[test]
fn a_stored_state_names_no_latents() {
    let mut state = State::default();
    state.pin(named(0));
    state.doc.sample.seed = 77;
    state.settings.ui_scale = f32::NAN;
    let stored = serde_json::to_string(&state).unwrap_or_default();
    // JSON has no NaN; whatever comes back must be usable.
    let state: State = serde_json::from_str(&stored.replace("null", "9.0")).unwrap_or(state);
    let state = state.restored();
    assert_eq!(state.doc.sample.seed, 77);
    assert!(state.doc.shelf.is_empty());
    assert!((0.6..=2.0).contains(&state.settings.ui_scale));
    assert!(!state.live.views.contains_key(&View::Sample));
    assert_ne!(state.doc, Document::default());
}

#[test]
fn a_cell_that_cannot_be_drawn_is_asked_for_once() {
    let (mut engine, link) = FakeEngine::new();
    let mut state = State::default();
    for command in state.start(None, Vec::new()) {
        link.commands.send(command).unwrap();
    }
    engine.answer();
    for event in link.events.try_iter() {
        state.receive(event);
    }
    let commands = state.sync(false);
    let [Command::Render { view, ticket, .. }] = &commands[..] else {
        panic!("one render: {commands:?}");
    };
    let (view, ticket) = (*view, *ticket);
    state.receive(Event::Failed {
        ticket: Some(ticket),
        item: None,
        message: "out of memory".to_owned(),
    });
    state.receive(Event::RenderDone { view, ticket });
    assert!(state.sync(false).is_empty());
    state.apply(Action::SetSeed(2));
    assert_eq!(state.sync(false).len(), 1);
}
