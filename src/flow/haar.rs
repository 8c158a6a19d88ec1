//! Haar's low-pass and details: a picture as one of half the size and what it lacks.

use candle_core::{Result, Tensor};

use std::f64::consts::LN_2;

/// Each 2x2 block `p q / r s` of a channel as its mean, `a = (p + q + r + s) / 4`, and three orthonormal differences,
/// `(p - q + r - s) / 2`, `(p + q - r - s) / 2`, `(p - q - r + s) / 2`, as channels `3 * channel + 0, 1, 2` of the details.
///
/// Shapes: `x` `[n, 2h, 2w, c]`, low-pass `[n, h, w, c]`, details `[n, h, w, 3c]`.
/// `ln |det| = -h w c ln 2` ([`Haar::log_det`]).
pub struct Haar;

impl Haar {
    /// The low-pass and the details.
    ///
    /// Errors: an odd height or width.
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, h, w, c) = x.dims4()?;
        let blocks = x.reshape((n, h / 2, 2, w / 2, 2, c))?;
        let corner = |dy: usize, dx: usize| {
            let line = blocks.narrow(2, dy, 1)?.narrow(4, dx, 1)?;
            line.reshape((n, h / 2, w / 2, c))
        };
        let (p, q, r, s) = (corner(0, 0)?, corner(0, 1)?, corner(1, 0)?, corner(1, 1)?);
        let (top, bottom) = ((&p + &q)?, (&r + &s)?);
        let (top_x, bottom_x) = ((p - q)?, (r - s)?);
        let low = ((&top + &bottom)? * 0.25)?;
        let details = [
            ((&top_x + &bottom_x)? * 0.5)?,
            ((top - bottom)? * 0.5)?,
            ((top_x - bottom_x)? * 0.5)?,
        ];
        let details = Tensor::stack(&details, 4)?.reshape((n, h / 2, w / 2, 3 * c))?;
        Ok((low, details))
    }

    /// The picture from its low-pass and details.
    ///
    /// Errors: shapes that do not belong together.
    pub fn inverse(&self, low: &Tensor, details: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = low.dims4()?;
        let details = (details.reshape((n, h, w, c, 3))? * 0.5)?;
        let part = |i: usize| details.narrow(4, i, 1)?.reshape((n, h, w, c));
        let (dx, dy, dd) = (part(0)?, part(1)?, part(2)?);
        let (top, bottom) = ((low + &dy)?, (low - &dy)?);
        let (top_x, bottom_x) = ((&dx + &dd)?, (dx - dd)?);
        let line =
            |mean: &Tensor, half: &Tensor| Tensor::stack(&[(mean + half)?, (mean - half)?], 3);
        // [n, h, w, dx, c] for each line, then [n, h, dy, w, dx, c].
        Tensor::stack(&[line(&top, &top_x)?, line(&bottom, &bottom_x)?], 2)?.reshape((
            n,
            2 * h,
            2 * w,
            c,
        ))
    }

    /// `ln |det|` for a low-pass of so many values, in nats.
    pub fn log_det(&self, low_pass_values: usize) -> f64 {
        -LN_2 * low_pass_values as f64
    }
}
