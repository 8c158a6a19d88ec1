//! The latent of one picture: one eps a level, in host memory; and what the latents of a model look like.

use crate::noise::Noise;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// One eps a level, finest first.
    pub levels: Vec<LevelEps>,
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
        }
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

    /// Whether this latent has that shape.
    pub fn fits(&self, shape: &LatentShape) -> bool {
        shape.levels.len() == self.levels.len()
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
