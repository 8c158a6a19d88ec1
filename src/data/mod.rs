//! Pictures on their way to the model: reading, framing, labels, batches.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where a picture comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum PictureSource {
    /// A file.
    Path(PathBuf),
    /// The bytes of a dropped file, and its name for messages.
    Bytes {
        /// Name shown to the person.
        name: String,
        /// The whole file.
        bytes: Arc<[u8]>,
    },
    /// Pixels from the clipboard.
    Rgba {
        /// Width and height.
        size: [u32; 2],
        /// `4 * width * height` bytes, straight alpha.
        pixels: Arc<[u8]>,
    },
}

/// A square of the upright source picture, in its pixels; may hang over the border (edge pixels repeat).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CropSquare {
    /// Centre, horizontal.
    pub cx: f32,
    /// Centre, vertical.
    pub cy: f32,
    /// Side in pixels.
    pub side: f32,
}
