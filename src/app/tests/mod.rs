//! Tests of the window: a bench with the scripted worker, and what is done on it. No display and no
//! GPU is needed.

mod apply;
mod files;
mod folders;
mod kept;
mod kills;
mod screens;
mod sessions;
mod waiting;
mod window;
mod worker;

use std::path::PathBuf;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::action::Action;
use super::fake::FakeEngine;
use super::state::{Named, State};
use super::{AppOptions, ExplorerApp};
use crate::engine::message::{Command, Recipe, View};

/// The window and the worker behind it.
pub(super) struct Bench {
    pub(super) harness: Harness<'static, ExplorerApp>,
    pub(super) engine: FakeEngine,
}

impl Bench {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        Self::with_size(files, [1280.0, 800.0], egui::Theme::Dark)
    }

    pub(super) fn with_size(files: Vec<PathBuf>, size: [f32; 2], theme: egui::Theme) -> Self {
        let (engine, link) = FakeEngine::new();
        let options = AppOptions {
            link: Box::new(move |_wake| link),
            files,
            model: None,
            autosave: None,
            on_terminate: None,
        };
        let harness = Harness::builder()
            .with_size(size)
            .with_theme(theme)
            .with_max_steps(40)
            .build_eframe(move |cc| ExplorerApp::new(cc, options));
        let mut bench = Self { harness, engine };
        bench.settle();
        bench
    }

    /// Lets window and worker talk until both are done.
    pub(super) fn settle(&mut self) {
        for _ in 0..40 {
            self.harness.run();
            if self.engine.answer() == 0 {
                return;
            }
        }
        panic!("the window keeps asking");
    }

    pub(super) fn state(&self) -> &State {
        self.harness.state().state()
    }

    pub(super) fn click(&mut self, label: &str) {
        let button = self
            .harness
            .get_by_role_and_label(egui::Role::Button, label);
        button.click();
        self.settle();
    }

    pub(super) fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.settle();
    }

    pub(super) fn perform(&mut self, action: impl Into<Action>) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().perform(&ctx, action);
        self.settle();
    }

    /// Renders of a view since `from`, as cells in order.
    pub(super) fn renders(&self, view: View, from: usize) -> Vec<Vec<(u32, Recipe)>> {
        let heard = self.engine.heard[from..].iter();
        heard
            .filter_map(|command| match command {
                Command::Render { view: v, cells, .. } if *v == view => Some(cells.clone()),
                _ => None,
            })
            .collect()
    }
}

/// A cell of the first grid.
pub(super) fn named(index: u32) -> Named {
    State::default().doc.sample.cell(index)
}

/// What a cell of the sample grid was drawn from.
pub(super) fn seed_and_index(recipe: &Recipe) -> (u64, u32) {
    match recipe {
        Recipe::Scaled { base, .. } => seed_and_index(base),
        Recipe::Sample { seed, index } => (*seed, *index),
        other => panic!("not a sample: {other:?}"),
    }
}
