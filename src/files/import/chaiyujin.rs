//! chaiyujin/glow-pytorch and y0ast/Glow-PyTorch: `flow.layers.n`, with other names for the same parts.
//!
//! Outputs come in pairs, shift and raw, mean and log_std; the factor of 3 is in the final convolutions alone. Permutations
//! other than matrices are not in the file.

use super::glow::{
    ByValue, FinalConv, ForeignConv, ForeignGlow, ForeignLevel, ForeignMixing, ForeignSplit,
    ForeignStep, Norm, PriorTable, halves_of_pairs,
};
use super::tensors::{self, Tensors};
use super::{ImportError, Options};
use crate::config::{Coupling, Padding, Permutation, ScaleFunction};
use crate::linalg::Matrix;

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Chaiyujin,
    Y0ast,
}

impl Names {
    /// Names of a hidden convolution's weight and of its actnorm.
    fn hidden(self, at: usize) -> [String; 2] {
        match self {
            Self::Chaiyujin => [format!("f.{at}.weight"), format!("f.{at}.actnorm.")],
            Self::Y0ast => [
                format!("block.{at}.conv.weight"),
                format!("block.{at}.actnorm."),
            ],
        }
    }

    /// Names of weight, bias and logs of a final layer.
    fn last(self, name: &str, inner: &str) -> [String; 3] {
        let inner = match self {
            Self::Chaiyujin => String::new(),
            Self::Y0ast => format!("{inner}."),
        };
        [
            format!("{name}.{inner}weight"),
            format!("{name}.{inner}bias"),
            format!("{name}.logs"),
        ]
    }

    fn net(self) -> &'static str {
        match self {
            Self::Chaiyujin => "f.4",
            Self::Y0ast => "block.4",
        }
    }

    fn learned_top(self) -> &'static str {
        match self {
            Self::Chaiyujin => "learn_top",
            Self::Y0ast => "learn_top_fn",
        }
    }
}

/// The model of these names.
pub(super) fn glow(
    t: &Tensors,
    names: Names,
    options: &Options,
) -> Result<ForeignGlow, ImportError> {
    let [weight, _] = names.hidden(0);
    let first = tensors::shape4(t, &format!("flow.layers.1.{weight}"))?;
    let [weight, ..] = names.last(names.net(), "conv");
    let last = tensors::shape4(t, &format!("flow.layers.1.{weight}"))?;
    let (width, mut c) = (first[0], 2 * first[1]);
    let coupling = tensors::coupling(last[0], c)?;
    let channels = c / 4;
    let mut levels = vec![ForeignLevel {
        steps: Vec::new(),
        split: None,
    }];
    for n in tensors::indices(t, "flow.layers.") {
        let layer = t.below(&format!("flow.layers.{n}."));
        let Some(level) = levels.last_mut() else {
            continue;
        };
        if layer.has("actnorm.bias") {
            let step = step(&layer, names, c, width, coupling, options)?;
            level.steps.push(step);
        } else {
            let conv = final_conv(&layer, names.last("conv", "conv"), c, c / 2)?;
            level.split = Some(ForeignSplit::Conv(conv.reordered(&halves_of_pairs(c))));
            c *= 2;
            levels.push(ForeignLevel {
                steps: Vec::new(),
                split: None,
            });
        }
    }
    let n_levels = levels.len();
    let image_size = match t.shape("prior_h") {
        Some(&[_, _, h, w]) if h == w => Some(h << n_levels.min(16)),
        Some(&[_, _, h, w]) => {
            return Err(ImportError::foreign(&format!(
                "its pictures are not square ({h}x{w} at the top)"
            )));
        }
        _ => None,
    };
    let top = top(t, names, c)?;
    Ok(ForeignGlow {
        image_size,
        width,
        channels,
        padding: Padding::Zeros,
        coupling,
        scale_function: ScaleFunction::Sigmoid,
        asks_scale: false,
        bits: (8, false),
        // chaiyujin's pixels are u8 / 255, ours u8 / 256 - 1/2.
        input: match names {
            Names::Chaiyujin => (256.0 / 255.0, 128.0 / 255.0),
            Names::Y0ast => (1.0, 0.0),
        },
        levels,
        top: Box::new(move |_| top.clone()),
    })
}

/// The prior at the top: a learned bias (what the convolution sees is zero), and what a condition adds.
fn top(t: &Tensors, names: Names, c: usize) -> Result<PriorTable, ImportError> {
    let mut table = PriorTable::standard(c);
    let [weight, bias, logs] = names.last(names.learned_top(), "conv");
    if t.has(&weight) {
        let (bias, logs) = (t.get(&bias, &[2 * c])?, t.get(&logs, &[2 * c])?);
        let h: Vec<f64> = bias
            .iter()
            .zip(&logs)
            .map(|(b, l)| b * (3.0 * l).exp())
            .collect();
        table.mean = h[..c].to_vec();
        table.log_std = h[c..].to_vec();
    }
    let [weight, bias, logs] = names.last("project_ycond", "linear");
    if let Some(&[_, n]) = t.shape(&weight) {
        let (weight, bias, logs) = (
            t.get(&weight, &[2 * c, n])?,
            t.get(&bias, &[2 * c])?,
            t.get(&logs, &[2 * c])?,
        );
        let scale: Vec<f64> = logs.iter().map(|l| (3.0 * l).exp()).collect();
        for j in 0..c {
            table.mean[j] += bias[j] * scale[j];
            table.log_std[j] += bias[c + j] * scale[c + j];
        }
        let half = |offset: usize| -> Vec<f64> {
            let entry = |y: usize, j: usize| weight[(offset + j) * n + y] * scale[offset + j];
            (0..n)
                .flat_map(|y| (0..c).map(move |j| (y, j)))
                .map(|(y, j)| entry(y, j))
                .collect()
        };
        table.condition = Some(ByValue {
            values: n,
            mean: half(0),
            log_std: half(c),
        });
    }
    Ok(table)
}

fn final_conv(
    t: &Tensors,
    [weight, bias, logs]: [String; 3],
    out: usize,
    input: usize,
) -> Result<FinalConv, ImportError> {
    let logs = t.get(&logs, &[out])?;
    Ok(FinalConv {
        conv: ForeignConv {
            weight: t.get(&weight, &[out, input, 3, 3])?,
            border: None,
        },
        norm: Norm {
            bias: t.get(&bias, &[out])?,
            log_s: logs.iter().map(|l| 3.0 * l).collect(),
        },
    })
}

fn norm(t: &Tensors, prefix: &str, n: usize) -> Result<Norm, ImportError> {
    Ok(Norm {
        bias: t.get(&format!("{prefix}bias"), &[n])?,
        log_s: t.get(&format!("{prefix}logs"), &[n])?,
    })
}

fn step(
    t: &Tensors,
    names: Names,
    c: usize,
    width: usize,
    coupling: Coupling,
    options: &Options,
) -> Result<ForeignStep, ImportError> {
    let m = c / 2;
    let hidden = |at: usize, shape: &[usize]| -> Result<(ForeignConv, Norm), ImportError> {
        let [weight, actnorm] = names.hidden(at);
        let weight = t.get(&weight, shape)?;
        let conv = ForeignConv {
            weight,
            border: None,
        };
        Ok((conv, norm(t, &actnorm, width)?))
    };
    let (conv1, norm1) = hidden(0, &[width, m, 3, 3])?;
    let (conv2, norm2) = hidden(2, &[width, width, 1, 1])?;
    let conv3 = |out| final_conv(t, names.last(names.net(), "conv"), out, width);
    Ok(ForeignStep {
        actnorm: norm(t, "actnorm.", c)?,
        mixing: mixing(&t.below("invconv."), names, c, options)?,
        conv1,
        norm1,
        conv2,
        norm2,
        conv3: match coupling {
            Coupling::Affine => conv3(c)?.reordered(&halves_of_pairs(c)),
            Coupling::Additive => conv3(m)?,
        },
    })
}

fn mixing(
    t: &Tensors,
    names: Names,
    c: usize,
    options: &Options,
) -> Result<ForeignMixing, ImportError> {
    let matrix = |name: &str| -> Result<Matrix, ImportError> {
        Ok(Matrix {
            n: c,
            data: t.get(name, &[c, c])?,
        })
    };
    if t.has("weight") {
        return Ok(ForeignMixing::Plain(matrix("weight")?));
    }
    if t.has("p") {
        let (l, u) = match names {
            Names::Chaiyujin => ("l", "u"),
            Names::Y0ast => ("lower", "upper"),
        };
        return Ok(ForeignMixing::Lu {
            p: matrix("p")?,
            l: matrix(l)?,
            u: matrix(u)?,
            sign: t.get("sign_s", &[c])?,
            log_s: t.get("log_s", &[c])?,
        });
    }
    match options.permutation {
        Some(Permutation::Reverse) => Ok(ForeignMixing::Reverse),
        Some(Permutation::Shuffle) => Err(ImportError::option(
            "its channels are shuffled in an order that only the program's random numbers knew: it is not in the file, and \
             without it the model cannot be told",
        )),
        _ => Err(ImportError::Permutation {
            path: std::path::PathBuf::new(),
        }),
    }
}
