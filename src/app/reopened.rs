//! Pictures that this program wrote, opened again: their settings say what they were made of.

use super::apply::mentions_any;
use super::state::{LogLevel, Named, Selection, State, Tab, Variation};
use crate::engine::message::{Command, ItemId, PathKind, PictureSource, Recipe};
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
        let name = super::apply::name_of_path(&path);
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
        let recipes = &settings.recipes;
        if let Some((seed, temperature)) = as_samples(recipes) {
            let n = recipes.len() as u32;
            let sample = &mut self.doc.sample;
            sample.seed = seed;
            sample.variation = None;
            sample.per_level = temperature.len() > 1;
            match &temperature[..] {
                [one] => sample.temperature = *one,
                levels => sample.level_temperatures = levels.to_vec(),
            }
            let columns = settings.columns.unwrap_or(sample.columns).clamp(1, 12);
            (sample.columns, sample.rows) = (columns, n.div_ceil(columns));
            self.make_sound();
            self.show(Tab::Sample, Selection::Cell(0));
            return ("the samples", Vec::new());
        }
        if let Some((base, seed, amount)) = as_variations(recipes) {
            self.doc.sample.seed = seed;
            let label = label_of(base, name);
            let base = Named {
                recipe: base.clone(),
                label,
            };
            self.doc.sample.variation = Some(Variation { base, amount });
            self.show(Tab::Sample, Selection::Cell(0));
            return ("the variations", Vec::new());
        }
        if let Some((keys, path)) = as_morph(recipes) {
            let morph = &mut self.doc.morph;
            morph.path = path;
            morph.keys = keys
                .iter()
                .map(|key| {
                    Some(Named {
                        recipe: key.clone(),
                        label: label_of(key, name),
                    })
                })
                .collect();
            if recipes.len() > 1 {
                morph.steps = recipes.len() as u32;
            } else if let Recipe::Morph { t, .. } = &recipes[0] {
                self.playback.t = t.clamp(0.0, 1.0);
            }
            self.make_sound();
            self.show(Tab::Morph, Selection::Morph);
            return ("the morph", Vec::new());
        }
        let pins = recipes.iter().take(MAX_PINS).map(|recipe| Named {
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

    fn show(&mut self, tab: Tab, selection: Selection) {
        self.tab = tab;
        self.selection = selection;
        self.enlarged = false;
    }
}

/// Seed and temperature of a whole grid of samples.
fn as_samples(recipes: &[Recipe]) -> Option<(u64, Vec<f32>)> {
    let part = |recipe: &Recipe| match recipe {
        Recipe::Scaled { base, temperature } => match **base {
            Recipe::Sample { seed, index } => Some((seed, index, temperature.clone())),
            _ => None,
        },
        Recipe::Sample { seed, index } => Some((*seed, *index, vec![1.0])),
        _ => None,
    };
    let (seed, _, temperature) = part(recipes.first()?)?;
    let same = recipes.iter().zip(0u32..).all(|(recipe, i)| {
        part(recipe).is_some_and(|(s, index, t)| s == seed && index == i && t == temperature)
    });
    (same && (2..=144).contains(&recipes.len())).then_some((seed, temperature))
}

/// Base, seed and amount of a grid of variations.
fn as_variations(recipes: &[Recipe]) -> Option<(&Recipe, u64, f32)> {
    let (first, rest) = recipes.split_first()?;
    let part = |recipe: &Recipe| match recipe {
        Recipe::Varied { base, seed, amount } if **base == *first => Some((seed >> 16, *amount)),
        _ => None,
    };
    let found = part(rest.first()?)?;
    let same = rest.iter().all(|recipe| part(recipe) == Some(found));
    same.then_some((first, found.0, found.1))
}

/// Keyframes and path of the steps of a morph.
fn as_morph(recipes: &[Recipe]) -> Option<(&[Recipe], PathKind)> {
    let part = |recipe| match recipe {
        &Recipe::Morph { ref keys, path, .. } => Some((&keys[..], path)),
        _ => None,
    };
    let found = part(recipes.first()?)?;
    let same = recipes.iter().all(|recipe| part(recipe) == Some(found));
    (same && found.0.len() >= 2).then_some(found)
}

fn label_of(recipe: &Recipe, name: &str) -> String {
    match recipe {
        Recipe::Sample { seed, index } => format!("Seed {seed} · {}", index.saturating_add(1)),
        Recipe::Scaled { base, .. } | Recipe::Given { base, .. } => label_of(base, name),
        Recipe::Edited { base, .. } => format!("{}, edited", label_of(base, name)),
        Recipe::Varied { base, .. } => format!("Like {}", label_of(base, name)),
        Recipe::Item(_) | Recipe::Morph { .. } => name.to_owned(),
    }
}
