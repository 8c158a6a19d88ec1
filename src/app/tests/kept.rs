//! Everything that a person can change is saved within the autosave's seconds and comes back. The list of what that
//! is comes from the types: a field that is added does not compile until it stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sessions::Pair;
use crate::app::action::Action;
use crate::app::session::WindowPart;
use crate::app::state::*;
use crate::engine::message::{CropSquare, PathKind, PictureSource, Recipe};
use crate::engine::toy::photo;

/// Every field that a session keeps, by name, as text. Items stand under their place on the shelf, as ids are given
/// anew.
fn fields(pair: &Pair) -> BTreeMap<&'static str, String> {
    let WindowPart {
        doc,
        playback,
        tab,
        selection,
        framings,
        told: _, // no person changes it
    } = pair.state.kept();
    let Document {
        sample,
        morph,
        edit,
        shelf,
    } = doc;
    let SampleTab {
        seed,
        temperature,
        per_level,
        level_temperatures,
        further_temperatures,
        columns,
        rows,
        variation,
    } = sample;
    let MorphTab { keys, path, steps } = morph;
    let EditTab {
        base,
        amounts,
        keep_others,
        temperature: edit_temperature,
    } = edit;
    let Playback {
        t,
        playing: _, // begins at rest
        mode,
        backwards: _, // likewise
        seconds,
    } = playback;
    let (mut order, mut names, mut crops) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &shelf {
        let ShelfEntry { id, name, crop } = entry;
        let picture = pair.state.items[id].thumbnail.as_ref();
        order.push(picture.map(|p| p.pixels.as_raw().clone()));
        names.push(name.clone());
        crops.push(*crop);
    }
    let named = |text: String| {
        shelf.iter().enumerate().fold(text, |text, (at, entry)| {
            text.replace(&format!("ItemId({})", entry.id.0), &format!("item {at}"))
        })
    };
    let framings = framings.iter().map(|(id, framing)| {
        let at = shelf.iter().position(|entry| entry.id == *id);
        format!("{at:?} {framing:?}")
    });
    let framings: BTreeSet<String> = framings.collect();
    [
        ("tab", format!("{tab:?}")),
        ("selection", named(format!("{selection:?}"))),
        ("framings", format!("{framings:?}")),
        ("sample.seed", format!("{seed}")),
        ("sample.temperature", format!("{temperature}")),
        ("sample.per_level", format!("{per_level}")),
        (
            "sample.level_temperatures",
            format!("{level_temperatures:?}"),
        ),
        (
            "sample.further_temperatures",
            format!("{further_temperatures:?}"),
        ),
        ("sample.columns", format!("{columns}")),
        ("sample.rows", format!("{rows}")),
        ("sample.variation", named(format!("{variation:?}"))),
        ("morph.keys", named(format!("{keys:?}"))),
        ("morph.path", format!("{path:?}")),
        ("morph.steps", format!("{steps}")),
        ("edit.base", named(format!("{base:?}"))),
        ("edit.amounts", format!("{amounts:?}")),
        ("edit.keep_others", format!("{keep_others}")),
        ("edit.temperature", format!("{edit_temperature}")),
        ("shelf, pictures in order", format!("{order:?}")),
        ("shelf, names", format!("{names:?}")),
        ("shelf, crops", format!("{crops:?}")),
        ("playback.t", format!("{t}")),
        ("playback.mode", format!("{mode:?}")),
        ("playback.seconds", format!("{seconds}")),
    ]
    .into_iter()
    .collect()
}

/// What is done, one thing at a time; each is given the state for its ids.
fn mutations() -> Vec<(&'static str, Box<dyn Fn(&State) -> Action>)> {
    fn item(state: &State, at: usize) -> Named {
        let entry = &state.doc.shelf[at];
        Named {
            recipe: Recipe::Item(entry.id),
            label: entry.name.clone(),
        }
    }
    fn one(
        name: &'static str,
        action: impl Fn(&State) -> Action + 'static,
    ) -> (&'static str, Box<dyn Fn(&State) -> Action>) {
        (name, Box::new(action))
    }
    vec![
        one("tab", |_| Action::SetTab(Tab::Morph)),
        one("selection", |s| {
            Action::Select(Selection::Item(s.doc.shelf[2].id))
        }),
        one("sample.seed", |_| Action::SetSeed(77)),
        one("sample.temperature", |_| Action::SetTemperature(0.25)),
        one("sample.per_level", |_| Action::SetPerLevel(true)),
        one("sample.level_temperatures", |_| {
            Action::SetLevelTemperature(1, 0.35)
        }),
        one("sample.columns", |_| Action::SetGrid(5, 3)),
        one("sample.variation", |s| Action::MoreLikeThis(item(s, 1))),
        one("morph.keys", |s| Action::SetKey(1, item(s, 3))),
        one("morph.keys", |_| Action::AddSlot),
        one("morph.path", |_| Action::SetPath(PathKind::Linear)),
        one("morph.steps", |_| Action::SetSteps(13)),
        one("edit.base", |s| Action::EditBase(item(s, 0))),
        one("edit.amounts", |_| Action::SetAmount("age".to_owned(), 1.5)),
        one("edit.keep_others", |_| Action::SetKeepOthers(true)),
        one("edit.temperature", |_| Action::SetEditTemperature(0.5)),
        one("shelf, pictures in order", |s| {
            Action::Pin(s.doc.sample.cell(9))
        }),
        one("shelf, pictures in order", |s| {
            Action::Remove(s.doc.shelf[1].id)
        }),
        one("shelf, names", |s| {
            Action::Rename(s.doc.shelf[0].id, "Berta".to_owned())
        }),
        one("framings", |_| {
            Action::Import(vec![PictureSource::Path(photo(90))])
        }),
        one("shelf, crops", |s| {
            let crop = CropSquare {
                cx: 21.0,
                cy: 15.0,
                side: 20.0,
            };
            let framed = s.doc.shelf.iter().find(|e| e.crop.is_some());
            Action::Recrop(framed.unwrap().id, crop)
        }),
        one("playback.t", |_| Action::SetT(0.125)),
        one("playback.mode", |_| Action::SetPlayMode(PlayMode::Once)),
        one("playback.seconds", |_| Action::SetPlaySeconds(7.5)),
    ]
}

/// A window with a photo and pins, everything saved.
fn window(path: &Path, restore: Option<bool>) -> Pair {
    Pair::new(|state| {
        state.session.autosave = Some(path.to_owned());
        state.session.restore = restore;
    })
}

/// Fields that no action changes alone, or at all in a window whose model stays.
const OTHERWISE: [&str; 2] = ["sample.rows", "sample.further_temperatures"];

#[test]
fn every_change_is_saved_and_comes_back() {
    let mut covered: BTreeSet<&str> = OTHERWISE.into();
    let mut known = BTreeSet::new();
    for (name, action) in mutations() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("autosave-1.glow.json");
        let mut pair = window(&path, None);
        if name != "framings" {
            pair.apply(Action::Import(vec![PictureSource::Path(photo(80))]));
        }
        pair.apply(Action::SetSeed(5));
        pair.autosaved(0.0);
        let before = fields(&pair);
        let action = action(&pair.state);
        let what = format!("{action:?}");
        pair.apply(action);
        let after = fields(&pair);
        assert_ne!(before[name], after[name], "{what} changes {name}");
        covered.extend(after.keys().filter(|key| before[*key] != after[*key]));
        known.extend(after.keys().copied());
        pair.autosaved(100.0);
        drop(pair); // as a kill does: no last save

        let again = window(&path, Some(true));
        let found = fields(&again);
        for (key, value) in &after {
            assert_eq!(found.get(key), Some(value), "{key} after {what}");
        }
        assert_eq!(again.errors(), 0);
    }
    assert_eq!(covered, known, "every field is changed by something");
}

#[test]
fn temperatures_of_further_levels_wait_for_a_model_that_has_them() {
    let mut tab = SampleTab {
        level_temperatures: vec![0.1, 0.2, 0.3, 0.4],
        ..SampleTab::default()
    };
    tab.fit_levels(2);
    assert_eq!(tab.level_temperatures, [0.1, 0.2]);
    let text = serde_json::to_string(&tab).unwrap();
    let mut tab: SampleTab = serde_json::from_str(&text).unwrap();
    tab.fit_levels(4);
    assert_eq!(tab.level_temperatures, [0.1, 0.2, 0.3, 0.4]);
    tab.fit_levels(5);
    assert_eq!(tab.level_temperatures[4], tab.temperature);
}
