//! The question about a folder of very many pictures.

use egui::Ui;

use super::frame::{buttons_ui, title_ui};
use crate::app::action::Action;
use crate::app::dialog::FolderForm;
use crate::app::folder::ASKED_ABOVE;
use crate::app::screens::map::MapWish;
use crate::app::theme;
use crate::app::widgets::Cx;

/// The dialog.
pub fn folder_ui(ui: &mut Ui, cx: &mut Cx<'_>, form: &FolderForm) {
    title_ui(ui, "A folder of many pictures");
    let listing = &form.listing;
    let n = listing.pictures.len();
    ui.label(listing.folder.display().to_string());
    ui.add_space(4.0);
    let numbers = cx
        .state
        .live
        .model
        .as_ref()
        .map_or(0, |m| m.latent_shape().dims());
    let mib = (n * numbers * size_of::<f32>()) >> 20;
    ui.label(format!(
        "It holds {n} pictures. On the shelf each takes a row and is kept with its latent, {mib} MiB for all of them: that is \
         for pictures that you work with. The map shows all of them at once, and takes onto the shelf what you choose there."
    ));
    ui.add_space(8.0);
    buttons_ui(ui, cx, |ui, cx| {
        let first = format!("Open the first {ASKED_ABOVE}");
        let tip = "By name; the others stay where they are";
        let on_map = "Encode all of them in the background and show what lies near what";
        let map = ui
            .add(theme::primary_button(ui, "Show on the map"))
            .on_hover_text(on_map);
        if map.clicked() {
            cx.push(MapWish::Open(listing.folder.clone()));
        }
        if ui.button(first).on_hover_text(tip).clicked() {
            cx.push(Action::ImportFolder(listing.clone(), ASKED_ABOVE));
        }
        let tip = "It may take a while; Cancel in the status bar stops it";
        let all = ui.button(format!("Open all {n}")).on_hover_text(tip);
        if all.clicked() {
            cx.push(Action::ImportFolder(listing.clone(), usize::MAX));
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
    });
}
