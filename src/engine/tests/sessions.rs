//! Sessions: saved, read, and put back on the shelf.

use std::path::{Path, PathBuf};

use super::*;
use crate::engine::message::{SessionFile, StoredItem};

fn save(ticket: u64, path: &Path, ids: &[u64]) -> Command {
    Command::SaveSession {
        ticket: Ticket(ticket),
        path: path.to_owned(),
        items: ids.iter().map(|&id| ItemId(id)).collect(),
        window: serde_json::json!({ "tab": "Morph" }),
    }
}

fn open(bench: &Bench, path: &Path) -> Result<(SessionFile, Option<PathBuf>), String> {
    bench.send([Command::OpenSession {
        ticket: Ticket(99),
        path: path.to_owned(),
    }]);
    let last = |e: &Event| matches!(e, Event::SessionRead { .. } | Event::Failed { .. });
    match bench.until(last).pop() {
        Some(Event::SessionRead {
            session, latents, ..
        }) => Ok((*session, latents)),
        Some(Event::Failed { message, .. }) => Err(message),
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

/// A bench with a photo, whose file is gone afterwards, and a pinned sample, saved to `path`.
fn saved(path: &Path) -> (Bench, Vec<image::RgbImage>) {
    let bench = Bench::new(false);
    let photos = tempfile::tempdir().unwrap();
    let photo = photos.path().join("80.png");
    std::fs::copy(toy::photo(80), &photo).unwrap();
    let import = Command::Import {
        item: ItemId(1),
        source: PictureSource::Path(photo),
        crop: None,
    };
    bench.send([import, pin(2, sample(3))]);
    let before = thumbnails(&bench.until(encoded(2)));
    bench.send([save(5, path, &[1, 2, 77])]);
    assert_eq!(
        bench.words_until(|e| matches!(e, Event::SessionSaved { .. })),
        "s5"
    );
    (bench, before)
}

#[test]
fn a_session_brings_latents_back_and_says_what_could_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    let (bench, before) = saved(&path);
    drop(bench);
    let bench = Bench::new(false);
    let (session, latents) = open(&bench, &path).unwrap();
    assert_eq!(session.window["tab"], "Morph");
    assert_eq!(session.items.len(), 2, "unknown items are left out");
    assert!(session.items[0].photo.is_some() && session.items[1].photo.is_none());
    let items: Vec<(ItemId, StoredItem)> = (11..)
        .map(ItemId)
        .zip(session.items.iter().cloned())
        .collect();
    bench.send([Command::ImportLatents {
        path: latents,
        items,
    }]);
    let events = bench.until(encoded(12));
    // The photo is no longer there: its latent stands in for it.
    assert!(
        message(&events).contains("its latent is kept"),
        "{events:?}"
    );
    assert_eq!(thumbnails(&events), before);
    bench.send([render(1, View(3), [item(11), item(12)])]);
    assert!(bench.words_until(done(1)).ends_with("d1"));
}

#[test]
fn a_session_replaces_its_own_latents_and_leaves_other_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.glow.json");
    std::fs::write(folder.path().join("other.latents.safetensors"), "x").unwrap();
    let (bench, _) = saved(&path);
    let first = names(folder.path());
    assert_eq!(first.len(), 3, "{first:?}");
    bench.send([save(6, &path, &[1, 2])]);
    bench.until(|e| matches!(e, Event::SessionSaved { .. }));
    assert_eq!(names(folder.path()), first, "equal contents, equal files");
    bench.send([save(7, &path, &[2])]);
    bench.until(|e| matches!(e, Event::SessionSaved { .. }));
    let second = names(folder.path());
    assert!(second.len() == 3 && second != first, "{second:?}");
    bench.send([save(8, &path, &[])]);
    bench.until(|e| matches!(e, Event::SessionSaved { .. }));
    assert_eq!(
        names(folder.path()),
        ["other.latents.safetensors", "s.glow.json"]
    );
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

    // Latents of another model are said once, and nothing stays behind.
    std::fs::write(&path, &whole).unwrap();
    let (session, latents) = open(&bench, &path).unwrap();
    bench.send([Command::OpenModel(Some(PathBuf::from("16")))]);
    bench.until(|e| matches!(e, Event::AttributesOpened(_)));
    let pinned = session.items[1].clone();
    bench.send([Command::ImportLatents {
        path: latents,
        items: vec![(ItemId(21), pinned.clone()), (ItemId(22), pinned)],
    }]);
    let events = bench.until(|e| matches!(e, Event::Forgotten(ids) if ids.len() == 2));
    assert!(events.iter().filter(|e| is_failure(e)).count() >= 1);
    let texts = events.iter().filter_map(|e| match e {
        Event::Failed { message, .. } => Some(message),
        _ => None,
    });
    assert_eq!(texts.filter(|m| m.contains("this session")).count(), 1);
}
