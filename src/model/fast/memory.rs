//! How much memory encoding and decoding take.

use std::sync::PoisonError;

use super::{FastGlow, FastWorkspace};
use crate::kernels::{Aligned, padded};
use crate::model::fast::step::Scratch;

impl FastGlow {
    /// Bytes of the whole folded model: packed weights, biases, priors.
    pub fn model_bytes(&self) -> usize {
        self.folded.held_bytes()
    }

    /// Bytes of all buffers that encodes and decodes have left behind. They are kept for the next one, so
    /// this is the most that any of them needed.
    pub fn workspace_bytes(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().map(FastWorkspace::bytes).sum()
    }

    /// Bytes of one activation block: a hidden layer of a coupling network, all pixels of the finest level of so
    /// many pictures. A program that runs a model layer by layer holds several of them at once.
    pub fn block_bytes(&self, pictures: usize) -> usize {
        let pixels = self.folded.levels.first().map_or(0, |l| l.grid.pixels());
        pictures * pixels * padded(self.folded.width) * size_of::<f32>()
    }
}

impl FastWorkspace {
    fn bytes(&self) -> usize {
        let buffers = self.states.iter().chain([&self.between]).chain(&self.eps);
        buffers.map(Aligned::bytes).sum::<usize>()
            + self.scratch.iter().map(Scratch::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::tests::tiny_config;
    use crate::model::params::Params;
    use crate::model::{GlowConfig, Latent, Permutation};

    /// Bytes of the workspace after a decode, and of a block.
    fn after_a_decode(depth: usize, threads: usize, pictures: usize) -> (usize, usize) {
        let config = GlowConfig {
            image_size: 64,
            levels: 3,
            depth,
            width: 128,
            permutation: Permutation::Reverse,
            ..tiny_config()
        };
        let fast = FastGlow::new(&Params::perturbed(config.clone(), 1), threads).unwrap();
        let latents = vec![Latent::zeros(&config.latent_shape()); pictures];
        let latents: Vec<&Latent> = latents.iter().collect();
        fast.decode(&latents, &|| false).unwrap();
        (fast.workspace_bytes(), fast.block_bytes(pictures))
    }

    #[test]
    fn a_decode_works_in_three_blocks_of_activations_whatever_the_depth() {
        // Both threads share a single picture, and so one workspace.
        assert_eq!(after_a_decode(1, 2, 1), after_a_decode(3, 2, 1));
        for (threads, pictures) in [(1, 1), (2, 1), (2, 2), (2, 8)] {
            let (workspace, block) = after_a_decode(1, threads, pictures);
            assert!(workspace > block / 2, "{workspace} {block}");
            assert!(
                workspace <= 3 * block,
                "{threads} threads, {pictures} pictures: {workspace} {block}"
            );
        }
    }
}
