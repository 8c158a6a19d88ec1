//! Training every row of a table with every seed, one run after the other.
//!
//! Each run has a folder of its own, `runs/{row}-seed-{seed}`, with its weights, samples and, while it is not at its
//! end, its checkpoint; so what is done is not done again, and what is not goes on where it stopped.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::results::{self, RunResult};
use super::table::{Row, Table};
use crate::data::batches::PictureSet;
use crate::export::{ExportError, write_png};
use crate::files::FormatError;
use crate::files::weights::{self, Precision};
use crate::model::DeviceChoice;
use crate::train::checkpoint::{Checkpoint, CurvePoint};
use crate::train::config::TrainConfig;
use crate::train::ranks;
use crate::train::trainer::{Run, TrainError, TrainEvent, Trainer};

/// What the runs share.
pub struct Ablation {
    /// The runs.
    pub table: Table,
    /// Folder of the results.
    pub out: PathBuf,
    /// Training pictures, of the table's shape.
    pub pictures: Arc<PictureSet>,
    /// Validation pictures.
    pub valid: Option<Arc<PictureSet>>,
    /// At most this many of them each time.
    pub valid_limit: usize,
    /// Points of a run's curve.
    pub points: u64,
    /// Words on the data, for the provenance.
    pub data: String,
    /// Threads.
    pub threads: usize,
}

/// What happens in the meantime.
#[derive(Debug)]
pub enum AblationEvent {
    /// A run starts, goes on, or is there already.
    Run {
        /// Its place among all, from 0.
        index: usize,
        /// The name of its folder.
        name: String,
    },
    /// What its training says.
    Train(TrainEvent),
    /// A run has failed; the next one follows.
    Failed {
        /// The name of its folder.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Why a table of runs ended early.
#[derive(Debug, thiserror::Error)]
pub enum AblationError {
    /// A file of the results.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A run that cannot go on for a reason that is not its configuration.
    #[error("{name}: {source}")]
    Train {
        /// The name of its folder.
        name: String,
        /// Why.
        source: TrainError,
    },
    /// A finished run's weights, or an unfinished run's checkpoint.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A folder cannot be made or emptied.
    #[error("{what} ({source}): {path}")]
    Folder {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The folder or file.
        path: PathBuf,
    },
    /// Runs that were made before stand in the way.
    #[error("{problem}: {path}")]
    Occupied {
        /// What is wrong and what to do.
        problem: &'static str,
        /// The folder.
        path: PathBuf,
    },
}

/// Where a run stands.
enum RunState {
    New,
    Unfinished,
    Finished(Vec<CurvePoint>),
}

impl Ablation {
    /// The file with every point of every run.
    pub fn csv_path(&self) -> PathBuf {
        self.out.join("results.csv")
    }

    /// The chart.
    pub fn chart_path(&self) -> PathBuf {
        self.out.join("chart.png")
    }

    /// Trains until all runs are at their end or `stop` says so, and writes the results after every save.
    /// With `resume` it takes up what the folder holds.
    ///
    /// Errors: files and pictures; a folder with other runs. A run whose training breaks is a result.
    pub fn run(
        &self,
        resume: bool,
        stop: &dyn Fn() -> bool,
        report: &mut dyn FnMut(AblationEvent),
    ) -> Result<Vec<RunResult>, AblationError> {
        let runs = self.out.join("runs");
        let occupied = std::fs::read_dir(&runs).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !resume {
            return Err(AblationError::Occupied {
                problem: "the folder holds runs already; add --resume to go on with them, or choose another",
                path: self.out.clone(),
            });
        }
        let mut found: Vec<RunResult> = Vec::new();
        for (index, (row, seed)) in self.table.runs().enumerate() {
            if stop() {
                break;
            }
            let name = row.run_name(seed);
            report(AblationEvent::Run {
                index,
                name: name.clone(),
            });
            found.push(RunResult {
                row: index % self.table.rows.len(),
                seed,
                curve: Vec::new(),
                failure: None,
            });
            self.one(row, seed, &runs.join(&name), &mut found, stop, report)?;
            results::write_csv(&self.csv_path(), &self.table, &found)?;
            if let Some(reason) = found.last().and_then(|r| r.failure.clone()) {
                report(AblationEvent::Failed { name, reason });
            }
        }
        if found.iter().any(|run| !run.curve.is_empty()) {
            let chart = results::chart(&self.table, &found, &self.title());
            write_png(&self.chart_path(), &chart.draw()?, None)?;
        }
        Ok(found)
    }

    fn title(&self) -> String {
        let (size, _) = self.table.picture_shape();
        let seeds = match self.table.seeds.len() {
            1 => "one seed".to_owned(),
            n => format!("mean of {n} seeds"),
        };
        format!("{size} px, {seeds}")
    }

    /// Trains one run to its end, into the last of `found`.
    fn one(
        &self,
        row: &Row,
        seed: u64,
        folder: &Path,
        found: &mut [RunResult],
        stop: &dyn Fn() -> bool,
        report: &mut dyn FnMut(AblationEvent),
    ) -> Result<(), AblationError> {
        let settings = row.settings(seed);
        let end = settings.pictures.unwrap_or(0);
        std::fs::create_dir_all(folder).map_err(|source| AblationError::Folder {
            what: "the folder cannot be made",
            source,
            path: folder.to_owned(),
        })?;
        let run = self.training(folder, end);
        let checkpoint = run.checkpoint_path();
        let state = state(row, &settings, &run)?;
        if let RunState::Finished(curve) = state {
            if let Some(result) = found.last_mut() {
                result.curve = curve;
            }
            return remove(&checkpoint);
        }
        let name = row.run_name(seed);
        let broken = Cell::new(None);
        let trained = self.train(row, settings, run, state, |trainer| {
            if let Some(result) = found.last_mut() {
                result.curve.clone_from(&trainer.progress().curve);
            }
            trainer.train(stop, &mut |event| {
                match &event {
                    // Points after the save that it goes back to are no longer true.
                    TrainEvent::WentBack { pictures_seen, .. } => {
                        if let Some(result) = found.last_mut() {
                            result.curve.retain(|p| p.pictures <= *pictures_seen);
                        }
                    }
                    TrainEvent::Saved(point) => {
                        if let Some(result) = found.last_mut() {
                            result.curve.push(*point);
                        }
                        let written = results::write_csv(&self.csv_path(), &self.table, found);
                        if let Err(error) = written {
                            broken.set(Some(error));
                        }
                    }
                    _ => {}
                }
                report(AblationEvent::Train(event));
            })
        });
        if let Some(error) = broken.take() {
            return Err(error.into());
        }
        let failure = match trained {
            Ok(seen) if seen >= end => return remove(&checkpoint),
            Ok(_) => return Ok(()), // interrupted
            Err(TrainError::Model(error)) => error.to_string(),
            Err(TrainError::Diverged { reason, .. }) => reason,
            Err(source) => return Err(AblationError::Train { name, source }),
        };
        if let Some(result) = found.last_mut() {
            result.failure = Some(failure);
        }
        Ok(())
    }

    /// Starts or takes up a training, has `work` done with it, and gives the pictures seen in the end.
    fn train(
        &self,
        row: &Row,
        settings: TrainConfig,
        run: Run,
        state: RunState,
        work: impl FnOnce(&mut Trainer) -> Result<(), TrainError>,
    ) -> Result<u64, TrainError> {
        let mut trainer = match state {
            RunState::Unfinished => Trainer::resume(&row.config, settings, run)?,
            _ => Trainer::start(row.config.clone(), None, settings, run)?,
        };
        work(&mut trainer)?;
        Ok(trainer.progress().pictures_seen)
    }

    fn training(&self, folder: &Path, end: u64) -> Run {
        Run {
            out: folder.join("model.safetensors"),
            precision: Precision::F16,
            pictures: Arc::clone(&self.pictures),
            valid: self.valid.clone(),
            valid_limit: self.valid_limit,
            data: self.data.clone(),
            licence: String::new(),
            // A long run should not lose much where the machine is switched off.
            save_every_secs: 600.0,
            early_saves: false,
            save_every_pictures: Some((end / self.points.max(1)).max(1)),
            threads: self.threads,
            device: DeviceChoice::Cpu,
            ranks: ranks::alone(),
        }
    }
}

/// Where the run in this folder stands.
///
/// Errors: it is another run than the table's.
fn state(row: &Row, settings: &TrainConfig, run: &Run) -> Result<RunState, AblationError> {
    let checkpoint = run.checkpoint_path();
    let other = || AblationError::Occupied {
        problem: "the folder holds a run with other settings than the table's; remove it, or choose another --out",
        path: run.out.parent().unwrap_or(&run.out).to_owned(),
    };
    if run.out.exists() {
        let file = weights::read(&run.out)?;
        let of = |key: &str| file.provenance[key].clone();
        let training: Option<TrainConfig> = serde_json::from_value(of("training")).ok();
        if file.params.config != row.config || training.as_ref() != Some(settings) {
            return Err(other());
        }
        let seen = of("pictures_seen").as_u64().unwrap_or(0);
        if settings.pictures.is_some_and(|end| seen >= end) {
            let curve = serde_json::from_value(of("curve")).unwrap_or_default();
            return Ok(RunState::Finished(curve));
        }
    }
    if !checkpoint.exists() {
        return Ok(RunState::New);
    }
    let before = Checkpoint::read(&checkpoint)?;
    if before.params.config != row.config || before.train != *settings {
        return Err(other());
    }
    Ok(RunState::Unfinished)
}

/// Removes a checkpoint that nobody needs any more: it is several times as large as the weights.
fn remove(checkpoint: &Path) -> Result<(), AblationError> {
    match std::fs::remove_file(checkpoint) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(AblationError::Folder {
                what: "the checkpoint cannot be removed",
                source,
                path: checkpoint.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{
        "base": { "image_size": 16, "levels": 2, "depth": 1, "width": 8,
                  "permutation": "invconv_lu", "coupling": "affine" },
        "train": { "pictures": 48, "batch": 4, "lr": 0.003, "warmup": 4, "average": 0.5, "init_batch": 8 },
        "rows": [ { "name": "1x1" }, { "name": "reverse", "config": { "permutation": "reverse" } } ],
        "seeds": [0, 1]
    }"#;

    fn ablation(folder: &Path, table: &str, points: u64) -> Ablation {
        let faces = folder.join("pictures");
        if !faces.exists() {
            std::fs::create_dir(&faces).unwrap();
            for i in 0..12u32 {
                let picture = image::RgbImage::from_fn(16, 16, |x, y| {
                    image::Rgb([
                        (x * 12 + i) as u8,
                        (y * 9 + 3 * i) as u8,
                        ((x + y) * 5 + i * 7) as u8,
                    ])
                });
                picture.save(faces.join(format!("{i:02}.png"))).unwrap();
            }
        }
        let pictures = Arc::new(PictureSet::open(&faces, None, 16, 3).unwrap());
        Ablation {
            table: Table::parse(table, Path::new("t.json")).unwrap(),
            out: folder.join("out"),
            valid: Some(Arc::clone(&pictures)),
            pictures,
            valid_limit: 4,
            points,
            data: "made up".into(),
            threads: 1,
        }
    }

    /// Row, seed, and the curve without the seconds, which differ.
    type Points = Vec<(usize, u64, Vec<(u64, f64, Option<f64>)>)>;

    fn points(results: &[RunResult]) -> Points {
        // Reading them back from JSON may cost the last bit.
        let round = |v: f64| (v * 1e9).round() / 1e9;
        let of = |p: &CurvePoint| {
            let valid = p.valid_bits_per_dim.map(round);
            (p.pictures, round(p.train_bits_per_dim), valid)
        };
        let one = |r: &RunResult| (r.row, r.seed, r.curve.iter().map(of).collect());
        results.iter().map(one).collect()
    }

    #[test]
    fn an_interrupted_table_goes_on_and_gives_what_an_unbroken_one_does() {
        let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let unbroken = ablation(whole.path(), TABLE, 2);
        let expected = unbroken.run(false, &|| false, &mut |_| {}).unwrap();
        assert_eq!(expected.len(), 4);
        let ends: Vec<u64> = expected[0].curve.iter().map(|p| p.pictures).collect();
        assert_eq!(ends, [24, 48]);
        assert!(expected.iter().all(|r| r.failure.is_none()));
        assert_ne!(points(&expected[..1])[0].2, points(&expected[2..3])[0].2);
        let chart = image::open(unbroken.chart_path()).unwrap();
        assert_eq!((chart.width(), chart.height()), crate::export::chart::SIZE);
        let csv = std::fs::read_to_string(unbroken.csv_path()).unwrap();
        assert_eq!(csv.lines().count(), 1 + 4 * 2);
        assert!(
            csv.contains("reverse,16,3,2,1,8,reverse,affine,5,edge_bias,,,4,0.003,4,"),
            "{csv}"
        );

        // Stopped in the second run, at the first save point.
        let ablation = ablation(broken.path(), TABLE, 2);
        let saves = Cell::new(0);
        let mut count = |event| {
            saves.set(
                saves.get()
                    + u32::from(matches!(event, AblationEvent::Train(TrainEvent::Saved(_)))),
            )
        };
        let half = ablation
            .run(false, &|| saves.get() >= 3, &mut count)
            .unwrap();
        assert_eq!(half.len(), 2);
        assert!(half[1].curve.iter().all(|p| p.pictures < 48));
        let error = ablation.run(false, &|| false, &mut |_| {}).err().unwrap();
        assert!(error.to_string().contains("--resume"), "{error}");

        let mut steps = 0;
        let mut count = |event| {
            steps += u32::from(matches!(
                event,
                AblationEvent::Train(TrainEvent::Step { .. })
            ))
        };
        let all = ablation.run(true, &|| false, &mut count).unwrap();
        // 12 steps a run; the first was finished, and half of the second.
        assert_eq!(steps, 6 + 12 + 12);
        let last = |results: &[RunResult]| -> Vec<f64> {
            results
                .iter()
                .filter_map(|r| r.curve.last()?.valid_bits_per_dim)
                .collect()
        };
        assert_eq!(last(&all), last(&expected));
        let checkpoint = ablation
            .out
            .join("runs/1x1-seed-0/model.checkpoint.safetensors");
        assert!(!checkpoint.exists());

        // Finished runs are read back and not repeated.
        let mut steps = 0;
        let mut count = |event| steps += u32::from(matches!(event, AblationEvent::Train(_)));
        let again = ablation.run(true, &|| false, &mut count).unwrap();
        assert_eq!(steps, 0);
        assert_eq!(points(&again), points(&all));
    }

    #[test]
    fn a_folder_with_other_runs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let small = TABLE.replace("48", "4").replace("[0, 1]", "[0]");
        let first = ablation(folder.path(), &small, 1);
        first.run(false, &|| false, &mut |_| {}).unwrap();
        let changed = ablation(folder.path(), &small.replace("0.003", "0.004"), 1);
        let error = changed.run(true, &|| false, &mut |_| {}).err().unwrap();
        let text = error.to_string();
        assert!(
            text.contains("other settings") && text.ends_with("1x1-seed-0"),
            "{text}"
        );
    }
}
