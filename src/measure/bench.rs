//! Measurements: seconds of an encode, a decode and a training step, the rate of the products alone, and
//! what the memory is for.

use std::time::Instant;

use serde::Serialize;

use super::memory::{DecodeMemory, TrainMemory};
use crate::kernels::{Arithmetic, Finish, Init, Lhs, PackedMatrix, Rhs, gemm, padded, team};
use crate::model::params::Params;
use crate::model::pixels::largest_difference;
use crate::model::{
    ConfigError, DeviceChoice, FastChain, GlowConfig, GlowModel, Latent, ModelError,
};
use crate::noise::Noise;
use crate::train::backward::Activations;
use crate::train::gradients::CpuGradients;

/// What one run of the bench measured; the keys are those of other programs' benches of the same kind.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Where it ran.
    pub device: String,
    /// Threads.
    pub threads: usize,
    /// Pictures at once.
    pub batch: usize,
    /// The configuration.
    pub config: GlowConfig,
    /// Median seconds of an encode of the batch.
    pub encode_s: f64,
    /// Median seconds of a decode of the batch.
    pub decode_s: f64,
    /// Median seconds of a training step of the batch, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_step_s: Option<f64>,
    /// The same with every activation kept instead of computed anew, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_step_keeping_s: Option<f64>,
    /// The same in bf16, activations computed anew and kept, where asked for and the processor has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_step_bf16_s: Option<[f64; 2]>,
    /// Median seconds of a decode in bf16, measured in turn with the others, where asked for and the processor
    /// has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_s: Option<f64>,
    /// Largest difference of such a decode from the exact one, in 255ths of the range of a pixel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_difference: Option<f64>,
    /// Rate of the coupling networks' matrix products alone, same shapes, same threads; on the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matmul_gflops: Option<f64>,
    /// Rate of the decode.
    pub decode_gflops: f64,
    /// `decode_gflops / matmul_gflops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_of_matmul: Option<f64>,
    /// Largest `|x - decode(encode(x))|` of the batch.
    pub round_trip: f64,
    /// What encodes and decodes of the batch hold; on the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_memory: Option<DecodeMemory>,
    /// What a training step of the batch holds, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_memory: Option<TrainMemory>,
    /// The same with every activation kept, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_keeping_memory: Option<TrainMemory>,
    /// Largest resident size of the process before any activations were kept, where the system tells.
    pub peak_rss_mb: f64,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Where to compute.
    pub device: DeviceChoice,
    /// Whether a CUDA device may round to TF32.
    pub tf32: bool,
    /// Pictures at once.
    pub batch: usize,
    /// Measured runs; the median is given.
    pub runs: usize,
    /// Threads.
    pub threads: usize,
    /// Whether to measure a training step too.
    pub train: bool,
    /// Whether to measure it with every activation kept as well.
    pub keep: bool,
    /// Whether to measure decodes, and training steps if any, in bf16 as well.
    pub bf16: bool,
}

/// Runs the bench. It takes the parameters, since training changes them. On a device only encode and decode are measured.
///
/// Errors: a 1x1 convolution without an inverse; a device that does not work.
pub fn run(params: Params, options: &BenchOptions) -> Result<BenchReport, ModelError> {
    if options.device != DeviceChoice::Cpu {
        let model = GlowModel::new(&params, &options.device, options.threads)?;
        if model.is_on_device() {
            return on_device(&model.with_tf32(options.tf32), options);
        }
    }
    on_cpu(params, options)
}

/// Encode and decode of a model on its device, as whoever uses it calls them: host numbers in and out.
fn on_device(model: &GlowModel, options: &BenchOptions) -> Result<BenchReport, ModelError> {
    let (config, never) = (model.config().clone(), || false);
    let decode = |latents: &[&Latent]| -> Result<Vec<Vec<f32>>, ModelError> {
        let latents: Vec<Latent> = latents.iter().map(|&l| l.clone()).collect();
        let decoded = model.decode(&latents, &never)?;
        Ok(decoded.into_iter().map(|d| d.x).collect())
    };
    let pictures = pictures(decode, &config, options.batch)?;
    let encoded = model.encode_x(pictures.clone(), &never)?;
    let latents: Vec<Latent> = encoded.into_iter().map(|e| e.latent).collect();
    let decoded = model.decode(&latents, &never)?;
    let decoded: Vec<f32> = decoded.into_iter().flat_map(|d| d.x).collect();
    let round_trip = largest_difference(&decoded, &pictures.concat());
    let (mut encode, mut decode) = (Vec::new(), Vec::new());
    for _ in 0..options.runs + 2 {
        let x = pictures.clone();
        encode.push(seconds(|| model.encode_x(x, &never))?);
        decode.push(seconds(|| model.decode(&latents, &never))?);
    }
    let (encode_s, decode_s) = (median(&encode[2..]), median(&decode[2..]));
    Ok(BenchReport {
        device: model.device_label(),
        threads: options.threads,
        batch: options.batch,
        encode_s,
        decode_s,
        train_step_s: None,
        train_step_keeping_s: None,
        train_step_bf16_s: None,
        draft_s: None,
        draft_difference: None,
        matmul_gflops: None,
        decode_gflops: config.flops() * options.batch as f64 / decode_s / 1e9,
        decode_of_matmul: None,
        round_trip,
        decode_memory: None,
        train_memory: None,
        train_keeping_memory: None,
        peak_rss_mb: peak_rss_mb(),
        config,
    })
}

fn on_cpu(mut params: Params, options: &BenchOptions) -> Result<BenchReport, ModelError> {
    let config = params.config.clone();
    if (options.train || options.keep) && !config.detail.is_empty() {
        return Err(ModelError::Config(ConfigError {
            field: "detail",
            found: format!("{} stages", config.detail.len()),
            expected: "a training step is measured without stages; leave --train and --keep out"
                .into(),
        }));
    }
    let fast = FastChain::new(&params, options.threads)?;
    let pictures = pictures(
        |latents| fast.decode(latents, &|| false),
        &config,
        options.batch,
    )?;
    let x: Vec<&[f32]> = pictures.iter().map(Vec::as_slice).collect();
    let never = || false;
    let encoded = fast.encode(&x, &never)?;
    let latents: Vec<&Latent> = encoded.iter().map(|e| &e.latent).collect();
    let decoded = fast.decode(&latents, &never)?;
    let round_trip = largest_difference(&decoded.concat(), &pictures.concat());

    let drafts = (options.bf16 && Arithmetic::Bf16.or_f32() == Arithmetic::Bf16)
        .then(|| FastChain::with_arithmetic(&params, options.threads, Arithmetic::Bf16))
        .transpose()?;
    let draft_difference = match &drafts {
        Some(drafts) => {
            let shown = |x: Vec<Vec<f32>>| -> Vec<f32> {
                x.concat()
                    .iter()
                    .map(|v| 255.0 * v.clamp(-0.5, 0.5))
                    .collect()
            };
            let draft = drafts.decode(&latents, &never)?;
            Some(largest_difference(&shown(draft), &shown(decoded)))
        }
        None => None,
    };

    // One after the other in each round, so that a change of the machine's speed meets all alike.
    let (mut encode, mut decode, mut product) = (Vec::new(), Vec::new(), Vec::new());
    let mut draft = Vec::new();
    let mut products = Products::new(&config, options.batch);
    for _ in 0..options.runs + 2 {
        encode.push(seconds(|| fast.encode(&x, &never))?);
        decode.push(seconds(|| fast.decode(&latents, &never))?);
        if let Some(drafts) = &drafts {
            draft.push(seconds(|| drafts.decode(&latents, &never))?);
        }
        product.push(seconds(|| {
            products.run(options.threads);
            Ok::<(), ModelError>(())
        })?);
    }
    let product_flops = products.flops;
    let decode_memory = DecodeMemory::of(&fast, options.batch);
    // A training holds none of these.
    drop((fast, drafts, products));

    let mut step =
        |activations, arithmetic| train_step(&mut params, &x, options, activations, arithmetic);
    let train = (options.train || options.keep)
        .then(|| step(Activations::Recompute, Arithmetic::F32))
        .transpose()?;
    let peak_rss_mb = train.as_ref().map_or_else(peak_rss_mb, |t| t.1.peak_rss_mb);
    let keeping = options
        .keep
        .then(|| step(Activations::Keep, Arithmetic::F32))
        .transpose()?;
    let train_step_bf16_s = if draft_difference.is_some() && options.keep {
        let mut seconds = |activations| Ok::<_, ModelError>(step(activations, Arithmetic::Bf16)?.0);
        Some([
            seconds(Activations::Recompute)?,
            seconds(Activations::Keep)?,
        ])
    } else {
        None
    };
    let (encode_s, decode_s) = (median(&encode[2..]), median(&decode[2..]));
    let matmul_gflops = product_flops / median(&product[2..]) / 1e9;
    let decode_gflops = config.flops() * options.batch as f64 / decode_s / 1e9;
    let (train_step_s, train_memory) = train.unzip();
    let (train_step_keeping_s, train_keeping_memory) = keeping.unzip();
    Ok(BenchReport {
        device: "cpu".into(),
        threads: options.threads,
        batch: options.batch,
        config,
        encode_s,
        decode_s,
        train_step_s,
        train_step_keeping_s,
        train_step_bf16_s,
        draft_s: draft.get(2..).map(median),
        draft_difference,
        matmul_gflops: Some(matmul_gflops),
        decode_gflops,
        decode_of_matmul: Some(decode_gflops / matmul_gflops),
        round_trip,
        decode_memory: Some(decode_memory),
        train_memory,
        train_keeping_memory,
        peak_rss_mb,
    })
}

/// Samples of the model itself, where they are pictures: what it finds likely, so that the round trip is that of
/// real use (on uniform noise the inverse of a trained model overflows). Uniform noise for models with random
/// weights, whose samples leave the range of pictures.
pub(super) fn pictures(
    decode: impl Fn(&[&Latent]) -> Result<Vec<Vec<f32>>, ModelError>,
    config: &GlowConfig,
    n: usize,
) -> Result<Vec<Vec<f32>>, ModelError> {
    const TEMPERATURE: f32 = 0.7;
    let shape = config.latent_shape();
    let latents: Vec<Latent> = (0..n)
        .map(|i| Latent::drawn(&shape, &mut Noise::with_stream(1, i as u64), TEMPERATURE))
        .collect();
    let refs: Vec<&Latent> = latents.iter().collect();
    let samples = decode(&refs)?;
    if samples.iter().flatten().all(|v| v.abs() <= 1.0) {
        return Ok(samples);
    }
    let mut noise = Noise::new(1);
    let picture = |_| (0..config.dims()).map(|_| noise.uniform() - 0.5).collect();
    Ok((0..n).map(picture).collect())
}

/// Median seconds of a training step, and what it holds.
fn train_step(
    params: &mut Params,
    x: &[&[f32]],
    options: &BenchOptions,
    activations: Activations,
    arithmetic: Arithmetic,
) -> Result<(f64, TrainMemory), ModelError> {
    let mut gradients = CpuGradients::new(params, options.threads)?
        .with_activations(activations)
        .with_arithmetic(arithmetic);
    let mut optimizer = crate::train::optimizer::Optimizer::new(
        Default::default(),
        Default::default(),
        &params.data,
    );
    let mut times = Vec::new();
    for _ in 0..(options.runs / 3).max(3) + 1 {
        times.push(seconds(|| {
            let (_, gradient) = gradients.loss_and_gradients(params, x)?;
            optimizer.step(&mut params.data, &gradient, 1.0, 1e-6, 0.99);
            Ok::<(), ModelError>(())
        })?);
    }
    let memory = TrainMemory::of(params, &gradients, &optimizer, peak_rss_mb())?;
    Ok((median(&times[1..]), memory))
}

/// The three products of every step's coupling network on buffers that are already there: what a decode
/// cannot be faster than.
struct Products {
    /// Pixel rows, steps, the products of a step.
    levels: Vec<(usize, usize, [PackedMatrix; 3])>,
    flops: f64,
    width: usize,
}

impl Products {
    fn new(config: &GlowConfig, batch: usize) -> Self {
        let value = |i: usize, j: usize| ((i * 7 + j * 3) % 13) as f32 / 13.0 - 0.5;
        let mut flops = 0.0;
        // A stage's flow is a level of its own width; its features are further inputs of the first product.
        let stages = config.detail.iter().enumerate();
        let stages = stages.map(|(i, stage)| {
            let flow = config.stage(i);
            (
                flow.level_shapes()[0],
                stage.depth,
                stage.width,
                stage.features,
            )
        });
        let levels = config.level_shapes().into_iter();
        let levels = levels.map(|s| (s, config.depth, config.width, 0));
        let levels = levels.chain(stages).map(|(s, depth, w, features)| {
            let (m, o, rows) = (
                s.channels / 2,
                config.coupling_out(s.channels),
                batch * s.side * s.side,
            );
            let inputs = 9 * m + features;
            flops += 2.0 * (rows * depth * (inputs * w + w * w + 9 * w * o)) as f64;
            let sizes = [(inputs, w), (w, w), (w, 9 * o)];
            let products = sizes.map(|(k, n)| PackedMatrix::from_fn(k, n, value));
            (rows, depth, products)
        });
        let levels = levels.collect();
        Self {
            levels,
            flops,
            width: config.width,
        }
    }

    fn run(&mut self, threads: usize) {
        let widest = self
            .levels
            .iter()
            .flat_map(|(_, _, p)| p)
            .map(|p| p.k().max(p.n()))
            .max()
            .unwrap_or(0);
        team::run(threads, |member, _| {
            let tile = crate::model::fast::step::tile_rows(self.width);
            let a = vec![0.5f32; tile * padded(widest)];
            let mut c = vec![0.0f32; tile * padded(widest)];
            for (rows, depth, products) in &self.levels {
                for _ in 0..*depth {
                    let mine = team::share(*rows, 8, member, threads);
                    for tile in crate::model::fast::step::tiles(mine, tile) {
                        for p in products {
                            let lhs = Lhs {
                                data: &a,
                                row: padded(p.k()),
                                column: 1,
                            };
                            gemm(
                                tile.len(),
                                lhs,
                                Rhs::Packed(p),
                                &mut c,
                                padded(p.n()),
                                Init::Zero,
                                Finish::None,
                            );
                        }
                    }
                }
            }
            std::hint::black_box(&c);
        });
    }
}

pub(super) fn seconds<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<f64, E> {
    let start = Instant::now();
    std::hint::black_box(work()?);
    Ok(start.elapsed().as_secs_f64())
}

/// The median.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Peak resident size in MB; 0 where the system does not tell (only Linux's `/proc` is asked).
pub fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kb = line
        .and_then(|l| l.trim().split(' ').next())
        .and_then(|n| n.parse::<f64>().ok());
    kb.map_or(0.0, |kb| kb / 1024.0)
}
