//! Latents as rows of one matrix, summed and multiplied on all processors.

use crate::kernels::in_parallel;
use crate::latent::{EpsShape, Latent, LatentError, LatentShape, check_same_shape, dot_flat};

/// Rows are shared out to threads in this many blocks at most. It is fixed, so that sums are taken in
/// the same order on every machine.
const MAX_BLOCKS: usize = 32;

/// Latents as rows of one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    pub(super) shape: LatentShape,
    d: usize,
    data: Vec<f32>,
}

impl Vectors {
    /// No rows yet, for latents of this model.
    pub fn new(shape: &LatentShape) -> Self {
        Self {
            shape: shape.clone(),
            d: shape.dims(),
            data: Vec::new(),
        }
    }

    /// Appends a latent.
    ///
    /// Errors: another model's latent, numbers that are not finite.
    pub fn push(&mut self, latent: &Latent) -> Result<(), LatentError> {
        if !latent.fits(&self.shape) {
            let zeros = Latent::zeros(&self.shape);
            check_same_shape("a latent", latent, &zeros)?;
        }
        if latent.iter().any(|v| !v.is_finite()) {
            let what = format!("row {}", self.n());
            return Err(LatentError::number(
                &what,
                "not finite",
                "every number must be",
            ));
        }
        self.data.extend(latent.iter());
        Ok(())
    }

    /// Rows.
    pub fn n(&self) -> usize {
        self.data.len() / self.d
    }

    /// Numbers in a row.
    pub fn d(&self) -> usize {
        self.d
    }

    /// Levels of a latent.
    pub fn n_levels(&self) -> usize {
        self.shape.levels.len()
    }

    /// One row.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.d..(i + 1) * self.d]
    }

    /// A factor for each number from one for each level, finest first: for [`RidgeOptions::weights`](super::build::RidgeOptions::weights).
    ///
    /// Errors: another count of factors than levels.
    pub fn level_weights(&self, factors: &[f32]) -> Result<Vec<f32>, LatentError> {
        let shapes: &[EpsShape] = &self.shape.levels;
        if factors.len() != shapes.len() {
            let expected = format!("the model has {} levels", shapes.len());
            return Err(LatentError::number(
                "the count of level weights",
                factors.len(),
                &expected,
            ));
        }
        let levels = shapes.iter().zip(factors);
        Ok(levels
            .flat_map(|(s, &f)| std::iter::repeat_n(f, s.len()))
            .collect())
    }

    /// `<row, v>` for each of `rows`.
    pub fn scores(&self, rows: &[usize], v: &[f32]) -> Vec<f64> {
        rows.iter().map(|&i| dot_flat(self.row(i), v)).collect()
    }

    /// `sum_i weight_i row_i`, in f64, on all processors.
    pub(super) fn weighted_sum(&self, rows: &[usize], weights: &[f64]) -> Vec<f64> {
        let blocks = in_blocks(rows, weights, |rows, weights| {
            let mut sum = vec![0.0; self.d];
            for (&i, &w) in rows.iter().zip(weights) {
                for (s, &x) in sum.iter_mut().zip(self.row(i)) {
                    *s += w * f64::from(x);
                }
            }
            sum
        });
        let mut total = vec![0.0; self.d];
        for block in blocks {
            total.iter_mut().zip(block).for_each(|(t, b)| *t += b);
        }
        total
    }

    /// `<row_i, v>` of each row for a vector in f64, on all processors.
    pub(super) fn products(&self, rows: &[usize], v: &[f64]) -> Vec<f64> {
        let unused = vec![0.0; rows.len()];
        let blocks: Vec<Vec<f64>> = in_blocks(rows, &unused, |rows, _| {
            rows.iter().map(|&i| dot_mixed(self.row(i), v)).collect()
        });
        blocks.concat()
    }

    pub(super) fn mean(&self, rows: &[usize]) -> Vec<f64> {
        let share = 1.0 / rows.len().max(1) as f64;
        self.weighted_sum(rows, &vec![share; rows.len()])
    }
}

fn dot_mixed(row: &[f32], v: &[f64]) -> f64 {
    let (r8, r_rest) = row.as_chunks::<8>();
    let (v8, v_rest) = v.as_chunks::<8>();
    let mut lanes = [0.0f64; 8];
    for (r, v) in r8.iter().zip(v8) {
        for lane in 0..8 {
            lanes[lane] += f64::from(r[lane]) * v[lane];
        }
    }
    let tail: f64 = r_rest
        .iter()
        .zip(v_rest)
        .map(|(&r, &v)| f64::from(r) * v)
        .sum();
    lanes.iter().sum::<f64>() + tail
}

/// Runs `work` on blocks of rows and gives the results in order.
fn in_blocks<T: Send>(
    rows: &[usize],
    weights: &[f64],
    work: impl Fn(&[usize], &[f64]) -> T + Sync,
) -> Vec<T> {
    if rows.is_empty() {
        return Vec::new();
    }
    let size = rows.len().div_ceil(MAX_BLOCKS);
    let blocks: Vec<_> = rows.chunks(size).zip(weights.chunks(size)).collect();
    let n_threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    in_parallel(blocks.len(), n_threads, |at| {
        let (rows, weights) = blocks[at];
        work(rows, weights)
    })
}
