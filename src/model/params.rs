//! The parameters of a model: one flat vector, and the one table of tensor names and shapes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{GlowConfig, Padding, Permutation, SplitPrior};
use crate::linalg::Matrix;
use crate::noise::Noise;

/// One tensor of the weight file.
#[derive(Clone, Debug)]
pub struct LayoutEntry {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where it starts in the flat vector.
    pub offset: usize,
    /// Whether training changes it; `p`, `sign_s` and `indices` stay as they were drawn.
    pub trained: bool,
}

impl LayoutEntry {
    /// Numbers in it.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Every tensor of a configuration, in the order of the file.
#[derive(Debug)]
pub struct Layout {
    entries: Vec<LayoutEntry>,
    index: HashMap<String, usize>,
    len: usize,
}

impl Layout {
    /// The layout of `config`; `prior_map`: the top prior is a map `[c, h, w]` instead of `[c]`.
    pub fn new(config: &GlowConfig, prior_map: bool) -> Self {
        let mut layout = Self {
            entries: Vec::new(),
            index: HashMap::new(),
            len: 0,
        };
        let shapes = config.level_shapes();
        for (l, shape) in shapes.iter().enumerate() {
            let (c, m) = (shape.channels, shape.channels / 2);
            for k in 0..config.depth {
                layout.push_step(&format!("levels.{l}.steps.{k}."), c, config, 0);
            }
            let map = prior_map.then_some(shape.side);
            if l + 1 == shapes.len() {
                layout.push_table("", c, map, config.variant.condition);
            } else if config.variant.split_prior == SplitPrior::Table {
                let p = format!("levels.{l}.split.");
                layout.push_table(&p, m, map, config.variant.condition);
            } else {
                let p = format!("levels.{l}.split.");
                layout.push_conv(&p, "prior", [c, m, 3], config);
                layout.push(&p, "prior.bias", &[c], true);
                layout.push(&p, "prior.log_scale", &[c], true);
            }
        }
        // After the plain Glow, whose tensors are so the first part of the numbers.
        for i in 0..config.detail.len() {
            layout.push_stage(i, config);
        }
        layout
    }

    fn push_stage(&mut self, i: usize, config: &GlowConfig) {
        let (stage, flow) = (config.detail[i], config.stage(i));
        let (p, c) = (format!("detail.{i}."), 4 * flow.channels);
        let (t, u) = (stage.trunk, stage.features);
        let mut conv = |name: &str, shape: [usize; 4]| {
            let p = format!("{p}trunk.{name}.");
            self.push(&p, "weight", &shape, true);
            self.push(&p, "bias", &shape[..1], true);
        };
        conv("first", [t, 4 * config.channels, 3, 3]);
        for b in 0..stage.blocks {
            conv(&format!("blocks.{b}.conv1"), [t, t, 3, 3]);
            conv(&format!("blocks.{b}.conv2"), [t, t, 3, 3]);
        }
        conv("last", [u, t, 1, 1]);
        for k in 0..stage.depth {
            self.push_step(&format!("{p}steps.{k}."), c, &flow, u);
        }
        self.push(&p, "prior.weight", &[2 * c, u, 3, 3], true);
        self.push(&p, "prior.bias", &[2 * c], true);
        self.push(&p, "prior.log_scale", &[2 * c], true);
    }

    /// A step of flow on `c` channels, its coupling given `features` more.
    fn push_step(&mut self, p: &str, c: usize, config: &GlowConfig, features: usize) {
        let (m, o, width) = (c / 2, config.coupling_out(c), config.width);
        self.push(p, "actnorm.bias", &[c], true);
        self.push(p, "actnorm.log_scale", &[c], true);
        match config.permutation {
            Permutation::Invconv => self.push(p, "permutation.weight", &[c, c], true),
            Permutation::InvconvLu => {
                self.push(p, "permutation.p", &[c, c], false);
                self.push(p, "permutation.l", &[c, c], true);
                self.push(p, "permutation.u", &[c, c], true);
                self.push(p, "permutation.sign_s", &[c], false);
                self.push(p, "permutation.log_s", &[c], true);
            }
            Permutation::Shuffle => self.push(p, "permutation.indices", &[c], false),
            Permutation::Reverse => {}
        }
        self.push_conv(p, "coupling.conv1", [width, m, 3], config);
        if features > 0 {
            let shape = [width, features, 1, 1];
            self.push(p, "coupling.inject.weight", &shape, true);
        }
        self.push(p, "coupling.actnorm1.bias", &[width], true);
        self.push(p, "coupling.actnorm1.log_scale", &[width], true);
        self.push_conv(p, "coupling.conv2", [width, width, 1], config);
        self.push(p, "coupling.actnorm2.bias", &[width], true);
        self.push(p, "coupling.actnorm2.log_scale", &[width], true);
        self.push_conv(p, "coupling.conv3", [o, width, 3], config);
        self.push(p, "coupling.conv3.bias", &[o], true);
        self.push(p, "coupling.conv3.log_scale", &[o], true);
    }

    fn push(&mut self, prefix: &str, name: &str, shape: &[usize], trained: bool) {
        let name = format!("{prefix}{name}");
        self.index.insert(name.clone(), self.entries.len());
        self.entries.push(LayoutEntry {
            name,
            shape: shape.to_vec(),
            offset: self.len,
            trained,
        });
        self.len += shape.iter().product::<usize>();
    }

    /// A prior of numbers of its own, one a channel or a map of them, and what each value of a condition adds.
    fn push_table(&mut self, prefix: &str, channels: usize, map: Option<usize>, condition: usize) {
        let mut shape = vec![channels];
        shape.extend(map.into_iter().flat_map(|side| [side, side]));
        let mut by_value = vec![condition];
        by_value.extend(&shape);
        self.push(prefix, "prior.mean", &shape, true);
        self.push(prefix, "prior.log_std", &shape, true);
        if condition > 0 {
            self.push(prefix, "prior.condition_mean", &by_value, true);
            self.push(prefix, "prior.condition_log_std", &by_value, true);
        }
    }

    fn push_conv(
        &mut self,
        prefix: &str,
        name: &str,
        [out, input, kernel]: [usize; 3],
        config: &GlowConfig,
    ) {
        self.push(
            prefix,
            &format!("{name}.weight"),
            &[out, input, kernel, kernel],
            true,
        );
        if kernel > 1 && config.padding == Padding::EdgeBias {
            self.push(
                prefix,
                &format!("{name}.border_weight"),
                &[out, 1, kernel, kernel],
                true,
            );
        }
    }

    /// All tensors, in the order of the file.
    pub fn entries(&self) -> &[LayoutEntry] {
        &self.entries
    }

    /// The tensor of a name.
    pub fn entry(&self, name: &str) -> Option<&LayoutEntry> {
        self.index.get(name).map(|&at| &self.entries[at])
    }

    /// Numbers in all tensors.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: every model has parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A configuration, a layout and the numbers.
#[derive(Clone, Debug)]
pub struct Params {
    /// The configuration.
    pub config: GlowConfig,
    /// Names and shapes.
    pub layout: Arc<Layout>,
    /// The numbers, in the order of the layout.
    pub data: Vec<f32>,
}

impl Params {
    /// All zeros.
    pub fn zeros(config: GlowConfig, prior_map: bool) -> Self {
        let layout = Arc::new(Layout::new(&config, prior_map));
        let data = vec![0.0; layout.len()];
        Self {
            config,
            layout,
            data,
        }
    }

    /// A fresh model, as the paper's code has it before data-dependent initialisation: 1x1 convolutions
    /// are random rotations, hidden convolutions `N(0, 0.05^2)`, all else zero, so that every coupling
    /// starts as the identity (up to the constant factor `sigmoid(2)`).
    pub fn initial(config: GlowConfig, seed: u64) -> Self {
        let mut params = Self::zeros(config, false);
        let mut noise = Noise::new(seed);
        let layout = Arc::clone(&params.layout);
        for entry in layout.entries() {
            let name = entry.name.as_str();
            let c = entry.shape[0];
            if name.contains(".trunk.") {
                // As for networks of relus (He et al. 2015); residual blocks start as the identity.
                if entry.shape.len() > 1 && !name.contains(".conv2.") {
                    let inputs: usize = entry.shape[1..].iter().product();
                    let std = (2.0 / inputs as f32).sqrt();
                    let weights = params.slice_mut(name).iter_mut();
                    weights.for_each(|v| *v = std * noise.normal());
                }
            } else if [".conv1.", ".conv2.", ".inject."]
                .iter()
                .any(|n| name.contains(n))
            {
                params
                    .slice_mut(name)
                    .iter_mut()
                    .for_each(|v| *v = 0.05 * noise.normal());
            } else if name.ends_with("permutation.weight") {
                let rotation = random_rotation(c, &mut noise);
                copy_f64(params.slice_mut(name), rotation.data.iter());
            } else if let Some(base) = name.strip_suffix("permutation.p") {
                let lu = random_rotation(c, &mut noise).lu();
                // W = P^T (L U) with row i of P W = row order[i] of W, so P^T[order[i], i] = 1.
                for (i, &row) in lu.order.iter().enumerate() {
                    params.slice_mut(name)[row * c + i] = 1.0;
                }
                let f = &lu.factors;
                let lower = Matrix::from_fn(c, |i, j| if j < i { f[(i, j)] } else { 0.0 });
                let upper = Matrix::from_fn(c, |i, j| if j > i { f[(i, j)] } else { 0.0 });
                copy_f64(
                    params.slice_mut(&format!("{base}permutation.l")),
                    lower.data.iter(),
                );
                copy_f64(
                    params.slice_mut(&format!("{base}permutation.u")),
                    upper.data.iter(),
                );
                let diagonal: Vec<f64> = (0..c).map(|i| f[(i, i)]).collect();
                let sign: Vec<f64> = diagonal.iter().map(|v| v.signum()).collect();
                let log: Vec<f64> = diagonal.iter().map(|v| v.abs().ln()).collect();
                copy_f64(
                    params.slice_mut(&format!("{base}permutation.sign_s")),
                    sign.iter(),
                );
                copy_f64(
                    params.slice_mut(&format!("{base}permutation.log_s")),
                    log.iter(),
                );
            } else if name.ends_with("permutation.indices") {
                let mut order: Vec<usize> = (0..c).collect();
                noise.shuffle(&mut order);
                params
                    .slice_mut(name)
                    .iter_mut()
                    .zip(order)
                    .for_each(|(v, i)| *v = i as f32);
            }
        }
        params
    }

    /// A fresh model with every trained number moved off its initial value, so that no layer is the
    /// identity: for tests and for timing.
    pub fn perturbed(config: GlowConfig, seed: u64) -> Self {
        let mut params = Self::initial(config, seed);
        let mut noise = Noise::with_stream(seed, 1);
        let layout = Arc::clone(&params.layout);
        for entry in layout
            .entries()
            .iter()
            .filter(|e| e.trained && !e.name.ends_with("permutation.weight"))
        {
            let (c, std) = (
                entry.shape[0],
                if entry.shape.len() > 1 { 0.01 } else { 0.02 },
            );
            let (lower, upper) = (
                entry.name.ends_with("permutation.l"),
                entry.name.ends_with("permutation.u"),
            );
            for (at, v) in params.slice_mut(&entry.name).iter_mut().enumerate() {
                let n = std * noise.normal();
                let (i, j) = (at / c, at % c);
                if (!lower || j < i) && (!upper || j > i) {
                    *v += n;
                }
            }
        }
        params
    }

    /// The parameters of the plain Glow at the bottom of a chain; all of them where there are no stages.
    pub fn base(&self) -> Self {
        let mut base = Self::zeros(self.config.base(), self.has_prior_map());
        let n = base.data.len();
        base.data.copy_from_slice(&self.data[..n]);
        base
    }

    /// Whether the top prior is a map, a number for each pixel.
    pub fn has_prior_map(&self) -> bool {
        let mean = self.layout.entry("prior.mean");
        mean.is_some_and(|mean| mean.shape.len() > 1)
    }

    /// A tensor's numbers.
    ///
    /// # Panics
    /// For a name that the layout does not have: a bug, since files are checked against the layout.
    pub fn slice(&self, name: &str) -> &[f32] {
        let entry = self
            .layout
            .entry(name)
            .unwrap_or_else(|| panic!("no tensor {name}"));
        &self.data[entry.offset..entry.offset + entry.count()]
    }

    /// A tensor's numbers, to change.
    ///
    /// # Panics
    /// As [`Params::slice`].
    pub fn slice_mut(&mut self, name: &str) -> &mut [f32] {
        let entry = self
            .layout
            .entry(name)
            .unwrap_or_else(|| panic!("no tensor {name}"));
        let range = entry.offset..entry.offset + entry.count();
        &mut self.data[range]
    }

    /// A tensor's numbers, where there is such a tensor.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        self.layout
            .entry(name)
            .map(|e| &self.data[e.offset..e.offset + e.count()])
    }

    /// The channel mixing `W` of a step, `y = W x` at each pixel, and `ln |det W|`, both in double precision.
    pub fn mixing(&self, level: usize, step: usize) -> (Matrix, f64) {
        let c = self.config.level_shapes()[level].channels;
        self.mixing_at(&format!("levels.{level}.steps.{step}."), c)
    }

    /// The same of the step whose tensors' names begin with `prefix`, on `c` channels.
    pub fn mixing_at(&self, prefix: &str, c: usize) -> (Matrix, f64) {
        let p = format!("{prefix}permutation.");
        match self.config.permutation {
            Permutation::Invconv => {
                let w = Matrix::from_f32(c, self.slice(&format!("{p}weight")));
                let log_det = w.log_abs_det();
                (w, log_det)
            }
            Permutation::InvconvLu => {
                let (lower, upper) = self.lu_factors(&p, c);
                let w = Matrix::from_f32(c, self.slice(&format!("{p}p")))
                    .dot(&lower)
                    .dot(&upper);
                // `ln |sign_s exp(log_s)|`: the signs are +1 and -1, and what is neither shows here.
                let log_s = self.slice(&format!("{p}log_s")).iter();
                let logs = log_s
                    .zip(self.slice(&format!("{p}sign_s")))
                    .map(|(&log, &sign)| f64::from(log) + f64::from(sign).abs().ln());
                (w, logs.sum())
            }
            Permutation::Shuffle => {
                let indices = self.slice(&format!("{p}indices"));
                (
                    Matrix::from_fn(c, |i, j| if indices[i] as usize == j { 1.0 } else { 0.0 }),
                    0.0,
                )
            }
            Permutation::Reverse => (
                Matrix::from_fn(c, |i, j| if i + j + 1 == c { 1.0 } else { 0.0 }),
                0.0,
            ),
        }
    }

    /// As [`Params::mixing_at`], with the inverse of `W` in between; `None` where it has none, or nothing finite comes of it.
    pub fn mixing_and_inverse_at(&self, prefix: &str, c: usize) -> Option<(Matrix, Matrix, f64)> {
        let (w, log_det) = self.mixing_at(prefix, c);
        let inverse = match self.config.permutation {
            Permutation::Reverse | Permutation::Shuffle => Some(w.transposed()),
            Permutation::Invconv | Permutation::InvconvLu => w.inverse(),
        };
        let inverse = inverse.filter(|_| log_det.is_finite())?;
        Some((w, inverse, log_det))
    }

    /// The first step whose channel mixing cannot be undone, by what its tensors' names begin with. Whoever reads parameters
    /// asks, so that a file is refused by all or by none.
    pub fn first_singular(&self) -> Option<&str> {
        let actnorms = self.layout.entries().iter();
        let mut steps = actnorms.filter_map(|entry| {
            let prefix = entry.name.strip_suffix("actnorm.bias")?;
            Some((prefix, entry.shape[0]))
        });
        // Rounding hides it in a product.
        let has_flat_p = |prefix: &str, c: usize| {
            let p = self.get(&format!("{prefix}permutation.p"));
            p.is_some_and(|p| !Matrix::from_f32(c, p).log_abs_det().is_finite())
        };
        steps
            .find(|&(prefix, c)| {
                has_flat_p(prefix, c) || self.mixing_and_inverse_at(prefix, c).is_none()
            })
            .map(|(prefix, _)| prefix)
    }

    /// `L + I` and `U + diag(sign_s * exp(log_s))` of the LU form at `prefix`.
    pub fn lu_factors(&self, prefix: &str, c: usize) -> (Matrix, Matrix) {
        let get = |name: &str| self.slice(&format!("{prefix}{name}"));
        let (l, u, sign, log) = (get("l"), get("u"), get("sign_s"), get("log_s"));
        let lower = Matrix::from_fn(c, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Greater => f64::from(l[i * c + j]),
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Less => 0.0,
        });
        let upper = Matrix::from_fn(c, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => f64::from(u[i * c + j]),
            std::cmp::Ordering::Equal => f64::from(sign[i]) * f64::from(log[i]).exp(),
            std::cmp::Ordering::Greater => 0.0,
        });
        (lower, upper)
    }
}

fn random_rotation(c: usize, noise: &mut Noise) -> Matrix {
    let mut normal = Matrix::zeros(c);
    normal
        .data
        .iter_mut()
        .for_each(|v| *v = f64::from(noise.normal()));
    normal.orthogonal_factor()
}

fn copy_f64<'a>(to: &mut [f32], from: impl Iterator<Item = &'a f64>) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a = *b as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::tests::tiny_config;

    pub(crate) fn config(permutation: Permutation) -> GlowConfig {
        GlowConfig {
            image_size: 16,
            depth: 2,
            permutation,
            padding: Padding::EdgeBias,
            ..tiny_config()
        }
    }

    #[test]
    fn fresh_mixings_are_rotations_in_every_form() {
        for permutation in [
            Permutation::Invconv,
            Permutation::InvconvLu,
            Permutation::Shuffle,
            Permutation::Reverse,
        ] {
            let params = Params::initial(config(permutation), 3);
            for level in 0..2 {
                let (w, log_det) = params.mixing(level, 1);
                assert!(log_det.abs() < 1e-5, "{permutation:?}: {log_det}");
                assert!((w.log_abs_det() - log_det).abs() < 1e-5);
                let gram = w.transposed().dot(&w);
                assert!(
                    (gram[(1, 1)] - 1.0).abs() < 1e-5 && gram[(1, 2)].abs() < 1e-5,
                    "{permutation:?}"
                );
            }
        }
    }
}
