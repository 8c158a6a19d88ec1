//! A histogram with the density of N(0, 1) over it.

use egui::{Color32, CornerRadius, Rect, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, pos2};

use crate::app::theme::Tokens;
use crate::engine::message::LevelStatistics;

/// Room above the tallest that N(0, 1) gets.
const TOP: f32 = 0.62;

/// Bars of a level's numbers, and the curve that they should lie on.
pub fn histogram_ui(ui: &mut Ui, size: Vec2, statistics: &LevelStatistics, name: &str) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    if !ui.is_rect_visible(rect) {
        return;
    }
    let painter = ui.painter();
    painter.rect_filled(
        rect,
        CornerRadius::same(3),
        tokens.control.gamma_multiply(0.5),
    );
    let inner = rect.shrink2(Vec2::new(2.0, 2.0));
    let n = statistics.density.len().max(1) as f32;
    let height = |density: f32| inner.height() * (density / TOP).clamp(0.0, 1.0);
    for (bin, density) in statistics.density.iter().enumerate() {
        let left = inner.left() + inner.width() * bin as f32 / n;
        let right = inner.left() + inner.width() * (bin as f32 + 1.0) / n;
        let bar = Rect::from_min_max(
            pos2(left, inner.bottom() - height(*density)),
            pos2((right - 0.5).max(left + 0.5), inner.bottom()),
        );
        painter.rect_filled(bar, 0, tokens.accent.gamma_multiply(0.8));
    }
    let curve = (0..statistics.density.len()).map(|bin| {
        let density = LevelStatistics::normal_density(LevelStatistics::middle_of_bin(bin));
        let x = inner.left() + inner.width() * (bin as f32 + 0.5) / n;
        pos2(x, inner.bottom() - height(density))
    });
    painter.add(Shape::line(
        curve.collect(),
        Stroke::new(1.5, line_color(&tokens)),
    ));
    let tip = "Bars: the numbers of this level. Line: the bell curve that the model expects. What lies beyond ±4 stands at the ends";
    response.on_hover_text(tip);
}

fn line_color(tokens: &Tokens) -> Color32 {
    tokens.text
}
