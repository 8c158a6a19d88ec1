//! The model as the worker sees it, a trait and a loader, so that tests need no weights. Pictures and files are read and
//! written directly: those are cheap, and a stand-in would only test itself.

use std::path::Path;

use image::RgbImage;

use super::message::{ModelInfo, ModelOptions};
use crate::latent::attributes::Directions;
pub use crate::model::fast::Cancelled;
use crate::model::{
    Condition, Decoded, Encoded, GlowConfig, GlowModel, Latent, ModelError, WalkStep,
};

/// Above this, one picture takes a processor about a tenth of a second.
const SLOW_FLOPS: f64 = 1e10;

/// Encoding and decoding: the model, or a stand-in.
///
/// Everything that the worker decodes goes through [`Codec::decode`]. A model that keeps the state
/// above its coarse levels can answer faster where only the finest eps changed since the last call; it
/// would offer that here as another method with a default that decodes everything.
pub trait Codec: Send {
    /// The configuration.
    fn config(&self) -> &GlowConfig;

    /// Encodes pictures of the model's size.
    ///
    /// Errors: pictures of another size, [`ModelError::Cancelled`], the device's.
    fn encode(
        &self,
        pictures: &[RgbImage],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError>;

    /// As [`Codec::encode`], the pictures given a condition, which their latents then carry.
    ///
    /// Errors: as [`Codec::encode`], and a condition that the model cannot be given.
    fn encode_given(
        &self,
        pictures: &[RgbImage],
        condition: &Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        let mut encoded = self.encode(pictures, cancelled)?;
        for e in &mut encoded {
            e.latent.condition.clone_from(condition);
        }
        Ok(encoded)
    }

    /// Encodes model inputs, each `[c, h, w]`, given a condition.
    ///
    /// Errors: as [`Codec::encode_given`].
    fn encode_x(
        &self,
        x: Vec<Vec<f32>>,
        condition: &Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError>;

    /// Decodes latents of the model's shape.
    ///
    /// Errors: latents of another shape, [`ModelError::Cancelled`], the device's.
    fn decode(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, ModelError>;

    /// Whether [`Codec::draft`] takes less time than [`Codec::decode`].
    fn has_drafts(&self) -> bool {
        false
    }

    /// As [`Codec::decode`], for pictures that are looked at while a slider moves: near the real ones, sooner.
    ///
    /// Errors: as [`Codec::decode`].
    fn draft(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, ModelError> {
        self.decode(latents, cancelled)
    }

    /// What a decode comes to before and after each step of flow, the eps alone first, the picture last.
    ///
    /// Errors: as [`Codec::decode`]; a model that shows no steps.
    fn walk(&self, latent: &Latent, cancelled: Cancelled<'_>) -> Result<Vec<WalkStep>, ModelError>;

    /// Cells of a view to decode together before a newer request is let in.
    fn cells_at_once(&self) -> usize {
        4
    }
}

impl Codec for GlowModel {
    fn config(&self) -> &GlowConfig {
        GlowModel::config(self)
    }

    fn encode(
        &self,
        pictures: &[RgbImage],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        GlowModel::encode(self, pictures, cancelled)
    }

    fn encode_given(
        &self,
        pictures: &[RgbImage],
        condition: &Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        GlowModel::encode_given(self, pictures, std::slice::from_ref(condition), cancelled)
    }

    fn encode_x(
        &self,
        x: Vec<Vec<f32>>,
        condition: &Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        GlowModel::encode_x_given(self, x, std::slice::from_ref(condition), cancelled)
    }

    fn decode(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, ModelError> {
        GlowModel::decode(self, latents, cancelled)
    }

    fn has_drafts(&self) -> bool {
        GlowModel::has_drafts(self)
    }

    fn draft(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, ModelError> {
        GlowModel::draft(self, latents, cancelled)
    }

    fn walk(&self, latent: &Latent, cancelled: Cancelled<'_>) -> Result<Vec<WalkStep>, ModelError> {
        GlowModel::walk(self, latent, cancelled)
    }

    /// A large model on a processor gains nothing from batches, and its first cell would come late.
    fn cells_at_once(&self) -> usize {
        let slow = self.config().flops() > SLOW_FLOPS && self.device_label().starts_with("cpu");
        if slow { 1 } else { 4 }
    }
}

/// A model as its loader gives it.
pub struct OpenedModel {
    /// The model.
    pub codec: Box<dyn Codec>,
    /// What people are told about it.
    pub info: ModelInfo,
    /// The directions that came with it; empty where there are none.
    pub directions: Directions,
    /// What people should know about: attributes beside the model that cannot be read.
    pub warnings: Vec<String>,
    /// What the file does not say, with what was taken for it: people are asked before the model takes the place of another.
    pub asks: ModelOptions,
}

/// Loads a weight file, or the shipped model; the message of an error is shown as it is.
pub type ModelOpener = Box<dyn Fn(Option<&Path>) -> Result<OpenedModel, String> + Send>;

/// Loads a model of another program, given what its file does not say.
pub type OpenForeign = Box<dyn Fn(&Path, &ModelOptions) -> Result<OpenedModel, String> + Send>;
