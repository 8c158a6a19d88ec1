//! A photo as its own file has it, to be written again with a change.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::{ImageFormat, RgbImage};
use moxcms::{ColorProfile, Layout, Transform16BitExecutor, TransformOptions};

use crate::disk::is_same_file;
use crate::kernels::in_parallel;

/// Rows that a thread takes at a time.
const BAND: usize = 64;

/// A photo, upright, with what its file says of it.
#[derive(Clone, Debug)]
pub struct Original {
    /// File name for people.
    pub name: String,
    /// Its file, where it is one.
    pub(super) path: Option<PathBuf>,
    /// Upright, in sRGB, opaque: what the intake gives, and what the model is shown.
    pub srgb: RgbImage,
    /// Upright, in the file's own colours; `None` where those are `srgb`.
    pub(super) own: Option<RgbImage>,
    /// A byte a pixel, where some are transparent.
    pub alpha: Option<Vec<u8>>,
    /// The ICC profile of its own colours.
    pub profile: Option<Vec<u8>>,
    /// Its EXIF, made to fit upright pixels.
    pub exif: Option<Vec<u8>>,
    /// The file itself, where it is upright and its 8-bit pixels are those above.
    pub(super) file: Option<(ImageFormat, Vec<u8>)>,
    /// What was left out or ignored on the way, for people.
    pub notes: Vec<String>,
}

impl Original {
    /// Pixels that come from no file.
    pub(super) fn of_pixels(name: String, srgb: RgbImage) -> Self {
        Self {
            name,
            path: None,
            srgb,
            own: None,
            alpha: None,
            profile: None,
            exif: None,
            file: None,
            notes: Vec::new(),
        }
    }

    /// Whether this path leads to the photo's own file, by whatever name.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path
            .as_deref()
            .is_some_and(|own| is_same_file(own, path))
    }

    /// The file, where it may stand as it is under this path's ending.
    pub fn file_as(&self, path: &Path) -> Option<&[u8]> {
        let (format, bytes) = self.file.as_ref()?;
        (ImageFormat::from_path(path).ok() == Some(*format)).then_some(bytes)
    }

    /// The photo in its own colours with the change from `srgb` to `edited`: pixels that are equal there stay as they
    /// are, to the byte. The notes say what could not be kept exactly.
    pub fn with_edit(&self, edited: &RgbImage, threads: usize) -> (RgbImage, Vec<String>) {
        let Some(own) = &self.own else {
            return (edited.clone(), Vec::new());
        };
        if edited.dimensions() != own.dimensions() {
            return (own.clone(), Vec::new());
        }
        let mut notes = Vec::new();
        let to_own = self.profile.as_deref().and_then(from_srgb);
        if self.profile.is_some() && to_own.is_none() {
            notes.push(
                "the colour profile works one way only: the change is added without it".to_owned(),
            );
        }
        let mut result = own.clone();
        let stride = own.width() as usize * 3;
        let bands: Vec<_> = result.chunks_mut(BAND * stride).map(Mutex::new).collect();
        in_parallel(bands.len(), threads, |at| {
            // Each band is one thread's alone; the lock only says so to the compiler.
            let mut band = bands[at].lock().unwrap_or_else(PoisonError::into_inner);
            let from = at * BAND * stride;
            let len = band.len();
            let before = &self.srgb.as_raw()[from..from + len];
            let after = &edited.as_raw()[from..from + len];
            if before != after {
                change_band(&mut band, before, after, to_own.as_deref());
            }
        });
        drop(bands);
        (result, notes)
    }
}

type FromSrgb = Transform16BitExecutor;

/// From sRGB to the colours of a profile.
fn from_srgb(profile: &[u8]) -> Option<std::sync::Arc<FromSrgb>> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    srgb.create_transform_16bit(Layout::Rgb, &profile, Layout::Rgb, options)
        .ok()
}

/// `own += T(after) - T(before)`, where `T` takes sRGB to the photo's own colours.
fn change_band(own: &mut [u8], before: &[u8], after: &[u8], to_own: Option<&FromSrgb>) {
    let wide = |bytes: &[u8]| -> Vec<u16> { bytes.iter().map(|&v| u16::from(v) * 257).collect() };
    let transformed = |bytes: &[u8]| {
        let from = wide(bytes);
        let mut to = vec![0; from.len()];
        match to_own.map(|t| t.transform(&from, &mut to)) {
            Some(Ok(())) => to,
            _ => from,
        }
    };
    let (t_before, t_after) = (transformed(before), transformed(after));
    let same = |i: usize| before[i..i + 3] == after[i..i + 3];
    for i in (0..own.len()).step_by(3).filter(|&i| !same(i)) {
        for i in i..i + 3 {
            let change = (f32::from(t_after[i]) - f32::from(t_before[i])) / 257.0;
            own[i] = (f32::from(own[i]) + change).round().clamp(0.0, 255.0) as u8;
        }
    }
}

#[cfg(test)]
mod tests;
