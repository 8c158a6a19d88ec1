//! The models that come with the program, inside its binary, so that they work from anywhere.

use std::path::{Path, PathBuf};

use super::FormatError;
use super::attributes::{self, AttributesFile};
use super::weights::{self, WeightFile};

/// A model that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct ShippedModel {
    /// Its name, by which it is opened where no file has that name: `faces-64`.
    pub name: &'static str,
    /// Its name as people see it: `faces-64 (shipped)`.
    pub label: &'static str,
    /// What sets it apart, in a sentence.
    pub about: &'static str,
    /// The weight file.
    pub weights: &'static [u8],
    /// The directions.
    pub attributes: &'static [u8],
}

/// All of them; the first is opened where no model is named.
pub static MODELS: [ShippedModel; 2] = [
    ShippedModel {
        name: "faces-128",
        label: "faces-128 (shipped)",
        about: "Faces of 128 pixels in 8 bits: a photo goes in as it is",
        weights: include_bytes!("../../weights/faces-128.safetensors"),
        attributes: include_bytes!("../../weights/faces-128.attributes.safetensors"),
    },
    ShippedModel {
        name: "faces-64",
        label: "faces-64 (shipped)",
        about: "Faces of 64 pixels in 5 bits: smaller and quicker; a photo loses its fine shades",
        weights: include_bytes!("../../weights/faces-64.safetensors"),
        attributes: include_bytes!("../../weights/faces-64.attributes.safetensors"),
    },
];

/// The model that is opened where none is named.
pub fn usual() -> &'static ShippedModel {
    &MODELS[0]
}

/// The shipped model of that name, where it is no file's.
pub fn named(path: &Path) -> Option<&'static ShippedModel> {
    let found = MODELS.iter().find(|model| Path::new(model.name) == path);
    found.filter(|_| !path.exists())
}

impl ShippedModel {
    /// Reads its weights.
    ///
    /// Errors: only in a program that was built from a damaged file.
    pub fn weights(&self) -> Result<WeightFile, FormatError> {
        weights::from_bytes(self.weights, Path::new(self.label))
    }

    /// Reads its directions.
    ///
    /// Errors: only in a program that was built from a damaged file.
    pub fn attributes(&self) -> Result<AttributesFile, FormatError> {
        attributes::from_bytes(self.attributes, Path::new(self.label))
    }
}

/// Where the directions of a weight file are looked for: `faces.attributes.safetensors` beside
/// `faces.safetensors`.
pub fn attributes_beside(weights: &Path) -> PathBuf {
    weights.with_extension("attributes.safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_belong_together() {
        for shipped in &MODELS {
            let model = shipped.weights().unwrap();
            let attributes = shipped.attributes().unwrap();
            assert_eq!(model.params.config, attributes.config, "{}", shipped.name);
            assert!(!attributes.directions.as_slice().is_empty());
            assert!(shipped.label.starts_with(shipped.name));
        }
    }

    #[test]
    fn shipped_models_are_found_by_name() {
        let found = |path: &str| named(Path::new(path)).map(|model| model.name);
        assert_eq!(found("faces-64"), Some("faces-64"));
        assert_eq!(found("models/faces-64"), None);
        assert_eq!(found("faces-64.safetensors"), None);
    }

    #[test]
    fn directions_lie_beside_their_weights() {
        let path = attributes_beside(Path::new("models/my.faces.safetensors"));
        assert_eq!(path, Path::new("models/my.faces.attributes.safetensors"));
    }
}
