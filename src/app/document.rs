//! What undo brings back: the tabs' own data, and the shelf's rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::message::{AttributeEdit, CropSquare, ItemId, PathKind, Recipe};

/// Temperature on first start: where faces look best.
pub const DEFAULT_TEMPERATURE: f32 = 0.7;
/// Most keyframes of a morph.
pub const MAX_KEYS: usize = 8;

/// A recipe and what people call it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// What is drawn.
    pub recipe: Recipe,
    /// What it is called.
    pub label: String,
}

/// "More like this": the grid shows variations of one picture instead of fresh samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    /// What is varied. It stays in the first cell.
    pub base: Named,
    /// How far the variations go.
    pub amount: f32,
}

/// The sample tab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleTab {
    /// Seed of the grid.
    pub seed: u64,
    /// Temperature of all levels.
    pub temperature: f32,
    /// Whether each level has its own.
    pub per_level: bool,
    /// Temperatures of the levels, finest first, used where `per_level` holds.
    pub level_temperatures: Vec<f32>,
    /// Those of levels that the open model does not have, for one that does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_temperatures: Vec<f32>,
    /// Columns of the grid.
    pub columns: u32,
    /// Rows of the grid.
    pub rows: u32,
    /// Variations of one picture, where they are shown.
    pub variation: Option<Variation>,
}

impl Default for SampleTab {
    fn default() -> Self {
        Self {
            seed: 1,
            temperature: DEFAULT_TEMPERATURE,
            per_level: false,
            level_temperatures: Vec::new(),
            further_temperatures: Vec::new(),
            columns: 6,
            rows: 4,
            variation: None,
        }
    }
}

impl SampleTab {
    /// Cells of the grid.
    pub fn n_cells(&self) -> u32 {
        self.columns * self.rows
    }

    /// Takes note of how many levels the open model has.
    pub fn fit_levels(&mut self, levels: usize) {
        self.level_temperatures
            .append(&mut self.further_temperatures);
        if self.level_temperatures.len() < levels {
            self.level_temperatures.resize(levels, self.temperature);
        }
        self.further_temperatures = self.level_temperatures.split_off(levels);
    }

    /// The temperature as a recipe wants it: one for all levels, or one each.
    pub fn temperatures(&self) -> Vec<f32> {
        if self.per_level && !self.level_temperatures.is_empty() {
            self.level_temperatures.clone()
        } else {
            vec![self.temperature]
        }
    }

    /// What a cell shows.
    pub fn cell(&self, index: u32) -> Named {
        match &self.variation {
            Some(variation) if index == 0 => variation.base.clone(),
            Some(variation) => Named {
                recipe: Recipe::Varied {
                    base: Box::new(variation.base.recipe.clone()),
                    // Neighbouring seeds must not share pictures, so the cell has its own digits.
                    seed: self
                        .seed
                        .wrapping_mul(1 << 16)
                        .wrapping_add(u64::from(index)),
                    amount: variation.amount,
                },
                label: format!("Like {} · {index}", variation.base.label),
            },
            None => Named {
                recipe: Recipe::Scaled {
                    base: Box::new(Recipe::Sample {
                        seed: self.seed,
                        index,
                    }),
                    temperature: self.temperatures(),
                },
                label: format!("Seed {} · {}", self.seed, index + 1),
            },
        }
    }
}

/// The morph tab, without the position on its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MorphTab {
    /// Keyframes; a slot may be empty.
    pub keys: Vec<Option<Named>>,
    /// Straight or spherical.
    pub path: PathKind,
    /// Pictures in the filmstrip.
    pub steps: u32,
}

impl Default for MorphTab {
    fn default() -> Self {
        Self {
            keys: vec![None, None],
            path: PathKind::Spherical,
            steps: 9,
        }
    }
}

impl MorphTab {
    /// Keyframes that are set, where there are at least two.
    pub fn path_keys(&self) -> Option<Vec<Recipe>> {
        let keys: Vec<Recipe> = self
            .keys
            .iter()
            .flatten()
            .map(|k| k.recipe.clone())
            .collect();
        (keys.len() >= 2).then_some(keys)
    }

    /// The point of the path at `t`.
    pub fn at(&self, t: f32) -> Option<Named> {
        Some(Named {
            recipe: Recipe::Morph {
                keys: self.path_keys()?,
                t,
                path: self.path,
            },
            label: format!("Morph at {t:.3}"),
        })
    }

    /// `t` of a picture of the filmstrip.
    pub fn t_of_step(&self, step: u32) -> f32 {
        step as f32 / (self.steps.max(2) - 1) as f32
    }
}

/// `A`, `B`, ... of a keyframe.
pub fn slot_name(slot: usize) -> char {
    char::from(b'A' + (slot % 26) as u8)
}

/// What happens at the end of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlayMode {
    /// Begin again.
    Loop,
    /// Turn round.
    #[default]
    PingPong,
    /// Stop.
    Once,
}

impl PlayMode {
    /// All modes, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::PingPong, Self::Loop, Self::Once];

    /// Name in the menu.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loop => "Loop",
            Self::PingPong => "Ping-pong",
            Self::Once => "Once",
        }
    }
}

/// Where the morph stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Playback {
    /// 0 at the first, 1 at the last keyframe.
    pub t: f32,
    /// Whether it runs.
    #[serde(skip)]
    pub playing: bool,
    /// What happens at the end.
    pub mode: PlayMode,
    /// Whether it runs backwards.
    #[serde(skip)]
    pub backwards: bool,
    /// Seconds from the first keyframe to the last.
    pub seconds: f32,
}

impl Default for Playback {
    fn default() -> Self {
        Self {
            t: 0.5,
            playing: false,
            mode: PlayMode::PingPong,
            backwards: false,
            seconds: 4.0,
        }
    }
}

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

/// Everything that undo brings back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// The sample tab.
    pub sample: SampleTab,
    /// The morph tab.
    pub morph: MorphTab,
    /// The edit tab.
    pub edit: EditTab,
    /// The shelf, top to bottom.
    pub shelf: Vec<ShelfEntry>,
}
