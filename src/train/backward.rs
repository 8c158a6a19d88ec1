//! Loss and gradients on the CPU, in memory that does not grow with the depth.
//!
//! Forward keeps one state a level. Backward walks the steps from the last to the first: each step's input is
//! recomputed from its output by the inverse, its network is evaluated once more, and its gradients are
//! written down by hand (Kingma & Dhariwal 2018, section 3.1; Gomez et al. 2017). Starting anew from the kept
//! state at every level keeps the inversion error from piling up across levels.
//!
//! The loss is the mean of the bits per dimension, `L = -(1 / (N D ln 2)) sum_n ln p(x_n) + bits`; gradients
//! are taken with respect to the folded weights and carried to the parameters in [`super::unfold`].

mod detail;
mod gradients;
mod memory;
mod prior;
mod sums;
#[cfg(test)]
mod tests;
mod walk;
mod workspace;

pub use detail::{ConvGradients, StageGradients, StageWeights, StageWorkspace, accumulate_stage};
pub(super) use gradients::Taken;
pub use gradients::{Gradients, LevelGradients, Piece, StepGradients};
pub use workspace::{Activations, Workspace};

use crate::kernels::padded;
use crate::model::fast::load_picture_rows;
use crate::model::fast::step::{self, tile_rows, tiles};
use crate::model::folded::{Folded, FoldedLevel, FoldedPrior};
use prior::prior_backward;
use walk::step_backward;
use workspace::chunk_pictures;

/// One thread's share of a batch: adds the gradients of `weight * sum_n ln p(x_n)` to `gradients`.
///
/// `x` holds pictures `[c, h, w]`; `weight` is `-1 / (N D ln 2)` for the whole batch. Each piece of the gradients is
/// shown to `finished` once nothing is added to it any more: from the coarsest level to the finest, from a level's prior
/// to its first step.
#[expect(
    clippy::too_many_arguments,
    reason = "what is read, what is worked in, what is added to, who hears of it"
)]
pub fn accumulate(
    folded: &Folded,
    channels: usize,
    x: &[&[f32]],
    weight: f32,
    activations: Activations,
    ws: &mut Workspace,
    gradients: &mut Gradients,
    finished: &mut dyn FnMut(Piece, &mut Gradients),
) {
    if x.is_empty() {
        for (level, folded) in folded.levels.iter().enumerate().rev() {
            finished(Piece::Prior { level }, gradients);
            let steps = (0..folded.steps.len()).rev();
            steps.for_each(|step| finished(Piece::Step { level, step }, gradients));
        }
        return;
    }
    let n = x.len();
    ws.reserve(folded, n, activations);
    let (grid, stride) = (folded.levels[0].grid, folded.levels[0].state_stride());
    load_picture_rows(x, channels, grid, stride, &mut ws.state);
    gradients.log_prob += forward(folded, n, ws);
    backward(folded, n, weight, ws, gradients, finished);
}

/// Encodes; keeps the last state of each level in `ws.saved`; gives `sum_n ln p(x_n)`.
fn forward(folded: &Folded, n: usize, ws: &mut Workspace) -> f64 {
    let mut log_prob = 0.0f64;
    for (l, level) in folded.levels.iter().enumerate() {
        let pixels = level.grid.pixels();
        let (rows, stride) = (n * pixels, level.state_stride());
        for (k, step) in level.steps.iter().enumerate() {
            for tile in tiles(0..rows, tile_rows(folded.width)) {
                let at = tile.start * stride..tile.end * stride;
                step::mix_rows(
                    &ws.state[at.clone()],
                    &mut ws.other[at],
                    stride,
                    tile.len(),
                    &step.mix,
                    &step.mix_bias,
                );
            }
            std::mem::swap(&mut ws.state, &mut ws.other);
            // Whole pictures at a time, so that taps are still in the cache when they are summed.
            for chunk in tiles(0..rows, chunk_pictures(pixels) * pixels) {
                let x = &mut ws.state[chunk.start * stride..chunk.end * stride];
                let local = 0..chunk.len();
                let taps = match ws.kept.get_mut(l * folded.levels[0].steps.len() + k) {
                    Some(kept) => {
                        kept.fill(level, step, x, &[], chunk.start, &mut ws.scratch.class);
                        let t_stride = level.taps_out_stride();
                        &kept.taps[chunk.start * t_stride..chunk.end * t_stride]
                    }
                    None => {
                        step::net(
                            level,
                            step,
                            x,
                            &[],
                            local.clone(),
                            &mut ws.taps,
                            &mut ws.scratch,
                        );
                        &ws.taps
                    }
                };
                for tile in tiles(local, tile_rows(folded.width)) {
                    let rows = &mut x[tile.start * stride..tile.end * stride];
                    let n = tile.len();
                    step::couple_forward(level, step, taps, tile, rows, &mut ws.scratch);
                    let log_dets = ws.scratch.per_row[..n].iter();
                    log_prob += log_dets.map(|&v| f64::from(v)).sum::<f64>();
                }
            }
            log_prob += step.log_det * rows as f64;
        }
        ws.saved[l][..rows * stride].copy_from_slice(&ws.state[..rows * stride]);
        let e_stride = padded(level.channels);
        let mut eps = vec![0.0; e_stride];
        for tile in tiles(0..rows, tile_rows(folded.width)) {
            let mut prior = std::mem::take(&mut ws.chunk.sum);
            step::split_prior(level, &ws.state, tile.clone(), &mut prior, &mut ws.scratch);
            for (i, row) in tile.enumerate() {
                let (offset, p) = prior_row(level, row, &prior[i * e_stride..]);
                let z = &ws.state[row * stride + offset..(row + 1) * stride];
                log_prob += f64::from(step::eps_from_z(z, p, level.channels - offset, &mut eps));
            }
            ws.chunk.sum = prior;
        }
        if let Some(next) = folded.levels.get(l + 1) {
            let side = next.grid.side;
            step::squeeze_rows(
                &ws.state,
                stride,
                level.half(),
                side,
                0..n * side * side,
                &mut ws.other,
                next.state_stride(),
            );
            std::mem::swap(&mut ws.state, &mut ws.other);
        }
    }
    log_prob
}

/// The channel where the factored-out part starts, and its prior row `[mean, log_std]`.
fn prior_row<'a>(level: &'a FoldedLevel, row: usize, split: &'a [f32]) -> (usize, &'a [f32]) {
    match level.prior {
        FoldedPrior::Top { .. } | FoldedPrior::Given => (0, step::top_prior_row(level, row)),
        FoldedPrior::Split { .. } => (level.half(), split),
    }
}

fn backward(
    folded: &Folded,
    n: usize,
    weight: f32,
    ws: &mut Workspace,
    gradients: &mut Gradients,
    finished: &mut dyn FnMut(Piece, &mut Gradients),
) {
    let top = folded.levels.len() - 1;
    for (l, level) in folded.levels.iter().enumerate().rev() {
        let pixels = level.grid.pixels();
        let (rows, stride) = (n * pixels, level.state_stride());
        let to = &mut gradients.levels[l];
        if l < top {
            // `d` holds the gradient of the next level's input: back into the first half here.
            let side = level.grid.side;
            ws.d_other[..rows * stride].fill(0.0);
            let next = &folded.levels[l + 1];
            step::unsqueeze_rows(
                &ws.d,
                next.state_stride(),
                level.half(),
                side,
                0..rows,
                &mut ws.d_other,
                stride,
            );
            std::mem::swap(&mut ws.d, &mut ws.d_other);
        } else {
            ws.d[..rows * stride].fill(0.0);
        }
        for chunk in tiles(0..rows, chunk_pictures(pixels) * pixels) {
            let at = chunk.start * stride..chunk.end * stride;
            let (x, d) = (&ws.saved[l][at.clone()], &mut ws.d[at]);
            prior_backward(
                folded,
                level,
                chunk,
                x,
                d,
                weight,
                &mut ws.chunk,
                &mut ws.scratch,
                to,
            );
        }
        finished(Piece::Prior { level: l }, gradients);
        for (k, step) in level.steps.iter().enumerate().rev() {
            let Some(transposed) = &step.transposed else {
                return;
            };
            for chunk in tiles(0..rows, chunk_pictures(pixels) * pixels) {
                let at = chunk.start * stride..chunk.end * stride;
                let (x, d) = (&mut ws.saved[l][at.clone()], &mut ws.d[at.clone()]);
                let d_before = &mut ws.d_other[at];
                let (net, first_row) = match ws.kept.get(l * folded.levels[0].steps.len() + k) {
                    Some(kept) => (kept, chunk.start),
                    None => {
                        ws.net.fill(level, step, x, &[], 0, &mut ws.scratch.class);
                        (&ws.net, 0)
                    }
                };
                step_backward(
                    level,
                    step,
                    transposed,
                    net,
                    first_row,
                    x,
                    d,
                    d_before,
                    &mut [],
                    weight,
                    &mut ws.chunk,
                    &mut ws.scratch,
                    &mut gradients.levels[l].steps[k],
                );
            }
            finished(Piece::Step { level: l, step: k }, gradients);
            std::mem::swap(&mut ws.d, &mut ws.d_other);
        }
    }
}
