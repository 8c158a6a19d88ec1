//! Small drawings of numbers: bars of the levels, the sparkline of decode times.

use egui::{CornerRadius, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::theme::Tokens;

/// A labelled bar: name, bar, number. Negative values grow to the left of a middle line.
pub fn bar_ui(ui: &mut Ui, label: &str, value: f64, range: [f64; 2], text: &str, tip: &str) {
    let tokens = Tokens::of(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, 18.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{label}: {text}")));
    let font = egui::TextStyle::Small.resolve(ui.style());
    let mono = egui::FontId::monospace(font.size);
    let painter = ui.painter();
    let middle = rect.center().y;
    painter.text(
        pos2(rect.left(), middle),
        egui::Align2::LEFT_CENTER,
        label,
        font,
        tokens.text_weak,
    );
    painter.text(
        pos2(rect.right(), middle),
        egui::Align2::RIGHT_CENTER,
        text,
        mono,
        tokens.text,
    );
    let rail = Rect::from_min_max(
        pos2(rect.left() + 54.0, middle - 3.0),
        pos2(rect.right() - 58.0, middle + 3.0),
    );
    if rail.width() > 4.0 && value.is_finite() {
        let round = CornerRadius::same(3);
        painter.rect_filled(rail, round, tokens.control);
        let span = (range[1] - range[0]).max(1e-9);
        let at = |v: f64| {
            let share = ((v - range[0]) / span).clamp(0.0, 1.0) as f32;
            rail.left() + rail.width() * share
        };
        let (from, to) = (at(0.0_f64.clamp(range[0], range[1])), at(value));
        let bar = Rect::from_min_max(
            pos2(from.min(to), rail.top()),
            pos2(from.max(to).max(from.min(to) + 2.0), rail.bottom()),
        );
        painter.rect_filled(bar, round, tokens.accent);
    }
    response.on_hover_text(tip);
}

/// A tiny curve of the last values.
pub fn sparkline_ui(ui: &mut Ui, values: &[f32], label: &str) -> egui::Response {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(56.0, 14.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    let top = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    if values.len() >= 2 {
        let last = (values.len() - 1) as f32;
        let points = values.iter().enumerate().map(|(i, v)| {
            pos2(
                rect.left() + rect.width() * i as f32 / last,
                rect.bottom() - 1.0 - (rect.height() - 2.0) * (v / top),
            )
        });
        let stroke = Stroke::new(1.2, tokens.accent);
        ui.painter().add(Shape::line(points.collect(), stroke));
    }
    response
}

/// The median and the 95th percentile.
pub fn median_and_p95(values: impl Iterator<Item = f32>) -> Option<(f32, f32)> {
    let mut sorted: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let p95 = (last as f32 * 0.95).round() as usize;
    Some((sorted[last / 2], sorted[p95.min(last)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        assert_eq!(median_and_p95(std::iter::empty()), None);
        assert_eq!(
            median_and_p95([3.0, 1.0, 2.0].into_iter()),
            Some((2.0, 3.0))
        );
        let (median, p95) = median_and_p95((1..=100).map(|v| v as f32)).unwrap();
        assert_eq!((median, p95), (50.0, 95.0));
    }
}
