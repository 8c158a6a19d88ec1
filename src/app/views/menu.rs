//! The menu bar.

use std::path::PathBuf;

use egui::{Button, MenuBar, Ui};

use crate::app::action::Action;
use crate::app::keys;
use crate::app::screens::{Tab, all_offers};
use crate::app::state::ThemeChoice;
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{Icon, icon_button_ui};
use crate::engine::message::PictureSource;

/// File, Edit, View, Model, Help; the model, undo and redo, and the palette.
pub fn menu_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    MenuBar::new().ui(ui, |ui| {
        ui.menu_button("File", |ui| {
            items_ui(
                ui,
                cx,
                &[
                    "Open pictures…",
                    "Open folder…",
                    "Map a folder…",
                    "Type a path…",
                    "Paste picture",
                    "",
                    "New session",
                    "Open session…",
                    "Save session…",
                    "Save session as…",
                ],
            );
            recent_ui(ui, cx);
            opened_before_ui(ui, cx);
            items_ui(ui, cx, &["", "Export…", "", "Quit"]);
        });
        ui.menu_button("Edit", |ui| {
            items_ui(
                ui,
                cx,
                &[
                    "Undo",
                    "Redo",
                    "",
                    "Copy picture",
                    "Pin to shelf",
                    "Rename",
                    "Remove from shelf",
                    "",
                ],
            );
            for offer in all_offers() {
                item_ui(ui, cx, offer.name, None);
            }
        });
        ui.menu_button("View", |ui| view_menu_ui(ui, cx));
        ui.menu_button("Model", |ui| {
            items_ui(
                ui,
                cx,
                &[
                    "Open the shipped model",
                    "Open model…",
                    "Type the path of a model…",
                    "",
                    "Open attributes…",
                    "Save directions…",
                ],
            );
        });
        ui.menu_button("Help", |ui| {
            items_ui(
                ui,
                cx,
                &[
                    "Take the tour",
                    "Keyboard",
                    "Commands…",
                    "Messages",
                    "",
                    "About",
                ],
            );
        });
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            right_side_ui(ui, cx);
        });
    });
}

/// The sessions opened or saved last.
fn recent_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let recent = &cx.state.recent;
    let kept = &cx.state.session.kept;
    ui.add_enabled_ui(!recent.is_empty() || !kept.is_empty(), |ui| {
        ui.menu_button("Recent sessions", |ui| {
            for path in recent {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let button = ui.button(name).on_hover_text(path.display().to_string());
                if button.clicked() {
                    cx.actions.push(Action::OpenSession(path.clone()));
                    ui.close();
                }
            }
            if !recent.is_empty() && !kept.is_empty() {
                ui.separator();
            }
            for kept in kept {
                let path = kept.path.display().to_string();
                let button = ui.button(&kept.label).on_hover_text(path);
                if button.clicked() {
                    cx.actions.push(Action::OpenSession(kept.path.clone()));
                    ui.close();
                }
            }
        });
    });
}

/// The pictures and folders opened last.
fn opened_before_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let pictures = cx.state.recent_pictures.iter();
    let of_picture = |path: &PathBuf| Action::Import(vec![PictureSource::Path(path.clone())]);
    let of_folder = |path: &PathBuf| Action::OpenFolder(path.clone());
    let pictures = pictures.map(|path| (path, of_picture(path)));
    let folders = cx.state.recent_folders.iter();
    let folders = folders.map(|path| (path, of_folder(path)));
    let all: Vec<(&PathBuf, Action)> = pictures.chain(folders).collect();
    ui.add_enabled_ui(!all.is_empty(), |ui| {
        ui.menu_button("Recent pictures and folders", |ui| {
            for (path, action) in all {
                let name = path.file_name().unwrap_or(path.as_os_str());
                let button = ui.button(name.to_string_lossy());
                let button = button.on_hover_text(path.display().to_string());
                if button.clicked() {
                    cx.actions.push(action);
                    ui.close();
                }
            }
        });
    });
}

/// From the right: palette, redo, undo, model.
fn right_side_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let palette = Button::new("Commands").shortcut_text("Ctrl+P");
    if ui
        .add(palette)
        .on_hover_text("Find anything by a few letters")
        .clicked()
    {
        push_named(cx, "Commands…");
    }
    let can_redo = cx.state.history.can_redo();
    if icon_button_ui(ui, can_redo, Icon::Redo, "Redo", "Redo (Ctrl+Shift+Z)").clicked() {
        cx.push(Action::Redo);
    }
    let can_undo = cx.state.history.can_undo(&cx.state.doc);
    if icon_button_ui(ui, can_undo, Icon::Undo, "Undo", "Undo (Ctrl+Z)").clicked() {
        cx.push(Action::Undo);
    }
    let (text, tip) = match &cx.state.live.model {
        Some(model) => {
            let c = &model.config;
            let tip = format!(
                "{0}×{0} pixels, {1}, {2} bits\n{3} parameters",
                c.image_size,
                c.parts_text(),
                c.bits,
                model.n_parameters
            );
            (model.name.clone(), tip)
        }
        None if cx.state.live.opening => ("opening the model…".to_owned(), String::new()),
        None => ("no model".to_owned(), "Model > Open model…".to_owned()),
    };
    ui.add_space(6.0);
    let color = cx.tokens.text_weak;
    ui.add(egui::Label::new(egui::RichText::new(text).color(color)).truncate())
        .on_hover_text(tip);
}

fn view_menu_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    for &tab in Tab::ALL {
        item_ui(ui, cx, tab.screen().label(), Some(cx.state.tab == tab));
    }
    ui.separator();
    item_ui(ui, cx, "Full screen", Some(cx.state.full_screen));
    item_ui(ui, cx, "Shelf", Some(cx.state.settings.shelf_open));
    item_ui(ui, cx, "Inspector", Some(cx.state.settings.inspector_open));
    item_ui(ui, cx, "Smooth pictures", Some(cx.state.settings.smooth));
    ui.separator();
    for theme in ThemeChoice::ALL {
        item_ui(
            ui,
            cx,
            theme.label(),
            Some(cx.state.settings.theme == theme),
        );
    }
    ui.separator();
    items_ui(ui, cx, &["Larger", "Smaller", "Normal size"]);
}

/// Items of the table of entries by name; an empty name is a line.
fn items_ui(ui: &mut Ui, cx: &mut Cx<'_>, names: &[&str]) {
    for name in names {
        if name.is_empty() {
            ui.separator();
        } else {
            item_ui(ui, cx, name, None);
        }
    }
}

/// One item; `checked` puts a tick in front where it holds.
fn item_ui(ui: &mut Ui, cx: &mut Cx<'_>, name: &str, checked: Option<bool>) {
    ui.set_min_width(200.0);
    let Some(entry) = keys::entry(name) else {
        return;
    };
    let action = entry.action(cx.state);
    let text = match checked {
        Some(true) => format!("● {name}"),
        Some(false) => format!("○ {name}"),
        None => name.to_owned(),
    };
    let mut button = Button::new(text);
    if let Some(shortcut) = &entry.shortcut {
        button = button.shortcut_text(keys::shortcut_text(ui.ctx(), shortcut));
    } else if name == "Paste picture" {
        button = button.shortcut_text("Ctrl+V");
    }
    let response = ui.add_enabled(action.is_some(), button);
    response.widget_info(|| {
        egui::WidgetInfo::selected(
            egui::Role::MenuItem,
            action.is_some(),
            checked.unwrap_or(false),
            name,
        )
    });
    if response.clicked()
        && let Some(action) = action
    {
        cx.push(action);
        ui.close();
    }
}

fn push_named(cx: &mut Cx<'_>, name: &str) {
    let action = keys::entry(name).and_then(|entry| entry.action(cx.state));
    cx.actions.extend(action);
}
