//! `glow-explorer convert`.

use std::path::PathBuf;

use super::common::say;
use super::output::{Outputs, SAFETENSORS, shown};
use crate::files::weights::{self, Precision};

pub(super) const EXAMPLES: &str = "Example:
  glow-explorer convert faces.safetensors faces-half.safetensors --half";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Weight file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Weight file to write; - is standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Half precision: half the size, and differences that are not seen
    #[arg(long)]
    half: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let mut outputs = Outputs::beside([args.input.as_path()]);
    let what = "weights are written as safetensors";
    let out = outputs.file(&args.output, SAFETENSORS, what)?;
    let file = weights::read(&args.input)?;
    file.write(&out, Precision::of(args.half))?;
    say(format_args!("written: {}", shown(&out)))?;
    outputs.finish()
}
