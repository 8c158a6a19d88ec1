//! Files: weights, latents, attribute directions.

pub mod weights;
