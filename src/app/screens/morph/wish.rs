//! What can be wished for on the morph screen, and what that does.

use super::{MAX_KEYS, MORPH, playback};
use crate::app::state::{Named, State, Tab};
use crate::engine::message::{Easing, PathKind, PlayMode};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum MorphWish {
    /// Put a picture into a keyframe slot.
    SetKey(usize, Named),
    /// Empty a keyframe slot.
    ClearKey(usize),
    /// Take a keyframe to another place; those between move up.
    MoveKey(usize, usize),
    /// One more slot.
    AddSlot,
    /// First becomes last.
    ReverseKeys,
    /// Position on the path.
    SetT(f32),
    /// Straight or spherical.
    SetPath(PathKind),
    /// How time runs along the path.
    SetEasing(Easing),
    /// Pictures in the filmstrip.
    SetSteps(u32),
    /// Run or stop.
    Play(bool),
    /// What happens at the end.
    SetPlayMode(PlayMode),
    /// Seconds for the whole path.
    SetPlaySeconds(f32),
    /// Time has passed while playing, seconds.
    Advance(f32),
}

pub(super) fn apply(state: &mut State, wish: MorphWish) {
    let desk = &mut state.desks.morph;
    let morph = &mut state.doc.morph;
    match wish {
        MorphWish::SetKey(slot, named) => set_key(state, slot, named),
        MorphWish::ClearKey(slot) => {
            if slot >= 2 && slot < morph.keys.len() {
                morph.keys.remove(slot);
            } else if let Some(key) = morph.keys.get_mut(slot) {
                *key = None;
            }
        }
        MorphWish::MoveKey(from, to) => {
            if from < morph.keys.len() && to < morph.keys.len() {
                let key = morph.keys.remove(from);
                morph.keys.insert(to, key);
            }
        }
        MorphWish::AddSlot => {
            if morph.keys.len() < MAX_KEYS {
                morph.keys.push(None);
            }
        }
        MorphWish::ReverseKeys => {
            morph.keys.reverse();
            desk.t = 1.0 - desk.t;
            desk.began = 1.0 - desk.began;
        }
        MorphWish::SetT(t) => {
            desk.t = t.clamp(0.0, 1.0);
            desk.began = desk.t;
            state.selection = MORPH;
        }
        MorphWish::SetPath(path) => morph.path = path,
        MorphWish::SetEasing(easing) => morph.easing = easing,
        MorphWish::SetSteps(steps) => morph.steps = steps.clamp(2, 60),
        MorphWish::Play(playing) => playback::play(state, playing),
        MorphWish::SetPlayMode(mode) => {
            desk.mode = mode;
            desk.backwards = false;
        }
        MorphWish::SetPlaySeconds(seconds) => desk.seconds = seconds.clamp(0.5, 60.0),
        MorphWish::Advance(elapsed_secs) => playback::advance(desk, elapsed_secs),
    }
}

pub(super) fn set_key(state: &mut State, slot: usize, named: Named) {
    if slot >= MAX_KEYS {
        return;
    }
    let keys = &mut state.doc.morph.keys;
    if slot >= keys.len() {
        keys.resize(slot + 1, None);
    }
    keys[slot] = Some(named);
    if state.tab == Tab::Morph && state.doc.morph.path_keys().is_some() {
        state.selection = MORPH;
    }
}
