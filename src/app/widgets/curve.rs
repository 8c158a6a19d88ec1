//! A training curve: bits per dimension against pictures seen.

use egui::{Align2, CornerRadius, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

use super::controls::thousands;
use crate::app::theme::Tokens;

/// A point of a training curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlotPoint {
    /// Pictures seen in training.
    pub pictures: f64,
    /// Bits per dimension of the pictures that it learnt from.
    pub train: f64,
    /// Bits per dimension of pictures that it has not seen.
    pub valid: f64,
}

/// What comes before this share of the pictures does not set the scale of a live curve: a training falls steeply first.
const STEEP: f64 = 0.1;

/// One line for pictures that it learnt from, one for others; `live` are single batches in between, pictures and bits,
/// where it is still learning.
pub fn curve_ui(ui: &mut Ui, curve: &[PlotPoint], live: &[[f64; 2]]) {
    let tokens = Tokens::of(ui);
    let size = vec2(ui.available_width(), 170.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Training curve"));
    let plot = Rect::from_min_max(rect.min + vec2(40.0, 6.0), rect.max - vec2(8.0, 20.0));
    let painter = ui.painter();
    painter.rect_filled(
        plot,
        CornerRadius::same(3),
        tokens.control.gamma_multiply(0.4),
    );
    let reached = curve.iter().map(|p| p.pictures);
    let last = reached.chain(live.last().map(|p| p[0])).fold(1.0, f64::max);
    let Some((low, high)) = span(curve, live, last) else {
        return;
    };
    let at = |pictures: f64, bits: f64| {
        let (x, y) = (pictures / last, (bits - low) / (high - low));
        pos2(
            plot.left() + plot.width() * x as f32,
            plot.bottom() - plot.height() * y.min(1.0) as f32,
        )
    };
    let line = |points: Vec<egui::Pos2>, width: f32, color| match points[..] {
        [only] => {
            painter.circle_filled(only, 2.5, color);
        }
        _ => {
            painter.add(Shape::line(points, Stroke::new(width, color)));
        }
    };
    let of = |value: fn(&PlotPoint) -> f64| {
        let points = curve.iter().filter(|p| value(p).is_finite());
        points.map(|p| at(p.pictures, value(p))).collect()
    };
    // What a resumed training had learnt before is known by its saves alone.
    let begins = live.first().map_or(f64::INFINITY, |p| p[0]);
    let saved = curve.iter().filter(|p| p.pictures < begins);
    let saved = saved.map(|p| [p.pictures, p.train]);
    let learnt = saved.chain(live.iter().copied());
    let learnt = learnt.filter(|p| p[1].is_finite());
    let width = if live.is_empty() { 1.5 } else { 1.0 };
    line(
        learnt.map(|p| at(p[0], p[1])).collect(),
        width,
        tokens.text_weak,
    );
    line(of(|p| p.valid), 1.5, tokens.accent);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let ink = tokens.text_weak;
    for (bits, align) in [(high, Align2::RIGHT_TOP), (low, Align2::RIGHT_BOTTOM)] {
        let place = pos2(plot.left() - 4.0, at(0.0, bits).y);
        painter.text(place, align, format!("{bits:.2}"), font.clone(), ink);
    }
    let below = pos2(plot.left(), plot.bottom() + 3.0);
    let text = "bits per dimension: strong on new pictures, weak on those learnt from";
    painter
        .with_clip_rect(rect)
        .text(below, Align2::LEFT_TOP, text, font.clone(), ink);
    let place = pos2(plot.right() - 4.0, plot.top() + 2.0);
    let text = format!("{} pictures", thousands(last as usize));
    painter.text(place, Align2::RIGHT_TOP, text, font, ink);
    let tip = "How surprised the model was by pictures while it learnt: less is better. A strong line that rises again means that it learnt by heart";
    response.on_hover_text(tip);
}

/// The least and the largest value that the scale shows.
fn span(curve: &[PlotPoint], live: &[[f64; 2]], last: f64) -> Option<(f64, f64)> {
    let from = if live.len() > 20 { STEEP * last } else { 0.0 };
    let saved = curve
        .iter()
        .filter(|p| p.pictures >= from)
        .flat_map(|p| [p.train, p.valid]);
    let batches = live.iter().filter(|p| p[0] >= from).map(|p| p[1]);
    let values = saved.chain(batches).filter(|v| v.is_finite());
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    (low < high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steep_beginning_of_a_live_curve_does_not_set_its_scale() {
        let live: Vec<[f64; 2]> = (0..100)
            .map(|i| {
                [
                    f64::from(i),
                    if i < 3 {
                        90.0
                    } else {
                        4.0 - 0.01 * f64::from(i)
                    },
                ]
            })
            .collect();
        let point = PlotPoint {
            pictures: 50.0,
            train: 3.5,
            valid: f64::NAN,
        };
        let (low, high) = span(&[point], &live, 99.0).unwrap();
        assert!(low > 3.0 && high < 4.0, "{low} {high}");
        assert_eq!(span(&[], &[[0.0, 3.0]], 1.0), None, "one value has no span");
    }
}
