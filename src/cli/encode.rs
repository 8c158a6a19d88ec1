//! `glow-explorer encode`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::{Value, json};

use super::common::{ModelArgs, OpenModel, note, note_all, progress, say, say_json};
use super::draw::item;
use super::output::{Outputs, SAFETENSORS};
use crate::files::exact;
use crate::files::latents::{self, LatentsFile};
use crate::model::{Encoded, Latent};
use crate::recipe::PictureSettings;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer encode anna.jpg ben.jpg --out two.safetensors
  glow-explorer encode --no-crop --json faces/*.png
  glow-explorer encode --tensor x.safetensors --json      model inputs as they are, without bins or noise";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Photos
    #[arg(required_unless_present = "tensor", value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Encode the tensor `x` [n, c, h, w] of this file as it is, in the model's own range of -0.5 to 0.5
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "photos")]
    tensor: Option<PathBuf>,
    /// Latents file to write (- is standard output); without it only the figures are printed
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

/// What was encoded, and what is said of it.
#[derive(Default)]
struct EncodedInputs {
    rows: Vec<Value>,
    lines: Vec<String>,
    latents: Vec<Latent>,
    bits: Vec<f64>,
    names: Vec<String>,
    /// Pictures that could not be encoded, each with the reason.
    left_out: Vec<(String, String)>,
}

impl EncodedInputs {
    fn add(
        &mut self,
        name: String,
        file: &str,
        encoded: Encoded,
        round_trip: f64,
        face: Option<bool>,
    ) {
        let norm = encoded.latent.relative_norm();
        let mut row = json!({
            "file": file,
            "bits_per_dim": encoded.bits_per_dim,
            "level_bits": encoded.level_bits,
            "relative_norm": norm,
            "round_trip": round_trip,
        });
        let back = match round_trip.is_finite() {
            true => format!("round trip {round_trip:.1e}"),
            false => "no way back".to_owned(),
        };
        if !round_trip.is_finite() {
            note(format_args!(
                "the model finds this picture so unlikely that its way back is not finite: decoded, it has values in the warning colour: {file}"
            ));
        }
        if let Some(face) = face {
            row["face_found"] = face.into();
        }
        self.rows.push(row);
        self.lines.push(format!(
            "{:.4} bits/dim, |eps|/sqrt(D) {norm:.3}, {back}{}: {file}",
            encoded.bits_per_dim,
            if face == Some(true) {
                ", face found"
            } else {
                ""
            },
        ));
        self.bits.push(encoded.bits_per_dim);
        self.names.push(name);
        self.latents.push(encoded.latent);
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let read = args.photos.iter().chain(&args.tensor).map(PathBuf::as_path);
    let mut outputs = Outputs::beside(read.chain(args.model.files())).json(args.json);
    let what = "latents are written as safetensors";
    let out = args.out.as_deref();
    let out = out.map(|path| outputs.file(path, SAFETENSORS, what));
    let out = out.transpose()?;
    let model = args.model.open()?;
    let mut report = match &args.tensor {
        Some(path) => of_tensor(&model, path)?,
        None => of_photos(&model, &args)?,
    };
    let left_out = std::mem::take(&mut report.left_out);
    if let Some(path) = &out {
        let recipes: Vec<_> = (0..report.names.len()).map(item).collect();
        let settings = PictureSettings::new(&model.name, &recipes, &report.names)?;
        let contents = LatentsFile {
            config: model.config().clone(),
            latents: report.latents,
            bits_per_dim: Some(report.bits),
            settings: Some(settings.by_command("encode").to_json()),
            names: Some(report.names),
        };
        latents::write(path, &contents)?;
    }
    if args.json {
        let row = |(file, reason): &(String, String)| json!({ "file": file, "reason": reason });
        let left_out: Vec<Value> = left_out.iter().map(row).collect();
        say_json(&json!({ "model": model.name, "pictures": report.rows, "left_out": left_out }))?;
    } else {
        report.lines.into_iter().try_for_each(say)?;
    }
    outputs.finish()?;
    match left_out.first() {
        Some((_, reason)) => bail!(
            "{} of {} pictures cannot be encoded, the first because: {reason}",
            left_out.len(),
            args.photos.len()
        ),
        None => Ok(()),
    }
}

fn of_photos(model: &OpenModel, args: &Args) -> anyhow::Result<EncodedInputs> {
    let mut report = EncodedInputs::default();
    let n = args.photos.len();
    // What is wrong with the conditions is wrong for every picture.
    model.asked_condition(0, n)?;
    let bar = progress(n, "encoding");
    for (at, path) in args.photos.iter().enumerate() {
        let file = path.display().to_string();
        match model.encode_photo(path, args.no_crop, (at, n)) {
            Ok(photo) => {
                let round_trip = model.round_trip(&photo.encoded)?;
                bar.suspend(|| {
                    note_all(path, &photo.notes);
                    let face = Some(photo.face_found);
                    report.add(photo.name, &file, photo.encoded, round_trip, face);
                });
            }
            // Of several, the others are of use without it.
            Err(error) if n > 1 => {
                let reason = super::error_line(&error);
                bar.suspend(|| note(format_args!("left out: {reason}")));
                report.left_out.push((file, reason));
            }
            Err(error) => return Err(error),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match report.left_out.first() {
        Some((_, reason)) if report.rows.is_empty() => {
            bail!("none of the {n} pictures can be encoded, the first because: {reason}")
        }
        _ => Ok(report),
    }
}

fn of_tensor(model: &OpenModel, path: &Path) -> anyhow::Result<EncodedInputs> {
    let mut report = EncodedInputs::default();
    let x = exact::read(path, model.config())?;
    let n = x.len();
    let bar = progress(n, "encoding");
    for (at, x) in x.into_iter().enumerate() {
        let given = model.condition(at, n)?;
        let encoded = model.model.encode_x_given(vec![x], &[given], &|| false)?;
        for encoded in encoded {
            let round_trip = model.round_trip(&encoded)?;
            let file = format!("{}[{at}]", path.display());
            report.add(format!("x[{at}]"), &file, encoded, round_trip, None);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(report)
}
