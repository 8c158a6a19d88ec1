//! How a training grows with its ranks: what one of them measures, and a model of the network for those that are not
//! there.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::bench::median;
use crate::config::GlowConfig;
use crate::model::params::Params;
use crate::noise::Noise;
use crate::train::error::TrainError;
use crate::train::gradients::{BatchShare, CpuGradients};
use crate::train::optimizer::Optimizer;
use crate::train::ranks::{Communicator, Silent};
use crate::train::reduce::{BucketTimes, ReduceTimes};

/// Bytes of the sums that are timed alone, smallest first.
const SUM_BYTES: [usize; 3] = [1 << 12, 1 << 20, 1 << 24];

/// What is measured on every rank.
#[derive(Clone, Copy, Debug)]
pub struct ScalingOptions {
    /// Pictures of a step, of all ranks together.
    pub batch: usize,
    /// Threads of each rank.
    pub threads: usize,
    /// Measured steps, of which the median is given.
    pub runs: usize,
}

/// What rank 0 has measured; the others did the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RankReport {
    /// Ranks.
    pub ranks: usize,
    /// Threads of each.
    pub threads: usize,
    /// Pictures of a step, of all ranks together.
    pub batch: usize,
    /// Parameters of the model.
    pub n_parameters: usize,
    /// Seconds of a step: gradient, sums, update.
    pub step_secs: f64,
    /// Seconds of the same step whose sums are left out, measured in the same way.
    pub silent_secs: f64,
    /// When buckets were ready in such a step.
    pub silent: ReduceTimes,
    /// The sums of the measured step.
    pub times: ReduceTimes,
    /// Bytes and seconds of sums with nothing else going on.
    pub sums: Vec<(usize, f64)>,
}

impl RankReport {
    /// Pictures a second, of all ranks together.
    pub fn pictures_per_sec(&self) -> f64 {
        self.batch as f64 / self.step_secs
    }

    /// The share of the sums' seconds that the walk hides; `None` where there were no sums.
    pub fn hidden(&self) -> Option<f64> {
        let total = self.times.total_secs();
        (total > 0.0).then(|| 1.0 - self.times.exposed_secs() / total)
    }
}

/// Measures steps on random pictures, on this rank as on all others.
///
/// Errors: a model without inverses, which random weights are not; ranks that no longer hear of each other.
pub fn measure(
    config: GlowConfig,
    options: ScalingOptions,
    ranks: &dyn Communicator,
) -> Result<RankReport, TrainError> {
    let mut params = Params::perturbed(config, 0);
    let range = ranks.share().range(options.batch);
    let mut noise = Noise::new(ranks.rank() as u64);
    let dims = params.config.dims();
    let picture = |_| (0..dims).map(|_| noise.uniform() - 0.5).collect();
    let x: Vec<Vec<f32>> = range.clone().map(picture).collect();
    let share = BatchShare {
        n: range.len(),
        n_whole: options.batch,
        inputs: &|part| x[part].to_vec(),
    };
    let mut gradients = CpuGradients::new(&params, options.threads)?;
    let rates = Default::default();
    let mut optimizer = Optimizer::new(Default::default(), rates, &params.data);
    // One rank alone is asked for its buckets as one of two would be.
    let silent = Silent {
        rank: ranks.rank(),
        n_ranks: ranks.n_ranks().max(2),
    };
    let mut steps = |ranks: &dyn Communicator, all: &dyn Communicator| {
        let mut found = Vec::new();
        for at in 0..=options.runs.max(1) {
            // All start together, as after the update before.
            all.sum_f64(&mut [0.0])?;
            let start = Instant::now();
            let step = gradients.over_ranks(&params, &share, ranks)?;
            optimizer.step(&mut params.data, &step.gradient, 1.0, 1e-6, 0.99);
            if at > 0 {
                found.push((start.elapsed().as_secs_f64(), step.times));
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok::<_, TrainError>(found.swap_remove(found.len() / 2))
    };
    let (silent_secs, silent) = steps(&silent, ranks)?;
    let (step_secs, times) = steps(ranks, ranks)?;
    let mut sums = Vec::new();
    for bytes in SUM_BYTES {
        let mut values = vec![0.0f32; bytes / size_of::<f32>()];
        let mut secs = Vec::new();
        for _ in 0..options.runs.max(5) {
            let start = Instant::now();
            ranks.sum_f32(&mut values)?;
            secs.push(start.elapsed().as_secs_f64());
        }
        sums.push((bytes, median(&secs)));
    }
    Ok(RankReport {
        ranks: ranks.n_ranks(),
        threads: options.threads,
        batch: options.batch,
        n_parameters: params.data.len(),
        step_secs,
        silent_secs,
        silent,
        times,
        sums,
    })
}

/// A network between ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// Seconds until a message of no bytes is there, looking for it included.
    pub latency_secs: f64,
    /// Bytes a second in each direction.
    pub bytes_per_sec: f64,
}

impl Network {
    /// That in which sums between two ranks take so long: a line through the largest and the smallest.
    pub fn of_sums(sums: &[(usize, f64)]) -> Option<Self> {
        let (small, large) = (sums.first()?, sums.last()?);
        // Two ranks send two messages each, of half the bytes.
        let per_byte = (large.1 - small.1) / (large.0 - small.0) as f64;
        let fixed = (small.1 - per_byte * small.0 as f64).max(0.0);
        (per_byte > 0.0).then(|| Self {
            latency_secs: fixed / 2.0,
            bytes_per_sec: 1.0 / per_byte,
        })
    }

    /// Seconds of a sum of so many bytes over a ring of `n` ranks: `2 (n - 1)` messages, one after the other, of an
    /// `n`-th of the bytes each (Patarasuk & Yuan 2009).
    pub fn sum_secs(&self, bytes: usize, n: usize) -> f64 {
        let messages = 2.0 * (n as f64 - 1.0);
        messages * (self.latency_secs + bytes as f64 / n as f64 / self.bytes_per_sec)
    }
}

/// A step of `n` ranks that each do what `silent` says, in a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Seconds of the step.
    pub step_secs: f64,
    /// Seconds of its sums.
    pub sum_secs: f64,
    /// The share of those that the walk hides.
    pub hidden: f64,
}

/// Buckets leave in their order, each when it is ready and the one before has arrived; what arrives after the walk
/// lengthens the step. A step has three small sums more: two ahead of it and one for its loss.
pub fn predict(silent_secs: f64, silent: &ReduceTimes, network: Network, n: usize) -> Prediction {
    let buckets = merged(&silent.buckets, n);
    let (mut end, mut sum_secs) = (0.0f64, 0.0);
    for bucket in &buckets {
        let secs = network.sum_secs(bucket.bytes, n);
        end = end.max(bucket.begun_secs) + secs;
        sum_secs += secs;
    }
    let rounds = (n as f64).log2().ceil();
    let small = 3.0 * rounds * network.latency_secs;
    let exposed = (end - silent.walk_secs).max(0.0) + small;
    sum_secs += small;
    Prediction {
        step_secs: silent_secs + exposed,
        sum_secs,
        hidden: 1.0 - (exposed / sum_secs).min(1.0),
    }
}

/// The buckets of a step measured with few ranks as many ranks have them.
fn merged(buckets: &[BucketTimes], n: usize) -> Vec<BucketTimes> {
    let least = crate::train::reduce::bucket_bytes(n);
    let mut found: Vec<BucketTimes> = Vec::new();
    for bucket in buckets {
        match found.last_mut() {
            Some(last) if last.bytes < least => {
                last.bytes += bucket.bytes;
                last.begun_secs = bucket.begun_secs;
                last.summed_secs = bucket.summed_secs;
            }
            _ => found.push(*bucket),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(begun: &[f64]) -> ReduceTimes {
        let bucket = |&begun_secs| BucketTimes {
            bytes: 4 << 20,
            begun_secs,
            summed_secs: begun_secs,
        };
        ReduceTimes {
            walk_secs: 1.0,
            buckets: begun.iter().map(bucket).collect(),
            loss_secs: 0.0,
        }
    }

    #[test]
    fn a_line_through_two_sums_gives_them_back() {
        let network = Network {
            latency_secs: 1e-4,
            bytes_per_sec: 1e9,
        };
        let sums = [1 << 12, 1 << 24].map(|bytes| (bytes, network.sum_secs(bytes, 2)));
        let found = Network::of_sums(&sums).unwrap();
        assert!((found.latency_secs - 1e-4).abs() < 1e-9);
        assert!((found.bytes_per_sec / 1e9 - 1.0).abs() < 1e-6);
        assert_eq!(Network::of_sums(&[(1, 1.0), (2, 1.0)]), None);
    }

    #[test]
    fn what_leaves_early_is_hidden_and_the_last_bucket_never() {
        let fast = Network {
            latency_secs: 0.0,
            bytes_per_sec: 1e9,
        };
        let one = fast.sum_secs(4 << 20, 2);
        let found = predict(1.1, &step(&[0.2, 0.6, 1.0]), fast, 2);
        assert!((found.step_secs - 1.1 - one).abs() < 1e-12);
        assert!((found.hidden - 2.0 / 3.0).abs() < 1e-12);
        // A slow network is busy from the first bucket on.
        let slow = Network {
            bytes_per_sec: 1e7,
            ..fast
        };
        let one = slow.sum_secs(4 << 20, 2);
        let found = predict(1.1, &step(&[0.2, 0.6, 1.0]), slow, 2);
        assert!((found.step_secs - (1.1 + 0.2 + 3.0 * one - 1.0)).abs() < 1e-12);
    }

    #[test]
    fn many_ranks_have_fewer_and_larger_buckets() {
        let buckets = step(&[0.1, 0.2, 0.3, 0.4]).buckets;
        assert_eq!(merged(&buckets, 2), buckets);
        let found = merged(&buckets, 128);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].bytes, found[0].begun_secs), (8 << 20, 0.2));
    }
}
