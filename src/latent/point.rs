//! The latent of one picture: one eps a level and what the model is given beside it, in host memory; and what the latents of a
//! model look like.

use serde::{Deserialize, Serialize};

use crate::noise::Noise;

/// What a conditional model is given beside a latent: one number for each class or attribute. Empty: all zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Condition(pub Vec<f32>);

impl Condition {
    /// One for this class, zero for the others.
    pub fn class(index: usize, n: usize) -> Self {
        Self((0..n).map(|i| f32::from(u8::from(i == index))).collect())
    }

    /// Whether nothing is said, which is the same as zeros.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a model of so many values can be given this.
    pub fn fits(&self, values: usize) -> bool {
        self.0.is_empty() || self.0.len() == values
    }

    /// The point at `t` of the straight way from `self` to `other`.
    fn towards(&self, other: &Self, t: f32) -> Self {
        let n = self.0.len().max(other.0.len());
        let at = |list: &[f32], i: usize| list.get(i).copied().unwrap_or(0.0);
        let value = |i| (1.0 - t) * at(&self.0, i) + t * at(&other.0, i);
        Self((0..n).map(value).collect())
    }
}

/// The eps of one level, `(z - mean) * exp(-log_std)`; row-major `[channels, side, side]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelEps {
    /// Channels factored out at this level.
    pub channels: usize,
    /// Height and width.
    pub side: usize,
    /// `channels * side * side` numbers, `[c, h, w]`.
    pub data: Vec<f32>,
}

/// Shape of one level of a latent, `[channels, side, side]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpsShape {
    /// Channels factored out at this level.
    pub channels: usize,
    /// Height and width.
    pub side: usize,
}

impl EpsShape {
    /// Numbers in this level.
    pub fn len(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Whether it has no numbers; no model has such a level.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the latents of a model look like. It is all that drawing, walking and editing need to know of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatentShape {
    /// The levels, finest first: the detail stages of a chain, then those of the plain Glow.
    pub levels: Vec<EpsShape>,
    /// How many of them are detail stages.
    pub stages: usize,
    /// Values of a condition that the model is given beside a latent; 0: none.
    pub condition: usize,
}

impl LatentShape {
    /// Numbers in all levels, `D`.
    pub fn dims(&self) -> usize {
        self.levels.iter().map(EpsShape::len).sum()
    }

    /// A level's name for people, counted from the finest: `detail 128` for the stage that draws pictures of 128 pixels,
    /// then `level 1`, `level 2`, ...
    pub fn level_name(&self, level: usize) -> String {
        match (level.checked_sub(self.stages), self.levels.get(level)) {
            (None, Some(stage)) => format!("detail {}", 4 * stage.side),
            (below, _) => format!("level {}", below.unwrap_or(level) + 1),
        }
    }
}

/// A point of the latent space: the list of eps, finest level first. Under the model it is
/// standard normal, so every operation of the explorer happens in this space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latent {
    /// One eps a level, finest first.
    pub levels: Vec<LevelEps>,
    /// Given which it decodes to its picture; empty where the model is not conditional.
    pub condition: Condition,
}

impl Latent {
    /// The origin: decodes to the model's most typical picture, the same as temperature 0.
    pub fn zeros(shape: &LatentShape) -> Self {
        let level = |s: &EpsShape| LevelEps {
            channels: s.channels,
            side: s.side,
            data: vec![0.0; s.len()],
        };
        Self {
            levels: shape.levels.iter().map(level).collect(),
            condition: Condition::default(),
        }
    }

    /// The same numbers, given another condition.
    pub fn given(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// The condition at `t` of the way from this latent to another.
    pub(super) fn condition_towards(&self, other: &Self, t: f64) -> Condition {
        self.condition.towards(&other.condition, t as f32)
    }

    /// `eps ~ N(0, temperature^2)`, drawn level by level, finest first.
    pub fn drawn(shape: &LatentShape, noise: &mut Noise, temperature: f32) -> Self {
        let mut latent = Self::zeros(shape);
        for level in &mut latent.levels {
            noise.fill_normal(&mut level.data);
            level.data.iter_mut().for_each(|v| *v *= temperature);
        }
        latent
    }

    /// Whether this latent has that shape, and a condition that its model can be given.
    pub fn fits(&self, shape: &LatentShape) -> bool {
        self.condition.fits(shape.condition)
            && shape.levels.len() == self.levels.len()
            && shape.levels.iter().zip(&self.levels).all(|(s, e)| {
                e.channels == s.channels && e.side == s.side && e.data.len() == s.len()
            })
    }

    /// All numbers, finest level first.
    pub fn iter(&self) -> impl Iterator<Item = &f32> {
        self.levels.iter().flat_map(|e| &e.data)
    }

    /// Numbers in all levels, `D`.
    pub fn dims(&self) -> usize {
        self.levels.iter().map(|e| e.data.len()).sum()
    }

    /// Euclidean norm over all levels.
    pub fn norm(&self) -> f64 {
        self.iter()
            .map(|&v| f64::from(v) * f64::from(v))
            .sum::<f64>()
            .sqrt()
    }

    /// `|eps| / sqrt(D)`: near 1 for a typical picture.
    pub fn relative_norm(&self) -> f64 {
        self.norm() / (self.dims().max(1) as f64).sqrt()
    }
}
