//! Finding directions in labelled latents.
//!
//! The difference of the two means (the paper's); the same within strata of other labels, or with their linear
//! part taken out, so that what goes along with the label by accident cancels; and a linear
//! classifier's normal, which weighs the dimensions by how well they tell the sides apart. Each gives a
//! raw vector; [`direction_from_labels`] and [`direction_from_values`] give it its unit and figures.

use std::collections::BTreeMap;

use super::measure::{Holdout, auc, correlation, quantile};
use super::solve::{cholesky, conjugate_gradient};
pub use super::vectors::Vectors;
use super::{Direction, Figures};
use crate::latent::{LatentError, dot_flat, latent_from_flat};

/// `positive` among `rows`, and the others. Errors: one side empty.
fn sides(rows: &[usize], positive: &[bool]) -> Result<(Vec<usize>, Vec<usize>), LatentError> {
    if let Some(row) = rows.iter().find(|&&i| i >= positive.len()) {
        return Err(LatentError::number("a row", row, "every row needs a label"));
    }
    let (yes, no): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&&i| positive[i]);
    if yes.is_empty() || no.is_empty() {
        return Err(LatentError::Data {
            what: "labels",
            found: format!("{} positive and {} negative rows", yes.len(), no.len()),
            expected: "a direction needs both",
        });
    }
    Ok((yes, no))
}

/// The mean of the positive rows less the mean of the negative ones. Labels are indexed by row.
///
/// Errors: one side empty, a row without a label.
pub fn difference_of_means(
    vectors: &Vectors,
    rows: &[usize],
    positive: &[bool],
) -> Result<Vec<f32>, LatentError> {
    let (yes, no) = sides(rows, positive)?;
    let (yes, no) = (vectors.mean(&yes), vectors.mean(&no));
    Ok(yes.iter().zip(no).map(|(a, b)| (a - b) as f32).collect())
}

/// The difference of means within each stratum of `others` (binary labels indexed by row), averaged
/// with weights `n+ n- / (n+ + n-)`, the precision of each stratum's difference. Strata with one side
/// only say nothing and are left out.
///
/// Errors: no stratum with both sides, a row without a label.
pub fn balanced_difference(
    vectors: &Vectors,
    rows: &[usize],
    positive: &[bool],
    others: &[&[bool]],
) -> Result<Vec<f32>, LatentError> {
    sides(rows, positive)?;
    for other in others {
        if let Some(row) = rows.iter().find(|&&i| i >= other.len()) {
            return Err(LatentError::number(
                "a row",
                row,
                "every row needs every label",
            ));
        }
    }
    let mut strata: BTreeMap<Vec<bool>, [Vec<usize>; 2]> = BTreeMap::new();
    for &i in rows {
        let key = others.iter().map(|labels| labels[i]).collect();
        strata.entry(key).or_default()[usize::from(positive[i])].push(i);
    }
    let (mut used, mut weights, mut total) = (Vec::new(), Vec::new(), 0.0);
    for [no, yes] in strata.values() {
        if no.is_empty() || yes.is_empty() {
            continue;
        }
        let (n, p) = (no.len() as f64, yes.len() as f64);
        let weight = n * p / (n + p);
        total += weight;
        for (side, w) in [(yes, weight / p), (no, -weight / n)] {
            used.extend(side);
            weights.extend(std::iter::repeat_n(w, side.len()));
        }
    }
    if total == 0.0 {
        return Err(LatentError::Data {
            what: "balancing",
            found: format!("{} strata, each with one side only", strata.len()),
            expected: "at least one must have both; balance by fewer labels",
        });
    }
    let sum = vectors.weighted_sum(&used, &weights);
    Ok(sum.iter().map(|s| (s / total) as f32).collect())
}

/// The effect of a label on the latent while the others stay: the coefficient of `targets` in the linear
/// regression of the rows on `targets` and all `others` (both indexed by row; an unknown value of another
/// label counts as its mean). Unlike strata it does without rows that are alike in everything else.
///
/// Errors: fewer than two rows, targets missing, or targets that the others determine.
pub fn adjusted_difference(
    vectors: &Vectors,
    rows: &[usize],
    targets: &[f64],
    others: &[&[Option<f64>]],
) -> Result<Vec<f32>, LatentError> {
    let residual = cleared(rows, targets, others, 1.0)?;
    let n = rows.len().max(1) as f64;
    let left = residual.iter().map(|r| r * r).sum::<f64>() / n;
    // The target was scaled to a variance of 1.
    if left.is_nan() || left < 1e-4 {
        return Err(nothing_left(
            "a label that does not vary, or that the others determine",
        ));
    }
    let weights: Vec<f64> = residual.iter().map(|r| r / (n * left)).collect();
    let sum = vectors.weighted_sum(rows, &weights);
    Ok(sum.iter().map(|&s| s as f32).collect())
}

/// Ridge regression of a label together with all `others`: of `targets`, less `share` of what the others say of it
/// by linear regression. 0 is [`ridge`], which tells the sides apart best, and moves whatever goes along with the label;
/// with 1 the direction follows what the label has to itself, which is the more free of the others and the weaker.
///
/// Errors: those of [`ridge`], and labels that are not numbers.
pub fn joint_ridge(
    vectors: &Vectors,
    rows: &[usize],
    targets: &[f64],
    others: &[&[Option<f64>]],
    share: f64,
    options: &RidgeOptions,
) -> Result<Vec<f32>, LatentError> {
    let mut cleared_targets = vec![0.0; targets.len()];
    let left = cleared(rows, targets, others, share)?;
    for (&row, left) in rows.iter().zip(left) {
        cleared_targets[row] = left;
    }
    ridge(vectors, rows, &cleared_targets, options)
}

/// The targets of `rows`, scaled to a mean of 0 and a variance of 1, less `share` of their linear regression on the
/// others: with 1 it is the residual (Frisch and Waugh 1933), what the others do not say of it.
fn cleared(
    rows: &[usize],
    targets: &[f64],
    others: &[&[Option<f64>]],
    share: f64,
) -> Result<Vec<f64>, LatentError> {
    if let Some(row) = rows.iter().find(|&&i| i >= targets.len()) {
        return Err(LatentError::number("a row", row, "every row needs a label"));
    }
    let y = standardised(rows, |i| Some(targets[i]));
    let others: Vec<Vec<f64>> = others
        .iter()
        .map(|other| standardised(rows, |i| other.get(i).copied().flatten()))
        .collect();
    let n = rows.len().max(1) as f64;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n;
    // The ridge keeps labels that say the same from making the system singular.
    let mut matrix = Vec::with_capacity(others.len() * others.len());
    for (j, a) in others.iter().enumerate() {
        for (k, b) in others.iter().enumerate() {
            matrix.push(product(a, b) + if j == k { 1e-6 } else { 0.0 });
        }
    }
    let rhs: Vec<f64> = others.iter().map(|other| product(other, &y)).collect();
    let said = cholesky(matrix, &rhs).ok_or_else(|| nothing_left("labels that are not numbers"))?;
    let mut left = y;
    for (said, other) in said.iter().zip(&others) {
        let parts = left.iter_mut().zip(other);
        parts.for_each(|(r, o)| *r -= share * said * o);
    }
    Ok(left)
}

fn nothing_left(found: &str) -> LatentError {
    LatentError::Data {
        what: "adjusting",
        found: found.to_owned(),
        expected: "the label must vary where the others do not; adjust for fewer labels",
    }
}

/// Values less their mean, over their standard deviation; unknown ones, and all where they do not vary, 0.
fn standardised(rows: &[usize], value: impl Fn(usize) -> Option<f64>) -> Vec<f64> {
    let known: Vec<f64> = rows.iter().filter_map(|&i| value(i)).collect();
    let n = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / n;
    let std = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let scale = if std > 0.0 { 1.0 / std } else { 0.0 };
    let one = |&i: &usize| value(i).map_or(0.0, |v| (v - mean) * scale);
    rows.iter().map(one).collect()
}

/// How a ridge regression is solved.
#[derive(Clone, Debug, PartialEq)]
pub struct RidgeOptions {
    /// The penalty, in units of the mean variance of a weighted dimension times the number of rows. With fewer
    /// rows than dimensions it decides how far single dimensions are trusted: 0 trusts them blindly,
    /// a large value comes to the difference of means.
    pub shrinkage: f64,
    /// A factor for each dimension (see [`Vectors::level_weights`]): one below 1 makes it dearer to
    /// use, 0 leaves it out of the direction altogether.
    pub weights: Option<Vec<f32>>,
    /// Conjugate-gradient steps at most.
    pub max_iterations: usize,
    /// Residual at which it stops, relative.
    pub tolerance: f64,
}

impl Default for RidgeOptions {
    fn default() -> Self {
        Self {
            shrinkage: 1.0,
            weights: None,
            max_iterations: 100,
            tolerance: 1e-5,
        }
    }
}

/// Ridge regression of `targets` (indexed by row) on the rows: the `w` that minimises
/// `sum (y - <x, w> - b)^2 + lambda |w|^2`, by conjugate gradients on `X^T X + lambda I`, in f64,
/// without forming the matrix.
///
/// Errors: fewer than two rows, targets missing or not finite, weights of another length, a negative
/// shrinkage.
pub fn ridge(
    vectors: &Vectors,
    rows: &[usize],
    targets: &[f64],
    options: &RidgeOptions,
) -> Result<Vec<f32>, LatentError> {
    if rows.len() < 2 {
        return Err(LatentError::Data {
            what: "regression",
            found: format!("{} rows", rows.len()),
            expected: "at least two are needed",
        });
    }
    for &i in rows {
        match targets.get(i) {
            Some(y) if y.is_finite() => {}
            Some(y) => {
                let what = format!("the label of row {i}");
                return Err(LatentError::number(&what, y, "it must be a number"));
            }
            None => return Err(LatentError::number("a row", i, "every row needs a label")),
        }
    }
    if !options.shrinkage.is_finite() || options.shrinkage < 0.0 {
        return Err(LatentError::number(
            "the shrinkage",
            options.shrinkage,
            "it must be 0 or more",
        ));
    }
    let weights: Vec<f64> = match &options.weights {
        None => vec![1.0; vectors.d()],
        Some(w) if w.len() == vectors.d() && w.iter().all(|w| w.is_finite()) => {
            w.iter().map(|&w| f64::from(w)).collect()
        }
        Some(w) => {
            let expected = format!("{} numbers are needed", vectors.d());
            return Err(LatentError::number("the weights", w.len(), &expected));
        }
    };

    // In coordinates x' = W (x - mean): A = X'^T X' + lambda I, right-hand side X'^T (y - mean y).
    let n = rows.len() as f64;
    let mean = vectors.mean(rows);
    let mean_y = rows.iter().map(|&i| targets[i]).sum::<f64>() / n;
    let y: Vec<f64> = rows.iter().map(|&i| targets[i] - mean_y).collect();
    let centred_sum = |q: &[f64]| -> Vec<f64> {
        let sum = vectors.weighted_sum(rows, q);
        let total: f64 = q.iter().sum();
        let parts = sum.iter().zip(&mean).zip(&weights);
        parts.map(|((s, m), w)| w * (s - total * m)).collect()
    };
    let centred_products = |p: &[f64]| -> Vec<f64> {
        let wp: Vec<f64> = p.iter().zip(&weights).map(|(p, w)| p * w).collect();
        let offset: f64 = wp.iter().zip(&mean).map(|(a, m)| a * m).sum();
        let mut q = vectors.products(rows, &wp);
        q.iter_mut().for_each(|q| *q -= offset);
        q
    };
    // Of the numbers as they are weighted, so that weights say what a level counts beside the others alone.
    let squares: f64 = rows
        .iter()
        .map(|&i| weighted_squares(vectors.row(i), &weights))
        .sum();
    let mean_squares: f64 = mean
        .iter()
        .zip(&weights)
        .map(|(m, w)| (m * w).powi(2))
        .sum();
    let variance = (squares / n - mean_squares).max(f64::MIN_POSITIVE) / vectors.d() as f64;
    let lambda = options.shrinkage * variance * n;

    let product = |p: &[f64]| -> Vec<f64> {
        let mut ap = centred_sum(&centred_products(p));
        ap.iter_mut().zip(p).for_each(|(a, p)| *a += lambda * p);
        ap
    };
    let solution = conjugate_gradient(
        product,
        &centred_sum(&y),
        options.tolerance,
        options.max_iterations,
    );
    let w: Vec<f32> = solution
        .iter()
        .zip(&weights)
        .map(|(s, w)| (s * w) as f32)
        .collect();
    if w.iter().any(|v| !v.is_finite()) || w.iter().all(|&v| v == 0.0) {
        return Err(LatentError::Data {
            what: "regression",
            found: "no solution".to_owned(),
            expected: "the labels must vary, and the shrinkage must be above 0",
        });
    }
    Ok(w)
}

fn weighted_squares(row: &[f32], weights: &[f64]) -> f64 {
    let parts = row.iter().zip(weights);
    parts.map(|(&v, w)| (f64::from(v) * w).powi(2)).sum()
}

/// The normal of a linear classifier: linear discriminant analysis with shrinkage, as ridge
/// regression of `+n/n+` and `-n/n-`, which has the same direction.
///
/// Errors: one side empty, and those of [`ridge`].
pub fn classifier(
    vectors: &Vectors,
    rows: &[usize],
    positive: &[bool],
    options: &RidgeOptions,
) -> Result<Vec<f32>, LatentError> {
    let (yes, no) = sides(rows, positive)?;
    let n = rows.len() as f64;
    let (up, down) = (n / yes.len() as f64, -n / no.len() as f64);
    let targets: Vec<f64> = positive
        .iter()
        .map(|&p| if p { up } else { down })
        .collect();
    ridge(vectors, rows, &targets, options)
}

/// Gives a raw vector its unit, centre, range and figures from binary labels. +1 carries the average
/// negative row to the score of the average positive one; the centre lies half way.
///
/// Errors: one side empty, or a vector that does not tell the sides apart.
pub fn direction_from_labels(
    name: &str,
    vectors: &Vectors,
    split: &Holdout,
    positive: &[bool],
    raw: &[f32],
    method: &str,
) -> Result<Direction, LatentError> {
    let (yes, no) = sides(&split.train, positive)?;
    let mean = |rows: &[usize]| vectors.scores(rows, raw).iter().sum::<f64>() / rows.len() as f64;
    let (high, low) = (mean(&yes), mean(&no));
    let mut direction = in_slider_units(name, vectors, &split.train, raw, [low, high])?;
    let held: Vec<bool> = split.held_out.iter().map(|&i| positive[i]).collect();
    direction.figures = Figures {
        auc: auc(&vectors.scores(&split.held_out, raw), &held).map(|v| v as f32),
        correlation: None,
        counts: [yes.len(), no.len()],
        held_out: split.held_out.len(),
        method: method.to_owned(),
        ..Figures::default()
    };
    Ok(direction)
}

/// The same for labels that are numbers, an age for example. +1 is the change from one standard
/// deviation under the mean label to one above it; counts are rows above and below the mean label.
///
/// Errors: labels that do not vary, or a vector that does not follow them.
pub fn direction_from_values(
    name: &str,
    vectors: &Vectors,
    split: &Holdout,
    values: &[f64],
    raw: &[f32],
    method: &str,
) -> Result<Direction, LatentError> {
    let of = |rows: &[usize]| rows.iter().map(|&i| values[i]).collect::<Vec<f64>>();
    let (scores, labels) = (vectors.scores(&split.train, raw), of(&split.train));
    let n = labels.len().max(1) as f64;
    let (mean_s, mean_y) = (
        scores.iter().sum::<f64>() / n,
        labels.iter().sum::<f64>() / n,
    );
    let (mut sy, mut yy) = (0.0, 0.0);
    for (s, y) in scores.iter().zip(&labels) {
        sy += (s - mean_s) * (y - mean_y);
        yy += (y - mean_y).powi(2);
    }
    // Regression of the score on the label, over one standard deviation of the label.
    let half = sy / yy * (yy / n).sqrt();
    let ends = [mean_s - half, mean_s + half];
    let mut direction = in_slider_units(name, vectors, &split.train, raw, ends)?;
    let (held, held_labels) = (vectors.scores(&split.held_out, raw), of(&split.held_out));
    let above: Vec<bool> = held_labels.iter().map(|&y| y > mean_y).collect();
    let n_above = labels.iter().filter(|&&y| y > mean_y).count();
    direction.figures = Figures {
        auc: auc(&held, &above).map(|v| v as f32),
        correlation: correlation(&held, &held_labels).map(|v| v as f32),
        counts: [n_above, labels.len() - n_above],
        held_out: split.held_out.len(),
        method: method.to_owned(),
        ..Figures::default()
    };
    Ok(direction)
}

/// The direction along `raw` on which the raw scores `low` and `high` are one unit apart.
fn in_slider_units(
    name: &str,
    vectors: &Vectors,
    rows: &[usize],
    raw: &[f32],
    [low, high]: [f64; 2],
) -> Result<Direction, LatentError> {
    let rr = dot_flat(raw, raw);
    let step = high - low; // of <x, raw>, which a move by t along raw changes by t |raw|^2
    if !step.is_finite() || !rr.is_finite() || step <= 0.0 {
        return Err(LatentError::Data {
            what: "direction",
            found: format!("scores {low:.3} and {high:.3} of the two sides"),
            expected: "the positive side must score higher",
        });
    }
    let scale = step / rr;
    let flat: Vec<f32> = raw.iter().map(|&v| (scale * f64::from(v)) as f32).collect();
    // <x, v> / <v, v> = <x, raw> / step.
    let scores: Vec<f64> = vectors.scores(rows, raw).iter().map(|s| s / step).collect();
    let spread = quantile(&scores, 0.99).zip(quantile(&scores, 0.01));
    // A slider reaches as far as the population does from end to end, in half units.
    let reach = spread.map_or(2.0, |(high, low)| high - low).clamp(1.0, 8.0);
    let reach = ((reach * 2.0).ceil() / 2.0) as f32;
    Ok(Direction {
        name: name.to_owned(),
        vector: latent_from_flat(&vectors.shape, &flat)?,
        center: (0.5 * (low + high) / step) as f32,
        range: [-reach, reach],
        figures: Figures::default(),
    })
}

#[cfg(test)]
mod tests;
