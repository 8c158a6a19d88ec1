//! Places for the sessions that are saved by themselves, one for each window that is open.
//!
//! A place is a session file and a lock file beside it. The lock tells a window that is open from one that is gone,
//! and what the lock file says tells how it went. A new run takes over what the last one left; everything else that
//! lies there is kept, and offered. A thread of its own asks the disk: the window never waits for it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Ending of a session file.
pub const SESSION_ENDING: &str = "glow.json";
/// How long a new window waits for one that is closing to write its session.
const CLOSING_WAIT: Duration = Duration::from_secs(12);
/// Kept sessions that are offered.
const OFFERED: usize = 12;
/// Larger files are no sessions.
const MAX_BYTES: u64 = 16 << 20;
/// Partial files of this age belong to no process that still writes them.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a lock file says of the run that wrote it. One that ended in peace says nothing.
mod word {
    /// It runs, or it crashed.
    pub(super) const RUNNING: &str = "running";
    /// It was bringing a session back.
    pub(super) const RESTORING: &str = "restoring";
    /// It is writing its last session.
    pub(super) const CLOSING: &str = "closing";
    /// The session was left for another one: it is offered, but comes back only when asked for.
    pub(super) const KEPT: &str = "kept";
}

/// Earlier work that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Its file.
    pub path: PathBuf,
    /// For the menu: how much it is, and how old.
    pub label: String,
}

/// A place, locked as long as this lives.
#[derive(Debug)]
pub struct SessionPlace {
    /// The session file.
    pub session: PathBuf,
    lock: File,
}

impl SessionPlace {
    /// The session was brought back, or there was none: a crash from now on is not its fault.
    pub fn is_running(&mut self) {
        self.say(word::RUNNING);
    }

    /// The last session of the run is being written.
    pub fn is_closing(&mut self) {
        self.say(word::CLOSING);
    }

    /// The session is left where it is.
    pub fn keep(mut self) {
        self.say(word::KEPT);
    }

    /// The run ends as it should.
    pub fn end(mut self) {
        self.say("");
        if !self.session.is_file() {
            // Nothing was done in this window. On systems that do not remove an open file it stays, and does no harm.
            let _ = fs::remove_file(self.session.with_extension("").with_extension("lock"));
        }
    }

    fn say(&mut self, word: &str) {
        // Without this a crash is not noticed, which is no reason to stop.
        let _ = self.lock.set_len(0);
        let _ = self.lock.rewind();
        let _ = self.lock.write_all(word.as_bytes());
    }
}

/// What a start finds.
#[derive(Debug)]
pub struct FoundPlace {
    /// The place of this window.
    pub place: SessionPlace,
    /// Whether a session is there to be brought back, and whether the run that wrote it crashed.
    pub restore: Option<bool>,
    /// What should be said.
    pub notes: Vec<String>,
}

/// The folder with all places.
#[derive(Clone, Debug)]
pub struct Places {
    folder: PathBuf,
}

/// What lies at a place whose lock was taken.
struct Candidate {
    place: SessionPlace,
    word: String,
    time: SystemTime,
}

impl Places {
    /// Places in a folder, which is made when the first is taken.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Takes over what the last run left, or a new place. Waits a while for a window that is closing.
    ///
    /// Errors: the system's.
    pub fn take(&self) -> io::Result<FoundPlace> {
        fs::create_dir_all(&self.folder)?;
        let deadline = Instant::now() + CLOSING_WAIT;
        loop {
            let found = self.look()?;
            if !found.closing || Instant::now() > deadline {
                return self.choose(found);
            }
            drop(found);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn look(&self) -> io::Result<Survey> {
        let mut look = Survey::default();
        let sessions = self.sessions()?;
        let seen: Vec<u32> = sessions.iter().map(|(number, _)| *number).collect();
        for (number, session) in sessions {
            let mut lock = open_lock(&self.lock_path(number))?;
            let locked = lock.try_lock();
            let word = said(&mut lock);
            match locked {
                Ok(()) => look.free.push(Candidate {
                    time: newest(&session, &lock),
                    place: SessionPlace { session, lock },
                    word,
                }),
                Err(TryLockError::WouldBlock) => {
                    look.held = true;
                    look.closing |= word == word::CLOSING;
                }
                Err(TryLockError::Error(_)) => look.no_locks = true,
            }
        }
        look.held |= self.others_hold_locks(&seen);
        look.free
            .sort_by_key(|candidate| std::cmp::Reverse(candidate.time));
        Ok(look)
    }

    /// Whether another window lives that has saved nothing yet: one that is not among those with a session.
    fn others_hold_locks(&self, seen: &[u32]) -> bool {
        let numbers = self.numbers("lock").unwrap_or_default();
        let others = numbers.into_iter().filter(|number| !seen.contains(number));
        others.into_iter().any(|number| {
            let lock = open_lock(&self.lock_path(number));
            lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
        })
    }

    fn choose(&self, look: Survey) -> io::Result<FoundPlace> {
        let mut notes = Vec::new();
        let (mut chosen, mut left) = (None, 0);
        for mut candidate in look.free {
            match candidate.word.as_str() {
                word::KEPT => {}
                word::RESTORING => {
                    let shown = candidate.place.session.display();
                    notes.push(format!(
                        "the last session could not be brought back twice in a row; it is kept under File > Recent sessions: {shown}"
                    ));
                    candidate.place.keep();
                }
                said => {
                    let crashed = said == word::RUNNING || said == word::CLOSING;
                    if chosen.is_none() && (crashed || !look.held) {
                        candidate.place.say(word::RESTORING);
                        chosen = Some((candidate.place, crashed));
                    } else if crashed || !look.held {
                        left += 1;
                        candidate.place.keep();
                    }
                }
            }
        }
        if left > 0 {
            let windows = if left == 1 {
                "another window"
            } else {
                "other windows"
            };
            notes.push(format!(
                "the work of {windows} is kept as well: File > Recent sessions"
            ));
        }
        let no_locks = look.no_locks;
        let (place, restore) = match chosen {
            Some((place, crashed)) => (place, Some(crashed)),
            None => (self.fresh()?, None),
        };
        if no_locks || matches!(place.lock.try_lock(), Err(TryLockError::Error(_))) {
            notes.push(format!(
                "this folder's file system has no locks, so a window cannot tell whether another one uses a session: nothing is brought back by itself, and earlier work is under File > Recent sessions: {}",
                self.folder.display()
            ));
        }
        Ok(FoundPlace {
            place,
            restore,
            notes,
        })
    }

    /// A place where nothing is.
    ///
    /// Errors: the system's.
    pub fn fresh(&self) -> io::Result<SessionPlace> {
        fs::create_dir_all(&self.folder)?;
        let numbers = self.numbers(SESSION_ENDING)?.into_iter();
        let last = numbers.chain(self.numbers("lock")?).max().unwrap_or(0);
        let mut number = last + 1;
        loop {
            let mut options = OpenOptions::new();
            let created = options
                .read(true)
                .write(true)
                .create_new(true)
                .open(self.lock_path(number));
            match created {
                Ok(lock) => {
                    // Where there are no locks, the new name alone keeps windows apart.
                    let _ = lock.try_lock();
                    let session = self.session_path(number);
                    let mut place = SessionPlace { session, lock };
                    place.is_running();
                    return Ok(place);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// Work that lies here and belongs to no window that is open, newest first.
    pub fn kept(&self) -> Vec<KeptSession> {
        let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
        for (number, session) in self.sessions().unwrap_or_default() {
            let Ok(lock) = open_lock(&self.lock_path(number)) else {
                continue;
            };
            if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
                kept.push((newest(&session, &lock), session));
            }
        }
        kept.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        kept.truncate(OFFERED);
        let label = |(time, path): (SystemTime, PathBuf)| KeptSession {
            label: label_of(&path, time),
            path,
        };
        kept.into_iter().map(label).collect()
    }

    /// Removes partial files that a killed process has left.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let age = entry.metadata().and_then(|meta| meta.modified());
            let age = age.ok().and_then(|time| time.elapsed().ok());
            let partial = name.starts_with(".autosave-") && name.contains(".partial-");
            let alone = name.starts_with("autosave-") && name.ends_with(".lock") && {
                let session = entry.path().with_extension(SESSION_ENDING);
                !session.is_file()
            };
            if (partial || alone) && age.is_some_and(|age| age > STALE) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn sessions(&self) -> io::Result<Vec<(u32, PathBuf)>> {
        let numbers = self.numbers(SESSION_ENDING)?.into_iter();
        Ok(numbers.map(|n| (n, self.session_path(n))).collect())
    }

    /// The numbers of the files that end so.
    fn numbers(&self, ending: &str) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let number: Option<u32> = name.strip_prefix("autosave-").and_then(|rest| {
                let number = rest.strip_suffix(ending)?.strip_suffix('.')?;
                number.parse().ok()
            });
            numbers.extend(number);
        }
        Ok(numbers)
    }

    fn lock_path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("autosave-{number}.lock"))
    }

    fn session_path(&self, number: u32) -> PathBuf {
        self.folder
            .join(format!("autosave-{number}.{SESSION_ENDING}"))
    }
}

/// What lies in the folder.
#[derive(Default)]
struct Survey {
    /// Sessions of no window that is open, newest first.
    free: Vec<Candidate>,
    /// Whether another window is open.
    held: bool,
    /// Whether one is just closing.
    closing: bool,
    /// Whether the file system has no locks.
    no_locks: bool,
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // What the last run wrote is read before it is replaced.
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

fn said(lock: &mut File) -> String {
    let mut word = String::new();
    // A lock file that holds something else was not written by a run of ours.
    let _ = lock.take(64).read_to_string(&mut word);
    word.trim().to_owned()
}

/// When a window last wrote its session, or ended.
fn newest(session: &Path, lock: &File) -> SystemTime {
    let written = fs::metadata(session).and_then(|meta| meta.modified());
    let ended = lock.metadata().and_then(|meta| meta.modified());
    let times = [written, ended].into_iter().flatten();
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn label_of(path: &Path, time: SystemTime) -> String {
    let small = fs::metadata(path).is_ok_and(|meta| meta.len() <= MAX_BYTES);
    let json = small.then(|| fs::read(path).ok()).flatten();
    let json = json.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let n = json.and_then(|json| json["items"].as_array().map(Vec::len));
    let what = match n {
        Some(1) => "1 picture".to_owned(),
        Some(n) => format!("{n} pictures"),
        None => "damaged".to_owned(),
    };
    format!(
        "Kept: {what}, {}",
        age_text(time.elapsed().unwrap_or_default())
    )
}

fn age_text(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// What the thread is asked.
enum Ask {
    Running,
    Renew,
    Closing,
}

/// What it answers.
#[derive(Debug)]
pub enum PlaceAnswer {
    /// The place of this window at its start; `None` where none is to be had.
    Taken {
        /// The session file.
        place: Option<PathBuf>,
        /// As in [`FoundPlace`].
        restore: Option<bool>,
        /// What should be said.
        notes: Vec<String>,
        /// Earlier work.
        kept: Vec<KeptSession>,
    },
    /// Another place; the session before is kept where it is.
    Renewed {
        /// The session file.
        place: Option<PathBuf>,
        /// What should be said.
        notes: Vec<String>,
        /// Earlier work.
        kept: Vec<KeptSession>,
    },
}

/// The thread that holds this window's place.
pub struct Keeper {
    asks: Option<Sender<Ask>>,
    /// Its answers.
    pub answers: Receiver<PlaceAnswer>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it, and takes a place. `wake` is called after each answer.
    ///
    /// Errors: no thread can be started.
    pub fn start(folder: &Path, wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (asks, asked) = unbounded();
        let (answer, answers) = unbounded();
        let places = Places::new(folder);
        let thread = std::thread::Builder::new().name("session places".to_owned());
        let thread = thread.spawn(move || keep(&places, &asked, &answer, wake))?;
        Ok(Self {
            asks: Some(asks),
            answers,
            thread: Some(thread),
        })
    }

    fn ask(&self, ask: Ask) {
        // A thread that has gone has told why.
        let _ = self.asks.as_ref().map(|asks| asks.send(ask));
    }

    /// The session was brought back, or there was none.
    pub fn is_running(&self) {
        self.ask(Ask::Running);
    }

    /// Wants another place.
    pub fn renew(&self) {
        self.ask(Ask::Renew);
    }

    /// The last session is being written.
    pub fn is_closing(&self) {
        self.ask(Ask::Closing);
    }
}

impl Drop for Keeper {
    /// The window ends as it should.
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(places: &Places, asked: &Receiver<Ask>, answer: &Sender<PlaceAnswer>, wake: impl Fn()) {
    let unsaved = |error: io::Error| {
        format!(
            "nothing is saved by itself ({error}); save with File > Save session: {}",
            places.folder.display()
        )
    };
    let (mut place, restore, notes) = match places.take() {
        Ok(found) => (Some(found.place), found.restore, found.notes),
        Err(error) => (None, None, vec![unsaved(error)]),
    };
    let session = |place: &Option<SessionPlace>| place.as_ref().map(|place| place.session.clone());
    let others = |own: &Option<SessionPlace>| {
        let own = session(own);
        let mut kept = places.kept();
        kept.retain(|kept| Some(&kept.path) != own.as_ref());
        kept
    };
    let _ = answer.send(PlaceAnswer::Taken {
        place: session(&place),
        restore,
        notes,
        kept: others(&place),
    });
    wake();
    places.sweep();
    while let Ok(ask) = asked.recv() {
        match ask {
            Ask::Running => place.iter_mut().for_each(SessionPlace::is_running),
            Ask::Closing => place.iter_mut().for_each(SessionPlace::is_closing),
            Ask::Renew => {
                let left = place.take();
                left.into_iter().for_each(SessionPlace::keep);
                let (renewed, notes) = match places.fresh() {
                    Ok(place) => (Some(place), Vec::new()),
                    Err(error) => (None, vec![unsaved(error)]),
                };
                place = renewed;
                let _ = answer.send(PlaceAnswer::Renewed {
                    place: session(&place),
                    notes,
                    kept: others(&place),
                });
                wake();
            }
        }
    }
    place.into_iter().for_each(SessionPlace::end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path());
        (folder, places)
    }

    /// A window that has saved something.
    fn window(places: &Places) -> FoundPlace {
        let mut found = places.take().unwrap();
        found.place.is_running();
        fs::write(&found.place.session, r#"{"items":[1,2]}"#).unwrap();
        found
    }

    #[test]
    fn a_run_without_an_end_is_a_crash_and_two_windows_do_not_share() {
        let (_folder, places) = places();
        let one = window(&places);
        assert_eq!(one.restore, None);
        let two = window(&places);
        assert_eq!(two.restore, None);
        assert_ne!(one.place.session, two.place.session);
        two.place.end();
        one.place.end();
        let again = places.take().unwrap();
        assert_eq!(again.restore, Some(false));
        drop(again);
    }

    #[test]
    fn the_window_that_was_closed_last_comes_back_and_the_other_is_offered() {
        let (_folder, places) = places();
        let one = window(&places);
        let two = window(&places);
        let (first, second) = (one.place.session.clone(), two.place.session.clone());
        one.place.end();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&second, r#"{"items":[1]}"#).unwrap();
        two.place.end();
        let again = places.take().unwrap();
        assert_eq!(again.place.session, second);
        assert_eq!(again.notes.len(), 1, "{:?}", again.notes);
        let kept = places.kept();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].path, first);
        assert!(kept[0].label.contains("2 pictures"), "{:?}", kept[0]);
        // It was said once; the file stays, whatever follows.
        again.place.end();
        let third = places.take().unwrap();
        assert_eq!((third.place.session, third.notes.len()), (second, 0));
        assert!(first.is_file());
    }

    #[test]
    fn two_crashed_windows_are_both_brought_back() {
        let (_folder, places) = places();
        let (one, two) = (window(&places), window(&places));
        let mut all = [one.place.session.clone(), two.place.session.clone()];
        drop((one, two)); // as a kill leaves them: "running", and no lock
        let again = places.take().unwrap();
        assert_eq!(again.restore, Some(true));
        let kept = places.kept();
        let mut found = [again.place.session.clone(), kept[0].path.clone()];
        all.sort();
        found.sort();
        assert_eq!(found, all);
    }

    #[test]
    fn a_session_that_crashes_the_program_is_set_aside_the_next_time() {
        let (_folder, places) = places();
        let one = window(&places);
        let session = one.place.session.clone();
        drop(one);
        let two = places.take().unwrap();
        assert_eq!(two.restore, Some(true));
        drop(two);
        let three = places.take().unwrap();
        assert_eq!(three.restore, None);
        assert_ne!(three.place.session, session);
        assert_eq!(three.notes.len(), 1);
        assert_eq!(places.kept()[0].path, session);
    }

    #[test]
    fn a_session_that_was_left_is_kept_and_does_not_come_back_by_itself() {
        let (_folder, places) = places();
        let one = window(&places);
        let left = one.place.session.clone();
        one.place.keep();
        let two = places.fresh().unwrap();
        assert_ne!(two.session, left);
        drop(two);
        let again = places.take().unwrap();
        assert_eq!(again.restore, None);
        assert_eq!(places.kept()[0].path, left);
    }

    #[test]
    fn a_start_waits_for_a_window_that_is_closing() {
        let (_folder, places) = places();
        let mut one = window(&places);
        one.place.is_closing();
        let session = one.place.session.clone();
        let closing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            one.place.end();
        });
        let again = places.take().unwrap();
        closing.join().unwrap();
        assert_eq!(again.place.session, session);
        assert_eq!(again.restore, Some(false));
    }

    #[test]
    fn a_window_in_which_nothing_was_done_leaves_nothing() {
        let (folder, places) = places();
        places.take().unwrap().place.end();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_answer_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let keeper = Keeper::start(&file.join("places"), || {}).unwrap();
        let answer = keeper
            .answers
            .recv_timeout(Duration::from_secs(20))
            .unwrap();
        let PlaceAnswer::Taken { place, notes, .. } = answer else {
            panic!("{answer:?}");
        };
        assert!(
            place.is_none() && notes[0].contains("nothing is saved"),
            "{notes:?}"
        );
    }
}
