//! What the screen needs from the worker, worked out from the [`State`] alone.
//!
//! After every change [`State::sync`] compares what each view should show with what it shows and
//! with what is on its way, and asks for the difference. Nothing is asked for twice, and the last
//! value of a drag is always asked for, because `sync` runs again when the answer before it comes.

use std::collections::BTreeMap;

use super::state::{Flight, Selection, State, Tab};
use crate::engine::message::{Command, Recipe, Ticket, View};

/// Cells that must have been answered before a newer request may replace one on its way: without
/// this a fast drag would cancel every picture before it is drawn.
const MIN_ANSWERED: usize = 4;
/// Cell numbers of keyframes in the filmstrip's view begin here.
pub const KEY_CELLS: u32 = 1000;

impl State {
    /// Commands that bring the screen up to date. `settled`: no pointer button is down, so that exact pictures in
    /// place of drafts, and figures, which cost an encode, are worth asking for.
    pub fn sync(&mut self, settled: bool) -> Vec<Command> {
        if self.live.model.is_none() {
            return Vec::new();
        }
        let mut commands = Vec::new();
        for (view, wanted) in self.wanted() {
            commands.extend(self.sync_view(view, wanted, settled));
        }
        if settled && !self.playback.playing {
            commands.extend(self.sync_inspection());
        }
        commands
    }

    /// Whether every shelf item that a recipe stands on has a latent.
    fn is_drawable(&self, recipe: &Recipe) -> bool {
        match recipe {
            Recipe::Item(id) => self.is_ready(*id),
            Recipe::Sample { .. } => true,
            Recipe::Morph { keys, .. } => keys.iter().all(|key| self.is_drawable(key)),
            Recipe::Edited { base, .. }
            | Recipe::Varied { base, .. }
            | Recipe::Scaled { base, .. }
            | Recipe::Given { base, .. } => self.is_drawable(base),
        }
    }

    /// What the visible views should show.
    fn wanted(&self) -> Vec<(View, BTreeMap<u32, Recipe>)> {
        let mut views = Vec::new();
        match self.tab {
            Tab::Sample => {
                let cells =
                    (0..self.doc.sample.n_cells()).map(|i| (i, self.doc.sample.cell(i).recipe));
                views.push((View::Sample, cells.collect()));
            }
            Tab::Morph => {
                let mut hero = BTreeMap::new();
                hero.extend(self.subject(Selection::Morph).map(|n| (0, n.recipe)));
                let mut strip: BTreeMap<u32, Recipe> = (0..self.doc.morph.steps)
                    .filter_map(|step| {
                        let named = self.doc.morph.at(self.doc.morph.t_of_step(step))?;
                        Some((step, named.recipe))
                    })
                    .collect();
                let keys = self.doc.morph.keys.iter().enumerate();
                strip.extend(keys.filter_map(|(slot, key)| {
                    let recipe = key.as_ref()?.recipe.clone();
                    let is_item = matches!(recipe, Recipe::Item(_));
                    (!is_item).then_some((KEY_CELLS + slot as u32, recipe))
                }));
                views.push((View::Morph, hero));
                views.push((View::Filmstrip, strip));
            }
            Tab::Edit => {
                let mut cells = BTreeMap::new();
                if let (Some(result), Some(base)) = (self.doc.edit.result(), &self.doc.edit.base) {
                    cells.insert(0, result.recipe);
                    cells.insert(1, base.recipe.clone());
                }
                views.push((View::Edit, cells));
            }
        }
        for (_, cells) in &mut views {
            cells.retain(|_, recipe| self.is_drawable(recipe));
        }
        views
    }

    /// The cell of the grid that is drawn first: under the pointer, or selected.
    fn focus(&self) -> u32 {
        let focus = self.focus_cell.unwrap_or(match self.selection {
            Selection::Cell(cell) => cell,
            _ => 0,
        });
        if focus < self.doc.sample.n_cells() {
            focus
        } else {
            0
        }
    }

    /// What the trace follows on the open tab: the view, its cell and the recipe there.
    fn lead(&self) -> (View, u32, Option<Recipe>) {
        match self.tab {
            Tab::Sample => {
                let cell = self.focus();
                let recipe = self.doc.sample.cell(cell).recipe;
                (View::Sample, cell, Some(recipe))
            }
            Tab::Morph => (
                View::Morph,
                0,
                self.doc.morph.at(self.playback.t).map(|n| n.recipe),
            ),
            Tab::Edit => (View::Edit, 0, self.doc.edit.result().map(|n| n.recipe)),
        }
    }

    /// Tells the trace what is wanted from `now` on. Run after the actions of a frame.
    pub fn trace_wanted(&mut self, now: f64) {
        let (view, cell, recipe) = self.lead();
        let there = recipe
            .as_ref()
            .is_some_and(|r| !self.cell_is_stale(view, cell, r));
        for other in [View::Sample, View::Morph, View::Edit] {
            if other != view {
                self.trace.left(other);
            }
        }
        self.trace.wanted(view, recipe.as_ref(), there, now);
    }

    /// Tells the trace what is on the screen `now`; the milliseconds that a change took to get there.
    pub fn trace_shown(&mut self, now: f64) -> Option<f32> {
        let (view, cell, _) = self.lead();
        let shown = self.live.views.get(&view)?.shown.get(&cell)?;
        self.trace.shown(view, Some(&shown.recipe), now)
    }

    fn sync_view(
        &mut self,
        view: View,
        wanted: BTreeMap<u32, Recipe>,
        settled: bool,
    ) -> Option<Command> {
        let focus = self.focus();
        // Where nothing moves any more this is the value to stay: the worker drops the older one.
        let last = settled && !(self.playback.playing && view == View::Morph);
        let columns = self.doc.sample.columns;
        let next = Ticket(self.next + 1);
        let state = self.live.views.entry(view).or_default();
        // Cells that left the screen must not come back as old pictures.
        state.shown.retain(|cell, _| wanted.contains_key(cell));
        let mut missing = wanted;
        // A draft does while things move; what stays is the exact picture.
        missing.retain(|cell, recipe| state.lacks(*cell, recipe, last));
        if missing.is_empty() || state.failed.as_ref() == Some(&missing) {
            return None;
        }
        if let Some(flight) = &state.in_flight {
            let on_its_way =
                |(cell, recipe): (&u32, &Recipe)| flight.cells.get(cell) == Some(recipe);
            if (missing.iter().all(on_its_way) && !(last && flight.draft))
                || (!last && flight.draft && flight.answered < MIN_ANSWERED.min(flight.cells.len()))
            {
                return None;
            }
        }
        let mut cells: Vec<(u32, Recipe)> = missing.iter().map(|(&c, r)| (c, r.clone())).collect();
        if view == View::Sample {
            let at = |cell: u32| ((cell % columns) as i64, (cell / columns) as i64);
            let (fx, fy) = at(focus);
            cells.sort_by_key(|(cell, _)| {
                let (x, y) = at(*cell);
                ((x - fx).pow(2) + (y - fy).pow(2), *cell)
            });
        }
        state.failed = None;
        state.in_flight = Some(Flight {
            ticket: next,
            cells: missing,
            answered: 0,
            draft: !last,
        });
        self.next = next.0;
        Some(Command::Render {
            view,
            ticket: next,
            cells,
            draft: !last,
        })
    }

    fn sync_inspection(&mut self) -> Option<Command> {
        if self.live.inspecting.is_some() {
            return None;
        }
        let selected = self.selected().map(|n| n.recipe);
        let base = (self.tab == Tab::Edit)
            .then(|| self.doc.edit.base.as_ref().map(|b| b.recipe.clone()))
            .flatten();
        let recipe = selected.into_iter().chain(base).find(|recipe| {
            self.is_drawable(recipe)
                && self.inspection_of(recipe).is_none()
                && self.live.inspect_failed.as_ref() != Some(recipe)
        })?;
        let ticket = Ticket(self.fresh());
        self.live.inspecting = Some((ticket, recipe.clone()));
        Some(Command::Inspect { ticket, recipe })
    }
}
