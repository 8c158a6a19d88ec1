//! `glow-explorer convert`.

use std::path::PathBuf;

use super::common::{check_target, say};
use crate::files::weights::{self, Precision};

pub(super) const EXAMPLES: &str = "Example:
  glow-explorer convert faces.safetensors faces-half.safetensors --half";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Weight file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Weight file to write
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Half precision: half the size, and differences that are not seen
    #[arg(long)]
    half: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    check_target(&args.output)?;
    let file = weights::read(&args.input)?;
    let precision = if args.half {
        Precision::F16
    } else {
        Precision::F32
    };
    weights::write(
        &args.output,
        &file.params,
        &file.provenance,
        file.preview.as_ref(),
        precision,
    )?;
    // What half precision cannot hold is infinite afterwards; better to hear of it now than later.
    weights::read(&args.output)?;
    say(format_args!("written: {}", args.output.display()))
}
