//! What wishes do, without a window.

use std::path::PathBuf;
use std::sync::Arc;

use super::named;
use crate::app::action::Action;
use crate::app::dialog::Dialog;
use crate::app::fake::FakeEngine;
use crate::app::screens::edit::EditWish;
use crate::app::screens::morph::MorphWish;
use crate::app::screens::sample::{self, SampleWish};
use crate::app::shelf::REMOVED_KEPT;
use crate::app::state::{Document, Named, State};
use crate::engine::message::{Command, Event, ItemId, ModelOptions, Recipe};

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
    state.apply(MorphWish::SetKey(0, varied));
    state.apply(EditWish::SetBase(item));
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
    assert!(!state.live.views.contains_key(&sample::GRID));
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
    state.apply(SampleWish::SetSeed(2));
    assert_eq!(state.sync(false).len(), 1);
}

#[test]
fn a_model_whose_file_does_not_say_everything_is_asked_about() {
    let mut state = State::default();
    let path = PathBuf::from("model_001.pt");
    state.apply(Action::OpenModel(Some(path.clone())));
    let options = |bits| ModelOptions {
        bits: Some(bits),
        image_size: Some(64),
        ..ModelOptions::default()
    };
    let asks = |bits, again| Event::ModelAsks {
        path: path.clone(),
        asks: options(bits),
        pictures: vec![Arc::new(image::RgbImage::new(4, 4))],
        again,
    };
    assert!(state.receive(asks(5, false)).is_empty());
    assert!(!state.live.opening);
    let form = |state: &State| match &state.dialog {
        Some(Dialog::Ask(form)) => (form.options.bits, form.busy, form.pictures.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(form(&state), (Some(5), false, 1));
    let commands = state.apply(Action::TryModel(path.clone(), options(8)));
    assert!(matches!(&commands[..], [Command::TryModel { options: o, .. }] if *o == options(8)));
    assert_eq!(form(&state), (Some(8), true, 1));
    // Samples for other answers than those that are on the screen are late.
    state.receive(asks(5, true));
    assert_eq!(form(&state), (Some(8), true, 1));
    state.receive(asks(8, true));
    assert_eq!(form(&state), (Some(8), false, 1));
    let commands = state.apply(Action::OpenModelAs(path.clone(), options(8)));
    assert!(matches!(&commands[..], [Command::OpenModelAs { options: o, .. }] if *o == options(8)));
    assert!(state.dialog.is_none() && state.live.opening);
    state.receive(asks(8, true));
    assert!(state.dialog.is_none());
}
