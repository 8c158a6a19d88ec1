//! The one integration binary.

mod agreement;
mod flows;
mod oracle;
mod support;
