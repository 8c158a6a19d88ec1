//! `glow-explorer evaluate`.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use super::common::{BATCH, ModelArgs, note, progress, say, say_json};
use crate::data::batches::PictureSet;
use crate::data::labels::LabelTable;
use crate::latent::attributes::measure::quantile;
use crate::model::pixels::x_from_bytes;
use crate::noise::Noise;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer evaluate --images faces/ --labels labels.csv --split valid
  glow-explorer evaluate --model my.safetensors --images faces/ --limit 500 --json";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Folder of pictures, framed already; the largest square in the middle of each is taken
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Label table with a `split` column: picks the pictures of a split
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// Split of the label table
    #[arg(long, default_value = "valid", requires = "labels")]
    split: String,
    /// At most this many pictures, the first by name
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    limit: Option<u64>,
    /// Seed of the noise within the bins that the likelihood is measured with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let table = args.labels.as_deref().map(LabelTable::read).transpose()?;
    let model = args.model.open()?;
    let config = model.config();
    let chosen = table.as_ref().map(|table| (table, args.split.as_str()));
    // Each picture is needed once.
    let set = PictureSet::open(&args.images, chosen, config.image_size, config.channels)?
        .with_memory_budget(0);
    let n = args
        .limit
        .map_or(set.len(), |limit| set.len().min(limit as usize));
    let mut noise = Noise::new(args.seed);
    let (mut bits, mut round_trips) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let mut level_bits = vec![0.0; config.levels];
    let mut first_failure = None;
    let bar = progress(n, "evaluating");
    for start in (0..n).step_by(BATCH) {
        let end = n.min(start + BATCH);
        let mut batch = Vec::with_capacity(BATCH);
        for index in start..end {
            match set.get(index) {
                Ok(bytes) => batch.push(x_from_bytes(&bytes, config, Some(&mut noise))),
                Err(error) => {
                    first_failure.get_or_insert(error);
                }
            }
        }
        let encoded = model.model.encode_x(batch, &|| false)?;
        round_trips.extend(model.round_trips(&encoded)?);
        for one in &encoded {
            bits.push(one.bits_per_dim);
            level_bits
                .iter_mut()
                .zip(&one.level_bits)
                .for_each(|(sum, b)| *sum += b);
        }
        bar.inc((end - start) as u64);
    }
    bar.finish_and_clear();
    let left_out = n - bits.len();
    if let Some(error) = first_failure {
        if bits.is_empty() {
            return Err(error).context("none of the pictures can be read");
        }
        note(format_args!(
            "{left_out} of {n} pictures left out, the first because: {error}"
        ));
    }

    let n = bits.len() as f64;
    let mean = bits.iter().sum::<f64>() / n;
    // The spread of a single picture is 0, not unknown.
    let variance = bits.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let std = variance.sqrt();
    let at = |share| quantile(&bits, share).unwrap_or(f64::NAN);
    let (quartiles, min, max) = ([at(0.25), at(0.5), at(0.75)], at(0.0), at(1.0));
    level_bits.iter_mut().for_each(|sum| *sum /= n);
    let worst = round_trips
        .iter()
        .fold(0.0, |a: f64, &b| if b > a || b.is_nan() { b } else { a });
    let median = quantile(&round_trips, 0.5).unwrap_or(f64::NAN);
    if args.json {
        return say_json(&json!({
            "model": model.name,
            "device": model.model.device_label(),
            "pictures": bits.len(),
            "left_out": left_out,
            "bits_per_dim": {
                "mean": mean,
                "std": std,
                "standard_error": std / n.sqrt(),
                "min": min,
                "quartiles": quartiles,
                "max": max,
            },
            "level_bits": level_bits,
            "round_trip": { "max": worst, "median": median },
        }));
    }
    let [q1, q2, q3] = quartiles;
    say(format_args!(
        "{}: {} pictures of {}",
        model.name,
        bits.len(),
        args.images.display()
    ))?;
    say(format_args!(
        "bits/dim    {mean:.4} +- {:.4}, spread {std:.4}",
        std / n.sqrt()
    ))?;
    say(format_args!(
        "quartiles   {q1:.4} {q2:.4} {q3:.4}, from {min:.4} to {max:.4}"
    ))?;
    say(format_args!(
        "round trip  {worst:.1e} at most, {median:.1e} in the median"
    ))
}
