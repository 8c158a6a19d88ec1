//! `glow-explorer bench`.

use std::path::{Path, PathBuf};

use super::common::{note, progress, say, say_json};
use crate::export::check_target;
use crate::export::write_png;
use crate::files::shipped::{self, Choice};
use crate::files::weights;
use crate::measure::bench::{BenchOptions, BenchReport, run as measure};
use crate::measure::memory::TrainMemory;
use crate::measure::{scaling, sweep};
use crate::model::params::Params;
use crate::model::{DeviceChoice, GlowConfig};
use crate::train::estimate;

/// The configuration that a sweep varies where none is given.
const SWEEP_CONFIG: &str = include_str!("../../configs/small-64.json");
/// Runs of a measurement, and of a sweep, which is long enough for more.
const RUNS: usize = 9;
const SWEEP_RUNS: usize = 15;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Weight file to measure; the default is the model that comes with the program
    #[arg(long, conflicts_with = "config")]
    model: Option<PathBuf>,
    /// Configuration to measure with random weights (JSON)
    #[arg(long)]
    config: Option<PathBuf>,
    /// Pictures at once
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Measured runs, of which the median is given [default: 9, with --sweep 15]
    #[arg(long)]
    runs: Option<usize>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal. Training steps and --sweep are measured on the CPU alone
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// On CUDA, round to TF32 inside coupling networks
    #[arg(long, hide = !cfg!(feature = "cuda"))]
    tf32: bool,
    /// Threads; the default is one for each core
    #[arg(long, value_parser = super::common::threads())]
    threads: Option<u16>,
    /// Measure a training step too
    #[arg(long)]
    train: bool,
    /// Measure the training step with every activation kept as well, for comparison
    #[arg(long)]
    keep: bool,
    /// Measure decodes in bf16 as well, and with --keep the training steps, where the processor multiplies bf16
    #[arg(long)]
    bf16: bool,
    /// Measure from a move of a slider to its picture, through the window's own logic and the worker, in
    /// place of the model alone; without --model, of the shipped one
    #[arg(long = "loop", conflicts_with_all = ["config", "train", "keep", "batch", "runs", "bf16"])]
    through_window: bool,
    /// Measure how the cost grows with resolution, depth, width, batch and threads, one at a time round --config
    /// (by default the small one), --batch and --threads; some 18 models of about the base's size are held at once
    #[arg(long, conflicts_with_all = ["model", "through_window", "train", "keep", "bf16"])]
    sweep: bool,
    /// Folder for the points (sweep.csv) and the chart (sweep.png) of --sweep
    #[arg(long, value_name = "FOLDER", requires = "sweep")]
    out: Option<PathBuf>,
    /// Measure training on one and on two ranks that share the threads, and write a document with a model of more ranks
    /// and of networks; needs mpirun
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["model", "through_window", "train", "keep", "bf16", "sweep", "json"]
    )]
    scaling: Option<PathBuf>,
    /// Measure one rank's part of that
    #[arg(long, hide = true, conflicts_with = "scaling")]
    scaling_rank: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    if args.through_window {
        return through_window(args);
    }
    if args.sweep {
        return sweep(&args);
    }
    if args.scaling.is_some() || args.scaling_rank {
        return scaling(&args);
    }
    let batch = args.batch.max(1);
    let params = match (&args.model, &args.config) {
        (None, Some(path)) => {
            let config = super::read_config(path)?;
            refuse_too_large(&config, batch)?;
            Params::perturbed(config, 0)
        }
        (model, _) => match shipped::choose(model.as_deref()) {
            Choice::Shipped(model) => model.weights()?.params,
            Choice::File(path) => weights::read(path)?.params,
        },
    };
    let threads = args.threads.map_or_else(super::cores, usize::from);
    refuse_too_large(&params.config, batch)?;
    let report = measure(
        params,
        &BenchOptions {
            device: args.device.clone(),
            tf32: args.tf32,
            batch,
            runs: args.runs.unwrap_or(RUNS).max(1),
            threads,
            train: args.train,
            keep: args.keep,
            bf16: args.bf16,
        },
    )?;
    let on_cpu = report.matmul_gflops.is_some();
    if !on_cpu && (args.train || args.keep || args.bf16) {
        note("training steps and bf16 are measured on the CPU alone: give --device cpu");
    }
    if args.json {
        say_json(&report)?;
    } else {
        say(text(&report).trim_end())?;
    }
    Ok(())
}

fn scaling(args: &Args) -> anyhow::Result<()> {
    let config = base_config(args.config.as_deref())?;
    let threads = args.threads.map_or_else(super::cores, usize::from);
    let runs = args.runs.unwrap_or(RUNS).max(1);
    // Enough that each of a few ranks has a picture.
    let batch = args.batch.max(2);
    match &args.scaling {
        Some(out) => {
            let config_path = args.config.as_deref();
            super::scaling::document(out, config_path, &config, batch, threads, runs)
        }
        None => super::scaling::rank(
            config,
            scaling::ScalingOptions {
                batch,
                threads,
                runs,
            },
        ),
    }
}

/// The configuration of a file, or the small one.
fn base_config(path: Option<&Path>) -> anyhow::Result<GlowConfig> {
    match path {
        Some(path) => super::read_config(path),
        None => Ok(serde_json::from_str::<GlowConfig>(SWEEP_CONFIG)?.validated()?),
    }
}

/// Before anything is allocated: what fails then ends the program without a word.
fn refuse_too_large(config: &GlowConfig, batch: usize) -> anyhow::Result<()> {
    let needed = estimate::inference_bytes(config, batch);
    match estimate::too_large("this measurement", needed) {
        Some(problem) => anyhow::bail!(problem),
        None => Ok(()),
    }
}

fn sweep(args: &Args) -> anyhow::Result<()> {
    if !matches!(args.device, DeviceChoice::Auto | DeviceChoice::Cpu) {
        anyhow::bail!("--sweep measures the CPU alone; leave --device out");
    }
    let config = base_config(args.config.as_deref())?;
    let threads = args.threads.map_or_else(super::cores, usize::from);
    let runs = args.runs.unwrap_or(SWEEP_RUNS).max(1);
    // Before minutes of measuring, not after them.
    let paths = args.out.as_deref().map(sweep_paths).transpose()?;
    let bar = progress(runs, "runs");
    let report = |done: usize| bar.set_position(done as u64);
    let swept = sweep::run(&config, args.batch.max(1), threads, runs, report)?;
    bar.finish_and_clear();
    if let Some((csv, png)) = &paths {
        swept.write_csv(csv)?;
        write_png(png, &swept.chart().draw()?, None)?;
    }
    if args.json {
        return say_json(&swept);
    }
    say(swept.markdown().trim_end())?;
    if let Some((csv, png)) = &paths {
        note(csv.display());
        note(png.display());
    }
    Ok(())
}

/// The folder's files, with the folder there.
fn sweep_paths(folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    std::fs::create_dir_all(folder).map_err(|error| {
        anyhow::anyhow!(
            "the folder cannot be made ({error}); choose another: {}",
            folder.display()
        )
    })?;
    let paths = (folder.join("sweep.csv"), folder.join("sweep.png"));
    check_target(&paths.0)?;
    check_target(&paths.1)?;
    Ok(paths)
}

/// The report for people.
fn text(r: &BenchReport) -> String {
    let ms = |s: f64| format!("{:.1} ms", 1e3 * s);
    let mut lines = vec![
        format!("{}, {} threads, batch {}", r.device, r.threads, r.batch),
        format!("encode         {}", ms(r.encode_s)),
        format!("decode         {}", ms(r.decode_s)),
    ];
    match (r.decode_of_matmul, r.matmul_gflops) {
        (Some(share), Some(products)) => {
            lines.push(format!(
                "decode rate    {:.0} GFLOP/s, {:.0} % of the products alone",
                r.decode_gflops,
                100.0 * share
            ));
            lines.push(format!("products alone {products:.0} GFLOP/s"));
        }
        _ => lines.push(format!("decode rate    {:.0} GFLOP/s", r.decode_gflops)),
    }
    if let Some(s) = r.train_step_s {
        lines.push(format!(
            "training step  {}, {:.1} pictures/s",
            ms(s),
            r.batch as f64 / s
        ));
    }
    if let Some(s) = r.train_step_keeping_s {
        lines.push(format!("  activations kept {}", ms(s)));
    }
    if let Some([recomputed, kept]) = r.train_step_bf16_s {
        lines.push(format!(
            "  in bf16      {}, activations kept {}",
            ms(recomputed),
            ms(kept)
        ));
    }
    if let (Some(s), Some(difference)) = (r.draft_s, r.draft_difference) {
        lines.push(format!(
            "decode in bf16 {}, {:.2} times as fast, off by {difference:.2}/255 at most",
            ms(s),
            r.decode_s / s
        ));
    }
    lines.push(format!("round trip     {:.1e}", r.round_trip));
    if let Some(d) = &r.decode_memory {
        lines.push(format!(
            "decode memory  weights {:.1} MB, workspace {:.1} MB: {:.1} blocks of activations of {:.2} MB",
            d.weights_mb, d.workspace_mb, d.workspace_blocks, d.activation_block_mb
        ));
    }
    if let Some(m) = &r.train_memory {
        lines.push(train_memory("training", m));
    }
    if let Some(m) = &r.train_keeping_memory {
        lines.push(train_memory("  kept", m));
    }
    lines.push(format!("peak memory    {:.0} MB", r.peak_rss_mb));
    lines.join("\n") + "\n"
}

fn train_memory(name: &str, m: &TrainMemory) -> String {
    format!(
        "{name:<15}weights {:.0} MB, gradients {:.0} MB, optimiser {:.0} MB; activations and workspace {:.1} MB; peak {:.0} MB, {:.0} MB beside the model",
        m.weights_mb,
        m.gradients_mb,
        m.optimizer_mb,
        m.workspace_mb,
        m.peak_rss_mb,
        m.peak_beside_model_mb
    )
}

#[cfg(feature = "gui")]
fn through_window(args: Args) -> anyhow::Result<()> {
    use crate::app::replay::{Drag, Script, run as replay};
    use crate::engine::{Engine, EngineOptions, Loader};

    let loader = Loader {
        device: args.device,
        threads: args.threads.map_or_else(super::cores, usize::from),
        foreign: Default::default(),
        tf32: args.tf32,
    };
    let options = EngineOptions::new(loader.into_open());
    let engine = Engine::spawn(options, || {});
    let report = replay(&engine, args.model, Script::default())
        .map_err(|message| anyhow::anyhow!(message))?;
    if args.json {
        say_json(&report)?;
        return Ok(());
    }
    let line = |name: &str, drag: &Drag| {
        say(format_args!(
            "{name:<14}{:.1} ms (p95 {:.1}), {} pictures in {} moves, all there {:.0} ms after the last",
            drag.median_ms, drag.p95_ms, drag.pictures, drag.moves, drag.settled_ms
        ))
    };
    say(format_args!("{} on {}", report.model, report.device))?;
    line("one picture", &report.hero)?;
    line("grid", &report.grid)?;
    say(format_args!(
        "window held   {:.2} ms at the longest",
        report.longest_block_ms
    ))
}

#[cfg(not(feature = "gui"))]
fn through_window(_: Args) -> anyhow::Result<()> {
    anyhow::bail!("this program was built without its window; leave out --loop")
}
