//! Everything that is on the screen, as plain data: no channels, no textures, no handles.
//!
//! [`Document`] is what undo walks over; the rest is either a setting, a selection, or a picture
//! that the worker can draw again.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::dialog::{Dialog, ExportForm, PathPurpose};
pub use super::document::*;
use super::folder::FolderImport;
use super::history::History;
pub use super::live::*;
pub use super::screens::Tab;
use super::session::Session;
use super::trace::Trace;
use super::training::TrainingState;
use crate::engine::message::{DirectionId, Inspection, ItemId, Recipe, View};

/// Light, dark, or as the system has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl ThemeChoice {
    /// All choices, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Name in the menu.
    pub fn label(self) -> &'static str {
        match self {
            Self::System => "System theme",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
        }
    }
}

/// What the person set once and expects to find again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light or dark.
    pub theme: ThemeChoice,
    /// Factor on the size of everything.
    pub ui_scale: f32,
    /// Whether the shelf is unfolded.
    pub shelf_open: bool,
    /// Whether the inspector is unfolded.
    pub inspector_open: bool,
    /// Pictures enlarged smoothly, or as their pixels are.
    pub smooth: bool,
    /// Whether the tour was taken or left.
    pub tour_seen: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::System,
            ui_scale: 1.0,
            shelf_open: true,
            inspector_open: true,
            smooth: true,
            tour_seen: false,
        }
    }
}

/// What the inspector shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Nothing.
    #[default]
    None,
    /// A picture of a screen, by its number there.
    Of(Tab, u32),
    /// A shelf item.
    Item(ItemId),
}

impl Selection {
    /// The first picture of the first screen.
    pub const FIRST: Self = Self::Of(Tab::ALL[0], 0);
}

/// Everything on the screen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// What the person set once.
    pub settings: Settings,
    /// The open tab.
    pub tab: Tab,
    /// What undo brings back.
    pub doc: Document,
    /// What lies about on the screens.
    pub desks: Desks,
    /// Folder of the last export.
    pub export_folder: Option<PathBuf>,
    /// The last export's choices, for the next.
    #[serde(skip)]
    pub last_export: Option<ExportForm>,
    /// Sessions opened or saved last, newest first.
    pub recent: Vec<PathBuf>,
    /// Models opened last, newest first.
    pub recent_models: Vec<PathBuf>,
    /// Pictures opened last, newest first.
    pub recent_pictures: Vec<PathBuf>,
    /// Folders opened last, newest first.
    pub recent_folders: Vec<PathBuf>,
    /// The training, whichever session is open.
    pub training: TrainingState,
    /// Whether the selected picture has the whole screen.
    #[serde(skip)]
    pub full_screen: bool,
    /// The open step of the tour.
    #[serde(skip)]
    pub tour: Option<usize>,
    /// The session that is open.
    #[serde(skip)]
    pub session: Session,
    /// How long changes take to reach the screen.
    #[serde(skip)]
    pub trace: Trace,
    /// Folders whose pictures are on their way to the shelf.
    #[serde(skip)]
    pub(super) folders: Vec<FolderImport>,
    /// What was selected before pictures were imported, in case they cannot be.
    #[serde(skip)]
    pub(super) before_import: Option<Selection>,
    /// Photos of the command line that go into the first slots of the morph once they have latents.
    #[serde(skip)]
    pub(super) given: Vec<Option<ItemId>>,
    /// What the inspector shows.
    #[serde(skip)]
    pub selection: Selection,
    /// The shelf's pictures.
    #[serde(skip)]
    pub items: BTreeMap<ItemId, Item>,
    /// Removed items whose latents the worker still keeps for undo, oldest first.
    #[serde(skip)]
    pub removed: VecDeque<ItemId>,
    /// Undo and redo.
    #[serde(skip)]
    pub history: History,
    /// The worker's side.
    #[serde(skip)]
    pub live: Live,
    /// The open dialog.
    #[serde(skip)]
    pub dialog: Option<Dialog>,
    /// The path that was typed last, until it is known what came of it.
    #[serde(skip)]
    pub(super) typed: Option<(PathPurpose, PathBuf)>,
    /// Next id or ticket or picture number.
    #[serde(skip)]
    pub(super) next: u64,
    /// A number that nobody chose, another one at each action; the window has the clock for it.
    #[serde(skip)]
    pub(super) chance: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            tab: Tab::default(),
            doc: Document::default(),
            desks: Desks::default(),
            export_folder: None,
            last_export: None,
            recent: Vec::new(),
            recent_models: Vec::new(),
            recent_pictures: Vec::new(),
            recent_folders: Vec::new(),
            training: TrainingState::default(),
            full_screen: false,
            tour: None,
            session: Session::default(),
            trace: Trace::default(),
            folders: Vec::new(),
            before_import: None,
            given: Vec::new(),
            selection: Selection::FIRST,
            items: BTreeMap::new(),
            removed: VecDeque::new(),
            history: History::default(),
            live: Live::default(),
            dialog: None,
            typed: None,
            next: 1,
            chance: 0,
        }
    }
}

impl State {
    /// A stored state made fit for a new run: latents did not survive, so nothing may name them.
    pub fn restored(mut self) -> Self {
        self.doc.shelf.clear();
        for tab in Tab::ALL {
            tab.screen().new_run(&mut self.doc);
        }
        self.make_sound();
        let scale = self.settings.ui_scale;
        self.settings.ui_scale = if scale.is_finite() {
            scale.clamp(0.6, 2.0)
        } else {
            1.0
        };
        self.next = 1;
        self.selection = Selection::FIRST;
        self.history.reset(&self.doc);
        self
    }

    /// Numbers from a file, held to what controls allow.
    pub(super) fn make_sound(&mut self) {
        for tab in Tab::ALL {
            tab.screen().make_sound(self);
        }
    }

    /// A number that was not handed out before.
    pub(super) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Wraps pixels with a fresh number.
    pub(super) fn picture(&mut self, pixels: Arc<RgbImage>, non_finite: usize) -> Picture {
        Picture {
            id: self.fresh(),
            pixels,
            non_finite,
        }
    }

    /// Whether something is under way that closing the window would give up.
    pub fn is_at_work(&self) -> bool {
        !self.live.exporting.is_empty() || self.live.building.is_some()
    }

    /// Directions that were built here and are to be open, by the names of their sliders.
    pub(super) fn built_directions(&self) -> Vec<(DirectionId, String)> {
        let tabs = Tab::ALL.iter();
        tabs.flat_map(|tab| tab.screen().directions(&self.doc))
            .collect()
    }

    /// What a selection stands for.
    pub fn subject(&self, selection: Selection) -> Option<Named> {
        match selection {
            Selection::None => None,
            Selection::Of(tab, number) => tab.screen().subject(self, number),
            Selection::Item(id) => {
                let entry = self.doc.shelf.iter().find(|e| e.id == id);
                entry.map(ShelfEntry::named)
            }
        }
    }

    /// What is selected.
    pub fn selected(&self) -> Option<Named> {
        self.subject(self.selection)
    }

    /// The picture in a view's cell, old or new.
    pub fn cell_picture(&self, view: View, cell: u32) -> Option<&Picture> {
        Some(&self.live.views.get(&view)?.shown.get(&cell)?.picture)
    }

    /// Whether a view's cell waits for a newer picture.
    pub fn cell_is_stale(&self, view: View, cell: u32, recipe: &Recipe) -> bool {
        let shown = self.live.views.get(&view).and_then(|v| v.shown.get(&cell));
        shown.is_none_or(|s| s.recipe != *recipe)
    }

    /// The picture of the selection.
    pub fn selection_picture(&self) -> Option<&Picture> {
        match self.selection {
            Selection::None => None,
            Selection::Of(tab, number) => tab.screen().picture(self, number),
            Selection::Item(id) => self.items.get(&id)?.thumbnail.as_ref(),
        }
    }

    /// A picture of a recipe, wherever one is at hand: the exact one if it is, else a draft.
    pub fn picture_of(&self, recipe: &Recipe) -> Option<&Picture> {
        self.best_picture_of(recipe).map(|(picture, _)| picture)
    }

    /// As [`State::picture_of`], if it is no draft.
    pub fn exact_picture_of(&self, recipe: &Recipe) -> Option<&Picture> {
        let (picture, draft) = self.best_picture_of(recipe)?;
        (!draft).then_some(picture)
    }

    /// The picture, and whether it is a draft.
    fn best_picture_of(&self, recipe: &Recipe) -> Option<(&Picture, bool)> {
        if let Recipe::Item(id) = recipe {
            return Some((self.items.get(id)?.thumbnail.as_ref()?, false));
        }
        let shown = self.live.views.values().flat_map(|v| v.shown.values());
        let of_it = shown.filter(|s| s.recipe == *recipe);
        of_it.min_by_key(|s| s.draft).map(|s| (&s.picture, s.draft))
    }

    /// `Level 1 · 32 px`, `Detail 128 · 32 px`.
    pub fn level_label(&self, level: usize) -> String {
        let shape = self.live.model.as_ref().map(|m| m.latent_shape());
        let side = shape.as_ref().and_then(|shape| shape.levels.get(level));
        let side = side.map_or(String::new(), |level| format!(" · {} px", level.side));
        self.level_name(level) + &side
    }

    /// `Level 1`; of a chain's stages `Detail 128`.
    pub fn level_name(&self, level: usize) -> String {
        let shape = self.live.model.as_ref().map(|m| m.latent_shape());
        let name = shape.unwrap_or_default().level_name(level);
        let mut letters = name.chars();
        letters.next().map_or(String::new(), |first| {
            first.to_uppercase().chain(letters).collect()
        })
    }

    /// Figures of a recipe, where they are known.
    pub fn inspection_of(&self, recipe: &Recipe) -> Option<&Inspection> {
        if let Recipe::Item(id) = recipe {
            return self.items.get(id)?.inspection.as_ref();
        }
        let known = self.live.inspections.iter().rev();
        known.into_iter().find(|(r, _)| r == recipe).map(|(_, i)| i)
    }

    /// What stands on a row of the shelf: the slots that hold the picture.
    pub fn marks_of(&self, id: ItemId) -> String {
        let tabs = Tab::ALL.iter();
        tabs.map(|tab| tab.screen().marks(&self.doc, id)).collect()
    }

    /// Pictures to choose among: the shelf, and what is selected on a screen.
    pub fn candidates(&self) -> Vec<Named> {
        let ready = self.doc.shelf.iter().filter(|e| self.is_ready(e.id));
        let mut all: Vec<Named> = ready.map(ShelfEntry::named).collect();
        if matches!(self.selection, Selection::Of(..)) {
            all.extend(self.selected());
        }
        all
    }

    /// Writes a line to the message log.
    pub fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        let line = LogLine {
            level,
            text: text.into(),
        };
        if matches!(level, LogLevel::Error | LogLevel::Notice) {
            self.live.toast(line.clone());
        }
        self.live.log.push_back(line);
        while self.live.log.len() > 200 {
            self.live.log.pop_front();
        }
    }
}
