//! The map screen: what is open above, the map, the choices below.

use egui::{CentralPanel, Margin, RichText, Ui};

use super::colour::ColourScale;
use super::{MapWish, canvas, neighbours_question, panel, places};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::maps::{FolderMap, MapStage};
use crate::app::state::State;
use crate::app::theme;
use crate::app::views;
use crate::app::widgets::Cx;
use crate::engine::message::{Answer, MapNeighbour, Question};

/// Pictures until there is something to see.
const FEWEST: usize = 2;

/// See the module.
pub fn map_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(map) = cx.state.shown_map() else {
        empty_ui(ui, cx);
        return;
    };
    let (count, total) = (map.pictures.len(), map.total);
    let picture = |at: usize| &*map.pictures[at].thumbnail;
    cx.textures
        .lay_out(ui.ctx(), map.ticket, (count, total), picture);
    let places = places(map, cx.state.desks.map.axes);
    let scale = ColourScale::of(cx.state, map);
    let neighbours = neighbours(cx.state);
    views::growing_controls_ui(ui, cx, "map controls", |ui, cx| {
        panel::choices_ui(ui, cx, map, &scale);
        panel::picked_ui(ui, cx, map, &scale, neighbours);
    });
    let frame = egui::Frame::new().inner_margin(Margin::symmetric(10, 6));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        panel::head_ui(ui, cx, map);
        if places.len() < FEWEST {
            waiting_ui(ui, cx, map);
            return;
        }
        canvas::canvas_ui(ui, cx, map, &places, &scale, neighbours);
    });
}

/// What lies nearest the picked picture, as far as it is known.
fn neighbours(state: &State) -> &[MapNeighbour] {
    let Some(Question::MapNeighbours {
        map,
        picture,
        space,
        ..
    }) = neighbours_question(state)
    else {
        return &[];
    };
    let wanted = |q: &Question| matches!(q, Question::MapNeighbours { map: m, picture: p, space: s, .. } if (*m, *p, *s) == (map, picture, space));
    match state.live.answers.newest(wanted) {
        Some((_, Answer::MapNeighbours(neighbours))) => neighbours,
        _ => &[],
    }
}

fn waiting_ui(ui: &mut Ui, cx: &Cx<'_>, map: &FolderMap) {
    let text = match map.stage {
        MapStage::Encoding => "The first pictures are being encoded…",
        MapStage::Done | MapStage::Cancelled => "Too few pictures for a map: two are the least",
    };
    ui.centered_and_justified(|ui| {
        ui.label(RichText::new(text).color(cx.tokens.text_weak));
    });
}

/// What the screen is for, and ways to begin.
fn empty_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        let height = ui.available_height();
        egui::ScrollArea::vertical().show(ui, |ui| {
            ui.vertical_centered(|ui| {
                ui.add_space(0.22 * height);
                ui.heading("A whole folder on a plane");
                ui.set_max_width(ui.available_width().min(460.0));
                let text = "Every picture of a folder is encoded in the background, and laid where pictures like it lie. \
                            Thousands are welcome: none comes onto the shelf unless you take it.";
                ui.label(RichText::new(text).color(cx.tokens.text_weak));
                ui.add_space(theme::GAP);
                let tip = "Choose a folder of photographs, or drop one here";
                let open = ui.add(theme::primary_button(ui, "Map a folder…"));
                if open.on_hover_text(tip).clicked() {
                    cx.push(Action::Browse(PathPurpose::MapFolder));
                }
                recent_ui(ui, cx);
            });
        });
    });
}

fn recent_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.state.recent_folders.is_empty() {
        return;
    }
    ui.add_space(theme::GAP);
    theme::section_ui(ui, "OPENED BEFORE");
    for folder in cx.state.recent_folders.clone() {
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        let button = ui.button(name.to_string_lossy());
        let tip = format!("Map {}", folder.display());
        if button.on_hover_text(tip).clicked() {
            cx.push(MapWish::Open(folder));
        }
    }
}
