//! How much a folded model holds.

use super::{BorderBias, Folded, FoldedLevel, FoldedPrior, FoldedStep, Transposed};
use crate::kernels::{Aligned, PackedMatrix};

impl Folded {
    /// Bytes of everything: packed weights, biases, priors, and the transposes of the backward pass where there
    /// are some.
    pub fn held_bytes(&self) -> usize {
        self.levels.iter().map(level).sum()
    }
}

fn level(level: &FoldedLevel) -> usize {
    let prior = match &level.prior {
        FoldedPrior::Split { w, b, transposed } => {
            w.bytes() + bias(b) + transposed.as_ref().map_or(0, PackedMatrix::bytes)
        }
        FoldedPrior::Top { rows, .. } => rows.bytes(),
        FoldedPrior::Given => 0,
    };
    prior + level.classes.capacity() + level.steps.iter().map(step).sum::<usize>()
}

fn step(step: &FoldedStep) -> usize {
    let weights = [&step.w1, &step.w2, &step.mix, &step.unmix];
    let rows = [&step.b2, &step.mix_bias, &step.unmix_bias];
    weights.into_iter().map(PackedMatrix::bytes).sum::<usize>()
        + step.w3.bytes()
        + rows.into_iter().map(Aligned::bytes).sum::<usize>()
        + bias(&step.b1)
        + bias(&step.b3)
        + step.transposed.as_ref().map_or(0, transposed)
}

fn transposed(t: &Transposed) -> usize {
    [&t.w1, &t.w2, &t.w3, &t.mix]
        .into_iter()
        .map(PackedMatrix::bytes)
        .sum()
}

fn bias(bias: &BorderBias) -> usize {
    bias.table.bytes()
}
