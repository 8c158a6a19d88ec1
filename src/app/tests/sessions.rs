//! Sessions, and pictures that say what they were made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::Bench;
use crate::app::action::Action;
use crate::app::dialog::{Dialog, ExportForm, ExportSource, PathPurpose};
use crate::app::screens::attributes::{AttributesWish, Tag};
use crate::app::screens::edit::{self, EditWish};
use crate::app::screens::morph::{self, MorphWish};
use crate::app::screens::sample::SampleWish;
use crate::app::session::AUTOSAVE_AFTER;
use crate::app::state::{ItemStatus, LogLevel, Named, Selection, ShelfEntry, State, Tab};
use crate::app::{export, session};
use crate::engine::message::{
    Command, Event, ModelOptions, PathKind, Recipe, SESSION_FORMAT, SessionFile, StoredModel,
};
use crate::engine::toy::{open_toy, photo};
use crate::engine::{Engine, EngineOptions};

/// The state and a real worker behind it, a toy in the model's place.
pub(super) struct Pair {
    pub(super) state: State,
    engine: Engine,
}

impl Pair {
    pub(super) fn new(prepare: impl FnOnce(&mut State)) -> Self {
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

    pub(super) fn send(&mut self, commands: Vec<Command>) {
        commands.into_iter().for_each(|c| self.engine.send(c));
    }

    pub(super) fn apply(&mut self, action: impl Into<Action>) {
        let commands = self.state.apply(action);
        self.send(commands);
        self.run();
    }

    /// Lets both talk until the worker has nothing more to say.
    pub(super) fn run(&mut self) {
        let events = self.engine.link().events;
        loop {
            let commands = self.state.sync(true);
            self.send(commands);
            let live = &self.state.live;
            let idle = live.model.is_some()
                && !live.opening
                && live.waiting == 0
                && live.inspecting.is_none()
                && live.views.values().all(|v| v.in_flight.is_none())
                && !self.state.session.is_opening()
                && !self.state.is_saving()
                && !(self.state.items.values()).any(|item| match item.status {
                    ItemStatus::Busy => true,
                    ItemStatus::Ready => item.thumbnail.is_none(),
                    ItemStatus::Failed(_) => false,
                });
            if idle {
                return;
            }
            let event = events.recv_timeout(Duration::from_secs(20)).unwrap();
            let commands = self.state.receive(event);
            self.send(commands);
        }
    }

    /// Lets both talk until this holds.
    pub(super) fn run_until(&mut self, wanted: impl Fn(&State) -> bool) {
        let events = self.engine.link().events;
        while !wanted(&self.state) {
            let event = events.recv_timeout(Duration::from_secs(20)).unwrap();
            let mut commands = self.state.receive(event);
            commands.extend(self.state.sync(true));
            self.send(commands);
        }
        self.run();
    }

    /// Saves by itself what has changed, at `now` and some seconds later.
    #[track_caller]
    pub(super) fn autosaved(&mut self, now: f64) {
        let (commands, _) = self.state.autosave(now);
        assert!(commands.is_empty(), "not at every change");
        let (commands, _) = self.state.autosave(now + AUTOSAVE_AFTER);
        assert_eq!(commands.len(), 1, "within the seconds");
        self.send(commands);
        self.run();
        assert!(self.state.is_saved());
    }

    fn said(&self, level: LogLevel, word: &str) -> bool {
        let mut log = self.state.live.log.iter();
        log.any(|line| line.level == level && line.text.contains(word))
    }

    pub(super) fn errors(&self) -> usize {
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
fn directions_that_were_built_come_back_with_their_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.glow.json");
    let mut pair = Pair::new(|_| {});
    for (cell, tag) in [(0, Tag::With), (1, Tag::With), (2, Tag::Without)] {
        let named = pair.state.doc.sample.cell(cell);
        pair.apply(AttributesWish::SetTag(named, tag));
    }
    pair.apply(AttributesWish::SetName("Cheerful".to_owned()));
    pair.apply(AttributesWish::Build);
    let is_open = |state: &State| state.live.attributes.iter().any(|a| a.name == "Cheerful");
    pair.run_until(is_open);
    pair.apply(EditWish::SetBase(pair.state.doc.sample.cell(7)));
    pair.apply(EditWish::SetAmount("Cheerful".to_owned(), 1.0));
    let edited = |pair: &Pair| {
        let shown = &pair.state.live.views[&edit::PICTURES].shown[&0];
        (shown.recipe.clone(), shown.picture.pixels.clone())
    };
    let before = edited(&pair);
    pair.apply(Action::SaveSession(path.clone()));
    let beside = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
        names
            .filter(|n| n.ends_with("directions.safetensors"))
            .count()
    };
    assert_eq!(beside(), 1);

    // In another run.
    let mut other = Pair::new(|_| {});
    other.apply(Action::OpenSession(path.clone()));
    other.run_until(is_open);
    assert_eq!(other.state.doc.attributes, pair.state.doc.attributes);
    assert_eq!(other.state.doc.edit.amounts.get("Cheerful"), Some(&1.0));
    assert_eq!(edited(&other), before, "equal to the last bit");
    assert_eq!(other.errors(), 0);
    // Where they cannot be read nothing is written over.
    let mut third = Pair::new(|_| {});
    let files = std::fs::read_dir(folder.path()).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let is_it = |path: &PathBuf| path.to_string_lossy().ends_with("directions.safetensors");
    let file = files.find(is_it).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"damaged").unwrap();
    third.apply(Action::OpenSession(path.clone()));
    assert!(third.state.session.read_only.is_some());
    assert!(third.said(LogLevel::Notice, "directions that were built"));
    std::fs::write(&file, bytes).unwrap();
    // What is no longer there leaves no file behind.
    let id = other.state.doc.attributes.own[0].id;
    other.apply(AttributesWish::Remove(id));
    other.apply(Action::SaveSession(path));
    assert_eq!(beside(), 0);
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
    bench.perform(MorphWish::SetPath(PathKind::Spherical));
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

/// What is on the shelf: names and pictures.
fn shelf(pair: &Pair) -> Vec<(String, Option<image::RgbImage>)> {
    let entries = pair.state.doc.shelf.iter();
    let of = |entry: &ShelfEntry| {
        let thumbnail = pair.state.items[&entry.id].thumbnail.as_ref();
        (entry.name.clone(), thumbnail.map(|p| (*p.pixels).clone()))
    };
    entries.map(of).collect()
}

/// A window of the last run's, with a model of 16 pixels, saved by itself; its folder and its file.
fn left_with_another_model() -> (
    tempfile::TempDir,
    PathBuf,
    Vec<(String, Option<image::RgbImage>)>,
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("autosave-1.glow.json");
    let mut pair = Pair::new(|state| state.session.autosave = Some(path.clone()));
    for entry in pair.state.doc.shelf.clone() {
        pair.apply(Action::Remove(entry.id));
    }
    pair.apply(Action::OpenModel(Some("16".into())));
    pair.apply(SampleWish::SetSeed(12));
    for cell in [7, 8, 9] {
        pair.apply(Action::Pin(pair.state.doc.sample.cell(cell)));
    }
    let first = pair.state.doc.shelf[0].id;
    pair.apply(Action::Rename(first, "Berta".to_owned()));
    pair.autosaved(0.0);
    let shelf = shelf(&pair);
    (folder, path, shelf)
}

fn restored(path: &Path) -> Pair {
    Pair::new(|state| {
        state.session.autosave = Some(path.to_owned());
        state.session.restore = Some(true);
    })
}

/// Every file of a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|e| e.unwrap().path());
    paths
        .map(|p| (p.clone(), std::fs::read(p).unwrap()))
        .collect()
}

#[test]
fn a_session_whose_model_is_missing_is_not_written_to_and_comes_back_with_the_model() {
    let (folder, path, shelf_before) = left_with_another_model();
    let whole = std::fs::read_to_string(&path).unwrap();
    let missing = whole.replace(r#""path": "16""#, r#""path": "missing""#);
    assert_ne!(whole, missing);
    std::fs::write(&path, &missing).unwrap();
    let before = files(folder.path());

    let mut pair = restored(&path);
    let read_only = pair.state.session.read_only.clone().unwrap();
    assert_eq!(read_only.path, path);
    assert!(session::title(&pair.state).starts_with("autosave-1 (read-only)"));
    assert!(pair.said(LogLevel::Notice, "opened read-only"));
    let names = |shelf: &[(String, Option<image::RgbImage>)]| -> Vec<String> {
        shelf.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(
        names(&shelf(&pair)),
        names(&shelf_before),
        "everything keeps its place"
    );
    let waits = |item: &crate::app::state::Item| matches!(item.status, ItemStatus::Failed(_));
    let pins = pair.state.items.values().filter(|item| waits(item)).count();
    assert!(pins > 0, "what the open model cannot decode waits");
    pair.apply(SampleWish::SetSeed(44));
    assert!(pair.state.autosave(0.0).0.is_empty() && pair.state.autosave(60.0).0.is_empty());
    assert!(pair.state.last_save().is_empty());
    assert_eq!(
        files(folder.path()),
        before,
        "nothing is written, nothing removed"
    );

    // What is done from there on goes to a new place, whole.
    assert!(pair.state.session.wants_place);
    let next = folder.path().join("autosave-2.glow.json");
    pair.state.place_renewed(Some(next.clone()));
    pair.autosaved(100.0);
    for (path, bytes) in before {
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
    drop(pair);

    // At the next start it is told no second time, and stays where it is.
    let mut pair = restored(&next);
    assert_eq!(pair.state.session.autosave, Some(next.clone()));
    assert!(pair.said(LogLevel::Notice, "not whole"));
    pair.apply(SampleWish::SetSeed(45));
    pair.autosaved(0.0);
    drop(pair);

    // The model is back: so is everything, in its order, with its pictures.
    let text = std::fs::read_to_string(&next).unwrap();
    let text = text.replace(r#""path": "missing""#, r#""path": "16""#);
    std::fs::write(&next, text).unwrap();
    let pair = restored(&next);
    assert_eq!(pair.errors(), 0);
    assert_eq!(shelf(&pair), shelf_before);
    assert_eq!(pair.state.doc.sample.seed, 45);
    assert!(pair.state.session.read_only.is_none());
}

#[test]
fn a_session_that_cannot_be_read_at_the_start_stays_as_it_is() {
    let (folder, path, _) = left_with_another_model();
    let latents: Vec<PathBuf> = files(folder.path())
        .into_keys()
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    let away = tempfile::tempdir().unwrap();
    for file in &latents {
        std::fs::copy(file, away.path().join(file.file_name().unwrap())).unwrap();
        std::fs::remove_file(file).unwrap();
    }
    let before = files(folder.path());
    let mut pair = restored(&path);
    assert!(pair.said(LogLevel::Error, "latents are missing"));
    assert!(pair.said(LogLevel::Notice, "stays as it is"));
    pair.apply(SampleWish::SetSeed(3));
    assert!(pair.state.autosave(0.0).0.is_empty() && pair.state.autosave(60.0).0.is_empty());
    assert_eq!(files(folder.path()), before);
}

#[test]
fn another_model_takes_nothing_off_the_shelf() {
    let mut pair = Pair::new(|_| {});
    let named = Named {
        recipe: Recipe::Item(pair.state.doc.shelf[1].id),
        label: "it".to_owned(),
    };
    pair.apply(EditWish::SetBase(named));
    let (before, doc) = (shelf(&pair), pair.state.doc.clone());
    pair.apply(Action::OpenModel(Some("16".into())));
    assert_eq!(pair.state.doc.shelf, doc.shelf);
    assert_eq!(pair.state.doc.edit.base, doc.edit.base);
    assert!(pair.said(LogLevel::Notice, "keep their place"));
    pair.apply(Action::OpenModel(Some("8".into())));
    assert_eq!(shelf(&pair), before);
    assert!(
        pair.state
            .items
            .values()
            .all(|i| i.status == ItemStatus::Ready)
    );
}

#[test]
fn temperatures_of_more_levels_than_the_model_has_draw_nothing_red() {
    let mut pair = Pair::new(|_| {});
    let levels = pair.state.doc.sample.level_temperatures.len();
    let of_a_larger_model = Named {
        recipe: Recipe::Scaled {
            base: Box::new(Recipe::Sample { seed: 1, index: 2 }),
            temperature: vec![0.5; levels + 2],
        },
        label: "Seed 1".to_owned(),
    };
    pair.state.doc.morph.keys = vec![Some(of_a_larger_model.clone()); 2];
    pair.state.doc.edit.base = Some(of_a_larger_model);
    pair.apply(Action::OpenModel(Some("16".into())));
    pair.apply(Action::SetTab(Tab::Edit));
    pair.apply(Action::SetTab(Tab::Morph));
    assert_eq!(pair.errors(), 0);
    assert!(pair.state.cell_picture(morph::HERO, 0).is_some());
}

#[test]
fn a_save_that_fails_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let away = folder.path().join("away");
    let path = away.join("autosave-1.glow.json");
    let mut pair = Pair::new(|state| state.session.autosave = Some(path.clone()));
    pair.apply(SampleWish::SetSeed(8));
    let mut at = 0.0;
    for _ in 0..3 {
        let (commands, _) = pair.state.autosave(at);
        assert!(commands.is_empty());
        let (commands, _) = pair.state.autosave(at + 61.0);
        assert_eq!(commands.len(), 1, "it is tried again and again");
        pair.send(commands);
        pair.run();
        assert!(pair.state.session.is_failing());
        at += 100.0;
    }
    assert_eq!(pair.errors(), 1, "said once");
    assert!(pair.said(LogLevel::Notice, "tried again"));
    std::fs::create_dir(&away).unwrap();
    pair.state.autosave(at);
    let (commands, _) = pair.state.autosave(at + 61.0);
    pair.send(commands);
    pair.run();
    assert!(path.is_file() && pair.state.is_saved());
    assert!(pair.said(LogLevel::Done, "saved by itself again"));
    // The last save of a run is tried in any case.
    std::fs::remove_dir_all(&away).unwrap();
    pair.apply(SampleWish::SetSeed(9));
    assert_eq!(pair.state.last_save().len(), 1);
}

#[test]
fn a_new_session_is_undone_and_the_old_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("autosave-1.glow.json");
    let mut pair = Pair::new(|state| state.session.autosave = Some(path.clone()));
    pair.apply(SampleWish::SetSeed(31));
    pair.apply(MorphWish::SetKey(0, pair.state.doc.sample.cell(3)));
    let (before, doc) = (shelf(&pair), pair.state.doc.clone());
    pair.apply(Action::NewSession);
    assert!(pair.state.doc.shelf.is_empty());
    assert!(pair.state.session.wants_place && pair.state.session.autosave.is_none());
    assert!(path.is_file(), "it was written once more");
    let next = folder.path().join("autosave-2.glow.json");
    pair.state.session.wants_place = false;
    pair.state.place_renewed(Some(next.clone()));
    pair.state.history.observe(&pair.state.doc.clone());
    pair.apply(SampleWish::SetSeed(32));
    pair.autosaved(0.0);
    pair.apply(Action::Undo); // the seed
    pair.apply(Action::Undo);
    assert_eq!(pair.state.doc, doc);
    assert_eq!(shelf(&pair), before);
    pair.apply(Action::Redo);
    assert!(pair.state.doc.shelf.is_empty());
    pair.autosaved(100.0);
    // The kept one opens like any other, and replaces nothing without a trace.
    pair.apply(Action::OpenSession(path.clone()));
    assert_eq!(shelf(&pair), before);
    assert_eq!(pair.state.doc.sample.seed, 31);
    assert_eq!(pair.state.recent, [path]);
}

#[test]
fn undo_takes_back_a_crop() {
    let mut pair = Pair::new(|_| {});
    pair.apply(Action::Import(vec![
        crate::engine::message::PictureSource::Path(photo(80)),
    ]));
    let id = pair.state.doc.shelf.last().unwrap().id;
    pair.state.history.observe(&pair.state.doc.clone());
    let before = shelf(&pair);
    let first = pair.state.doc.shelf.last().unwrap().crop.unwrap();
    let crop = crate::engine::message::CropSquare {
        cx: first.cx + 9.0,
        side: first.side / 2.0,
        ..first
    };
    pair.apply(Action::Recrop(id, crop));
    assert_ne!(shelf(&pair), before);
    pair.apply(Action::Undo);
    assert_eq!(shelf(&pair), before);
    assert_eq!(pair.state.items[&id].photo.as_ref().unwrap().crop, first);
    pair.apply(Action::Redo);
    assert_eq!(pair.state.items[&id].photo.as_ref().unwrap().crop, crop);
}

#[test]
fn a_morph_that_plays_is_no_reason_to_save_and_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("autosave-1.glow.json");
    let mut pair = Pair::new(|state| state.session.autosave = Some(path.clone()));
    pair.apply(SampleWish::SetSeed(4));
    pair.apply(Action::SetTab(Tab::Morph));
    pair.apply(MorphWish::SetT(0.25));
    pair.state.apply(MorphWish::Play(true));
    pair.autosaved(0.0);
    pair.state.apply(MorphWish::Advance(0.4));
    assert!(pair.state.autosave(10.0).1.is_none(), "nothing was changed");
    pair.state.apply(MorphWish::SetSteps(21));
    // Beside what moves: it was made by hand, too.
    pair.state.apply(MorphWish::SetPlaySeconds(7.5));
    pair.autosaved(20.0);
    drop(pair);
    let again = restored(&path);
    assert_eq!(again.state.doc.morph.steps, 21);
    assert_eq!(again.state.desks.morph.t, 0.25);
    assert_eq!(again.state.desks.morph.seconds, 7.5);
}

#[test]
fn what_was_said_of_a_model_is_not_asked_again_with_its_session() {
    let mut state = State::default();
    let path = PathBuf::from("s.glow.json");
    let commands = state.apply(Action::OpenSession(path.clone()));
    let [Command::OpenSession { ticket, .. }] = commands[..] else {
        panic!("{commands:?}");
    };
    let answers = ModelOptions {
        image_size: Some(64),
        ..ModelOptions::default()
    };
    let model = PathBuf::from("/models/model_200000.pt");
    let session = SessionFile {
        format: SESSION_FORMAT.to_owned(),
        model: Some(StoredModel {
            path: Some(model.clone()),
            answers: answers.clone(),
            ..StoredModel::default()
        }),
        directions: Vec::new(),
        latents: None,
        others: Vec::new(),
        items: Vec::new(),
        window: serde_json::json!({}),
    };
    let session = Box::new(session);
    let commands = state.receive(Event::SessionRead {
        ticket,
        path,
        session,
    });
    let opens = |c: &Command| matches!(c, Command::OpenModelAs { path, options } if *path == model && *options == answers);
    assert!(commands.iter().any(opens), "{commands:?}");
}

#[test]
fn a_mistyped_folder_gives_the_path_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(|_| {});
    let path = folder.path().join("none/faces.glow.json");
    pair.apply(Action::SaveSession(path.clone()));
    let Some(Dialog::TypePath {
        purpose,
        text,
        note,
    }) = &pair.state.dialog
    else {
        panic!("the path is asked for again");
    };
    assert_eq!(*purpose, PathPurpose::SaveSession);
    assert_eq!(*text, path.display().to_string());
    assert!(note.contains("folder is not there"), "{note}");
    assert!(pair.state.session.path.is_none());
    // And what was typed elsewhere comes back the same way.
    pair.apply(Action::Close);
    let model = PathBuf::from("no-such-model");
    pair.apply(Action::Typed(PathPurpose::Model, model.clone()));
    pair.apply(Action::OpenModel(Some(model)));
    let asked = matches!(&pair.state.dialog, Some(Dialog::TypePath { text, .. }) if text == "no-such-model");
    assert!(asked, "{:?}", pair.state.dialog);
}
