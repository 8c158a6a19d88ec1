//! Attribute directions as safetensors, format `glow-explorer-attributes/1`.
//!
//! A tensor `{name}.{level}`, `[c, h, w]`, f16 or f32, for each direction and level (finest first): what
//! +1 on its slider adds to eps. Metadata: `config`, JSON as in a weight file; optionally `fingerprint`, that of the
//! model's parameters; `directions`, a JSON list
//! in the sliders' order with `name`, `center`, `range`, and the figures `auc`, `correlation`, `counts`,
//! `held_out`, `method`, `provenance`.

mod npy;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FormatError;
use super::latents::json;
pub use super::tensors::Precision;
use super::tensors::{OutTensor, TensorFile, read_bytes, write_tensors};
use crate::disk::RegularFile;
use crate::latent::attributes::{Direction, Directions, Figures};
use crate::model::{Fingerprint, GlowConfig, Latent};

/// The `format` metadata of such a file.
pub const FORMAT: &str = "glow-explorer-attributes/1";

/// 1 GiB: thousands of directions.
const MAX_BYTES: u64 = 1 << 30;

/// Where the directions of a weight file are looked for: `faces.safetensors` has them in
/// `faces.attributes.safetensors`.
pub fn path_beside(weights: &Path) -> PathBuf {
    weights.with_extension("attributes.safetensors")
}

/// The contents of an attributes file.
#[derive(Clone, Debug)]
pub struct AttributesFile {
    /// Configuration of the model that they belong to.
    pub config: GlowConfig,
    /// Its fingerprint; `None` in older files.
    pub fingerprint: Option<Fingerprint>,
    /// The directions.
    pub directions: Directions,
}

/// A direction as its metadata has it.
#[derive(Serialize, Deserialize)]
struct StoredDirection {
    name: String,
    center: f32,
    range: [f32; 2],
    #[serde(flatten)]
    figures: Figures,
}

/// Reads an attributes file.
///
/// Errors: every way in which the file can differ from what its configuration implies.
pub fn read(path: &Path) -> Result<AttributesFile, FormatError> {
    from_bytes(&read_bytes(path, MAX_BYTES)?, path)
}

/// Reads the directions for a model of this configuration: an attributes file, of whichever model it says, or a NumPy array,
/// which says nothing and must be of the model's shape.
///
/// Errors: as [`read`].
pub fn read_for(path: &Path, config: &GlowConfig) -> Result<AttributesFile, FormatError> {
    let mut file = RegularFile::new(path, MAX_BYTES)?;
    let start = file.next(16)?;
    if !npy::is_npy(&start) {
        return read(path);
    }
    let directions = npy::directions(&file.rest(start)?, path, config)?;
    Ok(AttributesFile {
        config: config.clone(),
        // A plain array of numbers says nothing of its model.
        fingerprint: None,
        directions,
    })
}

/// Reads an attributes file that is already in memory; `path` is for messages.
///
/// Errors: as [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<AttributesFile, FormatError> {
    let file = TensorFile::parse(path, bytes, &[FORMAT])?;
    let config = file.config()?;
    let fingerprint = file.fingerprint()?;
    let shape = config.latent_shape();
    let entries: Vec<StoredDirection> = file.json("directions")?;
    let mut list = Vec::with_capacity(entries.len());
    for entry in entries {
        let invalid = |reason: &str| {
            let reason = format!("is not valid (\"{}\": {reason})", entry.name);
            file.metadata_error("directions", &reason)
        };
        // Before any allocation: a list that repeats one name would otherwise cost memory for nothing.
        if list.iter().any(|d: &Direction| d.name == entry.name) {
            return Err(invalid("the name is there twice"));
        }
        if entry.name.is_empty() {
            return Err(invalid("the name is empty"));
        }
        if !entry.center.is_finite() {
            return Err(invalid("the center must be a number"));
        }
        let [low, high] = entry.range;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(invalid("the range must be two numbers, the lower first"));
        }
        let mut vector = Latent::zeros(&shape);
        for (l, level) in vector.levels.iter_mut().enumerate() {
            let shape = [level.channels, level.side, level.side];
            level.data = file.f32s(&format!("{}.{l}", entry.name), &shape)?;
        }
        list.push(Direction {
            name: entry.name,
            vector,
            center: entry.center,
            range: entry.range,
            figures: entry.figures,
        });
    }
    let directions = Directions::new(list)
        .map_err(|e| file.metadata_error("directions", &format!("is not valid ({e})")))?;
    Ok(AttributesFile {
        config,
        fingerprint,
        directions,
    })
}

/// Writes an attributes file, replacing an older one atomically.
///
/// Half precision is enough for a direction. Errors: directions of another shape than the configuration's, values that
/// cannot be held, the system's.
pub fn write(
    path: &Path,
    config: &GlowConfig,
    fingerprint: Option<Fingerprint>,
    directions: &Directions,
    precision: Precision,
) -> Result<(), FormatError> {
    let unwritable = |name: &str, reason: &str| FormatError::Unwritable {
        reason: format!("direction \"{name}\" {reason}"),
        path: path.to_owned(),
    };
    let shape = config.latent_shape();
    let (mut tensors, mut entries) = (Vec::new(), Vec::new());
    for d in directions.as_slice() {
        if !d.vector.fits(&shape) {
            return Err(unwritable(&d.name, "has another model's shape"));
        }
        for (l, e) in d.vector.levels.iter().enumerate() {
            let (name, shape) = (format!("{}.{l}", d.name), vec![e.channels, e.side, e.side]);
            let tensor = OutTensor::checked(&name, shape, &e.data, precision, path)?;
            tensors.push((name, tensor));
        }
        entries.push(StoredDirection {
            name: d.name.clone(),
            center: d.center,
            range: d.range,
            figures: d.figures.clone(),
        });
    }
    let mut metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("config".to_owned(), json(config, path)?),
        ("directions".to_owned(), json(&entries, path)?),
    ]);
    if let Some(fingerprint) = fingerprint {
        metadata.insert("fingerprint".to_owned(), fingerprint.to_string());
    }
    write_tensors(path, tensors, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::temperature::sample;
    use crate::latent::tests::tiny_config;

    #[test]
    fn directions_lie_beside_their_weights() {
        let path = path_beside(Path::new("models/my.faces.safetensors"));
        assert_eq!(path, Path::new("models/my.faces.attributes.safetensors"));
    }

    fn directions() -> Directions {
        let one = |name: &str, index: u32| Direction {
            name: name.to_owned(),
            vector: sample(&tiny_config().latent_shape(), 4, index),
            center: 0.5,
            range: [-2.0, 3.5],
            figures: Figures {
                auc: Some(0.875),
                counts: [10, 20],
                held_out: 7,
                method: "linear classifier".to_owned(),
                ..Figures::default()
            },
        };
        // A name with a dot and a level in it must not be taken for another's tensor.
        Directions::new(vec![one("smile", 0), one("smile.1", 1)]).unwrap()
    }

    #[test]
    fn written_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attributes.safetensors");
        let config = tiny_config();
        write(&path, &config, None, &directions(), Precision::F32).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.config, config);
        assert_eq!(found.directions.as_slice(), directions().as_slice());

        write(&path, &config, None, &directions(), Precision::F16).unwrap();
        let found = read(&path).unwrap();
        for (a, b) in found
            .directions
            .as_slice()
            .iter()
            .zip(directions().as_slice())
        {
            assert_eq!(
                (&a.name, &a.figures, a.range),
                (&b.name, &b.figures, b.range)
            );
            let pairs = a.vector.iter().zip(b.vector.iter());
            assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 0.002);
        }
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attributes.safetensors");
        let attempt = |entries: &str| {
            let metadata = HashMap::from([
                ("format".to_owned(), FORMAT.to_owned()),
                (
                    "config".to_owned(),
                    serde_json::to_string(&tiny_config()).unwrap(),
                ),
                ("directions".to_owned(), entries.to_owned()),
            ]);
            let values = std::iter::repeat_n(1.0, 96);
            let tensor = OutTensor::f32(vec![6, 4, 4], values);
            write_tensors(&path, vec![("a.0".to_owned(), tensor)], metadata).unwrap();
            read(&path).unwrap_err().to_string()
        };
        let text = attempt(r#"[{"name":"a","center":0,"range":[-1,1]}]"#);
        assert!(text.contains("\"a.1\" is missing"), "{text}");
        let text = attempt(r#"[{"name":"a","center":0,"range":[1,-1]}]"#);
        assert!(text.contains("range"), "{text}");
        let text = attempt(r#"[{"name":"","center":0,"range":[-1,1]}]"#);
        assert!(text.contains("empty"), "{text}");
        let text = attempt(r#"[{"center":0}]"#);
        assert!(text.contains("name"), "{text}");
    }
}
