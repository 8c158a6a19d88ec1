//! What documents are made of: pictures by name, and the shelf's rows. The rest of a document is the screens' own.

use serde::{Deserialize, Serialize};

pub use super::screens::{Desks, Document};
use crate::engine::message::{ItemId, Recipe};

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
