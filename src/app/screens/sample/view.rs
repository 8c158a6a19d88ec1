//! The sample tab: a grid of faces from a seed and a temperature.

use egui::{CentralPanel, Margin, Rect, Ui};

use super::{GRID, SampleWish, cell as cell_of};
use crate::app::action::Action;
use crate::app::dialog::ExportSource;
use crate::app::screens::Tab;
use crate::app::state::Selection;
use crate::app::theme::{self, section_ui};
use crate::app::views;
use crate::app::widgets::condition::condition_ui;
use crate::app::widgets::controls::{button_ui, number_ui, row_with_end_ui, slider_ui};
use crate::app::widgets::icons::{Icon, icon_button_ui};
use crate::app::widgets::picture::{drag_source, picture_button, picture_menu_ui, square_in};
use crate::app::widgets::zoom::hero_ui;
use crate::app::widgets::{Cx, grid};

/// Grid above, controls below.
pub fn sample_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    views::controls_ui(ui, cx, "sample controls", controls_ui);
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        let room = ui.available_rect_before_wrap();
        match cx.state.selection {
            Selection::Of(Tab::Sample, cell) if cx.state.desks.sample.enlarged => {
                enlarged_ui(ui, cx, room, cell)
            }
            _ => grid_ui(ui, cx, room),
        }
    });
}

fn grid_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect) {
    let sample = &cx.state.doc.sample;
    let pointer = ui.input(|i| i.pointer.hover_pos());
    let mut under_pointer = None;
    for (cell, rect) in (0u32..).zip(grid::cells(
        room,
        sample.columns,
        sample.rows,
        theme::CELL_GAP,
    )) {
        if pointer.is_some_and(|p| rect.contains(p)) {
            under_pointer = Some(cell);
        }
        let named = sample.cell(cell);
        let selected = cx.state.selection == cell_of(cell);
        let picture = cx.state.cell_picture(GRID, cell).cloned();
        let label = match picture {
            Some(_) => named.label.clone(),
            None => format!("{}, not drawn yet", named.label),
        };
        let id = ui.scope_id().with(("cell", cell));
        let response = picture_button(ui, cx, rect, id, &label, selected, picture.as_ref());
        drag_source(&response, &named);
        if response.clicked() {
            cx.push(Action::Select(cell_of(cell)));
        }
        if response.double_clicked() {
            cx.push(Action::Select(cell_of(cell)));
            cx.push(SampleWish::Enlarge(true));
        }
        response.context_menu(|ui| picture_menu_ui(ui, cx, &named, cell_of(cell)));
    }
    if under_pointer.is_some() && under_pointer != cx.state.desks.sample.focus {
        cx.push(SampleWish::FocusCell(under_pointer));
    }
}

fn enlarged_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect, cell: u32) {
    let rect = square_in(room);
    let named = cx.state.doc.sample.cell(cell);
    let picture = cx.state.cell_picture(GRID, cell).cloned();
    let id = ui.scope_id().with("enlarged");
    let response = hero_ui(ui, cx, rect, id, &named, picture.as_ref());
    if response.double_clicked() {
        cx.push(SampleWish::Enlarge(false));
    }
    response.context_menu(|ui| picture_menu_ui(ui, cx, &named, cell_of(cell)));
    let corner = Rect::from_min_size(room.left_top(), egui::vec2(120.0, theme::CONTROL_HEIGHT));
    ui.scope_builder(egui::UiBuilder::new().max_rect(corner), |ui| {
        if ui.button("← Back to grid").on_hover_text("Esc").clicked() {
            cx.push(SampleWish::Enlarge(false));
        }
    });
}

fn controls_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let mut export = false;
    row_with_end_ui(
        ui,
        |ui| export = button_ui(ui, true, "Export…", "Write the grid to a file (Ctrl+E)"),
        |ui| {
            seed_ui(ui, cx);
            ui.add_space(theme::GROUP_GAP);
            size_ui(ui, cx);
            if let Some(model) = &cx.state.live.model {
                let tip = "Given which samples are drawn, and photos encoded that come from now on";
                let condition = &cx.state.doc.sample.condition;
                let chosen = condition_ui(ui, model, condition, tip);
                cx.extend(chosen.map(SampleWish::SetCondition));
            }
        },
    );
    if export {
        cx.push(Action::OpenExport(ExportSource::Screen(Tab::Sample)));
    }
    ui.add_space(2.0);
    match &cx.state.doc.sample.variation {
        Some(variation) => {
            let mut amount = variation.amount;
            let tip = "How far the variations go from the first picture";
            ui.horizontal_wrapped(|ui| {
                if slider_ui(ui, "Variation", &mut amount, 0.0..=1.5, 2, tip).changed() {
                    cx.push(SampleWish::SetVariation(amount));
                }
                let text = format!("Variations of {}", variation.base.label);
                ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
                if button_ui(ui, true, "Fresh samples", "Back to samples from the seed") {
                    cx.push(SampleWish::LeaveVariations);
                }
            });
        }
        None => temperature_ui(ui, cx),
    }
}

fn seed_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let mut seed = cx.state.doc.sample.seed;
    let label = ui.label("Seed");
    ui.spacing_mut().item_spacing.x = 4.0;
    let number = egui::DragValue::new(&mut seed).speed(0.2);
    let response = ui.add_sized([72.0, theme::CONTROL_HEIGHT], number);
    if response
        .labelled_by(label.id)
        .on_hover_text("Equal seeds give equal pictures. Drag, or click to type")
        .changed()
    {
        cx.push(SampleWish::SetSeed(seed));
    }
    if icon_button_ui(
        ui,
        seed > 0,
        Icon::Previous,
        "Previous seed",
        "Previous seed ([)",
    )
    .clicked()
    {
        cx.push(SampleWish::SetSeed(seed.saturating_sub(1)));
    }
    if icon_button_ui(ui, true, Icon::Next, "Next seed", "Next seed (])").clicked() {
        cx.push(SampleWish::SetSeed(seed.wrapping_add(1)));
    }
    if icon_button_ui(ui, true, Icon::Dice, "New seed", "A new seed (R)").clicked() {
        cx.push(SampleWish::NewSeed);
    }
    ui.spacing_mut().item_spacing.x = theme::GAP;
}

fn size_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let (mut columns, mut rows) = (cx.state.doc.sample.columns, cx.state.doc.sample.rows);
    let mut changed =
        number_ui(ui, "Columns", &mut columns, 1..=12, "Columns of the grid").changed();
    changed |= number_ui(ui, "Rows", &mut rows, 1..=12, "Rows of the grid").changed();
    if changed {
        cx.push(SampleWish::SetGrid(columns, rows));
    }
}

/// The temperature slider, and one for each level under it where that is wanted.
pub fn temperature_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let sample = &cx.state.doc.sample;
    ui.horizontal_wrapped(|ui| {
        let mut temperature = sample.temperature;
        let tip = "Factor on the noise: low is typical, high is varied";
        ui.add_enabled_ui(!sample.per_level, |ui| {
            if slider_ui(ui, "Temperature", &mut temperature, 0.0..=1.2, 2, tip).changed() {
                cx.push(SampleWish::SetTemperature(temperature));
            }
        });
        let mut per_level = sample.per_level;
        let tip = "A temperature of its own for each level of the latent";
        if ui
            .checkbox(&mut per_level, "Per level")
            .on_hover_text(tip)
            .changed()
        {
            cx.push(SampleWish::SetPerLevel(per_level));
        }
    });
    if sample.per_level {
        section_ui(ui, "LEVELS, FINEST FIRST");
        // Rows of equal length: two and two rather than three and one.
        let n = sample.level_temperatures.len().max(1);
        let fit = ((ui.available_width() / 260.0) as usize).clamp(1, n);
        let in_row = n.div_ceil(n.div_ceil(fit));
        let room = ui.available_width();
        ui.scope(|ui| {
            ui.set_max_width(room.min(in_row as f32 * 258.0 + theme::GAP));
            ui.horizontal_wrapped(|ui| {
                for (level, value) in sample.level_temperatures.iter().enumerate() {
                    let mut value = *value;
                    let label = cx.state.level_label(level);
                    let tip = "Factor on the noise of this level";
                    ui.allocate_ui(egui::vec2(250.0, theme::CONTROL_HEIGHT), |ui| {
                        if slider_ui(ui, &label, &mut value, 0.0..=1.2, 2, tip).changed() {
                            cx.push(SampleWish::SetLevelTemperature(level, value));
                        }
                    });
                }
            });
        });
    }
}
