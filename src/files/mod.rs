//! Files: weights, latents and attribute directions as safetensors, and what their readers share.

pub mod attributes;
pub mod error;
pub mod exact;
pub mod import;
pub mod latents;
pub mod outward;
pub mod shipped;
mod tensors;
pub mod weights;

pub use error::FormatError;
