//! Files: weights, latents, attribute directions.

pub mod attributes;
pub mod error;
pub mod latents;
mod tensors;
pub mod weights;

pub use error::FormatError;
