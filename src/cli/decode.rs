//! `glow-explorer decode`.

use std::path::PathBuf;

use super::common::{ModelArgs, check_target, has_extension, item_names, say, temperature};
use super::draw::{Drawing, LayoutArgs, Targets, item};
use crate::files::exact;
use crate::latent::attributes::Directions;
use crate::latent::temperature::scaled;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer decode two.safetensors --out two.png
  glow-explorer decode two.safetensors --temperature 0.5 --scale 4 --out pictures/";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Latents file, as encode and the window write it
    #[arg(value_name = "LATENTS")]
    latents: PathBuf,
    /// One PNG with all pictures (a name in .png), or a folder for a PNG each; the folder is made
    #[arg(long, value_name = "FILE.png|DIR", required_unless_present = "tensor")]
    out: Option<PathBuf>,
    /// Write the decoded numbers as they are, as tensor `x` [n, c, h, w]
    #[arg(long, value_name = "FILE.safetensors")]
    tensor: Option<PathBuf>,
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
    let mut file = model.read_latents(&args.latents)?;
    file.latents = model.given(file.latents)?;
    let names = item_names(&args.latents, &file);
    let n = file.latents.len();
    if let Some(path) = &args.tensor {
        check_target(path)?;
        let mut x = Vec::with_capacity(n);
        for latent in &file.latents {
            let latent = match args.temperature.as_slice() {
                [] => latent.clone(),
                temperature => scaled(latent, temperature)?,
            };
            let decoded = model.decode(&[latent])?;
            x.extend(decoded.into_iter().map(|d| d.x));
        }
        exact::write(path, model.config(), &x)?;
        say(format_args!("{n} pictures as numbers: {}", path.display()))?;
    }
    let Some(out) = args.out else {
        return Ok(());
    };
    let targets = if has_extension(&out, "png") {
        Targets {
            sheet: Some(out),
            ..Targets::default()
        }
    } else {
        Targets {
            frames: Some(out),
            ..Targets::default()
        }
    };
    let drawing = Drawing {
        command: "decode",
        model: &model,
        recipes: (0..n)
            .map(|i| item(i).at_temperature(&args.temperature))
            .collect(),
        inputs: names.into_iter().zip(file.latents).collect(),
        directions: Directions::default(),
        layout: args.layout,
        default_columns: (n as f64).sqrt().ceil() as u32,
        targets,
    };
    drawing.draw(false)
}
