//! Encoding and decoding on the CPU with the folded model.
//!
//! Threads of a team share a batch. Where its pictures divide evenly among them each thread takes whole
//! pictures and never waits; else (one picture, above all) they share its pixel rows and meet twice a step:
//! after the coupling network has written its taps, and after the states have been written.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::config::GlowConfig;
use super::folded::{Folded, FoldedLevel, FoldedPrior, FoldedStep};
use super::latent::{Latent, LevelEps};
use super::params::Params;
use super::phases::{self, Scratch, tile_rows, tiles};
use super::ModelError;
use crate::kernels::team::{self, Barrier, SharedBuffer};
use crate::kernels::{Aligned, padded};

/// Rows are shared among threads in multiples of this, a tile's height in registers.
const GRAIN: usize = 8;

/// Pictures of one pass; more are taken in turns so that the buffers stay bounded.
const PICTURES_AT_ONCE: usize = 16;

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

/// A folded model and the buffers it works in.
pub struct FastGlow {
    config: GlowConfig,
    folded: Folded,
    threads: usize,
    idle: Mutex<Vec<Workspace>>,
}

/// Buffers of one group of threads.
#[derive(Default)]
struct Workspace {
    states: [Aligned; 2],
    taps: Aligned,
    eps: Vec<Aligned>,
    scratch: Vec<Scratch>,
}

/// What a thread of a group knows.
struct Member<'a> {
    index: usize,
    members: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    fn share(&self, rows: usize) -> Range<usize> {
        team::share(rows, GRAIN, self.index, self.members)
    }
}

impl FastGlow {
    /// Folds `params` for `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(params: &Params, threads: usize) -> Result<Self, ModelError> {
        let folded = Folded::new(params, false)?;
        Ok(Self { config: params.config.clone(), folded, threads: threads.max(1), idle: Mutex::default() })
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
    pub fn encode(&self, x: &[&[f32]], cancelled: &(dyn Fn() -> bool + Sync)) -> Result<Vec<RawEncoding>, ModelError> {
        let dims = self.config.dims();
        if let Some(wrong) = x.iter().find(|x| x.len() != dims) {
            return Err(shape_error("picture", dims, wrong.len()));
        }
        let mut out = Vec::with_capacity(x.len());
        for batch in x.chunks(PICTURES_AT_ONCE) {
            out.extend(self.in_groups(batch, |part, members| self.encode_group(part, members, cancelled))?);
        }
        Ok(out)
    }

    /// Decodes latents to pictures `[c, h, w]`.
    ///
    /// Errors: a latent of other shapes than the config's; cancellation, which is asked for between steps.
    pub fn decode(&self, latents: &[&Latent], cancelled: &(dyn Fn() -> bool + Sync)) -> Result<Vec<Vec<f32>>, ModelError> {
        let starts = vec![None; latents.len()];
        let (pictures, _) = self.decode_from(latents, &starts, None, cancelled)?;
        Ok(pictures)
    }

    /// Decodes latents, each from a coarse state where one is given (all at the same level), and gives back
    /// the states before level `keep` is decoded.
    ///
    /// Errors: as [`FastGlow::decode`].
    pub fn decode_from(
        &self,
        latents: &[&Latent],
        starts: &[Option<&CoarseState>],
        keep: Option<usize>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Vec<Vec<f32>>, Vec<CoarseState>), ModelError> {
        if let Some(wrong) = latents.iter().find(|z| !z.fits(&self.config)) {
            return Err(shape_error("latent", self.config.dims(), wrong.dims()));
        }
        let work: Vec<_> = latents.iter().copied().zip(starts.iter().copied()).collect();
        let (mut pictures, mut states) = (Vec::with_capacity(work.len()), Vec::new());
        for batch in work.chunks(PICTURES_AT_ONCE) {
            for (x, state) in self.in_groups(batch, |part, members| self.decode_group(part, members, keep, cancelled))? {
                pictures.push(x);
                states.extend(state);
            }
        }
        Ok((pictures, states))
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
        let size = items.len() / threads;
        let results: Vec<Mutex<Option<Result<Vec<R>, ModelError>>>> = (0..threads).map(|_| Mutex::default()).collect();
        team::run(threads, |member, _| {
            let result = work(&items[member * size..(member + 1) * size], 1);
            *results[member].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        let mut out = Vec::with_capacity(items.len());
        for result in results {
            if let Some(result) = result.into_inner().unwrap_or_else(PoisonError::into_inner) {
                out.extend(result?);
            }
        }
        Ok(out)
    }

    fn workspace(&self, pictures: usize, members: usize) -> Workspace {
        let mut ws = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        ws.scratch.resize_with(members.max(ws.scratch.len()), Scratch::default);
        ws.eps.resize_with(self.folded.levels.len(), Aligned::default);
        for (level, eps) in self.folded.levels.iter().zip(&mut ws.eps) {
            let rows = pictures * level.grid.pixels();
            ws.states.iter_mut().for_each(|s| s.reserve_len(rows * level.state_stride()));
            // A split's prior rows wait here too.
            ws.taps.reserve_len(rows * level.taps_out_stride().max(padded(level.channels)));
            eps.reserve_len(rows * padded(level.channels));
            ws.scratch.iter_mut().for_each(|s| s.reserve(level, self.folded.width));
        }
        ws
    }

    fn give_back(&self, ws: Workspace) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(ws);
    }

    fn encode_group(&self, x: &[&[f32]], members: usize, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<Vec<RawEncoding>, ModelError> {
        let levels = &self.folded.levels;
        let n = x.len();
        let mut ws = self.workspace(n, members);
        load_picture_rows(x, self.config.channels, &levels[0], &mut ws.states[0]);
        let log_prob = Mutex::new(vec![0.0f64; levels.len() * n]);
        let stop = AtomicBool::new(false);
        {
            let [first, second] = &mut ws.states;
            let states = [SharedBuffer::new(first), SharedBuffer::new(second)];
            let taps = SharedBuffer::new(&mut ws.taps);
            let eps: Vec<SharedBuffer> = ws.eps.iter_mut().map(|e| SharedBuffer::new(e)).collect();
            let scratch: Vec<Mutex<&mut Scratch>> = ws.scratch.iter_mut().map(Mutex::new).collect();
            team::run(members, |index, barrier| {
                let member = Member { index, members, barrier };
                let mut scratch = scratch[index].lock().unwrap_or_else(PoisonError::into_inner);
                self.encode_member(&member, n, &states, &taps, &eps, &mut scratch, &log_prob, &stop, cancelled);
            });
        }
        let result = if stop.load(Ordering::Relaxed) {
            Err(ModelError::Cancelled)
        } else {
            let log_prob = log_prob.into_inner().unwrap_or_else(PoisonError::into_inner);
            Ok((0..n)
                .map(|i| RawEncoding {
                    latent: self.latent_from_rows(&ws.eps, i),
                    level_log_prob: (0..levels.len()).map(|l| log_prob[l * n + i]).collect(),
                })
                .collect())
        };
        self.give_back(ws);
        result
    }

    #[expect(clippy::too_many_arguments, reason = "the buffers that the threads share")]
    fn encode_member(
        &self,
        member: &Member,
        n: usize,
        states: &[SharedBuffer; 2],
        taps: &SharedBuffer,
        eps: &[SharedBuffer],
        scratch: &mut Scratch,
        log_prob: &Mutex<Vec<f64>>,
        stop: &AtomicBool,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) {
        let levels = &self.folded.levels;
        let mut now = 0;
        for (l, level) in levels.iter().enumerate() {
            let pixels = level.grid.pixels();
            let (stride, y_stride) = (level.state_stride(), level.taps_out_stride());
            let mine = member.share(n * pixels);
            let mut log_probs = vec![0.0f64; n];
            let first = &level.steps[0];
            // SAFETY (here and below): between two barriers a member writes rows of its own share only, in
            // buffers that nobody reads outside their own share in that phase. Phases: mix (reads own rows of
            // `now`, writes own rows of the other state), barrier, net (all read `now`, own rows of `taps`
            // written), barrier, couple and mix (all read `taps`; own rows of both states), barrier.
            let (from, to) = unsafe { (states[now].rows_mut(mine.clone(), stride), states[1 - now].rows_mut(mine.clone(), stride)) };
            phases::mix_rows(from, to, stride, mine.len(), &first.mix, &first.mix_bias);
            now = 1 - now;
            member.barrier.wait();
            for (k, step) in level.steps.iter().enumerate() {
                // SAFETY: the net phase.
                let (x, y) = unsafe { (states[now].all(), taps.rows_mut(mine.clone(), y_stride)) };
                phases::net(level, step, x, mine.clone(), y, scratch);
                if member.index == 0 && cancelled() {
                    stop.store(true, Ordering::Relaxed);
                }
                member.barrier.wait();
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // SAFETY: the couple phase.
                let (y, from, to) = unsafe {
                    (taps.all(), states[now].rows_mut(mine.clone(), stride), states[1 - now].rows_mut(mine.clone(), stride))
                };
                for tile in tiles(mine.clone(), tile_rows(self.folded.width)) {
                    let at = (tile.start - mine.start) * stride..(tile.end - mine.start) * stride;
                    self.couple_forward(level, step, y, tile.clone(), &mut from[at.clone()], scratch);
                    for (row, v) in tile.clone().zip(&scratch.per_row) {
                        log_probs[row / pixels] += f64::from(*v);
                    }
                    if let Some(next) = level.steps.get(k + 1) {
                        phases::mix_rows(&from[at.clone()], &mut to[at], stride, tile.len(), &next.mix, &next.mix_bias);
                    }
                }
                if k + 1 < level.steps.len() {
                    now = 1 - now;
                }
                member.barrier.wait();
            }
            // SAFETY: all read the state; own rows of eps and of the other state are written.
            let (x, e) = unsafe { (states[now].all(), eps[l].rows_mut(mine.clone(), padded(level.channels))) };
            for (row, lp) in self.split_forward(level, x, mine.clone(), e, scratch) {
                log_probs[row / pixels] += lp;
            }
            if member.index == 0 {
                let constant = level.steps.iter().map(|s| s.log_det).sum::<f64>() * pixels as f64;
                log_probs.iter_mut().for_each(|v| *v += constant);
            }
            {
                let mut all = log_prob.lock().unwrap_or_else(PoisonError::into_inner);
                all[l * n..(l + 1) * n].iter_mut().zip(&log_probs).for_each(|(a, b)| *a += b);
            }
            if let Some(next) = levels.get(l + 1) {
                let mine = member.share(n * next.grid.pixels());
                // SAFETY: as above.
                let to = unsafe { states[1 - now].rows_mut(mine.clone(), next.state_stride()) };
                phases::squeeze_rows(x, stride, level.half(), next.grid.side, mine, to, next.state_stride());
                now = 1 - now;
                member.barrier.wait();
            }
        }
    }

    /// Couples the rows of a tile in place; `scratch.per_row` gets each row's log-determinant.
    fn couple_forward(&self, level: &FoldedLevel, step: &FoldedStep, y: &[f32], tile: Range<usize>, x: &mut [f32], scratch: &mut Scratch) {
        let (m, o_stride, n) = (level.half(), padded(level.coupling_out), tile.len());
        phases::net_output(level, step, y, tile, &mut scratch.out);
        let (out, per_row) = (&scratch.out[..n * o_stride], &mut scratch.per_row[..n]);
        if self.folded.affine {
            phases::affine_forward(out, o_stride, m, x, level.state_stride(), per_row);
        } else {
            phases::additive(out, o_stride, m, x, level.state_stride(), 1.0);
            per_row.fill(0.0);
        }
    }

    /// Factors eps out of rows `mine` of the state; gives each row's log-probability.
    fn split_forward(&self, level: &FoldedLevel, x: &[f32], mine: Range<usize>, eps: &mut [f32], scratch: &mut Scratch) -> Vec<(usize, f64)> {
        let (c, stride) = (level.channels, level.state_stride());
        let e_stride = padded(c);
        let mut out = Vec::with_capacity(mine.len());
        let mut prior = std::mem::take(&mut scratch.out);
        for tile in tiles(mine.clone(), tile_rows(self.folded.width)) {
            let is_top = matches!(level.prior, FoldedPrior::Top { .. });
            if !is_top {
                phases::split_prior(level, x, tile.clone(), &mut prior, scratch);
            }
            for (i, row) in tile.clone().enumerate() {
                let (offset, e) = if is_top { (0, c) } else { (level.half(), c - level.half()) };
                let z = &x[row * stride + offset..(row + 1) * stride];
                let p = if is_top { phases::top_prior_row(level, row) } else { &prior[i * e_stride..(i + 1) * e_stride] };
                let to = &mut eps[(row - mine.start) * e_stride..(row - mine.start + 1) * e_stride];
                out.push((row, f64::from(phases::eps_from_z(z, p, e, to))));
            }
        }
        scratch.out = prior;
        out
    }

    fn decode_group(
        &self,
        work: &[(&Latent, Option<&CoarseState>)],
        members: usize,
        keep: Option<usize>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<(Vec<f32>, Option<CoarseState>)>, ModelError> {
        let levels = &self.folded.levels;
        let n = work.len();
        let start = match work.first().and_then(|(_, s)| *s) {
            Some(state) => {
                let level = levels.get(state.level).ok_or_else(|| shape_error("coarse state", levels.len(), state.level))?;
                let fits = |s: &CoarseState| s.level == state.level && s.data.len() == level.grid.pixels() * level.half();
                if !work.iter().all(|(_, s)| s.is_some_and(fits)) {
                    return Err(shape_error("coarse state", level.grid.pixels() * level.half(), state.data.len()));
                }
                Some(state.level)
            }
            None => None,
        };
        let mut ws = self.workspace(n, members);
        let top = start.unwrap_or(levels.len() - 1);
        for (l, eps) in ws.eps.iter_mut().enumerate().take(top + 1) {
            for (i, (latent, _)) in work.iter().enumerate() {
                load_eps_rows(&latent.levels[l], &levels[l], i, eps);
            }
        }
        if let Some(l) = start {
            let (level, state) = (&levels[l], &mut ws.states[0]);
            for (i, (_, coarse)) in work.iter().enumerate() {
                let Some(coarse) = coarse else { continue };
                for (p, row) in coarse.data.chunks_exact(level.half()).enumerate() {
                    let at = (i * level.grid.pixels() + p) * level.state_stride();
                    state[at..at + level.half()].copy_from_slice(row);
                }
            }
        }
        let stop = AtomicBool::new(false);
        let kept: Vec<Mutex<Option<CoarseState>>> = (0..n).map(|_| Mutex::default()).collect();
        let last = Mutex::new(0);
        {
            let [first, second] = &mut ws.states;
            let states = [SharedBuffer::new(first), SharedBuffer::new(second)];
            let taps = SharedBuffer::new(&mut ws.taps);
            let eps = &ws.eps;
            let scratch: Vec<Mutex<&mut Scratch>> = ws.scratch.iter_mut().map(Mutex::new).collect();
            team::run(members, |index, barrier| {
                let member = Member { index, members, barrier };
                let mut scratch = scratch[index].lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.decode_member(&member, n, start, &states, &taps, eps, &mut scratch, keep, &kept, &stop, cancelled);
                if index == 0 {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = now;
                }
            });
        }
        let result = if stop.load(Ordering::Relaxed) {
            Err(ModelError::Cancelled)
        } else {
            let state = &ws.states[last.into_inner().unwrap_or_else(PoisonError::into_inner)];
            Ok(kept
                .into_iter()
                .enumerate()
                .map(|(i, kept)| {
                    let x = picture_from_rows(state, self.config.channels, &levels[0], i);
                    (x, kept.into_inner().unwrap_or_else(PoisonError::into_inner))
                })
                .collect())
        };
        self.give_back(ws);
        result
    }

    /// One thread's part of a decode; gives the index of the state buffer that holds the result.
    #[expect(clippy::too_many_arguments, reason = "the buffers that the threads share")]
    fn decode_member(
        &self,
        member: &Member,
        n: usize,
        start: Option<usize>,
        states: &[SharedBuffer; 2],
        taps: &SharedBuffer,
        eps: &[Aligned],
        scratch: &mut Scratch,
        keep: Option<usize>,
        kept: &[Mutex<Option<CoarseState>>],
        stop: &AtomicBool,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> usize {
        let levels = &self.folded.levels;
        let mut now = 0;
        for l in (0..=start.unwrap_or(levels.len() - 1)).rev() {
            let level = &levels[l];
            let (stride, y_stride) = (level.state_stride(), level.taps_out_stride());
            let mine = member.share(n * level.grid.pixels());
            let e_stride = padded(level.channels);
            if keep == Some(l) && l + 1 < levels.len() {
                self.keep_state(member, l, n, states, now, kept);
            }
            if l + 1 == levels.len() {
                // SAFETY: own rows only, until the barrier below.
                let x = unsafe { states[now].rows_mut(mine.clone(), stride) };
                for (row, x) in mine.clone().zip(x.chunks_exact_mut(stride)) {
                    let e = &eps[l][row * e_stride..(row + 1) * e_stride];
                    phases::z_from_eps(e, phases::top_prior_row(level, row), level.channels, x);
                }
            } else {
                // The prior reads neighbours in the state whose rows it fills: its rows wait in `taps`.
                // SAFETY: all read the state, own rows of `taps` are written.
                let (x, prior) = unsafe { (states[now].all(), taps.rows_mut(mine.clone(), e_stride)) };
                for tile in tiles(mine.clone(), tile_rows(self.folded.width)) {
                    let to = &mut prior[(tile.start - mine.start) * e_stride..];
                    phases::split_prior(level, x, tile, to, scratch);
                }
                member.barrier.wait();
                // SAFETY: own rows of both.
                let (x, prior) = unsafe { (states[now].rows_mut(mine.clone(), stride), taps.rows_mut(mine.clone(), e_stride)) };
                let half = level.half();
                for ((row, x), prior) in mine.clone().zip(x.chunks_exact_mut(stride)).zip(prior.chunks_exact(e_stride)) {
                    let e = &eps[l][row * e_stride..(row + 1) * e_stride];
                    phases::z_from_eps(e, prior, half, &mut x[half..]);
                }
            }
            member.barrier.wait();
            for step in level.steps.iter().rev() {
                // SAFETY: the net phase: all read the state, own rows of `taps` are written.
                let (x, y) = unsafe { (states[now].all(), taps.rows_mut(mine.clone(), y_stride)) };
                phases::net(level, step, x, mine.clone(), y, scratch);
                if member.index == 0 && cancelled() {
                    stop.store(true, Ordering::Relaxed);
                }
                member.barrier.wait();
                if stop.load(Ordering::Relaxed) {
                    return now;
                }
                // SAFETY: the couple phase: all read `taps`, own rows of both states.
                let (y, from, to) = unsafe {
                    (taps.all(), states[now].rows_mut(mine.clone(), stride), states[1 - now].rows_mut(mine.clone(), stride))
                };
                for tile in tiles(mine.clone(), tile_rows(self.folded.width)) {
                    let at = (tile.start - mine.start) * stride..(tile.end - mine.start) * stride;
                    self.couple_inverse(level, step, y, tile.clone(), &mut from[at.clone()], scratch);
                    phases::mix_rows(&from[at.clone()], &mut to[at], stride, tile.len(), &step.unmix, &step.unmix_bias);
                }
                now = 1 - now;
                member.barrier.wait();
            }
            if l > 0 {
                let fine = &levels[l - 1];
                let mine = member.share(n * fine.grid.pixels());
                // SAFETY: all read the state, own rows of the other are written.
                let (x, to) = unsafe { (states[now].all(), states[1 - now].rows_mut(mine.clone(), fine.state_stride())) };
                phases::unsqueeze_rows(x, stride, fine.half(), fine.grid.side, mine, to, fine.state_stride());
                now = 1 - now;
                member.barrier.wait();
            }
        }
        now
    }

    fn couple_inverse(&self, level: &FoldedLevel, step: &FoldedStep, y: &[f32], tile: Range<usize>, x: &mut [f32], scratch: &mut Scratch) {
        let (m, o_stride, n) = (level.half(), padded(level.coupling_out), tile.len());
        phases::net_output(level, step, y, tile, &mut scratch.out);
        let out = &scratch.out[..n * o_stride];
        if self.folded.affine {
            phases::affine_inverse(out, o_stride, m, x, level.state_stride());
        } else {
            phases::additive(out, o_stride, m, x, level.state_stride(), -1.0);
        }
    }

    /// Copies what level `l` gets from the coarser ones; each picture by one member.
    fn keep_state(&self, member: &Member, l: usize, n: usize, states: &[SharedBuffer; 2], now: usize, kept: &[Mutex<Option<CoarseState>>]) {
        let level = &self.folded.levels[l];
        let (pixels, stride) = (level.grid.pixels(), level.state_stride());
        // SAFETY: after the barrier that ended the unsqueeze; all only read the state.
        let x = unsafe { states[now].all() };
        for i in (0..n).filter(|i| i % member.members == member.index) {
            let rows = x[i * pixels * stride..(i + 1) * pixels * stride].chunks_exact(stride);
            let data = rows.flat_map(|row| &row[..level.half()]).copied().collect();
            *kept[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(CoarseState { level: l, data });
        }
    }

    fn latent_from_rows(&self, eps: &[Aligned], picture: usize) -> Latent {
        let levels = self.folded.levels.iter().zip(self.config.level_shapes()).zip(eps);
        let levels = levels
            .map(|((level, shape), eps)| {
                let (pixels, stride) = (level.grid.pixels(), padded(level.channels));
                let mut data = vec![0.0; shape.eps_len()];
                for p in 0..pixels {
                    for c in 0..shape.eps_channels {
                        data[c * pixels + p] = eps[(picture * pixels + p) * stride + c];
                    }
                }
                LevelEps { channels: shape.eps_channels, side: shape.side, data }
            })
            .collect();
        Latent { levels }
    }
}

pub(super) fn shape_error(what: &str, expected: usize, found: usize) -> ModelError {
    ModelError::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
}

fn load_eps_rows(eps: &LevelEps, level: &FoldedLevel, picture: usize, rows: &mut [f32]) {
    let (pixels, stride) = (level.grid.pixels(), padded(level.channels));
    for (c, plane) in eps.data.chunks_exact(pixels).enumerate() {
        for (p, v) in plane.iter().enumerate() {
            rows[(picture * pixels + p) * stride + c] = *v;
        }
    }
}

/// Squeezed pixel rows of the finest level from pictures `[c, h, w]`.
pub fn load_picture_rows(x: &[&[f32]], channels: usize, level: &FoldedLevel, rows: &mut [f32]) {
    let (side, stride) = (level.grid.side, level.state_stride());
    for (i, x) in x.iter().enumerate() {
        for c in 0..channels {
            for y in 0..2 * side {
                for xx in 0..2 * side {
                    let row = i * side * side + y / 2 * side + xx / 2;
                    rows[row * stride + 4 * c + 2 * (y % 2) + xx % 2] = x[(c * 2 * side + y) * 2 * side + xx];
                }
            }
        }
    }
}

fn picture_from_rows(rows: &[f32], channels: usize, level: &FoldedLevel, picture: usize) -> Vec<f32> {
    let (side, stride) = (level.grid.side, level.state_stride());
    let mut x = vec![0.0; channels * 4 * side * side];
    for c in 0..channels {
        for y in 0..2 * side {
            for xx in 0..2 * side {
                let row = picture * side * side + y / 2 * side + xx / 2;
                x[(c * 2 * side + y) * 2 * side + xx] = rows[row * stride + 4 * c + 2 * (y % 2) + xx % 2];
            }
        }
    }
    x
}
