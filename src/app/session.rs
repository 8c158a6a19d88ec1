//! Sessions: what the window writes into one, and what it takes over from one.
//!
//! The worker writes and reads the files (see [`SessionFile`]); here is the window's part of them. Items
//! get new ids when a session is opened, so that nothing of it can be taken for something older.
//!
//! Three rules keep what a person made. What a session keeps is listed in one place (`State::kept`), which names
//! every field of the state, so that none is forgotten. The file that is written by itself belongs to one window and
//! one shelf: a shelf that is left (for a new session, or another one) stays in its file, and the next one gets a new
//! file. And a session that cannot be shown whole is not written to: what is done from there on goes to a new file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::autosave::KeptSession;
use super::dialog::{Dialog, PathPurpose};
use super::intake;
use super::state::{Desks, Document, Item, ItemStatus, LogLevel, Named, Selection, State, Tab};
use crate::engine::message::{
    Command, CropSquare, Fit, ItemId, ItemSource, KeptItem, PictureSource, Recipe, SessionFile,
    StoredModel, Ticket,
};

/// Ending of a session file.
pub const SESSION_ENDING: &str = "glow.json";
/// Sessions that the menu remembers.
const RECENT_KEPT: usize = 6;
/// Seconds after a change before it is saved by itself.
pub const AUTOSAVE_AFTER: f64 = 4.0;
/// Seconds until a save that failed is tried again, for the first and for later times.
const RETRY_AFTER: [f64; 4] = [5.0, 10.0, 20.0, 60.0];

/// How a session came to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The person asked for it.
    Asked,
    /// The last run's own, at the start.
    Restored {
        /// Whether that run ended without saying goodbye.
        crashed: bool,
    },
}

/// What the worker is asked to do with a session file.
#[derive(Clone, Debug)]
enum Errand {
    Save {
        by_itself: bool,
        contents: Box<Contents>,
    },
    Open {
        opening: Opening,
        /// Whether the file was read, and its items are on their way to the shelf.
        read: bool,
    },
}

/// What decides whether there is something to save.
#[derive(Clone, Debug, PartialEq)]
struct Contents {
    /// The window's part as it is written: what is not written does not count.
    part: serde_json::Value,
    /// Latents that came so far.
    encoded: u64,
}

/// A session that is shown as far as it goes, and not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOnly {
    /// Its file.
    pub path: PathBuf,
    /// What it lacks.
    pub why: String,
}

/// The session that is open, and the one that is saved by itself.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The file that "Save session" writes to.
    pub path: Option<PathBuf>,
    /// The file that is written by itself; `None` where there is no place for it (yet).
    pub autosave: Option<PathBuf>,
    /// Whether that file is read at the start, and whether the run that wrote it crashed.
    pub restore: Option<bool>,
    /// Whether the place of that file is still to come.
    pub awaits_place: bool,
    /// Whether what is done from now on wants a new place: the old file stays as it is.
    pub wants_place: bool,
    /// Whether there is no such place to be had.
    pub has_no_place: bool,
    /// Files of the command line, until the place is known.
    pub(super) files: Vec<PathBuf>,
    /// Earlier work that is kept, newest first.
    pub kept: Vec<KeptSession>,
    /// The session that was opened, where it is not written to.
    pub read_only: Option<ReadOnly>,
    /// The model that the session belongs to, where that could not be opened: the next start tries again.
    pub wanted_model: Option<StoredModel>,
    /// Whether the command line named the model: then a session at the start does not.
    pub model_given: bool,
    /// Whether attribute sliders outlive the next model that opens: it is opened for them.
    pub(super) keep_amounts: bool,
    /// Items of the session that was left for a new one: undo brings them back.
    pub(super) set_aside: Vec<ItemId>,
    /// Latents that came so far.
    pub(super) encoded: u64,
    /// What lay about before something began to run.
    pub(super) desks_at_rest: Desks,
    /// Whether this shelf has been told that it is not whole.
    told: bool,
    /// What the first start put there: not worth a file.
    pub(super) untouched: Option<Document>,
    errand: Option<(Ticket, PathBuf, Errand)>,
    saved: Option<Contents>,
    /// What the file holds that the person named.
    saved_by_name: Option<Contents>,
    changed_at: Option<f64>,
    /// Saves by itself that failed in a row.
    failures: usize,
    /// What would be given up without a trace, once that was said.
    given_up: Option<Contents>,
}

impl Session {
    /// Whether a session is being read, or may still have to be.
    pub fn is_opening(&self) -> bool {
        self.awaits_place || matches!(self.errand, Some((_, _, Errand::Open { .. })))
    }

    /// Whether nothing is saved by itself, though it should be: the last attempts have failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

/// How a photo was framed before a hand moved the square.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Framing {
    /// The square first proposed.
    pub proposal: CropSquare,
    /// Whether a face led to it.
    pub face_found: bool,
}

/// The window's part of a session file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct WindowPart {
    pub(super) doc: Document,
    pub(super) desks: Desks,
    pub(super) tab: Tab,
    pub(super) selection: Option<Selection>,
    pub(super) framings: Vec<(ItemId, Framing)>,
    /// Whether it was said before that this session is not whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) told: bool,
}

impl State {
    /// What a session keeps of the window. Every field of the state is decided on here.
    pub(super) fn kept(&self) -> WindowPart {
        let Self {
            doc,
            desks,
            tab,
            selection,
            items,
            session,
            // The program's settings, which are no session's.
            settings: _,
            export_folder: _,
            last_export: _,
            recent: _,
            recent_models: _,
            recent_pictures: _,
            recent_folders: _,
            training: _,
            // How the window stands at the moment.
            full_screen: _,
            tour: _,
            // What passes by: dialogs, what is under the pointer, what is on its way.
            trace: _,
            folders: _,
            before_import: _,
            given: _,
            dialog: _,
            typed: _,
            // Drawn or measured again.
            live: _,
            // Undo does not outlive the window.
            removed: _,
            history: _,
            next: _,
            chance: _,
        } = self;
        let framings = items.iter().filter_map(|(id, item)| {
            let on_shelf = doc.shelf.iter().any(|entry| entry.id == *id);
            let shown = item.photo.as_ref().map(|photo| Framing {
                proposal: photo.proposal,
                face_found: photo.face_found,
            });
            Some((*id, shown.or(item.framing).filter(|_| on_shelf)?))
        });
        WindowPart {
            doc: doc.clone(),
            // A morph that plays changes nothing that was made.
            desks: match self.running() {
                Some(_) => session.desks_at_rest.clone(),
                None => desks.clone(),
            },
            tab: *tab,
            selection: Some(*selection),
            framings: framings.collect(),
            told: session.told,
        }
    }

    fn contents(&self) -> Contents {
        Contents {
            part: serde_json::to_value(self.kept()).unwrap_or_default(),
            encoded: self.session.encoded,
        }
    }

    /// Writes the session to the file that the person named.
    pub(super) fn save_session(&mut self, path: PathBuf) -> Vec<Command> {
        if self.session.is_opening() {
            let text = "a session is being opened; save once it is there";
            self.log(LogLevel::Notice, text);
            return Vec::new();
        }
        let path = intake::with_ending(PathPurpose::SaveSession, path);
        self.session.path = Some(path.clone());
        self.write_session(path, false)
    }

    fn write_session(&mut self, path: PathBuf, by_itself: bool) -> Vec<Command> {
        let contents = self.contents();
        let window = contents.part.clone();
        if window.is_null() {
            let text = "the session cannot be written: a value in it has no form as text";
            self.log(LogLevel::Error, text);
            return Vec::new();
        }
        let ticket = Ticket(self.fresh());
        let errand = Errand::Save {
            by_itself,
            contents: Box::new(contents),
        };
        self.session.errand = Some((ticket, path.clone(), errand));
        vec![Command::SaveSession {
            ticket,
            path,
            items: self.kept_items(),
            model: self.session.wanted_model.clone(),
            window,
        }]
    }

    /// The shelf, as the worker needs it for a session.
    fn kept_items(&self) -> Vec<KeptItem> {
        let kept = self.doc.shelf.iter().filter_map(|entry| {
            let source = match &self.items.get(&entry.id)?.source {
                ItemSource::Photo { source, .. } => ItemSource::Photo {
                    source: source.clone(),
                    crop: entry.crop,
                },
                other => other.clone(),
            };
            Some(KeptItem {
                id: entry.id,
                name: entry.name.clone(),
                source,
            })
        });
        kept.collect()
    }

    /// Asks for what the last run left, where it left something.
    pub(super) fn restore_last(&mut self) -> Vec<Command> {
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
        if self.session.restore.is_some() && files.iter().any(|path| is_session(path)) {
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
    pub(super) fn may_leave(&mut self) -> bool {
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
    pub(super) fn open_session(&mut self, path: PathBuf, opening: Opening) -> Vec<Command> {
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
    pub(super) fn new_session(&mut self) -> Vec<Command> {
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

    /// Whether something was done since the first start filled the shelf.
    fn is_touched(&self) -> bool {
        self.session.untouched.as_ref() != Some(&self.doc)
    }

    /// A new place, after [`Session::wants_place`]; `None` where there is none to be had.
    pub fn place_renewed(&mut self, place: Option<PathBuf>) {
        self.session.has_no_place = place.is_none();
        self.session.autosave = place;
        self.session.saved = None;
        self.session.failures = 0;
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

    /// Saves by itself what has changed, some seconds after it did. The second is when to ask again,
    /// in seconds from now. `now` is any clock that does not go back.
    pub fn autosave(&mut self, now: f64) -> (Vec<Command>, Option<f64>) {
        if self.running().is_none() {
            self.session.desks_at_rest = self.desks.clone();
        }
        let Some(path) = self.session.autosave.clone() else {
            return (Vec::new(), None);
        };
        let nothing_yet = self.live.model.is_none() && self.doc.shelf.is_empty();
        if self.session.errand.is_some() || self.session.awaits_place || nothing_yet {
            return (Vec::new(), None);
        }
        let contents = self.contents();
        let new = self.session.saved.is_none() && !self.is_touched();
        if new || self.session.saved.as_ref() == Some(&contents) {
            self.session.changed_at = None;
            return (Vec::new(), None);
        }
        let since = *self.session.changed_at.get_or_insert(now);
        let wait = match self.session.failures {
            0 => AUTOSAVE_AFTER,
            n => RETRY_AFTER[n.min(RETRY_AFTER.len()) - 1],
        };
        let left = wait - (now - since);
        if left > 0.0 {
            return (Vec::new(), Some(left));
        }
        self.session.changed_at = None;
        (self.write_session(path, true), None)
    }

    /// The last save of a run, where there is something that is not saved yet.
    pub fn last_save(&mut self) -> Vec<Command> {
        if self.session.is_opening() {
            return Vec::new(); // nothing was changed that is not in the file
        }
        let contents = self.contents();
        let new = self.session.saved.is_none() && !self.is_touched();
        let saved = new || self.session.saved.as_ref() == Some(&contents);
        match self.session.autosave.clone() {
            Some(path) if !saved => self.write_session(path, true),
            _ => Vec::new(),
        }
    }

    /// Whether a session is on its way to the disk.
    pub fn is_saving(&self) -> bool {
        matches!(self.session.errand, Some((_, _, Errand::Save { .. })))
    }

    /// Whether all that was done is in the file that is written by itself, or not worth one.
    pub fn is_saved(&self) -> bool {
        let new = self.session.saved.is_none() && !self.is_touched();
        new || self.session.saved.as_ref() == Some(&self.contents())
    }

    fn take_errand(&mut self, ticket: Ticket) -> Option<(PathBuf, Errand)> {
        let (_, path, errand) = self.session.errand.take_if(|(t, _, _)| *t == ticket)?;
        Some((path, errand))
    }

    pub(super) fn session_saved(&mut self, ticket: Ticket, path: &Path) {
        let Some((_, errand)) = self.take_errand(ticket) else {
            return;
        };
        let Errand::Save {
            by_itself,
            contents,
        } = errand
        else {
            return;
        };
        if by_itself {
            let kept_here = self.session.autosave.as_deref() == Some(path);
            if kept_here {
                self.session.saved = Some(*contents);
            }
            if std::mem::take(&mut self.session.failures) > 0 {
                self.log(LogLevel::Done, "the session is saved by itself again");
            }
        } else {
            self.session.saved_by_name = Some(*contents);
            self.session.read_only = None;
            self.remember(path);
            self.log(LogLevel::Done, format!("saved {}", path.display()));
        }
        // What failed before has been made good.
        let shown = path.display().to_string();
        let about = |text: &str| text.ends_with(&shown);
        self.live
            .toasts
            .retain(|line| line.level != LogLevel::Error || !about(&line.text));
    }

    /// A session could not be written or read. `true` where the ticket was a session's, with the level at which the
    /// reason is said.
    pub(super) fn session_failed(&mut self, ticket: Ticket, message: &str) -> Option<LogLevel> {
        let (path, errand) = self.take_errand(ticket)?;
        match errand {
            Errand::Save {
                by_itself: true, ..
            } => {
                self.session.failures += 1;
                if self.session.failures > 1 {
                    return Some(LogLevel::Info);
                }
                let text = "nothing is saved by itself until that is put right; it is tried again";
                self.log(LogLevel::Notice, text);
            }
            Errand::Save {
                by_itself: false, ..
            } => {
                if self.session.path.as_ref() == Some(&path) {
                    self.session.path = None;
                }
                self.ask_for_path(PathPurpose::SaveSession, &path, message);
            }
            Errand::Open {
                opening: Opening::Asked,
                read,
            } => {
                self.recent.retain(|p| *p != path);
                if !read {
                    self.ask_for_path(PathPurpose::OpenSession, &path, message);
                }
            }
            Errand::Open {
                opening: Opening::Restored { .. },
                ..
            } => {
                self.session.autosave = None;
                self.session.wants_place = true;
                let text = format!(
                    "the last session could not be brought back; its file stays as it is: {}",
                    path.display()
                );
                self.log(LogLevel::Notice, text);
            }
        }
        Some(LogLevel::Error)
    }

    /// Shows a path once more with what is wrong with it, so that it need not be typed again.
    pub(super) fn ask_for_path(&mut self, purpose: PathPurpose, path: &Path, message: &str) {
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::TypePath {
                purpose,
                text: path.display().to_string(),
                note: message.to_owned(),
            });
        }
    }

    fn remember(&mut self, path: &Path) {
        self.recent.retain(|p| p != path);
        self.recent.insert(0, path.to_owned());
        self.recent.truncate(RECENT_KEPT);
    }

    /// Takes a session over.
    pub(super) fn session_read(
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

        let open = self.live.model.as_ref().map(|m| &m.path);
        self.session.wanted_model.clone_from(&session.model);
        let wanted = session.model.as_ref().map(|m| m.path.clone());
        let may_open = opening == Opening::Asked || !self.session.model_given;
        if let Some(wanted) = wanted.filter(|w| may_open && open != Some(w)) {
            self.session.keep_amounts = true;
            self.live.opening = true;
            commands.push(Command::OpenModel(wanted));
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
    pub(super) fn items_restored(&mut self, ticket: Ticket, fit: Fit) {
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
    pub(super) fn wait_for(&mut self, waiting: Vec<(ItemId, String)>) {
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

/// The path that a dialog for saving begins with.
pub fn suggestion(state: &State) -> PathBuf {
    let folder = state.export_folder.clone().unwrap_or_default();
    let beside = || folder.join(format!("session.{SESSION_ENDING}"));
    state.session.path.clone().unwrap_or_else(beside)
}

/// What the window is called: the session, the model, the program.
pub fn title(state: &State) -> String {
    let session = &state.session;
    let name = match (&session.read_only, &session.path) {
        (Some(read_only), _) => Some(format!("{} (read-only)", name_of(&read_only.path))),
        (None, Some(path)) => Some(name_of(path)),
        (None, None) => None,
    };
    let model = state.live.model.as_ref().map(|model| model.name.clone());
    let parts = [name, model, Some("Glow Explorer".to_owned())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" – ")
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = format!(".{SESSION_ENDING}");
    name.strip_suffix(&ending).unwrap_or(&name).to_owned()
}

/// Whether a path looks like a session's.
pub fn is_session(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase().ends_with(SESSION_ENDING)
}
