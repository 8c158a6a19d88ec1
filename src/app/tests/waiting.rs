//! The window never waits: not for a worker that says nothing, nor for one that is slow.

use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, unbounded};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::Bench;
use super::worker::run_until;
use crate::app::action::Action;
use crate::app::dialog::Dialog;
use crate::app::fake::FakeEngine;
use crate::app::screens::edit::EditWish;
use crate::app::screens::morph::MorphWish;
use crate::app::screens::sample::{self, SampleWish};
use crate::app::state::Tab;
use crate::app::{AppOptions, ExplorerApp};
use crate::engine::message::{Command, PictureSource, Recipe};

/// Runs a test on a thread of its own, so that a window that waits fails it. The limit is far beyond what any
/// machine needs; nothing depends on it but the failure.
fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = unbounded::<()>();
    let thread = std::thread::spawn(move || {
        let _dropped_at_the_end = done;
        test();
    });
    match ended.recv_timeout(Duration::from_secs(300)) {
        Err(RecvTimeoutError::Timeout) => panic!("the window waits for its worker"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Everything that asks the worker for something, frame after frame; gives the frames.
fn use_everything(harness: &mut Harness<'_, ExplorerApp>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let ctx = harness.ctx.clone();
    let first = ctx.cumulative_frame_nr();
    for round in 0..4 {
        let value = round as f32;
        let photo = folder.path().join(format!("photo-{round}.jpg"));
        let export = folder.path().join(format!("grid-{round}.png"));
        let session = folder.path().join(format!("faces-{round}.glow.json"));
        let mut actions = vec![Action::SetTab(Tab::Sample)];
        actions.extend(
            (0..10).map(|i| SampleWish::SetTemperature(0.1 * value + 0.01 * i as f32).into()),
        );
        actions.push(SampleWish::SetSeed(round).into());
        actions.push(Action::Import(vec![PictureSource::Path(photo)]));
        actions.push(Action::SetTab(Tab::Morph));
        actions.extend((0..10).map(|i| MorphWish::SetT(0.2 * value + 0.02 * i as f32).into()));
        actions.push(Action::SetTab(Tab::Edit));
        let smile =
            |i: u32| EditWish::SetAmount("Smiling".to_owned(), value + 0.1 * i as f32).into();
        actions.extend((1..10).map(smile));
        actions.push(Action::SaveSession(session));
        actions.push(Action::OpenModel(Some("other.safetensors".into())));
        for action in actions {
            harness.state_mut().perform(&ctx, action);
            harness.step();
        }
        let source = crate::app::dialog::ExportSource::Screen(Tab::Sample);
        harness
            .state_mut()
            .perform(&ctx, Action::OpenExport(source));
        if let Some(Dialog::Export(mut form)) = harness.state().state().dialog.clone() {
            form.path = export.display().to_string();
            let state = harness.state_mut();
            state.perform(&ctx, Action::Show(Dialog::Export(form)));
            state.perform(&ctx, Action::Export);
        }
        harness.step();
    }
    ctx.cumulative_frame_nr() - first
}

#[test]
fn a_worker_that_says_nothing_holds_up_no_frame() {
    watched(|| {
        let mut bench = Bench::new(Vec::new());
        let asked = bench.engine.heard.len();
        let frames = use_everything(&mut bench.harness);
        assert!(frames > 100, "{frames}");
        // All of it was sent, and nobody has taken it.
        assert!(bench.engine.waiting() > 20, "{}", bench.engine.waiting());
        assert_eq!(bench.engine.heard.len(), asked);
        // Should it wake up after all, the window ends where the person is, with the last values.
        bench.settle();
        let kinds: Vec<bool> = vec![
            bench
                .engine
                .heard
                .iter()
                .any(|c| matches!(c, Command::Export { .. })),
            bench
                .engine
                .heard
                .iter()
                .any(|c| matches!(c, Command::Import { .. })),
            bench
                .engine
                .heard
                .iter()
                .any(|c| matches!(c, Command::SaveSession { .. })),
        ];
        assert_eq!(kinds, [true; 3]);
        bench.perform(Action::SetTab(Tab::Sample));
        let state = bench.state();
        let shown = &state.live.views[&sample::GRID].shown;
        assert_eq!(shown.len(), 24);
        for (cell, shown) in shown {
            assert_eq!(shown.recipe, state.doc.sample.cell(*cell).recipe);
        }
    });
}

#[test]
fn a_worker_that_blocks_for_ever_holds_up_no_frame() {
    watched(|| {
        let (mut engine, link) = FakeEngine::new();
        let (hold, held) = unbounded::<()>();
        let worker = std::thread::spawn(move || {
            // The model opens; then, in the middle of the first pictures, it hangs.
            while engine.heard.len() < 3 {
                if !engine.answer_next() {
                    std::thread::yield_now();
                }
            }
            let _ = held.recv();
        });
        let options = AppOptions {
            link: Box::new(move |_wake| link),
            files: vec!["/tmp/anna.jpg".into()],
            model: None,
            autosave: None,
        };
        let mut harness = Harness::builder()
            .with_size([1280.0, 800.0])
            .build_eframe(move |cc| ExplorerApp::new(cc, options));
        run_until(&mut harness, |app| app.state().live.model.is_some());
        let frames = use_everything(&mut harness);
        assert!(frames > 100, "{frames}");
        assert!(!worker.is_finished());
        drop(hold);
        worker.join().unwrap();
    });
}

#[test]
fn a_drag_with_a_slow_worker_ends_on_the_last_value() {
    let mut bench = Bench::new(Vec::new());
    let from = bench.engine.heard.len();
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Temperature")
        .rect();
    let at = |share: f32| egui::pos2(slider.left() + share * slider.width(), slider.center().y);
    bench.harness.drag_at(at(0.1));
    bench.harness.step();
    let mut values = Vec::new();
    for i in 0..100 {
        // There and back, so that the last value is not the largest.
        let share = if i < 60 { i } else { 120 - i } as f32 / 70.0;
        bench.harness.hover_at(at(0.1 + 0.8 * share));
        bench.harness.step();
        values.push(bench.state().doc.sample.temperature);
        if i % 5 == 4 {
            bench.engine.answer_next();
        }
    }
    bench.harness.drop_at(at(0.1 + 0.8 * 21.0 / 70.0));
    bench.settle();
    values.dedup();
    assert!(values.len() > 50, "the slider moved: {values:?}");
    let last = bench.state().doc.sample.temperature;
    assert_eq!(values.last(), Some(&last));
    assert!(last < values[values.len() / 2]);

    let renders = bench.renders(sample::GRID, from);
    assert!(renders.len() < 30, "{} renders", renders.len());
    let is_last = |recipe: &Recipe| matches!(recipe, Recipe::Scaled { temperature, .. } if *temperature == [last]);
    assert!(
        renders
            .last()
            .unwrap()
            .iter()
            .all(|(_, recipe)| is_last(recipe))
    );
    let shown = &bench.state().live.views[&sample::GRID].shown;
    assert_eq!(shown.len(), 24);
    assert!(shown.values().all(|s| is_last(&s.recipe)));
}
