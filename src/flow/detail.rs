//! A detail stage: the flow of a picture's Haar details, given the picture of half the size.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::conv::{BiasedConv, ZeroConv};
use super::gaussian::Gaussian;
use super::haar::Haar;
use super::squeeze::Squeeze;
use super::step::Step;
use super::{Bijector, relu};
use crate::config::GlowConfig;

/// What the couplings and the prior of a stage know of the low-pass: a residual network on the squeezed picture.
///
/// `x = first(squeeze(a))`, then `x + conv2(relu(conv1(relu(x))))` for each block, `u = last(relu(x))`; `first` and the
/// blocks are 3x3, `last` is 1x1. Shapes: `a` `[n, 2h, 2w, c]`, `u` `[n, h, w, U]`.
pub struct TrunkNet {
    first: BiasedConv,
    blocks: Vec<[BiasedConv; 2]>,
    last: BiasedConv,
}

impl TrunkNet {
    fn new(vb: &VarBuilder, config: &GlowConfig, i: usize) -> Result<Self> {
        let stage = config.detail[i];
        let (t, u) = (stage.trunk, stage.features);
        let block = |b: usize| {
            let conv = |name: &str| BiasedConv::new(&vb.pp(format!("blocks.{b}.{name}")), t, t, 3);
            Ok([conv("conv1")?, conv("conv2")?])
        };
        Ok(Self {
            first: BiasedConv::new(&vb.pp("first"), 4 * config.channels, t, 3)?,
            blocks: (0..stage.blocks).map(block).collect::<Result<_>>()?,
            last: BiasedConv::new(&vb.pp("last"), t, u, 1)?,
        })
    }

    /// The features.
    ///
    /// Errors: another shape than the stage's.
    pub fn apply(&self, low: &Tensor) -> Result<Tensor> {
        let mut x = self.first.apply(&Squeeze.forward(low)?.0)?;
        for [conv1, conv2] in &self.blocks {
            x = (&x + conv2.apply(&relu(&conv1.apply(&relu(&x)?)?)?)?)?;
        }
        self.last.apply(&relu(&x)?)
    }
}

/// A detail stage (of a chain of conditional flows over Haar details, after Yu et al. 2020, "Wavelet Flow").
///
/// The details, squeezed, go through the steps, each given the features `u` of the low-pass; what comes out has a Gaussian
/// prior whose mean and log_std are a zero-initialised convolution of `u`.
pub struct Detail {
    trunk: TrunkNet,
    steps: Vec<Step>,
    prior: ZeroConv,
}

/// What encoding the details gives.
pub struct DetailEncoding {
    /// The picture of half the size, `[n, h, w, c]`.
    pub low: Tensor,
    /// `[n, h/2, w/2, 12 c]`.
    pub eps: Tensor,
    /// `ln p` of the details given the low-pass, with Haar's determinant, `[n]`.
    pub log_prob: Tensor,
}

impl Detail {
    /// Stage `i` of `config`, its tensors at `vb`.
    ///
    /// Errors: missing tensors, other shapes, or a 1x1 convolution without an inverse.
    pub fn new(vb: &VarBuilder, config: &GlowConfig, i: usize) -> Result<Self> {
        let (stage, of_stage) = (config.detail[i], config.stage(i));
        let c = 12 * config.channels;
        let step = |k: usize| {
            let vb = vb.pp(format!("steps.{k}"));
            Step::conditioned(&vb, &of_stage, c, stage.features)
        };
        Ok(Self {
            trunk: TrunkNet::new(&vb.pp("trunk"), config, i)?,
            steps: (0..stage.depth).map(step).collect::<Result<_>>()?,
            prior: ZeroConv::new(&vb.pp("prior"), stage.features, 2 * c, of_stage.padding)?,
        })
    }

    fn prior(&self, u: &Tensor) -> Result<Gaussian> {
        let out = self.prior.apply(u)?;
        let c = out.dim(3)? / 2;
        Ok(Gaussian {
            mean: out.narrow(3, 0, c)?,
            log_std: out.narrow(3, c, c)?,
        })
    }

    /// Encodes `x` `[n, 2h, 2w, c]`.
    ///
    /// Errors: another shape than the stage's.
    pub fn forward(&self, x: &Tensor) -> Result<DetailEncoding> {
        let (low, details) = Haar.forward(x)?;
        let low = low.contiguous()?;
        let u = self.trunk.apply(&low)?;
        let (mut z, log_det) = Squeeze.forward(&details)?;
        let values = low.elem_count() / low.dim(0)?;
        let mut log_prob = (log_det + Haar.log_det(values))?;
        for step in &self.steps {
            let (next, more) = step.forward_given(&z, Some(&u))?;
            (z, log_prob) = (next, (log_prob + more)?);
        }
        let prior = self.prior(&u)?;
        let eps = prior.eps_from_z(&z)?;
        let log_prob = (log_prob + prior.log_prob_of_eps(&eps)?)?;
        Ok(DetailEncoding { low, eps, log_prob })
    }

    /// The picture whose low-pass is `low` and whose details have the latent `eps`; `None` where `cancelled` said so
    /// between steps.
    ///
    /// Errors: other shapes than the stage's.
    pub fn inverse(
        &self,
        low: &Tensor,
        eps: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Tensor>> {
        let u = self.trunk.apply(low)?;
        let mut z = self.prior(&u)?.z_from_eps(eps)?;
        for step in self.steps.iter().rev() {
            if cancelled() {
                return Ok(None);
            }
            z = step.inverse_given(&z, Some(&u))?;
        }
        Haar.inverse(low, &Squeeze.inverse(&z)?).map(Some)
    }
}
