//! What the sample screen remembers.

use serde::{Deserialize, Serialize};

use crate::app::document::Named;
use crate::engine::message::{Condition, Recipe};

/// Temperature on first start: where faces look best.
const DEFAULT_TEMPERATURE: f32 = 0.7;

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
    /// Given which samples are drawn, where the model takes a condition.
    #[serde(skip_serializing_if = "Condition::is_empty")]
    pub condition: Condition,
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
            condition: Condition::default(),
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
                }
                .given(&self.condition),
                label: format!("Seed {} · {}", self.seed, index + 1),
            },
        }
    }
}

/// What lies about on the sample screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleDesk {
    /// The cell under the pointer: drawn first.
    #[serde(skip)]
    pub focus: Option<u32>,
    /// Whether the selected cell is shown large.
    #[serde(skip)]
    pub enlarged: bool,
}
