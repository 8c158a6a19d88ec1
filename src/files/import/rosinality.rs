//! rosinality/glow-pytorch: `blocks.i.flows.j`.
//!
//! Its networks have biases and no activation normalisation; their last convolution, and those of the priors, pad with ones.
//! The coupling's output is raw first, shift second; the actnorm's scale may be negative.

use super::ImportError;
use super::glow::{
    FinalConv, ForeignConv, ForeignGlow, ForeignLevel, ForeignMixing, ForeignSplit, ForeignStep,
    Norm, PriorTable, halves_swapped,
};
use super::tensors::{self, Tensors};
use crate::config::{Coupling, Padding, ScaleFunction};
use crate::linalg::Matrix;

/// The model of these names.
pub(super) fn glow(t: &Tensors) -> Result<ForeignGlow, ImportError> {
    let n_levels = tensors::count(t, "blocks.");
    let net = "blocks.0.flows.0.coupling.net.";
    let first = tensors::shape4(t, &format!("{net}0.weight"))?;
    let last = tensors::shape4(t, &format!("{net}4.conv.weight"))?;
    let (width, c) = (first[0], 2 * first[1]);
    let coupling = tensors::coupling(last[0], c)?;
    let channels = c / 4;
    let (mut levels, mut c) = (Vec::new(), c);
    let mut top = None;
    for l in 0..n_levels {
        let p = format!("blocks.{l}.");
        let depth = tensors::count(t, &format!("{p}flows."));
        let steps = (0..depth)
            .map(|k| step(&t.below(&format!("{p}flows.{k}.")), c, width, coupling))
            .collect::<Result<_, _>>()?;
        let is_last = l + 1 == n_levels;
        let (out, input) = if is_last { (2 * c, c) } else { (c, c / 2) };
        let prior = final_conv(&t.below(&format!("{p}prior.")), out, input)?;
        let split = if is_last {
            top = Some((prior, input));
            None
        } else {
            Some(ForeignSplit::Conv(prior))
        };
        levels.push(ForeignLevel { steps, split });
        if !is_last {
            c *= 2;
        }
    }
    let (prior, input) = top.ok_or_else(|| ImportError::damaged("it has no levels"))?;
    Ok(ForeignGlow {
        image_size: None,
        width,
        channels,
        padding: Padding::FinalOnes,
        coupling,
        scale_function: ScaleFunction::Sigmoid,
        asks_scale: false,
        bits: (5, true),
        input: (1.0, 0.0),
        levels,
        top: Box::new(move |side| {
            // Zeros inside, ones outside.
            let tap = |j: usize, t: usize| -> f64 {
                let weights = &prior.conv.weight;
                (0..input).map(|i| weights[(j * input + i) * 9 + t]).sum()
            };
            PriorTable::of_border(side, &prior.norm, tap)
        }),
    })
}

fn final_conv(t: &Tensors, out: usize, input: usize) -> Result<FinalConv, ImportError> {
    let scale = t.get("scale", &[out])?;
    Ok(FinalConv {
        conv: ForeignConv {
            weight: t.get("conv.weight", &[out, input, 3, 3])?,
            border: None,
        },
        norm: Norm {
            bias: t.get("conv.bias", &[out])?,
            log_s: scale.iter().map(|s| 3.0 * s).collect(),
        },
    })
}

fn step(
    t: &Tensors,
    c: usize,
    width: usize,
    coupling: Coupling,
) -> Result<ForeignStep, ImportError> {
    let scale = t.get("actnorm.scale", &[c])?;
    if scale.contains(&0.0) {
        return Err(ImportError::damaged(
            "the scale of an actnorm is zero, which has no inverse",
        ));
    }
    let (m, sign) = (c / 2, scale.iter().map(|s| s.signum()).collect::<Vec<_>>());
    let conv3 = |out| final_conv(&t.below("coupling.net.4."), out, width);
    let conv = |name: &str, shape: &[usize]| -> Result<ForeignConv, ImportError> {
        Ok(ForeignConv {
            weight: t.get(&format!("coupling.net.{name}.weight"), shape)?,
            border: None,
        })
    };
    let bias = |name: &str| t.get(&format!("coupling.net.{name}.bias"), &[width]);
    Ok(ForeignStep {
        actnorm: Norm {
            bias: t.get("actnorm.loc", &[c])?,
            log_s: scale.iter().map(|s| s.abs().ln()).collect(),
        },
        mixing: mixing(&t.below("invconv."), c)?.after_signs(&sign),
        conv1: conv("0", &[width, m, 3, 3])?,
        norm1: Norm::bias(bias("0")?),
        conv2: conv("2", &[width, width, 1, 1])?,
        norm2: Norm::bias(bias("2")?),
        conv3: match coupling {
            Coupling::Affine => conv3(c)?.reordered(&halves_swapped(c)),
            Coupling::Additive => conv3(m)?,
        },
    })
}

fn mixing(t: &Tensors, c: usize) -> Result<ForeignMixing, ImportError> {
    let matrix = |name: &str| -> Result<Matrix, ImportError> {
        Ok(Matrix {
            n: c,
            data: t.get(name, &[c, c])?,
        })
    };
    if t.has("weight") {
        return Ok(ForeignMixing::Plain(matrix("weight")?));
    }
    Ok(ForeignMixing::Lu {
        p: matrix("w_p")?,
        l: matrix("w_l")?,
        u: matrix("w_u")?,
        sign: t.get("s_sign", &[c])?,
        log_s: t.get("w_s", &[c])?,
    })
}
