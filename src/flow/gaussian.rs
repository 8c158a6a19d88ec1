//! Diagonal Gaussians.

use candle_core::{Result, Tensor};

use super::sum_per_picture;

/// `N(mean, exp(log_std)^2)`, independent in every component.
///
/// Shapes: `mean`, `log_std` broadcast to `z` `[n, h, w, c]`.
pub struct Gaussian {
    /// The mean.
    pub mean: Tensor,
    /// Logarithm of the standard deviation.
    pub log_std: Tensor,
}

impl Gaussian {
    /// `eps = (z - mean) * exp(-log_std)`.
    ///
    /// Errors: shapes that do not broadcast.
    pub fn eps_from_z(&self, z: &Tensor) -> Result<Tensor> {
        z.broadcast_sub(&self.mean)?
            .broadcast_mul(&self.log_std.neg()?.exp()?)
    }

    /// `z = eps * exp(log_std) + mean`.
    ///
    /// Errors: shapes that do not broadcast.
    pub fn z_from_eps(&self, eps: &Tensor) -> Result<Tensor> {
        eps.broadcast_mul(&self.log_std.exp()?)?
            .broadcast_add(&self.mean)
    }

    /// `ln N(z)` of each picture, `[n]`, in nats, from `eps`:
    /// `-sum(ln(2 pi) / 2 + log_std + eps^2 / 2)`.
    ///
    /// Errors: shapes that do not broadcast.
    pub fn log_prob_of_eps(&self, eps: &Tensor) -> Result<Tensor> {
        let half_ln_tau = 0.5 * std::f64::consts::TAU.ln();
        let terms = (eps.sqr()? * 0.5)?
            .broadcast_add(&self.log_std)?
            .affine(1.0, half_ln_tau)?;
        sum_per_picture(&terms)?.neg()
    }
}
