//! Training: gradients in constant memory, the optimiser, the loop.

pub mod backward;
pub mod init;
pub mod unfold;
