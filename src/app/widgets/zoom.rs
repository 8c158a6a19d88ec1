//! Large pictures that can be looked at closely: scroll zooms at the pointer, a drag pans.

use egui::{Id, Rect, Role, Sense, Ui, Vec2, WidgetInfo};

use super::Cx;
use super::picture::{drag_source, paint_badge, paint_uv};
use crate::app::state::{Named, Picture};

/// Strongest zoom.
const MAX_FACTOR: f32 = 16.0;

/// Which part of a picture is shown: its centre in 0..1, and how much larger.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Zoom {
    factor: f32,
    center: Vec2,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            factor: 1.0,
            center: Vec2::splat(0.5),
        }
    }
}

impl Zoom {
    /// The part that is shown, in texture coordinates.
    fn uv(self) -> Rect {
        Rect::from_center_size(self.center.to_pos2(), Vec2::splat(1.0 / self.factor))
    }

    /// Zooms so that what is under `at` (0..1 of what is shown) stays there.
    fn scaled(self, by: f32, at: Vec2) -> Self {
        let factor = (self.factor * by).clamp(1.0, MAX_FACTOR);
        let under = self.center + (at - Vec2::splat(0.5)) / self.factor;
        let center = under - (at - Vec2::splat(0.5)) / factor;
        Self { factor, center }.inside()
    }

    /// Moved by a share of what is shown.
    fn moved(self, by: Vec2) -> Self {
        Self {
            center: self.center - by / self.factor,
            ..self
        }
        .inside()
    }

    /// Kept within the picture.
    fn inside(self) -> Self {
        let half = 0.5 / self.factor;
        Self {
            center: self
                .center
                .clamp(Vec2::splat(half), Vec2::splat(1.0 - half)),
            ..self
        }
    }
}

/// The part of a large picture that is shown, in texture coordinates: for what is painted over it.
pub fn shown_part(ui: &Ui, id: Id) -> Rect {
    let zoom: Zoom = ui.data(|d| d.get_temp(id)).unwrap_or_default();
    zoom.uv()
}

/// A large picture. As it is, a drag takes it to a slot; zoomed in, a drag pans.
pub fn hero_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    id: Id,
    named: &Named,
    picture: Option<&Picture>,
) -> egui::Response {
    linked_ui(ui, cx, rect, (id, id), named, picture)
}

/// The same, zoomed as everything else with this `zoom_id` is.
pub fn linked_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    ids: (Id, Id),
    named: &Named,
    picture: Option<&Picture>,
) -> egui::Response {
    let (response, zoomed) = looked_at_ui(ui, cx, rect, ids, &named.label, picture);
    if !zoomed {
        drag_source(&response, named);
    }
    response
}

/// A large picture that is only looked at, and whether it is zoomed in.
pub fn looked_at_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    (id, zoom_id): (Id, Id),
    name: &str,
    picture: Option<&Picture>,
) -> (egui::Response, bool) {
    let response = ui.interact(rect, id, Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let before: Zoom = ui.data(|d| d.get_temp(zoom_id)).unwrap_or_default();
    let mut zoom = before;
    if let Some(pointer) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let at = (pointer - rect.min) / rect.size();
        zoom = zoom.scaled(pinch * (scroll * 0.004).exp(), at);
    }
    if zoom.factor > 1.0 {
        zoom = zoom.moved(response.drag_delta() / rect.size());
    }
    if zoom != before {
        ui.data_mut(|d| d.insert_temp(zoom_id, zoom));
    }
    paint_uv(
        ui.painter(),
        cx.textures,
        &cx.tokens,
        rect,
        picture,
        zoom.uv(),
    );
    if zoom.factor > 1.0 {
        let text = format!("{:.1} ×", zoom.factor);
        paint_badge(ui.painter(), &cx.tokens, rect, &text, cx.tokens.text);
    }
    (response, zoom.factor > 1.0)
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    #[test]
    fn what_is_under_the_pointer_stays_there() {
        let at = vec2(0.25, 0.75);
        let zoom = Zoom::default().scaled(4.0, at);
        let uv = zoom.uv();
        let under = uv.min + uv.size() * at;
        assert!(
            (under.x - 0.25).abs() < 1e-6 && (under.y - 0.75).abs() < 1e-6,
            "{under:?}"
        );
    }

    #[test]
    fn panning_stops_at_the_border_and_zooming_out_shows_all() {
        let zoom = Zoom::default()
            .scaled(2.0, Vec2::splat(0.5))
            .moved(vec2(9.0, 0.0));
        assert_eq!(zoom.uv().left(), 0.0);
        assert_eq!(zoom.scaled(0.01, Vec2::ZERO), Zoom::default());
    }
}
