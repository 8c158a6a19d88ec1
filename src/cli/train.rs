//! `glow-explorer train`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use indicatif::{ProgressBar, ProgressStyle};

use super::common::{FolderArgs, read_labels, shown_line};
use super::output::{Outputs, SAFETENSORS};
use super::ranks::{Connection, SaidLine};
use crate::data::batches::PictureSet;
use crate::files::weights::{self, Precision};
use crate::model::params::Params;
use crate::model::{DeviceChoice, GlowConfig};
use crate::train::chain::Part;
use crate::train::checkpoint::CurvePoint;
use crate::train::config::TrainConfig;
use crate::train::prepare::{self, RunPictures};
use crate::train::ranks::{Communicator, Identity, agree, check_identity};
use crate::train::run;
use crate::train::trainer::{Run, TrainEvent, Trainer};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
    /// Label table with a `split` column: picks the pictures of a split
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Split of the label table to train on
    #[arg(long, default_value = "train", requires = "labels")]
    split: String,
    /// Split of the label table, or folder, to validate on
    #[arg(long)]
    valid: Option<String>,
    /// Validate on about one in N of the pictures, chosen by their names, and do not learn from those
    #[arg(long, value_name = "N", conflicts_with = "valid", value_parser = clap::value_parser!(u32).range(2..=10_000))]
    hold_out: Option<u32>,
    /// Validation pictures evaluated each time
    #[arg(long, default_value_t = 256)]
    valid_limit: usize,
    /// Model configuration (JSON)
    #[arg(long, required_unless_present = "start")]
    config: Option<PathBuf>,
    /// Weight file to start from instead of fresh weights
    #[arg(long)]
    start: Option<PathBuf>,
    /// Weight file to write; the checkpoint and a sheet of samples are kept beside it
    #[arg(long)]
    out: PathBuf,
    /// Go on from the checkpoint beside the weight file
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace the weights and the checkpoint of an earlier training under the same name
    #[arg(long)]
    overwrite: bool,
    /// Write the weights in half precision
    #[arg(long)]
    half: bool,
    /// Words on the data, for the provenance
    #[arg(long, default_value = "")]
    data: String,
    /// Terms of the weights, for the provenance
    #[arg(long, default_value = "")]
    licence: String,
    /// Seconds between saves
    #[arg(long, default_value = "300", value_parser = save_every)]
    save_every: f32,
    /// Threads; the default is one for each core, of a rank its part of those of its machine
    #[arg(long, value_parser = super::common::threads())]
    threads: Option<u16>,
    /// Where gradients are computed: cpu, cuda, cuda:N or metal; cuda:local takes the device of the rank's number on
    /// its machine
    #[arg(long, default_value = "cpu", value_parser = training_device)]
    device: TrainingDevice,
    /// Decoded pictures kept in memory, in MiB; others are read anew each time
    #[arg(long, default_value_t = 512, value_name = "MIB")]
    cache_mib: u32,
    /// Before the training, say what each rank was given and compare it down to the pictures' sizes; versions, models,
    /// settings and the pictures' names are always compared
    #[arg(long)]
    ranks_check: bool,
    /// Print one JSON object a save instead of a progress bar
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    train: TrainConfig,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = Connection::new()?;
    let ended = on_ranks(args, connection.ranks());
    connection.end(ended)
}

/// What a training needs, read from its files.
struct Prepared {
    config: GlowConfig,
    start: Option<Params>,
    run: Run,
}

fn on_ranks(args: Args, ranks: &Arc<dyn Communicator>) -> anyhow::Result<()> {
    let prepared = prepare(&args, ranks).map_err(SaidLine);
    let Prepared { config, start, run } = agree(&**ranks, prepared).map_err(|line| line.0)?;
    let identity = Identity::new(
        &**ranks,
        &config,
        &args.train,
        &run.pictures,
        args.ranks_check,
    );
    let identities = check_identity(&**ranks, &identity)?;
    if args.ranks_check && ranks.is_first() {
        super::ranks::say_identities(&identities);
    }
    let summary = TrainSummary::new(&args.folder.images, &run);
    let n_threads = run.threads;
    let trainer = if args.resume {
        Trainer::resume(&config, args.train.clone(), run)?
    } else {
        Trainer::start(config, start, args.train.clone(), run)?
    };
    if !ranks.is_first() {
        return wait_for_the_first(trainer);
    }
    if !ranks.is_alone() {
        super::common::note(super::ranks::team(&identities, n_threads));
    }
    train(
        trainer,
        &args.train,
        &shown_line(&config_name(&args.out)),
        args.json,
        summary,
        !ranks.is_alone(),
    )
}

/// What a rank does that neither evaluates nor saves nor prints.
fn wait_for_the_first(mut trainer: Trainer) -> anyhow::Result<()> {
    let stop = super::common::stop_on_ctrl_c(None)?;
    Ok(trainer.train(&|| stop.load(Ordering::Relaxed), &mut |_| {})?)
}

fn prepare(args: &Args, ranks: &Arc<dyn Communicator>) -> anyhow::Result<Prepared> {
    // The first save comes minutes after the start; a folder that is not there should not cost them.
    if ranks.is_first() {
        let given = [&args.labels, &args.config, &args.start];
        let read = given.into_iter().flatten().map(PathBuf::as_path);
        let mut outputs = Outputs::beside(read);
        outputs.kept(&args.out, SAFETENSORS, "weights are written as safetensors")?;
        for path in run::files_beside(&args.out) {
            outputs.claim(&path)?;
        }
    }
    if let Some((setting, expected)) = args.train.problem() {
        anyhow::bail!("--{setting} must be {expected}");
    }
    if ranks.is_first() {
        super::common::note_bf16(args.train.arithmetic);
    }
    let start = args
        .start
        .as_deref()
        .map(weights::read)
        .transpose()?
        .map(|file| file.params);
    let config = args.config.as_deref().map(super::read_config).transpose()?;
    let config = prepare::model(config, start.as_ref(), &args.train)?;
    let table = args.labels.as_deref().map(read_labels).transpose()?;
    let shape = (config.image_size, config.channels);
    let chosen = table.as_ref().map(|table| (table, args.split.as_str()));
    let set = args.folder.open(chosen, shape)?;
    let budget = (args.cache_mib as usize) << 20;
    let RunPictures { pictures, valid } = prepare::pictures(set, &args.out, budget, args.hold_out);
    // Rank 0 alone evaluates.
    let valid = match (ranks.is_first(), valid) {
        (true, None) => args
            .folder
            .open_valid(args.valid.as_deref(), table.as_ref(), shape)?,
        (true, held_out) => held_out,
        (false, _) => None,
    };
    let cores_each = (super::cores() / ranks.n_local()).max(1);
    let run = Run {
        out: args.out.clone(),
        precision: if args.half {
            Precision::F16
        } else {
            Precision::F32
        },
        pictures,
        valid,
        valid_limit: args.valid_limit,
        data: args.data.clone(),
        licence: args.licence.clone(),
        save_every_secs: f64::from(args.save_every),
        early_saves: false,
        save_every_pictures: None,
        threads: args.threads.map_or(cores_each, usize::from),
        device: match &args.device {
            TrainingDevice::CudaLocal => DeviceChoice::Cuda(ranks.local_rank()),
            TrainingDevice::Of(choice) => choice.clone(),
        },
        ranks: Arc::clone(ranks),
    };
    let earlier = run.earlier_work();
    if let Some(path) = earlier.first()
        && ranks.is_first()
        && !(args.resume || args.overwrite)
    {
        anyhow::bail!(
            "an earlier training is there; go on with it by --resume, replace it by --overwrite, or choose another --out: {}",
            path.display()
        );
    }
    Ok(Prepared { config, start, run })
}

/// A device by its name, or by the place of the rank among those of its machine.
#[derive(Clone, Debug)]
enum TrainingDevice {
    CudaLocal,
    Of(DeviceChoice),
}

fn training_device(text: &str) -> Result<TrainingDevice, String> {
    match text {
        "cuda:local" => Ok(TrainingDevice::CudaLocal),
        text => Ok(TrainingDevice::Of(text.parse()?)),
    }
}

fn save_every(text: &str) -> Result<f32, String> {
    super::common::number_in(text, 0.1..=1e7)
}

/// What is said at the end: what was learnt from, what was left out and why, what was written.
struct TrainSummary {
    images: PathBuf,
    pictures: Arc<PictureSet>,
    valid: Option<Arc<PictureSet>>,
    files: Vec<PathBuf>,
}

/// Pictures left out that are named one by one.
const NAMED: usize = 10;

impl TrainSummary {
    fn new(images: &Path, run: &Run) -> Self {
        Self {
            images: images.to_owned(),
            pictures: Arc::clone(&run.pictures),
            valid: run.valid.clone(),
            files: vec![run.out.clone(), run.checkpoint_path(), run.samples_path()],
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut left_out = self.pictures.failures();
        let n = self.pictures.len() - left_out.len();
        let mut lines = vec![format!(
            "learnt from {n} pictures: {}",
            self.images.display()
        )];
        left_out.extend(self.valid.iter().flat_map(|set| set.failures()));
        if !left_out.is_empty() {
            lines.push(format!("left out {}:", left_out.len()));
            lines.extend(left_out.iter().take(NAMED).map(|why| format!("  {why}")));
            if left_out.len() > NAMED {
                lines.push(format!("  and {} more", left_out.len() - NAMED));
            }
        }
        let written = self.files.iter().filter(|path| path.exists());
        lines.extend(written.map(|path| format!("written: {}", path.display())));
        lines
    }
}

fn config_name(out: &std::path::Path) -> String {
    out.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Where lines go: above the bar on a terminal, to standard output in a log, and beside JSON to standard error. Whoever
/// read them may have gone; the training goes on.
struct Lines<'a> {
    bar: &'a ProgressBar,
    json: bool,
}

impl Lines<'_> {
    fn say(&self, line: impl std::fmt::Display) {
        let line = shown_line(&line.to_string());
        if self.json {
            let _ = writeln!(std::io::stderr(), "glow-explorer: {line}");
        } else if self.bar.is_hidden() {
            let _ = writeln!(std::io::stdout(), "{line}");
        } else {
            self.bar.println(line);
        }
    }
}

/// The likelihoods of a save, for people.
fn figures(point: &CurvePoint, unit: &str) -> String {
    let train = point.train_bits_per_dim;
    match (point.valid_bits_per_detail, point.valid_bits_per_dim) {
        (Some(details), Some(whole)) => {
            format!("train {train:.4}, valid {details:.4} {unit}; the whole {whole:.4} bits/dim")
        }
        (_, Some(valid)) => format!("train {train:.4}, valid {valid:.4} {unit}"),
        (_, None) => format!("train {train:.4} {unit}"),
    }
}

fn train(
    mut trainer: Trainer,
    settings: &TrainConfig,
    name: &str,
    json: bool,
    summary: TrainSummary,
    has_others: bool,
) -> anyhow::Result<()> {
    // mpirun asks its processes to end where one of them has died, and soon after kills them.
    let kept = has_others.then(|| {
        format!(
            "asked to end, or another rank has died; what was saved before is whole: go on with --resume --out {}",
            summary.files[0].display()
        )
    });
    let stop = super::common::stop_on_ctrl_c(kept)?;
    let bar = if json {
        ProgressBar::hidden()
    } else {
        progress_bar(settings, trainer.progress().pictures_seen)
    };
    bar.set_prefix(name.to_owned());
    let lines = Lines { bar: &bar, json };
    let mut smooth: Option<f64> = None;
    let unit = match settings.part {
        Some(Part::Stage(_)) => "bits/detail",
        _ => "bits/dim",
    };
    let mut report = |event| match event {
        TrainEvent::Started {
            pictures_seen,
            n_parameters,
        } => lines.say(format_args!(
            "{n_parameters} parameters, {pictures_seen} pictures seen before"
        )),
        TrainEvent::Step {
            pictures_seen,
            bits_per_dim,
            gradient_norm,
            ..
        } => {
            let value = smooth.map_or(bits_per_dim, |s| s + 0.02 * (bits_per_dim - s));
            smooth = Some(value);
            bar.set_position(pictures_seen);
            bar.set_message(format!("{value:.4} {unit}, gradient {gradient_norm:.3}"));
        }
        TrainEvent::LeftOut(name) => lines.say(format_args!("left out: {name}")),
        TrainEvent::Note(text) => lines.say(format_args!("note: {text}")),
        // They lie on the sheet beside the weights.
        TrainEvent::Samples(_) => {}
        TrainEvent::Skipped => {
            lines.say("an update was left out: its loss or gradient is not finite");
        }
        TrainEvent::WentBack {
            reason,
            pictures_seen,
            rate_factor,
        } => {
            smooth = None;
            bar.set_position(pictures_seen);
            lines.say(format_args!(
                "the training diverged ({reason}): back to {pictures_seen} pictures, learning rates times {rate_factor}"
            ));
        }
        TrainEvent::Saved(point) if json => {
            let _ = writeln!(std::io::stdout(), "{}", serde_json::json!(point));
        }
        TrainEvent::Saved(point) => {
            lines.say(format_args!(
                "{} pictures: {}, round trip {:.1e}; saved",
                point.pictures,
                figures(&point, unit),
                point.round_trip
            ));
        }
    };
    let trained = trainer.train(&|| stop.load(Ordering::Relaxed), &mut report);
    bar.finish();
    // Also after an error: what was learnt until then has been written.
    summary.lines().iter().for_each(|line| lines.say(line));
    Ok(trained?)
}

fn progress_bar(settings: &TrainConfig, seen: u64) -> ProgressBar {
    let bar = match settings.pictures {
        Some(n) => ProgressBar::new(n),
        None => ProgressBar::no_length(),
    };
    let template = "{prefix} {bar:24} {pos}/{len} pictures, {per_sec}, {eta} left, {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_position(seen);
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_training_lowers_the_loss_and_resumes_where_it_stopped() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..24u32 {
            let picture = image::RgbImage::from_fn(16, 16, |x, y| {
                image::Rgb([
                    (x * 12 + i) as u8,
                    (y * 9 + 3 * i) as u8,
                    ((x + y) * 5 + i * 7) as u8,
                ])
            });
            picture
                .save(dir.path().join(format!("{i:02}.png")))
                .unwrap();
        }
        let config: GlowConfig = serde_json::from_str(
            r#"{"image_size":16,"levels":2,"depth":2,"width":16,"permutation":"invconv_lu","coupling":"affine"}"#,
        )
        .unwrap();
        let out = dir.path().join("weights/m.safetensors");
        std::fs::create_dir(dir.path().join("weights")).unwrap();
        let settings = |pictures| TrainConfig {
            batch: 4,
            lr: 3e-3,
            warmup: 10,
            decay: 0.0,
            clip: 10.0,
            optimizer: Default::default(),
            beta2: 0.99,
            average: 0.9,
            seed: 1,
            no_flip: false,
            init_batch: 16,
            pictures: Some(pictures),
            ..TrainConfig::default()
        };
        let run = |out: PathBuf| Run {
            out,
            precision: Precision::F32,
            pictures: Arc::new(PictureSet::open(dir.path(), None, 16, 3).unwrap()),
            valid: None,
            valid_limit: 8,
            data: String::new(),
            licence: String::new(),
            save_every_secs: 1e9,
            early_saves: false,
            save_every_pictures: None,
            threads: 2,
            device: DeviceChoice::Cpu,
            ranks: crate::train::ranks::alone(),
        };
        let go = |mut trainer: Trainer| {
            let mut losses = Vec::new();
            trainer
                .train(&|| false, &mut |event| {
                    if let TrainEvent::Step { bits_per_dim, .. } = event {
                        losses.push(bits_per_dim);
                    }
                })
                .unwrap();
            losses
        };
        let whole = go(Trainer::start(
            config.clone(),
            None,
            settings(240),
            run(dir.path().join("weights/w.safetensors")),
        )
        .unwrap());
        let mut parts =
            go(Trainer::start(config.clone(), None, settings(120), run(out.clone())).unwrap());
        parts.extend(go(Trainer::resume(
            &config,
            settings(240),
            run(out.clone()),
        )
        .unwrap()));
        assert_eq!(whole.len(), 60);
        assert_eq!(whole, parts);
        let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
        assert!(mean(&whole[50..]) < mean(&whole[..10]) - 0.3, "{whole:?}");
        let file = weights::read(&out).unwrap();
        assert_eq!(file.provenance["pictures_seen"], 240);
    }
}
