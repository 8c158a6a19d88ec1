//! Training through the engine: a tiny model on drawn pictures, steered as the window steers it.

use std::path::{Path, PathBuf};

use super::*;
use crate::files::weights;
use crate::train::checkpoint::Checkpoint;

/// Pictures of a step.
const BATCH: u64 = 16;

/// A folder of pictures, and beside it one for weights.
struct Place {
    _folder: tempfile::TempDir,
    images: PathBuf,
    out: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("cats");
        std::fs::create_dir(&images).unwrap();
        for i in 0..40u32 {
            let picture = image::RgbImage::from_fn(8, 8, |x, y| {
                image::Rgb([(x * 20 + i) as u8, (y * 9 + 3 * i) as u8, (i * 6) as u8])
            });
            picture.save(images.join(format!("{i:02}.png"))).unwrap();
        }
        Self {
            out: folder.path().join("cats.safetensors"),
            images,
            _folder: folder,
        }
    }

    fn order(&self, earlier: EarlierWork, pictures: Option<u64>) -> TrainOrder {
        TrainOrder {
            images: self.images.clone(),
            crop_faces: false,
            base: TrainBase::Fresh {
                side: 8,
                network: NetworkSize::Small,
                bits: 5,
            },
            out: self.out.clone(),
            earlier,
            pictures,
            careful: false,
            flips: true,
        }
    }

    fn checkpoint(&self) -> PathBuf {
        self.out.with_extension("checkpoint.safetensors")
    }

    fn seen(&self) -> u64 {
        let checkpoint = Checkpoint::read(&self.checkpoint()).unwrap();
        checkpoint.progress.pictures_seen
    }
}

impl Bench {
    fn train(&self, command: TrainCommand) {
        self.send([Command::Train(command)]);
    }

    fn start(&self, order: TrainOrder) {
        self.train(TrainCommand::Start(Box::new(order)));
    }

    /// Reports up to the first that is wanted, with it.
    #[track_caller]
    fn reports_until(&self, wanted: impl Fn(&TrainReport) -> bool) -> Vec<TrainReport> {
        let is_it = |event: &Event| matches!(event, Event::Training(report) if wanted(report));
        let events = self.until(is_it).into_iter();
        let reports = events.filter_map(|event| match event {
            Event::Training(report) => Some(report),
            _ => None,
        });
        reports.collect()
    }

    /// What the training ends with, and what it told before.
    #[track_caller]
    fn training_ends(&self) -> (TrainingEnd, Vec<TrainReport>) {
        let mut reports = self.reports_until(|r| matches!(r, TrainReport::Ended(_)));
        match reports.pop() {
            Some(TrainReport::Ended(end)) => (end, reports),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn fails(&self, word: &str) {
        let (end, _) = self.training_ends();
        let TrainingEnd::Failed { message, .. } = end else {
            panic!("{end:?}");
        };
        assert!(message.contains(word), "{message}");
    }
}

fn pictures_seen(reports: &[TrainReport]) -> Option<u64> {
    let mut steps = reports.iter().filter_map(|report| match report {
        TrainReport::Step(step) => Some(step.pictures_seen),
        _ => None,
    });
    steps.next_back()
}

fn is_step(report: &TrainReport) -> bool {
    matches!(report, TrainReport::Step(_))
}

#[test]
fn a_training_is_paused_goes_on_is_stopped_and_resumed() {
    let (bench, place) = (Bench::new(false), Place::new());
    bench.start(place.order(EarlierWork::Keep, None));
    let reports = bench.reports_until(is_step);
    let TrainReport::Begun(begun) = &reports[0] else {
        panic!("{reports:?}");
    };
    assert_eq!((begun.side, begun.pictures_seen), (8, 0));
    assert_eq!(begun.n_pictures + begun.n_valid, 40);
    bench.train(TrainCommand::Pause(true));
    bench.reports_until(|r| matches!(r, TrainReport::Paused(true)));
    // Pictures are decoded all the same.
    bench.send([render(5, View(1), [sample(0)])]);
    let while_paused = bench.until(|e| matches!(e, Event::RenderDone { .. }));
    assert!(!while_paused.iter().any(|e| matches!(e, Event::Training(_))));
    bench.train(TrainCommand::Pause(false));
    bench.reports_until(|r| matches!(r, TrainReport::Paused(false)));
    let seen = pictures_seen(&bench.reports_until(is_step)).unwrap();
    assert!(seen > BATCH, "{seen}");
    bench.train(TrainCommand::Stop);
    let (end, reports) = bench.training_ends();
    assert_eq!(end, TrainingEnd::Stopped);
    let saved = reports.iter().find_map(|report| match report {
        TrainReport::Saved(point) => Some(*point),
        _ => None,
    });
    assert_eq!(saved.unwrap().pictures, place.seen());
    let samples =
        |r: &TrainReport| matches!(r, TrainReport::Samples(pictures) if pictures.len() == 16);
    assert!(reports.iter().any(samples), "{reports:?}");

    // Without a word about it nothing is touched.
    let before = std::fs::read(&place.out).unwrap();
    bench.start(place.order(EarlierWork::Keep, None));
    let (end, _) = bench.training_ends();
    let TrainingEnd::Earlier(earlier) = end else {
        panic!("{end:?}");
    };
    assert_eq!(earlier.path, place.out);
    let state = earlier.resumable.unwrap();
    assert_eq!((state.pictures_seen, state.side), (place.seen(), 8));
    assert_eq!(std::fs::read(&place.out).unwrap(), before);

    // It goes on where it was, as the model that it is, whatever is chosen now.
    let first = place.seen();
    let mut order = place.order(EarlierWork::Resume, Some(first + 3 * BATCH));
    order.base = TrainBase::Model(None);
    bench.start(order);
    let (end, reports) = bench.training_ends();
    assert_eq!(end, TrainingEnd::Finished);
    let TrainReport::Begun(begun) = &reports[0] else {
        panic!("{reports:?}");
    };
    assert_eq!((begun.pictures_seen, begun.side), (first, 8));
    assert!(!begun.curve.is_empty());
    assert_eq!(place.seen(), first + 3 * BATCH);
    let file = weights::read(&place.out).unwrap();
    assert_eq!(file.provenance["data"], "cats");
    assert_eq!(file.params.config.image_size, 8);
}

#[test]
fn an_earlier_training_gives_way_only_where_that_is_asked_for() {
    let (bench, place) = (Bench::new(false), Place::new());
    std::fs::write(&place.out, "somebody's weights").unwrap();
    bench.start(place.order(EarlierWork::Keep, Some(BATCH)));
    let (end, _) = bench.training_ends();
    let TrainingEnd::Earlier(earlier) = end else {
        panic!("{end:?}");
    };
    assert_eq!(earlier.resumable, None);
    bench.start(place.order(EarlierWork::Resume, Some(BATCH)));
    bench.fails("nothing was saved of this training");
    assert_eq!(std::fs::read(&place.out).unwrap(), b"somebody's weights");
    bench.start(place.order(EarlierWork::Replace, Some(BATCH)));
    assert_eq!(bench.training_ends().0, TrainingEnd::Finished);
    assert_eq!(place.seen(), BATCH);
    // Its weights are what another begins with.
    let mut order = place.order(EarlierWork::Keep, Some(BATCH));
    order.base = TrainBase::Model(Some(place.out.clone()));
    order.out = place.out.with_file_name("more.safetensors");
    bench.start(order);
    assert_eq!(bench.training_ends().0, TrainingEnd::Finished);
}

#[test]
fn what_keeps_a_training_from_beginning_is_said_with_the_name() {
    let (bench, place) = (Bench::new(false), Place::new());
    let mut order = place.order(EarlierWork::Keep, Some(BATCH));
    order.images = place.images.join("none");
    bench.start(order.clone());
    bench.fails("none");
    order.images.clone_from(&place.images);
    order.out = place.images.join("gone/w.safetensors");
    bench.start(order.clone());
    bench.fails("folder");
    order.out.clone_from(&place.out);
    order.base = TrainBase::Model(Some(place.images.join("gone.safetensors")));
    bench.start(order);
    bench.fails("gone.safetensors");
    assert!(!place.out.exists());
}

#[test]
fn a_second_training_waits_until_the_first_is_stopped() {
    let (bench, place) = (Bench::new(false), Place::new());
    bench.start(place.order(EarlierWork::Keep, None));
    bench.reports_until(is_step);
    bench.start(place.order(EarlierWork::Replace, None));
    let events = bench.until(|e| matches!(e, Event::Note(_)));
    assert!(matches!(events.last(), Some(Event::Note(text)) if text.contains("stop it")));
    bench.train(TrainCommand::Stop);
    assert_eq!(bench.training_ends().0, TrainingEnd::Stopped);
}

#[test]
fn a_training_that_is_left_running_is_saved_when_the_engine_ends() {
    let (bench, place) = (Bench::new(false), Place::new());
    bench.start(place.order(EarlierWork::Keep, None));
    bench.reports_until(is_step);
    bench.train(TrainCommand::Pause(true));
    bench.reports_until(|r| matches!(r, TrainReport::Paused(true)));
    drop(bench);
    assert!(place.seen() >= BATCH);
    assert!(!place.out.with_extension("lock").exists());
}

#[test]
fn a_save_that_fails_loses_nothing() {
    let (bench, place) = (Bench::new(false), Place::new());
    let out = place.images.with_file_name("full/w.safetensors");
    let folder: &Path = out.parent().unwrap();
    std::fs::create_dir(folder).unwrap();
    let mut order = place.order(EarlierWork::Keep, None);
    order.out.clone_from(&out);
    bench.start(order);
    bench.reports_until(is_step);
    // As good as a full disk.
    let away = folder.with_file_name("away");
    std::fs::rename(folder, &away).unwrap();
    bench.train(TrainCommand::Stop);
    let reports = bench.reports_until(|r| matches!(r, TrainReport::Unsaved(_)));
    let seen = pictures_seen(&reports);
    std::fs::rename(&away, folder).unwrap();
    // First it goes on, then it is stopped again.
    bench.train(TrainCommand::Pause(false));
    let again = pictures_seen(&bench.reports_until(is_step));
    assert!(again > seen, "{seen:?} {again:?}");
    bench.train(TrainCommand::Stop);
    assert_eq!(bench.training_ends().0, TrainingEnd::Stopped);
    let checkpoint = Checkpoint::read(&out.with_extension("checkpoint.safetensors")).unwrap();
    assert!(checkpoint.progress.pictures_seen >= again.unwrap());
    assert_eq!(checkpoint.progress.curve.len(), 1);
}
