//! Encoding and decoding on the CPU with the folded model.
//!
//! Threads of a team share a batch. Where its pictures divide evenly among them each thread takes whole
//! pictures and never waits; else (one picture, above all) they share its pixel rows and meet twice a step:
//! after the coupling network's wide layers, and after the states have been written.

mod decode;
mod encode;
mod memory;
mod rows;
pub mod step;
mod walk;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use self::decode::DecodeWork;
use self::step::{Given, Scratch};
use super::ModelError;
use super::folded::{Folded, FoldedLevel, FoldedPrior, FoldedStep, Form, Purpose};
use super::params::Params;
use crate::config::GlowConfig;
use crate::kernels::team::{self, Barrier, SharedBuffer};
use crate::kernels::{Aligned, Arithmetic, padded};
use crate::latent::Latent;
pub use rows::load_picture_rows;
pub use walk::WalkStage;

/// Pictures of one pass; more are taken in turns so that the buffers stay bounded.
const PICTURES_AT_ONCE: usize = 16;

/// Asked between steps of flow; `true` gives up.
pub type Cancelled<'a> = &'a (dyn Fn() -> bool + Sync);

/// What one picture's encoding gives, before it is put into bits.
#[derive(Clone, Debug)]
pub struct RawEncoding {
    /// The latent.
    pub latent: Latent,
    /// `ln p` of each level: the prior of its eps and the log-determinant of its steps, in nats.
    pub level_log_prob: Vec<f64>,
}

/// The state of a decode before the finest levels: what they need of the coarser ones.
#[derive(Clone, Debug, PartialEq)]
pub struct CoarseState {
    /// The level that is to be decoded next.
    pub level: usize,
    /// Its first `m` channels, channels-last `[h * w, m]`.
    pub data: Vec<f32>,
}

impl CoarseState {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(self.data.as_slice())
    }
}

/// Decoded pictures, and where later decodes can start.
#[derive(Clone, Debug)]
pub struct Resumable {
    /// `[c, h, w]` each.
    pub pictures: Vec<Vec<f32>>,
    /// For each picture, what each level on the way got from the coarser ones, coarsest first.
    pub states: Vec<Vec<CoarseState>>,
}

/// A folded model and the buffers it works in.
pub struct FastGlow {
    config: GlowConfig,
    folded: Folded,
    threads: usize,
    idle: Mutex<Vec<FastWorkspace>>,
}

/// Buffers of one group of threads.
#[derive(Default)]
struct FastWorkspace {
    states: [Aligned; 2],
    between: Aligned,
    eps: Vec<Aligned>,
    scratch: Vec<Scratch>,
}

/// A thread of a group.
struct Member<'a> {
    index: usize,
    members: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    /// This thread's pixel rows of a level.
    fn share(&self, level: &FoldedLevel, pictures: usize) -> Range<usize> {
        let rows = pictures * level.grid.pixels();
        team::share(rows, level.grain(), self.index, self.members)
    }
}

/// What the threads of a group share beside what they read only.
///
/// Between two barriers a member writes rows of its own share only, and in buffers that nobody reads outside
/// their own share in that phase:
///
/// | phase | read by all | written, own rows |
/// | --- | --- | --- |
/// | net | the state | `between` |
/// | couple and mix | `between` | both states |
/// | prior | the state | `between` or eps |
/// | squeeze, unsqueeze | the state | the other state |
///
/// A barrier stands between any two phases of which the second reads, beyond its own rows, what the first wrote,
/// or writes what the first read. The state changes places with the other one after each mix.
struct Shared<'a> {
    pictures: usize,
    /// Of a detail stage: what comes with each picture.
    given: &'a [&'a Given],
    states: [SharedBuffer<'a>; 2],
    between: SharedBuffer<'a>,
    stop: &'a AtomicBool,
    cancelled: Cancelled<'a>,
}

impl Shared<'_> {
    /// The first member asks whether to give up. Everyone learns of it after the next barrier, before which
    /// nobody asks again.
    fn ask(&self, member: &Member) {
        if member.index == 0 && (self.cancelled)() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// The row `[mean, log_std]` of the prior at the top of a flow, for pixel row `row` of the batch.
    fn prior_row<'a>(&'a self, level: &'a FoldedLevel, row: usize) -> &'a [f32] {
        let pixels = level.grid.pixels();
        match level.prior {
            FoldedPrior::Given => self.given[row / pixels].prior_row(level, row % pixels),
            _ => step::top_prior_row(level, row),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl FastGlow {
    /// Folds `params` for `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(params: &Params, threads: usize) -> Result<Self, ModelError> {
        Self::with_arithmetic(params, threads, Arithmetic::F32)
    }

    /// As [`FastGlow::new`], with this arithmetic in the coupling networks. In bf16 a decode is a picture to look
    /// at, not the inverse of an encode in f32.
    ///
    /// Errors: as [`FastGlow::new`].
    pub fn with_arithmetic(
        params: &Params,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let threads = threads.max(1);
        let form = Form {
            purpose: Purpose::Inference,
            arithmetic,
        };
        let folded = Folded::new_parallel(params, form, threads)?;
        Ok(Self {
            config: params.config.clone(),
            folded,
            threads,
            idle: Mutex::default(),
        })
    }

    /// The flow of detail stage `i` of a chain: its pictures are details, three a channel.
    ///
    /// Errors: as [`FastGlow::new`].
    pub(super) fn stage(
        params: &Params,
        i: usize,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let threads = threads.max(1);
        let form = Form {
            purpose: Purpose::Inference,
            arithmetic,
        };
        Ok(Self {
            config: params.config.stage(i),
            folded: Folded::stage(params, i, form, threads)?,
            threads,
            idle: Mutex::default(),
        })
    }

    /// Threads in use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of the packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.folded.bytes()
    }

    /// Encodes pictures `x`, each `[c, h, w]`.
    ///
    /// Errors: a slice of another length than the config's; cancellation, which is asked for between steps.
    pub fn encode(
        &self,
        x: &[&[f32]],
        cancelled: Cancelled,
    ) -> Result<Vec<RawEncoding>, ModelError> {
        self.encode_given(x, &[], cancelled)
    }

    /// As [`FastGlow::encode`], of a detail stage: details, each with what comes of the picture below.
    ///
    /// Errors: as [`FastGlow::encode`].
    pub(super) fn encode_given(
        &self,
        x: &[&[f32]],
        given: &[&Given],
        cancelled: Cancelled,
    ) -> Result<Vec<RawEncoding>, ModelError> {
        let dims = self.config.dims();
        if let Some(wrong) = x.iter().find(|x| x.len() != dims) {
            return Err(shape_error("picture", dims, wrong.len()));
        }
        let work: Vec<_> = (0..x.len())
            .map(|i| (x[i], given.get(i).copied()))
            .collect();
        let mut out = Vec::with_capacity(x.len());
        for batch in work.chunks(PICTURES_AT_ONCE) {
            let encode = |part: &[_], members| self.encode_group(part, members, cancelled);
            out.extend(self.in_groups(batch, encode)?);
        }
        Ok(out)
    }

    /// Decodes the latents of a detail stage to details, each with what comes of the picture below.
    ///
    /// Errors: as [`FastGlow::decode`].
    pub(super) fn decode_given(
        &self,
        latents: &[&Latent],
        given: &[&Given],
        cancelled: Cancelled,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let work = latents
            .iter()
            .zip(given)
            .map(|(&latent, &given)| DecodeWork {
                latent,
                start: None,
                given: Some(given),
            });
        let decoded = self.decode_work(&work.collect::<Vec<_>>(), false, cancelled)?;
        Ok(decoded.pictures)
    }

    /// Decodes latents to pictures `[c, h, w]`.
    ///
    /// Errors: a latent of other shapes than the config's; cancellation, which is asked for between steps.
    pub fn decode(
        &self,
        latents: &[&Latent],
        cancelled: Cancelled,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let starts = vec![None; latents.len()];
        Ok(self
            .decode_from(latents, &starts, false, cancelled)?
            .pictures)
    }

    /// Decodes latents, each from a coarse state where one is given (all at the same level); with `keep`, gives
    /// back what each level on the way got from the coarser ones.
    ///
    /// Errors: as [`FastGlow::decode`], and coarse states that do not fit.
    pub fn decode_from(
        &self,
        latents: &[&Latent],
        starts: &[Option<&CoarseState>],
        keep: bool,
        cancelled: Cancelled,
    ) -> Result<Resumable, ModelError> {
        let work = latents
            .iter()
            .zip(starts)
            .map(|(&latent, &start)| DecodeWork {
                latent,
                start,
                given: None,
            });
        self.decode_work(&work.collect::<Vec<_>>(), keep, cancelled)
    }

    fn decode_work(
        &self,
        work: &[DecodeWork],
        keep: bool,
        cancelled: Cancelled,
    ) -> Result<Resumable, ModelError> {
        let shape = self.config.latent_shape();
        if let Some(wrong) = work.iter().find(|work| !work.latent.fits(&shape)) {
            return Err(shape_error(
                "latent",
                self.config.dims(),
                wrong.latent.dims(),
            ));
        }
        let (mut pictures, mut states) = (Vec::with_capacity(work.len()), Vec::new());
        for batch in work.chunks(PICTURES_AT_ONCE) {
            let decode =
                |part: &[_], members| self.decode_group(part, members, keep, None, cancelled);
            for decoded in self.in_groups(batch, decode)? {
                pictures.push(decoded.x);
                states.push(decoded.kept);
            }
        }
        Ok(Resumable { pictures, states })
    }

    /// Runs `work` on whole pictures for each thread where they divide evenly, else on all together.
    fn in_groups<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&[T], usize) -> Result<Vec<R>, ModelError> + Sync,
    ) -> Result<Vec<R>, ModelError> {
        let threads = self.threads;
        if threads == 1 || !items.len().is_multiple_of(threads) {
            return work(items, threads);
        }
        let (mine, others) = items.split_at(items.len() / threads);
        let work = &work;
        std::thread::scope(|scope| {
            let others: Vec<_> = others
                .chunks(mine.len())
                .map(|part| scope.spawn(move || work(part, 1)))
                .collect();
            let mut out = work(mine, 1)?;
            for other in others {
                out.extend(
                    other
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
                );
            }
            Ok(out)
        })
    }

    fn workspace(&self, pictures: usize, members: usize) -> FastWorkspace {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut ws = idle.unwrap_or_default();
        ws.scratch
            .resize_with(members.max(ws.scratch.len()), Scratch::default);
        ws.eps
            .resize_with(self.folded.levels.len(), Aligned::default);
        for (level, eps) in self.folded.levels.iter().zip(&mut ws.eps) {
            let rows = pictures * level.grid.pixels();
            for state in &mut ws.states {
                state.reserve_len(rows * level.state_stride());
            }
            // A split's prior rows wait here too.
            let widest = level
                .between_stride(self.folded.width)
                .max(padded(level.channels));
            ws.between.reserve_len(rows * widest);
            eps.reserve_len(rows * padded(level.channels));
            for scratch in &mut ws.scratch {
                scratch.reserve(level, self.folded.width, rows);
            }
        }
        ws
    }

    /// A step's network on this thread's rows of the state `now`, up to the barrier after which everybody's are
    /// there; `None` when the work was cancelled.
    fn net_phase(
        &self,
        member: &Member,
        shared: &Shared,
        level: &FoldedLevel,
        step: &FoldedStep,
        now: usize,
        scratch: &mut Scratch,
    ) -> Option<()> {
        let mine = member.share(level, shared.pictures);
        let stride = level.between_stride(self.folded.width);
        // SAFETY: the net phase of `Shared`.
        let (x, between) = unsafe {
            (
                shared.states[now].all(),
                shared.between.rows_mut(mine.clone(), stride),
            )
        };
        step::net(level, step, x, shared.given, mine, between, scratch);
        shared.ask(member);
        member.barrier.wait();
        (!shared.stopped()).then_some(())
    }

    fn give_back(&self, ws: FastWorkspace) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ws);
    }
}

pub(super) fn shape_error(what: &str, expected: usize, found: usize) -> ModelError {
    ModelError::Shape {
        what: what.into(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}
