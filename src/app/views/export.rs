//! The export dialog.

use egui::Ui;

use super::dialogs;
use crate::app::action::Action;
use crate::app::dialog::{Dialog, ExportForm, ExportFormat, ExportSource, PathPurpose};
use crate::app::export;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, choice_ui, label_ui};
use crate::app::widgets::icons::{Icon, note_ui};

/// What, as what, where to.
pub fn export_ui(ui: &mut Ui, cx: &mut Cx<'_>, form: &ExportForm) {
    dialogs::title_ui(ui, "Export");
    let mut new = form.clone();
    let sources: Vec<(ExportSource, &str, &str)> = export::sources(cx.state)
        .into_iter()
        .filter_map(|source| Some((source, export::exported(source, cx.state)?)))
        .map(|(source, exported)| (source, exported.label, "What is written"))
        .collect();
    ui.horizontal_wrapped(|ui| {
        label_ui(ui, "Pictures");
        if let Some(source) = choice_ui(ui, form.source, &sources) {
            new = new.clone().with_source(source, cx.state);
        }
    });
    ui.horizontal(|ui| {
        let label = label_ui(ui, "Format");
        let combo = egui::ComboBox::from_id_salt("export format")
            .width(220.0)
            .selected_text(format_label(form));
        let response = combo.show_ui(ui, |ui| {
            for &format in export::formats(form.source, cx.state) {
                let mut row = form.clone();
                row.format = format;
                if ui
                    .selectable_label(format == form.format, format_label(&row))
                    .clicked()
                {
                    new = new.clone().with_format(format);
                }
            }
        });
        response.response.labelled_by(label.id);
    });
    let has_frames = export::has_frames(form.source, cx.state);
    numbers_ui(ui, &mut new, has_frames);
    ui.horizontal(|ui| {
        let text = if form.format == ExportFormat::Frames {
            "Folder"
        } else {
            "File"
        };
        let label = label_ui(ui, text);
        let width = ui.available_width() - 90.0;
        let field = egui::TextEdit::singleline(&mut new.path).desired_width(width);
        if ui.add(field).labelled_by(label.id).changed() {
            new.ask_replace = false;
        }
        if button_ui(ui, true, "Browse…", "Choose with the system's dialog") {
            cx.push(Action::Browse(PathPurpose::Export));
        }
    });
    let n = form.n_pictures(cx.state);
    let size = cx
        .state
        .live
        .model
        .as_ref()
        .map(|m| m.config.image_size as u32 * new.scale);
    let summary = match size {
        Some(side) if form.format != ExportFormat::Latents => {
            format!("{n} {}, {side} × {side} pixels each", plural(n))
        }
        _ => format!("{n} {}", plural(n)),
    };
    ui.label(
        egui::RichText::new(summary)
            .small()
            .color(cx.tokens.text_weak),
    );
    let broken = form.n_not_finite(cx.state);
    if broken > 0 {
        let text = format!(
            "{broken} of them {} values that are not finite, and will be grey there. Lower the temperature or the edits first",
            if broken == 1 { "has" } else { "have" }
        );
        note_ui(ui, Icon::Warning, cx.tokens.warning, &text);
    }
    if form.ask_replace {
        note_ui(
            ui,
            Icon::Warning,
            cx.tokens.warning,
            "This file exists. Replace it?",
        );
    }
    if new != *form {
        cx.push(Action::Show(Dialog::Export(new.clone())));
    }
    ui.add_space(8.0);
    dialogs::buttons_ui(ui, cx, |ui, cx| {
        let text = if form.ask_replace {
            "Replace"
        } else {
            "Export"
        };
        let ready = cx.state.live.model.is_some() && !form.path.trim().is_empty();
        let enter = ready && ui.input(|i| i.key_pressed(egui::Key::Enter));
        if ui
            .add_enabled(ready, theme::primary_button(ui, text))
            .clicked()
            || enter
        {
            cx.push(Action::Export);
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
    });
}

fn numbers_ui(ui: &mut Ui, form: &mut ExportForm, has_frames: bool) {
    let row = |ui: &mut Ui,
               label: &str,
               value: &mut u32,
               range: std::ops::RangeInclusive<u32>,
               suffix: &str,
               tip: &str| {
        ui.horizontal(|ui| {
            let label = label_ui(ui, label);
            let number = egui::DragValue::new(value)
                .range(range)
                .speed(0.1)
                .suffix(suffix.to_owned());
            ui.add(number).labelled_by(label.id).on_hover_text(tip);
        });
    };
    if has_frames {
        row(
            ui,
            "Pictures in all",
            &mut form.frames,
            2..=600,
            "",
            "Steps from the first picture to the last",
        );
    }
    if form.format != ExportFormat::Latents {
        row(
            ui,
            "Enlarge",
            &mut form.scale,
            1..=16,
            " ×",
            "Pixels of the file for each pixel of the model",
        );
    }
    let sheet = matches!(form.format, ExportFormat::Grid | ExportFormat::Strip);
    if sheet && form.source != ExportSource::Selected {
        row(
            ui,
            "Gap",
            &mut form.gap,
            0..=64,
            " px",
            "Between the pictures",
        );
    }
    if form.format == ExportFormat::Gif {
        row(
            ui,
            "Speed",
            &mut form.fps,
            1..=50,
            " frames/s",
            "Frames a second",
        );
    }
    if sheet {
        ui.horizontal(|ui| {
            label_ui(ui, "");
            ui.checkbox(&mut form.labels, "Labels under the pictures");
        });
    }
}

fn format_label(form: &ExportForm) -> &'static str {
    match (form.source, form.format) {
        (ExportSource::Selected, ExportFormat::Grid) => "Picture (PNG)",
        (_, format) => format.label(),
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "picture" } else { "pictures" }
}
