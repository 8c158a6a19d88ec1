//! The compare screen, by wishes and by label.

use egui_kittest::kittest::Queryable as _;

use super::{CompareWay, CompareWish, PICTURES, SortColumn, table};
use crate::app::action::Action;
use crate::app::state::{Selection, State, Tab};
use crate::app::tests::{Bench, named};
use crate::engine::message::{Command, Question};

#[test]
fn what_is_taken_stands_beside_what_was_taken_before() {
    let mut state = State::default();
    let labels = |state: &State| {
        let pair = state.doc.compare.pair.iter();
        pair.map(|n| n.as_ref().map(|n| n.label.clone()).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    for (cell, expected) in [
        (0, ["Seed 1 · 1", ""]),
        (1, ["Seed 1 · 1", "Seed 1 · 2"]),
        (2, ["Seed 1 · 2", "Seed 1 · 3"]),
    ] {
        state.apply(CompareWish::Take(named(cell)));
        assert_eq!(labels(&state), expected);
    }
    assert_eq!(state.desks.compare.way, CompareWay::Beside);
}

#[test]
fn the_table_sorts_and_becomes_csv() {
    let mut bench = Bench::new(vec!["/tmp/anna, \"the first\".png".into()]);
    bench.perform(Action::SetTab(Tab::Compare));
    let asked = |bench: &Bench| {
        let heard = bench.engine.heard.iter();
        heard
            .filter(|c| {
                matches!(
                    c,
                    Command::Ask {
                        question: Question::Neighbours(_),
                        ..
                    }
                )
            })
            .count()
    };
    assert_eq!(asked(&bench), 1);
    let rows = table::rows(bench.state());
    assert_eq!(rows.len(), 5);
    assert!(
        rows.iter()
            .all(|row| row.nearest.as_ref().is_some_and(|(n, _)| n.item != row.id))
    );
    let bits = |bench: &Bench| -> Vec<f64> {
        let rows = table::rows(bench.state());
        rows.iter().map(|row| row.figures.bits_per_dim).collect()
    };
    bench.click("Sort by Bits/dim");
    assert_eq!(bench.state().desks.compare.sort, SortColumn::Bits);
    assert!(bits(&bench).is_sorted());
    bench.click("Sort by Bits/dim");
    assert!(bits(&bench).iter().rev().is_sorted());
    assert_eq!(asked(&bench), 1, "sorting asks for nothing");
    let text = table::csv(bench.state(), &table::rows(bench.state()));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(lines[0].starts_with("name,bits_per_dim,level_1_bits,level_2_bits,level_3_bits,"));
    assert!(text.contains("\"anna, \"\"the first\"\".png\","), "{text}");
    bench.click("Copy as CSV");
    let last = bench.state().live.log.back().unwrap();
    assert!(last.text.contains("copied"), "{}", last.text);
    let name = bench.state().doc.shelf[1].name.clone();
    let cells = bench
        .harness
        .query_all_by_role_and_label(egui::Role::Button, &name);
    let in_table = cells.last().unwrap();
    in_table.click();
    bench.settle();
    let id = bench.state().doc.shelf[1].id;
    assert_eq!(bench.state().selection, Selection::Item(id));
}

#[test]
fn two_pictures_are_wiped_flipped_and_subtracted() {
    let mut bench = Bench::new(Vec::new());
    bench.click("Seed 1 · 3");
    bench.press(egui::Modifiers::NONE, egui::Key::V);
    bench.perform(Action::SetTab(Tab::Sample));
    bench.click("Seed 1 · 9");
    bench.press(egui::Modifiers::NONE, egui::Key::V);
    assert_eq!(bench.state().live.views[&PICTURES].shown.len(), 2);
    bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 3");
    bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 9");
    bench.harness.get_by_label("Difference of both pictures");
    bench.click("Wipe");
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Edge");
    slider.set_value_accesskit(0.25);
    bench.settle();
    assert_eq!(bench.state().desks.compare.edge, 0.25);
    bench.click("Flip");
    bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 3");
    bench.click("Show the other");
    bench
        .harness
        .get_by_role_and_label(egui::Role::Image, "Seed 1 · 9");
    assert!(bench.state().desks.compare.flipped);
}

#[test]
fn a_picture_has_its_place_among_those_of_a_folder() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Compare));
    bench.perform(CompareWish::SetWay(CompareWay::Folder));
    let offers = bench
        .harness
        .query_all_by_role_and_label(egui::Role::Button, "Map a folder…");
    assert_eq!(offers.count(), 1);
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40 {
        std::fs::write(folder.path().join(format!("{i:02}.jpg")), "text").unwrap();
    }
    bench.perform(crate::app::screens::map::MapWish::Open(
        folder.path().to_owned(),
    ));
    bench.perform(CompareWish::SetPicture(0, named(4)));
    let first = bench.state().doc.shelf[0].id;
    bench.perform(Action::SetTab(Tab::Compare));
    bench.perform(Action::Select(Selection::Item(first)));
    let state = bench.state();
    let bits = state.items[&first]
        .inspection
        .as_ref()
        .unwrap()
        .bits_per_dim;
    let share = state.shown_map().unwrap().percentile(bits).unwrap();
    let text = format!(
        "{bits:.3} bits/dim, more than {:.0} % of the folder",
        100.0 * share
    );
    bench.harness.get_by_label_contains(&text);
    bench.harness.get_by_label_contains("A  Seed 1 · 5: ");
    bench
        .harness
        .get_by_label_contains("Histogram of bits/dim from ");
    assert_eq!(
        bench
            .harness
            .query_all_by_label_contains("measuring")
            .count(),
        0
    );
}
