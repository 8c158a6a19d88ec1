//! Reads and writes the weight file, `glow-explorer/1` or `/2`: one safetensors file that holds one model.
//!
//! Everything a file claims is checked against the layout that its config implies before a tensor is built.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use super::FormatError;
pub use super::tensors::Precision;
use super::tensors::{OutTensor, TensorFile, read_bytes, shape_text};
use crate::export;
use crate::model::params::{Layout, Params};
use crate::quote::piece;

/// The value of the metadata key `format` where version 1 can say what the config says.
pub const FORMAT: &str = "glow-explorer/1";

/// Its value where it takes version 2, with a floor of the couplings' factor.
pub const FORMAT_2: &str = "glow-explorer/2";

/// Larger files are refused: the largest model that a config allows in practice is far smaller.
pub const MAX_BYTES: u64 = 4 << 30;

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

impl WeightFile {
    /// Writes it: to a temporary file beside `path`, which then takes its name.
    ///
    /// Errors: as [`write()`].
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), FormatError> {
        let preview = self.preview.as_ref();
        write(path, &self.params, &self.provenance, preview, precision)
    }

    /// The names of the values that the model is conditioned on, as `condition_names` of the provenance has them: one for each
    /// value, or none.
    pub fn condition_names(&self) -> Vec<String> {
        let names = self.provenance.get(CONDITION_NAMES);
        let names: Option<Vec<String>> = names.and_then(|names| {
            let names = names.as_array()?.iter();
            names.map(|name| name.as_str().map(str::to_owned)).collect()
        });
        let values = self.params.config.variant.condition;
        names
            .filter(|names| values > 0 && names.len() == values)
            .unwrap_or_default()
    }
}

/// Where the provenance names the values of a condition: a list of as many strings.
pub const CONDITION_NAMES: &str = "condition_names";

/// Reads a weight file.
///
/// Errors: missing or unreadable, not safetensors, another format, a config that no model can have, missing,
/// unknown or wrongly shaped tensors, numbers that are not finite, a channel mixing without an inverse. Each message names
/// the file.
pub fn read(path: &Path) -> Result<WeightFile, FormatError> {
    from_bytes(&read_bytes(path, MAX_BYTES)?, path)
}

/// Reads a weight file that is already in memory; `path` is for messages.
///
/// Errors: as [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<WeightFile, FormatError> {
    let file = TensorFile::parse(path, bytes, &[FORMAT, FORMAT_2])?;
    let config = file.config()?;
    let json = |key: &'static str| match file.text(key) {
        Some(_) => file.json::<Value>(key).map(Some),
        None => Ok(None),
    };
    let (provenance, preview) = (json("provenance")?.unwrap_or(Value::Null), json("preview")?);
    let prior_map = file
        .find("prior.mean")
        .is_some_and(|t| t.shape().len() == 3);
    // The layout alone can be large: refuse a config whose numbers the file cannot hold.
    let layout = Layout::new(&config, prior_map);
    if layout.len() > bytes.len() {
        return Err(file.contents_error(format!(
            "its config wants {} numbers, more than its {} bytes hold",
            layout.len(),
            bytes.len()
        )));
    }
    check_names(&layout, &file)?;
    let mut params = Params::zeros(config, prior_map);
    for entry in layout.entries() {
        let numbers = if is_indices(&entry.name) {
            let indices = file.indices(&entry.name, &entry.shape)?;
            check_indices(&indices)
                .map_err(|problem| file.contents_error(format!("\"{}\" {problem}", entry.name)))?;
            indices
        } else {
            file.f32s(&entry.name, &entry.shape)?
        };
        params.slice_mut(&entry.name).copy_from_slice(&numbers);
    }
    if let Some(step) = params.first_singular() {
        let problem = format!("\"{step}permutation\" is a singular matrix, which nothing undoes");
        return Err(file.contents_error(problem));
    }
    Ok(WeightFile {
        params,
        provenance,
        preview,
    })
}

/// Whether a tensor holds the places that channels go to, which are whole numbers in every precision.
fn is_indices(name: &str) -> bool {
    name.ends_with("permutation.indices")
}

/// All tensors of the layout, of their shapes, before numbers are read; and no others.
fn check_names(layout: &Layout, file: &TensorFile<'_>) -> Result<(), FormatError> {
    for entry in layout.entries() {
        let found = file.find(&entry.name);
        let found = found.as_ref().map(|t| t.shape());
        if found != Some(&entry.shape[..]) {
            let found = found.map_or("missing".to_owned(), shape_text);
            return Err(file.tensor_error(&entry.name, &found, &shape_text(&entry.shape)));
        }
    }
    let unknown = file.names().find(|name| layout.entry(name).is_none());
    match unknown {
        Some(name) => {
            let name = piece(name);
            Err(file.contents_error(format!("the tensor \"{name}\" is unknown for its config")))
        }
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

/// Writes a weight file: to a temporary file beside it, which then takes its name.
///
/// Errors: numbers that cannot be held, of which nothing is written; the system's.
pub fn write(
    path: &Path,
    params: &Params,
    provenance: &Value,
    preview: Option<&Value>,
    precision: Precision,
) -> Result<(), FormatError> {
    let bytes = to_bytes(path, params, provenance, preview, precision)?;
    Ok(export::write_atomically(path, |file| {
        file.write_all(&bytes)
    })?)
}

/// The bytes of a weight file; `path` is for messages.
///
/// Errors: numbers that no reader would take back, or that half precision cannot hold.
pub fn to_bytes(
    path: &Path,
    params: &Params,
    provenance: &Value,
    preview: Option<&Value>,
    precision: Precision,
) -> Result<Vec<u8>, FormatError> {
    let format = match params.config.is_version_1() {
        true => FORMAT,
        false => FORMAT_2,
    };
    let config = super::latents::json(&params.config, path)?;
    let mut metadata = HashMap::from([
        ("format".to_owned(), format.to_owned()),
        ("config".to_owned(), config),
        ("provenance".to_owned(), provenance.to_string()),
    ]);
    if let Some(preview) = preview {
        metadata.insert("preview".to_owned(), preview.to_string());
    }
    let tensors = params.layout.entries().iter().map(|entry| {
        let (name, shape, numbers) = (&entry.name, entry.shape.clone(), params.slice(&entry.name));
        let tensor = match is_indices(name) {
            true => OutTensor::i64(shape, numbers.iter().map(|&v| v as i64)),
            false => OutTensor::checked(name, shape, numbers, precision, path)?,
        };
        Ok((name.clone(), tensor))
    });
    let tensors = tensors.collect::<Result<_, FormatError>>()?;
    super::tensors::to_bytes(path, tensors, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GlowConfig, Padding, Permutation};
    use crate::latent::tests::tiny_config;

    fn params(permutation: Permutation) -> Params {
        let config = GlowConfig {
            width: 4,
            permutation,
            padding: Padding::EdgeBias,
            ..tiny_config()
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
        let path = Path::new("m");
        let bytes =
            |params: &Params| to_bytes(path, params, &Value::Null, None, Precision::F32).unwrap();
        let good = bytes(&params(Permutation::Shuffle));
        refused(b"", "empty file");
        refused(b"<html>not weights</html>", "web page");
        refused(
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "Git LFS pointer",
        );
        refused(&good[..good.len() / 2], "not a readable safetensors file");
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
        refused(&nan, "not finite");
        let mut bad = params(Permutation::Shuffle);
        bad.slice_mut("levels.0.steps.0.permutation.indices")[0] = 1e6;
        refused(&bytes(&bad), "not a permutation");
        let mut flat = params(Permutation::Invconv);
        flat.slice_mut("levels.1.steps.0.permutation.weight")
            .fill(0.25);
        let name = "\"levels.1.steps.0.permutation\" is a singular matrix";
        refused(&bytes(&flat), name);
        let mut flat = params(Permutation::InvconvLu);
        flat.slice_mut("levels.1.steps.0.permutation.sign_s")[3] = 0.0;
        refused(&bytes(&flat), name);
        let mut flat = params(Permutation::InvconvLu);
        flat.slice_mut("levels.1.steps.0.permutation.p")[..24].fill(0.0);
        refused(&bytes(&flat), name);
        // What no reader takes back is not written, nor what half precision cannot hold.
        let mut large = params(Permutation::Shuffle);
        large.slice_mut("prior.mean")[0] = 1e6;
        assert!(to_bytes(path, &large, &Value::Null, None, Precision::F32).is_ok());
        let half = to_bytes(path, &large, &Value::Null, None, Precision::F16);
        assert!(matches!(half, Err(FormatError::TooLargeForHalf { .. })));
        large.slice_mut("prior.mean")[0] = f32::NAN;
        let written = to_bytes(path, &large, &Value::Null, None, Precision::F32);
        assert!(matches!(written, Err(FormatError::Unwritable { .. })));
    }
}
