//! The edit tab: a slider per attribute on one picture.

use egui::{CentralPanel, Margin, Panel, Rect, Sense, Stroke, Ui, Vec2, pos2, vec2};

use super::{EDITED, EditWish, PICTURES, photo};
use crate::app::action::Action;
use crate::app::dialog::ExportSource;
use crate::app::screens::Tab;
use crate::app::state::{Named, Picture};
use crate::app::theme;
use crate::app::views;
use crate::app::widgets::controls::{button_ui, full_slider_ui, row_with_end_ui, slider_ui};
use crate::app::widgets::icons::{Icon, icon_button_ui, icon_toggle_ui};
use crate::app::widgets::picture::{
    paint_ring, paint_uv, picture_button, picture_menu_ui, square_in,
};
use crate::app::widgets::slot::picture_choice_ui;
use crate::app::widgets::{Cx, zoom};
use crate::engine::message::AttributeInfo;

/// Attributes beyond which a search box helps.
const SEARCH_FROM: usize = 8;

/// Attributes that are listed where there are more, the best first; the others are found by their names.
const SHOWN: usize = 12;

/// A direction that tells the sides apart less well than this is marked as weak.
const WEAK_AUC: f32 = 0.7;

/// Sliders on the right of the picture, controls below.
pub fn edit_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    views::controls_ui(ui, cx, "edit controls", controls_ui);
    let tokens = cx.tokens;
    // In a narrow window the picture keeps half of the room.
    let most = (0.5 * ui.available_width()).clamp(120.0, 480.0);
    Panel::right("attributes")
        .frame(theme::panel_frame(&tokens, Margin::same(14)).fill(tokens.background))
        .default_size(350.0_f32.min(most))
        .size_range(270.0_f32.min(most)..=most)
        .show(ui, |ui| attributes_ui(ui, cx));
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame()
        .frame(frame)
        .show(ui, |ui| pictures_ui(ui, cx));
}

/// The edited picture large, its base small beside it.
fn pictures_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let room = ui.available_rect_before_wrap();
    let Some(base) = cx.state.doc.edit.base.clone() else {
        ui.centered_and_justified(|ui| {
            let text = "Select a picture and press E,\nor drop one here from the shelf";
            ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
        });
        let response = ui.interact(room, ui.scope_id().with("drop"), Sense::hover());
        take_drop(&response, cx);
        return;
    };
    let (before, hero) = places(room);
    caption(ui, cx, before, "Base");
    let picture = cx
        .state
        .cell_picture(PICTURES, 1)
        .or_else(|| cx.state.picture_of(&base.recipe));
    let picture = picture.cloned();
    let label = format!("Base: {}", base.label);
    let id = ui.scope_id().with("base");
    let response = picture_button(ui, cx, before, id, &label, false, picture.as_ref());
    if response.dnd_hover_payload::<Named>().is_some() {
        paint_ring(ui.painter(), &cx.tokens, before, true, false);
    }
    take_drop(&response, cx);
    response.on_hover_text(&base.label);

    let Some(result) = cx.state.doc.edit.result() else {
        return;
    };
    let whole = cx.state.desks.edit.photo && photo::photo_of(cx.state).is_some();
    if whole {
        // Beside the base in a wide room, below it in a tall one, as large as there is room.
        let mut room = room.with_min_y(hero.top());
        if hero.left() > before.right() {
            room.min.x = before.right() + theme::GROUP_GAP;
        }
        let title = if cx.state.desks.edit.before {
            "Before"
        } else {
            "The whole photo, edited"
        };
        caption(ui, cx, room, title);
        photo::photo_ui(ui, cx, room);
        let desk = &cx.state.desks.edit;
        if let Some(at) = desk.wipe.filter(|_| !desk.before) {
            wipe_line_ui(ui, cx, room, at);
        }
        return;
    }
    let (cell, title) = if cx.state.desks.edit.before {
        (1, "Before")
    } else {
        (0, "Edited")
    };
    caption(ui, cx, hero, title);
    let picture = cx.state.cell_picture(PICTURES, cell).cloned();
    let id = ui.scope_id().with("hero");
    let response = zoom::hero_ui(ui, cx, hero, id, &result, picture.as_ref());
    if response.clicked() {
        cx.push(Action::Select(EDITED));
    }
    response.context_menu(|ui| picture_menu_ui(ui, cx, &result, EDITED));
    if let Some(at) = cx.state.desks.edit.wipe.filter(|_| cell == 0) {
        let base = cx.state.cell_picture(PICTURES, 1).cloned();
        let uv = zoom::shown_part(ui, id);
        wipe_ui(ui, cx, hero, uv, base.as_ref(), at);
    }
}

/// The base over the left part of the edited picture, and the line between them.
fn wipe_ui(ui: &mut Ui, cx: &mut Cx<'_>, hero: Rect, uv: Rect, base: Option<&Picture>, at: f32) {
    let x = hero.left() + hero.width() * at;
    let left = hero.with_max_x(x);
    let painter = ui.painter().with_clip_rect(left.intersect(ui.clip_rect()));
    paint_uv(&painter, cx.textures, &cx.tokens, hero, base, uv);
    wipe_line_ui(ui, cx, hero, at);
    for (text, align, dx) in [
        ("Before", egui::Align2::RIGHT_TOP, -6.0),
        ("After", egui::Align2::LEFT_TOP, 6.0),
    ] {
        let font = egui::TextStyle::Small.resolve(ui.style());
        let galley = ui
            .painter()
            .layout_no_wrap(text.to_owned(), font, cx.tokens.text);
        let place = align.anchor_size(
            pos2(x + dx, hero.top() + 6.0),
            galley.size() + vec2(8.0, 4.0),
        );
        if hero.contains_rect(place) {
            ui.painter().rect_filled(place, 3, cx.tokens.raised);
            ui.painter()
                .galley(place.min + vec2(4.0, 2.0), galley, cx.tokens.text);
        }
    }
}

/// The line between before and after, which can be dragged.
fn wipe_line_ui(ui: &mut Ui, cx: &mut Cx<'_>, hero: Rect, at: f32) {
    let x = hero.left() + hero.width() * at;
    let grip = Rect::from_center_size(pos2(x, hero.center().y), vec2(14.0, hero.height()));
    let id = ui.scope_id().with("wipe");
    let response = ui.interact(grip, id, Sense::drag());
    response.widget_info(|| {
        let value = f64::from(at);
        egui::WidgetInfo::slider(true, value, "Line between before and after")
    });
    let response = response.on_hover_cursor(egui::CursorIcon::ResizeHorizontal);
    if let Some(pointer) = response
        .interact_pointer_pos()
        .filter(|_| response.dragged())
    {
        let to = (pointer.x - hero.left()) / hero.width().max(1.0);
        cx.push(EditWish::Wipe(Some(to)));
    }
    let lit = response.hovered() || response.dragged();
    let color = if lit {
        cx.tokens.accent
    } else {
        cx.tokens.text
    };
    ui.painter()
        .vline(x, hero.y_range(), Stroke::new(2.0, color));
}

/// Room for the caption over a picture.
const CAPTION: f32 = 20.0;

/// Where base and result lie: beside each other in a wide room, one over the other in a tall one.
fn places(room: Rect) -> (Rect, Rect) {
    let spare = room.height() - room.width() - 2.0 * CAPTION - theme::GAP;
    let tall = spare >= 64.0;
    let small = if tall {
        spare.min(140.0)
    } else {
        (room.width() * 0.22).clamp(36.0, 150.0)
    };
    let before = Rect::from_min_size(room.min + vec2(0.0, CAPTION), Vec2::splat(small));
    let rest = if tall {
        room.with_min_y(before.bottom() + theme::GAP + CAPTION)
    } else {
        let left = before.right() + theme::GROUP_GAP;
        room.with_min_x(left).with_min_y(before.top())
    };
    // Both begin at the same line; what is left over stays at the bottom.
    let hero = square_in(rest);
    let hero = hero.translate(rest.min - hero.min);
    let centred = if tall {
        0.0
    } else {
        ((rest.width() - hero.width()) / 2.0).max(0.0)
    };
    (before, hero.translate(vec2(centred, 0.0)))
}

fn take_drop(response: &egui::Response, cx: &mut Cx<'_>) {
    if let Some(named) = response.dnd_release_payload::<Named>() {
        cx.push(EditWish::SetBase((*named).clone()));
    }
}

fn caption(ui: &Ui, cx: &Cx<'_>, rect: Rect, text: &str) {
    ui.painter().text(
        rect.left_top() - vec2(0.0, 4.0),
        egui::Align2::LEFT_BOTTOM,
        text,
        egui::TextStyle::Small.resolve(ui.style()),
        cx.tokens.text_weak,
    );
}

fn attributes_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let attributes = &cx.state.live.attributes;
    if attributes.is_empty() {
        ui.add_space(theme::GROUP_GAP);
        ui.label("No attributes are open");
        let text = "Model > Open attributes… loads directions that belong to this model.";
        ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
        return;
    }
    ui.horizontal(|ui| {
        theme::section_ui(ui, "ATTRIBUTES");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let edit = &cx.state.doc.edit;
            let any = !edit.amounts.is_empty() || edit.temperature != 1.0;
            if button_ui(ui, any, "Reset all", "All sliders to zero (0)") {
                cx.push(EditWish::ResetAmounts);
            }
        });
    });
    if attributes.len() > SEARCH_FROM {
        let mut text = cx.state.desks.edit.search.clone();
        let field = egui::TextEdit::singleline(&mut text)
            .hint_text("Search attributes")
            .desired_width(f32::INFINITY);
        let response = ui.add(field);
        response.widget_info(|| {
            let mut info =
                egui::WidgetInfo::text_edit(true, &cx.state.desks.edit.search, &text, "");
            info.label = Some("Search attributes".to_owned());
            info
        });
        if response.changed() {
            cx.push(EditWish::SetSearch(text));
        }
    }
    let base = cx.state.doc.edit.base.as_ref();
    let projections = base
        .and_then(|b| cx.state.inspection_of(&b.recipe))
        .map(|i| i.projections.clone());
    // Explained where it stands, and its room is there before the figures are.
    let text = match projections {
        Some(_) => "The small triangle marks where the picture itself lies",
        None => "",
    };
    ui.label(egui::RichText::new(text).small().color(cx.tokens.text_weak));
    let needle = cx.state.desks.edit.search.to_lowercase();
    let label_width = label_width(ui, attributes);
    egui::ScrollArea::vertical()
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.add_enabled_ui(base.is_some(), |ui| {
                let favourites = &cx.state.desks.edit.favourites;
                let mut rows: Vec<(usize, &AttributeInfo)> =
                    attributes.iter().enumerate().collect();
                // What somebody has just built is what they look for.
                let is_first =
                    |a: &AttributeInfo| favourites.contains(&a.name) || a.built.is_some();
                let many = rows.len() > SHOWN;
                if many {
                    // Of so many the best first; of few the order of the file says what belongs together.
                    let auc = |a: &AttributeInfo| a.auc.unwrap_or(0.0);
                    rows.sort_by(|(_, a), (_, b)| auc(b).total_cmp(&auc(a)));
                }
                // The sort is stable: both groups keep their order.
                rows.sort_by_key(|(_, attribute)| !is_first(attribute));
                let mut left = SHOWN;
                let mut hidden = 0;
                for (i, attribute) in rows {
                    // A needle finds names as they are shown and as they are in the file.
                    let name = attribute.name.to_lowercase();
                    if !name.contains(&needle) && !name.replace('_', " ").contains(&needle) {
                        continue;
                    }
                    let moved = cx.state.doc.edit.amounts.contains_key(&attribute.name);
                    if many && needle.is_empty() && left == 0 && !moved && !is_first(attribute) {
                        hidden += 1;
                        continue;
                    }
                    left = left.saturating_sub(1);
                    let projection = projections.as_ref().and_then(|p| p.get(i)).copied();
                    attribute_ui(ui, cx, attribute, projection, label_width);
                }
                if hidden > 0 {
                    let text = format!("{hidden} more, less sure ones: search for their names");
                    ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
                }
            });
        });
}

/// Room for the longest name, so that the rails get what is left.
fn label_width(ui: &Ui, attributes: &[AttributeInfo]) -> f32 {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let width = |a: &AttributeInfo| {
        let name = pretty(&a.name);
        let color = egui::Color32::PLACEHOLDER;
        let galley = ui.painter().layout_no_wrap(name, font.clone(), color);
        galley.size().x.ceil() + 4.0
    };
    let widest = attributes.iter().map(width).fold(60.0, f32::max);
    widest.min(theme::ATTRIBUTE_LABEL_WIDTH)
}

fn attribute_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    attribute: &AttributeInfo,
    projection: Option<f32>,
    label_width: f32,
) {
    let mut amount = cx
        .state
        .doc
        .edit
        .amounts
        .get(&attribute.name)
        .copied()
        .unwrap_or(0.0);
    let [low, high] = attribute.range;
    // Every slider has its zero at one place, in the middle, though pictures stay whole further on one side.
    let end = low.abs().max(high.abs()).max(0.01);
    let desk = &cx.state.desks.edit;
    let favourite = desk.favourites.contains(&attribute.name);
    let held = desk.held.contains(&attribute.name);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let shown = pretty(&attribute.name);
        let (name, tip_of_star) = match favourite {
            true => (format!("{shown} among the others"), "Back into its place"),
            false => (format!("{shown} first"), "Put it first"),
        };
        if icon_toggle_ui(ui, favourite, Icon::Star, &name, tip_of_star).clicked() {
            cx.push(EditWish::Favour(attribute.name.clone(), !favourite));
        }
        let (name, tip_of_lock) = match held {
            true => (format!("Let {shown} go"), "Let it be moved and reset again"),
            false => (
                format!("Hold {shown}"),
                "Keep it where it is, also when all are reset",
            ),
        };
        if icon_toggle_ui(ui, held, Icon::Lock, &name, tip_of_lock).clicked() {
            cx.push(EditWish::Hold(attribute.name.clone(), !held));
        }
        let reset_width = theme::CONTROL_HEIGHT + 4.0 + ui.spacing().item_spacing.x;
        let row = vec2(ui.available_width() - reset_width, theme::CONTROL_HEIGHT);
        let response = ui
            .allocate_ui(row, |ui| {
                let weak = attribute.auc.is_some_and(|auc| auc < WEAK_AUC);
                let name = pretty(&attribute.name) + if weak { " (weak)" } else { "" };
                let label = (name.as_str(), label_width);
                ui.add_enabled_ui(!held, |ui| {
                    let tip = tip(attribute, projection);
                    full_slider_ui(ui, label, &mut amount, -end..=end, 2, &tip)
                })
                .inner
            })
            .inner;
        if let Some(projection) = projection {
            paint_tick(ui, cx, response.rect, [-end, end], projection);
        }
        if response.changed() {
            let amount = amount.clamp(low, high);
            // A slider let go near zero means zero: the direction is left out altogether.
            let snapped = if amount.abs() < 0.005 { 0.0 } else { amount };
            cx.push(EditWish::SetAmount(attribute.name.clone(), snapped));
        }
        let name = format!("Reset {}", pretty(&attribute.name));
        if icon_button_ui(ui, amount != 0.0 && !held, Icon::Reset, &name, &name).clicked() {
            cx.push(EditWish::SetAmount(attribute.name.clone(), 0.0));
        }
    });
}

/// A small triangle under the rail where the picture itself lies.
fn paint_tick(ui: &Ui, cx: &Cx<'_>, slider: Rect, range: [f32; 2], projection: f32) {
    let share = ((projection - range[0]) / (range[1] - range[0]).max(1e-6)).clamp(0.0, 1.0);
    // The rail as egui lays it out: the handle's radius is kept free at both ends.
    let radius = slider.height() / 2.5 * theme::HANDLE_ASPECT;
    let rail = slider.width() - theme::VALUE_WIDTH - ui.spacing().item_spacing.x - 2.0 * radius;
    let x = slider.left() + radius + rail * share;
    let y = slider.center().y + 6.0;
    let points = vec![pos2(x, y), pos2(x - 4.0, y + 6.0), pos2(x + 4.0, y + 6.0)];
    let shape = egui::Shape::convex_polygon(points, cx.tokens.text_weak, Stroke::NONE);
    ui.painter().add(shape);
}

fn tip(attribute: &AttributeInfo, projection: Option<f32>) -> String {
    let name = pretty(&attribute.name);
    let mut tip = match attribute.counts {
        // Nobody said which picture has it.
        [n, 0] if n > 0 => format!("{name}: {}", attribute.method),
        [with, without] => {
            format!("{name}: found from {with} pictures with it and {without} without")
        }
    };
    if let Some(auc) = attribute.auc {
        tip += &format!(", tells them apart with AUC {auc:.3}");
        if auc < WEAK_AUC {
            tip += "\nA weak direction: it says little of what it is called after";
        }
    }
    if let Some(projection) = projection {
        tip += &format!("\nThe triangle marks the picture itself: {projection:+.2}");
    }
    tip
}

/// `Mouth_Slightly_Open` as people write it.
pub fn pretty(name: &str) -> String {
    let lower = name.replace('_', " ").to_lowercase();
    let mut chars = lower.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn controls_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let ready = cx.state.doc.edit.base.is_some();
    let mut export = false;
    let tip = "Write it, or before and after, to a file (Ctrl+E)";
    row_with_end_ui(
        ui,
        |ui| export = button_ui(ui, ready, "Export…", tip),
        |ui| {
            base_choice_ui(ui, cx);
            lock_ui(ui, cx);
            compare_ui(ui, cx, ready);
            wipe_choice_ui(ui, cx, ready);
            photo_choice_ui(ui, cx);
        },
    );
    if export {
        cx.push(Action::OpenExport(ExportSource::Screen(Tab::Edit)));
    }
    ui.add_space(2.0);
    ui.horizontal_wrapped(|ui| {
        let mut temperature = cx.state.doc.edit.temperature;
        let tip = "Factor on the latent after the edit: below 1 smoother, 1 as it is";
        if slider_ui(ui, "Temperature", &mut temperature, 0.0..=1.2, 2, tip).changed() {
            cx.push(EditWish::SetTemperature(temperature));
        }
        let mut keep = cx.state.doc.edit.keep_others;
        let tip = "Each direction is freed of what it shares with the others, so that they stay";
        if ui
            .checkbox(&mut keep, "Keep other attributes")
            .on_hover_text(tip)
            .changed()
        {
            cx.push(EditWish::SetKeepOthers(keep));
        }
    });
}

/// Whether the base follows the shelf.
fn lock_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let locked = cx.state.desks.edit.locked;
    let tip = match locked {
        true => "The base stays; unlocked, it follows what is selected on the shelf",
        false => "The base follows what is selected on the shelf; locked, it stays",
    };
    if icon_toggle_ui(ui, locked, Icon::Lock, "Lock the base", tip).clicked() {
        cx.push(EditWish::Lock(!locked));
    }
}

/// Both pictures at once, with a line between them.
fn wipe_choice_ui(ui: &mut Ui, cx: &mut Cx<'_>, ready: bool) {
    let wipe = cx.state.desks.edit.wipe;
    let button = egui::Button::selectable(wipe.is_some(), "Wipe").frame_when_inactive(true);
    let tip = "Before on the left, after on the right, and a line to drag between them";
    let response = ui.add_enabled(ready, button).on_hover_text(tip);
    if response.clicked() {
        cx.push(EditWish::Wipe(super::flipped(wipe)));
    }
}

/// The whole photo in place of the model's picture, where the base is one.
fn photo_choice_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let on = cx.state.desks.edit.photo;
    let ready = photo::photo_of(cx.state).is_some();
    let button = egui::Button::selectable(on && ready, "Whole photo").frame_when_inactive(true);
    let tip = match ready {
        true => "The photo at its full size with the edit in it; scroll and drag to look closely",
        false => "Only for the edit of a photo: choose one as the base",
    };
    let response = ui.add_enabled(ready, button);
    if response
        .on_hover_text(tip)
        .on_disabled_hover_text(tip)
        .clicked()
    {
        cx.push(EditWish::ShowPhoto(!on));
    }
}

/// Shows the picture before the edit as long as the button or the key is held.
fn compare_ui(ui: &mut Ui, cx: &mut Cx<'_>, ready: bool) {
    let response = ui
        .add_enabled(ready, egui::Button::new("Hold to compare"))
        .on_hover_text("Shows the picture before the edit while held (or hold C)");
    let key_held = !ui.ctx().egui_wants_keyboard_input()
        && cx.state.dialog.is_none()
        && ui.input(|i| i.key_down(egui::Key::C) && i.modifiers.is_none());
    let before = ready && (response.is_pointer_button_down_on() || key_held);
    if before != cx.state.desks.edit.before {
        cx.push(EditWish::ShowBefore(before));
    }
}

fn base_choice_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let base = cx.state.doc.edit.base.clone();
    ui.label("Base");
    let chosen = picture_choice_ui(ui, cx, "Base", 150.0, base.as_ref());
    cx.extend(chosen.map(EditWish::SetBase));
}
