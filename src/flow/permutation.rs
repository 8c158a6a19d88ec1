//! The channel mixing of a step: invertible 1x1 convolution (plain and LU), shuffle, reverse.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::Bijector;
use super::conv::product;
use crate::config::Permutation;
use crate::linalg::Matrix;

/// An invertible 1x1 convolution (Kingma & Dhariwal 2018, section 3.2), of which a permutation of the channels
/// is a special case.
///
/// `z = W x` at each pixel; `log_det = h * w * ln |det W|`. Inverse and determinant are taken in double
/// precision. Shapes: `x`, `z` `[n, h, w, c]`, `W` `[c, c]`.
pub struct Mixing {
    /// `W^T`, so that a pixel's row times it is `W x`.
    transposed: Tensor,
    /// `W^-T`.
    inverse_transposed: Tensor,
    /// `ln |det W|`, a scalar that gradients flow through.
    log_abs_det: Tensor,
}

impl Mixing {
    /// The tensors of `kind` at `vb`, for `c` channels.
    ///
    /// Errors: missing tensors, other shapes, or a matrix without an inverse.
    pub fn new(vb: &VarBuilder, kind: Permutation, c: usize) -> Result<Self> {
        let device = vb.device();
        match kind {
            Permutation::Invconv => {
                let w = vb.get((c, c), "weight")?;
                let inverse = inverse_of(&w)?;
                let log_abs_det = log_abs_det(&w, &inverse)?;
                Self::from_parts(&w, &inverse, log_abs_det)
            }
            Permutation::InvconvLu => {
                let ones = |upper: bool| strict_triangle(c, upper, device);
                let eye = Tensor::eye(c, DType::F32, device)?;
                let lower = ((vb.get((c, c), "l")? * ones(false)?)? + &eye)?;
                let log_s = vb.get(c, "log_s")?;
                let s = (vb.get(c, "sign_s")? * log_s.exp()?)?;
                let upper = ((vb.get((c, c), "u")? * ones(true)?)? + eye.broadcast_mul(&s)?)?;
                let w = vb.get((c, c), "p")?.matmul(&lower.matmul(&upper)?)?;
                Self::from_parts(&w, &inverse_of(&w)?, log_s.sum_all()?)
            }
            Permutation::Shuffle => {
                // Held as f32 among the other tensors; small whole numbers are exact there.
                let indices = vb.get(c, "indices")?.to_vec1::<f32>()?;
                let w = Matrix::from_fn(c, |i, j| if indices[i] as usize == j { 1.0 } else { 0.0 });
                Self::permutation(&w, device)
            }
            Permutation::Reverse => Self::permutation(
                &Matrix::from_fn(c, |i, j| if i + j + 1 == c { 1.0 } else { 0.0 }),
                device,
            ),
        }
    }

    fn permutation(w: &Matrix, device: &Device) -> Result<Self> {
        let tensor = tensor_of(w, device)?;
        Self::from_parts(
            &tensor,
            &tensor.t()?,
            Tensor::zeros((), DType::F32, device)?,
        )
    }

    fn from_parts(w: &Tensor, inverse: &Tensor, log_abs_det: Tensor) -> Result<Self> {
        Ok(Self {
            transposed: w.t()?.contiguous()?,
            inverse_transposed: inverse.t()?.contiguous()?,
            log_abs_det,
        })
    }
}

impl Bijector for Mixing {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, h, w, _) = x.dims4()?;
        let log_det = (&self.log_abs_det * (h * w) as f64)?.broadcast_as(n)?;
        Ok((product(x, &self.transposed)?, log_det))
    }

    fn inverse(&self, z: &Tensor) -> Result<Tensor> {
        product(z, &self.inverse_transposed)
    }
}

fn matrix_of(w: &Tensor) -> Result<Matrix> {
    let n = w.dim(0)?;
    Ok(Matrix::from_f32(n, &w.flatten_all()?.to_vec1::<f32>()?))
}

fn tensor_of(m: &Matrix, device: &Device) -> Result<Tensor> {
    let data: Vec<f32> = m.data.iter().map(|&v| v as f32).collect();
    Tensor::from_vec(data, (m.n, m.n), device)
}

fn inverse_of(w: &Tensor) -> Result<Tensor> {
    match matrix_of(w)?.inverse() {
        Some(inverse) => tensor_of(&inverse, w.device()),
        None => candle_core::bail!("a 1x1 convolution of {} channels has no inverse", w.dim(0)?),
    }
}

/// `ln |det W|` with the gradient `W^-T`: its value is a constant, its slope comes from `sum(W^-T * W)`, whose
/// value `c` is taken off again.
fn log_abs_det(w: &Tensor, inverse: &Tensor) -> Result<Tensor> {
    let value = matrix_of(w)?.log_abs_det();
    let slope = (inverse.t()?.detach() * w)?.sum_all()?;
    slope.affine(1.0, value - f64::from(slope.to_scalar::<f32>()?))
}

fn strict_triangle(c: usize, upper: bool, device: &Device) -> Result<Tensor> {
    let keep = |i: usize, j: usize| if upper { j > i } else { j < i };
    let data: Vec<f32> = (0..c * c)
        .map(|at| if keep(at / c, at % c) { 1.0 } else { 0.0 })
        .collect();
    Tensor::from_vec(data, (c, c), device)
}
