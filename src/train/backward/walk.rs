//! One step of flow backward.

use super::gradients::StepGradients;
use super::sums::{add_column_sums, add_mirrored_taps, product_of_rows, rows_times};
use super::workspace::{Chunk, NetBuffers};
use crate::kernels::math::exp;
use crate::kernels::neighbours::gather;
use crate::kernels::{Arithmetic, Finish, multiversion, padded};
use crate::model::fast::step::{self, Scratch, tile_rows, tiles};
use crate::model::folded::{FoldedLevel, FoldedStep, Transposed};

/// Lanes of the element-wise loops.
const LANES: usize = 8;

/// One step backward for the rows of a chunk (whole pictures). `x` comes in as the step's output and leaves as
/// its input; `d` is the gradient of the output, `d_before` gets that of the input, and that of a stage's features is
/// added to `d_u`.
#[expect(
    clippy::too_many_arguments,
    reason = "inputs, scratch and gradients of one step"
)]
pub(super) fn step_backward(
    level: &FoldedLevel,
    step: &FoldedStep,
    transposed: &Transposed,
    net: &NetBuffers,
    first_row: usize,
    x: &mut [f32],
    d: &mut [f32],
    d_before: &mut [f32],
    d_u: &mut [f32],
    weight: f32,
    buffers: &mut Chunk,
    scratch: &mut Scratch,
    to: &mut StepGradients,
) {
    let (c, m, o, width) = (
        level.channels,
        level.half(),
        level.coupling_out,
        step.w2.n(),
    );
    let (stride, h_stride, o_stride) = (level.state_stride(), padded(width), padded(o));
    let (g_stride, t_stride) = (level.gathered_stride(), level.taps_out_stride());
    let rows = x.len() / stride;
    let tile_size = tile_rows(width);
    let Chunk {
        d_out,
        d_gathered,
        gathered_d,
        d_h1,
        d_h2,
        sum,
    } = buffers;
    let arithmetic = step.w2.arithmetic();
    let taps = &net.taps[first_row * t_stride..];
    // The coupling: its inverse and its gradients.
    for tile in tiles(0..rows, tile_size) {
        step::net_output(level, step, taps, tile.clone(), scratch);
        let out = &scratch.out[..tile.len() * o_stride];
        let at = tile.start * stride..tile.end * stride;
        let d_out = &mut d_out[tile.start * o_stride..tile.end * o_stride];
        if let Some(floor) = level.affine {
            affine_backward(
                out,
                o_stride,
                m,
                floor.value(),
                &mut x[at.clone()],
                &mut d[at],
                stride,
                weight,
                d_out,
            );
        } else {
            step::additive(out, o_stride, m, &mut x[at.clone()], stride, -1.0);
            for (d_out, d) in d_out
                .chunks_exact_mut(o_stride)
                .zip(d[at].chunks_exact(stride))
            {
                d_out.fill(0.0);
                d_out[..m].copy_from_slice(&d[m..2 * m]);
            }
        }
        add_column_sums(
            d_out,
            o_stride,
            o,
            step.b3.by_class.then_some((level, tile.start)),
            &mut to.b3,
        );
    }
    // The three convolutions.
    for tile in tiles(0..rows, tile_size) {
        let n = tile.len();
        let row = first_row + tile.start;
        let h_at = row * h_stride..(row + n) * h_stride;
        let (h1, h2) = (&net.h1[h_at.clone()], &net.h2[h_at]);
        let gd = &mut gathered_d[..n * t_stride];
        gather(
            d_out,
            o_stride,
            o,
            level.grid,
            tile.clone(),
            true,
            gd,
            t_stride,
        );
        product_of_rows(
            arithmetic,
            width,
            h2,
            h_stride,
            gd,
            t_stride,
            9 * o,
            &mut to.w3,
        );

        let d_h2 = &mut d_h2[..n * h_stride];
        rows_times(
            n,
            gd,
            t_stride,
            &transposed.w3,
            d_h2,
            h_stride,
            Finish::WherePositive(h2),
        );
        add_column_sums(d_h2, h_stride, width, None, &mut to.b2);
        product_of_rows(
            arithmetic, width, h1, h_stride, d_h2, h_stride, width, &mut to.w2,
        );

        let d_h1 = &mut d_h1[..n * h_stride];
        rows_times(
            n,
            d_h2,
            h_stride,
            &transposed.w2,
            d_h1,
            h_stride,
            Finish::WherePositive(h1),
        );
        add_column_sums(
            d_h1,
            h_stride,
            width,
            step.b1.by_class.then_some((level, tile.start)),
            &mut to.b1,
        );
        let g = &net.gathered[row * g_stride..(row + n) * g_stride];
        product_of_rows(
            arithmetic,
            step.w1.k(),
            g,
            g_stride,
            d_h1,
            h_stride,
            width,
            &mut to.w1,
        );

        rows_times(
            n,
            d_h1,
            h_stride,
            &transposed.w1,
            &mut d_gathered[tile.start * g_stride..],
            g_stride,
            Finish::None,
        );
    }
    add_mirrored_taps(level, d_gathered, g_stride, rows, width, sum, d);
    if level.features > 0 {
        // The features stand behind the taps.
        let lines = d_gathered.chunks_exact(g_stride).take(rows);
        for (d_u, line) in d_u.chunks_exact_mut(padded(level.features)).zip(lines) {
            let more = &line[9 * m..9 * m + level.features];
            d_u.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        }
    }
    // Mixing and actnorm.
    for tile in tiles(0..rows, tile_size) {
        let at = tile.start * stride..tile.end * stride;
        let n = tile.len();
        let before = &mut sum[..n * stride];
        step::mix_rows(
            &x[at.clone()],
            before,
            stride,
            n,
            &step.unmix,
            &step.unmix_bias,
        );
        x[at.clone()].copy_from_slice(before);
        let d = &d[at.clone()];
        product_of_rows(
            Arithmetic::F32,
            c,
            d,
            stride,
            before,
            stride,
            c,
            &mut to.mix,
        );
        add_column_sums(d, stride, c, None, &mut to.mix_bias);
        rows_times(
            n,
            d,
            stride,
            &transposed.mix,
            &mut d_before[at],
            stride,
            Finish::None,
        );
    }
}

multiversion! {
    /// Affine coupling backward, for rows: `x` from the step's output to its input, `d` (of the output's second
    /// half) to that of the input, `d_out` the gradient `[d shift, d raw]` of the network's output.
    ///
    /// With `s = f + (1 - f) sigmoid(raw + 2)`, `y2 = (x2 + shift) s`: `d shift = d x2 = d y2 s` and
    /// `d raw = s'/s (d y2 y2 + weight)`, the last term from `ln s` in the likelihood. With `u = exp(-raw - 2)`,
    /// `s = (1 + f u) / (1 + u)` and `s'/s = (1 - f) u / ((1 + u) (1 + f u))`.
    fn affine_backward(out: &[f32], o_stride: usize, m: usize, floor: f32, x: &mut [f32], d: &mut [f32], stride: usize, weight: f32, d_out: &mut [f32]) {
        let rows = x.chunks_exact_mut(stride).zip(d.chunks_exact_mut(stride));
        for ((x, d), (out, d_out)) in rows.zip(out.chunks_exact(o_stride).zip(d_out.chunks_exact_mut(o_stride))) {
            for c in (0..m).step_by(LANES) {
                let valid = LANES.min(m - c);
                let (mut shift, mut raw, mut y, mut dy) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
                shift[..valid].copy_from_slice(&out[c..c + valid]);
                raw[..valid].copy_from_slice(&out[m + c..m + c + valid]);
                y[..valid].copy_from_slice(&x[m + c..m + c + valid]);
                dy[..valid].copy_from_slice(&d[m + c..m + c + valid]);
                let mut d_raw = [0.0; LANES];
                for i in 0..LANES {
                    let u = exp(-(raw[i] + 2.0));
                    let (below, above) = (1.0 + u, 1.0 + floor * u);
                    // One factor after the other: their product can be too large for a number.
                    d_raw[i] = (1.0 - floor) * (u / below) / above * (dy[i] * y[i] + weight);
                    y[i] = y[i] * (below / above) - shift[i];
                    dy[i] *= above / below;
                }
                x[m + c..m + c + valid].copy_from_slice(&y[..valid]);
                d[m + c..m + c + valid].copy_from_slice(&dy[..valid]);
                d_out[c..c + valid].copy_from_slice(&dy[..valid]);
                d_out[m + c..m + c + valid].copy_from_slice(&d_raw[..valid]);
            }
            d_out[2 * m..].fill(0.0);
        }
    }
}
