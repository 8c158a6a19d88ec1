//! The training that the window steers. It belongs to the program, whichever session is open.

mod steer;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::document::name_of_path;
use super::picture::Picture;
use crate::engine::message::{
    CurvePoint, EarlierTraining, EarlierWork, TrainOrder, TrainingBegun, TrainingStep,
};

/// Points of the live line; where there would be more, two become one.
const LINE_POINTS: usize = 512;

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingState {
    /// A training that has saved something and has not come to its end: it can go on, also in another run of the program.
    pub unfinished: Option<TrainOrder>,
    /// The training that runs, or that ended last in this run of the program.
    #[serde(skip)]
    pub run: Option<TrainingRun>,
    /// Whether the window closes once it is saved.
    #[serde(skip)]
    pub closes: bool,
}

/// A training, and what is known of it.
#[derive(Clone, Debug)]
pub struct TrainingRun {
    /// What was asked for.
    pub order: TrainOrder,
    /// How it stands.
    pub phase: TrainingPhase,
    /// What it began with.
    pub begun: Option<TrainingBegun>,
    /// How far it is.
    pub step: Option<TrainingStep>,
    /// Bits per dimension, smoothed over the last reports.
    pub bits_per_dim: Option<f64>,
    /// What its saves measured.
    pub curve: Vec<CurvePoint>,
    /// Bits per dimension between the saves.
    pub line: LiveLine,
    /// Samples of the last save.
    pub samples: Vec<Picture>,
    /// Why pictures were left out, each once.
    pub left_out: Vec<String>,
    /// Whether its weights are on the disk.
    pub has_saved: bool,
}

/// How a training stands.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingPhase {
    /// Files are read.
    Preparing,
    /// It learns.
    Running,
    /// It will wait after this step.
    Pausing,
    /// It waits.
    Paused,
    /// It saves and ends.
    Stopping,
    /// The last save failed, and why; it waits.
    Unsaved(String),
    /// An earlier training lies under its names.
    Earlier(EarlierTraining),
    /// It has seen all its pictures.
    Finished,
    /// It was stopped.
    Stopped,
    /// It could not begin or go on.
    Failed(String),
}

impl TrainingPhase {
    /// Whether the thread is there.
    pub fn is_active(&self) -> bool {
        match self {
            Self::Preparing
            | Self::Running
            | Self::Pausing
            | Self::Paused
            | Self::Stopping
            | Self::Unsaved(_) => true,
            Self::Earlier(_) | Self::Finished | Self::Stopped | Self::Failed(_) => false,
        }
    }
}

/// A line that grows at its end and stays short.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveLine {
    /// Pictures seen, and bits per dimension.
    pub points: Vec<[f64; 2]>,
    /// Reports that make a point.
    stride: u32,
    /// Those of the point that is not whole yet: their sum and how many.
    rest: ([f64; 2], u32),
}

impl Default for LiveLine {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            rest: ([0.0; 2], 0),
        }
    }
}

impl LiveLine {
    /// Adds a point.
    pub fn push(&mut self, pictures: f64, bits: f64) {
        let ([x, y], n) = self.rest;
        self.rest = ([x + pictures, y + bits], n + 1);
        if self.rest.1 < self.stride {
            return;
        }
        let ([x, y], n) = std::mem::take(&mut self.rest);
        self.points.push([x / f64::from(n), y / f64::from(n)]);
        if self.points.len() >= LINE_POINTS {
            let pairs = self.points.chunks_exact(2);
            let middle = |pair: &[[f64; 2]]| [0, 1].map(|i| 0.5 * (pair[0][i] + pair[1][i]));
            self.points = pairs.map(middle).collect();
            self.stride *= 2;
        }
    }

    /// Takes back what lies after so many pictures.
    fn cut(&mut self, pictures: f64) {
        self.points.retain(|point| point[0] <= pictures);
        self.rest = ([0.0; 2], 0);
    }
}

impl TrainingRun {
    fn new(order: TrainOrder) -> Self {
        Self {
            order,
            phase: TrainingPhase::Preparing,
            begun: None,
            step: None,
            bits_per_dim: None,
            curve: Vec::new(),
            line: LiveLine::default(),
            samples: Vec::new(),
            left_out: Vec::new(),
            has_saved: false,
        }
    }

    /// Pictures seen.
    pub fn pictures_seen(&self) -> u64 {
        let before = self.begun.as_ref().map_or(0, |begun| begun.pictures_seen);
        self.step.map_or(before, |step| step.pictures_seen)
    }

    /// Its weights, as people call them.
    pub fn name(&self) -> String {
        name_of_path(&self.order.out)
    }
}

impl TrainingState {
    /// Whether one is under way, be it paused.
    pub fn is_active(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.phase.is_active())
    }

    /// The weights that can be opened: those of the training on the screen, once there are any.
    pub fn result(&self) -> Option<PathBuf> {
        let run = self.run.as_ref().filter(|run| run.has_saved)?;
        Some(run.order.out.clone())
    }

    /// What can go on, while nothing runs.
    pub fn resumable(&self) -> Option<TrainOrder> {
        let order = self.unfinished.clone().filter(|_| !self.is_active())?;
        Some(TrainOrder {
            earlier: EarlierWork::Resume,
            ..order
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_line_stays_short_and_keeps_its_shape() {
        let mut line = LiveLine::default();
        for i in 0..10_000 {
            line.push(f64::from(i), 5.0 - f64::from(i) / 4000.0);
        }
        assert!((LINE_POINTS / 4..LINE_POINTS).contains(&line.points.len()));
        let on_it = |p: &[f64; 2]| (p[1] - (5.0 - p[0] / 4000.0)).abs() < 1e-9;
        assert!(line.points.iter().all(on_it));
        assert!(line.points.is_sorted_by(|a, b| a[0] < b[0]));
        assert!(line.points.last().unwrap()[0] > 9800.0);
        line.cut(5000.0);
        assert!(line.points.last().unwrap()[0] <= 5000.0);
    }
}
