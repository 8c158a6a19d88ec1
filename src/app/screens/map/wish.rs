//! What can be wished for on the map screen, and what that does.

use std::path::PathBuf;

use super::{MapAxes, MapColour, SIZES};
use crate::app::state::{LogLevel, Selection, State, Tab};
use crate::engine::message::{Command, ItemSource, PictureSource, Ticket};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum MapWish {
    /// Encode a folder and show it.
    Open(PathBuf),
    /// Show a map that is there already.
    Show(Ticket),
    /// What the axes are.
    SetAxes(MapAxes),
    /// What the colours are.
    SetColour(MapColour),
    /// The table whose columns are offered; `None` for none.
    SetTable(Option<PathBuf>),
    /// Size of pictures on the screen.
    SetSize(f32),
    /// Pick a picture, or none.
    Pick(Option<usize>),
    /// Take a picture onto the shelf.
    Take(usize),
}

pub(super) fn apply(state: &mut State, wish: MapWish) -> Vec<Command> {
    let desk = &mut state.desks.map;
    match wish {
        MapWish::Open(folder) => return state.open_map(folder),
        MapWish::Show(ticket) => (desk.open, desk.picked) = (Some(ticket), None),
        MapWish::SetAxes(axes) => desk.axes = axes,
        MapWish::SetColour(colour) => desk.colour = colour,
        MapWish::SetTable(table) => {
            if table.is_none() && matches!(desk.colour, MapColour::Label(_)) {
                desk.colour = MapColour::Bits;
            }
            desk.table = table;
            state.tab = Tab::Map;
        }
        MapWish::SetSize(size) if size.is_finite() => {
            desk.size = size.clamp(*SIZES.start(), *SIZES.end());
        }
        MapWish::SetSize(_) => {}
        MapWish::Pick(picked) => {
            desk.picked = picked;
            // Arrow keys walk over the map from now on, not over the shelf.
            state.selection = match picked {
                Some(at) => Selection::Of(Tab::Map, at as u32),
                None => Selection::None,
            };
        }
        MapWish::Take(at) => return take(state, at),
    }
    Vec::new()
}

/// A picture that is on the shelf already is selected there.
fn take(state: &mut State, at: usize) -> Vec<Command> {
    let Some(picture) = state.shown_map().and_then(|map| map.pictures.get(at)) else {
        return Vec::new();
    };
    let Some(path) = picture.path.clone() else {
        let text = format!(
            "{} lies inside an archive; unpack that to take it onto the shelf",
            picture.name
        );
        state.log(LogLevel::Notice, text);
        return Vec::new();
    };
    let is_it = |source: &ItemSource| matches!(source, ItemSource::Photo { source: PictureSource::Path(p), .. } if *p == path);
    let mut shelf = state.doc.shelf.iter();
    let known = shelf.find(|e| state.items.get(&e.id).is_some_and(|i| is_it(&i.source)));
    match known.map(|entry| entry.id) {
        Some(id) => {
            state.selection = Selection::Item(id);
            Vec::new()
        }
        None => state.import_as_they_are(vec![PictureSource::Path(path)]),
    }
}
