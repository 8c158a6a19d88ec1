//! The right side of the attributes screen: the directions that were built, and what each does.

use egui::{Key, Rect, RichText, Sense, Ui, Vec2, vec2};

use super::tab::{AMOUNTS, amount_of};
use super::{AttributesWish, OwnDirection, STRIP, looked_at, strip_cell};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::screens::Tab;
use crate::app::screens::edit::{EditWish, pretty};
use crate::app::state::Selection;
use crate::app::theme::{self, section_ui};
use crate::app::widgets::Cx;
use crate::app::widgets::controls::button_ui;
use crate::app::widgets::icons::{Icon, icon_button_ui, note_ui};
use crate::app::widgets::picture::{picture_button, picture_menu_ui};
use crate::app::widgets::slot::picture_choice_ui;
use crate::engine::message::AttributeInfo;

/// Other directions that are named as moved.
const LEAKS: usize = 5;
/// What moves another score by less than this is left out.
const LEAK: f32 = 0.05;
/// Left-out pictures that are listed.
const LISTED: usize = 200;

/// The directions that were built here, the figures of one of them, and what was left out.
pub fn results_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.heading("Built here");
    let own = cx.state.doc.attributes.own.clone();
    if own.is_empty() {
        let text = "Nothing yet. What you build gets its slider on Edit at once, and stays with the session.";
        ui.add(egui::Label::new(RichText::new(text).color(cx.tokens.text_weak)).wrap());
    }
    for direction in &own {
        row_ui(ui, cx, direction);
    }
    save_ui(ui, cx);
    if let Some(direction) = looked_at(cx.state).cloned() {
        ui.add_space(theme::GAP);
        figures_ui(ui, cx, &direction);
    }
    left_out_ui(ui, cx);
}

/// A direction: its name, which shows its figures, and what can be done with it.
fn row_ui(ui: &mut Ui, cx: &mut Cx<'_>, own: &OwnDirection) {
    let renaming = cx.state.desks.attributes.renaming.clone();
    if let Some((id, text)) = renaming.filter(|(id, _)| *id == own.id) {
        rename_ui(ui, cx, own, id, text);
        return;
    }
    let mut open = cx.state.live.attributes.iter();
    let open = open.find(|a| a.built == Some(own.id)).cloned();
    let name = open.as_ref().map_or(&own.name, |open| &open.name);
    ui.horizontal(|ui| {
        let shown = looked_at(cx.state).and_then(|a| a.built) == Some(own.id);
        let button = egui::Button::selectable(shown, name.as_str()).frame_when_inactive(true);
        let tip = match open {
            Some(_) => "Show its figures",
            None => "It belongs to another model, and waits until that is open",
        };
        let response = ui.add_enabled(open.is_some(), button);
        let response = response.on_hover_text(tip).on_disabled_hover_text(tip);
        if response.clicked() {
            cx.push(AttributesWish::LookAt(own.id));
        }
        let tip = "Put its slider to use on Edit";
        if button_ui(ui, open.is_some(), "Edit with it", tip) {
            match cx.state.doc.attributes.shown.clone() {
                Some(named) => cx.push(EditWish::SetBase(named)),
                None => cx.push(Action::SetTab(Tab::Edit)),
            }
        }
        if button_ui(ui, true, "Rename", "Give it another name") {
            let text = own.name.clone();
            cx.push(AttributesWish::TypeName(Some((own.id, text))));
        }
        let label = format!("Remove {name}");
        let tip = "Close it; undo brings it back";
        if icon_button_ui(ui, true, Icon::Remove, &label, tip).clicked() {
            cx.push(AttributesWish::Remove(own.id));
        }
    });
}

fn rename_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    own: &OwnDirection,
    id: crate::engine::message::DirectionId,
    text: String,
) {
    let mut typed = text;
    ui.horizontal(|ui| {
        let field = egui::TextEdit::singleline(&mut typed).desired_width(150.0);
        let response = ui.add(field);
        let before = own.name.clone();
        response.widget_info(|| {
            let mut info = egui::WidgetInfo::text_edit(true, &before, &typed, "");
            info.label = Some(format!("New name of {before}"));
            info
        });
        let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if !entered && ui.memory(|m| m.focused().is_none()) {
            response.request_focus();
        }
        if response.changed() {
            cx.push(AttributesWish::TypeName(Some((id, typed.clone()))));
        }
        let named = !typed.trim().is_empty();
        if button_ui(ui, named, "OK", "Take this name (Enter)") || (entered && named) {
            cx.push(AttributesWish::Rename(id, typed.clone()));
        }
        if button_ui(ui, true, "Cancel", "Keep the name that it has (Esc)") {
            cx.push(AttributesWish::TypeName(None));
        }
    });
}

fn save_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.state.doc.attributes.own.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let tip = "Write directions to a file; Model > Open attributes… opens it again";
        if button_ui(ui, true, "Save directions…", tip) {
            cx.push(Action::Browse(PathPurpose::SaveDirections));
        }
        let mut only = cx.state.desks.attributes.only_built;
        let tip = "Leave out those that came from a file";
        let response = ui.checkbox(&mut only, "Only those built here");
        if response.on_hover_text(tip).changed() {
            cx.push(AttributesWish::SetOnlyBuilt(only));
        }
    });
}

fn figures_ui(ui: &mut Ui, cx: &mut Cx<'_>, direction: &AttributeInfo) {
    section_ui(ui, &pretty(&direction.name).to_uppercase());
    let [with, without] = direction.counts;
    if without == 0 {
        let text = "Found without labels: its name is yours to give";
        ui.add(egui::Label::new(text).wrap());
        return rest_ui(ui, cx, direction);
    }
    ui.label(format!("Learnt from {with} with it and {without} without"));
    let held_out = match direction.auc {
        Some(auc) => format!(
            "AUC {auc:.2} on {} held out: 1 tells all apart, 0.5 none",
            direction.held_out
        ),
        None => "Too few to hold any out: how well it tells them apart is not known".to_owned(),
    };
    ui.add(egui::Label::new(held_out).wrap());
    rest_ui(ui, cx, direction);
}

/// How it was found, one picture moved along it, and what it brings along.
fn rest_ui(ui: &mut Ui, cx: &mut Cx<'_>, direction: &AttributeInfo) {
    let weak = cx.tokens.text_weak;
    let [low, high] = direction.range;
    let text = format!("{}; slider {low:+.1} to {high:+.1}", direction.method);
    ui.add(egui::Label::new(RichText::new(text).small().color(weak)).wrap());
    ui.add_space(4.0);
    strip_ui(ui, cx, direction);
    ui.add_space(4.0);
    leakage_ui(ui, cx, direction);
}

/// One picture moved along it.
fn strip_ui(ui: &mut Ui, cx: &mut Cx<'_>, direction: &AttributeInfo) {
    ui.horizontal(|ui| {
        ui.label("Shown on");
        let shown = cx.state.doc.attributes.shown.clone();
        let chosen = picture_choice_ui(ui, cx, "Picture of the strip", 150.0, shown.as_ref());
        cx.extend(chosen.map(AttributesWish::Show));
    });
    let n = AMOUNTS.len();
    let gap = theme::CELL_GAP;
    let width = ui.available_width();
    let side = ((width - gap * (n - 1) as f32) / n as f32)
        .floor()
        .clamp(16.0, 128.0);
    let (room, _) = ui.allocate_exact_size(vec2(width, side + 16.0), Sense::hover());
    for i in 0..n {
        let left = room.min + vec2(i as f32 * (side + gap), 0.0);
        let rect = Rect::from_min_size(left, Vec2::splat(side));
        let Some(named) = strip_cell(cx.state, i as u32) else {
            continue;
        };
        let picture = cx.state.cell_picture(STRIP, i as u32).cloned();
        let selection = Selection::Of(Tab::Attributes, i as u32);
        let selected = cx.state.selection == selection;
        let id = ui.scope_id().with(("strip", i));
        let response = picture_button(ui, cx, rect, id, &named.label, selected, picture.as_ref());
        response.context_menu(|ui| picture_menu_ui(ui, cx, &named, selection));
        if response.on_hover_text(&named.label).clicked() {
            cx.push(Action::Select(selection));
        }
        let text = match amount_of(direction, i as u32) {
            Some(amount) if amount != 0.0 => format!("{amount:+}"),
            _ => "as it is".to_owned(),
        };
        ui.painter().text(
            rect.center_bottom() + vec2(0.0, 2.0),
            egui::Align2::CENTER_TOP,
            text,
            egui::TextStyle::Small.resolve(ui.style()),
            cx.tokens.text_weak,
        );
    }
}

/// What it brings along.
fn leakage_ui(ui: &mut Ui, cx: &Cx<'_>, direction: &AttributeInfo) {
    let leaks = direction.leakage.iter().filter(|(_, by)| by.abs() >= LEAK);
    let leaks = leaks.map(|(name, by)| format!("{} {by:+.2}", pretty(name)));
    let leaks: Vec<String> = leaks.take(LEAKS).collect();
    let text = match (direction.leakage.is_empty(), leaks.is_empty()) {
        (true, _) => "No other directions are open that it could move".to_owned(),
        (false, true) => "+1 moves the scores of the other directions hardly at all".to_owned(),
        (false, false) => format!("+1 also moves {}", leaks.join(", ")),
    };
    let tip = "By how much +1 changes the scores on the other open directions, in units of their sliders; Keep other attributes on Edit takes it out";
    let label = egui::Label::new(RichText::new(text).color(cx.tokens.text_weak)).wrap();
    ui.add(label).on_hover_text(tip);
}

/// What the last build could not use.
fn left_out_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(report) = cx.state.desks.attributes.report.clone() else {
        return;
    };
    for text in &report.left_out {
        note_ui(
            ui,
            Icon::Warning,
            cx.tokens.warning,
            &format!("Not built: {text}"),
        );
    }
    let n = report.unreadable.len();
    if n == 0 {
        return;
    }
    let pictures = if n == 1 { "picture" } else { "pictures" };
    egui::CollapsingHeader::new(format!("{n} {pictures} left out"))
        .default_open(n <= 3)
        .show(ui, |ui| {
            for text in report.unreadable.iter().take(LISTED) {
                note_ui(ui, Icon::Warning, cx.tokens.warning, text);
            }
            if n > LISTED {
                ui.label(format!("and {} more", n - LISTED));
            }
        });
}
