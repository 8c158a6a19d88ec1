//! The model screen: what the open model is, where it comes from, and whether it works here.

mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::Ui;

pub use tab::{ModelDesk, ModelTab};
pub use wish::ModelWish;

use super::{Cells, Document, Screen};
use crate::app::document::Named;
use crate::app::keys::{Entry, entries};
use crate::app::state::State;
use crate::app::widgets::Cx;
use crate::engine::message::{Command, ModelInfo, Question, View};

/// Samples of a self-test.
const SAMPLES: u32 = 8;

/// See the module.
pub struct ModelScreen;

const ENTRIES: &[Entry] = entries! {
    "Model": {
        "Test the model", None, |s| s.live.model.as_ref().map(|_| ModelWish::SelfTest.into());
    }
};

impl Screen for ModelScreen {
    type Doc = ModelTab;
    type Desk = ModelDesk;
    type Wish = ModelWish;

    fn apply(state: &mut State, wish: ModelWish) -> Vec<Command> {
        wish::apply(state, wish)
    }

    fn label(&self) -> &'static str {
        "Model"
    }

    fn about(&self) -> &'static str {
        "What the open model is, where it comes from, and whether it works here"
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::model_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn retain(&self, _doc: &mut Document, _keep: &mut dyn FnMut(&mut Named) -> bool) {}

    fn wanted(&self, _state: &State) -> Vec<(View, Cells)> {
        Vec::new()
    }

    fn model_opened(&self, state: &mut State, model: &ModelInfo, _keep: bool) {
        let (curve, provenance) = tab::read_provenance(&model.provenance);
        let desk = &mut state.desks.model;
        (desk.curve, desk.provenance, desk.tests) = (curve, provenance, 0);
    }
}

/// The test that was asked for last.
fn test_question(state: &State) -> Option<Question> {
    let seed = state.desks.model.tests;
    (seed > 0).then_some(Question::SelfTest {
        count: SAMPLES,
        seed,
    })
}
