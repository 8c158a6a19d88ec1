//! The screens of the work area: a folder each, one trait, one list. How to add one: README.md beside this file.
//!
//! The window's frame (shelf, inspector, menus, keys, undo, sessions, exports, requests to the worker) asks the
//! open screen, or all of them, through [`Screen`]; it knows nothing of what is inside.

pub mod attributes;
pub mod compare;
pub mod edit;
pub mod levels;
mod list;
pub mod map;
pub mod mix;
pub mod model;
pub mod morph;
pub mod sample;
pub mod train;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use egui::{KeyboardShortcut, Ui};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::dialog::{Clock, ExportFormat};
use super::document::{Named, ShelfEntry};
use super::keys::Entry;
use super::state::{Picture, Selection, State};
use super::widgets::Cx;
use crate::engine::message::{BuildReport, Command, DirectionId, ItemId, ModelInfo, Recipe, View};
use crate::recipe::PictureSettings;
use list::screens;

screens! {
    /// A grid of samples.
    Sample: sample::SampleScreen;
    /// A path through keyframes.
    Morph: morph::MorphScreen;
    /// Attribute sliders on one picture.
    Edit: edit::EditScreen;
    /// A point between four pictures, or levels of two.
    Mix: mix::MixScreen;
    /// What each level of a latent holds.
    Levels: levels::LevelsScreen;
    /// Figures of the shelf, and two pictures held against each other.
    Compare: compare::CompareScreen;
    /// Directions built from examples.
    Attributes: attributes::AttributesScreen;
    /// A whole folder as points of a plane.
    Map: map::MapScreen;
    /// A model of one's own from pictures.
    Train: train::TrainScreen;
    /// What the open model is.
    Model: model::ModelScreen;
}

/// What a view shows, by cell.
pub type Cells = BTreeMap<u32, Recipe>;

/// A screen of the work area. Its own data lies in the [`Document`] and on the [`Desks`], in the fields named like
/// its folder; everything else of the state is there to be read.
pub trait Screen: Sync {
    /// What undo brings back and sessions keep.
    type Doc: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned
    where
        Self: Sized;

    /// What lies about while one works: kept in sessions unless a field is skipped, never undone.
    type Desk: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned
    where
        Self: Sized;

    /// What can be wished for on it.
    type Wish: Clone + Debug + PartialEq + Into<Action>
    where
        Self: Sized;

    /// Does what the person wants; what the worker must hear is returned.
    fn apply(state: &mut State, wish: Self::Wish) -> Vec<Command>
    where
        Self: Sized;

    /// Whether a wish needs no second frame: it changes only where the pointer is, or keeps its own pace.
    fn is_quiet(_wish: &Self::Wish) -> bool
    where
        Self: Sized,
    {
        false
    }

    /// Its name on the bar.
    fn label(&self) -> &'static str;

    /// What it is for, in one plain sentence.
    fn about(&self) -> &'static str;

    /// What the tour says of it; `None` where the tour passes by.
    fn tour(&self) -> Option<&'static str> {
        None
    }

    /// Draws it.
    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>);

    /// What can be done by name: for keys, the palette and the list of keys.
    fn entries(&self) -> &'static [Entry] {
        &[]
    }

    /// What it can do with any picture: for menus of pictures, the inspector, keys and the palette.
    fn offers(&self) -> &'static [Offer] {
        &[]
    }

    // --- Pictures that it stands on ---

    /// Shows every picture that it stands on to `keep`, which may rename it; those refused are let go.
    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool);

    /// Brings numbers from a file within what the controls allow.
    fn make_sound(&self, _state: &mut State) {}

    /// What stands on a row of the shelf: the slots that hold the picture.
    fn marks(&self, _doc: &Document, _id: ItemId) -> String {
        String::new()
    }

    // --- What it shows ---

    /// What its views should show, while it is open.
    fn wanted(&self, state: &State) -> Vec<(View, Cells)>;

    /// The cell that a person looks at: what the trace follows.
    fn lead(&self, _state: &State) -> Option<Lead> {
        None
    }

    /// Puts cells in the order in which they are wanted.
    fn order(&self, _state: &State, _view: View, _cells: &mut [(u32, Recipe)]) {}

    /// Pictures whose figures it shows beside the selected one's.
    fn inspected(&self, _state: &State) -> Vec<Recipe> {
        Vec::new()
    }

    /// More that it asks of the worker, once nothing moves.
    fn sync(&self, _state: &mut State) -> Vec<Command> {
        Vec::new()
    }

    /// Whether and how something moves by itself.
    fn running(&self, _state: &State) -> Option<Running> {
        None
    }

    /// Puts what moves by itself back to where it was before it did: a session keeps that.
    fn stop_where_it_began(&self, _desks: &mut Desks) {}

    // --- Selection ---

    /// What its picture of a number is: see [`Selection::Of`].
    fn subject(&self, _state: &State, _number: u32) -> Option<Named> {
        None
    }

    /// That picture as it is on the screen.
    fn picture<'a>(&self, _state: &'a State, _number: u32) -> Option<&'a Picture> {
        None
    }

    /// An arrow key was pressed while nothing on the shelf is selected.
    fn arrows(&self, state: &mut State, _dx: i32, _dy: i32) {
        state.selection = Selection::FIRST;
    }

    /// Escape was pressed, and nothing lay over it.
    fn escape(&self, _state: &mut State) {}

    /// A picture on the shelf was selected while it is open.
    fn shelf_selected(&self, _state: &mut State, _named: &Named) {}

    // --- What happens to the window ---

    /// It was opened.
    fn opened(&self, _state: &mut State) {}

    /// Another was opened.
    fn left(&self, _state: &mut State) {}

    /// A stored state begins a new run: latents did not survive, so no picture may be named.
    fn new_run(&self, doc: &mut Document) {
        self.retain(doc, &mut |_| false);
    }

    /// A model was opened. `keep`: what belongs to a model was brought along with it.
    fn model_opened(&self, _state: &mut State, _model: &ModelInfo, _keep: bool) {}

    /// Other directions were opened; they are in `state.live.attributes`.
    fn attributes_opened(&self, _state: &mut State) {}

    /// Directions that were built here and are to be open, by the names of their sliders.
    fn directions(&self, _doc: &Document) -> Vec<(DirectionId, String)> {
        Vec::new()
    }

    /// Directions were built.
    fn built(&self, _state: &mut State, _report: BuildReport) {}

    /// Pictures to begin with on an empty shelf.
    fn first_pictures(&self, _state: &State) -> Vec<Named> {
        Vec::new()
    }

    /// These lie on the shelf at the first start: what is empty may begin with them.
    fn first_shelf(&self, _doc: &mut Document, _pinned: &[Named]) {}

    /// The picture that was named at this place on the command line.
    fn given(&self, _state: &mut State, _place: usize, _picture: &Named) {}

    // --- Files ---

    /// What it gives to be written now.
    fn exported(&self, _state: &State) -> Option<Exported> {
        None
    }

    /// The pictures of an export, in order; `frames` where their number can be chosen.
    fn export_pictures(&self, _state: &State, _frames: u32) -> Vec<Named> {
        Vec::new()
    }

    /// Its film: pictures, and for each frame the place of its picture. Where nothing plays by itself, each picture once.
    fn film(&self, state: &State, _clock: Clock) -> (Vec<Named>, Vec<usize>) {
        let pictures = self.export_pictures(state, 0);
        let order = (0..pictures.len()).collect();
        (pictures, order)
    }

    /// Brings back what a picture of this program's own was made of, where this screen made it; in words, what.
    fn remake(
        &self,
        _state: &mut State,
        _settings: &PictureSettings,
        _name: &str,
    ) -> Option<&'static str> {
        None
    }
}

/// Something that a screen can do with any picture.
pub struct Offer {
    /// Its name in menus and in the palette.
    pub name: &'static str,
    /// Its name on a button of the inspector; `None` where it has none.
    pub button: Option<&'static str>,
    /// What it does.
    pub tip: &'static str,
    /// Its key.
    pub key: Option<KeyboardShortcut>,
    /// Whether a double click on the shelf does it.
    pub on_double_click: bool,
    /// The wish.
    pub wish: fn(Named) -> Action,
}

/// The cell that a person looks at.
pub struct Lead {
    /// Its view.
    pub view: View,
    /// Its number.
    pub cell: u32,
    /// What it should show.
    pub recipe: Option<Recipe>,
}

/// Something that moves by itself.
pub struct Running {
    /// The view whose pictures need not be exact meanwhile.
    pub view: View,
    /// What time does, seconds since the last frame.
    pub step: fn(f32) -> Action,
    /// When the next frame is worth painting.
    pub next_frame: Duration,
}

/// What a screen gives to be written.
pub struct Exported {
    /// Its name in the dialog.
    pub label: &'static str,
    /// Formats that suit it, the usual one first.
    pub formats: &'static [ExportFormat],
    /// Columns of a grid of it, where they are not free.
    pub columns: Option<u32>,
    /// How many pictures it has at first, where their number can be chosen.
    pub frames: Option<u32>,
    /// How it plays, where it does.
    pub clock: Option<Clock>,
    /// The file's name without its ending.
    pub stem: String,
    /// Whether "Export…" means this while the screen is open, rather than the selected picture.
    pub usual: bool,
}

/// A view of a screen, by a number of the screen's own below 16.
pub const fn view(tab: Tab, number: u32) -> View {
    View(tab as u32 * 16 + number)
}

/// What every screen can do with any picture, in the order of the list.
pub fn all_offers() -> impl Iterator<Item = &'static Offer> {
    Tab::ALL.iter().flat_map(|tab| tab.screen().offers())
}

impl Default for Tab {
    fn default() -> Self {
        Self::ALL[0]
    }
}
