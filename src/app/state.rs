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
use super::history::History;
pub use super::live::*;
use super::session::Session;
use super::trace::Trace;
use crate::engine::message::{Inspection, ItemId, Recipe, View};

/// Attributes beyond which a search box helps.
pub const SEARCH_FROM: usize = 8;

/// The tabs of the work area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tab {
    /// A grid of samples.
    #[default]
    Sample,
    /// A path through keyframes.
    Morph,
    /// Attribute sliders on one picture.
    Edit,
}

impl Tab {
    /// All tabs, in the order of the bar.
    pub const ALL: [Self; 3] = [Self::Sample, Self::Morph, Self::Edit];

    /// Name on the bar.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sample => "Sample",
            Self::Morph => "Morph",
            Self::Edit => "Edit",
        }
    }
}

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::System,
            ui_scale: 1.0,
            shelf_open: true,
            inspector_open: true,
            smooth: true,
        }
    }
}

/// What the inspector shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Nothing.
    #[default]
    None,
    /// A cell of the sample grid.
    Cell(u32),
    /// A shelf item.
    Item(ItemId),
    /// The morph.
    Morph,
    /// The edited picture.
    Edit,
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
    /// Where the morph stands.
    pub playback: Playback,
    /// Folder of the last export.
    pub export_folder: Option<PathBuf>,
    /// The last export's choices, for the next.
    #[serde(skip)]
    pub last_export: Option<ExportForm>,
    /// Sessions opened or saved last, newest first.
    pub recent: Vec<PathBuf>,
    /// The session that is open.
    #[serde(skip)]
    pub session: Session,
    /// How long changes take to reach the screen.
    #[serde(skip)]
    pub trace: Trace,
    /// What was selected before pictures were imported, in case they cannot be.
    #[serde(skip)]
    pub(super) before_import: Option<Selection>,
    /// Photos of the command line that go into the first slots of the morph once they have latents.
    #[serde(skip)]
    pub(super) given: Vec<Option<ItemId>>,
    /// What the inspector shows.
    #[serde(skip)]
    pub selection: Selection,
    /// The cell under the pointer: drawn first.
    #[serde(skip)]
    pub focus_cell: Option<u32>,
    /// Whether the selected cell is shown large.
    #[serde(skip)]
    pub enlarged: bool,
    /// Text in the attribute search box.
    #[serde(skip)]
    pub search: String,
    /// Whether the edit tab shows the picture before the edit.
    #[serde(skip)]
    pub before: bool,
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
}

impl Default for State {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            tab: Tab::default(),
            doc: Document::default(),
            playback: Playback::default(),
            export_folder: None,
            last_export: None,
            recent: Vec::new(),
            session: Session::default(),
            trace: Trace::default(),
            before_import: None,
            given: Vec::new(),
            selection: Selection::Cell(0),
            focus_cell: None,
            enlarged: false,
            search: String::new(),
            before: false,
            items: BTreeMap::new(),
            removed: VecDeque::new(),
            history: History::default(),
            live: Live::default(),
            dialog: None,
            typed: None,
            next: 1,
        }
    }
}

impl State {
    /// A stored state made fit for a new run: latents did not survive, so nothing may name them.
    pub fn restored(mut self) -> Self {
        self.doc.shelf.clear();
        self.doc.edit = EditTab::default();
        self.doc.morph.keys = vec![None, None];
        self.doc.sample.variation = None;
        self.doc.sample.columns = self.doc.sample.columns.clamp(1, 12);
        self.doc.sample.rows = self.doc.sample.rows.clamp(1, 12);
        self.doc.morph.steps = self.doc.morph.steps.clamp(2, 60);
        let scale = self.settings.ui_scale;
        self.settings.ui_scale = if scale.is_finite() {
            scale.clamp(0.6, 2.0)
        } else {
            1.0
        };
        self.next = 1;
        self.selection = Selection::Cell(0);
        self.history.reset(&self.doc);
        self
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

    /// What a selection stands for.
    pub fn subject(&self, selection: Selection) -> Option<Named> {
        match selection {
            Selection::None => None,
            Selection::Cell(index) => {
                (index < self.doc.sample.n_cells()).then(|| self.doc.sample.cell(index))
            }
            Selection::Item(id) => self.doc.shelf.iter().find(|e| e.id == id).map(|e| Named {
                recipe: Recipe::Item(id),
                label: e.name.clone(),
            }),
            Selection::Morph => self.doc.morph.at(self.playback.t),
            Selection::Edit => self.doc.edit.result(),
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
            Selection::Cell(cell) => self.cell_picture(View::Sample, cell),
            Selection::Item(id) => self.items.get(&id)?.thumbnail.as_ref(),
            Selection::Morph => self.cell_picture(View::Morph, 0),
            Selection::Edit => self.cell_picture(View::Edit, 0),
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

    /// Figures of a recipe, where they are known.
    pub fn inspection_of(&self, recipe: &Recipe) -> Option<&Inspection> {
        if let Recipe::Item(id) = recipe {
            return self.items.get(id)?.inspection.as_ref();
        }
        let known = self.live.inspections.iter().rev();
        known.into_iter().find(|(r, _)| r == recipe).map(|(_, i)| i)
    }

    /// The letters of the slots that hold a shelf item: `A`, `B` ...
    pub fn slots_of(&self, id: ItemId) -> Vec<char> {
        let keys = self.doc.morph.keys.iter().enumerate();
        keys.filter(|(_, key)| key.as_ref().is_some_and(|k| k.recipe == Recipe::Item(id)))
            .map(|(slot, _)| slot_name(slot))
            .collect()
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
