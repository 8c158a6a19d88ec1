//! The one integration binary.

mod agreement;
mod flows;
mod support;
