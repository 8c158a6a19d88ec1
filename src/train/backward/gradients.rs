//! Gradients of the folded weights.

use crate::kernels::neighbours::{BORDER_CLASSES, taps_stride};
use crate::kernels::{Aligned, padded};
use crate::model::folded::{Folded, FoldedPrior};

/// Gradients of one step's folded weights.
#[derive(Default)]
pub struct StepGradients {
    /// `[9 m, width]`.
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

/// Gradients of one level.
pub struct LevelGradients {
    /// The steps.
    pub steps: Vec<StepGradients>,
    /// Split: `[9 m, c]`.
    pub prior_w: Aligned,
    /// Split: `[classes, c]`. Top: rows `[mean, log_std]`, one or one for each pixel.
    pub prior_b: Aligned,
}

/// Gradients of a whole model and the sums that make the loss.
pub struct Gradients {
    /// The levels.
    pub levels: Vec<LevelGradients>,
    /// `sum_n ln p(x_n)` in nats.
    pub log_prob: f64,
}

impl Gradients {
    /// Zeros for a model.
    pub fn zeros(folded: &Folded) -> Self {
        let levels = folded.levels.iter().map(|level| {
            let (c, m, o, w) = (
                level.channels,
                level.half(),
                level.coupling_out,
                padded(folded.width),
            );
            let steps = level.steps.iter().map(|_| StepGradients {
                w1: Aligned::zeros(9 * m * w),
                b1: Aligned::zeros(BORDER_CLASSES * w),
                w2: Aligned::zeros(folded.width * w),
                b2: Aligned::zeros(w),
                w3: Aligned::zeros(folded.width * taps_stride(o)),
                b3: Aligned::zeros(BORDER_CLASSES * padded(o)),
                mix: Aligned::zeros(c * padded(c)),
                mix_bias: Aligned::zeros(padded(c)),
            });
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

    pub(super) fn buffers(&self) -> impl Iterator<Item = &Aligned> {
        self.levels.iter().flat_map(|l| {
            let steps = l.steps.iter().flat_map(|s| {
                [
                    &s.w1,
                    &s.b1,
                    &s.w2,
                    &s.b2,
                    &s.w3,
                    &s.b3,
                    &s.mix,
                    &s.mix_bias,
                ]
            });
            steps.chain([&l.prior_w, &l.prior_b])
        })
    }

    fn buffers_mut(&mut self) -> impl Iterator<Item = &mut Aligned> {
        self.levels.iter_mut().flat_map(|l| {
            let steps = l.steps.iter_mut().flat_map(|s| {
                [
                    &mut s.w1,
                    &mut s.b1,
                    &mut s.w2,
                    &mut s.b2,
                    &mut s.w3,
                    &mut s.b3,
                    &mut s.mix,
                    &mut s.mix_bias,
                ]
            });
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
        for (a, b) in self.buffers_mut().zip(other.buffers()) {
            a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a += b);
        }
    }
}
