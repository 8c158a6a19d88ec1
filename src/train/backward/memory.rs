//! How much memory a training step takes, by what it is for.

use super::Gradients;
use super::workspace::{Chunk, NetBuffers, Workspace};
use crate::kernels::Aligned;

impl Gradients {
    /// Bytes held: as much as the weights.
    pub fn bytes(&self) -> usize {
        self.buffers().map(Aligned::bytes).sum()
    }
}

impl Workspace {
    /// Bytes of states, activations and scratch: what grows with the pictures at once, and with the depth only
    /// where activations are kept.
    pub fn bytes(&self) -> usize {
        let states = [&self.state, &self.other, &self.taps, &self.d, &self.d_other];
        let states = states.into_iter().chain(&self.saved);
        let nets = self.kept.iter().chain([&self.net]);
        states.map(Aligned::bytes).sum::<usize>()
            + nets.map(NetBuffers::bytes).sum::<usize>()
            + self.chunk.bytes()
            + self.scratch.bytes()
    }
}

impl NetBuffers {
    fn bytes(&self) -> usize {
        let buffers = [&self.gathered, &self.h1, &self.h2, &self.taps];
        buffers.into_iter().map(Aligned::bytes).sum()
    }
}

impl Chunk {
    fn bytes(&self) -> usize {
        let buffers = [
            &self.d_out,
            &self.d_gathered,
            &self.gathered_d,
            &self.d_h1,
            &self.d_h2,
            &self.sum,
        ];
        buffers.into_iter().map(Aligned::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Activations;
    use crate::latent::tests::tiny_config;
    use crate::model::params::Params;
    use crate::model::{GlowConfig, Padding};
    use crate::noise::Noise;
    use crate::train::gradients::CpuGradients;

    /// Bytes of the workspace, and of the gradients, after a step.
    fn after_a_step(depth: usize, activations: Activations) -> (usize, usize) {
        let config = GlowConfig {
            image_size: 16,
            depth,
            width: 16,
            padding: Padding::EdgeBias,
            ..tiny_config()
        };
        let params = Params::perturbed(config, 3);
        let mut gradients = CpuGradients::new(&params, 2)
            .unwrap()
            .with_activations(activations);
        let mut noise = Noise::new(4);
        let mut picture = || -> Vec<f32> { (0..768).map(|_| noise.uniform() - 0.5).collect() };
        let x = [picture(), picture(), picture(), picture()];
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        gradients.loss_and_gradients(&params, &x).unwrap();
        (gradients.workspace_bytes(), gradients.gradient_bytes())
    }

    #[test]
    fn memory_grows_with_the_depth_only_where_activations_are_kept() {
        let [shallow, deep] = [2, 8].map(|depth| after_a_step(depth, Activations::Recompute));
        assert!(shallow.0 > 100_000, "{shallow:?}");
        assert_eq!(shallow.0, deep.0);
        // Gradients are held a step, as weights are.
        assert!(
            deep.1 > 3 * shallow.1 && deep.1 < 5 * shallow.1,
            "{shallow:?} {deep:?}"
        );

        let kept = [2, 8].map(|depth| after_a_step(depth, Activations::Keep).0 - deep.0);
        assert!(kept[0] > 100_000 && kept[1] == 4 * kept[0], "{kept:?}");
    }
}
