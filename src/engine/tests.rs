//! The engine as the window sees it, with a toy in the model's place. Where the order matters a gate
//! holds each decode until the test lets it go, so that nothing depends on time.

mod directions;
mod maps;
mod sessions;
mod training;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::message::*;
use super::toy::{self, Gate, open_toy};
use super::{Engine, EngineOptions};
use crate::export::read_settings;
use crate::files;
use crate::latent::attributes::{Direction, Directions, Figures};
use crate::latent::temperature::sample as drawn;
use crate::latent::tests::tiny_config;

struct Bench {
    /// First, so that a failing test opens the gate before it waits for the thread.
    go: Option<Sender<()>>,
    engine: Engine,
    arrived: Receiver<usize>,
    panics: Arc<AtomicUsize>,
    woken: Arc<AtomicUsize>,
    seen: AtomicUsize,
}

impl Bench {
    /// An engine with a toy open, its decodes held at the gate where `gated`.
    fn new(gated: bool) -> Self {
        let (arrived_sender, arrived) = unbounded();
        let (go, go_receiver) = unbounded();
        let gate = gated.then_some(Gate {
            arrived: arrived_sender,
            go: go_receiver,
        });
        let panics = Arc::new(AtomicUsize::new(0));
        let woken = Arc::new(AtomicUsize::new(0));
        let options = EngineOptions::new(Box::new({
            let panics = panics.clone();
            move |path: Option<&Path>| open_toy(path, gate.clone(), panics.clone())
        }));
        let wake = {
            let woken = woken.clone();
            move || {
                woken.fetch_add(1, Ordering::SeqCst);
            }
        };
        let bench = Self {
            engine: Engine::spawn(options, wake),
            arrived,
            go: Some(go),
            panics,
            woken,
            seen: AtomicUsize::new(0),
        };
        bench.engine.send(Command::OpenModel(None));
        bench.until(|e| matches!(e, Event::AttributesOpened(_)));
        bench
    }

    fn send(&self, commands: impl IntoIterator<Item = Command>) {
        commands.into_iter().for_each(|c| self.engine.send(c));
    }

    /// The next event. The limit only turns a hang into a failure.
    #[track_caller]
    fn next(&self) -> Event {
        let events = self.engine.link().events;
        let event = events.recv_timeout(Duration::from_secs(20));
        self.seen.fetch_add(1, Ordering::SeqCst);
        event.expect("no event came")
    }

    /// Events up to the first that is wanted, with it; `Queue` left out.
    #[track_caller]
    fn until(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next();
            let last = wanted(&event);
            if !matches!(event, Event::Queue { .. }) {
                events.push(event);
            }
            if last {
                return events;
            }
        }
    }

    /// The same, in short words.
    #[track_caller]
    fn words_until(&self, wanted: impl Fn(&Event) -> bool) -> String {
        let words: Vec<String> = self.until(wanted).iter().map(word).collect();
        words.join(" ")
    }

    /// Waits until a decode is at the gate; so many latents.
    #[track_caller]
    fn held(&self) -> usize {
        self.arrived
            .recv_timeout(Duration::from_secs(20))
            .expect("no decode came")
    }

    /// Lets one decode go on.
    fn release(&self) {
        self.go.as_ref().unwrap().send(()).unwrap();
    }

    /// Opens the gate for good.
    fn open_gate(&mut self) {
        self.go = None;
    }
}

/// `r5.0` cell 0 of ticket 5 (`c5.0` from the cache), `d5` done, `p9:2` progress, `x9` exported, `f5` failed.
fn word(event: &Event) -> String {
    match event {
        Event::Rendered {
            ticket,
            cell,
            elapsed,
            ..
        } => {
            let how = if elapsed.is_some() { 'r' } else { 'c' };
            format!("{how}{}.{cell}", ticket.0)
        }
        Event::RenderDone { ticket, .. } => format!("d{}", ticket.0),
        Event::Progress { ticket, done, .. } => {
            format!(
                "p{}:{done}",
                ticket.map_or(String::new(), |t| t.0.to_string())
            )
        }
        Event::Exported { ticket, .. } => format!("x{}", ticket.0),
        Event::Failed { ticket, item, .. } => match (ticket, item) {
            (Some(t), _) => format!("f{}", t.0),
            (None, Some(i)) => format!("f#{}", i.0),
            (None, None) => "f".to_owned(),
        },
        Event::Imported { item, .. } => format!("i{}", item.0),
        Event::Encoded { item, .. } => format!("e{}", item.0),
        Event::Inspected { ticket, .. } => format!("n{}", ticket.0),
        Event::Answered { ticket, .. } => format!("a{}", ticket.0),
        Event::ModelOpened(_) => "model".to_owned(),
        Event::ModelAsks { .. } => "asks".to_owned(),
        Event::AttributesOpened(_) => "attributes".to_owned(),
        Event::DirectionsArranged(all) => format!("arranged{}", all.len()),
        Event::Built { ticket, .. } => format!("built{}", ticket.0),
        Event::SessionSaved { ticket, .. } => format!("s{}", ticket.0),
        Event::SessionRead { ticket, .. } => format!("o{}", ticket.0),
        Event::FolderRead { listing, .. } => format!("l{}", listing.pictures.len()),
        Event::Folder { ticket, news } => {
            let what = match news {
                FolderNews::Begun { total, .. } => format!("begun{total}"),
                FolderNews::Picture(picture) => picture.name.clone(),
                FolderNews::LeftOut(_) => "out".to_owned(),
                FolderNews::Planes { .. } => "planes".to_owned(),
                FolderNews::Done { cancelled } => format!("done{}", u8::from(*cancelled)),
            };
            format!("{}:{what}", ticket.0)
        }
        Event::Forgotten(items) => format!("g{}", items.len()),
        Event::ItemsRestored { ticket, .. } => format!("b{}", ticket.0),
        Event::Waiting { items, .. } => format!("w{}", items.len()),
        Event::PhotoMissing { item, .. } => format!("m{}", item.0),
        Event::Note(_) => "note".to_owned(),
        Event::Training(_) => "t".to_owned(),
        Event::Inquired { item, .. } => format!("k{}", item.0),
        Event::Queue { waiting } => format!("q{waiting}"),
    }
}

#[test]
fn a_folder_is_listed_however_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, red) in [("a.png", 10), ("b.png", 20)] {
        std::fs::copy(toy::photo(red), folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "text").unwrap();
    let bench = Bench::new(false);
    let path = folder.path().to_owned();
    let listed = |events: &[Event]| match events.last() {
        Some(Event::FolderRead { listing, .. }) => listing.clone(),
        other => panic!("{other:?}"),
    };
    bench.send([Command::ReadFolder {
        ticket: Ticket(1),
        path: path.clone(),
    }]);
    let listing = listed(&bench.until(|e| matches!(e, Event::FolderRead { .. })));
    assert_eq!(listing.pictures, ["a.png", "b.png"]);
    assert_eq!(listing.others, ["notes.txt"]);
    // Somebody dropped it on the window.
    bench.send([Command::Import {
        item: ItemId(7),
        source: PictureSource::Path(path.clone()),
        crop: None,
    }]);
    assert_eq!(
        bench.words_until(|e| matches!(e, Event::FolderRead { .. })),
        "g1 l2"
    );
    bench.send([Command::ReadFolder {
        ticket: Ticket(2),
        path: path.join("none"),
    }]);
    assert_eq!(
        bench.words_until(|e| matches!(e, Event::Failed { .. })),
        "f2"
    );
}

fn sample(index: u32) -> Recipe {
    Recipe::Sample { seed: 1, index }
}

fn render(ticket: u64, view: View, recipes: impl IntoIterator<Item = Recipe>) -> Command {
    Command::Render {
        view,
        ticket: Ticket(ticket),
        cells: (0..).zip(recipes).collect(),
        draft: false,
    }
}

fn import(id: u64, grey: u8) -> Command {
    Command::Import {
        item: ItemId(id),
        source: PictureSource::Path(toy::photo(grey)),
        crop: None,
    }
}

fn pin(id: u64, recipe: Recipe) -> Command {
    Command::Pin {
        item: ItemId(id),
        recipe,
    }
}

fn export(ticket: u64, kind: ExportKind, recipes: Vec<Recipe>, path: &Path) -> Command {
    Command::Export {
        ticket: Ticket(ticket),
        request: ExportRequest {
            recipes,
            kind,
            scale: 1,
            path: path.to_owned(),
        },
    }
}

fn grid() -> ExportKind {
    ExportKind::Grid {
        columns: 2,
        gap: 0,
        labels: vec![],
    }
}

fn item(id: u64) -> Recipe {
    Recipe::Item(ItemId(id))
}

fn done(ticket: u64) -> impl Fn(&Event) -> bool {
    move |e| matches!(e, Event::RenderDone { ticket: t, .. } if t.0 == ticket)
}

fn encoded(id: u64) -> impl Fn(&Event) -> bool {
    move |e| matches!(e, Event::Encoded { item, .. } if item.0 == id)
}

fn is_failure(e: &Event) -> bool {
    matches!(e, Event::Failed { .. })
}

#[track_caller]
fn message(events: &[Event]) -> &str {
    let found = events.iter().find_map(|e| match e {
        Event::Failed { message, .. } => Some(message.as_str()),
        _ => None,
    });
    found.expect("no failure")
}

#[test]
fn the_newest_render_wins_and_the_older_is_cancelled_under_way() {
    let bench = Bench::new(true);
    bench.send([render(1, View(3), [sample(0)])]);
    bench.held();
    bench.send([2, 3].map(|t| render(t, View(3), [sample(t as u32)])));
    bench.release();
    bench.held();
    bench.release();
    assert_eq!(bench.words_until(done(3)), "r3.0 d3");
}

#[test]
fn a_slider_faster_than_decodes_shows_something_and_ends_on_the_last_value() {
    let bench = Bench::new(true);
    bench.send([render(1, View(3), [sample(1)])]);
    for ticket in 2..=7 {
        bench.held();
        bench.send([render(ticket, View(3), [sample(ticket as u32)])]);
        bench.release();
    }
    bench.held();
    bench.release();
    // Every second decode is finished, whatever comes.
    assert_eq!(
        bench.words_until(done(7)),
        "r2.0 d2 r4.0 d4 r6.0 d6 r7.0 d7"
    );
}

#[test]
fn a_busy_worker_takes_any_number_of_requests_and_draws_the_last() {
    let mut bench = Bench::new(true);
    assert_eq!(
        bench.engine.link().commands.capacity(),
        None,
        "sending would wait for room"
    );
    bench.send([render(1, View(3), [sample(1)])]);
    bench.held();
    // Nobody takes these while the decode is held; each sending returns all the same.
    bench.send((2..=10_000).map(|t| render(t, View(3), [sample(t as u32)])));
    bench.open_gate();
    let words = bench.words_until(done(10_000));
    assert_eq!(words, "r10000.0 d10000");
}

#[test]
fn cells_come_in_order_and_views_take_turns() {
    let bench = Bench::new(true);
    bench.send([render(1, View(2), (0..6).map(sample))]);
    assert_eq!(bench.held(), 1, "the cell that is waited for comes alone");
    bench.send([render(2, View(1), [sample(50)])]);
    bench.release();
    assert_eq!(bench.held(), 1);
    bench.release();
    assert_eq!(bench.held(), 4);
    bench.release();
    assert_eq!(bench.held(), 1);
    bench.release();
    assert_eq!(
        bench.words_until(done(1)),
        "r1.0 r2.0 d2 r1.1 r1.2 r1.3 r1.4 r1.5 d1"
    );
}

#[test]
fn the_cells_that_an_older_render_still_had_are_dropped() {
    let bench = Bench::new(true);
    bench.send([
        render(1, View(0), [sample(0)]),
        render(1, View(0), (0..8).map(sample)),
    ]);
    bench.held();
    bench.release();
    bench.held();
    bench.send([render(2, View(0), [sample(90)])]);
    bench.release();
    bench.held();
    bench.release();
    let words = bench.words_until(done(2));
    assert!(
        !words.contains("r1.7") && words.ends_with("r2.0 d2"),
        "{words}"
    );
}

#[test]
fn interactive_requests_are_served_between_the_pictures_of_an_export() {
    let bench = Bench::new(true);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    bench.send([export(9, grid(), (0..3).map(sample).collect(), &path)]);
    bench.held();
    bench.send([render(1, View(3), [sample(50)])]);
    for _ in 0..4 {
        bench.release();
    }
    let words = bench.words_until(|e| matches!(e, Event::Exported { .. }));
    assert_eq!(words, "p9:1 r1.0 d1 p9:2 p9:3 x9");
    assert!(path.exists());
    let written = image::open(&path).unwrap();
    assert_eq!((written.width(), written.height()), (16, 16));
    let settings = read_settings(&path).unwrap();
    assert!(
        settings.contains(r#"{"sample":{"seed":1,"index":2}}"#),
        "{settings}"
    );
}

#[test]
fn a_cancelled_export_writes_nothing_and_the_next_request_is_served() {
    let mut bench = Bench::new(true);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    bench.send([export(9, grid(), vec![sample(0); 3], &path)]);
    bench.held();
    bench.send([Command::Cancel(Ticket(9)), render(1, View(3), [sample(1)])]);
    bench.open_gate();
    let events = bench.until(done(1));
    assert!(message(&events).contains("cancelled") && message(&events).contains("a.png"));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn cancelled_numbered_pictures_are_taken_back() {
    let mut bench = Bench::new(true);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    let recipes: Vec<Recipe> = (0..3).map(sample).collect();
    bench.send([export(9, ExportKind::Frames, recipes, &path)]);
    bench.held();
    bench.release();
    bench.held();
    assert!(path.join("frame-0001.png").is_file());
    bench.send([Command::Cancel(Ticket(9))]);
    bench.open_gate();
    let events = bench.until(is_failure);
    let text = message(&events);
    assert!(
        text.contains("cancelled: ") && text.contains("frames"),
        "{text}"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_cancelled_render_is_not_answered() {
    let bench = Bench::new(true);
    bench.send([render(1, View(3), [sample(0)])]);
    bench.held();
    bench.send([Command::Cancel(Ticket(1)), render(2, View(1), [sample(1)])]);
    bench.release();
    bench.held();
    bench.release();
    assert_eq!(bench.words_until(done(2)), "r2.0 d2");
}

#[test]
fn a_panic_in_the_model_is_an_answer_and_the_worker_goes_on() {
    let bench = Bench::new(false);
    bench.send([import(1, 80)]);
    bench.until(encoded(1));
    bench.panics.store(1, Ordering::SeqCst);
    bench.send([render(1, View(3), [sample(0)])]);
    let events = bench.until(is_failure);
    assert!(message(&events).contains("toy panic") && message(&events).contains("opened again"));
    bench.send([render(2, View(3), [sample(0), item(1)])]);
    assert_eq!(bench.words_until(done(2)), "r2.0 c2.1 d2");

    bench.panics.store(1, Ordering::SeqCst);
    let folder = tempfile::tempdir().unwrap();
    bench.send([
        export(9, grid(), vec![sample(70)], &folder.path().join("a.png")),
        pin(2, sample(71)),
    ]);
    assert_eq!(bench.words_until(encoded(2)), "f9 e2");
}

#[test]
fn equal_requests_are_answered_from_the_cache_until_the_item_changes() {
    let bench = Bench::new(false);
    bench.send([import(1, 80), render(1, View(3), [item(1), sample(0)])]);
    assert_eq!(bench.words_until(done(1)), "i1 e1 c1.0 r1.1 d1");
    bench.send([render(2, View(1), [item(1), sample(0)])]);
    let before = bench.until(done(2));
    assert_eq!(word(&before[0]), "c2.0");
    assert_eq!(word(&before[1]), "c2.1");

    let crop = CropSquare {
        cx: 30.0,
        cy: 15.0,
        side: 10.0,
    };
    let edited = Recipe::Scaled {
        base: Box::new(item(1)),
        temperature: vec![1.0],
    };
    bench.send([render(3, View(3), [edited.clone()])]);
    assert_eq!(bench.words_until(done(3)), "r3.0 d3");
    bench.send([
        Command::Recrop {
            item: ItemId(1),
            crop,
        },
        render(4, View(3), [edited, item(1)]),
    ]);
    let after = bench.until(done(4));
    assert_eq!(
        after.iter().map(word).collect::<Vec<_>>().join(" "),
        "e1 r4.0 c4.1 d4"
    );
    let pixels = |e: &Event| match e {
        Event::Rendered { pixels, .. } => pixels.clone(),
        _ => unreachable!(),
    };
    assert_ne!(pixels(&before[0]), pixels(&after[2]));
    assert_eq!(pixels(&after[1]), pixels(&after[2]));
}

#[test]
fn drafts_are_marked_and_never_kept() {
    let bench = Bench::new(false);
    let ask = |ticket, draft: bool| {
        bench.send([Command::Render {
            view: View(0),
            ticket: Ticket(ticket),
            cells: vec![(0, sample(0))],
            draft,
        }]);
        let events = bench.until(done(ticket));
        let answer = events.iter().find_map(|e| match e {
            Event::Rendered { pixels, draft, .. } => Some((pixels.clone(), *draft)),
            _ => None,
        });
        answer.unwrap()
    };
    let (draft, is_draft) = ask(1, true);
    assert!(is_draft);
    let (exact, is_draft) = ask(2, false);
    assert!(!is_draft);
    assert_ne!(draft, exact);
    // What is known exactly is not drawn worse for being asked for as a draft.
    assert_eq!(ask(3, true), (exact, false));
}

#[test]
fn one_bad_cell_does_not_spoil_the_others_and_is_reported_once() {
    let bench = Bench::new(false);
    bench.send([render(1, View(0), [item(99), sample(0), item(99)])]);
    let events = bench.until(done(1));
    assert_eq!(
        events.iter().map(word).collect::<Vec<_>>().join(" "),
        "r1.1 f1 d1"
    );
    assert!(message(&events).contains("picture 99"));
    bench.send([render(2, View(0), [])]);
    assert_eq!(bench.words_until(done(2)), "d2");
}

#[test]
fn pictures_are_imported_encoded_and_counted() {
    let bench = Bench::new(false);
    bench.send([import(1, 80), import(2, 90)]);
    bench.send([Command::Import {
        item: ItemId(3),
        source: PictureSource::Path(PathBuf::from("text.txt")),
        crop: None,
    }]);
    let is_last = |e: &Event| matches!(e, Event::Progress { done: 3, .. });
    // How many wait when the first is done depends on the threads; the last always says 3 of 3.
    let events = bench.until(|e| is_failure(e) || is_last(e));
    let words: Vec<String> = events
        .iter()
        .map(word)
        .filter(|w| !w.starts_with('p'))
        .collect();
    assert_eq!(words.join(" "), "i1 e1 i2 e2 f#3");
    assert!(message(&events).contains("check the name: text.txt"));
    let Event::Imported {
        size,
        crop,
        face_found,
        ..
    } = &events[0]
    else {
        unreachable!()
    };
    assert_eq!((*size, crop.side, *face_found), ([40, 30], 30.0, false));
}

#[test]
fn a_forgotten_picture_is_not_encoded_any_more() {
    let mut bench = Bench::new(true);
    bench.send([import(1, 80), import(2, 90)]);
    bench.held();
    bench.send([
        Command::Forget(vec![ItemId(1)]),
        render(1, View(3), [item(1), item(2)]),
    ]);
    bench.open_gate();
    let events = bench.until(done(1));
    let words: Vec<String> = events
        .iter()
        .map(word)
        .filter(|w| !w.starts_with('p'))
        .collect();
    assert_eq!(words.join(" "), "i1 i2 e2 c1.1 f1 d1");
}

#[test]
fn inspections_of_photos_and_of_samples() {
    let bench = Bench::new(false);
    bench.send([import(1, 80)]);
    let inspect = |ticket, recipe| Command::Inspect {
        ticket: Ticket(ticket),
        recipe,
    };
    let find = |events: Vec<Event>| {
        let found = events.into_iter().find_map(|e| match e {
            Event::Inspected { inspection, .. } => Some(inspection),
            Event::Encoded { inspection, .. } => inspection,
            _ => None,
        });
        found.unwrap()
    };
    let at_import = find(bench.until(encoded(1)));
    bench.send([inspect(5, item(1))]);
    let asked = find(bench.until(|e| matches!(e, Event::Inspected { .. })));
    assert_eq!(asked, at_import);
    assert!(asked.round_trip < 1e-5 && asked.non_finite == 0);
    let sum: f64 = asked.level_bits.iter().sum();
    assert!((asked.bits_per_dim - 5.0 - sum).abs() < 1e-9);

    bench.send([inspect(6, sample(3))]);
    let asked = find(bench.until(|e| matches!(e, Event::Inspected { .. })));
    let latent = drawn(&tiny_config().latent_shape(), 1, 3);
    assert!((asked.relative_norm - latent.relative_norm()).abs() < 1e-9);
    assert_eq!(asked.level_norms.len(), 2);
    assert!(asked.round_trip < 1e-5);

    let infinite = Recipe::Scaled {
        base: Box::new(sample(3)),
        temperature: vec![f32::MAX],
    };
    bench.send([inspect(7, infinite)]);
    let asked = find(bench.until(|e| matches!(e, Event::Inspected { .. })));
    assert!(asked.non_finite > 0 && asked.bits_per_dim.is_nan());
}

#[test]
fn another_model_encodes_photos_anew_and_keeps_pins_that_fit() {
    let bench = Bench::new(false);
    bench.send([import(1, 80), pin(2, sample(0))]);
    bench.until(encoded(2));
    bench.send([Command::OpenModel(Some(PathBuf::from("8")))]);
    assert_eq!(bench.words_until(encoded(2)), "model attributes e1 p:1 e2");
    bench.send([
        Command::OpenModel(Some(PathBuf::from("16"))),
        render(1, View(3), [item(1)]),
    ]);
    let events = bench.until(done(1));
    let words: Vec<String> = events
        .iter()
        .map(word)
        .filter(|w| !w.starts_with('p'))
        .collect();
    assert_eq!(words.join(" "), "model attributes w1 e1 c1.0 d1");
    let waits = events.iter().find_map(|e| match e {
        Event::Waiting { message, .. } => Some(message),
        _ => None,
    });
    assert!(waits.unwrap().contains("seed 1, cell 0"));
    let thumbnail = events.iter().find_map(|e| match e {
        Event::Encoded { thumbnail, .. } => Some(thumbnail.width()),
        _ => None,
    });
    assert_eq!(thumbnail, Some(16));

    // A model that cannot be opened leaves everything as it is.
    bench.send([
        Command::OpenModel(Some(PathBuf::from("missing"))),
        render(2, View(3), [item(1)]),
    ]);
    assert_eq!(bench.words_until(done(2)), "f c2.0 d2");

    // The one that made the pin brings it back.
    bench.send([Command::OpenModel(Some(PathBuf::from("8")))]);
    assert_eq!(bench.words_until(encoded(2)), "model attributes e1 p:1 e2");
}

fn direction(name: &str, index: u32, side: usize) -> Direction {
    let config = crate::model::GlowConfig {
        image_size: side,
        ..tiny_config()
    };
    Direction {
        name: name.to_owned(),
        vector: drawn(&config.latent_shape(), 5, index),
        center: 0.0,
        range: [-2.0, 2.0],
        figures: Figures {
            auc: Some(0.9),
            counts: [3, 4],
            ..Figures::default()
        },
    }
}

#[test]
fn attributes_open_edit_and_project() {
    let bench = Bench::new(false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attributes.safetensors");
    let write = |side: usize| {
        let config = crate::model::GlowConfig {
            image_size: side,
            ..tiny_config()
        };
        let list = vec![direction("smile", 0, side), direction("age", 1, side)];
        let directions = Directions::new(list).unwrap();
        let precision = files::attributes::Precision::F32;
        files::attributes::write(&path, &config, None, &directions, precision).unwrap();
    };
    let edited = |name: &str, amount| Recipe::Edited {
        base: Box::new(sample(0)),
        edits: vec![AttributeEdit {
            name: name.to_owned(),
            amount,
        }],
        keep_others: false,
    };
    write(8);
    bench.send([
        Command::OpenAttributes(path.clone()),
        render(1, View(3), [edited("smile", 1.0), edited("beard", 1.0)]),
    ]);
    let events = bench.until(done(1));
    assert_eq!(
        events.iter().map(word).collect::<Vec<_>>().join(" "),
        "attributes r1.0 f1 d1"
    );
    let Event::AttributesOpened(infos) = &events[0] else {
        unreachable!()
    };
    assert_eq!((infos[1].name.as_str(), infos[1].auc), ("age", Some(0.9)));
    assert!(message(&events).contains("\"beard\""));

    let mut projections = Vec::new();
    for (ticket, amount) in [(2, 0.0), (3, 1.5)] {
        let recipe = edited("smile", amount);
        bench.send([Command::Inspect {
            ticket: Ticket(ticket),
            recipe,
        }]);
        let events = bench.until(|e| matches!(e, Event::Inspected { .. }));
        let Some(Event::Inspected { inspection, .. }) = events.last() else {
            unreachable!()
        };
        projections.push(inspection.projections[0]);
    }
    assert!((projections[1] - projections[0] - 1.5).abs() < 1e-4);

    write(16);
    bench.send([Command::OpenAttributes(path.clone())]);
    let events = bench.until(is_failure);
    assert!(message(&events).contains("another model") && message(&events).contains("smile"));
}

#[test]
fn frames_gifs_and_latents_are_exported() {
    let bench = Bench::new(false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.safetensors");
    std::fs::write(&path, "an older file").unwrap();
    bench.send([import(4, 80)]);
    bench.until(encoded(4));
    let recipes = vec![sample(0), item(4)];
    let film = ExportKind::Film {
        order: vec![0, 1, 0],
        rate: Rate::of_delay(5),
        labels: Vec::new(),
    };
    bench.send([
        export(7, ExportKind::Frames, recipes.clone(), folder.path()),
        export(
            8,
            film.clone(),
            recipes.clone(),
            &folder.path().join("out.gif"),
        ),
        export(9, ExportKind::Latents, recipes, &path),
        // What is forgotten after an export was asked for was there when it began, or is named.
        export(10, grid(), vec![], &path),
    ]);
    let events = bench.until(|e| {
        matches!(
            e,
            Event::Failed {
                ticket: Some(Ticket(10)),
                ..
            }
        )
    });
    assert_eq!(
        events.iter().map(word).collect::<Vec<_>>().join(" "),
        "p7:1 p7:2 x7 p8:1 p8:2 x8 p9:1 p9:2 x9 f10"
    );
    assert!(message(&events).contains("nothing to draw"));
    let settings =
        |n: u32| read_settings(&folder.path().join(format!("frame-000{n}.png"))).unwrap();
    assert!(!settings(1).contains("\"item\""), "{}", settings(1));
    let names = r#""items":{"4":"80.png"}"#;
    assert!(settings(2).contains(names), "{}", settings(2));
    let film = std::fs::read(folder.path().join("out.gif")).unwrap();
    let film = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(film)).unwrap();
    let frames = image::AnimationDecoder::into_frames(film);
    assert_eq!(frames.count(), 3);
    let file = files::latents::read(&path).unwrap();
    assert_eq!(file.latents[0], drawn(&tiny_config().latent_shape(), 1, 0));
    assert_eq!(file.names.unwrap(), ["seed 1, cell 0", "80.png"]);
    assert!(file.settings.unwrap().contains("glow-explorer-settings/1"));
}

fn calmed(base: Recipe, temperature: f32) -> Recipe {
    Recipe::Scaled {
        base: Box::new(base),
        temperature: vec![temperature],
    }
}

#[test]
fn an_edit_is_pasted_back_into_its_photo() {
    let bench = Bench::new(false);
    bench.send([import(4, 80), pin(5, sample(0))]);
    bench.until(encoded(5));
    let folder = tempfile::tempdir().unwrap();
    let photo = ExportKind::Photo { quality: 90 };
    let export = |ticket, recipe, name: &str| {
        let path = folder.path().join(name);
        export(ticket, photo.clone(), vec![recipe], &path)
    };
    bench.send([
        export(7, calmed(item(4), 0.5), "a.jpg"),
        export(8, calmed(item(4), 1.0), "b.png"),
        // Not from a photo; no photo's ending.
        export(9, calmed(item(5), 0.5), "c.jpg"),
        export(10, item(4), "c.gif"),
    ]);
    let is_last = |e: &Event| {
        matches!(
            e,
            Event::Failed {
                ticket: Some(Ticket(10)),
                ..
            }
        )
    };
    let events = bench.until(is_last);
    let words: Vec<String> = events.iter().map(word).collect();
    assert_eq!(words.join(" "), "p7:1 x7 p8:1 x8 f9 f10");
    assert!(message(&events[4..]).contains("only the edit of a photo"));
    assert!(message(&events[5..]).contains(".jpg or .png"));
    let edited = image::open(folder.path().join("a.jpg")).unwrap();
    assert_eq!((edited.width(), edited.height()), (40, 30));
    // Nothing was set: it is the photo's own file.
    let (same, own) = (folder.path().join("b.png"), super::toy::photo(80));
    assert_eq!(std::fs::read(same).unwrap(), std::fs::read(own).unwrap());
}

#[test]
fn a_part_of_a_photo_is_shown_before_and_after_and_the_newest_part_wins() {
    let mut bench = Bench::new(true);
    bench.send([import(4, 80)]);
    bench.held();
    bench.release();
    bench.until(encoded(4));
    let show = |ticket, recipe, region| Command::Ask {
        ticket: Ticket(ticket),
        question: Question::Photo {
            recipe,
            part: PhotoPart {
                region,
                max_side: 100,
            },
        },
    };
    let pictures = |events: &[Event]| match events.last() {
        Some(Event::Answered { answer, .. }) => answer.pictures(),
        _ => unreachable!(),
    };
    // The photo is 40 x 30, its square from 5 to 35 across.
    bench.send([show(1, calmed(item(4), 0.2), [0, 0, 40, 30])]);
    bench.held();
    bench.send([show(2, calmed(item(4), 0.2), [0, 10, 25, 20])]);
    bench.open_gate();
    let events = bench.until(|e| matches!(e, Event::Answered { ticket, .. } if ticket.0 == 2));
    let [before, after] = &pictures(&events)[..] else {
        unreachable!()
    };
    assert_eq!(before.dimensions(), (25, 20));
    assert_eq!(before.get_pixel(10, 0).0, [80, 10, 128]);
    assert_ne!(before, after);
    assert_eq!(
        before.get_pixel(2, 5),
        after.get_pixel(2, 5),
        "outside the square"
    );

    bench.send([show(3, calmed(item(4), 1.0), [0, 0, 40, 30])]);
    let events = bench.until(|e| matches!(e, Event::Answered { .. }));
    let shown = pictures(&events);
    assert_eq!(shown[0], shown[1], "nothing was changed");
    bench.send([show(4, sample(0), [0, 0, 40, 30])]);
    assert!(message(&bench.until(is_failure)).contains("only the edit of a photo"));
}

#[test]
fn a_film_that_cannot_be_is_refused_before_it_is_drawn() {
    let bench = Bench::new(false);
    let film = |order: &[usize], labels: &[&str]| ExportKind::Film {
        order: order.to_vec(),
        rate: Rate::per_second(10),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    };
    for (kind, path, part) in [
        (film(&[0, 2], &[]), "a.gif", "no picture"),
        (film(&[0, 1], &["one"]), "a.gif", "label"),
        (film(&[0, 1], &[]), "a.avi", ".mp4"),
    ] {
        let recipes = vec![sample(0), sample(1)];
        bench.send([export(3, kind, recipes, Path::new(path))]);
        let events = bench.until(is_failure);
        assert_eq!(events.iter().map(word).collect::<String>(), "f3");
        assert!(message(&events).contains(part), "{}", message(&events));
    }
}

#[test]
fn dropping_the_engine_ends_the_thread_while_others_hold_the_link() {
    let mut bench = Bench::new(true);
    let link = bench.engine.link();
    bench.send([render(1, View(3), [sample(0)])]);
    bench.held();
    bench.open_gate();
    drop(bench);
    // The worker has gone: nobody takes commands any more, and events end after those sent.
    assert!(link.commands.send(Command::Forget(vec![])).is_err());
    while link.events.recv().is_ok() {}
}

#[test]
fn the_window_is_woken_for_every_event() {
    let bench = Bench::new(false);
    bench.send([render(1, View(3), (0..5).map(sample)), import(1, 80)]);
    bench.until(encoded(1));
    let (woken, link) = (bench.woken.clone(), bench.engine.link());
    let seen = bench.seen.load(Ordering::SeqCst);
    drop(bench);
    let rest = link.events.iter().count();
    assert_eq!(woken.load(Ordering::SeqCst), seen + rest);
}

#[test]
fn without_a_model_requests_say_so() {
    let options = EngineOptions::new(Box::new(|_: Option<&Path>| {
        Err("no weights here".to_owned())
    }));
    let engine = Engine::spawn(options, || {});
    engine.send(Command::OpenModel(None));
    engine.send(render(1, View(3), [sample(0)]));
    engine.send(import(2, 80));
    let events = engine.link().events;
    let mut messages = Vec::new();
    while messages.len() < 3 {
        if let Ok(Event::Failed { message, .. }) = events.recv_timeout(Duration::from_secs(20)) {
            messages.push(message);
        }
    }
    assert_eq!(messages[0], "no weights here");
    assert!(messages[1].contains("no model is open"));
    assert!(messages[2].contains("no model is open"));
}

/// The answer to a question.
fn ask(bench: &Bench, ticket: u64, question: Question) -> Answer {
    let ticket = Ticket(ticket);
    bench.send([Command::Ask { ticket, question }]);
    let events = bench.until(|e| matches!(e, Event::Answered { .. } | Event::Failed { .. }));
    match events.into_iter().last() {
        Some(Event::Answered { answer, .. }) => answer,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn questions_are_answered_from_the_latents() {
    let bench = Bench::new(false);
    bench.send([import(1, 40), import(2, 44), import(3, 200)]);
    bench.until(|e| {
        matches!(
            e,
            Event::Encoded {
                item: ItemId(3),
                ..
            }
        )
    });
    let Answer::Neighbours(nearest) = ask(
        &bench,
        1,
        Question::Neighbours([1, 2, 3, 9].map(ItemId).to_vec()),
    ) else {
        panic!("neighbours");
    };
    let of = |id: u64| {
        nearest
            .iter()
            .find(|(i, _)| *i == ItemId(id))
            .map(|(_, n)| n.unwrap().item)
    };
    assert_eq!(
        (of(1), of(2)),
        (Some(ItemId(2)), Some(ItemId(1))),
        "{nearest:?}"
    );
    assert_eq!(of(9), None, "not on the shelf");

    let Answer::Levels(levels) = ask(&bench, 2, Question::Levels(sample(0))) else {
        panic!("levels");
    };
    let shape = tiny_config().latent_shape();
    let counts: Vec<usize> = levels.iter().map(|l| l.statistics.count).collect();
    let expected: Vec<usize> = shape
        .levels
        .iter()
        .map(|l| l.channels * l.side * l.side)
        .collect();
    assert_eq!(counts, expected);

    let Answer::Walk(steps) = ask(&bench, 3, Question::Walk(sample(0))) else {
        panic!("a walk");
    };
    assert_eq!(steps.last().unwrap().pixels.dimensions(), (8, 8));

    let Answer::SelfTest(test) = ask(&bench, 4, Question::SelfTest { count: 3, seed: 1 }) else {
        panic!("a self-test");
    };
    assert_eq!((test.count, test.finite), (3, 3));
    assert!(test.round_trip < 1e-5, "{test:?}");
}

#[test]
fn a_newer_question_of_the_same_kind_replaces_the_older_and_no_other() {
    let mut bench = Bench::new(true);
    // The gate holds the first decode, so that all of them wait together.
    bench.send([render(1, View(3), [sample(0)])]);
    bench.held();
    let ask = |ticket, question| Command::Ask {
        ticket: Ticket(ticket),
        question,
    };
    bench.send([
        ask(2, Question::Levels(sample(1))),
        ask(3, Question::Neighbours(Vec::new())),
        ask(4, Question::Levels(sample(2))),
    ]);
    bench.open_gate();
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let events = bench.until(|e| matches!(e, Event::Answered { .. }));
        let Some(Event::Answered { ticket, .. }) = events.last() else {
            panic!("an answer");
        };
        answered.push(ticket.0);
    }
    answered.sort_unstable();
    assert_eq!(answered, [3, 4]);
}
