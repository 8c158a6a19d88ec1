//! The figures of one latent: likelihood, norms, round trip.

use super::message::Inspection;
use crate::latent::{Latent, LevelEps};
use crate::model::pixels::largest_difference;
use crate::model::{Decoded, Encoded};

/// Figures of a latent, where `encoded` is the picture that its likelihood belongs to and `again` what
/// that picture's latent decodes to.
pub(super) fn of(latent: &Latent, encoded: &Encoded, again: &Decoded) -> Inspection {
    Inspection {
        bits_per_dim: encoded.bits_per_dim,
        level_bits: encoded.level_bits.clone(),
        relative_norm: latent.relative_norm(),
        level_norms: latent.levels.iter().map(relative_norm).collect(),
        round_trip: round_trip(&encoded.x, &again.x),
        projections: Vec::new(),
        non_finite: again.non_finite,
        condition: latent.condition.clone(),
    }
}

/// Figures of a latent that decodes to no proper picture: likelihood and round trip are not numbers.
pub(super) fn without_picture(latent: &Latent, non_finite: usize) -> Inspection {
    Inspection {
        bits_per_dim: f64::NAN,
        level_bits: vec![f64::NAN; latent.levels.len()],
        relative_norm: latent.relative_norm(),
        level_norms: latent.levels.iter().map(relative_norm).collect(),
        round_trip: f64::NAN,
        projections: Vec::new(),
        non_finite,
        condition: latent.condition.clone(),
    }
}

fn relative_norm(level: &LevelEps) -> f64 {
    let squares: f64 = level.data.iter().map(|&v| f64::from(v).powi(2)).sum();
    (squares / level.data.len().max(1) as f64).sqrt()
}

/// `max |a - b|`; infinite where a value is not a number, which sorts and reads as what it is: too large.
fn round_trip(a: &[f32], b: &[f32]) -> f64 {
    let worst = largest_difference(a, b);
    if worst.is_nan() { f64::INFINITY } else { worst }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_is_not_a_number_is_infinite() {
        assert_eq!(round_trip(&[0.0, 1.0], &[0.5, 1.25]), 0.5);
        assert_eq!(round_trip(&[f32::NAN, 0.0], &[0.0, 1.0]), f64::INFINITY);
        assert_eq!(round_trip(&[0.0], &[]), f64::INFINITY);
    }
}
