//! `glow-explorer sample`.

use std::path::PathBuf;

use super::common::{ModelArgs, note_decimal_comma, temperature};
use super::draw::{Drawing, LayoutArgs, Targets};
use super::output::Outputs;
use crate::latent::attributes::Directions;
use crate::recipe::{Inputs, Recipe};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer sample --count 16 --seed 7 --out faces.png
  glow-explorer sample --count 100 --temperature 0.6 --frames faces/
  glow-explorer sample --model my.safetensors --temperature 0.3,0.5,0.7,1 --out levels.png";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Pictures
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Seed; picture n of a seed is always the same, whatever the count
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Temperature from 0 to 10, or one for each level, finest first, separated by commas
    #[arg(long, default_value = "0.7", value_delimiter = ',', value_parser = temperature)]
    temperature: Vec<f32>,
    /// One picture with all of them: PNG, JPEG or lossless WebP by its name; - is standard output
    #[arg(long, required_unless_present_any = ["frames", "latents"], value_name = "FILE.png|jpg|webp")]
    out: Option<PathBuf>,
    /// Folder for a PNG of each picture; made where it is missing
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
    /// Latents file to write, for morph, edit and the window
    #[arg(long, value_name = "FILE.safetensors")]
    latents: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    note_decimal_comma("--temperature", &args.temperature);
    let mut outputs = Outputs::beside(args.model.files());
    let mut targets = Targets::new(&mut outputs, args.out.as_deref(), args.latents.as_deref())?;
    let frames = args.frames.as_deref();
    targets.frames = frames
        .map(|path| outputs.frames(path, args.count as usize))
        .transpose()?;
    let model = args.model.open()?;
    let seed = args.seed;
    let recipe = |index| {
        let given = model.condition(index as usize, args.count as usize)?;
        let sample = Recipe::Sample { seed, index }.at_temperature(&args.temperature);
        Ok(sample.given(&given))
    };
    let drawing = Drawing {
        command: "sample",
        model: &model,
        recipes: (0..args.count).map(recipe).collect::<anyhow::Result<_>>()?,
        inputs: Inputs::default(),
        directions: Directions::default(),
        layout: args.layout,
        default_columns: f64::from(args.count).sqrt().ceil() as u32,
        targets,
        outputs,
    };
    drawing.draw(false)
}
