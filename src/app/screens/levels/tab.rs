//! What the levels screen remembers.

use serde::{Deserialize, Serialize};

use crate::app::document::Named;
use crate::engine::message::Recipe;

/// What is done to a level, to see what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LevelProbe {
    /// Its eps is zero.
    Muted,
    /// Every other level's eps is zero.
    Alone,
    /// Its eps is drawn anew.
    Resampled,
}

impl LevelProbe {
    /// All, in the order of the columns.
    pub const ALL: [Self; 3] = [Self::Muted, Self::Alone, Self::Resampled];

    /// Heading of its column.
    pub fn label(self) -> &'static str {
        match self {
            Self::Muted => "Without it",
            Self::Alone => "It alone",
            Self::Resampled => "Drawn anew",
        }
    }

    /// What it shows, in a sentence.
    pub fn tip(self) -> &'static str {
        match self {
            Self::Muted => {
                "This level's numbers are zero, the others as they are: what is missing is what the level held"
            }
            Self::Alone => {
                "Every other level's numbers are zero: what is left is what this level says"
            }
            Self::Resampled => {
                "This level's numbers are drawn anew: what changes is what the level decides"
            }
        }
    }
}

/// The levels screen, without what is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LevelsTab {
    /// Whose levels are shown.
    pub base: Option<Named>,
    /// Seed of the levels that are drawn anew.
    pub seed: u64,
}

impl Default for LevelsTab {
    fn default() -> Self {
        Self {
            base: None,
            seed: 1,
        }
    }
}

impl LevelsTab {
    /// The picture with something done to one of its levels.
    pub fn probed(&self, level: usize, n_levels: usize, probe: LevelProbe) -> Option<Named> {
        let base = self.base.as_ref()?;
        let factors = |mine: f32, others: f32| -> Vec<f32> {
            let of = |l| if l == level { mine } else { others };
            (0..n_levels).map(of).collect()
        };
        let inner = Box::new(base.recipe.clone());
        let recipe = match probe {
            LevelProbe::Muted => Recipe::Scaled {
                base: inner,
                temperature: factors(0.0, 1.0),
            },
            LevelProbe::Alone => Recipe::Scaled {
                base: inner,
                temperature: factors(1.0, 0.0),
            },
            LevelProbe::Resampled => Recipe::Mixed {
                a: inner,
                b: Box::new(Recipe::Sample {
                    seed: self.seed,
                    index: 0,
                }),
                shares: factors(1.0, 0.0),
            },
        };
        let what = match probe {
            LevelProbe::Muted => "without level",
            LevelProbe::Alone => "only level",
            LevelProbe::Resampled => "another level",
        };
        let label = format!("{}, {what} {}", base.label, level + 1);
        Some(Named { recipe, label })
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LevelsPart {
    /// A row a level.
    #[default]
    Table,
    /// The walk through the flow.
    Walk,
}

/// What lies about on the levels screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LevelsDesk {
    /// What is looked at.
    pub part: LevelsPart,
    /// How far the walk is: 0 at the latent, 1 at the picture.
    pub walk: f32,
    /// Whether it runs.
    #[serde(skip)]
    pub playing: bool,
    /// How far it was before it ran.
    #[serde(skip)]
    pub began: f32,
}

impl Default for LevelsDesk {
    fn default() -> Self {
        Self {
            part: LevelsPart::Table,
            walk: 0.0,
            playing: false,
            began: 0.0,
        }
    }
}
