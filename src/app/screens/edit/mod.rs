//! The edit screen: a slider per attribute on one picture.

mod photo;
mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::{Key, Ui};

pub use tab::{EditDesk, EditTab};
pub use view::pretty;
pub use wish::EditWish;

use super::{Cells, Document, Exported, Lead, Offer, Screen, Tab};
use crate::app::dialog::ExportFormat;
use crate::app::document::Named;
use crate::app::export;
use crate::app::keys::{Entry, entries, plain};
use crate::app::state::{Picture, Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Command, ModelInfo, Recipe, View};

/// The edited picture (0) and its base (1).
pub const PICTURES: View = super::view(Tab::Edit, 0);
/// The edited picture, as a selection.
pub const EDITED: Selection = Selection::Of(Tab::Edit, 0);

const FORMATS: &[ExportFormat] = &[
    ExportFormat::Strip,
    ExportFormat::Gif,
    ExportFormat::Apng,
    ExportFormat::WebP,
    ExportFormat::Mp4,
    ExportFormat::Latents,
];

/// The same, for the edit of a photo.
const WITH_PHOTO: &[ExportFormat] = &[
    ExportFormat::Strip,
    ExportFormat::Photo,
    ExportFormat::Gif,
    ExportFormat::Apng,
    ExportFormat::WebP,
    ExportFormat::Mp4,
    ExportFormat::Latents,
];

/// See the module.
pub struct EditScreen;

const ENTRIES: &[Entry] = entries! {
    "Attributes": {
        "Reset all attributes", plain(Key::Num0), |s| (s.tab == Tab::Edit).then_some(EditWish::ResetAmounts.into());
        "Edit follows the shelf, or keeps its base", None, |s| Some(EditWish::Lock(!s.desks.edit.locked).into());
        "Wipe between before and after", None, |s| s.doc.edit.base.as_ref().map(|_| EditWish::Wipe(flipped(s.desks.edit.wipe)).into());
        "Keep other attributes", None, |s| Some(EditWish::SetKeepOthers(!s.doc.edit.keep_others).into());
    }
};

const OFFERS: &[Offer] = &[Offer {
    name: "Edit this picture",
    button: Some("Edit attributes"),
    tip: "Move it along attributes (E)",
    key: plain(Key::E),
    on_double_click: true,
    wish: |named| EditWish::SetBase(named).into(),
}];

/// The other of wiped and not.
fn flipped(wipe: Option<f32>) -> Option<f32> {
    wipe.is_none().then_some(0.5)
}

impl Screen for EditScreen {
    type Doc = EditTab;
    type Desk = EditDesk;
    type Wish = EditWish;

    fn apply(state: &mut State, wish: EditWish) -> Vec<Command> {
        wish::apply(state, wish);
        Vec::new()
    }

    /// Where one looks follows the pointer.
    fn is_quiet(wish: &EditWish) -> bool {
        matches!(wish, EditWish::LookAt(..))
    }

    fn label(&self) -> &'static str {
        "Edit"
    }

    fn about(&self) -> &'static str {
        "A slider per attribute on one picture"
    }

    fn tour(&self) -> Option<&'static str> {
        Some(
            "Each slider moves the picture along one trait. The small triangle marks where the picture itself lies; hold C to see it before the edit.",
        )
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::edit_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn offers(&self) -> &'static [Offer] {
        OFFERS
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        doc.edit.base.take_if(|named| !keep(named));
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let edit = &state.doc.edit;
        let mut cells = Cells::new();
        if let (Some(result), Some(base)) = (edit.result(), &edit.base) {
            cells.insert(0, result.recipe);
            cells.insert(1, base.recipe.clone());
        }
        vec![(PICTURES, cells)]
    }

    fn lead(&self, state: &State) -> Option<Lead> {
        Some(Lead {
            view: PICTURES,
            cell: 0,
            recipe: state.doc.edit.result().map(|n| n.recipe),
        })
    }

    /// The base's: ticks mark where it lies.
    fn inspected(&self, state: &State) -> Vec<Recipe> {
        let base = state.doc.edit.base.iter();
        base.map(|b| b.recipe.clone()).collect()
    }

    fn subject(&self, state: &State, _number: u32) -> Option<Named> {
        state.doc.edit.result()
    }

    fn picture<'a>(&self, state: &'a State, _number: u32) -> Option<&'a Picture> {
        state.cell_picture(PICTURES, 0)
    }

    fn opened(&self, state: &mut State) {
        if state.doc.edit.base.is_none() {
            // An empty screen helps nobody: what was selected is what one wants to edit.
            state.doc.edit.base = state.selected();
        }
        if state.doc.edit.base.is_some() {
            state.selection = EDITED;
        }
    }

    /// The base follows the shelf, unless it is locked.
    fn shelf_selected(&self, state: &mut State, named: &Named) {
        if !state.desks.edit.locked {
            state.doc.edit.base = Some(named.clone());
            state.desks.edit.look = None;
        }
    }

    fn sync(&self, state: &mut State) -> Vec<Command> {
        let question = photo::question(state);
        question.and_then(|q| state.ask(q)).into_iter().collect()
    }

    fn new_run(&self, doc: &mut Document) {
        doc.edit = EditTab::default();
    }

    /// Directions belong to the model they were found with.
    fn model_opened(&self, state: &mut State, _model: &ModelInfo, keep: bool) {
        if !keep {
            state.doc.edit.amounts.clear();
        }
    }

    fn attributes_opened(&self, state: &mut State) {
        let waiting = state.built_directions();
        let known = |name: &String| {
            let mut open = state.live.attributes.iter();
            // Those that were built here may be on their way.
            open.any(|a| a.name == *name) || waiting.iter().any(|(_, own)| own == name)
        };
        state.doc.edit.amounts.retain(|name, _| known(name));
    }

    fn exported(&self, state: &State) -> Option<Exported> {
        state.doc.edit.base.as_ref()?;
        let result = state.doc.edit.result()?;
        let of_photo = export::stands_on_photo(&result.recipe, state);
        Some(Exported {
            label: "Before and after",
            formats: if of_photo { WITH_PHOTO } else { FORMATS },
            columns: None,
            frames: None,
            clock: None,
            stem: "before-after".to_owned(),
            usual: true,
        })
    }

    fn export_pictures(&self, state: &State, _frames: u32) -> Vec<Named> {
        let edit = &state.doc.edit;
        let pictures = [(edit.base.clone(), "Before"), (edit.result(), "After")];
        let labelled = |(named, label): (Option<Named>, &str)| {
            Some(Named {
                label: label.to_owned(),
                ..named?
            })
        };
        pictures.into_iter().filter_map(labelled).collect()
    }
}
