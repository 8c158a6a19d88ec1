//! Saving and resuming a run: weights, optimiser, position in the data, the curve so far.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::optimizer::{Optimizer, Rule};
use crate::config::ScaleFloor;
use crate::files::tensors::{OutTensor, Precision, TensorFile, read_bytes, write_tensors};
use crate::files::{FormatError, weights};
use crate::model::GlowConfig;
use crate::model::params::{Layout, Params};

/// The `format` metadata of a checkpoint.
pub const FORMAT: &str = "glow-explorer-checkpoint/1";

/// One point of the training curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Pictures seen.
    pub pictures: u64,
    /// Mean bits per dimension of the training batches since the last point; where a detail stage learns alone, its bits a
    /// detail.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_bits_per_dim: f64,
    /// Bits per dimension of the validation pictures under the averaged weights.
    pub valid_bits_per_dim: Option<f64>,
    /// Bits a detail of the stage that learns alone, of the same pictures and weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_bits_per_detail: Option<f64>,
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
pub struct TrainProgress {
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
    /// Floor of the couplings' factor with which the run began; `None` for that of fresh weights and of earlier files, 0.
    #[serde(default)]
    pub first_floor: Option<ScaleFloor>,
}

/// Everything that a resumed run needs.
pub struct Checkpoint {
    /// The weights as they are trained (not averaged).
    pub params: Params,
    /// Moments and averaged weights.
    pub optimizer: Optimizer,
    /// Where the run stands.
    pub progress: TrainProgress,
    /// The settings of the run.
    pub train: TrainConfig,
}

#[derive(Serialize, Deserialize)]
struct Header {
    config: GlowConfig,
    train: TrainConfig,
    rule: Rule,
    updates: u64,
    progress: TrainProgress,
}

/// A checkpoint holds four numbers for each of a weight file.
const MAX_BYTES: u64 = 4 * weights::MAX_BYTES;

impl Checkpoint {
    /// Writes to a temporary file which then takes the name.
    ///
    /// Errors: numbers that are not finite, of which nothing is written; the system's.
    pub fn write(&self, path: &Path) -> Result<(), FormatError> {
        let header = Header {
            config: self.params.config.clone(),
            train: self.train.clone(),
            rule: self.optimizer.rule,
            updates: self.optimizer.t,
            progress: self.progress.clone(),
        };
        let header = serde_json::to_string(&header).map_err(|e| FormatError::Unwritable {
            reason: e.to_string(),
            path: path.to_owned(),
        })?;
        let n = self.params.data.len();
        let tensors = self.vectors().into_iter().map(|(name, data)| {
            let tensor = OutTensor::checked(name, vec![n], data, Precision::F32, path)?;
            Ok((name.to_owned(), tensor))
        });
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("header".to_owned(), header),
        ]);
        write_tensors(path, tensors.collect::<Result<_, FormatError>>()?, metadata)
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
    pub fn read(path: &Path) -> Result<Self, FormatError> {
        Self::from_bytes(&Self::bytes(path)?, path)
    }

    /// The bytes of a checkpoint, whatever they hold.
    ///
    /// Errors: unreadable, or more than any checkpoint has.
    pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, FormatError> {
        read_bytes(path, MAX_BYTES)
    }

    /// The same of a file that is in memory; `path` is for messages.
    ///
    /// Errors: as [`Checkpoint::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FormatError> {
        let file = TensorFile::parse(path, bytes, &[FORMAT])?;
        let header: Header = file.json("header")?;
        let stored = file.find("weights");
        let n = stored.map_or(0, |t| t.shape().iter().product());
        // The prior at the top is one number a channel, or a map of them.
        let is_map = Layout::new(&header.config, false).len() != n;
        if Layout::new(&header.config, is_map).len() != n {
            return Err(file.contents_error(format!(
                "its config wants another number of weights than the {n} that it holds"
            )));
        }
        let vector = |name: &str| file.f32s(name, &[n]);
        let mut params = Params::zeros(header.config, is_map);
        params.data = vector("weights")?;
        let mut optimizer = Optimizer::new(header.rule, header.train.rates(), &vector("average")?);
        (optimizer.t, optimizer.m, optimizer.v) = (header.updates, vector("m")?, vector("v")?);
        if let Some(v) = optimizer.v.iter().find(|v| **v < 0.0) {
            return Err(file.contents_error(format!(
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
