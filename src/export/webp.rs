//! Animated WebP without loss.
//!
//! The image crate writes still WebP; a film is a container round such pictures (RFC 9649, section 2.7).

use std::io::{self, Write};
use std::path::Path;

use image::ExtendedColorType;
use image::codecs::webp::WebPEncoder;

use super::film::{Film, FilmStop};
use super::{ExportError, io_from_image, write_atomically};

/// Sides are written less one in 14 bits.
const MAX_SIDE: u32 = 1 << 14;
/// Durations are written in 24 bits, in milliseconds.
const MAX_DELAY_MS: u64 = (1 << 24) - 1;

/// Flag of the file's header: it is animated.
const IS_ANIMATED: u8 = 0x02;
/// Flag of a frame: it replaces what was there.
const NO_BLENDING: u8 = 0x02;

/// Writes an animated WebP that loops for ever.
///
/// Errors: as [`write_film`](super::film_file::write_film).
pub(super) fn write_webp(
    path: &Path,
    film: &Film<'_>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    let (width, height) = film.size()?;
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(ExportError::TooLarge {
            width: width.into(),
            height: height.into(),
        });
    }
    let mut stop = None;
    let written = write_atomically(path, |writer| {
        let mut body = b"WEBP".to_vec();
        let mut header = vec![IS_ANIMATED, 0, 0, 0];
        header.extend(three_bytes(width - 1));
        header.extend(three_bytes(height - 1));
        chunk(&mut body, b"VP8X", &header);
        // A background that nothing shows, and for ever.
        chunk(&mut body, b"ANIM", &[0; 6]);
        for index in 0..film.n_frames() {
            if !proceed(index) {
                stop = Some(FilmStop::Cancelled);
                return Err(io::ErrorKind::Interrupted.into());
            }
            let frame = match film.frame(index) {
                Ok(frame) => frame,
                Err(error) => {
                    stop = Some(FilmStop::Frame(error));
                    return Err(io::ErrorKind::InvalidData.into());
                }
            };
            let mut still = Vec::new();
            WebPEncoder::new_lossless(&mut still)
                .encode(frame.as_raw(), width, height, ExtendedColorType::Rgb8)
                .map_err(io_from_image)?;
            let delay = film.rate.delay(index, 1000).min(MAX_DELAY_MS) as u32;
            // At the upper left corner.
            let mut contents = vec![0; 6];
            contents.extend(three_bytes(width - 1));
            contents.extend(three_bytes(height - 1));
            contents.extend(three_bytes(delay));
            contents.push(NO_BLENDING);
            // What follows the header of the still picture's file: the chunk of its pixels.
            contents.extend(still.get(12..).unwrap_or_default());
            chunk(&mut body, b"ANMF", &contents);
        }
        writer.write_all(b"RIFF")?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_le_bytes())?;
        writer.write_all(&body)
    });
    FilmStop::or(stop, written)
}

fn three_bytes(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

/// A chunk of a RIFF file: its name, its length, its contents, filled up to an even number of bytes.
fn chunk(to: &mut Vec<u8>, name: &[u8; 4], contents: &[u8]) {
    to.extend(name);
    to.extend((contents.len() as u32).to_le_bytes());
    to.extend(contents);
    if contents.len() % 2 == 1 {
        to.push(0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::webp::WebPDecoder;
    use image::{AnimationDecoder, RgbImage};

    use super::super::film::tests::{film, pictures};
    use super::*;

    #[test]
    fn every_frame_comes_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.webp");
        let mut pictures = pictures(3);
        pictures[1] = RgbImage::from_fn(12, 10, |x, y| image::Rgb([x as u8 * 20, y as u8 * 25, 3]));
        let order = [0, 1, 2, 1];
        write_webp(&path, &film(&pictures, &order), &mut |_| true).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let decoder = WebPDecoder::new(Cursor::new(bytes)).unwrap();
        assert!(decoder.has_animation());
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 4);
        for (read, &at) in read.iter().zip(&order) {
            assert_eq!(read.delay().numer_denom_ms().0, 70);
            let rgb = image::DynamicImage::from(read.buffer().clone()).to_rgb8();
            assert_eq!(rgb, pictures[at]);
        }
    }
}
