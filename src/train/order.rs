//! A training in plain choices, as a person makes them in the window, and what becomes of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CurvePoint};
use super::config::TrainConfig;
use super::error::TrainError;
use super::prepare::{self, RunPictures};
use super::ranks;
use super::run::{self, Run};
use super::trainer::Trainer;
use crate::data::batches::PictureSet;
use crate::disk::is_same_file;
use crate::export::check_target;
use crate::files::import;
use crate::files::shipped::{self, Choice};
use crate::files::weights::Precision;
use crate::model::params::Params;
use crate::model::{DeviceChoice, GlowConfig};

/// Of how many pictures one is held out, to validate on.
const HOLD_OUT: u32 = 20;
/// Validation pictures evaluated at a save: somebody waits for the next step.
const VALID_LIMIT: usize = 128;
/// Seconds between saves, once the first ones are past.
const SAVE_EVERY_SECS: f64 = 300.0;
/// Bytes of decoded pictures that are kept.
const PICTURE_BYTES: usize = 512 << 20;
/// The peak learning rate where somebody asks for care; without, it is the usual one.
const CAREFUL_LR: f32 = 3e-4;
/// The least side of the coarsest level.
const LEAST_SIDE: usize = 4;

/// How large a network is: the examples of `configs/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkSize {
    /// Three levels of 16 steps, width 128.
    #[default]
    Small,
    /// Four levels of 16 steps, width 128: that of the shipped `faces-64`.
    Medium,
    /// Four levels of 32 steps, width 512.
    Large,
}

impl NetworkSize {
    /// Its model for pictures of `side` pixels and so many bits a subpixel. Small pictures get fewer levels.
    ///
    /// Errors: a side or bits that no model has.
    pub fn config(self, side: u32, bits: u32) -> Result<GlowConfig, TrainError> {
        let text = match self {
            Self::Small => include_str!("../../configs/small-64.json"),
            Self::Medium => include_str!("../../configs/faces-64.json"),
            Self::Large => include_str!("../../configs/medium-64.json"),
        };
        let setup = |error: &dyn std::fmt::Display| TrainError::Setup(error.to_string());
        let mut config: GlowConfig = serde_json::from_str(text).map_err(|e| setup(&e))?;
        config.image_size = side as usize;
        config.bits = bits;
        let fits = (1..=config.levels).rev();
        let fits = fits.filter(|levels| config.image_size >> levels >= LEAST_SIDE);
        config.levels = fits.max().unwrap_or(1);
        config.validated().map_err(|e| setup(&e))
    }
}

/// What a training begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TrainBase {
    /// New weights.
    Fresh {
        /// Pixels a side.
        side: u32,
        /// How large the network is.
        network: NetworkSize,
        /// Bits a subpixel.
        bits: u32,
    },
    /// Those of a model: a file, or the one that comes with the program.
    Model(Option<PathBuf>),
}

/// What is to become of an earlier training under the same names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EarlierWork {
    /// It stays, and nothing is trained.
    #[default]
    Keep,
    /// It goes on from its checkpoint; what it began with is settled.
    Resume,
    /// The new training takes its place.
    Replace,
}

/// A training as a person asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOrder {
    /// Folder of pictures.
    pub images: PathBuf,
    /// Whether faces are framed, rather than the square in the middle taken.
    pub crop_faces: bool,
    /// What it begins with.
    pub base: TrainBase,
    /// The weight file that is written; checkpoint and samples lie beside it.
    pub out: PathBuf,
    /// What is to become of what lies there.
    pub earlier: EarlierWork,
    /// Pictures to learn from in all; `None`: until it is stopped.
    pub pictures: Option<u64>,
    /// Smaller steps, for a training that broke.
    pub careful: bool,
    /// Whether half of the pictures are mirrored.
    pub flips: bool,
}

/// A training that lies under the names of another.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierTraining {
    /// The file that was found.
    pub path: PathBuf,
    /// Where it stands, if it can go on.
    pub resumable: Option<EarlierState>,
}

/// Where an earlier training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlierState {
    /// Pictures seen.
    pub pictures_seen: u64,
    /// Pixels a side.
    pub side: usize,
}

/// What an order comes to.
pub enum Ordered {
    /// An earlier training lies there; nothing was touched.
    Earlier(EarlierTraining),
    /// It can begin.
    Ready(Box<ReadyTraining>),
}

/// A training that can begin.
pub struct ReadyTraining {
    /// The training.
    pub trainer: Trainer,
    /// Pictures to learn from.
    pub n_pictures: usize,
    /// Pictures to validate on.
    pub n_valid: usize,
    /// The model.
    pub config: GlowConfig,
    /// What people should know before.
    pub notes: Vec<String>,
}

/// The model and the settings of a run, and the weights that it starts from.
struct Settled {
    config: GlowConfig,
    start: Option<Params>,
    train: TrainConfig,
}

impl TrainOrder {
    /// Reads what the training needs and sets it up, on so many threads. Nothing is written but its lock.
    ///
    /// Errors: files that cannot be read or could not be written; a model that is not trained here; as
    /// [`Trainer::start`] and [`Trainer::resume`].
    pub fn prepare(&self, threads: usize) -> Result<Ordered, TrainError> {
        self.check_out()?;
        if self.earlier == EarlierWork::Keep
            && let Some(earlier) = self.earlier_training()
        {
            return Ok(Ordered::Earlier(earlier));
        }
        let Settled {
            config,
            start,
            train,
        } = match self.earlier {
            EarlierWork::Resume => self.resumed_model()?,
            EarlierWork::Keep | EarlierWork::Replace => self.model()?,
        };
        let set = PictureSet::open(&self.images, None, config.image_size, config.channels)?;
        let mut notes = Vec::new();
        if set.n_folders_inside() > 0 {
            notes.push(format!(
                "pictures in folders inside are not read: {}",
                self.images.display()
            ));
        }
        let set = set.with_faces_framed(self.crop_faces);
        let RunPictures { pictures, valid } =
            prepare::pictures(set, &self.out, PICTURE_BYTES, Some(HOLD_OUT));
        let (n_pictures, n_valid) = (pictures.len(), valid.as_ref().map_or(0, |v| v.len()));
        let folder = self.images.file_name().unwrap_or_default();
        let run = Run {
            out: self.out.clone(),
            precision: Precision::F32,
            pictures,
            valid,
            valid_limit: VALID_LIMIT,
            data: folder.to_string_lossy().into_owned(),
            licence: String::new(),
            save_every_secs: SAVE_EVERY_SECS,
            early_saves: true,
            save_every_pictures: None,
            threads: threads.max(1),
            device: DeviceChoice::Cpu,
            ranks: ranks::alone(),
        };
        let trainer = match self.earlier {
            EarlierWork::Resume => Trainer::resume(&config, train, run)?,
            EarlierWork::Keep | EarlierWork::Replace => {
                Trainer::start(config.clone(), start, train, run)?
            }
        };
        Ok(Ordered::Ready(Box::new(ReadyTraining {
            trainer,
            n_pictures,
            n_valid,
            config,
            notes,
        })))
    }

    /// Refuses names that could not be written, or that would take the place of what is read.
    fn check_out(&self) -> Result<(), TrainError> {
        check_target(&self.out)?;
        let is_safetensors = self.out.extension();
        if !is_safetensors.is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
            return Err(TrainError::Setup(format!(
                "weights are written as safetensors; end the name in .safetensors: {}",
                self.out.display()
            )));
        }
        if let TrainBase::Model(Some(start)) = &self.base
            && self.earlier != EarlierWork::Resume
        {
            let beside = run::files_beside(&self.out);
            let mut written = std::iter::once(&self.out).chain(&beside);
            if let Some(path) = written.find(|path| is_same_file(path, start)) {
                return Err(TrainError::Setup(format!(
                    "this would be written over the model that the training starts from; choose another name: {}",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// What lies under the names of this training.
    fn earlier_training(&self) -> Option<EarlierTraining> {
        let checkpoint = run::checkpoint_path(&self.out);
        let path = [&self.out, &checkpoint].into_iter().find(|p| p.exists())?;
        // One that cannot be read is work all the same.
        let resumable = Checkpoint::read(&checkpoint)
            .ok()
            .map(|found| EarlierState {
                pictures_seen: found.progress.pictures_seen,
                side: found.params.config.image_size,
            });
        Some(EarlierTraining {
            path: path.clone(),
            resumable,
        })
    }

    fn model(&self) -> Result<Settled, TrainError> {
        let train = self.settings(TrainConfig::default());
        let (config, start) = match &self.base {
            TrainBase::Fresh {
                side,
                network,
                bits,
            } => (Some(network.config(*side, *bits)?), None),
            TrainBase::Model(path) => (None, Some(weights_of(path.as_deref())?)),
        };
        Ok(Settled {
            config: prepare::model(config, start.as_ref(), &train)?,
            start,
            train,
        })
    }

    /// The model and the settings that the checkpoint has.
    fn resumed_model(&self) -> Result<Settled, TrainError> {
        let path = run::checkpoint_path(&self.out);
        if !path.exists() {
            return Err(TrainError::Setup(format!(
                "nothing was saved of this training, so it cannot go on; start it anew: {}",
                self.out.display()
            )));
        }
        let found = Checkpoint::read(&path)?;
        Ok(Settled {
            train: self.settings(found.train),
            config: found.params.config,
            start: None,
        })
    }

    /// Settings with what a person chose.
    fn settings(&self, train: TrainConfig) -> TrainConfig {
        let usual = TrainConfig::default().lr;
        TrainConfig {
            lr: if self.careful { CAREFUL_LR } else { usual },
            no_flip: !self.flips,
            pictures: self.pictures,
            minutes: None,
            ..train
        }
    }
}

impl ReadyTraining {
    /// The curve so far: that of the part before, where it goes on.
    pub fn curve(&self) -> &[CurvePoint] {
        &self.trainer.progress().curve
    }
}

/// The weights of a model by its file, or of one that comes with the program.
fn weights_of(path: Option<&Path>) -> Result<Params, TrainError> {
    // The window knows a shipped model by the whole path that its name would have.
    let named = path.map(|path| match path.file_name() {
        Some(name) if !path.exists() => Path::new(name),
        _ => path,
    });
    match shipped::choose(named) {
        Choice::Shipped(model) => Ok(model.weights()?.params),
        Choice::File(named) => {
            let opened = import::guess(path.unwrap_or(named), &import::Options::default());
            opened
                .map(|opened| opened.file.params)
                .map_err(|e| TrainError::Setup(e.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_the_window_is_a_model() {
        for network in [NetworkSize::Small, NetworkSize::Medium, NetworkSize::Large] {
            for (side, top) in [(8, 4), (32, 4), (64, 4)] {
                let config = network.config(side, 8).unwrap();
                assert_eq!((config.image_size, config.bits), (side as usize, 8));
                assert!(side as usize >> config.levels >= top, "{config:?}");
            }
        }
        let parts = |network: NetworkSize| network.config(64, 5).unwrap().parts_text();
        assert_eq!(parts(NetworkSize::Small), "3 levels of 16 steps, width 128");
        assert_eq!(
            parts(NetworkSize::Medium),
            "4 levels of 16 steps, width 128"
        );
        assert_eq!(parts(NetworkSize::Large), "4 levels of 32 steps, width 512");
        assert!(NetworkSize::Small.config(64, 9).is_err());
    }

    #[test]
    fn a_training_is_not_written_over_the_model_that_it_starts_from() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("w.safetensors");
        std::fs::write(&weights, "w").unwrap();
        let order = |base, out: &str| TrainOrder {
            images: folder.path().to_owned(),
            crop_faces: false,
            base,
            out: folder.path().join(out),
            earlier: EarlierWork::Replace,
            pictures: Some(16),
            careful: false,
            flips: true,
        };
        let refused = |order: TrainOrder, word: &str| {
            let error = order.prepare(1).err().unwrap().to_string();
            assert!(error.contains(word), "{error}");
        };
        let model = || TrainBase::Model(Some(weights.clone()));
        refused(order(model(), "./w.safetensors"), "starts from");
        refused(order(model(), "w.png"), ".safetensors");
        refused(order(model(), "none/w.safetensors"), "folder");
        assert_eq!(std::fs::read(&weights).unwrap(), b"w");
    }
}
