//! `glow-explorer evaluate`.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::common::{
    FolderArgs, ModelArgs, OpenModel, note, note_decimal_comma, number_in, progress, read_labels,
    say, say_json,
};
use super::output::{Outputs, shown};
use crate::data::batches::PictureSet;
use crate::export::write_atomically;
use crate::latent::attributes::Directions;
use crate::measure::bench::median;
use crate::measure::figures::{Spread, worst};
use crate::measure::report::{self, ReportOptions, likelihood};

pub(super) const EXAMPLES: &str = "Examples:
  glow-explorer evaluate --images faces/ --labels labels.csv --split valid
  glow-explorer evaluate --model my.safetensors --images faces/ --limit 500 --json
  glow-explorer evaluate --report --images faces/ --labels labels.csv --out report.md
The report measures in one go what a model card says: the likelihood and its spread, the round trip, the
time of a decode, the way back of pictures that are nothing like faces, and the share of samples, morph midpoints
and edits in which a face detector finds a face, beside its share of the photographs themselves, with those of
them that broke. Photographs are edited to both ends of every slider.";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
    /// Label table with a `split` column: picks the pictures of a split
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// Split of the label table
    #[arg(long, default_value = "valid", requires = "labels")]
    split: String,
    /// At most this many pictures, the first by name
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    limit: Option<u64>,
    /// Seed of the noise within the bins that the likelihood is measured with, and of what the report draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Report")]
struct ReportArgs {
    /// Measure everything that a model card says, and print it as Markdown
    #[arg(long)]
    report: bool,
    /// Write the report to this file; without it, or as -, it goes to standard output
    #[arg(long, value_name = "FILE.md", requires = "report")]
    out: Option<PathBuf>,
    /// Pictures whose round trip is measured
    #[arg(long, default_value_t = 1000, requires = "report", value_parser = up_to())]
    round_trips: u32,
    /// Samples a temperature
    #[arg(long, default_value_t = 1000, requires = "report", value_parser = up_to())]
    samples: u32,
    /// Temperatures of the samples, separated by commas
    #[arg(long, default_values_t = [0.5, 0.7, 0.9, 1.0], value_delimiter = ',', requires = "report",
          value_parser = super::common::temperature, value_name = "NUMBERS")]
    temperatures: Vec<f32>,
    /// Pairs of pictures whose midpoint is looked at
    #[arg(long, default_value_t = 250, requires = "report", value_parser = up_to())]
    pairs: u32,
    /// Pictures edited with each direction, to each end of its slider
    #[arg(long, default_value_t = 100, requires = "report", value_parser = up_to())]
    edits: u32,
    /// Edit them by this much instead
    #[arg(long, requires = "report", value_parser = amount, allow_negative_numbers = true)]
    amount: Option<f32>,
    /// Generated pictures of each odd kind (noise, half-tones, black, ...) whose round trip is measured
    #[arg(long, default_value_t = 16, requires = "report", value_parser = up_to())]
    odd: u32,
    /// Decodes of one picture whose time is taken
    #[arg(long, default_value_t = 50, requires = "report", value_parser = up_to())]
    decodes: u32,
    /// Attributes file of the directions; the default is the one beside the weights
    #[arg(long, value_name = "FILE", requires = "report")]
    attributes: Option<PathBuf>,
}

fn up_to() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=1_000_000)
}

fn amount(text: &str) -> Result<f32, String> {
    number_in(text, -10.0..=10.0)
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    note_decimal_comma("--temperatures", &args.report.temperatures);
    let given = args.labels.iter().chain(&args.report.attributes);
    let read = given.map(PathBuf::as_path).chain(args.model.files());
    let mut outputs = Outputs::beside(read).json(args.json);
    // A report is text, which standard output takes anyway.
    let out = args.report.out.as_deref();
    let out = out.filter(|path| path.as_os_str() != "-");
    let what = "the report is written as Markdown";
    let out = out.map(|path| outputs.file(path, &["md", "markdown", "txt"], what));
    let out = out.transpose()?;
    let table = args.labels.as_deref().map(read_labels).transpose()?;
    let model = args.model.open()?;
    model.check_one_condition()?;
    let config = model.config();
    let chosen = table.as_ref().map(|table| (table, args.split.as_str()));
    let shape = (config.image_size, config.channels);
    let set = args.folder.open(chosen, shape)?;
    let n = args
        .limit
        .map_or(set.len(), |limit| set.len().min(limit as usize));
    if args.report.report {
        return write_report(&args, &model, &set, n, out.as_deref());
    }
    // Each picture is needed once.
    let set = set.with_memory_budget(0);
    let bar = progress(n, "evaluating");
    let found = likelihood(&model.model, &set, n, n, args.seed, &mut |done| {
        bar.inc(done as u64)
    });
    bar.finish_and_clear();
    let found = found?;
    let left_out = n - found.bits.len();
    note_left_out(left_out, n, found.first_failure.as_deref());
    note_lost(&found, args.folder.images.as_path());
    let bits = Spread::of(&found.bits);
    let (largest, middle) = (
        worst(found.round_trips.iter().copied()),
        median(&found.round_trips),
    );
    if args.json {
        return say_json(&json!({
            "model": model.name,
            "device": model.model.device_label(),
            "pictures": found.bits.len(),
            "left_out": left_out,
            "bits_per_dim": bits,
            "level_bits": found.level_bits,
            "round_trip": { "max": largest, "median": middle, "not_finite": found.lost },
        }));
    }
    let [q1, q2, q3] = bits.quartiles;
    say(format_args!(
        "{}: {} pictures of {}",
        model.name,
        found.bits.len(),
        args.folder.images.display()
    ))?;
    say(format_args!(
        "bits/dim    {:.4} +- {:.4}, spread {:.4}",
        bits.mean, bits.standard_error, bits.std
    ))?;
    say(format_args!(
        "quartiles   {q1:.4} {q2:.4} {q3:.4}, from {:.4} to {:.4}",
        bits.min, bits.max
    ))?;
    say(format_args!(
        "round trip  {largest:.1e} at most, {middle:.1e} in the median"
    ))
}

/// Says which pictures have no finite way back: no difference stands for them among the others.
fn note_lost(found: &report::Likelihood, folder: &std::path::Path) {
    if let Some(first) = &found.first_lost {
        let n = found.bits.len();
        note(format_args!(
            "{} of {n} pictures are so unlikely under the model that their way back is not finite, the first is {first}: {}",
            found.lost,
            folder.display()
        ));
    }
}

fn note_left_out(left_out: usize, n: usize, first: Option<&str>) {
    if let Some(error) = first {
        note(format_args!(
            "{left_out} of {n} pictures left out, the first because: {error}"
        ));
    }
}

fn write_report(
    args: &Args,
    model: &OpenModel,
    set: &PictureSet,
    n: usize,
    out: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let given = &args.report;
    if n == 0 {
        bail!(
            "there is no picture to measure: {}",
            args.folder.images.display()
        );
    }
    let directions = match model.directions(given.attributes.as_deref()) {
        Ok((_, file)) => file.directions,
        Err(error) if given.attributes.is_some() => return Err(error),
        Err(error) => {
            note(format_args!("no edits are measured: {error}"));
            Directions::default()
        }
    };
    let options = ReportOptions {
        seed: args.seed,
        pictures: n,
        round_trips: given.round_trips as usize,
        samples: given.samples as usize,
        temperatures: given.temperatures.clone(),
        pairs: given.pairs as usize,
        edits: given.edits as usize,
        amount: given.amount,
        odd: given.odd as usize,
        decodes: given.decodes as usize,
        threads: args.model.threads.map_or_else(super::cores, usize::from),
    };
    let bar = progress(
        report::n_steps(&options, n, directions.as_slice().len()),
        "measuring",
    );
    let mut advance = |done: usize| bar.inc(done as u64);
    let found = report::measure(
        &model.name,
        &model.model,
        set,
        &directions,
        &options,
        &mut advance,
    );
    bar.finish_and_clear();
    let found = found?;
    if found.left_out > 0 {
        note(format_args!(
            "{} of {n} pictures cannot be read",
            found.left_out
        ));
    }
    let markdown = found.markdown();
    if let Some(path) = out {
        write_atomically(path, |file| {
            std::io::Write::write_all(file, markdown.as_bytes())
        })?;
    }
    match (args.json, out) {
        (true, _) => say_json(&found),
        (false, Some(path)) => say(shown(path)),
        (false, None) => say(markdown.trim_end()),
    }
}
