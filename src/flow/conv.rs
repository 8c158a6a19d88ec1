//! 3x3 and 1x1 convolutions as matrix products on channels-last rows.
//!
//! candle's own `conv2d` is slow on the CPU and its backward pass unusable. From few channels, the nine
//! neighbours are laid side by side and one product follows; to few channels, one product gives all nine
//! taps, which are then shifted and added. Paddings other than zeros come to a bias on the outermost pixels.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::scale;
use crate::config::Padding;

/// `x [n, h, w, c]` with a border of zeros, `[n, h + 2, w + 2, c]`.
fn bordered(x: &Tensor) -> Result<Tensor> {
    x.pad_with_zeros(1, 1, 1)?.pad_with_zeros(2, 1, 1)
}

/// The nine neighbours of each pixel side by side, `[n, h, w, 9 c]`, taps outermost.
fn neighbours(x: &Tensor) -> Result<Tensor> {
    let (_, h, w, _) = x.dims4()?;
    let x = bordered(x)?;
    let taps = (0..9)
        .map(|t| x.narrow(1, t / 3, h)?.narrow(2, t % 3, w))
        .collect::<Result<Vec<_>>>()?;
    Tensor::cat(&taps, 3)
}

/// `[n, h, w, 9 o]`, each pixel's nine taps, to `[n, h, w, o]`: tap t moves to the pixel that it belongs to.
fn sum_of_taps(y: &Tensor, o: usize) -> Result<Tensor> {
    let (_, h, w, _) = y.dims4()?;
    let y = bordered(y)?;
    let tap = |t: usize| {
        y.narrow(3, t * o, o)?
            .narrow(1, t / 3, h)?
            .narrow(2, t % 3, w)
    };
    let mut sum = tap(0)?;
    for t in 1..9 {
        sum = (sum + tap(t)?)?;
    }
    Ok(sum)
}

/// Which taps look outside: `[1, h, w, 9]`, one where they do.
fn outside(h: usize, w: usize, device: &Device) -> Result<Tensor> {
    let ones = Tensor::ones((1, h, w, 1), candle_core::DType::F32, device)?;
    neighbours(&ones)?.affine(-1.0, 1.0)
}

/// `[n, h, w, k] x [k, o] -> [n, h, w, o]`.
pub(crate) fn product(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    let (n, h, w, k) = x.dims4()?;
    x.reshape((n * h * w, k))?
        .matmul(matrix)?
        .reshape((n, h, w, ()))
}

/// What a 3x3 convolution adds on the border: the taps that look outside, times their weights `[9, out]`.
struct Border {
    weights: Tensor,
}

impl Border {
    fn of(h: usize, w: usize, weights: &Tensor) -> Result<Tensor> {
        product(&outside(h, w, weights.device())?, weights)
    }

    /// `[out, 1, 3, 3]` to `[9, out]`.
    fn read(vb: &VarBuilder, out: usize) -> Result<Self> {
        let weights = vb
            .get((out, 1, 3, 3), "border_weight")?
            .reshape((out, 9))?
            .t()?
            .contiguous()?;
        Ok(Self { weights })
    }
}

/// A convolution without bias: the first two of a coupling network.
///
/// Shapes: `[n, h, w, in] -> [n, h, w, out]`; the weight is `[out, in, k, k]` in the file.
pub struct Conv {
    matrix: Tensor,
    border: Option<Border>,
    is_3x3: bool,
}

impl Conv {
    /// The tensors `weight` and, where the padding has one, `border_weight` at `vb`.
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(
        vb: &VarBuilder,
        input: usize,
        out: usize,
        kernel: usize,
        padding: Padding,
    ) -> Result<Self> {
        let weight = vb.get((out, input, kernel, kernel), "weight")?;
        let matrix = weight
            .permute((2, 3, 1, 0))?
            .reshape((kernel * kernel * input, out))?;
        let has_border = kernel == 3 && padding == Padding::EdgeBias;
        let border = has_border.then(|| Border::read(vb, out)).transpose()?;
        Ok(Self {
            matrix,
            border,
            is_3x3: kernel == 3,
        })
    }

    /// The convolution.
    ///
    /// Errors: other channels than the weight has.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if !self.is_3x3 {
            return product(x, &self.matrix);
        }
        let y = product(&neighbours(x)?, &self.matrix)?;
        match &self.border {
            Some(border) => y.broadcast_add(&Border::of(x.dim(1)?, x.dim(2)?, &border.weights)?),
            None => Ok(y),
        }
    }
}

/// A convolution with a bias, padded with zeros: those of a detail stage's trunk.
///
/// Shapes: `[n, h, w, in] -> [n, h, w, out]`.
pub struct BiasedConv {
    conv: Conv,
    bias: Tensor,
}

impl BiasedConv {
    /// The tensors `weight` and `bias` at `vb`.
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(vb: &VarBuilder, input: usize, out: usize, kernel: usize) -> Result<Self> {
        Ok(Self {
            conv: Conv::new(vb, input, out, kernel, Padding::Zeros)?,
            bias: vb.get(out, "bias")?,
        })
    }

    /// The convolution.
    ///
    /// Errors: other channels than the weight has.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.apply(x)?.broadcast_add(&self.bias)
    }
}

/// The zero-initialised 3x3 convolution that ends a coupling network or gives a prior:
/// `y = (conv(x) + bias) * exp(3 * log_scale)`.
///
/// Shapes: `[n, h, w, in] -> [n, h, w, out]`.
pub struct ZeroConv {
    /// `[in, 9 out]`, taps outermost.
    matrix: Tensor,
    border: Option<Border>,
    bias: Tensor,
    log_scale: Tensor,
}

impl ZeroConv {
    /// The tensors `weight`, `bias`, `log_scale` and, where the padding has one, `border_weight` at `vb`.
    ///
    /// Errors: missing tensors or other shapes.
    pub fn new(vb: &VarBuilder, input: usize, out: usize, padding: Padding) -> Result<Self> {
        let weight = vb.get((out, input, 3, 3), "weight")?;
        let border = match padding {
            Padding::Zeros => None,
            Padding::EdgeBias => Some(Border::read(vb, out)?),
            // Ones outside: each tap that looks outside adds the sum of its weights over the inputs.
            Padding::FinalOnes => Some(Border {
                weights: weight.sum(1)?.reshape((out, 9))?.t()?.contiguous()?,
            }),
        };
        Ok(Self {
            matrix: weight.permute((1, 2, 3, 0))?.reshape((input, 9 * out))?,
            border,
            bias: vb.get(out, "bias")?,
            log_scale: vb.get(out, "log_scale")?,
        })
    }

    /// The convolution.
    ///
    /// Errors: other channels than the weight has.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let y = sum_of_taps(&product(x, &self.matrix)?, self.bias.dim(0)?)?;
        let y = match &self.border {
            Some(border) => y.broadcast_add(&Border::of(x.dim(1)?, x.dim(2)?, &border.weights)?)?,
            None => y,
        };
        y.broadcast_add(&self.bias)?
            .broadcast_mul(&scale(&self.log_scale)?)
    }
}
