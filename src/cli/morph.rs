//! `glow-explorer morph`.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use super::common::{ModelArgs, note_decimal_comma, temperature};
use super::draw::{Drawing, LayoutArgs, Targets, item};
use super::output::Outputs;
use crate::latent::attributes::Directions;
use crate::latent::interpolate::{self, KEYFRAMES, steps};
use crate::recipe::{Inputs, Recipe};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer morph anna.jpg ben.jpg --steps 9 --scale 2 --out strip.png
  glow-explorer morph anna.jpg ben.jpg anna.jpg --steps 60 --easing smooth --gif film.gif
  glow-explorer morph two.safetensors --path linear --steps 120 --frames film/";

#[derive(clap::Args, Debug)]
#[group(id = "target", required = true, multiple = true, args = ["out", "frames", "gif", "apng", "latents"])]
pub(super) struct Args {
    /// Keyframes, 2 to 8 in all: photos, and latents files with all their latents
    #[arg(required = true, value_name = "PHOTO|LATENTS")]
    keys: Vec<PathBuf>,
    /// Pictures on the way, the ends included
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=1000))]
    steps: u32,
    /// How the path runs between two keyframes
    #[arg(long, value_enum, default_value_t = Path::Spherical)]
    path: Path,
    /// How time runs along the path
    #[arg(long, value_enum, default_value_t = Easing::Linear)]
    easing: Easing,
    /// Factor on the latents from 0 to 10, or one for each level, finest first, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = temperature)]
    temperature: Vec<f32>,
    /// One picture with all of them, a strip unless --columns says otherwise: PNG, JPEG or lossless WebP by its name; - is
    /// standard output
    #[arg(long, value_name = "FILE.png|jpg|webp")]
    out: Option<PathBuf>,
    /// Folder for a PNG of each picture; made where it is missing
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
    /// Animation in 256 colours
    #[arg(long, value_name = "FILE.gif")]
    gif: Option<PathBuf>,
    /// Animation in all colours, for browsers
    #[arg(long, value_name = "FILE.png")]
    apng: Option<PathBuf>,
    /// Latents file to write
    #[arg(long, value_name = "FILE.safetensors")]
    latents: Option<PathBuf>,
    /// Hundredths of a second a picture of the animations stays
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=6000))]
    delay: u16,
    /// Take the largest square in the middle of photos instead of looking for a face
    #[arg(long)]
    no_crop: bool,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Path {
    /// Straight, as in the paper
    Linear,
    /// On a sphere, so that the middle is as sharp as the ends
    Spherical,
    /// On a sphere in each level by itself
    PerLevel,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Easing {
    /// At constant speed
    Linear,
    /// Slow at both ends
    Smooth,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    note_decimal_comma("--temperature", &args.temperature);
    let read = args
        .model
        .files()
        .chain(args.keys.iter().map(PathBuf::as_path));
    let mut outputs = Outputs::beside(read);
    let mut targets = Targets::new(&mut outputs, args.out.as_deref(), args.latents.as_deref())?;
    let mut animation = |path: Option<&PathBuf>, ending: &str, what| {
        path.map(|path| outputs.file(path, &[ending], what))
            .transpose()
    };
    targets.gif = animation(args.gif.as_ref(), "gif", "the animation is written as GIF")?;
    targets.apng = animation(args.apng.as_ref(), "png", "the animation is written as PNG")?;
    let frames = args.frames.as_deref();
    targets.frames = frames
        .map(|path| outputs.frames(path, args.steps as usize))
        .transpose()?;
    targets.delay_cs = args.delay;
    let model = args.model.open()?;
    let inputs = model.inputs(&args.keys, args.no_crop)?;
    let n_keys = inputs.len();
    if !KEYFRAMES.contains(&n_keys) {
        let found = inputs.first().map_or("none", |(name, _)| name.as_str());
        bail!(
            "a path has {} to {} keyframes, but {} were given (the first is {found})",
            KEYFRAMES.start(),
            KEYFRAMES.end(),
            n_keys
        );
    }
    let path = match args.path {
        Path::Linear => interpolate::PathKind::Linear,
        Path::Spherical => interpolate::PathKind::Spherical,
        Path::PerLevel => interpolate::PathKind::SphericalPerLevel,
    };
    let easing = match args.easing {
        Easing::Linear => interpolate::Easing::Linear,
        Easing::Smooth => interpolate::Easing::Smooth,
    };
    let times = steps(args.steps as usize, easing);
    let recipe = |&t: &f32| {
        let keys = (0..n_keys).map(item).collect();
        Recipe::Morph { keys, t, path }.at_temperature(&args.temperature)
    };
    let drawing = Drawing {
        command: "morph",
        model: &model,
        recipes: times.iter().map(recipe).collect(),
        inputs: Inputs::from_iter(inputs),
        directions: Directions::default(),
        layout: args.layout,
        default_columns: 0,
        targets,
        outputs,
    };
    drawing.draw(false)
}
