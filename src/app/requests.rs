//! What the screen needs from the worker, worked out from the [`State`] alone.
//!
//! After every change [`State::sync`] compares what each view should show with what it shows and
//! with what is on its way, and asks for the difference. Nothing is asked for twice, and the last
//! value of a drag is always asked for, because `sync` runs again when the answer before it comes.

use super::dialog::Dialog;
use super::screens::{Cells, Lead, Running};
use super::state::{Flight, State};
use super::views::paths::entries_question;
use crate::engine::message::{Command, Question, Recipe, Ticket, View};

/// Cells that must have been answered before a newer request may replace one on its way: without
/// this a fast drag would cancel every picture before it is drawn.
const MIN_ANSWERED: usize = 4;

impl State {
    /// Commands that bring the screen up to date. `settled`: no pointer button is down, so that exact pictures in
    /// place of drafts, and figures, which cost an encode, are worth asking for.
    pub fn sync(&mut self, settled: bool) -> Vec<Command> {
        let mut commands = Vec::new();
        if let Some(Dialog::TypePath { text, .. }) = &self.dialog {
            let question = entries_question(text);
            commands.extend(self.ask(question));
        }
        if self.live.model.is_none() {
            return commands;
        }
        // First: what is drawn below may be moved along them.
        commands.extend(self.sync_directions());
        let screen = self.tab.screen();
        let running = self.running().map(|r| r.view);
        for (view, wanted) in self.wanted() {
            // Where nothing moves any more this is the value to stay: the worker drops the older one.
            let last = settled && running != Some(view);
            commands.extend(self.sync_view(view, wanted, last));
        }
        if settled && running.is_none() {
            commands.extend(self.sync_inspection());
            commands.extend(screen.sync(self));
        }
        commands
    }

    /// What moves by itself on the open screen.
    pub fn running(&self) -> Option<Running> {
        self.tab.screen().running(self)
    }

    /// Whether every shelf item that a recipe stands on has a latent.
    pub(super) fn is_drawable(&self, recipe: &Recipe) -> bool {
        recipe.all_items(&|id| self.is_ready(id)) && !self.waits_for_direction(recipe)
    }

    /// Whether a recipe is moved along a direction that was built here and is not open yet.
    fn waits_for_direction(&self, recipe: &Recipe) -> bool {
        if let Recipe::Edited { edits, .. } = recipe {
            let built = self.built_directions();
            let is_open = |name: &String| self.live.attributes.iter().any(|a| a.name == *name);
            let mut names = edits.iter().map(|edit| &edit.name);
            if names.any(|name| built.iter().any(|(_, own)| own == name) && !is_open(name)) {
                return true;
            }
        }
        let mut parts = recipe.parts().into_iter();
        parts.any(|part| self.waits_for_direction(part))
    }

    /// Tells the worker which of the built directions are open now, where that has changed.
    fn sync_directions(&mut self) -> Option<Command> {
        let wanted = self.built_directions();
        if wanted == self.live.arranged {
            return None;
        }
        self.live.arranged.clone_from(&wanted);
        Some(Command::ArrangeDirections(wanted))
    }

    /// What the visible views should show.
    fn wanted(&self) -> Vec<(View, Cells)> {
        let mut views = self.tab.screen().wanted(self);
        for (_, cells) in &mut views {
            cells.retain(|_, recipe| self.is_drawable(recipe));
        }
        views
    }

    /// Tells the trace what is wanted from `now` on. Run after the actions of a frame.
    pub fn trace_wanted(&mut self, now: f64) {
        let lead = self.tab.screen().lead(self);
        self.trace.left_all_but(lead.as_ref().map(|l| l.view));
        if let Some(Lead { view, cell, recipe }) = lead {
            let stale = |r: &Recipe| self.cell_is_stale(view, cell, r);
            let there = recipe.as_ref().is_some_and(|r| !stale(r));
            self.trace.wanted(view, recipe.as_ref(), there, now);
        }
    }

    /// Tells the trace what is on the screen `now`; the milliseconds that a change took to get there.
    pub fn trace_shown(&mut self, now: f64) -> Option<f32> {
        let Lead { view, cell, .. } = self.tab.screen().lead(self)?;
        let shown = self.live.views.get(&view)?.shown.get(&cell)?;
        self.trace.shown(view, Some(&shown.recipe), now)
    }

    fn sync_view(&mut self, view: View, wanted: Cells, last: bool) -> Option<Command> {
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
        state.failed = None;
        state.in_flight = Some(Flight {
            ticket: next,
            cells: missing,
            answered: 0,
            draft: !last,
        });
        self.next = next.0;
        self.tab.screen().order(self, view, &mut cells);
        Some(Command::Render {
            view,
            ticket: next,
            cells,
            draft: !last,
        })
    }

    /// The command that asks a question, unless it is answered, on its way, or cannot be answered now.
    pub fn ask(&mut self, question: Question) -> Option<Command> {
        let recipe = question.recipe();
        let drawable = recipe.is_none_or(|recipe| self.is_drawable(recipe));
        if !drawable || !self.live.answers.lacks(&question) {
            return None;
        }
        let ticket = Ticket(self.fresh());
        self.live.answers.ask(ticket, question.clone());
        Some(Command::Ask { ticket, question })
    }

    /// The same after a failure, or once more: what was known is asked for anew.
    pub fn ask_again(&mut self, question: Question) -> Option<Command> {
        self.live.answers.outdate(&question);
        self.ask(question)
    }

    fn sync_inspection(&mut self) -> Option<Command> {
        if self.live.inspecting.is_some() {
            return None;
        }
        let selected = self.selected().map(|n| n.recipe);
        let shown = self.tab.screen().inspected(self);
        let recipe = selected.into_iter().chain(shown).find(|recipe| {
            self.is_drawable(recipe)
                && self.inspection_of(recipe).is_none()
                && self.live.inspect_failed.as_ref() != Some(recipe)
        })?;
        let ticket = Ticket(self.fresh());
        self.live.inspecting = Some((ticket, recipe.clone()));
        Some(Command::Inspect { ticket, recipe })
    }
}
