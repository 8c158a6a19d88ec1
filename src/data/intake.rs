//! Reading one picture: from a file, a drop or the clipboard to upright sRGB pixels.

use image::imageops::{self, FilterType};
use image::{RgbImage, RgbaImage};

use super::original::Original;
use super::{DataError, PictureSource, decode};
use crate::disk;

/// Larger files are refused before they are read.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// A picture as the person sees it elsewhere: upright, sRGB, opaque.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePicture {
    /// File name for people.
    pub name: String,
    /// The pixels.
    pub rgb: RgbImage,
    /// What was left out or ignored on the way, for people.
    pub notes: Vec<String>,
}

impl SourcePicture {
    /// A copy with at most `max_side` pixels a side; small pictures stay as they are.
    pub fn preview(&self, max_side: u32) -> RgbImage {
        let (width, height) = self.rgb.dimensions();
        let longest = width.max(height);
        if longest <= max_side {
            return self.rgb.clone();
        }
        let scaled = |v: u32| {
            let v = (u64::from(v) * u64::from(max_side)).div_ceil(u64::from(longest));
            (v as u32).max(1)
        };
        let (to_width, to_height) = (scaled(width), scaled(height));
        // Averaging boxes is fast on large photographs; close to the target size it would alias.
        if longest >= 2 * max_side {
            imageops::thumbnail(&self.rgb, to_width, to_height)
        } else {
            imageops::resize(&self.rgb, to_width, to_height, FilterType::Triangle)
        }
    }
}

/// Reads a picture: EXIF orientation applied, its colour profile converted to sRGB, transparent
/// pixels over mid grey, the first frame of an animation.
pub fn read(source: &PictureSource) -> Result<SourcePicture, DataError> {
    match source {
        PictureSource::Path(path) => {
            let bytes = disk::read(path, MAX_FILE_BYTES)?;
            let (rgb, notes) = decode::decode(&path.display().to_string(), &bytes)?;
            let name = path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy();
            Ok(SourcePicture {
                name: name.into_owned(),
                rgb,
                notes,
            })
        }
        PictureSource::Bytes { name, bytes } => {
            check_file_size(name, bytes.len() as u64)?;
            let (rgb, notes) = decode::decode(name, bytes)?;
            Ok(SourcePicture {
                name: name.clone(),
                rgb,
                notes,
            })
        }
        PictureSource::Rgba { size, pixels } => read_rgba(*size, pixels),
    }
}

/// Reads a photo with what its file says of it.
///
/// Errors: as [`read`].
pub fn read_original(source: &PictureSource) -> Result<Original, DataError> {
    let (name, label, bytes) = match source {
        PictureSource::Path(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let name = name.to_string_lossy().into_owned();
            let bytes = disk::read(path, MAX_FILE_BYTES)?;
            (name, path.display().to_string(), bytes)
        }
        PictureSource::Bytes { name, bytes } => {
            check_file_size(name, bytes.len() as u64)?;
            (name.clone(), name.clone(), bytes.to_vec())
        }
        PictureSource::Rgba { .. } => {
            let picture = read(source)?;
            return Ok(Original::of_pixels(picture.name, picture.rgb));
        }
    };
    let mut original = decode::decode_original(&label, bytes)?;
    original.name = name;
    if let PictureSource::Path(path) = source {
        original.path = Some(path.clone());
    }
    Ok(original)
}

fn read_rgba(size: [u32; 2], pixels: &[u8]) -> Result<SourcePicture, DataError> {
    let name = "clipboard".to_owned();
    let [width, height] = size;
    decode::check_size(&name, width, height)?;
    let rgba = RgbaImage::from_raw(width, height, pixels.to_vec())
        .filter(|_| pixels.len() as u64 == 4 * u64::from(width) * u64::from(height))
        .ok_or_else(|| DataError::Damaged {
            name: name.clone(),
            reason: format!("{} bytes for {width} x {height} pixels", pixels.len()),
        })?;
    Ok(SourcePicture {
        name,
        rgb: decode::over_backdrop(&rgba),
        notes: Vec::new(),
    })
}

pub(super) fn check_file_size(name: &str, n_bytes: u64) -> Result<(), DataError> {
    if n_bytes == 0 {
        return Err(DataError::Empty {
            name: name.to_owned(),
        });
    }
    if n_bytes > MAX_FILE_BYTES {
        return Err(DataError::TooLarge {
            name: name.to_owned(),
            mib: n_bytes >> 20,
            limit_mib: MAX_FILE_BYTES >> 20,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
