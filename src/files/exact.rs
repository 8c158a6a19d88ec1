//! Model inputs and outputs as plain numbers, for people who compare implementations: safetensors with a tensor `x`
//! `[n, c, h, w]` in the model's own range, about -0.5..0.5. No bins, no noise, no rounding.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::FormatError;
use super::tensors::{OutTensor, read_bounded, shape_text, write_tensors};
use crate::model::GlowConfig;

/// The name of the tensor.
const NAME: &str = "x";

/// The inputs in a file, each `[c, h, w]`; F32, F64, F16 or BF16, from any program.
///
/// Errors: no safetensors file, no tensor `x`, another shape than the model's, or numbers that are not finite.
pub fn read(path: &Path, config: &GlowConfig) -> Result<Vec<Vec<f32>>, FormatError> {
    let bytes = read_bounded(path, 4 << 30)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| FormatError::NotSafetensors {
        reason: e.to_string(),
        path: path.to_owned(),
    })?;
    let (c, size) = (config.channels, config.image_size);
    let wrong = |found: String| FormatError::Tensor {
        name: NAME.to_owned(),
        found,
        expected: format!("shape [n, {c}, {size}, {size}] of floats"),
        path: path.to_owned(),
    };
    let x = tensors
        .tensor(NAME)
        .map_err(|_| wrong("missing".to_owned()))?;
    match x.shape() {
        [n, rest @ ..] if *n > 0 && rest == [c, size, size] => {}
        other => return Err(wrong(shape_text(other))),
    }
    let numbers: Vec<f32> = match x.dtype() {
        Dtype::F64 => (x.data().as_chunks::<8>().0.iter())
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        Dtype::F32 | Dtype::F16 | Dtype::BF16 => {
            super::weights::widened(&x).ok_or_else(|| wrong(format!("{:?}", x.dtype())))?
        }
        other => return Err(wrong(format!("{other:?}"))),
    };
    let bad = |v: &&f32| !v.is_finite();
    if let Some(first) = numbers.iter().position(|v| !v.is_finite()) {
        return Err(FormatError::NotFinite {
            name: NAME.to_owned(),
            count: numbers.iter().filter(bad).count(),
            first,
            path: path.to_owned(),
        });
    }
    Ok(numbers
        .chunks_exact(config.dims())
        .map(<[f32]>::to_vec)
        .collect())
}

/// Writes outputs, each `[c, h, w]`, as they are.
///
/// Errors: the system's.
pub fn write(path: &Path, config: &GlowConfig, x: &[Vec<f32>]) -> Result<(), FormatError> {
    let shape = vec![
        x.len(),
        config.channels,
        config.image_size,
        config.image_size,
    ];
    let tensor = OutTensor::f32(shape, x.iter().flatten().copied());
    write_tensors(path, vec![(NAME.to_owned(), tensor)], HashMap::new())
}
