//! PNG files that carry the settings they were made with.

use std::io::{self, BufRead, Cursor, Seek, Write};
use std::path::Path;

use image::{ImageDecoder, ImageFormat, ImageReader, RgbImage};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, SrgbRenderingIntent};

use super::film::{Film, FilmStop};
use super::{ExportError, check_frames, exif, write_atomically};
use crate::disk;

pub use super::exif::SETTINGS_KEYWORD;

/// What a reader may allocate for text before it gives up.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// Writes a PNG; `settings` is JSON that [`read_settings`] gives back.
pub fn write_png(
    path: &Path,
    picture: &RgbImage,
    settings: Option<&str>,
) -> Result<(), ExportError> {
    check_frames(std::slice::from_ref(picture))?;
    write_atomically(path, |writer| encode_png(writer, picture, settings))
}

/// Writes the bytes of a PNG.
pub fn encode_png(
    writer: impl Write,
    picture: &RgbImage,
    settings: Option<&str>,
) -> io::Result<()> {
    let mut writer = encoder(writer, picture.dimensions(), settings)?.write_header()?;
    writer.write_image_data(picture.as_raw())?;
    Ok(writer.finish()?)
}

/// Writes an animated PNG that loops for ever, without GIF's loss of colours; programs that do not
/// know the format show the first frame.
///
/// Errors: as [`write_film`](super::film_file::write_film).
pub(super) fn write_apng(
    path: &Path,
    film: &Film<'_>,
    settings: Option<&str>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    let size = film.size()?;
    let n_frames = u32::try_from(film.n_frames()).unwrap_or(u32::MAX);
    let mut stop = None;
    let written = write_atomically(path, |writer| {
        let mut encoder = encoder(writer, size, settings)?;
        encoder.set_animated(n_frames, 0)?;
        let part = |v: u32| u16::try_from(v).unwrap_or(u16::MAX).max(1);
        encoder.set_frame_delay(part(film.rate.seconds), part(film.rate.frames))?;
        let mut writer = encoder.write_header()?;
        for index in 0..film.n_frames() {
            if !proceed(index) {
                stop = Some(FilmStop::Cancelled);
                return Err(io::ErrorKind::Interrupted.into());
            }
            match film.frame(index) {
                Ok(frame) => writer.write_image_data(frame.as_raw())?,
                Err(error) => {
                    stop = Some(FilmStop::Frame(error));
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(writer.finish()?)
    });
    FilmStop::or(stop, written)
}

fn encoder<'a, W: Write>(
    writer: W,
    (width, height): (u32, u32),
    settings: Option<&str>,
) -> io::Result<Encoder<'a, W>> {
    let mut encoder = Encoder::new(writer, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    let software = concat!("glow-explorer ", env!("CARGO_PKG_VERSION"));
    encoder.add_text_chunk("Software".into(), software.into())?;
    if let Some(settings) = settings {
        encoder.add_itxt_chunk(SETTINGS_KEYWORD.into(), settings.into())?;
    }
    Ok(encoder)
}

/// The largest file that is looked into.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// The settings in a picture's file; `None` where it is none, or was not written by this program.
pub fn read_settings(path: &Path) -> Option<String> {
    read_settings_from(&disk::read(path, MAX_FILE_BYTES).ok()?)
}

/// The settings in the bytes of a picture's file.
pub fn read_settings_from(bytes: &[u8]) -> Option<String> {
    match image::guess_format(bytes).ok()? {
        ImageFormat::Png => settings_in(Cursor::new(bytes)),
        format @ (ImageFormat::Jpeg | ImageFormat::WebP) => {
            let reader = ImageReader::with_format(Cursor::new(bytes), format);
            let exif = reader.into_decoder().ok()?.exif_metadata().ok()?;
            exif::settings_in(&exif?)
        }
        _ => None,
    }
}

fn settings_in(file: impl BufRead + Seek) -> Option<String> {
    let limits = Limits {
        bytes: MAX_TEXT_BYTES,
    };
    // Text stands in front of the pixels, which stay unread.
    let reader = Decoder::new_with_limits(file, limits).read_info().ok()?;
    let info = reader.info();
    let wide = info.utf8_text.iter();
    wide.filter(|chunk| chunk.keyword == SETTINGS_KEYWORD)
        .find_map(|chunk| chunk.get_text().ok())
        .or_else(|| {
            // Some programs rewrite plain ASCII text as the older kind of chunk.
            let narrow = info.uncompressed_latin1_text.iter();
            narrow
                .filter(|chunk| chunk.keyword == SETTINGS_KEYWORD)
                .map(|chunk| chunk.text.clone())
                .next()
        })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use image::codecs::png::PngDecoder;
    use image::{AnimationDecoder, Rgb};

    use super::*;

    const SETTINGS: &str = r#"{"recipe":{"sample":{"seed":7,"index":1}},"name":"Zoë — 顔"}"#;

    fn picture(v: u8) -> RgbImage {
        RgbImage::from_fn(20, 10, |x, y| Rgb([v, x as u8, y as u8]))
    }

    #[test]
    fn pixels_and_settings_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write_png(&path, &picture(9), Some(SETTINGS)).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), picture(9));
        assert_eq!(read_settings(&path).as_deref(), Some(SETTINGS));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(read_settings_from(&bytes).as_deref(), Some(SETTINGS));
    }

    #[test]
    fn files_without_settings_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write_png(&path, &picture(9), None).unwrap();
        assert_eq!(read_settings(&path), None);
        assert_eq!(read_settings(folder.path()), None);
        assert_eq!(read_settings(&folder.path().join("none.png")), None);
        assert_eq!(read_settings_from(b"\x89PNG\r\n\x1a\nrubbish"), None);
        assert_eq!(read_settings_from(b""), None);
    }

    #[test]
    fn an_animation_keeps_every_frame_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let frames = [picture(1), picture(2), picture(3)];
        let film = Film {
            rate: super::super::Rate::of_delay(5),
            ..super::super::film::tests::film(&frames, &[0, 1, 2])
        };
        write_apng(&path, &film, Some(SETTINGS), &mut |_| true).unwrap();
        let file = BufReader::new(File::open(&path).unwrap());
        let read = PngDecoder::new(file).unwrap().apng().unwrap();
        let read = read.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 3);
        for (read, frame) in read.iter().zip(&frames) {
            assert_eq!(read.delay().numer_denom_ms().0, 50);
            assert_eq!(
                read.buffer().get_pixel(3, 3).0[..3],
                frame.get_pixel(3, 3).0
            );
        }
        assert_eq!(read_settings(&path).as_deref(), Some(SETTINGS));
        let cancelled = write_apng(&path, &film, None, &mut |_| false);
        assert!(matches!(cancelled, Err(ExportError::Cancelled)));
        assert_eq!(read_settings(&path).as_deref(), Some(SETTINGS));
    }

    #[test]
    fn a_picture_without_pixels_is_refused() {
        let result = write_png(Path::new("never-written.png"), &RgbImage::new(0, 4), None);
        assert!(matches!(result, Err(ExportError::Nothing)));
    }
}
