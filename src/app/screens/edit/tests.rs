//! The edit screen, by wishes and by label.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::{EDITED, EditWish, PICTURES};
use crate::app::action::Action;
use crate::app::dialog::{ExportForm, ExportFormat, ExportSource};
use crate::app::export;
use crate::app::state::{Selection, State, Tab};
use crate::app::tests::{Bench, named};
use crate::engine::message::{Command, ExportKind, Question, Recipe};

#[test]
fn a_slider_at_zero_leaves_the_recipe() {
    let mut state = State::default();
    state.apply(EditWish::SetBase(named(3)));
    state.apply(EditWish::SetAmount("Smiling".to_owned(), 0.5));
    assert!(matches!(
        state.doc.edit.result().unwrap().recipe,
        Recipe::Edited { .. }
    ));
    state.apply(EditWish::SetAmount("Smiling".to_owned(), 0.0));
    assert_eq!(state.doc.edit.result().unwrap(), named(3));
}

#[test]
fn an_attribute_moves_the_edited_picture_and_undo_brings_it_back() {
    let mut bench = Bench::new(Vec::new());
    bench.press(Modifiers::NONE, Key::Num3);
    let slider = bench
        .harness
        .get_by_role_and_label(egui::Role::Slider, "Smiling");
    slider.set_value_accesskit(1.0);
    bench.settle();
    assert_eq!(bench.state().doc.edit.amounts.get("Smiling"), Some(&1.0));
    let shown = &bench.state().live.views[&PICTURES].shown[&0];
    assert!(matches!(&shown.recipe, Recipe::Edited { edits, .. } if edits[0].amount == 1.0));
    bench.press(Modifiers::COMMAND, Key::Z);
    assert!(bench.state().doc.edit.amounts.is_empty());
    bench.press(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(bench.state().doc.edit.amounts.get("Smiling"), Some(&1.0));
}

#[test]
fn the_base_follows_the_shelf_unless_it_is_locked() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Edit));
    let ids: Vec<_> = bench.state().doc.shelf.iter().map(|e| e.id).collect();
    let base = |bench: &Bench| bench.state().doc.edit.base.clone().unwrap().recipe;
    bench.perform(EditWish::SetAmount("Smiling".to_owned(), 0.5));
    bench.perform(Action::Select(Selection::Item(ids[2])));
    assert_eq!(base(&bench), Recipe::Item(ids[2]));
    assert_eq!(bench.state().doc.edit.amounts.len(), 1, "the sliders stay");
    bench.click("Lock the base");
    bench.perform(Action::Select(Selection::Item(ids[1])));
    assert_eq!(base(&bench), Recipe::Item(ids[2]));
    // Elsewhere a selection is a selection.
    bench.click("Lock the base");
    bench.perform(Action::SetTab(Tab::Morph));
    bench.perform(Action::Select(Selection::Item(ids[0])));
    assert_eq!(base(&bench), Recipe::Item(ids[2]));
}

#[test]
fn favourites_stand_first_and_held_sliders_stay() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Edit));
    let top = |bench: &Bench, name: &str| {
        let slider = bench
            .harness
            .get_by_role_and_label(egui::Role::Slider, name);
        slider.rect().top()
    };
    assert!(top(&bench, "Smiling") < top(&bench, "Young"));
    bench.click("Young first");
    assert!(top(&bench, "Young") < top(&bench, "Smiling"));
    for name in ["Young", "Smiling"] {
        bench.perform(EditWish::SetAmount(name.to_owned(), 0.5));
    }
    bench.click("Hold Young");
    bench.click("Reset all");
    let amounts = &bench.state().doc.edit.amounts;
    assert_eq!(amounts.keys().collect::<Vec<_>>(), ["Young"]);
    bench.perform(EditWish::SetAmount("Young".to_owned(), 0.1));
    assert_eq!(bench.state().doc.edit.amounts["Young"], 0.5);
}

#[test]
fn before_and_after_are_wiped_along_a_line_that_is_dragged() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Edit));
    bench.click("Wipe");
    assert_eq!(bench.state().desks.edit.wipe, Some(0.5));
    let line = bench
        .harness
        .get_by_label("Line between before and after")
        .rect()
        .center();
    bench.harness.drag_at(line);
    bench.harness.step();
    bench.harness.hover_at(line + egui::vec2(60.0, 0.0));
    bench.harness.step();
    bench.harness.drop_at(line + egui::vec2(60.0, 0.0));
    bench.settle();
    let at = bench.state().desks.edit.wipe.unwrap();
    assert!(at > 0.55 && at < 0.95, "{at}");
    bench.click("Wipe");
    assert_eq!(bench.state().desks.edit.wipe, None);
}

#[test]
fn the_whole_photo_is_asked_for_where_one_looks_and_again_when_a_slider_moves() {
    let mut bench = Bench::new(vec!["/tmp/anna.png".into()]);
    let items = &bench.state().items;
    let (&id, _) = items.iter().find(|(_, item)| item.photo.is_some()).unwrap();
    bench.perform(Action::SetTab(Tab::Edit));
    bench.perform(Action::Select(Selection::Item(id)));
    let questions = |bench: &Bench| -> Vec<(Recipe, [u32; 4])> {
        let heard = bench.engine.heard.iter();
        heard
            .filter_map(|command| match command {
                Command::Ask {
                    question: Question::Photo { recipe, part },
                    ..
                } => Some((recipe.clone(), part.region)),
                _ => None,
            })
            .collect()
    };
    assert!(questions(&bench).is_empty());
    bench.click("Whole photo");
    let size = bench.state().items[&id].photo.as_ref().unwrap().size;
    let asked = questions(&bench);
    assert_eq!(asked, [(Recipe::Item(id), [0, 0, size[0], size[1]])]);
    bench.perform(EditWish::SetAmount("Smiling".to_owned(), 0.5));
    let asked = questions(&bench);
    assert!(matches!(asked[1].0, Recipe::Edited { .. }));
    assert_eq!(asked.len(), 2, "nothing is asked for twice");
    // What is exported whole is what is seen.
    bench.perform(Action::Select(EDITED));
    let form = ExportForm::new(ExportSource::Screen(Tab::Edit), bench.state());
    let form = form.with_format(ExportFormat::Photo);
    let request = export::request(&form, bench.state()).unwrap();
    assert_eq!(request.kind, ExportKind::Photo { quality: 95 });
    assert_eq!(request.recipes, [asked[1].0.clone()]);
    // In the format that the photo is in.
    assert_eq!(request.path.extension().unwrap(), "png");
}
