//! From the bytes of a picture file to upright sRGB pixels.

mod colour;
mod jpeg;
mod tiff;

use std::borrow::Cow;
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

use self::jpeg::JpegFacts;
use self::tiff::TiffFacts;
use super::original::Original;
use super::{DataError, exif};
use crate::disk::looks_like;
use moxcms::{ColorProfile, DataColorSpace};

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
    /// Whether the pixels are the file's own, unturned and whole.
    is_as_it_was: bool,
    /// The profile as the file has it, and what its pixels are converted from.
    icc: Option<Vec<u8>>,
    profile: Option<ColorProfile>,
    exif: Option<Vec<u8>>,
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
        let mut notes = Vec::new();
        let whole = ended(name, bytes, format, &mut notes)?;
        let was_whole = matches!(whole, Cow::Borrowed(_));
        let bytes = &*whole;
        let jpeg = match format {
            ImageFormat::Jpeg => JpegFacts::of(bytes),
            _ => JpegFacts::default(),
        };
        let tiff = match format {
            ImageFormat::Tiff => TiffFacts::of(bytes).unwrap_or_default(),
            _ => TiffFacts::default(),
        };
        let fail = |e| image_error(name, e);
        let mut decoder = reader(bytes, format).into_decoder().map_err(fail)?;

        let (width, height) = decoder.dimensions();
        check_size(name, width, height)?;
        if is_animated(bytes, format) {
            notes.push("animated: only the first frame is used".to_owned());
        }
        if tiff.has_more_pages {
            notes.push("several pages: only the first is used".to_owned());
        }
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let exif = decoder.exif_metadata().ok().flatten();
        let profile = decoder.icc_profile().unwrap_or_else(|_| {
            notes.push("the colour profile is damaged and was ignored".to_owned());
            None
        });
        let mut picture = DynamicImage::from_decoder(decoder).map_err(fail)?;
        picture.apply_orientation(orientation);
        if tiff.is_premultiplied {
            picture = straight(&picture);
        }
        let icc = profile.or(tiff.profile).filter(|p| !p.is_empty());
        let is_cmyk = jpeg.is_cmyk || tiff.is_cmyk;
        let profile = match format {
            // The decoder has already left CMYK, so the profile fits the pixels no more.
            _ if is_cmyk => {
                notes.push("CMYK: converted without its colour profile".to_owned());
                None
            }
            ImageFormat::Png => colour::of_png(bytes, icc.as_deref(), &mut notes),
            _ => colour::of_icc(icc.as_deref(), &mut notes),
        };
        Ok(Self {
            picture,
            format,
            is_as_it_was: was_whole && orientation == Orientation::NoTransforms,
            icc,
            profile,
            exif,
            notes,
        })
    }

    /// Its pixels in sRGB; a profile that is of no use is dropped.
    fn srgb(&mut self) -> RgbImage {
        let converted = self
            .profile
            .as_ref()
            .map(|p| colour::apply(&self.picture, p));
        match converted {
            Some(Some(rgb)) => return rgb,
            Some(None) => {
                self.notes.push(colour::UNUSABLE.to_owned());
                self.profile = None;
            }
            None => {}
        }
        as_it_is(&self.picture)
    }

    fn into_original(mut self, bytes: &[u8]) -> Result<Original, DataError> {
        let srgb = self.srgb();
        let is_rgb = |p: &ColorProfile| p.color_space == DataColorSpace::Rgb;
        let profile = match &self.profile {
            // Colours that a PNG says in chunks of its own are said by a profile from then on.
            Some(profile) if is_rgb(profile) => self.icc.take().or_else(|| profile.encode().ok()),
            Some(_) => {
                let note = "its grey colour profile is not kept: it is written in sRGB";
                self.notes.push(note.to_owned());
                None
            }
            None => None,
        };
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
        Ok(Original {
            name: String::new(),
            path: None,
            srgb,
            own,
            alpha,
            profile,
            exif,
            file: self.is_as_it_was.then(|| (self.format, bytes.to_vec())),
            notes: self.notes,
        })
    }
}

fn reader(bytes: &[u8], format: ImageFormat) -> ImageReader<Cursor<&[u8]>> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    reader
}

/// The bytes with their end, where nothing but the mark of the end is missing: all pixels are there then, which a note
/// says.
fn ended<'a>(
    name: &str,
    bytes: &'a [u8],
    format: ImageFormat,
    notes: &mut Vec<String>,
) -> Result<Cow<'a, [u8]>, DataError> {
    /// The last chunk of a PNG: no bytes, `IEND`, its checksum.
    const IEND: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";
    let mended = match format {
        ImageFormat::Jpeg if JpegFacts::of(bytes).is_cut_off => jpeg::mended(bytes),
        ImageFormat::WebP if webp_is_cut_off(bytes) => None,
        // What is missing of the pixels themselves, the checksum of their stream tells.
        ImageFormat::Png if !bytes.windows(4).any(|w| w == b"IEND") => {
            Some([bytes, &IEND].concat()).filter(|b| reader(b, format).decode().is_ok())
        }
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    match mended {
        Some(bytes) => {
            notes.push("the file ends without its end mark, but all pixels are there".to_owned());
            Ok(Cow::Owned(bytes))
        }
        None => Err(DataError::Truncated {
            name: name.to_owned(),
        }),
    }
}

/// Straight colours of a picture whose colours have been multiplied by their alpha.
fn straight(picture: &DynamicImage) -> DynamicImage {
    let mut rgba = picture.to_rgba16();
    for pixel in rgba.pixels_mut() {
        let [.., alpha] = pixel.0.map(u64::from);
        for v in &mut pixel.0[..3] {
            let whole = (u64::from(*v) * 0xffff + alpha / 2).checked_div(alpha);
            *v = whole.unwrap_or(0).min(0xffff) as u16;
        }
    }
    rgba.into()
}

/// Eight bits a channel, over the backdrop where the picture is transparent.
fn as_it_is(picture: &DynamicImage) -> RgbImage {
    match picture.color().has_alpha() {
        true => over_backdrop(&picture.to_rgba8()),
        false => picture.to_rgb8(),
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
    let other = looks_like(bytes);
    if other.is_none() && name.to_ascii_lowercase().ends_with(".tga") {
        return Ok(ImageFormat::Tga);
    }
    Err(DataError::NotAPicture {
        name: name.to_owned(),
        looks_like: other.unwrap_or(
            "another kind of file; choose a JPEG, PNG, WebP, GIF, BMP, TIFF or QOI file",
        ),
    })
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
