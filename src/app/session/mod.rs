//! Sessions: what the window writes into one, and what it takes over from one.
//!
//! The worker writes and reads the files (see [`crate::engine::message::SessionFile`]); here is the window's part of
//! them. Items get new ids when a session is opened, so that nothing of it can be taken for something older.
//!
//! Three rules keep what a person made. What a session keeps is listed in one place (`State::kept`), which names
//! every field of the state, so that none is forgotten. The file that is written by itself belongs to one window and
//! one shelf: a shelf that is left (for a new session, or another one) stays in its file, and the next one gets a new
//! file. And a session that cannot be shown whole is not written to: what is done from there on goes to a new file.

mod names;
mod open;
mod save;

use std::path::PathBuf;

pub use names::{is_session, suggestion, title};
#[cfg(test)]
pub(super) use save::{AUTOSAVE_AFTER, WindowPart};

use super::autosave::KeptSession;
use super::document::Document;
use crate::engine::message::{ItemId, StoredModel, Ticket};

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
    #[cfg(test)]
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}
