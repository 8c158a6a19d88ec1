//! Files on their way in: regular ones of a bounded size, told by their first bytes what they are; and whether two names
//! mean one file.

mod kinds;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use kinds::looks_like;

/// A file that cannot be read: what is wrong, what to do, and where.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing at the path.
    #[error("no such file; check the name: {path}", path = path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A folder.
    #[error("this is a folder, not a file; name a file inside it: {path}", path = path.display())]
    IsFolder {
        /// The path.
        path: PathBuf,
    },
    /// A pipe, a device or a socket: reading one may wait for ever, or never end.
    #[error("neither a file nor a folder; copy what it gives to a file first: {path}", path = path.display())]
    Special {
        /// The path.
        path: PathBuf,
    },
    /// The operating system denies reading.
    #[error(
        "no permission to read this; change its permissions or copy it elsewhere: {path}",
        path = path.display()
    )]
    NoPermission {
        /// The path.
        path: PathBuf,
    },
    /// More bytes than a file of its kind can have.
    #[error(
        "the file has {bytes} bytes, more than the {limit} that are read; is it the right file?: {path}",
        path = path.display()
    )]
    TooLarge {
        /// Its size, or what was read of it until it was too much.
        bytes: u64,
        /// The most that is read.
        limit: u64,
        /// The path.
        path: PathBuf,
    },
    /// Bytes that are no text.
    #[error("{what}, not UTF-8 text: {path}", path = path.display())]
    NotText {
        /// What it looks like instead.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// Any other failure.
    #[error("cannot be read ({source}); check the disk or the network: {path}", path = path.display())]
    Io {
        /// What the operating system said.
        source: io::Error,
        /// The path.
        path: PathBuf,
    },
}

impl ReadError {
    fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::NoPermission { path },
            _ => Self::Io { source, path },
        }
    }
}

/// A regular file that is open, and no larger than it may be.
#[derive(Debug)]
pub struct RegularFile {
    file: File,
    path: PathBuf,
    len: u64,
    limit: u64,
}

impl RegularFile {
    /// Opens a file of at most `limit` bytes.
    ///
    /// Errors: what is not there, is no regular file, or is larger; none of them waits.
    pub fn new(path: &Path, limit: u64) -> Result<Self, ReadError> {
        let fail = |e| ReadError::from_io(path, e);
        // Asked before it is opened: opening a pipe waits for its other end.
        check_kind(path, &fs::metadata(path).map_err(fail)?)?;
        let file = File::open(path).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        check_kind(path, &meta)?;
        let len = meta.len();
        match len > limit {
            true => Err(too_large(path, len, limit)),
            false => Ok(Self {
                file,
                path: path.to_owned(),
                len,
                limit,
            }),
        }
    }

    /// Bytes in the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next `n` bytes, or as many as there are.
    ///
    /// Errors: the system's.
    pub fn next(&mut self, n: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(n).read_to_end(&mut bytes);
        match read {
            Ok(_) => Ok(bytes),
            Err(e) => Err(ReadError::from_io(&self.path, e)),
        }
    }

    /// What is left of the file, behind what was read of it.
    ///
    /// Errors: the system's; a file that grows beyond its limit meanwhile.
    pub fn rest(mut self, start: Vec<u8>) -> Result<Vec<u8>, ReadError> {
        let mut bytes = start;
        bytes.reserve(self.len.saturating_sub(bytes.len() as u64) as usize);
        let left = (self.limit + 1).saturating_sub(bytes.len() as u64);
        let read = (&mut self.file).take(left).read_to_end(&mut bytes);
        read.map_err(|e| ReadError::from_io(&self.path, e))?;
        match bytes.len() as u64 > self.limit {
            true => Err(too_large(&self.path, bytes.len() as u64, self.limit)),
            false => Ok(bytes),
        }
    }
}

fn too_large(path: &Path, bytes: u64, limit: u64) -> ReadError {
    ReadError::TooLarge {
        bytes,
        limit,
        path: path.to_owned(),
    }
}

fn check_kind(path: &Path, meta: &fs::Metadata) -> Result<(), ReadError> {
    let path = path.to_owned();
    match meta.is_file() {
        true => Ok(()),
        false if meta.is_dir() => Err(ReadError::IsFolder { path }),
        false => Err(ReadError::Special { path }),
    }
}

/// Reads a whole file of at most `limit` bytes.
///
/// Errors: what is not there, is no regular file, or is larger; the system's.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    RegularFile::new(path, limit)?.rest(Vec::new())
}

/// The same as text.
///
/// Errors: as [`read`]; bytes that are not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit)?).map_err(|e| ReadError::NotText {
        what: looks_like(e.as_bytes()).unwrap_or("bytes of another program"),
        path: path.to_owned(),
    })
}

/// Whether two names mean one file, however they are spelt and linked: also where neither is there yet.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a_meta), Ok(b_meta)) => is_one(a, &a_meta, b, &b_meta),
        (Err(_), Err(_)) => match (whole_name(a), whole_name(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        _ => false,
    }
}

#[cfg(unix)]
fn is_one(_: &Path, a: &fs::Metadata, _: &Path, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one(a: &Path, _: &fs::Metadata, b: &Path, _: &fs::Metadata) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The name of a file that is not there, in the folder that is.
fn whole_name(path: &Path) -> Option<PathBuf> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Some(fs::canonicalize(parent).ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_whole_and_no_larger_than_they_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { bytes: 5, .. }));
        assert!(error.to_string().ends_with(&path.display().to_string()));
        let mut opened = RegularFile::new(&path, 5).unwrap();
        let start = opened.next(2).unwrap();
        assert_eq!((start.as_slice(), opened.len()), (&b"12"[..], 5));
        assert_eq!(opened.rest(start).unwrap(), b"12345");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(
            read_text(&path, 5),
            Err(ReadError::NotText { .. })
        ));
        assert!(matches!(
            read(folder.path(), 5),
            Err(ReadError::IsFolder { .. })
        ));
        let none = folder.path().join("none");
        assert!(matches!(read(&none, 5), Err(ReadError::Missing { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [&pipe, Path::new("/dev/zero")] {
            assert!(matches!(read(path, 5), Err(ReadError::Special { .. })));
        }
    }

    #[cfg(unix)]
    #[test]
    fn one_file_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        fs::write(of("a"), "a").unwrap();
        fs::write(of("b"), "a").unwrap();
        std::os::unix::fs::symlink(of("a"), of("link")).unwrap();
        fs::hard_link(of("a"), of("hard")).unwrap();
        for same in ["./a", "link", "hard"] {
            assert!(is_same_file(&of("a"), &of(same)), "{same}");
        }
        assert!(!is_same_file(&of("a"), &of("b")));
        assert!(!is_same_file(&of("a"), &of("new")));
        assert!(is_same_file(&of("new"), &of("./new")));
        assert!(!is_same_file(&of("new"), &of("newer")));
    }
}
