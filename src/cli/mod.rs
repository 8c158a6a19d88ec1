//! The command line: the twins of what the window does, and training.

mod bench;

use clap::{Parser, Subcommand};

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
}

/// Runs the command that the arguments name.
///
/// Errors: one line that says what is wrong and what to do.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Sub::Bench(args)) => bench::run(args),
        None => Ok(()),
    }
}
