//! Activation normalisation.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::{Bijector, LOG_SCALE_FACTOR, scale};

/// A bias and a scale per channel (Kingma & Dhariwal 2018, section 3.1).
///
/// `z = (x + bias) * s`, `s = exp(3 * log_scale)`; `log_det = h * w * sum(3 * log_scale)`.
///
/// Shapes: `x`, `z` `[n, h, w, c]`; `bias`, `log_scale` `[c]`. Initialised from the first batch by
/// [`crate::train::init`]. Errors: other channels than `c`.
pub struct ActNorm {
    bias: Tensor,
    log_scale: Tensor,
}

impl ActNorm {
    /// The tensors `bias` and `log_scale` at `vb`, for `c` channels.
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(vb: &VarBuilder, c: usize) -> Result<Self> {
        Ok(Self {
            bias: vb.get(c, "bias")?,
            log_scale: vb.get(c, "log_scale")?,
        })
    }

    /// `(x + bias) * s`, without the log-determinant: inside coupling networks.
    ///
    /// Errors: other channels than `c`.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_add(&self.bias)?
            .broadcast_mul(&scale(&self.log_scale)?)
    }
}

impl Bijector for ActNorm {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, h, w, _) = x.dims4()?;
        let log_det = (self.log_scale.sum_all()? * (LOG_SCALE_FACTOR * (h * w) as f64))?;
        Ok((self.apply(x)?, log_det.broadcast_as(n)?))
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        z.broadcast_div(&scale(&self.log_scale)?)?
            .broadcast_sub(&self.bias)
    }
}
