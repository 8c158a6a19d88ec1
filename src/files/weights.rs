//! Reads and writes the weight file, `glow-explorer/1` or `/2`: one safetensors file that holds one model.
//!
//! Everything a file claims is checked against the layout that its config implies before a tensor is built.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

use super::tensors::with_sorted_header;
use crate::config::GlowConfig;
use crate::export::{self, ExportError};
use crate::model::params::{Layout, Params};

/// The value of the metadata key `format` where version 1 can say what the config says.
pub const FORMAT: &str = "glow-explorer/1";

/// Its value where it takes version 2, with a floor of the couplings' factor.
pub const FORMAT_2: &str = "glow-explorer/2";

/// Larger files are refused: the largest model that a config allows in practice is far smaller.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// What is wrong with a weight file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read or written.
    #[error(
        "cannot {action} the weight file ({source}); check the path and its permissions: {path}"
    )]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] ExportError),
    /// A number cannot be stored, in half precision or at all; nothing was written.
    #[error("the weights cannot be written ({problem}); {advice}: {path}")]
    Unwritable {
        /// The number.
        problem: String,
        /// What to do.
        advice: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("not a usable weight file: {problem}; {advice}: {path}")]
    Invalid {
        /// What was found.
        problem: String,
        /// What to do.
        advice: &'static str,
        /// The file.
        path: PathBuf,
    },
}

const ADVICE_FORMAT: &str = "open a safetensors file of format glow-explorer/1 or glow-explorer/2";
const ADVICE_AGAIN: &str =
    "the file is damaged or was written by another program, so copy or export it again";

/// Precision of the numbers on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    F32,
    /// Half the size; read back widened.
    F16,
}

/// A model read from a file.
#[derive(Clone, Debug)]
pub struct WeightFile {
    /// Configuration and numbers.
    pub params: Params,
    /// Where the weights come from.
    pub provenance: Value,
    /// What may be shown before anything is loaded.
    pub preview: Option<Value>,
}

/// Reads a weight file.
///
/// Errors: missing or unreadable, not safetensors, another format, a config that no model can have, missing,
/// unknown or wrongly shaped tensors, numbers that are not finite. Each message names the file.
pub fn read(path: &Path) -> Result<WeightFile, WeightsError> {
    from_bytes(&read_bytes(path)?, path)
}

/// The bytes of a file that may hold a model.
///
/// Errors: missing, unreadable, a folder, or larger than any model.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let io = |source| WeightsError::Io {
        action: "read",
        source,
        path: path.into(),
    };
    let size = std::fs::metadata(path).map_err(io)?;
    if size.is_dir() {
        return Err(invalid(path, "it is a folder".into(), ADVICE_FORMAT));
    }
    if size.len() > MAX_FILE_BYTES {
        return Err(invalid(
            path,
            format!("it has {} bytes, more than any model", size.len()),
            ADVICE_FORMAT,
        ));
    }
    std::fs::read(path).map_err(io)
}

fn invalid(path: &Path, problem: String, advice: &'static str) -> WeightsError {
    WeightsError::Invalid {
        problem,
        advice,
        path: path.into(),
    }
}

/// Reads a weight file that is already in memory; `path` is for messages.
///
/// Errors: as [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<WeightFile, WeightsError> {
    let bad = |problem: String, advice| invalid(path, problem, advice);
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| bad(format!("its header cannot be read ({e})"), ADVICE_FORMAT))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    match metadata.get("format").map(String::as_str) {
        Some(FORMAT | FORMAT_2) => {}
        Some(other) => {
            return Err(bad(
                format!("its format is {other:?}, neither {FORMAT:?} nor {FORMAT_2:?}"),
                ADVICE_FORMAT,
            ));
        }
        None => {
            return Err(bad(
                "it has no format in its metadata".into(),
                ADVICE_FORMAT,
            ));
        }
    }
    let config = metadata
        .get("config")
        .ok_or_else(|| bad("it has no config in its metadata".into(), ADVICE_AGAIN))?;
    let config: GlowConfig = serde_json::from_str(config)
        .map_err(|e| bad(format!("its config cannot be read ({e})"), ADVICE_AGAIN))?;
    let config = config
        .validated()
        .map_err(|e| bad(e.to_string(), ADVICE_AGAIN))?;
    let json = |key: &str| -> Result<Option<Value>, WeightsError> {
        let parse = |text: &String| {
            serde_json::from_str(text)
                .map_err(|e| bad(format!("its {key} is not JSON ({e})"), ADVICE_AGAIN))
        };
        metadata.get(key).map(parse).transpose()
    };
    let (provenance, preview) = (json("provenance")?.unwrap_or(Value::Null), json("preview")?);
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| bad(format!("its tensors cannot be read ({e})"), ADVICE_AGAIN))?;

    let prior_map = tensors
        .tensor("prior.mean")
        .is_ok_and(|t| t.shape().len() == 3);
    // The layout alone can be large: refuse a config whose numbers the file cannot hold.
    let layout = Layout::new(&config, prior_map);
    if layout.len() > bytes.len() {
        let problem = format!(
            "its config wants {} numbers, more than its {} bytes hold",
            layout.len(),
            bytes.len()
        );
        return Err(bad(problem, ADVICE_AGAIN));
    }
    check_names(&layout, &tensors).map_err(|problem| bad(problem, ADVICE_AGAIN))?;
    let mut params = Params::zeros(config, prior_map);
    for entry in layout.entries() {
        let found = tensors
            .tensor(&entry.name)
            .map_err(|e| bad(e.to_string(), ADVICE_AGAIN))?;
        let numbers = widened(&found).ok_or_else(|| {
            let problem = format!(
                "{} is stored as {:?}, not as F32, F16, BF16 (or I64 for indices)",
                entry.name,
                found.dtype()
            );
            bad(problem, ADVICE_AGAIN)
        })?;
        if let Some(at) = numbers.iter().position(|v| !v.is_finite()) {
            return Err(bad(
                format!(
                    "{}[{at}] is {}, not a finite number",
                    entry.name, numbers[at]
                ),
                ADVICE_AGAIN,
            ));
        }
        if entry.name.ends_with("permutation.indices") {
            check_indices(&numbers)
                .map_err(|problem| bad(format!("{} {problem}", entry.name), ADVICE_AGAIN))?;
        }
        params.slice_mut(&entry.name).copy_from_slice(&numbers);
    }
    Ok(WeightFile {
        params,
        provenance,
        preview,
    })
}

fn check_names(layout: &Layout, tensors: &SafeTensors) -> Result<(), String> {
    for entry in layout.entries() {
        match tensors.tensor(&entry.name) {
            Err(_) => return Err(format!("the tensor {} is missing", entry.name)),
            Ok(found) if found.shape() != entry.shape => {
                return Err(format!(
                    "{} has the shape {:?}, but the config wants {:?}",
                    entry.name,
                    found.shape(),
                    entry.shape
                ));
            }
            Ok(_) => {}
        }
    }
    match tensors
        .names()
        .into_iter()
        .find(|name| layout.entry(name).is_none())
    {
        Some(name) => Err(format!("the tensor {name} is unknown for its config")),
        None => Ok(()),
    }
}

fn check_indices(indices: &[f32]) -> Result<(), String> {
    let mut seen = vec![false; indices.len()];
    for &v in indices {
        match seen.get_mut(v as usize) {
            Some(seen) if !*seen && v >= 0.0 && v.fract() == 0.0 => *seen = true,
            _ => {
                return Err(format!(
                    "is not a permutation of {} channels",
                    indices.len()
                ));
            }
        }
    }
    Ok(())
}

/// The numbers of a tensor as f32; `None` for a type that weight files do not have.
pub(crate) fn widened(tensor: &TensorView) -> Option<Vec<f32>> {
    let data = tensor.data();
    Some(match tensor.dtype() {
        Dtype::F32 => data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F16 => data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| bf16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::I64 => data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| i64::from_le_bytes(*b) as f32)
            .collect(),
        _ => return None,
    })
}

/// Writes a weight file: to a temporary file beside it, which then takes its name.
///
/// Errors: the folder is missing or read-only, the disk is full.
pub fn write(
    path: &Path,
    params: &Params,
    provenance: &Value,
    preview: Option<&Value>,
    precision: Precision,
) -> Result<(), WeightsError> {
    let io = |source| WeightsError::Io {
        action: "write",
        source,
        path: path.into(),
    };
    if let Some((problem, advice)) = unwritable(params, precision) {
        return Err(WeightsError::Unwritable {
            problem,
            advice,
            path: path.into(),
        });
    }
    let bytes = to_bytes(params, provenance, preview, precision)
        .map_err(|e| io(std::io::Error::other(e)))?;
    Ok(export::write_atomically(path, |file| {
        file.write_all(&bytes)
    })?)
}

/// The first number that no reader would take back, and what to do.
fn unwritable(params: &Params, precision: Precision) -> Option<(String, &'static str)> {
    for entry in params.layout.entries() {
        let numbers = params.slice(&entry.name);
        if let Some(v) = numbers.iter().find(|v| !v.is_finite()) {
            let problem = format!("{} holds {v}, not a finite number", entry.name);
            return Some((problem, "these weights are damaged"));
        }
        let too_large = |v: &&f32| !f16::from_f32(**v).is_finite();
        let is_whole = entry.name.ends_with("permutation.indices");
        if let Some(v) = numbers.iter().find(too_large)
            && precision == Precision::F16
            && !is_whole
        {
            let problem = format!("{} holds {v}, more than half precision can", entry.name);
            return Some((problem, "write them in full precision"));
        }
    }
    None
}

/// The bytes of a weight file.
///
/// Errors: what safetensors says of metadata too large for its header.
pub fn to_bytes(
    params: &Params,
    provenance: &Value,
    preview: Option<&Value>,
    precision: Precision,
) -> Result<Vec<u8>, String> {
    let config = serde_json::to_string(&params.config).map_err(|e| e.to_string())?;
    let format = if params.config.is_version_1() {
        FORMAT
    } else {
        FORMAT_2
    };
    let mut metadata = HashMap::from([
        ("format".to_owned(), format.to_owned()),
        ("config".to_owned(), config),
        ("provenance".to_owned(), provenance.to_string()),
    ]);
    if let Some(preview) = preview {
        metadata.insert("preview".to_owned(), preview.to_string());
    }
    let encoded: Vec<(Dtype, Vec<u8>)> = params
        .layout
        .entries()
        .iter()
        .map(|entry| {
            let numbers = params.slice(&entry.name);
            if entry.name.ends_with("permutation.indices") {
                (
                    Dtype::I64,
                    numbers
                        .iter()
                        .flat_map(|&v| (v as i64).to_le_bytes())
                        .collect(),
                )
            } else if precision == Precision::F16 {
                (
                    Dtype::F16,
                    numbers
                        .iter()
                        .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                        .collect(),
                )
            } else {
                (
                    Dtype::F32,
                    numbers.iter().flat_map(|&v| v.to_le_bytes()).collect(),
                )
            }
        })
        .collect();
    let views = params
        .layout
        .entries()
        .iter()
        .zip(&encoded)
        .map(|(entry, (dtype, bytes))| {
            Ok((
                entry.name.as_str(),
                TensorView::new(*dtype, entry.shape.clone(), bytes).map_err(|e| e.to_string())?,
            ))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())?;
    Ok(with_sorted_header(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Coupling, Padding, Permutation};

    fn params(permutation: Permutation) -> Params {
        let config = GlowConfig {
            image_size: 8,
            channels: 3,
            levels: 2,
            depth: 1,
            width: 4,
            permutation,
            coupling: Coupling::Affine,
            bits: 5,
            variant: Default::default(),
            padding: Padding::EdgeBias,
            scale_floor: Default::default(),
            detail: Vec::new(),
        };
        Params::perturbed(config, 1)
    }

    #[test]
    fn a_written_model_reads_back_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for permutation in [
            Permutation::InvconvLu,
            Permutation::Shuffle,
            Permutation::Reverse,
            Permutation::Invconv,
        ] {
            let path = dir.path().join("m.safetensors");
            let params = params(permutation);
            write(
                &path,
                &params,
                &serde_json::json!({"steps": 3}),
                None,
                Precision::F32,
            )
            .unwrap();
            let back = read(&path).unwrap();
            assert_eq!(back.params.data, params.data);
            assert_eq!(back.provenance["steps"], 3);
            write(&path, &params, &Value::Null, None, Precision::F16).unwrap();
            let half = read(&path).unwrap();
            assert!(
                half.params
                    .data
                    .iter()
                    .zip(&params.data)
                    .all(|(a, b)| (a - b).abs() <= 1e-3 * b.abs().max(0.1))
            );
        }
    }

    #[track_caller]
    fn refused(bytes: &[u8], words: &str) {
        let error = from_bytes(bytes, Path::new("some/model.safetensors"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(words) && error.contains("some/model.safetensors"),
            "{error}"
        );
    }

    #[test]
    fn bad_files_are_refused_with_a_reason() {
        let good = to_bytes(
            &params(Permutation::Shuffle),
            &Value::Null,
            None,
            Precision::F32,
        )
        .unwrap();
        refused(b"", "header");
        refused(b"<html>not weights</html>", "header");
        refused(&good[..good.len() / 2], "cannot be read");
        let replaced = |from: &str, to: &str| {
            // The header's length must not change: pad what gets shorter.
            let at = good
                .windows(from.len())
                .position(|w| w == from.as_bytes())
                .unwrap();
            let mut bytes = good.clone();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        refused(
            &replaced("glow-explorer/1", "glow-explorer/9"),
            "glow-explorer/9",
        );
        refused(
            &replaced("\\\"depth\\\":1", "\\\"depth\\\":0"),
            "depth is 0",
        );
        refused(&replaced("\\\"depth\\\":1", "\\\"depth\\\":9"), "numbers");
        refused(&replaced("\\\"width\\\":4", "\\\"width\\\":3"), "shape");
        refused(&replaced("prior.log_std", "prior.log_xtd"), "missing");
        refused(&replaced("\"affine", "\"affone"), "config");
        let mut nan = good.clone();
        let n = nan.len();
        nan[n - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        refused(&nan, "not a finite number");
        let mut bad = params(Permutation::Shuffle);
        bad.slice_mut("levels.0.steps.0.permutation.indices")[0] = 1e6;
        refused(
            &to_bytes(&bad, &Value::Null, None, Precision::F32).unwrap(),
            "not a permutation",
        );
    }
}
