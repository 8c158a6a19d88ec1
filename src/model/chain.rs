//! The detail stages of a chain: each draws the next octave of a picture, given the picture below it.
//!
//! A picture `[c, 2h, 2w]` is a low-pass `[c, h, w]` and three Haar details a channel ([`haar`]). A network, the trunk,
//! takes features from the low-pass; the details go through a flow of one level whose couplings are conditioned by the
//! features and whose prior is a convolution of them. The low-pass is the picture of the next coarser stage, and at
//! the bottom of the plain Glow. So latents, ways back and likelihoods are as exact as that of the Glow alone:
//! `ln p(x) = ln p(low) + ln p(details | low) - ln 2` for each value of the low-pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ModelError;
use super::fast::step::Given;
use super::fast::{Cancelled, FastGlow, RawEncoding, load_picture_rows, shape_error};
use super::folded::scale;
use super::incremental::{LatentKey, keys};
use super::params::Params;
use crate::config::GlowConfig;
use crate::kernels::neighbours::{Grid, gather, taps_stride};
use crate::kernels::{
    Aligned, Arithmetic, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, in_parallel, math, padded,
};
use crate::latent::Latent;
use crate::lru::Lru;

/// Bytes of pictures and features that are kept: some 100 pictures of 128 pixels.
const BOUND: usize = 64 << 20;

/// Pixel rows that one product takes at a time.
const TILE: usize = 128;

/// The stages of a model, coarsest first; none where it is a plain Glow.
pub(super) struct Chain {
    stages: Vec<ChainStage>,
    threads: usize,
    /// By what is coarser: where a decode of the finer stages can start.
    lows: Mutex<Lru<Arc<Low>>>,
}

struct ChainStage {
    flow: FastGlow,
    trunk: Trunk,
    /// Colour channels of a picture.
    channels: usize,
    /// Pixels a side of the low-pass.
    side: usize,
}

/// A picture, and what the stage on top of it takes from it.
struct Low {
    x: Vec<f32>,
    given: Given,
}

/// What runs the plain Glow at the bottom.
type Encode<'a> = &'a dyn Fn(&[&[f32]]) -> Result<Vec<RawEncoding>, ModelError>;
type Decode<'a> = &'a dyn Fn(&[&Latent], &[&[LatentKey]]) -> Result<Vec<Vec<f32>>, ModelError>;

impl Chain {
    /// The stages of `params`.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub(super) fn new(
        params: &Params,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let config = &params.config;
        let stage = |i| {
            Ok(ChainStage {
                flow: FastGlow::stage(params, i, threads, arithmetic)?,
                trunk: Trunk::new(params, i, arithmetic),
                channels: config.channels,
                side: config.base_size() << i,
            })
        };
        Ok(Self {
            stages: (0..config.detail.len())
                .map(stage)
                .collect::<Result<_, ModelError>>()?,
            threads: threads.max(1),
            lows: Mutex::new(Lru::new(BOUND)),
        })
    }

    /// Encodes pictures `[c, h, w]`: the finest stage first, `base` what is left.
    ///
    /// Errors: a picture of another size, and those of `base`.
    pub(super) fn encode(
        &self,
        x: &[&[f32]],
        base: Encode,
        cancelled: Cancelled,
    ) -> Result<Vec<RawEncoding>, ModelError> {
        let mut pictures: Vec<Vec<f32>> = Vec::new();
        let mut parts: Vec<Vec<RawEncoding>> = Vec::new();
        for (n_above, stage) in self.stages.iter().rev().enumerate() {
            let above: Vec<&[f32]> = match n_above {
                0 => x.to_vec(),
                _ => pictures.iter().map(Vec::as_slice).collect(),
            };
            let (c, side) = (stage.channels, 2 * stage.side);
            if let Some(wrong) = above.iter().find(|x| x.len() != c * side * side) {
                return Err(shape_error("picture", c * side * side, wrong.len()));
            }
            let split: Vec<_> = above.iter().map(|x| haar(x, c, side)).collect();
            let given = split.iter().map(|(low, _)| stage.given(low, self.threads));
            let given: Vec<Given> = given.collect();
            let details: Vec<&[f32]> = split
                .iter()
                .map(|(_, details)| details.as_slice())
                .collect();
            let given: Vec<&Given> = given.iter().collect();
            let mut encoded = stage.flow.encode_given(&details, &given, cancelled)?;
            // The low-pass is a mean, not an orthonormal sum: its volume is half for each of its values.
            let volume = -std::f64::consts::LN_2 * (c * stage.side * stage.side) as f64;
            for one in &mut encoded {
                one.level_log_prob.iter_mut().for_each(|lp| *lp += volume);
            }
            parts.push(encoded);
            pictures = split.into_iter().map(|(low, _)| low).collect();
        }
        let left: Vec<&[f32]> = match self.stages.is_empty() {
            true => x.to_vec(),
            false => pictures.iter().map(Vec::as_slice).collect(),
        };
        parts.push(base(&left)?);
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        for part in parts {
            for (one, more) in all.iter_mut().zip(part) {
                one.latent.levels.extend(more.latent.levels);
                one.level_log_prob.extend(more.level_log_prob);
            }
        }
        Ok(all)
    }

    /// Decodes latents to pictures `[c, h, w]`, each from the finest picture below that is known for it.
    ///
    /// Errors: latents of another shape, and those of `base`.
    pub(super) fn decode(
        &self,
        latents: &[&Latent],
        base: Decode,
        cancelled: Cancelled,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let n_stages = self.stages.len();
        let keys: Vec<Vec<LatentKey>> = latents.iter().map(|z| keys(z)).collect();
        if n_stages == 0 {
            let keys: Vec<&[LatentKey]> = keys.iter().map(Vec::as_slice).collect();
            return base(latents, &keys);
        }
        if let Some(wrong) = latents.iter().find(|z| z.levels.len() <= n_stages) {
            return Err(shape_error(
                "levels of a latent",
                n_stages + 1,
                wrong.levels.len(),
            ));
        }
        // Stage `i` draws level `n_stages - 1 - i`, and what it starts from hangs on the coarser ones.
        let level = |stage: usize| n_stages - 1 - stage;
        let known = |i: usize| {
            let finest = (0..n_stages).rev();
            finest.into_iter().find_map(|stage| {
                let low = self.lock().get(&keys[i][level(stage)])?;
                Some((stage, low))
            })
        };
        let known: Vec<Option<(usize, Arc<Low>)>> = (0..latents.len()).map(known).collect();
        let unknown: Vec<usize> = (0..latents.len()).filter(|&i| known[i].is_none()).collect();
        let below: Vec<Latent> = unknown
            .iter()
            .map(|&i| Latent {
                levels: latents[i].levels[n_stages..].to_vec(),
                condition: latents[i].condition.clone(),
            })
            .collect();
        let drawn = match below.is_empty() {
            true => Vec::new(),
            false => {
                let keys: Vec<&[LatentKey]> =
                    unknown.iter().map(|&i| &keys[i][n_stages..]).collect();
                base(&below.iter().collect::<Vec<_>>(), &keys)?
            }
        };
        let mut lows: Vec<Option<Arc<Low>>> = vec![None; latents.len()];
        for (&i, x) in unknown.iter().zip(drawn) {
            lows[i] = Some(self.keep(0, x, &keys[i][level(0)]));
        }
        let mut out = vec![Vec::new(); latents.len()];
        for (at, stage) in self.stages.iter().enumerate() {
            for (low, known) in lows.iter_mut().zip(&known) {
                if let Some((_, known)) = known.as_ref().filter(|(start, _)| *start == at) {
                    *low = Some(Arc::clone(known));
                }
            }
            let here: Vec<(usize, Arc<Low>)> = lows
                .iter()
                .enumerate()
                .filter_map(|(i, low)| low.clone().map(|low| (i, low)))
                .collect();
            let details: Vec<Latent> = here
                .iter()
                .map(|(i, _)| Latent {
                    levels: vec![latents[*i].levels[level(at)].clone()],
                    condition: latents[*i].condition.clone(),
                })
                .collect();
            let given: Vec<&Given> = here.iter().map(|(_, low)| &low.given).collect();
            let details =
                stage
                    .flow
                    .decode_given(&details.iter().collect::<Vec<_>>(), &given, cancelled)?;
            for ((i, low), details) in here.iter().zip(details) {
                let x = unhaar(&low.x, &details, stage.channels, 2 * stage.side);
                match at + 1 < n_stages {
                    true => lows[*i] = Some(self.keep(at + 1, x, &keys[*i][level(at + 1)])),
                    false => out[*i] = x,
                }
            }
        }
        Ok(out)
    }

    /// The picture below a stage with its features, kept under the key of what it hangs on.
    fn keep(&self, stage: usize, x: Vec<f32>, key: &LatentKey) -> Arc<Low> {
        let given = self.stages[stage].given(&x, self.threads);
        let low = Arc::new(Low { x, given });
        let bytes = size_of_val(low.x.as_slice()) + low.given.bytes();
        self.lock().insert(key, Arc::clone(&low), bytes);
        low
    }

    fn lock(&self) -> MutexGuard<'_, Lru<Arc<Low>>> {
        self.lows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A whole model on the CPU, the plain Glow and its stages, of which nothing is kept from decode to decode: what is measured.
pub struct FastChain {
    base: FastGlow,
    chain: Chain,
}

impl FastChain {
    /// Folds `params` for `threads` threads.
    ///
    /// Errors: a 1x1 convolution without an inverse.
    pub fn new(params: &Params, threads: usize) -> Result<Self, ModelError> {
        Self::with_arithmetic(params, threads, Arithmetic::F32)
    }

    /// As [`FastChain::new`], with this arithmetic in the coupling networks and the trunks.
    ///
    /// Errors: as [`FastChain::new`].
    pub fn with_arithmetic(
        params: &Params,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let chain = Chain::new(params, threads, arithmetic)?;
        Ok(Self {
            base: FastGlow::with_arithmetic(&params.base(), threads, arithmetic)?,
            chain: Chain {
                lows: Mutex::new(Lru::new(0)),
                ..chain
            },
        })
    }

    /// Encodes pictures `[c, h, w]`.
    ///
    /// Errors: as [`FastGlow::encode`].
    pub fn encode(
        &self,
        x: &[&[f32]],
        cancelled: Cancelled,
    ) -> Result<Vec<RawEncoding>, ModelError> {
        let base = |x: &[&[f32]]| self.base.encode(x, cancelled);
        self.chain.encode(x, &base, cancelled)
    }

    /// Decodes latents to pictures `[c, h, w]`.
    ///
    /// Errors: as [`FastGlow::decode`].
    pub fn decode(
        &self,
        latents: &[&Latent],
        cancelled: Cancelled,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let base = |latents: &[&Latent], _: &[&[LatentKey]]| self.base.decode(latents, cancelled);
        self.chain.decode(latents, &base, cancelled)
    }

    /// The flows: the plain Glow, then the stages.
    fn flows(&self) -> impl Iterator<Item = &FastGlow> {
        let stages = self.chain.stages.iter().map(|stage| &stage.flow);
        std::iter::once(&self.base).chain(stages)
    }

    /// Bytes of the whole folded model.
    pub fn model_bytes(&self) -> usize {
        let trunks = self.chain.stages.iter().map(|stage| stage.trunk.bytes());
        self.flows().map(FastGlow::model_bytes).sum::<usize>() + trunks.sum::<usize>()
    }

    /// Bytes of the buffers that encodes and decodes have left behind ([`FastGlow::workspace_bytes`]).
    pub fn workspace_bytes(&self) -> usize {
        self.flows().map(FastGlow::workspace_bytes).sum()
    }

    /// Bytes of the largest activation block ([`FastGlow::block_bytes`]).
    pub fn block_bytes(&self, pictures: usize) -> usize {
        let blocks = self.flows().map(|flow| flow.block_bytes(pictures));
        blocks.max().unwrap_or(0)
    }
}

impl ChainStage {
    /// What the flow is given of a low-pass `[c, h, w]`.
    fn given(&self, low: &[f32], threads: usize) -> Given {
        self.trunk.given(low, self.channels, self.side / 2, threads)
    }
}

/// The network from the squeezed low-pass to features, and from these to the prior:
/// `x = first(low)`, `x + conv2(relu(conv1(relu(x))))` for each block, `u = last(relu(x))`, `[mean, log_std] = prior(u)`.
struct Trunk {
    first: PackedConv,
    blocks: Vec<[PackedConv; 2]>,
    last: PackedConv,
    prior: PackedConv,
}

/// A convolution with zeros outside, ready for products.
struct PackedConv {
    /// `[taps * in, out]`, taps outermost.
    weights: PackedMatrix,
    /// One row.
    bias: Aligned,
    inputs: usize,
    is_3x3: bool,
}

/// A convolution of a stage, as the parameters have it.
pub struct StageConv<'a> {
    weight: &'a [f32],
    /// Of each output.
    factor: Vec<f32>,
    /// One padded row, the factor taken in.
    pub bias: Aligned,
    /// Channels in.
    pub inputs: usize,
    /// 1 or 9.
    pub taps: usize,
}

impl<'a> StageConv<'a> {
    /// The tensors whose names begin with `name`.
    ///
    /// # Panics
    /// There are none.
    pub fn read(params: &'a Params, name: &str) -> Self {
        let weight = params.slice(&format!("{name}.weight"));
        let bias = params.slice(&format!("{name}.bias"));
        // Only the prior's convolution has a scale.
        let factor: Vec<f32> = match params.get(&format!("{name}.log_scale")) {
            Some(log_scale) => log_scale.iter().map(|&v| scale(v)).collect(),
            None => vec![1.0; bias.len()],
        };
        let shape = params
            .layout
            .entry(&format!("{name}.weight"))
            .map_or(&[][..], |entry| &entry.shape);
        let (inputs, taps) = (shape[1], shape[2] * shape[3]);
        let mut row = Aligned::zeros(padded(bias.len()));
        for ((to, bias), factor) in row.iter_mut().zip(bias).zip(&factor) {
            *to = bias * factor;
        }
        Self {
            weight,
            factor,
            bias: row,
            inputs,
            taps,
        }
    }

    /// Channels out.
    pub fn out(&self) -> usize {
        self.factor.len()
    }

    /// Numbers that an output is a sum over.
    pub fn rows(&self) -> usize {
        self.taps * self.inputs
    }

    /// What takes input `row % inputs` of tap `row / inputs` to output `j`.
    pub fn entry(&self, row: usize, j: usize) -> f32 {
        let (tap, input) = (row / self.inputs, row % self.inputs);
        self.weight[(j * self.inputs + input) * self.taps + tap] * self.factor[j]
    }
}

impl PackedConv {
    fn new(params: &Params, name: &str, arithmetic: Arithmetic) -> Self {
        let conv = StageConv::read(params, name);
        let entry = |row: usize, j: usize| conv.entry(row, j);
        Self {
            weights: PackedMatrix::with_arithmetic(conv.rows(), conv.out(), arithmetic, entry),
            inputs: conv.inputs,
            is_3x3: conv.taps == 9,
            bias: conv.bias,
        }
    }

    fn out(&self) -> usize {
        self.weights.n()
    }

    fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes()
    }

    /// `finish(conv(x))` of pixel rows at a stride of `padded(inputs)`, to rows at `padded(out)`.
    fn apply(&self, x: &[f32], grid: Grid, finish: Finish, threads: usize) -> Aligned {
        let (pixels, stride) = (grid.pixels(), padded(self.out()));
        let relu = matches!(finish, Finish::Relu);
        let parts = in_parallel(pixels.div_ceil(TILE), threads, |part| {
            let rows = part * TILE..pixels.min((part + 1) * TILE);
            let n = rows.len();
            let mut to = Aligned::zeros(n * stride);
            let x_stride = padded(self.inputs);
            let init = Init::Bias {
                table: &self.bias,
                stride,
                class: None,
            };
            let finish = if relu { Finish::Relu } else { Finish::None };
            let mut product = |data: &[f32], row| {
                let lhs = Lhs {
                    data,
                    row,
                    column: 1,
                };
                gemm(
                    n,
                    lhs,
                    Rhs::Packed(&self.weights),
                    &mut to,
                    stride,
                    init,
                    finish,
                );
            };
            if self.is_3x3 {
                let g_stride = taps_stride(self.inputs);
                let mut gathered = Aligned::zeros(n * g_stride);
                gather(
                    x,
                    x_stride,
                    self.inputs,
                    grid,
                    rows,
                    false,
                    &mut gathered,
                    g_stride,
                );
                product(&gathered, g_stride);
            } else {
                product(&x[rows.start * x_stride..], x_stride);
            }
            to
        });
        let mut all = Aligned::zeros(pixels * stride);
        for (part, rows) in parts.iter().enumerate() {
            let start = part * TILE * stride;
            let n = rows.len().min(all.len() - start);
            all[start..start + n].copy_from_slice(&rows[..n]);
        }
        all
    }
}

impl Trunk {
    fn new(params: &Params, i: usize, arithmetic: Arithmetic) -> Self {
        let p = format!("detail.{i}.");
        let trunk = |name: String| PackedConv::new(params, &format!("{p}trunk.{name}"), arithmetic);
        Self {
            first: trunk("first".into()),
            blocks: (0..params.config.detail[i].blocks)
                .map(|b| ["conv1", "conv2"].map(|conv| trunk(format!("blocks.{b}.{conv}"))))
                .collect(),
            last: trunk("last".into()),
            // What is exact about the flow hangs on its prior.
            prior: PackedConv::new(params, &format!("{p}prior"), Arithmetic::F32),
        }
    }

    fn bytes(&self) -> usize {
        let convs = self.blocks.iter().flatten();
        let convs = convs.chain([&self.first, &self.last, &self.prior]);
        convs.map(PackedConv::bytes).sum()
    }

    /// Of a low-pass `[c, 2 side, 2 side]`.
    fn given(&self, low: &[f32], channels: usize, side: usize, threads: usize) -> Given {
        let grid = Grid { side };
        let stride = padded(4 * channels);
        let mut squeezed = Aligned::zeros(grid.pixels() * stride);
        load_picture_rows(&[low], channels, grid, stride, &mut squeezed);
        let relu = |x: &Aligned| {
            let mut x = x.clone();
            x.iter_mut().for_each(|v| *v = math::relu(*v));
            x
        };
        let mut x = self.first.apply(&squeezed, grid, Finish::None, threads);
        for [conv1, conv2] in &self.blocks {
            let h = conv1.apply(&relu(&x), grid, Finish::Relu, threads);
            let more = conv2.apply(&h, grid, Finish::None, threads);
            x.iter_mut()
                .zip(more.iter())
                .for_each(|(x, more)| *x += more);
        }
        let features = self.last.apply(&relu(&x), grid, Finish::None, threads);
        let prior = self.prior.apply(&features, grid, Finish::None, threads);
        Given { features, prior }
    }
}

/// What stage `i` is given of each low-pass `[c, h, w]`.
pub(crate) fn given_of(params: &Params, i: usize, lows: &[Vec<f32>]) -> Vec<Given> {
    let trunk = Trunk::new(params, i, Arithmetic::F32);
    let (channels, side) = (params.config.channels, params.config.stage(i).image_size);
    let given = |low: &Vec<f32>| trunk.given(low, channels, side / 2, 1);
    lows.iter().map(given).collect()
}

/// The Haar low-pass `[c, h, w]` and details `[3 c, h, w]` of a picture `[c, 2h, 2w]` of `side` pixels a side: of each 2x2
/// block p q / r s the mean `(p + q + r + s) / 4`, and `(p - q + r - s) / 2`, `(p + q - r - s) / 2`,
/// `(p - q - r + s) / 2`. `ln |det| = -ln 2` for each value of the low-pass.
pub fn haar(x: &[f32], channels: usize, side: usize) -> (Vec<f32>, Vec<f32>) {
    let half = side / 2;
    let plane = half * half;
    let (mut low, mut details) = (vec![0.0; channels * plane], vec![0.0; 3 * channels * plane]);
    for c in 0..channels {
        for y in 0..half {
            for column in 0..half {
                let at = (c * side + 2 * y) * side + 2 * column;
                let (p, q, r, s) = (x[at], x[at + 1], x[at + side], x[at + side + 1]);
                let to = y * half + column;
                low[c * plane + to] = (p + q + r + s) / 4.0;
                let d = [p - q + r - s, p + q - r - s, p - q - r + s];
                for (k, d) in d.into_iter().enumerate() {
                    details[(3 * c + k) * plane + to] = d / 2.0;
                }
            }
        }
    }
    (low, details)
}

/// A picture of the plain Glow at the bottom, as large as one of the whole chain: without details.
pub(super) fn enlarged(x: &[f32], config: &GlowConfig) -> Vec<f32> {
    let mut x = x.to_vec();
    for i in 0..config.detail.len() {
        let details = vec![0.0; 3 * x.len()];
        x = unhaar(&x, &details, config.channels, config.base_size() << (i + 1));
    }
    x
}

/// The inverse of [`haar`].
pub(super) fn unhaar(low: &[f32], details: &[f32], channels: usize, side: usize) -> Vec<f32> {
    let half = side / 2;
    let plane = half * half;
    let mut x = vec![0.0; channels * side * side];
    for c in 0..channels {
        for y in 0..half {
            for column in 0..half {
                let from = y * half + column;
                let a = low[c * plane + from];
                let d = [0, 1, 2].map(|k| details[(3 * c + k) * plane + from] / 2.0);
                let at = (c * side + 2 * y) * side + 2 * column;
                x[at] = a + d[0] + d[1] + d[2];
                x[at + 1] = a - d[0] + d[1] - d[2];
                x[at + side] = a + d[0] - d[1] - d[2];
                x[at + side + 1] = a - d[0] - d[1] + d[2];
            }
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DetailConfig, ScaleFloor};
    use crate::latent::tests::tiny_config;
    use crate::model::pixels::largest_difference;
    use crate::model::{DeviceChoice, GlowModel};
    use crate::noise::Noise;

    /// 8 pixels below, stages of 16 and 32 on top.
    fn config() -> GlowConfig {
        let stage = DetailConfig {
            depth: 2,
            width: 12,
            trunk: 10,
            blocks: 2,
            features: 6,
            scale_floor: ScaleFloor::new(0.5).unwrap(),
        };
        let config = GlowConfig {
            image_size: 32,
            detail: vec![stage, stage],
            ..tiny_config()
        };
        config.validated().unwrap()
    }

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut x = vec![0.0; n];
        Noise::new(seed).fill_normal(&mut x);
        x
    }

    #[test]
    fn haar_and_back() {
        let x = noise(3 * 64, 1);
        let (low, details) = haar(&x, 3, 8);
        assert!((low[0] - (x[0] + x[1] + x[8] + x[9]) / 4.0).abs() < 1e-6);
        assert!((details[16] - (x[0] + x[1] - x[8] - x[9]) / 2.0).abs() < 1e-6);
        assert!(largest_difference(&unhaar(&low, &details, 3, 8), &x) < 1e-6);
    }

    #[test]
    fn a_chain_of_two_stages_is_exact_both_ways() {
        let config = config();
        let params = Params::perturbed(config.clone(), 3);
        let shape = config.latent_shape();
        assert_eq!(shape.dims(), config.dims());
        assert_eq!(
            [0, 1, 2].map(|l| shape.level_name(l)),
            ["detail 32", "detail 16", "level 1"]
        );
        for threads in [1, 2] {
            let model = GlowModel::new(&params, &DeviceChoice::Cpu, threads).unwrap();
            let x = vec![
                noise(config.dims(), 5),
                noise(config.dims(), 6),
                noise(config.dims(), 7),
            ];
            let encoded = model.encode_x(x.clone(), &|| false).unwrap();
            let latents: Vec<Latent> = encoded.iter().map(|e| e.latent.clone()).collect();
            assert!(latents.iter().all(|z| z.fits(&shape)));
            let decoded = model.decode(&latents, &|| false).unwrap();
            for (decoded, x) in decoded.iter().zip(&x) {
                assert!(largest_difference(&decoded.x, x) < 1e-4);
            }
        }
    }

    #[test]
    fn what_is_known_of_coarser_stages_changes_nothing() {
        let config = config();
        let params = Params::perturbed(config.clone(), 4);
        let fresh = || GlowModel::new(&params, &DeviceChoice::Cpu, 1).unwrap();
        let model = fresh();
        let mut latent = Latent::zeros(&config.latent_shape());
        let decode = |model: &GlowModel, z: &Latent| {
            let mut decoded = model.decode(std::slice::from_ref(z), &|| false).unwrap();
            decoded.remove(0).x
        };
        for level in [3, 0, 1, 2, 0] {
            latent.levels[level].data[1] += 0.7;
            assert_eq!(decode(&model, &latent), decode(&fresh(), &latent));
        }
    }
}
