//! Training: gradients in constant memory, the optimiser, the loop.

pub mod backward;
pub mod chain;
pub mod checkpoint;
pub mod config;
pub mod device;
pub mod error;
pub mod estimate;
mod feed;
pub mod gradients;
pub mod init;
pub mod optimizer;
pub mod order;
mod part;
pub mod prepare;
pub mod ranks;
pub mod reduce;
pub mod run;
#[cfg(test)]
mod tests;
pub mod trainer;
pub mod unfold;
