//! The sum of a gradient over ranks, in buckets that leave while the backward walk goes on.
//!
//! The walk finishes parameters from the end of their vector to its start, so that what is finished is always one
//! stretch: cut into buckets, each is summed over the ranks as soon as all threads have passed it.

use std::ops::Range;
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::backward::{Piece, Taken};
use super::ranks::{Communicator, RanksError};
use super::unfold::{piece_gradients, piece_range};
use crate::model::params::Params;

/// The least bytes in a bucket, but for the last one. Smaller ones would wait for the network's latency more than for
/// its bandwidth, larger ones would leave later.
const BUCKET_BYTES: usize = 1 << 20;

/// The least bytes in a bucket for each rank: a sum over many goes round in as many messages.
const BUCKET_BYTES_PER_RANK: usize = 1 << 16;

/// The least bytes in a bucket of so many ranks, but for the last one.
pub fn bucket_bytes(n_ranks: usize) -> usize {
    BUCKET_BYTES.max(n_ranks * BUCKET_BYTES_PER_RANK)
}

/// A piece of the folded gradients that a thread has finished.
type Finished = (usize, Piece, Taken);

/// The gradient of a step on its way.
pub(super) struct Buckets<'a> {
    params: &'a Params,
    /// The share of `-1 / (D ln 2)` that this rank's pictures have.
    weight_sum: f64,
    pieces: Vec<(Piece, Range<usize>)>,
    gradient: Vec<f32>,
}

/// The pieces of a model in the order in which the backward walk finishes them: from the coarsest level to the finest,
/// from a level's prior to its first step. It is the order of the parameters, from their end to their start.
pub(super) fn walk(params: &Params) -> impl Iterator<Item = Piece> + use<> {
    let depth = params.config.depth;
    (0..params.config.levels).rev().flat_map(move |level| {
        let steps = (0..depth).rev();
        let steps = steps.map(move |step| Piece::Step { level, step });
        [Piece::Prior { level }].into_iter().chain(steps)
    })
}

/// When a bucket could leave, and when its sum was there.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BucketTimes {
    /// Bytes of it.
    pub bytes: usize,
    /// Seconds from the start of the walk until all threads had finished it, and its sum began.
    pub begun_secs: f64,
    /// Seconds from the start of the walk until its sum was there.
    pub summed_secs: f64,
}

/// What summing over ranks took in one step; nothing for one process alone.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReduceTimes {
    /// Seconds of the walk over the pictures of the last part.
    pub walk_secs: f64,
    /// The buckets, in the order in which they left.
    pub buckets: Vec<BucketTimes>,
    /// Seconds of the sum that makes the loss, once all is done.
    pub loss_secs: f64,
}

impl ReduceTimes {
    /// Bytes that each rank gave to the sums.
    pub fn bytes(&self) -> usize {
        self.buckets.iter().map(|b| b.bytes).sum()
    }

    /// Seconds spent in sums, those of waiting for other ranks among them.
    pub fn total_secs(&self) -> f64 {
        let each = self.buckets.iter().map(|b| b.summed_secs - b.begun_secs);
        each.sum::<f64>() + self.loss_secs
    }

    /// Seconds of those that came after the walk, when nothing else was to be done.
    pub fn exposed_secs(&self) -> f64 {
        let after = |b: &BucketTimes| (b.summed_secs - b.begun_secs.max(self.walk_secs)).max(0.0);
        self.buckets.iter().map(after).sum::<f64>() + self.loss_secs
    }
}

impl<'a> Buckets<'a> {
    /// Empty, for a model whose gradients are finished in the order of `walk`.
    pub(super) fn new(
        params: &'a Params,
        walk: impl Iterator<Item = Piece>,
        weight_sum: f64,
    ) -> Self {
        let range = |piece| (piece, piece_range(params, piece));
        Self {
            params,
            weight_sum,
            pieces: walk.map(range).collect(),
            gradient: vec![0.0; params.data.len()],
        }
    }

    /// Takes what threads have finished until they are done, and sums over threads and ranks. Gives the times, and
    /// the buffers for the threads to use again.
    pub(super) fn sum(
        &mut self,
        threads: usize,
        finished: &Receiver<Finished>,
        ranks: &dyn Communicator,
        start: Instant,
    ) -> (Result<Vec<BucketTimes>, RanksError>, Vec<Finished>) {
        let n = self.pieces.len();
        let mut waiting: Vec<Vec<Option<Taken>>> = Vec::new();
        waiting.resize_with(n, || (0..threads).map(|_| None).collect());
        let mut seen = vec![0; threads];
        let (mut times, mut back) = (Vec::new(), Vec::new());
        let least = bucket_bytes(ranks.n_ranks());
        let (mut next, mut end) = (0, self.gradient.len());
        for (thread, piece, taken) in finished {
            // A thread finishes pieces in the order of the walk.
            debug_assert_eq!(self.pieces[seen[thread]].0, piece);
            waiting[seen[thread]][thread] = Some(taken);
            seen[thread] += 1;
            while next < n && waiting[next].iter().all(Option::is_some) {
                let shares: Vec<Taken> = waiting[next].drain(..).flatten().collect();
                back.extend(self.add(next, shares));
                let from = self.pieces[next].1.start;
                next += 1;
                if size_of::<f32>() * (end - from) < least && next < n {
                    continue;
                }
                let begun_secs = start.elapsed().as_secs_f64();
                if let Err(error) = ranks.sum_f32(&mut self.gradient[from..end]) {
                    return (Err(error), back);
                }
                times.push(BucketTimes {
                    bytes: (end - from) * size_of::<f32>(),
                    begun_secs,
                    summed_secs: start.elapsed().as_secs_f64(),
                });
                end = from;
            }
        }
        (Ok(times), back)
    }

    /// Sums a piece over threads, always in their order, and carries it to the parameters.
    fn add(&mut self, at: usize, mut shares: Vec<Taken>) -> Vec<Finished> {
        let (piece, range) = self.pieces[at].clone();
        if let Some((total, others)) = shares.split_first_mut() {
            others.iter().for_each(|other| total.add(other));
            let flat = (&mut self.gradient[range.clone()], range.start);
            piece_gradients(self.params, piece, total, self.weight_sum, flat);
        }
        let back = shares.into_iter().enumerate();
        back.map(|(thread, taken)| (thread, piece, taken)).collect()
    }

    /// The gradient.
    pub(super) fn into_gradient(self) -> Vec<f32> {
        self.gradient
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GlowConfig, Padding, Permutation};
    use crate::latent::tests::tiny_config;

    #[test]
    fn pieces_cover_the_parameters_from_the_end_to_the_start() {
        for (permutation, levels) in [(Permutation::InvconvLu, 3), (Permutation::Reverse, 1)] {
            let config = GlowConfig {
                image_size: 16,
                levels,
                depth: 3,
                permutation,
                padding: Padding::EdgeBias,
                ..tiny_config()
            };
            let params = Params::perturbed(config, 1);
            let buckets = Buckets::new(&params, walk(&params), 0.0);
            let mut end = params.data.len();
            for (piece, range) in &buckets.pieces {
                assert!(!range.is_empty() && range.end == end, "{piece:?}");
                end = range.start;
            }
            assert_eq!(end, 0);
        }
    }

    #[test]
    fn what_comes_after_the_walk_is_exposed() {
        let bucket = |begun_secs, summed_secs| BucketTimes {
            bytes: 4,
            begun_secs,
            summed_secs,
        };
        let times = ReduceTimes {
            walk_secs: 2.0,
            buckets: vec![bucket(0.5, 1.0), bucket(1.5, 2.25), bucket(2.5, 3.0)],
            loss_secs: 0.125,
        };
        assert_eq!(times.bytes(), 12);
        assert_eq!(times.total_secs(), 0.5 + 0.75 + 0.5 + 0.125);
        assert_eq!(times.exposed_secs(), 0.25 + 0.5 + 0.125);
    }
}
