//! The shelf: every picture that was imported or pinned.

use egui::{Rect, Sense, Ui, Vec2, pos2, vec2};

use crate::app::action::Action;
use crate::app::dialog::{CropForm, Dialog, PathPurpose};
use crate::app::screens::all_offers;
use crate::app::state::{Item, ItemStatus, Origin, Selection, ShelfEntry};
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{self, Icon, icon_button_ui};
use crate::app::widgets::picture::{drag_source, paint, paint_ring, picture_menu_ui};
use crate::engine::message::ItemId;

const THUMBNAIL: f32 = 52.0;
const ROW_HEIGHT: f32 = THUMBNAIL + 10.0;
const ROW_GAP: f32 = 3.0;

/// Heading with an open button, then the rows.
pub fn shelf_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal(|ui| {
        theme::section_ui(ui, "SHELF");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let tip = "Open pictures (Ctrl+O). Dropping and pasting work too";
            if ui.button("Open…").on_hover_text(tip).clicked() {
                cx.push(Action::Browse(PathPurpose::Pictures));
            }
        });
    });
    ui.add_space(2.0);
    let state = cx.state;
    let shelf = state.doc.shelf.iter();
    let rows = shelf.filter_map(|entry| Some((entry, state.items.get(&entry.id)?)));
    let rows: Vec<(&ShelfEntry, &Item)> = rows.collect();
    if rows.is_empty() {
        let text = "Photos that you open and pictures that you pin are kept here.";
        ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
        return;
    }
    let newly_selected = newly_selected(ui, cx.state.selection);
    let selected = rows
        .iter()
        .position(|(entry, _)| newly_selected == Some(entry.id));
    ui.spacing_mut().item_spacing.y = ROW_GAP;
    // Only the rows that are seen are laid out: a whole folder may lie here.
    egui::ScrollArea::vertical().auto_shrink(false).show_rows(
        ui,
        ROW_HEIGHT,
        rows.len(),
        |ui, seen| {
            if let Some(at) = selected {
                let below = (at as f32 - seen.start as f32) * (ROW_HEIGHT + ROW_GAP);
                let place = ui.max_rect().left_top() + vec2(0.0, below);
                let size = vec2(ui.available_width(), ROW_HEIGHT);
                ui.scroll_to_rect(Rect::from_min_size(place, size), None);
            }
            for (entry, item) in rows.get(seen).unwrap_or_default() {
                row_ui(ui, cx, entry, item);
            }
        },
    );
}

/// The item that is selected now and was not in the frame before.
fn newly_selected(ui: &Ui, selection: Selection) -> Option<ItemId> {
    let id = ui.scope_id().with("selection");
    let before = ui.data_mut(|data| {
        let before = data.get_temp::<Selection>(id);
        data.insert_temp(id, selection);
        before
    });
    match selection {
        Selection::Item(item) if before != Some(selection) => Some(item),
        _ => None,
    }
}

fn row_ui(ui: &mut Ui, cx: &mut Cx<'_>, entry: &ShelfEntry, item: &Item) {
    let selection = Selection::Item(entry.id);
    let selected = cx.state.selection == selection;
    let named = entry.named();
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let id = ui.scope_id().with(("item", entry.id.0));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let kind = match item.origin {
        Origin::Photo => "photo",
        Origin::Sample => "sample",
    };
    let status = match &item.status {
        ItemStatus::Busy => "encoding…",
        ItemStatus::Ready if item.missing.is_some() => "photo not there",
        ItemStatus::Ready => kind,
        ItemStatus::Failed(_) => "not there",
    };
    let label = format!("{}, {status}", entry.name);
    response
        .widget_info(|| egui::WidgetInfo::selected(egui::Role::ListItem, true, selected, &label));
    if ui.is_rect_visible(rect) {
        paint_row(
            ui,
            cx,
            rect,
            entry,
            item,
            (status, selected, response.hovered()),
        );
    }
    if item.status == ItemStatus::Ready {
        drag_source(&response, &named);
    }
    if response.clicked() {
        cx.push(Action::Select(selection));
    }
    if response.double_clicked() {
        let offer = all_offers().find(|offer| offer.on_double_click);
        cx.extend(offer.map(|offer| (offer.wish)(named.clone())));
    }
    response.context_menu(|ui| picture_menu_ui(ui, cx, &named, selection));
    let response = match (&item.status, &item.missing) {
        (ItemStatus::Failed(message), _) | (_, Some(message)) => response.on_hover_text(message),
        _ => response.on_hover_text("Drag into a slot; double-click edits; right-click for more"),
    };
    let over = response.contains_pointer() || selected;
    if over {
        row_buttons_ui(ui, cx, rect, entry);
    }
}

/// Crop and remove, on the row under the pointer and on the selected one.
fn row_buttons_ui(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect, entry: &ShelfEntry) {
    let crop = CropForm::new(entry.id, cx.state);
    let corner = Rect::from_min_max(
        pos2(rect.right() - 62.0, rect.bottom() - 29.0),
        rect.right_bottom() - vec2(4.0, 4.0),
    );
    let builder = egui::UiBuilder::new()
        .id_salt(("buttons", entry.id.0))
        .max_rect(corner)
        .layout(egui::Layout::right_to_left(egui::Align::Center));
    let mut child = ui.new_child(builder);
    child.spacing_mut().item_spacing.x = 2.0;
    child.spacing_mut().button_padding = vec2(3.0, 1.0);
    child.spacing_mut().interact_size = vec2(20.0, 20.0);
    let name = format!("Remove {}", entry.name);
    let tip = "Take off the shelf (Delete); undo brings it back";
    if icon_button_ui(&mut child, true, Icon::Remove, &name, tip).clicked() {
        cx.push(Action::Remove(entry.id));
    }
    if let Some(form) = crop {
        let name = format!("Crop {}", entry.name);
        let response = icon_button_ui(&mut child, true, Icon::Crop, &name, "Frame this photo anew");
        if response.clicked() {
            cx.push(Action::Show(Dialog::Crop(form)));
        }
    }
}

fn paint_row(
    ui: &Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    entry: &ShelfEntry,
    item: &Item,
    (status, selected, hovered): (&str, bool, bool),
) {
    let tokens = cx.tokens;
    let painter = ui.painter();
    if selected {
        painter.rect_filled(rect, theme::ROUNDING + 1, tokens.accent_soft);
    } else if hovered {
        painter.rect_filled(rect, theme::ROUNDING + 1, tokens.control);
    }
    let thumbnail = Rect::from_min_size(rect.min + vec2(5.0, 5.0), Vec2::splat(THUMBNAIL));
    let photo = item.photo.as_ref().map(|p| &p.preview);
    // Until the latent is there, a photo shows itself.
    let picture = item.thumbnail.as_ref();
    match (picture, photo) {
        (None, Some(preview)) => paint_preview(ui, cx, thumbnail, preview),
        _ => paint(painter, cx.textures, &tokens, thumbnail, picture),
    }
    paint_ring(painter, &tokens, thumbnail, selected, false);
    if let ItemStatus::Failed(_) = item.status {
        icons::paint(painter, thumbnail.shrink(15.0), Icon::Warning, tokens.error);
    }
    let slots = cx.state.marks_of(entry.id);
    if !slots.is_empty() {
        let plate = Rect::from_min_size(
            thumbnail.min + vec2(3.0, 3.0),
            vec2(8.0 + 8.0 * slots.chars().count() as f32, 16.0),
        );
        painter.rect_filled(plate, 3, tokens.accent);
        let font = egui::FontId::proportional(11.0);
        painter.text(
            plate.center(),
            egui::Align2::CENTER_CENTER,
            slots,
            font,
            tokens.on_accent,
        );
    }
    let x = thumbnail.right() + 9.0;
    let width = rect.right() - x - 6.0;
    let name = elided(ui, &entry.name, egui::TextStyle::Body, tokens.text, width);
    painter.galley(pos2(x, rect.top() + 9.0), name, tokens.text);
    let (icon, color) = match (&item.status, item.origin) {
        (ItemStatus::Failed(_), _) => (Icon::Warning, tokens.error),
        (ItemStatus::Busy, _) => (Icon::Busy, tokens.text_weak),
        (_, Origin::Photo) => (Icon::Photo, tokens.text_weak),
        (_, Origin::Sample) => (Icon::Sample, tokens.text_weak),
    };
    let sign = Rect::from_min_size(pos2(x, rect.top() + 33.0), Vec2::splat(11.0));
    icons::paint(painter, sign, icon, color);
    let line = elided(ui, status, egui::TextStyle::Small, color, width - 16.0);
    painter.galley(pos2(x + 16.0, rect.top() + 31.0), line, color);
}

/// The middle square of a preview.
fn paint_preview(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, preview: &crate::app::state::Picture) {
    let (w, h) = (
        preview.pixels.width() as f32,
        preview.pixels.height() as f32,
    );
    let side = w.min(h).max(1.0);
    let half = vec2(side / w.max(1.0), side / h.max(1.0)) / 2.0;
    let uv = Rect::from_center_size(pos2(0.5, 0.5), half * 2.0);
    let id = cx.textures.get(ui.ctx(), preview);
    let tint = egui::Color32::from_gray(150);
    ui.painter()
        .add(egui::epaint::RectShape::filled(rect, theme::ROUNDING, tint).with_texture(id, uv));
}

/// One line of text that ends in `…` where it is too long.
pub fn elided(
    ui: &Ui,
    text: &str,
    style: egui::TextStyle,
    color: egui::Color32,
    width: f32,
) -> std::sync::Arc<egui::Galley> {
    let font = style.resolve(ui.style());
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(10.0));
    ui.painter().layout_job(job)
}
