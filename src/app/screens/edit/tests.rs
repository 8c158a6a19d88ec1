//! The edit screen, by wishes and by label.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::{EditWish, PICTURES};
use crate::app::state::State;
use crate::app::tests::{Bench, named};
use crate::engine::message::Recipe;

#[test]
fn a_slider_at_zero_leaves_the_recipe() {
    let mut state = State::default();
    state.apply(EditWish::SetBase(named(3)));
    state.apply(EditWish::SetAmount("Smiling".to_owned(), 0.5));
    assert!(matches!(
        state.doc.edit.result().unwrap().recipe,
        Recipe::Edited { .. }
    ));
    state.apply(EditWish::SetAmount("Smiling".to_owned(), 0.0));
    assert_eq!(state.doc.edit.result().unwrap(), named(3));
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
    let shown = &bench.state().live.views[&PICTURES].shown[&0];
    assert!(matches!(&shown.recipe, Recipe::Edited { edits, .. } if edits[0].amount == 1.0));
    bench.press(Modifiers::COMMAND, Key::Z);
    assert!(bench.state().doc.edit.amounts.is_empty());
    bench.press(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(bench.state().doc.edit.amounts.get("Smiling"), Some(&1.0));
}
