//! Data-dependent initialisation of the actnorms (Kingma & Dhariwal 2018, section 3.1).

use super::error::TrainError;
use super::ranks::Communicator;
use crate::kernels::{Aligned, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, padded};
use crate::model::fast::load_picture_rows;
use crate::model::fast::step::{self, Given, Scratch, tile_rows, tiles};
use crate::model::folded::{Folded, FoldedLevel, FoldedStep, LOG_SCALE_FACTOR, Purpose};
use crate::model::params::Params;
use crate::model::{ModelError, given_of, haar};

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
            load_picture_rows(
                x,
                params.config.channels,
                &Folded::level(params, 0, 0..0, Purpose::Forward)?,
                &mut state,
            );
        }
        let width = params.config.width;
        for k in 0..params.config.depth {
            let site = Site {
                prefix: format!("levels.{l}.steps.{k}."),
                width,
                given: &[],
                fold: &|params| {
                    let mut level = Folded::level(params, l, k..k + 1, Purpose::Forward)?;
                    let step = level.steps.remove(0);
                    Ok((level, step))
                },
            };
            init_step(params, &site, &mut state, rows, &mut scratch, ranks)?;
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

/// The same for detail stage `i`, from pictures `x` of its size, each `[c, h, w]`.
///
/// Errors: as [`data_dependent_init`].
pub fn stage_init(
    params: &mut Params,
    i: usize,
    x: &[&[f32]],
    ranks: &dyn Communicator,
) -> Result<(), TrainError> {
    let (stage, of_stage) = (params.config.detail[i], params.config.stage(i));
    let shape = of_stage.level_shapes()[0];
    let rows = x.len() * shape.side * shape.side;
    let channels = params.config.channels;
    let split = x.iter().map(|x| haar(x, channels, 2 * of_stage.image_size));
    let (lows, details): (Vec<_>, Vec<_>) = split.unzip();
    let given = given_of(params, i, &lows);
    let given: Vec<&Given> = given.iter().collect();
    let details: Vec<&[f32]> = details.iter().map(Vec::as_slice).collect();
    let mut state = Aligned::zeros(rows * padded(shape.channels));
    let mut scratch = Scratch::default();
    for k in 0..stage.depth {
        let site = Site {
            prefix: format!("detail.{i}.steps.{k}."),
            width: stage.width,
            given: &given,
            fold: &|params| {
                let mut level = Folded::stage_steps(params, i, k..k + 1, Purpose::Forward, 1)?;
                let step = level.steps.remove(0);
                Ok((level, step))
            },
        };
        if k == 0 {
            let (level, _) = (site.fold)(params)?;
            load_picture_rows(&details, of_stage.channels, &level, &mut state);
        }
        init_step(params, &site, &mut state, rows, &mut scratch, ranks)?;
    }
    Ok(())
}

/// A step of the flow whose actnorms are to be set.
struct Site<'a> {
    /// What the names of its parameters start with.
    prefix: String,
    /// Hidden channels.
    width: usize,
    /// What a detail stage is given with each picture.
    given: &'a [&'a Given],
    /// The level that it stands in, without steps, and the step, of the parameters as they are.
    fold: &'a dyn Fn(&Params) -> Result<(FoldedLevel, FoldedStep), ModelError>,
}

/// Sets the actnorms of a step, and carries the pixel rows `state` through it.
fn init_step(
    params: &mut Params,
    site: &Site,
    state: &mut Aligned,
    rows: usize,
    scratch: &mut Scratch,
    ranks: &dyn Communicator,
) -> Result<(), TrainError> {
    let p = &site.prefix;
    let (level, _) = (site.fold)(params)?;
    let stride = level.state_stride();
    let moments = Moments::of(&state[..rows * stride], stride, level.channels);
    moments.store(params, &format!("{p}actnorm"), ranks)?;
    // Each actnorm changes what the next one sees: fold the step anew after each.
    let (level, step) = (site.fold)(params)?;
    let mut other = Aligned::zeros(rows * stride);
    scratch.reserve(&level, site.width, rows);
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
    *state = other;
    for (layer, name) in [(Layer::First, "actnorm1"), (Layer::Second, "actnorm2")] {
        let (level, step) = (site.fold)(params)?;
        let moments = hidden_moments(&level, &step, state, site.given, rows, scratch, layer);
        moments.store(params, &format!("{p}coupling.{name}"), ranks)?;
    }
    let (level, step) = (site.fold)(params)?;
    couple(&level, &step, site, state, rows, scratch);
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
    given: &[&Given],
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
            given,
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
                    level.gathered_stride(),
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
    site: &Site,
    state: &mut [f32],
    rows: usize,
    scratch: &mut Scratch,
) {
    let stride = level.state_stride();
    let mut taps = Aligned::zeros(rows * level.taps_out_stride());
    step::net(level, step, state, site.given, 0..rows, &mut taps, scratch);
    for tile in tiles(0..rows, tile_rows(site.width)) {
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
