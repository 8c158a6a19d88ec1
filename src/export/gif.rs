//! Animated GIF: 256 colours a frame, plays everywhere.

use std::io;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, RgbImage};

use super::{ExportError, check_frames, io_from_image, write_atomically};

/// Viewers take shorter delays for ten hundredths.
const MIN_DELAY_CS: u16 = 2;

/// Effort of the palette search, 1 (best) to 30 (fastest), as the encoder counts it.
const PALETTE_SPEED: i32 = 10;

/// Writes a GIF that loops for ever, each frame shown for `delay_cs` hundredths of a second (two
/// at least). `proceed` is asked before each frame, with its number; `false` cancels.
pub fn write_gif(
    path: &Path,
    frames: &[RgbImage],
    delay_cs: u16,
    proceed: &mut dyn FnMut(usize) -> bool,
) -> Result<(), ExportError> {
    let (width, height) = check_frames(frames)?;
    if width > u32::from(u16::MAX) || height > u32::from(u16::MAX) {
        return Err(ExportError::TooLarge {
            width: width.into(),
            height: height.into(),
        });
    }
    let delay_ms = u32::from(delay_cs.max(MIN_DELAY_CS)) * 10;
    let mut cancelled = false;
    let written = write_atomically(path, |writer| {
        let mut encoder = GifEncoder::new_with_speed(writer, PALETTE_SPEED);
        encoder
            .set_repeat(Repeat::Infinite)
            .map_err(io_from_image)?;
        for (index, frame) in frames.iter().enumerate() {
            if !proceed(index) {
                cancelled = true;
                return Err(io::ErrorKind::Interrupted.into());
            }
            let rgba = DynamicImage::from(frame.clone()).into_rgba8();
            let delay = Delay::from_numer_denom_ms(delay_ms, 1);
            encoder
                .encode_frame(Frame::from_parts(rgba, 0, 0, delay))
                .map_err(io_from_image)?;
        }
        Ok(())
    });
    if cancelled {
        return Err(ExportError::Cancelled);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use image::codecs::gif::GifDecoder;
    use image::{AnimationDecoder, Rgb};

    use super::*;

    fn frames(n: u8) -> Vec<RgbImage> {
        (0..n)
            .map(|i| RgbImage::from_pixel(12, 10, Rgb([i * 60, 255 - i * 60, 30])))
            .collect()
    }

    #[test]
    fn frames_and_delays_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let frames = frames(4);
        write_gif(&path, &frames, 7, &mut |_| true).unwrap();
        let decoder = GifDecoder::new(BufReader::new(File::open(&path).unwrap())).unwrap();
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 4);
        for (read, frame) in read.iter().zip(&frames) {
            assert_eq!(read.delay().numer_denom_ms(), (70, 1));
            let (a, b) = (read.buffer().get_pixel(5, 5), frame.get_pixel(5, 5));
            assert!((0..3).all(|c| a.0[c].abs_diff(b.0[c]) < 8), "{a:?} {b:?}");
        }
    }

    #[test]
    fn cancelling_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let result = write_gif(&path, &frames(3), 7, &mut |i| i < 2);
        assert!(matches!(result, Err(ExportError::Cancelled)));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn odd_frames_are_refused() {
        let path = Path::new("never-written.gif");
        let mut odd = frames(2);
        odd.push(RgbImage::new(3, 3));
        assert!(matches!(
            write_gif(path, &odd, 7, &mut |_| true),
            Err(ExportError::SizesDiffer { index: 2 })
        ));
        assert!(matches!(
            write_gif(path, &[], 7, &mut |_| true),
            Err(ExportError::Nothing)
        ));
    }
}
