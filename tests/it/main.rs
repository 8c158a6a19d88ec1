//! The one integration binary.

mod agreement;
mod cli;
mod flows;
mod support;
