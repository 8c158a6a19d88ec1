//! What the edit screen remembers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::photo::Look;
use crate::app::document::Named;
use crate::engine::message::{AttributeEdit, PhotoPart, Recipe};

/// The edit tab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditTab {
    /// What is edited.
    pub base: Option<Named>,
    /// Sliders that are not at zero.
    pub amounts: BTreeMap<String, f32>,
    /// Whether other attributes stay as they are.
    pub keep_others: bool,
    /// Factor on the result's eps.
    pub temperature: f32,
}

impl Default for EditTab {
    fn default() -> Self {
        Self {
            base: None,
            amounts: BTreeMap::new(),
            keep_others: false,
            temperature: 1.0,
        }
    }
}

impl EditTab {
    /// The edited picture.
    pub fn result(&self) -> Option<Named> {
        let base = self.base.as_ref()?;
        let mut recipe = base.recipe.clone();
        if !self.amounts.is_empty() {
            recipe = Recipe::Edited {
                base: Box::new(recipe),
                edits: self
                    .amounts
                    .iter()
                    .map(|(name, &amount)| AttributeEdit {
                        name: name.clone(),
                        amount,
                    })
                    .collect(),
                keep_others: self.keep_others,
            };
        }
        if self.temperature != 1.0 {
            recipe = Recipe::Scaled {
                base: Box::new(recipe),
                temperature: vec![self.temperature],
            };
        }
        let label = if recipe == base.recipe {
            base.label.clone()
        } else {
            format!("{}, edited", base.label)
        };
        Some(Named { recipe, label })
    }
}

/// What lies about on the edit screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditDesk {
    /// Text in the search box.
    #[serde(skip)]
    pub search: String,
    /// Whether the picture before the edit is shown.
    #[serde(skip)]
    pub before: bool,
    /// Whether the base stays when another picture is selected on the shelf.
    pub locked: bool,
    /// Attributes that stand first.
    pub favourites: BTreeSet<String>,
    /// Attributes whose sliders stay where they are, whatever is reset.
    pub held: BTreeSet<String>,
    /// Where the picture before the edit ends and that after it begins, 0 to 1, while the two are wiped.
    #[serde(skip)]
    pub wipe: Option<f32>,
    /// Whether the whole photo is shown with the edit in it.
    #[serde(skip)]
    pub photo: bool,
    /// What of the photo is looked at.
    #[serde(skip)]
    pub look: Option<Look>,
    /// The part of the photo that this comes to.
    #[serde(skip)]
    pub part: Option<PhotoPart>,
}
