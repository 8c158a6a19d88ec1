//! Training: gradients in constant memory, the optimiser, the loop.

pub mod backward;
pub mod checkpoint;
pub mod config;
pub mod error;
pub mod estimate;
pub mod gradients;
pub mod init;
pub mod optimizer;
pub mod run;
pub mod trainer;
pub mod unfold;
