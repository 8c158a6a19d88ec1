//! Latents as safetensors, format `glow-explorer-latents/1`.
//!
//! Tensors `eps.0`, `eps.1`, ... (finest level first), `[n, c, h, w]` f32, and optionally
//! `bits_per_dim`, `[n]` f64, and, where the model is conditional, `condition`, `[n, values]` f32: given which each
//! decodes to its picture (missing: zeros). Metadata: `config`, JSON as in a weight file; optionally `names`, a JSON
//! list of n strings, and `settings`, JSON that says how the latents came about.

use std::collections::HashMap;
use std::path::Path;

use super::FormatError;
use super::tensors::{OutTensor, TensorFile, read_bytes, shape_text, write_tensors};
use crate::model::{Condition, GlowConfig, Latent};

/// The `format` metadata of such a file.
pub const FORMAT: &str = "glow-explorer-latents/1";

/// 4 GiB: above 80,000 latents of a 64-pixel model.
const MAX_BYTES: u64 = 4 << 30;

/// The contents of a latents file.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentsFile {
    /// Configuration of the model that they belong to.
    pub config: GlowConfig,
    /// The latents.
    pub latents: Vec<Latent>,
    /// Bits per dimension of their pictures, where they are known; one for each latent.
    pub bits_per_dim: Option<Vec<f64>>,
    /// Their names, where they have any; one for each latent.
    pub names: Option<Vec<String>>,
    /// How they came about, JSON.
    pub settings: Option<String>,
}

/// Reads a latents file.
///
/// Errors: every way in which the file can differ from what its configuration implies.
pub fn read(path: &Path) -> Result<LatentsFile, FormatError> {
    from_bytes(&read_bytes(path, MAX_BYTES)?, path)
}

/// Reads a latents file that is already in memory; `path` is for messages.
///
/// Errors: as [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<LatentsFile, FormatError> {
    let file = TensorFile::parse(path, bytes, &[FORMAT])?;
    let config = file.config()?;
    // The first tensor says how many there are; the parser has checked that the bytes are there.
    let first = file.find("eps.0");
    let n = match first.as_ref().map(|view| view.shape()) {
        Some(&[n, _, _, _]) => n,
        Some(other) => {
            return Err(file.tensor_error("eps.0", &shape_text(other), "shape [n, c, h, w]"));
        }
        None => return Err(file.tensor_error("eps.0", "missing", "shape [n, c, h, w]")),
    };
    let shape = config.latent_shape();
    let mut levels = Vec::with_capacity(shape.levels.len());
    for (l, s) in shape.levels.iter().enumerate() {
        levels.push(file.f32s(&format!("eps.{l}"), &[n, s.channels, s.side, s.side])?);
    }
    let values = shape.condition;
    let conditions = match file.find("condition") {
        Some(_) => file.f32s("condition", &[n, values])?,
        None => Vec::new(),
    };
    let latents = (0..n)
        .map(|i| {
            let mut latent = Latent::zeros(&shape);
            if let Some(own) = conditions.get(i * values..(i + 1) * values) {
                latent.condition = Condition(own.to_vec());
            }
            for (level, all) in latent.levels.iter_mut().zip(&levels) {
                let len = level.data.len();
                level.data.copy_from_slice(&all[i * len..(i + 1) * len]);
            }
            latent
        })
        .collect();
    let bits_per_dim = match file.find("bits_per_dim") {
        Some(_) => Some(file.f64s("bits_per_dim", &[n])?),
        None => None,
    };
    let names = match file.text("names") {
        Some(_) => Some(file.json::<Vec<String>>("names")?),
        None => None,
    };
    if let Some(names) = names.as_ref().filter(|names| names.len() != n) {
        let reason = format!("has {} names for {n} latents", names.len());
        return Err(file.metadata_error("names", &reason));
    }
    let settings = file.text("settings").map(str::to_owned);
    Ok(LatentsFile {
        config,
        latents,
        bits_per_dim,
        names,
        settings,
    })
}

/// Writes a latents file, replacing an older one atomically.
///
/// Errors: latents of another shape than the configuration's, values that are not finite, counts that
/// differ, the system's.
pub fn write(path: &Path, contents: &LatentsFile) -> Result<(), FormatError> {
    let unwritable = |reason: String| FormatError::Unwritable {
        reason,
        path: path.to_owned(),
    };
    let (n, shape) = (contents.latents.len(), contents.config.latent_shape());
    for (i, latent) in contents.latents.iter().enumerate() {
        if !latent.fits(&shape) {
            return Err(unwritable(format!("latent {i} has another model's shape")));
        }
        let mut numbers = latent.iter().chain(&latent.condition.0);
        if numbers.any(|v| !v.is_finite()) {
            return Err(unwritable(format!(
                "latent {i} has values that are not finite"
            )));
        }
    }
    let mut tensors = Vec::new();
    for (l, s) in shape.levels.iter().enumerate() {
        let values = contents
            .latents
            .iter()
            .flat_map(|x| x.levels[l].data.iter().copied());
        let shape = vec![n, s.channels, s.side, s.side];
        tensors.push((format!("eps.{l}"), OutTensor::f32(shape, values)));
    }
    // Nothing said is zeros, as for a model that is not conditional.
    if contents.latents.iter().any(|z| !z.condition.is_empty()) {
        let values = shape.condition;
        let all = contents.latents.iter().flat_map(|z| {
            let own = z.condition.0.iter().copied();
            own.chain(std::iter::repeat(0.0)).take(values)
        });
        let tensor = OutTensor::f32(vec![n, values], all);
        tensors.push(("condition".to_owned(), tensor));
    }
    let mut metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("config".to_owned(), json(&contents.config, path)?),
    ]);
    if let Some(bits) = &contents.bits_per_dim {
        if bits.len() != n || bits.iter().any(|b| !b.is_finite()) {
            let reason = format!("{n} latents need {n} finite bits per dimension");
            return Err(unwritable(reason));
        }
        let tensor = OutTensor::f64(vec![n], bits.iter().copied());
        tensors.push(("bits_per_dim".to_owned(), tensor));
    }
    if let Some(names) = &contents.names {
        if names.len() != n {
            return Err(unwritable(format!("{} names for {n} latents", names.len())));
        }
        metadata.insert("names".to_owned(), json(names, path)?);
    }
    if let Some(settings) = &contents.settings {
        metadata.insert("settings".to_owned(), settings.clone());
    }
    write_tensors(path, tensors, metadata)
}

pub(super) fn json<T: serde::Serialize + ?Sized>(
    value: &T,
    path: &Path,
) -> Result<String, FormatError> {
    serde_json::to_string(value).map_err(|e| FormatError::Unwritable {
        reason: e.to_string(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::temperature::sample;
    use crate::latent::tests::tiny_config;

    fn contents() -> LatentsFile {
        LatentsFile {
            config: tiny_config(),
            latents: (0..3)
                .map(|i| sample(&tiny_config().latent_shape(), 1, i))
                .collect(),
            bits_per_dim: Some(vec![3.25, 3.5, 4.0]),
            names: Some(vec!["a".to_owned(), "b \"c\"".to_owned(), "é".to_owned()]),
            settings: Some("{}".to_owned()),
        }
    }

    fn in_folder() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latents.safetensors");
        (folder, path)
    }

    #[test]
    fn written_and_read_back() {
        let (folder, path) = in_folder();
        for contents in [
            contents(),
            LatentsFile {
                bits_per_dim: None,
                names: None,
                settings: None,
                ..contents()
            },
            LatentsFile {
                latents: vec![],
                bits_per_dim: None,
                names: None,
                ..contents()
            },
        ] {
            write(&path, &contents).unwrap();
            assert_eq!(read(&path).unwrap(), contents);
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no left-overs"
        );
    }

    #[test]
    fn conditions_come_back_with_their_latents() {
        let (_folder, path) = in_folder();
        let mut contents = contents();
        contents.config.variant.condition = 2;
        contents.latents[0].condition = Condition(vec![0.25, 1.0]);
        contents.latents[1].condition = Condition::class(0, 2);
        write(&path, &contents).unwrap();
        // What was not said comes back as the zeros that it means.
        contents.latents[2].condition = Condition(vec![0.0; 2]);
        assert_eq!(read(&path).unwrap(), contents);
        contents.latents[1].condition = Condition(vec![1.0]);
        let error = write(&path, &contents).unwrap_err().to_string();
        assert!(error.contains("latent 1"), "{error}");
    }

    #[test]
    fn every_float_type_is_read() {
        let (_folder, path) = in_folder();
        let config = tiny_config();
        let latent = sample(&config.latent_shape(), 1, 0);
        for dtype in ["f16", "bf16", "f64"] {
            let tensors = latent.levels.iter().enumerate().map(|(l, e)| {
                let shape = vec![1, e.channels, e.side, e.side];
                let values = e.data.iter().copied();
                let tensor = match dtype {
                    "f16" => OutTensor::f16(shape, values),
                    "f64" => OutTensor::f64(shape, values.map(f64::from)),
                    _ => OutTensor {
                        dtype: safetensors::Dtype::BF16,
                        shape,
                        bytes: values
                            .flat_map(|v| half::bf16::from_f32(v).to_le_bytes())
                            .collect(),
                    },
                };
                (format!("eps.{l}"), tensor)
            });
            let metadata = HashMap::from([
                ("format".to_owned(), FORMAT.to_owned()),
                ("config".to_owned(), serde_json::to_string(&config).unwrap()),
            ]);
            write_tensors(&path, tensors.collect(), metadata).unwrap();
            let found = &read(&path).unwrap().latents[0];
            for (a, b) in found.iter().zip(latent.iter()) {
                assert!((a - b).abs() <= 0.01 * b.abs() + 1e-6, "{dtype}: {a} {b}");
            }
        }
    }

    #[track_caller]
    fn assert_refused(path: &Path, words: &[&str]) {
        let text = read(path).unwrap_err().to_string();
        let shown = path.display().to_string();
        assert!(text.ends_with(&shown), "path last: {text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        let (folder, path) = in_folder();
        assert_refused(&folder.path().join("none"), &["no such file"]);
        assert_refused(folder.path(), &["folder"]);
        std::fs::write(&path, b"not a file of tensors").unwrap();
        assert_refused(&path, &["not a safetensors file but a text"]);
        write(&path, &contents()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        assert_refused(&path, &["not a readable safetensors file", "copy it again"]);
    }

    #[test]
    fn contents_that_differ_from_the_config_are_refused_by_name() {
        let (_folder, path) = in_folder();
        let write_with = |format: &str, config: &str, n: [usize; 2], bad: f32| {
            let tensors = [(6, 4), (24, 2)].iter().enumerate().map(|(l, &(c, side))| {
                let values = vec![if l == 1 { bad } else { 0.0 }; n[l] * c * side * side];
                let shape = vec![n[l], c, side, side];
                (
                    format!("eps.{l}"),
                    OutTensor::f32(shape, values.into_iter()),
                )
            });
            let metadata = HashMap::from([
                ("format".to_owned(), format.to_owned()),
                ("config".to_owned(), config.to_owned()),
            ]);
            write_tensors(&path, tensors.collect(), metadata).unwrap();
        };
        let config = serde_json::to_string(&tiny_config()).unwrap();
        write_with("glow-explorer/1", &config, [1, 1], 0.0);
        assert_refused(&path, &["\"glow-explorer/1\"", FORMAT]);
        write_with(FORMAT, "{", [1, 1], 0.0);
        assert_refused(&path, &["\"config\"", "cannot be understood"]);
        write_with(
            FORMAT,
            &config.replace("\"levels\":2", "\"levels\":9"),
            [1, 1],
            0.0,
        );
        assert_refused(&path, &["\"config\"", "levels is 9"]);
        write_with(
            FORMAT,
            &config.replace("\"levels\":2", "\"levels\":3"),
            [1, 1],
            0.0,
        );
        assert_refused(&path, &["\"eps.1\"", "[1, 24, 2, 2]", "[1, 12, 2, 2]"]);
        write_with(FORMAT, &config, [2, 1], 0.0);
        assert_refused(&path, &["\"eps.1\"", "[2, 24, 2, 2]"]);
        write_with(FORMAT, &config, [1, 1], f32::NAN);
        assert_refused(&path, &["\"eps.1\"", "96 values", "not finite"]);
    }

    #[test]
    fn what_cannot_be_written() {
        let (_folder, path) = in_folder();
        let mut bad = contents();
        bad.latents[1].levels[0].data[0] = f32::NAN;
        assert!(
            write(&path, &bad)
                .unwrap_err()
                .to_string()
                .contains("latent 1")
        );
        let bad = LatentsFile {
            names: Some(vec![]),
            ..contents()
        };
        assert!(write(&path, &bad).is_err());
        let bad = LatentsFile {
            bits_per_dim: Some(vec![1.0]),
            ..contents()
        };
        assert!(write(&path, &bad).is_err());
        assert!(!path.exists());
    }
}
