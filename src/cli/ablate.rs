//! `glow-explorer ablate`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::common::{FolderArgs, note, read_labels, say, say_json};
use crate::measure::ablation::{Ablation, AblationEvent};
use crate::measure::results::{markdown, summary};
use crate::measure::table::Table;
use crate::train::trainer::TrainEvent;

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer ablate --table docs/ablation/permutations.json --images faces/ --labels labels.csv \\
      --valid valid --out permutations/
  glow-explorer ablate --table my.json --images faces/ --out mine/ --resume
A table has a `base` (fields of a model's config), `train` (pictures, batch, lr, warmup, ...), `rows`, each
with a `name` and what it changes in `config` and `train`, and `seeds`. Every row is trained with every seed
on the same pictures. The folder gets results.csv (a line a measured point), chart.png, and a folder a run.";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Table of the runs (JSON)
    #[arg(long, value_name = "FILE.json")]
    table: PathBuf,
    #[command(flatten)]
    folder: FolderArgs,
    /// Label table with a `split` column: picks the pictures of a split
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// Split of the label table to train on
    #[arg(long, default_value = "train", requires = "labels")]
    split: String,
    /// Split of the label table, or folder, to validate on
    #[arg(long, value_name = "NAME")]
    valid: Option<String>,
    /// Validation pictures evaluated at each point
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    valid_limit: u32,
    /// Points of each run's curve
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    points: u16,
    /// Folder of the results; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with what the folder holds: finished runs stay, the others are taken up where they stopped
    #[arg(long)]
    resume: bool,
    /// Words on the data, for the provenance of the runs
    #[arg(long, default_value = "")]
    data: String,
    /// Threads; the default is one for each core
    #[arg(long, value_parser = super::common::threads())]
    threads: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let table = Table::read(&args.table)?;
    for row in &table.rows {
        super::common::note_bf16(row.train.arithmetic);
    }
    let shape = table.picture_shape();
    let labels = args.labels.as_deref().map(read_labels).transpose()?;
    let chosen = labels.as_ref().map(|labels| (labels, args.split.as_str()));
    let pictures = Arc::new(args.folder.open(chosen, shape)?);
    let valid = args
        .folder
        .open_valid(args.valid.as_deref(), labels.as_ref(), shape)?;
    if args.out.exists() && !args.out.is_dir() {
        bail!(
            "this is a file, not a folder; choose another name: {}",
            args.out.display()
        );
    }
    let ablation = Ablation {
        table,
        out: args.out,
        pictures,
        valid,
        valid_limit: args.valid_limit as usize,
        points: u64::from(args.points),
        data: args.data,
        threads: args.threads.map_or_else(super::cores, usize::from),
    };
    let stop = super::common::stop_on_ctrl_c(None)?;
    let n_runs = ablation.table.runs().count();
    let ends: Vec<u64> = ablation
        .table
        .runs()
        .map(|(row, _)| row.train.pictures.unwrap_or(0))
        .collect();
    let bar = progress_bar(ends.iter().sum(), args.json);
    let mut before = 0;
    let mut report = |event| {
        match event {
        AblationEvent::Run { index, name } => {
            before = ends.iter().take(index).sum();
            bar.set_position(before);
            bar.set_prefix(format!("{} of {n_runs}: {name}", index + 1));
        }
        AblationEvent::Train(TrainEvent::Started { pictures_seen, .. }) => {
            bar.set_position(before + pictures_seen);
        }
        AblationEvent::Train(TrainEvent::Step {
            pictures_seen,
            bits_per_dim,
            ..
        }) => {
            bar.set_position(before + pictures_seen);
            bar.set_message(format!("{bits_per_dim:.3} bits/dim"));
        }
        AblationEvent::Train(TrainEvent::LeftOut(name)) => bar.suspend(|| note(format_args!("left out: {name}"))),
        AblationEvent::Train(TrainEvent::Note(text)) => bar.suspend(|| note(text)),
        AblationEvent::Train(TrainEvent::WentBack {
            reason,
            pictures_seen,
            rate_factor,
        }) => bar.suspend(|| {
            note(format_args!(
                "the training diverged ({reason}): back to {pictures_seen} pictures, learning rates times {rate_factor}"
            ));
        }),
        AblationEvent::Train(TrainEvent::Skipped | TrainEvent::Saved(_) | TrainEvent::Samples(_)) => {}
        AblationEvent::Failed { name, reason } => {
            bar.suspend(|| note(format_args!("{name} failed: {reason}")))
        }
    }
    };
    let results = ablation.run(args.resume, &|| stop.load(Ordering::Relaxed), &mut report)?;
    bar.finish_and_clear();
    if stop.load(Ordering::Relaxed) {
        note(format_args!(
            "interrupted; the same command with --resume goes on"
        ));
    }
    let rows = summary(&ablation.table, &results);
    if args.json {
        return say_json(&json!({
            "results": ablation.csv_path(),
            "chart": ablation.chart_path(),
            "rows": rows,
        }));
    }
    say(markdown(&rows))?;
    say(format_args!("{}", ablation.csv_path().display()))?;
    say(format_args!("{}", ablation.chart_path().display()))
}

fn progress_bar(pictures: u64, hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(pictures);
    let template = "{prefix} {bar:20} {pos}/{len} pictures, {eta} left, {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
