//! A detail stage forward and backward.
//!
//! No gradient flows into the picture below: the likelihood of a chain is a product, and each factor has parameters of its
//! own. So a stage is taken alone, some pictures at a time: trunk and steps forward, then the steps backward from
//! recomputed inputs as those of a level, and the trunk from its activations, which are few.

use std::ops::Range;

use super::gradients::StepGradients;
use super::prior::gaussian_backward;
use super::sums::{add_column_sums, product_of_rows, rows_times};
use super::walk::step_backward;
use super::workspace::{Chunk, NetBuffers, chunk_pictures};
use crate::kernels::neighbours::{Grid, gather, sum_taps, taps_stride};
use crate::kernels::{
    Aligned, Arithmetic, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, math, padded,
};
use crate::model::fast::load_picture_rows;
use crate::model::fast::step::{self, Given, Scratch, tile_rows, tiles};
use crate::model::folded::{Folded, FoldedLevel, Form};
use crate::model::params::Params;
use crate::model::{ModelError, StageConv, haar};

/// A convolution with zeros outside, forward and backward.
struct TrainedConv {
    /// `[taps in, out]`, taps outermost.
    weights: PackedMatrix,
    /// `[out, taps in]`.
    transposed: PackedMatrix,
    /// One row.
    bias: Aligned,
    input: usize,
    out: usize,
    is_3x3: bool,
}

impl TrainedConv {
    fn new(params: &Params, name: &str) -> Self {
        let conv = StageConv::read(params, name);
        let (rows, out) = (conv.rows(), conv.out());
        Self {
            weights: PackedMatrix::from_fn(rows, out, |row, j| conv.entry(row, j)),
            transposed: PackedMatrix::from_fn(out, rows, |j, row| conv.entry(row, j)),
            input: conv.inputs,
            out,
            is_3x3: conv.taps == 9,
            bias: conv.bias,
        }
    }

    /// The rows that the product reads: nine neighbours side by side, or the rows as they are.
    fn read<'a>(
        &self,
        grid: Grid,
        x: &'a [f32],
        tile: Range<usize>,
        gathered: &'a mut Aligned,
    ) -> (&'a [f32], usize) {
        let stride = padded(self.input);
        if !self.is_3x3 {
            return (&x[tile.start * stride..tile.end * stride], stride);
        }
        let g_stride = taps_stride(self.input);
        gathered.reserve_len(tile.len() * g_stride);
        let to = &mut gathered[..tile.len() * g_stride];
        gather(x, stride, self.input, grid, tile, false, to, g_stride);
        (&to[..], g_stride)
    }

    /// Rows of stride `padded(out)` from rows of stride `padded(input)`.
    fn forward(&self, grid: Grid, x: &[f32], rows: usize, to: &mut [f32], room: &mut Room) {
        let stride = padded(self.out);
        for tile in tiles(0..rows, TILE) {
            let to = &mut to[tile.start * stride..tile.end * stride];
            let n = tile.len();
            let (data, row) = self.read(grid, x, tile, &mut room.gathered);
            let lhs = Lhs {
                data,
                row,
                column: 1,
            };
            let bias = Init::Bias {
                table: &self.bias,
                stride,
                class: None,
            };
            gemm(
                n,
                lhs,
                Rhs::Packed(&self.weights),
                to,
                stride,
                bias,
                Finish::None,
            );
        }
    }

    /// Gradients of the folded weights from `d`, that of the output; `d_x` gets that of the input, where it is wanted.
    #[expect(
        clippy::too_many_arguments,
        reason = "inputs, outputs and room of one convolution"
    )]
    fn backward(
        &self,
        grid: Grid,
        x: &[f32],
        d: &[f32],
        rows: usize,
        mut d_x: Option<&mut [f32]>,
        to: &mut ConvGradients,
        room: &mut Room,
    ) {
        let (stride, x_stride) = (padded(self.out), padded(self.input));
        let g_stride = taps_stride(self.input);
        add_column_sums(&d[..rows * stride], stride, self.out, None, &mut to.b);
        room.d_taps.reserve_len(rows * g_stride);
        for tile in tiles(0..rows, TILE) {
            let n = tile.len();
            let d = &d[tile.start * stride..tile.end * stride];
            let (data, row) = self.read(grid, x, tile.clone(), &mut room.gathered);
            let (k, w) = (self.weights.k(), &mut to.w);
            product_of_rows(Arithmetic::F32, k, data, row, d, stride, self.out, w);
            let Some(d_x) = &mut d_x else { continue };
            let (back, back_stride) = match self.is_3x3 {
                true => (&mut room.d_taps[tile.start * g_stride..], g_stride),
                false => (&mut d_x[tile.start * x_stride..], x_stride),
            };
            rows_times(
                n,
                d,
                stride,
                &self.transposed,
                back,
                back_stride,
                Finish::None,
            );
        }
        if let Some(d_x) = d_x.filter(|_| self.is_3x3) {
            let rows = 0..rows;
            sum_taps(
                &room.d_taps,
                g_stride,
                self.input,
                grid,
                rows,
                true,
                &[],
                &[],
                d_x,
                x_stride,
            );
        }
    }

    fn gradients(&self) -> ConvGradients {
        let stride = padded(self.out);
        ConvGradients {
            w: Aligned::zeros(self.weights.k() * stride),
            b: Aligned::zeros(stride),
        }
    }
}

/// Rows of a tile.
const TILE: usize = 128;

/// Room for neighbourhoods.
#[derive(Default)]
struct Room {
    gathered: Aligned,
    d_taps: Aligned,
}

/// A stage, folded for gradients.
pub struct StageWeights {
    flow: Folded,
    first: TrainedConv,
    blocks: Vec<[TrainedConv; 2]>,
    last: TrainedConv,
    prior: TrainedConv,
    channels: usize,
}

impl StageWeights {
    /// Folds stage `i` of `params`, at the size of picture that their config says.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(
        params: &Params,
        i: usize,
        form: impl Into<Form>,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let p = format!("detail.{i}.");
        let trunk = |name: &str| TrainedConv::new(params, &format!("{p}trunk.{name}"));
        let block = |b| ["conv1", "conv2"].map(|conv| trunk(&format!("blocks.{b}.{conv}")));
        Ok(Self {
            flow: Folded::stage(params, i, form, threads)?,
            first: trunk("first"),
            blocks: (0..params.config.detail[i].blocks).map(block).collect(),
            last: trunk("last"),
            prior: TrainedConv::new(params, &format!("{p}prior")),
            channels: params.config.channels,
        })
    }

    fn level(&self) -> &FoldedLevel {
        &self.flow.levels[0]
    }
}

/// Gradients of a convolution of a stage.
pub struct ConvGradients {
    /// `[taps in, out]`, taps outermost, rows padded.
    pub w: Aligned,
    /// `[out]`.
    pub b: Aligned,
}

/// Gradients of a stage, and the sum that makes its loss.
pub struct StageGradients {
    /// The steps.
    pub steps: Vec<StepGradients>,
    /// The trunk's first convolution.
    pub first: ConvGradients,
    /// Its blocks.
    pub blocks: Vec<[ConvGradients; 2]>,
    /// Its last convolution.
    pub last: ConvGradients,
    /// The prior.
    pub prior: ConvGradients,
    /// `sum_n ln p(details_n | low-pass_n)` in nats, without Haar's determinant.
    pub log_prob: f64,
}

impl StageGradients {
    /// Zeros for a stage.
    pub fn zeros(weights: &StageWeights) -> Self {
        let (level, width) = (weights.level(), weights.flow.width);
        let steps = level
            .steps
            .iter()
            .map(|_| StepGradients::zeros(level, width));
        let block = |convs: &[TrainedConv; 2]| convs.each_ref().map(TrainedConv::gradients);
        Self {
            steps: steps.collect(),
            first: weights.first.gradients(),
            blocks: weights.blocks.iter().map(block).collect(),
            last: weights.last.gradients(),
            prior: weights.prior.gradients(),
            log_prob: 0.0,
        }
    }

    fn buffers(&self) -> impl Iterator<Item = &Aligned> {
        let convs = self.blocks.iter().flatten();
        let convs = convs.chain([&self.first, &self.last, &self.prior]);
        let steps = self.steps.iter().flat_map(StepGradients::buffers);
        steps.chain(convs.flat_map(|c| [&c.w, &c.b]))
    }

    fn buffers_mut(&mut self) -> impl Iterator<Item = &mut Aligned> {
        let convs = self.blocks.iter_mut().flatten();
        let convs = convs.chain([&mut self.first, &mut self.last, &mut self.prior]);
        let steps = self.steps.iter_mut().flat_map(StepGradients::buffers_mut);
        steps.chain(convs.flat_map(|c| [&mut c.w, &mut c.b]))
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

/// Buffers of one thread, for the pictures of one chunk.
#[derive(Default)]
pub struct StageWorkspace {
    low: Aligned,
    state: Aligned,
    other: Aligned,
    d: Aligned,
    d_other: Aligned,
    u: Aligned,
    d_u: Aligned,
    prior: Aligned,
    d_prior: Aligned,
    /// The trunk's state and what a convolution gives.
    trunk: Aligned,
    out: Aligned,
    /// What the relus leave before each block and before the last convolution, and inside each block.
    active: Vec<Aligned>,
    hidden: Vec<Aligned>,
    d_trunk: Aligned,
    d_inner: Aligned,
    given: Vec<Given>,
    taps: Aligned,
    net: NetBuffers,
    chunk: Chunk,
    scratch: Scratch,
    room: Room,
}

impl StageWorkspace {
    fn reserve(&mut self, weights: &StageWeights, pictures: usize) {
        let (level, width) = (weights.level(), weights.flow.width);
        let rows = pictures * level.grid.pixels();
        let (t, n_blocks) = (rows * padded(weights.first.out), weights.blocks.len());
        self.active.resize_with(n_blocks + 1, Aligned::default);
        self.hidden.resize_with(n_blocks, Aligned::default);
        self.given
            .resize_with(pictures.max(self.given.len()), Given::default);
        self.low.reserve_len(rows * padded(weights.first.input));
        for buffer in [
            &mut self.state,
            &mut self.other,
            &mut self.d,
            &mut self.d_other,
        ] {
            buffer.reserve_len(rows * level.state_stride());
        }
        for buffer in [&mut self.u, &mut self.d_u] {
            buffer.reserve_len(rows * padded(level.features));
        }
        for buffer in [&mut self.prior, &mut self.d_prior] {
            buffer.reserve_len(rows * padded(2 * level.channels));
        }
        let trunk = [
            &mut self.trunk,
            &mut self.out,
            &mut self.d_trunk,
            &mut self.d_inner,
        ];
        let trunk = trunk
            .into_iter()
            .chain(&mut self.active)
            .chain(&mut self.hidden);
        trunk.for_each(|buffer| buffer.reserve_len(t));
        self.taps.reserve_len(rows * level.taps_out_stride());
        self.net.reserve(level, width, rows);
        self.scratch.reserve(level, width, rows);
        self.chunk.reserve(level, width, rows);
    }
}

/// One thread's share of a batch: adds the gradients of `weight * sum_n ln p(details_n | low-pass_n)` to `to`.
///
/// `x` holds pictures `[c, h, w]` of the stage's size; `low_noise`, empty or one for each, is added to the low-pass that the
/// trunk sees.
pub fn accumulate_stage(
    weights: &StageWeights,
    x: &[&[f32]],
    low_noise: &[Vec<f32>],
    weight: f32,
    ws: &mut StageWorkspace,
    to: &mut StageGradients,
) {
    let size = chunk_pictures(weights.level().grid.pixels());
    for (i, part) in x.chunks(size).enumerate() {
        let at = i * size;
        let noise = low_noise.get(at..at + part.len()).unwrap_or_default();
        ws.reserve(weights, part.len());
        load(weights, part, noise, ws);
        let rows = part.len() * weights.level().grid.pixels();
        trunk_forward(weights, rows, ws);
        to.log_prob += steps_forward(weights, rows, ws);
        to.log_prob += prior_backward(weights, rows, weight, ws, to);
        steps_backward(weights, rows, weight, ws, to);
        trunk_backward(weights, rows, ws, to);
    }
}

fn load(weights: &StageWeights, x: &[&[f32]], low_noise: &[Vec<f32>], ws: &mut StageWorkspace) {
    let (level, channels) = (weights.level(), weights.channels);
    let split = x.iter().map(|x| haar(x, channels, 4 * level.grid.side));
    let (mut lows, details): (Vec<_>, Vec<_>) = split.unzip();
    for (low, noise) in lows.iter_mut().zip(low_noise) {
        low.iter_mut().zip(noise).for_each(|(v, n)| *v += n);
    }
    let squeeze = |x: &[Vec<f32>], channels: usize, stride: usize, to: &mut [f32]| {
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        load_picture_rows(&x, channels, level.grid, stride, to);
    };
    let stride = level.state_stride();
    squeeze(&details, 3 * channels, stride, &mut ws.state);
    squeeze(&lows, channels, padded(4 * channels), &mut ws.low);
}

fn relu(from: &[f32], to: &mut [f32]) {
    to.iter_mut()
        .zip(from)
        .for_each(|(to, v)| *to = math::relu(*v));
}

fn add(to: &mut [f32], more: &[f32]) {
    to.iter_mut().zip(more).for_each(|(a, b)| *a += b);
}

/// Zero where the activation is not positive: relu, backwards.
fn where_positive(d: &mut [f32], activation: &[f32]) {
    for (d, a) in d.iter_mut().zip(activation) {
        *d = if *a > 0.0 { *d } else { 0.0 };
    }
}

/// Features and prior of all rows.
fn trunk_forward(weights: &StageWeights, rows: usize, ws: &mut StageWorkspace) {
    let (level, grid) = (weights.level(), weights.level().grid);
    let len = rows * padded(weights.first.out);
    let room = &mut ws.room;
    weights
        .first
        .forward(grid, &ws.low, rows, &mut ws.trunk, room);
    relu(&ws.trunk[..len], &mut ws.active[0]);
    for (b, [conv1, conv2]) in weights.blocks.iter().enumerate() {
        conv1.forward(grid, &ws.active[b], rows, &mut ws.out, room);
        relu(&ws.out[..len], &mut ws.hidden[b]);
        conv2.forward(grid, &ws.hidden[b], rows, &mut ws.out, room);
        add(&mut ws.trunk[..len], &ws.out);
        relu(&ws.trunk[..len], &mut ws.active[b + 1]);
    }
    let active = &ws.active[weights.blocks.len()];
    weights.last.forward(grid, active, rows, &mut ws.u, room);
    weights
        .prior
        .forward(grid, &ws.u, rows, &mut ws.prior, room);
    let of_picture = grid.pixels() * padded(level.features);
    for (i, given) in ws.given.iter_mut().enumerate().take(rows / grid.pixels()) {
        given.features.reserve_len(of_picture);
        let u = &ws.u[i * of_picture..(i + 1) * of_picture];
        given.features[..of_picture].copy_from_slice(u);
    }
}

/// Gives the sum of the steps' log-determinants.
fn steps_forward(weights: &StageWeights, rows: usize, ws: &mut StageWorkspace) -> f64 {
    let level = weights.level();
    let stride = level.state_stride();
    let given: Vec<&Given> = ws.given.iter().collect();
    let mut log_det = 0.0;
    for step in &level.steps {
        let (from, to) = (&ws.state[..rows * stride], &mut ws.other[..rows * stride]);
        step::mix_rows(from, to, stride, rows, &step.mix, &step.mix_bias);
        std::mem::swap(&mut ws.state, &mut ws.other);
        let (x, taps) = (&mut ws.state, &mut ws.taps);
        step::net(level, step, x, &given, 0..rows, taps, &mut ws.scratch);
        for tile in tiles(0..rows, tile_rows(weights.flow.width)) {
            let n = tile.len();
            let x = &mut x[tile.start * stride..tile.end * stride];
            step::couple_forward(level, step, taps, tile, x, &mut ws.scratch);
            let log_dets = ws.scratch.per_row[..n].iter();
            log_det += log_dets.map(|&v| f64::from(v)).sum::<f64>();
        }
        log_det += step.log_det * rows as f64;
    }
    log_det
}

/// Gives the sum of the log-probabilities; sets `d` of the state and of the features.
fn prior_backward(
    weights: &StageWeights,
    rows: usize,
    weight: f32,
    ws: &mut StageWorkspace,
    to: &mut StageGradients,
) -> f64 {
    let level = weights.level();
    let (c, stride, p_stride) = (
        level.channels,
        level.state_stride(),
        padded(2 * level.channels),
    );
    let mut log_prob = 0.0;
    let mut eps = vec![0.0; stride];
    ws.d_prior[..rows * p_stride].fill(0.0);
    for row in 0..rows {
        let at = row * stride..(row + 1) * stride;
        let p_at = row * p_stride..(row + 1) * p_stride;
        let (z, prior) = (&ws.state[at.clone()], &ws.prior[p_at.clone()]);
        log_prob += f64::from(step::eps_from_z(z, prior, c, &mut eps));
        gaussian_backward(z, prior, c, weight, &mut ws.d[at], &mut ws.d_prior[p_at]);
    }
    weights.prior.backward(
        level.grid,
        &ws.u,
        &ws.d_prior,
        rows,
        Some(&mut ws.d_u),
        &mut to.prior,
        &mut ws.room,
    );
    log_prob
}

fn steps_backward(
    weights: &StageWeights,
    rows: usize,
    weight: f32,
    ws: &mut StageWorkspace,
    to: &mut StageGradients,
) {
    let level = weights.level();
    let len = rows * level.state_stride();
    let given: Vec<&Given> = ws.given.iter().collect();
    for (k, step) in level.steps.iter().enumerate().rev() {
        let Some(transposed) = &step.transposed else {
            return;
        };
        let x = &mut ws.state[..len];
        ws.net
            .fill(level, step, x, &given, 0, &mut ws.scratch.class);
        step_backward(
            level,
            step,
            transposed,
            &ws.net,
            0,
            x,
            &mut ws.d[..len],
            &mut ws.d_other[..len],
            &mut ws.d_u,
            weight,
            &mut ws.chunk,
            &mut ws.scratch,
            &mut to.steps[k],
        );
        std::mem::swap(&mut ws.d, &mut ws.d_other);
    }
}

fn trunk_backward(
    weights: &StageWeights,
    rows: usize,
    ws: &mut StageWorkspace,
    to: &mut StageGradients,
) {
    let grid = weights.level().grid;
    let len = rows * padded(weights.first.out);
    let StageWorkspace {
        active,
        hidden,
        d_trunk: d,
        d_inner: inner,
        out: through,
        d_u,
        low,
        room,
        ..
    } = ws;
    let last = &active[weights.blocks.len()];
    weights
        .last
        .backward(grid, last, d_u, rows, Some(d), &mut to.last, room);
    where_positive(&mut d[..len], last);
    for (b, [conv1, conv2]) in weights.blocks.iter().enumerate().rev() {
        let [to1, to2] = &mut to.blocks[b];
        conv2.backward(grid, &hidden[b], d, rows, Some(inner), to2, room);
        where_positive(&mut inner[..len], &hidden[b]);
        conv1.backward(grid, &active[b], inner, rows, Some(through), to1, room);
        where_positive(&mut through[..len], &active[b]);
        // The gradient of the block's input: through the sum, and through its first relu.
        add(&mut d[..len], through);
    }
    weights
        .first
        .backward(grid, low, d, rows, None, &mut to.first, room);
}
