//! Principal components: the directions along which latents differ most, without any labels.

use super::build::Vectors;
use super::solve::eigen;
use super::{Direction, Figures};
use crate::latent::{LatentError, latent_from_flat};
use crate::noise::Noise;

/// Vectors beyond those asked for that are iterated with them: the last ones converge slowest.
const SPARE: usize = 4;
/// Steps of the iteration at most, and the relative change of every variance below which it ends.
const MAX_STEPS: usize = 40;
const TOLERANCE: f64 = 1e-3;
/// A component with less than this share of the first one's variance is rounding.
const NOTHING: f64 = 1e-9;
/// Standard deviations to which a slider reaches.
const REACH: f32 = 3.0;

/// The first `k` principal components of `rows` (fewer where the rows have no more), by orthogonal iteration on
/// `X^T X / n` with Rayleigh and Ritz's projection, without forming the matrix. +1 is one standard deviation of the rows
/// along the component, 0 their mean; `names` are those of the sliders, and their number is `k`. `proceed` is asked before each
/// step; where it says no, `None` is given.
///
/// Errors: fewer than two rows, or rows that do not differ.
pub fn principal_components(
    vectors: &Vectors,
    rows: &[usize],
    names: &[String],
    proceed: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Option<Vec<Direction>>, LatentError> {
    let n = rows.len();
    if n < 2 {
        return Err(LatentError::Data {
            what: "principal components",
            found: format!("{n} latents"),
            expected: "at least two are needed",
        });
    }
    let mean = vectors.mean(rows);
    let total = total_variance(vectors, rows, &mean);
    let m = (names.len() + SPARE).min(n - 1).min(vectors.d());
    let mut noise = Noise::new(0);
    let mut basis: Vec<Vec<f64>> = (0..m)
        .map(|_| {
            (0..vectors.d())
                .map(|_| f64::from(noise.normal()))
                .collect()
        })
        .collect();
    orthonormalise(&mut basis);
    let mut variances = vec![0.0; m];
    for step in 0..MAX_STEPS {
        if !proceed(step, MAX_STEPS) {
            return Ok(None);
        }
        // X Q, an orthonormal basis of whose small products says how to turn Q.
        let scores: Vec<Vec<f64>> = basis
            .iter()
            .map(|q| centred(vectors, rows, &mean, q))
            .collect();
        let product = |a: &[f64], b: &[f64]| dot(a, b) / n as f64;
        let small: Vec<f64> = (0..m * m)
            .map(|at| product(&scores[at / m], &scores[at % m]))
            .collect();
        let (values, turn) = eigen(small, m);
        let mut settled = values.iter().zip(&variances).take(names.len());
        let settled = settled.all(|(a, b)| (a - b).abs() <= TOLERANCE * a.abs());
        variances = values;
        if settled || step + 1 == MAX_STEPS {
            basis = turned(&basis, &turn, m);
            break;
        }
        // X^T (X Q), turned: the next Q.
        let spread: Vec<Vec<f64>> = scores
            .iter()
            .map(|score| back(vectors, rows, &mean, score))
            .collect();
        basis = turned(&spread, &turn, m);
        orthonormalise(&mut basis);
    }
    let least = variances.first().copied().unwrap_or(0.0) * NOTHING;
    let mut found = Vec::new();
    for (i, ((vector, variance), name)) in basis.iter().zip(&variances).zip(names).enumerate() {
        if variance.is_nan() || *variance <= least.max(f64::MIN_POSITIVE) {
            break;
        }
        let share = 100.0 * variance / total;
        let method = format!(
            "principal component {} of {n}, {share:.1} % of the variance",
            i + 1
        );
        found.push(direction(
            name,
            vectors,
            vector,
            variance.sqrt(),
            &mean,
            method,
            n,
        )?);
    }
    if found.is_empty() {
        return Err(LatentError::Data {
            what: "principal components",
            found: format!("{n} latents that do not differ"),
            expected: "they must",
        });
    }
    Ok(Some(found))
}

/// The slider along a unit vector. Of its two signs that whose largest number is positive, so that it is always the same.
fn direction(
    name: &str,
    vectors: &Vectors,
    unit: &[f64],
    deviation: f64,
    mean: &[f64],
    method: String,
    n: usize,
) -> Result<Direction, LatentError> {
    let largest = unit
        .iter()
        .copied()
        .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
    let step = deviation.copysign(largest);
    let flat: Vec<f32> = unit.iter().map(|v| (v * step) as f32).collect();
    Ok(Direction {
        name: name.to_owned(),
        vector: latent_from_flat(&vectors.shape, &flat)?,
        center: (dot(unit, mean) / step) as f32,
        range: [-REACH, REACH],
        figures: Figures {
            counts: [n, 0],
            method,
            ..Figures::default()
        },
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `<row - mean, v>` of each row.
fn centred(vectors: &Vectors, rows: &[usize], mean: &[f64], v: &[f64]) -> Vec<f64> {
    let offset = dot(mean, v);
    let mut products = vectors.products(rows, v);
    products.iter_mut().for_each(|p| *p -= offset);
    products
}

/// `sum_i score_i (row_i - mean)`.
fn back(vectors: &Vectors, rows: &[usize], mean: &[f64], scores: &[f64]) -> Vec<f64> {
    let total: f64 = scores.iter().sum();
    let mut sum = vectors.weighted_sum(rows, scores);
    sum.iter_mut().zip(mean).for_each(|(s, m)| *s -= total * m);
    sum
}

fn total_variance(vectors: &Vectors, rows: &[usize], mean: &[f64]) -> f64 {
    let squares = |&i: &usize| -> f64 {
        let parts = vectors.row(i).iter().zip(mean);
        parts.map(|(&v, m)| (f64::from(v) - m).powi(2)).sum()
    };
    rows.iter().map(squares).sum::<f64>() / rows.len() as f64
}

/// The columns of a basis turned by a small matrix, whose columns are what each new one is made of.
fn turned(basis: &[Vec<f64>], turn: &[f64], m: usize) -> Vec<Vec<f64>> {
    let column = |j: usize| {
        let mut sum = vec![0.0; basis[0].len()];
        for (i, old) in basis.iter().enumerate() {
            let factor = turn[i * m + j];
            sum.iter_mut().zip(old).for_each(|(s, o)| *s += factor * o);
        }
        sum
    };
    (0..m).map(column).collect()
}

/// Gram and Schmidt's, twice, which is enough.
fn orthonormalise(basis: &mut [Vec<f64>]) {
    for i in 0..basis.len() {
        for _ in 0..2 {
            let (before, rest) = basis.split_at_mut(i);
            let vector = &mut rest[0];
            for other in before.iter() {
                let along = dot(vector, other);
                vector
                    .iter_mut()
                    .zip(other)
                    .for_each(|(v, o)| *v -= along * o);
            }
            let norm = dot(vector, vector).sqrt();
            if norm > 0.0 {
                vector.iter_mut().for_each(|v| *v /= norm);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::tests::tiny_shape;
    use crate::latent::{flat_from_latent, latent_from_flat};

    /// Latents that vary by 3 along one dimension, by 2 along another, and by little elsewhere.
    fn vectors(n: usize) -> Vectors {
        let shape = tiny_shape();
        let mut noise = Noise::new(5);
        let mut vectors = Vectors::new(&shape);
        for _ in 0..n {
            let mut flat: Vec<f32> = (0..shape.dims()).map(|_| 0.05 * noise.normal()).collect();
            flat[7] += 3.0 * noise.normal() + 10.0;
            flat[90] -= 2.0 * noise.normal();
            vectors
                .push(&latent_from_flat(&shape, &flat).unwrap())
                .unwrap();
        }
        vectors
    }

    fn names(n: usize) -> Vec<String> {
        (1..=n).map(|i| format!("C {i}")).collect()
    }

    #[test]
    fn the_directions_of_largest_variance_come_first_in_standard_deviations() {
        let vectors = vectors(400);
        let rows: Vec<usize> = (0..400).collect();
        let found = principal_components(&vectors, &rows, &names(2), &mut |_, _| true);
        let found = found.unwrap().unwrap();
        for (direction, (at, deviation)) in found.iter().zip([(7, 3.0), (90, 2.0)]) {
            let flat = flat_from_latent(&direction.vector);
            let largest = flat.iter().copied().fold(0.0, f32::max);
            assert_eq!(flat[at], largest, "its sign is fixed");
            assert!((flat[at] - deviation).abs() < 0.3, "{}", flat[at]);
        }
        // 0 is the mean of the rows.
        assert!(
            (found[0].center - 10.0 / 3.0).abs() < 0.4,
            "{}",
            found[0].center
        );
        assert!(
            found[0].figures.method.contains("component 1 of 400, 6"),
            "{}",
            found[0].figures.method
        );
    }

    #[test]
    fn as_many_come_as_there_are_and_a_no_ends_it() {
        let vectors = vectors(3);
        let components = |rows: &[usize], go_on: bool| {
            principal_components(&vectors, rows, &names(5), &mut |_, _| go_on)
        };
        assert_eq!(components(&[0, 1, 2], true).unwrap().unwrap().len(), 2);
        assert!(components(&[0, 1, 2], false).unwrap().is_none());
        assert!(
            components(&[1], true)
                .unwrap_err()
                .to_string()
                .contains("at least two")
        );
        assert!(
            components(&[1, 1], true)
                .unwrap_err()
                .to_string()
                .contains("do not differ")
        );
    }
}
