//! When a film shows what: the positions on a path, frame by frame, as a player would pass them.

use serde::{Deserialize, Serialize};

use super::interpolate::Easing;

/// What happens at the end of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PlayMode {
    /// Begin again.
    Loop,
    /// Turn round.
    #[default]
    PingPong,
    /// Stop.
    Once,
}

/// The frames of a film along a path. Positions that come up twice are drawn once.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Positions on the path, 0 to 1, eased.
    pub times: Vec<f32>,
    /// For each frame, its place in `times`.
    pub order: Vec<usize>,
}

impl Timeline {
    /// A film that takes `seconds` from the first keyframe to the last, at `fps` frames a second.
    ///
    /// Frame `i` stands at `i / fps` seconds of the player's clock. A film that goes there and back shows both ends once,
    /// so that it runs on without a halt, and takes twice as long. One that begins again ends at the last keyframe; where
    /// that is the first (`closed`), a frame before it.
    pub fn new(seconds: f32, fps: u32, mode: PlayMode, easing: Easing, closed: bool) -> Self {
        let n = frames_one_way(seconds, fps);
        Self::of_frames(n, mode, easing, closed)
    }

    /// As [`Timeline::new`], with `n` frames for one way, two at least.
    pub fn of_frames(n: usize, mode: PlayMode, easing: Easing, closed: bool) -> Self {
        let n = n.max(2);
        let (stretches, n_times) = match mode {
            PlayMode::PingPong => (n, n + 1),
            PlayMode::Loop if closed => (n, n),
            PlayMode::Loop | PlayMode::Once => (n - 1, n),
        };
        let times = (0..n_times).map(|i| easing.apply(i as f32 / stretches as f32));
        let mut order: Vec<usize> = (0..n_times).collect();
        if mode == PlayMode::PingPong {
            order.extend((1..n).rev());
        }
        Self {
            times: times.collect(),
            order,
        }
    }

    /// Frames of one run of the film.
    pub fn n_frames(&self) -> usize {
        self.order.len()
    }
}

/// Frames from the first keyframe to the last.
fn frames_one_way(seconds: f32, fps: u32) -> usize {
    let n = f64::from(seconds.max(0.0)) * f64::from(fps.max(1));
    (n.round() as usize).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_shows_each_end_once_and_takes_twice_as_long() {
        let film = Timeline::new(2.0, 3, PlayMode::PingPong, Easing::Linear, false);
        assert_eq!(film.n_frames(), 12);
        let shown: Vec<f32> = film.order.iter().map(|&i| film.times[i] * 6.0).collect();
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        for (a, b) in shown.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{shown:?}");
        }
        assert_eq!(film.times.len(), 7, "each position is drawn once");
    }

    #[test]
    fn once_and_loop_end_at_the_last_keyframe_but_closed_paths_do_not_show_it_twice() {
        for mode in [PlayMode::Once, PlayMode::Loop] {
            let film = Timeline::new(1.0, 5, mode, Easing::Linear, false);
            assert_eq!(film.times, [0.0, 0.25, 0.5, 0.75, 1.0]);
            assert_eq!(film.order, [0, 1, 2, 3, 4]);
        }
        let closed = Timeline::new(1.0, 4, PlayMode::Loop, Easing::Linear, true);
        assert_eq!(closed.times, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn easing_bends_time_and_keeps_the_ends() {
        let film = Timeline::new(1.0, 9, PlayMode::PingPong, Easing::Smooth, false);
        assert_eq!((film.times[0], film.times[9]), (0.0, 1.0));
        assert!(film.times[2] < 2.0 / 9.0 && film.times[7] > 7.0 / 9.0);
    }

    #[test]
    fn odd_wishes_still_make_a_film() {
        for seconds in [0.0, -3.0, f32::NAN, 0.01] {
            let film = Timeline::new(seconds, 0, PlayMode::Once, Easing::Linear, false);
            assert_eq!(film.n_frames(), 2, "{seconds}");
        }
    }
}
