//! glow-explorer: Glow (Kingma & Dhariwal 2018), an invertible generative network, explored by hand.

#[cfg(feature = "gui")]
pub mod app;
pub mod data;
pub mod engine;
pub mod model;
