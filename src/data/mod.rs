//! Pictures on their way to the model: reading, framing, labels, batches.

pub mod batches;
pub mod crop;
mod decode;
mod error;
mod exif;
pub mod faces;
pub mod folder;
pub mod intake;
pub mod labels;
mod names;
mod order;
pub mod original;
mod picture_set;
mod resample;
mod shards;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::error::DataError;
pub use self::folder::FolderListing;

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

impl CropSquare {
    /// The smallest side that [`CropSquare::clamped`] leaves, in pixels.
    pub const MIN_SIDE: f32 = 8.0;

    /// The largest square in the middle of a picture. Odd remainders are cut on the right and the
    /// bottom, so that the square starts on a whole pixel.
    pub fn centred(width: u32, height: u32) -> Self {
        let side = width.min(height);
        let centre = |extent: u32| ((extent - side) / 2) as f32 + side as f32 / 2.0;
        Self {
            cx: centre(width),
            cy: centre(height),
            side: side as f32,
        }
    }

    /// The nearest sane square: finite, its centre in the picture, its side from
    /// [`CropSquare::MIN_SIDE`] to four times the longer side of the picture.
    pub fn clamped(self, width: u32, height: u32) -> Self {
        let middle = Self::centred(width, height);
        let or = |value: f32, default: f32| if value.is_finite() { value } else { default };
        let longest = (4.0 * width.max(height) as f32).max(Self::MIN_SIDE);
        Self {
            cx: or(self.cx, middle.cx).clamp(0.0, width as f32),
            cy: or(self.cy, middle.cy).clamp(0.0, height as f32),
            side: or(self.side, middle.side).clamp(Self::MIN_SIDE, longest),
        }
    }
}

/// The folder of the training data, for tests: `../shared/data`, or what the environment names.
/// Says so where there is none.
#[cfg(test)]
fn training_data() -> Option<PathBuf> {
    let folder = std::env::var_os("GLOW_EXPLORER_TRAINING_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if folder.join("faces").is_dir() {
        return Some(folder);
    }
    println!("skipped: no training images");
    None
}

/// Training pictures spread over the whole set, for tests.
#[cfg(test)]
fn test_pictures(n: usize) -> Option<Vec<image::RgbImage>> {
    let folder = training_data()?.join("faces");
    let set = batches::PictureSet::open(&folder, None, 200, 3).ok()?;
    let step = (set.len() / n).max(1);
    let pictures = (0..set.len()).step_by(step).take(n).filter_map(|i| {
        let pixels = set.get(i).ok()?;
        image::RgbImage::from_raw(200, 200, pixels)
    });
    Some(pictures.collect())
}
