//! Animated GIF: 256 colours for the whole film, plays everywhere.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use gif::{Encoder, EncodingError, Frame, Repeat};

use super::film::{Film, FilmStop};
use super::palette::Palette;
use super::{ExportError, write_atomically};

/// Viewers take shorter delays for ten hundredths.
const MIN_DELAY_CS: u64 = 2;

/// Writes a GIF that loops for ever. All frames share one palette, chosen for the film: with one each, areas that do not
/// change would flicker.
///
/// Errors: as [`write_film`](super::film_file::write_film).
pub(super) fn write_gif(
    path: &Path,
    film: &Film<'_>,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    let (width, height) = film.size()?;
    let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(ExportError::TooLarge {
            width: width.into(),
            height: height.into(),
        });
    };
    // What labels and enlargement add lies between these colours, or is nearly black or white.
    let mut palette = Palette::of(film.pictures, film.labels.iter().any(|l| !l.is_empty()));
    let mut stop = None;
    let written = write_atomically(path, |writer| {
        let mut encoder = Encoder::new(writer, w, h, &palette.bytes()).map_err(io_from_gif)?;
        encoder.set_repeat(Repeat::Infinite).map_err(io_from_gif)?;
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
            let delay = film.rate.delay(index, 100).max(MIN_DELAY_CS);
            let frame = Frame {
                width: w,
                height: h,
                delay: u16::try_from(delay).unwrap_or(u16::MAX),
                buffer: Cow::Owned(palette.indices(&frame)),
                ..Frame::default()
            };
            encoder.write_frame(&frame).map_err(io_from_gif)?;
        }
        Ok(())
    });
    FilmStop::or(stop, written)
}

/// An encoder's error as one of the system, whose kind says whether the disk is full.
fn io_from_gif(error: EncodingError) -> io::Error {
    match error {
        EncodingError::Io(e) => e,
        e => io::Error::other(e),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::super::film::tests::{film, pictures};
    use super::*;

    #[test]
    fn frames_come_back_in_order_with_their_delays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let (pictures, order) = (pictures(4), [0, 1, 2, 3, 2, 1]);
        write_gif(&path, &film(&pictures, &order), &mut |_| true).unwrap();
        let decoder = GifDecoder::new(BufReader::new(File::open(&path).unwrap())).unwrap();
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 6);
        for (read, &at) in read.iter().zip(&order) {
            assert_eq!(read.delay().numer_denom_ms(), (70, 1));
            let (a, b) = (read.buffer().get_pixel(5, 5), pictures[at].get_pixel(5, 5));
            assert_eq!(a.0[..3], b.0, "four colours need no compromise");
        }
    }

    #[test]
    fn cancelling_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let pictures = pictures(3);
        let result = write_gif(&path, &film(&pictures, &[0, 1, 2]), &mut |i| i < 2);
        assert!(matches!(result, Err(ExportError::Cancelled)));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
