//! `glow-explorer decode`.

use std::path::PathBuf;

use super::common::{ModelArgs, item_names, note_decimal_comma, say, temperature};
use super::draw::{Drawing, LayoutArgs, Targets, item};
use super::output::{Outputs, SAFETENSORS, shown};
use crate::export::PictureFormat;
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
    /// One picture with all of them (a name in .png, .jpg or .webp; - is standard output), or a folder for a PNG each,
    /// which is made
    #[arg(
        long,
        value_name = "FILE.png|jpg|webp|DIR",
        required_unless_present = "tensor"
    )]
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
    note_decimal_comma("--temperature", &args.temperature);
    let inputs = args.model.files().chain([args.latents.as_path()]);
    let mut outputs = Outputs::beside(inputs);
    let is_sheet = |path: &PathBuf| path.as_os_str() == "-" || PictureFormat::of(path).is_some();
    let (sheet, folder) = match args.out {
        Some(path) if is_sheet(&path) => (Some(path), None),
        folder => (None, folder),
    };
    let mut targets = Targets::new(&mut outputs, sheet.as_deref(), None)?;
    let what = "numbers are written as safetensors";
    let tensor = args.tensor.as_deref();
    let tensor = tensor.map(|path| outputs.file(path, SAFETENSORS, what));
    let tensor = tensor.transpose()?;
    let model = args.model.open()?;
    let mut file = model.read_latents(&args.latents)?;
    file.latents = model.given(file.latents)?;
    let names = item_names(&args.latents, &file);
    let n = file.latents.len();
    targets.frames = folder.map(|path| outputs.frames(&path, n)).transpose()?;
    if let Some(path) = &tensor {
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
        say(format_args!("{n} pictures as numbers: {}", shown(path)))?;
    }
    if targets.sheet.is_none() && targets.frames.is_none() {
        return outputs.finish();
    }
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
        outputs,
    };
    drawing.draw(false)
}
