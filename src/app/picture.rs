//! A picture as the window holds it.

use std::sync::Arc;

use image::RgbImage;

/// Pixels, with a number that no other picture has: the key of its texture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Unique in this run.
    pub id: u64,
    /// The pixels.
    pub pixels: Arc<RgbImage>,
    /// Subpixels that were not finite.
    pub non_finite: usize,
}
