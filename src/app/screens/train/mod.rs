//! The train screen: a model of one's own from a folder of pictures.

mod form;
mod progress;
mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::Ui;

pub use tab::{TrainDesk, TrainTab};
pub use wish::TrainWish;

use super::{Cells, Document, Screen};
use crate::app::document::Named;
use crate::app::keys::{Entry, entries};
use crate::app::state::State;
use crate::app::training::TrainingPhase;
use crate::app::widgets::Cx;
use crate::engine::message::{Command, View};

/// See the module.
pub struct TrainScreen;

const ENTRIES: &[Entry] = entries! {
    "Train": {
        "Start training", None, |s| (!s.training.is_active() && tab::order(s).is_ok()).then_some(TrainWish::Start.into());
        "Resume the training", None, |s| s.training.resumable().map(|_| TrainWish::Resume.into());
        "Pause the training", None, |s| is(s, &[TrainingPhase::Running]).then_some(TrainWish::Pause(true).into());
        "Go on with the training", None, |s| is(s, &[TrainingPhase::Paused, TrainingPhase::Pausing]).then_some(TrainWish::Pause(false).into());
        "Stop the training", None, |s| s.training.is_active().then_some(TrainWish::Stop.into());
        "Open the trained weights", None, |s| s.training.result().map(|_| TrainWish::Use.into());
    }
};

/// Whether the training stands so.
fn is(state: &State, phases: &[TrainingPhase]) -> bool {
    let run = state.training.run.as_ref();
    run.is_some_and(|run| phases.contains(&run.phase))
}

impl Screen for TrainScreen {
    type Doc = TrainTab;
    type Desk = TrainDesk;
    type Wish = TrainWish;

    fn apply(state: &mut State, wish: TrainWish) -> Vec<Command> {
        wish::apply(state, wish)
    }

    fn label(&self) -> &'static str {
        "Train"
    }

    fn about(&self) -> &'static str {
        "A model of your own, from a folder of pictures"
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::train_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn retain(&self, _doc: &mut Document, _keep: &mut dyn FnMut(&mut Named) -> bool) {}

    fn make_sound(&self, state: &mut State) {
        state.desks.train.make_sound();
    }

    fn wanted(&self, _state: &State) -> Vec<(View, Cells)> {
        Vec::new()
    }
}
