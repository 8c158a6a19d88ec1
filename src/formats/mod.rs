//! Files: weights, latents and attribute directions as safetensors, and what their readers share.

pub mod attributes;
pub mod error;
pub mod latents;
mod tensors;
pub mod weights;

pub use error::FormatError;
