//! The export dialog.

use egui::Ui;

use super::frame::{buttons_ui, title_ui};
use crate::app::action::Action;
use crate::app::dialog::{Dialog, ExportForm, ExportFormat, ExportSource, PathPurpose};
use crate::app::export;
use crate::app::screens::morph::PLAY_MODES;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, choice_ui, label_ui};
use crate::app::widgets::icons::{Icon, note_ui};

/// What, as what, where to.
pub fn export_ui(ui: &mut Ui, cx: &mut Cx<'_>, form: &ExportForm) {
    title_ui(ui, "Export");
    // Enter ends the typing of a number, or presses what has the focus; only elsewhere it exports.
    let typing = ui.memory(|m| m.focused().is_some());
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
    // Side by side and not in a list of their own: what opens over a dialog has to be in front of it, too.
    ui.horizontal_wrapped(|ui| {
        label_ui(ui, "Format");
        let formats = export::formats(new.source, cx.state).iter();
        let choices: Vec<_> = formats
            .map(|&format| (format, format_label(new.source, format), format.about()))
            .collect();
        if let Some(format) = choice_ui(ui, new.format, &choices) {
            new = new.clone().with_format(format);
        }
    });
    let has_frames = export::has_frames(new.source, cx.state);
    let plays = export::plays(new.source, cx.state);
    numbers_ui(ui, &mut new, has_frames, plays);
    let mut entered = false;
    ui.horizontal(|ui| {
        let text = if new.format == ExportFormat::Frames {
            "Folder"
        } else {
            "File"
        };
        let label = label_ui(ui, text);
        let width = ui.available_width() - 90.0;
        let mut path = new.path.clone();
        let field = egui::TextEdit::singleline(&mut path).desired_width(width);
        let response = ui.add(field).labelled_by(label.id);
        entered = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
        if response.changed() {
            new = new.clone().with_path(path, cx.state);
        }
        if button_ui(ui, true, "Browse…", "Choose with the system's dialog") {
            cx.push(Action::Browse(PathPurpose::Export));
        }
    });
    let summary = export::summary(&new, cx.state);
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
    let wrong = new.wrong_ending();
    let note = match (&wrong, form.ask_replace) {
        (Some(wrong), _) => Some(wrong.as_str()),
        (None, true) => Some("This file exists. Replace it?"),
        (None, false) => None,
    };
    if let Some(note) = note {
        note_ui(ui, Icon::Warning, cx.tokens.warning, note);
    }
    if new != *form {
        cx.push(Action::Show(Dialog::Export(new.clone())));
    }
    ui.add_space(8.0);
    buttons_ui(ui, cx, |ui, cx| {
        let text = if form.ask_replace {
            "Replace"
        } else {
            "Export"
        };
        let named = !form.path.trim().is_empty() && wrong.is_none();
        let ready = cx.state.live.model.is_some() && named;
        let enter = !typing && ui.input(|i| i.key_pressed(egui::Key::Enter));
        if ui
            .add_enabled(ready, theme::primary_button(ui, text))
            .clicked()
            || (ready && (enter || entered))
        {
            cx.push(Action::Export);
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
    });
}

fn numbers_ui(ui: &mut Ui, form: &mut ExportForm, has_frames: bool, plays: bool) {
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
    let film = form.format.is_film();
    if has_frames && !film {
        row(
            ui,
            "Pictures in all",
            &mut form.frames,
            2..=600,
            "",
            "Steps from the first picture to the last",
        );
    }
    if film && plays {
        ui.horizontal(|ui| {
            let label = label_ui(ui, "Duration");
            let number = egui::DragValue::new(&mut form.clock.seconds)
                .range(0.5..=60.0)
                .speed(0.05)
                .fixed_decimals(1)
                .suffix(" s");
            let tip = "From the first picture to the last, as it plays; there and back takes twice as long";
            ui.add(number).labelled_by(label.id).on_hover_text(tip);
            let modes = PLAY_MODES.map(|(mode, name)| (mode, name, "What happens at the end"));
            if let Some(mode) = choice_ui(ui, form.clock.mode, &modes) {
                form.clock.mode = mode;
            }
        });
    }
    if film {
        let most = form.format.max_fps();
        row(
            ui,
            "Speed",
            &mut form.clock.fps,
            1..=most,
            " frames/s",
            "Frames a second",
        );
    }
    if form.format == ExportFormat::Photo {
        row(
            ui,
            "Quality",
            &mut form.quality,
            1..=100,
            "",
            "Of a JPEG; a PNG has no loss",
        );
    } else if form.format != ExportFormat::Latents {
        row(
            ui,
            "Enlarge",
            &mut form.scale,
            1..=16,
            " ×",
            "Pixels of the file for each pixel of the model",
        );
    }
    let sheet = form.format.is_sheet();
    let several = form.source != ExportSource::Selected;
    if sheet && several {
        row(
            ui,
            "Gap",
            &mut form.gap,
            0..=64,
            " px",
            "Between the pictures",
        );
    }
    if sheet || film {
        ui.horizontal(|ui| {
            label_ui(ui, "");
            ui.checkbox(&mut form.labels, "Labels under the pictures")
                .on_hover_text("What each picture is, and what was set: amounts, temperature");
        });
    }
}

fn format_label(source: ExportSource, format: ExportFormat) -> &'static str {
    match (source, format) {
        (ExportSource::Selected, ExportFormat::Grid) => "Picture",
        _ => format.label(),
    }
}
