//! Squeeze: space to channels and back.

use candle_core::{Result, Tensor};

use super::Bijector;

/// `[n, h, w, c] -> [n, h/2, w/2, 4 c]`; the new channel is `4 * channel + 2 * dy + dx` (Dinh et al. 2017,
/// section 3.6). A reordering: `log_det = 0`.
///
/// Errors: an odd height or width (forward), channels not divisible by four (inverse).
pub struct Squeeze;

impl Bijector for Squeeze {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, h, w, c) = x.dims4()?;
        let z = x
            .reshape((n, h / 2, 2, w / 2, 2, c))?
            .permute((0, 1, 3, 5, 2, 4))? // n, h/2, w/2, c, dy, dx
            .reshape((n, h / 2, w / 2, 4 * c))?;
        Ok((z, Tensor::zeros(n, x.dtype(), x.device())?))
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = z.dims4()?;
        z.reshape((n, h, w, c / 4, 2, 2))?
            .permute((0, 1, 4, 2, 5, 3))? // n, h, dy, w, dx, c
            .reshape((n, 2 * h, 2 * w, c / 4))
    }
}
