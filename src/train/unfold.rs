//! From gradients of the folded weights to gradients of the parameters, by the chain rule.

use std::ops::Range;

use super::backward::{ConvGradients, Gradients, Piece, StageGradients, StepGradients, Taken};
use crate::config::{GlowConfig, LevelShape, Padding, Permutation};
use crate::kernels::neighbours::{BORDER_CLASSES, tap_is_outside, taps_stride};
use crate::kernels::{in_parallel, padded};
use crate::linalg::Matrix;
use crate::model::folded::{LOG_SCALE_FACTOR, outside_sum};
use crate::model::params::Params;

/// Gradients of the parameters, in the order of the layout. `weight_sum` is the derivative of the loss by a
/// term that every picture's log-likelihood holds once: `-1 / (D ln 2)`.
pub fn parameter_gradients(
    params: &Params,
    gradients: &Gradients,
    weight_sum: f64,
    threads: usize,
) -> Vec<f32> {
    let shapes = params.config.level_shapes();
    let depth = params.config.depth;
    let mut out = Out {
        params,
        data: vec![0.0; params.data.len()],
    };
    let steps = in_parallel(shapes.len() * depth, threads, |at| {
        let (l, k) = (at / depth, at % depth);
        let gradients = &gradients.levels[l].steps[k];
        let site = Site::of_level(params, l, k, shapes[l]);
        step_gradients(params, &site, gradients, weight_sum)
    });
    steps.into_iter().flatten().for_each(|named| out.put(named));
    for (l, shape) in shapes.iter().enumerate() {
        let is_top = l + 1 == shapes.len();
        let level = &gradients.levels[l];
        let prior = [&level.prior_w[..], &level.prior_b[..]];
        prior_gradients(params, l, shape.channels, is_top, prior)
            .into_iter()
            .for_each(|n| out.put(n));
    }
    out.data
}

/// The same of one piece, written to its part of `flat`, which starts at `offset` of the layout.
pub(super) fn piece_gradients(
    params: &Params,
    piece: Piece,
    gradients: &Taken,
    weight_sum: f64,
    (flat, offset): (&mut [f32], usize),
) {
    let shapes = params.config.level_shapes();
    let named = match (piece, gradients) {
        (Piece::Step { level, step }, Taken::Step(gradients)) => {
            let site = Site::of_level(params, level, step, shapes[level]);
            step_gradients(params, &site, gradients, weight_sum)
        }
        (Piece::Prior { level }, Taken::Prior([w, b])) => {
            let is_top = level + 1 == shapes.len();
            prior_gradients(params, level, shapes[level].channels, is_top, [w, b])
        }
        (_, Taken::Flat(values)) => {
            flat.copy_from_slice(values);
            Vec::new()
        }
        _ => Vec::new(),
    };
    for (name, values) in named {
        if let Some(entry) = params.layout.entry(&name) {
            let start = entry.offset - offset;
            flat[start..start + values.len()].copy_from_slice(&values);
        }
    }
}

/// Where the parameters of a piece lie: one range, for the layout has one piece after the other.
pub(super) fn piece_range(params: &Params, piece: Piece) -> Range<usize> {
    let top = params.config.levels - 1;
    let prefix = match piece {
        Piece::Step { level, step } => format!("levels.{level}.steps.{step}."),
        Piece::Prior { level } if level == top => "prior.".to_owned(),
        Piece::Prior { level } => format!("levels.{level}.split."),
    };
    let entries = params.layout.entries().iter();
    entries
        .filter(|e| e.name.starts_with(&prefix))
        .map(|e| e.offset..e.offset + e.count())
        .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
        .unwrap_or(0..0)
}

type NamedNumbers = (String, Vec<f32>);

struct Out<'a> {
    params: &'a Params,
    data: Vec<f32>,
}

impl Out<'_> {
    fn put(&mut self, (name, values): NamedNumbers) {
        if let Some(entry) = self.params.layout.entry(&name) {
            let range: Range<usize> = entry.offset..entry.offset + entry.count();
            self.data[range].copy_from_slice(&values);
        }
    }
}

fn scale(log_scale: f32) -> f32 {
    (LOG_SCALE_FACTOR * log_scale).exp()
}

/// A folded convolution: weight `[out, in, 3, 3]` (or 1x1) times `s`, bias `(bias + border(class)) s`.
struct FoldedConv<'a> {
    name: String,
    scale_name: String,
    out: usize,
    input: usize,
    taps: usize,
    /// Gradient of the folded entry for (tap, in, out).
    d_weight: &'a dyn Fn(usize, usize, usize) -> f32,
    /// Gradient of the bias table, `[classes, stride]`.
    d_bias: &'a [f32],
    stride: usize,
    padding: Padding,
}

impl FoldedConv<'_> {
    fn unfold(&self, params: &Params) -> Vec<NamedNumbers> {
        let FoldedConv {
            out, input, taps, ..
        } = *self;
        let weight = params.slice(&format!("{}.weight", self.name));
        let bias = params.slice(&format!("{}.bias", self.scale_name));
        let log_scale = params.slice(&format!("{}.log_scale", self.scale_name));
        let border_name = format!("{}.border_weight", self.name);
        let border = params.get(&border_name);
        let mut d_weight = vec![0.0; weight.len()];
        let mut d_border = vec![0.0; border.map_or(0, <[f32]>::len)];
        let (mut d_bias, mut d_log_scale) = (vec![0.0; out], vec![0.0; out]);
        let classes = if self.padding == Padding::Zeros || taps == 1 {
            1
        } else {
            BORDER_CLASSES
        };
        for j in 0..out {
            let s = scale(log_scale[j]);
            let by_class = |class: usize| self.d_bias[class * self.stride + j];
            let bias_sum: f32 = (0..classes).map(by_class).sum();
            // What reaches a tap that looks outside, summed over the classes in which it does.
            let outside = |t: usize| -> f32 {
                (0..classes)
                    .filter(|&class| tap_is_outside(class, t))
                    .map(by_class)
                    .sum()
            };
            let mut d_s = bias_sum * bias[j];
            d_bias[j] = bias_sum * s;
            for i in 0..input {
                for t in 0..taps {
                    let at = (j * input + i) * taps + t;
                    let mut d = (self.d_weight)(t, i, j);
                    if self.padding == Padding::FinalOnes && taps > 1 {
                        d += outside(t);
                    }
                    d_weight[at] = d * s;
                    d_s += d * weight[at];
                }
            }
            if let Some(border) = border {
                for t in 0..taps {
                    d_border[j * taps + t] = outside(t) * s;
                }
                d_s += (0..classes)
                    .map(|class| by_class(class) * outside_sum(class, |t| border[j * taps + t]))
                    .sum::<f32>();
            }
            d_log_scale[j] = LOG_SCALE_FACTOR * s * d_s;
        }
        let mut named = vec![
            (format!("{}.weight", self.name), d_weight),
            (format!("{}.bias", self.scale_name), d_bias),
            (format!("{}.log_scale", self.scale_name), d_log_scale),
        ];
        if border.is_some() {
            named.push((border_name, d_border));
        }
        named
    }
}

/// Where a step stands: what its names start with, the config that it was folded by, its shape.
struct Site<'a> {
    prefix: String,
    config: &'a GlowConfig,
    shape: LevelShape,
    /// Channels that condition its coupling; 0: none.
    features: usize,
}

impl<'a> Site<'a> {
    fn of_level(params: &'a Params, level: usize, step: usize, shape: LevelShape) -> Self {
        Self {
            prefix: format!("levels.{level}.steps.{step}."),
            config: &params.config,
            shape,
            features: 0,
        }
    }
}

fn step_gradients(
    params: &Params,
    site: &Site,
    g: &StepGradients,
    weight_sum: f64,
) -> Vec<NamedNumbers> {
    let (p, config, c) = (&site.prefix, site.config, site.shape.channels);
    let (m, o, width) = (c / 2, config.coupling_out(c), config.width);
    let (h, t_stride) = (padded(width), taps_stride(o));
    // Only convolutions with a log_scale of their own pad with ones; the first one of a network does not.
    let first_padding = if config.padding == Padding::FinalOnes {
        Padding::Zeros
    } else {
        config.padding
    };
    let mut named = Vec::new();
    if site.features > 0 {
        named.push(inject_gradients(params, site, &g.w1, h));
    }
    let mut conv = |conv: FoldedConv| named.extend(conv.unfold(params));
    conv(FoldedConv {
        name: format!("{p}coupling.conv1"),
        scale_name: format!("{p}coupling.actnorm1"),
        out: width,
        input: m,
        taps: 9,
        d_weight: &|t, i, j| g.w1[(t * m + i) * h + j],
        d_bias: &g.b1,
        stride: h,
        padding: first_padding,
    });
    conv(FoldedConv {
        name: format!("{p}coupling.conv2"),
        scale_name: format!("{p}coupling.actnorm2"),
        out: width,
        input: width,
        taps: 1,
        d_weight: &|_, i, j| g.w2[i * h + j],
        d_bias: &g.b2,
        stride: h,
        padding: Padding::Zeros,
    });
    conv(FoldedConv {
        name: format!("{p}coupling.conv3"),
        scale_name: format!("{p}coupling.conv3"),
        out: o,
        input: width,
        taps: 9,
        d_weight: &|t, i, j| g.w3[i * t_stride + t * o + j],
        d_bias: &g.b3,
        stride: padded(o),
        padding: config.padding,
    });

    // y = M x + t with M = W diag(s) and t = M b.
    let stride = padded(c);
    let (w, _) = params.mixing_at(p, c);
    let bias = params.slice(&format!("{p}actnorm.bias"));
    let s: Vec<f64> = params
        .slice(&format!("{p}actnorm.log_scale"))
        .iter()
        .map(|&v| (f64::from(v) * f64::from(LOG_SCALE_FACTOR)).exp())
        .collect();
    let d_t = &g.mix_bias[..c];
    let d_m = Matrix::from_fn(c, |i, j| {
        f64::from(g.mix[i * stride + j]) + f64::from(d_t[i]) * f64::from(bias[j])
    });
    let side = site.shape.side;
    let log_det_weight = weight_sum * (side * side) as f64;
    let mut d_bias = vec![0.0; c];
    let mut d_log_scale = vec![0.0; c];
    for j in 0..c {
        d_bias[j] = (0..c)
            .map(|i| f64::from(d_t[i]) * w[(i, j)] * s[j])
            .sum::<f64>() as f32;
        let d_s: f64 = (0..c).map(|i| d_m[(i, j)] * w[(i, j)]).sum();
        d_log_scale[j] = (f64::from(LOG_SCALE_FACTOR) * (s[j] * d_s + log_det_weight)) as f32;
    }
    if site.features > 0 {
        add_scale_of_inject(params, site, &g.w1, h, &mut named);
    }
    named.push((format!("{p}actnorm.bias"), d_bias));
    named.push((format!("{p}actnorm.log_scale"), d_log_scale));
    let d_w = Matrix::from_fn(c, |i, j| d_m[(i, j)] * s[j]);
    named.extend(mixing_gradients(
        params,
        &format!("{p}permutation."),
        &w,
        d_w,
        log_det_weight,
    ));
    named
}

/// The folded entry of `inject` for feature `i` and hidden channel `j` stands behind the nine taps of `w1`.
fn folded_inject<'a>(
    site: &Site,
    w1: &'a [f32],
    stride: usize,
) -> impl Fn(usize, usize) -> f32 + 'a {
    let taps = 9 * (site.shape.channels / 2);
    move |i, j| w1[(taps + i) * stride + j]
}

fn inject_gradients(params: &Params, site: &Site, w1: &[f32], stride: usize) -> NamedNumbers {
    let (d, features) = (folded_inject(site, w1, stride), site.features);
    let log_scale = params.slice(&format!("{}coupling.actnorm1.log_scale", site.prefix));
    let values = (0..log_scale.len() * features).map(|at| {
        let (j, i) = (at / features, at % features);
        d(i, j) * scale(log_scale[j])
    });
    (
        format!("{}coupling.inject.weight", site.prefix),
        values.collect(),
    )
}

/// The first actnorm scales what `inject` adds, too.
fn add_scale_of_inject(
    params: &Params,
    site: &Site,
    w1: &[f32],
    stride: usize,
    named: &mut [NamedNumbers],
) {
    let (d, features) = (folded_inject(site, w1, stride), site.features);
    let name = format!("{}coupling.actnorm1.log_scale", site.prefix);
    let weight = params.slice(&format!("{}coupling.inject.weight", site.prefix));
    let log_scale = params.slice(&name);
    let Some((_, values)) = named.iter_mut().find(|(n, _)| *n == name) else {
        return;
    };
    for (j, value) in values.iter_mut().enumerate() {
        let d_s: f32 = (0..features)
            .map(|i| d(i, j) * weight[j * features + i])
            .sum();
        *value += LOG_SCALE_FACTOR * scale(log_scale[j]) * d_s;
    }
}

/// Gradients of stage `i`, the others' zero; `weight_sum` as in [`parameter_gradients`], for the details.
pub fn stage_gradients(
    params: &Params,
    i: usize,
    gradients: &StageGradients,
    weight_sum: f64,
    threads: usize,
) -> Vec<f32> {
    let mut out = Out {
        params,
        data: vec![0.0; params.data.len()],
    };
    let (stage, of_stage) = (params.config.detail[i], params.config.stage(i));
    let (shape, p) = (of_stage.level_shapes()[0], format!("detail.{i}."));
    let steps = in_parallel(stage.depth, threads, |k| {
        let site = Site {
            prefix: format!("{p}steps.{k}."),
            config: &of_stage,
            shape,
            features: stage.features,
        };
        step_gradients(params, &site, &gradients.steps[k], weight_sum)
    });
    steps.into_iter().flatten().for_each(|named| out.put(named));
    let (given, g) = (2 * shape.channels, &gradients.prior);
    let prior = FoldedConv {
        name: format!("{p}prior"),
        scale_name: format!("{p}prior"),
        out: given,
        input: stage.features,
        taps: 9,
        d_weight: &|t, i, j| g.w[(t * stage.features + i) * padded(given) + j],
        d_bias: &g.b,
        stride: padded(given),
        padding: Padding::Zeros,
    };
    prior.unfold(params).into_iter().for_each(|n| out.put(n));
    let t = stage.trunk;
    let mut conv = |name: &str, g: &ConvGradients, [taps, input, n_out]: [usize; 3]| {
        let weight = (0..n_out * input * taps).map(|at| {
            let (j, i, tap) = (at / (input * taps), at / taps % input, at % taps);
            g.w[(tap * input + i) * padded(n_out) + j]
        });
        out.put((format!("{p}trunk.{name}.weight"), weight.collect()));
        out.put((format!("{p}trunk.{name}.bias"), g.b[..n_out].to_vec()));
    };
    conv(
        "first",
        &gradients.first,
        [9, 4 * params.config.channels, t],
    );
    for (b, [conv1, conv2]) in gradients.blocks.iter().enumerate() {
        conv(&format!("blocks.{b}.conv1"), conv1, [9, t, t]);
        conv(&format!("blocks.{b}.conv2"), conv2, [9, t, t]);
    }
    conv("last", &gradients.last, [1, t, stage.features]);
    out.data
}

/// Gradients of the 1x1 convolution's own numbers from that of `W`; `ln |det W|` has the gradient `W^-T`.
fn mixing_gradients(
    params: &Params,
    p: &str,
    w: &Matrix,
    d_w: Matrix,
    log_det_weight: f64,
) -> Vec<NamedNumbers> {
    let c = w.n;
    match params.config.permutation {
        Permutation::Reverse | Permutation::Shuffle => Vec::new(),
        Permutation::Invconv => {
            // `Folded::new` refused matrices without an inverse before a gradient was taken.
            let inverse = w.inverse().unwrap_or_else(|| Matrix::zeros(c));
            let d = (0..c * c)
                .map(|at| (d_w.data[at] + log_det_weight * inverse[(at % c, at / c)]) as f32)
                .collect();
            vec![(format!("{p}weight"), d)]
        }
        Permutation::InvconvLu => {
            // W = P L U: dL = (P^T dW) U^T below the diagonal, dU = L^T (P^T dW) on and above it.
            let (lower, upper) = params.lu_factors(p, c);
            let permuted = Matrix::from_f32(c, params.slice(&format!("{p}p")))
                .transposed()
                .dot(&d_w);
            let d_lower = permuted.dot(&upper.transposed());
            let d_upper = lower.transposed().dot(&permuted);
            let keep = |d: &Matrix, wanted: &dyn Fn(usize, usize) -> bool| -> Vec<f32> {
                (0..c * c)
                    .map(|at| {
                        if wanted(at / c, at % c) {
                            d.data[at] as f32
                        } else {
                            0.0
                        }
                    })
                    .collect()
            };
            let d_log_s = (0..c)
                .map(|i| (d_upper[(i, i)] * upper[(i, i)] + log_det_weight) as f32)
                .collect();
            vec![
                (format!("{p}l"), keep(&d_lower, &|i, j| j < i)),
                (format!("{p}u"), keep(&d_upper, &|i, j| j > i)),
                (format!("{p}log_s"), d_log_s),
            ]
        }
    }
}

fn prior_gradients(
    params: &Params,
    level: usize,
    c: usize,
    is_top: bool,
    [prior_w, prior_b]: [&[f32]; 2],
) -> Vec<NamedNumbers> {
    if is_top {
        let pixels = params.slice("prior.mean").len() / c;
        let stride = padded(2 * c);
        let part = |offset: usize| -> Vec<f32> {
            (0..c * pixels)
                .map(|at| prior_b[at % pixels * stride + offset + at / pixels])
                .collect()
        };
        return vec![
            ("prior.mean".into(), part(0)),
            ("prior.log_std".into(), part(c)),
        ];
    }
    let m = c / 2;
    let stride = padded(c);
    let name = format!("levels.{level}.split.prior");
    FoldedConv {
        name: name.clone(),
        scale_name: name,
        out: c,
        input: m,
        taps: 9,
        d_weight: &|t, i, j| prior_w[(t * m + i) * stride + j],
        d_bias: prior_b,
        stride,
        padding: params.config.padding,
    }
    .unfold(params)
}
