//! What a request can fail with.

use std::any::Any;

use crate::data::DataError;
use crate::export::ExportError;
use crate::files::FormatError;
use crate::latent::LatentError;
use crate::model::ModelError;
use crate::recipe::RecipeError;

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// Why a request was not answered. Its text is what the window shows.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing to encode or decode with.
    #[error("no model is open: open a weight file first")]
    NoModel,
    /// A recipe that cannot be resolved.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Pinned latents that the open model cannot decode.
    #[error(
        "latents of a model of another shape, which keep their place until it is opened: {}",
        names.join(", ")
    )]
    Foreign {
        /// The items' names.
        names: Vec<String>,
    },
    /// A request that makes no sense.
    #[error("{0}")]
    Request(String),
    /// The message of a loader, which names its file.
    #[error("{0}")]
    Outside(String),
    /// A picture that cannot be read or framed.
    #[error(transparent)]
    Picture(#[from] DataError),
    /// A file that cannot be written.
    #[error(transparent)]
    Export(ExportError),
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

impl From<ExportError> for EngineError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Cancelled => Self::Cancelled,
            other => Self::Export(other),
        }
    }
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Cancelled,
            other => Self::Model(other),
        }
    }
}
