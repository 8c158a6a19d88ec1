//! Between 8-bit pixels and the model's input.
//!
//! `x = floor(u8 / 2^(8 - bits)) / 2^bits - 0.5`, plus a place in the bin; back,
//! `clamp(floor((x + 0.5) 2^bits) 256 / 2^bits, 0, 255)`.

use image::{Rgb, RgbImage};

use super::ModelError;
use crate::config::GlowConfig;
use crate::noise::Noise;

/// What stands where a value is not finite: the grey of an empty frame, never black, which a photo may hold. How many
/// there are is counted beside it.
const NOT_FINITE: Rgb<u8> = Rgb([128, 128, 128]);

/// Model input `[c, h, w]` from bytes `[h, w, c]`: in the middle of each bin, or anywhere in it where noise
/// is given (training and likelihood).
pub fn x_from_bytes(bytes: &[u8], config: &GlowConfig, mut noise: Option<&mut Noise>) -> Vec<f32> {
    let (c, pixels) = (config.channels, config.image_size * config.image_size);
    let (bins, shift) = (config.bins(), 8 - config.bits);
    let mut x = vec![0.0; c * pixels];
    for (p, pixel) in bytes.chunks_exact(c).enumerate() {
        for (ch, &v) in pixel.iter().enumerate() {
            let place = noise.as_mut().map_or(0.5, |n| n.uniform());
            x[ch * pixels + p] = (f32::from(v >> shift) + place) / bins - 0.5;
        }
    }
    x
}

/// Bytes `[h, w, c]` of a picture, as the model's channels want them.
///
/// Errors: another size than the model's.
pub fn bytes_from_picture(picture: &RgbImage, config: &GlowConfig) -> Result<Vec<u8>, ModelError> {
    let size = config.image_size as u32;
    if picture.dimensions() != (size, size) {
        let (w, h) = picture.dimensions();
        return Err(ModelError::Shape {
            what: "picture".into(),
            expected: format!("{size}x{size}"),
            found: format!("{w}x{h}"),
        });
    }
    if config.channels == 3 {
        return Ok(picture.as_raw().clone());
    }
    // Rec. 601 luma with Pillow's rounding, to the last bit as training makes its grey pictures.
    let luma = |p: &Rgb<u8>| {
        let [r, g, b] = p.0.map(u32::from);
        ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
    };
    Ok(picture.pixels().map(luma).collect())
}

/// The picture of a model output `[c, h, w]`, and how many of its numbers are not finite.
pub fn picture_from_x(x: &[f32], config: &GlowConfig) -> (RgbImage, usize) {
    let (size, pixels, bins) = (
        config.image_size,
        config.image_size * config.image_size,
        config.bins(),
    );
    let byte = |v: f32| (((v + 0.5) * bins).floor() * (256.0 / bins)).clamp(0.0, 255.0) as u8;
    let non_finite = x.iter().filter(|v| !v.is_finite()).count();
    let picture = RgbImage::from_fn(size as u32, size as u32, |column, row| {
        let p = row as usize * size + column as usize;
        let at = |ch: usize| x[ch.min(config.channels - 1) * pixels + p];
        let values = [at(0), at(1), at(2)];
        if values.iter().all(|v| v.is_finite()) {
            Rgb(values.map(byte))
        } else {
            NOT_FINITE
        }
    });
    (picture, non_finite)
}

/// The largest of values that are at least 0; NaN wins, so that it cannot be overlooked.
pub fn worst(values: impl IntoIterator<Item = f64>) -> f64 {
    let larger = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
    values.into_iter().fold(0.0, larger)
}

/// `max |a - b|`; NaN where a value is not a number, or where there are more of one than of the other.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return f64::NAN;
    }
    let pairs = a.iter().zip(b);
    worst(pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Permutation;
    use crate::latent::tests::tiny_config;

    fn config(bits: u32, channels: usize) -> GlowConfig {
        GlowConfig {
            image_size: 16,
            channels,
            levels: 1,
            width: 1,
            permutation: Permutation::Reverse,
            bits,
            ..tiny_config()
        }
    }

    #[test]
    fn pixels_survive_the_way_there_and_back_up_to_their_bits() {
        for bits in 1..=8 {
            let config = config(bits, 3);
            let picture = RgbImage::from_fn(16, 16, |x, y| {
                Rgb([(y * 16 + x) as u8, x as u8 * 9, 255 - y as u8])
            });
            let bytes = bytes_from_picture(&picture, &config).unwrap();
            for mut noise in [None, Some(Noise::new(1))] {
                let x = x_from_bytes(&bytes, &config, noise.as_mut());
                assert!(x.iter().all(|v| (-0.5..0.5).contains(v)));
                let (back, non_finite) = picture_from_x(&x, &config);
                assert_eq!(non_finite, 0);
                let kept = 0xffu8 << (8 - bits);
                assert!(
                    back.as_raw()
                        .iter()
                        .zip(picture.as_raw())
                        .all(|(a, b)| *a == *b & kept),
                    "{bits} bits"
                );
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_flagged_and_not_black() {
        let config = config(5, 1);
        let mut x = vec![0.0; 256];
        x[3] = f32::NAN;
        x[4] = f32::INFINITY;
        x[5] = 7.0;
        let (picture, non_finite) = picture_from_x(&x, &config);
        assert_eq!(non_finite, 2);
        assert_eq!(picture.get_pixel(3, 0), &NOT_FINITE);
        assert_eq!(picture.get_pixel(5, 0), &Rgb([255; 3]));
    }

    #[test]
    fn a_difference_that_is_not_a_number_wins() {
        assert_eq!(largest_difference(&[0.0, 1.0], &[0.5, 1.25]), 0.5);
        assert!(largest_difference(&[f32::NAN, 0.0], &[0.0, 1.0]).is_nan());
        assert!(largest_difference(&[0.0, f32::NAN], &[9.0, 1.0]).is_nan());
        assert!(largest_difference(&[0.0], &[]).is_nan());
        assert!(worst([f64::NAN, 3.0]).is_nan());
        assert_eq!(worst([]), 0.0);
    }
}
