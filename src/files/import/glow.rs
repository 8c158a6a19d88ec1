//! A Glow in double precision, in the form that all programs are brought to, and how it becomes parameters of ours.

use super::{ImportError, Options};
use crate::config::{
    Coupling, GlowConfig, Padding, Permutation, ScaleFunction, SplitPrior, Variant,
};
use crate::linalg::Matrix;
use crate::model::params::Params;

/// `(x + bias) * exp(log_s)`, a number for each channel.
pub struct Norm {
    pub bias: Vec<f64>,
    pub log_s: Vec<f64>,
}

impl Norm {
    /// A bias alone.
    pub fn bias(bias: Vec<f64>) -> Self {
        let log_s = vec![0.0; bias.len()];
        Self { bias, log_s }
    }
}

/// A channel mixing, `y = W x`.
pub enum ForeignMixing {
    Plain(Matrix),
    /// `W = p (l + I) (u + diag(sign * exp(log_s)))`; only what is strictly below (above) the diagonal of `l` (`u`) counts.
    Lu {
        p: Matrix,
        l: Matrix,
        u: Matrix,
        sign: Vec<f64>,
        log_s: Vec<f64>,
    },
    /// `y[i] = x[indices[i]]`.
    Shuffle(Vec<usize>),
    Reverse,
}

impl ForeignMixing {
    /// The matrix.
    fn matrix(&self, c: usize) -> Matrix {
        match self {
            Self::Plain(w) => w.clone(),
            Self::Lu {
                p,
                l,
                u,
                sign,
                log_s,
            } => {
                let lower = Matrix::from_fn(c, |i, j| match i.cmp(&j) {
                    std::cmp::Ordering::Greater => l[(i, j)],
                    std::cmp::Ordering::Equal => 1.0,
                    std::cmp::Ordering::Less => 0.0,
                });
                let upper = Matrix::from_fn(c, |i, j| match i.cmp(&j) {
                    std::cmp::Ordering::Less => u[(i, j)],
                    std::cmp::Ordering::Equal => sign[i] * log_s[i].exp(),
                    std::cmp::Ordering::Greater => 0.0,
                });
                p.dot(&lower).dot(&upper)
            }
            Self::Shuffle(indices) => {
                Matrix::from_fn(c, |i, j| if indices[i] == j { 1.0 } else { 0.0 })
            }
            Self::Reverse => Matrix::from_fn(c, |i, j| if i + j + 1 == c { 1.0 } else { 0.0 }),
        }
    }

    fn kind(&self) -> Permutation {
        match self {
            Self::Plain(_) => Permutation::Invconv,
            Self::Lu { .. } => Permutation::InvconvLu,
            Self::Shuffle(_) => Permutation::Shuffle,
            Self::Reverse => Permutation::Reverse,
        }
    }

    /// The same of channels each of which is first multiplied by its sign.
    pub fn after_signs(self, sign: &[f64]) -> Self {
        if sign.iter().all(|s| *s > 0.0) {
            return self;
        }
        let scaled = |m: &Matrix| Matrix::from_fn(m.n, |i, j| m[(i, j)] * sign[j]);
        match self {
            Self::Plain(w) => Self::Plain(scaled(&w)),
            Self::Lu {
                p,
                l,
                u,
                sign: diagonal,
                log_s,
            } => Self::Lu {
                p,
                l,
                u: scaled(&u),
                sign: diagonal.iter().zip(sign).map(|(a, b)| a * b).collect(),
                log_s,
            },
            other => Self::Plain(scaled(&other.matrix(sign.len()))),
        }
    }
}

/// Weights `[out, in, k, k]`, and those of the channel that is one on the padding, `[out, 3, 3]`.
pub struct ForeignConv {
    pub weight: Vec<f64>,
    pub border: Option<Vec<f64>>,
}

/// `(conv(x) + bias) * exp(log_s)`.
pub struct FinalConv {
    pub conv: ForeignConv,
    pub norm: Norm,
}

impl FinalConv {
    /// The output channels in another order: channel `i` is the old one `order[i]`.
    pub fn reordered(self, order: &[usize]) -> Self {
        let rows = |v: &[f64]| -> Vec<f64> {
            let n = v.len() / order.len();
            order
                .iter()
                .flat_map(|&i| v[i * n..(i + 1) * n].iter().copied())
                .collect()
        };
        Self {
            conv: ForeignConv {
                weight: rows(&self.conv.weight),
                border: self.conv.border.as_deref().map(rows),
            },
            norm: Norm {
                bias: rows(&self.norm.bias),
                log_s: rows(&self.norm.log_s),
            },
        }
    }

    /// The output channels of `range` negated.
    pub fn negated(mut self, range: std::ops::Range<usize>) -> Self {
        let n = self.norm.bias.len();
        let negate = |v: &mut [f64]| {
            let per = v.len() / n;
            v[range.start * per..range.end * per]
                .iter_mut()
                .for_each(|v| *v = -*v);
        };
        negate(&mut self.conv.weight);
        self.conv.border.as_deref_mut().map(negate);
        negate(&mut self.norm.bias);
        self
    }
}

/// Even channels first, then odd ones: from interleaved pairs to halves.
pub fn halves_of_pairs(n: usize) -> Vec<usize> {
    (0..n).step_by(2).chain((1..n).step_by(2)).collect()
}

/// The second half first.
pub fn halves_swapped(n: usize) -> Vec<usize> {
    (n / 2..n).chain(0..n / 2).collect()
}

/// A step of flow. The output of `conv3` is shift, then raw; or shift alone.
pub struct ForeignStep {
    pub actnorm: Norm,
    pub mixing: ForeignMixing,
    pub conv1: ForeignConv,
    pub norm1: Norm,
    pub conv2: ForeignConv,
    pub norm2: Norm,
    pub conv3: FinalConv,
}

/// A prior of numbers: one for each channel, or a map.
#[derive(Clone)]
pub struct PriorTable {
    pub mean: Vec<f64>,
    pub log_std: Vec<f64>,
    pub condition: Option<ByValue>,
}

/// What each value of a condition adds to mean and log_std, `[values, ..]`: a number for each channel, or a map.
#[derive(Clone)]
pub struct ByValue {
    pub values: usize,
    pub mean: Vec<f64>,
    pub log_std: Vec<f64>,
}

impl PriorTable {
    /// `n` numbers that say standard normal.
    pub fn standard(n: usize) -> Self {
        Self {
            mean: vec![0.0; n],
            log_std: vec![0.0; n],
            condition: None,
        }
    }

    /// What a final 3x3 convolution makes of zeros, with `tap(channel, tap)` for each tap that looks outside: mean, then
    /// log_std.
    pub fn of_border(side: usize, norm: &Norm, tap: impl Fn(usize, usize) -> f64) -> Self {
        let taps: Vec<[f64; 9]> = (0..norm.bias.len())
            .map(|j| std::array::from_fn(|t| tap(j, t)))
            .collect();
        let is_outside = |at: usize, step: usize| at + step == 0 || at + step > side;
        let value = |j: usize, y: usize, x: usize| {
            let outside = (0..9).filter(|t| is_outside(y, t / 3) || is_outside(x, t % 3));
            let sum: f64 = outside.map(|t| taps[j][t]).sum();
            (norm.bias[j] + sum) * norm.log_s[j].exp()
        };
        let mut all = (0..norm.bias.len())
            .flat_map(|j| (0..side * side).map(move |at| (j, at / side, at % side)));
        let half = norm.bias.len() / 2 * side * side;
        let mean = all
            .by_ref()
            .take(half)
            .map(|(j, y, x)| value(j, y, x))
            .collect();
        Self {
            mean,
            log_std: all.map(|(j, y, x)| value(j, y, x)).collect(),
            condition: None,
        }
    }

    /// Adds a base to mean and log_std, a number for each channel, and takes what the values of a condition add.
    pub fn add(&mut self, base: &[Vec<f64>; 2], by_value: &ByValue) {
        let repeat = self.mean.len() / base[0].len().max(1);
        let spread = |v: &[f64]| -> Vec<f64> {
            v.iter()
                .flat_map(|v| std::iter::repeat_n(*v, repeat))
                .collect()
        };
        for (to, more) in [&mut self.mean, &mut self.log_std].into_iter().zip(base) {
            to.iter_mut().zip(spread(more)).for_each(|(a, b)| *a += b);
        }
        self.condition = Some(by_value.clone());
    }

    /// The table as a map of `len` numbers, each repeated over its channel.
    fn spread(self, len: usize) -> Self {
        let spread = |v: Vec<f64>, len: usize| -> Vec<f64> {
            let repeat = len / v.len().max(1);
            v.into_iter()
                .flat_map(|v| std::iter::repeat_n(v, repeat))
                .collect()
        };
        let by_value = |c: ByValue| ByValue {
            mean: spread(c.mean, c.values * len),
            log_std: spread(c.log_std, c.values * len),
            values: c.values,
        };
        Self {
            mean: spread(self.mean, len),
            log_std: spread(self.log_std, len),
            condition: self.condition.map(by_value),
        }
    }
}

/// What a split says of the half that it factors out.
pub enum ForeignSplit {
    /// Mean, then log_std.
    Conv(FinalConv),
    Table(PriorTable),
}

/// One level.
pub struct ForeignLevel {
    pub steps: Vec<ForeignStep>,
    pub split: Option<ForeignSplit>,
}

/// A whole model.
pub struct ForeignGlow {
    /// Pixels a side, where the file says it.
    pub image_size: Option<usize>,
    pub width: usize,
    pub channels: usize,
    pub padding: Padding,
    pub coupling: Coupling,
    pub scale_function: ScaleFunction,
    /// Whether the scale function is not in the file.
    pub asks_scale: bool,
    /// Bits a subpixel that the program takes where nothing is said, and whether it can take others.
    pub bits: (u32, bool),
    /// `their x = gain * ours + offset`.
    pub input: (f64, f64),
    pub levels: Vec<ForeignLevel>,
    /// The top's prior, given how many pixels it has a side.
    pub top: Box<dyn Fn(usize) -> PriorTable>,
}

/// What neither the file nor the options say.
#[derive(Default)]
pub struct Unsaid {
    /// What was taken for it.
    pub taken: Options,
    /// The same for people.
    pub notes: Vec<String>,
}

impl ForeignGlow {
    /// The side of a picture: what the file says, what the options say, or the usual.
    fn size(&self, options: &Options, unsaid: &mut Unsaid) -> Result<usize, ImportError> {
        match (self.image_size, options.image_size) {
            (Some(found), Some(asked)) if found != asked => Err(ImportError::option(&format!(
                "its pictures have {found} pixels a side, not {asked}: leave --image-size out"
            ))),
            (Some(found), _) => Ok(found),
            (None, Some(asked)) => Ok(asked),
            (None, None) => {
                // Four pixels a side at the top, as in every experiment of the paper but one.
                let size = 4 << self.levels.len().min(8);
                unsaid.taken.image_size = Some(size);
                unsaid.notes.push(format!(
                    "the file does not say the size of its pictures; {size} pixels are taken, say --image-size for others"
                ));
                Ok(size)
            }
        }
    }

    fn bits(&self, options: &Options, unsaid: &mut Unsaid) -> u32 {
        let (usual, varies) = self.bits;
        options.bits.unwrap_or_else(|| {
            if varies {
                unsaid.taken.bits = Some(usual);
                unsaid.notes.push(format!(
                    "the file does not say its bits a subpixel; {usual} are taken, say --bits for others"
                ));
            }
            usual
        })
    }

    /// Parameters of ours.
    ///
    /// Errors: a config that no model can have, numbers that do not fit it, or a matrix without an inverse.
    pub fn into_params(
        mut self,
        options: &Options,
        n_bytes: usize,
    ) -> Result<(Params, Unsaid), ImportError> {
        let mut unsaid = Unsaid::default();
        let image_size = self.size(options, &mut unsaid)?;
        let bits = self.bits(options, &mut unsaid);
        if self.asks_scale && options.scale_function.is_none() {
            unsaid.taken.scale_function = Some(self.scale_function);
            unsaid.notes.push(
                "the file does not say the scale map of its couplings; the sigmoid is taken, say --scale-function for others"
                    .to_owned(),
            );
        }
        let n_levels = self.levels.len();
        let depth = self.levels.first().map_or(0, |level| level.steps.len());
        if let Some(l) = self.levels.iter().position(|l| l.steps.len() != depth) {
            return Err(ImportError::foreign(&format!(
                "level {l} has {} steps and the first has {depth}, but all must have as many",
                self.levels[l].steps.len()
            )));
        }
        let kinds = self
            .levels
            .iter()
            .flat_map(|l| &l.steps)
            .map(|s| s.mixing.kind());
        let permutation = same(kinds).unwrap_or(Permutation::Invconv);
        let has_tables = |l: &ForeignLevel| matches!(l.split, Some(ForeignSplit::Table(_)));
        let mut config = GlowConfig {
            image_size,
            channels: self.channels,
            levels: n_levels,
            depth,
            width: self.width,
            permutation,
            coupling: self.coupling,
            bits,
            padding: self.padding,
            scale_floor: Default::default(),
            detail: Vec::new(),
            variant: Variant {
                scale_function: self.scale_function,
                split_prior: if self.levels.iter().any(has_tables) {
                    SplitPrior::Table
                } else {
                    SplitPrior::Conv
                },
                condition: 0,
            },
        };
        let check = |config: GlowConfig| {
            let checked = config.validated();
            checked.map_err(|e| ImportError::option(&e.to_string()))
        };
        // Before the top is made, whose size is the config's.
        config = check(config)?;
        let top = (self.top)(image_size >> n_levels);
        config.variant.condition = top.condition.as_ref().map_or(0, |c| c.values);
        config = check(config)?;
        let shapes = config.level_shapes();
        let numbers = |split: &Option<ForeignSplit>| match split {
            Some(ForeignSplit::Table(table)) => table.mean.len(),
            _ => 0,
        };
        let is_map = top.mean.len() > shapes[n_levels - 1].channels
            || (self.levels.iter().zip(&shapes)).any(|(l, s)| numbers(&l.split) > s.eps_channels);
        let layout = crate::model::params::Layout::new(&config, is_map);
        if layout.len() > n_bytes.saturating_mul(4) {
            return Err(ImportError::damaged(
                "it is too short for the model that its names describe",
            ));
        }
        if let Some(step) = self.levels.first_mut().and_then(|l| l.steps.first_mut()) {
            let (gain, offset) = self.input;
            let actnorm = &mut step.actnorm;
            actnorm
                .bias
                .iter_mut()
                .for_each(|b| *b = (*b + offset) / gain);
            actnorm.log_s.iter_mut().for_each(|s| *s += gain.ln());
        }
        let mut writer = ParamsWriter {
            params: Params::zeros(config, is_map),
            wrong: None,
        };
        let levels = std::mem::take(&mut self.levels);
        for (l, level) in levels.into_iter().enumerate() {
            for (k, step) in level.steps.into_iter().enumerate() {
                writer.step(&format!("levels.{l}.steps.{k}."), shapes[l].channels, step);
            }
            let prefix = format!("levels.{l}.split.prior");
            match level.split {
                Some(ForeignSplit::Conv(conv)) => writer.final_conv(&prefix, &conv),
                Some(ForeignSplit::Table(table)) => {
                    writer.table(&prefix, table, shapes[l].eps_len(), is_map)
                }
                None => {}
            }
        }
        let len = shapes[n_levels - 1].eps_len();
        writer.table("prior", top, len, is_map);
        let wrong = writer.wrong.or_else(|| {
            let step = writer.params.first_singular()?;
            Some(format!(
                "the channel mixing of {step}permutation is a singular matrix, which nothing undoes"
            ))
        });
        match wrong {
            Some(problem) => Err(ImportError::damaged(&problem)),
            None => Ok((writer.params, unsaid)),
        }
    }
}

/// The one value, where all are the same.
fn same<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|v| v == first).then_some(first)
}

struct ParamsWriter {
    params: Params,
    /// The first thing that did not fit.
    wrong: Option<String>,
}

impl ParamsWriter {
    fn set(&mut self, name: &str, numbers: impl IntoIterator<Item = f64>) {
        let Some(entry) = self.params.layout.entry(name) else {
            self.wrong
                .get_or_insert(format!("its numbers for {name} have no place"));
            return;
        };
        let count = entry.count();
        let numbers: Vec<f32> = numbers.into_iter().map(|v| v as f32).collect();
        if numbers.len() != count {
            self.wrong.get_or_insert(format!(
                "it has {} numbers for {name}, where {count} are needed",
                numbers.len()
            ));
        } else if numbers.iter().any(|v| !v.is_finite()) {
            self.wrong
                .get_or_insert(format!("{name} comes to numbers that are not finite"));
        } else {
            self.params.slice_mut(name).copy_from_slice(&numbers);
        }
    }

    fn norm(&mut self, prefix: &str, norm: &Norm) {
        self.set(&format!("{prefix}bias"), norm.bias.iter().copied());
        let third = norm.log_s.iter().map(|s| s / 3.0);
        self.set(&format!("{prefix}log_scale"), third);
    }

    fn conv(&mut self, prefix: &str, conv: &ForeignConv) {
        self.set(&format!("{prefix}.weight"), conv.weight.iter().copied());
        if let Some(border) = &conv.border {
            self.set(&format!("{prefix}.border_weight"), border.iter().copied());
        }
    }

    fn final_conv(&mut self, prefix: &str, conv: &FinalConv) {
        self.conv(prefix, &conv.conv);
        self.norm(&format!("{prefix}."), &conv.norm);
    }

    fn table(&mut self, prefix: &str, mut table: PriorTable, len: usize, is_map: bool) {
        if is_map {
            table = table.spread(len);
        }
        self.set(&format!("{prefix}.mean"), table.mean);
        self.set(&format!("{prefix}.log_std"), table.log_std);
        if let Some(by_value) = table.condition {
            self.set(&format!("{prefix}.condition_mean"), by_value.mean);
            self.set(&format!("{prefix}.condition_log_std"), by_value.log_std);
        }
    }

    fn step(&mut self, prefix: &str, c: usize, step: ForeignStep) {
        self.norm(&format!("{prefix}actnorm."), &step.actnorm);
        self.mixing(&format!("{prefix}permutation."), c, &step.mixing);
        let p = format!("{prefix}coupling.");
        self.conv(&format!("{p}conv1"), &step.conv1);
        self.norm(&format!("{p}actnorm1."), &step.norm1);
        self.conv(&format!("{p}conv2"), &step.conv2);
        self.norm(&format!("{p}actnorm2."), &step.norm2);
        self.final_conv(&format!("{p}conv3"), &step.conv3);
    }

    fn mixing(&mut self, p: &str, c: usize, mixing: &ForeignMixing) {
        match (self.params.config.permutation, mixing) {
            (
                Permutation::InvconvLu,
                ForeignMixing::Lu {
                    p: matrix,
                    l,
                    u,
                    sign,
                    log_s,
                },
            ) => {
                let kept = |m: &Matrix, keep: fn(usize, usize) -> bool| {
                    Matrix::from_fn(c, |i, j| if keep(i, j) { m[(i, j)] } else { 0.0 }).data
                };
                self.set(&format!("{p}p"), matrix.data.iter().copied());
                self.set(&format!("{p}l"), kept(l, |i, j| j < i));
                self.set(&format!("{p}u"), kept(u, |i, j| j > i));
                self.set(&format!("{p}sign_s"), sign.iter().copied());
                self.set(&format!("{p}log_s"), log_s.iter().copied());
            }
            (Permutation::Shuffle, ForeignMixing::Shuffle(indices)) => {
                self.set(&format!("{p}indices"), indices.iter().map(|&i| i as f64));
            }
            (Permutation::Reverse, ForeignMixing::Reverse) => {}
            (_, mixing) => self.set(&format!("{p}weight"), mixing.matrix(c).data),
        }
    }
}
