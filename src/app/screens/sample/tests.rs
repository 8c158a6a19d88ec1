//! The sample screen, by wishes and by label.

use egui_kittest::kittest::Queryable as _;

use super::{GRID, SampleWish};
use crate::app::screens::Screen as _;
use crate::app::state::State;
use crate::app::tests::{Bench, seed_and_index};
use crate::engine::message::{Condition, Recipe};
use crate::recipe::PictureSettings;

#[test]
fn one_temperature_is_passed_to_all_levels() {
    let mut state = State::default();
    state.doc.sample.level_temperatures = vec![0.7; 3];
    state.apply(SampleWish::SetTemperature(0.4));
    state.apply(SampleWish::SetPerLevel(true));
    state.apply(SampleWish::SetLevelTemperature(1, 0.9));
    state.apply(SampleWish::SetLevelTemperature(7, 0.9));
    assert_eq!(state.doc.sample.temperatures(), [0.4, 0.9, 0.4]);
    state.apply(SampleWish::SetPerLevel(false));
    assert_eq!(state.doc.sample.temperatures(), [0.4]);
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
    let renders = bench.renders(GRID, from);
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
    bench.perform(SampleWish::SetSeed(5));
    let renders = bench.renders(GRID, from);
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
        let action = SampleWish::SetTemperature(0.3 + 0.05 * i as f32);
        let ctx = bench.harness.ctx.clone();
        bench.harness.state_mut().perform(&ctx, action);
        bench.harness.run();
    }
    bench.settle();
    bench.harness.drop_at(aside);
    bench.settle();
    let renders = bench.renders(GRID, from);
    assert!(renders.len() <= 3, "{} renders", renders.len());
    let (_, last) = &renders.last().unwrap()[0];
    assert!(
        matches!(last, Recipe::Scaled { temperature, .. } if *temperature == [0.3 + 0.05 * 9.0])
    );
}

#[test]
fn samples_are_given_a_condition_and_a_grid_of_them_comes_back() {
    let mut state = State::default();
    let condition = Condition::class(1, 3);
    state.apply(SampleWish::SetCondition(condition.clone()));
    let cells: Vec<Recipe> = (0..4).map(|i| state.doc.sample.cell(i).recipe).collect();
    assert!(cells.iter().all(|recipe| {
        matches!(recipe, Recipe::Given { condition: given, .. } if *given == condition)
    }));
    let settings = PictureSettings::new("m", &cells, &Vec::new()).unwrap();
    let mut other = State::default();
    let what = super::SampleScreen.remake(&mut other, &settings, "grid.png");
    assert_eq!(what, Some("the samples"));
    assert_eq!(other.doc.sample.condition, condition);
    assert_eq!(other.doc.sample.cell(2), state.doc.sample.cell(2));
}
