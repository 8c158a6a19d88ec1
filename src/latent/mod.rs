//! Working in the latent space: drawing, walking, editing. Pure functions on [`Latent`]s in host
//! memory; nothing here knows of files, threads or devices.
//!
//! Under the model a latent is standard normal, one eps a level, so "typical" means a norm near
//! `sqrt(D)`, and a straight line between two typical latents passes nearer the origin than either.

pub mod attributes;
pub mod cloud;
pub mod interpolate;
mod point;
pub mod statistics;
pub mod temperature;
pub mod timeline;

pub use point::{Condition, EpsShape, Latent, LatentShape, LevelEps};

/// Latents or numbers that an operation of this module cannot take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LatentError {
    /// Two latents, or a latent and a direction, of different models.
    #[error("{what}: the levels are {found}, but {expected} are needed (another model's latent?)")]
    Shape {
        /// The thing at fault.
        what: String,
        /// Its levels.
        found: String,
        /// The levels needed.
        expected: String,
    },
    /// A number that is NaN, infinite or out of its range.
    #[error("{what} is {found}, but {expected}")]
    Number {
        /// The thing at fault.
        what: String,
        /// Its value.
        found: String,
        /// What would be valid.
        expected: String,
    },
    /// A direction that is not open.
    #[error(
        "no direction is called \"{name}\": open an attributes file that has it, or choose another"
    )]
    UnknownDirection {
        /// The name asked for.
        name: String,
    },
    /// A direction that is a combination of the others, so that nothing is left of it.
    #[error(
        "\"{name}\" cannot move while the other attributes stay: it is a combination of them; \
         allow the others to move"
    )]
    Dependent {
        /// The direction.
        name: String,
    },
    /// Labelled latents from which nothing can be learnt.
    #[error("{what}: {found}, but {expected}")]
    Data {
        /// The step that failed.
        what: &'static str,
        /// What was given.
        found: String,
        /// What it needs.
        expected: &'static str,
    },
}

impl LatentError {
    pub(crate) fn number(what: &str, found: impl std::fmt::Display, expected: &str) -> Self {
        Self::Number {
            what: what.to_owned(),
            found: found.to_string(),
            expected: expected.to_owned(),
        }
    }
}

/// The levels of a latent, for messages: `6x32x32, 12x16x16`.
pub fn levels_text(latent: &Latent) -> String {
    let levels: Vec<String> = latent
        .levels
        .iter()
        .map(|e| format!("{0}x{1}x{1}", e.channels, e.side))
        .collect();
    levels.join(", ")
}

/// Checks that two latents have the same levels; `what` names `found` in the message.
pub fn check_same_shape(what: &str, found: &Latent, expected: &Latent) -> Result<(), LatentError> {
    let same = found.levels.len() == expected.levels.len()
        && found.levels.iter().zip(&expected.levels).all(|(a, b)| {
            a.channels == b.channels && a.side == b.side && a.data.len() == b.data.len()
        });
    if same {
        Ok(())
    } else {
        Err(LatentError::Shape {
            what: what.to_owned(),
            found: levels_text(found),
            expected: levels_text(expected),
        })
    }
}

/// All numbers of a latent in one row, finest level first.
pub fn flat_from_latent(latent: &Latent) -> Vec<f32> {
    latent.iter().copied().collect()
}

/// The latent whose numbers, finest level first, are `flat`.
///
/// Errors: another count of numbers than the model's latent has.
pub fn latent_from_flat(shape: &LatentShape, flat: &[f32]) -> Result<Latent, LatentError> {
    let mut latent = Latent::zeros(shape);
    if flat.len() != latent.dims() {
        return Err(LatentError::Shape {
            what: "a row of numbers".to_owned(),
            found: format!("{} numbers", flat.len()),
            expected: format!("{} numbers for {}", latent.dims(), levels_text(&latent)),
        });
    }
    let mut rest = flat;
    for level in &mut latent.levels {
        let (head, tail) = rest.split_at(level.data.len());
        level.data.copy_from_slice(head);
        rest = tail;
    }
    Ok(latent)
}

/// Inner product over all levels, summed in f64. Call it on latents of equal shape.
pub(crate) fn dot(a: &Latent, b: &Latent) -> f64 {
    a.levels
        .iter()
        .zip(&b.levels)
        .map(|(a, b)| dot_flat(&a.data, &b.data))
        .sum()
}

/// Inner product in f64, in eight lanes so that the compiler can use vector registers.
pub(crate) fn dot_flat(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len().min(b.len());
    let (a8, a_rest) = a[..n].as_chunks::<8>();
    let (b8, b_rest) = b[..n].as_chunks::<8>();
    let mut lanes = [0.0f64; 8];
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..8 {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let tail: f64 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum();
    lanes.iter().sum::<f64>() + tail
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    pub(crate) use crate::config::tests::tiny_config;

    /// The shape of [`tiny_config`]'s latents: D = 192 in two levels.
    pub(crate) fn tiny_shape() -> LatentShape {
        tiny_config().latent_shape()
    }

    #[test]
    fn flat_and_back() {
        let shape = tiny_shape();
        let flat: Vec<f32> = (0..192).map(|i| i as f32).collect();
        let latent = latent_from_flat(&shape, &flat).unwrap();
        assert_eq!(latent.levels[1].data[0], 96.0);
        assert_eq!(flat_from_latent(&latent), flat);
        assert!(latent_from_flat(&shape, &flat[1..]).is_err());
    }

    #[test]
    fn dot_counts_every_number() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        let b = vec![1.0; 19];
        assert_eq!(dot_flat(&a, &b), 171.0);
    }

    #[test]
    fn another_models_latent_is_named() {
        let a = Latent::zeros(&tiny_shape());
        let mut larger = tiny_shape();
        larger.levels[0].side = 16;
        let b = Latent::zeros(&larger);
        let error = check_same_shape("keyframe 2", &b, &a).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("keyframe 2") && text.contains("6x4x4"),
            "{text}"
        );
    }
}
