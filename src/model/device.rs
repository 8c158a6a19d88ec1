//! The plain model on a candle device: opening one, and host numbers in and out.

use candle_core::{Device, Tensor};

use super::config::GlowConfig;
use super::fast::RawEncoding;
use super::glow::Glow;
use super::{DeviceChoice, Latent, LevelEps, ModelError};

/// The device of `choice`; `None` is the CPU, which has a form of its own.
///
/// Whether a back end is built in says nothing about the machine, so it is tried; some back ends panic where
/// their libraries are missing, which counts as "does not work".
///
/// Errors: a device asked for by name that is not built in or does not work.
pub(super) fn open(choice: &DeviceChoice) -> Result<Option<(Device, String)>, ModelError> {
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
    // One stream of its own: tensors are made and used on one thread only.
    let device = attempt(|| Device::new_cuda_with_stream(n))?;
    Ok((device, format!("cuda:{n}")))
}

fn open_metal() -> Result<(Device, String), ModelError> {
    if !cfg!(feature = "metal") {
        return Err(ModelError::Device("this program was built without Metal; use --device cpu, or build it with --features metal".into()));
    }
    Ok((attempt(|| Device::new_metal(0))?, "metal".into()))
}

/// Opens a device and computes something on it.
fn attempt(
    open: impl FnOnce() -> candle_core::Result<Device> + std::panic::UnwindSafe,
) -> Result<Device, ModelError> {
    let tried = std::panic::catch_unwind(|| {
        let device = open()?;
        Tensor::ones((2, 2), candle_core::DType::F32, &device)?
            .sum_all()?
            .to_scalar::<f32>()?;
        Ok::<Device, candle_core::Error>(device)
    });
    match tried {
        Ok(result) => Ok(result?),
        Err(_) => Err(ModelError::Device(
            "the device's libraries are missing; use --device cpu".into(),
        )),
    }
}

pub(super) fn encode(
    glow: &Glow,
    config: &GlowConfig,
    device: &Device,
    x: &[&[f32]],
    batch: usize,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<RawEncoding>, ModelError> {
    let (c, size, dims) = (config.channels, config.image_size, config.dims());
    if let Some(wrong) = x.iter().find(|x| x.len() != dims) {
        return Err(super::fast::shape_error("picture", dims, wrong.len()));
    }
    let shapes = config.level_shapes();
    let mut out = Vec::with_capacity(x.len());
    for part in x.chunks(batch) {
        if cancelled() {
            return Err(ModelError::Cancelled);
        }
        let n = part.len();
        let input = Tensor::from_vec(part.concat(), (n, c, size, size), device)?;
        let encoding = glow.encode(&input)?;
        let host = |t: &Tensor| t.to_vec1::<f32>();
        let eps = encoding
            .eps
            .iter()
            .map(|e| host(&e.permute((0, 3, 1, 2))?.flatten_all()?))
            .collect::<candle_core::Result<Vec<_>>>()?;
        let log_prob = encoding
            .level_log_prob
            .iter()
            .map(host)
            .collect::<candle_core::Result<Vec<_>>>()?;
        for i in 0..n {
            let levels = shapes.iter().zip(&eps).map(|(s, data)| LevelEps {
                channels: s.eps_channels,
                side: s.side,
                data: data[i * s.eps_len()..(i + 1) * s.eps_len()].to_vec(),
            });
            out.push(RawEncoding {
                latent: Latent {
                    levels: levels.collect(),
                },
                level_log_prob: log_prob.iter().map(|lp| f64::from(lp[i])).collect(),
            });
        }
    }
    Ok(out)
}

pub(super) fn decode(
    glow: &Glow,
    config: &GlowConfig,
    device: &Device,
    latents: &[&Latent],
    batch: usize,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Vec<f32>>, ModelError> {
    if let Some(wrong) = latents.iter().find(|z| !z.fits(config)) {
        return Err(super::fast::shape_error(
            "latent",
            config.dims(),
            wrong.dims(),
        ));
    }
    let mut out = Vec::with_capacity(latents.len());
    for part in latents.chunks(batch) {
        let eps = config
            .level_shapes()
            .iter()
            .enumerate()
            .map(|(l, s)| {
                let data: Vec<f32> = part
                    .iter()
                    .flat_map(|z| &z.levels[l].data)
                    .copied()
                    .collect();
                Tensor::from_vec(data, (part.len(), s.eps_channels, s.side, s.side), device)?
                    .permute((0, 2, 3, 1))?
                    .contiguous()
            })
            .collect::<candle_core::Result<Vec<_>>>()?;
        let x = glow
            .decode_unless(&eps, cancelled)?
            .ok_or(ModelError::Cancelled)?;
        let x = x.flatten_all()?.to_vec1::<f32>()?;
        out.extend(x.chunks_exact(config.dims()).map(<[f32]>::to_vec));
    }
    Ok(out)
}
