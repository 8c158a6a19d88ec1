//! What a person's wishes do to the [`State`]. Pure: no window, no files, no clock.

use std::path::{Path, PathBuf};

use super::action::Action;
use super::dialog::{CropForm, Dialog, ExportForm, PathPurpose};
use super::export;
use super::session::Opening;
use super::state::{
    Document, ItemStatus, LogLevel, MAX_KEYS, Named, Selection, State, Tab, Variation,
};
use crate::engine::message::{Command, ItemId, Recipe, Ticket};

/// Photos of the command line that a morph is made of.
const GIVEN_SLOTS: usize = 2;

impl State {
    /// The first commands of a run.
    pub fn start(&mut self, model: Option<PathBuf>, files: Vec<PathBuf>) -> Vec<Command> {
        self.live.opening = true;
        self.session.model_given = model.is_some();
        let mut commands = vec![Command::OpenModel(model)];
        if let (Some(crashed), Some(path)) = (self.session.restore, self.session.autosave.clone()) {
            commands.extend(self.open_session(path, Opening::Restored { crashed }));
        }
        if !files.is_empty() {
            let own = self.doc.shelf.len();
            let paths = super::intake::actions_of_paths(PathPurpose::Pictures, files);
            for action in paths {
                commands.extend(self.apply(action));
            }
            let given = self.doc.shelf.iter().skip(own).map(|e| Some(e.id));
            self.given = given.take(GIVEN_SLOTS).collect();
            if self.given.len() < GIVEN_SLOTS {
                // One photo is to be looked at; there is nothing yet to morph it into.
                self.given.clear();
            }
        }
        self.history.reset(&self.doc);
        commands
    }

    /// Does what the person wants; what the worker must hear is returned.
    pub fn apply(&mut self, action: Action) -> Vec<Command> {
        match action {
            Action::SetTab(tab) => self.set_tab(tab),
            Action::Select(selection) => self.selection = selection,
            Action::MoveSelection(dx, dy) => self.move_selection(dx, dy),
            Action::Enlarge(enlarged) => self.enlarged = enlarged,
            Action::FocusCell(cell) => self.focus_cell = cell,

            Action::SetSeed(seed) => self.doc.sample.seed = seed,
            Action::SetTemperature(value) => {
                self.doc.sample.temperature = value;
                self.doc.sample.level_temperatures.fill(value);
            }
            Action::SetPerLevel(per_level) => self.doc.sample.per_level = per_level,
            Action::SetLevelTemperature(level, value) => {
                if let Some(slot) = self.doc.sample.level_temperatures.get_mut(level) {
                    *slot = value;
                }
            }
            Action::SetGrid(columns, rows) => {
                self.doc.sample.columns = columns.clamp(1, 12);
                self.doc.sample.rows = rows.clamp(1, 12);
            }
            Action::MoreLikeThis(base) => {
                let amount = (self.doc.sample.variation.as_ref()).map_or(0.3, |v| v.amount);
                self.doc.sample.variation = Some(Variation { base, amount });
                self.selection = Selection::Cell(0);
                self.enlarged = false;
                self.tab = Tab::Sample;
            }
            Action::SetVariation(amount) => {
                if let Some(variation) = &mut self.doc.sample.variation {
                    variation.amount = amount;
                }
            }
            Action::LeaveVariations => self.doc.sample.variation = None,

            Action::Pin(named) => return vec![self.pin(named)],
            Action::Import(sources) => return self.import(sources),
            Action::Rename(id, name) => {
                let name = name.trim();
                let entry = self.doc.shelf.iter_mut().find(|e| e.id == id);
                if let Some(entry) = entry.filter(|_| !name.is_empty()) {
                    entry.name = name.to_owned();
                }
                self.dialog = None;
            }
            Action::Remove(id) => return self.remove(id),
            Action::Recrop(item, crop) => {
                self.dialog = None;
                if let Some(it) = self.items.get_mut(&item) {
                    it.status = ItemStatus::Busy;
                    if let Some(photo) = &mut it.photo {
                        photo.crop = crop;
                    }
                    return vec![Command::Recrop { item, crop }];
                }
            }

            Action::SetKey(slot, named) => self.set_key(slot, named),
            Action::ClearKey(slot) => {
                let keys = &mut self.doc.morph.keys;
                if slot >= 2 && slot < keys.len() {
                    keys.remove(slot);
                } else if let Some(key) = keys.get_mut(slot) {
                    *key = None;
                }
            }
            Action::AddSlot => {
                if self.doc.morph.keys.len() < MAX_KEYS {
                    self.doc.morph.keys.push(None);
                }
            }
            Action::ReverseKeys => {
                self.doc.morph.keys.reverse();
                self.playback.t = 1.0 - self.playback.t;
            }
            Action::SetT(t) => {
                self.playback.t = t.clamp(0.0, 1.0);
                self.selection = Selection::Morph;
            }
            Action::SetPath(path) => self.doc.morph.path = path,
            Action::SetSteps(steps) => self.doc.morph.steps = steps.clamp(2, 60),
            Action::Play(playing) => self.play(playing),
            Action::SetPlayMode(mode) => {
                self.playback.mode = mode;
                self.playback.backwards = false;
            }
            Action::SetPlaySeconds(seconds) => self.playback.seconds = seconds.clamp(0.5, 60.0),
            Action::Advance(elapsed_secs) => self.advance(elapsed_secs),

            Action::EditBase(base) => {
                self.doc.edit.base = Some(base);
                self.tab = Tab::Edit;
                self.selection = Selection::Edit;
            }
            Action::SetAmount(name, amount) => {
                if amount == 0.0 {
                    self.doc.edit.amounts.remove(&name);
                } else {
                    self.doc.edit.amounts.insert(name, amount);
                }
                self.selection = Selection::Edit;
            }
            Action::ResetAmounts => {
                self.doc.edit.amounts.clear();
                self.doc.edit.temperature = 1.0;
            }
            Action::SetKeepOthers(keep) => self.doc.edit.keep_others = keep,
            Action::SetEditTemperature(value) => self.doc.edit.temperature = value,
            Action::SetSearch(text) => self.search = text,
            Action::Before(before) => self.before = before,

            Action::OpenModel(path) => {
                self.live.opening = true;
                return vec![Command::OpenModel(path)];
            }
            Action::OpenAttributes(path) => return vec![Command::OpenAttributes(path)],
            Action::OpenExport(source) => {
                self.dialog = Some(Dialog::Export(ExportForm::new(source, self)));
            }
            Action::Export => return self.export(),
            Action::Cancel(ticket) => {
                self.live.exporting.retain(|(t, _)| *t != ticket);
                self.live.progress = None;
                self.live.cancelled = Some(ticket);
                return vec![Command::Cancel(ticket)];
            }

            Action::CancelImports => return self.cancel_imports(),
            Action::SaveSession(path) => return self.save_session(path),
            Action::OpenSession(path) => return self.open_session(path, Opening::Asked),
            Action::NewSession => return self.new_session(),
            Action::CloseToast(at) => drop(self.live.toasts.remove(at)),

            Action::Show(dialog) => self.dialog = Some(dialog),
            Action::Close => {
                if self.dialog.take().is_none() {
                    // Messages lie over the picture, so they go first.
                    if self.live.toasts.is_empty() {
                        self.enlarged = false;
                    }
                    self.live.toasts.clear();
                }
            }
            Action::SetTheme(theme) => self.settings.theme = theme,
            Action::SetScale(scale) => self.settings.ui_scale = scale.clamp(0.6, 2.0),
            Action::SetShelfOpen(open) => self.settings.shelf_open = open,
            Action::SetInspectorOpen(open) => self.settings.inspector_open = open,
            Action::SetSmooth(smooth) => self.settings.smooth = smooth,
            Action::Undo => {
                if let Some(doc) = self.history.undo(&self.doc) {
                    self.restore(doc);
                }
            }
            Action::Redo => {
                if let Some(doc) = self.history.redo() {
                    self.restore(doc);
                }
            }
            Action::Log(level, text) => self.log(level, text),
            Action::Browse(_)
            | Action::CopyImage(_)
            | Action::NewSeed
            | Action::Paste
            | Action::Quit => {}
        }
        Vec::new()
    }

    fn set_tab(&mut self, tab: Tab) {
        self.tab = tab;
        self.enlarged = false;
        if tab == Tab::Edit && self.doc.edit.base.is_none() {
            // An empty edit tab helps nobody: what was selected is what one wants to edit.
            self.doc.edit.base = self.selected();
        }
        match tab {
            Tab::Morph if self.doc.morph.path_keys().is_some() => {
                self.selection = Selection::Morph;
            }
            Tab::Edit if self.doc.edit.base.is_some() => self.selection = Selection::Edit,
            _ => {}
        }
        if tab != Tab::Morph {
            self.playback.playing = false;
        }
    }

    fn move_selection(&mut self, dx: i32, dy: i32) {
        match (self.tab, self.selection) {
            (Tab::Sample, Selection::Cell(cell)) => {
                let (columns, rows) = (self.doc.sample.columns as i32, self.doc.sample.rows as i32);
                let x = (cell as i32 % columns + dx).clamp(0, columns - 1);
                let y = (cell as i32 / columns + dy).clamp(0, rows - 1);
                self.selection = Selection::Cell((y * columns + x) as u32);
            }
            (_, Selection::Item(id)) => {
                let shelf = &self.doc.shelf;
                let at = shelf.iter().position(|e| e.id == id).unwrap_or(0) as i32;
                let to = (at + dx + dy).clamp(0, shelf.len() as i32 - 1);
                if let Some(entry) = shelf.get(to as usize) {
                    self.selection = Selection::Item(entry.id);
                }
            }
            (Tab::Morph, _) => {
                let intervals = (self.doc.morph.steps - 1) as f32;
                let step = (self.playback.t * intervals).round() + (dx + dy) as f32;
                self.playback.t = (step / intervals).clamp(0.0, 1.0);
            }
            _ => self.selection = Selection::Cell(0),
        }
    }

    pub(super) fn set_key(&mut self, slot: usize, named: Named) {
        if slot >= MAX_KEYS {
            return;
        }
        let keys = &mut self.doc.morph.keys;
        if slot >= keys.len() {
            keys.resize(slot + 1, None);
        }
        keys[slot] = Some(named);
        if self.tab == Tab::Morph && self.doc.morph.path_keys().is_some() {
            self.selection = Selection::Morph;
        }
    }

    fn export(&mut self) -> Vec<Command> {
        let Some(Dialog::Export(form)) = &self.dialog else {
            return Vec::new();
        };
        match export::request(form, self) {
            Ok(request) => {
                let ticket = Ticket(self.fresh());
                self.live.exporting.push((ticket, request.path.clone()));
                self.export_folder = request.path.parent().map(PathBuf::from);
                self.dialog = None;
                vec![Command::Export { ticket, request }]
            }
            Err(message) => {
                self.log(LogLevel::Error, message);
                Vec::new()
            }
        }
    }

    /// Takes over a document from the history, as far as its items still live.
    fn restore(&mut self, mut doc: Document) {
        doc.shelf.retain(|e| self.items.contains_key(&e.id));
        let shelf = &doc.shelf;
        self.removed.retain(|id| !shelf.iter().any(|e| e.id == *id));
        let gone: Vec<ItemId> = (self.doc.shelf.iter().map(|e| e.id))
            .filter(|id| !shelf.iter().any(|e| e.id == *id))
            .collect();
        self.removed.extend(gone);
        self.doc = doc;
        self.history.amend(&self.doc);
        if self.selected().is_none() {
            self.selection = Selection::Cell(0);
        }
    }
}

/// Whether a recipe stands on a shelf item.
pub fn mentions(recipe: &Recipe, id: ItemId) -> bool {
    stands_on(recipe, &|item| item == id)
}

/// Whether a recipe stands on any shelf item.
pub fn mentions_any(recipe: &Recipe) -> bool {
    stands_on(recipe, &|_| true)
}

fn stands_on(recipe: &Recipe, wanted: &impl Fn(ItemId) -> bool) -> bool {
    match recipe {
        Recipe::Item(item) => wanted(*item),
        Recipe::Sample { .. } => false,
        Recipe::Morph { keys, .. } => keys.iter().any(|key| stands_on(key, wanted)),
        Recipe::Edited { base, .. }
        | Recipe::Varied { base, .. }
        | Recipe::Scaled { base, .. }
        | Recipe::Given { base, .. } => stands_on(base, wanted),
    }
}

/// A file as people call it.
pub(super) fn name_of_path(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}

impl CropForm {
    /// The dialog for an item's photo.
    pub fn new(item: ItemId, state: &State) -> Option<Self> {
        let photo = state.items.get(&item)?.photo.as_ref()?;
        Some(Self {
            item,
            square: photo.crop,
        })
    }
}
