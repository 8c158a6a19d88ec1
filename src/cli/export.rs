//! `glow-explorer export`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::common::{ForeignArgs, note_all, say};
use super::output::{Outputs, shown};
use crate::files::import;
use crate::files::outward::{self, Target};
use crate::files::shipped::{self, Choice};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer export --to onnx --out faces.onnx
  glow-explorer export --model my.safetensors --to rosinality --out model_000001.pt";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    /// A state dict of rosinality/glow-pytorch
    Rosinality,
    /// The decoder: eps of each level and a temperature in, `x` out
    Onnx,
}

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Weight file, or a checkpoint of another program; the default is the model that comes with the program
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum)]
    to: To,
    /// File to write; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    foreign: ForeignArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let mut outputs = Outputs::beside(args.model.as_deref());
    let endings = match args.to {
        To::Rosinality => &["pt", "pth", "ckpt", "model"][..],
        To::Onnx => &["onnx"],
    };
    let out = outputs.file(
        &args.out,
        endings,
        "the model is written for another program",
    )?;
    let file = match shipped::choose(args.model.as_deref()) {
        Choice::Shipped(model) => model.weights()?,
        Choice::File(path) => {
            let opened = import::open(path, &args.foreign.options())?;
            note_all(path, &opened.notes);
            opened.file
        }
    };
    let target = match args.to {
        To::Rosinality => Target::Rosinality,
        To::Onnx => Target::Onnx,
    };
    outward::write(&out, &file.params, target)?;
    let hint = outward::hint(&file.params, target);
    say(format_args!("written, {hint}: {}", shown(&out)))?;
    outputs.finish()
}
