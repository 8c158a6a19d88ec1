//! The attributes screen: examples on the left, what came of them on the right.

use egui::{CentralPanel, Margin, Ui};

use super::{examples, results};
use crate::app::theme;
use crate::app::widgets::Cx;

/// Two columns where there is room for them, one below the other where not.
pub fn attributes_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        egui::ScrollArea::vertical()
            .auto_shrink(false)
            .show(ui, |ui| {
                if ui.available_width() < 640.0 {
                    examples::examples_ui(ui, cx);
                    ui.add_space(theme::GROUP_GAP);
                    results::results_ui(ui, cx);
                } else {
                    ui.spacing_mut().item_spacing.x = 28.0;
                    ui.columns(2, |columns| {
                        // Columns of egui stretch buttons and text to their width.
                        column_ui(&mut columns[0], |ui| examples::examples_ui(ui, cx));
                        column_ui(&mut columns[1], |ui| results::results_ui(ui, cx));
                    });
                }
            });
    });
}

fn column_ui(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.spacing_mut().item_spacing.x = theme::GAP;
    ui.vertical(add);
}
