//! `glow-explorer import`.

use std::path::PathBuf;

use super::common::{ForeignArgs, config_text, note_all, say, say_json};
use super::output::{Outputs, SAFETENSORS, shown};
use crate::files::import;
use crate::files::weights::Precision;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer import model_200000.pt --out m.safetensors --image-size 64 --bits 5
  glow-explorer import trained.pkg --out m.safetensors
  glow-explorer sample --model trained.pkg --out faces.png      the same file without converting it";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Checkpoint of rosinality's, chaiyujin's, y0ast's or OpenAI's Glow, or of normflows
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// Weight file to write; - is standard output
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Half precision: half the size, and differences that are not seen
    #[arg(long)]
    half: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    foreign: ForeignArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let mut outputs = Outputs::beside([args.input.as_path()]).json(args.json);
    let what = "weights are written as safetensors";
    let out = outputs.file(&args.out, SAFETENSORS, what)?;
    let opened = import::open(&args.input, &args.foreign.options())?;
    note_all(&args.input, &opened.notes);
    let file = opened.file;
    file.write(&out, Precision::of(args.half))?;
    let program = opened.program.map_or("this program", |p| p.name());
    if args.json {
        return say_json(&serde_json::json!({
            "file": args.out.display().to_string(),
            "program": program,
            "config": file.params.config,
            "assumed": opened.notes,
        }));
    }
    say(format_args!(
        "a model of {program}, {}: {}",
        config_text(&file.params.config),
        shown(&out)
    ))?;
    outputs.finish()
}
