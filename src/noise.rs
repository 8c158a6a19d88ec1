//! Seeded random numbers that mean the same on every machine and in every version.
//!
//! candle's CPU generator cannot be seeded and `StdRng` may change between versions, so everything random
//! here comes from ChaCha8, a fixed algorithm, and from our own Box-Muller transform. Two 64-bit words `a`, `b`
//! make two normals: `u1 = ((a >> 11) + 1) / 2^53`, `u2 = (b >> 11) / 2^53`, `r = sqrt(-2 ln u1)`, then
//! `r cos(2 pi u2)` and `r sin(2 pi u2)`, each computed in f64 and rounded to f32. The standard library leaves the
//! last bits of `ln`, `sin` and `cos` to the platform, so they are written out with operations that IEEE 754 fixes
//! completely.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Keeps the streams for different uses of one seed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoisePurpose {
    /// Samples of a grid.
    Sample = 0,
    /// Noise of a variation.
    Variation = 1,
    /// The order of a train and held-out split.
    Split = 2,
    /// Windows of pictures, and the noise below them, that a detail stage learns from.
    Window = 3,
}

/// A seeded stream of numbers.
pub struct Noise {
    rng: ChaCha8Rng,
    spare: Option<f32>,
}

impl Noise {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            spare: None,
        }
    }

    /// One of 2^64 independent streams of a seed.
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        let mut noise = Self::new(seed);
        noise.rng.set_stream(stream);
        noise
    }

    /// Stream `index` of a seed, for one purpose: ChaCha's key is the seed as 8 little-endian bytes, then the
    /// purpose's byte, then 23 zero bytes.
    pub(crate) fn of(purpose: NoisePurpose, seed: u64, index: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = purpose as u8;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(index);
        Self { rng, spare: None }
    }

    /// Uniform in `[0, 1)`, 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Passes over so many numbers that [`Noise::uniform`] would have given.
    pub fn skip_uniforms(&mut self, n: u64) {
        // Each takes one word of the generator.
        let at = self.rng.get_word_pos();
        self.rng.set_word_pos(at + u128::from(n));
    }

    /// A whole number below `n` (multiply-shift; its bias is below `n / 2^64`).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.rng.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal, by Box and Muller in double precision.
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        const UNIT: f64 = 1.0 / (1u64 << 53) as f64;
        // In (0, 1]: the logarithm is finite.
        let u1 = ((self.rng.next_u64() >> 11) + 1) as f64 * UNIT;
        let u2 = (self.rng.next_u64() >> 11) as f64 * UNIT;
        let radius = (-2.0 * ln(u1)).sqrt();
        let (sin, cos) = sin_cos_turns(u2);
        self.spare = Some((radius * sin) as f32);
        (radius * cos) as f32
    }

    /// Fills with standard normals.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        out.iter_mut().for_each(|v| *v = self.normal());
    }

    /// Puts items in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Natural logarithm of a positive normal number: `ln(m 2^e)` with `m` near 1, by the series of
/// `2 atanh((m - 1) / (m + 1))`.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > 2.0 * FRAC_1_SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    // |s| <= 0.1716, so that s^24 / 25 is below 2e-20.
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let mut sum = 0.0;
    for k in (0..12).rev() {
        sum = sum * s2 + 1.0 / f64::from(2 * k + 1);
    }
    exponent as f64 * LN_2 + 2.0 * s * sum
}

/// Sine and cosine of `2 pi u` for `u` in `0..1`: the nearest eighth of a turn is taken out, the rest
/// is a Taylor series.
fn sin_cos_turns(u: f64) -> (f64, f64) {
    let quarter = (u * 4.0 + 0.5).floor();
    let a = (u - quarter * 0.25) * (2.0 * PI); // -pi/4..pi/4
    let a2 = a * a;
    let (mut sin, mut cos) = (0.0, 0.0);
    for k in (0..10).rev() {
        let k = f64::from(k);
        sin = 1.0 - sin * a2 / ((2.0 * k + 2.0) * (2.0 * k + 3.0));
        cos = 1.0 - cos * a2 / ((2.0 * k + 1.0) * (2.0 * k + 2.0));
    }
    let sin = sin * a;
    match quarter as i64 % 4 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_mean_zero_and_variance_one_and_repeat() {
        let mut values = vec![0.0; 40_000];
        Noise::with_stream(7, 3).fill_normal(&mut values);
        let n = values.len() as f32;
        let mean = values.iter().sum::<f32>() / n;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / n;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
        let mut again = vec![0.0; 40_000];
        Noise::with_stream(7, 3).fill_normal(&mut again);
        assert_eq!(values, again);
        Noise::with_stream(7, 4).fill_normal(&mut again);
        assert_ne!(values, again);
    }

    #[test]
    fn numbers_passed_over_are_those_that_would_have_come() {
        for n in [0usize, 1, 15, 16, 63, 64, 65, 1000, 12_288] {
            let mut drawn = Noise::with_stream(3, 1 << 32);
            let mut passed = Noise::with_stream(3, 1 << 32);
            for part in [n, 7] {
                (0..part).for_each(|_| _ = drawn.uniform());
                passed.skip_uniforms(part as u64);
                assert_eq!(drawn.uniform(), passed.uniform(), "{n}");
            }
        }
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        Noise::new(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn own_functions_agree_with_the_library() {
        for i in 1..2000 {
            let u = f64::from(i) / 2000.0;
            assert!((ln(u) - u.ln()).abs() < 4e-15, "ln {u}");
            assert!((ln(u * 1e-12) - (u * 1e-12).ln()).abs() < 1e-14);
            let (sin, cos) = sin_cos_turns(u);
            let (s, c) = (2.0 * PI * u).sin_cos();
            assert!((sin - s).abs() < 2e-15 && (cos - c).abs() < 2e-15, "{u}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn moments_are_those_of_a_standard_normal() {
        let mut noise = Noise::of(NoisePurpose::Sample, 5, 0);
        let n = 200_000;
        let (mut m1, mut m2, mut m4) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = f64::from(noise.normal());
            m1 += x;
            m2 += x * x;
            m4 += x * x * x * x;
        }
        let n = f64::from(n);
        assert!((m1 / n).abs() < 0.01);
        assert!((m2 / n - 1.0).abs() < 0.02);
        assert!((m4 / n - 3.0).abs() < 0.1);
    }

    #[test]
    fn below_stays_below() {
        let mut noise = Noise::of(NoisePurpose::Split, 1, 0);
        let mut seen = [false; 7];
        for _ in 0..200 {
            seen[noise.below(7)] = true;
        }
        assert_eq!(seen, [true; 7]);
    }
}
