//! The whole photo with the edit in it: what is written as "Whole photo", looked at closely before it is.

use egui::{Align2, Color32, Rect, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};

use super::{EditDesk, EditWish};
use crate::app::state::{Photo, State};
use crate::app::widgets::Cx;
use crate::app::widgets::picture::{paint_badge, paint_uv};
use crate::engine::message::{Answer, PhotoPart, Question, Recipe};
use crate::recipe;

/// Points of the screen for a pixel of the photo, at most.
const MAX_SCALE: f32 = 4.0;
/// The most pixels a side that are asked for: what a screen has.
const MAX_SIDE: f32 = 1600.0;

/// Which part of the photo is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The pixel of the photo in the middle.
    pub center: Vec2,
    /// Points of the screen for a pixel of the photo; `None` shows the whole.
    pub scale: Option<f32>,
}

/// The photo that the edit starts from.
pub fn photo_of(state: &State) -> Option<&Photo> {
    let base = state.doc.edit.base.as_ref()?;
    let id = recipe::root(&base.recipe)?;
    state.items.get(&id)?.photo.as_ref()
}

/// What the worker is asked for the part that is looked at.
pub fn question(state: &State) -> Option<Question> {
    let desk = &state.desks.edit;
    let part = desk.part.filter(|_| desk.photo)?;
    photo_of(state)?;
    let recipe = state.doc.edit.result()?.recipe;
    Some(Question::Photo { recipe, part })
}

/// The photo in `room`: scroll zooms at the pointer, a drag pans, a double click goes to its pixels and back.
pub fn photo_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect) {
    let Some(photo) = photo_of(cx.state).cloned() else {
        return;
    };
    let [width, height] = photo.size.map(|side| side.max(1) as f32);
    let size = vec2(width, height);
    let fit = (room.width() / width).min(room.height() / height).max(1e-4);
    let largest = MAX_SCALE.max(fit);
    let look = cx.state.desks.edit.look;
    let (mut scale, mut center) = match look {
        Some(Look {
            center,
            scale: Some(scale),
        }) => (scale.clamp(fit, largest), center),
        _ => (fit, size / 2.0),
    };

    let id = ui.scope_id().with("photo");
    let response = ui.interact(room, id, Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Whole photo"));
    let under =
        |pointer: egui::Pos2, scale: f32, center: Vec2| center + (pointer - room.center()) / scale;
    if let Some(pointer) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let by = pinch * (scroll * 0.004).exp();
        if by != 1.0 {
            let at = under(pointer, scale, center);
            scale = (scale * by).clamp(fit, largest);
            center = at - (pointer - room.center()) / scale;
        }
    }
    if let Some(pointer) = response
        .interact_pointer_pos()
        .filter(|_| response.double_clicked())
    {
        let at = under(pointer, scale, center);
        let pixel = 1.0 / ui.ctx().pixels_per_point();
        let pixels = pixel.clamp(fit, largest);
        scale = if scale > fit { fit } else { pixels };
        center = at - (pointer - room.center()) / scale;
    }
    center -= response.drag_delta() / scale;
    // No further than to the border; what is smaller than the room lies in its middle.
    let half = room.size() / scale / 2.0;
    let inside = |c: f32, half: f32, side: f32| match 2.0 * half >= side {
        true => side / 2.0,
        false => c.clamp(half, side - half),
    };
    center = vec2(
        inside(center.x, half.x, width),
        inside(center.y, half.y, height),
    );

    let to_screen = |p: Vec2| room.center() + (p - center) * scale;
    let whole = Rect::from_min_max(to_screen(Vec2::ZERO), to_screen(size));
    let seen = whole.intersect(room);
    let from_screen = |p: egui::Pos2| ((p - whole.min) / whole.size()).to_pos2();
    let uv = Rect::from_min_max(from_screen(seen.min), from_screen(seen.max));
    // The small copy of the photo at once, the part itself over it as soon as it is there.
    let painter = ui.painter().with_clip_rect(room.intersect(ui.clip_rect()));
    paint_uv(
        &painter,
        cx.textures,
        &cx.tokens,
        seen,
        Some(&photo.preview),
        uv,
    );

    let ends = |low: f32, high: f32, side: u32| {
        let low = ((low * side as f32).floor().max(0.0) as u32).min(side.saturating_sub(1));
        let high = ((high * side as f32).ceil() as u32).clamp(low + 1, side.max(low + 1));
        (low, high - low)
    };
    let (left, w) = ends(uv.min.x, uv.max.x, photo.size[0]);
    let (top, h) = ends(uv.min.y, uv.max.y, photo.size[1]);
    let region = [left, top, w, h];
    let pixels = seen.size().max_elem() * ui.ctx().pixels_per_point();
    let part = PhotoPart {
        region,
        max_side: pixels.ceil().clamp(64.0, MAX_SIDE) as u32,
    };
    let new = Look {
        center,
        scale: (scale > fit).then_some(scale),
    };
    if look != Some(new) || cx.state.desks.edit.part != Some(part) {
        cx.push(EditWish::LookAt(new, part));
    }

    let desk = cx.state.desks.edit.clone();
    let shown = newest(cx.state);
    let waiting = question(cx.state).is_some_and(|q| shown.as_ref() != Some(&q));
    if let Some(question) = shown {
        let Question::Photo { part, .. } = &question else {
            return;
        };
        let [left, top, w, h] = part.region.map(|v| v as f32);
        let place = Rect::from_min_max(
            to_screen(vec2(left, top)),
            to_screen(vec2((left + w).min(width), (top + h).min(height))),
        );
        paint_parts(&painter, cx, &desk, place, room, &question);
    }
    let text = match (waiting, scale > fit) {
        (true, _) => "drawing…".to_owned(),
        (false, true) => format!("{:.0} %", scale * ui.ctx().pixels_per_point() * 100.0),
        (false, false) => format!("{} × {}", photo.size[0], photo.size[1]),
    };
    paint_badge(&painter, &cx.tokens, seen, &text, cx.tokens.text);
}

/// The newest part that is known of the photo, whatever was set.
fn newest(state: &State) -> Option<Question> {
    let base = state.doc.edit.base.as_ref()?;
    let id = recipe::root(&base.recipe)?;
    let of_photo = |recipe: &Recipe| recipe::root(recipe) == Some(id);
    let wanted = |q: &Question| matches!(q, Question::Photo { recipe, .. } if of_photo(recipe));
    let (question, answer) = state.live.answers.newest(wanted)?;
    matches!(answer, Answer::Photo { .. }).then(|| question.clone())
}

/// Before, after, or one beside the other.
fn paint_parts(
    painter: &egui::Painter,
    cx: &mut Cx<'_>,
    desk: &EditDesk,
    place: Rect,
    room: Rect,
    question: &Question,
) {
    let answers = &cx.state.live.answers;
    let before = answers.picture(question, 0).cloned();
    let after = answers.picture(question, 1).cloned();
    let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    let main = if desk.before { &before } else { &after };
    let Some(main) = main else { return };
    paint_uv(painter, cx.textures, &cx.tokens, place, Some(main), all);
    if let Some(at) = desk.wipe.filter(|_| !desk.before) {
        let x = room.left() + room.width() * at;
        let left = painter.with_clip_rect(painter.clip_rect().intersect(room.with_max_x(x)));
        paint_uv(&left, cx.textures, &cx.tokens, place, before.as_ref(), all);
        painter.vline(x, room.y_range(), Stroke::new(2.0, Color32::WHITE));
        let font = egui::FontId::proportional(12.0);
        let y = room.top() + 8.0;
        for (text, align, dx) in [
            ("Before", Align2::RIGHT_TOP, -8.0),
            ("After", Align2::LEFT_TOP, 8.0),
        ] {
            let place = pos2(x + dx, y);
            painter.text(
                place + vec2(1.0, 1.0),
                align,
                text,
                font.clone(),
                Color32::BLACK,
            );
            painter.text(place, align, text, font.clone(), Color32::WHITE);
        }
    }
}
