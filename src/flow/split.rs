//! Split: half of the channels leave, with the learned prior that explains them.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::conv::ZeroConv;
use super::gaussian::Gaussian;
use crate::config::Padding;

/// The first half of the channels goes on and decides, through a zero-initialised convolution, the Gaussian of
/// the second, which is factored out (Dinh et al. 2017, section 3.6; the paper's code).
///
/// Shapes: `[n, h, w, c]` to `[n, h, w, c/2]` and eps `[n, h, w, c/2]`.
pub struct Split {
    prior: Option<ZeroConv>,
}

impl Split {
    /// The tensors at `vb` (`prior.weight`, …) for `c` channels.
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(vb: &VarBuilder, c: usize, padding: Padding) -> Result<Self> {
        Ok(Self {
            prior: Some(ZeroConv::new(&vb.pp("prior"), c / 2, c, padding)?),
        })
    }

    /// A split whose other half is standard normal: what a table says of it is taken where latents come in and go out.
    pub fn standard() -> Self {
        Self { prior: None }
    }

    /// The prior of the half that leaves, given the half that stays: mean first, log_std second.
    ///
    /// Errors: other channels than `c/2`.
    pub fn prior(&self, z1: &Tensor) -> Result<Gaussian> {
        let Some(prior) = &self.prior else {
            return Ok(Gaussian {
                mean: z1.zeros_like()?,
                log_std: z1.zeros_like()?,
            });
        };
        let out = prior.apply(z1)?;
        let m = out.dim(3)? / 2;
        Ok(Gaussian {
            mean: out.narrow(3, 0, m)?,
            log_std: out.narrow(3, m, m)?,
        })
    }

    /// What goes on, the eps of what leaves, and its log-probability `[n]`.
    ///
    /// Errors: other channels than `c`.
    pub fn forward(&self, z: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let m = z.dim(3)? / 2;
        let (z1, z2) = (z.narrow(3, 0, m)?.contiguous()?, z.narrow(3, m, m)?);
        let prior = self.prior(&z1)?;
        let eps = prior.eps_from_z(&z2)?;
        let log_prob = prior.log_prob_of_eps(&eps)?;
        Ok((z1, eps, log_prob))
    }

    /// The whole from what went on and the eps of what left.
    ///
    /// Errors: other channels than `c/2`.
    pub fn inverse(&self, z1: &Tensor, eps: &Tensor) -> Result<Tensor> {
        Tensor::cat(&[z1, &self.prior(z1)?.z_from_eps(eps)?], 3)
    }
}
