//! The question about a model whose file does not say everything, with samples of what an answer comes to.

use egui::{Ui, vec2};

use super::frame::{buttons_ui, title_ui};
use crate::app::action::Action;
use crate::app::dialog::AskForm;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{choice_ui, label_ui};
use crate::app::widgets::picture::paint;
use crate::engine::message::{ModelOptions, Permutation, ScaleFunction};

/// Sizes that are offered; others can be typed on the command line.
const SIZES: &[(usize, &str, &str)] = &[
    (16, "16", "16 pixels a side"),
    (32, "32", "32 pixels a side"),
    (64, "64", "64 pixels a side"),
    (96, "96", "96 pixels a side"),
    (128, "128", "128 pixels a side"),
    (256, "256", "256 pixels a side"),
];

const BITS: &[(u32, &str, &str)] = &[
    (3, "3", "8 values a subpixel"),
    (4, "4", "16 values a subpixel"),
    (5, "5", "32 values a subpixel, as in the paper's faces"),
    (6, "6", "64 values a subpixel"),
    (7, "7", "128 values a subpixel"),
    (8, "8", "256 values a subpixel"),
];

const SCALES: &[(ScaleFunction, &str, &str)] = &[
    (ScaleFunction::Sigmoid, "sigmoid", "sigmoid(raw + 2)"),
    (ScaleFunction::Exp, "exp", "exp(raw)"),
    (
        ScaleFunction::InverseSigmoid,
        "inverse sigmoid",
        "1 / sigmoid(raw + 2)",
    ),
];

/// The dialog.
pub fn asks_ui(ui: &mut Ui, cx: &mut Cx<'_>, form: &AskForm) {
    title_ui(ui, "What the file does not say");
    let name = form.path.file_name().unwrap_or(form.path.as_os_str());
    ui.label(format!(
        "{} opens with these answers; the samples show what comes of them",
        name.to_string_lossy()
    ));
    ui.add_space(6.0);
    if let Some(options) = choices_ui(ui, &form.options) {
        cx.push(Action::TryModel(form.path.clone(), options));
    }
    ui.add_space(6.0);
    pictures_ui(ui, cx, form);
    ui.add_space(8.0);
    buttons_ui(ui, cx, |ui, cx| {
        if ui.add(theme::primary_button(ui, "Open")).clicked() {
            let options = form.options.clone();
            cx.push(Action::OpenModelAs(form.path.clone(), options));
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
    });
}

/// A row for each thing that is asked; the new answers, where one changed.
fn choices_ui(ui: &mut Ui, options: &ModelOptions) -> Option<ModelOptions> {
    let mut changed = None;
    let mut row =
        |ui: &mut Ui, label: &str, add: &mut dyn FnMut(&mut Ui) -> Option<ModelOptions>| {
            ui.horizontal(|ui| {
                label_ui(ui, label);
                changed = add(ui).or(changed.take());
            });
        };
    let with = |set: &dyn Fn(&mut ModelOptions)| {
        let mut options = options.clone();
        set(&mut options);
        options
    };
    if let Some(size) = options.image_size {
        row(ui, "Image size", &mut |ui| {
            let size = choice_ui(ui, size, SIZES)?;
            Some(with(&|o| o.image_size = Some(size)))
        });
    }
    if let Some(bits) = options.bits {
        row(ui, "Bits", &mut |ui| {
            let bits = choice_ui(ui, bits, BITS)?;
            Some(with(&|o| o.bits = Some(bits)))
        });
    }
    if let Some(scale) = options.scale_function {
        row(ui, "Scale", &mut |ui| {
            let scale = choice_ui(ui, scale, SCALES)?;
            Some(with(&|o| o.scale_function = Some(scale)))
        });
    }
    if options.permutation == Some(Permutation::Reverse) {
        ui.label(
            "Its channels are taken as reversed. Where the samples are noise they were shuffled, in an order that is not in \
             the file, and it cannot be told.",
        );
    }
    changed
}

fn pictures_ui(ui: &mut Ui, cx: &mut Cx<'_>, form: &AskForm) {
    let n = form.pictures.len().max(1) as f32;
    let width = ui.available_width();
    let side = ((width - (n - 1.0) * theme::GAP) / n).floor();
    let (rect, response) = ui.allocate_exact_size(vec2(width, side), egui::Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Image, true, "Samples with these answers")
    });
    if form.busy {
        ui.set_opacity(0.5);
    }
    for (i, picture) in form.pictures.iter().enumerate() {
        let left = rect.left() + i as f32 * (side + theme::GAP);
        let place = egui::Rect::from_min_size(egui::pos2(left, rect.top()), vec2(side, side));
        paint(ui.painter(), cx.textures, &cx.tokens, place, Some(picture));
    }
    if form.busy {
        ui.put(rect, egui::Spinner::new());
    }
}
