//! Pictures of the screens, for people to look at.

use std::path::PathBuf;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::Bench;
use crate::app::action::Action;
use crate::app::dialog::{CropForm, Dialog};
use crate::app::keys;
use crate::app::screens::edit::EditWish;
use crate::app::screens::morph::MorphWish;
use crate::app::screens::sample::{self, SampleWish};
use crate::app::state::{Selection, Tab, ThemeChoice};
use crate::app::{AppOptions, ExplorerApp};
use crate::engine::{Engine, EngineOptions, Loader};

/// Draws the window with the shipped model's samples for the README:
/// `GLOW_SCREENSHOT=assets/screenshot.png cargo test --release --lib draw_the_readme -- --ignored`.
#[test]
#[ignore = "needs a graphics adapter; writes a file"]
fn draw_the_readme_screenshot() {
    let Some(path) = std::env::var_os("GLOW_SCREENSHOT").map(PathBuf::from) else {
        eprintln!("skipped: GLOW_SCREENSHOT is not set");
        return;
    };
    let loader = Loader {
        device: crate::model::DeviceChoice::Cpu,
        threads: 2,
        foreign: Default::default(),
        tf32: false,
    };
    let options = EngineOptions::new(loader.into_open());
    let engine = Engine::spawn(options, || {});
    let link = engine.link();
    let options = AppOptions {
        link: Box::new(move |_wake| link),
        files: Vec::new(),
        model: None,
        autosave: None,
        on_terminate: None,
    };
    let mut harness = egui_kittest::Harness::builder()
        .with_size([1280.0, 800.0])
        .with_theme(egui::Theme::Dark)
        .build_eframe(move |cc| ExplorerApp::new(cc, options));
    let ctx = harness.ctx.clone();
    let app = harness.state_mut();
    app.perform(&ctx, Action::SetTheme(ThemeChoice::Dark));
    app.perform(&ctx, Action::Tour(None));
    app.perform(&ctx, SampleWish::SetTemperature(0.7));
    app.perform(&ctx, Action::Select(sample::cell(8)));
    super::worker::run_until(&mut harness, |app| {
        let state = app.state();
        let sample = state.live.views.get(&sample::GRID);
        let fresh = (0..24).all(|cell| {
            let recipe = state.doc.sample.cell(cell).recipe;
            !state.cell_is_stale(sample::GRID, cell, &recipe)
        });
        let selected = state.selected().map(|n| n.recipe);
        let idle = state.live.waiting == 0 && state.doc.shelf.iter().all(|e| state.is_ready(e.id));
        idle && sample.is_some()
            && fresh
            && selected.is_some_and(|r| state.inspection_of(&r).is_some())
    });
    harness.run();
    harness.render().unwrap().save(path).unwrap();
}

/// Writes pictures of the screens to the folder named by `GLOW_SCREENS`, for people to look at.
#[test]
#[ignore = "needs a graphics adapter; draws, asserts little"]
fn draw_screens() {
    let Some(folder) = std::env::var_os("GLOW_SCREENS").map(PathBuf::from) else {
        eprintln!("skipped: GLOW_SCREENS is not set");
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    for (theme, suffix) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
        for (size, name) in [([1280.0, 800.0], "wide"), ([1024.0, 700.0], "small")] {
            let files = vec![
                "/home/anna/holiday-portrait.jpg".into(),
                "/home/missing.png".into(),
            ];
            let mut bench = Bench::with_size(files, size, theme);
            let shoot = |bench: &mut Bench, screen: &str| {
                bench.settle();
                let picture = bench.harness.render().unwrap();
                picture
                    .save(folder.join(format!("{screen}-{name}-{suffix}.png")))
                    .unwrap();
            };
            let choice = match theme {
                egui::Theme::Dark => ThemeChoice::Dark,
                egui::Theme::Light => ThemeChoice::Light,
            };
            bench.perform(Action::SetTheme(choice));
            bench.perform(Action::Select(sample::cell(8)));
            shoot(&mut bench, "1-sample");
            bench.perform(SampleWish::Enlarge(true));
            shoot(&mut bench, "a-enlarged");
            bench.perform(SampleWish::Enlarge(false));
            let named = bench.state().selected().unwrap();
            bench.perform(SampleWish::MoreLikeThis(named));
            bench.harness.get_by_label("View").click();
            shoot(&mut bench, "b-variations");
            bench.press(Modifiers::NONE, Key::Escape);
            let menus = bench.harness.query_all_by_label("Dark theme").count();
            assert_eq!(menus, 0, "Escape closes a menu");
            bench.perform(SampleWish::LeaveVariations);
            bench.perform(SampleWish::SetPerLevel(true));
            shoot(&mut bench, "2-levels");
            bench.perform(Action::SetTab(Tab::Morph));
            shoot(&mut bench, "3-morph");
            for cell in [9, 11] {
                let slot = bench.state().doc.morph.keys.len();
                let named = bench.state().doc.sample.cell(cell);
                bench.perform(MorphWish::SetKey(slot, named));
            }
            bench.perform(MorphWish::SetSteps(16));
            shoot(&mut bench, "c-keyframes");
            bench.perform(Action::SetTab(Tab::Edit));
            bench.perform(EditWish::SetAmount("Smiling".to_owned(), 1.2));
            shoot(&mut bench, "4-edit");
            let photo = bench.state().doc.shelf[0].id;
            bench.perform(Action::Select(Selection::Item(photo)));
            let form = CropForm::new(photo, bench.state()).unwrap();
            shoot(&mut bench, "5-photo");
            bench.perform(Action::Show(Dialog::Crop(form)));
            shoot(&mut bench, "6-crop");
            for (number, entry) in [(7, "Export…"), (8, "Keyboard"), (9, "Commands…")] {
                let action = keys::entry(entry).unwrap().action(bench.state()).unwrap();
                bench.perform(action);
                shoot(&mut bench, &format!("{number}-dialog"));
            }
        }
    }
}
