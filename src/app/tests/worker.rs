//! The window with the real worker behind it, a toy in the model's place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use egui_kittest::Harness;

use crate::app::action::Action;
use crate::app::dialog::Dialog;
use crate::app::screens::sample::SampleWish;
use crate::app::screens::{morph, sample};
use crate::app::state::{ItemStatus, Tab};
use crate::app::{AppOptions, ExplorerApp};
use crate::engine::toy::{open_toy, photo};
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

/// A window with the real worker, saved by itself in a folder.
fn window(folder: &Path, files: Vec<PathBuf>) -> (Harness<'static, ExplorerApp>, Engine) {
    let panics = Arc::new(AtomicUsize::new(0));
    let options = EngineOptions::new(Box::new(move |path: Option<&Path>| {
        open_toy(path, None, panics.clone())
    }));
    let engine = Engine::spawn(options, || {});
    let link = engine.link();
    let options = AppOptions {
        link: Box::new(move |_wake| link),
        files,
        model: None,
        autosave: Some(folder.to_owned()),
        on_terminate: None,
    };
    let harness = Harness::builder()
        .with_size([1280.0, 800.0])
        .build_eframe(move |cc| ExplorerApp::new(cc, options));
    (harness, engine)
}

fn names(app: &ExplorerApp) -> Vec<String> {
    let shelf = app.state().doc.shelf.iter();
    shelf.map(|entry| entry.name.clone()).collect()
}

#[test]
fn a_window_that_is_closed_over_its_work_keeps_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let photos: Vec<PathBuf> = (40..76).map(photo).collect();
    let (mut harness, engine) = window(folder.path(), photos);
    // The photos, and the four samples of a fresh shelf.
    run_until(&mut harness, |app| app.state().doc.shelf.len() >= 40);
    let ctx = harness.ctx.clone();
    harness.state_mut().perform(&ctx, SampleWish::SetSeed(808));
    let before = names(harness.state());
    // Closed at once: pictures that wait to be encoded hold up nothing.
    eframe::App::on_exit(harness.state_mut());
    drop((harness, engine));

    let (harness, _engine) = {
        let (mut harness, engine) = window(folder.path(), Vec::new());
        run_until(&mut harness, |app| {
            app.state().live.model.is_some() && !app.state().session.is_opening()
        });
        (harness, engine)
    };
    let app = harness.state();
    assert_eq!(names(app), before);
    assert_eq!(app.state().doc.sample.seed, 808);
    let crashed = "ended unexpectedly";
    assert!(
        !app.state()
            .live
            .log
            .iter()
            .any(|l| l.text.contains(crashed))
    );
}

#[test]
fn closing_over_an_export_asks() {
    let mut bench = super::Bench::new(Vec::new());
    let export = (crate::engine::message::Ticket(9_999), "film.gif".into());
    bench.harness.state_mut().state.live.exporting.push(export);
    let close = |bench: &mut super::Bench| {
        let input = bench.harness.input_mut();
        let root = input.viewports.entry(egui::ViewportId::ROOT).or_default();
        root.events.push(egui::ViewportEvent::Close);
        bench.harness.step();
    };
    close(&mut bench);
    assert_eq!(bench.state().dialog, Some(Dialog::Quit));
    bench.settle();
    bench.click("Stay");
    assert_eq!(bench.state().dialog, None);
    bench.harness.state_mut().state.live.exporting.clear();
    close(&mut bench);
    assert_eq!(bench.state().dialog, None, "nothing to ask about");
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
        on_terminate: None,
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
