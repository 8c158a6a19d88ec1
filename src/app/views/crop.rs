//! The crop dialog: a square over the whole photo.

use egui::{Color32, CursorIcon, Key, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use super::frame::{buttons_ui, title_ui};
use crate::app::action::Action;
use crate::app::dialog::{CropForm, Dialog};
use crate::app::state::Photo;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, slider_ui};
use crate::engine::message::CropSquare;

/// Smallest square, pixels of the original.
const MIN_SIDE: f32 = 16.0;

/// The photo with the square, its size as a slider, and the buttons.
pub fn crop_ui(ui: &mut Ui, cx: &mut Cx<'_>, form: &CropForm) {
    let Some(photo) = cx
        .state
        .items
        .get(&form.item)
        .and_then(|i| i.photo.as_ref())
    else {
        cx.push(Action::Close);
        return;
    };
    let mut square = form.square;
    title_ui(ui, "Crop");
    let start = if photo.face_found {
        "Proposed from a face."
    } else if photo.is_whole() {
        "The whole picture."
    } else {
        "No face was found."
    };
    let text = format!(
        "{start} Drag to move, drag a corner or scroll to scale, arrow keys for single steps."
    );
    ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
    ui.add_space(4.0);
    let room = ui.ctx().content_rect().size() - vec2(160.0, 290.0);
    let [w, h] = photo.size.map(|side| side.max(1) as f32);
    let scale = (room.x.min(620.0) / w).min(room.y.min(460.0) / h).max(1e-3);
    ui.vertical_centered(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(w, h) * scale, Sense::hover());
        stage_ui(ui, cx, photo, rect, scale, &mut square);
    });
    ui.add_space(4.0);
    let longest = w.max(h) * 1.5;
    let tip = "Side of the square, in pixels of the photo";
    let slider = slider_ui(ui, "Size", &mut square.side, MIN_SIDE..=longest, 0, tip);
    // What had the focus before the dialog came up, or a button, has no use for arrows; the slider has.
    if !slider.has_focus() {
        keys(ui, &mut square);
    }
    square.side = square.side.clamp(MIN_SIDE, longest);
    square.cx = square.cx.clamp(0.0, w);
    square.cy = square.cy.clamp(0.0, h);
    if square != form.square {
        cx.push(Action::Show(Dialog::Crop(CropForm {
            item: form.item,
            square,
        })));
    }
    ui.add_space(8.0);
    let proposal = photo.proposal;
    let item = form.item;
    buttons_ui(ui, cx, |ui, cx| {
        if ui.add(theme::primary_button(ui, "Apply")).clicked() {
            cx.push(Action::Recrop(item, square));
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
        let moved = square != proposal;
        if button_ui(
            ui,
            moved,
            "Reset to proposal",
            "The square as it was first proposed",
        ) {
            cx.push(Action::Show(Dialog::Crop(CropForm {
                item,
                square: proposal,
            })));
        }
    });
}

fn stage_ui(
    ui: &Ui,
    cx: &mut Cx<'_>,
    photo: &Photo,
    rect: Rect,
    scale: f32,
    square: &mut CropSquare,
) {
    let response = ui.interact(rect, ui.scope_id().with("stage"), Sense::drag());
    response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Photo with the crop"));
    let frame = square_on_screen(rect, scale, square);
    let corners = [
        frame.left_top(),
        frame.right_top(),
        frame.right_bottom(),
        frame.left_bottom(),
    ];
    let near = |p: egui::Pos2| corners.iter().any(|c| c.distance(p) < 14.0);
    // What a drag does is decided where it begins, and it is measured from there: a finger arrives and presses in one frame.
    let id = response.id.with("drag");
    if let Some(origin) = response.interact_pointer_pos()
        && response.drag_started()
    {
        let origin = ui.input(|i| i.pointer.press_origin()).unwrap_or(origin);
        ui.data_mut(|d| d.insert_temp(id, (near(origin), vec2(square.cx, square.cy))));
    }
    if response.dragged() {
        let began: Option<(bool, Vec2)> = ui.data(|d| d.get_temp(id));
        match (began, response.interact_pointer_pos()) {
            (Some((true, _)), Some(pointer)) => {
                let reach = (pointer - frame.center()).abs();
                square.side = 2.0 * reach.max_elem() / scale;
            }
            (Some((false, centre)), _) => {
                let centre = centre + response.total_drag_delta().unwrap_or_default() / scale;
                (square.cx, square.cy) = (centre.x, centre.y);
            }
            _ => {}
        }
    }
    if response.hovered() {
        let scroll = ui.input(|i| i.smooth_scroll_delta().y);
        square.side *= (scroll * 0.002).exp();
        let over_corner = ui.input(|i| i.pointer.hover_pos()).is_some_and(near);
        let cursor = if over_corner {
            CursorIcon::ResizeNwSe
        } else {
            CursorIcon::Move
        };
        ui.ctx().set_cursor_icon(cursor);
    }

    let painter = ui.painter_at(rect.expand(2.0));
    let id = cx.textures.get(ui.ctx(), &photo.preview);
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    painter.image(id, rect, uv, Color32::WHITE);
    let frame = square_on_screen(rect, scale, square);
    // Outside the square the photo is dimmed, in four bands.
    let shade = Color32::from_black_alpha(150);
    let inner = frame.intersect(rect);
    for band in [
        Rect::from_min_max(rect.min, pos2(rect.right(), inner.top())),
        Rect::from_min_max(pos2(rect.left(), inner.bottom()), rect.max),
        Rect::from_min_max(
            pos2(rect.left(), inner.top()),
            pos2(inner.left(), inner.bottom()),
        ),
        Rect::from_min_max(
            pos2(inner.right(), inner.top()),
            pos2(rect.right(), inner.bottom()),
        ),
    ] {
        if band.is_positive() {
            painter.rect_filled(band, 0, shade);
        }
    }
    painter.rect_stroke(
        frame,
        0,
        Stroke::new(2.0, cx.tokens.accent),
        StrokeKind::Middle,
    );
    let thirds = Stroke::new(1.0, Color32::from_white_alpha(70));
    for third in 1..3 {
        let share = third as f32 / 3.0;
        painter.hline(
            frame.x_range(),
            frame.top() + frame.height() * share,
            thirds,
        );
        painter.vline(
            frame.left() + frame.width() * share,
            frame.y_range(),
            thirds,
        );
    }
    for corner in [
        frame.left_top(),
        frame.right_top(),
        frame.right_bottom(),
        frame.left_bottom(),
    ] {
        let handle = Rect::from_center_size(corner, Vec2::splat(10.0));
        painter.rect_filled(handle, 2, cx.tokens.accent);
    }
}

fn square_on_screen(rect: Rect, scale: f32, square: &CropSquare) -> Rect {
    Rect::from_center_size(
        rect.min + vec2(square.cx, square.cy) * scale,
        Vec2::splat(square.side * scale),
    )
}

/// Arrows move, plus and minus scale; with Shift ten at a time.
fn keys(ui: &Ui, square: &mut CropSquare) {
    ui.input(|input| {
        let step = if input.modifiers.shift { 10.0 } else { 1.0 };
        let pressed = |key| input.key_pressed(key);
        if pressed(Key::ArrowLeft) {
            square.cx -= step;
        }
        if pressed(Key::ArrowRight) {
            square.cx += step;
        }
        if pressed(Key::ArrowUp) {
            square.cy -= step;
        }
        if pressed(Key::ArrowDown) {
            square.cy += step;
        }
        if pressed(Key::Plus) || pressed(Key::Equals) {
            square.side += 2.0 * step;
        }
        if pressed(Key::Minus) {
            square.side -= 2.0 * step;
        }
    });
}
