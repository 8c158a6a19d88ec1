//! The model that comes with the program, inside its binary, so that it works from anywhere.

use std::path::{Path, PathBuf};

use super::FormatError;
use super::attributes::{self, AttributesFile};
use super::weights::{self, WeightFile};

/// Name of the model.
pub const NAME: &str = "faces-64";

/// The model's name as people see it.
pub const LABEL: &str = "faces-64 (shipped)";

/// The weight file.
pub const WEIGHTS: &[u8] = include_bytes!("../../weights/faces-64.safetensors");
/// The directions.
pub const ATTRIBUTES: &[u8] = include_bytes!("../../weights/faces-64.attributes.safetensors");

/// Reads the shipped weights.
///
/// Errors: only in a program that was built from a damaged file.
pub fn weights() -> Result<WeightFile, FormatError> {
    weights::from_bytes(WEIGHTS, Path::new(LABEL))
}

/// Reads the directions of the shipped model.
///
/// Errors: only in a program that was built from a damaged file.
pub fn attributes() -> Result<AttributesFile, FormatError> {
    attributes::from_bytes(ATTRIBUTES, Path::new(LABEL))
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
        let model = weights().unwrap();
        let attributes = attributes().unwrap();
        assert_eq!(model.params.config, attributes.config);
        assert!(!attributes.directions.as_slice().is_empty());
    }

    #[test]
    fn directions_lie_beside_their_weights() {
        let path = attributes_beside(Path::new("models/my.faces.safetensors"));
        assert_eq!(path, Path::new("models/my.faces.attributes.safetensors"));
    }
}
