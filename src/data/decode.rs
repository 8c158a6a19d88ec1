//! From the bytes of a picture file to upright sRGB pixels.

use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage, RgbaImage,
};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::original::Original;
use super::{DataError, exif};

/// The longest side that is decoded.
const MAX_SIDE: u32 = 20_000;
/// The most pixels that are decoded.
const MAX_PIXELS: u64 = 200_000_000;
/// What a decoder may allocate: the most pixels at 16 bits and four channels.
const MAX_ALLOC: u64 = MAX_PIXELS * 8 + (64 << 20);
/// The grey that shows through transparent pixels.
const BACKDROP: u32 = 128;

/// Decodes the bytes of a file; `name` is for messages. Notes say what was left out or ignored.
pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<(RgbImage, Vec<String>), DataError> {
    guarded(name, || {
        let mut opened = UprightFile::new(name, bytes)?;
        let rgb = opened.srgb();
        Ok((rgb, opened.notes))
    })
}

/// Decodes the bytes of a file, with what else it says of the picture; its name is left to the caller.
pub(super) fn decode_original(name: &str, bytes: Vec<u8>) -> Result<Original, DataError> {
    guarded(name, || {
        UprightFile::new(name, &bytes)?.into_original(&bytes)
    })
}

/// Decoders are fed whatever people drop on the window: one that panics is one bad picture.
fn guarded<T>(name: &str, decode: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(DataError::Damaged {
            name: name.to_owned(),
            reason: "the decoder gave up".into(),
        })
    })
}

/// A picture file, decoded and upright, in its own colours.
struct UprightFile {
    picture: DynamicImage,
    format: ImageFormat,
    orientation: Orientation,
    profile: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    is_cmyk: bool,
    notes: Vec<String>,
}

impl UprightFile {
    fn new(name: &str, bytes: &[u8]) -> Result<Self, DataError> {
        if bytes.is_empty() {
            return Err(DataError::Empty {
                name: name.to_owned(),
            });
        }
        let format = format_of(name, bytes)?;
        let jpeg = match format {
            ImageFormat::Jpeg => JpegFacts::of(bytes),
            _ => JpegFacts::default(),
        };
        if jpeg.is_cut_off || (format == ImageFormat::WebP && webp_is_cut_off(bytes)) {
            return Err(DataError::Truncated {
                name: name.to_owned(),
            });
        }
        let fail = |e| image_error(name, e);
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_ALLOC);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(fail)?;

        let (width, height) = decoder.dimensions();
        check_size(name, width, height)?;
        let mut notes = Vec::new();
        if is_animated(bytes, format) {
            notes.push("animated: only the first frame is used".to_owned());
        }
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let exif = decoder.exif_metadata().ok().flatten();
        let profile = decoder.icc_profile().unwrap_or_else(|_| {
            notes.push("the colour profile is damaged and was ignored".to_owned());
            None
        });
        let mut picture = DynamicImage::from_decoder(decoder).map_err(fail)?;
        picture.apply_orientation(orientation);
        Ok(Self {
            picture,
            format,
            orientation,
            profile: profile.filter(|p| !p.is_empty()),
            exif,
            is_cmyk: jpeg.is_cmyk,
            notes,
        })
    }

    fn srgb(&mut self) -> RgbImage {
        let profile = self.profile.as_deref();
        srgb_from_picture(&self.picture, profile, self.is_cmyk, &mut self.notes)
    }

    fn into_original(mut self, bytes: &[u8]) -> Result<Original, DataError> {
        let n_notes = self.notes.len();
        let srgb = self.srgb();
        // A complaint of the conversion: the profile does not fit the pixels, so it does not stay with them.
        let ignored = self.notes.len() > n_notes;
        let of_colours = |profile: &Vec<u8>| {
            let profile = ColorProfile::new_from_slice(profile);
            !ignored && profile.is_ok_and(|p| p.color_space == DataColorSpace::Rgb)
        };
        let mut profile = self.profile.take();
        let converted = profile.is_some() && !ignored;
        profile = profile.filter(of_colours);
        if converted && profile.is_none() {
            let note = "its grey colour profile is not kept: it is written in sRGB";
            self.notes.push(note.to_owned());
        }
        let color = self.picture.color();
        let alpha = color.has_alpha().then(|| {
            let rgba = self.picture.to_rgba8();
            rgba.pixels().map(|p| p.0[3]).collect::<Vec<u8>>()
        });
        let alpha = alpha.filter(|alpha| alpha.iter().any(|&a| a != 255));
        let own = (profile.is_some() || alpha.is_some()).then(|| self.picture.to_rgb8());
        let is_deep = color.bytes_per_pixel() > color.channel_count();
        if is_deep {
            let note = "more than 8 bits a channel: it is written with 8";
            self.notes.push(note.to_owned());
        }
        let (width, height) = srgb.dimensions();
        let exif = self.exif.take();
        let exif = exif.and_then(|exif| exif::upright(&exif, width, height));
        let stands = self.orientation == Orientation::NoTransforms;
        Ok(Original {
            name: String::new(),
            path: None,
            srgb,
            own,
            alpha,
            profile,
            exif,
            file: stands.then(|| (self.format, bytes.to_vec())),
            notes: self.notes,
        })
    }
}

/// Refuses pictures that would take gigabytes before a byte is allocated for them.
pub(super) fn check_size(name: &str, width: u32, height: u32) -> Result<(), DataError> {
    if width == 0 || height == 0 {
        return Err(DataError::Damaged {
            name: name.to_owned(),
            reason: "it has no pixels".into(),
        });
    }
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(DataError::TooManyPixels {
            name: name.to_owned(),
            width,
            height,
        });
    }
    Ok(())
}

/// The format by content; by name only for TGA, which has no signature.
fn format_of(name: &str, bytes: &[u8]) -> Result<ImageFormat, DataError> {
    if let Ok(format) = image::guess_format(bytes) {
        return Ok(format);
    }
    if let Some(looks_like) = other_kind(bytes) {
        return Err(DataError::NotAPicture {
            name: name.to_owned(),
            looks_like,
        });
    }
    if name.to_ascii_lowercase().ends_with(".tga") {
        return Ok(ImageFormat::Tga);
    }
    Err(DataError::NotAPicture {
        name: name.to_owned(),
        looks_like: "another kind of file; choose a JPEG, PNG, WebP, GIF, BMP, TIFF or QOI file",
    })
}

/// Kinds of file that often carry the name of a picture.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(512)];
    let text = String::from_utf8_lossy(start).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) {
        return Some("an SVG drawing; export it as PNG");
    }
    if ["<!doctype html", "<html", "<head", "<body", "<?xml"]
        .iter()
        .any(|tag| text.starts_with(tag))
    {
        return Some("a web page with a picture's name; download the picture itself");
    }
    if start.get(4..8) == Some(b"ftyp") {
        return Some("a HEIC, AVIF or video file; export it as JPEG or PNG");
    }
    if start.starts_with(b"%PDF") {
        return Some("a PDF document; export the picture as PNG");
    }
    if start.starts_with(b"PK\x03\x04") {
        return Some("a ZIP archive; unpack it first");
    }
    if start.iter().all(|&b| b == 0) {
        return Some("a file of zeros; copy or download it again");
    }
    None
}

/// What the segments of a JPEG say, beyond what the decoder tells.
#[derive(Default)]
struct JpegFacts {
    /// The scan data has no end marker: decoders paint the missing part grey without a word.
    is_cut_off: bool,
    is_cmyk: bool,
}

impl JpegFacts {
    fn of(bytes: &[u8]) -> Self {
        let mut facts = Self::default();
        let mut at = 2;
        // Walk the segments: a thumbnail inside one of them may hold an end marker of its own.
        while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
            match marker {
                // A fill byte before the marker proper.
                0xff => at += 1,
                0x01 | 0xd0..=0xd8 => at += 2,
                0xd9 => return facts,
                0xda => {
                    facts.is_cut_off = !bytes[at..].windows(2).any(|w| w == [0xff, 0xd9]);
                    return facts;
                }
                _ => {
                    // A frame header; its ninth byte counts the components.
                    let is_frame =
                        matches!(marker, 0xc0..=0xcf) && ![0xc4, 0xc8, 0xcc].contains(&marker);
                    facts.is_cmyk |= is_frame && bytes.get(at + 9) == Some(&4);
                    at += 2 + usize::from(u16::from_be_bytes([high, low]));
                }
            }
        }
        // Garbage between segments is the decoder's to judge; running off the end is not.
        facts.is_cut_off = at + 4 > bytes.len();
        facts
    }
}

/// Whether a WebP is shorter than its own header says; its decoder calls that corrupt.
fn webp_is_cut_off(bytes: &[u8]) -> bool {
    let size = bytes.get(4..8).and_then(|s| <[u8; 4]>::try_from(s).ok());
    size.is_some_and(|s| u64::from(u32::from_le_bytes(s)) + 8 > bytes.len() as u64)
}

fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    let cursor = Cursor::new(bytes);
    match format {
        ImageFormat::Gif => GifDecoder::new(cursor)
            .is_ok_and(|d| d.into_frames().take(2).filter(Result::is_ok).count() == 2),
        ImageFormat::WebP => WebPDecoder::new(cursor).is_ok_and(|d| d.has_animation()),
        ImageFormat::Png => PngDecoder::new(cursor).is_ok_and(|d| d.is_apng().unwrap_or(false)),
        _ => false,
    }
}

/// Eight bits a channel, in sRGB, over the backdrop where the picture is transparent.
fn srgb_from_picture(
    picture: &DynamicImage,
    profile: Option<&[u8]>,
    is_cmyk: bool,
    notes: &mut Vec<String>,
) -> RgbImage {
    if is_cmyk {
        // The decoder has already left CMYK, so the profile fits the pixels no more.
        notes.push("CMYK: converted without its colour profile".to_owned());
    } else if let Some(bytes) = profile {
        match apply_profile(picture, bytes) {
            Some(rgb) => return rgb,
            None => notes.push("the colour profile could not be used and was ignored".to_owned()),
        }
    }
    if picture.color().has_alpha() {
        over_backdrop(&picture.to_rgba8())
    } else {
        picture.to_rgb8()
    }
}

/// Converts from an ICC profile to sRGB; `None` where the profile is broken or does not fit.
fn apply_profile(picture: &DynamicImage, bytes: &[u8]) -> Option<RgbImage> {
    let profile = ColorProfile::new_from_slice(bytes).ok()?;
    let (width, height) = (picture.width(), picture.height());
    let has_alpha = picture.color().has_alpha();
    let (source, from) = match (profile.color_space, has_alpha) {
        (DataColorSpace::Rgb, false) => (picture.to_rgb8().into_raw(), Layout::Rgb),
        (DataColorSpace::Rgb, true) => (picture.to_rgba8().into_raw(), Layout::Rgba),
        (DataColorSpace::Gray, false) if !picture.color().has_color() => {
            (picture.to_luma8().into_raw(), Layout::Gray)
        }
        (DataColorSpace::Gray, true) if !picture.color().has_color() => {
            (picture.to_luma_alpha8().into_raw(), Layout::GrayAlpha)
        }
        _ => return None,
    };
    let to = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let transform = profile
        .create_transform_8bit(
            from,
            &ColorProfile::new_srgb(),
            to,
            TransformOptions::default(),
        )
        .ok()?;
    let n_pixels = width as usize * height as usize;
    let mut target = vec![0u8; n_pixels * if has_alpha { 4 } else { 3 }];
    transform.transform(&source, &mut target).ok()?;
    if has_alpha {
        RgbaImage::from_raw(width, height, target).map(|rgba| over_backdrop(&rgba))
    } else {
        RgbImage::from_raw(width, height, target)
    }
}

/// Straight alpha over mid grey.
pub(super) fn over_backdrop(rgba: &RgbaImage) -> RgbImage {
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, a] = from.0.map(u32::from);
        let mix = |v: u32| ((v * a + BACKDROP * (255 - a) + 127) / 255) as u8;
        to.0 = [mix(r), mix(g), mix(b)];
    }
    rgb
}

fn image_error(name: &str, error: ImageError) -> DataError {
    let name = name.to_owned();
    match error {
        ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            DataError::Truncated { name }
        }
        ImageError::Unsupported(e) => DataError::Unsupported {
            name,
            reason: e.to_string(),
        },
        ImageError::Limits(_) => DataError::Unsupported {
            name,
            reason: "it needs too much memory".into(),
        },
        e => {
            let reason = e.to_string();
            // Not every decoder keeps the kind of the error that it wraps.
            let lower = reason.to_lowercase();
            let cut_off = [
                "unexpected end",
                "unexpected eof",
                "fill whole buffer",
                "no more bytes",
            ];
            if cut_off.iter().any(|s| lower.contains(s)) {
                DataError::Truncated { name }
            } else {
                DataError::Damaged { name, reason }
            }
        }
    }
}

#[cfg(test)]
mod tests;
