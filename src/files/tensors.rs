//! Safetensors, checked: bounded reading, metadata, tensors of a known shape, atomic writing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo, TensorView, View};

use super::FormatError;
use crate::disk::RegularFile;
use crate::export;
use crate::model::{Fingerprint, GlowConfig};
use crate::quote::piece;

/// A header is never longer; the parser's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Precision of the numbers on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Half the size; read back widened.
    F16,
}

impl Precision {
    /// Half where it is asked for.
    pub fn of(half: bool) -> Self {
        match half {
            true => Self::F16,
            false => Self::F32,
        }
    }
}

/// Reads a whole safetensors file of at most `limit` bytes. One whose start already says that it is something else is
/// refused before the rest is read.
///
/// Errors: [`FormatError::Read`], and bytes that cannot be a header.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, FormatError> {
    let mut file = RegularFile::new(path, limit)?;
    let start = file.next(512)?;
    check_start(&start, file.len(), path)?;
    Ok(file.rest(start)?)
}

/// Refuses the start of a file of `len` bytes that cannot be the header of safetensors.
fn check_start(start: &[u8], len: u64, path: &Path) -> Result<(), FormatError> {
    let refuse = |reason: &str| Err(FormatError::not_safetensors(start, reason, path));
    let Some(&n) = start.first_chunk::<8>() else {
        return refuse(&format!("it has {len} bytes"));
    };
    let n = u64::from_le_bytes(n);
    if start.get(8) != Some(&b'{') || n > MAX_HEADER_BYTES {
        return refuse("its header cannot be read");
    }
    match n > len - 8 {
        true => refuse("it ends within its header"),
        false => Ok(()),
    }
}

/// The metadata of a safetensors file of at most `limit` bytes, without its tensors.
///
/// Errors: as [`read_bytes`], and a header that cannot be understood.
pub fn read_metadata(path: &Path, limit: u64) -> Result<HashMap<String, String>, FormatError> {
    let mut file = RegularFile::new(path, limit)?;
    let start = file.next(512)?;
    check_start(&start, file.len(), path)?;
    let n = start
        .first_chunk::<8>()
        .map_or(0, |n| u64::from_le_bytes(*n));
    let mut header = start[8..].to_vec();
    header.extend(file.next((n + 8).saturating_sub(start.len() as u64))?);
    header.truncate(n as usize);
    let refuse = |e: serde_json::Error| FormatError::not_safetensors(&start, &e.to_string(), path);
    let header: serde_json::Value = serde_json::from_slice(&header).map_err(refuse)?;
    match header.get("__metadata__") {
        Some(metadata) => serde_json::from_value(metadata.clone()).map_err(refuse),
        None => Ok(HashMap::new()),
    }
}

/// A parsed file and the path for its messages.
pub struct TensorFile<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> TensorFile<'a> {
    /// Parses the header; sizes and offsets are checked by the parser against the bytes.
    ///
    /// Errors: no safetensors, or another `format` than one of these.
    pub fn parse(path: &'a Path, bytes: &'a [u8], formats: &[&str]) -> Result<Self, FormatError> {
        let file = Self::of_any_format(path, bytes)?;
        let found = file.text("format");
        if found.is_some_and(|f| formats.contains(&f)) {
            return Ok(file);
        }
        let expected: Vec<String> = formats.iter().map(|f| format!("\"{f}\"")).collect();
        Err(FormatError::Kind {
            found: found.map_or("not given".to_owned(), |f| format!("\"{}\"", piece(f))),
            expected: expected.join(" or "),
            path: path.to_owned(),
        })
    }

    /// The same for files that any program may have written.
    ///
    /// Errors: no safetensors.
    pub fn of_any_format(path: &'a Path, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let bad = |e: safetensors::SafeTensorError| {
            FormatError::not_safetensors(bytes, &e.to_string(), path)
        };
        let (_, header): (usize, Metadata) = SafeTensors::read_metadata(bytes).map_err(bad)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let tensors = SafeTensors::deserialize(bytes).map_err(bad)?;
        Ok(Self {
            path,
            tensors,
            metadata,
        })
    }

    /// Bytes that the tensors have in all.
    pub fn n_bytes(&self) -> usize {
        self.tensors.iter().map(|(_, t)| t.data().len()).sum()
    }

    /// The names of the tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.names().into_iter()
    }

    /// A metadata string.
    pub fn text(&self, key: &'static str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// A metadata string as JSON of a known type.
    ///
    /// Errors: it is missing or not understood.
    pub fn json<T: serde::de::DeserializeOwned>(
        &self,
        key: &'static str,
    ) -> Result<T, FormatError> {
        let text = self
            .text(key)
            .ok_or_else(|| self.metadata_error(key, "is missing"))?;
        serde_json::from_str(text).map_err(|e| {
            self.metadata_error(
                key,
                &format!("cannot be understood ({})", piece(&e.to_string())),
            )
        })
    }

    /// The `config`, validated.
    ///
    /// Errors: as [`TensorFile::json`], and a configuration that no model can have.
    pub fn config(&self) -> Result<GlowConfig, FormatError> {
        self.json("config")
    }

    /// The `fingerprint` of the model that the file belongs to; older files have none.
    ///
    /// Errors: what is no fingerprint.
    pub fn fingerprint(&self) -> Result<Option<Fingerprint>, FormatError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|e| self.metadata_error("fingerprint", &format!("is not valid ({e})")))
        };
        self.text("fingerprint").map(parse).transpose()
    }

    /// That a metadata string is not what it should be.
    pub fn metadata_error(&self, key: &'static str, reason: &str) -> FormatError {
        FormatError::Metadata {
            key,
            reason: reason.to_owned(),
            path: self.path.to_owned(),
        }
    }

    /// That the contents belong to no model.
    pub fn contents_error(&self, problem: String) -> FormatError {
        FormatError::Contents {
            problem,
            path: self.path.to_owned(),
        }
    }

    pub(super) fn tensor_error(&self, name: &str, found: &str, expected: &str) -> FormatError {
        FormatError::Tensor {
            name: piece(name),
            found: found.to_owned(),
            expected: expected.to_owned(),
            path: self.path.to_owned(),
        }
    }

    /// The tensor, where the file has it.
    pub fn find(&self, name: &str) -> Option<TensorView<'a>> {
        self.tensors.tensor(name).ok()
    }

    /// A tensor of this shape as f32, whatever float type it is kept in; finite throughout.
    ///
    /// Errors: it is missing, has another shape, holds no floats, or some that are not finite.
    pub fn f32s(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FormatError> {
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

    /// A tensor of indices of this shape, kept as I64 or as whole floats.
    ///
    /// Errors: it is missing, has another shape, or holds something else.
    pub fn indices(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FormatError> {
        let view = self.checked(name, shape)?;
        match view.dtype() {
            Dtype::I64 => Ok(each(view.data(), |b| i64::from_le_bytes(b) as f32)),
            _ => self.f32s(name, shape),
        }
    }

    /// The same as f64.
    ///
    /// Errors: as [`TensorFile::f32s`].
    pub fn f64s(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, FormatError> {
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
            name: piece(name),
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
pub struct OutTensor {
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, little-endian.
    pub bytes: Vec<u8>,
}

impl OutTensor {
    /// Numbers in this precision.
    ///
    /// Errors: [`FormatError::Unwritable`] for one that is not finite, which no reader would take back, and
    /// [`FormatError::TooLargeForHalf`].
    pub fn checked(
        name: &str,
        shape: Vec<usize>,
        values: &[f32],
        precision: Precision,
        path: &Path,
    ) -> Result<Self, FormatError> {
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            return Err(FormatError::Unwritable {
                reason: format!("\"{name}\" holds {value}, not a finite number"),
                path: path.to_owned(),
            });
        }
        let is_too_large = |v: &&f32| !half::f16::from_f32(**v).is_finite();
        match (precision, values.iter().find(is_too_large)) {
            (Precision::F32, _) => Ok(Self::f32(shape, values.iter().copied())),
            (Precision::F16, None) => Ok(Self::f16(shape, values.iter().copied())),
            (Precision::F16, Some(&value)) => Err(FormatError::TooLargeForHalf {
                name: name.to_owned(),
                value,
                path: path.to_owned(),
            }),
        }
    }

    /// Whole numbers.
    pub fn i64(shape: Vec<usize>, values: impl Iterator<Item = i64>) -> Self {
        Self {
            dtype: Dtype::I64,
            shape,
            bytes: values.flat_map(i64::to_le_bytes).collect(),
        }
    }

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

/// The bytes of a file with these tensors and metadata; equal contents give equal bytes.
///
/// Errors: what safetensors says of metadata too large for its header.
pub fn to_bytes(
    path: &Path,
    tensors: Vec<(String, OutTensor)>,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, FormatError> {
    let bytes = safetensors::serialize(tensors, Some(metadata));
    let bytes = bytes.map_err(|e| FormatError::Unwritable {
        reason: e.to_string(),
        path: path.to_owned(),
    })?;
    Ok(with_sorted_header(bytes))
}

/// Writes tensors and metadata, atomically.
///
/// Errors: as [`to_bytes`]; the system's.
pub fn write_tensors(
    path: &Path,
    tensors: Vec<(String, OutTensor)>,
    metadata: HashMap<String, String>,
) -> Result<(), FormatError> {
    let bytes = to_bytes(path, tensors, metadata)?;
    Ok(export::write_atomically(path, |file| {
        file.write_all(&bytes)
    })?)
}

/// The bytes of a safetensors file with the keys of its header in order, so that equal contents give
/// equal files: the writer takes the metadata in a map whose order changes from run to run.
fn with_sorted_header(mut bytes: Vec<u8>) -> Vec<u8> {
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
