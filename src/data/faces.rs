//! Finding upright frontal faces with `rustface`, a port of SeetaFace's detector, whose model the
//! build script takes from that crate.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbImage};
use rustface::{Detector, ImageData, Model};

use super::CropSquare;
use super::resample::resample_square;

static MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/face_model.bin"));

/// The detector's window: the smallest face that it sees, in pixels of what it is shown.
const WINDOW: u32 = 40;
/// The longest side that the detector is shown; larger pictures are reduced to it. The smallest
/// face found so has a sixteenth of the longest side.
const LONGEST_SHOWN: u32 = 640;
/// The shortest side that it is shown; smaller pictures, such as the model's, are enlarged.
const SHORTEST_SHOWN: u32 = 192;
/// Edge pixels repeated around the picture, as a share of its longest side: a face that fills the
/// picture would not fit the detector's window otherwise.
const MARGIN: f32 = 0.15;
/// Detections below this are mostly not faces. The detector's authors name 0.95 to 4.5.
const MIN_SCORE: f64 = 2.0;
/// Side of a closer look, in sides of the face's box.
const CLOSE_VIEW: f32 = 1.6;
/// Sizes of the closer looks: they divide the detector's step between two scales evenly.
const CLOSE_SIZES: [u32; 3] = [211, 240, 273];

/// A face, in pixels of the picture it was found in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaceBox {
    /// Left edge; may lie outside the picture.
    pub x: f32,
    /// Upper edge; may lie outside the picture.
    pub y: f32,
    /// Width and height.
    pub side: f32,
    /// The detector's confidence, 2 and more.
    pub score: f32,
}

impl FaceBox {
    /// The middle of the box.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.side / 2.0, self.y + self.side / 2.0)
    }
}

/// The faces of a picture, best first: large, confident, near the middle. Pictures of any size
/// from a few pixels, so also the model's own; never panics, finds nothing where it cannot look.
pub fn detect(rgb: &RgbImage) -> Vec<FaceBox> {
    let Some(shown) = ShownCopy::new(rgb) else {
        return Vec::new();
    };
    let (width, height) = rgb.dimensions();
    let mut faces: Vec<FaceBox> = shown
        .detections()
        .into_iter()
        .filter(|f| {
            // A face whose middle lies in the repeated edge is none.
            let (cx, cy) = f.centre();
            (0.0..width as f32).contains(&cx) && (0.0..height as f32).contains(&cy)
        })
        .collect();
    let weight = |f: &FaceBox| {
        let (cx, cy) = f.centre();
        let dx = cx / width as f32 - 0.5;
        let dy = cy / height as f32 - 0.5;
        f.side * f.score.max(0.1).sqrt() * (1.0 - 0.5 * (dx * dx + dy * dy).sqrt())
    };
    faces.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    faces
}

/// The box of a face, measured again at several sizes and averaged.
///
/// The detector looks at steps of a tenth of a window and a quarter in scale, so the box of one
/// look jumps; averaging takes a third of that away. A face that the closer looks do not find
/// stays as it is.
pub fn refine(rgb: &RgbImage, face: FaceBox) -> FaceBox {
    let (cx, cy) = face.centre();
    let side = face.side * CLOSE_VIEW;
    let crop = CropSquare { cx, cy, side };
    let mut n = 0.0;
    let (mut sum_x, mut sum_y, mut sum_side) = (0.0, 0.0, 0.0);
    for size in CLOSE_SIZES {
        let scale = side / size as f32;
        let same_face = |found: &FaceBox| {
            let (x, y) = found.centre();
            let off = face.side * 0.3 / scale;
            let middle = size as f32 / 2.0;
            (x - middle).abs() < off
                && (y - middle).abs() < off
                && (0.7..1.4).contains(&(found.side * scale / face.side))
        };
        let view = resample_square(rgb, crop, size);
        let found = detect(&view).into_iter().filter(same_face);
        if let Some(found) = found.max_by(|a, b| a.score.total_cmp(&b.score)) {
            let (x, y) = found.centre();
            sum_x += x * scale;
            sum_y += y * scale;
            sum_side += found.side * scale;
            n += 1.0;
        }
    }
    if n == 0.0 {
        return face;
    }
    let refined_side = sum_side / n;
    FaceBox {
        x: cx + (sum_x / n - side / 2.0) - refined_side / 2.0,
        y: cy + (sum_y / n - side / 2.0) - refined_side / 2.0,
        side: refined_side,
        score: face.score,
    }
}

/// How many faces a picture shows.
pub fn count(rgb: &RgbImage) -> usize {
    detect(rgb).len()
}

/// Whether a picture, such as a sample of the model, shows a face.
pub fn has_face(rgb: &RgbImage) -> bool {
    count(rgb) > 0
}

/// The grey, padded copy that the detector sees, and the way back.
struct ShownCopy {
    grey: GrayImage,
    /// Shown pixels per picture pixel.
    scale: [f32; 2],
    margin: u32,
}

impl ShownCopy {
    fn new(rgb: &RgbImage) -> Option<Self> {
        let (width, height) = rgb.dimensions();
        if width == 0 || height == 0 {
            return None;
        }
        let longest = width.max(height) as f32;
        let shortest = width.min(height) as f32;
        let scale = (SHORTEST_SHOWN as f32 / shortest)
            .max(1.0)
            .min(LONGEST_SHOWN as f32 / longest);
        let to_width = ((width as f32 * scale).round() as u32).max(1);
        let to_height = ((height as f32 * scale).round() as u32).max(1);
        let grey = imageops::grayscale(rgb);
        let filter = if scale < 1.0 {
            FilterType::Triangle
        } else {
            FilterType::CatmullRom
        };
        let grey = if (to_width, to_height) == (width, height) {
            grey
        } else {
            imageops::resize(&grey, to_width, to_height, filter)
        };
        let margin = (to_width.max(to_height) as f32 * MARGIN) as u32;
        let inside = |v: u32, extent: u32| v.saturating_sub(margin).min(extent - 1);
        let padded = GrayImage::from_fn(to_width + 2 * margin, to_height + 2 * margin, |x, y| {
            *grey.get_pixel(inside(x, to_width), inside(y, to_height))
        });
        // Below its window the detector would count backwards from zero.
        (padded.width().min(padded.height()) >= WINDOW).then_some(Self {
            grey: padded,
            scale: [
                to_width as f32 / width as f32,
                to_height as f32 / height as f32,
            ],
            margin,
        })
    }

    fn detections(&self) -> Vec<FaceBox> {
        let image = ImageData::new(&self.grey, self.grey.width(), self.grey.height());
        let found = with_detector(|detector| detector.detect(&image)).unwrap_or_default();
        let margin = self.margin as f32;
        found
            .iter()
            .map(|face| {
                let b = face.bbox();
                FaceBox {
                    x: (b.x() as f32 - margin) / self.scale[0],
                    y: (b.y() as f32 - margin) / self.scale[1],
                    side: b.width() as f32 / self.scale[0],
                    score: face.score() as f32,
                }
            })
            .collect()
    }
}

/// Runs this thread's detector; `None` where it does not load or panics.
fn with_detector<T>(work: impl FnOnce(&mut dyn Detector) -> T) -> Option<T> {
    // The parsed model is shared; a detector has buffers of its own and stays on its thread.
    static PARSED: OnceLock<Option<Model>> = OnceLock::new();
    thread_local! {
        static DETECTOR: RefCell<Option<Box<dyn Detector>>> = const { RefCell::new(None) };
    }
    DETECTOR.with(|cell| {
        let mut cell = cell.try_borrow_mut().ok()?;
        if cell.is_none() {
            let model = PARSED
                .get_or_init(|| rustface::read_model(MODEL).ok())
                .clone()?;
            let mut detector = rustface::create_detector_with_model(model);
            detector.set_min_face_size(WINDOW);
            detector.set_score_thresh(MIN_SCORE);
            detector.set_pyramid_scale_factor(0.8);
            detector.set_slide_window_step(4, 4);
            *cell = Some(detector);
        }
        let detector = cell.as_mut()?;
        let result = catch_unwind(AssertUnwindSafe(|| work(detector.as_mut())));
        if result.is_err() {
            // Its buffers may be in any state.
            *cell = None;
        }
        result.ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::crop::apply_crop;
    use crate::data::test_pictures;

    #[test]
    fn the_model_loads() {
        assert!(with_detector(|_| ()).is_some());
    }

    #[test]
    fn no_face_in_no_picture() {
        assert!(detect(&RgbImage::new(0, 0)).is_empty());
        assert!(detect(&RgbImage::new(1, 1)).is_empty());
        assert!(detect(&RgbImage::new(3000, 2)).is_empty());
        let gradient = RgbImage::from_fn(200, 150, |x, y| image::Rgb([x as u8, y as u8, 90]));
        assert!(!has_face(&gradient));
    }

    #[test]
    fn boxes_are_in_pixels_of_the_picture() {
        let Some(pictures) = test_pictures(8) else {
            return;
        };
        for picture in pictures {
            // The face in the lower right quarter of a large grey picture.
            let mut large = RgbImage::from_pixel(900, 700, image::Rgb([120, 120, 120]));
            imageops::replace(&mut large, &picture, 600, 400);
            let (Some(small), Some(placed)) = (
                detect(&picture).first().copied(),
                detect(&large).first().copied(),
            ) else {
                continue;
            };
            let tolerance = 0.2 * small.side;
            assert!(
                (placed.x - 600.0 - small.x).abs() < tolerance,
                "{placed:?} {small:?}"
            );
            assert!(
                (placed.y - 400.0 - small.y).abs() < tolerance,
                "{placed:?} {small:?}"
            );
            assert!(
                (placed.side - small.side).abs() < 1.5 * tolerance,
                "{placed:?} {small:?}"
            );
        }
    }

    #[test]
    fn a_refined_box_jumps_less() {
        let Some(pictures) = test_pictures(24) else {
            return;
        };
        // The same picture a little larger: the boxes should agree.
        let (mut plain, mut refined) = (0.0, 0.0);
        for picture in &pictures {
            let larger = resample_square(picture, CropSquare::centred(200, 200), 274);
            let (Some(&a), Some(&b)) = (detect(picture).first(), detect(&larger).first()) else {
                continue;
            };
            let apart = |a: FaceBox, b: FaceBox| (a.side - b.side * 200.0 / 274.0).powi(2);
            plain += apart(a, b);
            refined += apart(refine(picture, a), refine(&larger, b));
        }
        assert!(refined < plain, "{refined} against {plain}");
    }

    #[test]
    fn a_face_that_is_not_found_again_stays() {
        let face = FaceBox {
            x: 10.0,
            y: 20.0,
            side: 30.0,
            score: 5.0,
        };
        assert_eq!(refine(&RgbImage::new(90, 90), face), face);
    }

    #[test]
    fn most_faces_are_found_at_the_size_of_the_model() {
        let Some(pictures) = test_pictures(40) else {
            return;
        };
        let found = pictures
            .iter()
            .filter(|p| has_face(&apply_crop(p, CropSquare::centred(200, 200), 64)))
            .count();
        assert!(found >= 30, "{found} of 40");
    }
}
