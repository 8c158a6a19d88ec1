//! Messages that should be read: they stand over the window until they are closed.

use egui::{Align2, Area, Context, Id, Order, vec2};

use super::status;
use crate::app::action::Action;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{Icon, icon_button_ui, note_ui};

/// Widest message.
const WIDTH: f32 = 380.0;

/// The messages, newest at the bottom.
pub fn toasts_ui(ctx: &Context, cx: &mut Cx<'_>) {
    if cx.state.live.toasts.is_empty() {
        return;
    }
    let inspector = if cx.state.settings.inspector_open {
        theme::INSPECTOR_WIDTH
    } else {
        0.0
    };
    // Over the work area, so that neither figures nor the shelf are covered.
    let corner = vec2(-inspector - theme::GROUP_GAP, -44.0);
    Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, corner)
        .interactable(true)
        .show(ctx, |ui| {
            let width = WIDTH.min(ctx.content_rect().width() * 0.5);
            for (at, line) in cx.state.live.toasts.iter().enumerate() {
                let frame = egui::Frame::popup(&ctx.global_style())
                    .corner_radius(theme::WINDOW_ROUNDING)
                    .inner_margin(10);
                frame.show(ui, |ui| {
                    ui.set_width(width);
                    ui.horizontal_top(|ui| {
                        ui.set_max_width(width);
                        let (icon, color) = status::sign(line.level, cx);
                        ui.allocate_ui(vec2(width - 40.0, 0.0), |ui| {
                            note_ui(ui, icon, color, &line.text);
                        });
                        let layout = egui::Layout::right_to_left(egui::Align::Min);
                        ui.with_layout(layout, |ui| {
                            let tip = "Close this message (Ctrl+L shows all)";
                            let close =
                                icon_button_ui(ui, true, Icon::Remove, "Close message", tip);
                            if close.clicked() {
                                cx.actions.push(Action::CloseToast(at));
                            }
                        });
                    });
                });
                ui.add_space(4.0);
            }
        });
}
