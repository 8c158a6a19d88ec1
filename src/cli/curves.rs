//! `glow-explorer curves`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::common::say;
use super::output::{Outputs, shown};
use crate::disk;
use crate::export::chart::{Chart, Series};
use crate::export::{DEFAULT_QUALITY, write_picture};
use crate::files::weights;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer curves a=runs/a.safetensors b=runs/b.jsonl --out curves.png
A weight file brings the curve of its training; any other file holds a JSON object a line, as `train --json`
prints them, with `pictures` (or `pictures_seen`) and `valid_bits_per_dim` (or, in a log that has none,
`train_bits_per_dim`).";

/// Log files of this size are hours of lines; larger ones are something else.
const MAX_BYTES: u64 = 64 << 20;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Trainings to draw, each with its name in the legend
    #[arg(required = true, value_name = "NAME=FILE")]
    curves: Vec<String>,
    /// Chart to write: PNG, JPEG or lossless WebP by its name; - is standard output
    #[arg(long, value_name = "FILE.png|jpg|webp")]
    out: PathBuf,
    /// Line above the chart
    #[arg(long, default_value = "Training")]
    title: String,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let curve = |curve: &String| -> anyhow::Result<(String, PathBuf)> {
        let (name, path) = curve
            .split_once('=')
            .filter(|(name, path)| !name.trim().is_empty() && !path.is_empty())
            .with_context(|| format!("a curve is NAME=FILE: {curve:?}"))?;
        Ok((name.trim().to_owned(), path.into()))
    };
    let curves = args.curves.iter().map(curve);
    let curves = curves.collect::<anyhow::Result<Vec<_>>>()?;
    let mut outputs = Outputs::beside(curves.iter().map(|(_, path)| path.as_path()));
    let out = outputs.picture(&args.out)?;
    let series = curves
        .iter()
        .map(|(name, path)| Ok(Series::of_runs(name, vec![points(path)?])));
    let chart = Chart {
        title: args.title,
        x_label: "pictures seen".into(),
        y_label: "bits per dimension".into(),
        series: series.collect::<anyhow::Result<_>>()?,
    };
    write_picture(&out, &chart.draw()?, None, DEFAULT_QUALITY)?;
    say(shown(&out))?;
    outputs.finish()
}

/// Pictures seen and bits per dimension.
fn points(path: &Path) -> anyhow::Result<Vec<(f64, f64)>> {
    let lines: Vec<Value> = if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("safetensors"))
    {
        let file = weights::read(path)?;
        let curve = file.provenance.get("curve").and_then(Value::as_array);
        curve.cloned().unwrap_or_default()
    } else {
        let text = disk::read_text(path, MAX_BYTES)?;
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(at, line)| {
                serde_json::from_str(line)
                    .with_context(|| format!("line {} is not JSON: {}", at + 1, path.display()))
            })
            .collect::<anyhow::Result<_>>()?
    };
    // One measure a curve, whichever the training had.
    let has_valid = lines
        .iter()
        .any(|line| line["valid_bits_per_dim"].is_number());
    let measure = if has_valid {
        "valid_bits_per_dim"
    } else {
        "train_bits_per_dim"
    };
    let points: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            let pictures = ["pictures", "pictures_seen"];
            let pictures = pictures.iter().find_map(|key| line[*key].as_f64())?;
            Some((pictures, line[measure].as_f64()?))
        })
        .collect();
    if points.is_empty() {
        bail!("no training's curve is in it: {}", path.display());
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_both_spellings_become_one_chart() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let line = |key: &str, n: u32, bits: f64| {
            format!("{{\"{key}\":{n},\"valid_bits_per_dim\":{bits}}}\n")
        };
        let log = |key| line(key, 100, 3.0) + &line(key, 200, 2.5);
        std::fs::write(path("a.jsonl"), log("pictures")).unwrap();
        std::fs::write(path("b.jsonl"), log("pictures_seen") + "\n").unwrap();
        assert_eq!(
            points(&path("a.jsonl")).unwrap(),
            [(100.0, 3.0), (200.0, 2.5)]
        );
        let curve = |name: &str| format!("{name}={}", path(&format!("{name}.jsonl")).display());
        let args = |curves| Args {
            curves,
            out: path("chart.png"),
            title: "two".into(),
        };
        run(args(vec![curve("a"), curve("b")])).unwrap();
        let chart = image::open(path("chart.png")).unwrap();
        assert_eq!((chart.width(), chart.height()), crate::export::chart::SIZE);

        std::fs::write(path("c.jsonl"), "{\"step\": 1}\n").unwrap();
        let error = run(args(vec![curve("c")])).unwrap_err().to_string();
        assert!(
            error.contains("no training") && error.contains("c.jsonl"),
            "{error}"
        );
        assert!(run(args(vec!["nameless".into()])).is_err());
        let itself = format!("itself={}", path("chart.png").display());
        assert!(run(args(vec![itself])).is_err());
    }
}
