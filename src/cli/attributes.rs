//! `glow-explorer attributes`: directions from labelled pictures.

mod build;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::json;

use super::common::{
    BATCH, FolderArgs, ModelArgs, OpenModel, check_target, note, number_in, progress, say, say_json,
};
use crate::data::batches::PictureSet;
use crate::data::labels::LabelTable;
use crate::formats::attributes::{self, Precision};
use crate::latent::attributes::build::Vectors;
use crate::latent::attributes::compare::{self, Labels, Recipe, Task};
use crate::latent::attributes::measure::quantile;
use crate::latent::attributes::{Direction, Directions};
use crate::model::pixels::x_from_bytes;
use crate::noise::Noise;

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
+1 is the distance between the averages of both sides along the direction, times --unit. Without --unit it is as much
of it, 1 at most, as lets pictures be edited by 2 and stay finite, and by 3 and mostly stay finite and still show a
face to a face detector. A slider ends where edited pictures begin to have values that are not finite.
A table has a header, a column `file`, an optional column `split`, and numbers: 1 and -1 (0: cannot
tell), 1 and 0, or a measure such as an age. An empty cell means that nothing is known.";

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
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    method: Method,
    /// Columns whose influence is taken out, and that `auto` judges by, separated by commas; the default is all others
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    balance_by: Option<Vec<String>>,
    /// Shrinkage of the classifier and the regression; more comes nearer to the difference of means
    #[arg(long, default_value = "1", value_parser = shrinkage)]
    shrinkage: f32,
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
    /// Attributes file to write
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
enum Method {
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
}

impl Args {
    /// The recipe that is asked for; `None` where it is to be found.
    fn recipe(&self) -> Option<Recipe> {
        let method = match self.method {
            Method::Auto => return None,
            Method::Difference => compare::Method::Difference,
            Method::Balanced => compare::Method::Balanced,
            Method::Adjusted => compare::Method::Adjusted,
            Method::Classifier => compare::Method::Classifier,
            Method::Ridge => compare::Method::Ridge,
        };
        let mut recipe = Recipe::new(method);
        recipe.shrinkage = recipe.shrinkage.map(|_| f64::from(self.shrinkage));
        recipe.level_weights.clone_from(&self.level_weights);
        Some(recipe)
    }
}

/// What the tables say of one attribute.
struct Column {
    name: String,
    /// By picture of the set; `None` where nothing is known.
    values: Vec<Option<f32>>,
    /// A measure rather than a yes or no.
    is_number: bool,
}

impl Column {
    fn new(set: &PictureSet, table: &LabelTable, name: &str) -> Self {
        let of = |i| table.value(set.name(i)?, name);
        let mut values: Vec<Option<f32>> = (0..set.len()).map(of).collect();
        let is_number = values
            .iter()
            .flatten()
            .any(|v| ![-1.0, 0.0, 1.0].contains(v));
        let has_no = values.iter().flatten().any(|&v| v == -1.0);
        if !is_number && has_no {
            // Beside 1 and -1, a 0 means that it cannot be told.
            values.iter_mut().for_each(|v| *v = v.filter(|&v| v != 0.0));
        }
        Self {
            name: name.to_owned(),
            values,
            is_number,
        }
    }

    /// The value that parts the yes from the no.
    fn threshold(&self) -> f64 {
        let values: Vec<f64> = self
            .values
            .iter()
            .flatten()
            .map(|&v| f64::from(v))
            .collect();
        match self.is_number {
            true => quantile(&values, 0.5).unwrap_or(0.0),
            false => 0.0,
        }
    }

    /// The same by row, for the pictures of the rows.
    fn labels(&self, pictures: &[usize]) -> Labels {
        let value = |i: &usize| self.values.get(*i).copied().flatten();
        Labels {
            name: self.name.clone(),
            values: pictures.iter().map(|i| value(i).map(f64::from)).collect(),
            threshold: self.threshold(),
            is_number: self.is_number,
        }
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    check_target(&args.out)?;
    if args.method == Method::Auto && !args.level_weights.is_empty() {
        bail!(
            "--level-weights go with one method; name it with --method, auto chooses weights by itself"
        );
    }
    if let Some(folder) = &args.sheet {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder cannot be made: {}", folder.display()))?;
    }
    let table = LabelTable::read_all(&args.labels)?;
    let tables = tables_text(&args.labels);
    let names = chosen_columns(&args, &table, &tables)?;
    let model = args.model.open()?;
    let config = model.config();
    let by_split = (!table.splits().is_empty()).then_some((&table, args.split.as_str()));
    // Each picture is needed once or twice: keeping them decoded would only take memory.
    let shape = (config.image_size, config.channels);
    let set = args.folder.open(by_split, shape)?.with_memory_budget(0);
    let columns: Vec<Column> = names
        .iter()
        .map(|name| Column::new(&set, &table, name))
        .collect();
    let balance_by = args
        .balance_by
        .as_deref()
        .map_or(Ok(names.clone()), |given| {
            given
                .iter()
                .map(|name| known_column(name, &table, &tables))
                .collect()
        })?;
    let balance_by: Vec<Column> = balance_by
        .iter()
        .map(|name| Column::new(&set, &table, name))
        .collect();

    let mut order: Vec<usize> = (0..set.len()).collect();
    Noise::new(args.seed).shuffle(&mut order);
    let chosen: Vec<Vec<usize>> = columns
        .iter()
        .map(|column| {
            let known = order.iter().filter(|&&i| column.values[i].is_some());
            known.take(args.limit as usize).copied().collect()
        })
        .collect();
    let groups = groups(&chosen, args.limit as usize);
    let bar = progress(groups.iter().map(|g| g.pictures.len()).sum(), "encoding");
    let mut found = Vec::new();
    for group in &groups {
        let encoded = encode(&args, &model, &set, &group.pictures, &bar)?;
        let pictures = &encoded.pictures;
        for &at in &group.columns {
            let column = &columns[at];
            let rows: Vec<usize> = chosen[at]
                .iter()
                .filter_map(|i| encoded.row_of.get(i).copied())
                .collect();
            let others = balance_by.iter().filter(|other| other.name != column.name);
            let others: Vec<Labels> = others.map(|other| other.labels(pictures)).collect();
            let others: Vec<&Labels> = others.iter().collect();
            let task = Task {
                vectors: &encoded.vectors,
                label: &column.labels(pictures),
                others: &others,
            };
            let direction = build::build(&args, &model, &task, &rows).map_err(|error| {
                anyhow::anyhow!("column \"{}\": {error}: {tables}", column.name)
            })?;
            found.push((at, direction));
        }
    }
    bar.finish_and_clear();
    note_failures(&set)?;
    found.sort_by_key(|(at, _)| *at);
    let provenance = provenance(&args, &model);
    let mut list: Vec<Direction> = found.into_iter().map(|(_, direction)| direction).collect();
    list.iter_mut()
        .for_each(|d| d.figures.provenance.clone_from(&provenance));
    let directions = Directions::new(list)?.with_leakage();
    attributes::write(&args.out, config, &directions, Precision::F16)?;
    report(&args, &model, &directions)
}

fn tables_text(tables: &[PathBuf]) -> String {
    let names: Vec<String> = tables.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}

fn chosen_columns(args: &Args, table: &LabelTable, tables: &str) -> anyhow::Result<Vec<String>> {
    if args.columns.is_empty() {
        if table.columns().is_empty() {
            bail!("the tables have no column of numbers; add one for each attribute: {tables}");
        }
        return Ok(table.columns().to_vec());
    }
    let mut names = Vec::new();
    for name in &args.columns {
        let name = known_column(name, table, tables)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn known_column(name: &str, table: &LabelTable, tables: &str) -> anyhow::Result<String> {
    let name = name.trim();
    if table.columns().iter().any(|c| c == name) {
        return Ok(name.to_owned());
    }
    bail!(
        "no column \"{name}\"; choose of {}: {tables}",
        table.columns().join(", ")
    )
}

/// Columns that are built from the same encoded pictures.
struct Group {
    columns: Vec<usize>,
    pictures: BTreeSet<usize>,
}

/// Columns put together as long as their pictures are no more than `limit`, which bounds the memory
/// for latents; columns that share their pictures share the work of encoding them.
fn groups(chosen: &[Vec<usize>], limit: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, pictures) in chosen.iter().enumerate() {
        let wanted: BTreeSet<usize> = pictures.iter().copied().collect();
        let fits = |g: &&mut Group| g.pictures.union(&wanted).count() <= limit;
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.columns.push(at);
                group.pictures.extend(wanted);
            }
            None => groups.push(Group {
                columns: vec![at],
                pictures: wanted,
            }),
        }
    }
    groups
}

/// Latents of pictures.
struct EncodedPictures {
    vectors: Vectors,
    /// The picture of each row. A mirrored one follows the row of its picture.
    pictures: Vec<usize>,
    /// The row of each picture that can be read, as it is.
    row_of: BTreeMap<usize, usize>,
}

/// Encodes pictures as they are and, unless that is not wanted, mirrored.
fn encode(
    args: &Args,
    model: &OpenModel,
    set: &PictureSet,
    pictures: &BTreeSet<usize>,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<EncodedPictures> {
    let config = model.config();
    let mut found = EncodedPictures {
        vectors: Vectors::new(config),
        pictures: Vec::new(),
        row_of: BTreeMap::new(),
    };
    let pictures: Vec<usize> = pictures.iter().copied().collect();
    for part in pictures.chunks(BATCH) {
        let (mut batch, mut readable) = (Vec::new(), Vec::new());
        for &i in part {
            let bytes = match set.get(i) {
                Ok(bytes) => bytes,
                Err(error) => {
                    set.note_failure(i, error.to_string());
                    continue;
                }
            };
            found
                .row_of
                .insert(i, found.pictures.len() + readable.len());
            batch.push(x_from_bytes(&bytes, config, None));
            readable.push(i);
            if !args.no_mirror {
                let mirrored = mirrored(&bytes, config.image_size, config.channels);
                batch.push(x_from_bytes(&mirrored, config, None));
                readable.push(i);
            }
        }
        let encoded = model.model.encode_x(batch, &|| false)?;
        for (encoded, &i) in encoded.iter().zip(&readable) {
            let pushed = found.vectors.push(&encoded.latent);
            pushed.with_context(|| {
                format!(
                    "the model cannot encode {}",
                    set.name(i).unwrap_or_default()
                )
            })?;
        }
        found.pictures.extend(readable);
        bar.inc(part.len() as u64);
    }
    Ok(found)
}

/// A picture `[h, w, c]` with left and right exchanged.
fn mirrored(bytes: &[u8], width: usize, channels: usize) -> Vec<u8> {
    let mut mirrored = Vec::with_capacity(bytes.len());
    for row in bytes.chunks_exact(width * channels) {
        mirrored.extend(row.chunks_exact(channels).rev().flatten());
    }
    mirrored
}

fn note_failures(set: &PictureSet) -> anyhow::Result<()> {
    let failures = set.failures();
    if let Some(first) = failures.first() {
        note(format_args!(
            "{} pictures left out, the first because: {first}",
            failures.len()
        ));
    }
    Ok(())
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

fn report(args: &Args, model: &OpenModel, directions: &Directions) -> anyhow::Result<()> {
    let list = directions.as_slice();
    if args.json {
        let rows: Vec<_> = list
            .iter()
            .map(|d| json!({ "name": d.name, "center": d.center, "range": d.range, "figures": d.figures }))
            .collect();
        return say_json(&json!({ "model": model.name, "file": args.out, "directions": rows }));
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
    say(format_args!(
        "{} directions: {}",
        list.len(),
        Path::display(&args.out)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_exchanges_left_and_right_alone() {
        // Two rows of two pixels of three channels.
        let bytes: Vec<u8> = (0..12).collect();
        let expected = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8];
        assert_eq!(mirrored(&bytes, 2, 3), expected);
        assert_eq!(mirrored(&mirrored(&bytes, 2, 3), 2, 3), bytes);
    }

    #[test]
    fn columns_with_the_same_pictures_are_encoded_together() {
        let chosen = [vec![0, 1, 2, 3], vec![3, 2, 1, 0], vec![4, 5], vec![5, 6]];
        let groups = groups(&chosen, 4);
        let columns: Vec<&[usize]> = groups.iter().map(|g| g.columns.as_slice()).collect();
        assert_eq!(columns, [&[0, 1][..], &[2, 3]]);
        assert_eq!(groups[1].pictures, BTreeSet::from([4, 5, 6]));
    }
}
