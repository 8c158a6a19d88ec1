//! The training loop. It reports [`TrainEvent`]s and prints nothing.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chain::{self, ChainGradients, Draws, Part};
use super::checkpoint::{Checkpoint, CurvePoint, TrainProgress};
use super::config::TrainConfig;
use super::device::DeviceGradients;
pub use super::error::TrainError;
use super::estimate;
use super::feed::{Feed, Plan};
use super::gradients::{BatchGradients, BatchShare, CpuGradients};
use super::optimizer::{Optimizer, norm};
use super::ranks::{self, RanksError, agree};
use super::reduce::ReduceTimes;
pub use super::run::Run;
use super::run::RunLock;
use crate::config::ScaleFloor;
use crate::data::batches::{Batch, PictureSet};
use crate::export::{self, ExportError};
use crate::files::FormatError;
use crate::files::weights::{self, Precision};
use crate::model::device;
use crate::model::params::Params;
use crate::model::pixels::{largest_difference, picture_from_x, x_from_bytes};
use crate::model::{FastChain, GlowConfig, Latent, ModelError};
use crate::noise::Noise;

/// Streams of random numbers that a run draws from, beside that of the weights.
const NOISE_STREAM: u64 = 1 << 32;

/// Pictures whose round trip is watched.
const WATCHED: usize = 4;

/// Validation pictures evaluated at once.
const VALID_BATCH: usize = 16;

/// Updates in a row that may be left out because they are not finite; then the training has diverged.
const MAX_SKIPPED: u32 = 20;

/// A round trip that errs by more than this (of a range of 1) is lost: the weights have no usable inverse.
const LOST_ROUND_TRIP: f64 = 0.01;

/// How often a diverged training goes back to its last good save, each time with half the learning rate.
const MAX_SETBACKS: u32 = 3;

/// Sides of the sheet of samples in pixels, about: large pictures make a sheet of fewer.
const SHEET_SIDE: usize = 1024;

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
        /// What the sums over ranks took; nothing for one process alone.
        times: ReduceTimes,
    },
    /// A picture was left out, and why.
    LeftOut(String),
    /// Something that people should know though the training goes on.
    Note(String),
    /// The training had diverged and goes on from an earlier state with a smaller learning rate.
    WentBack {
        /// What was wrong.
        reason: String,
        /// Pictures seen where it goes on.
        pictures_seen: u64,
        /// What learning rates are multiplied by from here on.
        rate_factor: f64,
    },
    /// Weights and checkpoint were written; the sheet of samples follows.
    Saved(CurvePoint),
    /// Samples of the averaged weights, always from the same eps.
    Samples(Vec<RgbImage>),
    /// The loss or gradient was not finite: the update was left out.
    Skipped,
}

/// A training in progress.
pub struct Trainer {
    run: Run,
    train: TrainConfig,
    params: Params,
    optimizer: Optimizer,
    progress: TrainProgress,
    gradients: Source,
    /// The floor that the couplings' factor rises to.
    floor: ScaleFloor,
    /// Updates left out since the last one that was not.
    skipped: u32,
    /// Where a diverged training goes on as long as nothing is saved: the weights it started from.
    initial: Option<Params>,
    /// What was noticed before the training itself.
    notes: Vec<TrainEvent>,
    /// Keeps others from these files; on rank 0.
    _lock: Option<RunLock>,
}

/// Where gradients come from.
enum Source {
    Cpu(CpuGradients),
    Chain(ChainGradients),
    Device(DeviceGradients),
}

impl Source {
    /// That of a run's device.
    ///
    /// Errors: a device that does not work or lacks what is asked for; a 1x1 convolution without an inverse.
    fn new(params: &Params, train: &TrainConfig, run: &Run) -> Result<Self, TrainError> {
        let is_chain = !params.config.detail.is_empty();
        let of_chain = |device| ChainGradients::new(params, train, run.threads, device);
        let on_device = |device| DeviceGradients::new(device).with_parts(train.accumulate);
        match device::open(&run.device)? {
            None if is_chain => Ok(Self::Chain(of_chain(None)?)),
            None => {
                let cpu = CpuGradients::new(params, run.threads)?
                    .with_activations(train.activations)
                    .with_arithmetic(train.arithmetic)
                    .with_parts(train.accumulate);
                Ok(Self::Cpu(cpu))
            }
            Some((_, name)) if train.arithmetic != Default::default() => {
                Err(TrainError::Setup(format!(
                    "--arithmetic {} is for the CPU; leave it out with --device {name}",
                    train.arithmetic
                )))
            }
            Some((_, name)) if is_chain && train.part != Some(Part::Base) => {
                Err(TrainError::Setup(format!(
                    "detail stages learn on the CPU: leave --device {name} out, or give --part base"
                )))
            }
            Some((device, _)) if is_chain => Ok(Self::Chain(of_chain(Some(on_device(device)))?)),
            Some((device, _)) => Ok(Self::Device(on_device(device))),
        }
    }
}

/// The time of a run, without that in which whoever steers it held it up.
struct RunClock {
    start: Instant,
    held: Duration,
}

impl RunClock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            held: Duration::ZERO,
        }
    }

    /// What `stop` says, however long it takes.
    fn asks(&mut self, stop: &dyn Fn() -> bool) -> bool {
        let asked = Instant::now();
        let stops = stop();
        self.held += asked.elapsed();
        stops
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().saturating_sub(self.held).as_secs_f64()
    }
}

/// What an update came to.
struct TrainStep {
    bits_per_dim: f64,
    gradient_norm: f64,
    times: ReduceTimes,
}

/// What all ranks do next.
struct NextMove {
    /// Someone asked for the end.
    stops: bool,
    /// The run ends here.
    is_over: bool,
    /// A save is due.
    saves: bool,
    /// Part of the run that is done.
    done: f64,
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
        let ranks = Arc::clone(&run.ranks);
        agree(&*ranks, refuse_too_large(&config, &train, &run))?;
        let lock = lock(&run)?;
        let floor = config.scale_floor;
        let first_floor = start.as_ref().map(|params| params.config.scale_floor);
        let mut notes = Vec::new();
        let mut params = match start {
            Some(params) if params.config.detail.len() == config.detail.len() => params,
            start => {
                let mut params = Params::initial(config, train.seed);
                let known = start.map(|start| chain::begin_with(&mut params, &start));
                let known = known.transpose()?;
                let plan = Plan {
                    batch: train.init_batch.clamp(1, run.pictures.len()),
                    seed: train.seed,
                    flip: !train.no_flip,
                    threads: run.threads,
                };
                let batch = Feed::new(&ranks, &run.pictures, plan, 0)?.next_batch()?;
                notes.extend(batch.left_out.iter().cloned().map(TrainEvent::LeftOut));
                let x = inputs(
                    &batch,
                    0..batch.indices.len(),
                    &params.config,
                    Noise::with_stream(train.seed, NOISE_STREAM),
                );
                chain::initialise(&mut params, x, known, &*ranks)?;
                params
            }
        };
        ranks::take_from_first(&*ranks, &mut params.data)?;
        let optimizer = Optimizer::new(train.optimizer, train.rates(), &params.data);
        let progress = TrainProgress {
            pictures_seen: 0,
            position: 0,
            seconds: 0.0,
            curve: Vec::new(),
            setbacks: 0,
            set_size: Some(run.pictures.len()),
            first_floor,
        };
        let initial = params.clone();
        let mut trainer = Self::assemble(run, train, params, optimizer, progress, floor, lock)?;
        (trainer.initial, trainer.notes) = (Some(initial), notes);
        Ok(trainer)
    }

    /// Takes up the checkpoint beside the weight file.
    ///
    /// Errors: no checkpoint, one that cannot be read or is of another model than `config`.
    pub fn resume(config: &GlowConfig, train: TrainConfig, run: Run) -> Result<Self, TrainError> {
        let path = run.checkpoint_path();
        agree(&*run.ranks, refuse_too_large(config, &train, &run))?;
        let nothing = run.ranks.is_first() && !path.exists();
        let there = (!nothing).then_some(()).ok_or_else(|| {
            TrainError::Setup(format!(
                "there is nothing to resume: no checkpoint stands beside the weight file; check --out, or leave --resume out to start: {}",
                path.display()
            ))
        });
        agree(&*run.ranks, there)?;
        let lock = lock(&run)?;
        let Checkpoint {
            params,
            mut optimizer,
            mut progress,
            train: before,
        } = read_checkpoint(&run)?;
        let floor = config.scale_floor;
        // The floor may be on its way up.
        let same_floor = GlowConfig {
            scale_floor: config.scale_floor,
            ..params.config.clone()
        };
        if same_floor != *config {
            return Err(TrainError::Setup(format!(
                "the checkpoint holds another model than the config ({}); give the same config or another --out: {}",
                differences(&same_floor, config),
                path.display()
            )));
        }
        let mut notes = Vec::new();
        let mut note = |text: String| notes.push(TrainEvent::Note(text));
        if before.seed != train.seed {
            note(format!(
                "the seed was {} before and is {} now: pictures come in another order",
                before.seed, train.seed
            ));
        }
        let n = run.pictures.len();
        if let Some(n_before) = progress.set_size.filter(|&before| before != n) {
            note(format!(
                "there were {n_before} pictures before and there are {n} now: they come in another order"
            ));
        }
        progress.set_size = Some(n);
        (optimizer.rule, optimizer.rates) = (train.optimizer, train.rates());
        let mut trainer = Self::assemble(run, train, params, optimizer, progress, floor, lock)?;
        trainer.notes = notes;
        Ok(trainer)
    }

    fn assemble(
        run: Run,
        train: TrainConfig,
        params: Params,
        optimizer: Optimizer,
        progress: TrainProgress,
        floor: ScaleFloor,
        lock: Option<RunLock>,
    ) -> Result<Self, TrainError> {
        let gradients = Source::new(&params, &train, &run);
        let gradients = agree(&*run.ranks, gradients)?;
        Ok(Self {
            run,
            train,
            params,
            optimizer,
            progress,
            gradients,
            floor,
            skipped: 0,
            initial: None,
            notes: Vec::new(),
            _lock: lock,
        })
    }

    /// Trains until the run's end or until `stop` says so; saves at the end in either case. A training that diverges
    /// goes back to its last good save with half the learning rate. A `stop` that takes its time holds the training up
    /// and counts for no clock.
    ///
    /// Called again after an error or a stop, it goes on where it was.
    ///
    /// Errors: pictures; files that cannot be written at the end; weights that no longer have an inverse, or updates
    /// that are not finite, more than a few times.
    pub fn train(
        &mut self,
        stop: &dyn Fn() -> bool,
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<(), TrainError> {
        self.notes.drain(..).for_each(&mut *report);
        let mut feed = self.feed()?;
        report(TrainEvent::Started {
            pictures_seen: self.progress.pictures_seen,
            n_parameters: self.params.data.len(),
        });
        let (mut clock, seconds_before) = (RunClock::new(), self.progress.seconds);
        // Seconds of this run at the last save.
        let (mut saved, mut losses) = (0.0, Vec::new());
        // Whether a save is due, by time or by pictures, and anything was done since the last one.
        let (mut has_stepped, mut passed) = (false, false);
        loop {
            let stops = clock.asks(stop);
            let seconds = clock.seconds();
            let due = seconds - saved > self.run.save_after_secs(seconds) || passed;
            let turn = self.turn(seconds, has_stepped && due, stops)?;
            let diverged = if turn.is_over {
                // Where a run is stopped right after a save there is nothing new to write down.
                let seen = self.progress.pictures_seen;
                let last = self.progress.curve.last();
                if losses.is_empty() && last.is_some_and(|p| p.pictures == seen) {
                    return Ok(());
                }
                match self.save(&losses, report) {
                    Ok(()) => return Ok(()),
                    Err(SaveError::Diverged(reason)) => reason,
                    Err(SaveError::Failed(error)) => return Err(error),
                }
            } else if turn.saves {
                let outcome = self.save(&losses, report);
                // What a save takes counts for the one before it, not for the next.
                (saved, has_stepped, passed) = (clock.seconds(), false, false);
                match outcome {
                    Ok(()) => {
                        losses.clear();
                        continue;
                    }
                    Err(SaveError::Diverged(reason)) => reason,
                    // A disk that is full now may have room at the next save.
                    Err(SaveError::Failed(error)) => {
                        report(TrainEvent::Note(format!(
                            "not saved, tried again at the next save: {error}"
                        )));
                        continue;
                    }
                }
            } else {
                let seen_before = self.progress.pictures_seen;
                let batch = feed.next_batch()?;
                let left_out = batch.left_out.iter().cloned();
                left_out.map(TrainEvent::LeftOut).for_each(&mut *report);
                let step = self.step(&batch, turn.done);
                self.progress.seconds = seconds_before + clock.seconds();
                has_stepped = true;
                passed |= self.passed_a_save_point(seen_before);
                match self.after_step(step, turn.done, &mut losses, report)? {
                    Some(reason) => reason,
                    None => continue,
                }
            };
            self.go_back(diverged, report)?;
            losses.clear();
            feed = self.feed()?;
            has_stepped = false;
            let stops = clock.asks(stop);
            if self.turn(clock.seconds(), false, stops)?.stops {
                return Ok(());
            }
        }
    }

    /// What comes next, on every rank the same: rank 0 has the clock, and each may ask for the end.
    fn turn(&self, elapsed_secs: f64, saves: bool, stops: bool) -> Result<NextMove, TrainError> {
        let ranks = &*self.run.ranks;
        let of_first = |value: f64| if ranks.is_first() { value } else { 0.0 };
        let one = |yes: bool| f64::from(u8::from(yes));
        let mut sums = [
            one(stops),
            of_first(one(saves)),
            of_first(self.done(elapsed_secs)),
        ];
        ranks.sum_f64(&mut sums)?;
        Ok(NextMove {
            stops: sums[0] > 0.0,
            is_over: sums[0] > 0.0 || sums[2] >= 1.0,
            saves: sums[1] > 0.0,
            done: sums[2],
        })
    }

    fn feed(&self) -> Result<Feed, TrainError> {
        let plan = Plan {
            batch: self.train.batch,
            seed: self.train.seed,
            flip: !self.train.no_flip,
            threads: 1,
        };
        let (ranks, pictures) = (&self.run.ranks, &self.run.pictures);
        Feed::new(ranks, pictures, plan, self.progress.position)
    }

    /// What a step came to; the reason where the training has diverged.
    fn after_step(
        &mut self,
        step: Result<Option<TrainStep>, TrainError>,
        done: f64,
        losses: &mut Vec<f64>,
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<Option<String>, TrainError> {
        match step {
            Ok(Some(TrainStep {
                bits_per_dim,
                gradient_norm,
                times,
            })) => {
                self.skipped = 0;
                losses.push(bits_per_dim);
                let pictures_seen = self.progress.pictures_seen;
                report(TrainEvent::Step {
                    pictures_seen,
                    bits_per_dim,
                    gradient_norm,
                    done,
                    times,
                });
                Ok(None)
            }
            Ok(None) => {
                self.skipped += 1;
                report(TrainEvent::Skipped);
                let reason = "the loss or its gradient was not finite 20 times running";
                Ok((self.skipped >= MAX_SKIPPED).then(|| reason.to_owned()))
            }
            Err(TrainError::Model(error)) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Goes back to the last good save, or to the start where there is none yet, with half the learning rate.
    ///
    /// Errors: it has done so too often, or the checkpoint cannot be read.
    fn go_back(
        &mut self,
        reason: String,
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<(), TrainError> {
        let setbacks = self.progress.setbacks + 1;
        if setbacks > MAX_SETBACKS {
            return Err(TrainError::Diverged {
                times: setbacks,
                reason,
                path: self.run.out.display().to_string(),
            });
        }
        match &self.initial {
            Some(params) => {
                self.params = params.clone();
                let rates = self.train.rates();
                self.optimizer = Optimizer::new(self.train.optimizer, rates, &params.data);
                self.progress.pictures_seen = 0;
                self.progress.curve.clear();
            }
            None => {
                let saved = read_checkpoint(&self.run)?;
                self.params = saved.params;
                self.optimizer = saved.optimizer;
                self.optimizer.rule = self.train.optimizer;
                self.optimizer.rates = self.train.rates();
                let (seconds, set_size) = (self.progress.seconds, self.progress.set_size);
                self.progress = TrainProgress {
                    seconds,
                    set_size,
                    // What comes next are other pictures than those at which it broke.
                    position: self.progress.position,
                    ..saved.progress
                };
            }
        }
        self.progress.setbacks = setbacks;
        self.skipped = 0;
        report(TrainEvent::WentBack {
            reason,
            pictures_seen: self.progress.pictures_seen,
            rate_factor: self.rate_factor(),
        });
        Ok(())
    }

    /// What learning rates are multiplied by: half for each time that the training had diverged.
    fn rate_factor(&self) -> f64 {
        0.5f64.powi(self.progress.setbacks as i32)
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
    fn step(&mut self, batch: &Batch, done: f64) -> Result<Option<TrainStep>, TrainError> {
        self.params.config.scale_floor = {
            let TrainProgress {
                first_floor,
                pictures_seen,
                ..
            } = self.progress;
            self.train
                .floor(first_floor.unwrap_or_default()..self.floor, pictures_seen)
        };
        // A stream of its own for each step: a resumed run draws the noise that an unbroken one would.
        let (seed, stream) = (self.train.seed, NOISE_STREAM + 1 + self.optimizer.t);
        let config = &self.params.config;
        let share = BatchShare {
            n: batch.indices.len(),
            n_whole: batch.n_whole,
            inputs: &|part| inputs(batch, part, config, Noise::with_stream(seed, stream)),
        };
        let BatchGradients {
            bits_per_dim,
            gradient,
            times,
        } = match &mut self.gradients {
            Source::Cpu(cpu) => cpu.over_ranks(&self.params, &share, &*self.run.ranks)?,
            Source::Chain(chain) => {
                let draws = Draws {
                    seed,
                    step: self.optimizer.t,
                    first: batch.first,
                };
                chain.over_ranks(&self.params, &share, draws, &*self.run.ranks)?
            }
            Source::Device(device) => device.over_ranks(&self.params, &share, &*self.run.ranks)?,
        };
        let length = norm(&gradient);
        self.progress.position = batch.end_position;
        if !(bits_per_dim.is_finite() && length.is_finite()) {
            self.optimizer.t += 1;
            return Ok(None);
        }
        let scale = (self.train.clip / length.max(1e-12)).min(1.0) as f32;
        let lr = self.train.learning_rate(self.optimizer.t, done) * self.rate_factor() as f32;
        self.optimizer.step(
            &mut self.params.data,
            &gradient,
            scale,
            lr,
            self.train.average,
        );
        self.restore_fixed_entries();
        self.progress.pictures_seen += batch.n_whole as u64;
        Ok(Some(TrainStep {
            bits_per_dim,
            gradient_norm: length,
            times,
        }))
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

    /// Numbers that are trained.
    pub fn n_parameters(&self) -> usize {
        self.params.data.len()
    }

    /// Where the run stands.
    pub fn progress(&self) -> &TrainProgress {
        &self.progress
    }

    /// Writes weights, checkpoint and samples.
    ///
    /// Errors: the weights are no longer usable, and nothing is written; or a file cannot be written.
    fn save(
        &mut self,
        losses: &[f64],
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<(), SaveError> {
        let ranks = Arc::clone(&self.run.ranks);
        self.hold_the_same()?;
        let mine = match ranks.is_first() {
            true => Some(self.save_here(losses, report)),
            false => None,
        };
        let outcome = match &mine {
            Some(Ok(point)) => Saved::Point(*point),
            Some(Err(SaveError::Diverged(reason))) => Saved::Diverged(reason.clone()),
            Some(Err(SaveError::Failed(error))) => Saved::Failed(error.to_string()),
            None => Saved::Failed(String::new()),
        };
        let outcome = ranks::of_first(&*ranks, outcome)?;
        match mine {
            Some(mine) => mine.map(drop),
            None => match outcome {
                Saved::Point(point) => {
                    self.progress.curve.push(point);
                    self.initial = None;
                    Ok(())
                }
                Saved::Diverged(reason) => Err(SaveError::Diverged(reason)),
                Saved::Failed(error) => Err(RanksError::Failed(error).into()),
            },
        }
    }

    /// Makes sure that the ranks still hold the same weights, as they do where sums come out the same on all of them.
    ///
    /// Errors: they do not.
    fn hold_the_same(&self) -> Result<(), TrainError> {
        let ranks = &*self.run.ranks;
        if ranks.is_alone() {
            return Ok(());
        }
        // FNV-1a over whole numbers: any bit that differs changes it.
        let numbers = self.params.data.iter().chain(&self.optimizer.average);
        let digest = numbers.fold(0xcbf2_9ce4_8422_2325u64, |digest, v| {
            (digest ^ u64::from(v.to_bits())).wrapping_mul(0x0100_0000_01b3)
        });
        let all = ranks.gather(&digest.to_le_bytes())?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(rank) => {
                let problem = format!("rank {rank} holds other weights than rank 0");
                Err(RanksError::OutOfStep(problem).into())
            }
        }
    }

    /// What rank 0 does for a save, with the point of the curve that it comes to.
    fn save_here(
        &mut self,
        losses: &[f64],
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<CurvePoint, SaveError> {
        let averaged = self.averaged();
        if !averaged
            .data
            .iter()
            .chain(&self.params.data)
            .all(|v| v.is_finite())
        {
            return Err(SaveError::Diverged("a weight is not finite".into()));
        }
        let moments = self.optimizer.m.iter().chain(&self.optimizer.v);
        if !moments.copied().all(f32::is_finite) {
            let reason = "a moment of the optimiser is not finite";
            return Err(SaveError::Diverged(reason.into()));
        }
        let fast = FastChain::new(&averaged, self.run.threads)
            .map_err(|error| SaveError::Diverged(error.to_string()))?;
        let valid = match &self.run.valid {
            Some(set) => {
                let mut found = bits_per_dim(&fast, &averaged.config, set, self.run.valid_limit)?;
                let left_out = found.left_out.drain(..);
                left_out.map(TrainEvent::LeftOut).for_each(&mut *report);
                Some(found)
            }
            None => None,
        };
        let round_trip = self.round_trip(&fast, &averaged.config)?;
        // A NaN is lost as well.
        if round_trip.is_nan() || round_trip > LOST_ROUND_TRIP {
            return Err(SaveError::Diverged(format!(
                "the round trip was lost (a difference of {round_trip:.1e})"
            )));
        }
        let (sheet, n_finite) = samples(&fast, &averaged.config, self.n_samples(), 0.7)?;
        if n_finite == 0 {
            return Err(SaveError::Diverged("no sample was finite".into()));
        }
        let point = CurvePoint {
            pictures: self.progress.pictures_seen,
            // Of no batches it is unknown, not zero.
            train_bits_per_dim: losses.iter().sum::<f64>() / losses.len() as f64,
            valid_bits_per_dim: valid.as_ref().map(|v| v.mean),
            valid_bits_per_detail: valid.as_ref().and_then(|v| match self.train.part {
                Some(Part::Stage(i)) => v.per_detail.get(i).copied(),
                _ => None,
            }),
            round_trip,
            seconds: self.progress.seconds,
        };
        self.progress.curve.push(point);
        if let Err(error) = self.write(&averaged, report) {
            self.progress.curve.pop();
            return Err(SaveError::Failed(error));
        }
        self.initial = None;
        report(TrainEvent::Saved(point));
        if let Err(error) = self.write_sheet(&sheet) {
            report(TrainEvent::Note(format!("no sheet of samples: {error}")));
        }
        report(TrainEvent::Samples(sheet));
        Ok(point)
    }

    /// Writes checkpoint and weights.
    fn write(
        &self,
        averaged: &Params,
        report: &mut dyn FnMut(TrainEvent),
    ) -> Result<(), TrainError> {
        let checkpoint = Checkpoint {
            params: self.params.clone(),
            optimizer: self.optimizer.clone(),
            progress: self.progress.clone(),
            train: self.train.clone(),
        };
        checkpoint.write(&self.run.checkpoint_path())?;
        let (out, provenance) = (&self.run.out, self.provenance());
        let write = |precision| weights::write(out, averaged, &provenance, None, precision);
        match write(self.run.precision) {
            Err(FormatError::TooLargeForHalf { name, value, .. }) => {
                report(TrainEvent::Note(format!(
                    "written in full precision: \"{name}\" holds {value}, more than half precision can"
                )));
                Ok(write(Precision::F32)?)
            }
            written => Ok(written?),
        }
    }

    fn write_sheet(&self, sheet: &[RgbImage]) -> Result<(), ExportError> {
        let columns = (sheet.len() as f64).sqrt().ceil() as u32;
        let sheet = export::compose(sheet, columns, 2, 2, None, [24, 24, 24])?;
        export::write_png(&self.run.samples_path(), &sheet, None)
    }

    /// Samples on the sheet: 16 of small pictures.
    fn n_samples(&self) -> usize {
        let a_side = (SHEET_SIDE / self.params.config.image_size).clamp(1, 4);
        a_side * a_side
    }

    /// The round trip of the first pictures that can be read.
    fn round_trip(&self, fast: &FastChain, config: &GlowConfig) -> Result<f64, TrainError> {
        let set = self.run.valid.as_ref().unwrap_or(&self.run.pictures);
        let readable = (0..set.len()).filter_map(|i| set.get(i).ok());
        let x: Vec<Vec<f32>> = readable
            .take(WATCHED)
            .map(|bytes| x_from_bytes(&bytes, config, None))
            .collect();
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

/// Model inputs of some pictures of a batch. Noise is drawn in the order of the whole batch, so that a picture's does
/// not depend on who works on it: `noise` is that of the first picture of all.
fn inputs(
    batch: &Batch,
    part: Range<usize>,
    config: &GlowConfig,
    mut noise: Noise,
) -> Vec<Vec<f32>> {
    noise.skip_uniforms(((batch.first + part.start) * config.dims()) as u64);
    let pictures = batch.pixels.chunks_exact(config.dims());
    pictures
        .skip(part.start)
        .take(part.len())
        .map(|bytes| x_from_bytes(bytes, config, Some(&mut noise)))
        .collect()
}

/// What a save came to, for the ranks that wait.
#[derive(Serialize, Deserialize)]
enum Saved {
    Point(CurvePoint),
    Diverged(String),
    Failed(String),
}

/// The lock of the files, on rank 0, which writes them.
///
/// Errors: as [`Run::lock`], on every rank.
fn lock(run: &Run) -> Result<Option<RunLock>, TrainError> {
    let mine = run.ranks.is_first().then(|| run.lock()).transpose();
    agree(&*run.ranks, mine)
}

/// The checkpoint of a run, which rank 0 reads for all.
///
/// Errors: as [`Checkpoint::read`], on every rank.
fn read_checkpoint(run: &Run) -> Result<Checkpoint, TrainError> {
    let (ranks, path) = (&*run.ranks, run.checkpoint_path());
    let mine = match ranks.is_first() {
        true => Checkpoint::bytes(&path),
        false => Ok(Vec::new()),
    };
    let bytes = agree(ranks, mine.map_err(TrainError::from))?;
    let bytes = ranks.broadcast(bytes)?;
    Ok(Checkpoint::from_bytes(&bytes, &path)?)
}

/// Why nothing was saved.
enum SaveError {
    /// The weights are no longer usable.
    Diverged(String),
    /// A file or picture.
    Failed(TrainError),
}

impl<E: Into<TrainError>> From<E> for SaveError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Refuses a training that the machine has no memory for.
fn refuse_too_large(config: &GlowConfig, train: &TrainConfig, run: &Run) -> Result<(), TrainError> {
    let plain = config.variant.refuse("training");
    plain.map_err(|e| TrainError::Setup(e.to_string()))?;
    if let Some(problem) = chain::problem(config, train) {
        return Err(TrainError::Setup(problem));
    }
    // What is worked on at once.
    let share = train.batch.div_ceil(run.ranks.n_ranks());
    let at_once = TrainConfig {
        batch: share.div_ceil(train.accumulate.max(1)),
        ..train.clone()
    };
    let needed = estimate::training_bytes(config, &at_once, run.threads.max(1));
    match estimate::too_large("this training", needed) {
        Some(problem) => Err(TrainError::Setup(problem)),
        None => Ok(()),
    }
}

/// The fields in which two configs differ, each with both values.
fn differences(before: &GlowConfig, now: &GlowConfig) -> String {
    let fields = |config| serde_json::to_value(config).unwrap_or_default();
    ranks::differences(&fields(before), &fields(now))
}

/// The likelihood of a set of pictures.
pub struct SetBits {
    /// Mean bits per dimension of the pictures that can be read.
    pub mean: f64,
    /// Mean bits a detail of each detail stage, the coarsest first.
    pub per_detail: Vec<f64>,
    /// Pictures that cannot, found now for the first time, each with the reason.
    pub left_out: Vec<String>,
}

/// Mean bits per dimension of (at most `limit`) pictures of a set, with noise that is the same at every call. Pictures
/// that cannot be read are left out.
///
/// Errors: no picture can be read.
pub fn bits_per_dim(
    fast: &FastChain,
    config: &GlowConfig,
    set: &PictureSet,
    limit: usize,
) -> Result<SetBits, TrainError> {
    let n = set.len().min(limit.max(1));
    let mut noise = Noise::new(1);
    let (mut sum, mut read) = (0.0, 0usize);
    let mut per_detail = vec![0.0; config.detail.len()];
    let (mut left_out, mut first_error) = (Vec::new(), None);
    let indices: Vec<usize> = (0..n).collect();
    for part in indices.chunks(VALID_BATCH) {
        let (mut x, mut readable) = (Vec::with_capacity(part.len()), Vec::new());
        for &i in part {
            match set.get(i) {
                Ok(bytes) => {
                    x.push(x_from_bytes(&bytes, config, Some(&mut noise)));
                    readable.push(i);
                }
                Err(error) => {
                    if set.note_failure(i, error.to_string()) {
                        left_out.push(error.to_string());
                    }
                    first_error.get_or_insert(error);
                }
            }
        }
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        for (encoded, i) in fast.encode(&refs, &|| false)?.iter().zip(readable) {
            let log_prob: f64 = encoded.level_log_prob.iter().sum();
            let per_bit = config.dims() as f64 * std::f64::consts::LN_2;
            let of_stages = chain::bits_per_detail(config, &encoded.level_log_prob);
            // One picture without a likelihood would leave none to the whole set.
            if log_prob.is_finite() {
                sum += f64::from(config.bits) - log_prob / per_bit;
                let details = per_detail.iter_mut().zip(of_stages);
                details.for_each(|(sum, bits)| *sum += bits);
                read += 1;
            } else {
                let name = set.name(i).unwrap_or_default();
                left_out.push(format!("the model gives it no finite likelihood: {name}"));
            }
        }
    }
    match first_error {
        Some(error) if read == 0 => Err(error.into()),
        _ => Ok(SetBits {
            // Of none it is unknown.
            mean: sum / read as f64,
            per_detail: per_detail.iter().map(|sum| sum / read as f64).collect(),
            left_out,
        }),
    }
}

/// `n` samples at a temperature, always from the same eps, and how many of them are finite throughout.
fn samples(
    fast: &FastChain,
    config: &GlowConfig,
    n: usize,
    temperature: f32,
) -> Result<(Vec<RgbImage>, usize), ModelError> {
    let shape = config.latent_shape();
    let latents: Vec<Latent> = (0..n)
        .map(|i| Latent::drawn(&shape, &mut Noise::with_stream(1, i as u64), temperature))
        .collect();
    let refs: Vec<&Latent> = latents.iter().collect();
    let decoded = fast.decode(&refs, &|| false)?;
    let pictures = decoded.iter().map(|x| picture_from_x(x, config));
    let (pictures, non_finite): (Vec<_>, Vec<_>) = pictures.unzip();
    Ok((pictures, non_finite.iter().filter(|&&n| n == 0).count()))
}
