//! What the mix screen remembers.

use serde::{Deserialize, Serialize};

use crate::app::document::Named;
use crate::engine::message::{PathKind, Recipe};

/// Pictures along a side of the pad's lattice.
pub const LATTICE: u32 = 5;

/// How pictures are mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MixKind {
    /// A point between four corners.
    #[default]
    Pad,
    /// Each level between two pictures' own.
    Levels,
}

/// The mix screen, without the point on its pad.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MixTab {
    /// How pictures are mixed.
    pub kind: MixKind,
    /// The corners of the pad: upper left, upper right, lower left, lower right.
    pub corners: [Option<Named>; 4],
    /// Whose levels are mixed: the first's at a share of 0, the second's at 1.
    pub pair: [Option<Named>; 2],
    /// The share of the second in each level, finest first.
    pub shares: Vec<f32>,
    /// Those of levels that the open model does not have, for one that does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_shares: Vec<f32>,
}

impl MixTab {
    /// The point of the pad at `x` (0 left, 1 right) and `y` (0 top, 1 bottom): bilinear on the sphere, first along
    /// both rows, then between them. `None` until every corner is set.
    pub fn at(&self, x: f32, y: f32) -> Option<Named> {
        let [a, b, c, d] = &self.corners;
        let [a, b, c, d] = [a, b, c, d].map(|corner| corner.as_ref().map(|n| n.recipe.clone()));
        let recipe = between(between(a?, b?, x), between(c?, d?, x), y);
        let label = format!("Mix at {x:.2}, {y:.2}");
        Some(Named { recipe, label })
    }

    /// Place of a picture of the lattice, row by row.
    pub fn place_of_cell(cell: u32) -> (f32, f32) {
        let last = (LATTICE - 1) as f32;
        (
            (cell % LATTICE) as f32 / last,
            (cell / LATTICE) as f32 / last,
        )
    }

    /// Takes note of how many levels the open model has.
    pub fn fit_levels(&mut self, levels: usize) {
        self.shares.append(&mut self.further_shares);
        if self.shares.is_empty() {
            // The coarsest level of the second picture: what one looks at first.
            self.shares.resize(levels.saturating_sub(1), 0.0);
            self.shares.push(1.0);
        }
        if self.shares.len() < levels {
            self.shares.resize(levels, 0.0);
        }
        self.further_shares = self.shares.split_off(levels);
    }

    /// The two pictures with their levels mixed; `None` until both are set.
    pub fn levels(&self) -> Option<Named> {
        let [a, b] = &self.pair;
        let (a, b) = (a.as_ref()?, b.as_ref()?);
        Some(Named {
            recipe: Recipe::Mixed {
                a: Box::new(a.recipe.clone()),
                b: Box::new(b.recipe.clone()),
                shares: self.shares.clone(),
            },
            label: format!("{} with {}", a.label, b.label),
        })
    }
}

/// `a` and `b` themselves at the ends, so that a corner is its picture.
fn between(a: Recipe, b: Recipe, t: f32) -> Recipe {
    if t <= 0.0 {
        return a;
    }
    if t >= 1.0 {
        return b;
    }
    Recipe::Morph {
        keys: vec![a, b],
        t,
        path: PathKind::Spherical,
    }
}

/// Where the point of the pad is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MixDesk {
    /// 0 at the left, 1 at the right.
    pub x: f32,
    /// 0 at the top, 1 at the bottom.
    pub y: f32,
}

impl Default for MixDesk {
    fn default() -> Self {
        Self { x: 0.5, y: 0.5 }
    }
}
