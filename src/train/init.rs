//! Data-dependent initialisation of the actnorms (Kingma & Dhariwal 2018, section 3.1).

use super::error::TrainError;
use super::ranks::Communicator;
use crate::kernels::neighbours::{Grid, taps_stride};
use crate::kernels::{Aligned, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, padded};
use crate::model::fast::load_picture_rows;
use crate::model::fast::step::{self, Scratch, tile_rows, tiles};
use crate::model::folded::{Folded, FoldedLevel, FoldedStep, LOG_SCALE_FACTOR, Purpose};
use crate::model::params::Params;

/// Sets every actnorm, in the order of the flow, so that its output has mean 0 and standard deviation 1 in
/// each channel over the pictures `x` (each `[c, h, w]`): `bias = -mean`,
/// `log_scale = ln(1 / (std + 1e-6)) / 3`, with the population's standard deviation.
///
/// Of several ranks each gives its share of the pictures, and all get the moments of the whole.
///
/// Expects a fresh model ([`Params::initial`]). Errors: a 1x1 convolution without an inverse; ranks that no longer hear
/// of each other.
pub fn data_dependent_init(
    params: &mut Params,
    x: &[&[f32]],
    ranks: &dyn Communicator,
) -> Result<(), TrainError> {
    let shapes = params.config.level_shapes();
    let mut scratch = Scratch::default();
    let mut state = Aligned::default();
    for (l, shape) in shapes.iter().enumerate() {
        let rows = x.len() * shape.side * shape.side;
        let stride = padded(shape.channels);
        if l == 0 {
            state = Aligned::zeros(rows * stride);
            let (channels, grid) = (params.config.channels, Grid { side: shape.side });
            load_picture_rows(x, channels, grid, stride, &mut state);
        }
        let mut other = Aligned::zeros(rows * stride);
        for k in 0..params.config.depth {
            let p = format!("levels.{l}.steps.{k}.");
            let moments = Moments::of(&state[..rows * stride], stride, shape.channels);
            moments.store(params, &format!("{p}actnorm"), ranks)?;
            // Each actnorm changes what the next one sees: fold this level's step anew after each.
            let level = Folded::level(params, l, k..k + 1, Purpose::Forward)?;
            let step = &level.steps[0];
            scratch.reserve(&level, params.config.width, rows);
            for tile in tiles(0..rows, 128) {
                let at = tile.start * stride..tile.end * stride;
                step::mix_rows(
                    &state[at.clone()],
                    &mut other[at],
                    stride,
                    tile.len(),
                    &step.mix,
                    &step.mix_bias,
                );
            }
            std::mem::swap(&mut state, &mut other);
            hidden_moments(&level, step, &state, rows, &mut scratch, Layer::First).store(
                params,
                &format!("{p}coupling.actnorm1"),
                ranks,
            )?;
            let level = Folded::level(params, l, k..k + 1, Purpose::Forward)?;
            hidden_moments(
                &level,
                &level.steps[0],
                &state,
                rows,
                &mut scratch,
                Layer::Second,
            )
            .store(params, &format!("{p}coupling.actnorm2"), ranks)?;
            let level = Folded::level(params, l, k..k + 1, Purpose::Forward)?;
            couple(
                &level,
                &level.steps[0],
                &mut state,
                rows,
                params.config.width,
                &mut scratch,
            );
        }
        if let Some(next) = shapes.get(l + 1) {
            let mut coarse = Aligned::zeros(rows / 4 * padded(next.channels));
            step::squeeze_rows(
                &state,
                stride,
                shape.channels / 2,
                next.side,
                0..rows / 4,
                &mut coarse,
                padded(next.channels),
            );
            state = coarse;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Layer {
    First,
    Second,
}

/// Moments of what an actnorm of the coupling network sees, given that it is still the identity.
fn hidden_moments(
    level: &FoldedLevel,
    step: &FoldedStep,
    state: &[f32],
    rows: usize,
    scratch: &mut Scratch,
    layer: Layer,
) -> Moments {
    let width = step.w2.n();
    let h_stride = padded(width);
    let mut moments = Moments::new(width);
    for tile in tiles(0..rows, tile_rows(width)) {
        let n = tile.len();
        let Scratch {
            gathered,
            h1,
            h2,
            class,
            ..
        } = scratch;
        step::hidden_tile(
            level,
            step,
            state,
            &[],
            tile.clone(),
            gathered,
            h1,
            h2,
            class,
        );
        // The same products without the relu.
        match layer {
            Layer::First => {
                step::fill_classes(level, tile, class);
                let class = step.b1.by_class.then_some(class.as_slice());
                let init = Init::Bias {
                    table: &step.b1.table,
                    stride: step.b1.stride,
                    class,
                };
                product(
                    n,
                    gathered,
                    taps_stride(level.half()),
                    &step.w1,
                    h2,
                    h_stride,
                    init,
                );
            }
            Layer::Second => {
                let init = Init::Bias {
                    table: &step.b2,
                    stride: h_stride,
                    class: None,
                };
                product(n, h1, h_stride, &step.w2, h2, h_stride, init);
            }
        }
        moments.add(&h2[..n * h_stride], h_stride);
    }
    moments
}

fn product(
    n: usize,
    a: &[f32],
    stride: usize,
    w: &PackedMatrix,
    to: &mut [f32],
    to_stride: usize,
    init: Init,
) {
    gemm(
        n,
        Lhs {
            data: a,
            row: stride,
            column: 1,
        },
        Rhs::Packed(w),
        to,
        to_stride,
        init,
        Finish::None,
    );
}

fn couple(
    level: &FoldedLevel,
    step: &FoldedStep,
    state: &mut [f32],
    rows: usize,
    width: usize,
    scratch: &mut Scratch,
) {
    let stride = level.state_stride();
    let mut taps = Aligned::zeros(rows * level.taps_out_stride());
    step::net(level, step, state, &[], 0..rows, &mut taps, scratch);
    for tile in tiles(0..rows, tile_rows(width)) {
        let x = &mut state[tile.start * stride..tile.end * stride];
        step::couple_forward(level, step, &taps, tile, x, scratch);
    }
}

/// First and second moments of each channel.
struct Moments {
    rows: usize,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl Moments {
    fn new(channels: usize) -> Self {
        Self {
            rows: 0,
            sum: vec![0.0; channels],
            square: vec![0.0; channels],
        }
    }

    fn of(data: &[f32], stride: usize, channels: usize) -> Self {
        let mut moments = Self::new(channels);
        moments.add(data, stride);
        moments
    }

    fn add(&mut self, data: &[f32], stride: usize) {
        for row in data.chunks_exact(stride) {
            self.rows += 1;
            for ((sum, square), &v) in self.sum.iter_mut().zip(&mut self.square).zip(row) {
                *sum += f64::from(v);
                *square += f64::from(v) * f64::from(v);
            }
        }
    }

    /// Sets an actnorm by the moments of all ranks.
    fn store(
        mut self,
        params: &mut Params,
        name: &str,
        ranks: &dyn Communicator,
    ) -> Result<(), TrainError> {
        let channels = self.sum.len();
        let mut all = [&[self.rows as f64][..], &self.sum, &self.square].concat();
        ranks.sum_f64(&mut all)?;
        let n = all[0].max(1.0);
        self.sum.copy_from_slice(&all[1..=channels]);
        self.square.copy_from_slice(&all[channels + 1..]);
        let mean: Vec<f64> = self.sum.iter().map(|v| v / n).collect();
        for (to, m) in params
            .slice_mut(&format!("{name}.bias"))
            .iter_mut()
            .zip(&mean)
        {
            *to = -m as f32;
        }
        for ((to, m), square) in params
            .slice_mut(&format!("{name}.log_scale"))
            .iter_mut()
            .zip(&mean)
            .zip(&self.square)
        {
            let std = (square / n - m * m).max(0.0).sqrt();
            *to = ((1.0 / (std + 1e-6)).ln() / f64::from(LOG_SCALE_FACTOR)) as f32;
        }
        Ok(())
    }
}
