//! The sample screen: a grid of faces from a seed and a temperature, or variations of one picture.

mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::{Key, Ui};

pub use tab::{SampleDesk, SampleTab, Variation};
pub use wish::SampleWish;

use super::{Cells, Document, Exported, Lead, Offer, Screen, Tab};
use crate::app::dialog::ExportFormat;
use crate::app::document::Named;
use crate::app::keys::{Entry, entries, plain};
use crate::app::state::{Picture, Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Command, Condition, ModelInfo, Recipe, View};
use crate::recipe::PictureSettings;

/// The grid.
pub const GRID: View = super::view(Tab::Sample, 0);

/// Cells that are put on the shelf at the first start.
const FIRST_PINS: [u32; 4] = [0, 7, 14, 21];

/// See the module.
pub struct SampleScreen;

/// A cell of the grid, as a selection.
pub const fn cell(number: u32) -> Selection {
    Selection::Of(Tab::Sample, number)
}

const ENTRIES: &[Entry] = entries! {
    "Sample": {
        "New seed", plain(Key::R), |_| Some(SampleWish::NewSeed.into());
        "Next seed", plain(Key::CloseBracket), |s| Some(SampleWish::SetSeed(s.doc.sample.seed.wrapping_add(1)).into());
        "Previous seed", plain(Key::OpenBracket), |s| Some(SampleWish::SetSeed(s.doc.sample.seed.saturating_sub(1)).into());
        "Temperature per level", None, |s| Some(SampleWish::SetPerLevel(!s.doc.sample.per_level).into());
        "Fresh samples", None, |s| s.doc.sample.variation.as_ref().map(|_| SampleWish::LeaveVariations.into());
        "Enlarge", plain(Key::Enter), |s| (s.tab == Tab::Sample).then_some(SampleWish::Enlarge(!s.desks.sample.enlarged).into());
    }
};

const OFFERS: &[Offer] = &[Offer {
    name: "More like this",
    button: Some("More like this"),
    tip: "Fill the grid with variations of it (M)",
    key: plain(Key::M),
    on_double_click: false,
    wish: |named| SampleWish::MoreLikeThis(named).into(),
}];

impl Screen for SampleScreen {
    type Doc = SampleTab;
    type Desk = SampleDesk;
    type Wish = SampleWish;

    fn apply(state: &mut State, wish: SampleWish) -> Vec<Command> {
        wish::apply(state, wish);
        Vec::new()
    }

    fn is_quiet(wish: &SampleWish) -> bool {
        matches!(wish, SampleWish::FocusCell(_))
    }

    fn label(&self) -> &'static str {
        "Sample"
    }

    fn about(&self) -> &'static str {
        "Faces that the model makes up, from a seed"
    }

    fn tour(&self) -> Option<&'static str> {
        Some(
            "None of these people exist: each face is drawn from random numbers. Drag the temperature down for typical faces and up for unusual ones, press R for others, and click one to see its figures on the right.",
        )
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::sample_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn offers(&self) -> &'static [Offer] {
        OFFERS
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        let variation = &mut doc.sample.variation;
        variation.take_if(|v| !keep(&mut v.base));
    }

    fn make_sound(&self, state: &mut State) {
        let sample = &mut state.doc.sample;
        sample.columns = sample.columns.clamp(1, 12);
        sample.rows = sample.rows.clamp(1, 12);
        if let Some(model) = &state.live.model {
            sample.fit_levels(model.latent_shape().levels.len());
            if !sample.condition.fits(model.config.variant.condition) {
                sample.condition = Condition::default();
            }
        }
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let sample = &state.doc.sample;
        let cells = (0..sample.n_cells()).map(|i| (i, sample.cell(i).recipe));
        vec![(GRID, cells.collect())]
    }

    fn lead(&self, state: &State) -> Option<Lead> {
        let cell = focus(state);
        let recipe = state.doc.sample.cell(cell).recipe;
        Some(Lead {
            view: GRID,
            cell,
            recipe: Some(recipe),
        })
    }

    /// Those nearest the pointer first.
    fn order(&self, state: &State, _view: View, cells: &mut [(u32, Recipe)]) {
        let columns = state.doc.sample.columns;
        let at = |cell: u32| ((cell % columns) as i64, (cell / columns) as i64);
        let (fx, fy) = at(focus(state));
        cells.sort_by_key(|(cell, _)| {
            let (x, y) = at(*cell);
            ((x - fx).pow(2) + (y - fy).pow(2), *cell)
        });
    }

    fn subject(&self, state: &State, number: u32) -> Option<Named> {
        let sample = &state.doc.sample;
        (number < sample.n_cells()).then(|| sample.cell(number))
    }

    fn picture<'a>(&self, state: &'a State, number: u32) -> Option<&'a Picture> {
        state.cell_picture(GRID, number)
    }

    fn arrows(&self, state: &mut State, dx: i32, dy: i32) {
        let at = match state.selection {
            Selection::Of(Tab::Sample, at) => at as i32,
            _ => {
                state.selection = cell(0);
                return;
            }
        };
        let sample = &state.doc.sample;
        let (columns, rows) = (sample.columns as i32, sample.rows as i32);
        let x = (at % columns + dx).clamp(0, columns - 1);
        let y = (at / columns + dy).clamp(0, rows - 1);
        state.selection = cell((y * columns + x) as u32);
    }

    fn escape(&self, state: &mut State) {
        state.desks.sample.enlarged = false;
    }

    fn left(&self, state: &mut State) {
        state.desks.sample.enlarged = false;
    }

    fn model_opened(&self, state: &mut State, _model: &ModelInfo, _keep: bool) {
        self.make_sound(state);
    }

    fn first_pictures(&self, state: &State) -> Vec<Named> {
        let sample = &state.doc.sample;
        let there = FIRST_PINS.iter().filter(|&&i| i < sample.n_cells());
        there.map(|&index| sample.cell(index)).collect()
    }

    fn exported(&self, state: &State) -> Option<Exported> {
        let sample = &state.doc.sample;
        let stem = match sample.variation {
            Some(_) => format!("variations-{}", sample.seed),
            None => format!("samples-seed-{}", sample.seed),
        };
        Some(Exported {
            label: "Sample grid",
            formats: &[
                ExportFormat::Grid,
                ExportFormat::Frames,
                ExportFormat::Latents,
            ],
            columns: Some(sample.columns),
            frames: None,
            clock: None,
            stem,
            usual: !state.desks.sample.enlarged,
        })
    }

    fn export_pictures(&self, state: &State, _frames: u32) -> Vec<Named> {
        let sample = &state.doc.sample;
        (0..sample.n_cells())
            .map(|cell| sample.cell(cell))
            .collect()
    }

    fn remake(
        &self,
        state: &mut State,
        settings: &PictureSettings,
        name: &str,
    ) -> Option<&'static str> {
        let recipes = &settings.recipes;
        let sample = &mut state.doc.sample;
        let what = if let Some((seed, temperature, condition)) = as_samples(recipes) {
            let n = recipes.len() as u32;
            sample.seed = seed;
            sample.condition = condition;
            sample.variation = None;
            sample.per_level = temperature.len() > 1;
            match &temperature[..] {
                [one] => sample.temperature = *one,
                levels => sample.level_temperatures = levels.to_vec(),
            }
            let columns = settings.columns.unwrap_or(sample.columns).clamp(1, 12);
            (sample.columns, sample.rows) = (columns, n.div_ceil(columns));
            self.make_sound(state);
            "the samples"
        } else {
            let (base, seed, amount) = as_variations(recipes)?;
            sample.seed = seed;
            let base = Named {
                recipe: base.clone(),
                label: crate::app::reopened::label_of(base, name),
            };
            sample.variation = Some(Variation { base, amount });
            "the variations"
        };
        state.show(Tab::Sample, cell(0));
        Some(what)
    }
}

/// The cell of the grid that is drawn first: under the pointer, or selected.
fn focus(state: &State) -> u32 {
    let focus = state.desks.sample.focus.unwrap_or(match state.selection {
        Selection::Of(Tab::Sample, cell) => cell,
        _ => 0,
    });
    if focus < state.doc.sample.n_cells() {
        focus
    } else {
        0
    }
}

/// Seed, temperature and condition of a whole grid of samples.
fn as_samples(recipes: &[Recipe]) -> Option<(u64, Vec<f32>, Condition)> {
    let part = |recipe: &Recipe| {
        let (recipe, condition) = match recipe {
            Recipe::Given { base, condition } => (&**base, condition.clone()),
            plain => (plain, Condition::default()),
        };
        match recipe {
            Recipe::Scaled { base, temperature } => match **base {
                Recipe::Sample { seed, index } => {
                    Some((index, (seed, temperature.clone(), condition)))
                }
                _ => None,
            },
            Recipe::Sample { seed, index } => Some((*index, (*seed, vec![1.0], condition))),
            _ => None,
        }
    };
    let (_, first) = part(recipes.first()?)?;
    let same = recipes
        .iter()
        .zip(0u32..)
        .all(|(recipe, i)| part(recipe).is_some_and(|(index, found)| index == i && found == first));
    (same && (2..=144).contains(&recipes.len())).then_some(first)
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
