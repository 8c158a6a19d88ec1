//! Leaving a shelf for another one, and taking over what a session keeps of it.

use std::collections::HashMap;
use std::path::PathBuf;

use super::save::WindowPart;
use super::{Errand, Opening, ReadOnly, names};
use crate::app::document::{Desks, Document, Named};
use crate::app::live::{Framing, Item, ItemStatus, LogLevel};
use crate::app::state::{Selection, State, Tab};
use crate::engine::message::{
    Command, Fit, ItemId, ItemSource, ModelInfo, PictureSource, Recipe, SessionFile, StoredModel,
    Ticket,
};

impl State {
    /// Asks for what the last run left, where it left something.
    pub(crate) fn restore_last(&mut self) -> Vec<Command> {
        match (self.session.restore.take(), self.session.autosave.clone()) {
            (Some(crashed), Some(path)) => self.open_session(path, Opening::Restored { crashed }),
            _ => Vec::new(),
        }
    }

    /// Where this window saves by itself, and whether the work of an earlier one is there.
    pub fn place_found(&mut self, place: Option<PathBuf>, restore: Option<bool>) -> Vec<Command> {
        self.session.awaits_place = false;
        self.session.has_no_place = place.is_none();
        self.session.autosave = place;
        self.session.restore = restore;
        let files = std::mem::take(&mut self.session.files);
        if self.session.restore.is_some() && files.iter().any(|path| names::is_session(path)) {
            // Another session is wanted: what the last run left stays where it is.
            self.session.restore = None;
            self.session.autosave = None;
            self.session.wants_place = true;
            let text = "the last session is kept: File > Recent sessions";
            self.log(LogLevel::Notice, text);
        }
        let mut commands = self.restore_last();
        commands.extend(self.open_given(files));
        if !self.session.is_opening() && self.live.model.is_some() {
            commands.extend(self.first_pins());
        }
        commands
    }

    /// Whether the shelf may be replaced: not while another is on its way, and not without a word where it cannot be
    /// kept.
    pub(crate) fn may_leave(&mut self) -> bool {
        if self.session.is_opening() {
            let text = "a session is being opened; open another once it is there";
            self.log(LogLevel::Notice, text);
            return false;
        }
        let contents = self.contents();
        let known = [&self.session.saved_by_name, &self.session.given_up];
        let known = known.into_iter().flatten().any(|known| *known == contents);
        let nothing = self.doc.shelf.is_empty() || !self.is_touched();
        if !self.session.has_no_place || known || nothing {
            return true;
        }
        let text = "this shelf is saved nowhere, and opening a session replaces it: save it first (File > Save session), or open the session once more";
        self.log(LogLevel::Notice, text);
        self.session.given_up = Some(contents);
        false
    }

    /// Asks for a session; nothing changes until it is read.
    pub(crate) fn open_session(&mut self, path: PathBuf, opening: Opening) -> Vec<Command> {
        let ticket = Ticket(self.fresh());
        let errand = Errand::Open {
            opening,
            read: false,
        };
        self.session.errand = Some((ticket, path.clone(), errand));
        vec![Command::OpenSession { ticket, path }]
    }

    /// Begins afresh: an empty shelf, and the tabs as on the first day. Undo brings the shelf back, and its file is
    /// among the recent sessions.
    pub(crate) fn new_session(&mut self) -> Vec<Command> {
        if self.session.is_opening() {
            let text = "a session is being opened; begin a new one once it is there";
            self.log(LogLevel::Notice, text);
            return Vec::new();
        }
        let mut commands = self.leave_session();
        // Those of the session before this one go now; undo led to them until now.
        let gone = std::mem::take(&mut self.session.set_aside);
        let gone: Vec<ItemId> = gone
            .into_iter()
            .filter(|id| !self.doc.shelf.iter().any(|entry| entry.id == *id))
            .collect();
        self.history.observe(&self.doc);
        self.session.set_aside = self.doc.shelf.iter().map(|entry| entry.id).collect();
        for id in &gone {
            self.items.remove(id);
        }
        if !gone.is_empty() {
            self.history.forget(&gone);
            commands.push(Command::Forget(gone));
        }
        self.doc = Document::default();
        self.desks = Desks::default();
        self.make_sound();
        self.session.path = None;
        self.session.read_only = None;
        self.session.told = false;
        self.selection = Selection::FIRST;
        commands
    }

    /// Before the shelf is replaced: what is on it is written once more, and stays in its file.
    fn leave_session(&mut self) -> Vec<Command> {
        let contents = self.contents();
        self.session.changed_at = None;
        let nothing = self.doc.shelf.is_empty() || !self.is_touched();
        if nothing || self.session.saved_by_name.as_ref() == Some(&contents) {
            return Vec::new(); // its file may be written over
        }
        let Some(path) = self.session.autosave.take() else {
            return Vec::new();
        };
        self.session.wants_place = true;
        let text = "the session before is kept: File > Recent sessions";
        self.log(LogLevel::Notice, text);
        match self.session.saved.as_ref() == Some(&contents) {
            true => Vec::new(),
            false => self.write_session(path, true),
        }
    }

    fn clear_shelf(&mut self) -> Vec<Command> {
        let old: Vec<ItemId> = self.items.keys().copied().collect();
        self.items.clear();
        self.removed.clear();
        self.session.set_aside.clear();
        self.live.views.clear();
        self.live.inspections.clear();
        self.doc.shelf.clear();
        if old.is_empty() {
            return Vec::new();
        }
        vec![Command::Forget(old)]
    }

    /// Takes a session over.
    pub(crate) fn session_read(
        &mut self,
        ticket: Ticket,
        path: PathBuf,
        mut session: SessionFile,
    ) -> Vec<Command> {
        let Some((
            _,
            Errand::Open {
                opening,
                read: false,
            },
        )) = self.take_errand(ticket)
        else {
            return Vec::new();
        };
        let part: WindowPart = match serde_json::from_value(upgraded(session.window.take())) {
            Ok(part) => part,
            Err(error) => {
                let shown = path.display();
                let text = format!("the session is damaged ({error}); open another: {shown}");
                let errand = Errand::Open {
                    opening,
                    read: false,
                };
                self.session.errand = Some((ticket, path, errand));
                self.session_failed(ticket, &text);
                self.log(LogLevel::Error, text);
                return self.first_pins();
            }
        };
        let mut commands = Vec::new();
        // Photos named on the command line stay beside what the last run left.
        let kept = match opening {
            Opening::Asked => {
                commands = self.leave_session();
                commands.extend(self.clear_shelf());
                Vec::new()
            }
            Opening::Restored { .. } => std::mem::take(&mut self.doc.shelf),
        };
        let has_newer = !kept.is_empty();
        // Only now: leaving the session before may have sent one that is written.
        let errand = Errand::Open {
            opening,
            read: true,
        };
        self.session.errand = Some((ticket, path.clone(), errand));
        let framings: HashMap<ItemId, Framing> = part.framings.into_iter().collect();
        let mut ids = HashMap::new();
        let stored = std::mem::take(&mut session.items);
        let on_shelf = |id: ItemId| part.doc.shelf.iter().any(|e| e.id == id);
        for stored in stored.iter().filter(|stored| on_shelf(stored.id)) {
            ids.entry(stored.id).or_insert_with(|| ItemId(self.fresh()));
        }
        let mut items: Vec<(ItemId, _)> = Vec::new();
        let mut crops = HashMap::new();
        for mut stored in stored {
            let Some(&id) = ids.get(&stored.id) else {
                continue;
            };
            if items.iter().any(|(known, _)| *known == id) {
                continue;
            }
            let recipe = stored.recipe.take();
            stored.recipe = recipe.and_then(|recipe| renamed_recipe(recipe, &ids));
            let source = match (&stored.photo, &stored.recipe) {
                (Some(photo), _) => {
                    crops.extend(photo.crop.map(|crop| (id, crop)));
                    ItemSource::Photo {
                        source: PictureSource::Path(photo.place(&path)),
                        crop: None,
                    }
                }
                (None, Some(recipe)) => ItemSource::Recipe(recipe.clone()),
                (None, None) => ItemSource::Latent,
            };
            let mut item = Item::new(source);
            item.framing = framings.get(&stored.id).copied();
            item.lasting = true;
            let to_come = stored.latent.is_none()
                && stored
                    .photo
                    .as_ref()
                    .is_none_or(|photo| photo.crop.is_none())
                && (stored.photo.is_some() || stored.recipe.is_some());
            item.known = !to_come;
            self.items.insert(id, item);
            items.push((id, stored));
        }
        self.doc = renamed(part.doc, &ids);
        for entry in &mut self.doc.shelf {
            // Older files have it with the item alone.
            entry.crop = entry.crop.or_else(|| crops.get(&entry.id).copied());
        }
        self.doc.shelf.extend(kept);
        self.make_sound();
        self.desks = part.desks;
        self.tab = part.tab;
        self.dialog = None;
        if !has_newer || self.selected().is_none() {
            let stored = part.selection.and_then(|selection| match selection {
                Selection::Item(id) => ids.get(&id).copied().map(Selection::Item),
                other => Some(other),
            });
            let shown = self.tab.screen().subject(self, 0);
            self.selection = stored.unwrap_or(match shown {
                Some(_) => Selection::Of(self.tab, 0),
                None => Selection::FIRST,
            });
        }
        self.session.told = part.told;
        self.session.read_only = None;
        self.session.untouched = None;
        self.history.reset(&self.doc);

        let open = self.live.model.as_ref();
        let is_open = |wanted: &StoredModel| {
            let same = |open: &ModelInfo| {
                let said = wanted.answers.is_empty() || open.answers == wanted.answers;
                open.path == wanted.path && said
            };
            open.is_some_and(same)
        };
        self.session.wanted_model.clone_from(&session.model);
        let wanted = session.model.as_ref();
        let may_open = opening == Opening::Asked || !self.session.model_given;
        if let Some(wanted) = wanted.filter(|wanted| may_open && !is_open(wanted)) {
            self.session.keep_amounts = true;
            self.live.opening = true;
            let (path, options) = (wanted.path.clone(), wanted.answers.clone());
            commands.push(match path {
                Some(path) if !options.is_empty() => Command::OpenModelAs { path, options },
                path => Command::OpenModel(path),
            });
        }
        commands.push(Command::RestoreItems {
            ticket,
            path,
            session: Box::new(session),
            items,
        });
        commands
    }

    /// The items of a session are on the shelf, as far as they can be.
    pub(crate) fn items_restored(&mut self, ticket: Ticket, fit: Fit) {
        let Some((path, Errand::Open { opening, .. })) = self.take_errand(ticket) else {
            return;
        };
        let Fit {
            ready,
            waiting,
            lacks,
        } = fit;
        for id in ready {
            if let Some(item) = self.items.get_mut(&id) {
                item.status = ItemStatus::Ready;
                item.has_latent = true;
            }
        }
        self.wait_for(waiting);
        if opening == Opening::Asked {
            self.remember(&path);
        }
        let Some(why) = lacks else {
            self.session.wanted_model = None;
            self.session.told = false;
            let contents = self.contents();
            match opening {
                Opening::Asked => {
                    self.log(LogLevel::Done, format!("opened {}", path.display()));
                    self.session.path = Some(path);
                    self.session.saved_by_name = Some(contents);
                }
                Opening::Restored { crashed } => {
                    self.session.saved = Some(contents);
                    self.say_restored(crashed);
                }
            }
            return;
        };
        // That its model waits to be found again is nothing that the file does not say already.
        let known = std::mem::replace(&mut self.session.told, true);
        if known && opening != Opening::Asked {
            self.log(
                LogLevel::Notice,
                format!("the last session is not whole: {why}"),
            );
            return;
        }
        let open = self.live.model.as_ref();
        let shown = open.map_or_else(String::new, |m| format!("; {} draws what it can", m.name));
        let text = format!(
            "opened read-only, as {why}{shown}. What you do from here is saved beside it; File > Save session as… writes it elsewhere: {}",
            path.display()
        );
        self.log(LogLevel::Notice, text);
        if opening != Opening::Asked {
            self.session.autosave = None;
            self.session.wants_place = true;
        }
        self.session.path = None;
        self.session.read_only = Some(ReadOnly { path, why });
    }

    fn say_restored(&mut self, crashed: bool) {
        if crashed {
            let text = "the last run ended unexpectedly; what was on the screen was brought back (File > New session starts afresh)";
            self.log(LogLevel::Notice, text);
        } else {
            let text = "brought back the last session; File > New session starts afresh";
            self.log(LogLevel::Info, text);
        }
    }

    /// Items that cannot be drawn now, and why.
    pub(crate) fn wait_for(&mut self, waiting: Vec<(ItemId, String)>) {
        for (id, why) in waiting {
            if let Some(item) = self.items.get_mut(&id) {
                item.status = ItemStatus::Failed(why);
                item.has_latent = false;
                item.lasting = true;
            }
        }
    }
}

/// A window's part as it is written today: where the morph stands once lay beside the document.
fn upgraded(mut window: serde_json::Value) -> serde_json::Value {
    if let Some(part) = window.as_object_mut()
        && let Some(playback) = part.remove("playback")
        && !part.contains_key("desks")
    {
        part.insert("desks".to_owned(), serde_json::json!({ "morph": playback }));
    }
    window
}

/// A document with its items under their new ids; what stands on items that are not there is left out.
fn renamed(mut doc: Document, ids: &HashMap<ItemId, ItemId>) -> Document {
    doc.shelf.retain_mut(|entry| match ids.get(&entry.id) {
        Some(id) => {
            entry.id = *id;
            true
        }
        None => false,
    });
    let mut named = |named: &mut Named| match renamed_recipe(named.recipe.clone(), ids) {
        Some(recipe) => {
            named.recipe = recipe;
            true
        }
        None => false,
    };
    for tab in Tab::ALL {
        tab.screen().retain(&mut doc, &mut named);
    }
    doc
}

fn renamed_recipe(mut recipe: Recipe, ids: &HashMap<ItemId, ItemId>) -> Option<Recipe> {
    if let Recipe::Item(id) = &mut recipe {
        *id = *ids.get(id)?;
    }
    for part in recipe.parts_mut() {
        *part = renamed_recipe(part.clone(), ids)?;
    }
    Some(recipe)
}
