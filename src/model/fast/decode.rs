//! The inverse pass of a group of threads.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::super::ModelError;
use super::super::folded::{FoldedLevel, FoldedStep};
use super::rows::{load_eps_rows, picture_from_rows};
use super::step::{self, Given, Scratch, tile_rows, tiles};
use super::{Cancelled, CoarseState, FastGlow, Member, Shared, shape_error};
use crate::config::ScaleFunction;
use crate::kernels::team::{self, SharedBuffer};
use crate::kernels::{Aligned, padded};
use crate::latent::Latent;

/// A decoded picture and the state that was asked for.
pub(super) struct DecodedRows {
    pub x: Vec<f32>,
    pub kept: Vec<CoarseState>,
}

/// A latent, and what its decode starts from.
pub(super) struct DecodeWork<'a> {
    pub(super) latent: &'a Latent,
    pub(super) start: Option<&'a CoarseState>,
    /// What a detail stage is given.
    pub(super) given: Option<&'a Given>,
}

/// States that are kept on the way, finest last, a place for each picture; `None`: nothing is kept.
type Keep<'a> = Option<&'a [Mutex<Vec<CoarseState>>]>;

/// Sees the level, its steps that are still to be undone, and the rows of the state.
pub(super) type StageWatch<'a> = Option<&'a (dyn Fn(usize, usize, &[f32]) + Sync)>;

impl FastGlow {
    /// Decodes pictures with `members` threads. With `keep`, states between levels are given back; `watch` sees the
    /// state before the first step of each level and after each.
    pub(super) fn decode_group(
        &self,
        work: &[DecodeWork],
        members: usize,
        keep: bool,
        watch: StageWatch,
        cancelled: Cancelled,
    ) -> Result<Vec<DecodedRows>, ModelError> {
        let levels = &self.folded.levels;
        let n = work.len();
        let start = self.common_start(work)?;
        let mut ws = self.workspace(n, members);
        for (l, eps) in ws
            .eps
            .iter_mut()
            .enumerate()
            .take(start.unwrap_or(levels.len() - 1) + 1)
        {
            for (i, work) in work.iter().enumerate() {
                load_eps_rows(&work.latent.levels[l], &levels[l], i, eps);
            }
        }
        if let Some(l) = start {
            for (i, work) in work.iter().enumerate() {
                load_state(&levels[l], work.start, i, &mut ws.states[0]);
            }
        }
        let given: Vec<&Given> = work.iter().filter_map(|work| work.given).collect();
        let stop = AtomicBool::new(false);
        let kept: Vec<Mutex<Vec<CoarseState>>> = (0..n).map(|_| Mutex::default()).collect();
        let last = Mutex::new(0);
        {
            let [first, second] = &mut ws.states;
            let shared = Shared {
                pictures: n,
                given: &given,
                states: [SharedBuffer::new(first), SharedBuffer::new(second)],
                between: SharedBuffer::new(&mut ws.between),
                stop: &stop,
                cancelled,
            };
            let (eps, keep) = (&ws.eps, keep.then_some(kept.as_slice()));
            let scratch: Vec<Mutex<&mut Scratch>> = ws.scratch.iter_mut().map(Mutex::new).collect();
            team::run(members, |index, barrier| {
                let member = Member {
                    index,
                    members,
                    barrier,
                };
                let mut scratch = scratch[index]
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let seen = (keep, watch);
                let end = self.decode_member(&member, &shared, start, eps, &mut scratch, seen);
                if index == 0 {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = end.unwrap_or(0);
                }
            });
        }
        let result = if stop.into_inner() {
            Err(ModelError::Cancelled)
        } else {
            let state = &ws.states[last.into_inner().unwrap_or_else(PoisonError::into_inner)];
            let decoded = kept.into_iter().enumerate().map(|(i, kept)| DecodedRows {
                x: picture_from_rows(state, self.config.channels, &levels[0], i),
                kept: kept.into_inner().unwrap_or_else(PoisonError::into_inner),
            });
            Ok(decoded.collect())
        };
        self.give_back(ws);
        result
    }

    /// The level at which every picture of a group starts; `None`: at the top.
    fn common_start(&self, work: &[DecodeWork]) -> Result<Option<usize>, ModelError> {
        let Some(first) = work.first().and_then(|work| work.start) else {
            return match work.iter().find_map(|work| work.start) {
                None => Ok(None),
                Some(state) => Err(shape_error(
                    "coarse state",
                    self.folded.levels.len() - 1,
                    state.level,
                )),
            };
        };
        let levels = &self.folded.levels;
        let level = levels
            .get(first.level)
            .filter(|_| first.level + 1 < levels.len());
        let level = level
            .ok_or_else(|| shape_error("level of a coarse state", levels.len() - 2, first.level))?;
        let len = level.grid.pixels() * level.half();
        let fits = |state: &CoarseState| state.level == first.level && state.data.len() == len;
        if !work.iter().all(|work| work.start.is_some_and(fits)) {
            return Err(shape_error("coarse state", len, first.data.len()));
        }
        Ok(Some(first.level))
    }

    /// One thread's part; gives the index of the state that holds the result, `None` when cancelled.
    fn decode_member(
        &self,
        member: &Member,
        shared: &Shared,
        start: Option<usize>,
        eps: &[Aligned],
        scratch: &mut Scratch,
        (keep, watch): (Keep, StageWatch),
    ) -> Option<usize> {
        let levels = &self.folded.levels;
        let top = levels.len() - 1;
        let mut now = 0;
        for l in (0..=start.unwrap_or(top)).rev() {
            let level = &levels[l];
            if let Some(kept) = keep.filter(|_| l < top) {
                keep_state(level, l, member, shared, now, kept);
            }
            if l == top {
                self.top_inverse(member, shared, level, now, &eps[l]);
            } else {
                self.split_inverse(member, shared, level, now, &eps[l], scratch);
            }
            member.barrier.wait();
            let look = |now: usize, left: usize| {
                if let Some(watch) = watch.filter(|_| member.index == 0) {
                    // SAFETY: as in `keep_state`: until the next barrier all only read the state.
                    watch(l, left, unsafe { shared.states[now].all() });
                }
            };
            look(now, level.steps.len());
            for (left, step) in level.steps.iter().enumerate().rev() {
                self.step_inverse(member, shared, level, step, now, scratch)?;
                now = 1 - now;
                member.barrier.wait();
                look(now, left);
            }
            if let Some(fine) = l.checked_sub(1).map(|finer| &levels[finer]) {
                let mine = member.share(fine, shared.pictures);
                let stride = fine.state_stride();
                // SAFETY: the unsqueeze phase of `Shared`.
                let (x, to) = unsafe {
                    (
                        shared.states[now].all(),
                        shared.states[1 - now].rows_mut(mine.clone(), stride),
                    )
                };
                step::unsqueeze_rows(
                    x,
                    level.state_stride(),
                    fine.half(),
                    fine.grid.side,
                    mine,
                    to,
                    stride,
                );
                now = 1 - now;
                member.barrier.wait();
            }
        }
        Some(now)
    }

    /// `z = eps * exp(log_std) + mean` at the top.
    fn top_inverse(
        &self,
        member: &Member,
        shared: &Shared,
        level: &FoldedLevel,
        now: usize,
        eps: &[f32],
    ) {
        let (stride, e_stride) = (level.state_stride(), padded(level.channels));
        let mine = member.share(level, shared.pictures);
        // SAFETY: own rows only, until the barrier that follows.
        let x = unsafe { shared.states[now].rows_mut(mine.clone(), stride) };
        for (row, x) in mine.zip(x.chunks_exact_mut(stride)) {
            let e = &eps[row * e_stride..(row + 1) * e_stride];
            step::z_from_eps(e, shared.prior_row(level, row), level.channels, x);
        }
    }

    /// Puts back the half that the split factored out.
    fn split_inverse(
        &self,
        member: &Member,
        shared: &Shared,
        level: &FoldedLevel,
        now: usize,
        eps: &[f32],
        scratch: &mut Scratch,
    ) {
        let (stride, e_stride, half) = (level.state_stride(), padded(level.channels), level.half());
        let mine = member.share(level, shared.pictures);
        // The prior looks at neighbours in the very rows that are to be filled: its own rows wait in `between`.
        // SAFETY: the prior phase of `Shared`.
        let (x, prior) = unsafe {
            (
                shared.states[now].all(),
                shared.between.rows_mut(mine.clone(), e_stride),
            )
        };
        for tile in tiles(mine.clone(), tile_rows(self.folded.width)) {
            let to = &mut prior[(tile.start - mine.start) * e_stride..];
            step::split_prior(level, x, tile, to, scratch);
        }
        member.barrier.wait();
        // SAFETY: own rows of both, until the barrier that follows.
        let (x, prior) = unsafe {
            (
                shared.states[now].rows_mut(mine.clone(), stride),
                shared.between.rows_mut(mine.clone(), e_stride),
            )
        };
        for ((row, x), prior) in mine
            .zip(x.chunks_exact_mut(stride))
            .zip(prior.chunks_exact(e_stride))
        {
            let e = &eps[row * e_stride..(row + 1) * e_stride];
            step::z_from_eps(e, prior, half, &mut x[half..]);
        }
    }

    /// One step backwards, from the state `now` into the other; `None` when cancelled.
    fn step_inverse(
        &self,
        member: &Member,
        shared: &Shared,
        level: &FoldedLevel,
        step: &FoldedStep,
        now: usize,
        scratch: &mut Scratch,
    ) -> Option<()> {
        let stride = level.state_stride();
        let mine = member.share(level, shared.pictures);
        let states = &shared.states;
        self.net_phase(member, shared, level, step, now, scratch)?;
        // SAFETY: the couple phase of `Shared`.
        let (y, from, to) = unsafe {
            (
                shared.between.all(),
                states[now].rows_mut(mine.clone(), stride),
                states[1 - now].rows_mut(mine.clone(), stride),
            )
        };
        for tile in tiles(mine.clone(), level.couple_rows(self.folded.width)) {
            let at = (tile.start - mine.start) * stride..(tile.end - mine.start) * stride;
            self.couple_inverse(level, step, y, tile.clone(), &mut from[at.clone()], scratch);
            step::mix_rows(
                &from[at.clone()],
                &mut to[at],
                stride,
                tile.len(),
                &step.unmix,
                &step.unmix_bias,
            );
        }
        Some(())
    }

    fn couple_inverse(
        &self,
        level: &FoldedLevel,
        step: &FoldedStep,
        y: &[f32],
        tile: Range<usize>,
        x: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let n = tile.len();
        let o_stride = step::net_output(level, step, y, tile, scratch);
        let out = &scratch.out[..n * o_stride];
        let (m, stride) = (level.half(), level.state_stride());
        if level.affine.is_some() && level.scale_function != ScaleFunction::Sigmoid {
            for (x, out) in x.chunks_exact_mut(stride).zip(out.chunks_exact(o_stride)) {
                step::other_affine(out, m, x, level.scale_function, false);
            }
        } else if let Some(floor) = level.affine {
            step::affine_inverse(out, o_stride, m, floor.value(), x, stride);
        } else {
            step::additive(out, o_stride, m, x, stride, -1.0);
        }
    }
}

fn load_state(level: &FoldedLevel, state: Option<&CoarseState>, picture: usize, rows: &mut [f32]) {
    let (half, stride) = (level.half(), level.state_stride());
    let data = state.map_or(&[] as &[f32], |s| &s.data);
    for (p, row) in data.chunks_exact(half).enumerate() {
        let at = (picture * level.grid.pixels() + p) * stride;
        rows[at..at + half].copy_from_slice(row);
    }
}

/// Copies what level `l` gets from the coarser ones; each picture by one member.
fn keep_state(
    level: &FoldedLevel,
    l: usize,
    member: &Member,
    shared: &Shared,
    now: usize,
    kept: &[Mutex<Vec<CoarseState>>],
) {
    let (pixels, stride) = (level.grid.pixels(), level.state_stride());
    // SAFETY: after the barrier that ended the unsqueeze, and before the one inside `split_inverse`, all only
    // read the state.
    let x = unsafe { shared.states[now].all() };
    for i in (0..shared.pictures).filter(|i| i % member.members == member.index) {
        let rows = x[i * pixels * stride..(i + 1) * pixels * stride].chunks_exact(stride);
        let data = rows.flat_map(|row| &row[..level.half()]).copied().collect();
        let state = CoarseState { level: l, data };
        kept[i]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(state);
    }
}
