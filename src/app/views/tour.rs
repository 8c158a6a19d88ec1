//! The tour: what the screens are for, a step each, with what lies on the shelf. It has a strip of its own, so that it covers none
//! of what it speaks of, and can be left at any step.

use egui::{Margin, Panel, RichText, Ui};

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

/// The open step, if there is one: a strip above the status bar.
pub fn tour_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(at) = cx.state.tour else {
        return;
    };
    let steps = steps();
    let Some((tab, text)) = steps.get(at) else {
        return;
    };
    let frame = theme::panel_frame(&cx.tokens, Margin::symmetric(14, 10));
    Panel::bottom("tour").frame(frame).show(ui, |ui| {
        let title = tab.map_or("Your own photos", |tab| tab.screen().label());
        let of = format!("Tour, {} of {}: {title}", at + 1, steps.len());
        ui.label(RichText::new(of).strong());
        ui.add(egui::Label::new(*text).wrap());
        ui.horizontal(|ui| {
            let last = at + 1 == steps.len();
            let text = if last { "Done" } else { "Next" };
            if ui.add(theme::primary_button(ui, text)).clicked() {
                cx.push(Action::Tour((!last).then_some(at + 1)));
            }
            if at > 0 && ui.button("Back").clicked() {
                cx.push(Action::Tour(Some(at - 1)));
            }
            if ui.button("Skip the tour").clicked() {
                cx.push(Action::Tour(None));
            }
        });
    });
}
