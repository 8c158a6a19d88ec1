//! What can be wrong with a file.

use std::path::PathBuf;

/// A file that cannot be read or written. Every message names the thing, what was found, what was
/// expected, and the path last.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The system does not let it be read.
    #[error("cannot be read ({source}); check the path and its permissions: {path}", path = path.display())]
    Read {
        /// Its reason.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// More bytes than such a file can have.
    #[error(
        "the file is larger than {limit} bytes, the most that is read; is it the right file?: {path}",
        path = path.display()
    )]
    TooLarge {
        /// The limit.
        limit: u64,
        /// The file.
        path: PathBuf,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("not a readable safetensors file ({reason}); is it complete?: {path}", path = path.display())]
    NotSafetensors {
        /// What the parser said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A safetensors file of another kind.
    #[error("the file's format is {found}, but {expected} is needed: {path}", path = path.display())]
    Kind {
        /// Its `format` metadata, or `not given`.
        found: String,
        /// The format needed.
        expected: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Metadata that is missing or has no meaning.
    #[error("metadata \"{key}\" {reason}: {path}", path = path.display())]
    Metadata {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor that is missing, or of another shape or type than the configuration implies.
    #[error("tensor \"{name}\" is {found}, but {expected} is needed: {path}", path = path.display())]
    Tensor {
        /// The tensor.
        name: String,
        /// What the file has.
        found: String,
        /// What the configuration implies.
        expected: String,
        /// The file.
        path: PathBuf,
    },
    /// NaN or infinity.
    #[error(
        "tensor \"{name}\" has {count} values that are not finite, the first at index {first}; \
         write the file again from healthy ones: {path}",
        path = path.display()
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// How many.
        count: usize,
        /// The first one, in row-major order.
        first: usize,
        /// The file.
        path: PathBuf,
    },
    /// What was to be written does not belong together.
    #[error("cannot write: {reason}: {path}", path = path.display())]
    Unwritable {
        /// What is wrong.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The system does not let it be written.
    #[error(transparent)]
    Write(#[from] crate::export::ExportError),
}
