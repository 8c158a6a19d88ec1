//! What a training run is told.

use serde::{Deserialize, Serialize};

use super::optimizer::{Rates, Rule};

/// Settings of a training run; one struct for the command line and for the checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct TrainConfig {
    /// Pictures a step
    #[arg(long, default_value_t = 16)]
    pub batch: usize,
    /// Peak learning rate
    #[arg(long, default_value_t = 1e-3)]
    pub lr: f32,
    /// Steps over which the learning rate rises from zero
    #[arg(long, default_value_t = 500)]
    pub warmup: u64,
    /// Share of the run, at its end, over which the learning rate falls to a twentieth
    #[arg(long, default_value_t = 0.3)]
    pub decay: f64,
    /// Largest norm of a gradient; longer ones are shortened
    #[arg(long, default_value_t = 10.0)]
    pub clip: f64,
    /// Update rule
    #[arg(long, value_enum, default_value_t = Rule::Adam)]
    pub optimizer: Rule,
    /// Decay of the second moment
    #[arg(long, default_value_t = 0.99)]
    pub beta2: f32,
    /// Decay of the averaged weights
    #[arg(long, default_value_t = 0.999)]
    pub average: f32,
    /// Seed of the weights, the order of the pictures, flips and noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Leave out the horizontal flips
    #[arg(long)]
    pub no_flip: bool,
    /// Pictures of the batch that initialises the actnorms
    #[arg(long, default_value_t = 64)]
    pub init_batch: usize,
    /// Stop after this many pictures in all
    #[arg(long)]
    pub pictures: Option<u64>,
    /// Stop after this many minutes of this run
    #[arg(long)]
    pub minutes: Option<f64>,
}

impl TrainConfig {
    /// The optimiser's rates.
    pub fn rates(&self) -> Rates {
        Rates {
            beta2: self.beta2,
            ..Rates::default()
        }
    }

    /// The learning rate at a step (from 0) and at a progress through the run (0..1).
    pub fn learning_rate(&self, step: u64, progress: f64) -> f32 {
        const LAST: f64 = 0.05;
        let rise = ((step + 1) as f64 / self.warmup.max(1) as f64).min(1.0);
        let left = if self.decay > 0.0 {
            ((1.0 - progress) / self.decay).clamp(0.0, 1.0)
        } else {
            1.0
        };
        (f64::from(self.lr) * rise * (LAST + (1.0 - LAST) * left)) as f32
    }
}
