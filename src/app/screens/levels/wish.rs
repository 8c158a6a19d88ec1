//! What can be wished for on the levels screen, and what that does.

use super::{BASE, LevelsPart};
use crate::app::state::{Named, State, Tab};

/// Seconds of the whole walk, played.
const WALK_SECONDS: f32 = 7.0;

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum LevelsWish {
    /// Show the levels of a picture.
    SetBase(Named),
    /// Table or walk.
    SetPart(LevelsPart),
    /// Draw other numbers for the levels that are drawn anew.
    DrawAnew,
    /// How far the walk is: 0 at the latent, 1 at the picture.
    SetWalk(f32),
    /// Run or stop.
    Play(bool),
    /// Time has passed while it runs, seconds.
    Advance(f32),
}

pub(super) fn apply(state: &mut State, wish: LevelsWish) {
    let desk = &mut state.desks.levels;
    match wish {
        LevelsWish::SetBase(base) => {
            state.doc.levels.base = Some(base);
            state.show(Tab::Levels, BASE);
        }
        LevelsWish::SetPart(part) => {
            desk.part = part;
            desk.playing = false;
        }
        LevelsWish::DrawAnew => {
            state.doc.levels.seed = state.doc.levels.seed.wrapping_add(1);
        }
        LevelsWish::SetWalk(walk) => {
            desk.walk = walk.clamp(0.0, 1.0);
            desk.playing = false;
        }
        LevelsWish::Play(playing) => {
            if !desk.playing {
                desk.began = desk.walk;
            }
            desk.playing = playing;
            if playing && desk.walk >= 1.0 {
                desk.walk = 0.0;
            }
        }
        LevelsWish::Advance(elapsed_secs) => {
            if desk.playing {
                desk.walk = (desk.walk + elapsed_secs / WALK_SECONDS).min(1.0);
                desk.playing = desk.walk < 1.0;
            }
        }
    }
}
