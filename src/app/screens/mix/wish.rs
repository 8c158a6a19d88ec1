//! What can be wished for on the mix screen, and what that does.

use super::{MIXED, MixKind};
use crate::app::state::{Named, State};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum MixWish {
    /// Pad or levels.
    SetKind(MixKind),
    /// Put a picture into a corner: upper left, upper right, lower left, lower right.
    SetCorner(usize, Named),
    /// Move the point of the pad.
    MoveTo(f32, f32),
    /// Choose the first (0) or the second (1) picture whose levels are mixed.
    SetPicture(usize, Named),
    /// The second picture's share in a level.
    SetShare(usize, f32),
    /// The same share in all levels.
    SetShares(f32),
    /// The first becomes the second.
    Swap,
}

pub(super) fn apply(state: &mut State, wish: MixWish) {
    let mix = &mut state.doc.mix;
    let desk = &mut state.desks.mix;
    match wish {
        MixWish::SetKind(kind) => mix.kind = kind,
        MixWish::SetCorner(corner, named) => {
            if let Some(place) = mix.corners.get_mut(corner) {
                *place = Some(named);
            }
        }
        MixWish::MoveTo(x, y) => (desk.x, desk.y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0)),
        MixWish::SetPicture(which, named) => {
            if let Some(place) = mix.pair.get_mut(which) {
                *place = Some(named);
            }
        }
        MixWish::SetShare(level, share) => {
            if let Some(place) = mix.shares.get_mut(level) {
                *place = share.clamp(0.0, 1.0);
            }
        }
        MixWish::SetShares(share) => mix.shares.fill(share.clamp(0.0, 1.0)),
        MixWish::Swap => mix.pair.swap(0, 1),
    }
    state.selection = MIXED;
}
