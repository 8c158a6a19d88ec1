//! Folded parameters as tensors on a device.

use candle_core::{Device, Result, Tensor};

use crate::kernels::PackedMatrix;
use crate::kernels::neighbours::BORDER_CLASSES;
use crate::model::ModelError;
use crate::model::folded::{BorderBias, Folded, FoldedLevel, FoldedPrior, FoldedStep, Purpose};
use crate::model::params::Params;

/// A bias, `[classes, n]` in a row: one row for each border class, or one for all.
pub(super) struct Bias {
    pub(super) table: Tensor,
    pub(super) by_class: bool,
}

/// One step of flow; fields as in [`FoldedStep`].
pub(super) struct DeviceStep {
    pub(super) w1: Tensor,
    pub(super) b1: Bias,
    pub(super) w2: Tensor,
    pub(super) b2: Bias,
    pub(super) w3: Tensor,
    pub(super) b3: Bias,
    pub(super) mix: Tensor,
    pub(super) mix_bias: Tensor,
    pub(super) unmix: Tensor,
    pub(super) unmix_bias: Tensor,
    pub(super) log_det: f64,
}

/// The prior of a level: rows `[mean, log_std]`.
pub(super) enum Prior {
    /// From a 3x3 convolution of the half that stays.
    Split {
        /// `[9 m, c]`.
        w: Tensor,
        /// Its bias.
        b: Bias,
    },
    /// A row for each pixel of a picture, or one for all; its bias is zero.
    Top {
        /// `[period, 2 c]`.
        rows: Tensor,
        /// How many.
        period: usize,
        /// Zeros.
        zero: Bias,
    },
}

/// One level.
pub(super) struct DeviceLevel {
    pub(super) channels: usize,
    pub(super) side: usize,
    pub(super) steps: Vec<DeviceStep>,
    pub(super) prior: Prior,
    /// A bias of zeros, `[c]`.
    pub(super) zero: Tensor,
}

impl DeviceLevel {
    /// Channels of a half.
    pub(super) fn half(&self) -> usize {
        self.channels / 2
    }

    /// Rows of `n` pictures.
    pub(super) fn rows(&self, n: usize) -> usize {
        n * self.side * self.side
    }
}

/// All levels, finest first.
///
/// Errors: a 1x1 convolution without an inverse, or what the device says.
pub(super) fn levels(
    params: &Params,
    device: &Device,
) -> std::result::Result<Vec<DeviceLevel>, ModelError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let folded = Folded::new_parallel(params, Purpose::Forward, threads)?;
    let levels = folded.levels.iter().map(|l| level(l, device));
    Ok(levels.collect::<Result<_>>()?)
}

fn level(level: &FoldedLevel, device: &Device) -> Result<DeviceLevel> {
    let c = level.channels;
    let prior = match &level.prior {
        FoldedPrior::Given => candle_core::bail!("detail stages run on the CPU"),
        FoldedPrior::Split { w, b, .. } => Prior::Split {
            w: matrix(w, device)?,
            b: bias(b, c, device)?,
        },
        FoldedPrior::Top {
            rows,
            stride,
            is_map,
        } => {
            let period = if *is_map { level.grid.pixels() } else { 1 };
            let rows: Vec<f32> = rows
                .chunks_exact(*stride)
                .take(period)
                .flat_map(|row| &row[..2 * c])
                .copied()
                .collect();
            Prior::Top {
                rows: Tensor::from_vec(rows, (period, 2 * c), device)?,
                period,
                zero: row(&vec![0.0; 2 * c], 2 * c, device)?,
            }
        }
    };
    Ok(DeviceLevel {
        channels: c,
        side: level.grid.side,
        steps: level
            .steps
            .iter()
            .map(|s| step(s, c, level.coupling_out, device))
            .collect::<Result<_>>()?,
        prior,
        zero: Tensor::zeros(c, candle_core::DType::F32, device)?,
    })
}

fn step(step: &FoldedStep, c: usize, o: usize, device: &Device) -> Result<DeviceStep> {
    let width = step.w2.n();
    Ok(DeviceStep {
        w1: matrix(&step.w1, device)?,
        b1: bias(&step.b1, width, device)?,
        w2: matrix(&step.w2, device)?,
        b2: row(&step.b2, width, device)?,
        w3: matrix(step.w3.taps(), device)?,
        b3: bias(&step.b3, o, device)?,
        mix: matrix(&step.mix, device)?,
        mix_bias: row(&step.mix_bias, c, device)?.table,
        unmix: matrix(&step.unmix, device)?,
        unmix_bias: row(&step.unmix_bias, c, device)?.table,
        log_det: step.log_det,
    })
}

fn matrix(packed: &PackedMatrix, device: &Device) -> Result<Tensor> {
    Tensor::from_vec(packed.to_rows(), (packed.k(), packed.n()), device)
}

fn bias(bias: &BorderBias, n: usize, device: &Device) -> Result<Bias> {
    let classes = if bias.by_class { BORDER_CLASSES } else { 1 };
    let table: Vec<f32> = bias
        .table
        .chunks_exact(bias.stride)
        .take(classes)
        .flat_map(|row| &row[..n])
        .copied()
        .collect();
    Ok(Bias {
        table: Tensor::from_vec(table, classes * n, device)?,
        by_class: bias.by_class,
    })
}

/// A bias that is the same everywhere.
fn row(values: &[f32], n: usize, device: &Device) -> Result<Bias> {
    Ok(Bias {
        table: Tensor::from_slice(&values[..n], n, device)?,
        by_class: false,
    })
}
