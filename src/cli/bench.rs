//! `glow-explorer bench`.

use std::path::PathBuf;

use crate::bench::{Options, run as measure};
use crate::formats::weights;
use crate::model::params::Params;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Weight file to measure
    #[arg(long, conflicts_with = "config")]
    model: Option<PathBuf>,
    /// Configuration to measure with random weights (JSON)
    #[arg(long)]
    config: Option<PathBuf>,
    /// Pictures at once
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Measured runs, of which the median is given
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Threads; the default is one for each core
    #[arg(long, value_parser = super::common::threads())]
    threads: Option<u16>,
    /// Measure a training step too
    #[arg(long)]
    train: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let params = match (&args.model, &args.config) {
        (Some(path), _) => weights::read(path)?.params,
        (None, Some(path)) => Params::perturbed(super::read_config(path)?, 0),
        (None, None) => anyhow::bail!("name what to measure: --model FILE or --config FILE"),
    };
    let threads = args.threads.map_or_else(super::cores, usize::from);
    let report = measure(
        &params,
        Options {
            batch: args.batch.max(1),
            runs: args.runs.max(1),
            threads,
            train: args.train,
        },
    )?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
