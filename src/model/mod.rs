//! Glow as a whole: configuration, parameters, encode, decode, likelihood.

pub mod config;
pub mod fast;
pub mod folded;
pub mod latent;
pub mod linalg;
pub mod params;
pub mod phases;
pub mod pixels;

pub use config::{ConfigError, Coupling, GlowConfig, LevelShape, Padding, Permutation};
pub use latent::{Latent, LevelEps};

use image::RgbImage;

/// What encoding a picture gives.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The latent.
    pub latent: Latent,
    /// Exact negative log-likelihood in bits per dimension.
    pub bits_per_dim: f64,
    /// The share of each level in `bits_per_dim`, finest first; they add up to it less the constant
    /// `bits` of the discretisation (which is the config's `bits`).
    pub level_bits: Vec<f64>,
    /// The model input that was encoded, `[c, h, w]`, for the round-trip error.
    pub x: Vec<f32>,
}

/// A decoded picture before it is rounded to pixels.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// `[c, h, w]`, about -0.5..0.5.
    pub x: Vec<f32>,
    /// The picture; values that are not finite are drawn in a warning colour, never in black.
    pub pixels: RgbImage,
    /// Subpixels that are NaN or infinite.
    pub non_finite: usize,
}

/// Errors of a model in use.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A configuration that no model can have.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A picture, latent or parameter of another shape than the model's.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The thing at fault.
        what: String,
        /// What the model needs.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The work was cancelled by its caller.
    #[error("cancelled")]
    Cancelled,
    /// candle or the device said no.
    #[error("{0}")]
    Device(String),
}

/// A model ready for use on one device. Encoding is `x -> eps`, decoding `eps -> x`.
pub struct GlowModel {
    config: GlowConfig,
}

impl GlowModel {
    /// The configuration.
    pub fn config(&self) -> &GlowConfig {
        &self.config
    }

    /// Where the numbers are computed, for people: `cpu, 2 threads`, `cuda:0`.
    pub fn device_label(&self) -> String {
        todo!()
    }

    /// Encodes pictures of the model's size (batched internally).
    ///
    /// Errors: [`ModelError::Shape`] for another size, [`ModelError::Cancelled`] when `cancelled` says so
    /// between levels.
    pub fn encode(
        &self,
        _pictures: &[RgbImage],
        _cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Encoded>, ModelError> {
        todo!()
    }

    /// Decodes latents (batched internally); `cancelled` is asked between steps of flow.
    pub fn decode(
        &self,
        _latents: &[Latent],
        _cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Decoded>, ModelError> {
        todo!()
    }
}
