//! Affine and additive coupling, and the network inside them.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::actnorm::ActNorm;
use super::conv::{Conv, ZeroConv};
use super::{Bijector, log_sigmoid, sum_per_picture};
use crate::model::config::{self, GlowConfig};

/// The coupling network: 3x3, actnorm, relu, 1x1, actnorm, relu, zero-initialised 3x3.
///
/// Shapes: `[n, h, w, c/2] -> [n, h, w, o]`.
pub struct Net {
    conv1: Conv,
    actnorm1: ActNorm,
    conv2: Conv,
    actnorm2: ActNorm,
    conv3: ZeroConv,
}

impl Net {
    fn new(vb: &VarBuilder, config: &GlowConfig, c: usize) -> Result<Self> {
        let (m, width, padding) = (c / 2, config.width, config.padding);
        Ok(Self {
            conv1: Conv::new(&vb.pp("conv1"), m, width, 3, padding)?,
            actnorm1: ActNorm::new(&vb.pp("actnorm1"), width)?,
            conv2: Conv::new(&vb.pp("conv2"), width, width, 1, padding)?,
            actnorm2: ActNorm::new(&vb.pp("actnorm2"), width)?,
            conv3: ZeroConv::new(&vb.pp("conv3"), width, config.coupling_out(c), padding)?,
        })
    }

    /// The network.
    ///
    /// Errors: other channels than the first convolution has.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.actnorm1.apply(&self.conv1.apply(x)?)?.relu()?;
        let h = self.actnorm2.apply(&self.conv2.apply(&h)?)?.relu()?;
        self.conv3.apply(&h)
    }
}

/// A coupling layer (Dinh et al. 2015, 2017; Kingma & Dhariwal 2018, section 3.3): the first half of the
/// channels passes unchanged and decides what happens to the second.
///
/// Affine: `z2 = (x2 + shift) * sigmoid(raw + 2)`, `log_det = sum ln sigmoid(raw + 2)`, where `shift` and `raw`
/// are the halves of the network's output. Additive: `z2 = x2 + net(x1)`, `log_det = 0`.
///
/// Shapes: `x`, `z` `[n, h, w, c]`, `c` even.
pub struct Coupling {
    net: Net,
    kind: config::Coupling,
}

impl Coupling {
    /// The tensors at `vb`, for `c` channels.
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(vb: &VarBuilder, config: &GlowConfig, c: usize) -> Result<Self> {
        Ok(Self {
            net: Net::new(vb, config, c)?,
            kind: config.coupling,
        })
    }

    fn shift_and_raw(&self, x1: &Tensor) -> Result<(Tensor, Tensor)> {
        let out = self.net.apply(x1)?;
        let m = out.dim(3)? / 2;
        Ok((out.narrow(3, 0, m)?, (out.narrow(3, m, m)? + 2.0)?))
    }
}

impl Bijector for Coupling {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, _, _, c) = x.dims4()?;
        let (x1, x2) = (
            x.narrow(3, 0, c / 2)?.contiguous()?,
            x.narrow(3, c / 2, c / 2)?,
        );
        let (z2, log_det) = match self.kind {
            config::Coupling::Affine => {
                let (shift, raw) = self.shift_and_raw(&x1)?;
                let log_s = log_sigmoid(&raw)?;
                (((x2 + shift)? * log_s.exp()?)?, sum_per_picture(&log_s)?)
            }
            config::Coupling::Additive => (
                (x2 + self.net.apply(&x1)?)?,
                Tensor::zeros(n, x.dtype(), x.device())?,
            ),
        };
        Ok((Tensor::cat(&[&x1, &z2], 3)?, log_det))
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        let c = z.dim(3)?;
        let (z1, z2) = (
            z.narrow(3, 0, c / 2)?.contiguous()?,
            z.narrow(3, c / 2, c / 2)?,
        );
        let x2 = match self.kind {
            config::Coupling::Affine => {
                let (shift, raw) = self.shift_and_raw(&z1)?;
                // 1 / sigmoid(v) = 1 + exp(-v).
                ((z2 * (raw.neg()?.exp()? + 1.0)?)? - shift)?
            }
            config::Coupling::Additive => (z2 - self.net.apply(&z1)?)?,
        };
        Tensor::cat(&[&z1, &x2], 3)
    }
}
