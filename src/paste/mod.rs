//! An edit brought back into the photo that it was cut from: the photo keeps its pixels, its detail and what its file
//! says of it, and changes where and as much as the edit changes the square that the model saw.
//!
//! For photo `I`, the square at the model's size `L` and the change `p = decode(edited) - decode(unedited)`, both `s x s`:
//!
//! `out = I + w (up(p) + up(a) (I - up(L)))`
//!
//! - `up` is Catmull-Rom enlargement to the photo's pixels, so that the change at the model's size is kept whole;
//! - `I - up(L)` is the detail that the model never saw. `a` is the slope of a guided filter (He, Sun and Tang 2010) with
//!   `L` as its guide, computed at the model's size as in their fast form (2015): where the change takes an edge of the
//!   photo away, it is near -1 and takes its detail too; where it has nothing to do with the photo's edges it is near 0,
//!   and pores and hair stay as they are;
//! - `w` fades to 0 at those sides of the square that lie inside the photo.
//!
//! Where nothing changes, `p` and with it `a` are 0 exactly, and so the photo's own bytes are left.

mod enlarge;
mod slope;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::RgbImage;

use crate::data::CropSquare;
use crate::data::original::Original;
use crate::export::ExportError;
use crate::export::photo::{CameraPhoto, left_out, write_photo};
use crate::kernels::{in_parallel, multiversion};
use enlarge::{Extent, Rows};

/// Planes that are enlarged together: three of the change, three of the square, one of the slope.
const PLANES: usize = 7;
/// Share of the square's side over which the change fades in.
const FADE: f32 = 0.08;
/// Rows of the photo that a thread takes at a time.
const BAND: usize = 64;

/// What an edit changes at the model's size: `[3, s, s]`, in 8-bit levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    size: usize,
    planes: Vec<f32>,
}

/// Model outputs of which no change can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Values that are not finite.
    #[error("the edit leaves what the model can draw: use smaller amounts or a lower temperature")]
    NotFinite,
    /// Outputs that are not two pictures of this size.
    #[error("the edit's pictures are not of the model's size")]
    Shape,
}

impl Change {
    /// The change from one model output to another, each `[c, s, s]` in -0.5..0.5, with 1 or 3 channels. What lies beyond
    /// what a picture can show counts as its limit.
    ///
    /// Errors: values that are not finite; outputs of another shape.
    pub fn between(before: &[f32], after: &[f32], size: usize) -> Result<Self, ChangeError> {
        let area = size * size;
        let fits = |x: &[f32]| area > 0 && (x.len() == area || x.len() == 3 * area);
        if !fits(before) || before.len() != after.len() {
            return Err(ChangeError::Shape);
        }
        if before.iter().chain(after).any(|v| !v.is_finite()) {
            return Err(ChangeError::NotFinite);
        }
        let level = |x: f32| ((x + 0.5) * 256.0).clamp(0.0, 255.0);
        let pairs = before.iter().zip(after);
        let change: Vec<f32> = pairs.map(|(&b, &a)| level(a) - level(b)).collect();
        let planes = if change.len() == area {
            change.repeat(3)
        } else {
            change
        };
        Ok(Self { size, planes })
    }

    /// Pixels a side.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether it changes nothing at all.
    pub fn is_zero(&self) -> bool {
        self.planes.iter().all(|&v| v == 0.0)
    }
}

/// `photo` with `change` brought into its square `crop`; the module says how. `framed` is that square as the model was
/// shown it. Work is shared by at most `threads` threads.
///
/// A `framed` of another size than the change leaves the photo as it is.
pub fn paste_back(
    photo: &RgbImage,
    crop: CropSquare,
    framed: &RgbImage,
    change: &Change,
    threads: usize,
) -> RgbImage {
    let size = change.size;
    let (width, height) = photo.dimensions();
    let fits = framed.dimensions() == (size as u32, size as u32);
    if !fits || change.is_zero() || width == 0 || height == 0 {
        return photo.clone();
    }
    let crop = crop.clamped(width, height);
    let columns = Extent::new(crop.cx, crop.side, size, width as usize, FADE);
    let rows = Extent::new(crop.cy, crop.side, size, height as usize, FADE);
    if columns.is_empty() || rows.is_empty() {
        return photo.clone();
    }
    let wide = Rows::across(&planes(framed, change), size, PLANES, &columns, threads);

    let stride = width as usize * 3;
    let mut out = vec![0; photo.as_raw().len()];
    let bands: Vec<_> = out.chunks_mut(BAND * stride).map(Mutex::new).collect();
    in_parallel(bands.len(), threads, |at| {
        // Each band is one thread's alone; the lock only says so to the compiler.
        let mut band = bands[at].lock().unwrap_or_else(PoisonError::into_inner);
        let from = at * BAND * stride;
        let len = band.len();
        band.copy_from_slice(&photo.as_raw()[from..from + len]);
        let mut line = vec![0.0; PLANES * columns.len()];
        for (i, row) in band.chunks_exact_mut(stride).enumerate() {
            let Some((taps, weight)) = rows.at(at * BAND + i) else {
                continue;
            };
            wide.down(taps, &mut line);
            let left = columns.first() * 3;
            let pixels = &mut row[left..left + columns.len() * 3];
            blend(pixels, &line, columns.weights(), weight);
        }
    });
    drop(bands);
    // As long as the photo's own.
    RgbImage::from_raw(width, height, out).unwrap_or_else(|| photo.clone())
}

/// The planes that are enlarged: the change, the square, the slope, each `[s, s]`.
fn planes(framed: &RgbImage, change: &Change) -> Vec<f32> {
    let area = change.size * change.size;
    let mut planes = change.planes.clone();
    planes.reserve(4 * area);
    for channel in 0..3 {
        planes.extend(framed.pixels().map(|p| f32::from(p.0[channel])));
    }
    let slope = slope::slope(&planes[3 * area..], &change.planes, change.size);
    planes.extend(slope);
    planes
}

multiversion! {
    /// Adds one row's change to `pixels` (interleaved, three bytes each). `line` holds the planes one after another.
    fn blend(pixels: &mut [u8], line: &[f32], weights: &[f32], row_weight: f32) {
        let n = weights.len();
        for channel in 0..3 {
            let change = &line[channel * n..][..n];
            let square = &line[(3 + channel) * n..][..n];
            let slope = &line[6 * n..][..n];
            for x in 0..n {
                let value = f32::from(pixels[3 * x + channel]);
                let weight = weights[x] * row_weight;
                let out = value + weight * (change[x] + slope[x] * (value - square[x]));
                // Rounds halves up; a change of exactly 0 leaves the byte.
                pixels[3 * x + channel] = (out + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Writes the edited photo as JPEG or PNG, by the path's ending, in the colours and with the profile and the EXIF of its
/// own file (the orientation applied, the preview of the unedited photo taken out). `edited` is the photo in sRGB, as
/// [`paste_back`] gives it; `quality` from 1 to 100 is the JPEG's.
///
/// A photo that is not changed, and that its file holds upright in the same format, is written as that file: not a byte
/// of it is another. The answer says, for people, what could not be kept.
///
/// Errors: the photo's own file, another ending, a JPEG of a photo with transparent parts, and all that can go wrong with a file.
pub fn write(
    path: &Path,
    original: &Original,
    edited: &RgbImage,
    quality: u8,
    threads: usize,
) -> Result<Vec<String>, ExportError> {
    if original.is_at(path) {
        return Err(ExportError::Itself {
            path: path.display().to_string(),
        });
    }
    if *edited == original.srgb
        && let Some(file) = original.file_as(path)
    {
        crate::export::write_atomically(path, |writer| std::io::Write::write_all(writer, file))?;
        return Ok(Vec::new());
    }
    let (pixels, mut notes) = original.with_edit(edited, threads);
    let photo = CameraPhoto {
        pixels: &pixels,
        alpha: original.alpha.as_deref(),
        profile: original.profile.as_deref(),
        exif: original.exif.as_deref(),
    };
    notes.extend(left_out(path, &photo));
    write_photo(path, &photo, quality)?;
    Ok(notes)
}

#[cfg(test)]
mod tests;
