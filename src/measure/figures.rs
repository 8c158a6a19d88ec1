//! Small statistics, and how they are written.

use serde::Serialize;

pub use crate::export::chart::count;
use crate::latent::attributes::measure::quantile;
pub use crate::model::pixels::worst;

/// The mean; not a number of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample; that of a single value is 0, not unknown.
pub fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt()
}

/// How values are spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over the pictures.
    pub std: f64,
    /// That of the mean.
    pub standard_error: f64,
    /// The least.
    pub min: f64,
    /// The values below which a quarter, a half and three quarters lie.
    pub quartiles: [f64; 3],
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these values.
    pub fn of(values: &[f64]) -> Self {
        let at = |share| quantile(values, share).unwrap_or(f64::NAN);
        let std = std(values);
        Self {
            mean: mean(values),
            std,
            standard_error: std / (values.len() as f64).sqrt(),
            min: at(0.0),
            quartiles: [at(0.25), at(0.5), at(0.75)],
            max: at(1.0),
        }
    }
}

/// The interval that holds a share with 95 % certainty, seen `hits` times in `n` (Wilson 1927).
pub fn interval(hits: usize, n: usize) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0 {
        return [0.0, 1.0];
    }
    let (p, n) = (hits as f64 / n as f64, n as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [
        ((middle - half) / scale).max(0.0),
        ((middle + half) / scale).min(1.0),
    ]
}

/// Text as it may stand in a cell of a Markdown table.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_spreads() {
        let spread = Spread::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!((spread.mean, spread.quartiles), (3.0, [2.0, 3.0, 4.0]));
        assert!((spread.std - 2.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(std(&[7.0]), 0.0);
        assert!(worst([1.0, f64::NAN, 2.0]).is_nan());
        assert_eq!(worst([1.0, 3.0, 2.0]), 3.0);
    }

    #[test]
    fn intervals_of_shares() {
        // Wilson's interval of 8 in 10, as tables have it.
        let [low, high] = interval(8, 10);
        assert!((low - 0.490).abs() < 1e-3 && (high - 0.943).abs() < 1e-3);
        let [low, high] = interval(0, 20);
        assert!(low == 0.0 && (high - 0.161).abs() < 1e-3);
        assert_eq!(interval(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn a_cell_holds_any_text() {
        assert_eq!(cell("a|b\nc"), "a\\|b c");
    }
}
