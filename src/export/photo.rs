//! Photos with what their own file said of them: the colour profile, EXIF, transparency.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use png::{BitDepth, ColorType, Compression, Encoder, Info, SrgbRenderingIntent};

use super::{ExportError, check_frames, io_from_image, write_atomically};

/// The longest side that a JPEG's header can say.
const MAX_JPEG_SIDE: u32 = 65_535;

/// The longest EXIF that a JPEG holds: a segment, less its length and its name.
const MAX_JPEG_EXIF: usize = 65_533 - 6;

/// A photo to be written.
#[derive(Clone, Copy, Debug)]
pub struct CameraPhoto<'a> {
    /// Upright pixels, in the colours of the profile.
    pub pixels: &'a RgbImage,
    /// A byte a pixel, where some are transparent.
    pub alpha: Option<&'a [u8]>,
    /// ICC profile; `None` is sRGB.
    pub profile: Option<&'a [u8]>,
    /// EXIF, beginning with its TIFF header.
    pub exif: Option<&'a [u8]>,
}

/// Whether photos are written under this ending: JPEG or PNG.
///
/// Errors: another ending.
pub fn check_photo_name(path: &Path) -> Result<(), ExportError> {
    kind_of(path).map(|_| ())
}

#[derive(Clone, Copy)]
enum PhotoFormat {
    Jpeg,
    Png,
}

fn kind_of(path: &Path) -> Result<PhotoFormat, ExportError> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    match extension.as_ref().and_then(|e| e.to_str()) {
        Some("jpg" | "jpeg") => Ok(PhotoFormat::Jpeg),
        Some("png") => Ok(PhotoFormat::Png),
        _ => Err(ExportError::PhotoFormat {
            path: path.display().to_string(),
        }),
    }
}

/// Writes a photo as JPEG or PNG, as the path ends; `quality`, 1 to 100, is the JPEG's.
///
/// Errors: another ending; transparency or a side that JPEG cannot hold; what can go wrong with a file.
pub fn write_photo(path: &Path, photo: &CameraPhoto<'_>, quality: u8) -> Result<(), ExportError> {
    let (width, height) = check_frames(std::slice::from_ref(photo.pixels))?;
    match kind_of(path)? {
        PhotoFormat::Jpeg if photo.alpha.is_some() => Err(ExportError::Transparent {
            path: path.display().to_string(),
        }),
        PhotoFormat::Jpeg if width.max(height) > MAX_JPEG_SIDE => Err(ExportError::TooLarge {
            width: width.into(),
            height: height.into(),
        }),
        PhotoFormat::Jpeg => write_atomically(path, |writer| {
            let mut encoder = JpegEncoder::new_with_quality(writer, quality.clamp(1, 100));
            // Both can only fail for formats that have no place for them.
            let _ = encoder.set_icc_profile(photo.profile.unwrap_or_default().to_vec());
            let _ = encoder.set_exif_metadata(jpeg_exif(photo.exif).to_vec());
            let pixels = photo.pixels.as_raw();
            encoder
                .write_image(pixels, width, height, ExtendedColorType::Rgb8)
                .map_err(io_from_image)
        }),
        PhotoFormat::Png => write_atomically(path, |writer| write_png(writer, photo)),
    }
}

/// EXIF that one segment of a JPEG holds.
fn jpeg_exif(exif: Option<&[u8]>) -> &[u8] {
    exif.filter(|e| e.len() <= MAX_JPEG_EXIF)
        .unwrap_or_default()
}

/// What [`write_photo`] would leave out of this file, for people.
pub fn left_out(path: &Path, photo: &CameraPhoto<'_>) -> Option<String> {
    let is_jpeg = matches!(kind_of(path), Ok(PhotoFormat::Jpeg));
    let too_long = photo.exif.is_some_and(|e| e.len() > MAX_JPEG_EXIF);
    (is_jpeg && too_long).then(|| {
        "the EXIF is longer than a JPEG can hold and was left out; a PNG keeps it".to_owned()
    })
}

fn write_png(writer: impl io::Write, photo: &CameraPhoto<'_>) -> io::Result<()> {
    let (width, height) = photo.pixels.dimensions();
    let mut info = Info::with_size(width, height);
    info.bit_depth = BitDepth::Eight;
    info.color_type = match photo.alpha {
        Some(_) => ColorType::Rgba,
        None => ColorType::Rgb,
    };
    match photo.profile {
        Some(profile) => info.icc_profile = Some(Cow::Borrowed(profile)),
        None => info.srgb = Some(SrgbRenderingIntent::Perceptual),
    }
    info.exif_metadata = photo.exif.map(Cow::Borrowed);
    let mut encoder = Encoder::with_info(writer, info)?;
    // Photos hardly get smaller with more effort, and this is many times as fast.
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    match photo.alpha {
        None => writer.write_image_data(photo.pixels.as_raw())?,
        Some(alpha) => {
            let pairs = photo.pixels.pixels().zip(alpha);
            let rgba: Vec<u8> = pairs
                .flat_map(|(p, &a)| [p.0[0], p.0[1], p.0[2], a])
                .collect();
            writer.write_image_data(&rgba)?;
        }
    }
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use image::{ImageDecoder, ImageReader, Rgb};

    use super::*;

    fn pixels() -> RgbImage {
        RgbImage::from_fn(20, 12, |x, y| Rgb([x as u8 * 9, y as u8 * 12, 70]))
    }

    #[test]
    fn profile_and_exif_come_back_from_both_formats() {
        let folder = tempfile::tempdir().unwrap();
        let (profile, exif) = (vec![7; 100_000], b"II\x2a\0\x08\0\0\0\0\0\0\0\0\0".to_vec());
        let pixels = pixels();
        let photo = CameraPhoto {
            pixels: &pixels,
            alpha: None,
            profile: Some(&profile),
            exif: Some(&exif),
        };
        for name in ["a.jpg", "b.JPEG", "c.png"] {
            let path = folder.path().join(name);
            write_photo(&path, &photo, 95).unwrap();
            let mut decoder = ImageReader::open(&path).unwrap();
            decoder.set_format(image::ImageFormat::from_path(&path).unwrap());
            let mut decoder = decoder.into_decoder().unwrap();
            assert_eq!(decoder.dimensions(), (20, 12), "{name}");
            let (read_profile, read_exif) = (decoder.icc_profile(), decoder.exif_metadata());
            assert_eq!(read_profile.unwrap().as_ref(), Some(&profile), "{name}");
            assert_eq!(read_exif.unwrap().as_ref(), Some(&exif), "{name}");
        }
        let read = image::open(folder.path().join("c.png")).unwrap();
        assert_eq!(read.to_rgb8(), pixels);
    }

    #[test]
    fn transparency_needs_a_png() {
        let folder = tempfile::tempdir().unwrap();
        let (pixels, alpha) = (pixels(), vec![128; 240]);
        let photo = CameraPhoto {
            pixels: &pixels,
            alpha: Some(&alpha),
            profile: None,
            exif: None,
        };
        let path = folder.path().join("a.png");
        write_photo(&path, &photo, 95).unwrap();
        let read = image::open(&path).unwrap().to_rgba8();
        assert!(read.pixels().all(|p| p.0[3] == 128));
        let jpeg = folder.path().join("a.jpg");
        let error = write_photo(&jpeg, &photo, 95).unwrap_err().to_string();
        assert!(
            error.contains(".png") && error.ends_with("a.jpg"),
            "{error}"
        );
        assert!(!jpeg.exists());
    }

    #[test]
    fn exif_too_long_for_a_jpeg_is_left_out_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let (pixels, exif) = (pixels(), vec![1; 70_000]);
        let photo = CameraPhoto {
            pixels: &pixels,
            alpha: None,
            profile: None,
            exif: Some(&exif),
        };
        let path = folder.path().join("a.jpg");
        write_photo(&path, &photo, 90).unwrap();
        assert_eq!(image::open(&path).unwrap().width(), 20);
        assert!(left_out(&path, &photo).unwrap().contains("EXIF"));
        assert_eq!(left_out(Path::new("a.png"), &photo), None);
    }

    #[test]
    fn other_endings_are_refused() {
        for name in ["a.gif", "a", "jpg"] {
            let error = check_photo_name(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(".jpg or .png"), "{error}");
        }
    }
}
