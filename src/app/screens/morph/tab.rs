//! What the morph screen remembers.

use serde::{Deserialize, Serialize};

use crate::app::document::Named;
use crate::engine::message::{Easing, PathKind, PlayMode, Recipe};

/// Most keyframes of a morph.
pub const MAX_KEYS: usize = 8;

/// The morph tab, without the position on its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MorphTab {
    /// Keyframes; a slot may be empty.
    pub keys: Vec<Option<Named>>,
    /// Straight or spherical.
    pub path: PathKind,
    /// How time runs along the path.
    pub easing: Easing,
    /// Pictures in the filmstrip.
    pub steps: u32,
}

impl Default for MorphTab {
    fn default() -> Self {
        Self {
            keys: vec![None, None],
            // As in the paper. Between two photographs a sphere leads through far likelier noise than faces.
            path: PathKind::Linear,
            easing: Easing::Linear,
            steps: 9,
        }
    }
}

impl MorphTab {
    /// Keyframes that are set, where there are at least two.
    pub fn path_keys(&self) -> Option<Vec<Recipe>> {
        let keys: Vec<Recipe> = self
            .keys
            .iter()
            .flatten()
            .map(|k| k.recipe.clone())
            .collect();
        (keys.len() >= 2).then_some(keys)
    }

    /// The point of the path at time `t`, 0 to 1, which the easing bends.
    pub fn at(&self, t: f32) -> Option<Named> {
        Some(Named {
            recipe: Recipe::Morph {
                keys: self.path_keys()?,
                t: self.easing.apply(t),
                path: self.path,
            },
            label: format!("Morph at {t:.3}"),
        })
    }

    /// `t` of a picture of the filmstrip.
    pub fn t_of_step(&self, step: u32) -> f32 {
        step as f32 / (self.steps.max(2) - 1) as f32
    }
}

/// `A`, `B`, ... of a keyframe.
pub fn slot_name(slot: usize) -> char {
    char::from(b'A' + (slot % 26) as u8)
}

/// What can happen at the end of the path, in the order of the choice.
pub const PLAY_MODES: [(PlayMode, &str); 3] = [
    (PlayMode::PingPong, "Ping-pong"),
    (PlayMode::Loop, "Loop"),
    (PlayMode::Once, "Once"),
];

/// Where the morph stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Playback {
    /// 0 at the first, 1 at the last keyframe.
    pub t: f32,
    /// Whether it runs.
    #[serde(skip)]
    pub playing: bool,
    /// Where it stood before it ran.
    #[serde(skip)]
    pub began: f32,
    /// What happens at the end.
    pub mode: PlayMode,
    /// Whether it runs backwards.
    #[serde(skip)]
    pub backwards: bool,
    /// Seconds from the first keyframe to the last.
    pub seconds: f32,
}

impl Default for Playback {
    fn default() -> Self {
        Self {
            t: 0.5,
            playing: false,
            began: 0.5,
            mode: PlayMode::PingPong,
            backwards: false,
            seconds: 4.0,
        }
    }
}
