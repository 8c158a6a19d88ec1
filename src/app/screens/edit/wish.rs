//! What can be wished for on the edit screen, and what that does.

use super::EDITED;
use crate::app::state::{Named, State, Tab};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum EditWish {
    /// Choose what is edited.
    SetBase(Named),
    /// Move an attribute slider.
    SetAmount(String, f32),
    /// All sliders to zero.
    ResetAmounts,
    /// Keep other attributes as they are.
    SetKeepOthers(bool),
    /// Factor on the result's eps.
    SetTemperature(f32),
    /// Text in the search box.
    SetSearch(String),
    /// Show the picture before the edit.
    ShowBefore(bool),
}

pub(super) fn apply(state: &mut State, wish: EditWish) {
    let desk = &mut state.desks.edit;
    let edit = &mut state.doc.edit;
    match wish {
        EditWish::SetBase(base) => {
            edit.base = Some(base);
            state.show(Tab::Edit, EDITED);
        }
        EditWish::SetAmount(name, amount) => {
            if amount == 0.0 {
                edit.amounts.remove(&name);
            } else {
                edit.amounts.insert(name, amount);
            }
            state.selection = EDITED;
        }
        EditWish::ResetAmounts => {
            edit.amounts.clear();
            edit.temperature = 1.0;
        }
        EditWish::SetKeepOthers(keep) => edit.keep_others = keep,
        EditWish::SetTemperature(value) => edit.temperature = value,
        EditWish::SetSearch(text) => desk.search = text,
        EditWish::ShowBefore(before) => desk.before = before,
    }
}
