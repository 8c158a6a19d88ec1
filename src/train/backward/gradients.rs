//! Gradients of the folded weights.

use crate::kernels::neighbours::{BORDER_CLASSES, taps_stride};
use crate::kernels::{Aligned, padded};
use crate::model::folded::{Folded, FoldedLevel, FoldedPrior};

/// Gradients of one step's folded weights.
#[derive(Default)]
pub struct StepGradients {
    /// `[9 m, width]`; of a stage `[9 m + U, width]`.
    pub w1: Aligned,
    /// `[classes, width]`.
    pub b1: Aligned,
    /// `[width, width]`.
    pub w2: Aligned,
    /// `[width]`.
    pub b2: Aligned,
    /// `[width, 9 o]`, at [`taps_stride`] of `o`.
    pub w3: Aligned,
    /// `[classes, o]`.
    pub b3: Aligned,
    /// `[c, c]`, row: output.
    pub mix: Aligned,
    /// `[c]`.
    pub mix_bias: Aligned,
}

impl StepGradients {
    pub(super) fn zeros(level: &FoldedLevel, width: usize) -> Self {
        let (c, o, w) = (level.channels, level.coupling_out, padded(width));
        Self {
            w1: Aligned::zeros((9 * level.half() + level.features) * w),
            b1: Aligned::zeros(BORDER_CLASSES * w),
            w2: Aligned::zeros(width * w),
            b2: Aligned::zeros(w),
            w3: Aligned::zeros(width * taps_stride(o)),
            b3: Aligned::zeros(BORDER_CLASSES * padded(o)),
            mix: Aligned::zeros(c * padded(c)),
            mix_bias: Aligned::zeros(padded(c)),
        }
    }

    pub(super) fn buffers(&self) -> [&Aligned; 8] {
        [
            &self.w1,
            &self.b1,
            &self.w2,
            &self.b2,
            &self.w3,
            &self.b3,
            &self.mix,
            &self.mix_bias,
        ]
    }

    pub(super) fn buffers_mut(&mut self) -> [&mut Aligned; 8] {
        [
            &mut self.w1,
            &mut self.b1,
            &mut self.w2,
            &mut self.b2,
            &mut self.w3,
            &mut self.b3,
            &mut self.mix,
            &mut self.mix_bias,
        ]
    }
}

/// Gradients of one level.
pub struct LevelGradients {
    /// The steps.
    pub steps: Vec<StepGradients>,
    /// Split: `[9 m, c]`.
    pub prior_w: Aligned,
    /// Split: `[classes, c]`. Top: rows `[mean, log_std]`, one or one for each pixel.
    pub prior_b: Aligned,
}

/// What the backward walk finishes at once: nothing is added to a piece after the ones behind it are begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The prior of a level.
    Prior {
        /// The level.
        level: usize,
    },
    /// A step of flow.
    Step {
        /// The level.
        level: usize,
        /// The step in it.
        step: usize,
    },
}

/// Gradients of a whole model and the sums that make the loss.
pub struct Gradients {
    /// The levels.
    pub levels: Vec<LevelGradients>,
    /// `sum_n ln p(x_n)` in nats.
    pub log_prob: f64,
}

/// The buffers of a piece.
pub(in crate::train) enum Taken {
    /// `prior_w` and `prior_b`.
    Prior([Aligned; 2]),
    /// Those of a step.
    Step(StepGradients),
    /// Gradients of the parameters themselves, in the order of the layout.
    Flat(Vec<f32>),
}

impl Taken {
    /// Adds another thread's share of the same piece.
    pub(in crate::train) fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Prior(a), Self::Prior(b)) => {
                a.iter_mut().zip(b).for_each(|(a, b)| add(a, b));
            }
            (Self::Step(a), Self::Step(b)) => {
                a.buffers_mut()
                    .into_iter()
                    .zip(b.buffers())
                    .for_each(|(a, b)| add(a, b));
            }
            (Self::Flat(a), Self::Flat(b)) => a.iter_mut().zip(b).for_each(|(a, b)| *a += b),
            _ => debug_assert!(false, "pieces of one kind are added"),
        }
    }
}

fn add(a: &mut Aligned, b: &Aligned) {
    a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a += b);
}

impl Gradients {
    /// Zeros for a model.
    pub fn zeros(folded: &Folded) -> Self {
        let levels = folded.levels.iter().map(|level| {
            let (c, m) = (level.channels, level.half());
            let steps = level.steps.iter();
            let steps = steps.map(|_| StepGradients::zeros(level, folded.width));
            let (prior_w, prior_b) = match &level.prior {
                FoldedPrior::Split { .. } => (
                    Aligned::zeros(9 * m * padded(c)),
                    Aligned::zeros(BORDER_CLASSES * padded(c)),
                ),
                FoldedPrior::Top { rows, .. } => (Aligned::default(), Aligned::zeros(rows.len())),
                FoldedPrior::Given => (Aligned::default(), Aligned::default()),
            };
            LevelGradients {
                steps: steps.collect(),
                prior_w,
                prior_b,
            }
        });
        Self {
            levels: levels.collect(),
            log_prob: 0.0,
        }
    }

    /// Takes the buffers of a piece out, and leaves none.
    pub(in crate::train) fn take(&mut self, piece: Piece) -> Taken {
        match piece {
            Piece::Prior { level } => {
                let level = &mut self.levels[level];
                Taken::Prior([&mut level.prior_w, &mut level.prior_b].map(std::mem::take))
            }
            Piece::Step { level, step } => {
                Taken::Step(std::mem::take(&mut self.levels[level].steps[step]))
            }
        }
    }

    /// Puts the buffers of a piece back.
    pub(in crate::train) fn put(&mut self, piece: Piece, taken: Taken) {
        match (piece, taken) {
            (Piece::Prior { level }, Taken::Prior([w, b])) => {
                let level = &mut self.levels[level];
                (level.prior_w, level.prior_b) = (w, b);
            }
            (Piece::Step { level, step }, Taken::Step(step_gradients)) => {
                self.levels[level].steps[step] = step_gradients;
            }
            _ => debug_assert!(false, "a piece is put back where it was taken"),
        }
    }

    pub(super) fn buffers(&self) -> impl Iterator<Item = &Aligned> {
        self.levels.iter().flat_map(|l| {
            let steps = l.steps.iter().flat_map(StepGradients::buffers);
            steps.chain([&l.prior_w, &l.prior_b])
        })
    }

    fn buffers_mut(&mut self) -> impl Iterator<Item = &mut Aligned> {
        self.levels.iter_mut().flat_map(|l| {
            let steps = l.steps.iter_mut().flat_map(StepGradients::buffers_mut);
            steps.chain([&mut l.prior_w, &mut l.prior_b])
        })
    }

    /// Back to zero.
    pub fn clear(&mut self) {
        self.log_prob = 0.0;
        self.buffers_mut().for_each(|b| b.fill(0.0));
    }

    /// Adds another thread's share.
    pub fn add(&mut self, other: &Self) {
        self.log_prob += other.log_prob;
        let pairs = self.buffers_mut().zip(other.buffers());
        pairs.for_each(|(a, b)| add(a, b));
    }
}
