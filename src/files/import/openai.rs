//! openai/glow: `model/{level}/{step}/…` in TensorFlow's layout, pixels before channels and filters `[h, w, in, out]`.
//!
//! A matrix is applied from the right, so it is the transpose of ours; 3x3 convolutions have one more input that is one on the
//! padding; outputs come in pairs, but for the top's, which are halves.

use super::ImportError;
use super::glow::{
    ByValue, FinalConv, ForeignConv, ForeignGlow, ForeignLevel, ForeignMixing, ForeignSplit,
    ForeignStep, Norm, PriorTable, halves_of_pairs,
};
use super::tensors::{self, Tensors};
use crate::config::{Coupling, Padding, ScaleFunction};
use crate::linalg::Matrix;

/// What stands before `0/0/…` in the names, where they are of this program.
pub(super) fn scope<'a>(t: &'a Tensors) -> Option<&'a str> {
    t.names()
        .filter_map(|name| name.strip_suffix("0/0/actnorm_center/b"))
        .find(|scope| scope.is_empty() || scope.ends_with('/'))
}

/// The model of these names, which are below the scope.
pub(super) fn glow(t: &Tensors) -> Result<ForeignGlow, ImportError> {
    let n_levels = count(t, "");
    let mut c = t.find("0/0/actnorm_center/b")?.count();
    if !(4..=1 << 16).contains(&c) {
        return Err(ImportError::damaged(
            "an actnorm has no possible number of channels",
        ));
    }
    let channels = c / 4;
    let first = tensors::shape4(t, "0/0/f1/l_1/W")?;
    let last = tensors::shape4(t, "0/0/f1/l_last/W")?;
    let (width, coupling) = (first[3], tensors::coupling(last[3], c)?);
    let padding = match first[2] {
        n if n == c / 2 + 1 => Padding::EdgeBias,
        n if n == c / 2 => Padding::Zeros,
        n => {
            return Err(ImportError::damaged(&format!(
                "a coupling network takes {n} channels of a flow of {c}"
            )));
        }
    };
    let has_edge = padding == Padding::EdgeBias;
    let mut levels = Vec::new();
    for l in 0..n_levels {
        let depth = count(t, &format!("{l}/"));
        let steps = (0..depth)
            .map(|k| step(&t.below(&format!("{l}/{k}/")), c, width, coupling, has_edge))
            .collect::<Result<_, _>>()?;
        let split = if l + 1 == n_levels {
            None
        } else {
            let conv = final_conv(t, &format!("pool{l}/conv/"), c / 2, c, has_edge)?;
            Some(ForeignSplit::Conv(conv.reordered(&halves_of_pairs(c))))
        };
        levels.push(ForeignLevel { steps, split });
        if l + 1 < n_levels {
            c = (2 * c).min(1 << 20);
        }
    }
    let learned = t
        .has("prior/p/W")
        .then(|| final_conv(t, "prior/p/", 2 * c, 2 * c, has_edge))
        .transpose()?;
    let condition = condition(t, c)?;
    Ok(ForeignGlow {
        image_size: None,
        width,
        channels,
        padding,
        coupling,
        scale_function: ScaleFunction::Sigmoid,
        asks_scale: false,
        bits: (if n_levels > 4 { 5 } else { 8 }, true),
        input: (1.0, 0.0),
        levels,
        top: Box::new(move |side| {
            let mut table = match &learned {
                Some(FinalConv { conv, norm }) => {
                    let border = conv.border.as_deref();
                    PriorTable::of_border(side, norm, |j, t| border.map_or(0.0, |b| b[j * 9 + t]))
                }
                None => PriorTable::standard(c),
            };
            if let Some((base, by_class)) = &condition {
                table.add(base, by_class);
            }
            table
        }),
    })
}

/// How many numbers 0, 1, 2, .. follow a prefix and are followed by a slash.
fn count(t: &Tensors, prefix: &str) -> usize {
    let has = |n: &usize| t.has_below(&format!("{prefix}{n}/"));
    (0..tensors::MAX_COUNT).take_while(has).count()
}

/// What classes add to the top: a bias of mean and log_std, and a row for each class.
type ByClass = ([Vec<f64>; 2], ByValue);

fn condition(t: &Tensors, c: usize) -> Result<Option<ByClass>, ImportError> {
    let Some(&[n, _]) = t.shape("prior/y_emb/W") else {
        return Ok(None);
    };
    let weight = t.get("prior/y_emb/W", &[n, 2 * c])?;
    let bias = t.get("prior/y_emb/b", &[2 * c])?;
    let logs = t.get("prior/y_emb/logs", &[2 * c])?;
    let scale: Vec<f64> = logs.iter().map(|l| (3.0 * l).exp()).collect();
    let halves = |offset: usize| -> (Vec<f64>, Vec<f64>) {
        let base = (0..c).map(|j| bias[offset + j] * scale[offset + j]);
        let rows = (0..n * c).map(|at| {
            let j = offset + at % c;
            weight[at / c * 2 * c + j] * scale[j]
        });
        (base.collect(), rows.collect())
    };
    let ((mean, mean_rows), (log_std, log_std_rows)) = (halves(0), halves(c));
    let by_class = ByValue {
        values: n,
        mean: mean_rows,
        log_std: log_std_rows,
    };
    Ok(Some(([mean, log_std], by_class)))
}

fn norm(t: &Tensors, prefix: &str, n: usize) -> Result<Norm, ImportError> {
    let logs = t.get(&format!("{prefix}actnorm_scale/logs"), &[n])?;
    Ok(Norm {
        bias: t.get(&format!("{prefix}actnorm_center/b"), &[n])?,
        log_s: logs.iter().map(|l| 3.0 * l).collect(),
    })
}

/// Filters `[k, k, in (+ 1), out]` to `[out, in, k, k]`, the last input apart where it is the edge.
fn conv(
    t: &Tensors,
    name: &str,
    k: usize,
    input: usize,
    out: usize,
    has_edge: bool,
) -> Result<ForeignConv, ImportError> {
    let all = input + usize::from(has_edge);
    let w = t.get(name, &[k, k, all, out])?;
    let taps = k * k;
    let entry = |j: usize, i: usize, tap: usize| w[(tap * all + i) * out + j];
    let weight = (0..out * input * taps)
        .map(|at| entry(at / (input * taps), at / taps % input, at % taps))
        .collect();
    let border = has_edge.then(|| {
        (0..out * taps)
            .map(|at| entry(at / taps, input, at % taps))
            .collect()
    });
    Ok(ForeignConv { weight, border })
}

fn final_conv(
    t: &Tensors,
    prefix: &str,
    input: usize,
    out: usize,
    has_edge: bool,
) -> Result<FinalConv, ImportError> {
    let logs = t.get(&format!("{prefix}logs"), &[out])?;
    Ok(FinalConv {
        conv: conv(t, &format!("{prefix}W"), 3, input, out, has_edge)?,
        norm: Norm {
            bias: t.get(&format!("{prefix}b"), &[out])?,
            log_s: logs.iter().map(|l| 3.0 * l).collect(),
        },
    })
}

fn step(
    t: &Tensors,
    c: usize,
    width: usize,
    coupling: Coupling,
    has_edge: bool,
) -> Result<ForeignStep, ImportError> {
    let m = c / 2;
    let conv3 = |out| final_conv(t, "f1/l_last/", width, out, has_edge);
    Ok(ForeignStep {
        actnorm: norm(t, "", c)?,
        mixing: mixing(t, c)?,
        conv1: conv(t, "f1/l_1/W", 3, m, width, has_edge)?,
        norm1: norm(t, "f1/l_1/", width)?,
        conv2: conv(t, "f1/l_2/W", 1, width, width, false)?,
        norm2: norm(t, "f1/l_2/", width)?,
        conv3: match coupling {
            Coupling::Affine => conv3(c)?.reordered(&halves_of_pairs(c)),
            Coupling::Additive => conv3(m)?,
        },
    })
}

fn mixing(t: &Tensors, c: usize) -> Result<ForeignMixing, ImportError> {
    if t.has("invconv/W") {
        let w = Matrix {
            n: c,
            data: t.get("invconv/W", &[c, c])?,
        };
        return Ok(ForeignMixing::Plain(w.transposed()));
    }
    let Some(name) = t.names().find(|name| name.ends_with("/indices")) else {
        return Ok(ForeignMixing::Reverse);
    };
    let mut seen = vec![false; c];
    let mut indices = Vec::with_capacity(c);
    for v in t.get(name, &[c])? {
        match seen.get_mut(v as usize) {
            Some(seen) if v >= 0.0 && !*seen => *seen = true,
            _ => return Err(ImportError::damaged("a shuffle is no permutation")),
        }
        indices.push(v as usize);
    }
    Ok(ForeignMixing::Shuffle(indices))
}
