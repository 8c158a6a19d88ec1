//! What documents are made of: pictures by name, and the shelf's rows. The rest of a document is the screens' own.

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use super::screens::{Desks, Document};
use crate::engine::message::{CropSquare, ItemId, Recipe};

/// A recipe and what people call it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// What is drawn.
    pub recipe: Recipe,
    /// What it is called.
    pub label: String,
}

/// A row of the shelf; the picture itself is in [`State::items`](super::state::State::items).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShelfEntry {
    /// Its id.
    pub id: ItemId,
    /// What it is called.
    pub name: String,
    /// How its photo is framed; `None` until that is decided, and for what is no photo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropSquare>,
}

impl ShelfEntry {
    /// The picture on this row.
    pub fn named(&self) -> Named {
        Named {
            recipe: Recipe::Item(self.id),
            label: self.name.clone(),
        }
    }
}

/// A file as people call it.
pub(super) fn name_of_path(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}
