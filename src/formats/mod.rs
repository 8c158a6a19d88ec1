//! Files: latents and attribute directions as safetensors, and what their readers share.

pub mod attributes;
pub mod error;
pub mod latents;
mod tensors;

pub use error::FormatError;
