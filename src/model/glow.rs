//! Glow on candle tensors: levels of squeeze, steps of flow and split, and the prior at the top; detail stages above them.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::params::Params;
use crate::config::{GlowConfig, SplitPrior};
use crate::flow::Bijector;
use crate::flow::detail::Detail;
use crate::flow::gaussian::Gaussian;
use crate::flow::split::Split;
use crate::flow::squeeze::Squeeze;
use crate::flow::step::Step;

/// One level: its steps, and its split unless it is the last.
pub struct PlainLevel {
    /// The steps, in forward order.
    pub steps: Vec<Step>,
    /// The split.
    pub split: Option<Split>,
}

/// The whole model (Kingma & Dhariwal 2018, figure 2b).
pub struct Glow {
    config: GlowConfig,
    /// The levels, finest first.
    pub levels: Vec<PlainLevel>,
    prior: Gaussian,
    /// The detail stages above, coarsest first.
    details: Vec<Detail>,
}

/// What encoding gives on tensors.
pub struct PlainEncoding {
    /// eps of each level, `[n, h, w, c]`, finest first: the detail stages, then the levels of the plain Glow.
    pub eps: Vec<Tensor>,
    /// `ln p` of each level, `[n]`: log-determinants of its steps and log-probability of its eps.
    pub level_log_prob: Vec<Tensor>,
}

/// The tensors of `params` on `device`, under their names in the weight file.
///
/// Errors: what the device says.
pub fn tensors(params: &Params, device: &Device) -> Result<HashMap<String, Tensor>> {
    let entries = params.layout.entries().iter();
    entries
        .map(|e| {
            Ok((
                e.name.clone(),
                Tensor::from_slice(params.slice(&e.name), e.shape.as_slice(), device)?,
            ))
        })
        .collect()
}

impl Glow {
    /// The model of `params` on `device`.
    ///
    /// Errors: a 1x1 convolution without an inverse, or what the device says.
    pub fn new(params: &Params, device: &Device) -> Result<Self> {
        let vb = VarBuilder::from_tensors(tensors(params, device)?, DType::F32, device);
        Self::from_vars(&params.config, &vb)
    }

    /// The model of the variables at `vb`, through which gradients flow.
    ///
    /// Errors: missing tensors, other shapes, or a 1x1 convolution without an inverse.
    pub fn from_vars(config: &GlowConfig, vb: &VarBuilder) -> Result<Self> {
        let shapes = config.level_shapes();
        let mut levels = Vec::with_capacity(shapes.len());
        for (l, shape) in shapes.iter().enumerate() {
            let vb = vb.pp(format!("levels.{l}"));
            let steps = (0..config.depth)
                .map(|k| Step::new(&vb.pp(format!("steps.{k}")), config, shape.channels))
                .collect::<Result<_>>()?;
            let has_split = l + 1 < shapes.len();
            let split = has_split
                .then(|| match config.variant.split_prior {
                    SplitPrior::Table => Ok(Split::standard()),
                    SplitPrior::Conv => Split::new(&vb.pp("split"), shape.channels, config.padding),
                })
                .transpose()?;
            levels.push(PlainLevel { steps, split });
        }
        let details = (0..config.detail.len())
            .map(|i| Detail::new(&vb.pp(format!("detail.{i}")), config, i))
            .collect::<Result<_>>()?;
        let top = shapes[shapes.len() - 1];
        let prior = |name: &str| prior_rows(&vb.pp("prior"), name, top.channels, top.side);
        Ok(Self {
            config: config.clone(),
            levels,
            prior: Gaussian {
                mean: prior("mean")?,
                log_std: prior("log_std")?,
            },
            details,
        })
    }

    /// The top prior.
    pub fn prior(&self) -> &Gaussian {
        &self.prior
    }

    /// Encodes `x` `[n, c, h, w]`.
    ///
    /// Errors: another shape than the config's.
    pub fn encode(&self, x: &Tensor) -> Result<PlainEncoding> {
        let (n, ..) = x.dims4()?;
        let mut x = x.permute((0, 2, 3, 1))?.contiguous()?;
        let (mut eps, mut level_log_prob) = (Vec::new(), Vec::new());
        for detail in self.details.iter().rev() {
            let encoding = detail.forward(&x)?;
            x = encoding.low;
            eps.push(encoding.eps);
            level_log_prob.push(encoding.log_prob);
        }
        for level in &self.levels {
            (x, _) = Squeeze.forward(&x)?;
            let mut log_prob = Tensor::zeros(n, x.dtype(), x.device())?;
            for step in &level.steps {
                let (z, log_det) = step.forward(&x)?;
                (x, log_prob) = (z, (log_prob + log_det)?);
            }
            let (e, more) = match &level.split {
                Some(split) => {
                    let (z1, e, more) = split.forward(&x)?;
                    x = z1;
                    (e, more)
                }
                None => {
                    let e = self.prior.eps_from_z(&x)?;
                    let more = self.prior.log_prob_of_eps(&e)?;
                    (e, more)
                }
            };
            eps.push(e);
            level_log_prob.push((log_prob + more)?);
        }
        Ok(PlainEncoding {
            eps,
            level_log_prob,
        })
    }

    /// Decodes eps (`[n, h, w, c]`, finest level first) to `x` `[n, c, h, w]`.
    ///
    /// Errors: other shapes than the config's.
    pub fn decode(&self, eps: &[Tensor]) -> Result<Tensor> {
        self.decode_unless(eps, &|| false)?
            .ok_or_else(|| candle_core::Error::Msg("cancelled".into()))
    }

    /// As [`Glow::decode`], asking between steps whether to give up; `None` where it did.
    ///
    /// Errors: other shapes than the config's.
    pub fn decode_unless(
        &self,
        eps: &[Tensor],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Tensor>> {
        let n_levels = self.details.len() + self.levels.len();
        if eps.len() != n_levels {
            candle_core::bail!("{} levels of eps for a model of {n_levels}", eps.len());
        }
        let (of_details, eps) = eps.split_at(self.details.len());
        let mut x = self.prior.z_from_eps(&eps[eps.len() - 1])?;
        for (level, eps) in self.levels.iter().zip(eps).rev() {
            if let Some(split) = &level.split {
                x = split.inverse(&x, eps)?;
            }
            for step in level.steps.iter().rev() {
                if cancelled() {
                    return Ok(None);
                }
                x = step.inverse(&x)?;
            }
            x = Squeeze.inverse(&x)?;
        }
        for (detail, eps) in self.details.iter().zip(of_details.iter().rev()) {
            let Some(finer) = detail.inverse(&x.contiguous()?, eps, cancelled)? else {
                return Ok(None);
            };
            x = finer;
        }
        Ok(Some(x.permute((0, 3, 1, 2))?.contiguous()?))
    }

    /// The loss: mean bits per dimension of `x` `[n, c, h, w]`, a scalar.
    ///
    /// `-(ln p(x) - D ln 2^bits) / (D ln 2)`, the second term from the discretisation of the pixels.
    ///
    /// Errors: another shape than the config's.
    pub fn bits_per_dim(&self, x: &Tensor) -> Result<Tensor> {
        let encoding = self.encode(x)?;
        let mut log_prob = encoding.level_log_prob[0].clone();
        for more in &encoding.level_log_prob[1..] {
            log_prob = (log_prob + more)?;
        }
        let per_nat = -1.0 / (self.config.dims() as f64 * std::f64::consts::LN_2);
        log_prob
            .mean_all()?
            .affine(per_nat, f64::from(self.config.bits))
    }
}

/// A top prior's tensor `[c]` or `[c, h, w]` as rows `[1, 1, 1, c]` or `[1, h, w, c]`.
fn prior_rows(vb: &VarBuilder, name: &str, c: usize, side: usize) -> Result<Tensor> {
    // The builder checks shapes, and either is right: try the map first where it is one.
    match vb.get((c, side, side), name) {
        Ok(map) => map.permute((1, 2, 0))?.unsqueeze(0)?.contiguous(),
        Err(_) => vb.get(c, name)?.reshape((1, 1, 1, c)),
    }
}
