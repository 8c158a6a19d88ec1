//! The one integration binary.

mod agreement;
mod cli;
mod device;
mod flows;
mod lab;
mod oracle;
mod support;
