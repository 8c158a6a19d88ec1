//! The command line: the twins of what the window does, and training.

mod ablate;
mod attributes;
mod bench;
mod common;
mod convert;
mod curves;
mod decode;
mod draw;
mod edit;
mod encode;
mod evaluate;
mod explore;
mod export;
mod import;
mod info;
mod morph;
mod output;
mod package;
mod ranks;
mod sample;
mod scaling;
mod train;

use std::any::TypeId;
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::disk;
use crate::kernels::Isa;
use crate::model::GlowConfig;
use crate::train::ranks::rank_before_start;

/// Explore the latent space of Glow, the invertible generative network, by hand.
///
/// Without a command it opens the window with the files named. The commands do without a display what
/// the window does, and train.
#[derive(Parser, Debug)]
#[command(version, about, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    explore: explore::Args,
}

const EXAMPLES: &str = "Examples:
  glow-explorer anna.jpg
  glow-explorer sample --seed 7 --out faces.png
  glow-explorer morph anna.jpg ben.jpg --gif film.gif
Each command has examples of its own: glow-explorer morph --help";

#[derive(Subcommand, Debug)]
enum Sub {
    /// Open the window; the same as no command
    #[command(after_help = explore::EXAMPLES)]
    Explore(explore::Args),
    /// Draw pictures from the model
    #[command(after_help = sample::EXAMPLES)]
    Sample(sample::Args),
    /// Encode photos: their latents, likelihood and round-trip error
    #[command(after_help = encode::EXAMPLES)]
    Encode(encode::Args),
    /// Decode latents to pictures
    #[command(after_help = decode::EXAMPLES)]
    Decode(decode::Args),
    /// Walk from photo to photo: a strip, frames or an animation
    #[command(after_help = morph::EXAMPLES)]
    Morph(morph::Args),
    /// Change attributes of a photo
    #[command(after_help = edit::EXAMPLES)]
    Edit(edit::Args),
    /// Build attribute directions from labelled pictures
    #[command(after_help = attributes::EXAMPLES)]
    Attributes(attributes::Args),
    /// Train a model on a folder of pictures
    Train(train::Args),
    /// Train every row of a table of configurations and compare them
    #[command(after_help = ablate::EXAMPLES)]
    Ablate(ablate::Args),
    /// Draw the curves of trainings in one chart
    #[command(after_help = curves::EXAMPLES)]
    Curves(curves::Args),
    /// Measure the likelihood and the round trip on a folder of pictures
    #[command(after_help = evaluate::EXAMPLES)]
    Evaluate(evaluate::Args),
    /// Say what a file of this program holds
    #[command(after_help = info::EXAMPLES)]
    Info(info::Args),
    /// Turn a checkpoint of another program into a weight file
    #[command(after_help = import::EXAMPLES)]
    Import(import::Args),
    /// Turn a model into a file of another program
    #[command(after_help = export::EXAMPLES)]
    Export(export::Args),
    /// Write a weight file anew, in single or half precision
    #[command(hide = true, after_help = convert::EXAMPLES)]
    Convert(convert::Args),
    /// Measure encode, decode and training step
    Bench(bench::Args),
    /// Write manual pages, completions of shells and icons, for packages
    #[command(hide = true)]
    PackageFiles(package::Args),
}

impl Cli {
    /// The arguments of the program. What is wrong with them ends it with code 2 and a message; of several processes on
    /// one command line the first has it.
    pub fn from_arguments() -> Self {
        let found = command().try_get_matches();
        let found = found.and_then(|found| Self::from_arg_matches(&found));
        found.unwrap_or_else(|error| {
            if rank_before_start().is_some_and(|rank| rank > 0) {
                std::process::exit(error.exit_code());
            }
            error.exit()
        })
    }
}

/// The command line, in which a number after a flag may be negative: it is the flag's own check that says what is wrong.
fn command() -> clap::Command {
    fn allow(command: clap::Command) -> clap::Command {
        let flags = command.mut_args(|arg| {
            let kind = arg.get_value_parser().type_id();
            // `-1,0.5` and `-inf` are no numbers in clap's eyes.
            let is_float = kind == TypeId::of::<f32>() || kind == TypeId::of::<f64>();
            match arg.get_action().takes_values() && !arg.is_positional() {
                true if is_float => arg.allow_hyphen_values(true),
                true => arg.allow_negative_numbers(true),
                false => arg,
            }
        });
        flags.mut_subcommands(allow)
    }
    allow(Cli::command())
}

/// Runs the command that the arguments name.
///
/// Errors: one line that says what is wrong and what to do; [`error_line`] makes it.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(wish) = std::env::var_os("GLOW_ISA").filter(|wish| !wish.is_empty())
        && !Isa::WISHES.iter().any(|known| wish == *known)
    {
        anyhow::bail!("GLOW_ISA is {wish:?}; it may be {}", Isa::WISHES.join(", "));
    }
    match cli.command {
        None => explore::run(cli.explore),
        Some(Sub::Explore(args)) => explore::run(args),
        Some(Sub::Sample(args)) => sample::run(args),
        Some(Sub::Encode(args)) => encode::run(args),
        Some(Sub::Decode(args)) => decode::run(args),
        Some(Sub::Morph(args)) => morph::run(args),
        Some(Sub::Edit(args)) => edit::run(args),
        Some(Sub::Attributes(args)) => attributes::run(args),
        Some(Sub::Train(args)) => train::run(args),
        Some(Sub::Ablate(args)) => ablate::run(args),
        Some(Sub::Curves(args)) => curves::run(args),
        Some(Sub::Evaluate(args)) => evaluate::run(args),
        Some(Sub::Info(args)) => info::run(args),
        Some(Sub::Import(args)) => import::run(args),
        Some(Sub::Export(args)) => export::run(args),
        Some(Sub::Convert(args)) => convert::run(args),
        Some(Sub::Bench(args)) => bench::run(args),
        Some(Sub::PackageFiles(args)) => package::run(args),
    }
}

/// An error and its causes in one line. Causes that the text before them quotes already are left out,
/// as many errors do for the path to stand last.
pub fn error_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    let parts = line.split(['\n', '\r']).map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    common::shown_line(&parts.join(" "))
}

/// A model's configuration is never larger.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Reads a model configuration.
fn read_config(path: &Path) -> anyhow::Result<GlowConfig> {
    let text = disk::read_text(path, MAX_CONFIG_BYTES)?;
    serde_json::from_str(&text)
        .map_err(|e| anyhow::anyhow!("the config is not valid ({e}): {}", path.display()))
}

/// Threads to work on where nothing else is said.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn an_error_is_one_line_that_says_nothing_twice() {
        let cause = std::io::Error::other("disk\non fire");
        let error = anyhow::Error::from(cause)
            .context("cannot read (disk\non fire): a.png")
            .context("at the start");
        assert_eq!(
            error_line(&error),
            "at the start: cannot read (disk on fire): a.png"
        );
    }
}
