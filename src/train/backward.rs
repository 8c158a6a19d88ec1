//! Loss and gradients on the CPU, in memory that does not grow with the depth.
//!
//! Forward keeps one state a level. Backward walks the steps from the last to the first: each step's input is
//! recomputed from its output by the inverse, its network is evaluated once more, and its gradients are
//! written down by hand (Kingma & Dhariwal 2018, section 3.1; Gomez et al. 2017). Starting anew from the kept
//! state at every level keeps the inversion error from piling up across levels.
//!
//! The loss is the mean of the bits per dimension, `L = -(1 / (N D ln 2)) sum_n ln p(x_n) + bits`; gradients
//! are taken with respect to the folded weights and carried to the parameters in [`super::unfold`].

mod memory;

use std::ops::Range;

use crate::kernels::math::{exp, sigmoid};
use crate::kernels::neighbours::{BORDER_CLASSES, gather, sum_taps, taps_stride};
use crate::kernels::{
    Aligned, Arithmetic, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, multiversion, padded,
};
use crate::model::folded::{Folded, FoldedLevel, FoldedPrior, FoldedStep, Transposed};
use crate::model::phases::{self, Scratch, tile_rows, tiles};

/// Pixel rows that one thread takes through a step at a time (whole pictures): hidden activations of this
/// many rows still lie in the cache when the backward half needs them.
const CHUNK_ROWS: usize = 1024;

/// Gradients of one step's folded weights.
#[derive(Default)]
pub struct StepGradients {
    /// `[9 m, width]`.
    pub w1: Aligned,
    /// `[classes, width]`.
    pub b1: Aligned,
    /// `[width, width]`.
    pub w2: Aligned,
    /// `[width]`.
    pub b2: Aligned,
    /// `[width, 9 o]`, at [`taps_stride`] of `o`.
    pub w3: Aligned,
    /// `[classes, o]`.
    pub b3: Aligned,
    /// `[c, c]`, row: output.
    pub mix: Aligned,
    /// `[c]`.
    pub mix_bias: Aligned,
}

/// Gradients of one level.
pub struct LevelGradients {
    /// The steps.
    pub steps: Vec<StepGradients>,
    /// Split: `[9 m, c]`.
    pub prior_w: Aligned,
    /// Split: `[classes, c]`. Top: rows `[mean, log_std]`, one or one for each pixel.
    pub prior_b: Aligned,
}

/// Gradients of a whole model and the sums that make the loss.
pub struct Gradients {
    /// The levels.
    pub levels: Vec<LevelGradients>,
    /// `sum_n ln p(x_n)` in nats.
    pub log_prob: f64,
}

impl Gradients {
    /// Zeros for a model.
    pub fn zeros(folded: &Folded) -> Self {
        let levels = folded.levels.iter().map(|level| {
            let (c, m, o, w) = (
                level.channels,
                level.half(),
                level.coupling_out,
                padded(folded.width),
            );
            let steps = level.steps.iter().map(|_| StepGradients {
                w1: Aligned::zeros(9 * m * w),
                b1: Aligned::zeros(BORDER_CLASSES * w),
                w2: Aligned::zeros(folded.width * w),
                b2: Aligned::zeros(w),
                w3: Aligned::zeros(folded.width * taps_stride(o)),
                b3: Aligned::zeros(BORDER_CLASSES * padded(o)),
                mix: Aligned::zeros(c * padded(c)),
                mix_bias: Aligned::zeros(padded(c)),
            });
            let (prior_w, prior_b) = match &level.prior {
                FoldedPrior::Split { .. } => (
                    Aligned::zeros(9 * m * padded(c)),
                    Aligned::zeros(BORDER_CLASSES * padded(c)),
                ),
                FoldedPrior::Top { rows, .. } => (Aligned::default(), Aligned::zeros(rows.len())),
            };
            LevelGradients {
                steps: steps.collect(),
                prior_w,
                prior_b,
            }
        });
        Self {
            levels: levels.collect(),
            log_prob: 0.0,
        }
    }

    fn buffers(&self) -> impl Iterator<Item = &Aligned> {
        self.levels.iter().flat_map(|l| {
            let steps = l.steps.iter().flat_map(|s| {
                [
                    &s.w1,
                    &s.b1,
                    &s.w2,
                    &s.b2,
                    &s.w3,
                    &s.b3,
                    &s.mix,
                    &s.mix_bias,
                ]
            });
            steps.chain([&l.prior_w, &l.prior_b])
        })
    }

    fn buffers_mut(&mut self) -> impl Iterator<Item = &mut Aligned> {
        self.levels.iter_mut().flat_map(|l| {
            let steps = l.steps.iter_mut().flat_map(|s| {
                [
                    &mut s.w1,
                    &mut s.b1,
                    &mut s.w2,
                    &mut s.b2,
                    &mut s.w3,
                    &mut s.b3,
                    &mut s.mix,
                    &mut s.mix_bias,
                ]
            });
            steps.chain([&mut l.prior_w, &mut l.prior_b])
        })
    }

    /// Back to zero.
    pub fn clear(&mut self) {
        self.log_prob = 0.0;
        self.buffers_mut().for_each(|b| b.fill(0.0));
    }

    /// Adds another thread's share.
    pub fn add(&mut self, other: &Self) {
        self.log_prob += other.log_prob;
        for (a, b) in self.buffers_mut().zip(other.buffers()) {
            a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a += b);
        }
    }
}

/// Buffers of one thread, kept from batch to batch.
#[derive(Default)]
pub struct Workspace {
    state: Aligned,
    other: Aligned,
    taps: Aligned,
    saved: Vec<Aligned>,
    d: Aligned,
    d_other: Aligned,
    net: NetBuffers,
    /// Activations of every step, where they are kept.
    kept: Vec<NetBuffers>,
    chunk: Chunk,
    scratch: Scratch,
}

/// What happens to the activations of the coupling networks between the two passes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Activations {
    /// Forgotten, and computed once more on the way back: memory does not grow with the depth.
    #[default]
    Recompute,
    /// Kept: a quarter less arithmetic, and memory for every step.
    Keep,
}

/// Activations of a coupling network for some rows.
#[derive(Default)]
struct NetBuffers {
    gathered: Aligned,
    h1: Aligned,
    h2: Aligned,
    taps: Aligned,
}

impl NetBuffers {
    fn reserve(&mut self, level: &FoldedLevel, width: usize, rows: usize) {
        self.gathered.reserve_len(rows * taps_stride(level.half()));
        self.h1.reserve_len(rows * padded(width));
        self.h2.reserve_len(rows * padded(width));
        self.taps.reserve_len(rows * level.taps_out_stride());
    }

    /// Evaluates the network for the whole pictures `x`, whose rows stand from row `at` on in these buffers.
    fn fill(
        &mut self,
        level: &FoldedLevel,
        step: &FoldedStep,
        x: &[f32],
        at: usize,
        class: &mut Vec<u8>,
    ) {
        let width = step.w2.n();
        let (g_stride, h_stride, t_stride) = (
            taps_stride(level.half()),
            padded(width),
            level.taps_out_stride(),
        );
        for tile in tiles(0..x.len() / level.state_stride(), tile_rows(width)) {
            let row = at + tile.start;
            let (g, a, b) = (
                &mut self.gathered[row * g_stride..],
                &mut self.h1[row * h_stride..],
                &mut self.h2[row * h_stride..],
            );
            phases::hidden_tile(level, step, x, tile.clone(), g, a, b, class);
            let lhs = Lhs {
                data: b,
                row: h_stride,
                column: 1,
            };
            let to = &mut self.taps[row * t_stride..];
            gemm(
                tile.len(),
                lhs,
                Rhs::Packed(step.w3.taps()),
                to,
                t_stride,
                Init::Zero,
                Finish::None,
            );
        }
    }
}

/// Buffers for the rows of one chunk.
#[derive(Default)]
struct Chunk {
    d_out: Aligned,
    d_gathered: Aligned,
    gathered_d: Aligned,
    d_h1: Aligned,
    d_h2: Aligned,
    sum: Aligned,
}

/// One thread's share of a batch: adds the gradients of `weight * sum_n ln p(x_n)` to `gradients`.
///
/// `x` holds pictures `[c, h, w]`; `weight` is `-1 / (N D ln 2)` for the whole batch.
pub fn accumulate(
    folded: &Folded,
    channels: usize,
    x: &[&[f32]],
    weight: f32,
    activations: Activations,
    ws: &mut Workspace,
    gradients: &mut Gradients,
) {
    if x.is_empty() {
        return;
    }
    let n = x.len();
    ws.reserve(folded, n, activations);
    crate::model::fast::load_picture_rows(x, channels, &folded.levels[0], &mut ws.state);
    gradients.log_prob += forward(folded, n, ws);
    backward(folded, n, weight, ws, gradients);
}

impl Workspace {
    fn reserve(&mut self, folded: &Folded, n: usize, activations: Activations) {
        if activations == Activations::Keep {
            let steps = folded
                .levels
                .iter()
                .flat_map(|level| level.steps.iter().map(move |_| level));
            self.kept
                .resize_with(steps.clone().count(), NetBuffers::default);
            for (level, kept) in steps.zip(&mut self.kept) {
                kept.reserve(level, folded.width, n * level.grid.pixels());
            }
        } else {
            self.kept.clear();
        }
        self.saved
            .resize_with(folded.levels.len(), Aligned::default);
        let width = padded(folded.width);
        for (level, saved) in folded.levels.iter().zip(&mut self.saved) {
            let pixels = level.grid.pixels();
            let (rows, stride) = (n * pixels, level.state_stride());
            for buffer in [
                &mut self.state,
                &mut self.other,
                saved,
                &mut self.d,
                &mut self.d_other,
            ] {
                buffer.reserve_len(rows * stride);
            }
            self.taps.reserve_len(rows * level.taps_out_stride());
            self.scratch.reserve(level, folded.width, rows);
            let chunk = chunk_pictures(pixels) * pixels;
            let tile = tile_rows(folded.width);
            let (taps_in, taps_out) = (
                taps_stride(level.half()),
                level.taps_out_stride().max(taps_stride(level.channels)),
            );
            let c = &mut self.chunk;
            self.net.reserve(level, folded.width, chunk);
            c.d_out.reserve_len(chunk * padded(2 * level.channels));
            c.d_gathered.reserve_len(chunk * taps_in);
            c.gathered_d.reserve_len(tile * taps_out);
            c.d_h1.reserve_len(tile * width);
            c.d_h2.reserve_len(tile * width);
            c.sum.reserve_len(tile * padded(2 * level.channels));
        }
    }
}

fn chunk_pictures(pixels: usize) -> usize {
    (CHUNK_ROWS / pixels).max(1)
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
                phases::mix_rows(
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
                        kept.fill(level, step, x, chunk.start, &mut ws.scratch.class);
                        let t_stride = level.taps_out_stride();
                        &kept.taps[chunk.start * t_stride..chunk.end * t_stride]
                    }
                    None => {
                        phases::net(level, step, x, local.clone(), &mut ws.taps, &mut ws.scratch);
                        &ws.taps
                    }
                };
                for tile in tiles(local, tile_rows(folded.width)) {
                    let rows = &mut x[tile.start * stride..tile.end * stride];
                    let n = tile.len();
                    let affine = folded.affine;
                    phases::couple_forward(level, step, affine, taps, tile, rows, &mut ws.scratch);
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
            phases::split_prior(level, &ws.state, tile.clone(), &mut prior, &mut ws.scratch);
            for (i, row) in tile.enumerate() {
                let (offset, p) = prior_row(level, row, &prior[i * e_stride..]);
                let z = &ws.state[row * stride + offset..(row + 1) * stride];
                log_prob += f64::from(phases::eps_from_z(z, p, level.channels - offset, &mut eps));
            }
            ws.chunk.sum = prior;
        }
        if let Some(next) = folded.levels.get(l + 1) {
            let side = next.grid.side;
            phases::squeeze_rows(
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
        FoldedPrior::Top { .. } => (0, phases::top_prior_row(level, row)),
        FoldedPrior::Split { .. } => (level.half(), split),
    }
}

fn backward(folded: &Folded, n: usize, weight: f32, ws: &mut Workspace, gradients: &mut Gradients) {
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
            phases::unsqueeze_rows(
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
                        ws.net.fill(level, step, x, 0, &mut ws.scratch.class);
                        (&ws.net, 0)
                    }
                };
                step_backward(
                    folded,
                    level,
                    step,
                    transposed,
                    net,
                    first_row,
                    x,
                    d,
                    d_before,
                    weight,
                    &mut ws.chunk,
                    &mut ws.scratch,
                    &mut to.steps[k],
                );
            }
            std::mem::swap(&mut ws.d, &mut ws.d_other);
        }
    }
}

/// Gradients of a level's prior; `d` gets what it says of the state.
#[expect(
    clippy::too_many_arguments,
    reason = "inputs, scratch and gradients of one chunk"
)]
fn prior_backward(
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
                let prior = phases::top_prior_row(level, chunk.start + row);
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
        FoldedPrior::Split { w, b, transposed } => {
            let Some(transposed) = transposed else { return };
            let g_stride = taps_stride(m);
            for tile in tiles(0..rows, tile_rows(folded.width)) {
                let len = tile.len();
                phases::split_prior(level, x, tile.clone(), &mut buffers.sum, scratch);
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
                let lhs = Lhs {
                    data: &scratch.gathered[..len * g_stride],
                    row: 1,
                    column: g_stride,
                };
                let rhs = Rhs::Rows {
                    data: d_prior,
                    stride: e_stride,
                    n: c,
                    arithmetic: Arithmetic::F32,
                };
                gemm(
                    w.k(),
                    lhs,
                    rhs,
                    &mut to.prior_w,
                    e_stride,
                    Init::Accumulate,
                    Finish::None,
                );
                let lhs = Lhs {
                    data: d_prior,
                    row: e_stride,
                    column: 1,
                };
                let to = &mut buffers.d_gathered[tile.start * g_stride..];
                gemm(
                    len,
                    lhs,
                    Rhs::Packed(transposed),
                    to,
                    g_stride,
                    Init::Zero,
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

/// `d[.., ..m] += sum over mirrored taps of d_gathered`: the gradient through `gather`.
fn add_mirrored_taps(
    level: &FoldedLevel,
    d_gathered: &[f32],
    g_stride: usize,
    rows: usize,
    width: usize,
    sum: &mut [f32],
    d: &mut [f32],
) {
    let (m, stride) = (level.half(), level.state_stride());
    let s_stride = padded(m);
    for tile in tiles(0..rows, tile_rows(width)) {
        let sums = &mut sum[..tile.len() * s_stride];
        sum_taps(
            d_gathered,
            g_stride,
            m,
            level.grid,
            tile.clone(),
            true,
            &[],
            &[],
            sums,
            s_stride,
        );
        for (row, sum) in tile.zip(sums.chunks_exact(s_stride)) {
            d[row * stride..row * stride + m]
                .iter_mut()
                .zip(sum)
                .for_each(|(a, b)| *a += b);
        }
    }
}

/// One step backward for the rows of a chunk (whole pictures). `x` comes in as the step's output and leaves as
/// its input; `d` is the gradient of the output, `d_before` gets that of the input.
#[expect(
    clippy::too_many_arguments,
    reason = "inputs, scratch and gradients of one step"
)]
fn step_backward(
    folded: &Folded,
    level: &FoldedLevel,
    step: &FoldedStep,
    transposed: &Transposed,
    net: &NetBuffers,
    first_row: usize,
    x: &mut [f32],
    d: &mut [f32],
    d_before: &mut [f32],
    weight: f32,
    buffers: &mut Chunk,
    scratch: &mut Scratch,
    to: &mut StepGradients,
) {
    let (c, m, o, width) = (
        level.channels,
        level.half(),
        level.coupling_out,
        folded.width,
    );
    let (stride, h_stride, o_stride) = (level.state_stride(), padded(width), padded(o));
    let (g_stride, t_stride) = (taps_stride(m), level.taps_out_stride());
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
        phases::net_output(level, step, taps, tile.clone(), scratch);
        let out = &scratch.out[..tile.len() * o_stride];
        let at = tile.start * stride..tile.end * stride;
        let d_out = &mut d_out[tile.start * o_stride..tile.end * o_stride];
        if folded.affine {
            affine_backward(
                out,
                o_stride,
                m,
                &mut x[at.clone()],
                &mut d[at],
                stride,
                weight,
                d_out,
            );
        } else {
            phases::additive(out, o_stride, m, &mut x[at.clone()], stride, -1.0);
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
        let lhs = Lhs {
            data: gd,
            row: t_stride,
            column: 1,
        };
        gemm(
            n,
            lhs,
            Rhs::Packed(&transposed.w3),
            d_h2,
            h_stride,
            Init::Zero,
            Finish::WherePositive(h2),
        );
        add_column_sums(d_h2, h_stride, width, None, &mut to.b2);
        product_of_rows(
            arithmetic, width, h1, h_stride, d_h2, h_stride, width, &mut to.w2,
        );

        let d_h1 = &mut d_h1[..n * h_stride];
        let lhs = Lhs {
            data: d_h2,
            row: h_stride,
            column: 1,
        };
        gemm(
            n,
            lhs,
            Rhs::Packed(&transposed.w2),
            d_h1,
            h_stride,
            Init::Zero,
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
            9 * m,
            g,
            g_stride,
            d_h1,
            h_stride,
            width,
            &mut to.w1,
        );

        let lhs = Lhs {
            data: d_h1,
            row: h_stride,
            column: 1,
        };
        gemm(
            n,
            lhs,
            Rhs::Packed(&transposed.w1),
            &mut d_gathered[tile.start * g_stride..],
            g_stride,
            Init::Zero,
            Finish::None,
        );
    }
    add_mirrored_taps(level, d_gathered, g_stride, rows, width, sum, d);
    // Mixing and actnorm.
    for tile in tiles(0..rows, tile_size) {
        let at = tile.start * stride..tile.end * stride;
        let n = tile.len();
        let before = &mut sum[..n * stride];
        phases::mix_rows(
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
        mix_transposed(d, &mut d_before[at], stride, n, &transposed.mix);
    }
}

fn mix_transposed(d: &[f32], d_before: &mut [f32], stride: usize, n: usize, matrix: &PackedMatrix) {
    let lhs = Lhs {
        data: d,
        row: stride,
        column: 1,
    };
    gemm(
        n,
        lhs,
        Rhs::Packed(matrix),
        d_before,
        stride,
        Init::Zero,
        Finish::None,
    );
}

/// `to[i, j] += sum over rows of a[row, i] * b[row, j]`.
#[expect(clippy::too_many_arguments, reason = "two matrices with their strides")]
fn product_of_rows(
    arithmetic: Arithmetic,
    n_a: usize,
    a: &[f32],
    a_stride: usize,
    b: &[f32],
    b_stride: usize,
    n_b: usize,
    to: &mut [f32],
) {
    let lhs = Lhs {
        data: a,
        row: 1,
        column: a_stride,
    };
    gemm(
        n_a,
        lhs,
        Rhs::Rows {
            data: b,
            stride: b_stride,
            n: n_b,
            arithmetic,
        },
        to,
        b_stride,
        Init::Accumulate,
        Finish::None,
    );
}

/// Adds the sum of each column to the one row of `to`, or to the row of each pixel's border class.
fn add_column_sums(
    d: &[f32],
    stride: usize,
    n: usize,
    by_class: Option<(&FoldedLevel, usize)>,
    to: &mut [f32],
) {
    for (i, row) in d.chunks_exact(stride).enumerate() {
        let class = by_class.map_or(0, |(level, start)| {
            level.classes[(start + i) % level.grid.pixels()] as usize
        });
        let to = &mut to[class * stride..class * stride + n];
        to.iter_mut().zip(row).for_each(|(a, b)| *a += b);
    }
}

multiversion! {
    /// Affine coupling backward, for rows: `x` from the step's output to its input, `d` (of the output's second
    /// half) to that of the input, `d_out` the gradient `[d shift, d raw]` of the network's output.
    ///
    /// With `s = sigmoid(raw + 2)`, `y2 = (x2 + shift) s`: `d shift = d x2 = d y2 s` and
    /// `d raw = (1 - s) (d y2 y2 + weight)`, the last term from `ln s` in the likelihood.
    fn affine_backward(out: &[f32], o_stride: usize, m: usize, x: &mut [f32], d: &mut [f32], stride: usize, weight: f32, d_out: &mut [f32]) {
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
                    let s = sigmoid(raw[i] + 2.0);
                    d_raw[i] = (1.0 - s) * (dy[i] * y[i] + weight);
                    y[i] = y[i] * (1.0 + exp(-(raw[i] + 2.0))) - shift[i];
                    dy[i] *= s;
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

/// Lanes of the element-wise loops.
const LANES: usize = 8;

/// One row of `weight * ln N(z; mean, exp(log_std)^2)` backward: sets `d` of `z`, adds to `d` of the prior row.
fn gaussian_backward(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::{Coupling, GlowConfig, Padding, Permutation};
    use crate::model::folded::Purpose;
    use crate::model::params::Params;
    use crate::noise::Noise;
    use crate::train::unfold::parameter_gradients;

    fn loss_and_gradients(params: &Params, x: &[&[f32]]) -> (f64, Vec<f32>) {
        let folded = Folded::new(params, Purpose::Training).unwrap();
        let mut gradients = Gradients::zeros(&folded);
        let dims = params.config.dims() as f64;
        let weight_sum = -1.0 / (dims * std::f64::consts::LN_2);
        let weight = (weight_sum / x.len() as f64) as f32;
        accumulate(
            &folded,
            params.config.channels,
            x,
            weight,
            Activations::Recompute,
            &mut Workspace::default(),
            &mut gradients,
        );
        let loss = f64::from(weight) * gradients.log_prob;
        (loss, parameter_gradients(params, &gradients, weight_sum, 2))
    }

    #[test]
    fn gradients_agree_with_differences_of_the_loss() {
        for permutation in [
            Permutation::Invconv,
            Permutation::InvconvLu,
            Permutation::Shuffle,
            Permutation::Reverse,
        ] {
            for (coupling, padding) in [
                (Coupling::Affine, Padding::EdgeBias),
                (Coupling::Affine, Padding::FinalOnes),
                (Coupling::Additive, Padding::Zeros),
                (Coupling::Additive, Padding::EdgeBias),
            ] {
                let config = GlowConfig {
                    image_size: 8,
                    channels: 3,
                    levels: 2,
                    depth: 2,
                    width: 20,
                    permutation,
                    coupling,
                    bits: 5,
                    padding,
                };
                let mut params = Params::perturbed(config, 5);
                // Couplings that matter: the last convolution is not near zero.
                let mut noise = Noise::new(9);
                let x: Vec<Vec<f32>> = (0..3)
                    .map(|_| (0..192).map(|_| 0.3 * noise.normal()).collect())
                    .collect();
                let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
                let layout = std::sync::Arc::clone(&params.layout);
                let (_, gradient) = loss_and_gradients(&params, &x);
                for entry in layout.entries().iter().filter(|e| e.trained) {
                    let range = entry.offset..entry.offset + entry.count();
                    let (lower, upper) = (
                        entry.name.ends_with("permutation.l"),
                        entry.name.ends_with("permutation.u"),
                    );
                    let c = entry.shape[0];
                    let direction: Vec<f32> = (0..entry.count())
                        .map(|at| {
                            if (lower && at % c >= at / c) || (upper && at % c <= at / c) {
                                0.0
                            } else {
                                noise.normal()
                            }
                        })
                        .collect();
                    let norm = direction.iter().map(|v| v * v).sum::<f32>().sqrt();
                    let along: f64 = gradient[range.clone()]
                        .iter()
                        .zip(&direction)
                        .map(|(g, d)| f64::from(g * d / norm))
                        .sum();
                    let h = 2e-3;
                    let mut at = |sign: f32| {
                        let before = params.data.clone();
                        params.data[range.clone()]
                            .iter_mut()
                            .zip(&direction)
                            .for_each(|(p, d)| *p += sign * h * d / norm);
                        let loss = loss_and_gradients(&params, &x).0;
                        params.data = before;
                        loss
                    };
                    let difference = (at(1.0) - at(-1.0)) / (2.0 * f64::from(h));
                    let error = (along - difference).abs();
                    let tolerance = 2e-3 + 0.02 * difference.abs();
                    assert!(
                        error < tolerance,
                        "{permutation:?} {coupling:?} {padding:?} {}: {along} {difference}",
                        entry.name
                    );
                }
            }
        }
    }
}
