//! What a person's wishes do to the [`State`]. Pure: no window, no files, no clock.

use std::path::PathBuf;

use super::action::Action;
use super::dialog::{CropForm, Dialog, ExportForm, PathPurpose};
use super::document::name_of_path;
use super::export;
use super::session::Opening;
use super::state::{Document, ItemStatus, LogLevel, Selection, State, Tab};
use crate::engine::message::{Command, CropSquare, ItemId, Recipe, Ticket};

/// Photos of the command line that screens begin with; fewer are only looked at.
const GIVEN: usize = 2;

impl State {
    /// The first commands of a run.
    pub fn start(&mut self, model: Option<PathBuf>, files: Vec<PathBuf>) -> Vec<Command> {
        self.live.opening = true;
        self.session.model_given = model.is_some();
        let mut commands = vec![Command::OpenModel(model)];
        if let Some(order) = self.training.resumable() {
            let name = name_of_path(&order.out);
            let text = format!("the training of {name} has not come to its end: Train > Resume");
            self.log(LogLevel::Notice, text);
        }
        if self.session.awaits_place {
            // They go beside what the last run left, which comes first.
            self.session.files = files;
        } else {
            commands.extend(self.restore_last());
            commands.extend(self.open_given(files));
        }
        self.history.reset(&self.doc);
        commands
    }

    /// Opens the files of the command line.
    pub(super) fn open_given(&mut self, files: Vec<PathBuf>) -> Vec<Command> {
        if files.is_empty() {
            return Vec::new();
        }
        let own = self.doc.shelf.len();
        let mut commands = Vec::new();
        for action in super::intake::actions_of_paths(PathPurpose::Pictures, files) {
            commands.extend(self.apply(action));
        }
        let given = self.doc.shelf.iter().skip(own).map(|e| Some(e.id));
        self.given = given.take(GIVEN).collect();
        if self.given.len() < GIVEN {
            // One photo is to be looked at; there is nothing yet to morph it into.
            self.given.clear();
        }
        self.history.reset(&self.doc);
        commands
    }

    /// Does what the person wants; what the worker must hear is returned.
    pub fn apply(&mut self, action: impl Into<Action>) -> Vec<Command> {
        match action.into() {
            Action::SetTab(tab) => self.set_tab(tab),
            Action::Select(selection) => self.select(selection),
            Action::MoveSelection(dx, dy) => self.move_selection(dx, dy),
            Action::Screen(wish) => return wish.apply(self),

            Action::Pin(named) => return vec![self.pin(named)],
            Action::Import(sources) => return self.import(sources),
            Action::OpenFolder(path) => {
                let ticket = Ticket(self.fresh());
                return vec![Command::ReadFolder { ticket, path }];
            }
            Action::ImportFolder(listing, most) => {
                self.dialog = None;
                return self.open_folder(listing, most);
            }
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
                if let Some(entry) = self.doc.shelf.iter_mut().find(|e| e.id == item) {
                    entry.crop = Some(crop);
                }
                return self.recrop(item, crop).into_iter().collect();
            }

            Action::OpenModel(path) => {
                self.live.opening = true;
                // From now on the session belongs to the model that was chosen for it.
                self.session.wanted_model = None;
                return vec![Command::OpenModel(path)];
            }
            Action::TryModel(path, options) => {
                if let Some(Dialog::Ask(form)) = &mut self.dialog {
                    (form.options, form.busy) = (options.clone(), true);
                }
                return vec![Command::TryModel { path, options }];
            }
            Action::OpenModelAs(path, options) => {
                self.dialog = None;
                self.live.opening = true;
                return vec![Command::OpenModelAs { path, options }];
            }
            Action::Give(item, condition) => {
                if let Some(it) = self.items.get_mut(&item) {
                    it.status = ItemStatus::Busy;
                    return vec![Command::Give { item, condition }];
                }
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
            Action::OpenSession(path) if self.may_leave() => {
                return self.open_session(path, Opening::Asked);
            }
            Action::OpenSession(_) => {}
            Action::NewSession => return self.new_session(),
            Action::CloseToast(at) => drop(self.live.toasts.remove(at)),

            Action::Show(dialog) => {
                if self.dialog.is_none() {
                    self.live.answers.forget_entries();
                }
                self.dialog = Some(dialog);
            }
            Action::Close => {
                if std::mem::take(&mut self.full_screen) {
                    return Vec::new();
                }
                // Whoever leaves the question stays.
                self.training.closes = false;
                if self.dialog.take().is_none() {
                    // Messages lie over the picture, so they go first.
                    if self.live.toasts.is_empty() {
                        self.tab.screen().escape(self);
                    }
                    self.live.toasts.clear();
                }
            }
            Action::SetTheme(theme) => self.settings.theme = theme,
            Action::SetScale(scale) => self.settings.ui_scale = scale.clamp(0.6, 2.0),
            Action::SetShelfOpen(open) => self.settings.shelf_open = open,
            Action::SetInspectorOpen(open) => self.settings.inspector_open = open,
            Action::SetSmooth(smooth) => self.settings.smooth = smooth,
            Action::SetFullScreen(full) => self.full_screen = full,
            Action::Tour(step) => self.tour_to(step),
            Action::Undo => {
                if let Some(doc) = self.history.undo(&self.doc) {
                    return self.restore(doc);
                }
            }
            Action::Redo => {
                if let Some(doc) = self.history.redo() {
                    return self.restore(doc);
                }
            }
            Action::Log(level, text) => self.log(level, text),
            Action::QuitOnceSaved => {
                self.training.closes = true;
                return self.stop_training().into_iter().collect();
            }
            Action::Typed(purpose, path) => self.typed = Some((purpose, path)),
            Action::Browse(_)
            | Action::CopyImage(_)
            | Action::CopyText(_)
            | Action::Paste
            | Action::Quit
            | Action::QuitAtOnce => {}
        }
        Vec::new()
    }

    /// A step of the tour opens the screen that it is about. Once left, it does not come by itself again.
    fn tour_to(&mut self, step: Option<usize>) {
        self.tour = step;
        match step {
            Some(at) => {
                let steps = super::views::tour::steps();
                if let Some((Some(tab), _)) = steps.get(at) {
                    self.set_tab(*tab);
                }
            }
            None => self.settings.tour_seen = true,
        }
    }

    fn set_tab(&mut self, tab: Tab) {
        let before = std::mem::replace(&mut self.tab, tab);
        if before != tab {
            before.screen().left(self);
        }
        tab.screen().opened(self);
    }

    fn select(&mut self, selection: Selection) {
        self.selection = selection;
        if let (Selection::Item(_), Some(named)) = (selection, self.selected()) {
            self.tab.screen().shelf_selected(self, &named);
        }
    }

    fn move_selection(&mut self, dx: i32, dy: i32) {
        let Selection::Item(id) = self.selection else {
            return self.tab.screen().arrows(self, dx, dy);
        };
        let shelf = &self.doc.shelf;
        let at = shelf.iter().position(|e| e.id == id).unwrap_or(0) as i32;
        let to = (at + dx + dy).clamp(0, (shelf.len() as i32 - 1).max(0));
        if let Some(entry) = shelf.get(to as usize) {
            self.select(Selection::Item(entry.id));
        }
    }

    fn export(&mut self) -> Vec<Command> {
        let Some(Dialog::Export(form)) = &self.dialog else {
            return Vec::new();
        };
        let form = form.clone();
        match export::request(&form, self) {
            Ok(request) => {
                let ticket = Ticket(self.fresh());
                self.live.exporting.push((ticket, request.path.clone()));
                self.export_folder = request.path.parent().map(PathBuf::from);
                self.last_export = Some(form);
                self.dialog = None;
                vec![Command::Export { ticket, request }]
            }
            Err(message) => {
                self.log(LogLevel::Error, message);
                Vec::new()
            }
        }
    }

    /// Tells the worker how a photo is framed now.
    fn recrop(&mut self, item: ItemId, crop: CropSquare) -> Option<Command> {
        let it = self.items.get_mut(&item)?;
        it.status = ItemStatus::Busy;
        if let Some(photo) = &mut it.photo {
            photo.crop = crop;
        }
        Some(Command::Recrop { item, crop })
    }

    /// Takes over a document from the history, as far as its items still live.
    fn restore(&mut self, mut doc: Document) -> Vec<Command> {
        doc.shelf.retain(|e| self.items.contains_key(&e.id));
        let shelf = &doc.shelf;
        self.removed.retain(|id| !shelf.iter().any(|e| e.id == *id));
        let gone: Vec<ItemId> = (self.doc.shelf.iter().map(|e| e.id))
            .filter(|id| !shelf.iter().any(|e| e.id == *id))
            .collect();
        self.removed.extend(gone);
        self.session
            .set_aside
            .retain(|id| !doc.shelf.iter().any(|e| e.id == *id));
        self.doc = doc;
        let framed: Vec<(ItemId, CropSquare)> = (self.doc.shelf.iter())
            .filter_map(|entry| {
                let photo = self.items.get(&entry.id)?.photo.as_ref()?;
                let crop = entry.crop.filter(|crop| *crop != photo.crop)?;
                Some((entry.id, crop))
            })
            .collect();
        let commands = framed
            .into_iter()
            .filter_map(|(id, crop)| self.recrop(id, crop))
            .collect();
        self.history.amend(&self.doc);
        if self.selected().is_none() {
            self.selection = Selection::FIRST;
        }
        commands
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
    !recipe.all_items(&|item| !wanted(item))
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
