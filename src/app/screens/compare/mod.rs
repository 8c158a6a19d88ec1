//! The compare screen: the figures of the shelf in a table, and two pictures held against each other.

mod folder;
mod tab;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::{Key, Ui};

pub use tab::{CompareDesk, CompareTab, CompareWay, SortColumn};
pub use wish::CompareWish;

use super::{Cells, Document, Exported, Lead, Offer, Screen, Tab};
use crate::app::dialog::ExportFormat;
use crate::app::document::Named;
use crate::app::keys::{Entry, entries, plain};
use crate::app::state::{Picture, Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Command, ItemId, Question, Recipe, View};

/// The two pictures.
pub const PICTURES: View = super::view(Tab::Compare, 0);
/// The first picture, as a selection.
pub const FIRST: Selection = Selection::Of(Tab::Compare, 0);

/// See the module.
pub struct CompareScreen;

const ENTRIES: &[Entry] = entries! {
    "Compare": {
        "Copy the table as CSV", None, |s| (s.tab == Tab::Compare).then(|| view::copy_csv(s));
        "Flip the compared pictures", None, |s| (s.tab == Tab::Compare).then_some(CompareWish::Flip.into());
    }
};

const OFFERS: &[Offer] = &[Offer {
    name: "Compare",
    button: Some("Compare"),
    tip: "Hold it against the picture that was compared last (V)",
    key: plain(Key::V),
    on_double_click: false,
    wish: |named| CompareWish::Take(named).into(),
}];

impl Screen for CompareScreen {
    type Doc = CompareTab;
    type Desk = CompareDesk;
    type Wish = CompareWish;

    fn apply(state: &mut State, wish: CompareWish) -> Vec<Command> {
        wish::apply(state, wish);
        Vec::new()
    }

    fn label(&self) -> &'static str {
        "Compare"
    }

    fn about(&self) -> &'static str {
        "The figures of the whole shelf, and two pictures held against each other"
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::compare_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn offers(&self) -> &'static [Offer] {
        OFFERS
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        for place in &mut doc.compare.pair {
            place.take_if(|named| !keep(named));
        }
    }

    fn make_sound(&self, state: &mut State) {
        let desk = &mut state.desks.compare;
        let sound = |v: f32, low: f32, high: f32| {
            if v.is_finite() {
                v.clamp(low, high)
            } else {
                low
            }
        };
        desk.edge = sound(desk.edge, 0.0, 1.0);
        desk.gain = sound(desk.gain, 1.0, 32.0);
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let pair = (0..).zip(&state.doc.compare.pair);
        let cells = pair.filter_map(|(i, named)| Some((i, named.as_ref()?.recipe.clone())));
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
        let shown = state.desks.compare.way == CompareWay::Folder;
        let pair = state.doc.compare.pair.iter().filter(|_| shown);
        let pair = pair.flatten();
        pair.map(|named| named.recipe.clone()).collect()
    }

    fn sync(&self, state: &mut State) -> Vec<Command> {
        if state.desks.compare.way != CompareWay::Table {
            return Vec::new();
        }
        let question = neighbours_question(state);
        state.ask(question).into_iter().collect()
    }

    fn subject(&self, state: &State, number: u32) -> Option<Named> {
        state.doc.compare.pair.get(number as usize)?.clone()
    }

    fn picture<'a>(&self, state: &'a State, number: u32) -> Option<&'a Picture> {
        state.cell_picture(PICTURES, number)
    }

    fn arrows(&self, state: &mut State, dx: i32, dy: i32) {
        let edge = state.desks.compare.edge + 0.05 * (dx + dy) as f32;
        match state.desks.compare.way {
            CompareWay::Wipe => wish::apply(state, CompareWish::SetEdge(edge)),
            CompareWay::Flip => wish::apply(state, CompareWish::Flip),
            CompareWay::Beside | CompareWay::Table | CompareWay::Folder => {
                let second = state.selection == FIRST && (dx + dy) > 0;
                state.selection = Selection::Of(Tab::Compare, u32::from(second));
            }
        }
    }

    fn exported(&self, state: &State) -> Option<Exported> {
        let [Some(_), Some(_)] = &state.doc.compare.pair else {
            return None;
        };
        Some(Exported {
            label: "Compared pictures",
            formats: &[
                ExportFormat::Strip,
                ExportFormat::Gif,
                ExportFormat::Latents,
            ],
            columns: None,
            frames: None,
            clock: None,
            stem: "compared".to_owned(),
            usual: true,
        })
    }

    fn export_pictures(&self, state: &State, _frames: u32) -> Vec<Named> {
        state.doc.compare.pair.iter().flatten().cloned().collect()
    }
}

/// Which picture of the shelf lies nearest each.
fn neighbours_question(state: &State) -> Question {
    let ready = state.doc.shelf.iter().filter(|e| state.is_ready(e.id));
    let ids: Vec<ItemId> = ready.map(|e| e.id).collect();
    Question::Neighbours(ids)
}
