//! `glow-explorer edit`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use image::RgbImage;
use serde_json::json;

use super::common::{
    ModelArgs, OpenModel, is_safetensors, note_all, note_decimal_comma, say, say_json, temperature,
};
use super::draw::{Drawing, LayoutArgs, Targets, item};
use super::output::{Outputs, shown};
use crate::data::intake::{self, SourcePicture};
use crate::data::original::Original;
use crate::data::{CropSquare, PictureSource};
use crate::files::attributes;
use crate::latent::Latent;
use crate::latent::attributes::{AttributeEdit, Directions, EditOptions};
use crate::paste::{self, Change, paste_back};
use crate::recipe::{self, Inputs, Recipe};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer edit anna.jpg --set smiling=1.5 --out smile.png
  glow-explorer edit anna.jpg --set smiling=1 --set age=-1 --keep-others --scale 4 --out young.png
  glow-explorer edit anna.jpg --set smiling=1 --paste-back anna-smiling.jpg
  glow-explorer info            lists the attributes of the model that comes with the program";

/// Endings of photos that are written.
const PHOTO_ENDINGS: &[&str] = &["jpg", "jpeg", "png"];

/// Far outside of every slider's range.
const MAX_AMOUNT: f32 = 100.0;

#[derive(clap::Args, Debug)]
#[group(id = "target", required = true, multiple = true, args = ["out", "paste_back", "latents"])]
pub(super) struct Args {
    /// Photo, or latents file of which every latent is edited
    #[arg(value_name = "PHOTO|LATENTS")]
    input: PathBuf,
    /// Attribute and amount; +1 is a clear change, 0 none; may be given several times
    #[arg(long = "set", required = true, value_name = "NAME=AMOUNT", value_parser = edit)]
    edits: Vec<AttributeEdit>,
    /// Leave the other attributes as they are
    #[arg(long)]
    keep_others: bool,
    /// Attributes file; the default is the one beside the weight file
    #[arg(long, value_name = "FILE")]
    attributes: Option<PathBuf>,
    /// Factor on the latent from 0 to 10, or one for each level, finest first, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = temperature)]
    temperature: Vec<f32>,
    /// Picture to write, at the model's size: PNG, JPEG or lossless WebP by its name; - is standard output
    #[arg(long, value_name = "FILE.png|jpg|webp")]
    out: Option<PathBuf>,
    /// The photo itself at its full size with the edit in it: JPEG or PNG, with its colour profile and EXIF
    #[arg(long, value_name = "FILE.jpg|png")]
    paste_back: Option<PathBuf>,
    /// Latents file to write, of the edited latents
    #[arg(long, value_name = "FILE.safetensors")]
    latents: Option<PathBuf>,
    /// Take the largest square in the middle of the photo instead of looking for a face
    #[arg(long)]
    no_crop: bool,
    /// Print the scores before and after as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    model: ModelArgs,
}

fn edit(text: &str) -> Result<AttributeEdit, String> {
    let (name, amount) = text
        .rsplit_once('=')
        .ok_or("say NAME=AMOUNT, for example smiling=1.5")?;
    let (name, amount) = (name.trim().to_owned(), amount.trim().parse::<f32>());
    match amount {
        Ok(amount) if !name.is_empty() && amount.abs() <= MAX_AMOUNT => {
            Ok(AttributeEdit { name, amount })
        }
        _ => Err(format!(
            "say NAME=AMOUNT with a number from -{MAX_AMOUNT} to {MAX_AMOUNT}, for example smiling=1.5"
        )),
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    note_decimal_comma("--temperature", &args.temperature);
    let beside = args.model.model.as_deref().map(attributes::path_beside);
    let read = args.model.files().chain([args.input.as_path()]);
    let directions = args.attributes.as_ref().or(beside.as_ref());
    let read = read.chain(directions.map(PathBuf::as_path));
    let mut outputs = Outputs::beside(read).json(args.json);
    let targets = Targets::new(&mut outputs, args.out.as_deref(), args.latents.as_deref())?;
    let pasted = args.paste_back.as_deref();
    let pasted = pasted
        .map(|path| outputs.file(path, PHOTO_ENDINGS, "the photo is written as JPEG or PNG"))
        .transpose()?;
    if pasted.is_some() && is_safetensors(&args.input) {
        bail!(
            "--paste-back needs the photo, not its latents: {}",
            args.input.display()
        );
    }
    let model = args.model.open()?;
    let (file, attributes) = model.directions(args.attributes.as_deref())?;
    let directions = &attributes.directions;
    check_names(directions, &args.edits, &file)?;
    let (pasting, inputs) = match pasted.is_some() {
        true => {
            let (pasting, input) = PhotoToEdit::open(&model, &args.input, args.no_crop)?;
            (Some(pasting), vec![input])
        }
        false => {
            let input = std::slice::from_ref(&args.input);
            (None, model.inputs(input, args.no_crop)?)
        }
    };
    let options = EditOptions {
        keep_others: args.keep_others,
        renormalise: false,
    };
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for (name, latent) in &inputs {
        let after = directions.apply(latent, &args.edits, options)?;
        let (from, to) = (
            directions.project_all(latent)?,
            directions.project_all(&after)?,
        );
        let scores = directions.as_slice().iter().zip(from.into_iter().zip(to));
        let scores: Vec<_> = scores
            .map(|(d, (from, to))| (d.name.as_str(), from, to))
            .collect();
        rows.push(scores);
        names.push(name.clone());
    }
    let recipe = |i| {
        let base = Box::new(item(i));
        let (edits, keep_others) = (args.edits.clone(), args.keep_others);
        let recipe = Recipe::Edited {
            base,
            edits,
            keep_others,
        };
        recipe.at_temperature(&args.temperature)
    };
    let recipes: Vec<Recipe> = (0..names.len()).map(recipe).collect();
    let inputs = Inputs::from_iter(inputs);
    if let (Some(pasting), Some(path)) = (pasting, &pasted) {
        let shape = model.config().latent_shape();
        let latents = recipe::latents(&recipes, &shape, directions, &inputs)?;
        let (after, (_, before)) = (latents.first(), &inputs.0[0]);
        let after = after.context("the edit gave no latent")?;
        let notes = pasting.write(&model, (before, after), args.layout.quality, path)?;
        note_all(path, &notes);
        if !args.json {
            say(format_args!("1 photo: {}", shown(path)))?;
        }
    }
    let drawing = Drawing {
        command: "edit",
        model: &model,
        recipes,
        inputs,
        directions: directions.clone(),
        layout: args.layout,
        default_columns: (names.len() as f64).sqrt().ceil() as u32,
        targets,
        outputs,
    };
    drawing.draw(args.json)?;
    if args.json {
        let pictures = names.iter().zip(&rows).map(|(name, scores)| {
            let scores = scores.iter().map(|(attribute, from, to)| {
                (
                    (*attribute).to_owned(),
                    json!({ "before": from, "after": to }),
                )
            });
            json!({ "name": name, "scores": serde_json::Map::from_iter(scores) })
        });
        let pictures: Vec<_> = pictures.collect();
        return say_json(&json!({ "model": model.name, "attributes": file, "pictures": pictures }));
    }
    for (name, scores) in names.iter().zip(&rows) {
        let parts: Vec<String> = scores
            .iter()
            .map(|(attribute, from, to)| format!("{attribute} {from:+.2} -> {to:+.2}"))
            .collect();
        say(format_args!("{name}: {}", parts.join(", ")))?;
    }
    Ok(())
}

/// A photo that its edit is to be brought back into.
struct PhotoToEdit {
    original: Original,
    crop: CropSquare,
    /// The square that the model was shown, at its size.
    framed: RgbImage,
}

impl PhotoToEdit {
    /// Reads and encodes a photo; with it its name and its latent.
    fn open(
        model: &OpenModel,
        path: &Path,
        no_crop: bool,
    ) -> anyhow::Result<(Self, (String, Latent))> {
        let mut original = intake::read_original(&PictureSource::Path(path.to_owned()))?;
        note_all(path, &original.notes);
        // Its pixels are lent to the framing, which takes a picture whole.
        let source = SourcePicture {
            name: original.name.clone(),
            rgb: std::mem::take(&mut original.srgb),
            notes: Vec::new(),
        };
        let (photo, source) = model.encode_picture(source, path, no_crop, (0, 1))?;
        original.srgb = source.rgb;
        let pasting = Self {
            original,
            crop: photo.crop,
            framed: photo.framed,
        };
        Ok((pasting, (photo.name, photo.encoded.latent)))
    }

    /// Writes the photo with the change from one latent's picture to the other's; the notes are for people.
    fn write(
        &self,
        model: &OpenModel,
        (before, after): (&Arc<Latent>, &Arc<Latent>),
        quality: u8,
        path: &Path,
    ) -> anyhow::Result<Vec<String>> {
        let x = |latent: &Latent| -> anyhow::Result<Vec<f32>> {
            let decoded = model.decode(std::slice::from_ref(latent))?;
            let one = decoded.into_iter().next();
            Ok(one.context("the model gave no picture")?.x)
        };
        let x_before = x(before)?;
        let x_after = match before == after {
            true => x_before.clone(),
            false => x(after)?,
        };
        let change = Change::between(&x_before, &x_after, model.config().image_size)
            .with_context(|| format!("cannot be pasted back: {}", path.display()))?;
        let threads = super::cores();
        let photo = &self.original.srgb;
        let edited = paste_back(photo, self.crop, &self.framed, &change, threads);
        Ok(paste::write(
            path,
            &self.original,
            &edited,
            quality,
            threads,
        )?)
    }
}

/// Refuses unknown attributes with the names that would be known.
fn check_names(directions: &Directions, edits: &[AttributeEdit], file: &str) -> anyhow::Result<()> {
    let known: Vec<&str> = directions
        .as_slice()
        .iter()
        .map(|d| d.name.as_str())
        .collect();
    match edits.iter().find(|e| !known.contains(&e.name.as_str())) {
        None => Ok(()),
        Some(unknown) => bail!(
            "no attribute is called \"{}\"; choose one of {}: {file}",
            unknown.name,
            known.join(", ")
        ),
    }
}
