//! Films: pictures in an order, at a rate, in the format that the file's name says.

use std::borrow::Cow;
use std::path::Path;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::layout::{compose, enlarge};
use super::{ExportError, check_frames};

/// Colour round labels.
const BACKGROUND: [u8; 3] = [255; 3];

/// Frames a second, as a fraction: `frames` in `seconds` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Frames.
    pub frames: u32,
    /// Seconds that they take.
    pub seconds: u32,
}

impl Rate {
    /// So many frames each second.
    pub fn per_second(frames: u32) -> Self {
        Self { frames, seconds: 1 }
    }

    /// Frames that stay for so many hundredths of a second.
    pub fn of_delay(delay_cs: u16) -> Self {
        Self {
            frames: 100,
            seconds: delay_cs.into(),
        }
    }

    /// Neither part 0, and short enough for the formats' own fields.
    fn sane(self) -> Self {
        let part = |v: u32| v.clamp(1, u16::MAX.into());
        Self {
            frames: part(self.frames),
            seconds: part(self.seconds),
        }
    }

    /// When frame `index` begins, in `units` a second. Rounded from the start of the film, so that what rounding takes
    /// from one frame it gives to another.
    fn start(self, index: usize, units: u64) -> u64 {
        let Self { frames, seconds } = self.sane();
        let (frames, seconds) = (u128::from(frames), u128::from(seconds));
        let at = index as u128 * u128::from(units) * seconds;
        ((2 * at + frames) / (2 * frames)) as u64
    }

    /// How long frame `index` stays, in `units` a second.
    pub(super) fn delay(self, index: usize, units: u64) -> u64 {
        self.start(index + 1, units) - self.start(index, units)
    }
}

/// Formats of films.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilmFormat {
    /// 256 colours, plays everywhere.
    Gif,
    /// Animated PNG: every colour, for browsers.
    Apng,
    /// Animated WebP without loss: every colour, smaller than APNG, for browsers.
    WebP,
    /// H.264 through the ffmpeg that is installed.
    Mp4,
}

impl FilmFormat {
    /// The format that a file's name says.
    ///
    /// Errors: another ending.
    pub fn of_path(path: &Path) -> Result<Self, ExportError> {
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        match extension.as_ref().and_then(|e| e.to_str()) {
            Some("gif") => Ok(Self::Gif),
            Some("png" | "apng") => Ok(Self::Apng),
            Some("webp") => Ok(Self::WebP),
            Some("mp4") => Ok(Self::Mp4),
            _ => Err(ExportError::FilmFormat {
                path: path.display().to_string(),
            }),
        }
    }

    /// The most frames a second that players keep to.
    pub fn max_fps(self) -> u32 {
        match self {
            // Delays of one hundredth are taken for ten.
            Self::Gif => 50,
            Self::Apng | Self::WebP | Self::Mp4 => 60,
        }
    }
}

/// A film. It loops for ever where the format can say so.
#[derive(Clone, Copy, Debug)]
pub struct Film<'a> {
    /// The pictures, all of one size.
    pub pictures: &'a [RgbImage],
    /// For each frame, the place of its picture.
    pub order: &'a [usize],
    /// How fast they follow each other.
    pub rate: Rate,
    /// Enlargement of each picture, smooth.
    pub scale: u32,
    /// A line under each picture, where there are any.
    pub labels: &'a [String],
}

impl<'a> Film<'a> {
    /// Pixels of a frame.
    ///
    /// Errors: no frame, pictures of several sizes, a frame that names no picture.
    pub fn size(&self) -> Result<(u32, u32), ExportError> {
        check_frames(self.pictures)?;
        if self.order.is_empty() || self.order.iter().any(|&i| i >= self.pictures.len()) {
            return Err(ExportError::Nothing);
        }
        Ok(self.frame(0)?.dimensions())
    }

    /// Frames.
    pub fn n_frames(&self) -> usize {
        self.order.len()
    }

    /// A frame as it is written.
    ///
    /// Errors: a frame past what viewers open.
    pub(super) fn frame(&self, index: usize) -> Result<Cow<'a, RgbImage>, ExportError> {
        let at = self.order.get(index).copied().unwrap_or(usize::MAX);
        let picture = self.pictures.get(at).ok_or(ExportError::Nothing)?;
        if self.labels.iter().all(String::is_empty) {
            return Ok(enlarge(picture, self.scale));
        }
        // A space keeps the line's room where one label of several is empty.
        let label = self.labels.get(at).filter(|l| !l.is_empty());
        let label = [label.cloned().unwrap_or_else(|| " ".to_owned())];
        let one = std::slice::from_ref(picture);
        compose(one, 1, 0, self.scale, Some(&label), BACKGROUND).map(Cow::Owned)
    }
}

/// What stops the writing of a film between two frames.
pub(super) enum FilmStop {
    /// The caller's wish.
    Cancelled,
    /// The frame cannot be made.
    Frame(ExportError),
}

impl FilmStop {
    /// The error that the film ends with: its own, or what writing said.
    pub(super) fn or(
        stop: Option<Self>,
        written: Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        match stop {
            Some(Self::Cancelled) => Err(ExportError::Cancelled),
            Some(Self::Frame(error)) => Err(error),
            None => written,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use image::Rgb;

    use super::*;

    /// Pictures of 12 x 10 pixels, each in a colour of its own.
    pub(in crate::export) fn pictures(n: u8) -> Vec<RgbImage> {
        (0..n)
            .map(|i| RgbImage::from_pixel(12, 10, Rgb([i * 60, 255 - i * 60, 30])))
            .collect()
    }

    pub(in crate::export) fn film<'a>(pictures: &'a [RgbImage], order: &'a [usize]) -> Film<'a> {
        Film {
            pictures,
            order,
            rate: Rate::of_delay(7),
            scale: 1,
            labels: &[],
        }
    }

    #[test]
    fn rounding_of_delays_does_not_add_up() {
        let delays = |rate: Rate, n| (0..n).map(|i| rate.delay(i, 100)).collect::<Vec<_>>();
        assert_eq!(delays(Rate::of_delay(7), 3), [7, 7, 7]);
        let third: Vec<u64> = delays(Rate::per_second(30), 30);
        assert_eq!(third.iter().sum::<u64>(), 100);
        assert!(third.iter().all(|d| (3..=4).contains(d)), "{third:?}");
        assert_eq!(Rate::per_second(0).delay(0, 100), 100);
    }

    #[test]
    fn the_name_says_the_format() {
        let of = |name: &str| FilmFormat::of_path(Path::new(name)).ok();
        assert_eq!(of("a.GIF"), Some(FilmFormat::Gif));
        assert_eq!(of("a.apng"), Some(FilmFormat::Apng));
        assert_eq!(of("a.webp"), Some(FilmFormat::WebP));
        assert_eq!(of("a.mp4"), Some(FilmFormat::Mp4));
        assert_eq!((of("a.avi"), of("gif")), (None, None));
        let error = FilmFormat::of_path(Path::new("a.avi")).unwrap_err();
        assert!(error.to_string().contains(".mp4"), "{error}");
    }

    #[test]
    fn labels_make_every_frame_higher_by_the_same() {
        let pictures = pictures(2);
        let labels = ["t 0.5".to_owned(), String::new()];
        let labelled = Film {
            labels: &labels,
            scale: 3,
            ..film(&pictures, &[0, 1])
        };
        let (width, height) = labelled.size().unwrap();
        assert!(width == 36 && height > 40, "{width} {height}");
        assert_eq!(labelled.frame(1).unwrap().dimensions(), (width, height));
    }

    #[test]
    fn films_without_frames_are_refused() {
        let pictures = pictures(2);
        for order in [&[][..], &[0, 2]] {
            assert!(matches!(
                film(&pictures, order).size(),
                Err(ExportError::Nothing)
            ));
        }
        let mut odd = pictures;
        odd.push(RgbImage::new(3, 3));
        assert!(matches!(
            film(&odd, &[0, 1, 2]).size(),
            Err(ExportError::SizesDiffer { index: 2 })
        ));
    }
}
