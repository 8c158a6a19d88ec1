//! Framing: which square of a photograph the model sees.

use image::RgbImage;

use super::faces::{self, FaceBox};
use super::intake::SourcePicture;
use super::resample::resample_square;
use super::{CropSquare, DataError};

/// Where [`faces::refine`] puts the face in the training pictures, as shares of the frame: the
/// middle of its box across and down.
///
/// Medians over 396 faces in 400 of the aligned crops of 200 pixels; nine in ten centres lie within
/// 0.1 across and 0.055 down, sides within 0.12. Measured again by `cargo test --release --lib
/// measure_the_training_framing -- --ignored --nocapture`.
const FACE_CENTRE: (f32, f32) = (0.495, 0.419);
/// The side of the box, as a share of the frame's.
const FACE_SIDE: f32 = 0.98;

/// The square to start from, and whether a face decided it: the framing of the training pictures
/// around the best face (the first), else the largest square in the middle.
pub fn propose_crop(rgb: &RgbImage, faces: &[FaceBox]) -> (CropSquare, bool) {
    let (width, height) = rgb.dimensions();
    let Some(face) = faces.first().filter(|f| f.side > 0.0) else {
        return (CropSquare::centred(width, height), false);
    };
    let face = faces::refine(rgb, *face);
    let side = face.side / FACE_SIDE;
    let (face_x, face_y) = face.centre();
    let crop = CropSquare {
        cx: face_x - (FACE_CENTRE.0 - 0.5) * side,
        cy: face_y - (FACE_CENTRE.1 - 0.5) * side,
        side,
    };
    (crop.clamped(width, height), true)
}

/// The square at `size` x `size` pixels, antialiased. Where it hangs over the border, edge pixels
/// repeat.
pub fn apply_crop(rgb: &RgbImage, crop: CropSquare, size: u32) -> RgbImage {
    let crop = crop.clamped(rgb.width(), rgb.height());
    if crop == CropSquare::centred(rgb.width(), rgb.height()) {
        return centre_at_size(rgb, size);
    }
    resample_square(rgb, crop, size)
}

/// The largest centred square, resampled; a picture of that size is taken as it is.
fn centre_at_size(rgb: &RgbImage, size: u32) -> RgbImage {
    if rgb.dimensions() == (size, size) {
        return rgb.clone();
    }
    resample_square(rgb, CropSquare::centred(rgb.width(), rgb.height()), size)
}

/// The square that a model of this size is shown, and whether a face decided it.
///
/// A picture that already has the model's size is taken as it is: it comes from a model or a prepared data set.
/// Elsewhere [`propose_crop`] decides.
pub fn framing(rgb: &RgbImage, size: u32) -> (CropSquare, bool) {
    if rgb.dimensions() == (size, size) {
        return (CropSquare::centred(size, size), false);
    }
    propose_crop(rgb, &faces::detect(rgb))
}

/// The picture as the model takes it, the square used, and whether a face decided it, by [`framing`]. `no_crop` takes the
/// largest square in the middle, without a search.
pub fn frame_for_model(
    source: &SourcePicture,
    size: usize,
    no_crop: bool,
) -> Result<(RgbImage, CropSquare, bool), DataError> {
    let rgb = &source.rgb;
    let (width, height) = rgb.dimensions();
    let side = u32::try_from(size)
        .ok()
        .filter(|s| (1..=4096).contains(s))
        .ok_or(DataError::BadShape { size, channels: 3 })?;
    if width == 0 || height == 0 {
        return Err(DataError::Damaged {
            name: source.name.clone(),
            reason: "it has no pixels".into(),
        });
    }
    let (crop, face_found) = if no_crop {
        (CropSquare::centred(width, height), false)
    } else {
        framing(rgb, side)
    };
    let framed = if face_found {
        apply_crop(rgb, crop, side)
    } else {
        centre_at_size(rgb, side)
    };
    Ok((framed, crop, face_found))
}

#[cfg(test)]
mod tests;
