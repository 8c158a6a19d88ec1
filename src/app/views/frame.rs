//! What every dialog begins and ends with.

use egui::{Ui, vec2};

use crate::app::theme;
use crate::app::widgets::Cx;

/// The heading of a dialog.
pub fn title_ui(ui: &mut Ui, title: &str) {
    ui.heading(title);
    ui.add_space(4.0);
}

/// A row of buttons at the right, the main one last for the eye and first for the code.
pub fn buttons_ui(ui: &mut Ui, cx: &mut Cx<'_>, add: impl FnOnce(&mut Ui, &mut Cx<'_>)) {
    let size = vec2(ui.available_width(), theme::CONTROL_HEIGHT);
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| add(ui, cx));
}
