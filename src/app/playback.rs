//! How the morph plays.

use super::state::{PlayMode, Selection, State, Tab};

impl State {
    pub(super) fn play(&mut self, playing: bool) {
        if !self.playback.playing {
            self.session.t_at_rest = self.playback.t;
        }
        self.playback.playing = playing && self.doc.morph.path_keys().is_some();
        if self.playback.playing {
            self.tab = Tab::Morph;
            self.selection = Selection::Morph;
            if self.playback.mode != PlayMode::PingPong && self.playback.t >= 1.0 {
                self.playback.t = 0.0;
            }
        }
    }

    pub(super) fn advance(&mut self, elapsed_secs: f32) {
        let playback = &mut self.playback;
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
}
