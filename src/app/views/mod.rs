//! The panels. Each reads the state and leaves its wishes in [`Cx`].

mod asks;
pub mod crop;
pub mod dialogs;
pub mod export;
mod folder;
mod frame;
pub mod inspector;
pub mod menu;
pub(super) mod paths;
pub mod shelf;
pub mod status;
pub mod toasts;
pub mod tour;

use egui::{Margin, Panel, Ui};

use super::action::Action;
use super::dialog::PathPurpose;
use super::state::{LogLevel, Settings, Tab};
use super::theme;
use super::widgets::Cx;

/// The whole window.
pub fn window_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.state.full_screen {
        full_screen_ui(ui, cx);
        return;
    }
    let tokens = cx.tokens;
    Panel::top("menu")
        .frame(theme::panel_frame(&tokens, Margin::symmetric(8, 4)))
        .show(ui, |ui| menu::menu_ui(ui, cx));
    Panel::bottom("status")
        .frame(theme::panel_frame(&tokens, Margin::symmetric(12, 4)))
        .show(ui, |ui| status::status_ui(ui, cx));
    tour::tour_ui(ui, cx);
    let (shelf, inspector) = side_panels(ui.available_width(), &cx.state.settings);
    if shelf {
        Panel::left("shelf")
            .frame(theme::panel_frame(&tokens, Margin::same(10)))
            .default_size(theme::SHELF_WIDTH)
            .size_range(150.0..=320.0)
            .show(ui, |ui| shelf::shelf_ui(ui, cx));
    }
    if inspector {
        Panel::right("inspector")
            .frame(theme::panel_frame(&tokens, Margin::same(12)))
            .default_size(theme::INSPECTOR_WIDTH)
            .size_range(200.0..=340.0)
            .show(ui, |ui| inspector::inspector_ui(ui, cx));
    }
    let frame = egui::Frame::new().fill(tokens.background);
    egui::CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        Panel::top("tabs")
            .frame(egui::Frame::new().inner_margin(Margin {
                left: 14,
                right: 14,
                top: 8,
                bottom: 0,
            }))
            .show_separator_line(false)
            .show(ui, |ui| tabs_ui(ui, cx));
        if cx.state.live.model.is_none() {
            no_model_ui(ui, cx);
            return;
        }
        cx.state.tab.screen().ui(ui, cx);
    });
    dialogs::dialogs_ui(ui, cx);
    toasts::toasts_ui(ui.ctx(), cx);
    super::widgets::picture::drag_ghost_ui(ui.ctx(), cx);
    drop_hint_ui(ui.ctx(), cx);
}

/// Least width of the work area beside the panels.
const WORK_WIDTH: f32 = 400.0;

/// Which of the side panels there is room for: the picture comes first, the shelf before the inspector.
fn side_panels(width: f32, settings: &Settings) -> (bool, bool) {
    let mut left = width - WORK_WIDTH;
    let mut fits = |open: bool, least: f32| {
        let fits = open && left >= least;
        left -= if fits { least } else { 0.0 };
        fits
    };
    let shelf = fits(settings.shelf_open, 150.0);
    (shelf, fits(settings.inspector_open, 200.0))
}

/// The selected picture alone, for a projector.
fn full_screen_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let frame = egui::Frame::new().fill(egui::Color32::BLACK);
    egui::CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        let rect = super::widgets::picture::square_in(ui.available_rect_before_wrap());
        let Some(named) = cx.state.selected() else {
            return;
        };
        let picture = cx.state.selection_picture().cloned();
        let id = ui.scope_id().with("full screen");
        let response = super::widgets::zoom::hero_ui(ui, cx, rect, id, &named, picture.as_ref());
        if response.double_clicked() {
            cx.push(Action::SetFullScreen(false));
        }
        response.on_hover_text("F11 or Esc goes back");
    });
}

/// In place of the work area while there is nothing to work with.
fn no_model_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        ui.add_space(height * 0.36);
        if cx.state.live.opening {
            // No spinner: it would draw sixty times a second beside a worker that needs the cores.
            ui.label(egui::RichText::new("Opening the model…").color(cx.tokens.text_weak));
            return;
        }
        ui.heading("No model is open");
        let last = cx.state.live.log.back();
        if let Some(line) = last.filter(|line| line.level == LogLevel::Error) {
            ui.set_max_width(460.0);
            ui.label(egui::RichText::new(&line.text).color(cx.tokens.error));
        }
        ui.add_space(theme::GAP);
        if ui.add(theme::primary_button(ui, "Open model…")).clicked() {
            cx.push(Action::Browse(PathPurpose::Model));
        }
        if ui.button("Open the shipped model").clicked() {
            cx.push(Action::OpenModel(None));
        }
    });
}

/// Says that files may be let go here, while they hover over the window.
fn drop_hint_ui(ctx: &egui::Context, cx: &Cx<'_>) {
    if ctx.input(|i| i.raw.hovered_files.is_empty()) {
        return;
    }
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop hint"));
    let painter = ctx.layer_painter(layer);
    let rect = ctx.content_rect();
    painter.rect_filled(rect, 0, cx.tokens.background.gamma_multiply(0.85));
    let frame = rect.shrink(24.0);
    let stroke = egui::Stroke::new(2.0, cx.tokens.accent);
    painter.rect_stroke(
        frame,
        theme::WINDOW_ROUNDING,
        stroke,
        egui::StrokeKind::Inside,
    );
    let font = egui::FontId::proportional(20.0);
    let text = "Drop pictures, a folder, a session or a model";
    painter.text(
        rect.center(),
        egui::Align2::CENTER_CENTER,
        text,
        font,
        cx.tokens.text,
    );
}

/// Sizes of the names on the bar of tabs, where there is room and where there is little.
const TAB_SIZES: [f32; 2] = [15.0, 13.5];
/// The least and the usual gap between them.
const TAB_GAPS: [f32; 2] = [8.0, 20.0];

/// The gap between the names of tabs and their size: all of them stand in one row, where that can be.
fn tab_gap(ui: &Ui) -> (f32, f32) {
    let [least, usual] = TAB_GAPS;
    let room = |size: f32| {
        let width = |tab: &Tab| {
            let (label, font) = (tab.screen().label(), egui::FontId::proportional(size));
            let galley = ui
                .painter()
                .layout_no_wrap(label.to_owned(), font, egui::Color32::WHITE);
            galley.size().x
        };
        let names: f32 = Tab::ALL.iter().map(width).sum();
        let gaps = Tab::ALL.len().saturating_sub(1).max(1) as f32;
        // A pixel less, so that rounding moves no name into another row.
        ((ui.available_width() - names - 1.0) / gaps).floor()
    };
    let [large, small] = TAB_SIZES;
    match room(large) {
        gap if gap >= least => (gap.min(usual), large),
        _ => (room(small).clamp(least, usual), small),
    }
}

/// The bar of tabs: the open one is underlined, so that colour is not all that tells.
fn tabs_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let (gap, size) = tab_gap(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        // Names stand close together in a narrow window.
        ui.spacing_mut().button_padding.x = 0.0;
        for (number, &tab) in Tab::ALL.iter().enumerate() {
            let label = tab.screen().label();
            let open = cx.state.tab == tab;
            let color = if open {
                cx.tokens.text
            } else {
                cx.tokens.text_weak
            };
            let text = egui::RichText::new(label).size(size).color(color);
            let button = egui::Button::new(text).frame(false);
            let response = ui.add(button);
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, open, label));
            if open {
                let y = response.rect.bottom() + 2.0;
                let line = response.rect.x_range();
                let stroke = egui::Stroke::new(2.0, cx.tokens.accent);
                ui.painter().hline(line, y, stroke);
            }
            let about = tab.screen().about();
            // There are nine keys for them.
            let tip = match number {
                0..9 => format!("{about} ({})", number + 1),
                _ => about.to_owned(),
            };
            if response.on_hover_text(tip).clicked() {
                cx.push(Action::SetTab(tab));
            }
        }
    });
    ui.add_space(6.0);
}

/// Height of the bar of controls that it has in any window.
const LEAST_CONTROLS: f32 = 64.0;
/// The most of the height that it takes.
pub(super) const CONTROLS_SHARE: f32 = 0.42;

/// The bar of controls under the work area. In a low window it scrolls, so that the picture keeps most of the room.
pub(super) fn controls_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    id: &'static str,
    controls: impl FnOnce(&mut Ui, &mut Cx<'_>),
) {
    let most = (CONTROLS_SHARE * ui.available_height()).max(LEAST_CONTROLS);
    scrolled_controls_ui(ui, cx, (id, LEAST_CONTROLS, most), controls);
}

/// The same where what stands in it comes and goes: the bar grows with it, up to a share of the height.
pub(super) fn growing_controls_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    (id, share): (&'static str, f32),
    controls: impl FnOnce(&mut Ui, &mut Cx<'_>),
) {
    let most = (share * ui.available_height()).max(LEAST_CONTROLS);
    scrolled_controls_ui(ui, cx, (id, most, most), controls);
}

fn scrolled_controls_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    (id, least, most): (&'static str, f32, f32),
    controls: impl FnOnce(&mut Ui, &mut Cx<'_>),
) {
    Panel::bottom(id).frame(controls_frame(cx)).show(ui, |ui| {
        egui::ScrollArea::vertical()
            .id_salt(id)
            .max_height(most)
            .min_scrolled_height(least)
            .auto_shrink([false, true])
            .show(ui, |ui| controls(ui, cx));
    });
}

/// The frame of the bar of controls.
fn controls_frame(cx: &Cx<'_>) -> egui::Frame {
    theme::panel_frame(&cx.tokens, Margin::symmetric(16, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_make_room_for_the_picture_the_inspector_first() {
        let both = Settings::default();
        assert_eq!(side_panels(1280.0, &both), (true, true));
        assert_eq!(
            side_panels(711.0, &both),
            (true, false),
            "1280 wide at 180 %"
        );
        assert_eq!(side_panels(540.0, &both), (false, false));
        let folded = Settings {
            shelf_open: false,
            ..both
        };
        assert_eq!(side_panels(711.0, &folded), (false, true));
    }
}
