//! The parts of Glow as differentiable layers on candle tensors, on any device.
//!
//! This is the plain form: each layer is tensors plus a small config, its code looks like its equation, and
//! candle differentiates it. It is what Metal runs, and what the CPU's folded form ([`crate::model::fast`])
//! and hand-written gradients ([`crate::train::backward`]) are tested against.
//!
//! Direction: forward is data to latent, `x` to `z`. Tensors are channels-last, `[n, h, w, c]`, so that every
//! convolution is a matrix product on contiguous rows; `log_det` is `[n]`, in nats.

pub mod actnorm;
pub mod conv;
pub mod coupling;
pub mod detail;
pub mod gaussian;
pub mod haar;
pub mod permutation;
pub mod split;
pub mod squeeze;
pub mod step;

use candle_core::{Result, Tensor};

/// An invertible map with a tractable Jacobian.
pub trait Bijector {
    /// `z = f(x)` and `ln |det dz/dx|` of each picture, `[n]`.
    ///
    /// Errors: an `x` of a shape that the layer does not take.
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)>;

    /// `x = f^-1(z)`.
    ///
    /// Errors: as for `forward`.
    fn inverse(&self, z: &Tensor) -> Result<Tensor>;
}

/// Factor between a stored `log_scale` and the logarithm of the scale (the paper's code).
pub const LOG_SCALE_FACTOR: f64 = 3.0;

/// `exp(3 * log_scale)`.
pub(crate) fn scale(log_scale: &Tensor) -> Result<Tensor> {
    (log_scale * LOG_SCALE_FACTOR)?.exp()
}

/// `max(v, 0)`, where NaN stays NaN; candle's own makes it 0.
pub(crate) fn relu(v: &Tensor) -> Result<Tensor> {
    v.lt(0f32)?.where_cond(&v.zeros_like()?, v)
}

/// `ln sigmoid(v) = -(max(-v, 0) + ln(1 + exp(-|v|)))`, which neither overflows nor loses precision.
pub(crate) fn log_sigmoid(v: &Tensor) -> Result<Tensor> {
    let tail = (v.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (v.neg()?.relu()? + tail)?.neg()
}

/// Sum over all but the batch, `[n]`.
pub(crate) fn sum_per_picture(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(1)?.sum(1)
}
