//! What can be wrong with a file of numbers.

use std::path::{Path, PathBuf};

use crate::disk::{ReadError, looks_like};
use crate::export::ExportError;
use crate::quote::piece;

/// A file of weights, latents, directions or a training that cannot be read or written. Every message names the thing,
/// what was found, what was expected, and the path last.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another kind of file.
    #[error("not a safetensors file but {what}: {path}", path = path.display())]
    Other {
        /// What it looks like, and what to do.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("not a readable safetensors file ({reason}); copy it again: {path}", path = path.display())]
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
        /// The formats that would do.
        expected: String,
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
    /// Contents that belong to no model.
    #[error("{problem}; the file is damaged or was written by another program: {path}", path = path.display())]
    Contents {
        /// What was found.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A number that half precision cannot hold; nothing was written.
    #[error(
        "\"{name}\" holds {value}, more than half precision can; write it in full precision: {path}",
        path = path.display()
    )]
    TooLargeForHalf {
        /// The tensor.
        name: String,
        /// The number.
        value: f32,
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
    Write(#[from] ExportError),
}

impl FormatError {
    /// Bytes that are no safetensors file: what they look like instead, or what the parser said of them.
    pub(super) fn not_safetensors(bytes: &[u8], reason: &str, path: &Path) -> Self {
        // The length of the header comes first, and its brace behind that.
        let has_header = bytes.get(8) == Some(&b'{');
        let what = if has_header { None } else { looks_like(bytes) };
        let path = path.to_owned();
        match what {
            Some(what) => Self::Other { what, path },
            None => Self::NotSafetensors {
                reason: piece(reason),
                path,
            },
        }
    }
}
