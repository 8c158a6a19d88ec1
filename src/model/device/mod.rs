//! A model on a candle device: opening one, and host numbers in and out.
//!
//! On CUDA the folded form runs: the same numbers as the CPU's ([`crate::model::fast`]), as products by cuBLAS
//! and a few kernels of our own. Metal runs the plain model, for which candle has all that it takes.
//!
//! One thread at a time owns a device: tensors live in one stream of their own, and candle's switch for the precision of
//! products is one for the whole process. In the explorer that is the engine's worker, on the command line the main
//! thread.

mod definitions;
mod kernel;
mod launch;
mod net;
#[cfg(test)]
mod tests;
mod weights;

use candle_core::{Device, Tensor};

use super::fast::{RawEncoding, shape_error};
use super::glow::Glow;
use super::params::Params;
use super::{Condition, DeviceChoice, Latent, LevelEps, ModelError};
use crate::config::{GlowConfig, ScaleFunction};
use net::{DeviceEncoding, FoldedGlow};

/// The device of `choice`; `None` is the CPU, which has a form of its own.
///
/// Whether a back end is built in says nothing about the machine, so it is tried; some back ends panic where
/// their libraries are missing, which counts as "does not work".
///
/// Errors: a device asked for by name that is not built in or does not work.
pub fn open(choice: &DeviceChoice) -> Result<Option<(Device, String)>, ModelError> {
    match choice {
        DeviceChoice::Cpu => Ok(None),
        DeviceChoice::Auto => Ok(open_cuda(0).or_else(|_| open_metal()).ok()),
        DeviceChoice::Cuda(n) => open_cuda(*n).map(Some),
        DeviceChoice::Metal => open_metal().map(Some),
    }
}

fn open_cuda(n: usize) -> Result<(Device, String), ModelError> {
    if !cfg!(feature = "cuda") {
        return Err(ModelError::Device("this program was built without CUDA; use --device cpu, or build it with --features cuda".into()));
    }
    let device = attempt("CUDA", || {
        let device = Device::new_cuda_with_stream(n)?;
        #[cfg(feature = "cuda")]
        // SAFETY: the events that this turns off order the work of several streams. All tensors of this device are made,
        // used and freed in its one stream, which keeps them in order whichever thread asks.
        unsafe {
            device.as_cuda_device()?.disable_event_tracking();
        }
        launch::probe(&device)?;
        Ok(device)
    })?;
    Ok((device, format!("cuda:{n}")))
}

fn open_metal() -> Result<(Device, String), ModelError> {
    if !cfg!(feature = "metal") {
        return Err(ModelError::Device("this program was built without Metal; use --device cpu, or build it with --features metal".into()));
    }
    Ok((attempt("Metal", || Device::new_metal(0))?, "metal".into()))
}

/// Opens a device and computes something on it.
fn attempt(
    name: &str,
    open: impl FnOnce() -> candle_core::Result<Device> + std::panic::UnwindSafe,
) -> Result<Device, ModelError> {
    let tried = quietly(|| {
        let device = open()?;
        Tensor::ones((2, 2), candle_core::DType::F32, &device)?
            .sum_all()?
            .to_scalar::<f32>()?;
        Ok::<Device, candle_core::Error>(device)
    });
    match tried {
        Some(Ok(device)) => Ok(device),
        Some(Err(error)) => Err(ModelError::Device(format!(
            "{name} does not work on this machine ({}); use --device cpu",
            ModelError::from(error)
        ))),
        None => Err(ModelError::Device(format!(
            "the driver or the libraries of {name} are missing; use --device cpu"
        ))),
    }
}

/// Runs `work`; `None` where it panics, without the panic's message: the caller has a better one.
fn quietly<T>(work: impl FnOnce() -> T + std::panic::UnwindSafe) -> Option<T> {
    let here = std::thread::current().id();
    let usual = std::sync::Arc::new(std::panic::take_hook());
    let others = std::sync::Arc::clone(&usual);
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() != here {
            others(info);
        }
    }));
    let result = std::panic::catch_unwind(work).ok();
    drop(std::panic::take_hook());
    if let Ok(usual) = std::sync::Arc::try_unwrap(usual) {
        std::panic::set_hook(usual);
    }
    result
}

/// A model on a device.
pub struct DeviceModel {
    config: GlowConfig,
    device: Device,
    form: DeviceForm,
}

enum DeviceForm {
    Folded(FoldedGlow),
    Plain(Glow),
}

impl DeviceModel {
    /// The model of `params` on `device`: folded, or plain where the folded form's kernels are missing (Metal, and couplings
    /// with a floor or another factor).
    ///
    /// Errors: a 1x1 convolution without an inverse, or what the device says.
    pub fn new(params: &Params, device: &Device) -> Result<Self, ModelError> {
        // The kernels know the plain sigmoid alone.
        let other = params.config.affine().is_some_and(|f| f.value() > 0.0)
            || params.config.variant.scale_function != ScaleFunction::Sigmoid;
        let form = if device.is_metal() || other {
            DeviceForm::Plain(Glow::new(params, device)?)
        } else {
            DeviceForm::Folded(FoldedGlow::new(params, device)?)
        };
        Ok(Self {
            config: params.config.clone(),
            device: device.clone(),
            form,
        })
    }

    /// Lets products of the coupling networks round their factors to TF32 (11 significant bits), where a GPU has that;
    /// changes nothing on other devices than CUDA.
    ///
    /// Mixings and priors stay in single precision, so a picture still survives encoding and decoding with the same
    /// setting. Latents and likelihoods agree with those of single precision to about three digits only, which is outside
    /// the tolerances of the weight file's format; hence it is off unless asked for.
    pub fn set_tf32(&mut self, allowed: bool) {
        if let DeviceForm::Folded(glow) = &mut self.form {
            glow.tf32 = allowed && self.device.is_cuda();
        }
    }

    /// Whether they round.
    pub fn is_tf32(&self) -> bool {
        matches!(&self.form, DeviceForm::Folded(glow) if glow.tf32)
    }

    /// Pictures that are computed at once: as many as keep activations within about a gigabyte.
    fn batch(&self) -> usize {
        const MOST: usize = 64;
        const FLOATS: usize = 1 << 28;
        let finest = self.config.level_shapes()[0];
        let (c, o) = (finest.channels, self.config.coupling_out(finest.channels));
        let row = 2 * self.config.width + 9 * (c / 2 + o) + 4 * c;
        (FLOATS / (row * finest.side * finest.side)).clamp(1, MOST)
    }

    /// Encodes model inputs, each `[c, h, w]`.
    ///
    /// Errors: another size than the model's; [`ModelError::Cancelled`] when `cancelled` says so between steps of flow;
    /// what the device says.
    pub fn encode(
        &self,
        x: &[&[f32]],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<RawEncoding>, ModelError> {
        let dims = self.config.dims();
        if let Some(wrong) = x.iter().find(|x| x.len() != dims) {
            return Err(shape_error("picture", dims, wrong.len()));
        }
        let mut out = Vec::with_capacity(x.len());
        for part in x.chunks(self.batch()) {
            self.encode_part(part, cancelled, &mut out)?;
        }
        Ok(out)
    }

    fn encode_part(
        &self,
        x: &[&[f32]],
        cancelled: &(dyn Fn() -> bool + Sync),
        out: &mut Vec<RawEncoding>,
    ) -> Result<(), ModelError> {
        let (c, size) = (self.config.channels, self.config.image_size);
        let input = Tensor::from_vec(x.concat(), (x.len(), c, size, size), &self.device)?;
        let encoding = match &self.form {
            DeviceForm::Folded(glow) => glow.encode(&input, cancelled)?,
            DeviceForm::Plain(_) if cancelled() => None,
            DeviceForm::Plain(glow) => Some(plain_encoding(glow, &input)?),
        };
        let encoding = encoding.ok_or(ModelError::Cancelled)?;
        let eps = encoding
            .eps
            .iter()
            .map(|e| e.permute((0, 3, 1, 2))?.flatten_all()?.to_vec1::<f32>())
            .collect::<candle_core::Result<Vec<_>>>()?;
        let shapes = self.config.level_shapes();
        out.extend((0..x.len()).map(|i| {
            let levels = shapes.iter().zip(&eps).map(|(s, data)| LevelEps {
                channels: s.eps_channels,
                side: s.side,
                data: data[i * s.eps_len()..(i + 1) * s.eps_len()].to_vec(),
            });
            RawEncoding {
                latent: Latent {
                    levels: levels.collect(),
                    condition: Condition::default(),
                },
                level_log_prob: encoding.level_log_prob.iter().map(|lp| lp[i]).collect(),
            }
        }));
        Ok(())
    }

    /// Decodes latents to model outputs, each `[c, h, w]`.
    ///
    /// Errors: other shapes than the model's; [`ModelError::Cancelled`] when `cancelled` says so between steps of flow;
    /// what the device says.
    pub fn decode(
        &self,
        latents: &[&Latent],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let shape = self.config.latent_shape();
        if let Some(wrong) = latents.iter().find(|z| !z.fits(&shape)) {
            return Err(shape_error("latent", self.config.dims(), wrong.dims()));
        }
        let mut out = Vec::with_capacity(latents.len());
        for part in latents.chunks(self.batch()) {
            let eps = (0..self.config.levels)
                .map(|l| self.upload(part, l))
                .collect::<candle_core::Result<Vec<_>>>()?;
            let x = match &self.form {
                DeviceForm::Folded(glow) => glow.decode(&eps, cancelled)?,
                DeviceForm::Plain(glow) => glow.decode_unless(&eps, cancelled)?,
            };
            let x = x.ok_or(ModelError::Cancelled)?.flatten_all()?;
            let x = x.to_vec1::<f32>()?;
            out.extend(x.chunks_exact(self.config.dims()).map(<[f32]>::to_vec));
        }
        Ok(out)
    }

    /// The eps of a level, `[n, h, w, c]`.
    fn upload(&self, latents: &[&Latent], level: usize) -> candle_core::Result<Tensor> {
        let shape = &self.config.level_shapes()[level];
        let data: Vec<f32> = latents
            .iter()
            .flat_map(|z| &z.levels[level].data)
            .copied()
            .collect();
        let dims = (latents.len(), shape.eps_channels, shape.side, shape.side);
        Tensor::from_vec(data, dims, &self.device)?
            .permute((0, 2, 3, 1))?
            .contiguous()
    }
}

fn plain_encoding(glow: &Glow, input: &Tensor) -> candle_core::Result<DeviceEncoding> {
    let encoding = glow.encode(input)?;
    let level_log_prob = encoding
        .level_log_prob
        .iter()
        .map(|lp| Ok(lp.to_vec1::<f32>()?.into_iter().map(f64::from).collect()))
        .collect::<candle_core::Result<_>>()?;
    Ok(DeviceEncoding {
        eps: encoding.eps,
        level_log_prob,
    })
}
