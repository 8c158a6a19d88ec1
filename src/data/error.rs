//! What can go wrong with pictures and tables on their way in.

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::disk::ReadError;

/// A picture, a folder or a table that cannot be used: what it is, what is wrong, what to do.
#[derive(Debug, Error)]
pub enum DataError {
    /// Nothing at the path.
    #[error("no such file or folder; check the name: {path}")]
    Missing {
        /// The path.
        path: String,
    },
    /// A folder where a file was wanted.
    #[error("this is a folder; choose a picture inside it: {path}")]
    IsFolder {
        /// The path.
        path: String,
    },
    /// A file where a folder was wanted.
    #[error("this is a file; name the folder that holds the pictures: {path}")]
    NotAFolder {
        /// The path.
        path: String,
    },
    /// A pipe, a device or a socket.
    #[error("neither a file nor a folder; copy the picture to a file first: {path}")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// The operating system denies reading.
    #[error("no permission to read this; change its permissions or copy it elsewhere: {path}")]
    NoPermission {
        /// The path.
        path: String,
    },
    /// Any other failure to read.
    #[error("cannot be read ({source}); check the disk or the network: {path}")]
    Io {
        /// The path.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// No bytes.
    #[error("the file is empty; copy or download it again: {name}")]
    Empty {
        /// The file.
        name: String,
    },
    /// More bytes than any sensible file of its kind.
    #[error("the file has {mib} MiB, the limit is {limit_mib} MiB; save a smaller one: {name}")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        mib: u64,
        /// The most that is read.
        limit_mib: u64,
    },
    /// More pixels than are worth decoding.
    #[error(
        "the picture is {width} x {height} pixels, the limit is 20000 a side and 200 million \
         in all; save a smaller one: {name}"
    )]
    TooManyPixels {
        /// The file.
        name: String,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Another kind of file, whatever its name ends in.
    #[error("not a picture but {looks_like}: {name}")]
    NotAPicture {
        /// The file.
        name: String,
        /// What it looks like, and what to do.
        looks_like: &'static str,
    },
    /// A picture of a kind or variant that is not read.
    #[error("this kind of picture is not supported ({reason}); save it as PNG or JPEG: {name}")]
    Unsupported {
        /// The file.
        name: String,
        /// What the decoder said.
        reason: String,
    },
    /// The file ends before its picture does.
    #[error("the file ends before the picture does; copy or download it again: {name}")]
    Truncated {
        /// The file.
        name: String,
    },
    /// Broken inside.
    #[error("the picture is damaged ({reason}); open and save it with another program: {name}")]
    Damaged {
        /// The file.
        name: String,
        /// What the decoder said.
        reason: String,
    },
    /// A label table with something wrong in it.
    #[error("{problem}: {path}{}", .line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Table {
        /// The table.
        path: String,
        /// The line, counted from one, where it is known.
        line: Option<u64>,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A folder without pictures.
    #[error(
        "no pictures here; JPEG, PNG, WebP, GIF, BMP, TIFF, TGA, QOI and PNM files are read{}: {path}",
        .inside.as_ref().map(|f| format!(", but not those in folders inside, such as {f}; name that folder")).unwrap_or_default()
    )]
    NoPictures {
        /// The folder.
        path: String,
        /// A folder inside that has some.
        inside: Option<String>,
    },
    /// A table whose files are elsewhere, or that has none for the split.
    #[error("{problem}: {path}")]
    NothingSelected {
        /// The folder.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A tar archive that cannot be used.
    #[error("{problem}: {path}")]
    Shard {
        /// The archive.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Every picture of a set turned out unreadable.
    #[error("none of the {n} pictures can be read, the first because: {first}: {path}")]
    AllFailed {
        /// The folder.
        path: String,
        /// Pictures in the set.
        n: usize,
        /// Why the first could not be read.
        first: String,
    },
    /// The model's picture size or channels make no sense for pictures.
    #[error("pictures of {size} pixels with {channels} channels cannot be made")]
    BadShape {
        /// Pixels a side.
        size: usize,
        /// Channels.
        channels: usize,
    },
    /// An index past the end of a set.
    #[error("picture {index} of a set of {n} was asked for")]
    NoSuchIndex {
        /// The index.
        index: usize,
        /// Pictures in the set.
        n: usize,
    },
    /// The thread that prepares batches is gone, or the system refused to start it.
    #[error("the thread that prepares pictures has stopped ({reason}); start again")]
    Stopped {
        /// Why.
        reason: String,
    },
}

impl From<ReadError> for DataError {
    fn from(error: ReadError) -> Self {
        let text = |path: std::path::PathBuf| path.display().to_string();
        match error {
            ReadError::Missing { path } => Self::Missing { path: text(path) },
            ReadError::IsFolder { path } => Self::IsFolder { path: text(path) },
            ReadError::Special { path } => Self::NotAFile { path: text(path) },
            ReadError::NoPermission { path } => Self::NoPermission { path: text(path) },
            ReadError::TooLarge { bytes, limit, path } => Self::TooLarge {
                name: text(path),
                mib: bytes >> 20,
                limit_mib: limit >> 20,
            },
            ReadError::NotText { what, path } => Self::NotAPicture {
                name: text(path),
                looks_like: what,
            },
            ReadError::Io { source, path } => Self::Io {
                path: text(path),
                source,
            },
        }
    }
}

impl DataError {
    /// The variant that fits an error of the operating system.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::NoPermission { path },
            _ => Self::Io { path, source },
        }
    }
}
