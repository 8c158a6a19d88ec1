//! TensorFlow's files: a checkpoint's `.index` (a sorted table of names) with its `.data`, and frozen graphs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::ImportError;
use super::pickle::Dtype;
use super::tensors::{NumberView, Tensors};
use super::wire::{Field, fields, varint};

/// The number at the end of a table.
const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();

/// Handles of two blocks and the number.
const FOOTER: usize = 48;

/// Variables of an index, and bytes of their names and entries together, which are copied: more than any model has.
const MAX_ENTRIES: usize = 1 << 20;
const MAX_COPIED: usize = 64 << 20;

/// Whether the bytes are an index.
pub fn is_index(bytes: &[u8]) -> bool {
    bytes.len() >= FOOTER && bytes.ends_with(&MAGIC)
}

/// The checkpoint that a path is a part of: what stands before `.index`, `.meta` or `.data-00000-of-00001`.
pub fn prefix(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = [".index", ".meta"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    let stem = stem.or_else(|| {
        let (stem, shard) = name.rsplit_once(".data-")?;
        let is_shard = |c: char| c.is_ascii_digit() || c == '-' || c == 'o' || c == 'f';
        shard.chars().all(is_shard).then_some(stem)
    });
    Some(path.with_file_name(stem.unwrap_or(name)))
}

/// `PREFIX.index`.
pub fn index_of(prefix: &Path) -> PathBuf {
    with_end(prefix, ".index")
}

fn with_end(prefix: &Path, end: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn type_of(number: u64) -> Option<Dtype> {
    Some(match number {
        1 => Dtype::F32,
        2 => Dtype::F64,
        3 => Dtype::I32,
        4 => Dtype::U8,
        5 => Dtype::I16,
        6 => Dtype::I8,
        9 => Dtype::I64,
        10 => Dtype::Bool,
        14 => Dtype::Bf16,
        19 => Dtype::F16,
        _ => return None,
    })
}

/// One variable of an index.
struct IndexEntry {
    name: String,
    dtype: Option<Dtype>,
    shape: Vec<usize>,
    shard: usize,
    offset: usize,
    size: usize,
}

/// What an index says: how many shards there are, and the variables.
pub struct Index {
    shards: usize,
    entries: Vec<IndexEntry>,
}

impl Index {
    /// Reads an index.
    ///
    /// Errors: damaged, compressed or big-endian.
    pub fn read(bytes: &[u8]) -> Result<Self, ImportError> {
        let damaged = || ImportError::damaged("its index of variables is damaged");
        let footer = &bytes[bytes.len().saturating_sub(FOOTER)..];
        let mut rest = footer;
        // The first handle is that of a block about blocks, which is empty.
        for _ in 0..2 {
            varint(&mut rest).ok_or_else(damaged)?;
        }
        let directory = handle(&mut rest).ok_or_else(damaged)?;
        let mut index = Self {
            shards: 0,
            entries: Vec::new(),
        };
        // A directory may name the same block again and again.
        let mut left = MAX_COPIED;
        for (_, value) in block(bytes, directory, &mut left)? {
            let data = handle(&mut value.as_slice()).ok_or_else(damaged)?;
            for (key, value) in block(bytes, data, &mut left)? {
                if index.entries.len() == MAX_ENTRIES {
                    return Err(damaged());
                }
                if key.is_empty() {
                    index.header(&value).ok_or_else(damaged)?;
                } else {
                    let name = String::from_utf8_lossy(&key).into_owned();
                    index.entries.push(entry(name, &value).ok_or_else(damaged)?);
                }
            }
        }
        if index.shards == 0 || index.shards > 1 << 10 {
            return Err(damaged());
        }
        Ok(index)
    }

    fn header(&mut self, bytes: &[u8]) -> Option<()> {
        for field in fields(bytes) {
            match field? {
                (1, Field::Number(n)) => self.shards = usize::try_from(n).ok()?,
                (2, Field::Number(endianness)) if endianness != 0 => return None,
                _ => {}
            }
        }
        Some(())
    }

    /// The names of the files that hold the numbers.
    pub fn data_files(&self, prefix: &Path) -> Vec<PathBuf> {
        let shard = |i| with_end(prefix, &format!(".data-{i:05}-of-{:05}", self.shards));
        (0..self.shards).map(shard).collect()
    }

    /// The variables, given what the files hold.
    ///
    /// Errors: a variable that reaches beyond its file.
    pub fn tensors<'a>(&self, data: &'a [Vec<u8>]) -> Result<Tensors<'a>, ImportError> {
        let mut tensors = Tensors::default();
        for e in &self.entries {
            // Text and the like: no weights.
            let Some(dtype) = e.dtype else { continue };
            let outside = || ImportError::damaged("a variable reaches beyond its data file");
            let end = e.offset.checked_add(e.size).ok_or_else(outside)?;
            let bytes = data.get(e.shard).and_then(|d| d.get(e.offset..end));
            let bytes = Cow::Borrowed(bytes.ok_or_else(outside)?);
            let numbers = NumberView::dense(bytes, dtype, e.shape.clone()).ok_or_else(outside)?;
            tensors.insert(&e.name, numbers);
        }
        Ok(tensors)
    }
}

fn handle(bytes: &mut &[u8]) -> Option<(usize, usize)> {
    let offset = usize::try_from(varint(bytes)?).ok()?;
    Some((offset, usize::try_from(varint(bytes)?).ok()?))
}

/// Names and values of a block: each name is given by what it shares with the one before.
type IndexItems = Vec<(Vec<u8>, Vec<u8>)>;

fn block(
    bytes: &[u8],
    (offset, size): (usize, usize),
    left: &mut usize,
) -> Result<IndexItems, ImportError> {
    let damaged = || ImportError::damaged("its index of variables is damaged");
    let end = offset.checked_add(size).ok_or_else(damaged)?;
    let body = bytes.get(offset..end).ok_or_else(damaged)?;
    match bytes.get(end) {
        Some(0) => {}
        Some(_) => {
            return Err(ImportError::foreign(
                "its index of variables is compressed, which TensorFlow's own are not",
            ));
        }
        None => return Err(damaged()),
    }
    let (rest, n_restarts) = body.split_last_chunk::<4>().ok_or_else(damaged)?;
    let restarts = (u32::from_le_bytes(*n_restarts) as usize).checked_mul(4);
    let entries = restarts.and_then(|n| rest.len().checked_sub(n));
    let mut rest = &rest[..entries.ok_or_else(damaged)?];
    let mut items: IndexItems = Vec::new();
    let mut key: Vec<u8> = Vec::new();
    // Names are copied from one to the next; all together stay within what an honest table can need. An item takes some bytes
    // whatever is in it.
    let mut spend = |n: usize| -> Option<()> {
        *left = left.checked_sub(n + 64)?;
        Some(())
    };
    while !rest.is_empty() {
        let mut number = || varint(&mut rest).and_then(|v| usize::try_from(v).ok());
        let (shared, own, n) = (number(), number(), number());
        let (Some(shared), Some(own), Some(n)) = (shared, own, n) else {
            return Err(damaged());
        };
        if shared > key.len() || own > rest.len() || n > rest.len() - own {
            return Err(damaged());
        }
        key.truncate(shared);
        key.extend_from_slice(&rest[..own]);
        spend(key.len() + n).ok_or_else(damaged)?;
        items.push((key.clone(), rest[own..own + n].to_vec()));
        rest = &rest[own + n..];
    }
    Ok(items)
}

fn entry(name: String, bytes: &[u8]) -> Option<IndexEntry> {
    let mut entry = IndexEntry {
        name,
        dtype: None,
        shape: Vec::new(),
        shard: 0,
        offset: 0,
        size: 0,
    };
    for field in fields(bytes) {
        match field? {
            (1, Field::Number(v)) => entry.dtype = type_of(v),
            (2, Field::Bytes(shape)) => entry.shape = shape_of(shape)?,
            (3, Field::Number(v)) => entry.shard = usize::try_from(v).ok()?,
            (4, Field::Number(v)) => entry.offset = usize::try_from(v).ok()?,
            (5, Field::Number(v)) => entry.size = usize::try_from(v).ok()?,
            _ => {}
        }
    }
    Some(entry)
}

fn shape_of(bytes: &[u8]) -> Option<Vec<usize>> {
    let mut shape = Vec::new();
    for field in fields(bytes) {
        if let (2, Field::Bytes(dimension)) = field? {
            let mut size = 0;
            for field in fields(dimension) {
                if let (1, Field::Number(v)) = field? {
                    size = usize::try_from(v).ok()?;
                }
            }
            shape.push(size);
            if shape.len() > 8 {
                return None;
            }
        }
    }
    Some(shape)
}

/// The constants of a graph by their names; `None` where the bytes are no graph.
pub fn graph(bytes: &[u8]) -> Option<Tensors<'_>> {
    let mut tensors = Tensors::default();
    let mut n_nodes = 0;
    for field in fields(bytes) {
        if let (1, Field::Bytes(node)) = field? {
            let (name, op, value) = node_of(node)?;
            n_nodes += 1;
            if op == "Const"
                && let Some(numbers) = value.and_then(constant)
            {
                tensors.insert(name, numbers);
            }
        }
    }
    (n_nodes > 0).then_some(tensors)
}

/// Name, operation and the attribute `value` of a node.
fn node_of(bytes: &[u8]) -> Option<(&str, &str, Option<&[u8]>)> {
    let (mut name, mut op, mut value) = ("", "", None);
    for field in fields(bytes) {
        match field? {
            (1, Field::Bytes(text)) => name = std::str::from_utf8(text).ok()?,
            (2, Field::Bytes(text)) => op = std::str::from_utf8(text).ok()?,
            (5, Field::Bytes(attribute)) => {
                let is_value = |part| matches!(part, Some((1, Field::Bytes(b"value"))));
                if !fields(attribute).any(is_value) {
                    continue;
                }
                for part in fields(attribute) {
                    if let (2, Field::Bytes(bytes)) = part? {
                        // Of an attribute's kinds of value, 8 is a tensor.
                        value = fields(bytes).find_map(|part| match part {
                            Some((8, Field::Bytes(tensor))) => Some(tensor),
                            _ => None,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    (!name.is_empty() && !op.is_empty()).then_some((name, op, value))
}

/// A tensor: its bytes as they are, or as a list of floats, of which one may stand for all.
fn constant(bytes: &[u8]) -> Option<NumberView<'_>> {
    let (mut dtype, mut shape, mut content) = (None, Vec::new(), None);
    let mut listed: Vec<u8> = Vec::new();
    for field in fields(bytes) {
        match field? {
            (1, Field::Number(v)) => dtype = type_of(v),
            (2, Field::Bytes(bytes)) => shape = shape_of(bytes)?,
            (4, Field::Bytes(bytes)) => content = Some(bytes),
            // Packed f32, f64; one by one in older files.
            (5 | 6, Field::Bytes(bytes)) => listed.extend_from_slice(bytes),
            (5 | 6, Field::Fixed(bytes)) => listed.extend_from_slice(bytes),
            _ => {}
        }
    }
    let dtype = dtype?;
    if let Some(content) = content.filter(|c| !c.is_empty()) {
        return NumberView::dense(Cow::Borrowed(content), dtype, shape);
    }
    if listed.is_empty() || !matches!(dtype, Dtype::F32 | Dtype::F64) {
        return None;
    }
    // The last number stands for all that are missing.
    NumberView::filled(listed, dtype, shape)
}
