//! Data-dependent initialisation of the actnorms (Kingma & Dhariwal 2018, section 3.1).

use super::error::TrainError;
use super::ranks::Communicator;
use crate::kernels::neighbours::Grid;
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
            let (channels, grid) = (params.config.channels, Grid { side: shape.side });
            load_picture_rows(x, channels, grid, stride, &mut state);
        }
        let width = params.config.width;
        for k in 0..params.config.depth {
            let site = StepSite {
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
    let (grid, stride) = (Grid { side: shape.side }, padded(shape.channels));
    let mut state = Aligned::zeros(rows * stride);
    load_picture_rows(&details, of_stage.channels, grid, stride, &mut state);
    let mut scratch = Scratch::default();
    for k in 0..stage.depth {
        let site = StepSite {
            prefix: format!("detail.{i}.steps.{k}."),
            width: stage.width,
            given: &given,
            fold: &|params| {
                let mut level = Folded::stage_steps(params, i, k..k + 1, Purpose::Forward, 1)?;
                let step = level.steps.remove(0);
                Ok((level, step))
            },
        };
        init_step(params, &site, &mut state, rows, &mut scratch, ranks)?;
    }
    Ok(())
}

/// A step of the flow whose actnorms are to be set.
struct StepSite<'a> {
    /// What the names of its parameters start with.
    prefix: String,
    /// Hidden channels.
    width: usize,
    /// What a detail stage is given with each picture.
    given: &'a [&'a Given],
    /// The level that it stands in, without steps, and the step, of the parameters as they are.
    fold: &'a dyn Fn(&Params) -> Result<FoldedPlace, ModelError>,
}

/// A level without steps, and the step that stands in it.
type FoldedPlace = (FoldedLevel, FoldedStep);

/// Sets the actnorms of a step, and carries the pixel rows `state` through it.
fn init_step(
    params: &mut Params,
    site: &StepSite,
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
    site: &StepSite,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny_config;
    use crate::config::{DetailConfig, GlowConfig};
    use crate::model::FastChain;
    use crate::noise::Noise;
    use crate::train::ranks::alone;
    use crate::train::ranks::threads::on_ranks;

    fn chain() -> GlowConfig {
        let stage = DetailConfig {
            depth: 3,
            width: 10,
            trunk: 8,
            blocks: 1,
            features: 5,
            scale_floor: Default::default(),
        };
        GlowConfig {
            image_size: 16,
            detail: vec![stage],
            ..tiny_config()
        }
    }

    /// Grey slopes with a little noise: their details are a hundred times smaller than the prior of a fresh stage expects.
    fn pictures(config: &GlowConfig, n: usize) -> Vec<Vec<f32>> {
        let mut noise = Noise::new(5);
        let value = |at: usize, noise: &mut Noise| {
            (at % config.image_size) as f32 / 32.0 - 0.25 + 0.02 * (noise.uniform() - 0.5)
        };
        (0..n)
            .map(|_| (0..config.dims()).map(|at| value(at, &mut noise)).collect())
            .collect()
    }

    #[test]
    fn a_stage_begins_with_details_of_mean_0_and_deviation_1() {
        let config = chain();
        let fresh = Params::initial(config.clone(), 1);
        let x = pictures(&config, 6);
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let mut params = fresh.clone();
        stage_init(&mut params, 0, &x, &*alone()).unwrap();
        // The first actnorm sees the details as they are: the first channel is the first place of each 2x2 of the first.
        let (size, side) = (config.image_size / 2, config.image_size / 4);
        let seen = x.iter().flat_map(|x| {
            let details = haar(x, config.channels, config.image_size).1;
            let places = (0..side * side).map(move |p| 2 * (p / side) * size + 2 * (p % side));
            places.map(move |at| f64::from(details[at]))
        });
        let seen: Vec<f64> = seen.collect();
        let n = seen.len() as f64;
        let mean = seen.iter().sum::<f64>() / n;
        let deviation = (seen.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let p = "detail.0.steps.0.actnorm";
        let bias = f64::from(params.slice(&format!("{p}.bias"))[0]);
        let log_scale = f64::from(params.slice(&format!("{p}.log_scale"))[0]);
        assert!((bias + mean).abs() < 1e-6, "{bias} {mean}");
        let scale = (f64::from(LOG_SCALE_FACTOR) * log_scale).exp();
        assert!(
            (scale * deviation - 1.0).abs() < 1e-3,
            "{scale} {deviation}"
        );
        // The stage is right about the size of details then; the Glow below is untouched.
        let bits = |params: &Params| {
            let encoded = FastChain::new(params, 1).unwrap().encode(&x, &|| false);
            let of_stage = |e: &crate::model::fast::RawEncoding| -e.level_log_prob[0];
            encoded.unwrap().iter().map(of_stage).sum::<f64>()
        };
        assert!(bits(&params) < bits(&fresh) - 1000.0);
        let n_base = fresh.base().data.len();
        assert_eq!(params.data[..n_base], fresh.data[..n_base]);
        for step in 0..3 {
            for name in ["actnorm1", "actnorm2"] {
                let name = format!("detail.0.steps.{step}.coupling.{name}.log_scale");
                assert!(
                    params
                        .slice(&name)
                        .iter()
                        .all(|v| v.is_finite() && *v != 0.0)
                );
            }
        }
        // Ranks with a share of the pictures each come to the same.
        let shared = on_ranks(2, |ranks| {
            let mut params = fresh.clone();
            let mine = 3 * ranks.rank()..3 * ranks.rank() + 3;
            stage_init(&mut params, 0, &x[mine], &**ranks).unwrap();
            params
        });
        for other in shared {
            let pairs = other.data.iter().zip(&params.data);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
