//! Everything that a person can change is saved within the autosave's seconds and comes back. The list of what that
//! is comes from the types: a field that is added does not compile until it stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sessions::Pair;
use crate::app::action::Action;
use crate::app::screens::attributes::{
    AttributesDesk, AttributesTab, AttributesWish, ExampleOrigin, ExamplePath, Tag,
};
use crate::app::screens::compare::{CompareDesk, CompareTab, CompareWay, CompareWish, SortColumn};
use crate::app::screens::edit::{EditDesk, EditTab, EditWish};
use crate::app::screens::levels::{LevelsDesk, LevelsPart, LevelsTab, LevelsWish};
use crate::app::screens::map::{MapDesk, MapTab};
use crate::app::screens::mix::{MixDesk, MixKind, MixTab, MixWish};
use crate::app::screens::model::{ModelDesk, ModelTab};
use crate::app::screens::morph::{MorphTab, MorphWish, Playback};
use crate::app::screens::sample::{SampleDesk, SampleTab, SampleWish};
use crate::app::screens::train::{TrainDesk, TrainTab, TrainWish};
use crate::app::session::WindowPart;
use crate::app::state::{Desks, Document, Named, Selection, ShelfEntry, State, Tab};
use crate::engine::message::{
    CropSquare, DirectionId, Easing, FindBy, NetworkSize, PathKind, PictureSource, PlayMode, Recipe,
};
use crate::engine::toy::photo;

/// Every field that a session keeps, by name, as text. Items stand under their place on the shelf, as ids are given
/// anew.
fn fields(pair: &Pair) -> BTreeMap<&'static str, String> {
    let WindowPart {
        doc,
        desks,
        tab,
        selection,
        framings,
        told: _, // no person changes it
    } = pair.state.kept();
    let Document {
        sample,
        morph,
        edit,
        mix,
        levels,
        compare,
        map,
        attributes,
        train,
        model,
        shelf,
    } = doc;
    let CompareTab { pair: compared } = compare;
    let AttributesTab { tags, own, shown } = attributes;
    let ModelTab {} = model;
    let MapTab {} = map;
    let TrainTab {} = train;
    let SampleTab {
        seed,
        temperature,
        per_level,
        level_temperatures,
        further_temperatures,
        condition,
        columns,
        rows,
        variation,
    } = sample;
    let MorphTab {
        keys,
        path,
        easing,
        steps,
    } = morph;
    let EditTab {
        base,
        amounts,
        keep_others,
        temperature: edit_temperature,
    } = edit;
    let MixTab {
        kind,
        corners,
        pair: mixed,
        shares,
        further_shares,
    } = mix;
    let LevelsTab {
        base: levels_base,
        seed: levels_seed,
    } = levels;
    let Desks {
        sample: sample_desk,
        morph: playback,
        edit: edit_desk,
        mix: mix_desk,
        levels: levels_desk,
        compare: compare_desk,
        map: map_desk,
        attributes: attributes_desk,
        train: train_desk,
        model: model_desk,
    } = desks;
    let CompareDesk {
        way,
        sort,
        descending,
        edge,
        gain,
        flipped,
    } = compare_desk;
    let AttributesDesk {
        origin,
        with,
        without,
        table,
        pictures,
        columns: label_columns,
        name: direction_name,
        components,
        how,
        mirror,
        frame_faces,
        only_built,
        looked_at,
        search: _,
        is_typing: _,
        report: _,
        renaming: _,
    } = attributes_desk;
    let TrainDesk {
        images,
        crop_faces,
        from_open,
        side,
        network,
        bits,
        length,
        careful,
        flips,
        out,
    } = train_desk;
    // What the model says is read anew, and what was searched for begins anew.
    let ModelDesk {
        search: _,
        curve: _,
        provenance: _,
        tests: _,
    } = model_desk;
    // A map lives as long as its window, and so does how it is looked at.
    let MapDesk {
        open: _,
        axes: _,
        colour: _,
        table: _,
        size: _,
        picked: _,
    } = map_desk;
    // What is under the pointer, searched for or running begins anew.
    let SampleDesk {
        focus: _,
        enlarged: _,
    } = sample_desk;
    let EditDesk {
        search: _,
        before: _,
        locked,
        favourites,
        held,
        wipe: _,
        photo: _,
        look: _,
        part: _,
    } = edit_desk;
    let Playback {
        t,
        playing: _,
        began: _,
        mode,
        backwards: _,
        seconds,
    } = playback;
    let MixDesk { x, y } = mix_desk;
    let LevelsDesk {
        part,
        walk,
        playing: _,
        began: _,
    } = levels_desk;
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
        ("sample.condition", format!("{condition:?}")),
        ("sample.columns", format!("{columns}")),
        ("sample.rows", format!("{rows}")),
        ("sample.variation", named(format!("{variation:?}"))),
        ("morph.keys", named(format!("{keys:?}"))),
        ("morph.path", format!("{path:?}")),
        ("morph.easing", format!("{easing:?}")),
        ("edit.locked", format!("{locked}")),
        ("edit.favourites", format!("{favourites:?}")),
        ("edit.held", format!("{held:?}")),
        ("morph.steps", format!("{steps}")),
        ("edit.base", named(format!("{base:?}"))),
        ("edit.amounts", format!("{amounts:?}")),
        ("edit.keep_others", format!("{keep_others}")),
        ("edit.temperature", format!("{edit_temperature}")),
        ("shelf, pictures in order", format!("{order:?}")),
        ("shelf, names", format!("{names:?}")),
        ("shelf, crops", format!("{crops:?}")),
        ("morph.t", format!("{t}")),
        ("morph.mode", format!("{mode:?}")),
        ("morph.seconds", format!("{seconds}")),
        ("mix.kind", format!("{kind:?}")),
        ("mix.corners", named(format!("{corners:?}"))),
        ("mix.pair", named(format!("{mixed:?}"))),
        ("mix.shares", format!("{shares:?}")),
        ("mix.further_shares", format!("{further_shares:?}")),
        ("mix.x", format!("{x}")),
        ("mix.y", format!("{y}")),
        ("levels.base", named(format!("{levels_base:?}"))),
        ("levels.seed", format!("{levels_seed}")),
        ("levels.part", format!("{part:?}")),
        ("levels.walk", format!("{walk}")),
        ("compare.pair", named(format!("{compared:?}"))),
        ("compare.way", format!("{way:?}")),
        ("compare.sort", format!("{sort:?}")),
        ("compare.descending", format!("{descending}")),
        ("compare.edge", format!("{edge}")),
        ("compare.gain", format!("{gain}")),
        ("compare.flipped", format!("{flipped}")),
        ("attributes.tags", named(format!("{tags:?}"))),
        ("attributes.own", format!("{own:?}")),
        ("attributes.shown", named(format!("{shown:?}"))),
        ("attributes.origin", format!("{origin:?}")),
        ("attributes.with", with),
        ("attributes.without", without),
        ("attributes.table", table),
        ("attributes.pictures", pictures),
        ("attributes.columns", format!("{label_columns:?}")),
        ("attributes.name", direction_name),
        ("attributes.how", format!("{how:?}")),
        ("attributes.components", format!("{components}")),
        ("attributes.mirror", format!("{mirror}")),
        ("attributes.frame_faces", format!("{frame_faces}")),
        ("attributes.only_built", format!("{only_built}")),
        ("attributes.looked_at", format!("{looked_at:?}")),
        ("train.images", images.clone()),
        ("train.crop_faces", format!("{crop_faces}")),
        ("train.from_open", format!("{from_open}")),
        ("train.side", format!("{side}")),
        ("train.network", format!("{network:?}")),
        ("train.bits", format!("{bits}")),
        ("train.length", format!("{length}")),
        ("train.careful", format!("{careful}")),
        ("train.flips", format!("{flips}")),
        ("train.out", out.clone()),
    ]
    .into_iter()
    .collect()
}

/// A field, and what changes it.
type Mutation = (&'static str, Box<dyn Fn(&State) -> Action>);

/// What is done, one thing at a time; each is given the state for its ids.
fn mutations() -> Vec<Mutation> {
    fn item(state: &State, at: usize) -> Named {
        let entry = &state.doc.shelf[at];
        Named {
            recipe: Recipe::Item(entry.id),
            label: entry.name.clone(),
        }
    }
    fn one<A: Into<Action>>(
        name: &'static str,
        action: impl Fn(&State) -> A + 'static,
    ) -> Mutation {
        (name, Box::new(move |state| action(state).into()))
    }
    vec![
        one("tab", |_| Action::SetTab(Tab::Morph)),
        one("selection", |s| {
            Action::Select(Selection::Item(s.doc.shelf[2].id))
        }),
        one("sample.seed", |_| SampleWish::SetSeed(77)),
        one("sample.temperature", |_| SampleWish::SetTemperature(0.25)),
        one("sample.per_level", |_| SampleWish::SetPerLevel(true)),
        one("sample.level_temperatures", |_| {
            SampleWish::SetLevelTemperature(1, 0.35)
        }),
        one("sample.columns", |_| SampleWish::SetGrid(5, 3)),
        one("sample.variation", |s| SampleWish::MoreLikeThis(item(s, 1))),
        one("morph.keys", |s| MorphWish::SetKey(1, item(s, 3))),
        one("morph.keys", |_| MorphWish::AddSlot),
        one("morph.path", |_| MorphWish::SetPath(PathKind::Spherical)),
        one("morph.easing", |_| MorphWish::SetEasing(Easing::Smooth)),
        one("edit.locked", |_| EditWish::Lock(true)),
        one("edit.favourites", |_| {
            EditWish::Favour("age".to_owned(), true)
        }),
        one("edit.held", |_| EditWish::Hold("age".to_owned(), true)),
        one("morph.steps", |_| MorphWish::SetSteps(13)),
        one("edit.base", |s| EditWish::SetBase(item(s, 0))),
        one("edit.amounts", |_| {
            EditWish::SetAmount("age".to_owned(), 1.5)
        }),
        one("edit.keep_others", |_| EditWish::SetKeepOthers(true)),
        one("edit.temperature", |_| EditWish::SetTemperature(0.5)),
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
        one("morph.t", |_| MorphWish::SetT(0.125)),
        one("morph.mode", |_| MorphWish::SetPlayMode(PlayMode::Once)),
        one("morph.seconds", |_| MorphWish::SetPlaySeconds(7.5)),
        one("mix.kind", |_| MixWish::SetKind(MixKind::Levels)),
        one("mix.corners", |s| MixWish::SetCorner(2, item(s, 3))),
        one("mix.pair", |s| MixWish::SetPicture(1, item(s, 2))),
        one("mix.shares", |_| MixWish::SetShares(0.75)),
        one("mix.x", |_| MixWish::MoveTo(0.125, 0.5)),
        one("mix.y", |_| MixWish::MoveTo(0.5, 0.875)),
        one("levels.base", |s| LevelsWish::SetBase(item(s, 1))),
        one("levels.seed", |_| LevelsWish::DrawAnew),
        one("levels.part", |_| LevelsWish::SetPart(LevelsPart::Walk)),
        one("levels.walk", |_| LevelsWish::SetWalk(0.625)),
        one("compare.pair", |s| CompareWish::SetPicture(1, item(s, 2))),
        one("compare.way", |_| CompareWish::SetWay(CompareWay::Wipe)),
        one("compare.sort", |_| CompareWish::SortBy(SortColumn::Name)),
        // The column that it is sorted by already: the order turns round.
        one("compare.descending", |_| {
            CompareWish::SortBy(SortColumn::Shelf)
        }),
        one("compare.edge", |_| CompareWish::SetEdge(0.25)),
        one("compare.gain", |_| CompareWish::SetGain(8.0)),
        one("compare.flipped", |_| CompareWish::Flip),
        one("attributes.tags", |s| {
            AttributesWish::SetTag(item(s, 2), Tag::Without)
        }),
        one("attributes.shown", |s| AttributesWish::Show(item(s, 1))),
        one("attributes.origin", |_| {
            AttributesWish::SetOrigin(ExampleOrigin::Folders)
        }),
        one("attributes.with", |_| {
            AttributesWish::SetPath(ExamplePath::With, "/with".to_owned())
        }),
        one("attributes.without", |_| {
            AttributesWish::SetPath(ExamplePath::Without, "/without".to_owned())
        }),
        one("attributes.table", |_| {
            AttributesWish::SetPath(ExamplePath::Table, "/table.csv".to_owned())
        }),
        one("attributes.pictures", |_| {
            AttributesWish::SetPath(ExamplePath::Pictures, "/faces".to_owned())
        }),
        one("attributes.columns", |_| {
            AttributesWish::SetColumn("age".to_owned(), true)
        }),
        one("attributes.name", |_| {
            AttributesWish::SetName("Cheerful".to_owned())
        }),
        one("attributes.components", |_| {
            AttributesWish::SetComponents(5)
        }),
        one("attributes.how", |_| {
            AttributesWish::SetHow(FindBy::Compared)
        }),
        one("attributes.mirror", |_| AttributesWish::SetMirror(false)),
        one("attributes.frame_faces", |_| {
            AttributesWish::SetFrameFaces(false)
        }),
        one("attributes.only_built", |_| {
            AttributesWish::SetOnlyBuilt(true)
        }),
        one("attributes.looked_at", |_| {
            AttributesWish::LookAt(DirectionId(7))
        }),
        one("train.images", |_| {
            TrainWish::SetImages("/home/me/cats".to_owned())
        }),
        one("train.crop_faces", |_| TrainWish::SetCropFaces(true)),
        one("train.from_open", |_| TrainWish::SetFromOpen(true)),
        one("train.side", |_| TrainWish::SetSide(32)),
        one("train.network", |_| {
            TrainWish::SetNetwork(NetworkSize::Large)
        }),
        one("train.bits", |_| TrainWish::SetBits(8)),
        one("train.length", |_| TrainWish::SetLength(0)),
        one("train.careful", |_| TrainWish::SetCareful(true)),
        one("train.flips", |_| TrainWish::SetFlips(false)),
        one("train.out", |_| {
            TrainWish::SetOut("/data/cats.safetensors".to_owned())
        }),
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
const OTHERWISE: [&str; 5] = [
    // Built by the worker: see the tests of sessions.
    "attributes.own",
    "sample.rows",
    "sample.further_temperatures",
    "sample.condition",
    "mix.further_shares",
];

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
        pair.apply(SampleWish::SetSeed(5));
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

#[test]
fn shares_of_further_levels_wait_for_a_model_that_has_them() {
    let mut tab = MixTab::default();
    tab.fit_levels(4);
    assert_eq!(tab.shares, [0.0, 0.0, 0.0, 1.0]);
    tab.shares[2] = 0.5;
    tab.fit_levels(2);
    assert_eq!(tab.shares, [0.0, 0.0]);
    let text = serde_json::to_string(&tab).unwrap();
    let mut tab: MixTab = serde_json::from_str(&text).unwrap();
    tab.fit_levels(4);
    assert_eq!(tab.shares, [0.0, 0.0, 0.5, 1.0]);
    tab.fit_levels(5);
    assert_eq!(tab.shares[4], 0.0);
}
