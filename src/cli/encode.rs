//! `glow-explorer encode`.

use std::path::PathBuf;

use serde_json::json;

use super::common::{ModelArgs, check_target, note_all, progress, say, say_json};
use super::draw::{item, settings};
use crate::formats::latents::{self, LatentsFile};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer encode anna.jpg ben.jpg --out two.safetensors
  glow-explorer encode --no-crop --json faces/*.png";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Photos
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Latents file to write; without it only the figures are printed
    #[arg(long, value_name = "FILE.safetensors")]
    out: Option<PathBuf>,
    /// Take the largest square in the middle instead of looking for a face
    #[arg(long)]
    no_crop: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        check_target(path)?;
    }
    let model = args.model.open()?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    let (mut found, mut bits, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let bar = progress(args.photos.len(), "encoding");
    for path in &args.photos {
        let photo = model.encode_photo(path, args.no_crop)?;
        note_all(path, &photo.notes);
        let encoded = photo.encoded;
        let round_trip = model.round_trips(std::slice::from_ref(&encoded))?;
        let round_trip = round_trip.first().copied().unwrap_or(f64::NAN);
        let norm = encoded.latent.relative_norm();
        rows.push(json!({
            "file": path.display().to_string(),
            "bits_per_dim": encoded.bits_per_dim,
            "level_bits": encoded.level_bits,
            "relative_norm": norm,
            "round_trip": round_trip,
            "face_found": photo.face_found,
        }));
        lines.push(format!(
            "{:.4} bits/dim, |eps|/sqrt(D) {norm:.3}, round trip {round_trip:.1e}{}: {}",
            encoded.bits_per_dim,
            if photo.face_found { ", face found" } else { "" },
            path.display()
        ));
        bits.push(encoded.bits_per_dim);
        names.push(photo.name);
        found.push(encoded.latent);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(path) = &args.out {
        let recipes: Vec<_> = (0..names.len()).map(item).collect();
        let contents = LatentsFile {
            config: model.config().clone(),
            latents: found,
            bits_per_dim: Some(bits),
            settings: Some(settings("encode", &model, &recipes, &names)?),
            names: Some(names),
        };
        latents::write(path, &contents)?;
    }
    if args.json {
        return say_json(&json!({ "model": model.name, "pictures": rows }));
    }
    lines.into_iter().try_for_each(say)
}
