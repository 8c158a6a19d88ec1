//! One step of flow.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::Bijector;
use super::actnorm::ActNorm;
use super::coupling::Coupling;
use super::permutation::Mixing;
use crate::config::GlowConfig;

/// Actnorm, channel mixing, coupling (Kingma & Dhariwal 2018, figure 2a).
pub struct Step {
    actnorm: ActNorm,
    permutation: Mixing,
    coupling: Coupling,
}

impl Step {
    /// The tensors at `vb`, for `c` channels.
    ///
    /// Errors: missing tensors, other shapes, or a 1x1 convolution without an inverse.
    pub fn new(vb: &VarBuilder, config: &GlowConfig, c: usize) -> Result<Self> {
        Ok(Self {
            actnorm: ActNorm::new(&vb.pp("actnorm"), c)?,
            permutation: Mixing::new(&vb.pp("permutation"), config.permutation, c)?,
            coupling: Coupling::new(&vb.pp("coupling"), config, c)?,
        })
    }

    fn layers(&self) -> [&dyn Bijector; 3] {
        [&self.actnorm, &self.permutation, &self.coupling]
    }
}

impl Bijector for Step {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (mut z, mut log_det) = self.layers()[0].forward(x)?;
        for layer in &self.layers()[1..] {
            let (next, more) = layer.forward(&z)?;
            (z, log_det) = (next, (log_det + more)?);
        }
        Ok((z, log_det))
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        self.layers()
            .iter()
            .rev()
            .try_fold(z.clone(), |z, layer| layer.inverse(&z))
    }
}
