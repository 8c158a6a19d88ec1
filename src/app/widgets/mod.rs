//! Reusable parts of the screen.

pub mod bars;
pub mod condition;
pub mod controls;
pub mod curve;
pub mod grid;
pub mod histogram;
pub mod icons;
pub mod picture;
pub mod sheet;
pub mod slot;
pub mod zoom;

use super::action::Action;
use super::state::State;
use super::theme::Tokens;
use picture::Textures;

/// What every view gets: the state to read, textures to draw with, and a list for its wishes.
pub struct Cx<'a> {
    /// Everything on the screen.
    pub state: &'a State,
    /// Pictures on their way to the screen.
    pub textures: &'a mut Textures,
    /// What the person wants; applied after the frame.
    pub actions: &'a mut Vec<Action>,
    /// Colours of the theme in use.
    pub tokens: Tokens,
}

impl Cx<'_> {
    /// Takes note of a wish.
    pub fn push(&mut self, action: impl Into<Action>) {
        self.actions.push(action.into());
    }

    /// Takes note of a wish, if there is one.
    pub fn extend(&mut self, action: Option<impl Into<Action>>) {
        self.actions.extend(action.map(Into::into));
    }
}
