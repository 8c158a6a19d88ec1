//! `glow-explorer morph`.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use super::common::{ModelArgs, note_decimal_comma, temperature};
use super::draw::{Drawing, FilmTarget, LayoutArgs, Targets, item};
use super::output::Outputs;
use crate::export::{ExportError, FilmFormat, Rate, has_ffmpeg};
use crate::latent::attributes::Directions;
use crate::latent::interpolate::{self, KEYFRAMES, steps};
use crate::latent::timeline::{PlayMode, Timeline};
use crate::recipe::{Inputs, Recipe};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer morph anna.jpg ben.jpg --steps 9 --scale 2 --out strip.png
  glow-explorer morph anna.jpg ben.jpg --film film.mp4 --seconds 4 --fps 25 --play ping-pong
  glow-explorer morph anna.jpg ben.jpg anna.jpg --play loop --easing smooth --film film.gif
  glow-explorer morph anna.jpg ben.jpg --steps 24 --columns 6 --labels --out contact-sheet.png
  glow-explorer morph two.safetensors --path linear --steps 120 --frames film/";

#[derive(clap::Args, Debug)]
#[group(id = "target", required = true, multiple = true, args = ["out", "frames", "film", "gif", "apng", "latents"])]
pub(super) struct Args {
    /// Keyframes, 2 to 8 in all: photos, and latents files with all their latents
    #[arg(required = true, value_name = "PHOTO|LATENTS")]
    keys: Vec<PathBuf>,
    /// Pictures on the way, the ends included, for everything but --film
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=1000))]
    steps: u32,
    /// How the path runs between two keyframes
    #[arg(long, value_enum, default_value_t = Path::Linear)]
    path: Path,
    /// How time runs along the path
    #[arg(long, value_enum, default_value_t = EasingArg::Linear)]
    easing: EasingArg,
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
    /// Film as the window plays it: .gif, .png (animated), .webp, or .mp4 through the ffmpeg that is installed
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Seconds of --film from the first keyframe to the last
    #[arg(long, default_value_t = 4.0, value_parser = seconds)]
    seconds: f32,
    /// Frames a second of --film
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,
    /// What --film does at the end of the path
    #[arg(long, value_enum, default_value_t = Play::PingPong)]
    play: Play,
    /// Animation of the steps in 256 colours
    #[arg(long, value_name = "FILE.gif")]
    gif: Option<PathBuf>,
    /// Animation of the steps in all colours, for browsers
    #[arg(long, value_name = "FILE.png")]
    apng: Option<PathBuf>,
    /// Latents file to write
    #[arg(long, value_name = "FILE.safetensors")]
    latents: Option<PathBuf>,
    /// Hundredths of a second a picture of --gif and --apng stays
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
enum EasingArg {
    /// At constant speed
    Linear,
    /// Slow at both ends
    Smooth,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Play {
    /// There and back
    PingPong,
    /// Begin again at the first keyframe
    Loop,
    /// There, and stop
    Once,
}

/// Frames of a film, beyond which it is a mistake.
const MAX_FRAMES: f32 = 10_000.0;

fn seconds(text: &str) -> Result<f32, String> {
    super::common::number_in(text, 0.1..=600.0)
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    if let Some(path) = &args.film {
        check_film(path, &args)?;
    }
    note_decimal_comma("--temperature", &args.temperature);
    let read = args
        .model
        .files()
        .chain(args.keys.iter().map(PathBuf::as_path));
    let mut outputs = Outputs::beside(read);
    let mut targets = Targets::new(&mut outputs, args.out.as_deref(), args.latents.as_deref())?;
    let n_steps = args.steps as usize;
    let animations = [
        (&args.gif, "gif", "the animation is written as GIF"),
        (&args.apng, "png", "the animation is written as PNG"),
    ];
    for (path, ending, what) in animations {
        let Some(path) = path else { continue };
        targets.films.push(FilmTarget {
            path: outputs.file(path, &[ending], what)?,
            order: (0..n_steps).collect(),
            rate: Rate::of_delay(args.delay),
        });
    }
    let frames = args.frames.as_deref();
    targets.frames = frames
        .map(|path| outputs.frames(path, n_steps))
        .transpose()?;
    let film = match &args.film {
        Some(path) => Some(outputs.kept(path, &[], "the film")?),
        None => None,
    };
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
        EasingArg::Linear => interpolate::Easing::Linear,
        EasingArg::Smooth => interpolate::Easing::Smooth,
    };
    let recipe = |&t: &f32| {
        let keys = (0..n_keys).map(item).collect();
        Recipe::Morph { keys, t, path }.at_temperature(&args.temperature)
    };
    let is_closed = match (inputs.first(), inputs.last()) {
        (Some((_, first)), Some((_, last))) => first == last,
        _ => false,
    };
    let inputs = Inputs::from_iter(inputs);
    let drawing = |times: &[f32], targets, outputs| Drawing {
        command: "morph",
        model: &model,
        recipes: times.iter().map(recipe).collect(),
        inputs: inputs.clone(),
        directions: Directions::default(),
        layout: args.layout,
        default_columns: 0,
        targets,
        outputs,
    };
    if !targets.is_empty() {
        drawing(&steps(n_steps, easing), targets, outputs).draw(false)?;
    }
    if let Some(path) = film {
        let mode = match args.play {
            Play::PingPong => PlayMode::PingPong,
            Play::Loop => PlayMode::Loop,
            Play::Once => PlayMode::Once,
        };
        let timeline = Timeline::new(args.seconds, args.fps, mode, easing, is_closed);
        let film = FilmTarget {
            path,
            order: timeline.order,
            rate: Rate::per_second(args.fps),
        };
        let targets = Targets {
            films: vec![film],
            ..Targets::default()
        };
        // It was taken up with the others.
        drawing(&timeline.times, targets, Outputs::default()).draw(false)?;
    }
    Ok(())
}

/// Refuses a film that players would not show as it was meant.
fn check_film(path: &std::path::Path, args: &Args) -> anyhow::Result<()> {
    let format = FilmFormat::of_path(path)?;
    if format == FilmFormat::Mp4 && !has_ffmpeg() {
        bail!(ExportError::NoFfmpeg {
            path: path.display().to_string()
        });
    }
    let most = format.max_fps();
    if args.fps > most {
        bail!(
            "players show at most {most} frames a second of this format, not {}; lower --fps or choose another format: {}",
            args.fps,
            path.display()
        );
    }
    let frames = args.seconds * args.fps as f32;
    if frames > MAX_FRAMES {
        bail!(
            "the film would have {frames:.0} frames one way, the limit is {MAX_FRAMES}; lower --seconds or --fps: {}",
            path.display()
        );
    }
    Ok(())
}
