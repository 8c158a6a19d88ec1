//! Safetensors, checked: bounded reading, metadata, tensors of a known shape, atomic writing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo, TensorView, View};

use super::FormatError;
use crate::export;
use crate::model::{Fingerprint, GlowConfig};

/// Reads a whole file, but no more than `limit` bytes of it.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FormatError> {
    let io = |source| FormatError::Read {
        source,
        path: path.to_owned(),
    };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(io(std::io::Error::other("it is a folder")));
    }
    if metadata.len() > limit {
        return Err(FormatError::TooLarge {
            limit,
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // The file may grow meanwhile, or be a pipe without a length.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(FormatError::TooLarge {
            limit,
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// Replaces a file as a whole.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    Ok(export::write_atomically(path, |file| {
        file.write_all(bytes)
    })?)
}

/// A parsed file and the path for its messages.
pub(super) struct TensorFile<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> TensorFile<'a> {
    /// Parses the header; sizes and offsets are checked by the parser against the bytes.
    pub(super) fn parse(
        path: &'a Path,
        bytes: &'a [u8],
        format: &'static str,
    ) -> Result<Self, FormatError> {
        let bad = |e: safetensors::SafeTensorError| FormatError::NotSafetensors {
            reason: e.to_string(),
            path: path.to_owned(),
        };
        let (_, header): (usize, Metadata) = SafeTensors::read_metadata(bytes).map_err(bad)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let found = metadata.get("format");
        if found.is_none_or(|f| f != format) {
            return Err(FormatError::Kind {
                found: found.map_or("not given".to_owned(), |f| format!("\"{f}\"")),
                expected: format,
                path: path.to_owned(),
            });
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(bad)?;
        Ok(Self {
            path,
            tensors,
            metadata,
        })
    }

    /// A metadata string.
    pub(super) fn text(&self, key: &'static str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// A metadata string as JSON of a known type.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        key: &'static str,
    ) -> Result<T, FormatError> {
        let text = self
            .text(key)
            .ok_or_else(|| self.metadata_error(key, "is missing"))?;
        serde_json::from_str(text)
            .map_err(|e| self.metadata_error(key, &format!("cannot be understood ({e})")))
    }

    /// The `config`, validated.
    pub(super) fn config(&self) -> Result<GlowConfig, FormatError> {
        let config: GlowConfig = self.json("config")?;
        let invalid = |e| self.metadata_error("config", &format!("is not valid ({e})"));
        config.validated().map_err(invalid)
    }

    /// The `fingerprint` of the model that the file belongs to; older files have none.
    pub(super) fn fingerprint(&self) -> Result<Option<Fingerprint>, FormatError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|e| self.metadata_error("fingerprint", &format!("is not valid ({e})")))
        };
        self.text("fingerprint").map(parse).transpose()
    }

    pub(super) fn metadata_error(&self, key: &'static str, reason: &str) -> FormatError {
        FormatError::Metadata {
            key,
            reason: reason.to_owned(),
            path: self.path.to_owned(),
        }
    }

    pub(super) fn tensor_error(&self, name: &str, found: &str, expected: &str) -> FormatError {
        FormatError::Tensor {
            name: name.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
            path: self.path.to_owned(),
        }
    }

    /// The tensor, where the file has it.
    pub(super) fn find(&self, name: &str) -> Option<TensorView<'a>> {
        self.tensors.tensor(name).ok()
    }

    /// A tensor of this shape as f32, whatever float type it is kept in; finite throughout.
    pub(super) fn f32s(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FormatError> {
        let view = self.checked(name, shape)?;
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => each(bytes, f32::from_le_bytes),
            Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => each(bytes, |b| half::f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => each(bytes, |b| half::bf16::from_le_bytes(b).to_f32()),
            other => return Err(self.not_a_float(name, other)),
        };
        self.finite(name, &values, |v| v.is_finite())?;
        Ok(values)
    }

    /// The same as f64.
    pub(super) fn f64s(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, FormatError> {
        let view = self.checked(name, shape)?;
        if view.dtype() != Dtype::F64 {
            return Ok(self.f32s(name, shape)?.into_iter().map(f64::from).collect());
        }
        let values = each(view.data(), f64::from_le_bytes);
        self.finite(name, &values, |v| v.is_finite())?;
        Ok(values)
    }

    fn checked(&self, name: &str, shape: &[usize]) -> Result<TensorView<'a>, FormatError> {
        let expected = || shape_text(shape);
        let view = self
            .find(name)
            .ok_or_else(|| self.tensor_error(name, "missing", &expected()))?;
        if view.shape() != shape {
            return Err(self.tensor_error(name, &shape_text(view.shape()), &expected()));
        }
        Ok(view)
    }

    fn not_a_float(&self, name: &str, found: Dtype) -> FormatError {
        self.tensor_error(name, &format!("{found}"), "one of F32, F16, BF16, F64")
    }

    fn finite<T>(
        &self,
        name: &str,
        values: &[T],
        is_finite: impl Fn(&T) -> bool,
    ) -> Result<(), FormatError> {
        let Some(first) = values.iter().position(|v| !is_finite(v)) else {
            return Ok(());
        };
        Err(FormatError::NotFinite {
            name: name.to_owned(),
            count: values.iter().filter(|v| !is_finite(v)).count(),
            first,
            path: self.path.to_owned(),
        })
    }
}

fn each<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&b| from(b)).collect()
}

pub(super) fn shape_text(shape: &[usize]) -> String {
    format!("shape {shape:?}")
}

/// A tensor to write.
pub(super) struct OutTensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl OutTensor {
    pub(super) fn f32(shape: Vec<usize>, values: impl Iterator<Item = f32>) -> Self {
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        Self {
            dtype: Dtype::F32,
            shape,
            bytes,
        }
    }

    pub(super) fn f16(shape: Vec<usize>, values: impl Iterator<Item = f32>) -> Self {
        let bytes = values
            .flat_map(|v| half::f16::from_f32(v).to_le_bytes())
            .collect();
        Self {
            dtype: Dtype::F16,
            shape,
            bytes,
        }
    }

    pub(super) fn f64(shape: Vec<usize>, values: impl Iterator<Item = f64>) -> Self {
        let bytes = values.flat_map(f64::to_le_bytes).collect();
        Self {
            dtype: Dtype::F64,
            shape,
            bytes,
        }
    }
}

impl View for OutTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes tensors and metadata, atomically.
pub(super) fn write_tensors(
    path: &Path,
    tensors: Vec<(String, OutTensor)>,
    metadata: HashMap<String, String>,
) -> Result<(), FormatError> {
    let bytes =
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| FormatError::Unwritable {
            reason: e.to_string(),
            path: path.to_owned(),
        })?;
    write_atomically(path, &with_sorted_header(bytes))
}

/// The bytes of a safetensors file with the keys of its header in order, so that equal contents give
/// equal files: the writer takes the metadata in a map whose order changes from run to run.
pub(super) fn with_sorted_header(mut bytes: Vec<u8>) -> Vec<u8> {
    let sorted = sorted_header(&bytes);
    // Only the order changes, so the length does not; if it ever did, the file is right as it is.
    if let Some((header, end)) = sorted.filter(|(header, end)| header.len() == end - 8) {
        bytes[8..end].copy_from_slice(&header);
    }
    bytes
}

/// The header, sorted, and where it ends.
fn sorted_header(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    const METADATA: &str = "__metadata__";
    let n = u64::from_le_bytes(*bytes.first_chunk::<8>()?) as usize;
    let end = n.checked_add(8)?;
    let mut tensors: BTreeMap<String, TensorInfo> = BTreeMap::new();
    let mut metadata: BTreeMap<String, String> = BTreeMap::new();
    let entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(bytes.get(8..end)?).ok()?;
    for (name, entry) in entries {
        if name == METADATA {
            metadata = serde_json::from_value(entry).ok()?;
        } else {
            tensors.insert(name, serde_json::from_value(entry).ok()?);
        }
    }
    let mut header = format!(
        r#"{{"{METADATA}":{}"#,
        serde_json::to_string(&metadata).ok()?
    );
    for (name, info) in tensors {
        let (name, info) = (
            serde_json::to_string(&name).ok()?,
            serde_json::to_string(&info).ok()?,
        );
        header.push_str(&format!(",{name}:{info}"));
    }
    header.push('}');
    // The writer fills up with spaces, for alignment.
    let mut header = header.into_bytes();
    header.resize(n.max(header.len()), b' ');
    Some((header, end))
}
