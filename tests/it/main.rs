//! The one integration binary.

mod agreement;
mod cli;
mod flows;
mod oracle;
mod support;
