//! The latent of one picture: one eps a level, in host memory.

use super::config::GlowConfig;
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

/// A point of the latent space: the list of eps, finest level first. Under the model it is
/// standard normal, so every operation of the explorer happens in this space.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// One eps a level, finest first.
    pub levels: Vec<LevelEps>,
}

impl Latent {
    /// The origin: decodes to the model's most typical picture, the same as temperature 0.
    pub fn zeros(config: &GlowConfig) -> Self {
        let levels = config
            .level_shapes()
            .iter()
            .map(|s| LevelEps {
                channels: s.eps_channels,
                side: s.side,
                data: vec![0.0; s.eps_len()],
            })
            .collect();
        Self { levels }
    }

    /// `eps ~ N(0, temperature^2)`, drawn level by level, finest first.
    pub fn drawn(config: &GlowConfig, noise: &mut Noise, temperature: f32) -> Self {
        let mut latent = Self::zeros(config);
        for level in &mut latent.levels {
            noise.fill_normal(&mut level.data);
            level.data.iter_mut().for_each(|v| *v *= temperature);
        }
        latent
    }

    /// Whether this latent has the shapes that `config` implies.
    pub fn fits(&self, config: &GlowConfig) -> bool {
        let shapes = config.level_shapes();
        shapes.len() == self.levels.len()
            && shapes.iter().zip(&self.levels).all(|(s, e)| {
                e.channels == s.eps_channels && e.side == s.side && e.data.len() == s.eps_len()
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
