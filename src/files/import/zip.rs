//! The parts of a zip file that PyTorch writes: entries stored as they are. Nothing is unpacked, so nothing can swell.

use std::ops::Range;

/// An entry: its name and where its bytes are.
pub struct ZipEntry {
    /// Its path in the archive.
    pub name: String,
    /// Its bytes in the file.
    pub range: Range<usize>,
    /// Whether they are compressed.
    pub compressed: bool,
}

/// More entries than any model has tensors.
const MAX_ENTRIES: usize = 1 << 20;

fn number(bytes: &[u8], at: usize, n: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(n)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, &b| sum << 8 | u64::from(b)),
    )
}

fn usize_at(bytes: &[u8], at: usize, n: usize) -> Option<usize> {
    usize::try_from(number(bytes, at, n)?).ok()
}

/// The entries of an archive; `None` where its directory cannot be read.
pub fn entries(bytes: &[u8]) -> Option<Vec<ZipEntry>> {
    let end = end_record(bytes)?;
    let (mut count, mut at) = (usize_at(bytes, end + 10, 2)?, usize_at(bytes, end + 16, 4)?);
    // The record for large archives stands before that for small ones.
    if let Some(locator) = end.checked_sub(20)
        && bytes.get(locator..locator + 4) == Some(b"PK\x06\x07")
    {
        let large = usize_at(bytes, locator + 8, 8)?;
        if bytes.get(large..large.checked_add(4)?)? != b"PK\x06\x06" {
            return None;
        }
        (count, at) = (
            usize_at(bytes, large.checked_add(32)?, 8)?,
            usize_at(bytes, large.checked_add(48)?, 8)?,
        );
    }
    if count > MAX_ENTRIES {
        return None;
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = entry(bytes, at)?;
        entries.push(entry);
        at = next;
    }
    Some(entries)
}

/// Where the record at the end starts: behind it there is a comment of at most 64 KiB.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(22)?;
    let first = last.saturating_sub(1 << 16);
    let is_record = |&at: &usize| bytes[at..].starts_with(b"PK\x05\x06");
    (first..=last).rev().find(is_record)
}

fn entry(bytes: &[u8], at: usize) -> Option<(ZipEntry, usize)> {
    if bytes.get(at..at.checked_add(4)?)? != b"PK\x01\x02" {
        return None;
    }
    let field = |offset, n| usize_at(bytes, at.checked_add(offset)?, n);
    let method = field(10, 2)?;
    let (mut packed, mut size) = (field(20, 4)?, field(24, 4)?);
    let (n_name, n_extra, n_comment) = (field(28, 2)?, field(30, 2)?, field(32, 2)?);
    let mut local = field(42, 4)?;
    let name_at = at.checked_add(46)?;
    let name = bytes.get(name_at..name_at + n_name)?;
    let extra = bytes.get(name_at + n_name..name_at + n_name + n_extra)?;
    widen(extra, [&mut size, &mut packed, &mut local])?;
    // The local header repeats the name and has an extra field of its own length.
    if bytes.get(local..local.checked_add(4)?)? != b"PK\x03\x04" {
        return None;
    }
    let start = local
        .checked_add(30)?
        .checked_add(usize_at(bytes, local + 26, 2)?)?
        .checked_add(usize_at(bytes, local + 28, 2)?)?;
    let range = start..start.checked_add(packed)?;
    bytes.get(range.clone())?;
    let entry = ZipEntry {
        name: String::from_utf8_lossy(name).into_owned(),
        range,
        compressed: method != 0 || packed != size,
    };
    Some((entry, name_at + n_name + n_extra + n_comment))
}

/// Takes 64-bit values from the extra field where the 32-bit ones are all ones.
fn widen(mut extra: &[u8], values: [&mut usize; 3]) -> Option<()> {
    const ALL_ONES: usize = u32::MAX as usize;
    if values.iter().all(|v| **v != ALL_ONES) {
        return Some(());
    }
    while extra.len() >= 4 {
        let (id, n) = (number(extra, 0, 2)?, usize_at(extra, 2, 2)?);
        let body = extra.get(4..4 + n)?;
        if id == 1 {
            let mut at = 0;
            for value in values {
                if *value == ALL_ONES {
                    *value = usize_at(body, at, 8)?;
                    at += 8;
                }
            }
            return Some(());
        }
        extra = extra.get(4 + n..)?;
    }
    None
}
