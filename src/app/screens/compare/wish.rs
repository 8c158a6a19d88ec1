//! What can be wished for on the compare screen, and what that does.

use super::{CompareWay, FIRST, SortColumn};
use crate::app::state::{Named, State, Tab};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum CompareWish {
    /// Compare a picture with the one that was chosen before it.
    Take(Named),
    /// Choose the first (0) or the second (1) picture.
    SetPicture(usize, Named),
    /// The first becomes the second.
    Swap,
    /// How the pictures are looked at.
    SetWay(CompareWay),
    /// Sort by a column; the same again turns the order round.
    SortBy(SortColumn),
    /// Where the edge of the wipe is.
    SetEdge(f32),
    /// How much a difference is made larger.
    SetGain(f32),
    /// Show the other one.
    Flip,
}

pub(super) fn apply(state: &mut State, wish: CompareWish) {
    let desk = &mut state.desks.compare;
    let pair = &mut state.doc.compare.pair;
    match wish {
        CompareWish::Take(named) => {
            // The newest stands second, what was there before it first.
            if pair.iter().all(Option::is_some) {
                pair.swap(0, 1);
            }
            let place = usize::from(pair[0].is_some());
            pair[place] = Some(named);
            if place == 1 && desk.way == CompareWay::Table {
                desk.way = CompareWay::Beside;
            }
            state.show(Tab::Compare, FIRST);
        }
        CompareWish::SetPicture(which, named) => {
            if let Some(place) = pair.get_mut(which) {
                *place = Some(named);
            }
        }
        CompareWish::Swap => pair.swap(0, 1),
        CompareWish::SetWay(way) => desk.way = way,
        CompareWish::SortBy(column) => {
            desk.descending = desk.sort == column && !desk.descending;
            desk.sort = column;
        }
        CompareWish::SetEdge(edge) => desk.edge = edge.clamp(0.0, 1.0),
        CompareWish::SetGain(gain) => desk.gain = gain.clamp(1.0, 32.0),
        CompareWish::Flip => desk.flipped = !desk.flipped,
    }
}
