//! Seeded random numbers that mean the same on every machine and in every version.
//!
//! candle's CPU generator cannot be seeded and `StdRng` may change between versions, so everything random
//! here comes from ChaCha8 (a fixed algorithm) and from our own Box-Muller transform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

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

    /// Uniform in `[0, 1)`, 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32
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
        // 53 bits in (0, 1]: the logarithm is finite.
        let u = ((self.rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let angle =
            std::f64::consts::TAU * ((self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64);
        let radius = (-2.0 * u.ln()).sqrt();
        self.spare = Some((radius * angle.sin()) as f32);
        (radius * angle.cos()) as f32
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
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        Noise::new(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
