//! The worker thread: it owns the model, the device and every latent.

pub mod message;
