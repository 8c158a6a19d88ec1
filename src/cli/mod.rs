//! The command line: the twins of what the window does, and training.

mod bench;
mod train;

use std::path::Path;

use anyhow::Context;

use clap::{Parser, Subcommand};

use crate::model::GlowConfig;

/// Explore the latent space of Glow, the invertible generative network, by hand.
#[derive(Parser, Debug)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Subcommand, Debug)]
enum Sub {
    /// Measure encode, decode and training step
    Bench(bench::Args),
    /// Train a model on a folder of pictures
    Train(train::Args),
}

/// Runs the command that the arguments name.
///
/// Errors: one line that says what is wrong and what to do.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Sub::Bench(args)) => bench::run(args),
        Some(Sub::Train(args)) => train::run(args),
        None => Ok(()),
    }
}

/// Reads a model configuration.
fn read_config(path: &Path) -> anyhow::Result<GlowConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the config: {}", path.display()))?;
    let config: GlowConfig =
        serde_json::from_str(&text).with_context(|| format!("the config is not valid: {}", path.display()))?;
    config.validated().with_context(|| format!("the config is not valid: {}", path.display()))
}

/// Threads to work on where nothing else is said.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
