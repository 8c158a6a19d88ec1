//! The levels screen, by wishes and by label.

use egui_kittest::kittest::Queryable as _;

use super::{LevelProbe, LevelsPart, LevelsTab, LevelsWish, PICTURES};
use crate::app::action::Action;
use crate::app::state::{Selection, Tab};
use crate::app::tests::{Bench, named};
use crate::engine::message::{Command, Question, Recipe};

#[test]
fn a_probe_touches_the_level_that_it_is_about() {
    let mut levels = LevelsTab::default();
    assert_eq!(levels.probed(0, 3, LevelProbe::Muted), None);
    levels.base = Some(named(4));
    let factors = |probe| match levels.probed(1, 3, probe).unwrap().recipe {
        Recipe::Scaled { temperature, .. } => temperature,
        Recipe::Mixed { shares, .. } => shares,
        other => panic!("{other:?}"),
    };
    assert_eq!(factors(LevelProbe::Muted), [1.0, 0.0, 1.0]);
    assert_eq!(factors(LevelProbe::Alone), [0.0, 1.0, 0.0]);
    assert_eq!(
        factors(LevelProbe::Resampled),
        [0.0, 1.0, 0.0],
        "shares of the new numbers"
    );
}

#[test]
fn every_level_has_a_row_with_its_figures_and_probes() {
    let mut bench = Bench::new(Vec::new());
    bench.click("Seed 1 · 3");
    bench.click("Levels");
    assert_eq!(bench.state().tab, Tab::Levels);
    let shown = &bench.state().live.views[&PICTURES].shown;
    assert_eq!(shown.len(), 1 + 3 * 3);
    for level in 1..=3 {
        bench
            .harness
            .get_by_label(&format!("Numbers of level {level}"));
        bench
            .harness
            .get_by_label(&format!("Histogram of level {level}"));
    }
    let energy = bench.harness.query_all_by_label_contains("energy 0.");
    assert_eq!(energy.count(), 3);
    bench.click("Seed 1 · 3, without level 2");
    assert_eq!(bench.state().selection, Selection::Of(Tab::Levels, 4));
    let asked = |bench: &Bench| {
        let heard = bench.engine.heard.iter();
        heard.filter(|c| matches!(c, Command::Ask { .. })).count()
    };
    assert_eq!(asked(&bench), 1, "asked once");
    let before = bench.state().live.views[&PICTURES].shown[&3].recipe.clone();
    bench.click("Draw anew");
    let shown = &bench.state().live.views[&PICTURES].shown;
    assert_ne!(shown[&3].recipe, before);
    assert_eq!(asked(&bench), 1, "the picture is the same");
}

#[test]
fn the_walk_goes_from_the_latent_to_the_picture() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Levels));
    bench.click("Walk through the flow");
    let walks = bench.engine.heard.iter().filter(|c| {
        matches!(
            c,
            Command::Ask {
                question: Question::Walk(_),
                ..
            }
        )
    });
    assert_eq!(walks.count(), 1);
    bench.harness.get_by_label_contains("1 of 15");
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Step of the walk");
    slider.set_value_accesskit(1.0);
    bench.settle();
    bench
        .harness
        .get_by_label_contains("15 of 15   the picture");
    bench.press(egui::Modifiers::NONE, egui::Key::ArrowLeft);
    assert!(bench.state().desks.levels.walk < 1.0);
    // Playing begins anew at the end, and stops there.
    bench.perform(LevelsWish::SetWalk(1.0));
    bench.perform(LevelsWish::SetPart(LevelsPart::Walk));
    let mut state = crate::app::state::State::default();
    state.desks.levels.walk = 1.0;
    state.apply(LevelsWish::Play(true));
    assert_eq!(state.desks.levels.walk, 0.0);
    for _ in 0..20 {
        state.apply(LevelsWish::Advance(0.5));
    }
    assert_eq!(
        (state.desks.levels.walk, state.desks.levels.playing),
        (1.0, false)
    );
}

#[test]
fn a_walk_that_runs_is_saved_where_it_began() {
    let mut state = crate::app::state::State::default();
    state.apply(Action::SetTab(Tab::Levels));
    state.apply(LevelsWish::SetPart(LevelsPart::Walk));
    state.apply(LevelsWish::SetWalk(0.25));
    state.apply(LevelsWish::Play(true));
    state.apply(LevelsWish::Advance(1.0));
    assert!(state.desks.levels.walk > 0.3);
    assert_eq!(state.kept().desks.levels.walk, 0.25);
    state.apply(LevelsWish::Play(false));
    assert!(state.kept().desks.levels.walk > 0.3);
}
