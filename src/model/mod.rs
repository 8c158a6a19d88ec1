//! Glow as a whole: configuration, parameters, encode, decode, likelihood.

mod chain;
pub mod device;
pub mod fast;
mod fingerprint;
pub mod folded;
pub mod glow;
mod incremental;
pub mod params;
pub mod pixels;
pub mod priors;

pub use crate::config::{
    ConfigError, Coupling, GlowConfig, LevelShape, Padding, Permutation, ScaleFunction,
};
pub use crate::latent::{Condition, Latent, LatentShape, LevelEps};
pub(crate) use chain::given_of;
pub use chain::{FastChain, StageConv, haar};

use std::borrow::Cow;

use std::sync::Arc;

pub use fingerprint::Fingerprint;
use image::RgbImage;

use crate::kernels::Arithmetic;
use chain::Chain;
use device::DeviceModel;
use fast::FastGlow;
use incremental::{LatentKey, Resume};
use params::Params;
use priors::Priors;

/// What encoding a picture gives.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The latent.
    pub latent: Latent,
    /// Exact negative log-likelihood in bits per dimension.
    pub bits_per_dim: f64,
    /// The share of each level in `bits_per_dim`, finest first; they add up to it less the constant
    /// `bits` of the discretisation (which is the config's `bits`).
    pub level_bits: Vec<f64>,
    /// The model input that was encoded, `[c, h, w]`, for the round-trip error.
    pub x: Vec<f32>,
}

/// A decoded picture before it is rounded to pixels.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// `[c, h, w]`, about -0.5..0.5.
    pub x: Vec<f32>,
    /// The picture; values that are not finite are drawn in a warning colour, never in black.
    pub pixels: RgbImage,
    /// Subpixels that are NaN or infinite.
    pub non_finite: usize,
}

/// What a decode has come to after some of its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkStep {
    /// The level at work, finest 0.
    pub level: usize,
    /// Its steps that are undone by now; 0 where only its eps was put in.
    pub undone: usize,
    /// The state as a picture.
    pub pixels: Arc<RgbImage>,
}

/// Model values lie within 0.5 of zero where they are pixels; one this far out is seen as noise.
pub const WILD: f32 = 1.0;

impl Decoded {
    /// Whether every value is finite and less than [`WILD`] from zero.
    pub fn is_whole(&self) -> bool {
        self.x.iter().all(|v| v.abs() < WILD)
    }
}

/// Errors of a model in use.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A configuration that no model can have.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A picture, latent or parameter of another shape than the model's.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The thing at fault.
        what: String,
        /// What the model needs.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The work was cancelled by its caller.
    #[error("cancelled")]
    Cancelled,
    /// candle or the device said no.
    #[error("{0}")]
    Device(String),
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        // candle's errors carry a backtrace where RUST_BACKTRACE is set; the first line is what people need.
        Self::Device(
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        )
    }
}

/// Where a model runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA or Metal where it is built in and works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device by its number.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(n)) => Ok(Self::Cuda(n)),
                _ => Err(format!(
                    "{text:?} is no device: say auto, cpu, cuda, cuda:N or metal"
                )),
            },
        }
    }
}

/// A model ready for use on one device. Encoding is `x -> eps`, decoding `eps -> x`.
pub struct GlowModel {
    config: GlowConfig,
    /// The plain Glow at the bottom.
    backend: Backend,
    /// The detail stages on top of it, and the same in bf16 for drafts.
    chain: Chain,
    draft_chain: Option<Chain>,
    priors: Priors,
    /// The condition where a call names none.
    condition: Condition,
}

enum Backend {
    /// The folded form.
    Cpu(Box<Cpu>),
    /// A candle device, and its name for people.
    Device(Box<DeviceModel>, String),
}

/// The folded form, and what goes with it.
struct Cpu {
    fast: FastGlow,
    resume: Resume,
    /// The same weights in bf16, for drafts; where the processor has them.
    draft: Option<(FastGlow, Resume)>,
}

impl GlowModel {
    /// A model of `params` on the device that `choice` names, with `threads` threads on the CPU.
    ///
    /// Errors: a 1x1 convolution without an inverse; a device that is asked for by name and does not work.
    pub fn new(params: &Params, choice: &DeviceChoice, threads: usize) -> Result<Self, ModelError> {
        let base = params.base();
        let backend = match device::open(choice)? {
            None => Backend::Cpu(Box::new(Cpu {
                draft: None,
                fast: FastGlow::new(&base, threads)?,
                resume: Resume::new(),
            })),
            Some((device, label)) => {
                Backend::Device(Box::new(DeviceModel::new(&base, &device)?), label)
            }
        };
        Ok(Self {
            config: params.config.clone(),
            backend,
            chain: Chain::new(params, threads, Arithmetic::F32)?,
            draft_chain: None,
            priors: Priors::new(&base),
            condition: Condition::default(),
        })
    }

    /// Lets a CUDA device round to TF32 in the coupling networks ([`DeviceModel::set_tf32`]); changes nothing on others.
    pub fn with_tf32(mut self, allowed: bool) -> Self {
        if let Backend::Device(model, _) = &mut self.backend {
            model.set_tf32(allowed);
        }
        self
    }

    /// Whether it rounds to TF32.
    pub fn is_tf32(&self) -> bool {
        matches!(&self.backend, Backend::Device(model, _) if model.is_tf32())
    }

    /// The configuration.
    pub fn config(&self) -> &GlowConfig {
        &self.config
    }

    /// Whether it computes on a device rather than the CPU.
    pub fn is_on_device(&self) -> bool {
        matches!(self.backend, Backend::Device(..))
    }

    /// Where the numbers are computed, for people: `cpu, 2 threads`, `cuda:0`.
    pub fn device_label(&self) -> String {
        match &self.backend {
            Backend::Cpu(cpu) if cpu.fast.threads() == 1 => "cpu, 1 thread".into(),
            Backend::Cpu(cpu) => format!("cpu, {} threads", cpu.fast.threads()),
            Backend::Device(model, label) if model.is_tf32() => format!("{label}, TF32"),
            Backend::Device(_, label) => label.clone(),
        }
    }

    /// Encodes pictures of the model's size (batched internally), each subpixel in the middle of its bin.
    ///
    /// Errors: [`ModelError::Shape`] for another size, [`ModelError::Cancelled`] when `cancelled` says so between
    /// steps of flow.
    pub fn encode(
        &self,
        pictures: &[RgbImage],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Encoded>, ModelError> {
        self.encode_given(pictures, &[], cancelled)
    }

    /// As [`GlowModel::encode`], the pictures given one condition, or one each (none: the model's).
    ///
    /// Errors: as [`GlowModel::encode`], and conditions of another number or length.
    pub fn encode_given(
        &self,
        pictures: &[RgbImage],
        conditions: &[Condition],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Encoded>, ModelError> {
        let x = pictures
            .iter()
            .map(|p| {
                Ok(pixels::x_from_bytes(
                    &pixels::bytes_from_picture(p, &self.config)?,
                    &self.config,
                    None,
                ))
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        self.encode_x_given(x, conditions, cancelled)
    }

    /// What the model is conditioned on from now on, where neither a call nor a latent says anything else.
    ///
    /// Errors: a condition of another length than the config's.
    pub fn set_condition(&mut self, condition: Condition) -> Result<(), ModelError> {
        self.priors.check(&condition)?;
        self.condition = condition;
        Ok(())
    }

    /// What the model is conditioned on.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Encodes model inputs, each `[c, h, w]`.
    ///
    /// Errors: as [`GlowModel::encode`].
    pub fn encode_x(
        &self,
        x: Vec<Vec<f32>>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Encoded>, ModelError> {
        self.encode_x_given(x, &[], cancelled)
    }

    /// As [`GlowModel::encode_x`], the inputs given one condition, or one each (none: the model's). The latents carry it.
    ///
    /// Errors: as [`GlowModel::encode`], and conditions of another number or length.
    pub fn encode_x_given(
        &self,
        x: Vec<Vec<f32>>,
        conditions: &[Condition],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Encoded>, ModelError> {
        if conditions.len() > 1 && conditions.len() != x.len() {
            return Err(fast::shape_error("conditions", x.len(), conditions.len()));
        }
        let one = conditions.first().unwrap_or(&self.condition);
        let given = |i: usize| conditions.get(i).unwrap_or(one);
        let maps = self.priors.maps((0..x.len()).map(given))?;
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let base = |x: &[&[f32]]| match &self.backend {
            Backend::Cpu(cpu) => cpu.fast.encode(x, cancelled),
            Backend::Device(model, _) => model.encode(x, cancelled),
        };
        let raw = self.chain.encode(&refs, &base, cancelled)?;
        let per_nat = -1.0 / (self.config.dims() as f64 * std::f64::consts::LN_2);
        let numbered = raw.into_iter().zip(x).enumerate();
        let encoded = numbered.map(|(i, (mut raw, x))| {
            if let Some(map) = maps.of(i) {
                map.outward(&mut raw.latent, &mut raw.level_log_prob);
            }
            raw.latent.condition = given(i).clone();
            let level_bits: Vec<f64> = raw.level_log_prob.iter().map(|lp| lp * per_nat).collect();
            let bits_per_dim = f64::from(self.config.bits) + level_bits.iter().sum::<f64>();
            Encoded {
                latent: raw.latent,
                bits_per_dim,
                level_bits,
                x,
            }
        });
        Ok(encoded.collect())
    }

    /// The latents as the flow takes them, each given its own condition (none: the model's).
    fn inward<'a>(&self, latents: &'a [Latent]) -> Result<Vec<Cow<'a, Latent>>, ModelError> {
        let given = latents.iter().map(|latent| match &latent.condition {
            none if none.is_empty() => &self.condition,
            own => own,
        });
        Ok(self.priors.maps(given)?.inward(latents))
    }

    /// Decodes latents (batched internally), each given its own condition (none: the model's); `cancelled` is asked between
    /// steps of flow.
    ///
    /// Errors: a latent of other shapes than the model's, or with a condition of another length; cancellation.
    pub fn decode(
        &self,
        latents: &[Latent],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Decoded>, ModelError> {
        let inner = self.inward(latents)?;
        let refs: Vec<&Latent> = inner.iter().map(|z| &**z).collect();
        let base = |refs: &[&Latent], keys: &[&[LatentKey]]| match &self.backend {
            Backend::Cpu(cpu) => {
                let (fast, config) = (&cpu.fast, &self.config);
                cpu.resume.decode(fast, config, refs, keys, cancelled)
            }
            Backend::Device(model, _) => model.decode(refs, cancelled),
        };
        Ok(self.decoded(self.chain.decode(&refs, &base, cancelled)?))
    }

    /// With drafts, where the processor multiplies bf16: `params` are folded once more, into half the memory.
    ///
    /// Errors: as [`GlowModel::new`].
    pub fn with_drafts(mut self, params: &Params) -> Result<Self, ModelError> {
        if let Backend::Cpu(cpu) = &mut self.backend
            && Arithmetic::Bf16.or_f32() == Arithmetic::Bf16
        {
            let threads = cpu.fast.threads();
            let fast = FastGlow::with_arithmetic(&params.base(), threads, Arithmetic::Bf16)?;
            cpu.draft = Some((fast, Resume::new()));
            self.draft_chain = Some(Chain::new(params, threads, Arithmetic::Bf16)?);
        }
        Ok(self)
    }

    /// Whether [`GlowModel::draft`] is sooner there than [`GlowModel::decode`]: where the processor multiplies
    /// bf16.
    pub fn has_drafts(&self) -> bool {
        matches!(&self.backend, Backend::Cpu(cpu) if cpu.draft.is_some())
    }

    /// As [`GlowModel::decode`], with bf16 factors in the coupling networks where the processor multiplies those:
    /// a picture to look at while something moves (with the shipped model within 2/255 of the real one, which a
    /// test holds it to), not one to keep.
    ///
    /// Errors: as [`GlowModel::decode`].
    pub fn draft(
        &self,
        latents: &[Latent],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Decoded>, ModelError> {
        let draft = match &self.backend {
            Backend::Cpu(cpu) => cpu.draft.as_ref(),
            Backend::Device(..) => None,
        };
        let Some((fast, resume)) = draft else {
            return self.decode(latents, cancelled);
        };
        let inner = self.inward(latents)?;
        let refs: Vec<&Latent> = inner.iter().map(|z| &**z).collect();
        let base = |refs: &[&Latent], keys: &[&[LatentKey]]| {
            resume.decode(fast, &self.config, refs, keys, cancelled)
        };
        let chain = self.draft_chain.as_ref().unwrap_or(&self.chain);
        Ok(self.decoded(chain.decode(&refs, &base, cancelled)?))
    }

    /// The walk through the flow: the picture that a decode has come to before and after each of its steps, the eps
    /// alone first, the decoded picture last. All but the last are brought to its contrast, because the state
    /// between two steps has a scale of its own.
    ///
    /// Errors: as [`GlowModel::decode`]; on another device than the CPU, which shows no steps.
    pub fn walk(
        &self,
        latent: &Latent,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<WalkStep>, ModelError> {
        let Backend::Cpu(cpu) = &self.backend else {
            return Err(ModelError::Device(
                "the steps of a decode are shown on the CPU alone: start with --device cpu"
                    .to_owned(),
            ));
        };
        let inner = self.inward(std::slice::from_ref(latent))?;
        // Of a chain the walk goes through the plain Glow at the bottom, seen as large as the picture; then each detail
        // stage is one step.
        let n_above = self.config.detail.len();
        let mut stages = match inner[0].levels.get(n_above..) {
            Some(levels) if n_above > 0 => {
                let below = Latent {
                    levels: levels.to_vec(),
                    condition: inner[0].condition.clone(),
                };
                let mut stages = cpu.fast.walk(&below, cancelled)?;
                for stage in &mut stages {
                    stage.level += n_above;
                    stage.x = chain::enlarged(&stage.x, &self.config);
                }
                stages
            }
            _ => cpu.fast.walk(&inner[0], cancelled)?,
        };
        for above in 1..=n_above {
            // Without the eps of finer stages, whose details are then what is most likely.
            let mut part = latent.clone();
            for level in &mut part.levels[..n_above - above] {
                level.data.fill(0.0);
            }
            let decoded = self.decode(std::slice::from_ref(&part), cancelled)?;
            stages.extend(decoded.into_iter().map(|d| fast::WalkStage {
                level: n_above - above,
                undone: self.config.detail[above - 1].depth,
                x: d.x,
            }));
        }
        let contrast = |x: &[f32]| {
            let squares: f64 = x.iter().map(|&v| f64::from(v).powi(2)).sum();
            (squares / x.len().max(1) as f64).sqrt()
        };
        let wanted = stages.last().map_or(0.0, |last| contrast(&last.x));
        let n = stages.len();
        let picture = |(at, stage): (usize, fast::WalkStage)| {
            let factor = (wanted / contrast(&stage.x)) as f32;
            let x: Vec<f32> = match at + 1 == n || !factor.is_finite() {
                true => stage.x,
                false => stage.x.iter().map(|v| v * factor).collect(),
            };
            WalkStep {
                level: stage.level,
                undone: stage.undone,
                pixels: Arc::new(pixels::picture_from_x(&x, &self.config).0),
            }
        };
        Ok(stages.into_iter().enumerate().map(picture).collect())
    }

    fn decoded(&self, x: Vec<Vec<f32>>) -> Vec<Decoded> {
        let decoded = x.into_iter().map(|x| {
            let (pixels, non_finite) = pixels::picture_from_x(&x, &self.config);
            Decoded {
                x,
                pixels,
                non_finite,
            }
        });
        decoded.collect()
    }
}
