//! Messages that should be read: they stand over the window until they are closed.

use egui::{Align2, Area, Context, Id, Order, vec2};

use super::status;
use crate::app::action::Action;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{Icon, icon_button_ui, note_ui};

/// Seconds that a message stands by itself; the log keeps it.
const SECONDS: f64 = 15.0;
/// Room for the controls and the status bar, which stay free.
const BOTTOM: f32 = 136.0;
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
    let corner = vec2(-inspector - theme::GROUP_GAP, -BOTTOM);
    let now = ctx.input(|i| i.time);
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
                // Counted from the first frame that shows it.
                let id = Id::unique("toast").with(&line.text);
                let since = ctx.data_mut(|d| *d.get_temp_mut_or(id, now));
                let left = SECONDS - (now - since);
                if left <= 0.0 {
                    ctx.data_mut(|d| d.remove::<f64>(id));
                    cx.actions.push(Action::CloseToast(at));
                } else {
                    ctx.request_repaint_after_secs(left as f32);
                }
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
                            let tip = "Close this message (Esc); Ctrl+L shows all";
                            let close =
                                icon_button_ui(ui, true, Icon::Remove, "Close message", tip);
                            if close.clicked() {
                                ctx.data_mut(|d| d.remove::<f64>(id));
                                cx.actions.push(Action::CloseToast(at));
                            }
                        });
                    });
                });
                ui.add_space(4.0);
            }
        });
}
