//! The models that come with the program, inside its binary, so that they work from anywhere.

use std::path::Path;

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

/// What a name given by a person, or none, stands for.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// A model of the program.
    Shipped(&'static ShippedModel),
    /// A file.
    File(&'a Path),
}

/// The usual model where none is named; the shipped model of that name where it is no file's; else the file.
pub fn choose(path: Option<&Path>) -> Choice<'_> {
    let Some(path) = path else {
        return Choice::Shipped(usual());
    };
    let found = MODELS.iter().find(|model| Path::new(model.name) == path);
    match found.filter(|_| !path.exists()) {
        Some(model) => Choice::Shipped(model),
        None => Choice::File(path),
    }
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
        let found = |path: Option<&str>| match choose(path.map(Path::new)) {
            Choice::Shipped(model) => Ok(model.name),
            Choice::File(path) => Err(path.to_str().unwrap().to_owned()),
        };
        assert_eq!(found(None), Ok(usual().name));
        assert_eq!(found(Some("faces-64")), Ok("faces-64"));
        for file in ["models/faces-64", "faces-64.safetensors"] {
            assert_eq!(found(Some(file)), Err(file.to_owned()));
        }
    }
}
