//! The forward pass of a group of threads.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::super::ModelError;
use super::super::folded::{FoldedLevel, FoldedPrior};
use super::rows::{latent_from_rows, load_picture_rows};
use super::step::{self, Given, Scratch, tile_rows, tiles};
use super::{Cancelled, FastGlow, Member, RawEncoding, Shared};
use crate::kernels::padded;
use crate::kernels::team::{self, SharedBuffer};

impl FastGlow {
    pub(super) fn encode_group(
        &self,
        work: &[(&[f32], Option<&Given>)],
        members: usize,
        cancelled: Cancelled,
    ) -> Result<Vec<RawEncoding>, ModelError> {
        let levels = &self.folded.levels;
        let n = work.len();
        let x: Vec<&[f32]> = work.iter().map(|(x, _)| *x).collect();
        let given: Vec<&Given> = work.iter().filter_map(|(_, given)| *given).collect();
        let mut ws = self.workspace(n, members);
        let (grid, stride) = (levels[0].grid, levels[0].state_stride());
        load_picture_rows(&x, self.config.channels, grid, stride, &mut ws.states[0]);
        let log_prob = Mutex::new(vec![0.0f64; levels.len() * n]);
        let stop = AtomicBool::new(false);
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
            let eps: Vec<SharedBuffer> = ws.eps.iter_mut().map(|e| SharedBuffer::new(e)).collect();
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
                self.encode_member(&member, &shared, &eps, &mut scratch, &log_prob);
            });
        }
        let result = if stop.into_inner() {
            Err(ModelError::Cancelled)
        } else {
            let log_prob = log_prob
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner);
            let encodings = (0..n).map(|i| RawEncoding {
                latent: latent_from_rows(&ws.eps, levels, &self.config, i),
                level_log_prob: (0..levels.len()).map(|l| log_prob[l * n + i]).collect(),
            });
            Ok(encodings.collect())
        };
        self.give_back(ws);
        result
    }

    /// One thread's part: its rows of every level, its share of the log-probabilities.
    fn encode_member(
        &self,
        member: &Member,
        shared: &Shared,
        eps: &[SharedBuffer],
        scratch: &mut Scratch,
        log_prob: &Mutex<Vec<f64>>,
    ) {
        let levels = &self.folded.levels;
        let n = shared.pictures;
        let mut now = 0;
        for (l, level) in levels.iter().enumerate() {
            let pixels = level.grid.pixels();
            let stride = level.state_stride();
            let mine = member.share(level, n);
            let mut log_probs = vec![0.0f64; n];
            let Some(end) = self.encode_steps(member, shared, level, now, scratch, &mut log_probs)
            else {
                return;
            };
            now = end;
            // SAFETY: the prior phase of `Shared`.
            let (x, e) = unsafe {
                (
                    shared.states[now].all(),
                    eps[l].rows_mut(mine.clone(), padded(level.channels)),
                )
            };
            self.split_forward(shared, level, x, mine, e, scratch, &mut log_probs);
            if member.index == 0 {
                let constant = level.steps.iter().map(|s| s.log_det).sum::<f64>() * pixels as f64;
                log_probs.iter_mut().for_each(|v| *v += constant);
            }
            {
                let mut all = log_prob.lock().unwrap_or_else(PoisonError::into_inner);
                all[l * n..(l + 1) * n]
                    .iter_mut()
                    .zip(&log_probs)
                    .for_each(|(a, b)| *a += b);
            }
            if let Some(next) = levels.get(l + 1) {
                let mine = member.share(next, n);
                // SAFETY: the squeeze phase of `Shared`.
                let to =
                    unsafe { shared.states[1 - now].rows_mut(mine.clone(), next.state_stride()) };
                step::squeeze_rows(
                    x,
                    stride,
                    level.half(),
                    next.grid.side,
                    mine,
                    to,
                    next.state_stride(),
                );
                now = 1 - now;
                member.barrier.wait();
            }
        }
    }

    /// The steps of one level, from the state `now`; adds the couplings' log-determinants. Gives the index of the
    /// state that holds the result, or `None` when the work was cancelled.
    fn encode_steps(
        &self,
        member: &Member,
        shared: &Shared,
        level: &FoldedLevel,
        mut now: usize,
        scratch: &mut Scratch,
        log_probs: &mut [f64],
    ) -> Option<usize> {
        let (stride, pixels) = (level.state_stride(), level.grid.pixels());
        let mine = member.share(level, shared.pictures);
        let states = &shared.states;
        let first = &level.steps[0];
        // SAFETY: own rows of both states.
        let (from, to) = unsafe {
            (
                states[now].rows_mut(mine.clone(), stride),
                states[1 - now].rows_mut(mine.clone(), stride),
            )
        };
        step::mix_rows(from, to, stride, mine.len(), &first.mix, &first.mix_bias);
        now = 1 - now;
        member.barrier.wait();
        for (k, step) in level.steps.iter().enumerate() {
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
                let x = &mut from[at.clone()];
                step::couple_forward(level, step, y, tile.clone(), x, scratch);
                for (row, v) in tile.clone().zip(&scratch.per_row) {
                    log_probs[row / pixels] += f64::from(*v);
                }
                if let Some(next) = level.steps.get(k + 1) {
                    step::mix_rows(
                        &from[at.clone()],
                        &mut to[at],
                        stride,
                        tile.len(),
                        &next.mix,
                        &next.mix_bias,
                    );
                }
            }
            if k + 1 < level.steps.len() {
                now = 1 - now;
            }
            member.barrier.wait();
        }
        Some(now)
    }

    /// Factors eps out of rows `mine` of the state; adds their log-probabilities.
    #[expect(
        clippy::too_many_arguments,
        reason = "inputs, outputs and scratch of one level"
    )]
    fn split_forward(
        &self,
        shared: &Shared,
        level: &FoldedLevel,
        x: &[f32],
        mine: Range<usize>,
        eps: &mut [f32],
        scratch: &mut Scratch,
        log_probs: &mut [f64],
    ) {
        let (c, stride, pixels) = (level.channels, level.state_stride(), level.grid.pixels());
        let e_stride = padded(c);
        let is_top = !matches!(level.prior, FoldedPrior::Split { .. });
        let offset = if is_top { 0 } else { level.half() };
        let mut prior = std::mem::take(&mut scratch.out);
        for tile in tiles(mine.clone(), tile_rows(self.folded.width)) {
            step::split_prior(level, x, tile.clone(), &mut prior, scratch);
            for (i, row) in tile.enumerate() {
                let z = &x[row * stride + offset..(row + 1) * stride];
                let p = if is_top {
                    shared.prior_row(level, row)
                } else {
                    &prior[i * e_stride..(i + 1) * e_stride]
                };
                let at = (row - mine.start) * e_stride;
                let log_prob = step::eps_from_z(z, p, c - offset, &mut eps[at..at + e_stride]);
                log_probs[row / pixels] += f64::from(log_prob);
            }
        }
        scratch.out = prior;
    }
}
