//! The morph tab: a path through two to eight keyframes.

use egui::{CentralPanel, Margin, Panel, Rect, Sense, Ui, Vec2, vec2};

use super::filmstrip::filmstrip_ui;
use super::{HERO, KEY_CELLS, MAX_KEYS, MORPH, MorphWish, PLAY_MODES, STRIP, slot_name};
use crate::app::action::Action;
use crate::app::dialog::ExportSource;
use crate::app::screens::Tab;
use crate::app::theme;
use crate::app::views;
use crate::app::widgets::controls::{
    button_ui, choice_ui, number_ui, row_with_end_ui, wide_slider_ui,
};
use crate::app::widgets::icons::{Icon, icon_button_ui, paint_in_front};
use crate::app::widgets::picture::{picture_menu_ui, square_in};
use crate::app::widgets::slot::{picture_choice_ui, slot_ui};
use crate::app::widgets::{Cx, zoom};
use crate::engine::message::{Easing, PathKind, Recipe};

/// Slots on the left, the picture, its filmstrip, and the controls.
pub fn morph_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    views::controls_ui(ui, cx, "morph controls", controls_ui);
    let ready = cx.state.doc.morph.path_keys().is_some();
    if ready {
        let frame = egui::Frame::new().inner_margin(Margin::symmetric(14, 6));
        Panel::bottom("filmstrip")
            .frame(frame)
            .show_separator_line(false)
            .show(ui, |ui| filmstrip_ui(ui, cx));
    }
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        let room = ui.available_rect_before_wrap();
        let slots_width = 124.0;
        let (slots, hero) = room.split_left_right_at_x(room.left() + slots_width);
        ui.scope_builder(egui::UiBuilder::new().max_rect(slots), |ui| {
            egui::ScrollArea::vertical().id_salt("slots").show(ui, |ui| slots_ui(ui, cx));
        });
        let hero = hero.with_min_x(hero.left() + theme::GROUP_GAP);
        if ready {
            hero_ui(ui, cx, hero);
        } else {
            ui.scope_builder(egui::UiBuilder::new().max_rect(hero), |ui| {
                ui.centered_and_justified(|ui| {
                    let text = "Drag two pictures from the shelf into the slots,\nor select one and press A or B";
                    ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
                });
            });
        }
    });
}

fn hero_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect) {
    let Some(named) = cx.state.subject(MORPH) else {
        return;
    };
    let rect = square_in(room);
    let picture = cx.state.cell_picture(HERO, 0).cloned();
    let selected = cx.state.selection == MORPH;
    let id = ui.scope_id().with("hero");
    let response = zoom::hero_ui(ui, cx, rect, id, &named, picture.as_ref());
    if response.clicked() && !selected {
        cx.push(Action::Select(MORPH));
    }
    response.context_menu(|ui| picture_menu_ui(ui, cx, &named, MORPH));
}

/// The keyframe slots: each takes a dropped picture, or one chosen from a list.
fn slots_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let n_slots = cx.state.doc.morph.keys.len();
    for slot in 0..n_slots {
        key_ui(ui, cx, slot);
        ui.add_space(theme::GAP);
    }
    if ui.input(|i| !i.pointer.any_down()) {
        ui.data_mut(|d| d.remove_temp::<usize>(dragged_slot()));
    }
    if n_slots < MAX_KEYS && button_ui(ui, true, "+ Keyframe", "One more picture on the path") {
        cx.push(MorphWish::AddSlot);
    }
    if button_ui(ui, true, "Swap", "First becomes last (X)") {
        cx.push(MorphWish::ReverseKeys);
    }
}

fn key_ui(ui: &mut Ui, cx: &mut Cx<'_>, slot: usize) {
    let letter = slot_name(slot);
    let keys = &cx.state.doc.morph.keys;
    let key = keys.get(slot).and_then(Option::as_ref).cloned();
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(96.0), Sense::hover());
    let picture = key.as_ref().and_then(|k| match k.recipe {
        Recipe::Item(_) => cx.state.picture_of(&k.recipe),
        _ => cx.state.cell_picture(STRIP, KEY_CELLS + slot as u32),
    });
    let picture = picture.cloned();
    let (response, dropped) = slot_ui(ui, cx, rect, letter, key.as_ref(), picture.as_ref());
    if response.drag_started() {
        ui.data_mut(|d| d.insert_temp(dragged_slot(), slot));
    }
    if let Some(named) = dropped {
        // A keyframe dropped on another changes its place; any other picture is put in.
        let from: Option<usize> = ui.data_mut(|d| d.remove_temp(dragged_slot()));
        let is_key =
            |from: &usize| cx.state.doc.morph.keys.get(*from) == Some(&Some(named.clone()));
        match from.filter(is_key) {
            Some(from) => cx.push(MorphWish::MoveKey(from, slot)),
            None => cx.push(MorphWish::SetKey(slot, named)),
        }
    }
    let n_slots = cx.state.doc.morph.keys.len();
    response.context_menu(|ui| {
        let moves = [
            (slot > 0, "Move up", slot.wrapping_sub(1)),
            (slot + 1 < n_slots, "Move down", slot + 1),
        ];
        for (can, text, to) in moves {
            if ui.add_enabled(can, egui::Button::new(text)).clicked() {
                cx.push(MorphWish::MoveKey(slot, to));
                ui.close();
            }
        }
    });
    if response.clicked() {
        let last = cx.state.doc.morph.keys.iter().flatten().count().max(2) - 1;
        cx.push(MorphWish::SetT(slot.min(last) as f32 / last as f32));
    }
    response.on_hover_text(
        "Drop a picture here, or drag this one to another place; a click goes to this keyframe",
    );
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        let name = format!("Picture of slot {letter}");
        let width = if slot < 2 { 96.0 } else { 68.0 };
        let chosen = picture_choice_ui(ui, cx, &name, width, key.as_ref());
        cx.extend(chosen.map(|named| MorphWish::SetKey(slot, named)));
        let remove = format!("Remove keyframe {letter}");
        let tip = "Remove this keyframe";
        if slot >= 2 && icon_button_ui(ui, true, Icon::Remove, &remove, tip).clicked() {
            cx.push(MorphWish::ClearKey(slot));
        }
    });
}

/// Where the slot is noted from which a drag began, as long as the button is down.
fn dragged_slot() -> egui::Id {
    egui::Id::unique("dragged morph slot")
}

fn controls_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let ready = cx.state.doc.morph.path_keys().is_some();
    let mut export = false;
    row_with_end_ui(
        ui,
        |ui| {
            export = button_ui(
                ui,
                ready,
                "Export…",
                "Strip, grid, frames or a film (Ctrl+E)",
            )
        },
        |ui| {
            ui.add_enabled_ui(ready, |ui| ui.horizontal(|ui| transport_ui(ui, cx)));
        },
    );
    if export {
        cx.push(Action::OpenExport(ExportSource::Screen(Tab::Morph)));
    }
    ui.add_space(2.0);
    ui.horizontal_wrapped(|ui| {
        let modes = PLAY_MODES.map(|(m, name)| (m, name, "What happens at the end of the path"));
        ui.scope(|ui| {
            let mode = choice_ui(ui, cx.state.desks.morph.mode, &modes);
            cx.extend(mode.map(MorphWish::SetPlayMode));
        });
        ui.add_space(theme::GAP);
        let mut seconds = cx.state.desks.morph.seconds;
        let label = ui.label("Duration");
        let number = egui::DragValue::new(&mut seconds)
            .range(0.5..=60.0)
            .speed(0.05)
            .fixed_decimals(1)
            .suffix(" s");
        let tip = "Time for the whole path";
        if ui
            .add(number)
            .labelled_by(label.id)
            .on_hover_text(tip)
            .changed()
        {
            cx.push(MorphWish::SetPlaySeconds(seconds));
        }
        ui.add_space(theme::GAP);
        let paths = [
            (
                PathKind::Spherical,
                "Spherical",
                "Keeps the norm: midpoints as sharp as the ends",
            ),
            (
                PathKind::Linear,
                "Linear",
                "Straight, as in the paper: midpoints a little soft",
            ),
            (
                PathKind::SphericalPerLevel,
                "Per level",
                "Spherical in each level by itself: every level keeps its own norm",
            ),
        ];
        ui.scope(|ui| {
            let path = choice_ui(ui, cx.state.doc.morph.path, &paths);
            cx.extend(path.map(MorphWish::SetPath));
        });
        ui.add_space(theme::GAP);
        let easings = [
            (Easing::Linear, "Even", "At constant speed"),
            (Easing::Smooth, "Smooth", "Slow at both ends of the path"),
        ];
        ui.scope(|ui| {
            let easing = choice_ui(ui, cx.state.doc.morph.easing, &easings);
            cx.extend(easing.map(MorphWish::SetEasing));
        });
        ui.add_space(theme::GAP);
        let mut steps = cx.state.doc.morph.steps;
        if number_ui(ui, "Steps", &mut steps, 2..=60, "Pictures in the filmstrip").changed() {
            cx.push(MorphWish::SetSteps(steps));
        }
    });
}

/// Play, and the position on the path.
fn transport_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let (icon, text, tip) = if cx.state.desks.morph.playing {
        (Icon::Pause, "Pause", "Stop here (Space)")
    } else {
        (Icon::Play, "Play", "Run along the path (Space)")
    };
    // Room for the sign in front; both texts come out equally wide.
    let button =
        egui::Button::new(format!("     {text}")).min_size(vec2(78.0, theme::CONTROL_HEIGHT));
    let response = ui.add(button);
    let enabled = ui.is_enabled();
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, text));
    paint_in_front(ui, &response, icon, cx.tokens.text);
    if response.on_hover_text(tip).clicked() {
        cx.push(MorphWish::Play(!cx.state.desks.morph.playing));
    }
    let mut t = cx.state.desks.morph.t;
    let tip = "Position on the path: 0 is the first picture, 1 the last";
    if wide_slider_ui(ui, ("Position", 58.0), &mut t, 0.0..=1.0, 3, tip).changed() {
        cx.push(MorphWish::SetT(t));
    }
}
