//! PyTorch's files: the zip archive of versions from 1.6 and the stream of older ones.

use std::collections::HashMap;
use std::ops::Range;

use super::ImportError;
use super::pickle::{Dtype, Node, Pickle, TensorView, Value};
use super::tensors::{NumberView, Tensors};
use super::zip;

/// The number at the start of an old file, `0x1950a86a20f9469cfc6c`.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// Dictionaries in dictionaries that are looked into; known programs have one or two.
const MAX_DEPTH: usize = 6;
/// Entries that are looked at, of all dictionaries together.
const MAX_ENTRIES: usize = 1 << 20;

/// What a file holds.
pub struct Found<'a> {
    /// Its dictionaries of tensors, outermost and first ones in front.
    pub dictionaries: Vec<Tensors<'a>>,
    /// Its lists of names of classes or attributes.
    pub names: Vec<Vec<String>>,
}

/// Under these names programs keep lists of names of classes or attributes, or dictionaries from such names to numbers.
const NAME_KEYS: &[&str] = &[
    "class_names",
    "classes",
    "class_to_idx",
    "labels",
    "label_names",
    "attributes",
    "attribute_names",
    "attr_names",
    "attrs",
    "condition_names",
    "names",
];

/// Longer lists are of something else.
const MAX_NAMES: usize = 4096;

/// A file, read: the object and where the numbers of each storage are.
struct Archive {
    object: Pickle,
    storages: HashMap<String, Range<usize>>,
}

/// Whether the bytes look like a PyTorch file, or like any pickle.
pub fn is_torch(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || is_pickle(bytes)
}

fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 0..=5, ..])
}

/// The dictionaries of tensors in a file, and what else of it is of use.
///
/// Errors: what [`ImportError`] says; never a panic, whatever the bytes.
pub fn read(bytes: &[u8]) -> Result<Found<'_>, ImportError> {
    let archive = if is_pickle(bytes) {
        legacy(bytes)?
    } else {
        zipped(bytes)?
    };
    archive.found(bytes)
}

fn zipped(bytes: &[u8]) -> Result<Archive, ImportError> {
    let damaged = || ImportError::damaged("its zip archive is cut off or damaged");
    let entries = zip::entries(bytes).ok_or_else(damaged)?;
    let root = entries
        .iter()
        .find_map(|e| match e.name.strip_suffix("data.pkl") {
            Some(root) if root.is_empty() || root.ends_with('/') => Some((root.to_owned(), e)),
            _ => None,
        });
    let Some((root, pickle)) = root else {
        return Err(ImportError::foreign(
            "it is a zip archive, but not one that PyTorch wrote",
        ));
    };
    if entries
        .iter()
        .any(|e| e.compressed && e.name.starts_with(&root))
    {
        return Err(ImportError::foreign(
            "its zip archive is compressed, which PyTorch's never are",
        ));
    }
    if entries
        .iter()
        .any(|e| e.name == format!("{root}constants.pkl"))
    {
        return Err(ImportError::foreign(
            "it is a TorchScript program, not a file of weights; save its state_dict",
        ));
    }
    let order = entries
        .iter()
        .find(|e| e.name == format!("{root}byteorder"));
    if order.is_some_and(|e| &bytes[e.range.clone()] == b"big") {
        return Err(ImportError::foreign("its numbers are big-endian"));
    }
    let object = Pickle::read(&bytes[pickle.range.clone()])?;
    let prefix = format!("{root}data/");
    let storages = entries
        .iter()
        .filter_map(|e| Some((e.name.strip_prefix(&prefix)?.to_owned(), e.range.clone())))
        .collect();
    Ok(Archive { object, storages })
}

fn legacy(bytes: &[u8]) -> Result<Archive, ImportError> {
    let mut at = 0;
    let mut next = || -> Result<Pickle, ImportError> {
        let pickle = Pickle::read(&bytes[at..])?;
        at += pickle.len;
        Ok(pickle)
    };
    if next()?.root != Value::Int(MAGIC) {
        return Err(ImportError::foreign(
            "it is a pickle, but not a file of PyTorch's",
        ));
    }
    let (_version, _system) = (next()?, next()?);
    let (object, keys) = (next()?, next()?);
    let damaged = || ImportError::damaged("it ends before its last tensor");
    // How wide a storage's numbers are stands with the tensors that use it.
    let mut widths = HashMap::new();
    for node in object.nodes() {
        if let Node::Storage(storage) = node {
            widths.insert(storage.key.as_str(), storage.dtype.map_or(1, Dtype::bytes));
        }
    }
    let mut storages = HashMap::new();
    for &key in keys.items(keys.root).ok_or_else(damaged)? {
        let key = match key {
            Value::Int(number) => number.to_string(),
            other => keys.text(other).ok_or_else(damaged)?.to_owned(),
        };
        let n = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>);
        let n = usize::try_from(u64::from_le_bytes(*n.ok_or_else(damaged)?));
        let width = widths.get(key.as_str()).copied().unwrap_or(1);
        let start = at + 8;
        let len = n.ok().and_then(|n| n.checked_mul(width));
        let end = len.and_then(|len| start.checked_add(len));
        let end = end.filter(|&end| end <= bytes.len()).ok_or_else(damaged)?;
        storages.insert(key, start..end);
        at = end;
    }
    drop(widths);
    Ok(Archive { object, storages })
}

impl Archive {
    fn found<'a>(&self, bytes: &'a [u8]) -> Result<Found<'a>, ImportError> {
        let (mut found, mut names) = (Vec::new(), Vec::new());
        let mut queue = std::collections::VecDeque::from([(self.object.root, 0)]);
        let mut n_seen = 0;
        while let Some((value, depth)) = queue.pop_front() {
            let Some(entries) = self.object.dict(value) else {
                continue;
            };
            n_seen += entries.len();
            if n_seen > MAX_ENTRIES {
                return Err(ImportError::foreign(
                    "it holds more than any file of weights",
                ));
            }
            let mut tensors = Tensors::default();
            for &(key, value) in entries {
                if let (Some(name), Some(Node::Tensor(view))) =
                    (self.object.text(key), self.object.node(value))
                {
                    tensors.insert(name, self.numbers(view, bytes)?);
                } else if let Some(list) = self.names(key, value) {
                    names.push(list);
                } else if depth < MAX_DEPTH && self.object.dict(value).is_some() {
                    queue.push_back((value, depth + 1));
                }
            }
            if !tensors.is_empty() {
                found.push(tensors);
            }
        }
        Ok(Found {
            dictionaries: found,
            names,
        })
    }

    /// A list of names, or a dictionary from names to their places, under a name that says so.
    fn names(&self, key: Value, value: Value) -> Option<Vec<String>> {
        let key = self.object.text(key)?;
        if !NAME_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name)) {
            return None;
        }
        let text = |value: Value| self.object.text(value).map(str::to_owned);
        if let Some(items) = self.object.items(value) {
            let items = items.iter().take(MAX_NAMES + 1);
            let names: Option<Vec<String>> = items.map(|&item| text(item)).collect();
            return names.filter(|names| !names.is_empty() && names.len() <= MAX_NAMES);
        }
        let entries = self.object.dict(value)?;
        if entries.is_empty() || entries.len() > MAX_NAMES {
            return None;
        }
        let mut names = vec![None; entries.len()];
        for &(name, place) in entries {
            let Value::Int(place) = place else {
                return None;
            };
            *names.get_mut(usize::try_from(place).ok()?)? = Some(text(name)?);
        }
        names.into_iter().collect()
    }

    fn numbers<'a>(
        &self,
        view: &TensorView,
        bytes: &'a [u8],
    ) -> Result<NumberView<'a>, ImportError> {
        let outside = || ImportError::damaged("a tensor reaches beyond its numbers");
        let storage = self.storages.get(&view.storage.key);
        let storage =
            storage.ok_or_else(|| ImportError::damaged("the numbers of a tensor are missing"))?;
        let data = bytes.get(storage.clone()).ok_or_else(outside)?;
        let offset = view.storage.offset.checked_add(view.offset);
        NumberView::strided(
            data,
            view.dtype,
            offset.ok_or_else(outside)?,
            view.shape.clone(),
            view.strides.clone(),
        )
        .ok_or_else(outside)
    }
}
