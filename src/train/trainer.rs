//! The training loop. It reports [`TrainEvent`]s and prints nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;
use serde_json::json;

use super::checkpoint::{Checkpoint, CheckpointError, CurvePoint, Progress};
use super::config::TrainConfig;
use super::engine::CpuGradients;
use super::init::data_dependent_init;
use super::optimizer::{Optimizer, norm};
use crate::data::DataError;
use crate::data::batches::{Batch, BatchStream, PictureSet};
use crate::export::{self, ExportError};
use crate::formats::weights::{self, Precision, WeightsError};
use crate::model::fast::FastGlow;
use crate::model::params::Params;
use crate::model::pixels::{largest_difference, picture_from_x, x_from_bytes};
use crate::model::{GlowConfig, Latent, ModelError};
use crate::noise::Noise;

/// Streams of random numbers that a run draws from, beside that of the weights.
const NOISE_STREAM: u64 = 1 << 32;

/// Pictures whose round trip is watched.
const WATCHED: usize = 4;

/// Validation pictures evaluated at once.
const VALID_BATCH: usize = 16;

/// What a run reports.
#[derive(Clone, Debug)]
pub enum TrainEvent {
    /// The actnorms were initialised from the first batch, or a checkpoint was taken up.
    Started {
        /// Pictures seen before.
        pictures_seen: u64,
        /// Numbers that are trained.
        n_parameters: usize,
    },
    /// One update.
    Step {
        /// Pictures seen.
        pictures_seen: u64,
        /// Bits per dimension of the batch.
        bits_per_dim: f64,
        /// Norm of the gradient before clipping.
        gradient_norm: f64,
        /// Part of the run that is done, where its end is known.
        done: f64,
    },
    /// A picture was left out.
    LeftOut(String),
    /// Weights, checkpoint and samples were written.
    Saved(CurvePoint),
    /// The loss or gradient was not finite: the update was left out.
    Skipped,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Pictures.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The weight file.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The sheet of samples.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The run cannot be what was asked for.
    #[error("{0}")]
    Setup(String),
}

/// Files and pictures of a run.
pub struct Run {
    /// The weight file that is written.
    pub out: PathBuf,
    /// Its precision.
    pub precision: Precision,
    /// Training pictures.
    pub pictures: Arc<PictureSet>,
    /// Validation pictures.
    pub valid: Option<Arc<PictureSet>>,
    /// At most this many of them each time.
    pub valid_limit: usize,
    /// Words on the data, for the provenance.
    pub data: String,
    /// Terms of the weights, for the provenance.
    pub licence: String,
    /// Seconds between saves.
    pub save_every_secs: f64,
    /// Pictures between saves, beside the seconds: runs to compare are measured at the same points.
    pub save_every_pictures: Option<u64>,
    /// Threads.
    pub threads: usize,
}

impl Run {
    /// The checkpoint beside the weight file.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.out.with_extension("checkpoint.safetensors")
    }

    fn samples_path(&self) -> PathBuf {
        self.out.with_extension("samples.png")
    }
}

/// A training in progress.
pub struct Trainer {
    run: Run,
    train: TrainConfig,
    params: Params,
    optimizer: Optimizer,
    progress: Progress,
    gradients: CpuGradients,
}

impl Trainer {
    /// A new training of `config`, or of `start` where weights are given; the first batch initialises the
    /// actnorms of new weights.
    ///
    /// Errors: pictures that cannot be read, or a batch of none.
    pub fn start(
        config: GlowConfig,
        start: Option<Params>,
        train: TrainConfig,
        run: Run,
    ) -> Result<Self, TrainError> {
        if train.batch == 0 {
            return Err(TrainError::Setup(
                "a batch has at least one picture: give --batch 1 or more".into(),
            ));
        }
        let params = match start {
            Some(params) => params,
            None => {
                let mut params = Params::initial(config, train.seed);
                let n = train.init_batch.clamp(1, run.pictures.len());
                let mut stream = BatchStream::new(
                    Arc::clone(&run.pictures),
                    n,
                    train.seed,
                    0,
                    !train.no_flip,
                    run.threads,
                )?;
                let batch = stream.next_batch()?;
                let x = inputs(
                    &batch,
                    &params.config,
                    &mut Noise::with_stream(train.seed, NOISE_STREAM),
                );
                let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
                data_dependent_init(&mut params, &x)?;
                params
            }
        };
        let optimizer = Optimizer::new(train.optimizer, train.rates(), &params.data);
        let progress = Progress {
            pictures_seen: 0,
            position: 0,
            seconds: 0.0,
            curve: Vec::new(),
        };
        Self::assemble(run, train, params, optimizer, progress)
    }

    /// Takes up the checkpoint beside the weight file.
    ///
    /// Errors: a checkpoint that cannot be read or is of another model than `config`.
    pub fn resume(config: &GlowConfig, train: TrainConfig, run: Run) -> Result<Self, TrainError> {
        let path = run.checkpoint_path();
        let Checkpoint {
            params,
            mut optimizer,
            progress,
            ..
        } = Checkpoint::read(&path)?;
        if params.config != *config {
            return Err(TrainError::Setup(format!(
                "the checkpoint holds another model than the config; give the same config or another --out: {}",
                path.display()
            )));
        }
        (optimizer.rule, optimizer.rates) = (train.optimizer, train.rates());
        Self::assemble(run, train, params, optimizer, progress)
    }

    fn assemble(
        run: Run,
        train: TrainConfig,
        params: Params,
        optimizer: Optimizer,
        progress: Progress,
    ) -> Result<Self, TrainError> {
        let gradients = CpuGradients::new(&params, run.threads)?
            .with_activations(train.activations)
            .with_arithmetic(train.arithmetic);
        Ok(Self {
            run,
            train,
            params,
            optimizer,
            progress,
            gradients,
        })
    }

    /// Trains until the run's end or until `stop` says so; saves at the end in either case.
    ///
    /// Errors: pictures, files, or weights that no longer have an inverse.
    pub fn train(
        &mut self,
        stop: &dyn Fn() -> bool,
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<(), TrainError> {
        let flip = !self.train.no_flip;
        let mut stream = BatchStream::new(
            Arc::clone(&self.run.pictures),
            self.train.batch,
            self.train.seed,
            self.progress.position,
            flip,
            1,
        )?;
        report(TrainEvent::Started {
            pictures_seen: self.progress.pictures_seen,
            n_parameters: self.params.data.len(),
        });
        let (start, seconds_before) = (Instant::now(), self.progress.seconds);
        let (mut saved, mut losses) = (Instant::now(), Vec::new());
        loop {
            let done = self.done(start.elapsed().as_secs_f64());
            if done >= 1.0 || stop() {
                break;
            }
            let seen_before = self.progress.pictures_seen;
            let batch = stream.next_batch()?;
            batch
                .left_out
                .iter()
                .for_each(|name| report(TrainEvent::LeftOut(name.clone())));
            match self.step(&batch, done)? {
                Some((bits_per_dim, gradient_norm)) => {
                    losses.push(bits_per_dim);
                    let pictures_seen = self.progress.pictures_seen;
                    report(TrainEvent::Step {
                        pictures_seen,
                        bits_per_dim,
                        gradient_norm,
                        done,
                    });
                }
                None => report(TrainEvent::Skipped),
            }
            self.progress.seconds = seconds_before + start.elapsed().as_secs_f64();
            let due = saved.elapsed().as_secs_f64() > self.run.save_every_secs
                || self.passed_a_save_point(seen_before);
            // The last point is that of the end, below.
            if due && self.done(start.elapsed().as_secs_f64()) < 1.0 {
                let point = self.save(&losses)?;
                report(TrainEvent::Saved(point));
                losses.clear();
                saved = Instant::now();
            }
        }
        // Where a run is stopped right after a save there is nothing new to write down.
        let seen = self.progress.pictures_seen;
        let is_saved = self
            .progress
            .curve
            .last()
            .is_some_and(|p| p.pictures == seen);
        if !(is_saved && losses.is_empty()) {
            let point = self.save(&losses)?;
            report(TrainEvent::Saved(point));
        }
        Ok(())
    }

    /// Whether the last step has gone past a multiple of the pictures between saves.
    fn passed_a_save_point(&self, seen_before: u64) -> bool {
        self.run.save_every_pictures.is_some_and(|every| {
            let every = every.max(1);
            self.progress.pictures_seen / every > seen_before / every
        })
    }

    /// How much of the run is done, by pictures or by minutes, whichever ends first.
    fn done(&self, elapsed_secs: f64) -> f64 {
        let by_pictures = self.train.pictures.map_or(0.0, |n| {
            self.progress.pictures_seen as f64 / n.max(1) as f64
        });
        let by_time = self
            .train
            .minutes
            .map_or(0.0, |m| elapsed_secs / (60.0 * m.max(1e-9)));
        by_pictures.max(by_time)
    }

    /// One update; `None` where the loss or the gradient is not finite.
    fn step(&mut self, batch: &Batch, done: f64) -> Result<Option<(f64, f64)>, TrainError> {
        // A stream of its own for each step: a resumed run draws the noise that an unbroken one would.
        let mut noise = Noise::with_stream(self.train.seed, NOISE_STREAM + 1 + self.optimizer.t);
        let x = inputs(batch, &self.params.config, &mut noise);
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let (bits, gradient) = self.gradients.loss_and_gradients(&self.params, &x)?;
        let length = norm(&gradient);
        self.progress.position = batch.end_position;
        if !(bits.is_finite() && length.is_finite()) {
            self.optimizer.t += 1;
            return Ok(None);
        }
        let scale = (self.train.clip / length.max(1e-12)).min(1.0) as f32;
        let lr = self.train.learning_rate(self.optimizer.t, done);
        self.optimizer.step(
            &mut self.params.data,
            &gradient,
            scale,
            lr,
            self.train.average,
        );
        self.restore_fixed_entries();
        self.progress.pictures_seen += x.len() as u64;
        Ok(Some((bits, length)))
    }

    /// Averages of what is never trained can only have been rounded: put them right.
    fn restore_fixed_entries(&mut self) {
        let layout = Arc::clone(&self.params.layout);
        for entry in layout.entries().iter().filter(|e| !e.trained) {
            let range = entry.offset..entry.offset + entry.count();
            self.optimizer.average[range.clone()].copy_from_slice(&self.params.data[range]);
        }
    }

    /// The averaged weights.
    pub fn averaged(&self) -> Params {
        Params {
            data: self.optimizer.average.clone(),
            ..self.params.clone()
        }
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    fn save(&mut self, losses: &[f64]) -> Result<CurvePoint, TrainError> {
        let averaged = self.averaged();
        let fast = FastGlow::new(&averaged, self.run.threads)?;
        let valid = match &self.run.valid {
            Some(set) => Some(bits_per_dim(&fast, &averaged.config, set, self.run.valid_limit)?.0),
            None => None,
        };
        let round_trip = self.round_trip(&fast, &averaged.config)?;
        let mean = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let point = CurvePoint {
            pictures: self.progress.pictures_seen,
            train_bits_per_dim: mean,
            valid_bits_per_dim: valid,
            round_trip,
            seconds: self.progress.seconds,
        };
        self.progress.curve.push(point);
        weights::write(
            &self.run.out,
            &averaged,
            &self.provenance(),
            None,
            self.run.precision,
        )?;
        let checkpoint = Checkpoint {
            params: self.params.clone(),
            optimizer: self.optimizer.clone(),
            progress: self.progress.clone(),
            train: self.train.clone(),
        };
        checkpoint.write(&self.run.checkpoint_path())?;
        let sheet = samples(&fast, &averaged.config, 16, 0.7)?;
        let sheet = export::compose(&sheet, 4, 2, 2, None, [24, 24, 24])?;
        export::write_png(&self.run.samples_path(), &sheet, None)?;
        Ok(point)
    }

    fn round_trip(&self, fast: &FastGlow, config: &GlowConfig) -> Result<f64, TrainError> {
        let set = self.run.valid.as_ref().unwrap_or(&self.run.pictures);
        let x = (0..set.len().min(WATCHED))
            .map(|i| Ok(x_from_bytes(&set.get(i)?, config, None)))
            .collect::<Result<Vec<_>, DataError>>()?;
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let encoded = fast.encode(&refs, &|| false)?;
        let latents: Vec<&Latent> = encoded.iter().map(|e| &e.latent).collect();
        let back = fast.decode(&latents, &|| false)?;
        Ok(largest_difference(&back.concat(), &x.concat()))
    }

    fn provenance(&self) -> serde_json::Value {
        let last = self.progress.curve.last();
        json!({
            "data": self.run.data,
            "licence": self.run.licence,
            "pictures_seen": self.progress.pictures_seen,
            "steps": self.optimizer.t,
            "training": TrainConfig {
                arithmetic: self.train.arithmetic.or_f32(),
                ..self.train.clone()
            },
            "seconds": self.progress.seconds.round(),
            "train_bits_per_dim": last.map(|p| p.train_bits_per_dim),
            "valid_bits_per_dim": last.and_then(|p| p.valid_bits_per_dim),
            "round_trip": last.map(|p| p.round_trip),
            "curve": self.progress.curve,
            "made_by": concat!("glow-explorer ", env!("CARGO_PKG_VERSION"), " train"),
        })
    }
}

/// Model inputs of a batch, noise drawn in order.
fn inputs(batch: &Batch, config: &GlowConfig, noise: &mut Noise) -> Vec<Vec<f32>> {
    batch
        .pixels
        .chunks_exact(config.dims())
        .map(|bytes| x_from_bytes(bytes, config, Some(noise)))
        .collect()
}

/// Mean bits per dimension of (at most `limit`) pictures of a set and the value of each, with noise that is the
/// same at every call.
///
/// Errors: a picture that cannot be read; a model without an inverse.
pub fn bits_per_dim(
    fast: &FastGlow,
    config: &GlowConfig,
    set: &PictureSet,
    limit: usize,
) -> Result<(f64, Vec<f64>), TrainError> {
    let n = set.len().min(limit.max(1));
    let mut noise = Noise::new(1);
    let mut bits = Vec::with_capacity(n);
    let indices: Vec<usize> = (0..n).collect();
    for part in indices.chunks(VALID_BATCH) {
        let x = part
            .iter()
            .map(|&i| Ok(x_from_bytes(&set.get(i)?, config, Some(&mut noise))))
            .collect::<Result<Vec<_>, DataError>>()?;
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        for encoded in fast.encode(&refs, &|| false)? {
            let log_prob: f64 = encoded.level_log_prob.iter().sum();
            bits.push(
                f64::from(config.bits) - log_prob / (config.dims() as f64 * std::f64::consts::LN_2),
            );
        }
    }
    Ok((bits.iter().sum::<f64>() / n as f64, bits))
}

/// `n` samples at a temperature, always from the same eps.
fn samples(
    fast: &FastGlow,
    config: &GlowConfig,
    n: usize,
    temperature: f32,
) -> Result<Vec<RgbImage>, ModelError> {
    let latents: Vec<Latent> = (0..n)
        .map(|i| Latent::drawn(config, &mut Noise::with_stream(1, i as u64), temperature))
        .collect();
    let refs: Vec<&Latent> = latents.iter().collect();
    Ok(fast
        .decode(&refs, &|| false)?
        .iter()
        .map(|x| picture_from_x(x, config).0)
        .collect())
}
