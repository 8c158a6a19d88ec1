//! The train screen: choices or figures on the left, curve and samples on the right.

use egui::{CentralPanel, Margin, RichText, Sense, Ui, vec2};

use super::{form, progress};
use crate::app::theme::{self, section_ui};
use crate::app::training::TrainingRun;
use crate::app::widgets::Cx;
use crate::app::widgets::curve::{PlotPoint, curve_ui};
use crate::app::widgets::grid;
use crate::app::widgets::picture::paint;

/// Two columns where there is room for them, one below the other where not.
pub fn train_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        egui::ScrollArea::vertical()
            .auto_shrink(false)
            .show(ui, |ui| {
                if ui.available_width() < 620.0 {
                    left_ui(ui, cx);
                    ui.add_space(theme::GROUP_GAP);
                    right_ui(ui, cx);
                } else {
                    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.x, 24.0);
                    ui.columns(2, |columns| {
                        for column in columns.iter_mut() {
                            column.spacing_mut().item_spacing.x = gap;
                        }
                        left_ui(&mut columns[0], cx);
                        right_ui(&mut columns[1], cx);
                    });
                }
            });
    });
}

fn left_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let active = cx.state.training.is_active();
    if let Some(run) = cx.state.training.run.clone() {
        progress::run_ui(ui, cx, &run);
    }
    if active {
        return;
    }
    progress::unfinished_ui(ui, cx);
    form::form_ui(ui, cx);
}

fn right_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(run) = cx.state.training.run.clone() else {
        let text = "While a model learns, its curve and samples stand here. The same training runs on the command line: \
                    glow-explorer train";
        ui.add(egui::Label::new(RichText::new(text).color(cx.tokens.text_weak)).wrap());
        return;
    };
    section_ui(ui, "CURVE");
    if run.curve.is_empty() && run.line.points.is_empty() {
        ui.label(RichText::new("The line begins with the first step").color(cx.tokens.text_weak));
    } else {
        let points = run.curve.iter().map(|point| PlotPoint {
            pictures: point.pictures as f64,
            train: point.train_bits_per_dim,
            valid: point.valid_bits_per_dim.unwrap_or(f64::NAN),
        });
        curve_ui(ui, &points.collect::<Vec<_>>(), &run.line.points);
    }
    ui.add_space(theme::GAP);
    section_ui(ui, "SAMPLES");
    samples_ui(ui, cx, &run);
}

/// The samples of the last save, as large as the column allows.
fn samples_ui(ui: &mut Ui, cx: &mut Cx<'_>, run: &TrainingRun) {
    if run.samples.is_empty() {
        let text = match run.phase.is_active() {
            true => "The first ones come after a few seconds, and again at each save",
            false => "None of this training so far",
        };
        ui.label(RichText::new(text).color(cx.tokens.text_weak));
        return;
    }
    let n = run.samples.len() as u32;
    let columns = (f64::from(n).sqrt().ceil() as u32).max(1);
    let rows = n.div_ceil(columns);
    let gap = 4.0;
    let width = ui.available_width().min(420.0);
    let height = width * rows as f32 / columns as f32;
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Image, true, "Samples of the training")
    });
    for (cell, picture) in grid::cells(rect, columns, rows, gap)
        .iter()
        .zip(&run.samples)
    {
        paint(ui.painter(), cx.textures, &cx.tokens, *cell, Some(picture));
    }
    let tip = "What the saved weights draw, always from the same noise: the same pictures get better while it learns";
    response.on_hover_text(tip);
}
