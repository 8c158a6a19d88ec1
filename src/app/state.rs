//! Everything that is on the screen, as plain data: no channels, no textures, no handles.
//!
//! [`Document`] is what undo walks over; the rest is either a setting, a selection, or a picture
//! that the worker can draw again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::dialog::Dialog;
use super::history::History;
use crate::engine::message::{
    AttributeEdit, AttributeInfo, CropSquare, Inspection, ItemId, ModelInfo, PathKind, Recipe,
    Ticket, View,
};

/// Temperature on first start: where faces look best.
pub const DEFAULT_TEMPERATURE: f32 = 0.7;
/// Most keyframes of a morph.
pub const MAX_KEYS: usize = 8;
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

/// A recipe and what people call it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// What is drawn.
    pub recipe: Recipe,
    /// What it is called.
    pub label: String,
}

/// "More like this": the grid shows variations of one picture instead of fresh samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    /// What is varied. It stays in the first cell.
    pub base: Named,
    /// How far the variations go.
    pub amount: f32,
}

/// The sample tab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleTab {
    /// Seed of the grid.
    pub seed: u64,
    /// Temperature of all levels.
    pub temperature: f32,
    /// Whether each level has its own.
    pub per_level: bool,
    /// Temperatures of the levels, finest first, used where `per_level` holds.
    pub level_temperatures: Vec<f32>,
    /// Columns of the grid.
    pub columns: u32,
    /// Rows of the grid.
    pub rows: u32,
    /// Variations of one picture, where they are shown.
    pub variation: Option<Variation>,
}

impl Default for SampleTab {
    fn default() -> Self {
        Self {
            seed: 1,
            temperature: DEFAULT_TEMPERATURE,
            per_level: false,
            level_temperatures: Vec::new(),
            columns: 6,
            rows: 4,
            variation: None,
        }
    }
}

impl SampleTab {
    /// Cells of the grid.
    pub fn n_cells(&self) -> u32 {
        self.columns * self.rows
    }

    /// The temperature as a recipe wants it: one for all levels, or one each.
    pub fn temperatures(&self) -> Vec<f32> {
        if self.per_level && !self.level_temperatures.is_empty() {
            self.level_temperatures.clone()
        } else {
            vec![self.temperature]
        }
    }

    /// What a cell shows.
    pub fn cell(&self, index: u32) -> Named {
        match &self.variation {
            Some(variation) if index == 0 => variation.base.clone(),
            Some(variation) => Named {
                recipe: Recipe::Varied {
                    base: Box::new(variation.base.recipe.clone()),
                    // Neighbouring seeds must not share pictures, so the cell has its own digits.
                    seed: self
                        .seed
                        .wrapping_mul(1 << 16)
                        .wrapping_add(u64::from(index)),
                    amount: variation.amount,
                },
                label: format!("Like {} · {index}", variation.base.label),
            },
            None => Named {
                recipe: Recipe::Scaled {
                    base: Box::new(Recipe::Sample {
                        seed: self.seed,
                        index,
                    }),
                    temperature: self.temperatures(),
                },
                label: format!("Seed {} · {}", self.seed, index + 1),
            },
        }
    }
}

/// The morph tab, without the position on its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MorphTab {
    /// Keyframes; a slot may be empty.
    pub keys: Vec<Option<Named>>,
    /// Straight or spherical.
    pub path: PathKind,
    /// Pictures in the filmstrip.
    pub steps: u32,
}

impl Default for MorphTab {
    fn default() -> Self {
        Self {
            keys: vec![None, None],
            path: PathKind::Spherical,
            steps: 9,
        }
    }
}

impl MorphTab {
    /// Keyframes that are set, where there are at least two.
    pub fn path_keys(&self) -> Option<Vec<Recipe>> {
        let keys: Vec<Recipe> = self
            .keys
            .iter()
            .flatten()
            .map(|k| k.recipe.clone())
            .collect();
        (keys.len() >= 2).then_some(keys)
    }

    /// The point of the path at `t`.
    pub fn at(&self, t: f32) -> Option<Named> {
        Some(Named {
            recipe: Recipe::Morph {
                keys: self.path_keys()?,
                t,
                path: self.path,
            },
            label: format!("Morph at {t:.3}"),
        })
    }

    /// `t` of a picture of the filmstrip.
    pub fn t_of_step(&self, step: u32) -> f32 {
        step as f32 / (self.steps.max(2) - 1) as f32
    }
}

/// `A`, `B`, ... of a keyframe.
pub fn slot_name(slot: usize) -> char {
    char::from(b'A' + (slot % 26) as u8)
}

/// What happens at the end of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlayMode {
    /// Begin again.
    Loop,
    /// Turn round.
    #[default]
    PingPong,
    /// Stop.
    Once,
}

impl PlayMode {
    /// All modes, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::PingPong, Self::Loop, Self::Once];

    /// Name in the menu.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loop => "Loop",
            Self::PingPong => "Ping-pong",
            Self::Once => "Once",
        }
    }
}

/// Where the morph stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Playback {
    /// 0 at the first, 1 at the last keyframe.
    pub t: f32,
    /// Whether it runs.
    #[serde(skip)]
    pub playing: bool,
    /// What happens at the end.
    pub mode: PlayMode,
    /// Whether it runs backwards.
    #[serde(skip)]
    pub backwards: bool,
    /// Seconds from the first keyframe to the last.
    pub seconds: f32,
}

impl Default for Playback {
    fn default() -> Self {
        Self {
            t: 0.5,
            playing: false,
            mode: PlayMode::PingPong,
            backwards: false,
            seconds: 4.0,
        }
    }
}

/// The edit tab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditTab {
    /// What is edited.
    pub base: Option<Named>,
    /// Sliders that are not at zero.
    pub amounts: BTreeMap<String, f32>,
    /// Whether other attributes stay as they are.
    pub keep_others: bool,
    /// Factor on the result's eps.
    pub temperature: f32,
}

impl Default for EditTab {
    fn default() -> Self {
        Self {
            base: None,
            amounts: BTreeMap::new(),
            keep_others: false,
            temperature: 1.0,
        }
    }
}

impl EditTab {
    /// The edited picture.
    pub fn result(&self) -> Option<Named> {
        let base = self.base.as_ref()?;
        let mut recipe = base.recipe.clone();
        if !self.amounts.is_empty() {
            recipe = Recipe::Edited {
                base: Box::new(recipe),
                edits: self
                    .amounts
                    .iter()
                    .map(|(name, &amount)| AttributeEdit {
                        name: name.clone(),
                        amount,
                    })
                    .collect(),
                keep_others: self.keep_others,
            };
        }
        if self.temperature != 1.0 {
            recipe = Recipe::Scaled {
                base: Box::new(recipe),
                temperature: vec![self.temperature],
            };
        }
        let label = if recipe == base.recipe {
            base.label.clone()
        } else {
            format!("{}, edited", base.label)
        };
        Some(Named { recipe, label })
    }
}

/// A row of the shelf; the picture itself is in [`State::items`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShelfEntry {
    /// Its id.
    pub id: ItemId,
    /// What it is called.
    pub name: String,
}

/// Everything that undo brings back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// The sample tab.
    pub sample: SampleTab,
    /// The morph tab.
    pub morph: MorphTab,
    /// The edit tab.
    pub edit: EditTab,
    /// The shelf, top to bottom.
    pub shelf: Vec<ShelfEntry>,
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

/// Pixels, with a number that no other picture has: the key of its texture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Unique in this run.
    pub id: u64,
    /// The pixels.
    pub pixels: Arc<RgbImage>,
    /// Subpixels that were not finite.
    pub non_finite: usize,
}

/// Where a shelf item comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file or the clipboard.
    Photo,
    /// A sample or an edit.
    Sample,
}

/// How far a shelf item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemStatus {
    /// The worker has it in hand.
    Busy,
    /// It has a latent.
    Ready,
    /// It has none, and why.
    Failed(String),
}

/// An imported picture, before the model.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The whole picture, upright, small.
    pub preview: Picture,
    /// Size of the original, in whose pixels crops are measured.
    pub size: [u32; 2],
    /// The crop in use.
    pub crop: CropSquare,
    /// The crop first proposed.
    pub proposal: CropSquare,
    /// Whether the proposal came from a face.
    pub face_found: bool,
}

/// The live side of a shelf entry.
#[derive(Clone, Debug)]
pub struct Item {
    /// Photo or sample.
    pub origin: Origin,
    /// How far it is.
    pub status: ItemStatus,
    /// What its latent decodes to.
    pub thumbnail: Option<Picture>,
    /// Its figures.
    pub inspection: Option<Inspection>,
    /// The source picture, for photos.
    pub photo: Option<Photo>,
}

/// A picture in a cell, and what it shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What it shows.
    pub recipe: Recipe,
    /// The picture.
    pub picture: Picture,
}

/// A render on its way.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The request.
    pub ticket: Ticket,
    /// What was asked for.
    pub cells: BTreeMap<u32, Recipe>,
    /// Cells answered so far.
    pub answered: usize,
}

/// One view's pictures.
#[derive(Clone, Debug, Default)]
pub struct ViewState {
    /// The picture of each cell; an old one stays until the new one is there.
    pub shown: BTreeMap<u32, Shown>,
    /// The request on its way.
    pub in_flight: Option<Flight>,
    /// What failed last; not asked for again until something changes.
    pub failed: Option<BTreeMap<u32, Recipe>>,
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For information.
    Info,
    /// Something was done.
    Done,
    /// Something failed.
    Error,
}

/// A line of the message log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// How serious.
    pub level: LogLevel,
    /// The message.
    pub text: String,
}

/// Work that reports how far it is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The request, for cancel.
    pub ticket: Option<Ticket>,
    /// What is being done.
    pub what: String,
    /// Done.
    pub done: usize,
    /// Of.
    pub total: usize,
}

/// What the worker told, and what is on its way to it.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The open model.
    pub model: Option<ModelInfo>,
    /// Whether a model is being opened.
    pub opening: bool,
    /// The open directions.
    pub attributes: Vec<AttributeInfo>,
    /// Pictures of each view.
    pub views: HashMap<View, ViewState>,
    /// Figures known by recipe, newest last.
    pub inspections: VecDeque<(Recipe, Inspection)>,
    /// Figures asked for.
    pub inspecting: Option<(Ticket, Recipe)>,
    /// A recipe whose figures could not be had.
    pub inspect_failed: Option<Recipe>,
    /// Decode times, milliseconds, newest last.
    pub decode_ms: VecDeque<f32>,
    /// Requests waiting in the worker.
    pub waiting: usize,
    /// Work under way.
    pub progress: Option<Progress>,
    /// Exports under way.
    pub exporting: Vec<(Ticket, PathBuf)>,
    /// Messages, newest last.
    pub log: VecDeque<LogLine>,
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

    /// A picture of a recipe, wherever one is at hand.
    pub fn picture_of(&self, recipe: &Recipe) -> Option<&Picture> {
        if let Recipe::Item(id) = recipe {
            return self.items.get(id)?.thumbnail.as_ref();
        }
        let mut shown = self.live.views.values().flat_map(|v| v.shown.values());
        shown.find(|s| s.recipe == *recipe).map(|s| &s.picture)
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
        self.live.log.push_back(LogLine {
            level,
            text: text.into(),
        });
        while self.live.log.len() > 200 {
            self.live.log.pop_front();
        }
    }
}
