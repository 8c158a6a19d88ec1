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
mod support;
mod training;
