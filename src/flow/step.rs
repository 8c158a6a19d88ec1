//! One step of flow.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::Bijector;
use super::actnorm::ActNorm;
use super::coupling::CouplingLayer;
use super::permutation::Mixing;
use crate::config::GlowConfig;

/// Actnorm, channel mixing, coupling (Kingma & Dhariwal 2018, figure 2a).
pub struct Step {
    actnorm: ActNorm,
    permutation: Mixing,
    coupling: CouplingLayer,
}

impl Step {
    /// The tensors at `vb`, for `c` channels.
    ///
    /// Errors: missing tensors, other shapes, or a 1x1 convolution without an inverse.
    pub fn new(vb: &VarBuilder, config: &GlowConfig, c: usize) -> Result<Self> {
        Self::conditioned(vb, config, c, 0)
    }

    /// As [`Step::new`], with a coupling that is given `features` channels beside (0: none).
    ///
    /// Errors: as [`Step::new`].
    pub fn conditioned(
        vb: &VarBuilder,
        config: &GlowConfig,
        c: usize,
        features: usize,
    ) -> Result<Self> {
        Ok(Self {
            actnorm: ActNorm::new(&vb.pp("actnorm"), c)?,
            permutation: Mixing::new(&vb.pp("permutation"), config.permutation, c)?,
            coupling: CouplingLayer::new(&vb.pp("coupling"), config, c, features)?,
        })
    }

    /// As [`Bijector::forward`], given the features `u` of a detail stage.
    ///
    /// Errors: as for `forward`.
    pub fn forward_given(&self, x: &Tensor, u: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let (z, normed) = self.actnorm.forward(x)?;
        let (z, mixed) = self.permutation.forward(&z)?;
        let (z, coupled) = self.coupling.forward_given(&z, u)?;
        Ok((z, ((normed + mixed)? + coupled)?))
    }

    /// As [`Bijector::inverse`], given the features `u` of a detail stage.
    ///
    /// Errors: as for `forward`.
    pub fn inverse_given(&self, z: &Tensor, u: Option<&Tensor>) -> Result<Tensor> {
        let x = self.coupling.inverse_given(z, u)?;
        let x = self.permutation.inverse(&x)?;
        self.actnorm.inverse(&x)
    }
}

impl Bijector for Step {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.forward_given(x, None)
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        self.inverse_given(z, None)
    }
}
