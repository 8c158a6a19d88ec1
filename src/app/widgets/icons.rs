//! Our own small signs, drawn as lines: one hand for all of them, and no font needed.

use egui::{
    Color32, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2,
    WidgetInfo, pos2, vec2,
};

use crate::app::theme;

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A new seed.
    Dice,
    /// Backwards.
    Previous,
    /// Forwards.
    Next,
    /// One step back.
    Undo,
    /// One step forward.
    Redo,
    /// Back to zero.
    Reset,
    /// Run.
    Play,
    /// Stop.
    Pause,
    /// Frame anew.
    Crop,
    /// Take away.
    Remove,
    /// From a file.
    Photo,
    /// From the model.
    Sample,
    /// In work.
    Busy,
    /// For information.
    Info,
    /// Done.
    Done,
    /// Wrong.
    Warning,
    /// Among those that stand first.
    Star,
    /// Stays as it is.
    Lock,
}

/// Draws a sign into a square.
pub fn paint(painter: &Painter, rect: Rect, icon: Icon, color: Color32) {
    let side = rect.width().min(rect.height());
    let rect = Rect::from_center_size(rect.center(), Vec2::splat(side));
    let at = |x: f32, y: f32| rect.min + vec2(x, y) * side;
    let stroke = Stroke::new((side / 11.0).max(1.2), color);
    let line = |points: Vec<Pos2>| painter.add(Shape::line(points, stroke));
    let fill = |points: Vec<Pos2>| painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
    let dot = |x: f32, y: f32, radius: f32| painter.circle_filled(at(x, y), radius * side, color);
    match icon {
        Icon::Dice => {
            let body = Rect::from_min_max(at(0.12, 0.12), at(0.88, 0.88));
            painter.rect_stroke(body, side * 0.18, stroke, StrokeKind::Middle);
            for (x, y) in [
                (0.34, 0.34),
                (0.66, 0.34),
                (0.5, 0.5),
                (0.34, 0.66),
                (0.66, 0.66),
            ] {
                dot(x, y, 0.07);
            }
        }
        Icon::Previous => {
            fill(vec![at(0.24, 0.5), at(0.7, 0.22), at(0.7, 0.78)]);
        }
        Icon::Next => {
            fill(vec![at(0.76, 0.5), at(0.3, 0.78), at(0.3, 0.22)]);
        }
        Icon::Play => {
            fill(vec![at(0.86, 0.5), at(0.22, 0.88), at(0.22, 0.12)]);
        }
        Icon::Pause => {
            for x in [0.2, 0.6] {
                let bar = Rect::from_min_max(at(x, 0.14), at(x + 0.2, 0.86));
                painter.rect_filled(bar, 1, color);
            }
        }
        Icon::Undo | Icon::Redo | Icon::Reset => {
            let mirror = icon == Icon::Redo;
            let x = |v: f32| if mirror { 1.0 - v } else { v };
            let (from, to) = match icon {
                Icon::Reset => (-200.0_f32, 100.0_f32),
                _ => (-180.0, 60.0),
            };
            let arc = (0..=18).map(|i| {
                let angle = (from + (to - from) * i as f32 / 18.0).to_radians();
                at(x(0.52 + 0.32 * angle.cos()), 0.55 + 0.32 * angle.sin())
            });
            line(arc.collect());
            let angle = from.to_radians();
            let tip = (0.52 + 0.32 * angle.cos(), 0.55 + 0.32 * angle.sin());
            fill(vec![
                at(x(tip.0 - 0.17), tip.1 - 0.06),
                at(x(tip.0 + 0.17), tip.1 - 0.06),
                at(x(tip.0 - 0.01), tip.1 + 0.2),
            ]);
        }
        Icon::Crop => {
            line(vec![at(0.28, 0.06), at(0.28, 0.72), at(0.94, 0.72)]);
            line(vec![at(0.06, 0.28), at(0.72, 0.28), at(0.72, 0.94)]);
        }
        Icon::Remove => {
            line(vec![at(0.22, 0.22), at(0.78, 0.78)]);
            line(vec![at(0.78, 0.22), at(0.22, 0.78)]);
        }
        Icon::Photo => {
            let body = Rect::from_min_max(at(0.06, 0.16), at(0.94, 0.84));
            painter.rect_stroke(body, side * 0.1, stroke, StrokeKind::Middle);
            dot(0.32, 0.38, 0.08);
            line(vec![
                at(0.1, 0.76),
                at(0.42, 0.52),
                at(0.58, 0.64),
                at(0.72, 0.48),
                at(0.92, 0.68),
            ]);
        }
        Icon::Sample => {
            let rhomb = vec![at(0.5, 0.08), at(0.92, 0.5), at(0.5, 0.92), at(0.08, 0.5)];
            painter.add(Shape::closed_line(rhomb, stroke));
            dot(0.5, 0.5, 0.12);
        }
        Icon::Star => {
            // Five points, each with the notch behind it, as five kites round the middle.
            for point in 0..5 {
                let to = |radius: f32, turn: f32| {
                    let angle = (turn * 36.0 - 90.0).to_radians();
                    at(0.5 + radius * angle.cos(), 0.54 + radius * angle.sin())
                };
                let turn = 2.0 * point as f32;
                fill(vec![
                    at(0.5, 0.54),
                    to(0.2, turn - 1.0),
                    to(0.48, turn),
                    to(0.2, turn + 1.0),
                ]);
            }
        }
        Icon::Lock => {
            let body = Rect::from_min_max(at(0.18, 0.46), at(0.82, 0.92));
            painter.rect_filled(body, side * 0.08, color);
            let arc = (0..=12).map(|i| {
                let angle = (180.0 + 15.0 * i as f32).to_radians();
                at(0.5 + 0.2 * angle.cos(), 0.34 + 0.22 * angle.sin())
            });
            let arc = arc.collect::<Vec<_>>();
            let ends = (at(0.3, 0.48), at(0.7, 0.48));
            line([vec![ends.0], arc, vec![ends.1]].concat());
        }
        Icon::Busy => {
            for x in [0.2, 0.5, 0.8] {
                dot(x, 0.5, 0.09);
            }
        }
        Icon::Info => {
            painter.circle_stroke(rect.center(), side * 0.42, stroke);
            line(vec![at(0.5, 0.46), at(0.5, 0.72)]);
            dot(0.5, 0.3, 0.06);
        }
        Icon::Done => {
            line(vec![at(0.14, 0.54), at(0.4, 0.8), at(0.88, 0.22)]);
        }
        Icon::Warning => {
            let triangle = vec![at(0.5, 0.1), at(0.94, 0.88), at(0.06, 0.88)];
            painter.add(Shape::closed_line(triangle, stroke));
            line(vec![at(0.5, 0.4), at(0.5, 0.62)]);
            dot(0.5, 0.76, 0.055);
        }
    }
}

/// A button with a sign on it; `name` is what it is called for people who do not see it.
pub fn icon_button_ui(ui: &mut Ui, enabled: bool, icon: Icon, name: &str, tip: &str) -> Response {
    let size = ui.spacing().interact_size.y.min(theme::CONTROL_HEIGHT);
    let button = egui::Button::new("").min_size(vec2(size + 2.0, size));
    let response = ui.add_enabled(enabled, button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    let color = ui.style().interact(&response).text_color();
    let color = if enabled {
        color
    } else {
        color.gamma_multiply(0.4)
    };
    let place = Rect::from_center_size(response.rect.center(), Vec2::splat(size * 0.52));
    paint(ui.painter(), place, icon, color);
    response.on_hover_text(tip).on_disabled_hover_text(tip)
}

/// A small sign that is on or off, without a frame of its own.
pub fn icon_toggle_ui(ui: &mut Ui, on: bool, icon: Icon, name: &str, tip: &str) -> Response {
    let size = vec2(16.0, theme::CONTROL_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, on, name));
    let tokens = theme::Tokens::of(ui);
    let lit = response.hovered() || response.has_focus();
    let color = match (on, lit) {
        (true, _) => tokens.accent,
        (false, true) => tokens.text,
        // There for those who look for it.
        (false, false) => tokens.text_weak.gamma_multiply(0.45),
    };
    let place = Rect::from_center_size(rect.center(), Vec2::splat(13.0));
    paint(ui.painter(), place, icon, color);
    response.on_hover_text(tip)
}

/// A sign with a text behind it, in one colour; long texts wrap.
pub fn note_ui(ui: &mut Ui, icon: Icon, color: Color32, text: &str) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let height = ui.text_style_height(&egui::TextStyle::Body);
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(height), Sense::hover());
        paint(ui.painter(), rect.shrink(1.5), icon, color);
        ui.add(egui::Label::new(egui::RichText::new(text).color(color)).wrap());
    });
}

/// Room for a sign in front of the text of a button, whose response is `response`.
pub fn paint_in_front(ui: &Ui, response: &Response, icon: Icon, color: Color32) {
    let padding = ui.spacing().button_padding.x;
    let center = pos2(
        response.rect.left() + padding + 6.0,
        response.rect.center().y,
    );
    paint(
        ui.painter(),
        Rect::from_center_size(center, Vec2::splat(11.0)),
        icon,
        color,
    );
}
