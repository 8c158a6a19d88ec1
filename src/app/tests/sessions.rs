//! Sessions, and pictures that say what they were made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::Bench;
use crate::app::action::Action;
use crate::app::dialog::{ExportForm, ExportSource};
use crate::app::screens::morph::{self, MorphWish};
use crate::app::screens::sample::SampleWish;
use crate::app::state::{LogLevel, Named, Selection, State, Tab};
use crate::app::{export, session};
use crate::engine::message::{Command, PathKind, Recipe, SESSION_FORMAT};
use crate::engine::toy::open_toy;
use crate::engine::{Engine, EngineOptions};

/// The state and a real worker behind it, a toy in the model's place.
struct Pair {
    state: State,
    engine: Engine,
}

impl Pair {
    fn new(prepare: impl FnOnce(&mut State)) -> Self {
        let panics = Arc::new(AtomicUsize::new(0));
        let options = EngineOptions::new(Box::new(move |path: Option<&Path>| {
            open_toy(path, None, panics.clone())
        }));
        let mut pair = Self {
            state: State::default(),
            engine: Engine::spawn(options, || {}),
        };
        prepare(&mut pair.state);
        let commands = pair.state.start(None, Vec::new());
        pair.send(commands);
        pair.run();
        pair
    }

    fn send(&mut self, commands: Vec<Command>) {
        commands.into_iter().for_each(|c| self.engine.send(c));
    }

    fn apply(&mut self, action: impl Into<Action>) {
        let commands = self.state.apply(action);
        self.send(commands);
        self.run();
    }

    /// Lets both talk until the worker has nothing more to say.
    fn run(&mut self) {
        let events = self.engine.link().events;
        loop {
            let commands = self.state.sync(true);
            self.send(commands);
            let live = &self.state.live;
            let idle = live.model.is_some()
                && live.waiting == 0
                && live.inspecting.is_none()
                && live.views.values().all(|v| v.in_flight.is_none())
                && !self.state.session.is_opening()
                && !self.state.is_saving()
                && !(self.state.items.values())
                    .any(|i| i.status == crate::app::state::ItemStatus::Busy);
            if idle {
                return;
            }
            let event = events.recv_timeout(Duration::from_secs(20)).unwrap();
            let commands = self.state.receive(event);
            self.send(commands);
        }
    }

    fn errors(&self) -> usize {
        let log = self.state.live.log.iter();
        log.filter(|l| l.level == LogLevel::Error).count()
    }
}

#[test]
fn a_session_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine");
    let mut pair = Pair::new(|_| {});
    let pinned = pair.state.doc.sample.cell(5);
    pair.apply(Action::Pin(pinned));
    let id = pair.state.doc.shelf.last().unwrap().id;
    pair.apply(Action::Rename(id, "Berta".to_owned()));
    let berta = Named {
        recipe: Recipe::Item(id),
        label: "Berta".to_owned(),
    };
    pair.apply(MorphWish::SetKey(0, berta));
    pair.apply(Action::SetTab(Tab::Morph));
    pair.apply(MorphWish::SetT(0.25));
    pair.apply(Action::SaveSession(path));
    let path = folder.path().join("mine.glow.json");
    assert!(path.is_file(), "an ending is added");
    let shown = |pair: &Pair| {
        pair.state
            .cell_picture(morph::HERO, 0)
            .unwrap()
            .pixels
            .clone()
    };
    let before = shown(&pair);
    let names = |pair: &Pair| -> Vec<String> {
        let shelf = pair.state.doc.shelf.iter();
        shelf.map(|e| e.name.clone()).collect()
    };
    let shelf = names(&pair);
    pair.apply(Action::NewSession);
    assert!(pair.state.doc.shelf.is_empty());

    // In another run, whose ids are other ones.
    let mut other = Pair::new(|_| {});
    other.apply(Action::Pin(other.state.doc.sample.cell(1)));
    other.apply(Action::OpenSession(path.clone()));
    assert_eq!(names(&other), shelf);
    assert_eq!(other.state.tab, Tab::Morph);
    assert_eq!(other.state.desks.morph.t, 0.25);
    assert_eq!(shown(&other), before, "equal latents, equal pictures");
    assert_eq!(other.state.recent, [path]);
    assert_eq!(other.errors(), 0);
    assert!(!other.state.history.can_undo(&other.state.doc));
}

#[test]
fn a_damaged_session_gives_one_message_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.glow.json");
    let mut pair = Pair::new(|_| {});
    for text in [
        "not json".to_owned(),
        format!(
            r#"{{"format":"{SESSION_FORMAT}","model":null,"latents":null,"items":[],"window":{{"doc":7}}}}"#
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let (doc, errors) = (pair.state.doc.clone(), pair.errors());
        pair.apply(Action::OpenSession(path.clone()));
        assert_eq!(pair.state.doc, doc);
        assert_eq!(pair.errors(), errors + 1);
    }
}

#[test]
fn a_crashed_run_is_brought_back_with_a_notice_and_a_damaged_one_is_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("autosave-1.glow.json");
    let mut pair = Pair::new(|state| state.session.autosave = Some(path.clone()));
    pair.apply(SampleWish::SetSeed(99));
    let (commands, again) = pair.state.autosave(10.0);
    assert!(
        commands.is_empty() && again.is_some(),
        "not at every change"
    );
    let (commands, _) = pair.state.autosave(60.0);
    assert_eq!(commands.len(), 1);
    pair.send(commands);
    pair.run();
    assert!(
        pair.state.autosave(90.0).0.is_empty(),
        "nothing has changed"
    );

    let restored = |path: &PathBuf| {
        let path = path.clone();
        Pair::new(move |state| {
            state.session.autosave = Some(path);
            state.session.restore = Some(true);
        })
    };
    let again = restored(&path);
    assert_eq!(again.state.doc.sample.seed, 99);
    assert_eq!(again.state.doc.shelf.len(), 4, "no samples are added to it");
    let notice = again.state.live.toasts.iter();
    assert_eq!(notice.filter(|l| l.level == LogLevel::Notice).count(), 1);

    std::fs::write(&path, "{").unwrap();
    let fresh = restored(&path);
    assert_eq!(fresh.errors(), 1);
    assert_eq!(fresh.state.doc.shelf.len(), 4, "the first screen is full");
    assert_eq!(
        fresh.state.doc.sample.seed,
        State::default().doc.sample.seed
    );
}

#[test]
fn an_exported_grid_brings_its_samples_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    let mut bench = Bench::new(Vec::new());
    bench.perform(SampleWish::SetSeed(12));
    bench.perform(SampleWish::SetTemperature(0.5));
    bench.perform(SampleWish::SetGrid(5, 3));
    let write = |state: &State, source| {
        let form = ExportForm::new(source, state);
        let request = export::request(&form, state).unwrap();
        let settings = serde_json::json!({
            "format": "glow-explorer-settings/1",
            "model": "faces-64 (shipped)",
            "recipes": request.recipes,
            "items": {},
            "columns": 5,
        });
        let picture = image::RgbImage::new(4, 4);
        crate::export::write_png(&path, &picture, Some(&settings.to_string())).unwrap();
    };
    write(bench.state(), ExportSource::Screen(Tab::Sample));
    let doc = bench.state().doc.sample.clone();
    bench.perform(SampleWish::SetSeed(1));
    bench.perform(SampleWish::SetTemperature(0.9));
    bench.perform(SampleWish::SetGrid(2, 2));
    let drop_file = |bench: &mut Bench| {
        let source = crate::engine::message::PictureSource::Path(path.clone());
        bench.perform(Action::Import(vec![source]));
    };
    drop_file(&mut bench);
    let sample = &bench.state().doc.sample;
    assert_eq!((sample.seed, sample.temperature), (12, 0.5));
    assert_eq!((sample.columns, sample.rows), (5, 3));
    assert_eq!(sample.cell(7), doc.cell(7));
    assert_eq!(
        bench.state().doc.shelf.len(),
        4,
        "no photo of a grid on the shelf"
    );

    // A morph between samples comes back too; one between shelf items says why it does not.
    for (slot, cell) in [(0, 2), (1, 3)] {
        let named = bench.state().doc.sample.cell(cell);
        bench.perform(MorphWish::SetKey(slot, named));
    }
    bench.perform(MorphWish::SetPath(PathKind::Linear));
    let keys = bench.state().doc.morph.path_keys();
    write(bench.state(), ExportSource::Screen(Tab::Morph));
    bench.perform(MorphWish::ReverseKeys);
    drop_file(&mut bench);
    assert_eq!(bench.state().doc.morph.path_keys(), keys);
    assert_eq!(bench.state().tab, Tab::Morph);

    let id = bench.state().doc.shelf[0].id;
    bench.perform(Action::Select(Selection::Item(id)));
    write(bench.state(), ExportSource::Selected);
    drop_file(&mut bench);
    assert_eq!(bench.state().doc.shelf.len(), 5, "opened as a picture");
    assert!(
        bench
            .state()
            .live
            .toasts
            .back()
            .unwrap()
            .text
            .contains("does not carry")
    );
}

#[test]
fn a_newer_value_is_sent_at_once_where_the_pointer_is_up() {
    let mut pair = Pair::new(|_| {});
    pair.apply(Action::SetTab(Tab::Morph));
    let mut renders = |t: f32, settled: bool| {
        pair.state.apply(MorphWish::SetT(t));
        let commands = pair.state.sync(settled);
        let hero = |c: &&Command| {
            matches!(
                c,
                Command::Render {
                    view: morph::HERO,
                    ..
                }
            )
        };
        commands.iter().filter(hero).count()
    };
    assert_eq!(renders(0.1, false), 1);
    assert_eq!(
        renders(0.2, false),
        0,
        "a drag waits for the picture on its way"
    );
    assert_eq!(renders(0.3, true), 1, "the value let go replaces it");
}

#[test]
fn the_recipes_of_the_documented_format_are_recipes() {
    let text = include_str!("../../../docs/session-format.md");
    let (_, rest) = text.split_once("```json").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let recipes: Vec<Recipe> = (block.lines().filter(|line| !line.is_empty()))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(recipes.len(), 8);
}

#[test]
fn names_of_sessions() {
    assert!(session::is_session(Path::new("/a/B.GLOW.JSON")));
    assert!(!session::is_session(Path::new("/a/b.json")));
    let state = State::default();
    assert!(session::suggestion(&state).ends_with("session.glow.json"));
}

#[test]
fn a_draft_gives_way_to_the_exact_picture_once_the_pointer_is_up() {
    let mut pair = Pair::new(|_| {});
    pair.apply(Action::SetTab(Tab::Morph));
    pair.state.apply(MorphWish::SetT(0.37));
    let events = pair.engine.link().events;
    // Whether the morph was asked for, and whether a draft of it is shown afterwards.
    let mut frame = |settled: bool| {
        let commands = pair.state.sync(settled);
        let of_morph = |c: &&Command| {
            matches!(
                c,
                Command::Render {
                    view: morph::HERO,
                    ..
                }
            )
        };
        let asked = commands.iter().filter(of_morph).count();
        pair.send(commands);
        let is_busy = |s: &State| {
            let morph = s.live.views.get(&morph::HERO);
            morph.is_some_and(|v| v.in_flight.is_some())
        };
        while is_busy(&pair.state) {
            let event = events.recv_timeout(Duration::from_secs(20)).unwrap();
            let commands = pair.state.receive(event);
            pair.send(commands);
        }
        let shown = &pair.state.live.views[&morph::HERO].shown;
        (asked, shown.values().any(|s| s.draft))
    };
    assert_eq!(frame(false), (1, true), "while it moves");
    assert_eq!(
        frame(false),
        (0, true),
        "a draft is enough while the pointer is down"
    );
    assert_eq!(frame(true), (1, false), "let go");
    assert_eq!(frame(true), (0, false), "and that is all");
}

#[test]
fn an_exact_picture_that_fails_is_not_asked_for_for_ever_where_a_draft_is_shown() {
    let mut pair = Pair::new(|_| {});
    pair.apply(Action::SetTab(Tab::Morph));
    pair.state.apply(MorphWish::SetT(0.37));
    let ticket = |commands: &[Command]| {
        commands.iter().find_map(|c| match c {
            Command::Render {
                view: morph::HERO,
                ticket,
                ..
            } => Some(*ticket),
            _ => None,
        })
    };
    let events = pair.engine.link().events;
    let commands = pair.state.sync(false);
    pair.send(commands);
    while pair.state.live.views[&morph::HERO].in_flight.is_some() {
        let event = events.recv_timeout(Duration::from_secs(20)).unwrap();
        pair.state.receive(event);
    }
    let asked = ticket(&pair.state.sync(true));
    assert!(asked.is_some());
    pair.state.receive(crate::engine::message::Event::Failed {
        ticket: asked,
        item: None,
        message: "no direction is called smiling".to_owned(),
    });
    assert_eq!(ticket(&pair.state.sync(true)), None);
    // Anything that changes asks again.
    pair.state.apply(MorphWish::SetT(0.38));
    assert!(ticket(&pair.state.sync(true)).is_some());
}
