//! A level's prior backward.

use std::ops::Range;

use super::gradients::LevelGradients;
use super::sums::{add_column_sums, add_mirrored_taps, product_of_rows, rows_times};
use super::workspace::Chunk;
use crate::kernels::math::exp;
use crate::kernels::neighbours::taps_stride;
use crate::kernels::{Arithmetic, Finish, padded};
use crate::model::fast::step::{self, Scratch, tile_rows, tiles};
use crate::model::folded::{Folded, FoldedLevel, FoldedPrior};

/// Gradients of a level's prior; `d` gets what it says of the state.
#[expect(
    clippy::too_many_arguments,
    reason = "inputs, scratch and gradients of one chunk"
)]
pub(super) fn prior_backward(
    folded: &Folded,
    level: &FoldedLevel,
    chunk: Range<usize>,
    x: &[f32],
    d: &mut [f32],
    weight: f32,
    buffers: &mut Chunk,
    scratch: &mut Scratch,
    to: &mut LevelGradients,
) {
    let (c, m, stride, e_stride) = (
        level.channels,
        level.half(),
        level.state_stride(),
        padded(level.channels),
    );
    let rows = chunk.len();
    match &level.prior {
        FoldedPrior::Top {
            stride: p_stride,
            is_map,
            ..
        } => {
            for row in 0..rows {
                let pixel = if *is_map {
                    (chunk.start + row) % level.grid.pixels()
                } else {
                    0
                };
                let prior = step::top_prior_row(level, chunk.start + row);
                let g = &mut to.prior_b[pixel * p_stride..(pixel + 1) * p_stride];
                gaussian_backward(
                    &x[row * stride..],
                    prior,
                    c,
                    weight,
                    &mut d[row * stride..],
                    g,
                );
            }
        }
        // A detail stage's: it is not learnt here.
        FoldedPrior::Given => {}
        FoldedPrior::Split { w, b, transposed } => {
            let Some(transposed) = transposed else { return };
            let g_stride = taps_stride(m);
            for tile in tiles(0..rows, tile_rows(folded.width)) {
                let len = tile.len();
                step::split_prior(level, x, tile.clone(), &mut buffers.sum, scratch);
                let d_prior = &mut buffers.d_out[..len * e_stride];
                d_prior.fill(0.0);
                for (i, row) in tile.clone().enumerate() {
                    let at = row * stride + m;
                    let prior = &buffers.sum[i * e_stride..(i + 1) * e_stride];
                    gaussian_backward(
                        &x[at..(row + 1) * stride],
                        prior,
                        c - m,
                        weight,
                        &mut d[at..(row + 1) * stride],
                        &mut d_prior[i * e_stride..(i + 1) * e_stride],
                    );
                }
                add_column_sums(
                    d_prior,
                    e_stride,
                    c,
                    b.by_class.then_some((level, tile.start)),
                    &mut to.prior_b,
                );
                // `scratch.gathered` still holds the neighbourhoods of this tile.
                product_of_rows(
                    Arithmetic::F32,
                    w.k(),
                    &scratch.gathered[..len * g_stride],
                    g_stride,
                    d_prior,
                    e_stride,
                    c,
                    &mut to.prior_w,
                );
                let to = &mut buffers.d_gathered[tile.start * g_stride..];
                rows_times(
                    len,
                    d_prior,
                    e_stride,
                    transposed,
                    to,
                    g_stride,
                    Finish::None,
                );
            }
            add_mirrored_taps(
                level,
                &buffers.d_gathered,
                g_stride,
                rows,
                folded.width,
                &mut buffers.sum,
                d,
            );
        }
    }
}

/// One row of `weight * ln N(z; mean, exp(log_std)^2)` backward: sets `d` of `z`, adds to `d` of the prior row.
pub(super) fn gaussian_backward(
    z: &[f32],
    prior: &[f32],
    e: usize,
    weight: f32,
    d: &mut [f32],
    d_prior: &mut [f32],
) {
    for c in 0..e {
        let scale = exp(-prior[e + c]);
        let eps = (z[c] - prior[c]) * scale;
        d[c] = -weight * eps * scale;
        d_prior[c] += weight * eps * scale;
        d_prior[e + c] += weight * (eps * eps - 1.0);
    }
}
