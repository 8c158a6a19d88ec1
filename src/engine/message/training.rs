//! What the window and the training thread say to each other.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

pub use crate::train::checkpoint::CurvePoint;
#[cfg(test)]
pub use crate::train::order::EarlierState;
pub use crate::train::order::{EarlierTraining, EarlierWork, NetworkSize, TrainBase, TrainOrder};

/// What the window wants of the training; there is one at a time.
#[derive(Clone, Debug)]
pub enum TrainCommand {
    /// Begin, or go on from a checkpoint.
    Start(Box<TrainOrder>),
    /// Hold it up, or let it go on.
    Pause(bool),
    /// Save and end. Where the last save failed it is tried again.
    Stop,
}

/// What the training tells. Each one ends with [`TrainReport::Ended`].
#[derive(Clone, Debug)]
pub enum TrainReport {
    /// Everything is read, and the first step comes.
    Begun(Box<TrainingBegun>),
    /// Some steps were taken since the last report.
    Step(TrainingStep),
    /// Weights and checkpoint were written.
    Saved(CurvePoint),
    /// Samples of the saved weights, always from the same eps.
    Samples(Vec<Arc<RgbImage>>),
    /// A picture was left out, and why.
    LeftOut(String),
    /// Something that people should know though the training goes on.
    Note(String),
    /// It had diverged and goes on from an earlier state in smaller steps.
    WentBack {
        /// What was wrong.
        reason: String,
        /// Pictures seen where it goes on.
        pictures_seen: u64,
    },
    /// It waits, or goes on.
    Paused(bool),
    /// The last save failed, and why. The training waits, with all that it has learnt, to be stopped again or to go on.
    Unsaved(String),
    /// It is over.
    Ended(TrainingEnd),
}

/// What a training begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingBegun {
    /// The model, for people.
    pub model: String,
    /// Pixels a side.
    pub side: usize,
    /// Numbers that are trained.
    pub n_parameters: usize,
    /// Pictures to learn from.
    pub n_pictures: usize,
    /// Pictures to validate on.
    pub n_valid: usize,
    /// Pictures seen before.
    pub pictures_seen: u64,
    /// The curve so far.
    pub curve: Vec<CurvePoint>,
    /// Threads that work on it.
    pub threads: usize,
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingStep {
    /// Pictures seen.
    pub pictures_seen: u64,
    /// Mean bits per dimension of the batches since the last report.
    pub bits_per_dim: f64,
    /// Pictures a second, saves and all but pauses included.
    pub pictures_per_sec: f64,
    /// Seconds to the end, where it has one.
    pub secs_left: Option<f64>,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEnd {
    /// An earlier training lies under its names; nothing was touched.
    Earlier(EarlierTraining),
    /// It has seen all pictures that it was to see.
    Finished,
    /// It was stopped, and has saved what it had learnt.
    Stopped,
    /// It could not begin or go on: what is wrong and what to do.
    Failed {
        /// For people.
        message: String,
        /// The weight file.
        path: PathBuf,
    },
}
