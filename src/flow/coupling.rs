//! Affine and additive coupling, and the network inside them.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::actnorm::ActNorm;
use super::conv::{Conv, ZeroConv};
use super::{Bijector, log_sigmoid, relu, sum_per_picture};
use crate::config::{GlowConfig, ScaleFloor, ScaleFunction};

/// The coupling network: 3x3, actnorm, relu, 1x1, actnorm, relu, zero-initialised 3x3. In a detail stage, `inject(u)` of
/// the features `u` is added to what the first convolution gives.
///
/// Shapes: `[n, h, w, c/2] -> [n, h, w, o]`; `u` `[n, h, w, U]`.
pub struct Net {
    conv1: Conv,
    inject: Option<Conv>,
    actnorm1: ActNorm,
    conv2: Conv,
    actnorm2: ActNorm,
    conv3: ZeroConv,
}

impl Net {
    fn new(vb: &VarBuilder, config: &GlowConfig, c: usize, features: usize) -> Result<Self> {
        let (m, width, padding) = (c / 2, config.width, config.padding);
        Ok(Self {
            conv1: Conv::new(&vb.pp("conv1"), m, width, 3, padding)?,
            inject: (features > 0)
                .then(|| Conv::new(&vb.pp("inject"), features, width, 1, padding))
                .transpose()?,
            actnorm1: ActNorm::new(&vb.pp("actnorm1"), width)?,
            conv2: Conv::new(&vb.pp("conv2"), width, width, 1, padding)?,
            actnorm2: ActNorm::new(&vb.pp("actnorm2"), width)?,
            conv3: ZeroConv::new(&vb.pp("conv3"), width, config.coupling_out(c), padding)?,
        })
    }

    /// The network.
    ///
    /// Errors: other channels than the first convolution has.
    pub fn apply(&self, x: &Tensor, u: Option<&Tensor>) -> Result<Tensor> {
        let mut h = self.conv1.apply(x)?;
        if let Some((inject, u)) = self.inject.as_ref().zip(u) {
            h = (h + inject.apply(u)?)?;
        }
        let h = relu(&self.actnorm1.apply(&h)?)?;
        let h = relu(&self.actnorm2.apply(&self.conv2.apply(&h)?)?)?;
        self.conv3.apply(&h)
    }
}

/// A coupling layer (Dinh et al. 2015, 2017; Kingma & Dhariwal 2018, section 3.3): the first half of the
/// channels passes unchanged and decides what happens to the second.
///
/// Affine: `z2 = (x2 + shift) * s`, `s = f + (1 - f) sigmoid(raw + 2)`, `log_det = sum ln s`, where `shift` and `raw`
/// are the halves of the network's output and `f` is [`GlowConfig::scale_floor`]. Additive: `z2 = x2 + net(x1)`,
/// `log_det = 0`.
///
/// Shapes: `x`, `z` `[n, h, w, c]`, `c` even.
pub struct CouplingLayer {
    net: Net,
    /// The floor of the factor, where it is affine.
    affine: Option<ScaleFloor>,
    /// The factor, where it is affine.
    function: ScaleFunction,
}

impl CouplingLayer {
    /// The tensors at `vb`, for `c` channels, given `features` channels beside (0: none).
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(vb: &VarBuilder, config: &GlowConfig, c: usize, features: usize) -> Result<Self> {
        Ok(Self {
            net: Net::new(vb, config, c, features)?,
            affine: config.affine(),
            function: config.variant.scale_function,
        })
    }

    fn shift_and_raw(&self, x1: &Tensor, u: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let out = self.net.apply(x1, u)?;
        let m = out.dim(3)? / 2;
        Ok((out.narrow(3, 0, m)?, (out.narrow(3, m, m)? + 2.0)?))
    }
}

/// `ln s` of the factor `s` for `v = raw + 2`.
fn log_scale(v: &Tensor, floor: ScaleFloor, function: ScaleFunction) -> Result<Tensor> {
    match function {
        ScaleFunction::Sigmoid => {}
        ScaleFunction::Exp => return v - 2.0,
        ScaleFunction::InverseSigmoid => return log_sigmoid(v)?.neg(),
    }
    let f = f64::from(floor.value());
    if f == 0.0 {
        return log_sigmoid(v);
    }
    ((log_sigmoid(v)?.exp()? * (1.0 - f))? + f)?.log()
}

impl CouplingLayer {
    /// As [`Bijector::forward`], given the features `u` of a detail stage.
    ///
    /// Errors: as for `forward`.
    pub fn forward_given(&self, x: &Tensor, u: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let (n, _, _, c) = x.dims4()?;
        let (x1, x2) = (
            x.narrow(3, 0, c / 2)?.contiguous()?,
            x.narrow(3, c / 2, c / 2)?,
        );
        let (z2, log_det) = match self.affine {
            Some(floor) => {
                let (shift, raw) = self.shift_and_raw(&x1, u)?;
                let log_s = log_scale(&raw, floor, self.function)?;
                (((x2 + shift)? * log_s.exp()?)?, sum_per_picture(&log_s)?)
            }
            None => (
                (x2 + self.net.apply(&x1, u)?)?,
                Tensor::zeros(n, x.dtype(), x.device())?,
            ),
        };
        Ok((Tensor::cat(&[&x1, &z2], 3)?, log_det))
    }

    /// As [`Bijector::inverse`], given the features `u` of a detail stage.
    ///
    /// Errors: as for `forward`.
    pub fn inverse_given(&self, z: &Tensor, u: Option<&Tensor>) -> Result<Tensor> {
        let c = z.dim(3)?;
        let (z1, z2) = (
            z.narrow(3, 0, c / 2)?.contiguous()?,
            z.narrow(3, c / 2, c / 2)?,
        );
        let x2 = match self.affine {
            Some(floor) if self.function != ScaleFunction::Sigmoid => {
                let (shift, raw) = self.shift_and_raw(&z1, u)?;
                let log_s = log_scale(&raw, floor, self.function)?;
                ((z2 * log_s.neg()?.exp()?)? - shift)?
            }
            Some(floor) => {
                let (shift, raw) = self.shift_and_raw(&z1, u)?;
                // 1 / s = (1 + u) / (1 + f u), u = exp(-v).
                let u = raw.neg()?.exp()?;
                let above = (&u * f64::from(floor.value()))? + 1.0;
                ((z2 * ((u + 1.0)? / above?)?)? - shift)?
            }
            None => (z2 - self.net.apply(&z1, u)?)?,
        };
        Tensor::cat(&[&z1, &x2], 3)
    }
}

impl Bijector for CouplingLayer {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.forward_given(x, None)
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        self.inverse_given(z, None)
    }
}
