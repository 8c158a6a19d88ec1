//! How the morph plays.

use super::{MORPH, Playback};
use crate::app::state::{State, Tab};
use crate::engine::message::PlayMode;

pub(super) fn play(state: &mut State, playing: bool) {
    let desk = &mut state.desks.morph;
    if !desk.playing {
        desk.began = desk.t;
    }
    desk.playing = playing && state.doc.morph.path_keys().is_some();
    if desk.playing {
        if desk.mode != PlayMode::PingPong && desk.t >= 1.0 {
            desk.t = 0.0;
        }
        state.tab = Tab::Morph;
        state.selection = MORPH;
    }
}

pub(super) fn advance(playback: &mut Playback, elapsed_secs: f32) {
    if !playback.playing {
        return;
    }
    let step = elapsed_secs / playback.seconds.max(0.1);
    let t = playback.t + if playback.backwards { -step } else { step };
    playback.t = match playback.mode {
        PlayMode::Loop => t.rem_euclid(1.0),
        PlayMode::Once => {
            playback.playing = t < 1.0;
            t.min(1.0)
        }
        PlayMode::PingPong if t > 1.0 => {
            playback.backwards = true;
            (2.0 - t).clamp(0.0, 1.0)
        }
        PlayMode::PingPong if t < 0.0 => {
            playback.backwards = false;
            (-t).clamp(0.0, 1.0)
        }
        PlayMode::PingPong => t,
    };
}
