//! Loss and gradients of a batch on several threads, and over several ranks.

use std::ops::Range;
use std::time::Instant;

use super::backward::{
    Activations, Gradients, Piece, StageGradients, StageWeights, StageWorkspace, Taken, Workspace,
    accumulate, accumulate_stage,
};
use super::error::TrainError;
use super::ranks::Communicator;
use super::reduce::{Buckets, ReduceTimes, walk};
use super::unfold::{parameter_gradients, stage_gradients};
use crate::kernels::Arithmetic;
use crate::model::ModelError;
use crate::model::folded::{Folded, Form, Purpose};
use crate::model::params::Params;

/// The buffers of a training on the CPU.
pub struct CpuGradients {
    threads: usize,
    activations: Activations,
    arithmetic: Arithmetic,
    n_parts: usize,
    parts: Vec<(Workspace, Gradients)>,
}

/// The pictures of a batch that are this process's to work on.
pub struct BatchShare<'a> {
    /// Pictures of it.
    pub n: usize,
    /// Pictures of the whole batch.
    pub n_whole: usize,
    /// The model inputs of some of them, `[c, h, w]` each, noise already in.
    pub inputs: &'a dyn Fn(Range<usize>) -> Vec<Vec<f32>>,
}

/// What a step came to.
pub struct BatchGradients {
    /// Mean bits per dimension of the whole batch.
    pub bits_per_dim: f64,
    /// Its gradient, in the order of the layout.
    pub gradient: Vec<f32>,
    /// What the sums over ranks took.
    pub times: ReduceTimes,
}

impl CpuGradients {
    /// For a model of this shape on `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(params: &Params, threads: usize) -> Result<Self, ModelError> {
        let threads = threads.max(1);
        // Folded where every step does it: an allocator keeps for each thread what the thread has freed.
        let folded = Folded::new_parallel(params, Purpose::Training, threads)?;
        let parts = (0..threads)
            .map(|_| (Workspace::default(), Gradients::zeros(&folded)))
            .collect();
        Ok(Self {
            threads,
            activations: Activations::default(),
            arithmetic: Arithmetic::default(),
            n_parts: 1,
            parts,
        })
    }

    /// With activations kept or computed anew.
    pub fn with_activations(mut self, activations: Activations) -> Self {
        self.activations = activations;
        self
    }

    /// With this arithmetic in the products of the coupling networks; everything else, and every sum, is f32.
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.arithmetic = arithmetic;
        self
    }

    /// With each batch worked through in so many parts, one after the other: memory is that of one part.
    pub fn with_parts(mut self, n_parts: usize) -> Self {
        self.n_parts = n_parts.max(1);
        self
    }

    /// The mean bits per dimension of the pictures `x` (`[c, h, w]` each, noise already in), and its gradient in
    /// the order of the layout.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn loss_and_gradients(
        &mut self,
        params: &Params,
        x: &[&[f32]],
    ) -> Result<(f64, Vec<f32>), ModelError> {
        let folded = self.fold(params)?;
        let weight = Weight::new(params, x.len());
        for (at, part) in parts_of(x.len(), self.n_parts).enumerate() {
            self.walk(&folded, params.config.channels, &x[part], weight, at == 0);
        }
        // What follows needs as much again for a while, and would find it here.
        drop(folded);
        Ok(self.total(params, weight))
    }

    /// The same of a batch that ranks share: every rank gets the loss and the gradient of the whole. Coarse levels'
    /// gradients are summed over the ranks while the fine ones' are computed.
    ///
    /// Errors: a 1x1 convolution without an inverse; ranks that no longer hear of each other.
    pub fn over_ranks(
        &mut self,
        params: &Params,
        share: &BatchShare,
        ranks: &dyn Communicator,
    ) -> Result<BatchGradients, TrainError> {
        let folded = self.fold(params)?;
        let weight = Weight::new(params, share.n_whole);
        let channels = params.config.channels;
        let mut parts: Vec<Range<usize>> = parts_of(share.n, self.n_parts).collect();
        let last = match ranks.is_alone() {
            true => None,
            false => parts.pop(),
        };
        let n_before = parts.len();
        for (at, part) in parts.into_iter().enumerate() {
            let x = (share.inputs)(part);
            let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
            self.walk(&folded, channels, &x, weight, at == 0);
        }
        let Some(last) = last else {
            drop(folded);
            let (bits_per_dim, gradient) = self.total(params, weight);
            return Ok(BatchGradients {
                bits_per_dim,
                gradient,
                times: ReduceTimes::default(),
            });
        };
        let x = (share.inputs)(last);
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let of_share = weight.sum * share.n as f64 / weight.n.max(1) as f64;
        let mut buckets = Buckets::new(params, walk(params), of_share);
        let summed = self.walk_and_sum(
            &folded,
            channels,
            &x,
            weight,
            n_before == 0,
            ranks,
            &mut buckets,
        );
        let mut times = summed?;
        let started = Instant::now();
        let mut log_prob = [self.parts.iter().map(|(_, g)| g.log_prob).sum::<f64>()];
        ranks.sum_f64(&mut log_prob)?;
        times.loss_secs = started.elapsed().as_secs_f64();
        Ok(BatchGradients {
            bits_per_dim: weight.bits(params, log_prob[0]),
            gradient: buckets.into_gradient(),
            times,
        })
    }

    fn fold(&self, params: &Params) -> Result<Folded, ModelError> {
        let form = Form {
            purpose: Purpose::Training,
            arithmetic: self.arithmetic,
        };
        Folded::new_parallel(params, form, self.threads)
    }

    /// Adds the gradients of some pictures to those of each thread, which start from zero where `fresh`.
    fn walk(
        &mut self,
        folded: &Folded,
        channels: usize,
        x: &[&[f32]],
        weight: Weight,
        fresh: bool,
    ) {
        let activations = self.activations;
        let run = |part: &mut (Workspace, Gradients), x: &[&[f32]]| {
            run(
                folded,
                channels,
                x,
                weight.each,
                activations,
                part,
                fresh,
                &mut |_, _| {},
            );
        };
        let share = x.len().div_ceil(self.threads).max(1);
        std::thread::scope(|scope| {
            let mut parts = self.parts.iter_mut();
            let first = parts.next();
            let mut shares = x.chunks(share);
            let mine = shares.next().unwrap_or(&[]);
            for (part, x) in parts.zip(shares.chain(std::iter::repeat(&[] as &[&[f32]]))) {
                let run = &run;
                scope.spawn(move || run(part, x));
            }
            if let Some(part) = first {
                run(part, mine);
            }
        });
    }

    /// As [`CpuGradients::walk`], for the last pictures of a batch: what threads have finished is summed over threads
    /// and ranks meanwhile, by this thread, which alone speaks to other ranks.
    #[expect(
        clippy::too_many_arguments,
        reason = "those of a walk, and where its gradients go"
    )]
    fn walk_and_sum(
        &mut self,
        folded: &Folded,
        channels: usize,
        x: &[&[f32]],
        weight: Weight,
        fresh: bool,
        ranks: &dyn Communicator,
        buckets: &mut Buckets,
    ) -> Result<ReduceTimes, TrainError> {
        let (activations, threads) = (self.activations, self.threads);
        let share = x.len().div_ceil(threads).max(1);
        let shares = x.chunks(share).chain(std::iter::repeat(&[] as &[&[f32]]));
        let start = Instant::now();
        let (sender, receiver) = crossbeam_channel::unbounded::<(usize, Piece, Taken)>();
        let (summed, back) = std::thread::scope(|scope| {
            let mut walks = Vec::new();
            for ((thread, part), x) in self.parts.iter_mut().enumerate().zip(shares) {
                let sender = sender.clone();
                walks.push(scope.spawn(move || {
                    let mut send = |piece, gradients: &mut Gradients| {
                        // Only a rank that has failed listens no more.
                        let _ = sender.send((thread, piece, gradients.take(piece)));
                    };
                    run(
                        folded,
                        channels,
                        x,
                        weight.each,
                        activations,
                        part,
                        fresh,
                        &mut send,
                    );
                    Instant::now()
                }));
            }
            drop(sender);
            let (summed, back) = buckets.sum(threads, &receiver, ranks, start);
            // What is still to come, where the ranks have failed.
            drop(receiver);
            let ends = walks.into_iter().filter_map(|walk| walk.join().ok());
            let end = ends.max().unwrap_or_else(Instant::now);
            let walk_secs = end.duration_since(start).as_secs_f64();
            let times = summed.map(|buckets| ReduceTimes {
                walk_secs,
                buckets,
                loss_secs: 0.0,
            });
            (times, back)
        });
        for (thread, piece, taken) in back {
            self.parts[thread].1.put(piece, taken);
        }
        Ok(summed?)
    }

    /// The loss, and the gradients of all threads carried to the parameters.
    fn total(&mut self, params: &Params, weight: Weight) -> (f64, Vec<f32>) {
        let (head, tail) = self.parts.split_at_mut(1);
        let total = &mut head[0].1;
        tail.iter().for_each(|(_, part)| total.add(part));
        (
            weight.bits(params, total.log_prob),
            parameter_gradients(params, total, weight.sum, self.threads),
        )
    }
}

impl CpuGradients {
    /// Bytes of activations and of everything else that is worked in, but for the cells of bf16 products (a tile or two
    /// a thread).
    pub fn workspace_bytes(&self) -> usize {
        self.parts.iter().map(|(ws, _)| ws.bytes()).sum()
    }

    /// Bytes of the gradients of folded weights, a set for each thread.
    pub fn gradient_bytes(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.bytes()).sum()
    }
}

/// Gradients of one detail stage, the others frozen: the likelihood of its details given the pictures below.
pub struct CpuStageGradients {
    stage: usize,
    threads: usize,
    arithmetic: Arithmetic,
    parts: Vec<(StageWorkspace, StageGradients)>,
}

impl CpuStageGradients {
    /// For stage `stage` of a model of this shape, on `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(
        params: &Params,
        stage: usize,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let threads = threads.max(1);
        let folded = StageWeights::new(params, stage, Purpose::Training, threads)?;
        let part = |_| (StageWorkspace::default(), StageGradients::zeros(&folded));
        Ok(Self {
            stage,
            threads,
            arithmetic,
            parts: (0..threads).map(part).collect(),
        })
    }

    /// The mean bits a detail of the pictures `x` (`[c, h, w]` each, of the size of the stage's pictures as `params` say,
    /// noise already in) given their low-pass pictures, and its gradient in the order of the layout. `low_noise`, empty or
    /// one for each picture, is added to the low-pass that the trunk sees.
    ///
    /// `bits - ln p(details | low-pass) / (n ln 2)` with `n` details a picture. Errors: a 1x1 convolution without an inverse.
    pub fn loss_and_gradients(
        &mut self,
        params: &Params,
        x: &[&[f32]],
        low_noise: &[Vec<f32>],
    ) -> Result<(f64, Vec<f32>), ModelError> {
        let form = Form {
            purpose: Purpose::Training,
            arithmetic: self.arithmetic,
        };
        let folded = StageWeights::new(params, self.stage, form, self.threads)?;
        let n_details = params.config.stage(self.stage).dims();
        let weight_sum = -1.0 / (n_details as f64 * std::f64::consts::LN_2);
        let weight = (weight_sum / x.len().max(1) as f64) as f32;
        let share = x.len().div_ceil(self.threads).max(1);
        std::thread::scope(|scope| {
            for (i, (ws, to)) in self.parts.iter_mut().enumerate() {
                let mine = (i * share).min(x.len())..((i + 1) * share).min(x.len());
                let noise = low_noise.get(mine.clone()).unwrap_or_default();
                let (x, folded) = (&x[mine], &folded);
                scope.spawn(move || {
                    to.clear();
                    accumulate_stage(folded, x, noise, weight, ws, to);
                });
            }
        });
        drop(folded);
        let (head, tail) = self.parts.split_at_mut(1);
        let total = &mut head[0].1;
        tail.iter().for_each(|(_, part)| total.add(part));
        let bits = f64::from(params.config.bits) + f64::from(weight) * total.log_prob;
        let gradient = stage_gradients(params, self.stage, total, weight_sum, self.threads);
        Ok((bits, gradient))
    }
}

/// What a picture's log-likelihood counts in the loss of a batch.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    /// Pictures of the batch.
    n: usize,
    /// `-1 / (D ln 2)`: what all of them count together.
    sum: f64,
    /// That of one.
    pub(super) each: f32,
}

impl Weight {
    pub(super) fn new(params: &Params, n: usize) -> Self {
        let sum = -1.0 / (params.config.dims() as f64 * std::f64::consts::LN_2);
        let each = (sum / n.max(1) as f64) as f32;
        Self { n, sum, each }
    }

    /// The loss of the batch.
    pub(super) fn bits(&self, params: &Params, log_prob: f64) -> f64 {
        f64::from(params.config.bits) + self.sum / self.n.max(1) as f64 * log_prob
    }
}

/// `n` pictures in so many parts, equal to within one; at least one part, and none without a picture but of none.
pub(super) fn parts_of(n: usize, n_parts: usize) -> impl Iterator<Item = Range<usize>> {
    let n_parts = n_parts.clamp(1, n.max(1));
    (0..n_parts).map(move |part| n * part / n_parts..n * (part + 1) / n_parts)
}

#[expect(
    clippy::too_many_arguments,
    reason = "those of a walk over the pictures of one thread"
)]
fn run(
    folded: &Folded,
    channels: usize,
    x: &[&[f32]],
    weight: f32,
    activations: Activations,
    (workspace, gradients): &mut (Workspace, Gradients),
    fresh: bool,
    finished: &mut dyn FnMut(Piece, &mut Gradients),
) {
    if fresh {
        gradients.clear();
    }
    accumulate(
        folded,
        channels,
        x,
        weight,
        activations,
        workspace,
        gradients,
        finished,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GlowConfig, Padding};
    use crate::latent::tests::tiny_config;
    use crate::noise::Noise;
    use crate::train::ranks::threads::on_ranks;

    fn params() -> Params {
        let config = GlowConfig {
            image_size: 16,
            levels: 3,
            depth: 2,
            width: 20,
            padding: Padding::EdgeBias,
            ..tiny_config()
        };
        Params::perturbed(config, 5)
    }

    fn pictures(n: usize) -> Vec<Vec<f32>> {
        let mut noise = Noise::new(9);
        let picture = |_| (0..768).map(|_| noise.uniform() - 0.5).collect();
        (0..n).map(picture).collect()
    }

    #[track_caller]
    fn assert_close(a: &(f64, Vec<f32>), b: &(f64, Vec<f32>)) {
        assert!((a.0 - b.0).abs() < 1e-9 * a.0.abs(), "{} {}", a.0, b.0);
        let norm = crate::train::optimizer::norm(&a.1);
        let pairs = a.1.iter().zip(&b.1);
        let difference = pairs
            .map(|(a, b)| f64::from((a - b).abs()))
            .fold(0.0, f64::max);
        assert!(difference < 1e-6 * norm, "{difference} of {norm}");
    }

    #[test]
    fn a_batch_in_parts_gives_the_gradients_of_the_batch() {
        let (params, x) = (params(), pictures(7));
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let of_parts = |n_parts| {
            let gradients = CpuGradients::new(&params, 2).unwrap();
            let mut gradients = gradients.with_parts(n_parts);
            // Twice: what the first step leaves behind must not be in the second.
            gradients.loss_and_gradients(&params, &x).unwrap();
            gradients.loss_and_gradients(&params, &x).unwrap()
        };
        let whole = of_parts(1);
        for n_parts in [2, 3, 7, 20] {
            assert_close(&whole, &of_parts(n_parts));
        }
    }

    #[test]
    fn ranks_get_the_gradients_of_the_whole_batch_also_where_it_does_not_divide() {
        let (params, x) = (params(), pictures(5));
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let mut alone = CpuGradients::new(&params, 2).unwrap();
        let whole = alone.loss_and_gradients(&params, &refs).unwrap();
        // Seven ranks: two of them have no picture.
        for (n_ranks, n_parts, threads) in [(2, 1, 2), (3, 2, 1), (3, 1, 3), (7, 2, 2)] {
            let found = on_ranks(n_ranks, |ranks| {
                let range = ranks.share().range(5);
                let mut gradients = CpuGradients::new(&params, threads)
                    .unwrap()
                    .with_parts(n_parts);
                let share = BatchShare {
                    n: range.len(),
                    n_whole: 5,
                    inputs: &|part| x[range.start + part.start..range.start + part.end].to_vec(),
                };
                // Twice: buffers that were taken must be back.
                gradients.over_ranks(&params, &share, &**ranks).unwrap();
                let step = gradients.over_ranks(&params, &share, &**ranks).unwrap();
                (step.bits_per_dim, step.gradient)
            });
            for found in &found {
                assert_close(&whole, found);
            }
            assert!(
                found.iter().all(|f| *f == found[0]),
                "all ranks hold the same"
            );
        }
    }
}
