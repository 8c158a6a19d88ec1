//! What a training run is told.

use std::ops::Range;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};

use super::backward::Activations;
use super::optimizer::{Rates, Rule};
use super::part::Part;
use crate::config::ScaleFloor;
use crate::kernels::Arithmetic;

/// Settings of a training run; one struct for the command line, the checkpoint and tables of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default)]
pub struct TrainConfig {
    /// Pictures a step, of all ranks together
    #[arg(long, default_value_t = DEFAULTS.batch)]
    pub batch: usize,
    /// Parts in which a batch is worked through, one after the other: memory is that of one part, the result that of
    /// the whole batch
    #[arg(long, default_value_t = DEFAULTS.accumulate, value_name = "PARTS")]
    pub accumulate: usize,
    /// Peak learning rate
    #[arg(long, default_value_t = DEFAULTS.lr)]
    pub lr: f32,
    /// Steps over which the learning rate rises from zero
    #[arg(long, default_value_t = DEFAULTS.warmup)]
    pub warmup: u64,
    /// Share of the run, at its end, over which the learning rate falls to a twentieth
    #[arg(long, default_value_t = DEFAULTS.decay)]
    pub decay: f64,
    /// Largest norm of a gradient; longer ones are shortened
    #[arg(long, default_value_t = DEFAULTS.clip)]
    pub clip: f64,
    /// Least factor of an affine coupling, 0 to less than 1, in place of the config's
    #[arg(long)]
    pub scale_floor: Option<f32>,
    /// Pictures over which the floor rises from that of the weights to start from
    #[arg(long, default_value_t = DEFAULTS.floor_pictures)]
    pub floor_pictures: u64,
    /// Part of a chain that learns while the rest stays as it is: base (the Glow at the bottom), or a detail stage by its
    /// number, 0 the coarsest. Where nothing is said, all of it learns
    #[arg(long)]
    pub part: Option<Part>,
    /// Side of the windows of pictures that detail stages learn from; where nothing is said, whole pictures
    #[arg(long, value_name = "PIXELS")]
    pub crop: Option<usize>,
    /// Standard deviation of the noise on the picture below that a detail stage is given while it learns, of a range of 1
    #[arg(long, default_value_t = DEFAULTS.soften)]
    pub soften: f32,
    /// Update rule
    #[arg(long, value_enum, default_value_t = DEFAULTS.optimizer)]
    pub optimizer: Rule,
    /// Decay of the second moment
    #[arg(long, default_value_t = DEFAULTS.beta2)]
    pub beta2: f32,
    /// Decay of the averaged weights
    #[arg(long, default_value_t = DEFAULTS.average)]
    pub average: f32,
    /// Seed of the weights, the order of the pictures, flips and noise
    #[arg(long, default_value_t = DEFAULTS.seed)]
    pub seed: u64,
    /// Leave out the horizontal flips
    #[arg(long)]
    pub no_flip: bool,
    /// Pictures of the batch that initialises the actnorms
    #[arg(long, default_value_t = DEFAULTS.init_batch)]
    pub init_batch: usize,
    /// Numbers that the coupling networks' products multiply
    #[arg(long, value_parser = arithmetic(), default_value_t = DEFAULTS.arithmetic)]
    #[serde(with = "as_text")]
    pub arithmetic: Arithmetic,
    /// What happens to the coupling networks' activations between the two passes
    #[arg(long, value_enum, default_value_t = DEFAULTS.activations)]
    pub activations: Activations,
    /// Stop after this many pictures in all
    #[arg(long)]
    pub pictures: Option<u64>,
    /// Stop after this many minutes of this run
    #[arg(long)]
    pub minutes: Option<f64>,
}

/// The arithmetics by name, for the command line: kernels know nothing of it.
fn arithmetic() -> impl TypedValueParser<Value = Arithmetic> {
    PossibleValuesParser::new(Arithmetic::ALL.map(Arithmetic::name))
        .try_map(|name| name.parse::<Arithmetic>())
}

/// The same in files.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::kernels::Arithmetic;

    pub(super) fn serialize<S: Serializer>(value: &Arithmetic, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arithmetic, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// What holds where nothing is said, on the command line and in files alike.
const DEFAULTS: TrainConfig = TrainConfig {
    batch: 16,
    accumulate: 1,
    lr: 1e-3,
    warmup: 500,
    decay: 0.3,
    clip: 10.0,
    scale_floor: None,
    floor_pictures: 0,
    part: None,
    crop: None,
    soften: 0.0,
    optimizer: Rule::Adam,
    beta2: 0.99,
    average: 0.999,
    seed: 0,
    no_flip: false,
    init_batch: 64,
    arithmetic: Arithmetic::F32,
    activations: Activations::Recompute,
    pictures: None,
    minutes: None,
};

impl Default for TrainConfig {
    fn default() -> Self {
        DEFAULTS
    }
}

impl TrainConfig {
    /// The first setting with which no run can go well, and what it must be; `None` where all are sound.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let share = 0.0..1.0f32;
        let checks = [
            (
                (1..=65_536).contains(&self.batch),
                "batch",
                "from 1 to 65536 pictures",
            ),
            (
                (1..=self.batch).contains(&self.accumulate),
                "accumulate",
                "from 1 to as many parts as the batch has pictures",
            ),
            (
                self.lr.is_finite() && self.lr > 0.0,
                "lr",
                "a number above 0",
            ),
            (
                (0.0..=1.0).contains(&self.decay),
                "decay",
                "a share from 0 to 1",
            ),
            (self.clip > 0.0, "clip", "a number above 0"),
            (
                share.contains(&self.beta2),
                "beta2",
                "from 0 to less than 1",
            ),
            (
                share.contains(&self.average),
                "average",
                "from 0 to less than 1",
            ),
            (
                self.scale_floor
                    .is_none_or(|f| ScaleFloor::new(f).is_some()),
                "scale-floor",
                "from 0 to less than 1",
            ),
            (
                self.soften.is_finite() && self.soften >= 0.0,
                "soften",
                "0 or more",
            ),
            (
                self.minutes.is_none_or(|m| m.is_finite() && m > 0.0),
                "minutes",
                "a number above 0",
            ),
        ];
        let failed = checks.into_iter().find(|(sound, ..)| !sound);
        failed.map(|(_, setting, expected)| (setting, expected))
    }

    /// The floor of the couplings' factor after so many pictures, on its way from the start of `floors` to the end.
    pub fn floor(&self, floors: Range<ScaleFloor>, pictures_seen: u64) -> ScaleFloor {
        let share = match self.floor_pictures {
            0 => 1.0,
            n => (pictures_seen as f64 / n as f64).min(1.0),
        };
        let (first, last) = (floors.start.value(), floors.end.value());
        ScaleFloor::new(first + (f64::from(last - first) * share) as f32).unwrap_or(floors.end)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_rises_from_that_of_the_weights_to_start_from() {
        let config = TrainConfig {
            floor_pictures: 100,
            ..TrainConfig::default()
        };
        let floor = |value| ScaleFloor::new(value).unwrap();
        let at = |seen| config.floor(floor(0.5)..floor(0.75), seen).value();
        assert_eq!([0, 50, 100, 1000].map(at), [0.5, 0.625, 0.75, 0.75]);
        let fresh = config.floor(ScaleFloor::NONE..floor(0.5), 50);
        assert_eq!(fresh.value(), 0.25);
        let at_once = TrainConfig::default();
        assert_eq!(at_once.floor(ScaleFloor::NONE..floor(0.5), 0).value(), 0.5);
    }
}
