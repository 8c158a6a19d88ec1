//! Pictures that this program wrote, opened again: their settings say what they were made of.

use super::apply::mentions_any;
use super::state::{LogLevel, Named, Selection, State, Tab};
use crate::engine::message::{Command, ItemId, PictureSource, Recipe};
use crate::recipe::PictureSettings;

/// Pictures that are pinned one by one where nothing else fits.
const MAX_PINS: usize = 16;

impl State {
    /// Brings back what a picture was made of, or imports it as any other picture.
    pub(super) fn inquired(
        &mut self,
        item: ItemId,
        path: std::path::PathBuf,
        settings: Option<&str>,
    ) -> Vec<Command> {
        if !self.items.contains_key(&item) {
            return Vec::new(); // cancelled meanwhile
        }
        let name = super::document::name_of_path(&path);
        let settings = settings.and_then(PictureSettings::from_json);
        let as_picture = Command::Import {
            item,
            source: PictureSource::Path(path),
            crop: None,
        };
        let Some(settings) = settings else {
            return vec![as_picture];
        };
        if settings.recipes.iter().any(mentions_any) {
            let from: Vec<&str> = settings.items.values().map(String::as_str).collect();
            let text = format!(
                "{name} was made from pictures that it does not carry ({}); it is opened as a picture. File > Save session keeps everything",
                from.join(", ")
            );
            self.log(LogLevel::Notice, text);
            return vec![as_picture];
        }
        self.drop_items(&[item]);
        let (what, commands) = self.remake(&settings, &name);
        let with = match &self.live.model {
            Some(open) if open.name != settings.model => {
                format!("; it was made with another model, {}", settings.model)
            }
            _ => String::new(),
        };
        self.log(
            LogLevel::Done,
            format!("brought back {what} of {name}{with}"),
        );
        commands
    }

    fn remake(&mut self, settings: &PictureSettings, name: &str) -> (&'static str, Vec<Command>) {
        let made = |tab: &Tab| tab.screen().remake(self, settings, name);
        if let Some(what) = Tab::ALL.iter().find_map(made) {
            return (what, Vec::new());
        }
        let pins = settings.recipes.iter().take(MAX_PINS).map(|recipe| Named {
            recipe: recipe.clone(),
            label: label_of(recipe, name),
        });
        let pins: Vec<Named> = pins.collect();
        let commands = pins.into_iter().map(|named| self.pin(named)).collect();
        if let Some(entry) = self.doc.shelf.last() {
            self.selection = Selection::Item(entry.id);
        }
        ("the latents", commands)
    }

    /// Opens a screen at one of its pictures.
    pub(super) fn show(&mut self, tab: Tab, selection: Selection) {
        self.tab = tab;
        self.selection = selection;
        tab.screen().escape(self);
    }
}

/// What people call a recipe out of a file.
pub(super) fn label_of(recipe: &Recipe, name: &str) -> String {
    match recipe {
        Recipe::Sample { seed, index } => format!("Seed {seed} · {}", index.saturating_add(1)),
        Recipe::Scaled { base, .. } | Recipe::Given { base, .. } => label_of(base, name),
        Recipe::Edited { base, .. } => format!("{}, edited", label_of(base, name)),
        Recipe::Varied { base, .. } => format!("Like {}", label_of(base, name)),
        Recipe::Mixed { a, b, .. } => format!("{} with {}", label_of(a, name), label_of(b, name)),
        Recipe::Item(_) | Recipe::Morph { .. } => name.to_owned(),
    }
}
