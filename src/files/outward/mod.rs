//! Our models as files of other programs: rosinality's state dict, and ONNX.

mod onnx;
mod rosinality;
mod torch;

use std::io::Write as _;
use std::path::Path;

use super::FormatError;
use crate::export;
use crate::model::params::Params;

/// What a model can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A state dict of rosinality/glow-pytorch.
    Rosinality,
    /// ONNX: from the eps of each level and a temperature to a picture.
    Onnx,
}

/// What people need to know to use the file.
pub fn hint(params: &Params, target: Target) -> String {
    match target {
        Target::Rosinality => format!("{} takes it", rosinality::constructor(params)),
        Target::Onnx => {
            let levels = params.config.levels;
            let last = levels - 1;
            let eps = if levels == 1 {
                "eps.0".to_owned()
            } else {
                format!("eps.0 (finest) to eps.{last}")
            };
            let condition = match params.config.variant.condition {
                0 => String::new(),
                values => format!(", condition [n, {values}]"),
            };
            format!("from {eps}, each [n, c, h, w], and temperature{condition} to x")
        }
    }
}

/// Writes `params` as a file of another program.
///
/// Errors: a model that the program cannot express, with the reason; the system's.
pub fn write(path: &Path, params: &Params, target: Target) -> Result<(), FormatError> {
    let bytes = match target {
        Target::Rosinality => rosinality::bytes(params),
        Target::Onnx => onnx::bytes(params),
    };
    let bytes = bytes.map_err(|reason| FormatError::Unwritable {
        reason,
        path: path.to_owned(),
    })?;
    Ok(export::write_atomically(path, |file| {
        file.write_all(&bytes)
    })?)
}
