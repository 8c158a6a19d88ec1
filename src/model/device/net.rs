//! The folded form on tensors: encode and decode, with the kernels of [`super::launch`] between matrix products.
//!
//! A state is a matrix of pixel rows `[n h w, c]`. The bias of a mixing is not added by itself: whoever reads the rows
//! next adds it ([`DeviceState::bias`]), which saves a launch a step. A step is then eight launches: four products, the
//! gather, two biases with relu, and the coupling.

use candle_core::{DType, Device, Result, Tensor};

use super::kernel::Kernel;
use super::launch::Launch;
use super::weights::{self, Bias, DeviceLevel, DeviceStep, Prior};
use crate::config::{Coupling, ScaleFunction};
use crate::model::ModelError;
use crate::model::params::Params;

/// A model, folded, on a device.
pub(super) struct FoldedGlow {
    affine: bool,
    channels: usize,
    levels: Vec<DeviceLevel>,
    /// Whether products of the coupling networks may round their factors to TF32.
    pub(super) tf32: bool,
}

/// Pixel rows whose channels still lack a bias.
struct DeviceState {
    rows: Tensor,
    bias: Tensor,
}

impl FoldedGlow {
    /// The model of `params` on `device`.
    ///
    /// Errors: a 1x1 convolution without an inverse, or what the device says.
    pub(super) fn new(params: &Params, device: &Device) -> std::result::Result<Self, ModelError> {
        // The kernels know the plain sigmoid alone: better no picture than a wrong one.
        let other = params.config.variant.scale_function != ScaleFunction::Sigmoid;
        if params
            .config
            .affine()
            .is_some_and(|f| other || f.value() > 0.0)
        {
            return Err(ModelError::Device(
                "a model with a scale_floor or another scale_function runs on the CPU so far; choose --device cpu".into(),
            ));
        }
        Ok(Self {
            affine: params.config.coupling == Coupling::Affine,
            channels: params.config.channels,
            levels: weights::levels(params, device)?,
            tf32: false,
        })
    }

    /// Encodes `x` `[n, c, h, w]`: eps `[n, h, w, c]` and `ln p` of each level. `None` where `cancelled` said so between
    /// steps.
    ///
    /// Errors: what the device says.
    pub(super) fn encode(
        &self,
        x: &Tensor,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<DeviceEncoding>> {
        let (n, c, _, _) = x.dims4()?;
        let mut fine = x.permute((0, 2, 3, 1))?.contiguous()?.flatten_all()?;
        let (mut m, mut stride) = (c, c);
        let (mut eps, mut level_log_prob) = (Vec::new(), Vec::new());
        for level in &self.levels {
            let (side, channels) = (level.side, level.channels);
            let mut rows = Launch::make(
                Kernel::Squeeze,
                level.rows(n) * channels,
                &[&fine],
                &[side, m, stride],
            )?;
            let mut log_det = None;
            for step in &level.steps {
                if cancelled() {
                    return Ok(None);
                }
                (rows, log_det) = self.forward(level, step, &rows, log_det)?;
            }
            let (e, log_prob) = level.eps_from_z(&rows)?;
            let mut total = sum_per_picture(&log_prob, n)?;
            if let Some(log_det) = log_det {
                let more = sum_per_picture(&log_det, n)?;
                total.iter_mut().zip(more).for_each(|(a, b)| *a += b);
            }
            let constant = level.steps.iter().map(|s| s.log_det).sum::<f64>();
            let constant = constant * (side * side) as f64;
            eps.push(e.reshape((n, side, side, ()))?);
            level_log_prob.push(total.into_iter().map(|lp| lp + constant).collect());
            (fine, m, stride) = (rows, level.half(), channels);
        }
        Ok(Some(DeviceEncoding {
            eps,
            level_log_prob,
        }))
    }

    /// Decodes eps, `[n, h, w, c]` a level, finest first, to `x` `[n, c, h, w]`; `None` where `cancelled` said so between
    /// steps.
    ///
    /// Errors: other shapes than the model's; what the device says.
    pub(super) fn decode(
        &self,
        eps: &[Tensor],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Tensor>> {
        let mut coarse: Option<DeviceState> = None;
        let mut n = 0;
        for (level, eps) in self.levels.iter().zip(eps).rev() {
            n = eps.dim(0)?;
            let rows = match coarse {
                Some(state) => unsqueeze(&state, level.half(), level.side, level.channels)?,
                None => Tensor::zeros(level.rows(n) * level.channels, DType::F32, eps.device())?,
            };
            level.z_from_eps(eps, &rows)?;
            let mut state = DeviceState {
                rows,
                bias: level.zero.clone(),
            };
            for step in level.steps.iter().rev() {
                if cancelled() {
                    return Ok(None);
                }
                state = self.inverse(level, step, &state)?;
            }
            coarse = Some(state);
        }
        let (Some(state), Some(finest)) = (coarse, self.levels.first()) else {
            candle_core::bail!("no levels");
        };
        let (c, size) = (self.channels, 2 * finest.side);
        let x = unsqueeze(&state, c, size, c)?.reshape((n, size, size, c))?;
        Ok(Some(x.permute((0, 3, 1, 2))?.contiguous()?))
    }

    /// A step: rows to rows, and the log-determinant of each entry of their second half.
    fn forward(
        &self,
        level: &DeviceLevel,
        step: &DeviceStep,
        rows: &Tensor,
        log_det: Option<Tensor>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let (c, m) = (level.channels, level.half());
        let rows = rows.reshape(((), c))?.matmul(&step.mix)?;
        let state = DeviceState {
            rows,
            bias: step.mix_bias.clone(),
        };
        let taps = self.taps(level, step, &state)?;
        let threads = state.rows.elem_count() / 2;
        let (DeviceState { rows, bias }, b3) = (&state, &step.b3);
        let sizes = [level.side, m, usize::from(b3.by_class)];
        if !self.affine {
            let inputs = [rows, &taps, bias, &b3.table];
            let sizes = [sizes[0], sizes[1], sizes[2], 0];
            let rows = Launch::make(Kernel::CoupleAdditive, threads, &inputs, &sizes)?;
            return Ok((rows, None));
        }
        let log_det = match log_det {
            Some(log_det) => log_det,
            None => Tensor::zeros(threads, DType::F32, rows.device())?,
        };
        let inputs = [rows, &taps, &log_det, bias, &b3.table];
        let both = Launch::make(Kernel::CoupleAffine, threads, &inputs, &sizes)?;
        let log_det = both.narrow(0, 2 * threads, threads)?;
        Ok((both.narrow(0, 0, 2 * threads)?, Some(log_det)))
    }

    /// The inverse.
    fn inverse(
        &self,
        level: &DeviceLevel,
        step: &DeviceStep,
        state: &DeviceState,
    ) -> Result<DeviceState> {
        let taps = self.taps(level, step, state)?;
        let threads = state.rows.elem_count() / 2;
        let inputs = [&state.rows, &taps, &state.bias, &step.b3.table];
        let sizes = [level.side, level.half(), usize::from(step.b3.by_class), 1];
        let rows = if self.affine {
            Launch::make(Kernel::UncoupleAffine, threads, &inputs, &sizes[..3])?
        } else {
            Launch::make(Kernel::CoupleAdditive, threads, &inputs, &sizes)?
        };
        Ok(DeviceState {
            rows: rows.reshape(((), level.channels))?.matmul(&step.unmix)?,
            bias: step.unmix_bias.clone(),
        })
    }

    /// The coupling network up to its last sum: nine taps of its output for each row.
    fn taps(&self, level: &DeviceLevel, step: &DeviceStep, state: &DeviceState) -> Result<Tensor> {
        let h = level.gather(&state.rows, &state.bias)?;
        let h = self.product(&h, &step.w1)?;
        bias_relu(&h, &step.b1, level.side)?;
        let h = self.product(&h, &step.w2)?;
        bias_relu(&h, &step.b2, level.side)?;
        self.product(&h, &step.w3)
    }

    /// A product of a coupling network.
    ///
    /// Both directions evaluate a network on the same numbers, so its rounding cancels in a round trip; that of a mixing
    /// would not, hence TF32 is for networks alone. candle's switch is read when a product is launched, and one thread
    /// owns the device.
    fn product(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        candle_core::cuda::set_gemm_reduced_precision_f32(self.tf32);
        let product = a.matmul(b);
        candle_core::cuda::set_gemm_reduced_precision_f32(false);
        product
    }
}

/// What encoding gives.
pub(super) struct DeviceEncoding {
    /// eps of each level, `[n, h, w, c]`, finest first.
    pub(super) eps: Vec<Tensor>,
    /// `ln p` of each level, for each picture.
    pub(super) level_log_prob: Vec<Vec<f64>>,
}

impl DeviceLevel {
    /// Neighbours of the half that conditions, `[rows, 9 m]`.
    fn gather(&self, rows: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (c, m) = (self.channels, self.half());
        let threads = rows.elem_count() / c * m;
        let inputs = [rows, bias];
        Launch::make(Kernel::Gather, threads, &inputs, &[self.side, m, c])?.reshape(((), 9 * m))
    }

    /// The prior's rows, their bias, how many there are, and the channels that it is about.
    fn prior_rows<'a>(&'a self, rows: &Tensor) -> Result<(Tensor, &'a Bias, usize, usize)> {
        match &self.prior {
            Prior::Split { w, b } => {
                let period = rows.elem_count() / self.channels;
                let prior = self.gather(rows, &self.zero)?.matmul(w)?;
                Ok((prior, b, period, self.half()))
            }
            Prior::Top { rows, period, zero } => Ok((rows.clone(), zero, *period, self.channels)),
        }
    }

    /// The eps of what leaves at this level, and `ln N(z)` of each.
    fn eps_from_z(&self, rows: &Tensor) -> Result<(Tensor, Tensor)> {
        let (prior, bias, period, e) = self.prior_rows(rows)?;
        let threads = rows.elem_count() / self.channels * e;
        let inputs = [rows, &prior, &bias.table];
        let sizes = self.gaussian_sizes(bias, period, e);
        let both = Launch::make(Kernel::EpsFromZ, threads, &inputs, &sizes)?;
        let log_prob = both.narrow(0, threads, threads)?;
        Ok((both.narrow(0, 0, threads)?, log_prob))
    }

    /// Puts what left at this level into `rows`, in place.
    fn z_from_eps(&self, eps: &Tensor, rows: &Tensor) -> Result<()> {
        let (prior, bias, period, e) = self.prior_rows(rows)?;
        let inputs = [eps, &prior, &bias.table];
        let sizes = self.gaussian_sizes(bias, period, e);
        let threads = rows.elem_count() / self.channels * e;
        Launch::change(Kernel::ZFromEps, threads, &inputs, rows, &sizes)
    }

    fn gaussian_sizes(&self, bias: &Bias, period: usize, e: usize) -> [usize; 6] {
        let (c, by_class) = (self.channels, usize::from(bias.by_class));
        [self.side, e, c, c - e, period, by_class]
    }
}

/// In place: `h = max(0, h + bias)`, `h` `[rows, width]`.
fn bias_relu(h: &Tensor, bias: &Bias, side: usize) -> Result<()> {
    let sizes = [side, h.dim(1)?, usize::from(bias.by_class)];
    Launch::change(Kernel::BiasRelu, h.elem_count(), &[&bias.table], h, &sizes)
}

/// The first `m` channels of rows of `stride` of pictures of `side`, from the rows of pictures half as large.
fn unsqueeze(coarse: &DeviceState, m: usize, side: usize, stride: usize) -> Result<Tensor> {
    let threads = coarse.rows.elem_count() / m * stride;
    let inputs = [&coarse.rows, &coarse.bias];
    Launch::make(Kernel::Unsqueeze, threads, &inputs, &[side, m, stride])
}

/// Sums over the entries of each of `n` pictures: short ones on the device, their total in double precision.
fn sum_per_picture(values: &Tensor, n: usize) -> Result<Vec<f64>> {
    const SHORT: usize = 256;
    let each = values.elem_count() / n;
    let short = (1..=SHORT.min(each))
        .rev()
        .find(|s| each.is_multiple_of(*s))
        .unwrap_or(1);
    let sums = values
        .reshape((n * (each / short), short))?
        .sum(1)?
        .to_vec1::<f32>()?;
    let total = |part: &[f32]| part.iter().map(|&v| f64::from(v)).sum();
    Ok(sums.chunks_exact(each / short).map(total).collect())
}
