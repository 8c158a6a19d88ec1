//! Pictures inside tar archives, as webdataset lays them out: found once by their headers, then read where they lie.

use std::fs::{self, File};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::DataError;

/// The most shards that one range names.
const MAX_SHARDS: u64 = 1 << 20;

/// The bytes of a file inside a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShardMember {
    /// The shard's place in its list.
    pub(super) shard: u32,
    /// Where the bytes start.
    pub(super) offset: u64,
    /// How many there are.
    pub(super) len: u64,
}

fn is_shard(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("tar")) && !name.starts_with('.')
}

/// The shards that a path names by itself, `x.tar` or `x-{000..015}.tar`, with their folder; `None` for other paths.
pub(super) fn named(path: &Path) -> Option<Result<(PathBuf, Vec<String>), DataError>> {
    let name = path.file_name()?.to_str()?;
    if !is_shard(name) || path.is_dir() {
        return None;
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let names = match name.split_once('{') {
        // A brace may also be part of a name.
        Some(_) if path.is_file() => vec![name.to_owned()],
        Some((head, rest)) => match range(head, rest) {
            Some(names) => names,
            None => {
                return Some(Err(DataError::Shard {
                    path: path.display().to_string(),
                    problem: format!(
                        "{name} is no range of shards; write the first and the last number, as in faces-{{000..015}}.tar"
                    ),
                }));
            }
        },
        None => vec![name.to_owned()],
    };
    Some(Ok((folder, names)))
}

/// `head` and `000..015}.tar` to names; the numbers have as many digits as the first.
fn range(head: &str, rest: &str) -> Option<Vec<String>> {
    let (numbers, tail) = rest.split_once('}')?;
    let (first, last) = numbers.split_once("..")?;
    let digits = first.len();
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    if last.checked_sub(first)? >= MAX_SHARDS {
        return None;
    }
    let name = |n: u64| format!("{head}{n:0digits$}{tail}");
    Some((first..=last).map(name).collect())
}

/// The shards in a folder, in order of name.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<String>, DataError> {
    let fail = |e| DataError::from_io(folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if is_shard(&name) && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The files inside a shard with their names; only headers are read.
///
/// Errors: no archive, or one that ends before its last file does.
pub(super) fn members(path: &Path, shard: u32) -> Result<Vec<(String, ShardMember)>, DataError> {
    let fail = |e| DataError::from_io(path, e);
    let damaged = |problem: &str| DataError::Shard {
        path: path.display().to_string(),
        problem: problem.to_owned(),
    };
    let file = File::open(path).map_err(fail)?;
    let end = file.metadata().map_err(fail)?.len();
    // A header and the next are far apart: a large buffer would read what is skipped.
    let mut archive = tar::Archive::new(BufReader::with_capacity(1024, file));
    let unreadable = |e: std::io::Error| {
        damaged(&format!(
            "no tar archive, or a damaged one ({e}); copy or download it again"
        ))
    };
    let mut found = Vec::new();
    for entry in archive.entries_with_seek().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let (offset, len) = (entry.raw_file_position(), entry.size());
        if offset.saturating_add(len) > end {
            return Err(damaged(
                "the archive ends early, inside a file; copy or download it again",
            ));
        }
        // A name that is not Unicode cannot be put in a table either.
        let Some(name) = entry.path().ok().and_then(|p| Some(p.to_str()?.to_owned())) else {
            continue;
        };
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        found.push((name, ShardMember { shard, offset, len }));
    }
    Ok(found)
}

/// The bytes of a member.
pub(super) fn read(path: &Path, member: ShardMember) -> Result<Vec<u8>, DataError> {
    let fail = |e| DataError::from_io(path, e);
    super::intake::check_file_size(&path.display().to_string(), member.len)?;
    let mut bytes = vec![0; member.len as usize];
    let mut file = File::open(path).map_err(fail)?;
    file.seek(SeekFrom::Start(member.offset)).map_err(fail)?;
    file.read_exact(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_shards_keep_their_leading_zeros() {
        let names = |path: &str| {
            let named = named(Path::new(path))?;
            Some(named.map_err(|e| e.to_string()).map(|(_, names)| names))
        };
        let expected = ["a-08.tar", "a-09.tar", "a-10.tar"].map(str::to_owned);
        assert_eq!(names("x/a-{08..10}.tar"), Some(Ok(expected.to_vec())));
        assert_eq!(names("x/a.tar"), Some(Ok(vec!["a.tar".into()])));
        assert_eq!(names("x/a"), None);
        for wrong in [
            "a-{1..}.tar",
            "a-{2..1}.tar",
            "a-{0..99999999}.tar",
            "a-{1.tar",
        ] {
            assert!(names(wrong).unwrap().is_err(), "{wrong}");
        }
    }
}
