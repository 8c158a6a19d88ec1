//! Work outlives the window that it was done in, however that ends: windows without a screen, in processes of their
//! own, are killed in the middle of their work again and again.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::sessions::Pair;
use crate::app::action::Action;
use crate::app::autosave::{Places, SessionPlace};
use crate::app::screens::morph::MorphWish;
use crate::app::screens::sample::SampleWish;
use crate::app::session::AUTOSAVE_AFTER;
use crate::app::state::{Named, State};
use crate::engine::message::Recipe;

/// Names the folder to a child; without it the child's part does nothing.
const FOLDER: &str = "GLOW_EXPLORER_TEST_PLACES";
/// The first seed of a child.
const FIRST: &str = "GLOW_EXPLORER_TEST_FIRST";
/// Steps, of a second each, whose work may be lost: those until the save, that of the save and the one under way.
const LOST: u64 = AUTOSAVE_AFTER as u64 + 2;

/// What a window shows, in a line: its seed, which counts its steps, and its shelf.
fn shown(state: &State) -> String {
    let names: Vec<&str> = state.doc.shelf.iter().map(|e| e.name.as_str()).collect();
    let keys = state.doc.morph.keys.iter().flatten().count();
    let ready = state.items.values().filter(|i| i.has_latent).count();
    format!(
        "{} {} {keys} {}",
        state.doc.sample.seed,
        ready.min(names.len()),
        names.join(",")
    )
}

fn say(word: &str, text: &str) {
    println!("@{word} {text}");
    std::io::stdout().flush().unwrap();
}

/// A window of a child: what the last one left, at a place of its own.
fn open(places: &Places) -> (Pair, SessionPlace) {
    let found = places.take().unwrap();
    let mut place = found.place;
    let pair = Pair::new(|state| {
        state.session.autosave = Some(place.session.clone());
        state.session.restore = found.restore;
    });
    place.is_running();
    (pair, place)
}

/// The part of a child: it works until it is killed.
#[test]
#[ignore = "runs in a process of its own, which other tests start and kill"]
fn a_window_that_works_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("skipped: nobody kills this process");
        return;
    };
    let places = Places::new(Path::new(&folder));
    let (mut pair, mut place) = open(&places);
    say("restored", &shown(&pair.state));
    let mut seed = pair.state.doc.sample.seed;
    if let Ok(first) = std::env::var(FIRST) {
        seed = seed.max(first.parse().unwrap());
    }
    for step in 1u64.. {
        seed += 1;
        pair.apply(SampleWish::SetSeed(seed));
        let cell = pair.state.doc.sample.cell((step % 24) as u32);
        match step % 5 {
            0 => pair.apply(Action::Pin(cell)),
            1 => pair.apply(MorphWish::SetKey((step % 2) as usize, cell)),
            2 => {
                let id = pair.state.doc.shelf[0].id;
                pair.apply(Action::Rename(id, format!("step{step}")));
            }
            3 if pair.state.doc.shelf.len() > 8 => {
                let id = pair.state.doc.shelf[2].id;
                pair.apply(Action::Remove(id));
            }
            4 => {
                let last = pair.state.doc.shelf.last().unwrap();
                let named = Named {
                    recipe: Recipe::Item(last.id),
                    label: last.name.clone(),
                };
                pair.apply(MorphWish::SetKey(1, named));
            }
            _ => {}
        }
        say("did", &shown(&pair.state));
        // A step takes a second of the window's clock, not of this machine's.
        let (commands, _) = pair.state.autosave(step as f64);
        pair.send(commands);
        pair.run();
        if step % 90 == 0 {
            // A new session goes to a place of its own. Until it is saved there, only the old one can be found.
            say("leaves", "");
            pair.apply(Action::NewSession);
            assert!(pair.state.session.wants_place);
            pair.state.session.wants_place = false;
            place.keep();
            place = places.fresh().unwrap();
            pair.state.place_renewed(Some(place.session.clone()));
            pair.apply(SampleWish::SetSeed(seed));
            pair.apply(Action::Pin(pair.state.doc.sample.cell(0)));
            say("did", &shown(&pair.state));
            pair.autosaved(step as f64);
            say("begun", "");
        }
    }
}

/// The part of a child: everything that is brought back or offered, a line each.
#[test]
#[ignore = "runs in a process of its own, which other tests start"]
fn a_window_that_says_what_is_there() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("skipped: nobody asks this process");
        return;
    };
    let places = Places::new(Path::new(&folder));
    let (mut pair, place) = open(&places);
    say("restored", &shown(&pair.state));
    for kept in places.kept() {
        pair.apply(Action::OpenSession(kept.path));
        say("kept", &shown(&pair.state));
    }
    say("end", "");
    drop(place);
}

struct Window {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What it has shown, by its seed.
    seen: HashMap<u64, Vec<String>>,
    last: u64,
    /// Whether it was between two sessions when it was killed.
    between: bool,
}

fn seed_of(text: &str) -> u64 {
    text.split(' ').next().unwrap().parse().unwrap()
}

impl Window {
    fn start(folder: &Path, test: &str, first: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .arg(format!("app::tests::kills::{test}"))
            .env(FOLDER, folder)
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            seen: HashMap::new(),
            last: 0,
            between: false,
        }
    }

    /// The next line of the child's part, as its word and its text; `None` at its end.
    fn next(&mut self) -> Option<(String, String)> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            // The harness writes its own words in front of the first.
            let Some((_, said)) = line.trim_end().split_once('@') else {
                continue;
            };
            let (word, text) = said.split_once(' ').unwrap_or((said, ""));
            self.between = match word {
                "leaves" => true,
                "begun" => false,
                _ => self.between,
            };
            if word == "did" {
                self.last = seed_of(text);
                let seen = self.seen.entry(self.last).or_default();
                seen.push(text.to_owned());
            }
            return Some((word.to_owned(), text.to_owned()));
        }
    }

    fn restored(&mut self) -> String {
        match self.next() {
            Some((word, text)) if word == "restored" => text,
            other => panic!("the window does not start: {other:?}"),
        }
    }

    /// Lets it work for so many steps, kills it, and takes in what it said until then.
    fn kill_after(&mut self, steps: u64) {
        for _ in 0..steps {
            assert!(self.next().is_some(), "it works until it is killed");
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.next().is_some() {}
    }

    /// That a state is one of this window's, and no more than the last seconds old.
    #[track_caller]
    fn has_kept(&self, text: &str) {
        let seed = seed_of(text);
        if self.between && seed + LOST < self.last {
            return; // the session before is kept, and offered
        }
        assert!(
            seed + LOST >= self.last,
            "{} steps are lost: {text}",
            self.last - seed
        );
        let seen = self.seen.get(&seed);
        assert!(
            seen.is_some_and(|seen| seen.iter().any(|seen| seen == text)),
            "{text} was never shown: {seen:?}"
        );
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // A test that fails leaves no window behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Steps until the next kill: few and many, and never in step with the saves.
fn steps(round: u64) -> u64 {
    [7, 23, 12, 41, 9, 95, 18, 30, 11, 52, 15, 27][(round % 12) as usize]
}

#[test]
fn a_window_that_is_killed_again_and_again_loses_the_last_seconds_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let mut before: Option<Window> = None;
    for round in 0..12 {
        let mut window = Window::start(
            folder.path(),
            "a_window_that_works_until_it_is_killed",
            1000,
        );
        let restored = window.restored();
        if let Some(before) = &before {
            before.has_kept(&restored);
        }
        window.kill_after(steps(round));
        before = Some(window);
    }
}

#[test]
fn two_windows_that_are_killed_at_once_lose_the_last_seconds_at_most() {
    for round in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let work = "a_window_that_works_until_it_is_killed";
        let mut one = Window::start(folder.path(), work, 10_000);
        one.restored();
        let mut two = Window::start(folder.path(), work, 20_000);
        two.restored();
        one.kill_after(steps(round).min(60));
        two.kill_after(steps(round + 5).min(60));
        let mut after = Window::start(folder.path(), "a_window_that_says_what_is_there", 0);
        let mut found = vec![after.restored()];
        while let Some((word, text)) = after.next() {
            if word == "end" {
                break;
            }
            found.push(text);
        }
        for (window, range) in [(&one, 10_000..20_000), (&two, 20_000..30_000)] {
            let of_it = found.iter().filter(|text| range.contains(&seed_of(text)));
            let newest = of_it.max_by_key(|text| seed_of(text));
            let newest = newest.unwrap_or_else(|| panic!("a window's work is gone: {found:?}"));
            window.has_kept(newest);
        }
    }
}
