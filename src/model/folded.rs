//! A model's parameters in the form that the CPU computes with.
//!
//! Actnorms and the scales of zero convolutions are folded into the weights they follow, the actnorm of a
//! step into its 1x1 convolution, whose inverse is taken once in double precision; paddings become a bias
//! for each border class. Weights are packed in the order in which the kernels read them.

mod memory;

use super::ModelError;
use super::params::Params;
use crate::config::{GlowConfig, Padding, ScaleFloor, ScaleFunction, SplitPrior};
use crate::kernels::neighbours::{BORDER_CLASSES, Grid, tap_is_outside, taps_stride};
use crate::kernels::{Aligned, Arithmetic, PackedMatrix, in_parallel, padded, winograd};
use crate::linalg::Matrix;

/// Factor between a stored `log_scale` and the logarithm of the scale (the paper's code).
pub const LOG_SCALE_FACTOR: f32 = 3.0;

/// Rows of a tile: its hidden activations stay in the second-level cache.
pub fn tile_rows(width: usize) -> usize {
    if width > 256 { 64 } else { 128 }
}

/// A bias that depends on which sides of the picture a pixel touches: `[classes, stride]`.
#[derive(Clone, Default)]
pub struct BorderBias {
    /// The table; one row where the border makes no difference.
    pub table: Aligned,
    /// Row stride.
    pub stride: usize,
    /// Whether there is a row for every class.
    pub by_class: bool,
}

impl BorderBias {
    fn new(n: usize, by_class: bool, value: impl Fn(usize, usize) -> f32) -> Self {
        let stride = padded(n);
        let classes = if by_class { BORDER_CLASSES } else { 1 };
        let mut table = Aligned::zeros(classes * stride);
        for class in 0..classes {
            for j in 0..n {
                table[class * stride + j] = value(class, j);
            }
        }
        Self {
            table,
            stride,
            by_class,
        }
    }

    /// `classes`, where the table has a row for each.
    pub fn classes<'a>(&self, classes: &'a [u8]) -> &'a [u8] {
        if self.by_class { classes } else { &[] }
    }
}

/// One step of flow, folded.
#[derive(Clone)]
pub struct FoldedStep {
    /// 3x3 to hidden, `[9 m + u, width]`, taps outermost, then the features of a stage.
    pub w1: PackedMatrix,
    /// Its bias.
    pub b1: BorderBias,
    /// 1x1, `[width, width]`.
    pub w2: PackedMatrix,
    /// Its bias, one row.
    pub b2: Aligned,
    /// Hidden to 3x3.
    pub w3: LastConv,
    /// Its bias.
    pub b3: BorderBias,
    /// Actnorm and mixing: a pixel row times this, plus `mix_bias`.
    pub mix: PackedMatrix,
    /// Its bias, one row.
    pub mix_bias: Aligned,
    /// The inverse of the two.
    pub unmix: PackedMatrix,
    /// Its bias, one row.
    pub unmix_bias: Aligned,
    /// `ln |det|` of actnorm and mixing at one pixel.
    pub log_det: f64,
    /// The transposes that the backward pass needs.
    pub transposed: Option<Transposed>,
}

/// What a model is folded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Encoding and decoding: the fastest form of each convolution.
    Inference,
    /// Gradients: the forms that have a backward pass, without what only that needs.
    Forward,
    /// Gradients: with the transposes.
    Training,
}

/// In what form a model is folded: for what, and with which arithmetic in its coupling networks. Mixings and
/// priors are `f32` always: what is exact about the flow hangs on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// For what.
    pub purpose: Purpose,
    /// The arithmetic of the coupling networks.
    pub arithmetic: Arithmetic,
}

impl From<Purpose> for Form {
    fn from(purpose: Purpose) -> Self {
        Self {
            purpose,
            arithmetic: Arithmetic::F32,
        }
    }
}

/// The last convolution of a coupling network, from `width` to `o` channels.
#[derive(Clone)]
pub enum LastConv {
    /// `[width, 9 o]`, taps outermost: one product, then a sum over taps.
    Taps(PackedMatrix),
    /// Fewer multiplications where a level has enough pixels; see [`winograd`].
    Winograd(winograd::Weights),
}

impl LastConv {
    /// The product with all taps.
    ///
    /// # Panics
    /// For a model that was folded for inference: a bug of the caller.
    pub fn taps(&self) -> &PackedMatrix {
        match self {
            Self::Taps(matrix) => matrix,
            Self::Winograd(_) => panic!("a model folded for inference has no gradients"),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Taps(matrix) => matrix.bytes(),
            Self::Winograd(weights) => weights.bytes(),
        }
    }
}

/// Right-hand sides of the backward pass.
#[derive(Clone)]
pub struct Transposed {
    /// `[width, 9 m]`.
    pub w1: PackedMatrix,
    /// `[width, width]`.
    pub w2: PackedMatrix,
    /// `[9 o, width]`.
    pub w3: PackedMatrix,
    /// `[c, c]`.
    pub mix: PackedMatrix,
}

/// The prior of a level.
#[derive(Clone)]
pub enum FoldedPrior {
    /// Mean and log_std of the half that a split factors out, from a 3x3 convolution of the other:
    /// `[9 m, c]`, taps outermost.
    Split {
        /// Weights.
        w: PackedMatrix,
        /// Bias.
        b: BorderBias,
        /// `[c, 9 m]`, for the backward pass.
        transposed: Option<PackedMatrix>,
    },
    /// The top: a row `[mean (c), log_std (c)]` for each pixel, or one for all.
    Top {
        /// The rows.
        rows: Aligned,
        /// Row stride.
        stride: usize,
        /// Whether there is a row for every pixel.
        is_map: bool,
    },
    /// Of a detail stage: a row `[mean (c), log_std (c)]` for each pixel comes with the picture below it.
    Given,
}

/// One level, folded.
#[derive(Clone)]
pub struct FoldedLevel {
    /// Channels of the flow, `c`.
    pub channels: usize,
    /// Output channels of a coupling network, `o`.
    pub coupling_out: usize,
    /// The floor of the couplings' factor, where they are affine.
    pub affine: Option<ScaleFloor>,
    /// The couplings' factor, where they are affine.
    pub scale_function: ScaleFunction,
    /// Pixels.
    pub grid: Grid,
    /// Border class of each pixel of a picture.
    pub classes: Vec<u8>,
    /// Channels that condition its couplings beside the half that does, `u`; 0 but for detail stages.
    pub features: usize,
    /// The steps, in forward order.
    pub steps: Vec<FoldedStep>,
    /// The prior.
    pub prior: FoldedPrior,
}

impl FoldedLevel {
    /// Channels of the half that conditions, `m`.
    pub fn half(&self) -> usize {
        self.channels / 2
    }

    /// Stride of a state row.
    pub fn state_stride(&self) -> usize {
        padded(self.channels)
    }

    /// Stride of a row that the first convolution of a network multiplies: nine taps of the half that conditions, and the
    /// features.
    pub fn gathered_stride(&self) -> usize {
        taps_stride(self.half()).max(padded(9 * self.half() + self.features))
    }

    /// Whether the last convolutions of its networks are in Winograd's form.
    pub fn is_winograd(&self) -> bool {
        matches!(
            self.steps.first().map(|s| &s.w3),
            Some(LastConv::Winograd(_))
        )
    }

    /// Rows that belong together: a pair of picture lines in Winograd's form, else a tile's height in registers.
    pub fn grain(&self) -> usize {
        const REGISTER_ROWS: usize = 8;
        if self.is_winograd() {
            2 * self.grid.side
        } else {
            REGISTER_ROWS
        }
    }

    /// Rows that are coupled at a time.
    pub fn couple_rows(&self, width: usize) -> usize {
        tile_rows(width).next_multiple_of(self.grain())
    }

    /// Stride of what a network hands to its last phase: hidden activations in Winograd's form, else taps.
    pub fn between_stride(&self, width: usize) -> usize {
        if self.is_winograd() {
            padded(width)
        } else {
            self.taps_out_stride()
        }
    }

    /// Stride of a row with nine taps of the coupling network's output.
    pub fn taps_out_stride(&self) -> usize {
        taps_stride(self.coupling_out)
    }
}

/// A model, folded.
#[derive(Clone)]
pub struct Folded {
    /// Hidden channels.
    pub width: usize,
    /// The levels, finest first.
    pub levels: Vec<FoldedLevel>,
}

impl Folded {
    /// Folds `params`; `form` decides how its convolutions are kept.
    ///
    /// Errors: a 1x1 convolution that has no inverse, or an actnorm scale that is not finite.
    pub fn new(params: &Params, form: impl Into<Form>) -> Result<Self, ModelError> {
        Self::new_parallel(params, form, 1)
    }

    /// As [`Folded::new`], on several threads: training folds anew at every step.
    ///
    /// Errors: as [`Folded::new`].
    pub fn new_parallel(
        params: &Params,
        form: impl Into<Form>,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let form = form.into();
        let config = &params.config;
        let mut levels = (0..config.levels)
            .map(|l| Self::level(params, l, 0..0, form))
            .collect::<Result<Vec<_>, _>>()?;
        let depth = config.depth;
        let total = config.levels * depth;
        let steps = in_parallel(total, threads, |at| {
            let (l, k) = (at / depth, at % depth);
            FoldedStep::new(params, &StepPlace::of_level(config, l, k), form)
        });
        for (at, step) in steps.into_iter().enumerate() {
            levels[at / depth].steps.push(step?);
        }
        Ok(Self {
            width: config.width,
            levels,
        })
    }

    /// Folds the steps `steps` of one level.
    ///
    /// Errors: as [`Folded::new`].
    pub fn level(
        params: &Params,
        l: usize,
        steps: std::ops::Range<usize>,
        form: impl Into<Form>,
    ) -> Result<FoldedLevel, ModelError> {
        let form = form.into();
        let shapes = params.config.level_shapes();
        let shape = shapes[l];
        let steps = steps
            .map(|k| FoldedStep::new(params, &StepPlace::of_level(&params.config, l, k), form))
            .collect::<Result<_, _>>()?;
        let grid = Grid { side: shape.side };
        Ok(FoldedLevel {
            channels: shape.channels,
            coupling_out: params.config.coupling_out(shape.channels),
            affine: params.config.affine(),
            scale_function: params.config.variant.scale_function,
            classes: grid.border_classes(),
            grid,
            features: 0,
            steps,
            prior: fold_prior(
                params,
                l,
                shape.channels,
                l + 1 == shapes.len(),
                form.purpose,
            ),
        })
    }

    /// The flow of detail stage `i` of a chain, a level of its own.
    ///
    /// Errors: as [`Folded::new`].
    pub fn stage(
        params: &Params,
        i: usize,
        form: impl Into<Form>,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let flow = params.config.stage(i);
        let level = Self::stage_steps(params, i, 0..flow.depth, form, threads)?;
        Ok(Self {
            width: flow.width,
            levels: vec![level],
        })
    }

    /// Some steps of it.
    ///
    /// Errors: as [`Folded::new`].
    pub fn stage_steps(
        params: &Params,
        i: usize,
        steps: std::ops::Range<usize>,
        form: impl Into<Form>,
        threads: usize,
    ) -> Result<FoldedLevel, ModelError> {
        let (form, flow) = (form.into(), params.config.stage(i));
        let shape = flow.level_shapes()[0];
        let grid = Grid { side: shape.side };
        let features = params.config.detail[i].features;
        let first = steps.start;
        let steps = in_parallel(steps.len(), threads, |k| {
            let k = first + k;
            let place = StepPlace {
                prefix: format!("detail.{i}.steps.{k}."),
                channels: shape.channels,
                grid,
                features,
                config: &flow,
            };
            FoldedStep::new(params, &place, form)
        });
        Ok(FoldedLevel {
            channels: shape.channels,
            coupling_out: flow.coupling_out(shape.channels),
            affine: flow.affine(),
            scale_function: ScaleFunction::Sigmoid,
            classes: grid.border_classes(),
            grid,
            features,
            steps: steps.into_iter().collect::<Result<_, _>>()?,
            prior: FoldedPrior::Given,
        })
    }

    /// Bytes of all packed weights.
    pub fn bytes(&self) -> usize {
        let step = |s: &FoldedStep| {
            s.w1.bytes() + s.w2.bytes() + s.w3.bytes() + s.mix.bytes() + s.unmix.bytes()
        };
        self.levels.iter().flat_map(|l| &l.steps).map(step).sum()
    }
}

/// `exp(3 log_scale)`.
pub fn scale(log_scale: f32) -> f32 {
    (LOG_SCALE_FACTOR * log_scale).exp()
}

/// Where a step of flow stands, and what it is like there.
struct StepPlace<'a> {
    /// What its tensors' names begin with.
    prefix: String,
    /// Channels of the flow, `c`.
    channels: usize,
    grid: Grid,
    /// Channels that condition its coupling beside the half that does.
    features: usize,
    /// The model's, or that of its stage.
    config: &'a GlowConfig,
}

impl<'a> StepPlace<'a> {
    fn of_level(config: &'a GlowConfig, level: usize, step: usize) -> Self {
        let shape = config.level_shapes()[level];
        Self {
            prefix: format!("levels.{level}.steps.{step}."),
            channels: shape.channels,
            grid: Grid { side: shape.side },
            features: 0,
            config,
        }
    }
}

impl FoldedStep {
    fn new(
        params: &Params,
        place: &StepPlace,
        Form {
            purpose,
            arithmetic,
        }: Form,
    ) -> Result<Self, ModelError> {
        let StepPlace {
            prefix: ref p,
            channels: c,
            grid,
            features,
            config,
        } = *place;
        let get = |name: &str| params.slice(&format!("{p}{name}"));
        let (m, o, width) = (c / 2, config.coupling_out(c), config.width);

        let s1: Vec<f32> = get("coupling.actnorm1.log_scale")
            .iter()
            .map(|&v| scale(v))
            .collect();
        let s2: Vec<f32> = get("coupling.actnorm2.log_scale")
            .iter()
            .map(|&v| scale(v))
            .collect();
        let s3: Vec<f32> = get("coupling.conv3.log_scale")
            .iter()
            .map(|&v| scale(v))
            .collect();
        let (c1, c2, c3) = (
            get("coupling.conv1.weight"),
            get("coupling.conv2.weight"),
            get("coupling.conv3.weight"),
        );
        // A convolution's weights stand as [out, in, 3, 3]; row `tap * m + i` of `w1` is input i of a tap.
        // Below them stand those of the features that condition the coupling.
        let inject = params.get(&format!("{p}coupling.inject.weight"));
        let w1 = |row: usize, j: usize| {
            let weight = match row.checked_sub(9 * m) {
                None => c1[(j * m + row % m) * 9 + row / m],
                Some(u) => inject.map_or(0.0, |w| w[j * features + u]),
            };
            weight * s1[j]
        };
        let inputs = 9 * m + features;
        let w2 = |i: usize, j: usize| c2[j * width + i] * s2[j];
        let w3 = |i: usize, column: usize| {
            c3[(column % o * width + i) * 9 + column / o] * s3[column % o]
        };

        let by_class = config.padding == Padding::EdgeBias;
        let bias1 = get("coupling.actnorm1.bias");
        let border1 = params.get(&format!("{p}coupling.conv1.border_weight"));
        let b1 = BorderBias::new(width, by_class, |class, j| {
            (bias1[j] + border1.map_or(0.0, |w| outside_sum(class, |t| w[j * 9 + t]))) * s1[j]
        });
        let bias2 = get("coupling.actnorm2.bias");
        let mut b2 = Aligned::zeros(padded(width));
        (0..width).for_each(|j| b2[j] = bias2[j] * s2[j]);

        // Actnorm y = (x + b) s, then W: row vectors times (W diag(s))^T, bias W (s b).
        let singular = || ModelError::Shape {
            what: format!("{p}permutation"),
            expected: "an invertible matrix".into(),
            found: "a singular one, or numbers that are not finite".into(),
        };
        let (w, inverse, mixing_log_det) =
            params.mixing_and_inverse_at(p, c).ok_or_else(singular)?;
        let log_s: Vec<f64> = get("actnorm.log_scale")
            .iter()
            .map(|&v| f64::from(v) * f64::from(LOG_SCALE_FACTOR))
            .collect();
        let bias = get("actnorm.bias");
        let log_det = log_s.iter().sum::<f64>() + mixing_log_det;
        if !log_det.is_finite() {
            return Err(singular());
        }
        let forward = Matrix::from_fn(c, |i, j| w[(i, j)] * log_s[j].exp());
        let mix = PackedMatrix::from_fn(c, c, |j, i| forward[(i, j)] as f32);
        let mut mix_bias = Aligned::zeros(padded(c));
        let mut unmix_bias = Aligned::zeros(padded(c));
        for i in 0..c {
            mix_bias[i] = (0..c)
                .map(|j| forward[(i, j)] * f64::from(bias[j]))
                .sum::<f64>() as f32;
            unmix_bias[i] = -bias[i];
        }
        let unmix =
            PackedMatrix::from_fn(c, c, |i, j| (inverse[(j, i)] * (-log_s[j]).exp()) as f32);

        let transposed = (purpose == Purpose::Training).then(|| Transposed {
            w1: PackedMatrix::with_arithmetic(width, inputs, arithmetic, |i, j| w1(j, i)),
            w2: PackedMatrix::with_arithmetic(width, width, arithmetic, |i, j| w2(j, i)),
            w3: PackedMatrix::with_arithmetic(9 * o, width, arithmetic, |i, j| w3(j, i)),
            mix: PackedMatrix::from_fn(c, c, |i, j| forward[(i, j)] as f32),
        });
        Ok(Self {
            w1: PackedMatrix::with_arithmetic(inputs, width, arithmetic, w1),
            b1,
            w2: PackedMatrix::with_arithmetic(width, width, arithmetic, w2),
            b2,
            // Winograd's differences of neighbours are more than bf16 has digits for.
            w3: if purpose == Purpose::Inference
                && arithmetic.or_f32() == Arithmetic::F32
                && winograd::takes(grid, width)
            {
                LastConv::Winograd(winograd::Weights::new(width, o, |t, i, j| w3(i, t * o + j)))
            } else {
                LastConv::Taps(PackedMatrix::with_arithmetic(width, 9 * o, arithmetic, w3))
            },
            b3: final_bias(
                params,
                &format!("{p}coupling.conv3"),
                o,
                width,
                config.padding,
            ),
            mix,
            mix_bias,
            unmix,
            unmix_bias,
            log_det,
            transposed,
        })
    }
}

/// Sum of `value(tap)` over the taps that look outside from a border class.
pub fn outside_sum(class: usize, value: impl Fn(usize) -> f32) -> f32 {
    (0..9)
        .filter(|&t| tap_is_outside(class, t))
        .map(value)
        .sum()
}

/// The bias table of a convolution with `log_scale`: its own bias and what the padding adds.
fn final_bias(
    params: &Params,
    name: &str,
    out: usize,
    input: usize,
    padding: Padding,
) -> BorderBias {
    let get = |leaf: &str| params.slice(&format!("{name}.{leaf}"));
    let (bias, log_scale, weight) = (get("bias"), get("log_scale"), get("weight"));
    let border = params.get(&format!("{name}.border_weight"));
    BorderBias::new(out, padding != Padding::Zeros, |class, j| {
        let extra = outside_sum(class, |t| match padding {
            Padding::Zeros => 0.0,
            Padding::EdgeBias => border.map_or(0.0, |w| w[j * 9 + t]),
            Padding::FinalOnes => (0..input).map(|i| weight[(j * input + i) * 9 + t]).sum(),
        });
        (bias[j] + extra) * scale(log_scale[j])
    })
}

fn fold_prior(
    params: &Params,
    level: usize,
    c: usize,
    is_top: bool,
    purpose: Purpose,
) -> FoldedPrior {
    if is_top {
        let (mean, log_std) = (params.slice("prior.mean"), params.slice("prior.log_std"));
        let pixels = mean.len() / c;
        let stride = padded(2 * c);
        let mut rows = Aligned::zeros(pixels * stride);
        for p in 0..pixels {
            for j in 0..c {
                rows[p * stride + j] = mean[j * pixels + p];
                rows[p * stride + c + j] = log_std[j * pixels + p];
            }
        }
        return FoldedPrior::Top {
            rows,
            stride,
            is_map: pixels > 1,
        };
    }
    let m = c / 2;
    if params.config.variant.split_prior == SplitPrior::Table {
        // A standard normal: mean and log_std of the table are taken where latents come in and go out.
        return FoldedPrior::Split {
            w: PackedMatrix::from_fn(9 * m, c, |_, _| 0.0),
            b: BorderBias::new(c, false, |_, _| 0.0),
            transposed: None,
        };
    }
    let name = format!("levels.{level}.split.prior");
    let weight = params.slice(&format!("{name}.weight"));
    let s: Vec<f32> = params
        .slice(&format!("{name}.log_scale"))
        .iter()
        .map(|&v| scale(v))
        .collect();
    let entry = |row: usize, j: usize| weight[(j * m + row % m) * 9 + row / m] * s[j];
    FoldedPrior::Split {
        w: PackedMatrix::from_fn(9 * m, c, entry),
        b: final_bias(params, &name, c, m, params.config.padding),
        transposed: (purpose == Purpose::Training)
            .then(|| PackedMatrix::from_fn(c, 9 * m, |i, j| entry(j, i))),
    }
}
