//! Why a training cannot go on.

use crate::data::DataError;
use crate::export::ExportError;
use crate::files::FormatError;
use crate::model::ModelError;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Pictures.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The checkpoint or the weight file.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The sheet of samples.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Another rank, or the way to it.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// The run cannot be what was asked for.
    #[error("{0}")]
    Setup(String),
    /// The training breaks again and again.
    #[error(
        "the training diverged {times} times, the last time because {reason}; what was saved before is kept. Try a smaller \
         --lr, a longer --warmup or a --scale-floor: {path}"
    )]
    Diverged {
        /// How often.
        times: u32,
        /// What was wrong.
        reason: String,
        /// The weight file.
        path: String,
    },
}

/// What went wrong between ranks.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RanksError {
    /// A rank could not go on, and all of them know.
    #[error("{0}")]
    Failed(String),
    /// The ranks no longer do the same, which is a fault of this program or of the network.
    #[error(
        "the ranks no longer do the same ({0}); what was saved before is whole: go on with --resume"
    )]
    OutOfStep(String),
}
