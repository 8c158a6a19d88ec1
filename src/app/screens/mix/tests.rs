//! The mix screen, by wishes and by label.

use egui_kittest::kittest::Queryable as _;

use super::{AROUND, HERO, LATTICE, MixKind, MixTab, MixWish};
use crate::app::action::Action;
use crate::app::state::{State, Tab};
use crate::app::tests::{Bench, named};
use crate::engine::message::{Command, Recipe};

#[test]
fn a_corner_is_its_picture_and_the_middle_is_of_all_four() {
    let mut mix = MixTab::default();
    assert_eq!(mix.at(0.5, 0.5), None, "not before all corners are set");
    mix.corners = [0, 1, 2, 3].map(|i| Some(named(i)));
    for (corner, (x, y)) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
        .iter()
        .enumerate()
    {
        assert_eq!(mix.at(*x, *y).unwrap().recipe, named(corner as u32).recipe);
    }
    let middle = mix.at(0.5, 0.5).unwrap().recipe;
    let Recipe::Morph { keys, t, .. } = &middle else {
        panic!("a path between two rows: {middle:?}");
    };
    assert_eq!(*t, 0.5);
    let row = |recipe: &Recipe| recipe.parts().into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(row(&keys[0]), [named(0).recipe, named(1).recipe]);
    assert_eq!(row(&keys[1]), [named(2).recipe, named(3).recipe]);
}

#[test]
fn a_removed_picture_leaves_its_corner() {
    let mut state = State::default();
    let Command::Pin { item, .. } = state.pin(named(0)) else {
        panic!("a pin");
    };
    let on_shelf = state.doc.shelf[0].named();
    state.apply(MixWish::SetCorner(2, on_shelf.clone()));
    state.apply(MixWish::SetPicture(1, on_shelf));
    state.apply(Action::Remove(item));
    assert!(state.doc.mix.corners[2].is_none() && state.doc.mix.pair[1].is_none());
}

#[test]
fn the_pad_moves_the_picture() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Mix));
    let around = &bench.state().live.views[&AROUND].shown;
    assert_eq!(around.len() as u32, LATTICE * LATTICE);
    let pad = bench.harness.get_by_label_contains("Pad of the mix").rect();
    let at = pad.center() + pad.size() * egui::vec2(0.25, -0.25);
    bench.harness.drag_at(at);
    bench.harness.run();
    bench.harness.drop_at(at);
    bench.settle();
    let desk = &bench.state().desks.mix;
    assert!(desk.x > 0.7 && desk.y < 0.3, "{desk:?}");
    let shown = bench.state().live.views[&HERO].shown[&0].recipe.clone();
    assert_eq!(shown, bench.state().selected().unwrap().recipe);
    bench.press(egui::Modifiers::NONE, egui::Key::ArrowLeft);
    assert_eq!(bench.state().desks.mix.x, {
        let before = desk_x(&shown);
        before - super::ARROW
    });
}

/// How far right a recipe of the pad lies.
fn desk_x(recipe: &Recipe) -> f32 {
    let Recipe::Morph { keys, .. } = recipe else {
        panic!("a point of the pad: {recipe:?}");
    };
    match &keys[0] {
        Recipe::Morph { t, .. } => *t,
        other => panic!("a row of the pad: {other:?}"),
    }
}

#[test]
fn a_picture_is_dragged_from_the_shelf_into_the_nearest_corner() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Mix));
    let entry = bench.state().doc.shelf[0].clone();
    let row = bench
        .harness
        .get_by_label(&format!("{}, sample", entry.name))
        .rect();
    let from = row.left_center() + egui::vec2(30.0, 0.0);
    let pad = bench.harness.get_by_label_contains("Pad of the mix").rect();
    let to = pad.right_bottom() - egui::vec2(20.0, 20.0);
    bench.harness.drag_at(from);
    bench.harness.step();
    bench.harness.hover_at(from + egui::vec2(30.0, 10.0));
    bench.harness.step();
    bench.harness.hover_at(to);
    bench.harness.step();
    bench.harness.drop_at(to);
    bench.settle();
    assert_eq!(bench.state().doc.mix.corners[3], Some(entry.named()));
}

#[test]
fn levels_of_two_pictures_are_mixed_by_a_slider_each() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Mix));
    bench.click("Levels of two");
    assert_eq!(bench.state().doc.mix.kind, MixKind::Levels);
    assert_eq!(
        bench.state().doc.mix.shares,
        [0.0, 0.0, 1.0],
        "the coarsest of B"
    );
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Level 1 · 32 px");
    slider.set_value_accesskit(0.5);
    bench.settle();
    assert_eq!(bench.state().doc.mix.shares, [0.5, 0.0, 1.0]);
    let shown = &bench.state().live.views[&HERO].shown[&0].recipe;
    assert!(matches!(shown, Recipe::Mixed { shares, .. } if *shares == [0.5, 0.0, 1.0]));
    bench.click("All of A");
    assert_eq!(bench.state().doc.mix.shares, [0.0; 3]);
    bench.press(egui::Modifiers::COMMAND, egui::Key::Z);
    assert_eq!(bench.state().doc.mix.shares, [0.5, 0.0, 1.0]);
}
