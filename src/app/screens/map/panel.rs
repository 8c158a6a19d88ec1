//! What stands around the map: the folder, the choices of axes and colours, the picked picture.

use egui::{Rect, RichText, Role, Sense, Ui, Vec2, WidgetInfo, vec2};

use super::canvas::{self, MapZoom};
use super::colour::{ColourScale, ramp};
use super::{MapAxes, MapColour, MapWish, SIZES, labels};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::maps::{FolderMap, MapStage};
use crate::app::screens::edit::pretty;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, slider_ui};
use crate::app::widgets::picture::paint_ring;
use crate::engine::message::MapNeighbour;

/// What was left out is named one by one up to here.
const NAMED: usize = 10;
/// Width of a list to choose from.
const CHOICE: f32 = 132.0;
/// Side of a neighbour, and room for the number below it.
const NEIGHBOUR: f32 = 46.0;
const BELOW: f32 = 14.0;

const ANOTHER: &str = "Encode another folder; this one stays";
/// Below this width the row above the map has no room for all its buttons.
const NARROW: f32 = 420.0;

/// The folder, how far it is, and what was left out.
pub fn head_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap) {
    ui.horizontal_wrapped(|ui| {
        folder_choice_ui(ui, cx, map);
        // In a narrow window it stands in the list of folders alone.
        if ui.available_width() > NARROW && button_ui(ui, true, "Map a folder…", ANOTHER) {
            cx.push(Action::Browse(PathPurpose::MapFolder));
        }
        let n = map.pictures.len();
        let text = match map.stage {
            MapStage::Encoding if map.total == 0 => "listing…".to_owned(),
            MapStage::Encoding => format!("{} of {}", n + map.left_out.len(), map.total),
            MapStage::Done => format!("{n} pictures"),
            MapStage::Cancelled => format!("{n} of {}, given up", map.total),
        };
        ui.label(RichText::new(text).color(cx.tokens.text_weak));
        if map.stage == MapStage::Encoding {
            let tip = "What is encoded stays on the map";
            if button_ui(ui, true, "Stop", tip) {
                cx.push(Action::Cancel(map.ticket()));
            }
        }
        if map.stage == MapStage::Cancelled {
            let tip = "Encode the whole folder once more";
            if button_ui(ui, true, "Start again", tip) {
                cx.push(MapWish::Open(map.folder.clone()));
            }
        }
        if !map.left_out.is_empty() {
            let text = RichText::new(format!("{} left out", map.left_out.len()));
            let label = egui::Label::new(text.color(cx.tokens.warning)).sense(Sense::hover());
            ui.add(label).on_hover_ui(|ui| {
                ui.set_max_width(420.0);
                for why in map.left_out.iter().take(NAMED) {
                    ui.label(why);
                }
                if map.left_out.len() > NAMED {
                    ui.label(format!("and {} more", map.left_out.len() - NAMED));
                }
            });
        }
        zoom_ui(ui);
    });
}

fn zoom_ui(ui: &mut Ui) {
    let steps = [
        ("−", "Shrink the map", 1.0 / 1.4),
        ("+", "Enlarge the map", 1.4),
    ];
    for (sign, name, by) in steps {
        let button = ui.add(egui::Button::new(sign).min_size(vec2(26.0, 0.0)));
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
        let tip = format!("{name}; scrolling over it does the same, dragging moves it");
        if button.on_hover_text(tip).clicked() {
            canvas::ask_zoom(ui, MapZoom::By(by));
        }
    }
    let tip = "All pictures, as at first";
    let whole = ui.button("All");
    whole.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Whole map"));
    if whole.on_hover_text(tip).clicked() {
        canvas::ask_zoom(ui, MapZoom::Whole);
    }
}

/// A list to choose from, with a name for people who do not see it.
fn list_ui(
    ui: &mut Ui,
    (name, tip, width): (&str, &str, f32),
    shown: &str,
    add: impl FnOnce(&mut Ui),
) {
    let combo = egui::ComboBox::from_id_salt(name)
        .width(width)
        .truncate()
        .selected_text(shown);
    let response = combo.show_ui(ui, |ui| {
        ui.set_max_height(300.0);
        add(ui);
    });
    response.response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ComboBox, true, name);
        info.current_text_value = Some(shown.to_owned());
        info
    });
    response.response.on_hover_text(tip);
}

fn folder_choice_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap) {
    let path = map.folder.display().to_string();
    list_ui(ui, ("Folder", &path, CHOICE), &map.name(), |ui| {
        for other in cx.state.live.maps.all() {
            let label = ui.selectable_label(other.ticket == map.ticket, other.name());
            let label = label.on_hover_text(other.folder.display().to_string());
            if label.clicked() {
                cx.actions.push(MapWish::Show(other.ticket()).into());
            }
        }
        if ui.button("Map a folder…").on_hover_text(ANOTHER).clicked() {
            cx.actions.push(Action::Browse(PathPurpose::MapFolder));
        }
    });
}

/// Axes, colours and the size of pictures, with the scale of the colours.
pub fn choices_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap, scale: &ColourScale) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Axes");
        axes_ui(ui, cx, map);
        ui.add_space(theme::GAP);
        ui.label("Colour");
        colour_ui(ui, cx, map, scale);
        table_ui(ui, cx, map);
    });
    ui.horizontal_wrapped(|ui| {
        legend_ui(ui, cx, scale);
        ui.add_space(theme::GAP);
        let mut size = cx.state.desks.map.size;
        let tip = "How large pictures are on the map; at the left end there are points alone";
        if slider_ui(ui, "Pictures", &mut size, SIZES, 0, tip).changed() {
            cx.push(MapWish::SetSize(size));
        }
    });
}

fn axes_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap) {
    let axes = cx.state.desks.map.axes;
    let has_scores = map.scores.is_some();
    let kinds = [
        (
            MapAxes::Scores,
            "Attributes",
            "The two directions in which the attributes' scores of these pictures differ most",
        ),
        (
            MapAxes::Eps,
            "Latents (eps)",
            "The same of the latents themselves, at their coarsest level. A model that has learnt well leaves noise there, in which faces differ little; pictures of another kind stand apart",
        ),
        (
            MapAxes::Two(0, 1),
            "Two attributes",
            "One attribute's score against another's",
        ),
    ];
    let shown = match axes {
        _ if !has_scores => kinds[1].1,
        MapAxes::Scores => kinds[0].1,
        MapAxes::Eps => kinds[1].1,
        MapAxes::Two(..) => kinds[2].1,
    };
    let across = canvas::axis_text(map, axes, 0, f32::MAX);
    let upwards = canvas::axis_text(map, axes, 1, f32::MAX);
    let tip = format!("What decides where a picture lies\nAcross: {across}\nUpwards: {upwards}");
    list_ui(ui, ("Axes of the map", &tip, CHOICE), shown, |ui| {
        for (kind, label, tip) in kinds {
            if kind != MapAxes::Eps && !has_scores {
                continue;
            }
            if ui
                .selectable_label(shown == label, label)
                .on_hover_text(tip)
                .clicked()
            {
                cx.push(MapWish::SetAxes(kind));
            }
        }
    });
    let MapAxes::Two(x, y) = axes else {
        return;
    };
    for (name, current, k) in [("Attribute across", x, 0), ("Attribute upwards", y, 1)] {
        let shown = map
            .score_names
            .get(current)
            .map_or(String::new(), |n| pretty(n));
        list_ui(ui, (name, name, CHOICE), &shown, |ui| {
            for (at, score) in map.score_names.iter().enumerate() {
                if ui.selectable_label(at == current, pretty(score)).clicked() {
                    let (x, y) = if k == 0 { (at, y) } else { (x, at) };
                    cx.push(MapWish::SetAxes(MapAxes::Two(x, y)));
                }
            }
        });
    }
}

fn colour_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap, scale: &ColourScale) {
    let current = cx.state.desks.map.colour.clone();
    let columns: Vec<String> = labels(cx.state).iter().map(|c| c.name.clone()).collect();
    let tip = "What the colour of a picture's edge, or of its point, says";
    list_ui(ui, ("Colour of the map", tip, CHOICE), &scale.name, |ui| {
        let mut choice = |ui: &mut Ui, colour: MapColour, label: String| {
            if ui.selectable_label(colour == current, label).clicked() {
                cx.push(MapWish::SetColour(colour));
            }
        };
        choice(ui, MapColour::Bits, "Bits/dim".to_owned());
        if !columns.is_empty() {
            theme::section_ui(ui, "TABLE");
            for name in columns {
                let label = pretty(&name);
                choice(ui, MapColour::Label(name), label);
            }
        }
        if !map.score_names.is_empty() {
            theme::section_ui(ui, "ATTRIBUTES");
            for (at, name) in map.score_names.iter().enumerate() {
                choice(ui, MapColour::Score(at), pretty(name));
            }
        }
    });
}

/// The table whose columns are offered: one beside the folder, or another.
fn table_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap) {
    let current = cx.state.desks.map.table.clone();
    let name = |path: &std::path::Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let shown = current.as_deref().map_or("no table".to_owned(), name);
    let tip = "A table of labels (CSV, a row a picture, its first column the file names) whose columns can be colours";
    list_ui(ui, ("Table of labels", tip, CHOICE), &shown, |ui| {
        let mut all = map.tables.clone();
        all.extend(current.clone().filter(|path| !map.tables.contains(path)));
        if ui.selectable_label(current.is_none(), "no table").clicked() {
            cx.push(MapWish::SetTable(None));
        }
        for path in all {
            let is_it = current.as_ref() == Some(&path);
            let label = ui.selectable_label(is_it, name(&path));
            if label.on_hover_text(path.display().to_string()).clicked() {
                cx.push(MapWish::SetTable(Some(path)));
            }
        }
        if ui
            .button("Another…")
            .on_hover_text("Choose a file")
            .clicked()
        {
            cx.push(Action::Browse(PathPurpose::Labels));
        }
    });
}

/// The colours with their numbers.
fn legend_ui(ui: &mut Ui, cx: &Cx<'_>, scale: &ColourScale) {
    let [low, high] = scale.ends();
    ui.label(format!("{}:", scale.name));
    match scale.two {
        Some([n_low, n_high]) => {
            for (value, text, n) in [
                (scale.range.start(), &low, n_low),
                (scale.range.end(), &high, n_high),
            ] {
                let (rect, _) = ui.allocate_exact_size(Vec2::splat(12.0), Sense::hover());
                ui.painter().rect_filled(rect, 2, scale.colour_of(*value));
                ui.label(format!("{text} ({n})"));
            }
        }
        None => {
            ui.label(low);
            let (rect, _) = ui.allocate_exact_size(vec2(110.0, 12.0), Sense::hover());
            for i in 0..55 {
                let left = rect.left() + 2.0 * i as f32;
                let size = vec2(2.0, rect.height());
                let bar = Rect::from_min_size(egui::pos2(left, rect.top()), size);
                ui.painter().rect_filled(bar, 0, ramp(i as f32 / 54.0));
            }
            ui.label(high);
        }
    }
    if scale.unknown > 0 {
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(12.0), Sense::hover());
        ui.painter().rect_filled(rect, 2, cx.tokens.text_weak);
        ui.label(format!("not known ({})", scale.unknown));
    }
}

/// The picked picture, what can be done with it, and its neighbours.
pub fn picked_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    map: &FolderMap,
    scale: &ColourScale,
    neighbours: &[MapNeighbour],
) {
    ui.vertical(|ui| {
        // Its room is there before anything is picked: a map that moved under the pointer would be clicked amiss.
        ui.set_min_height(2.0 * NEIGHBOUR + BELOW + theme::GAP);
        picked_rows_ui(ui, cx, map, scale, neighbours);
    });
}

fn picked_rows_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    map: &FolderMap,
    scale: &ColourScale,
    neighbours: &[MapNeighbour],
) {
    let picked = cx.state.desks.map.picked;
    let Some((at, picture)) = picked.and_then(|at| Some((at, map.pictures.get(at)?))) else {
        let text =
            "Click a picture to see what lies near it, or walk over the map with the arrow keys";
        ui.label(RichText::new(text).small().color(cx.tokens.text_weak));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(NEIGHBOUR), Sense::hover());
        canvas::paint_cell(ui, cx, map, at, rect);
        paint_ring(ui.painter(), &cx.tokens, rect, true, false);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            ui.label(RichText::new(&picture.name).strong());
            let text = canvas::lines(map, scale, at).join("; ");
            ui.label(RichText::new(text).small().color(cx.tokens.text_weak));
        });
        let (can, tip) = match picture.path {
            Some(_) => (true, "Open this photo on the shelf, to morph, edit and compare it. A second click on the map does the same"),
            None => (false, "It lies inside an archive; unpack that first"),
        };
        if button_ui(ui, can, "Take onto the shelf", tip) {
            cx.push(MapWish::Take(at));
        }
    });
    if neighbours.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let tip = "The pictures most like it, by what the axes are made of. The number is the distance: 1 is as far as two pictures that have nothing to do with each other";
        ui.label("Nearest").on_hover_text(tip);
        for neighbour in neighbours {
            neighbour_ui(ui, cx, map, neighbour);
        }
    });
}

fn neighbour_ui(ui: &mut Ui, cx: &mut Cx<'_>, map: &FolderMap, neighbour: &MapNeighbour) {
    let at = neighbour.picture;
    let Some(picture) = map.pictures.get(at) else {
        return;
    };
    let size = vec2(NEIGHBOUR, NEIGHBOUR + BELOW);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let place = Rect::from_min_size(rect.min, Vec2::splat(NEIGHBOUR));
    canvas::paint_cell(ui, cx, map, at, place);
    let lit = response.hovered() || response.has_focus();
    paint_ring(ui.painter(), &cx.tokens, place, false, lit);
    let text = format!("{:.2}", neighbour.distance);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let below = rect.center_bottom();
    ui.painter().text(
        below,
        egui::Align2::CENTER_BOTTOM,
        &text,
        font,
        cx.tokens.text_weak,
    );
    let name = format!("Near: {}, {text}", picture.name);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let tip = format!(
        "{}\n{:.3} bits/dim\nDistance {text}",
        picture.name, picture.bits_per_dim
    );
    if response.on_hover_text(tip).clicked() {
        cx.push(MapWish::Pick(Some(at)));
    }
}
