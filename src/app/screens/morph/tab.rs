//! What the morph screen remembers.

use serde::{Deserialize, Serialize};

use crate::app::document::Named;
use crate::engine::message::{PathKind, Recipe};

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
    /// Pictures in the filmstrip.
    pub steps: u32,
}

impl Default for MorphTab {
    fn default() -> Self {
        Self {
            keys: vec![None, None],
            path: PathKind::Spherical,
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

    /// The point of the path at `t`.
    pub fn at(&self, t: f32) -> Option<Named> {
        Some(Named {
            recipe: Recipe::Morph {
                keys: self.path_keys()?,
                t,
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

/// What happens at the end of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlayMode {
    /// Begin again.
    Loop,
    /// Turn round.
    #[default]
    PingPong,
    /// Stop.
    Once,
}

impl PlayMode {
    /// All modes, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::PingPong, Self::Loop, Self::Once];

    /// Name in the menu.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loop => "Loop",
            Self::PingPong => "Ping-pong",
            Self::Once => "Once",
        }
    }
}

/// Where the morph stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Playback {
    /// 0 at the first, 1 at the last keyframe.
    pub t: f32,
    /// Whether it runs.
    #[serde(skip)]
    pub playing: bool,
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
            mode: PlayMode::PingPong,
            backwards: false,
            seconds: 4.0,
        }
    }
}
