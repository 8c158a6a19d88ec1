//! Files: weights, latents and attribute directions as safetensors, and the one reader and writer of all.

pub mod attributes;
pub mod error;
pub mod exact;
pub mod import;
pub mod latents;
pub mod outward;
pub mod shipped;
pub mod tensors;
pub mod weights;

pub use error::FormatError;
pub use tensors::Precision;
