//! Training: gradients in constant memory, the optimiser, the loop.

pub mod backward;
pub mod checkpoint;
pub mod config;
pub mod engine;
pub mod init;
pub mod optimizer;
pub mod trainer;
pub mod unfold;
