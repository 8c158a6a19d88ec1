//! Antialiased Lanczos resampling of a square of a picture.

use image::RgbImage;

use super::CropSquare;

/// Lobes of the Lanczos kernel on each side, as in Pillow's `LANCZOS`.
const LOBES: f64 = 3.0;

/// Where one output pixel takes its light from: the first source pixel and a weight for each.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Resamples the square `crop` of `source` to `size` x `size` pixels.
///
/// Reduction is antialiased: the kernel widens with the scale. Inside the picture this is
/// Pillow's `resize(box=..)` without its rounding between the two passes. Pixels of the square
/// that lie outside the picture repeat its edge.
pub(super) fn resample_square(source: &RgbImage, crop: CropSquare, size: u32) -> RgbImage {
    let (width, height) = (source.width() as usize, source.height() as usize);
    if width == 0 || height == 0 || size == 0 {
        return RgbImage::new(size, size);
    }
    let out = size as usize;
    let side = f64::from(crop.side);
    let columns = taps(f64::from(crop.cx) - side / 2.0, side, out, width);
    let rows = taps(f64::from(crop.cy) - side / 2.0, side, out, height);

    // Across first, only for the source rows that the second pass looks at.
    let top = rows.iter().map(|t| t.first).min().unwrap_or(0);
    let bottom = rows
        .iter()
        .map(|t| t.first + t.weights.len())
        .max()
        .unwrap_or(0);
    let mut across = vec![0.0f32; (bottom - top) * out * 3];
    let lines = source.as_raw().chunks_exact(width * 3).skip(top);
    for (line, to) in lines.zip(across.chunks_exact_mut(out * 3)) {
        for (taps, pixel) in columns.iter().zip(to.chunks_exact_mut(3)) {
            let mut sum = [0.0f32; 3];
            let from = line[taps.first * 3..].chunks_exact(3);
            for (w, rgb) in taps.weights.iter().zip(from) {
                for (s, &v) in sum.iter_mut().zip(rgb) {
                    *s += w * f32::from(v);
                }
            }
            pixel.copy_from_slice(&sum);
        }
    }

    let mut result = RgbImage::new(size, size);
    let mut line = vec![0.0f32; out * 3];
    for (taps, to) in rows.iter().zip(result.chunks_exact_mut(out * 3)) {
        line.fill(0.0);
        let from = across.chunks_exact(out * 3).skip(taps.first - top);
        for (w, source_line) in taps.weights.iter().zip(from) {
            for (s, v) in line.iter_mut().zip(source_line) {
                *s += w * v;
            }
        }
        for (byte, v) in to.iter_mut().zip(&line) {
            *byte = v.round().clamp(0.0, 255.0) as u8;
        }
    }
    result
}

/// The taps of `n_out` pixels that cover `start .. start + length` of a line of `n_in` pixels.
fn taps(start: f64, length: f64, n_out: usize, n_in: usize) -> Vec<Taps> {
    let scale = length / n_out as f64;
    let stretch = scale.max(1.0);
    let support = LOBES * stretch;
    (0..n_out)
        .map(|i| {
            // A centre outside the line moves to its edge, which so repeats.
            let centre = (start + (i as f64 + 0.5) * scale).clamp(0.0, n_in as f64);
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).clamp(first + 1, n_in.max(first + 1));
            let first = first.min(n_in - 1);
            let end = end.min(n_in);
            let weights: Vec<f64> = (first..end)
                .map(|j| lanczos((j as f64 + 0.5 - centre) / stretch))
                .collect();
            let total: f64 = weights.iter().sum();
            Taps {
                first,
                weights: weights.iter().map(|w| (w / total) as f32).collect(),
            }
        })
        .collect()
}

fn lanczos(t: f64) -> f64 {
    if t.abs() < LOBES {
        sinc(t) * sinc(t / LOBES)
    } else {
        0.0
    }
}

fn sinc(t: f64) -> f64 {
    if t == 0.0 {
        1.0
    } else {
        let a = t * std::f64::consts::PI;
        a.sin() / a
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(picture: &RgbImage) -> CropSquare {
        CropSquare::centred(picture.width(), picture.height())
    }

    fn noise(size: u32) -> RgbImage {
        RgbImage::from_fn(size, size, |x, y| {
            let v = (x * 7919 + y * 104_729 + x * y * 31) % 256;
            image::Rgb([v as u8, (255 - v) as u8, (v / 2) as u8])
        })
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let picture = noise(16);
        assert_eq!(resample_square(&picture, whole(&picture), 16), picture);
    }

    #[test]
    fn agrees_with_the_image_crate_on_reduction_and_enlargement() {
        let picture = noise(100);
        for size in [32, 250] {
            let ours = resample_square(&picture, whole(&picture), size);
            let theirs = image::imageops::resize(
                &picture,
                size,
                size,
                image::imageops::FilterType::Lanczos3,
            );
            let worst = ours.iter().zip(theirs.iter()).map(|(a, b)| a.abs_diff(*b));
            assert!(worst.max().unwrap() <= 2, "size {size}");
        }
    }

    #[test]
    fn a_square_over_the_border_repeats_the_edge() {
        let picture = RgbImage::from_fn(20, 20, |x, _| {
            image::Rgb(if x < 10 { [200, 0, 0] } else { [0, 0, 90] })
        });
        let crop = CropSquare {
            cx: 0.0,
            cy: 0.0,
            side: 20.0,
        };
        let out = resample_square(&picture, crop, 20);
        assert_eq!(out.get_pixel(0, 0).0, [200, 0, 0]);
        assert_eq!(out.get_pixel(0, 19).0, [200, 0, 0]);
        // Far away from the picture nothing but its corner is left.
        let far = CropSquare {
            cx: 1000.0,
            cy: -1000.0,
            side: 10.0,
        };
        let out = resample_square(&picture, far, 8);
        assert!(out.pixels().all(|p| p.0 == [0, 0, 90]));
    }
}
