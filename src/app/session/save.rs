//! Writing a session: what it keeps, where it goes, and what comes of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Contents, Errand, Opening};
use crate::app::dialog::{Dialog, PathPurpose};
use crate::app::document::{Desks, Document};
use crate::app::intake;
use crate::app::live::{Framing, LogLevel};
use crate::app::state::{Selection, State, Tab};
use crate::engine::message::{Command, ItemId, ItemSource, KeptItem, Ticket};

/// Sessions that the menu remembers.
const RECENT_KEPT: usize = 6;
/// Seconds after a change before it is saved by itself.
pub const AUTOSAVE_AFTER: f64 = 4.0;
/// Seconds until a save that failed is tried again, for the first and for later times.
const RETRY_AFTER: [f64; 4] = [5.0, 10.0, 20.0, 60.0];

/// The window's part of a session file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WindowPart {
    pub(crate) doc: Document,
    pub(crate) desks: Desks,
    pub(crate) tab: Tab,
    pub(crate) selection: Option<Selection>,
    pub(crate) framings: Vec<(ItemId, Framing)>,
    /// Whether it was said before that this session is not whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) told: bool,
}

impl State {
    /// What a session keeps of the window. Every field of the state is decided on here.
    pub(crate) fn kept(&self) -> WindowPart {
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
        let mut desks = desks.clone();
        if self.running().is_some() {
            // A morph that plays changes nothing that was made.
            tab.screen().stop_where_it_began(&mut desks);
        }
        WindowPart {
            doc: doc.clone(),
            desks,
            tab: *tab,
            selection: Some(*selection),
            framings: framings.collect(),
            told: session.told,
        }
    }

    pub(super) fn contents(&self) -> Contents {
        Contents {
            part: serde_json::to_value(self.kept()).unwrap_or_default(),
            encoded: self.session.encoded,
        }
    }

    /// Whether something was done since the first start filled the shelf.
    pub(super) fn is_touched(&self) -> bool {
        self.session.untouched.as_ref() != Some(&self.doc)
    }

    /// Saves by itself what has changed, some seconds after it did. The second is when to ask again,
    /// in seconds from now. `now` is any clock that does not go back.
    pub fn autosave(&mut self, now: f64) -> (Vec<Command>, Option<f64>) {
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

    /// Writes the session to the file that the person named.
    pub(crate) fn save_session(&mut self, path: PathBuf) -> Vec<Command> {
        if self.session.is_opening() {
            let text = "a session is being opened; save once it is there";
            self.log(LogLevel::Notice, text);
            return Vec::new();
        }
        let path = intake::with_ending(PathPurpose::SaveSession, path);
        self.session.path = Some(path.clone());
        self.write_session(path, false)
    }

    pub(super) fn write_session(&mut self, path: PathBuf, by_itself: bool) -> Vec<Command> {
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

    /// Whether a session is on its way to the disk.
    pub fn is_saving(&self) -> bool {
        matches!(self.session.errand, Some((_, _, Errand::Save { .. })))
    }

    /// Whether all that was done is in the file that is written by itself, or not worth one.
    pub fn is_saved(&self) -> bool {
        let new = self.session.saved.is_none() && !self.is_touched();
        new || self.session.saved.as_ref() == Some(&self.contents())
    }

    /// A new place, after [`Session::wants_place`]; `None` where there is none to be had.
    pub fn place_renewed(&mut self, place: Option<PathBuf>) {
        self.session.has_no_place = place.is_none();
        self.session.autosave = place;
        self.session.saved = None;
        self.session.failures = 0;
    }

    pub(crate) fn session_saved(&mut self, ticket: Ticket, path: &Path) {
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
    pub(crate) fn session_failed(&mut self, ticket: Ticket, message: &str) -> Option<LogLevel> {
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

    pub(super) fn take_errand(&mut self, ticket: Ticket) -> Option<(PathBuf, Errand)> {
        let (_, path, errand) = self.session.errand.take_if(|(t, _, _)| *t == ticket)?;
        Some((path, errand))
    }

    /// Shows a path once more with what is wrong with it, so that it need not be typed again.
    pub(crate) fn ask_for_path(&mut self, purpose: PathPurpose, path: &Path, message: &str) {
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::TypePath {
                purpose,
                text: path.display().to_string(),
                note: message.to_owned(),
            });
        }
    }

    pub(super) fn remember(&mut self, path: &Path) {
        self.recent.retain(|p| p != path);
        self.recent.insert(0, path.to_owned());
        self.recent.truncate(RECENT_KEPT);
    }
}
