//! What can be wished for on the edit screen, and what that does.

use std::collections::BTreeSet;

use super::EDITED;
use super::photo::Look;
use crate::app::state::{Named, State, Tab};
use crate::engine::message::PhotoPart;

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
    /// Keep the base when another picture is selected on the shelf.
    Lock(bool),
    /// Put an attribute first, or back into its place.
    Favour(String, bool),
    /// Keep an attribute's slider where it is, or let it go.
    Hold(String, bool),
    /// Show the whole photo with the edit in it, or the model's picture again.
    ShowPhoto(bool),
    /// Look at another part of the photo.
    LookAt(Look, PhotoPart),
    /// Show both pictures, divided at this share of the width; or one again.
    Wipe(Option<f32>),
}

pub(super) fn apply(state: &mut State, wish: EditWish) {
    let desk = &mut state.desks.edit;
    let edit = &mut state.doc.edit;
    match wish {
        EditWish::SetBase(base) => {
            edit.base = Some(base);
            desk.look = None;
            state.show(Tab::Edit, EDITED);
        }
        EditWish::SetAmount(name, _) if desk.held.contains(&name) => {}
        EditWish::SetAmount(name, amount) => {
            if amount == 0.0 {
                edit.amounts.remove(&name);
            } else {
                edit.amounts.insert(name, amount);
            }
            state.selection = EDITED;
        }
        EditWish::ResetAmounts => {
            edit.amounts.retain(|name, _| desk.held.contains(name));
            edit.temperature = 1.0;
        }
        EditWish::SetKeepOthers(keep) => edit.keep_others = keep,
        EditWish::SetTemperature(value) => edit.temperature = value,
        EditWish::SetSearch(text) => desk.search = text,
        EditWish::ShowBefore(before) => desk.before = before,
        EditWish::Lock(locked) => desk.locked = locked,
        EditWish::Favour(name, on) => put(&mut desk.favourites, name, on),
        EditWish::Hold(name, on) => put(&mut desk.held, name, on),
        EditWish::ShowPhoto(on) => desk.photo = on,
        EditWish::LookAt(look, part) => {
            desk.look = Some(look);
            desk.part = Some(part);
        }
        EditWish::Wipe(at) => desk.wipe = at.map(|at| at.clamp(0.0, 1.0)),
    }
}

fn put(names: &mut BTreeSet<String>, name: String, on: bool) {
    if on {
        names.insert(name);
    } else {
        names.remove(&name);
    }
}
