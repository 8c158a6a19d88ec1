//! Model inputs and outputs as plain numbers, for people who compare implementations: safetensors with a tensor `x`
//! `[n, c, h, w]` in the model's own range, about -0.5..0.5. No bins, no noise, no rounding.

use std::collections::HashMap;
use std::path::Path;

use super::FormatError;
use super::tensors::{OutTensor, TensorFile, read_bytes, shape_text, write_tensors};
use crate::model::GlowConfig;

/// 4 GiB: above 80,000 pictures of 64 pixels.
const MAX_BYTES: u64 = 4 << 30;

/// The name of the tensor.
const NAME: &str = "x";

/// The inputs in a file, each `[c, h, w]`; F32, F64, F16 or BF16, from any program.
///
/// Errors: no safetensors file, no tensor `x`, another shape than the model's, or numbers that are not finite.
pub fn read(path: &Path, config: &GlowConfig) -> Result<Vec<Vec<f32>>, FormatError> {
    from_bytes(&read_bytes(path, MAX_BYTES)?, path, config)
}

/// The same of a file that is in memory; `path` is for messages.
///
/// Errors: as [`read`].
pub fn from_bytes(
    bytes: &[u8],
    path: &Path,
    config: &GlowConfig,
) -> Result<Vec<Vec<f32>>, FormatError> {
    let file = TensorFile::of_any_format(path, bytes)?;
    let (c, size) = (config.channels, config.image_size);
    let found = file.find(NAME);
    let shape = match found.as_ref().map(|x| x.shape()) {
        Some(&[n, ref rest @ ..]) if n > 0 && *rest == [c, size, size] => [n, c, size, size],
        other => {
            let found = other.map_or("missing".to_owned(), shape_text);
            let expected = format!("shape [n, {c}, {size}, {size}] of floats");
            return Err(file.tensor_error(NAME, &found, &expected));
        }
    };
    let numbers = file.f32s(NAME, &shape)?;
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
