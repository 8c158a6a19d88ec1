//! `glow-explorer info`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::{Value, json};

use super::common::{ForeignArgs, config_text, file_name, item_names, note_all, say, say_json};
use crate::config::{Coupling, Padding, Permutation};
use crate::disk::{RegularFile, looks_like};
use crate::export::read_settings_from;
use crate::files::attributes::{self, AttributesFile};
use crate::files::import::{self, Opened};
use crate::files::latents;
use crate::files::shipped::{self, Choice, ShippedModel};
use crate::files::tensors;
use crate::files::weights::{self, WeightFile};
use crate::model::Fingerprint;
use crate::quote::piece;
use crate::train::checkpoint::{self, Checkpoint};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer info                     the model that comes with the program
  glow-explorer info my.safetensors      a weight, latents or attributes file
  glow-explorer info trained.pkg         a checkpoint of another program
  glow-explorer info strip.png           the settings in an exported picture (PNG, JPEG or WebP)";

/// Larger than any file of this program: a checkpoint holds four numbers for each of a weight file.
const MAX_BYTES: u64 = 4 * weights::MAX_BYTES;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Weight, latents, attributes or checkpoint file, a model of another program, or an exported picture
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    foreign: ForeignArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let (value, lines) = match shipped::choose(args.file.as_deref()) {
        Choice::Shipped(model) => about_shipped(model)?,
        Choice::File(path) => match kind(path, &args.foreign)? {
            FileKind::Foreign(opened, len) => {
                note_all(path, &opened.notes);
                about_weights(&path.display().to_string(), &opened.file, len)
            }
            FileKind::Weights(len) => {
                about_weights(&path.display().to_string(), &weights::read(path)?, len)
            }
            FileKind::Latents => about_latents(path)?,
            FileKind::Attributes => {
                about_attributes(&path.display().to_string(), &attributes::read(path)?)
            }
            FileKind::Checkpoint => about_checkpoint(path)?,
            FileKind::Picture(settings) => about_picture(path, &settings)?,
        },
    };
    if args.json {
        return say_json(&value);
    }
    lines.into_iter().try_for_each(say)
}

enum FileKind {
    /// With the bytes of its file.
    Weights(u64),
    /// A model of another program, with the bytes of its file.
    Foreign(Box<Opened>, u64),
    Latents,
    Attributes,
    Checkpoint,
    /// With its settings.
    Picture(String),
}

/// What a file holds, by its first bytes.
fn kind(path: &Path, foreign: &ForeignArgs) -> anyhow::Result<FileKind> {
    let name = path.display();
    let mut file = RegularFile::new(path, MAX_BYTES)?;
    let len = file.len();
    let start = file.next(512)?;
    if image::guess_format(&start).is_ok() {
        let settings = read_settings_from(&file.rest(start)?);
        let Some(settings) = settings else {
            bail!("the picture carries no settings of this program: {name}");
        };
        return Ok(FileKind::Picture(settings));
    }
    if len < 8 {
        bail!("too short to be a file of this program ({len} bytes); copy it again: {name}");
    }
    if start.get(8) != Some(&b'{') {
        // Not the JSON of a safetensors header: perhaps another program's model.
        if let Some(opened) = import::foreign(path, &foreign.options()) {
            return Ok(FileKind::Foreign(Box::new(opened?), len));
        }
        match looks_like(&start) {
            Some(what) => bail!("neither a file of this program nor a picture, but {what}: {name}"),
            None => {
                bail!("neither a safetensors file nor a picture, or cut off; copy it again: {name}")
            }
        }
    }
    let metadata = tensors::read_metadata(path, MAX_BYTES)?;
    match metadata.get("format").map(String::as_str) {
        Some(weights::FORMAT | weights::FORMAT_2) => Ok(FileKind::Weights(len)),
        Some(latents::FORMAT) => Ok(FileKind::Latents),
        Some(attributes::FORMAT) => Ok(FileKind::Attributes),
        Some(checkpoint::FORMAT) => Ok(FileKind::Checkpoint),
        Some(other) => {
            bail!(
                "its format \"{}\" is unknown to this version of the program: {name}",
                piece(other)
            )
        }
        None => {
            bail!("a safetensors file of another program (no \"format\" in its metadata): {name}")
        }
    }
}

fn about_shipped(model: &ShippedModel) -> anyhow::Result<(Value, Vec<String>)> {
    let name = model.label.to_owned();
    let len = model.weights.len() as u64;
    let (mut value, mut lines) = about_weights(&name, &model.weights()?, len);
    let (attributes, more) = about_attributes(&name, &model.attributes()?);
    value["directions"] = attributes["directions"].clone();
    lines.extend(more);
    Ok((value, lines))
}

fn about_weights(name: &str, file: &WeightFile, bytes: u64) -> (Value, Vec<String>) {
    let config = &file.params.config;
    let n = file.params.data.len();
    let fingerprint = Fingerprint::of(&file.params);
    let value = json!({
        "kind": "weights",
        "file": name,
        "bytes": bytes,
        "config": config,
        "fingerprint": fingerprint,
        "parameters": n,
        "flops": config.flops(),
        "provenance": file.provenance,
    });
    let permutation = match config.permutation {
        Permutation::InvconvLu => "1x1 convolutions (LU)",
        Permutation::Invconv => "1x1 convolutions",
        Permutation::Shuffle => "shuffled channels",
        Permutation::Reverse => "reversed channels",
    };
    let coupling = match config.coupling {
        Coupling::Affine => "affine",
        Coupling::Additive => "additive",
    };
    let padding = match config.padding {
        Padding::EdgeBias => "edge-bias",
        Padding::Zeros => "zero",
        Padding::FinalOnes => "final-ones",
    };
    let mut lines = vec![
        format!("model       {name}"),
        format!("shape       {}", config_text(config)),
        format!(
            "            {coupling} coupling, {permutation}, {padding} padding, {} bits a subpixel",
            config.bits
        ),
        format!(
            "size        {n} parameters, {:.1} MB, {:.2} GFLOP a picture",
            bytes as f64 / 1e6,
            config.flops() / 1e9
        ),
    ];
    lines.extend(provenance_lines(&file.provenance));
    (value, lines)
}

/// What the provenance says, whatever program wrote it: short values as they are, the curve by its
/// ends.
fn provenance_lines(provenance: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let keys = provenance
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.chars().count());
    let width = keys.max().unwrap_or(0).clamp(11, 24);
    for (key, value) in provenance.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => piece(text),
            Value::Null => continue,
            Value::Array(points) if key == "curve" => match curve_text(points) {
                Some(text) => text,
                None => continue,
            },
            other => piece(&other.to_string()),
        };
        lines.push(format!("{:<width$} {text}", piece(key)));
    }
    lines
}

/// The training curve in a line: its first, best and last points.
fn curve_text(points: &[Value]) -> Option<String> {
    let of = |point: &Value| {
        let bits = point["valid_bits_per_dim"]
            .as_f64()
            .or(point["train_bits_per_dim"].as_f64())?;
        Some((point["pictures"].as_u64()?, bits))
    };
    let points: Vec<(u64, f64)> = points.iter().filter_map(of).collect();
    let best = points.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let text = |label: &str, (pictures, bits): &(u64, f64)| {
        format!("{label} {bits:.4} bits/dim at {pictures} pictures")
    };
    Some(format!(
        "{} points: {}, {}, {}",
        points.len(),
        text("first", points.first()?),
        text("best", best),
        text("last", points.last()?)
    ))
}

fn about_latents(path: &Path) -> anyhow::Result<(Value, Vec<String>)> {
    let file = latents::read(path)?;
    let names = item_names(path, &file);
    let bits = file.bits_per_dim.as_deref();
    let mut lines = vec![
        format!("latents     {}", path.display()),
        format!("model       {}", config_text(&file.config)),
        format!("count       {}", file.latents.len()),
    ];
    let mut rows = Vec::new();
    for (i, (name, latent)) in names.iter().zip(&file.latents).enumerate() {
        let bits = bits.and_then(|b| b.get(i));
        let norm = latent.relative_norm();
        let known = bits.map_or(String::new(), |b| format!(", {b:.4} bits/dim"));
        lines.push(format!(
            "            {}: |eps|/sqrt(D) {norm:.3}{known}",
            piece(name)
        ));
        rows.push(json!({ "name": name, "relative_norm": norm, "bits_per_dim": bits }));
    }
    let value = json!({
        "kind": "latents",
        "file": path.display().to_string(),
        "config": file.config,
        "fingerprint": file.fingerprint,
        "latents": rows,
        "settings": file.settings.as_deref().map(parsed),
    });
    Ok((value, lines))
}

fn about_attributes(name: &str, file: &AttributesFile) -> (Value, Vec<String>) {
    let mut lines = vec![
        format!("attributes  {name}"),
        format!("model       {}", config_text(&file.config)),
    ];
    let mut rows = Vec::new();
    for d in file.directions.as_slice() {
        let [low, high] = d.range;
        let figures = &d.figures;
        let auc = figures
            .auc
            .map_or(String::new(), |v| format!(", AUC {v:.3}"));
        let correlation = figures
            .correlation
            .map_or(String::new(), |v| format!(", correlation {v:.3}"));
        lines.push(format!(
            "            {}: {low:+.1} to {high:+.1}{auc}{correlation} held out, {} + and {} -, {}",
            piece(&d.name),
            figures.counts[0],
            figures.counts[1],
            piece(&figures.method)
        ));
        rows.push(json!({
            "name": d.name,
            "center": d.center,
            "range": d.range,
            "length": d.vector.norm(),
            "figures": figures,
        }));
    }
    let mut provenance = file
        .directions
        .as_slice()
        .iter()
        .map(|d| &d.figures.provenance);
    if let Some(text) = provenance.rfind(|text| !text.is_empty()) {
        lines.push(format!("provenance  {}", piece(text)));
    }
    let value = json!({
        "kind": "attributes",
        "file": name,
        "config": file.config,
        "fingerprint": file.fingerprint,
        "directions": rows,
    });
    (value, lines)
}

fn about_checkpoint(path: &Path) -> anyhow::Result<(Value, Vec<String>)> {
    let checkpoint = Checkpoint::read(path)?;
    let (config, progress) = (&checkpoint.params.config, &checkpoint.progress);
    let value = json!({
        "kind": "checkpoint",
        "file": path.display().to_string(),
        "config": config,
        "training": checkpoint.train,
        "updates": checkpoint.optimizer.t,
        "progress": progress,
    });
    let mut lines = vec![
        format!("checkpoint  {}", path.display()),
        format!("shape       {}", config_text(config)),
        format!(
            "progress    {} pictures, {} updates, {:.0} minutes",
            progress.pictures_seen,
            checkpoint.optimizer.t,
            progress.seconds / 60.0
        ),
    ];
    let points: Vec<Value> = progress.curve.iter().map(|p| json!(p)).collect();
    lines.extend(curve_text(&points).map(|text| format!("curve       {text}")));
    Ok((value, lines))
}

fn about_picture(path: &Path, settings: &str) -> anyhow::Result<(Value, Vec<String>)> {
    let settings = parsed(settings);
    let value = json!({
        "kind": "picture",
        "file": path.display().to_string(),
        "settings": settings,
    });
    let mut lines = vec![format!("picture     {}", file_name(path))];
    lines.push(format!(
        "settings    {}",
        serde_json::to_string_pretty(&settings)?
    ));
    Ok((value, lines))
}

/// Settings as JSON, or as a string where another program changed them.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
