//! Sessions: saved, read, and put back on the shelf.

use std::path::{Path, PathBuf};

use super::*;
use crate::engine::message::{Fit, ItemSource, KeptItem, SessionFile, StoredItem, StoredModel};

/// How a photo of the toy's is framed.
const CROP: CropSquare = CropSquare {
    cx: 20.0,
    cy: 15.0,
    side: 30.0,
};

/// A photo as the window keeps it, beside the session, where it is not any more.
fn photo(id: u64, session: &Path, crop: Option<CropSquare>) -> KeptItem {
    KeptItem {
        id: ItemId(id),
        name: format!("photo {id}"),
        source: ItemSource::Photo {
            source: PictureSource::Path(session.with_file_name("gone").join("80.png")),
            crop,
        },
    }
}

fn pinned(id: u64, recipe: Recipe) -> KeptItem {
    KeptItem {
        id: ItemId(id),
        name: format!("pin {id}"),
        source: ItemSource::Recipe(recipe),
    }
}

fn save(ticket: u64, path: &Path, items: Vec<KeptItem>) -> Command {
    Command::SaveSession {
        ticket: Ticket(ticket),
        path: path.to_owned(),
        items,
        model: None,
        window: serde_json::json!({ "tab": "Morph" }),
    }
}

fn open(bench: &Bench, path: &Path) -> Result<SessionFile, String> {
    bench.send([Command::OpenSession {
        ticket: Ticket(99),
        path: path.to_owned(),
    }]);
    let last = |e: &Event| matches!(e, Event::SessionRead { .. } | Event::Failed { .. });
    match bench.until(last).pop() {
        Some(Event::SessionRead { session, .. }) => Ok(*session),
        Some(Event::Failed { message, .. }) => Err(message),
        other => panic!("{other:?}"),
    }
}

/// Puts a session on the shelf, its items from id 11 on.
fn restore(bench: &Bench, path: &Path) -> Fit {
    let session = open(bench, path).unwrap();
    let items: Vec<(ItemId, StoredItem)> = (11..)
        .map(ItemId)
        .zip(session.items.iter().cloned())
        .collect();
    bench.send([Command::RestoreItems {
        ticket: Ticket(98),
        path: path.to_owned(),
        session: Box::new(session),
        items,
    }]);
    let events = bench.until(|e| matches!(e, Event::ItemsRestored { .. }));
    match events.into_iter().last() {
        Some(Event::ItemsRestored { fit, .. }) => fit,
        other => panic!("{other:?}"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn thumbnails(events: &[Event]) -> Vec<image::RgbImage> {
    let thumbnail = |e: &Event| match e {
        Event::Encoded { thumbnail, .. } => Some((**thumbnail).clone()),
        _ => None,
    };
    events.iter().filter_map(thumbnail).collect()
}

fn saved_event(e: &Event) -> bool {
    matches!(e, Event::SessionSaved { .. })
}

fn stored(path: &Path) -> SessionFile {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A bench with a photo, whose file is gone afterwards, and a pinned sample, saved to `path`.
fn saved(path: &Path) -> (Bench, Vec<image::RgbImage>) {
    let bench = Bench::new(false);
    let folder = path.with_file_name("gone");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(toy::photo(80), folder.join("80.png")).unwrap();
    let import = Command::Import {
        item: ItemId(1),
        source: PictureSource::Path(folder.join("80.png")),
        crop: None,
    };
    bench.send([import, pin(2, sample(3))]);
    let before = thumbnails(&bench.until(encoded(2)));
    std::fs::remove_dir_all(&folder).unwrap();
    let items = vec![photo(1, path, Some(CROP)), pinned(2, sample(3))];
    bench.send([save(5, path, items)]);
    assert_eq!(bench.words_until(saved_event), "s5");
    (bench, before)
}

#[test]
fn a_session_brings_latents_back_and_says_what_could_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let (bench, before) = saved(&path);
    drop(bench);
    let bench = Bench::new(false);
    let session = open(&bench, &path).unwrap();
    assert_eq!(session.window["tab"], "Morph");
    assert!(session.items[0].photo.is_some() && session.items[1].photo.is_none());
    assert_eq!(session.items[1].name, "pin 2", "as on the shelf");
    let fit = restore(&bench, &path);
    assert_eq!(fit.ready, [ItemId(11), ItemId(12)]);
    assert_eq!((fit.waiting.len(), &fit.lacks), (0, &None));
    // The photo is no longer there: its latent stands in for it.
    let events = bench.until(|e| matches!(e, Event::PhotoMissing { .. }));
    assert_eq!(thumbnails(&events), before);
    let encoded_anew = events
        .iter()
        .any(|e| matches!(e, Event::Encoded { inspection, .. } if inspection.is_some()));
    assert!(!encoded_anew, "what is in the file is not computed again");
    bench.send([render(1, View(3), [item(11), item(12)])]);
    assert!(bench.words_until(done(1)).ends_with("d1"));
    // Saved at once, nothing of it is lost, the place of the photo included.
    let again = folder.path().join("t.glow.json");
    let items = vec![photo(11, &path, Some(CROP)), pinned(12, sample(3))];
    bench.send([save(6, &again, items)]);
    bench.until(saved_event);
    let (a, b) = (stored(&path), stored(&again));
    assert_eq!(a.items.len(), b.items.len());
    for (a, b) in a.items.iter().zip(&b.items) {
        assert_eq!((a.latent, &a.photo), (b.latent, &b.photo));
    }
}

#[test]
fn a_session_replaces_its_own_latents_and_leaves_other_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    std::fs::write(folder.path().join("other.latents.safetensors"), "x").unwrap();
    let (bench, _) = saved(&path);
    let first = names(folder.path());
    assert_eq!(first.len(), 3, "{first:?}");
    let one = || vec![pinned(2, sample(3))];
    let both = vec![photo(1, &path, Some(CROP)), pinned(2, sample(3))];
    bench.send([save(6, &path, both)]);
    bench.until(saved_event);
    assert_eq!(names(folder.path()), first, "equal contents, equal files");
    // A copy of the session needs the same latents, so that they stay.
    let copy = folder.path().join("copy.glow.json");
    std::fs::copy(&path, &copy).unwrap();
    bench.send([save(7, &path, one())]);
    bench.until(saved_event);
    let second = names(folder.path());
    assert_eq!(second.len(), 5, "{second:?}");
    assert!(first.iter().all(|name| second.contains(name)));
    std::fs::remove_file(&copy).unwrap();
    bench.send([save(8, &path, Vec::new())]);
    bench.until(saved_event);
    let last = names(folder.path());
    assert_eq!(last.len(), 3, "{last:?}");
    assert!(first.iter().all(|name| last.contains(name)), "only its own");
}

#[test]
fn a_session_is_written_before_all_other_work_and_says_what_is_still_to_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let bench = Bench::new(true);
    let film = vec![sample(0), sample(1), sample(2)];
    bench.send([
        export(9, grid(), film, &folder.path().join("a.png")),
        import(1, 80),
        pin(2, sample(3)),
    ]);
    bench.held();
    let source = PictureSource::Path(toy::photo(80));
    let photo = KeptItem {
        id: ItemId(1),
        name: "80.png".to_owned(),
        source: ItemSource::Photo { source, crop: None },
    };
    bench.send([save(5, &path, vec![photo, pinned(2, sample(3))])]);
    bench.release();
    assert_eq!(bench.words_until(saved_event), "p9:1 s5");
    let session = stored(&path);
    assert_eq!(session.items[0].photo.as_ref().unwrap().crop, None);
    assert_eq!(session.items[1].recipe, Some(sample(3)));
    drop(bench);

    // Both come back as what they were to become.
    let bench = Bench::new(false);
    let fit = restore(&bench, &path);
    assert_eq!(
        fit,
        Fit::default(),
        "neither can be drawn yet, neither waits"
    );
    let events = bench.until(encoded(11));
    assert!(events.iter().any(encoded(12)), "{events:?}");
}

#[test]
fn latents_of_another_model_keep_their_place_and_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let (bench, before) = saved(&path);
    bench.send([Command::OpenModel(Some(PathBuf::from("16")))]);
    bench.until(encoded(1));
    bench.send([pin(3, sample(4))]);
    bench.until(encoded(3));
    let shelf = || {
        vec![
            photo(1, &path, Some(CROP)),
            pinned(2, sample(3)),
            pinned(3, sample(4)),
        ]
    };
    bench.send([save(6, &path, shelf())]);
    bench.until(saved_event);
    let session = stored(&path);
    assert_eq!(session.model.as_ref().unwrap().name, "16");
    assert_eq!(session.others.len(), 1);
    assert_eq!(session.others[0].model.name, "8");
    assert!(session.items.iter().all(|item| item.latent.is_some()));
    assert_eq!(
        session.items[1].latents,
        Some(session.others[0].file.clone())
    );
    drop(bench);

    // With a model of the first shape the others wait, and say for what.
    let bench = Bench::new(false);
    let fit = restore(&bench, &path);
    assert_eq!(fit.ready, [ItemId(12)]);
    assert_eq!(fit.waiting.len(), 1);
    assert_eq!(fit.waiting[0].0, ItemId(13));
    assert!(fit.waiting[0].1.contains("16"), "{fit:?}");
    assert!(fit.lacks.as_ref().unwrap().contains("16"), "{fit:?}");
    let events = bench.until(encoded(12));
    assert_eq!(thumbnails(&events), before[1..]);
    // Saved in that state for the model that it belongs to, nothing is lost.
    let model = StoredModel {
        name: "16".to_owned(),
        path: Some(PathBuf::from("16")),
        fingerprint: session.model.as_ref().unwrap().fingerprint,
        answers: ModelOptions::default(),
    };
    let again = folder.path().join("t.glow.json");
    bench.send([Command::SaveSession {
        ticket: Ticket(7),
        path: again.clone(),
        items: vec![
            photo(11, &path, Some(CROP)),
            pinned(12, sample(3)),
            pinned(13, sample(4)),
        ],
        model: Some(model),
        window: serde_json::Value::Null,
    }]);
    bench.until(saved_event);
    assert_eq!(stored(&again).model, session.model);
    drop(bench);

    // And with its model back it is as it was.
    let bench = Bench::new(false);
    bench.send([Command::OpenModel(Some(PathBuf::from("16")))]);
    bench.until(|e| matches!(e, Event::AttributesOpened(_)));
    let fit = restore(&bench, &again);
    assert_eq!(fit.ready, [ItemId(11), ItemId(13)]);
    assert_eq!(fit.lacks, None);
}

#[test]
fn another_training_of_the_same_shape_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    drop(saved(&path));
    let bench = Bench::new(false);
    bench.send([Command::OpenModel(Some(PathBuf::from("8-2")))]);
    bench.until(|e| matches!(e, Event::AttributesOpened(_)));
    let fit = restore(&bench, &path);
    assert_eq!(
        fit.ready,
        [ItemId(12)],
        "the photo is encoded by this model"
    );
    assert!(fit.lacks.is_some());

    let bench = Bench::new(false);
    bench.send([pin(1, sample(3))]);
    bench.until(encoded(1));
    bench.send([Command::OpenModel(Some(PathBuf::from("8-2")))]);
    let events = bench.until(encoded(1));
    let words: Vec<String> = events.iter().map(word).collect();
    assert_eq!(words.join(" "), "model attributes note e1");
    // The pin stays one of the first model's.
    bench.send([save(5, &path, vec![pinned(1, sample(3))])]);
    bench.until(saved_event);
    assert_eq!(stored(&path).others[0].model.name, "8");
}

#[test]
fn a_moved_crop_is_kept_before_it_is_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let (bench, _) = saved(&path);
    let moved = CropSquare { cx: 25.0, ..CROP };
    bench.send([save(6, &path, vec![photo(1, &path, Some(moved))])]);
    bench.until(saved_event);
    let item = stored(&path).items.remove(0);
    let photo = item.photo.unwrap();
    assert_eq!((photo.crop, photo.latent_crop), (Some(moved), Some(CROP)));
    assert!(item.latent.is_some());
}

#[test]
fn a_pasted_picture_lies_beside_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let start = || {
        let open = |path: Option<&Path>| open_toy(path, None, Arc::default());
        let engine = Engine::spawn(EngineOptions::new(Box::new(open)), || {});
        engine.send(Command::OpenModel(None));
        engine
    };
    let until = |engine: &Engine, wanted: &dyn Fn(&Event) -> bool| loop {
        let event = engine.link().events.recv_timeout(Duration::from_secs(20));
        let event = event.expect("no event came");
        if wanted(&event) {
            return event;
        }
    };
    let engine = start();
    let source = PictureSource::Rgba {
        size: [40, 30],
        pixels: (0..4 * 40 * 30).map(|i| (i % 251) as u8 | 3).collect(),
    };
    let kept = |id: u64, source: &PictureSource| KeptItem {
        id: ItemId(id),
        name: "Pasted picture".to_owned(),
        source: ItemSource::Photo {
            source: source.clone(),
            crop: Some(CROP),
        },
    };
    engine.send(Command::Import {
        item: ItemId(1),
        source: source.clone(),
        crop: Some(CROP),
    });
    until(&engine, &encoded(1));
    engine.send(save(5, &path, vec![kept(1, &source)]));
    until(&engine, &saved_event);
    let photo = stored(&path).items.remove(0).photo.unwrap();
    assert_eq!(photo.path.parent(), Some(Path::new("")), "{photo:?}");
    let place = photo.place(&path);
    let size = image::image_dimensions(&place).unwrap();
    assert_eq!(size, (40, 30));

    // In another run, and in another session, it is found again and goes along.
    let engine = start();
    let found = PictureSource::Path(place.clone());
    engine.send(save(6, &path, vec![kept(11, &found)]));
    until(&engine, &saved_event);
    assert!(place.is_file());
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let other = elsewhere.join("t.glow.json");
    engine.send(save(7, &other, vec![kept(11, &found)]));
    until(&engine, &saved_event);
    let photo = stored(&other).items.remove(0).photo.unwrap();
    assert!(photo.place(&other).starts_with(&elsewhere));
    assert!(photo.place(&other).is_file());
}

#[test]
fn a_folder_that_is_not_there_is_named_by_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none/s.glow.json");
    let bench = Bench::new(false);
    bench.send([pin(2, sample(3))]);
    bench.until(encoded(2));
    bench.send([save(5, &path, vec![pinned(2, sample(3))])]);
    let events = bench.until(is_failure);
    let said = message(&events);
    assert!(said.contains("folder is not there"), "{said}");
    assert!(said.ends_with("none/s.glow.json"), "{said}");
}

#[test]
fn damaged_sessions_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let (bench, _) = saved(&path);
    let whole = std::fs::read_to_string(&path).unwrap();
    let refused = |text: &str, word: &str| {
        std::fs::write(&path, text).unwrap();
        let message = open(&bench, &path).unwrap_err();
        assert!(message.contains(word), "{message}");
        assert!(
            message.contains("s.glow.json") || message.contains("latents"),
            "{message}"
        );
    };
    refused("", "damaged");
    refused(&whole[..whole.len() / 2], "damaged");
    refused(&whole.replace("session/1", "session/9"), "session/9");
    refused(
        &whole.replace(r#""latents": "s."#, r#""latents": "../s."#),
        "not beside it",
    );
    refused(
        &whole.replace(r#""latents": "s."#, r#""latents": "t."#),
        "missing",
    );
    assert!(
        open(&bench, folder.path())
            .unwrap_err()
            .contains("not a file")
    );
    let none = folder.path().join("none");
    assert!(open(&bench, &none).unwrap_err().contains("cannot be read"));

    // Latents that cannot be read leave every item its place, and that is said once.
    std::fs::write(&path, &whole).unwrap();
    let latents = folder.path().join(stored(&path).latents.unwrap());
    std::fs::write(&latents, "broken").unwrap();
    let fit = restore(&bench, &path);
    assert!(fit.ready.is_empty(), "{fit:?}");
    assert_eq!(
        fit.waiting.len(),
        1,
        "the photo may still be there: {fit:?}"
    );
    assert!(fit.lacks.unwrap().contains("cannot be read"));
}
