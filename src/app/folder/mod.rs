//! A folder's pictures on their way to the shelf: how far they are, and what was left out and why.

mod arrive;

use std::path::PathBuf;

use crate::engine::message::ItemId;

/// Pictures of a folder that come onto the shelf without a question.
pub const ASKED_ABOVE: usize = 200;

/// Pictures of one folder on their way.
#[derive(Clone, Debug)]
pub(super) struct FolderImport {
    folder: PathBuf,
    items: Vec<ItemId>,
    /// Those that have neither a latent nor an error yet are these, or some of them.
    waiting: Vec<ItemId>,
    /// What was left out, and why.
    left_out: Vec<String>,
    cancelled: bool,
}
