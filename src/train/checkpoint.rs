//! Saving and resuming a run: weights, optimiser, position in the data, the curve so far.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::optimizer::{Optimizer, Rule};
use crate::export::{ExportError, write_atomically};
use crate::files::weights::widened;
use crate::model::GlowConfig;
use crate::model::params::{Layout, Params};

/// The `format` metadata of a checkpoint.
pub const FORMAT: &str = "glow-explorer-checkpoint/1";

/// One point of the training curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Pictures seen.
    pub pictures: u64,
    /// Mean bits per dimension of the training batches since the last point.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_bits_per_dim: f64,
    /// Bits per dimension of the validation pictures under the averaged weights.
    pub valid_bits_per_dim: Option<f64>,
    /// `max |x - decode(encode(x))|` of a few pictures under the averaged weights.
    #[serde(deserialize_with = "number_or_nan")]
    pub round_trip: f64,
    /// Seconds of training up to here.
    #[serde(default)]
    pub seconds: f64,
}

/// JSON has no NaN and writes null for it; a run that met one can still go on.
fn number_or_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Pictures that made gradients.
    pub pictures_seen: u64,
    /// Pictures drawn from the stream, unreadable ones included.
    pub position: u64,
    /// Seconds spent.
    pub seconds: f64,
    /// The curve.
    pub curve: Vec<CurvePoint>,
    /// How often the training had diverged and went back.
    #[serde(default)]
    pub setbacks: u32,
    /// Pictures of the set that is learnt from.
    #[serde(default)]
    pub set_size: Option<usize>,
}

/// Everything that a resumed run needs.
pub struct Checkpoint {
    /// The weights as they are trained (not averaged).
    pub params: Params,
    /// Moments and averaged weights.
    pub optimizer: Optimizer,
    /// Where the run stands.
    pub progress: Progress,
    /// The settings of the run.
    pub train: TrainConfig,
}

#[derive(Serialize, Deserialize)]
struct Header {
    config: GlowConfig,
    train: TrainConfig,
    rule: Rule,
    updates: u64,
    progress: Progress,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be gone on from.
    #[error("cannot use the checkpoint ({problem}); start anew under another name: {path}")]
    Unusable {
        /// What was found.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] ExportError),
}

impl Checkpoint {
    /// Writes to a temporary file which then takes the name.
    ///
    /// Errors: the folder cannot be written or the disk is full.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let fail = |problem: String| CheckpointError::Unusable {
            problem,
            path: path.into(),
        };
        let header = Header {
            config: self.params.config.clone(),
            train: self.train.clone(),
            rule: self.optimizer.rule,
            updates: self.optimizer.t,
            progress: self.progress.clone(),
        };
        let header = serde_json::to_string(&header).map_err(|e| fail(e.to_string()))?;
        let bytes: Vec<(&str, Vec<u8>)> = self
            .vectors()
            .into_iter()
            .map(|(name, data)| (name, data.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let n = self.params.data.len();
        let views = bytes
            .iter()
            .map(|(name, bytes)| {
                TensorView::new(Dtype::F32, vec![n], bytes).map(|view| (*name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| fail(e.to_string()))?;
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("header".to_owned(), header),
        ]);
        let file =
            safetensors::serialize(views, Some(metadata)).map_err(|e| fail(e.to_string()))?;
        write_atomically(path, |writer| std::io::Write::write_all(writer, &file))?;
        Ok(())
    }

    fn vectors(&self) -> [(&'static str, &[f32]); 4] {
        let o = &self.optimizer;
        [
            ("weights", &self.params.data),
            ("average", &o.average),
            ("m", &o.m),
            ("v", &o.v),
        ]
    }

    /// Reads what [`Checkpoint::write`] wrote.
    ///
    /// Errors: unreadable, another format, or vectors that do not fit the config.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&Self::read_bytes(path)?, path)
    }

    /// The bytes of a checkpoint, whatever they hold.
    ///
    /// Errors: unreadable.
    pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, CheckpointError> {
        std::fs::read(path).map_err(|e| CheckpointError::Unusable {
            problem: e.to_string(),
            path: path.into(),
        })
    }

    /// The checkpoint of a file's bytes.
    ///
    /// Errors: as [`Checkpoint::read`].
    pub(super) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let fail = |problem: String| CheckpointError::Unusable {
            problem,
            path: path.into(),
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| fail(e.to_string()))?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(fail(format!("its format is not {FORMAT}")));
        }
        let header = metadata
            .get("header")
            .ok_or_else(|| fail("it has no header".into()))?;
        let header: Header = serde_json::from_str(header).map_err(|e| fail(e.to_string()))?;
        let config = header.config.validated().map_err(|e| fail(e.to_string()))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
        let stored = tensors.tensor("weights").map_err(|e| fail(e.to_string()))?;
        let n: usize = stored.shape().iter().product();
        // The prior at the top is one number a channel, or a map of them.
        let is_map = Layout::new(&config, false).len() != n;
        if Layout::new(&config, is_map).len() != n {
            return Err(fail(format!(
                "its config wants another number of weights than the {n} that it holds"
            )));
        }
        let vector = |name: &str| {
            let tensor = tensors.tensor(name).map_err(|e| fail(e.to_string()))?;
            let numbers = widened(&tensor)
                .filter(|v| v.len() == n)
                .ok_or_else(|| fail(format!("{name} does not have {n} numbers")))?;
            match numbers.iter().find(|v| !v.is_finite()) {
                Some(v) => Err(fail(format!("{name} holds {v}, not a finite number"))),
                None => Ok(numbers),
            }
        };
        let weights = vector("weights")?;
        let mut params = Params::zeros(config, is_map);
        params.data = weights;
        let mut optimizer = Optimizer::new(header.rule, header.train.rates(), &vector("average")?);
        (optimizer.t, optimizer.m, optimizer.v) = (header.updates, vector("m")?, vector("v")?);
        if let Some(v) = optimizer.v.iter().find(|v| **v < 0.0) {
            return Err(fail(format!(
                "v holds {v}, and a second moment is never negative"
            )));
        }
        Ok(Self {
            params,
            optimizer,
            progress: header.progress,
            train: header.train,
        })
    }
}
