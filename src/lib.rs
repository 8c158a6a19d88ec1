//! glow-explorer: Glow (Kingma & Dhariwal 2018), an invertible generative network, explored by hand.

#[cfg(feature = "gui")]
pub mod app;
pub mod bench;
pub mod cli;
pub mod data;
pub mod engine;
pub mod export;
pub mod flow;
pub mod formats;
pub mod kernels;
pub mod lab;
pub mod latent;
mod lru;
pub mod model;
pub mod noise;
pub mod train;
