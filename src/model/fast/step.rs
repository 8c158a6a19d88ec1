//! The phases of a step of flow on pixel rows, shared by inference and training.
//!
//! A state row holds the `c` channels of a pixel. A step is: mix (own row), net (3x3 neighbourhood of the
//! first half), couple (own row). Functions here work on a range of rows and know nothing of threads.

use std::ops::Range;

use crate::config::ScaleFunction;
use crate::kernels::math::{exp, ln, log_sigmoid, sigmoid};
use crate::kernels::neighbours::{gather, sum_taps, taps_stride};
use crate::kernels::{
    Aligned, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, multiversion, padded, winograd,
};
pub use crate::model::folded::tile_rows;
use crate::model::folded::{FoldedLevel, FoldedPrior, FoldedStep, LastConv};

/// Lanes of the element-wise loops: rows have room for a whole number of them after each half.
const LANES: usize = 8;

/// Scratch of one thread for one tile.
#[derive(Default)]
pub struct Scratch {
    /// Gathered neighbourhoods.
    pub gathered: Aligned,
    /// First hidden layer.
    pub h1: Aligned,
    /// Second hidden layer.
    pub h2: Aligned,
    /// Output of the coupling network, or of a prior.
    pub out: Aligned,
    /// Patches and products of Winograd's form.
    pub winograd: winograd::Buffers,
    /// Border class of each row.
    pub class: Vec<u8>,
    /// A figure for each row.
    pub per_row: Vec<f32>,
}

impl Scratch {
    /// Makes room for tiles of a level of so many pixel rows in all.
    pub fn reserve(&mut self, level: &FoldedLevel, width: usize, rows: usize) {
        let rows = level.couple_rows(width).min(rows);
        self.gathered.reserve_len(rows * level.gathered_stride());
        self.h1.reserve_len(rows * padded(width));
        // Winograd's form reads the second layer of all rows, so that it lies elsewhere.
        if !level.is_winograd() {
            self.h2.reserve_len(rows * padded(width));
        }
        self.out.reserve_len(rows * padded(2 * level.channels));
        self.per_row.resize(rows.max(self.per_row.len()), 0.0);
    }
}

impl Scratch {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let floats = [&self.gathered, &self.h1, &self.h2, &self.out];
        let floats: usize = floats.into_iter().map(Aligned::bytes).sum();
        let per_row = self.per_row.capacity() * size_of::<f32>();
        floats + self.winograd.bytes() + self.class.capacity() + per_row
    }
}

/// Cuts `rows` into tiles.
pub fn tiles(rows: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(size)
        .map(move |start| start..(start + size).min(end))
}

/// Border classes of pixel rows of a batch.
pub fn fill_classes(level: &FoldedLevel, rows: Range<usize>, class: &mut Vec<u8>) {
    let pixels = level.grid.pixels();
    class.clear();
    class.extend(rows.map(|p| level.classes[p % pixels]));
}

/// What a detail stage is given with each picture: rows for its pixels, computed from the picture below.
#[derive(Default)]
pub struct Given {
    /// The features that condition its couplings, `[pixels, padded(u)]`.
    pub features: Aligned,
    /// `[mean (c), log_std (c)]` of its prior, `[pixels, padded(2 c)]`.
    pub prior: Aligned,
}

impl Given {
    /// The prior's row for a pixel of a level.
    pub fn prior_row(&self, level: &FoldedLevel, pixel: usize) -> &[f32] {
        let stride = padded(2 * level.channels);
        &self.prior[pixel * stride..][..stride]
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.features.bytes() + self.prior.bytes()
    }
}

/// The two hidden layers for the rows of one tile: `h1`, `h2` `[rows, width]`, `gathered` on the way. `given` has one
/// for each picture where the level is a detail stage, else none.
#[expect(
    clippy::too_many_arguments,
    reason = "inputs, outputs and scratch of one tile"
)]
pub fn hidden_tile(
    level: &FoldedLevel,
    step: &FoldedStep,
    x: &[f32],
    given: &[&Given],
    tile: Range<usize>,
    gathered: &mut [f32],
    h1: &mut [f32],
    h2: &mut [f32],
    class: &mut Vec<u8>,
) {
    let (m, n, width) = (level.half(), tile.len(), step.w2.n());
    let (g_stride, h_stride) = (level.gathered_stride(), padded(width));
    gather(
        x,
        level.state_stride(),
        m,
        level.grid,
        tile.clone(),
        false,
        &mut gathered[..n * g_stride],
        g_stride,
    );
    if level.features > 0 {
        let (u, pixels) = (level.features, level.grid.pixels());
        for (row, line) in tile.clone().zip(gathered.chunks_exact_mut(g_stride)) {
            let features = &given[row / pixels].features[row % pixels * padded(u)..];
            line[9 * m..9 * m + u].copy_from_slice(&features[..u]);
        }
    }
    if step.b1.by_class {
        fill_classes(level, tile, class);
    }
    let class = step.b1.by_class.then_some(class.as_slice());
    let bias = Init::Bias {
        table: &step.b1.table,
        stride: step.b1.stride,
        class,
    };
    let lhs = Lhs {
        data: gathered,
        row: g_stride,
        column: 1,
    };
    gemm(
        n,
        lhs,
        Rhs::Packed(&step.w1),
        h1,
        h_stride,
        bias,
        Finish::Relu,
    );
    let bias = Init::Bias {
        table: &step.b2,
        stride: h_stride,
        class: None,
    };
    let lhs = Lhs {
        data: h1,
        row: h_stride,
        column: 1,
    };
    gemm(
        n,
        lhs,
        Rhs::Packed(&step.w2),
        h2,
        h_stride,
        bias,
        Finish::Relu,
    );
}

/// The coupling network for pixel rows `rows` of the state `x` (and what is `given`), up to where rows need their neighbours' results:
/// `between` gets a row for each of them, nine taps or hidden activations ([`FoldedLevel::between_stride`]).
pub fn net(
    level: &FoldedLevel,
    step: &FoldedStep,
    x: &[f32],
    given: &[&Given],
    rows: Range<usize>,
    between: &mut [f32],
    scratch: &mut Scratch,
) {
    let (start, width) = (rows.start, step.w2.n());
    let stride = level.between_stride(width);
    for tile in tiles(rows, tile_rows(width)) {
        let Scratch {
            gathered,
            h1,
            h2,
            class,
            ..
        } = scratch;
        let to = &mut between[(tile.start - start) * stride..];
        match &step.w3 {
            LastConv::Winograd(_) => {
                hidden_tile(level, step, x, given, tile, gathered, h1, to, class);
            }
            LastConv::Taps(w3) => {
                hidden_tile(level, step, x, given, tile.clone(), gathered, h1, h2, class);
                let lhs = Lhs {
                    data: h2,
                    row: padded(width),
                    column: 1,
                };
                gemm(
                    tile.len(),
                    lhs,
                    Rhs::Packed(w3),
                    to,
                    stride,
                    Init::Zero,
                    Finish::None,
                );
            }
        }
    }
}

/// The coupling network's output for a tile, in `scratch.out`, from what [`net`] left for all rows; gives its
/// row stride.
pub fn net_output(
    level: &FoldedLevel,
    step: &FoldedStep,
    between: &[f32],
    tile: Range<usize>,
    scratch: &mut Scratch,
) -> usize {
    let o = level.coupling_out;
    let classes = step.b3.classes(&level.classes);
    let stride = padded(o);
    let out = &mut scratch.out[..tile.len() * stride];
    match &step.w3 {
        LastConv::Winograd(weights) => {
            let h_stride = padded(step.w2.n());
            let buffers = &mut scratch.winograd;
            winograd::convolve(
                weights,
                between,
                h_stride,
                level.grid,
                tile,
                &step.b3.table,
                classes,
                out,
                stride,
                buffers,
            );
        }
        LastConv::Taps(_) => {
            let taps = level.taps_out_stride();
            sum_taps(
                between,
                taps,
                o,
                level.grid,
                tile,
                false,
                &step.b3.table,
                classes,
                out,
                stride,
            );
        }
    }
    stride
}

/// Couples the rows `x` of a tile in place, from what [`net`] left for all rows; `scratch.per_row` gets each row's
/// log-determinant.
pub fn couple_forward(
    level: &FoldedLevel,
    step: &FoldedStep,
    between: &[f32],
    tile: Range<usize>,
    x: &mut [f32],
    scratch: &mut Scratch,
) {
    let n = tile.len();
    let o_stride = net_output(level, step, between, tile, scratch);
    let (out, per_row) = (&scratch.out[..n * o_stride], &mut scratch.per_row[..n]);
    let (m, stride) = (level.half(), level.state_stride());
    if level.affine.is_some() && level.scale_function != ScaleFunction::Sigmoid {
        let rows = x.chunks_exact_mut(stride).zip(out.chunks_exact(o_stride));
        for ((x, out), log_det) in rows.zip(per_row) {
            *log_det = other_affine(out, m, x, level.scale_function, true);
        }
    } else if let Some(floor) = level.affine {
        affine_forward(out, o_stride, m, floor.value(), x, stride, per_row);
    } else {
        additive(out, o_stride, m, x, stride, 1.0);
        per_row.fill(0.0);
    }
}

/// `to = from * matrix + bias` on pixel rows: the mixing of a step, forward or inverse.
pub fn mix_rows(
    from: &[f32],
    to: &mut [f32],
    stride: usize,
    n: usize,
    matrix: &PackedMatrix,
    bias: &[f32],
) {
    let lhs = Lhs {
        data: from,
        row: stride,
        column: 1,
    };
    let init = Init::Bias {
        table: bias,
        stride,
        class: None,
    };
    gemm(n, lhs, Rhs::Packed(matrix), to, stride, init, Finish::None);
}

multiversion! {
    /// Affine, forward, in place: `x2 = (x2 + shift) * s` with `s = floor + (1 - floor) sigmoid(raw + 2)`; `log_det` gets
    /// the sum over the channels of `ln s` for each row.
    pub fn affine_forward(out: &[f32], out_stride: usize, m: usize, floor: f32, x: &mut [f32], x_stride: usize, log_det: &mut [f32]) {
        for ((x, out), log_det) in x.chunks_exact_mut(x_stride).zip(out.chunks_exact(out_stride)).zip(log_det) {
            let mut total = 0.0;
            for c in (0..m).step_by(LANES) {
                let (shift, raw) = (load(out, c), load(out, m + c));
                let mut y = load(x, m + c);
                let mut logs = [0.0; LANES];
                // Without a floor the factor can be too small for its logarithm to be taken afterwards.
                if floor == 0.0 {
                    for i in 0..LANES {
                        y[i] = (y[i] + shift[i]) * sigmoid(raw[i] + 2.0);
                        logs[i] = log_sigmoid(raw[i] + 2.0);
                    }
                } else {
                    for i in 0..LANES {
                        let s = floor + (1.0 - floor) * sigmoid(raw[i] + 2.0);
                        y[i] = (y[i] + shift[i]) * s;
                        logs[i] = ln(s);
                    }
                }
                let valid = LANES.min(m - c);
                total += logs[..valid].iter().sum::<f32>();
                x[m + c..m + c + valid].copy_from_slice(&y[..valid]);
            }
            *log_det = total;
        }
    }
}

multiversion! {
    /// Affine, inverse, in place: `x2 = y2 / s - shift`.
    pub fn affine_inverse(out: &[f32], out_stride: usize, m: usize, floor: f32, x: &mut [f32], x_stride: usize) {
        for (x, out) in x.chunks_exact_mut(x_stride).zip(out.chunks_exact(out_stride)) {
            for c in (0..m).step_by(LANES) {
                let (shift, raw) = (load(out, c), load(out, m + c));
                let mut y = load(x, m + c);
                for i in 0..LANES {
                    // 1 / s = (1 + u) / (1 + floor u), u = exp(-v), which is 1 + u exactly without a floor.
                    let u = exp(-(raw[i] + 2.0));
                    y[i] = y[i] * ((1.0 + u) / (1.0 + floor * u)) - shift[i];
                }
                let valid = LANES.min(m - c);
                x[m + c..m + c + valid].copy_from_slice(&y[..valid]);
            }
        }
    }
}

/// Affine with another program's factor, one row in place, forward or inverse; gives the sum of `ln s`.
pub fn other_affine(
    out: &[f32],
    m: usize,
    x: &mut [f32],
    function: ScaleFunction,
    forward: bool,
) -> f32 {
    let mut total = 0.0;
    for ((v, shift), raw) in x[m..2 * m].iter_mut().zip(out).zip(&out[m..]) {
        let log_s = match function {
            ScaleFunction::Sigmoid => log_sigmoid(raw + 2.0),
            ScaleFunction::Exp => *raw,
            ScaleFunction::InverseSigmoid => -log_sigmoid(raw + 2.0),
        };
        total += log_s;
        *v = if forward {
            (*v + shift) * log_s.exp()
        } else {
            *v * (-log_s).exp() - shift
        };
    }
    total
}

/// Additive, in place: `x2 += sign * shift`.
pub fn additive(
    out: &[f32],
    out_stride: usize,
    m: usize,
    x: &mut [f32],
    x_stride: usize,
    sign: f32,
) {
    for (x, out) in x
        .chunks_exact_mut(x_stride)
        .zip(out.chunks_exact(out_stride))
    {
        for (v, shift) in x[m..2 * m].iter_mut().zip(out) {
            *v += sign * shift;
        }
    }
}

/// Eight floats from `at`; rows have room for them.
#[inline(always)]
fn load(row: &[f32], at: usize) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    if let Some(from) = row.get(at..at + LANES) {
        lanes.copy_from_slice(from);
    } else {
        let from = &row[at..];
        lanes[..from.len()].copy_from_slice(from);
    }
    lanes
}

/// The split prior of a tile: `out` gets rows `[mean, log_std]` of stride `padded(c)`.
pub fn split_prior(
    level: &FoldedLevel,
    x: &[f32],
    tile: Range<usize>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let FoldedPrior::Split { w, b, .. } = &level.prior else {
        return;
    };
    let (m, n, stride) = (level.half(), tile.len(), taps_stride(level.half()));
    gather(
        x,
        level.state_stride(),
        m,
        level.grid,
        tile.clone(),
        false,
        &mut scratch.gathered[..n * stride],
        stride,
    );
    if b.by_class {
        fill_classes(level, tile, &mut scratch.class);
    }
    let class = b.by_class.then_some(scratch.class.as_slice());
    let init = Init::Bias {
        table: &b.table,
        stride: b.stride,
        class,
    };
    let lhs = Lhs {
        data: &scratch.gathered,
        row: stride,
        column: 1,
    };
    gemm(
        n,
        lhs,
        Rhs::Packed(w),
        out,
        padded(level.channels),
        init,
        Finish::None,
    );
}

/// The row `[mean, log_std]` of the top prior for pixel row `p`.
pub fn top_prior_row(level: &FoldedLevel, p: usize) -> &[f32] {
    match &level.prior {
        FoldedPrior::Top {
            rows,
            stride,
            is_map,
        } => {
            let at = if *is_map {
                p % level.grid.pixels() * stride
            } else {
                0
            };
            &rows[at..at + stride]
        }
        FoldedPrior::Split { .. } | FoldedPrior::Given => &[],
    }
}

multiversion! {
    /// One row: `eps = (z - mean) * exp(-log_std)`; returns `ln N(z; mean, exp(log_std)^2)` of the row.
    pub fn eps_from_z(z: &[f32], prior: &[f32], e: usize, eps: &mut [f32]) -> f32 {
        let mut total = 0.0;
        for c in (0..e).step_by(LANES) {
            let (z, mean, log_std) = (load(z, c), load(prior, c), load(prior, e + c));
            let (mut out, mut logs) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..LANES {
                out[i] = (z[i] - mean[i]) * exp(-log_std[i]);
                logs[i] = log_std[i] + 0.5 * out[i] * out[i];
            }
            let valid = LANES.min(e - c);
            total -= logs[..valid].iter().sum::<f32>();
            eps[c..c + valid].copy_from_slice(&out[..valid]);
        }
        const HALF_LN_TAU: f32 = 0.918_938_5;
        total - HALF_LN_TAU * e as f32
    }
}

multiversion! {
    /// One row: `z = eps * exp(log_std) + mean`.
    pub fn z_from_eps(eps: &[f32], prior: &[f32], e: usize, z: &mut [f32]) {
        for c in (0..e).step_by(LANES) {
            let (eps, mean, log_std) = (load(eps, c), load(prior, c), load(prior, e + c));
            let mut out = [0.0; LANES];
            for i in 0..LANES {
                out[i] = eps[i] * exp(log_std[i]) + mean[i];
            }
            let valid = LANES.min(e - c);
            z[c..c + valid].copy_from_slice(&out[..valid]);
        }
    }
}

/// Rows of the next coarser level from those of a finer one: the first `m` channels of four pixels side by
/// side, `4 * channel + 2 * dy + dx`. `rows` are rows of the coarser level, whose pictures have `side`.
pub fn squeeze_rows(
    fine: &[f32],
    fine_stride: usize,
    m: usize,
    side: usize,
    rows: Range<usize>,
    coarse: &mut [f32],
    coarse_stride: usize,
) {
    for (q, line) in rows.zip(coarse.chunks_exact_mut(coarse_stride)) {
        for dy in 0..2 {
            for dx in 0..2 {
                let p = fine_pixel(q, side, dy, dx);
                for (ch, v) in fine[p * fine_stride..p * fine_stride + m]
                    .iter()
                    .enumerate()
                {
                    line[4 * ch + 2 * dy + dx] = *v;
                }
            }
        }
    }
}

/// The pixel row of the finer level at `(2 y + dy, 2 x + dx)` for row `q` of a level with `side`.
pub fn fine_pixel(q: usize, side: usize, dy: usize, dx: usize) -> usize {
    let (picture, inside) = (q / (side * side), q % (side * side));
    let (y, x) = (inside / side, inside % side);
    picture * 4 * side * side + (2 * y + dy) * 2 * side + 2 * x + dx
}

/// The inverse: the first `m` channels of rows `rows` of the finer level, whose pictures have `side`.
pub fn unsqueeze_rows(
    coarse: &[f32],
    coarse_stride: usize,
    m: usize,
    side: usize,
    rows: Range<usize>,
    fine: &mut [f32],
    fine_stride: usize,
) {
    for (p, line) in rows.zip(fine.chunks_exact_mut(fine_stride)) {
        let (picture, inside) = (p / (side * side), p % (side * side));
        let (y, x) = (inside / side, inside % side);
        let q = picture * side * side / 4 + y / 2 * (side / 2) + x / 2;
        let corner = 2 * (y % 2) + x % 2;
        for (ch, v) in line[..m].iter_mut().enumerate() {
            *v = coarse[q * coarse_stride + 4 * ch + corner];
        }
    }
}
