//! A place for the session that is saved by itself, one for each window that is open.
//!
//! A lock tells windows apart; what the lock file says tells a run that crashed from one that ended.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::session::SESSION_ENDING;

/// Windows that get a place of their own; a further one is not saved by itself.
const SLOTS: usize = 8;
const RUNNING: &str = "running";
const RESTORING: &str = "restoring";

/// What the run before this one left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing to bring back.
    Nothing,
    /// A session, and a proper end.
    Ended,
    /// A session, and no end.
    Crashed,
    /// A session that could not be brought back: it was set aside.
    SetAside,
}

/// A place, locked as long as this lives.
#[derive(Debug)]
pub struct Slot {
    /// The session file.
    pub session: PathBuf,
    /// What was there.
    pub before: Before,
    lock: File,
}

impl Slot {
    /// Takes the first free place in a folder, which is made where it is missing; `None` where all are
    /// taken.
    ///
    /// Errors: the system's.
    pub fn take(folder: &Path) -> std::io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        for number in 1..=SLOTS {
            let path = folder.join(format!("autosave-{number}.lock"));
            let mut open = OpenOptions::new();
            // What the last run wrote is read before it is replaced.
            open.read(true).write(true).create(true).truncate(false);
            let lock = open.open(path)?;
            if lock.try_lock().is_err() {
                continue;
            }
            let session = folder.join(format!("autosave-{number}.{SESSION_ENDING}"));
            return Self::begin(lock, session, number == 1).map(Some);
        }
        Ok(None)
    }

    fn begin(mut lock: File, session: PathBuf, first: bool) -> std::io::Result<Self> {
        let mut said = String::new();
        // A lock file that holds something else was not written by a run of ours.
        let _ = (&mut lock).take(64).read_to_string(&mut said);
        let before = match (session.is_file(), said.trim()) {
            (false, _) => Before::Nothing,
            (true, RESTORING) => {
                let aside = session.with_file_name(format!("kept-{}", file_name(&session)));
                fs::rename(&session, aside)?;
                Before::SetAside
            }
            (true, RUNNING) => Before::Crashed,
            (true, _) if first => Before::Ended,
            // A second window that was closed in peace is nobody's work in progress.
            (true, _) => Before::Nothing,
        };
        let mut slot = Self {
            session,
            before,
            lock,
        };
        slot.say(match before {
            Before::Ended | Before::Crashed => RESTORING,
            Before::Nothing | Before::SetAside => RUNNING,
        })?;
        Ok(slot)
    }

    /// The session was brought back, or there was none: a crash from now on is not its fault.
    pub fn is_running(&mut self) {
        // Without this a crash is not noticed, which is no reason to stop.
        let _ = self.say(RUNNING);
    }

    /// The run ends as it should.
    pub fn end(&mut self) {
        let _ = self.say("");
    }

    fn say(&mut self, word: &str) -> std::io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(word.as_bytes())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(folder: &Path) -> Slot {
        Slot::take(folder).unwrap().unwrap()
    }

    #[test]
    fn a_run_without_an_end_is_a_crash_and_two_windows_do_not_share() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = take(folder.path());
        assert_eq!(one.before, Before::Nothing);
        fs::write(&one.session, "{}").unwrap();
        let two = take(folder.path());
        assert_ne!(one.session, two.session);
        drop(two);
        one.end();
        drop(one);
        let mut again = take(folder.path());
        assert_eq!(again.before, Before::Ended);
        again.is_running();
        drop(again);
        assert_eq!(take(folder.path()).before, Before::Crashed);
    }

    #[test]
    fn a_session_that_crashes_the_program_is_set_aside_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let one = take(folder.path());
        fs::write(&one.session, "{}").unwrap();
        drop(one);
        let two = take(folder.path());
        assert_eq!(two.before, Before::Crashed);
        drop(two);
        let three = take(folder.path());
        assert_eq!(three.before, Before::SetAside);
        assert!(!three.session.exists());
        assert!(folder.path().join("kept-autosave-1.glow.json").exists());
    }
}
