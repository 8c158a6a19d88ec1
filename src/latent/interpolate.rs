//! Paths between latents: linear and spherical, through any number of keyframes.

use serde::{Deserialize, Serialize};

use super::{Latent, LatentError, LevelEps, check_same_shape, dot, dot_flat};

/// Keyframes that a path may have.
pub const KEYFRAMES: std::ops::RangeInclusive<usize> = 2..=8;

/// How a path runs between two latents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PathKind {
    /// Straight, as in the paper. Its middle lies nearer the origin than its ends.
    Linear,
    /// Spherical: keeps the norm, so midpoints are as sharp as the ends.
    #[default]
    Spherical,
    /// Spherical in each level by itself: keeps every level's own norm.
    SphericalPerLevel,
}

/// How time runs along a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Easing {
    /// At constant speed.
    #[default]
    Linear,
    /// Slow at both ends: `3 t^2 - 2 t^3`.
    Smooth,
}

impl Easing {
    /// The eased time; 0 and 1 stay where they are, and values beyond are held there.
    pub fn apply(self, t: f32) -> f32 {
        let t = t.clamp(0.0, 1.0);
        match self {
            Self::Linear => t,
            Self::Smooth => t * t * (3.0 - 2.0 * t),
        }
    }
}

/// `n` times from 0 to 1, both included, eased; a single one is 0.
pub fn steps(n: usize, easing: Easing) -> Vec<f32> {
    let last = n.saturating_sub(1).max(1) as f32;
    (0..n).map(|i| easing.apply(i as f32 / last)).collect()
}

/// The point at `t` (0 at `a`, 1 at `b`, exactly; values outside 0..1 are held at the ends).
///
/// Errors: latents of different shapes, `t` not a number.
pub fn between(a: &Latent, b: &Latent, t: f32, path: PathKind) -> Result<Latent, LatentError> {
    check_same_shape("the second latent", b, a)?;
    if t.is_nan() {
        return Err(LatentError::number(
            "the position t",
            t,
            "it must be a number from 0 to 1",
        ));
    }
    let t = f64::from(t.clamp(0.0, 1.0));
    // The ends are the latents themselves, to the last bit: a morph starts at its photo.
    if t == 0.0 {
        return Ok(a.clone());
    }
    if t == 1.0 {
        return Ok(b.clone());
    }
    let whole = match path {
        PathKind::Linear => Some((1.0 - t, t)),
        PathKind::Spherical => Some(slerp_weights(dot(a, a), dot(b, b), dot(a, b), t)),
        PathKind::SphericalPerLevel => None,
    };
    let levels = a
        .levels
        .iter()
        .zip(&b.levels)
        .map(|(a, b)| {
            let (wa, wb) = whole.unwrap_or_else(|| {
                let (aa, bb) = (dot_flat(&a.data, &a.data), dot_flat(&b.data, &b.data));
                slerp_weights(aa, bb, dot_flat(&a.data, &b.data), t)
            });
            mix(a, wa, b, wb)
        })
        .collect();
    Ok(Latent {
        levels,
        condition: a.condition_towards(b, t),
    })
}

/// Level mixing: each level on the sphere between the two latents' own, at its share of `b` (finest level first;
/// a single share holds for all). Levels at 0 are `a`'s and those at 1 `b`'s, to the last bit.
///
/// Errors: latents of different shapes, another count of shares, a share that is not a number from 0 to 1.
pub fn mixed(a: &Latent, b: &Latent, shares: &[f32]) -> Result<Latent, LatentError> {
    check_same_shape("the second latent", b, a)?;
    if shares.len() != 1 && shares.len() != a.levels.len() {
        let expected = format!(
            "one share or one for each of {} levels is needed",
            a.levels.len()
        );
        return Err(LatentError::number(
            "the count of shares",
            shares.len(),
            &expected,
        ));
    }
    if let Some(bad) = shares.iter().find(|s| !(0.0..=1.0).contains(*s)) {
        let expected = "it must be a number from 0 to 1";
        return Err(LatentError::number("the share of a level", bad, expected));
    }
    let level = |((a, b), &share): ((&LevelEps, &LevelEps), &f32)| match share {
        0.0 => a.clone(),
        1.0 => b.clone(),
        share => {
            let (aa, bb) = (dot_flat(&a.data, &a.data), dot_flat(&b.data, &b.data));
            let ab = dot_flat(&a.data, &b.data);
            let (wa, wb) = slerp_weights(aa, bb, ab, f64::from(share));
            mix(a, wa, b, wb)
        }
    };
    let pairs = a.levels.iter().zip(&b.levels);
    let levels = pairs.zip(shares.iter().cycle()).map(level);
    Ok(Latent {
        levels: levels.collect(),
        // The condition is the coarsest level's, where the priors are that it changes.
        condition: a.condition_towards(b, shares.last().map_or(0.0, |s| f64::from(*s))),
    })
}

/// The point at `t` of the path through all keyframes, each stretch taking the same time.
///
/// Errors: fewer than two or more than eight keyframes, different shapes, `t` not a number.
pub fn along(keys: &[&Latent], t: f32, path: PathKind) -> Result<Latent, LatentError> {
    if !KEYFRAMES.contains(&keys.len()) {
        return Err(LatentError::number(
            "the count of keyframes",
            keys.len(),
            "a path has 2 to 8",
        ));
    }
    for (i, key) in keys.iter().enumerate().skip(1) {
        check_same_shape(&format!("keyframe {}", i + 1), key, keys[0])?;
    }
    let (stretch, local) = stretch_at(keys.len(), t);
    between(keys[stretch], keys[stretch + 1], local, path)
}

/// The stretch that holds `t`, and the time within it. `t` that is not a number stays one.
fn stretch_at(n_keys: usize, t: f32) -> (usize, f32) {
    let n_stretches = n_keys - 1;
    let at = t.clamp(0.0, 1.0) * n_stretches as f32;
    let stretch = (at.floor() as usize).min(n_stretches - 1); // NaN becomes 0
    (stretch, at - stretch as f32)
}

/// Weights of `a` and `b` at `t` on the great circle through their directions, with the norm running
/// linearly from `|a|` to `|b|`. Where the circle is not defined (a zero, or nearly parallel or
/// opposite vectors) the path is straight.
fn slerp_weights(aa: f64, bb: f64, ab: f64, t: f64) -> (f64, f64) {
    let (norm_a, norm_b) = (aa.sqrt(), bb.sqrt());
    let linear = (1.0 - t, t);
    if norm_a * norm_b == 0.0 || !(norm_a * norm_b).is_finite() {
        return linear;
    }
    let omega = (ab / (norm_a * norm_b)).clamp(-1.0, 1.0).acos();
    let sin = omega.sin();
    if sin < 1e-4 {
        return linear;
    }
    let norm = (1.0 - t) * norm_a + t * norm_b;
    (
        ((1.0 - t) * omega).sin() / sin * norm / norm_a,
        (t * omega).sin() / sin * norm / norm_b,
    )
}

fn mix(a: &LevelEps, wa: f64, b: &LevelEps, wb: f64) -> LevelEps {
    let data = a
        .data
        .iter()
        .zip(&b.data)
        .map(|(&a, &b)| (wa * f64::from(a) + wb * f64::from(b)) as f32)
        .collect();
    LevelEps {
        channels: a.channels,
        side: a.side,
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::temperature::{sample, scaled};
    use crate::latent::tests::tiny_shape;

    fn pair() -> (Latent, Latent) {
        (sample(&tiny_shape(), 1, 0), sample(&tiny_shape(), 1, 1))
    }

    #[track_caller]
    fn assert_near(a: &Latent, b: &Latent) {
        let worst = a.iter().zip(b.iter()).map(|(a, b)| (a - b).abs());
        let worst = worst.fold(0.0, f32::max);
        assert!(worst < 1e-5, "differ by {worst}");
    }

    #[test]
    fn ends_are_exact_and_the_middle_keeps_its_norm() {
        let (a, b) = pair();
        let b = scaled(&b, &[0.5]).unwrap();
        for path in [
            PathKind::Linear,
            PathKind::Spherical,
            PathKind::SphericalPerLevel,
        ] {
            assert_eq!(between(&a, &b, 0.0, path).unwrap(), a);
            assert_eq!(between(&a, &b, 1.0, path).unwrap(), b);
            assert_eq!(between(&a, &b, 7.0, path).unwrap(), b);
            assert!(between(&a, &b, f32::NAN, path).is_err());
        }
        let mean_norm = 0.5 * (a.norm() + b.norm());
        let middle = between(&a, &b, 0.5, PathKind::Spherical).unwrap();
        assert!((middle.norm() - mean_norm).abs() < 1e-4);
        let straight = between(&a, &b, 0.5, PathKind::Linear).unwrap();
        assert!(straight.norm() < 0.9 * mean_norm);
    }

    #[test]
    fn per_level_keeps_the_norm_of_every_level() {
        let (a, b) = pair();
        let b = scaled(&b, &[0.2, 1.5]).unwrap();
        let middle = between(&a, &b, 0.5, PathKind::SphericalPerLevel).unwrap();
        let norm = |e: &LevelEps| dot_flat(&e.data, &e.data).sqrt();
        for l in 0..2 {
            let expected = 0.5 * (norm(&a.levels[l]) + norm(&b.levels[l]));
            assert!((norm(&middle.levels[l]) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn mixing_takes_each_level_from_where_its_share_says() {
        let (a, b) = pair();
        let mixed_at = |shares: &[f32]| mixed(&a, &b, shares).unwrap();
        assert_eq!(mixed_at(&[0.0]), a);
        assert_eq!(mixed_at(&[1.0]), b);
        let coarse_of_b = mixed_at(&[0.0, 1.0]);
        assert_eq!(coarse_of_b.levels[0], a.levels[0]);
        assert_eq!(coarse_of_b.levels[1], b.levels[1]);
        let half = mixed_at(&[0.5, 0.5]);
        let path = between(&a, &b, 0.5, PathKind::SphericalPerLevel).unwrap();
        assert_near(&half, &path);
        for wrong in [&[][..], &[0.5; 3], &[1.5], &[f32::NAN]] {
            assert!(mixed(&a, &b, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn degenerate_pairs_go_straight() {
        let (a, _) = pair();
        let zero = Latent::zeros(&tiny_shape());
        let opposite = scaled(&a, &[-1.0]).unwrap();
        let longer = scaled(&a, &[3.0]).unwrap();
        for (b, factor) in [(&zero, 0.75), (&opposite, 0.5), (&longer, 1.5)] {
            let p = between(&a, b, 0.25, PathKind::Spherical).unwrap();
            assert_near(&p, &scaled(&a, &[factor]).unwrap());
        }
    }

    #[test]
    fn keyframes_are_met_at_even_times() {
        let shape = tiny_shape();
        let keys: Vec<Latent> = (0..5).map(|i| sample(&shape, 3, i)).collect();
        let keys: Vec<&Latent> = keys.iter().collect();
        for (i, key) in keys.iter().enumerate() {
            let p = along(&keys, i as f32 / 4.0, PathKind::Spherical).unwrap();
            assert_eq!(p, **key);
        }
        assert!(along(&keys[..1], 0.0, PathKind::Linear).is_err());
        assert!(along(&[keys[0]; 9], 0.0, PathKind::Linear).is_err());
        assert!(along(&keys, f32::NAN, PathKind::Linear).is_err());
    }

    #[test]
    fn a_foreign_keyframe_is_named() {
        let (a, b) = pair();
        let mut larger = tiny_shape();
        larger.levels[0].side = 16;
        let other = Latent::zeros(&larger);
        let error = along(&[&a, &b, &other], 0.0, PathKind::Linear).unwrap_err();
        assert!(error.to_string().contains("keyframe 3"));
    }

    #[test]
    fn steps_and_easing() {
        assert_eq!(steps(0, Easing::Linear), Vec::<f32>::new());
        assert_eq!(steps(1, Easing::Smooth), [0.0]);
        assert_eq!(steps(5, Easing::Linear), [0.0, 0.25, 0.5, 0.75, 1.0]);
        let smooth = steps(5, Easing::Smooth);
        assert_eq!((smooth[0], smooth[2], smooth[4]), (0.0, 0.5, 1.0));
        assert!(smooth[1] < 0.25 && smooth[3] > 0.75);
    }
}
