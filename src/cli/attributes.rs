//! `glow-explorer attributes`: directions from labelled pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::json;

use super::common::{
    FolderArgs, ModelArgs, OpenModel, note, note_decimal_comma, number_in, progress, say, say_json,
};
use super::output::{Outputs, SAFETENSORS, shown};
use crate::data::batches::PictureSet;
use crate::data::labels::LabelTable;
use crate::disk::is_same_file;
use crate::files::attributes::{self, Precision};
use crate::latent::attributes::compare::{self, Approach};
use crate::workshop::{self, Built, LeftOut, WorkshopOptions, WorkshopProgress};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer attributes --images faces/ --labels labels.csv --out faces-64.attributes.safetensors
  glow-explorer attributes --images faces/ --labels labels.csv --labels more.csv \\
      --columns smiling,age --method balanced --limit 2000 --out my.attributes.safetensors
  glow-explorer attributes --images faces/ --labels labels.csv --sheet /tmp/sheets --out my.attributes.safetensors
`auto` tries the difference of means, the same balanced and adjusted for the other columns, and the classifier,
each on all levels and with the finest ones weakened. Each learns from one part of the pictures and is judged on
another, three times over, by how well it tells the sides apart within pictures that are alike in another column; of
those that do about as well, the one is taken that brings the other attributes along least, but for those whose
edits do not decode to finite pictures. It learns once more from both parts, and the figures in the file are of a third.
Pictures that are learnt from are shown as they are and mirrored.
`joint` is for tables of many columns: each direction is regressed together with all others, which keeps it free of them.
+1 is the distance between the averages of both sides along the direction, times --unit. Without --unit it is as much
of it, 1 at most, as lets pictures be edited by 2 and stay finite, and by 3 and mostly stay finite and still show a
face to a face detector. A slider ends where an edited picture has patches of noise, or fewer than nine in ten still show a face.
A table is CSV with a header, or CelebA's list_attr text. It has a column of file names, an optional column `split`, and
numbers: 1 and -1 (0: cannot tell), 1 and 0, or a measure such as an age. Text with two values counts as 1 and -1; other
columns are left out and named. An empty cell means that nothing is known.";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
    /// Label tables, merged by file name; may be given several times
    #[arg(long, required = true, num_args = 1.., value_name = "CSV")]
    labels: Vec<PathBuf>,
    /// Columns to build directions from, separated by commas; the default is all
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    columns: Vec<String>,
    /// Split of the tables to use, where they have one
    #[arg(long, default_value = "train")]
    split: String,
    /// How a direction is found
    #[arg(long, value_enum, default_value_t = MethodArg::Auto)]
    method: MethodArg,
    /// Columns whose influence is taken out, and that `auto` judges by, separated by commas; the default is all others
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    balance_by: Option<Vec<String>>,
    /// Shrinkage of the classifier and the regression; more comes nearer to the difference of means
    #[arg(long, default_value = "1", value_parser = shrinkage)]
    shrinkage: f32,
    /// Of `joint`, the share of what the other columns say that is taken out, 0 to 1
    #[arg(long, default_value = "0.25", value_parser = share, value_name = "SHARE")]
    cleared: f32,
    /// A factor for each level, finest first, separated by commas; `auto` chooses by itself
    #[arg(long, value_delimiter = ',', value_parser = level_weight, value_name = "NUMBERS")]
    level_weights: Vec<f32>,
    /// Pictures a column at most, drawn by the seed
    #[arg(long, default_value_t = 6000, value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    limit: u32,
    /// Share of the pictures that is kept to measure on
    #[arg(long, default_value = "0.2", value_parser = held_out)]
    held_out: f32,
    /// Share of the others that `auto` keeps to judge on
    #[arg(long, default_value = "0.25", value_parser = validation)]
    validation: f32,
    /// Learn from the pictures as they are alone, not mirrored as well: for labels that tell left from right
    #[arg(long)]
    no_mirror: bool,
    /// What +1 is, in distances between the averages of the two sides; the default is found by decoding
    #[arg(long, value_parser = unit)]
    unit: Option<f32>,
    /// Pictures that are decoded after edits, to see how far they stay finite
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    decode: u32,
    /// Folder for a contact sheet of each direction: 8 pictures held out, moved from -2 to 3. They show the people
    /// of the pictures: look at them on your machine, and never publish or commit them
    #[arg(long, value_name = "DIR")]
    sheet: Option<PathBuf>,
    /// Seed of the choice of pictures and of what is held out
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Attributes file to write; - is standard output
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Words on the pictures and labels, for the provenance
    #[arg(long, default_value = "")]
    data: String,
    /// Terms of the directions, for the provenance
    #[arg(long, default_value = "")]
    licence: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

fn shrinkage(text: &str) -> Result<f32, String> {
    number_in(text, 1e-6..=1e6)
}

fn share(text: &str) -> Result<f32, String> {
    number_in(text, 0.0..=1.0)
}

fn validation(text: &str) -> Result<f32, String> {
    number_in(text, 0.05..=0.9)
}

fn unit(text: &str) -> Result<f32, String> {
    number_in(text, 0.01..=10.0)
}

fn level_weight(text: &str) -> Result<f32, String> {
    number_in(text, 0.0..=100.0)
}

fn held_out(text: &str) -> Result<f32, String> {
    number_in(text, 0.0..=0.9)
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum MethodArg {
    /// What does best on pictures held out
    Auto,
    /// The difference of the two means, as in the paper
    #[value(alias = "means")]
    Difference,
    /// The difference of means within groups that are alike in the other columns
    Balanced,
    /// The difference of means with the linear part of the other columns taken out
    Adjusted,
    /// The normal of a linear classifier; of measures, ridge regression
    Classifier,
    /// Ridge regression on the column
    Ridge,
    /// Ridge regression on the column, less a share of what the other columns say of it
    Joint,
}

impl Args {
    fn options(&self, model: &OpenModel) -> WorkshopOptions {
        WorkshopOptions {
            columns: self.columns.clone(),
            balance_by: self.balance_by.clone(),
            approach: self.approach(),
            limit: self.limit as usize,
            held_out: self.held_out,
            validation: self.validation,
            mirror: !self.no_mirror,
            unit: self.unit,
            decode: self.decode as usize,
            sheet: self.sheet.clone(),
            seed: self.seed,
            provenance: provenance(self, model),
        }
    }

    /// The approach that is asked for; `None` where it is to be found.
    fn approach(&self) -> Option<Approach> {
        let method = match self.method {
            MethodArg::Auto => return None,
            MethodArg::Difference => compare::Method::Difference,
            MethodArg::Balanced => compare::Method::Balanced,
            MethodArg::Adjusted => compare::Method::Adjusted,
            MethodArg::Classifier => compare::Method::Classifier,
            MethodArg::Ridge => compare::Method::Ridge,
            MethodArg::Joint => compare::Method::Joint,
        };
        let mut approach = Approach::new(method);
        approach.shrinkage = approach.shrinkage.map(|_| f64::from(self.shrinkage));
        approach.level_weights.clone_from(&self.level_weights);
        approach.cleared = approach
            .cleared
            .and(Some((f64::from(self.cleared) * 1e6).round() / 1e6));
        Some(approach)
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let read = args.labels.iter().map(PathBuf::as_path);
    let mut outputs = Outputs::beside(read.chain(args.model.files())).json(args.json);
    let what = "directions are written as safetensors";
    let out = outputs.file(&args.out, SAFETENSORS, what)?;
    if args.method == MethodArg::Auto && !args.level_weights.is_empty() {
        bail!(
            "--level-weights go with one method; name it with --method, auto chooses weights by itself"
        );
    }
    note_decimal_comma("--level-weights", &args.level_weights);
    if let Some(folder) = &args.sheet {
        if is_same_file(folder, &args.folder.images) {
            bail!(
                "contact sheets would lie among the pictures that are read; choose another folder: {}",
                folder.display()
            );
        }
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder cannot be made: {}", folder.display()))?;
    }
    let table = LabelTable::read_all(&args.labels)?;
    let tables = tables_text(&args.labels);
    for text in table.notes() {
        note(format_args!("{text}: {tables}"));
    }
    let model = args.model.open()?;
    model.check_one_condition()?;
    let config = model.config();
    let by_split = (!table.splits().is_empty()).then_some((&table, args.split.as_str()));
    // Each picture is needed once or twice: keeping them decoded would only take memory.
    let shape = (config.image_size, config.channels);
    let set = args.folder.open(by_split, shape)?.with_memory_budget(0);
    check_names(&table, &set, &tables)?;
    let options = args.options(&model);
    let mut bar: Option<(&str, ProgressBar)> = None;
    let mut watch = |at: WorkshopProgress| {
        if bar.as_ref().is_none_or(|(what, _)| *what != at.what) {
            bar.take().inspect(|(_, bar)| bar.finish_and_clear());
            bar = Some((at.what, progress(at.total, at.what)));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(at.done as u64);
        }
        true
    };
    let built = workshop::build(&model.model, &set, &table, &options, &mut watch);
    bar.inspect(|(_, bar)| bar.finish_and_clear());
    let built = built.map_err(|error| match error.is_about_tables() {
        true => anyhow::anyhow!("{error}: {tables}"),
        false => error.into(),
    })?;
    if let Some(first) = built.unreadable.first() {
        note(format_args!(
            "{} pictures left out, the first because: {first}",
            built.unreadable.len()
        ));
    }
    for LeftOut { column, reason } in &built.left_out {
        note(format_args!(
            "column \"{column}\" left out: {reason}: {tables}"
        ));
    }
    let fingerprint = Some(model.fingerprint);
    let directions = &built.directions;
    attributes::write(&out, config, fingerprint, directions, Precision::F16)?;
    report(&args, &model, &built, &out)?;
    outputs.finish()
}

/// Rows whose picture is not there teach nothing: says so, as a capital letter or a missing ending is easily overlooked.
/// Says which rows name no picture, and refuses tables of which all do.
fn check_names(table: &LabelTable, set: &PictureSet, tables: &str) -> anyhow::Result<()> {
    // A split chooses its own rows, and names those that are missing one by one.
    if !table.splits().is_empty() {
        return Ok(());
    }
    let (n_lost, notes) = table.notes_on((0..set.len()).filter_map(|i| set.name(i)));
    if n_lost == table.len() {
        bail!("{}: {tables}", notes.join("; "));
    }
    for text in notes {
        note(format_args!("{text}: {tables}"));
    }
    Ok(())
}

fn tables_text(tables: &[PathBuf]) -> String {
    let names: Vec<String> = tables.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}

fn provenance(args: &Args, model: &OpenModel) -> String {
    let mut parts = vec![format!("model {}", model.name)];
    if !args.data.is_empty() {
        parts.push(args.data.clone());
    }
    let names: Vec<String> = args
        .labels
        .iter()
        .map(|p| super::common::file_name(p))
        .collect();
    parts.push(format!(
        "labels of {}, split {}",
        names.join(", "),
        args.split
    ));
    parts.push(format!(
        "at most {} pictures a column{}, seed {}",
        args.limit,
        if args.no_mirror {
            ""
        } else {
            ", as they are and mirrored"
        },
        args.seed
    ));
    if !args.licence.is_empty() {
        parts.push(format!("terms: {}", args.licence));
    }
    parts.push(
        concat!(
            "made by glow-explorer ",
            env!("CARGO_PKG_VERSION"),
            " attributes"
        )
        .into(),
    );
    parts.join("; ")
}

fn report(args: &Args, model: &OpenModel, built: &Built, out: &Path) -> anyhow::Result<()> {
    let list = built.directions.as_slice();
    if args.json {
        let rows: Vec<_> = list
            .iter()
            .map(|d| json!({ "name": d.name, "center": d.center, "range": d.range, "figures": d.figures }))
            .collect();
        let left_out = built
            .left_out
            .iter()
            .map(|l| (l.column.clone(), l.reason.clone().into()));
        let left_out = serde_json::Map::from_iter(left_out);
        return say_json(
            &json!({ "model": model.name, "file": args.out, "directions": rows, "left_out": left_out }),
        );
    }
    for d in list {
        let figures = &d.figures;
        let part = |what: &str, value: Option<f32>| {
            value.map_or(String::new(), |v| format!(", {what} {v:.3}"))
        };
        let edited = figures
            .edited
            .iter()
            .map(|e| format!("{} at {:+}", e.finite, e.amount));
        let edited = match figures.edited.first() {
            Some(first) if first.decoded > 0 => format!(
                "; of {} pictures finite: {}; slider {:+} to {:+}",
                first.decoded,
                edited.collect::<Vec<_>>().join(", "),
                d.range[0],
                d.range[1]
            ),
            _ => String::new(),
        };
        let leak = figures.largest_leak().map_or(String::new(), |(name, v)| {
            format!(", +1 moves {name} by {v:+.2}")
        });
        say(format_args!(
            "{}: {} + and {} -{}{} on {} held out{leak}, {}{edited}",
            d.name,
            figures.counts[0],
            figures.counts[1],
            part("AUC", figures.auc),
            part("correlation", figures.correlation),
            figures.held_out,
            figures.method
        ))?;
    }
    say(format_args!("{} directions: {}", list.len(), shown(out)))
}
