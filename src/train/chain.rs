//! Gradients of a chain: of its plain Glow, of a detail stage, or of all of it.
//!
//! The likelihood of a chain is a product, and each factor has parameters of its own: each part learns from the pictures
//! of its size as if it were alone. The likelihood of details hangs on their neighbourhood only, so a stage may learn from
//! windows of pictures, which cost less and show more pictures in the same time.

use std::ops::Range;

use super::config::TrainConfig;
use super::device::DeviceGradients;
use super::error::TrainError;
use super::gradients::{BatchGradients, BatchShare, CpuGradients, CpuStageGradients, parts_of};
use super::init::{data_dependent_init, stage_init};
pub use super::part::Part;
use super::ranks::Communicator;
use super::reduce::ReduceTimes;
use crate::config::GlowConfig;
use crate::model::params::Params;
use crate::model::{ModelError, haar};
use crate::noise::{Noise, NoisePurpose};

/// What the sides and the places of windows are multiples of: a block of Haar's, squeezed once.
pub const WINDOW_GRID: usize = 4;

/// Why these settings do not fit a model; `None` where they do.
pub(super) fn problem(config: &GlowConfig, train: &TrainConfig) -> Option<String> {
    let n_stages = config.detail.len();
    if n_stages == 0 {
        let given = [
            train.part.is_some().then_some("--part"),
            train.crop.is_some().then_some("--crop"),
            (train.soften != 0.0).then_some("--soften"),
        ];
        let setting = given.into_iter().flatten().next()?;
        return Some(format!(
            "{setting} is for models with detail stages, and this one has none; leave it out"
        ));
    }
    if let Some(Part::Stage(i)) = train.part.filter(|part| *part != Part::Base)
        && i >= n_stages
    {
        return Some(format!(
            "--part {i}: the model has {n_stages} detail stages, numbered from 0"
        ));
    }
    // The smallest picture that a trained stage sees.
    let smallest = match train.part {
        Some(Part::Base) => {
            let given = train.crop.is_some() || train.soften != 0.0;
            return given.then(|| {
                "--crop and --soften are for detail stages; leave them out with --part base".into()
            });
        }
        Some(Part::Stage(i)) => picture_side(config, i),
        None => picture_side(config, 0),
    };
    let side = train.crop?;
    let fits = side % WINDOW_GRID == 0 && side > 0 && side <= smallest;
    (!fits).then(|| {
        format!(
            "--crop {side}: a window's side is a multiple of {WINDOW_GRID} and at most {smallest}"
        )
    })
}

/// Pixels a side of the pictures of stage `i`.
fn picture_side(config: &GlowConfig, i: usize) -> usize {
    2 * config.stage(i).image_size
}

/// Whether a model of `start` can go on as one of `config`: it is the same, or lacks some of its finest stages.
pub fn is_beginning(start: &GlowConfig, config: &GlowConfig) -> bool {
    let known = start.detail.len();
    let missing = config.detail.len().saturating_sub(known);
    let cut = GlowConfig {
        image_size: config.image_size >> missing,
        detail: config.detail[..known.min(config.detail.len())].to_vec(),
        ..config.clone()
    };
    cut == *start
}

/// Takes the parameters of a model that is a beginning of this one; gives the number of its stages.
///
/// Errors: it is none.
pub(super) fn begin_with(params: &mut Params, start: &Params) -> Result<usize, TrainError> {
    if !is_beginning(&start.config, &params.config) || start.has_prior_map() {
        let problem = "the weights to start from are no beginning of the model: detail stages can only come on top of the same Glow";
        return Err(TrainError::Setup(problem.into()));
    }
    // One stage's parameters lie behind the other's, and all behind the Glow's.
    params.data[..start.data.len()].copy_from_slice(&start.data);
    Ok(start.config.detail.len())
}

/// Data-dependent initialisation of the parts that are new, from pictures of the model's size; `known`: how many stages
/// are not, where the Glow at the bottom is not.
///
/// Errors: as [`data_dependent_init`].
pub(super) fn initialise(
    params: &mut Params,
    mut x: Vec<Vec<f32>>,
    known: Option<usize>,
    ranks: &dyn Communicator,
) -> Result<(), TrainError> {
    for i in (0..params.config.detail.len()).rev() {
        if known.is_some_and(|n| i < n) {
            return Ok(());
        }
        stage_init(params, i, &refs(&x), ranks)?;
        x = below(&params.config, i, x);
    }
    match known {
        Some(_) => Ok(()),
        None => data_dependent_init(params, &refs(&x), ranks),
    }
}

fn refs(x: &[Vec<f32>]) -> Vec<&[f32]> {
    x.iter().map(Vec::as_slice).collect()
}

/// The pictures below those of stage `i`.
fn below(config: &GlowConfig, i: usize, x: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let side = picture_side(config, i);
    let low = |x: Vec<f32>| haar(&x, config.channels, side).0;
    x.into_iter().map(low).collect()
}

/// Bits a detail of each stage, the coarsest first, from the log-probabilities of the levels of one picture.
pub(super) fn bits_per_detail(config: &GlowConfig, level_log_prob: &[f64]) -> Vec<f64> {
    let n_stages = config.detail.len();
    let of_stage = |i: usize| {
        let n = config.stage(i).dims() as f64;
        // Without Haar's determinant, of which there is one for three details.
        let log_prob = level_log_prob[n_stages - 1 - i] + std::f64::consts::LN_2 * n / 3.0;
        f64::from(config.bits) - log_prob / (n * std::f64::consts::LN_2)
    };
    (0..n_stages).map(of_stage).collect()
}

/// Random numbers of a step.
#[derive(Clone, Copy)]
pub(super) struct Draws {
    /// Seed of the run.
    pub(super) seed: u64,
    /// The step.
    pub(super) step: u64,
    /// Place in the whole batch of the first picture that is worked on here.
    pub(super) first: usize,
}

impl Draws {
    /// What a picture's window and noise at a stage are drawn from: a function of the place in the whole batch, so that it
    /// does not depend on who works on it.
    fn of(self, picture: usize, stage: usize) -> Noise {
        // A batch has at most 2^16 pictures, a chain at most 4 stages.
        let place = (self.first + picture) as u64;
        Noise::of(
            NoisePurpose::Window,
            self.seed,
            (((self.step << 16) | place) << 3) | stage as u64,
        )
    }
}

/// What computes the gradients of the Glow at the bottom.
enum BaseGradients {
    Cpu(CpuGradients),
    Device(DeviceGradients),
}

/// The buffers of a training of a chain; its stages learn on the CPU.
pub(super) struct ChainGradients {
    base: Option<BaseGradients>,
    stages: Vec<(usize, CpuStageGradients)>,
    crop: Option<usize>,
    soften: f32,
    n_parts: usize,
}

impl ChainGradients {
    /// For a model of this shape and the part of it that learns; the Glow at the bottom on `device`, where one is given.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub(super) fn new(
        params: &Params,
        train: &TrainConfig,
        threads: usize,
        device: Option<DeviceGradients>,
    ) -> Result<Self, ModelError> {
        let stages = match train.part {
            None => 0..params.config.detail.len(),
            Some(Part::Base) => 0..0,
            Some(Part::Stage(i)) => i..i + 1,
        };
        let base = match (train.part, device) {
            (Some(Part::Stage(_)), _) => None,
            (_, Some(device)) => Some(BaseGradients::Device(device)),
            (_, None) => Some(BaseGradients::Cpu(
                CpuGradients::new(&params.base(), threads)?
                    .with_activations(train.activations)
                    .with_arithmetic(train.arithmetic)
                    .with_parts(train.accumulate),
            )),
        };
        let stage = |i| {
            let gradients = CpuStageGradients::new(params, i, threads, train.arithmetic)?;
            Ok((i, gradients))
        };
        Ok(Self {
            base,
            stages: stages.map(stage).collect::<Result<_, ModelError>>()?,
            crop: train.crop,
            soften: train.soften,
            n_parts: train.accumulate.max(1),
        })
    }

    /// Loss and gradient of a batch that ranks share, as [`CpuGradients::over_ranks`]: of all parts together the bits per
    /// dimension of the chain, of a stage alone its bits a detail, of the Glow at the bottom its own.
    ///
    /// Where windows are taken the stages' share of the bits is an estimate from them.
    ///
    /// Errors: a 1x1 convolution without an inverse; ranks that no longer hear of each other.
    pub(super) fn over_ranks(
        &mut self,
        params: &Params,
        share: &BatchShare,
        draws: Draws,
        ranks: &dyn Communicator,
    ) -> Result<BatchGradients, TrainError> {
        let config = &params.config;
        let is_whole = self.base.is_some() && !self.stages.is_empty();
        // What a part's bits count: all there is, or its share of the dimensions.
        let of_part = |dims: usize| match is_whole {
            true => dims as f64 / config.dims() as f64,
            false => 1.0,
        };
        let mut gradient = vec![0.0; params.data.len()];
        let mut bits = 0.0;
        for pictures in parts_of(share.n, self.n_parts) {
            // A part's mean, for its share of the whole batch.
            let counts = pictures.len() as f64 / share.n_whole.max(1) as f64;
            if pictures.is_empty() || self.stages.is_empty() {
                continue;
            }
            let mut x = (share.inputs)(pictures.clone());
            for at in (0..config.detail.len()).rev() {
                let trained = self.stages.iter_mut().find(|(i, _)| *i == at);
                if let Some((_, stage)) = trained {
                    let draws = (draws, pictures.start);
                    let (windows, noise) = windows(config, at, &x, self.crop, self.soften, draws);
                    let windowed = windowed(params, at, self.crop);
                    let (of_stage, of_params) =
                        stage.loss_and_gradients(&windowed, &refs(&windows), &noise)?;
                    let counts = counts * of_part(config.stage(at).dims());
                    bits += counts * of_stage;
                    let sum = gradient.iter_mut().zip(of_params);
                    sum.for_each(|(to, g)| *to += counts as f32 * g);
                }
                if self.base.is_none() && self.stages.iter().all(|(i, _)| *i >= at) {
                    break;
                }
                x = below(config, at, x);
            }
        }
        let mut loss = [bits];
        ranks.sum_f64(&mut loss)?;
        let mut times = ReduceTimes::default();
        if !self.stages.is_empty() {
            ranks.sum_f32(&mut gradient)?;
        }
        if let Some(base) = &mut self.base {
            let inputs = |part: Range<usize>| {
                let stages = (0..config.detail.len()).rev();
                stages.fold((share.inputs)(part), |x, at| below(config, at, x))
            };
            let share = BatchShare {
                inputs: &inputs,
                ..*share
            };
            let params = params.base();
            let of_base = match base {
                BaseGradients::Cpu(cpu) => cpu.over_ranks(&params, &share, ranks)?,
                BaseGradients::Device(device) => device.over_ranks(&params, &share, ranks)?,
            };
            let of_chain = of_part(config.base().dims());
            loss[0] += of_chain * of_base.bits_per_dim;
            times = of_base.times;
            let sum = gradient.iter_mut().zip(of_base.gradient);
            sum.for_each(|(to, g)| *to += of_chain as f32 * g);
        }
        if is_whole {
            loss[0] += haar_bits(config);
        }
        Ok(BatchGradients {
            bits_per_dim: loss[0],
            gradient,
            times,
        })
    }
}

/// What Haar's determinants add to the bits per dimension of a chain: `ln |det| = -ln 2` for each value of a low-pass.
fn haar_bits(config: &GlowConfig) -> f64 {
    let low_pass = |i| config.stage(i).dims() / 3;
    let n: usize = (0..config.detail.len()).map(low_pass).sum();
    n as f64 / config.dims() as f64
}

/// The same parameters, for windows of this side at stage `i`.
fn windowed(params: &Params, i: usize, crop: Option<usize>) -> Params {
    let n_stages = params.config.detail.len();
    let config = GlowConfig {
        image_size: crop.map_or(params.config.image_size, |side| {
            // The side of the whole chain's pictures that goes with it: nothing but the stage looks at it.
            ((side / 2) << n_stages) >> i
        }),
        ..params.config.clone()
    };
    Params {
        config,
        ..params.clone()
    }
}

/// Windows of pictures of stage `i`, and the noise on what is below them.
fn windows(
    config: &GlowConfig,
    i: usize,
    x: &[Vec<f32>],
    crop: Option<usize>,
    soften: f32,
    (draws, first): (Draws, usize),
) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let whole = picture_side(config, i);
    let side = crop.unwrap_or(whole);
    let mut noises = Vec::new();
    let one = |(at, x): (usize, &Vec<f32>)| {
        let mut draws = draws.of(first + at, i);
        let places = (whole - side) / WINDOW_GRID + 1;
        let [top, left] = [(); 2].map(|()| WINDOW_GRID * draws.below(places));
        if soften > 0.0 {
            let mut noise = vec![0.0; config.channels * (side / 2) * (side / 2)];
            draws.fill_normal(&mut noise);
            noise.iter_mut().for_each(|v| *v *= soften);
            noises.push(noise);
        }
        let mut window = Vec::with_capacity(config.channels * side * side);
        for c in 0..config.channels {
            for row in top..top + side {
                let start = (c * whole + row) * whole + left;
                window.extend_from_slice(&x[start..start + side]);
            }
        }
        window
    };
    let windows = x.iter().enumerate().map(one).collect();
    (windows, noises)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny_config;
    use crate::config::{DetailConfig, ScaleFloor};
    use crate::model::FastChain;
    use crate::train::ranks::threads::on_ranks;

    fn chain(n_stages: usize) -> GlowConfig {
        let stage = DetailConfig {
            depth: 2,
            width: 10,
            trunk: 8,
            blocks: 1,
            features: 5,
            scale_floor: ScaleFloor::new(0.5).unwrap(),
        };
        GlowConfig {
            image_size: 8 << n_stages,
            channels: 3,
            detail: vec![stage; n_stages],
            ..tiny_config()
        }
    }

    fn pictures(config: &GlowConfig, n: usize) -> Vec<Vec<f32>> {
        let mut noise = Noise::new(5);
        let mut picture = || {
            let values = (0..config.dims()).map(|_| noise.uniform() - 0.5);
            values.collect::<Vec<_>>()
        };
        (0..n).map(|_| picture()).collect()
    }

    fn gradients(
        params: &Params,
        train: &TrainConfig,
        x: &[Vec<f32>],
        ranks: &dyn Communicator,
    ) -> BatchGradients {
        let (rank, n_ranks) = (ranks.rank(), ranks.n_ranks());
        let mine = rank * x.len() / n_ranks..(rank + 1) * x.len() / n_ranks;
        let share = BatchShare {
            n: mine.len(),
            n_whole: x.len(),
            inputs: &|part| x[mine.start + part.start..mine.start + part.end].to_vec(),
        };
        let draws = Draws {
            seed: 3,
            step: 1,
            first: mine.start,
        };
        let mut chain = ChainGradients::new(params, train, 2, None).unwrap();
        chain.over_ranks(params, &share, draws, ranks).unwrap()
    }

    fn part(part: Option<Part>) -> TrainConfig {
        TrainConfig {
            part,
            ..TrainConfig::default()
        }
    }

    #[test]
    fn the_loss_of_all_parts_is_the_likelihood_of_the_chain() {
        for n_stages in [1, 2] {
            let config = chain(n_stages);
            let params = Params::perturbed(config.clone(), 7);
            let x = pictures(&config, 3);
            let alone = crate::train::ranks::alone();
            let found = gradients(&params, &part(None), &x, &*alone);
            let fast = FastChain::new(&params, 1).unwrap();
            let encoded = fast.encode(&refs(&x), &|| false).unwrap();
            let log_prob: f64 = encoded.iter().flat_map(|e| &e.level_log_prob).sum();
            let n = (x.len() * config.dims()) as f64 * std::f64::consts::LN_2;
            let expected = f64::from(config.bits) - log_prob / n;
            let difference = (found.bits_per_dim - expected).abs();
            assert!(difference < 1e-4, "{} {expected}", found.bits_per_dim);
        }
    }

    #[test]
    fn a_part_alone_leaves_the_others_as_they_are() {
        let config = chain(2);
        let params = Params::perturbed(config.clone(), 7);
        let x = pictures(&config, 2);
        for (chosen, prefixes) in [
            (Part::Base, ["levels.", "prior."]),
            (Part::Stage(0), ["detail.0.", "detail.0."]),
            (Part::Stage(1), ["detail.1.", "detail.1."]),
        ] {
            let alone = crate::train::ranks::alone();
            let found = gradients(&params, &part(Some(chosen)), &x, &*alone);
            for entry in params.layout.entries() {
                let of_entry = &found.gradient[entry.offset..entry.offset + entry.count()];
                let is_frozen = of_entry.iter().all(|v| *v == 0.0);
                let belongs = prefixes.iter().any(|p| entry.name.starts_with(p));
                assert!(belongs || is_frozen, "{chosen} {}", entry.name);
            }
            assert!(found.gradient.iter().any(|v| *v != 0.0), "{chosen}");
        }
    }

    #[test]
    fn ranks_and_parts_of_a_batch_make_no_difference() {
        let config = chain(2);
        let params = Params::perturbed(config.clone(), 7);
        let x = pictures(&config, 5);
        let settings = [
            TrainConfig {
                crop: Some(8),
                soften: 0.02,
                ..part(Some(Part::Stage(1)))
            },
            part(None),
        ];
        for train in settings {
            let alone = crate::train::ranks::alone();
            let whole = gradients(&params, &train, &x, &*alone);
            let in_parts = TrainConfig {
                accumulate: 3,
                ..train.clone()
            };
            let mut others = on_ranks(2, |ranks| gradients(&params, &train, &x, &**ranks));
            others.push(gradients(&params, &in_parts, &x, &*alone));
            for other in others {
                assert!((other.bits_per_dim - whole.bits_per_dim).abs() < 1e-5);
                let pairs = other.gradient.iter().zip(&whole.gradient);
                let norm = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
                let difference: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
                assert!(norm(&difference) < 1e-5 * norm(&whole.gradient) + 1e-7);
            }
        }
    }

    #[test]
    fn what_does_not_fit_the_model_is_said() {
        let says = |config: &GlowConfig, train: TrainConfig| problem(config, &train).unwrap();
        let none = says(&chain(0), part(Some(Part::Base)));
        assert!(none.contains("--part"), "{none}");
        let missing = says(&chain(1), part(Some(Part::Stage(1))));
        assert!(missing.contains("1 detail stages"), "{missing}");
        for crop in [6, 20, 0] {
            let train = TrainConfig {
                crop: Some(crop),
                ..part(Some(Part::Stage(0)))
            };
            let text = says(&chain(1), train);
            assert!(text.contains("at most 16"), "{text}");
        }
        assert_eq!(problem(&chain(1), &part(None)), None);
        assert!("2nd".parse::<Part>().is_err());
        assert_eq!("1".parse(), Ok(Part::Stage(1)));
    }
}
