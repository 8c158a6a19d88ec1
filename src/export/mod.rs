//! Pictures on their way out: sheets, PNG with settings inside, animations, numbered frames.
//!
//! Every file is written beside its target and renamed when it is whole, so a failed or cancelled
//! export leaves what was there before.

pub mod atomic;
pub mod chart;
mod error;
mod exif;
pub mod film;
mod film_file;
pub mod frames;
mod gif;
pub mod layout;
pub mod mp4;
mod palette;
pub mod panels;
pub mod photo;
pub mod picture_file;
pub mod png_file;
mod text;
mod webp;

pub use self::atomic::write_atomically;
pub use self::error::ExportError;
pub use self::film::{Film, FilmFormat, Rate};
pub use self::film_file::write_film;
pub use self::frames::FrameFolder;
pub use self::layout::compose;
pub use self::mp4::has_ffmpeg;
pub use self::picture_file::{DEFAULT_QUALITY, PictureFormat, write_picture};
pub use self::png_file::{read_settings, read_settings_from, write_png};

use std::io;
use std::path::Path;

use image::{ImageError, RgbImage};

/// Refuses a file that could not be written later, before any work is spent on it.
///
/// Errors: a path without a file name, that of a folder, or one in a folder that is not there.
pub fn check_target(path: &Path) -> Result<(), ExportError> {
    let name = || path.display().to_string();
    if path.file_name().is_none() {
        return Err(ExportError::NoName { path: name() });
    }
    if path.is_dir() {
        return Err(ExportError::IsFolder { path: name() });
    }
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() || parent.is_dir() => Ok(()),
        Some(parent) if parent.exists() => Err(ExportError::NotAFolder {
            path: parent.display().to_string(),
        }),
        _ => Err(ExportError::NoFolder { path: name() }),
    }
}

/// A name that every file system takes.
pub fn folder_name(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().take(80) {
        if c.is_alphanumeric() || c == '.' {
            text.extend(c.to_lowercase());
        } else if !text.is_empty() && !text.ends_with('-') {
            text.push('-');
        }
    }
    let text = text.trim_matches(['-', '.']);
    match text {
        "" => "row".to_owned(),
        text => text.to_owned(),
    }
}

/// Refuses an animation without frames, or with frames that differ in size.
fn check_frames(frames: &[RgbImage]) -> Result<(u32, u32), ExportError> {
    let first = frames.first().ok_or(ExportError::Nothing)?.dimensions();
    match frames.iter().position(|f| f.dimensions() != first) {
        Some(index) => Err(ExportError::SizesDiffer { index }),
        None if first.0 == 0 || first.1 == 0 => Err(ExportError::Nothing),
        None => Ok(first),
    }
}

/// An encoder's error as one of the system, whose kind says whether the disk is full.
fn io_from_image(error: ImageError) -> io::Error {
    match error {
        ImageError::IoError(e) => e,
        e => io::Error::other(e),
    }
}
