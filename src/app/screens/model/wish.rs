//! What can be wished for on the model screen, and what that does.

use super::test_question;
use crate::app::state::State;
use crate::engine::message::Command;

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelWish {
    /// Text in the search box of the tensors.
    SetSearch(String),
    /// Test whether the inverse is exact.
    SelfTest,
}

pub(super) fn apply(state: &mut State, wish: ModelWish) -> Vec<Command> {
    match wish {
        ModelWish::SetSearch(text) => {
            state.desks.model.search = text;
            Vec::new()
        }
        ModelWish::SelfTest => {
            // Other samples each time.
            state.desks.model.tests += 1;
            let question = test_question(state);
            question
                .and_then(|q| state.ask_again(q))
                .into_iter()
                .collect()
        }
    }
}
