//! The one integration binary.

mod agreement;
mod cases;
mod cli;
mod device;
mod flows;
mod foreign;
mod lab;
mod layers;
mod oracle;
#[cfg(feature = "mpi")]
mod ranks;
mod support;
mod training;
