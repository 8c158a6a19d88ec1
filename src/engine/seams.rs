//! What the worker needs from the rest of the program, as traits, so that it runs in tests without a
//! model, a picture file or a disk.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;

use super::message::{CropSquare, ModelInfo, PictureSource};
use crate::export::Film;
use crate::latent::attributes::Directions;
use crate::model::{Decoded, Encoded, GlowConfig, GlowModel, Latent, ModelError};
use crate::paste::Change;

/// Above this, one picture takes a processor about a tenth of a second.
const SLOW_FLOPS: f64 = 1e10;

/// Asked now and then during long work; true means that nobody waits for it any more.
pub type Cancelled<'a> = &'a (dyn Fn() -> bool + Sync);

/// Encoding and decoding: the model, or a stand-in.
///
/// Everything that the worker decodes goes through [`Codec::decode`]. A model that keeps the state
/// above its coarse levels can answer faster where only the finest eps changed since the last call; it
/// would offer that here as another method with a default that decodes everything.
pub trait Codec: Send {
    /// The configuration.
    fn config(&self) -> &GlowConfig;

    /// Where the numbers are computed, for people.
    fn device_label(&self) -> String;

    /// Encodes pictures of the model's size.
    ///
    /// Errors: pictures of another size, [`ModelError::Cancelled`], the device's.
    fn encode(
        &self,
        pictures: &[RgbImage],
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

    /// Cells of a view to decode together before a newer request is let in.
    fn cells_at_once(&self) -> usize {
        4
    }
}

impl Codec for GlowModel {
    fn config(&self) -> &GlowConfig {
        GlowModel::config(self)
    }

    fn device_label(&self) -> String {
        GlowModel::device_label(self)
    }

    fn encode(
        &self,
        pictures: &[RgbImage],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        GlowModel::encode(self, pictures, cancelled)
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
}

/// Loads a weight file, or the shipped model; the message of an error is shown as it is.
pub type OpenModel = Box<dyn Fn(Option<&Path>) -> Result<OpenedModel, String> + Send>;

/// A picture, upright and in sRGB.
#[derive(Clone, Debug)]
pub struct ReadPicture {
    /// File name for people.
    pub name: String,
    /// Its pixels.
    pub pixels: RgbImage,
}

/// Reads and frames pictures. Messages of errors are shown as they are.
pub trait PictureReader: Send {
    /// Reads a whole picture.
    ///
    /// Errors: one message that names the picture, what is wrong and what to do.
    fn read(&self, source: &PictureSource) -> Result<ReadPicture, String>;

    /// A crop of a picture for a model of this size, and whether a face led to it.
    fn propose_crop(&self, pixels: &RgbImage, size: u32) -> (CropSquare, bool);

    /// The crop at `size` pixels a side.
    fn apply_crop(&self, pixels: &RgbImage, crop: CropSquare, size: u32) -> RgbImage;
}

/// What is needed to bring an edit back into its photo.
pub struct Pasting {
    /// The photo.
    pub source: PictureSource,
    /// The square that the model was shown.
    pub crop: CropSquare,
    /// That square at the model's size.
    pub framed: Arc<RgbImage>,
    /// What the edit changes.
    pub change: Change,
}

/// How pictures are arranged in one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridLayout<'a> {
    /// Columns.
    pub columns: u32,
    /// Gap between cells, pixels of the output.
    pub gap: u32,
    /// A label under each cell (empty: none).
    pub labels: &'a [String],
    /// Enlargement of each picture.
    pub scale: u32,
}

/// Writes pictures, each file replacing an older one atomically. Messages of errors are shown as they
/// are; `settings` is JSON that goes into the file where its format has a place for text.
pub trait Exporter: Send {
    /// Several pictures in one PNG.
    ///
    /// Errors: one message that names the file, what is wrong and what to do.
    fn grid(
        &self,
        pictures: &[RgbImage],
        layout: GridLayout<'_>,
        settings: &str,
        path: &Path,
    ) -> Result<(), String>;

    /// Frame `index` of `total` as a numbered PNG in a folder, which is made where it is missing.
    ///
    /// Errors: as above.
    fn frame(
        &self,
        picture: &RgbImage,
        index: usize,
        total: usize,
        scale: u32,
        settings: &str,
        folder: &Path,
    ) -> Result<(), String>;

    /// A whole photo with the change brought back into it, JPEG or PNG as the path says. The answer says what could not
    /// be kept.
    ///
    /// Errors: as above.
    fn photo(&self, pasting: &Pasting, quality: u8, path: &Path) -> Result<Vec<String>, String>;

    /// A film, in the format that the path says.
    ///
    /// Errors: as above; any, once `cancelled` says so between frames.
    fn film(
        &self,
        film: &Film<'_>,
        settings: &str,
        path: &Path,
        cancelled: Cancelled<'_>,
    ) -> Result<(), String>;
}
