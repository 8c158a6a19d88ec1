//! `glow-explorer decode`.

use std::path::PathBuf;

use super::common::{ModelArgs, has_extension, item_names, temperature};
use super::draw::{Drawing, LayoutArgs, Targets, item, latent_at, recipe_at};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer decode two.safetensors --out two.png
  glow-explorer decode two.safetensors --temperature 0.5 --scale 4 --out pictures/";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Latents file, as encode and the window write it
    #[arg(value_name = "LATENTS")]
    latents: PathBuf,
    /// One PNG with all pictures (a name in .png), or a folder for a PNG each; the folder is made
    #[arg(long, value_name = "FILE.png|DIR")]
    out: PathBuf,
    /// Factor on the latents from 0 to 10, or one for each level, finest first, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = temperature)]
    temperature: Vec<f32>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let model = args.model.open()?;
    let file = model.read_latents(&args.latents)?;
    let names = item_names(&args.latents, &file);
    let targets = if has_extension(&args.out, "png") {
        Targets {
            sheet: Some(args.out),
            ..Targets::default()
        }
    } else {
        Targets {
            frames: Some(args.out),
            ..Targets::default()
        }
    };
    let n = file.latents.len();
    let drawing = Drawing {
        command: "decode",
        model: &model,
        recipes: (0..n)
            .map(|i| recipe_at(item(i), &args.temperature))
            .collect(),
        items: &names,
        layout: args.layout,
        default_columns: (n as f64).sqrt().ceil() as u32,
        targets,
    };
    drawing.draw(|i| latent_at(file.latents[i].clone(), &args.temperature))
}
