//! Sessions: what the window writes into one, and what it takes over from one.
//!
//! The worker writes and reads the files (see [`SessionFile`]); here is the window's part of them. Items
//! get new ids when a session is opened, so that nothing of it can be taken for something older.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state::{
    Desks, Document, Item, ItemStatus, LogLevel, Named, Origin, Selection, State, Tab,
};
use crate::engine::message::{Command, CropSquare, ItemId, Recipe, SessionFile, Ticket};

/// Ending of a session file.
pub const SESSION_ENDING: &str = "glow.json";
/// Sessions that the menu remembers.
const RECENT_KEPT: usize = 6;
/// Seconds after a change before it is saved by itself.
const AUTOSAVE_AFTER: f64 = 4.0;

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
    Open(Opening),
}

/// What decides whether there is something to save.
type Contents = (Document, Tab, usize);

/// The session that is open, and the one that is saved by itself.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The file that "Save session" writes to.
    pub path: Option<PathBuf>,
    /// The file that is written by itself; `None` where there is no place for it.
    pub autosave: Option<PathBuf>,
    /// Whether that file is read at the start, and whether the run that wrote it crashed.
    pub restore: Option<bool>,
    /// Whether the command line named the model: then a session at the start does not.
    pub model_given: bool,
    /// Whether attribute sliders outlive the next model that opens: it is opened for them.
    pub(super) keep_amounts: bool,
    errand: Option<(Ticket, PathBuf, Errand)>,
    saved: Option<Contents>,
    changed_at: Option<f64>,
}

impl Session {
    /// Whether a session is being read.
    pub fn is_opening(&self) -> bool {
        matches!(self.errand, Some((_, _, Errand::Open(_))))
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
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct WindowPart {
    doc: Document,
    desks: Desks,
    tab: Tab,
    framings: Vec<(ItemId, Framing)>,
}

impl State {
    /// Writes the session.
    pub(super) fn save_session(&mut self, path: PathBuf) -> Vec<Command> {
        let path = with_ending(path);
        self.session.path = Some(path.clone());
        self.write_session(path, false)
    }

    fn write_session(&mut self, path: PathBuf, by_itself: bool) -> Vec<Command> {
        let framings = self.items.iter().filter_map(|(id, item)| {
            let photo = item.photo.as_ref()?;
            let framing = Framing {
                proposal: photo.proposal,
                face_found: photo.face_found,
            };
            Some((*id, framing))
        });
        let part = WindowPart {
            doc: self.doc.clone(),
            desks: self.desks.clone(),
            tab: self.tab,
            framings: framings.collect(),
        };
        let window = match serde_json::to_value(&part) {
            Ok(window) => window,
            Err(error) => {
                self.log(
                    LogLevel::Error,
                    format!("the session cannot be written: {error}"),
                );
                return Vec::new();
            }
        };
        let ticket = Ticket(self.fresh());
        let errand = Errand::Save {
            by_itself,
            contents: Box::new(self.contents()),
        };
        self.session.errand = Some((ticket, path.clone(), errand));
        vec![Command::SaveSession {
            ticket,
            path,
            items: self.doc.shelf.iter().map(|e| e.id).collect(),
            window,
        }]
    }

    /// Asks for a session; nothing changes until it is read.
    pub(super) fn open_session(&mut self, path: PathBuf, opening: Opening) -> Vec<Command> {
        let ticket = Ticket(self.fresh());
        self.session.errand = Some((ticket, path.clone(), Errand::Open(opening)));
        vec![Command::OpenSession { ticket, path }]
    }

    /// Begins afresh: an empty shelf, and the tabs as on the first day.
    pub(super) fn new_session(&mut self) -> Vec<Command> {
        let commands = self.clear_shelf();
        self.doc = Document::default();
        self.make_sound();
        self.session.path = None;
        self.selection = Selection::FIRST;
        self.desks = Desks::default();
        self.history.reset(&self.doc);
        commands
    }

    fn clear_shelf(&mut self) -> Vec<Command> {
        let old: Vec<ItemId> = self.items.keys().copied().collect();
        self.items.clear();
        self.removed.clear();
        self.live.views.clear();
        self.live.inspections.clear();
        self.doc.shelf.clear();
        if old.is_empty() {
            return Vec::new();
        }
        vec![Command::Forget(old)]
    }

    fn contents(&self) -> Contents {
        let ready = (self.items.values())
            .filter(|i| i.status == ItemStatus::Ready)
            .count();
        (self.doc.clone(), self.tab, ready)
    }

    /// Saves by itself what has changed, some seconds after it did. The second is when to ask again,
    /// in seconds from now. `now` is any clock that does not go back.
    pub fn autosave(&mut self, now: f64) -> (Vec<Command>, Option<f64>) {
        let Some(path) = self.session.autosave.clone() else {
            return (Vec::new(), None);
        };
        if self.session.errand.is_some() || self.live.model.is_none() {
            return (Vec::new(), None);
        }
        let contents = self.contents();
        if self.session.saved.as_ref() == Some(&contents) {
            self.session.changed_at = None;
            return (Vec::new(), None);
        }
        let since = *self.session.changed_at.get_or_insert(now);
        let left = AUTOSAVE_AFTER - (now - since);
        if left > 0.0 {
            return (Vec::new(), Some(left));
        }
        self.session.changed_at = None;
        (self.write_session(path, true), None)
    }

    /// The last save of a run, where there is something that is not saved yet.
    pub fn last_save(&mut self) -> Vec<Command> {
        let saved = self.session.saved.as_ref() == Some(&self.contents());
        match self.session.autosave.clone() {
            Some(path) if !saved && !self.session.is_opening() => self.write_session(path, true),
            _ => Vec::new(),
        }
    }

    /// Whether a session is on its way to the disk.
    pub fn is_saving(&self) -> bool {
        matches!(self.session.errand, Some((_, _, Errand::Save { .. })))
    }

    fn take_errand(&mut self, ticket: Ticket) -> Option<(PathBuf, Errand)> {
        let (_, path, errand) = self.session.errand.take_if(|(t, _, _)| *t == ticket)?;
        Some((path, errand))
    }

    pub(super) fn session_saved(&mut self, ticket: Ticket, path: &Path) {
        if let Some((
            _,
            Errand::Save {
                by_itself,
                contents,
            },
        )) = self.take_errand(ticket)
        {
            self.session.saved = Some(*contents);
            if !by_itself {
                self.remember(path);
                self.log(LogLevel::Done, format!("saved {}", path.display()));
            }
        }
    }

    /// A session could not be written or read. `true` where the ticket was a session's.
    pub(super) fn session_failed(&mut self, ticket: Ticket) -> bool {
        match self.take_errand(ticket) {
            Some((path, Errand::Save { by_itself, .. })) => {
                if by_itself {
                    // Once is enough: what fails now fails again in a few seconds.
                    self.session.autosave = None;
                    let text = "sessions are no longer saved by themselves in this run";
                    self.log(LogLevel::Info, text);
                } else if self.session.path.as_ref() == Some(&path) {
                    self.session.path = None;
                }
                true
            }
            Some((path, Errand::Open(_))) => {
                self.recent.retain(|p| *p != path);
                true
            }
            None => false,
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
        session: SessionFile,
        latents: Option<PathBuf>,
    ) -> Vec<Command> {
        let Some((_, Errand::Open(opening))) = self.take_errand(ticket) else {
            return Vec::new();
        };
        let part: WindowPart = match serde_json::from_value(upgraded(session.window)) {
            Ok(part) => part,
            Err(error) => {
                let shown = path.display();
                let text = format!("the session is damaged ({error}); open another: {shown}");
                self.log(LogLevel::Error, text);
                self.recent.retain(|p| *p != path);
                return self.first_pins();
            }
        };
        let mut commands = Vec::new();
        // Photos named on the command line stay beside what the last run left.
        let kept = match opening {
            Opening::Asked => {
                commands = self.clear_shelf();
                Vec::new()
            }
            Opening::Restored { .. } => std::mem::take(&mut self.doc.shelf),
        };
        let has_newer = !kept.is_empty();
        let framings: HashMap<ItemId, Framing> = part.framings.into_iter().collect();
        let mut ids = HashMap::new();
        let mut items = Vec::new();
        for stored in session.items {
            if !part.doc.shelf.iter().any(|e| e.id == stored.id) || ids.contains_key(&stored.id) {
                continue;
            }
            let id = ItemId(self.fresh());
            ids.insert(stored.id, id);
            let origin = match &stored.photo {
                Some(_) => Origin::Photo,
                None => Origin::Sample,
            };
            let mut item = Item::new(origin);
            item.framing = framings.get(&stored.id).copied();
            self.items.insert(id, item);
            items.push((id, stored));
        }
        self.doc = renamed(part.doc, &ids);
        self.doc.shelf.extend(kept);
        self.make_sound();
        self.desks = part.desks;
        self.tab = part.tab;
        self.dialog = None;
        if !has_newer || self.selected().is_none() {
            let shown = self.tab.screen().subject(self, 0);
            self.selection = match shown {
                Some(_) => Selection::Of(self.tab, 0),
                None => Selection::FIRST,
            };
        }
        self.history.reset(&self.doc);

        let open = self.live.model.as_ref().map(|m| &m.path);
        let wanted = session.model.map(|m| m.path);
        let may_open = opening == Opening::Asked || !self.session.model_given;
        if let Some(wanted) = wanted.filter(|w| may_open && open != Some(w)) {
            self.session.keep_amounts = true;
            self.live.opening = true;
            commands.push(Command::OpenModel(wanted));
        }
        if !items.is_empty() {
            commands.push(Command::ImportLatents {
                path: latents,
                items,
            });
        }
        match opening {
            Opening::Asked => {
                self.remember(&path);
                self.log(LogLevel::Done, format!("opened {}", path.display()));
                self.session.path = Some(path);
            }
            Opening::Restored { crashed: true } => {
                let text = "the last run ended unexpectedly; what was on the screen was brought back (File > New session starts afresh)";
                self.log(LogLevel::Notice, text);
            }
            Opening::Restored { crashed: false } => {
                let text = "brought back the last session; File > New session starts afresh";
                self.log(LogLevel::Info, text);
            }
        }
        commands
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

/// A name as typed, with an ending where it has none: the file that is written.
pub fn with_ending(path: PathBuf) -> PathBuf {
    if path.extension().is_some() {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".");
    name.push(SESSION_ENDING);
    name.into()
}

/// The path that a dialog for saving begins with.
pub fn suggestion(state: &State) -> PathBuf {
    let folder = state.export_folder.clone().unwrap_or_default();
    let beside = || folder.join(format!("session.{SESSION_ENDING}"));
    state.session.path.clone().unwrap_or_else(beside)
}

/// Whether a path looks like a session's.
pub fn is_session(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase().ends_with(SESSION_ENDING)
}
