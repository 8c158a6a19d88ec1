//! The window with the real worker behind it, a toy in the model's place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use egui_kittest::Harness;

use crate::app::action::Action;
use crate::app::screens::{morph, sample};
use crate::app::state::{ItemStatus, Tab};
use crate::app::{AppOptions, ExplorerApp};
use crate::engine::toy::open_toy;
use crate::engine::{Engine, EngineOptions};

/// Lets the window run until `done` holds; the limit is for a worker that never answers.
pub(super) fn run_until(
    harness: &mut Harness<'_, ExplorerApp>,
    done: impl Fn(&ExplorerApp) -> bool,
) {
    for _ in 0..3000 {
        harness.step();
        if done(harness.state()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let log = &harness.state().state().live.log;
    panic!("the worker never got there: {log:?}");
}

#[test]
fn the_first_screens_fill_with_the_real_worker() {
    let panics = Arc::new(AtomicUsize::new(0));
    let options = EngineOptions::new(Box::new(move |path: Option<&Path>| {
        open_toy(path, None, panics.clone())
    }));
    let engine = Engine::spawn(options, || {});
    let link = engine.link();
    let options = AppOptions {
        link: Box::new(move |_wake| link),
        files: Vec::new(),
        model: None,
        autosave: None,
    };
    let mut harness = Harness::builder()
        .with_size([1280.0, 800.0])
        .build_eframe(move |cc| ExplorerApp::new(cc, options));
    run_until(&mut harness, |app| {
        let state = app.state();
        let shown = state
            .live
            .views
            .get(&sample::GRID)
            .map_or(0, |v| v.shown.len());
        let ready = state.items.values().all(|i| i.status == ItemStatus::Ready);
        let selected = state.selected().unwrap();
        shown == 24 && ready && state.inspection_of(&selected.recipe).is_some()
    });
    let ctx = harness.ctx.clone();
    harness
        .state_mut()
        .perform(&ctx, Action::SetTab(Tab::Morph));
    run_until(&mut harness, |app| {
        let views = &app.state().live.views;
        let count = |view| views.get(&view).map_or(0, |v| v.shown.len());
        count(morph::HERO) == 1 && count(morph::STRIP) == 9
    });
    let errors = harness.state().state().live.log.iter();
    let errors = errors.filter(|l| l.level == crate::app::state::LogLevel::Error);
    assert_eq!(errors.count(), 0);
}
