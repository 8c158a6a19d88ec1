//! The open dialog, and the small ones.

use egui::{Id, Key, Modal, Ui, vec2};

use super::frame::{TextEntry, buttons_ui, field_ui, title_ui};
use super::{asks, crop, export, folder, paths, status};
use crate::app::action::Action;
use crate::app::dialog::Dialog;
use crate::app::keys;
use crate::app::theme::{self, section_ui};
use crate::app::training::{TrainingPhase, TrainingRun};
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{Icon, note_ui};

/// The open dialog, over everything else.
pub fn dialogs_ui(ui: &Ui, cx: &mut Cx<'_>) {
    let Some(dialog) = cx.state.dialog.clone() else {
        return;
    };
    let width: f32 = match &dialog {
        Dialog::Crop(_) | Dialog::Help => 660.0,
        Dialog::Log => 600.0,
        Dialog::Export(_) | Dialog::Ask(_) | Dialog::Folder(_) | Dialog::TypePath { .. } => 520.0,
        _ => 440.0,
    };
    let frame = egui::Frame::popup(&ui.ctx().global_style())
        .corner_radius(theme::WINDOW_ROUNDING)
        .inner_margin(20);
    let modal = Modal::new(Id::unique("dialog"))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            ui.set_width(width.min(ui.ctx().content_rect().width() - 64.0));
            match &dialog {
                Dialog::Crop(form) => crop::crop_ui(ui, cx, form),
                Dialog::Export(form) => export::export_ui(ui, cx, form),
                Dialog::Ask(form) => asks::asks_ui(ui, cx, form),
                Dialog::Folder(form) => folder::folder_ui(ui, cx, form),
                Dialog::TypePath {
                    purpose,
                    text,
                    note,
                } => paths::type_path_ui(ui, cx, *purpose, text, note),
                Dialog::Rename { item, text } => rename_ui(ui, cx, *item, text),
                Dialog::Help => help_ui(ui, cx),
                Dialog::Palette { query, row } => palette_ui(ui, cx, query, *row),
                Dialog::Log => log_ui(ui, cx),
                Dialog::About => about_ui(ui, cx),
                Dialog::Quit => quit_ui(ui, cx),
            }
        });
    // Escape is in the table of keys; here only a click beside the dialog counts.
    if modal.backdrop_response.clicked() {
        cx.push(Action::Close);
    }
}

fn rename_ui(ui: &mut Ui, cx: &mut Cx<'_>, item: crate::engine::message::ItemId, text: &str) {
    title_ui(ui, "Rename");
    let mut text = text.to_owned();
    let TextEntry {
        changed, entered, ..
    } = field_ui(ui, ("Name", "", false), &mut text);
    if changed {
        let text = text.clone();
        cx.push(Action::Show(Dialog::Rename { item, text }));
    }
    ui.add_space(8.0);
    buttons_ui(ui, cx, |ui, cx| {
        if ui.add(theme::primary_button(ui, "Rename")).clicked() || entered {
            cx.push(Action::Rename(item, text));
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
    });
}

fn help_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    title_ui(ui, "Keyboard");
    let height = (ui.ctx().content_rect().height() - 220.0).clamp(160.0, 560.0);
    let scroll = egui::ScrollArea::vertical()
        .max_height(height)
        .min_scrolled_height(height);
    scroll.show(ui, |ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        ui.spacing_mut().item_spacing.y = 3.0;
        let mut groups: Vec<&str> = keys::all().iter().map(|e| e.group).collect();
        groups.dedup();
        ui.columns(2, |columns| {
            for (i, group) in groups.iter().enumerate() {
                // The first three groups are the long ones.
                let column = usize::from(i >= 2 && i != 3);
                help_group_ui(&mut columns[column], cx, group);
            }
            let ui = &mut columns[0];
            section_ui(ui, "Held");
            key_row_ui(ui, cx, "Compare with the base", "C");
            key_row_ui(ui, cx, "Paste a picture", "Ctrl+V");
        });
    });
    ui.add_space(8.0);
    close_ui(ui, cx);
}

fn help_group_ui(ui: &mut Ui, cx: &Cx<'_>, group: &str) {
    section_ui(ui, group);
    // The second key for the same thing is known to those who need it.
    let entries = keys::all()
        .iter()
        .filter(|e| e.group == group && e.name != "Larger (=)");
    for entry in entries {
        if let Some(shortcut) = entry.shortcut {
            key_row_ui(
                ui,
                cx,
                entry.name,
                &keys::shortcut_text(ui.ctx(), &shortcut),
            );
        }
    }
    ui.add_space(8.0);
}

fn key_row_ui(ui: &mut Ui, cx: &Cx<'_>, name: &str, key: &str) {
    ui.horizontal(|ui| {
        ui.label(name);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add_space(16.0);
            ui.label(
                egui::RichText::new(key)
                    .monospace()
                    .color(cx.tokens.text_weak),
            );
        });
    });
}

fn palette_ui(ui: &mut Ui, cx: &mut Cx<'_>, query: &str, old_row: usize) {
    let mut text = query.to_owned();
    // Taken before the field sees them: it would move its cursor.
    let (up, down) = ui.input_mut(|i| {
        let none = egui::Modifiers::NONE;
        (
            i.consume_key(none, Key::ArrowUp),
            i.consume_key(none, Key::ArrowDown),
        )
    });
    let hint = "A few letters of what you want";
    let TextEntry {
        changed, entered, ..
    } = field_ui(ui, ("Command", hint, false), &mut text);
    let found = keys::search(&text);
    let last = found.len().saturating_sub(1);
    let mut row = if changed { 0 } else { old_row.min(last) };
    row = if down {
        (row + 1).min(last)
    } else {
        row.saturating_sub(usize::from(up))
    };
    // Pushed only where it changed: every wish costs one more frame.
    if (text.as_str(), row) != (query, old_row) {
        cx.push(Action::Show(Dialog::Palette { query: text, row }));
    }
    ui.add_space(4.0);
    let mut chosen = entered.then_some(row);
    egui::ScrollArea::vertical()
        .max_height(320.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            for (i, entry) in found.iter().enumerate() {
                let enabled = entry.action(cx.state).is_some();
                let shortcut = entry
                    .shortcut
                    .map_or_else(String::new, |s| keys::shortcut_text(ui.ctx(), &s));
                let button = egui::Button::selectable(i == row, entry.name)
                    .shortcut_text(shortcut)
                    .min_size(vec2(ui.available_width(), 0.0));
                let response = ui.add_enabled(enabled, button);
                if i == row && (up || down) {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    chosen = Some(i);
                }
            }
            if found.is_empty() {
                ui.label(egui::RichText::new("Nothing fits").color(cx.tokens.text_weak));
            }
        });
    if let Some(entry) = chosen.and_then(|i| found.get(i)) {
        cx.push(Action::Close);
        cx.actions.extend(entry.action(cx.state));
    }
}

fn log_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    title_ui(ui, "Messages");
    egui::ScrollArea::vertical()
        .max_height(360.0)
        .auto_shrink([false, true])
        .stick_to_bottom(true)
        .show(ui, |ui| {
            for line in &cx.state.live.log {
                let (icon, color) = status::sign(line.level, cx);
                note_ui(ui, icon, color, &line.text);
            }
            if cx.state.live.log.is_empty() {
                ui.label(egui::RichText::new("No messages so far").color(cx.tokens.text_weak));
            }
        });
    ui.add_space(8.0);
    close_ui(ui, cx);
}

/// Asked before the window closes over a training, an export or a build that is not done.
fn quit_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.state.training.is_active() {
        return quit_training_ui(ui, cx);
    }
    let exports = !cx.state.live.exporting.is_empty();
    title_ui(
        ui,
        match exports {
            true => "An export is under way",
            false => "Directions are being built",
        },
    );
    for (_, path) in &cx.state.live.exporting {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ui.label(name);
    }
    ui.add_space(4.0);
    ui.label("Closing the window now gives it up. The session is saved either way.");
    ui.add_space(8.0);
    buttons_ui(ui, cx, |ui, cx| {
        if ui.add(theme::primary_button(ui, "Stay")).clicked() {
            cx.push(Action::Close);
        }
        if ui.button("Quit").clicked() {
            cx.push(Action::QuitAtOnce);
        }
    });
}

/// The same over a training, which is saved first.
fn quit_training_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    title_ui(ui, "A training is under way");
    let run = cx.state.training.run.as_ref();
    ui.label(run.map(TrainingRun::name).unwrap_or_default());
    ui.add_space(4.0);
    if cx.state.training.closes {
        ui.label("Saving the training; the window closes once it is on the disk…");
    } else {
        ui.label("It is saved before the window closes, and can be resumed at the next start.");
    }
    if let Some(TrainingPhase::Unsaved(message)) = run.map(|run| &run.phase) {
        note_ui(ui, Icon::Warning, cx.tokens.error, message);
    }
    if !cx.state.live.exporting.is_empty() {
        ui.label("An export that is under way is given up.");
    }
    ui.add_space(8.0);
    buttons_ui(ui, cx, |ui, cx| {
        if ui.add(theme::primary_button(ui, "Stay")).clicked() {
            cx.push(Action::Close);
        }
        if cx.state.training.closes {
            let tip = "The save is finished behind the window";
            if ui.button("Close now").on_hover_text(tip).clicked() {
                cx.push(Action::QuitAtOnce);
            }
        } else if ui.button("Save and close").clicked() {
            cx.push(Action::QuitOnceSaved);
        }
    });
}

fn about_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    title_ui(ui, concat!("glow-explorer ", env!("CARGO_PKG_VERSION")));
    ui.label("Explores the latent space of Glow, the invertible generative network of Kingma and Dhariwal (2018), by hand.");
    ui.add_space(4.0);
    if let Some(model) = &cx.state.live.model {
        section_ui(ui, "OPEN MODEL");
        let config = &model.config;
        ui.label(format!(
            "{}: {}, {} parameters, on {}",
            model.name,
            config.parts_text(),
            model.n_parameters,
            model.device
        ));
        if !model.provenance.is_empty() {
            egui::ScrollArea::vertical()
                .max_height(180.0)
                .show(ui, |ui| {
                    ui.add(
                        egui::Label::new(egui::RichText::new(&model.provenance).monospace())
                            .selectable(true),
                    );
                });
        }
    }
    ui.add_space(8.0);
    close_ui(ui, cx);
}

fn close_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    buttons_ui(ui, cx, |ui, cx| {
        if ui.add(theme::primary_button(ui, "Close")).clicked() {
            cx.push(Action::Close);
        }
    });
}
