//! How much memory encoding and decoding take.

use std::sync::PoisonError;

use super::{FastGlow, Workspace};
use crate::kernels::{Aligned, padded};
use crate::model::phases::Scratch;

impl FastGlow {
    /// Bytes of the whole folded model: packed weights, biases, priors.
    pub fn model_bytes(&self) -> usize {
        self.folded.held_bytes()
    }

    /// Bytes of all buffers that encodes and decodes have left behind. They are kept for the next one, so
    /// this is the most that any of them needed.
    pub fn workspace_bytes(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().map(Workspace::bytes).sum()
    }

    /// Bytes of one activation block: a hidden layer of a coupling network, all pixels of the finest level of so
    /// many pictures. A program that runs a model layer by layer holds several of them at once.
    pub fn block_bytes(&self, pictures: usize) -> usize {
        let pixels = self.folded.levels.first().map_or(0, |l| l.grid.pixels());
        pictures * pixels * padded(self.folded.width) * size_of::<f32>()
    }
}

impl Workspace {
    fn bytes(&self) -> usize {
        let buffers = self.states.iter().chain([&self.between]).chain(&self.eps);
        buffers.map(Aligned::bytes).sum::<usize>()
            + self.scratch.iter().map(Scratch::bytes).sum::<usize>()
    }
}
