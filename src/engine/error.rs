//! What a request can fail with.

use super::message::ItemId;
use crate::formats::FormatError;
use crate::latent::LatentError;
use crate::model::ModelError;

/// Why a request was not answered. Its text is what the window shows.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing to encode or decode with.
    #[error("no model is open: open a weight file first")]
    NoModel,
    /// An id that the worker has no item for.
    #[error("picture {} is not on the shelf: it was removed, or could not be read", .0.0)]
    UnknownItem(ItemId),
    /// An item that was read while no model could encode it.
    #[error("{0} is not encoded yet: open a model that can")]
    NotEncoded(String),
    /// Pinned latents that the open model cannot decode.
    #[error(
        "taken off the shelf, as latents of a model of another shape: {}",
        names.join(", ")
    )]
    Foreign {
        /// The items' names.
        names: Vec<String>,
    },
    /// A recipe within a recipe within a recipe ...
    #[error(
        "the recipe has more than {limit} {what}: pin an intermediate result and start from it"
    )]
    TooDeep {
        /// `nested steps`, `parts`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A request that makes no sense.
    #[error("{0}")]
    Request(String),
    /// The message of a loader, reader or exporter, which names its file.
    #[error("{0}")]
    Outside(String),
    /// An operation on latents.
    #[error(transparent)]
    Latent(#[from] LatentError),
    /// The model.
    #[error(transparent)]
    Model(ModelError),
    /// A file.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Nobody waits for the answer any more.
    #[error("cancelled")]
    Cancelled,
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Cancelled,
            other => Self::Model(other),
        }
    }
}
