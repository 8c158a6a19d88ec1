//! The map screen, by wishes and by label.

use std::path::PathBuf;

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;

use super::{MapAxes, MapColour, MapWish};
use crate::app::action::Action;
use crate::app::maps::MapStage;
use crate::app::state::{Selection, State, Tab};
use crate::app::tests::Bench;
use crate::engine::message::{Command, Event, FolderNews, PictureSource, Ticket};

/// A folder of so many pictures, one of which cannot be read, and a table.
fn folder_of(n: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: String| std::fs::write(folder.path().join(name), "text").unwrap();
    (0..n).for_each(|i| write(format!("{i:03}.jpg")));
    write("missing.jpg".to_owned());
    write("labels.csv".to_owned());
    folder
}

fn bench_with_map(n: usize) -> (Bench, tempfile::TempDir) {
    let folder = folder_of(n);
    let mut bench = Bench::new(Vec::new());
    bench.perform(MapWish::Open(folder.path().to_owned()));
    (bench, folder)
}

#[test]
fn a_folder_is_shown_and_encoded_once() {
    let (mut bench, folder) = bench_with_map(30);
    assert_eq!(bench.state().tab, Tab::Map);
    let map = bench.state().shown_map().unwrap();
    assert_eq!((map.pictures.len(), map.stage), (30, MapStage::Done));
    let name = format!("Map of 30 pictures of {}", map.name());
    bench.harness.get_by_role_and_label(Role::Image, &name);
    bench.harness.get_by_label("1 left out");
    assert!(
        bench
            .state()
            .doc
            .shelf
            .iter()
            .all(|e| !e.name.ends_with(".jpg"))
    );
    let asked = |bench: &Bench| {
        let heard = bench.engine.heard.iter();
        heard
            .filter(|c| matches!(c, Command::EncodeFolder { .. }))
            .count()
    };
    bench.perform(Action::SetTab(Tab::Sample));
    bench.perform(MapWish::Open(folder.path().to_owned()));
    assert_eq!(asked(&bench), 1, "it is still there");
    assert_eq!(bench.state().recent_folders, [folder.path().to_owned()]);
    // Another model sees other latents.
    bench.perform(Action::OpenModel(Some("/models/a.safetensors".into())));
    assert!(bench.state().shown_map().is_none());
    bench.click("Map a folder…");
}

#[test]
fn a_picked_picture_says_what_it_is_shows_its_neighbours_and_comes_onto_the_shelf() {
    let (mut bench, folder) = bench_with_map(30);
    bench.perform(MapWish::Pick(Some(3)));
    bench.harness.get_by_label("003.jpg");
    bench.click("Near: 001.jpg, 0.60");
    assert_eq!(bench.state().desks.map.picked, Some(1));
    bench.click("Take onto the shelf");
    let imported = |bench: &Bench| {
        let of = |c: &&Command| matches!(c, Command::Import { source: PictureSource::Path(p), .. } if *p == folder.path().join("001.jpg"));
        bench.engine.heard.iter().filter(of).count()
    };
    assert_eq!(imported(&bench), 1);
    bench.harness.get_by_label("001.jpg, photo");
    assert_eq!(bench.state().tab, Tab::Map);
    bench.perform(MapWish::Take(1));
    assert_eq!(imported(&bench), 1, "it is there already");
    assert!(matches!(bench.state().selection, Selection::Item(_)));
    bench.perform(MapWish::Pick(Some(2)));
    bench.press(Modifiers::NONE, Key::ArrowRight);
    let picked = bench.state().desks.map.picked;
    assert!(picked.is_some() && picked != Some(2), "{picked:?}");
    bench.press(Modifiers::NONE, Key::Escape);
    assert_eq!(bench.state().desks.map.picked, None);
}

#[test]
fn what_is_under_the_pointer_is_named_and_two_clicks_take_it() {
    let (mut bench, _folder) = bench_with_map(30);
    // Alone on the screen: its neighbours are far.
    bench.perform(MapWish::SetSize(0.0));
    let name = format!(
        "Map of 30 pictures of {}",
        bench.state().shown_map().unwrap().name()
    );
    let map = bench
        .harness
        .get_by_role_and_label(Role::Image, &name)
        .rect();
    let found = (0..40 * 40).find_map(|i| {
        let (x, y) = ((i % 40) as f32 / 40.0, (i / 40) as f32 / 40.0);
        let at = map.min + egui::vec2(x, y) * map.size();
        bench.harness.hover_at(at);
        bench.harness.step();
        bench.harness.step();
        let tip = bench
            .harness
            .query_all_by_label_contains("bits/dim, more than")
            .count();
        (tip > 0).then_some(at)
    });
    let at = found.expect("some picture lies under some point");
    for picked in [true, false] {
        bench.harness.drag_at(at);
        bench.harness.step();
        bench.harness.drop_at(at);
        bench.settle();
        assert!(bench.state().desks.map.picked.is_some());
        let on_shelf = bench
            .state()
            .doc
            .shelf
            .iter()
            .any(|e| e.name.ends_with(".jpg"));
        assert_eq!(on_shelf, !picked);
    }
}

#[test]
fn colours_have_a_legend_with_numbers() {
    let (mut bench, folder) = bench_with_map(30);
    bench.harness.get_by_label("Bits/dim:");
    bench.perform(MapWish::SetColour(MapColour::Score(0)));
    bench.harness.get_by_label("Smiling:");
    bench.perform(MapWish::SetTable(Some(folder.path().join("labels.csv"))));
    bench.perform(MapWish::SetColour(MapColour::Label("hat".to_owned())));
    bench.harness.get_by_label("Hat:");
    bench.harness.get_by_label("-1 (20)");
    bench.harness.get_by_label("1 (10)");
    bench.perform(MapWish::SetColour(MapColour::Label("age".to_owned())));
    bench.harness.get_by_label("≤ 21.00");
    bench.perform(MapWish::Pick(Some(4)));
    bench.harness.get_by_label_contains("Age: 24.00");
    bench.perform(MapWish::SetTable(None));
    bench.harness.get_by_label("Bits/dim:");
}

#[test]
fn axes_are_attributes_latents_or_two_attributes() {
    let (mut bench, _folder) = bench_with_map(12);
    let places = |bench: &Bench| {
        let state = bench.state();
        super::places(state.shown_map().unwrap(), state.desks.map.axes)
    };
    let by_attributes = places(&bench);
    bench.perform(MapWish::SetAxes(MapAxes::Eps));
    let by_eps = places(&bench);
    assert_ne!(by_attributes, by_eps);
    bench.perform(MapWish::SetAxes(MapAxes::Two(3, 0)));
    let scores = &bench.state().shown_map().unwrap().pictures[5].scores;
    assert_eq!(places(&bench)[5], [scores[3], scores[0]]);
    for label in ["Attribute across", "Attribute upwards", "Axes of the map"] {
        bench.harness.get_by_role_and_label(Role::ComboBox, label);
    }
    for label in ["Enlarge the map", "Shrink the map", "Whole map"] {
        bench.click(label);
    }
}

#[test]
fn a_map_that_is_stopped_keeps_what_came_and_a_folder_dropped_on_it_is_mapped() {
    let mut state = State {
        tab: Tab::Map,
        ..State::default()
    };
    let folder = PathBuf::from("/tmp/holiday");
    let commands = state.apply(MapWish::Open(folder.clone()));
    let [Command::EncodeFolder { ticket, .. }] = commands[..] else {
        panic!("{commands:?}");
    };
    let tell = |state: &mut State, news| state.receive(Event::Folder { ticket, news });
    tell(
        &mut state,
        FolderNews::Begun {
            folder: folder.clone(),
            total: 9,
            scores: Vec::new(),
            tables: Vec::new(),
        },
    );
    assert!(matches!(state.apply(Action::Cancel(ticket))[..], [Command::Cancel(t)] if t == ticket));
    tell(&mut state, FolderNews::Done { cancelled: true });
    assert_eq!(state.shown_map().unwrap().stage, MapStage::Cancelled);
    let again = state.apply(MapWish::Open(folder));
    assert!(
        matches!(again[..], [Command::EncodeFolder { .. }]),
        "begun anew"
    );
    assert_eq!(state.live.maps.all().len(), 1);

    let listing = crate::engine::message::FolderListing {
        folder: PathBuf::from("/tmp/other"),
        pictures: vec!["a.png".to_owned()],
        ..Default::default()
    };
    let commands = state.receive(Event::FolderRead {
        ticket: None,
        listing,
    });
    assert!(
        matches!(&commands[..], [Command::EncodeFolder { path, .. }] if path.ends_with("other"))
    );
}

#[test]
fn a_folder_that_cannot_be_mapped_leaves_no_map_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Vec::new());
    bench.perform(MapWish::Open(folder.path().to_owned()));
    assert!(bench.state().shown_map().is_none());
    let said = &bench.state().live.log.back().unwrap().text;
    assert!(said.contains("no pictures here"), "{said}");
    assert_eq!(
        bench.state().live.maps.get(Ticket(0)).map(|m| m.ticket),
        None
    );
}

#[test]
fn old_maps_give_way() {
    let mut state = State::default();
    for i in 0..6 {
        state.apply(MapWish::Open(PathBuf::from(format!("/tmp/{i}"))));
    }
    let kept = state.live.maps.all();
    assert_eq!(kept.len(), crate::engine::message::MAPS_KEPT);
    assert!(kept[0].folder.ends_with("2"));
    assert_eq!(state.shown_map().unwrap().name(), "5");
}

/// Writes pictures of the map to the folder named by `GLOW_SCREENS`, for people to look at.
#[test]
#[ignore = "needs a graphics adapter; draws, asserts little"]
fn draw_the_map() {
    let Some(out) = std::env::var_os("GLOW_SCREENS").map(PathBuf::from) else {
        eprintln!("skipped: GLOW_SCREENS is not set");
        return;
    };
    std::fs::create_dir_all(&out).unwrap();
    let folder = folder_of(400);
    for (theme, suffix) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
        for (size, name) in [([1280.0, 800.0], "wide"), ([600.0, 450.0], "small")] {
            let mut bench = Bench::with_size(Vec::new(), size, theme);
            let choice = match theme {
                egui::Theme::Dark => crate::app::state::ThemeChoice::Dark,
                egui::Theme::Light => crate::app::state::ThemeChoice::Light,
            };
            bench.perform(Action::SetTheme(choice));
            bench.perform(Action::SetTab(Tab::Map));
            let shoot = |bench: &mut Bench, screen: &str| {
                bench.settle();
                let picture = bench.harness.render().unwrap();
                let file = out.join(format!("map-{screen}-{name}-{suffix}.png"));
                picture.save(file).unwrap();
            };
            shoot(&mut bench, "empty");
            bench.perform(MapWish::Open(folder.path().to_owned()));
            bench.state();
            bench.perform(Action::CloseToast(0));
            shoot(&mut bench, "pictures");
            bench.perform(MapWish::Pick(Some(7)));
            bench.perform(MapWish::SetTable(Some(folder.path().join("labels.csv"))));
            bench.perform(MapWish::SetColour(MapColour::Label("hat".to_owned())));
            shoot(&mut bench, "picked");
            bench.perform(MapWish::SetColour(MapColour::Score(3)));
            bench.perform(MapWish::SetSize(0.0));
            bench.perform(MapWish::SetAxes(MapAxes::Two(0, 3)));
            shoot(&mut bench, "points");
        }
    }
}
