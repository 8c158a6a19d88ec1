//! Training: gradients in constant memory, the optimiser, the loop.

pub mod backward;
pub mod engine;
pub mod init;
pub mod optimizer;
pub mod unfold;
