//! glow-explorer: Glow (Kingma & Dhariwal 2018), an invertible generative network, explored by hand.

pub mod data;
pub mod engine;
pub mod formats;
pub mod latent;
pub mod model;
