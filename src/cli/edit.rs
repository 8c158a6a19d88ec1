//! `glow-explorer edit`.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::common::{ModelArgs, note_decimal_comma, say, say_json, temperature};
use super::draw::{Drawing, LayoutArgs, Targets, item};
use super::output::Outputs;
use crate::files::shipped::attributes_beside;
use crate::latent::attributes::{AttributeEdit, Directions, EditOptions};
use crate::recipe::{Inputs, Recipe};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer edit anna.jpg --set smiling=1.5 --out smile.png
  glow-explorer edit anna.jpg --set smiling=1 --set age=-1 --keep-others --scale 4 --out young.png
  glow-explorer info            lists the attributes of the model that comes with the program";

/// Far outside of every slider's range.
const MAX_AMOUNT: f32 = 100.0;

#[derive(clap::Args, Debug)]
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
    /// Picture to write: PNG, JPEG or lossless WebP by its name; - is standard output
    #[arg(long, value_name = "FILE.png|jpg|webp")]
    out: PathBuf,
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
    let beside = args.model.model.as_deref().map(attributes_beside);
    let read = args.model.files().chain([args.input.as_path()]);
    let directions = args.attributes.as_ref().or(beside.as_ref());
    let read = read.chain(directions.map(PathBuf::as_path));
    let mut outputs = Outputs::beside(read).json(args.json);
    let (sheet, latents) = (Some(args.out.as_path()), args.latents.as_deref());
    let targets = Targets::new(&mut outputs, sheet, latents)?;
    let model = args.model.open()?;
    let (file, attributes) = model.directions(args.attributes.as_deref())?;
    let directions = &attributes.directions;
    check_names(directions, &args.edits, &file)?;
    let inputs = model.inputs(std::slice::from_ref(&args.input), args.no_crop)?;
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
    let drawing = Drawing {
        command: "edit",
        model: &model,
        recipes: (0..names.len()).map(recipe).collect(),
        inputs: Inputs::from_iter(inputs),
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
