//! normflows' `MultiscaleFlow` of `GlowBlock`s: `flows.i.j`, coarsest level first, in the order of sampling.
//!
//! Encoding is the inverse of its forward pass: a block is undone from its actnorm to its coupling, so the steps of a level
//! stand in reverse. The coupling subtracts its shift; the priors are numbers of their own, of each position, each channel or
//! each class. The scale map is not in the file.

use super::glow::{
    ByValue, FinalConv, ForeignConv, ForeignGlow, ForeignLevel, ForeignMixing, ForeignSplit,
    ForeignStep, Norm, PriorTable, halves_of_pairs,
};
use super::tensors::{self, Tensors};
use super::{ImportError, Options};
use crate::config::{Coupling, Padding, ScaleFunction};
use crate::linalg::Matrix;

const NET: &str = "flows.0.flows.1.param_map.net.";

/// The model of these names.
pub(super) fn glow(t: &Tensors, options: &Options) -> Result<ForeignGlow, ImportError> {
    let n_levels = tensors::count(t, "flows.");
    // The finest level stands last.
    let finest = format!("flows.{}.", n_levels.saturating_sub(1));
    let net = t.below(&format!("{finest}0.{NET}"));
    let first = tensors::shape4(&net, "0.weight")?;
    let last_at = last_conv(&net)?;
    let last = tensors::shape4(&net, &format!("{last_at}.weight"))?;
    let (width, mut c) = (first[0], 2 * first[1]);
    let actnorm = t
        .shape(&format!("{finest}0.flows.2.s"))
        .map_or(0, |s| s.iter().product());
    if actnorm != c {
        return Err(ImportError::foreign(
            "its couplings split the picture as a checkerboard or its blocks have another form than Glow's",
        ));
    }
    let coupling = tensors::coupling(last[0], c)?;
    let scale_function = options.scale_function.unwrap_or_default();
    let channels = c / 4;
    let mut image_size = None;
    let mut levels = Vec::new();
    let mut top = None;
    for l in 0..n_levels {
        let i = n_levels - 1 - l;
        let p = format!("flows.{i}.");
        // A level ends in a squeeze, which has no tensors.
        let depth = tensors::count(t, &p);
        let steps = (0..depth)
            .rev()
            .map(|k| {
                step(
                    &t.below(&format!("{p}{k}.")),
                    c,
                    width,
                    coupling,
                    scale_function,
                )
            })
            .collect::<Result<_, _>>()?;
        let n = if i == 0 { c } else { c / 2 };
        let (table, side) = prior(&t.below(&format!("q0.{i}.")), n)?;
        if let Some(side) = side {
            image_size = Some(side << (l + 1).min(16));
        }
        let split = if i == 0 {
            top = Some(table);
            None
        } else {
            Some(ForeignSplit::Table(table))
        };
        levels.push(ForeignLevel { steps, split });
        c = (2 * c).min(1 << 20);
    }
    let top = top.ok_or_else(|| ImportError::damaged("it has no levels"))?;
    Ok(ForeignGlow {
        image_size,
        width,
        channels,
        padding: Padding::Zeros,
        coupling,
        scale_function: match coupling {
            Coupling::Affine => scale_function,
            Coupling::Additive => ScaleFunction::Sigmoid,
        },
        asks_scale: coupling == Coupling::Affine,
        bits: (8, true),
        input: (1.0, 0.0),
        levels,
        top: Box::new(move |_| top.clone()),
    })
}

/// The number of the last convolution: 4, or 6 with actnorms between.
fn last_conv(net: &Tensors) -> Result<usize, ImportError> {
    match tensors::indices(net, "").last() {
        Some(&at @ (4 | 6)) => Ok(at),
        _ => Err(ImportError::foreign(
            "its coupling networks have another number of layers than Glow's",
        )),
    }
}

/// A base distribution of `n` channels, and the side of its map where it has one.
fn prior(t: &Tensors, n: usize) -> Result<(PriorTable, Option<usize>), ImportError> {
    if t.has("transform.s") {
        // AffineGaussian: eps exp(s) + t.
        return Ok((
            PriorTable {
                mean: t.get("transform.t", &[n])?,
                log_std: t.get("transform.s", &[n])?,
                condition: by_class(t, "transform.t_cc", "transform.s_cc", n)?,
            },
            None,
        ));
    }
    if t.has("loc_logs") {
        // GlowBase: both with a factor of their own.
        let with_factor = |name: &str| -> Result<Vec<f64>, ImportError> {
            let logs = t.get(&format!("{name}_logs"), &[n])?;
            let value = t.get(name, &[n])?;
            Ok(value
                .iter()
                .zip(&logs)
                .map(|(v, l)| v * (3.0 * l).exp())
                .collect())
        };
        return Ok((
            PriorTable {
                mean: with_factor("loc")?,
                log_std: with_factor("log_scale")?,
                condition: by_class(t, "loc_cc", "log_scale_cc", n)?,
            },
            None,
        ));
    }
    match *t.find("loc")?.shape() {
        [1, c, h, w] if c == n && h == w => Ok((
            PriorTable {
                mean: t.get("loc", &[n, h, h])?,
                log_std: t.get("log_scale", &[n, h, h])?,
                condition: None,
            },
            Some(h),
        )),
        [c, h, w, classes] if c == n && h == w => {
            // Classes stand innermost.
            let outermost = |name: &str| -> Result<Vec<f64>, ImportError> {
                let v = t.get(name, &[n, h, h, classes])?;
                let per = n * h * h;
                Ok((0..classes * per)
                    .map(|at| v[at % per * classes + at / per])
                    .collect())
            };
            let mut table = PriorTable::standard(n * h * h);
            table.condition = Some(ByValue {
                values: classes,
                mean: outermost("loc")?,
                log_std: outermost("log_scale")?,
            });
            Ok((table, Some(h)))
        }
        ref shape => Err(ImportError::foreign(&format!(
            "a base distribution has the shape {shape:?}, which is no square of {n} channels"
        ))),
    }
}

fn by_class(
    t: &Tensors,
    mean: &str,
    log_std: &str,
    n: usize,
) -> Result<Option<ByValue>, ImportError> {
    match t.shape(mean) {
        Some(&[classes, _]) => Ok(Some(ByValue {
            values: classes,
            mean: t.get(mean, &[classes, n])?,
            log_std: t.get(log_std, &[classes, n])?,
        })),
        _ => Ok(None),
    }
}

fn step(
    t: &Tensors,
    c: usize,
    width: usize,
    coupling: Coupling,
    scale_function: ScaleFunction,
) -> Result<ForeignStep, ImportError> {
    let m = c / 2;
    let net = t.below(NET);
    let last = last_conv(&net)?;
    let second = last / 2;
    let conv = |at: usize, shape: &[usize]| -> Result<ForeignConv, ImportError> {
        Ok(ForeignConv {
            weight: net.get(&format!("{at}.weight"), shape)?,
            border: None,
        })
    };
    // A bias, or an actnorm x exp(s) + t.
    let norm = |at: usize| -> Result<Norm, ImportError> {
        if last == 4 {
            return Ok(Norm::bias(net.get(&format!("{at}.bias"), &[width])?));
        }
        let s = net.get(&format!("{}.actNorm.s", at + 1), &[width])?;
        let t = net.get(&format!("{}.actNorm.t", at + 1), &[width])?;
        Ok(Norm {
            bias: t.iter().zip(&s).map(|(t, s)| t * (-s).exp()).collect(),
            log_s: s,
        })
    };
    let final_conv = |out: usize| -> Result<FinalConv, ImportError> {
        Ok(FinalConv {
            conv: conv(last, &[out, width, 3, 3])?,
            norm: Norm::bias(net.get(&format!("{last}.bias"), &[out])?),
        })
    };
    let conv3 = match coupling {
        Coupling::Additive => final_conv(m)?.negated(0..m),
        Coupling::Affine => {
            let conv = final_conv(c)?.reordered(&halves_of_pairs(c));
            // (z2 - shift) exp(-scale): our raw is the negative there.
            let negative = if scale_function == ScaleFunction::Exp {
                c
            } else {
                m
            };
            conv.negated(0..negative)
        }
    };
    // (x - t) exp(-s).
    let (s, shift) = (t.get("flows.2.s", &[c])?, t.get("flows.2.t", &[c])?);
    Ok(ForeignStep {
        actnorm: Norm {
            bias: shift.iter().map(|v| -v).collect(),
            log_s: s.iter().map(|v| -v).collect(),
        },
        mixing: mixing(&t.below("flows.1."), c)?,
        conv1: conv(0, &[width, m, 3, 3])?,
        norm1: norm(0)?,
        conv2: conv(second, &[width, width, 1, 1])?,
        norm2: norm(second)?,
        conv3,
    })
}

fn mixing(t: &Tensors, c: usize) -> Result<ForeignMixing, ImportError> {
    let matrix = |name: &str| -> Result<Matrix, ImportError> {
        Ok(Matrix {
            n: c,
            data: t.get(name, &[c, c])?,
        })
    };
    if t.has("W") {
        return Ok(ForeignMixing::Plain(matrix("W")?));
    }
    Ok(ForeignMixing::Lu {
        p: matrix("P")?,
        l: matrix("L")?,
        u: matrix("U")?,
        sign: t.get("sign_S", &[c])?,
        log_s: t.get("log_S", &[c])?,
    })
}
