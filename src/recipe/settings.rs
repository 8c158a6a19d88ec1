//! How a picture came about, as the file that holds it carries it: read back by the window, and by people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Items, Recipe, RecipeError, items_of};

/// The `format` of [`PictureSettings`].
pub const SETTINGS_FORMAT: &str = "glow-explorer-settings/1";

/// The settings that a PNG or a latents file carries, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureSettings {
    /// [`SETTINGS_FORMAT`].
    pub format: String,
    /// The command that wrote the file, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The model, for people.
    pub model: String,
    /// What the pictures are, in order.
    pub recipes: Vec<Recipe>,
    /// Names of the items in the recipes.
    #[serde(default)]
    pub items: BTreeMap<u64, String>,
    /// Columns, where the pictures are arranged in a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u32>,
}

impl PictureSettings {
    /// Settings of pictures with these recipes, with the name of every item that they mention.
    ///
    /// Errors: a recipe too deep.
    pub fn new(model: &str, recipes: &[Recipe], items: &dyn Items) -> Result<Self, RecipeError> {
        let mut names = BTreeMap::new();
        for recipe in recipes {
            for id in items_of(recipe)? {
                if let Some(item) = items.ingredient(id) {
                    names.insert(id.0, item.name.to_owned());
                }
            }
        }
        Ok(Self {
            format: SETTINGS_FORMAT.to_owned(),
            command: None,
            model: model.to_owned(),
            recipes: recipes.to_vec(),
            items: names,
            columns: None,
        })
    }

    /// The same, written by a command.
    pub fn by_command(mut self, command: &str) -> Self {
        self.command = Some(command.to_owned());
        self
    }

    /// The same, arranged in a grid of this many columns.
    pub fn in_columns(mut self, columns: Option<u32>) -> Self {
        self.columns = columns;
        self
    }

    /// As text for a file.
    pub fn to_json(&self) -> String {
        // Strings, numbers, lists: nothing of this can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What a file carries, where that is of this program's making and says how a picture came about.
    #[cfg_attr(
        not(feature = "gui"),
        allow(dead_code, reason = "the window alone takes settings back")
    )]
    pub fn from_json(text: &str) -> Option<Self> {
        let settings: Self = serde_json::from_str(text).ok()?;
        (settings.format == SETTINGS_FORMAT && !settings.recipes.is_empty()).then_some(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, ItemId};
    use super::*;
    use crate::latent::Latent;
    use crate::latent::tests::tiny_shape;

    fn recipes() -> Vec<Recipe> {
        let base = Box::new(Recipe::Item(ItemId(1)));
        let varied = Recipe::Varied {
            base,
            seed: 3,
            amount: 0.5,
        };
        vec![varied, Recipe::Sample { seed: 7, index: 2 }]
    }

    #[test]
    fn settings_come_back_with_the_names_that_the_recipes_mention() {
        let latent = Latent::zeros(&tiny_shape());
        let names = ["unused.jpg", "Zoë — 顔.jpg"];
        let inputs: Inputs = names
            .map(|n| (n.to_owned(), latent.clone()))
            .into_iter()
            .collect();
        let settings = PictureSettings::new("faces-64 (shipped)", &recipes(), &inputs).unwrap();
        assert_eq!(settings.items, BTreeMap::from([(1, names[1].to_owned())]));
        for settings in [
            settings.clone(),
            settings.by_command("morph").in_columns(Some(4)),
        ] {
            let read = PictureSettings::from_json(&settings.to_json()).unwrap();
            assert_eq!(read, settings);
        }
    }

    #[test]
    fn what_is_not_settings_of_this_program_is_none() {
        let none = Inputs::default();
        let sound = PictureSettings::new("m", &recipes(), &none).unwrap();
        let text = sound.to_json();
        assert!(PictureSettings::from_json(&text).is_some());
        for other in [
            text.replace("settings/1", "settings/2"),
            text.replace("\"sample\"", "\"simple\""),
            text[..text.len() / 2].to_owned(),
            PictureSettings::new("m", &[], &none).unwrap().to_json(),
            "{\"prompt\":\"a face\"}".to_owned(),
            String::new(),
        ] {
            assert_eq!(PictureSettings::from_json(&other), None, "{other}");
        }
    }
}
