//! What can go wrong with files on their way out.

use std::io;
use std::path::Path;

use thiserror::Error;

/// An export that was not written: what is wrong, what to do, and where.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The path ends in no file name.
    #[error("the path names no file; add a file name: {path}")]
    NoName {
        /// The path.
        path: String,
    },
    /// The folder of the file does not exist.
    #[error("its folder does not exist; create it or choose another: {path}")]
    NoFolder {
        /// The file.
        path: String,
    },
    /// A folder where a file was to be written.
    #[error("this is a folder; add a file name: {path}")]
    IsFolder {
        /// The path.
        path: String,
    },
    /// A file where a folder was wanted.
    #[error("this is a file, not a folder; choose another name: {path}")]
    NotAFolder {
        /// The path.
        path: String,
    },
    /// The existing file must not be changed.
    #[error("the file is write-protected; remove the protection or choose another name: {path}")]
    WriteProtected {
        /// The file.
        path: String,
    },
    /// The operating system denies writing.
    #[error("no permission to write here; choose another folder: {path}")]
    NoPermission {
        /// The file.
        path: String,
    },
    /// No space is left.
    #[error("the disk is full; free some space or choose another disk: {path}")]
    DiskFull {
        /// The file.
        path: String,
    },
    /// Any other failure to write.
    #[error("cannot be written ({source}); try another folder: {path}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system or the encoder said.
        source: io::Error,
    },
    /// A name that says no format.
    #[error("a picture's name ends in .png, .jpg or .webp; end it in one of these: {path}")]
    UnknownEnding {
        /// The file.
        path: String,
    },
    /// No picture, or one without pixels.
    #[error("there is no picture to export")]
    Nothing,
    /// Frames of an animation that differ in size.
    #[error("frame {} differs in size from the first; frames must be of one size", .index + 1)]
    SizesDiffer {
        /// The first such frame, counted from zero.
        index: usize,
    },
    /// A sheet past what viewers open.
    #[error(
        "the sheet would be {width} x {height} pixels; use a smaller scale, fewer cells or more \
         columns"
    )]
    TooLarge {
        /// Pixels across.
        width: u64,
        /// Pixels down.
        height: u64,
    },
    /// A film under an ending that is no film's.
    #[error(
        "a film is written as GIF, animated PNG or WebP, or MP4; end its name in .gif, .png, .webp or .mp4: {path}"
    )]
    FilmFormat {
        /// The file.
        path: String,
    },
    /// No ffmpeg for an MP4.
    #[error(
        "MP4 is written by ffmpeg, which is not installed; install it, or end the name in .png, .webp or .gif: {path}"
    )]
    NoFfmpeg {
        /// The file.
        path: String,
    },
    /// ffmpeg could not write a film.
    #[error(
        "ffmpeg could not write the film ({reason}); end its name in .png, .webp or .gif: {path}"
    )]
    Ffmpeg {
        /// What it said.
        reason: String,
        /// The file.
        path: String,
    },
    /// A photo under an ending that is no photo's.
    #[error("a photo is written as JPEG or PNG; end its name in .jpg or .png: {path}")]
    PhotoFormat {
        /// The file.
        path: String,
    },
    /// A photo that would be written over itself.
    #[error("this is the photo itself, which would be lost; choose another name: {path}")]
    Itself {
        /// The file.
        path: String,
    },
    /// A JPEG of a photo with transparent parts.
    #[error(
        "the photo has transparent parts, which JPEG cannot hold; end its name in .png: {path}"
    )]
    Transparent {
        /// The file.
        path: String,
    },
    /// A chart without points, or one that cannot be drawn.
    #[error("the chart cannot be drawn: {reason}")]
    Chart {
        /// What is missing, or what the plotting library said.
        reason: String,
    },
    /// Given up on request.
    #[error("cancelled")]
    Cancelled,
}

impl ExportError {
    /// The variant that fits an error of the operating system.
    pub(super) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NoFolder { path },
            io::ErrorKind::NotADirectory => Self::NotAFolder { path },
            io::ErrorKind::IsADirectory => Self::IsFolder { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NoPermission { path }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }
}
