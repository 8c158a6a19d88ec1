//! The tour: what the screens are for, a step each, with what lies on the shelf. It covers nothing and can be left at
//! any step.

use egui::{Align2, Area, Id, Order, RichText, Ui, vec2};

use crate::app::action::Action;
use crate::app::screens::Tab;
use crate::app::theme;
use crate::app::widgets::Cx;

/// The last step, about the frame itself.
const OWN_PHOTOS: &str = "Open photos with Ctrl+O, paste them, or drop them on the window: each is encoded exactly, so that everything you saw works with your own faces. Ctrl+P finds any command, F1 shows the keys, and a pause over a word explains it.";

/// The steps: a screen, or the frame itself, and what is said about it.
pub fn steps() -> Vec<(Option<Tab>, &'static str)> {
    let screens = Tab::ALL.iter();
    let said = screens.filter_map(|tab| Some((Some(*tab), tab.screen().tour()?)));
    said.chain([(None, OWN_PHOTOS)]).collect()
}

/// The open step, if there is one.
pub fn tour_ui(ui: &Ui, cx: &mut Cx<'_>) {
    let Some(at) = cx.state.tour else {
        return;
    };
    let steps = steps();
    let Some((tab, text)) = steps.get(at) else {
        return;
    };
    let ctx = ui.ctx();
    let width = 420.0_f32.min(ctx.content_rect().width() - 48.0);
    Area::new(Id::unique("tour"))
        .order(Order::Foreground)
        .anchor(Align2::CENTER_BOTTOM, vec2(0.0, -44.0))
        .show(ctx, |ui| {
            let frame = egui::Frame::popup(&ctx.global_style())
                .corner_radius(theme::WINDOW_ROUNDING)
                .inner_margin(14);
            frame.show(ui, |ui| {
                ui.set_width(width);
                let title = tab.map_or("Your own photos", |tab| tab.screen().label());
                let of = format!("Tour, {} of {}: {title}", at + 1, steps.len());
                ui.label(RichText::new(of).strong());
                ui.add(egui::Label::new(*text).wrap());
                ui.add_space(6.0);
                ui.horizontal(|ui| {
                    if ui.button("Skip the tour").clicked() {
                        cx.push(Action::Tour(None));
                    }
                    if at > 0 && ui.button("Back").clicked() {
                        cx.push(Action::Tour(Some(at - 1)));
                    }
                    let last = at + 1 == steps.len();
                    let text = if last { "Done" } else { "Next" };
                    if ui.add(theme::primary_button(ui, text)).clicked() {
                        cx.push(Action::Tour((!last).then_some(at + 1)));
                    }
                });
            });
        });
}
