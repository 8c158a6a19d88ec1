//! How standard normal the numbers of a level are: moments and a histogram.

use super::LevelEps;

/// Bins of a histogram.
pub const BINS: usize = 48;
/// Half the width of a histogram: it runs from `-REACH` to `REACH`.
pub const REACH: f32 = 4.0;

/// Figures of one level's eps, which under the model are independent N(0, 1).
#[derive(Clone, Debug, PartialEq)]
pub struct LevelStatistics {
    /// Numbers in the level.
    pub count: usize,
    /// Their mean; 0 under N(0, 1).
    pub mean: f64,
    /// Their standard deviation; 1 under N(0, 1).
    pub std: f64,
    /// The mean of their squares; 1 under N(0, 1).
    pub energy: f64,
    /// The share of them beyond three standard deviations; 0.0027 under N(0, 1).
    pub beyond_three: f64,
    /// The share in each bin, over its width: a density, so that it lies on that of N(0, 1). What is beyond
    /// [`REACH`] counts in the outermost bins.
    pub density: Vec<f32>,
}

impl LevelStatistics {
    /// The figures of a level. Numbers that are not finite make the moments so, and are in no bin.
    pub fn of(level: &LevelEps) -> Self {
        let count = level.data.len();
        let n = count.max(1) as f64;
        let (mut sum, mut squares, mut beyond) = (0.0, 0.0, 0usize);
        let mut bins = [0usize; BINS];
        for &v in &level.data {
            sum += f64::from(v);
            squares += f64::from(v).powi(2);
            beyond += usize::from(v.abs() > 3.0);
            if v.is_finite() {
                let at = (v + REACH) / (2.0 * REACH) * BINS as f32;
                bins[(at.max(0.0) as usize).min(BINS - 1)] += 1;
            }
        }
        let mean = sum / n;
        let energy = squares / n;
        let width = f64::from(2.0 * REACH) / BINS as f64;
        Self {
            count,
            mean,
            std: (energy - mean * mean).max(0.0).sqrt(),
            energy,
            beyond_three: beyond as f64 / n,
            density: bins.map(|b| (b as f64 / n / width) as f32).to_vec(),
        }
    }

    /// The middle of a histogram's bin.
    pub fn middle_of_bin(bin: usize) -> f32 {
        (bin as f32 + 0.5) / BINS as f32 * 2.0 * REACH - REACH
    }

    /// The density of N(0, 1).
    pub fn normal_density(v: f32) -> f32 {
        (-0.5 * v * v).exp() / (2.0 * std::f32::consts::PI).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::LatentShape;
    use crate::latent::temperature::sample;
    use crate::latent::tests::tiny_shape;

    #[test]
    fn a_drawn_level_is_standard_normal() {
        let shape: LatentShape = tiny_shape();
        let mut data = Vec::new();
        for index in 0..100 {
            data.extend_from_slice(&sample(&shape, 1, index).levels[0].data);
        }
        let level = LevelEps {
            channels: 1,
            side: 1,
            data,
        };
        let s = LevelStatistics::of(&level);
        assert_eq!(s.count, 9600);
        assert!(s.mean.abs() < 0.05 && (s.std - 1.0).abs() < 0.03, "{s:?}");
        assert!(s.beyond_three < 0.006, "{s:?}");
        let mass: f32 = s.density.iter().sum::<f32>() * 2.0 * REACH / BINS as f32;
        assert!((mass - 1.0).abs() < 1e-4, "{mass}");
        for (bin, density) in s.density.iter().enumerate() {
            let expected = LevelStatistics::normal_density(LevelStatistics::middle_of_bin(bin));
            assert!(
                (density - expected).abs() < 0.08,
                "{bin}: {density} {expected}"
            );
        }
    }

    #[test]
    fn numbers_that_are_not_finite_show() {
        let level = LevelEps {
            channels: 1,
            side: 2,
            data: vec![1.0, f32::NAN, 9.0, -9.0],
        };
        let s = LevelStatistics::of(&level);
        assert!(s.mean.is_nan());
        assert!(s.density[0] > 0.0 && s.density[BINS - 1] > 0.0, "{s:?}");
    }
}
