//! Sliders, numbers and choices with a label in front, so that columns of them line up.

use egui::{DragValue, Response, Slider, Ui, vec2};

use crate::app::theme::{self, Tokens};

/// A slider in a row of its own: label, rail, number. The number has fixed decimals, so that the
/// row keeps its width while it is dragged. `true` where the value changed.
pub fn slider_ui(
    ui: &mut Ui,
    label: &str,
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    decimals: usize,
    tip: &str,
) -> Response {
    wide_slider_ui(ui, (label, theme::LABEL_WIDTH), value, range, decimals, tip)
}

/// The same as long as the room allows, with a label of another width: for a column of sliders.
pub fn full_slider_ui(
    ui: &mut Ui,
    (label, label_width): (&str, f32),
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    decimals: usize,
    tip: &str,
) -> Response {
    labelled_slider_ui(ui, (label, label_width, 1.0), value, range, decimals, tip)
}

/// The same with a label of another width.
pub fn wide_slider_ui(
    ui: &mut Ui,
    (label, label_width): (&str, f32),
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    decimals: usize,
    tip: &str,
) -> Response {
    labelled_slider_ui(ui, (label, label_width, 0.45), value, range, decimals, tip)
}

/// `share`: the most of the room that the rail takes.
fn labelled_slider_ui(
    ui: &mut Ui,
    (label, label_width, share): (&str, f32, f32),
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    decimals: usize,
    tip: &str,
) -> Response {
    ui.horizontal(|ui| {
        let label = label_of_width_ui(ui, label, label_width);
        let gap = ui.spacing().item_spacing.x;
        let room = ui.available_width();
        // Not longer than leaves room for what stands behind it.
        let longest = (room * share).clamp(150.0, 260.0);
        let rail = (room - theme::VALUE_WIDTH - gap).clamp(60.0, longest);
        ui.spacing_mut().slider_width = rail;
        ui.spacing_mut().interact_size.x = theme::VALUE_WIDTH;
        // The part that is filled is the accent itself, not its quiet form.
        ui.visuals_mut().selection.bg_fill = Tokens::of(ui).accent;
        // Filled from the left only where the left end is zero; elsewhere a notch marks zero.
        let from_zero = *range.start() >= 0.0;
        let notch = (!from_zero).then(|| (0.0 - range.start()) / (range.end() - range.start()));
        let slider = Slider::new(value, range)
            .fixed_decimals(decimals)
            .trailing_fill(from_zero);
        if let Some(share) = notch {
            let height = ui.spacing().interact_size.y;
            let radius = height / 2.5 * theme::HANDLE_ASPECT;
            let left = ui.next_widget_position().x + radius;
            let x = left + (rail - 2.0 * radius) * share;
            let y = ui.max_rect().center().y;
            let stroke = egui::Stroke::new(1.0, Tokens::of(ui).text_weak);
            ui.painter().vline(x, y - 6.0..=y + 6.0, stroke);
        }
        ui.add(slider).labelled_by(label.id).on_hover_text(tip)
    })
    .inner
}

/// The label of a row, as wide as all the others.
pub fn label_ui(ui: &mut Ui, label: &str) -> Response {
    label_of_width_ui(ui, label, theme::LABEL_WIDTH)
}

/// The label of a row, with a width of one's own.
fn label_of_width_ui(ui: &mut Ui, label: &str, width: f32) -> Response {
    let width = width.min(ui.available_width() * 0.5);
    let (rect, _) =
        ui.allocate_exact_size(vec2(width, theme::CONTROL_HEIGHT), egui::Sense::hover());
    let mut child = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(rect)
            .layout(egui::Layout::left_to_right(egui::Align::Center)),
    );
    child.add(egui::Label::new(label).truncate())
}

/// A whole number with a label right in front of it.
pub fn number_ui(
    ui: &mut Ui,
    label: &str,
    value: &mut u32,
    range: std::ops::RangeInclusive<u32>,
    tip: &str,
) -> Response {
    let text = ui.label(label);
    let number = DragValue::new(value).range(range).speed(0.1);
    ui.add(number).labelled_by(text.id).on_hover_text(tip)
}

/// A choice among a few, shown side by side. The new one, where it changed.
pub fn choice_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    current: T,
    choices: &[(T, &str, &str)],
) -> Option<T> {
    let mut chosen = None;
    ui.spacing_mut().item_spacing.x = 2.0;
    for &(value, label, tip) in choices {
        let button = egui::Button::selectable(value == current, label).frame_when_inactive(true);
        if ui.add(button).on_hover_text(tip).clicked() && value != current {
            chosen = Some(value);
        }
    }
    chosen
}

/// A row whose last thing stands at its right end, and never wraps away from it.
pub fn row_with_end_ui(ui: &mut Ui, end: impl FnOnce(&mut Ui), row: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), theme::CONTROL_HEIGHT);
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        end(ui);
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), row);
    });
}

/// A button that may be disabled, with a tooltip either way.
pub fn button_ui(ui: &mut Ui, enabled: bool, text: &str, tip: &str) -> bool {
    ui.add_enabled(enabled, egui::Button::new(text))
        .on_hover_text(tip)
        .on_disabled_hover_text(tip)
        .clicked()
}

/// `4,812,000`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(4_812_000), "4,812,000");
        assert_eq!(thousands(12_345), "12,345");
    }
}
