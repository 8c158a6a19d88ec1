//! The levels screen: what each level of a latent holds, and the walk from the latent to the picture.

mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use std::time::Duration;

use egui::{Key, Ui};

pub use tab::{LevelProbe, LevelsDesk, LevelsPart, LevelsTab};
pub use wish::LevelsWish;

use super::{Cells, Desks, Document, Exported, Lead, Offer, Running, Screen, Tab};
use crate::app::dialog::ExportFormat;
use crate::app::document::Named;
use crate::app::keys::{Entry, entries, plain};
use crate::app::state::{Picture, Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Command, Question, Recipe, View};

/// The picture itself (0), and then for each level, finest first, its probes.
pub const PICTURES: View = super::view(Tab::Levels, 0);
/// The picture itself, as a selection.
pub const BASE: Selection = Selection::Of(Tab::Levels, 0);

/// See the module.
pub struct LevelsScreen;

const ENTRIES: &[Entry] = entries! {
    "Levels": {
        "Walk through the flow", None, |_| Some(LevelsWish::SetPart(LevelsPart::Walk).into());
        "Table of levels", None, |_| Some(LevelsWish::SetPart(LevelsPart::Table).into());
        "Draw levels anew", None, |s| (s.tab == Tab::Levels).then_some(LevelsWish::DrawAnew.into());
    }
};

const OFFERS: &[Offer] = &[Offer {
    name: "Show its levels",
    button: Some("Levels"),
    tip: "What each level of its latent holds (L)",
    key: plain(Key::L),
    on_double_click: false,
    wish: |named| LevelsWish::SetBase(named).into(),
}];

impl Screen for LevelsScreen {
    type Doc = LevelsTab;
    type Desk = LevelsDesk;
    type Wish = LevelsWish;

    fn apply(state: &mut State, wish: LevelsWish) -> Vec<Command> {
        wish::apply(state, wish);
        Vec::new()
    }

    fn is_quiet(wish: &LevelsWish) -> bool {
        matches!(wish, LevelsWish::Advance(_))
    }

    fn label(&self) -> &'static str {
        "Levels"
    }

    fn about(&self) -> &'static str {
        "What each level of a picture's latent holds, and how the flow makes the picture of it"
    }

    fn tour(&self) -> Option<&'static str> {
        Some(
            "The network takes a picture apart into levels, from fine to coarse. Each row shows what one level holds, and the walk shows how noise becomes the picture, step by step.",
        )
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::levels_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn offers(&self) -> &'static [Offer] {
        OFFERS
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        doc.levels.base.take_if(|named| !keep(named));
    }

    fn make_sound(&self, state: &mut State) {
        let walk = &mut state.desks.levels.walk;
        *walk = if walk.is_finite() {
            walk.clamp(0.0, 1.0)
        } else {
            0.0
        };
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let table = state.desks.levels.part == LevelsPart::Table;
        let last = if table { n_cells(state) } else { 1 };
        let cells = (0..last).filter_map(|cell| Some((cell, self.subject(state, cell)?.recipe)));
        vec![(PICTURES, cells.collect())]
    }

    fn lead(&self, state: &State) -> Option<Lead> {
        Some(Lead {
            view: PICTURES,
            cell: 0,
            recipe: self.subject(state, 0).map(|n| n.recipe),
        })
    }

    fn inspected(&self, state: &State) -> Vec<Recipe> {
        let base = state.doc.levels.base.iter();
        base.map(|b| b.recipe.clone()).collect()
    }

    fn sync(&self, state: &mut State) -> Vec<Command> {
        let question = match state.desks.levels.part {
            LevelsPart::Table => table_question(state),
            LevelsPart::Walk => walk_question(state),
        };
        question.and_then(|q| state.ask(q)).into_iter().collect()
    }

    fn running(&self, state: &State) -> Option<Running> {
        state.desks.levels.playing.then_some(Running {
            view: PICTURES,
            step: |elapsed_secs| LevelsWish::Advance(elapsed_secs).into(),
            next_frame: Duration::from_millis(33),
        })
    }

    fn stop_where_it_began(&self, desks: &mut Desks) {
        desks.levels.walk = desks.levels.began;
    }

    fn subject(&self, state: &State, number: u32) -> Option<Named> {
        let levels = &state.doc.levels;
        let Some(at) = number.checked_sub(1) else {
            return levels.base.clone();
        };
        let n_levels = n_levels(state);
        let (level, probe) = (
            at as usize / LevelProbe::ALL.len(),
            at as usize % LevelProbe::ALL.len(),
        );
        (level < n_levels).then(|| levels.probed(level, n_levels, LevelProbe::ALL[probe]))?
    }

    fn picture<'a>(&self, state: &'a State, number: u32) -> Option<&'a Picture> {
        state.cell_picture(PICTURES, number)
    }

    fn arrows(&self, state: &mut State, dx: i32, dy: i32) {
        if state.desks.levels.part == LevelsPart::Walk {
            let last = walk_len(state).saturating_sub(1).max(1) as f32;
            let at = (state.desks.levels.walk * last).round() + (dx + dy) as f32;
            return wish::apply(state, LevelsWish::SetWalk(at / last));
        }
        let at = match state.selection {
            Selection::Of(Tab::Levels, at) => at as i32 + dx + LevelProbe::ALL.len() as i32 * dy,
            _ => 0,
        };
        let last = n_cells(state).saturating_sub(1) as i32;
        state.selection = Selection::Of(Tab::Levels, at.clamp(0, last) as u32);
    }

    fn opened(&self, state: &mut State) {
        if state.doc.levels.base.is_none() {
            state.doc.levels.base = state.selected();
        }
        if state.doc.levels.base.is_some() {
            state.selection = BASE;
        }
    }

    fn left(&self, state: &mut State) {
        state.desks.levels.playing = false;
    }

    fn exported(&self, state: &State) -> Option<Exported> {
        state.doc.levels.base.as_ref()?;
        Some(Exported {
            label: "Levels",
            formats: &[
                ExportFormat::Grid,
                ExportFormat::Frames,
                ExportFormat::Latents,
            ],
            columns: Some(LevelProbe::ALL.len() as u32),
            frames: None,
            clock: None,
            stem: "levels".to_owned(),
            usual: true,
        })
    }

    /// The table: a row a level.
    fn export_pictures(&self, state: &State, _frames: u32) -> Vec<Named> {
        let cells = 1..n_cells(state);
        cells.filter_map(|cell| self.subject(state, cell)).collect()
    }
}

fn n_levels(state: &State) -> usize {
    let model = state.live.model.as_ref();
    model.map_or(0, |m| m.latent_shape().levels.len())
}

/// Pictures of the table, the base included.
fn n_cells(state: &State) -> u32 {
    (1 + LevelProbe::ALL.len() * n_levels(state)) as u32
}

fn table_question(state: &State) -> Option<Question> {
    let base = state.doc.levels.base.as_ref()?;
    Some(Question::Levels(base.recipe.clone()))
}

fn walk_question(state: &State) -> Option<Question> {
    let base = state.doc.levels.base.as_ref()?;
    Some(Question::Walk(base.recipe.clone()))
}

/// Pictures of the walk: before and after each step of every level.
fn walk_len(state: &State) -> usize {
    let model = state.live.model.as_ref();
    model.map_or(0, |m| m.config.levels * (m.config.depth + 1))
}
