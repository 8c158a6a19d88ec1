//! The compare screen: the table, or two pictures.

use std::sync::Arc;

use egui::{Align2, CentralPanel, Margin, Rect, RichText, Sense, Stroke, Ui, pos2, vec2};
use image::RgbImage;

use super::folder;
use super::table::{self, ShelfRow};
use super::{CompareWay, CompareWish, PICTURES, SortColumn};
use crate::app::action::Action;
use crate::app::dialog::ExportSource;
use crate::app::screens::Tab;
use crate::app::state::{Named, Picture, Selection, State};
use crate::app::theme;
use crate::app::views;
use crate::app::widgets::controls::{button_ui, choice_ui, row_with_end_ui, slider_ui};
use crate::app::widgets::picture::{paint, paint_badge, picture_menu_ui, square_in};
use crate::app::widgets::slot::picture_choice_ui;
use crate::app::widgets::{Cx, zoom};

const LETTERS: [char; 2] = ['A', 'B'];

/// Table or pictures above, the controls below.
pub fn compare_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    views::controls_ui(ui, cx, "compare controls", controls_ui);
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame()
        .frame(frame)
        .show(ui, |ui| match cx.state.desks.compare.way {
            CompareWay::Table => table_ui(ui, cx),
            CompareWay::Folder => folder::folder_ui(ui, cx),
            _ if cx.state.doc.compare.pair.iter().all(Option::is_some) => pictures_ui(ui, cx),
            _ => empty_ui(ui, cx),
        });
}

fn empty_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let room = ui.available_rect_before_wrap();
    ui.centered_and_justified(|ui| {
        let text = "Select a picture and press V, then another,\nor choose two below";
        ui.label(RichText::new(text).color(cx.tokens.text_weak));
    });
    let response = ui.interact(room, ui.scope_id().with("drop"), Sense::hover());
    if let Some(named) = response.dnd_release_payload::<Named>() {
        cx.push(CompareWish::Take((*named).clone()));
    }
}

// --- The table ---

/// The table as comma-separated values on the clipboard.
pub(super) fn copy_csv(state: &State) -> Action {
    Action::CopyText(table::csv(state, &table::rows(state)))
}

fn table_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let rows = table::rows(cx.state);
    if rows.is_empty() {
        ui.centered_and_justified(|ui| {
            let text =
                "Nothing on the shelf has figures yet.\nOpen photos (Ctrl+O) or pin samples (P)";
            ui.label(RichText::new(text).color(cx.tokens.text_weak));
        });
        return;
    }
    let n_levels = rows[0].figures.level_bits.len();
    egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        egui::Grid::new("figures")
            .striped(true)
            .spacing(vec2(18.0, 6.0))
            .show(ui, |ui| {
                ui.label("");
                heading_ui(ui, cx, SortColumn::Name, "Name", "What it is called");
                heading_ui(ui, cx, SortColumn::Bits, "Bits/dim", "Bits per dimension: how surprised the model is by this picture; less is more typical");
                for level in 0..n_levels {
                    let tip = "What this level adds to the bits per dimension";
                    heading_ui(ui, cx, SortColumn::Level(level), &cx.state.level_name(level), tip);
                }
                heading_ui(ui, cx, SortColumn::Norm, "Norm", "|eps| / sqrt(D): 1 for a typical picture");
                heading_ui(ui, cx, SortColumn::RoundTrip, "Round trip", "Largest difference between the picture and decode(encode(picture))");
                heading_ui(ui, cx, SortColumn::Nearest, "Nearest", "The picture on the shelf whose latent lies nearest, and how far: 1 is as far as two random samples");
                ui.end_row();
                for row in &rows {
                    row_ui(ui, cx, row);
                    ui.end_row();
                }
            });
    });
}

fn heading_ui(ui: &mut Ui, cx: &mut Cx<'_>, column: SortColumn, text: &str, tip: &str) {
    let desk = &cx.state.desks.compare;
    let sign = match (desk.sort == column, desk.descending) {
        (true, false) => " ↑",
        (true, true) => " ↓",
        (false, _) => "",
    };
    let label = RichText::new(format!("{text}{sign}")).strong();
    let button = egui::Button::new(label).frame(false);
    let response = ui.add(button);
    let name = format!("Sort by {text}");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    if response
        .on_hover_text(format!("{tip}\nA click sorts"))
        .clicked()
    {
        cx.push(CompareWish::SortBy(column));
    }
}

fn row_ui(ui: &mut Ui, cx: &mut Cx<'_>, row: &ShelfRow) {
    let (rect, _) = ui.allocate_exact_size(vec2(34.0, 34.0), Sense::hover());
    let picture = cx
        .state
        .items
        .get(&row.id)
        .and_then(|i| i.thumbnail.clone());
    paint(
        ui.painter(),
        cx.textures,
        &cx.tokens,
        rect,
        picture.as_ref(),
    );
    let selection = Selection::Item(row.id);
    let selected = cx.state.selection == selection;
    let name = egui::Button::selectable(selected, &row.name);
    if ui.add(name).clicked() {
        cx.push(Action::Select(selection));
    }
    let f = &row.figures;
    ui.monospace(format!("{:.3}", f.bits_per_dim));
    for bits in &f.level_bits {
        ui.monospace(format!("{bits:+.3}"));
    }
    ui.monospace(format!("{:.3}", f.relative_norm));
    ui.monospace(format!("{:.1e}", f.round_trip));
    match &row.nearest {
        Some((nearest, name)) => ui.label(format!("{name} ({:.2})", nearest.distance)),
        None => ui.label(""),
    };
}

// --- Two pictures ---

fn pictures_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let room = ui.available_rect_before_wrap();
    let pictures = [0, 1].map(|i| cx.state.cell_picture(PICTURES, i).cloned());
    match cx.state.desks.compare.way {
        CompareWay::Beside | CompareWay::Table | CompareWay::Folder => {
            beside_ui(ui, cx, room, &pictures);
        }
        CompareWay::Wipe => wipe_ui(ui, cx, square_in(room), &pictures),
        CompareWay::Flip => {
            let which = usize::from(cx.state.desks.compare.flipped);
            let rect = square_in(room);
            let response = one_ui(ui, cx, rect, which, pictures[which].as_ref());
            let letter = LETTERS[which].to_string();
            paint_badge(ui.painter(), &cx.tokens, rect, &letter, cx.tokens.text);
            if response.clicked() {
                cx.push(CompareWish::Flip);
            }
        }
    }
}

/// One of the two, zoomed as the other is.
fn one_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    which: usize,
    picture: Option<&Picture>,
) -> egui::Response {
    let selection = Selection::Of(Tab::Compare, which as u32);
    let named = cx.state.subject(selection).unwrap_or(Named {
        recipe: crate::engine::message::Recipe::Sample { seed: 0, index: 0 },
        label: String::new(),
    });
    let id = ui.scope_id().with(("compared", which));
    let response = zoom::linked_ui(ui, cx, rect, (id, zoom_id(ui)), &named, picture);
    response.context_menu(|ui| picture_menu_ui(ui, cx, &named, selection));
    response
}

/// The zoom that all of them share.
fn zoom_id(ui: &Ui) -> egui::Id {
    ui.scope_id().with("zoom")
}

fn beside_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect, pictures: &[Option<Picture>; 2]) {
    let gap = theme::GAP;
    let caption = 22.0;
    let wide = room.width() >= room.height();
    let side = if wide {
        ((room.width() - 2.0 * gap) / 3.0).min(room.height() - caption)
    } else {
        ((room.height() - 2.0 * gap) / 3.0 - caption).min(room.width())
    };
    let place = |i: usize| {
        let step = if wide {
            vec2(side + gap, 0.0)
        } else {
            vec2(0.0, side + gap + caption)
        };
        let min = room.min + vec2(0.0, caption) + step * i as f32;
        Rect::from_min_size(min, egui::Vec2::splat(side.max(16.0)))
    };
    let gain = cx.state.desks.compare.gain;
    let difference = difference(ui, pictures, gain);
    let text = match &difference {
        Some((_, mean, largest)) => {
            format!("Difference × {gain:.0}: mean {mean:.1}, largest {largest} of 255")
        }
        None => "Difference".to_owned(),
    };
    let captions = [caption_of(cx.state, 0), caption_of(cx.state, 1), text];
    for (i, text) in captions.iter().enumerate() {
        let rect = place(i);
        let at = rect.left_top() - vec2(0.0, 4.0);
        let font = egui::TextStyle::Small.resolve(ui.style());
        let painter = ui.painter().with_clip_rect(Rect::from_min_max(
            pos2(rect.left(), rect.top() - caption),
            rect.right_top(),
        ));
        painter.text(at, Align2::LEFT_BOTTOM, text, font, cx.tokens.text_weak);
    }
    for (which, picture) in pictures.iter().enumerate() {
        let response = one_ui(ui, cx, place(which), which, picture.as_ref());
        if response.clicked() {
            cx.push(Action::Select(Selection::Of(Tab::Compare, which as u32)));
        }
    }
    if let Some((picture, ..)) = difference {
        let named = Named {
            label: "Difference of both pictures".to_owned(),
            recipe: crate::engine::message::Recipe::Sample { seed: 0, index: 0 },
        };
        let id = ui.scope_id().with("difference");
        zoom::looked_at_ui(
            ui,
            cx,
            place(2),
            (id, zoom_id(ui)),
            &named.label,
            Some(&picture),
        );
    }
}

fn caption_of(state: &State, which: usize) -> String {
    let named = state.doc.compare.pair[which].as_ref();
    let label = named.map_or("", |n| n.label.as_str());
    format!("{}: {label}", LETTERS[which])
}

fn wipe_ui(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect, pictures: &[Option<Picture>; 2]) {
    let zoomed = zoom::shown_part(ui, zoom_id(ui));
    let edge = cx.state.desks.compare.edge;
    // The second lies under the first, which ends at the edge.
    let response = one_ui(ui, cx, rect, 1, pictures[1].as_ref());
    let x = rect.left() + rect.width() * edge;
    let left = rect.with_max_x(x);
    if left.width() > 0.5 {
        let uv = Rect::from_min_max(
            zoomed.min,
            pos2(zoomed.min.x + zoomed.width() * edge, zoomed.max.y),
        );
        let painter = ui.painter().with_clip_rect(left);
        crate::app::widgets::picture::paint_uv(
            &painter,
            cx.textures,
            &cx.tokens,
            left,
            pictures[0].as_ref(),
            uv,
        );
    }
    let stroke = Stroke::new(2.0, cx.tokens.accent);
    ui.painter().vline(x, rect.y_range(), stroke);
    for (letter, align, at) in [
        ("A", Align2::LEFT_TOP, rect.left_top() + vec2(6.0, 6.0)),
        ("B", Align2::RIGHT_TOP, rect.right_top() + vec2(-6.0, 6.0)),
    ] {
        let font = egui::FontId::proportional(13.0);
        ui.painter().text(at, align, letter, font, cx.tokens.accent);
    }
    let id = ui.scope_id().with("edge");
    let handle = Rect::from_center_size(pos2(x, rect.center().y), vec2(16.0, rect.height()));
    let grip = ui.interact(handle, id, Sense::drag());
    if grip.hovered() || grip.dragged() {
        ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeHorizontal);
    }
    let at = match grip.interact_pointer_pos() {
        Some(at) if grip.dragged() => Some(at),
        _ => response
            .interact_pointer_pos()
            .filter(|_| response.clicked()),
    };
    if let Some(at) = at {
        cx.push(CompareWish::SetEdge((at.x - rect.left()) / rect.width()));
    }
}

/// `128 + gain * (b - a)` per subpixel, with the mean and the largest difference; kept until a picture changes.
fn difference(ui: &Ui, pictures: &[Option<Picture>; 2], gain: f32) -> Option<(Picture, f32, u8)> {
    let [Some(a), Some(b)] = pictures else {
        return None;
    };
    if a.pixels.dimensions() != b.pixels.dimensions() {
        return None;
    }
    let key = (a.id, b.id, gain.to_bits());
    let id = ui.scope_id().with("difference of");
    type Kept = ((u64, u64, u32), (Picture, f32, u8));
    if let Some((kept, found)) = ui.data(|d| d.get_temp::<Kept>(id))
        && kept == key
    {
        return Some(found);
    }
    let (mut sum, mut largest) = (0u64, 0u8);
    let mut pixels = RgbImage::new(a.pixels.width(), a.pixels.height());
    let subpixels = a.pixels.as_raw().iter().zip(b.pixels.as_raw());
    for (to, (&a, &b)) in pixels.iter_mut().zip(subpixels) {
        let apart = a.abs_diff(b);
        sum += u64::from(apart);
        largest = largest.max(apart);
        *to = (128.0 + gain * (f32::from(b) - f32::from(a))).clamp(0.0, 255.0) as u8;
    }
    let mean = sum as f32 / pixels.as_raw().len().max(1) as f32;
    // Numbers of pictures are handed out from below; these are from above.
    let number =
        !(a.id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.id.rotate_left(32) ^ u64::from(key.2));
    let picture = Picture {
        id: number | (1 << 63),
        pixels: Arc::new(pixels),
        non_finite: 0,
    };
    let found = (picture, mean, largest);
    ui.data_mut(|d| d.insert_temp::<Kept>(id, (key, found.clone())));
    Some(found)
}

// --- Controls ---

fn controls_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let both = cx.state.doc.compare.pair.iter().all(Option::is_some);
    let way = cx.state.desks.compare.way;
    let (mut export, mut copy) = (false, false);
    row_with_end_ui(
        ui,
        |ui| {
            if way == CompareWay::Table {
                let tip = "The table on the clipboard, for a spreadsheet";
                copy = button_ui(ui, true, "Copy as CSV", tip);
            } else {
                export = button_ui(ui, both, "Export…", "Both pictures (Ctrl+E)");
            }
        },
        |ui| {
            ui.scope(|ui| {
                let way = choice_ui(ui, way, &CompareWay::ALL);
                cx.extend(way.map(CompareWish::SetWay));
            });
        },
    );
    if copy {
        let action = copy_csv(cx.state);
        cx.push(action);
    }
    if export {
        cx.push(Action::OpenExport(ExportSource::Screen(Tab::Compare)));
    }
    if way == CompareWay::Table {
        return;
    }
    ui.add_space(2.0);
    ui.horizontal_wrapped(|ui| {
        for (which, letter) in LETTERS.into_iter().enumerate() {
            let current = cx.state.doc.compare.pair[which].clone();
            ui.label(letter.to_string());
            let name = format!("Compared picture {letter}");
            let chosen = picture_choice_ui(ui, cx, &name, 130.0, current.as_ref());
            cx.extend(chosen.map(|named| CompareWish::SetPicture(which, named)));
        }
        if button_ui(ui, both, "Swap", "The first becomes the second") {
            cx.push(CompareWish::Swap);
        }
        match way {
            CompareWay::Beside => {
                let mut gain = cx.state.desks.compare.gain;
                let tip = "How much the difference is made larger; grey is equal";
                if slider_ui(ui, "Difference ×", &mut gain, 1.0..=32.0, 0, tip).changed() {
                    cx.push(CompareWish::SetGain(gain));
                }
            }
            CompareWay::Wipe => {
                let mut edge = cx.state.desks.compare.edge;
                let tip = "Where the first picture ends and the second begins";
                if slider_ui(ui, "Edge", &mut edge, 0.0..=1.0, 2, tip).changed() {
                    cx.push(CompareWish::SetEdge(edge));
                }
            }
            CompareWay::Flip => {
                if button_ui(
                    ui,
                    both,
                    "Show the other",
                    "Or click the picture, or press an arrow key",
                ) {
                    cx.push(CompareWish::Flip);
                }
            }
            CompareWay::Table | CompareWay::Folder => {}
        }
    });
}
