//! A picture in the format that its name says, with the settings it was made with inside.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use super::png_file::encode_png;
use super::{ExportError, check_frames, exif, io_from_image, write_atomically};

/// Quality of a JPEG where none is asked for.
pub const DEFAULT_QUALITY: u8 = 92;

/// Formats that pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Exact.
    Png,
    /// Small, with losses.
    Jpeg,
    /// Exact, smaller than PNG.
    WebP,
}

impl PictureFormat {
    /// The endings of names, without the dot.
    pub const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

    /// The format that a name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }

    /// The most pixels a side.
    fn max_side(self) -> u32 {
        match self {
            Self::Png => u32::MAX,
            Self::Jpeg => u16::MAX.into(),
            Self::WebP => 16_383,
        }
    }

    /// Whether a file has room for settings of this length.
    pub fn has_room_for(self, settings: &str) -> bool {
        self != Self::Jpeg || settings.len() <= exif::MAX_JPEG_SETTINGS
    }
}

/// Writes a picture in the format that its name ends in; `settings` is JSON that [`super::read_settings`] gives back, and
/// is left out where the format has no room for it ([`PictureFormat::has_room_for`]). `quality` is that of a JPEG, 1 to 100.
///
/// Errors: another ending, a picture without pixels or with too many for the format, the system's.
pub fn write_picture(
    path: &Path,
    picture: &RgbImage,
    settings: Option<&str>,
    quality: u8,
) -> Result<(), ExportError> {
    let format = PictureFormat::of(path).ok_or_else(|| ExportError::UnknownEnding {
        path: path.display().to_string(),
    })?;
    let (width, height) = check_frames(std::slice::from_ref(picture))?;
    if width.max(height) > format.max_side() {
        return Err(ExportError::TooLarge {
            width: width.into(),
            height: height.into(),
        });
    }
    let settings = settings.filter(|s| format.has_room_for(s));
    write_atomically(path, |writer| match format {
        PictureFormat::Png => encode_png(writer, picture, settings),
        PictureFormat::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut *writer, quality.clamp(1, 100));
            encode(encoder, picture, settings)
        }
        PictureFormat::WebP => encode(WebPEncoder::new_lossless(writer), picture, settings),
    })
}

fn encode(
    mut encoder: impl ImageEncoder,
    picture: &RgbImage,
    settings: Option<&str>,
) -> std::io::Result<()> {
    // Both formats take it.
    let _ = encoder.set_exif_metadata(exif::with_settings(settings));
    let (width, height) = picture.dimensions();
    let written = encoder.write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8);
    written.map_err(io_from_image)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::export::{read_settings, read_settings_from};

    const SETTINGS: &str = r#"{"recipe":{"sample":{"seed":7}},"name":"Zoë — 顔 \" }"}"#;

    fn picture() -> RgbImage {
        RgbImage::from_fn(48, 32, |x, y| {
            Rgb([(x * 5) as u8, (y * 7) as u8, (x + y) as u8])
        })
    }

    #[test]
    fn the_name_decides_the_format_and_every_format_carries_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        for (name, start, losses) in [
            ("a.png", &b"\x89PNG"[..], 0),
            ("a.PNG", b"\x89PNG", 0),
            ("a.jpg", b"\xff\xd8", 12),
            ("a.jpeg", b"\xff\xd8", 12),
            ("a.webp", b"RIFF", 0),
        ] {
            let path = folder.path().join(name);
            write_picture(&path, &picture(), Some(SETTINGS), DEFAULT_QUALITY).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.starts_with(start), "{name}");
            assert_eq!(read_settings(&path).as_deref(), Some(SETTINGS), "{name}");
            assert_eq!(read_settings_from(&bytes).as_deref(), Some(SETTINGS));
            let back = image::load_from_memory(&bytes).unwrap().into_rgb8();
            let pixels = back.as_raw().iter().zip(picture().into_raw());
            let worst = pixels.map(|(a, b)| a.abs_diff(b)).max().unwrap();
            assert!(worst <= losses, "{name}: {worst}");
            write_picture(&path, &picture(), None, DEFAULT_QUALITY).unwrap();
            assert_eq!(read_settings(&path), None, "{name}");
        }
        let len = |quality| {
            let path = folder.path().join("q.jpg");
            write_picture(&path, &picture(), None, quality).unwrap();
            std::fs::metadata(path).unwrap().len()
        };
        assert!(len(20) < len(95));
    }

    #[test]
    fn what_a_format_cannot_hold_is_refused_or_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, picture: &RgbImage| write_picture(&path(name), picture, None, 90);
        for name in ["a.gif", "a", "a.tiff"] {
            let error = write(name, &picture()).unwrap_err();
            assert!(matches!(error, ExportError::UnknownEnding { .. }));
            assert!(error.to_string().contains(".webp"), "{error}");
        }
        let wide = RgbImage::new(16_384, 1);
        assert!(matches!(
            write("a.webp", &wide),
            Err(ExportError::TooLarge { .. })
        ));
        write("a.jpg", &wide).unwrap();
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
        write_picture(&path("long.jpg"), &picture(), Some(&long), 90).unwrap();
        assert_eq!(read_settings(&path("long.jpg")), None);
        write_picture(&path("long.webp"), &picture(), Some(&long), 90).unwrap();
        assert_eq!(read_settings(&path("long.webp")), Some(long));
    }
}
