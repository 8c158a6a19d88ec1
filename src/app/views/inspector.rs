//! The inspector: the selected picture and its figures.

use egui::{Rect, Sense, Ui, pos2, vec2};

use crate::app::action::Action;
use crate::app::dialog::{CropForm, Dialog};
use crate::app::screens::all_offers;
use crate::app::state::{Item, ItemStatus, Named, Photo, Selection};
use crate::app::theme::{self, section_ui};
use crate::app::widgets::Cx;
use crate::app::widgets::bars::bar_ui;
use crate::app::widgets::condition::condition_ui;
use crate::app::widgets::controls::button_ui;
use crate::app::widgets::icons::{Icon, note_ui};
use crate::app::widgets::picture::{paint, picture_menu_ui};
use crate::engine::message::Inspection;

/// Picture, name, figures.
pub fn inspector_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    section_ui(ui, "INSPECTOR");
    ui.add_space(2.0);
    egui::ScrollArea::vertical()
        .auto_shrink(false)
        .show(ui, |ui| {
            let Some(named) = cx.state.selected() else {
                let text = "Select a picture to see its likelihood and its levels.";
                ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
                return;
            };
            let item = match cx.state.selection {
                Selection::Item(id) => cx.state.items.get(&id),
                _ => None,
            };
            pictures_ui(ui, cx, item, &named.label);
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let menu = ui.menu_button("Actions ▾", |ui| {
                        picture_menu_ui(ui, cx, &named, cx.state.selection);
                    });
                    menu.response
                        .on_hover_text("What can be done with this picture");
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        let name = egui::RichText::new(&named.label).size(15.0);
                        ui.add(egui::Label::new(name).truncate())
                            .on_hover_text(&named.label);
                    });
                });
            });
            buttons_ui(ui, cx, &named);
            if let Some(Item {
                status: ItemStatus::Failed(message),
                ..
            }) = item
            {
                note_ui(ui, Icon::Warning, cx.tokens.error, message);
                return;
            }
            if let (Some(photo), Selection::Item(id)) =
                (item.and_then(|i| i.photo.as_ref()), cx.state.selection)
            {
                photo_ui(ui, cx, photo);
                if let Some(form) = CropForm::new(id, cx.state)
                    && button_ui(ui, true, "Crop…", "Frame this photo anew")
                {
                    cx.push(Action::Show(Dialog::Crop(form)));
                }
            }
            given_ui(ui, cx, item);
            ui.add_space(6.0);
            match cx.state.inspection_of(&named.recipe) {
                Some(inspection) => figures_ui(ui, cx, inspection),
                None => figures_to_come_ui(ui, cx, &named),
            }
        });
}

/// What a shelf item is given, and another choice.
fn given_ui(ui: &mut Ui, cx: &mut Cx<'_>, item: Option<&Item>) {
    let figures = item.and_then(|item| item.inspection.as_ref());
    let (Some(model), Some(figures), Selection::Item(id)) =
        (&cx.state.live.model, figures, cx.state.selection)
    else {
        return;
    };
    let tip = "Given which its latent decodes to this picture; a photo is encoded anew";
    let chosen = ui.horizontal(|ui| condition_ui(ui, model, &figures.condition, tip));
    cx.extend(chosen.inner.map(|condition| Action::Give(id, condition)));
}

/// Old figures stay, dimmed, until the new ones come: a panel that empties and fills while a slider
/// is dragged is no help.
fn figures_to_come_ui(ui: &mut Ui, cx: &Cx<'_>, named: &Named) {
    let live = &cx.state.live;
    let failed = live.inspect_failed.as_ref() == Some(&named.recipe);
    let is_item = matches!(cx.state.selection, Selection::Item(_));
    if let Some((_, old)) = live.inspections.back()
        && !failed
        && !is_item
    {
        ui.set_opacity(0.5);
        figures_ui(ui, cx, old);
        return;
    }
    let text = if live.model.is_none() {
        ""
    } else if failed {
        "Its figures could not be computed"
    } else {
        "Measuring…"
    };
    ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
}

/// The picture; for photos the original's crop beside what the model makes of it.
fn pictures_ui(ui: &mut Ui, cx: &mut Cx<'_>, item: Option<&Item>, name: &str) {
    let width = ui.available_width();
    let photo = item.and_then(|i| i.photo.as_ref());
    let side = match photo {
        Some(_) => ((width - theme::GAP) / 2.0).floor(),
        None => width.min(212.0),
    };
    let (rect, _) = ui.allocate_exact_size(vec2(width, side), Sense::hover());
    let picture = cx.state.selection_picture().cloned();
    let shown = match photo {
        Some(photo) => {
            let left = Rect::from_min_size(rect.min, vec2(side, side));
            paint_crop(ui, cx, left, photo);
            describe(ui, left, &format!("{name}, original"));
            Rect::from_min_size(pos2(rect.right() - side, rect.top()), vec2(side, side))
        }
        None => Rect::from_center_size(rect.center(), vec2(side, side)),
    };
    paint(
        ui.painter(),
        cx.textures,
        &cx.tokens,
        shown,
        picture.as_ref(),
    );
    describe(ui, shown, &format!("{name}, selected picture"));
    if photo.is_some() {
        ui.columns(2, |columns| {
            for (column, text) in columns.iter_mut().zip(["Original", "Decoded"]) {
                let text = egui::RichText::new(text).small().color(cx.tokens.text_weak);
                column.add(egui::Label::new(text).truncate());
            }
        });
    }
}

/// What can be done with the selected picture, as buttons: the usual part of its menu.
fn buttons_ui(ui: &mut Ui, cx: &mut Cx<'_>, named: &Named) {
    let on_shelf = matches!(cx.state.selection, Selection::Item(_));
    let ready = match cx.state.selection {
        Selection::Item(id) => cx.state.is_ready(id),
        _ => cx.state.live.model.is_some(),
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        let mut button = |ui: &mut Ui, enabled: bool, text: &str, tip: &str, action: Action| {
            if button_ui(ui, enabled, text, tip) {
                cx.push(action);
            }
        };
        let keep = "Keep this picture on the shelf (P)";
        button(
            ui,
            ready && !on_shelf,
            "Pin",
            keep,
            Action::Pin(named.clone()),
        );
        for offer in all_offers() {
            if let Some(text) = offer.button {
                button(ui, ready, text, offer.tip, (offer.wish)(named.clone()));
            }
        }
    });
}

fn describe(ui: &Ui, rect: Rect, text: &str) {
    let response = ui.interact(rect, ui.scope_id().with(text), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, text));
}

/// The crop of a photo, from its preview; what hangs over the border repeats the edge.
fn paint_crop(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, photo: &Photo) {
    let [w, h] = photo.size.map(|side| side.max(1) as f32);
    let crop = &photo.crop;
    let uv = Rect::from_center_size(
        pos2(crop.cx / w, crop.cy / h),
        vec2(crop.side / w, crop.side / h),
    );
    let id = cx.textures.get(ui.ctx(), &photo.preview);
    ui.painter().add(
        egui::epaint::RectShape::filled(rect, theme::ROUNDING, egui::Color32::WHITE)
            .with_texture(id, uv),
    );
}

fn photo_ui(ui: &mut Ui, cx: &Cx<'_>, photo: &Photo) {
    let [w, h] = photo.size;
    let crop = if photo.crop == photo.proposal {
        if photo.face_found {
            "cropped to a face"
        } else if photo.is_whole() {
            "whole"
        } else {
            "cropped to the middle"
        }
    } else {
        "cropped by hand"
    };
    let text = format!("{w} × {h} pixels, {crop}");
    ui.label(egui::RichText::new(text).small().color(cx.tokens.text_weak));
    for note in &photo.notes {
        note_ui(ui, Icon::Info, cx.tokens.text_weak, note);
    }
}

fn figures_ui(ui: &mut Ui, cx: &Cx<'_>, inspection: &Inspection) {
    if inspection.non_finite > 0 {
        let text = format!(
            "{} values are not finite: the picture lies outside what the model can decode. Lower the temperature or the edits",
            inspection.non_finite
        );
        note_ui(ui, Icon::Warning, cx.tokens.error, &text);
        ui.add_space(4.0);
    }
    ui.spacing_mut().interact_size.y = 20.0;
    figure_ui(
        ui,
        cx,
        "Bits per dimension",
        &format!("{:.3}", inspection.bits_per_dim),
        "How surprised the model is by this picture, exactly: the bits it needs for each colour value. Photos of faces have about 1.3; less is more typical",
    );
    figure_ui(
        ui,
        cx,
        "Relative norm",
        &format!("{:.3}", inspection.relative_norm),
        "How far the latent is from the middle, |eps| / sqrt(D): near 1 for a typical picture, equal to the temperature for a sample",
    );
    figure_ui(
        ui,
        cx,
        "Round trip",
        &format!("{:.1e}", inspection.round_trip),
        "How exactly the picture comes back when it is taken apart and put together again: the largest difference, where one shade is 1/32",
    );
    ui.add_space(8.0);
    section_ui(ui, "BITS PER LEVEL, FINEST FIRST");
    sum_ui(ui, cx, inspection);
    let bits = &inspection.level_bits;
    let low = bits.iter().copied().fold(0.0, f64::min);
    let high = bits.iter().copied().fold(0.0, f64::max);
    for (level, value) in bits.iter().enumerate() {
        bar_ui(
            ui,
            &cx.state.level_name(level),
            *value,
            [low, high],
            &format!("{value:+.3}"),
            SUM_TIP,
        );
    }
    ui.add_space(8.0);
    section_ui(ui, "NORM PER LEVEL");
    for (level, value) in inspection.level_norms.iter().enumerate() {
        bar_ui(
            ui,
            &cx.state.level_name(level),
            *value,
            [0.0, 1.5],
            &format!("{value:.3}"),
            "|eps| / sqrt(D) of this level: 1 is typical",
        );
    }
}

const SUM_TIP: &str = "What this level adds to the bits per dimension. Without a model a subpixel costs the bits of the pixel grid; each level takes off what it explains (below zero) or adds what it must spend";

/// How the levels add up: grid + levels = bits per dimension.
fn sum_ui(ui: &mut Ui, cx: &Cx<'_>, inspection: &Inspection) {
    let levels: f64 = inspection.level_bits.iter().sum();
    if !levels.is_finite() {
        return;
    }
    let grid = inspection.bits_per_dim - levels;
    let sign = if levels < 0.0 { '−' } else { '+' };
    let text = format!(
        "{grid:.0} of the pixel grid {sign} {:.3} = {:.3}",
        levels.abs(),
        inspection.bits_per_dim
    );
    let text = egui::RichText::new(text).small().color(cx.tokens.text_weak);
    ui.add(egui::Label::new(text).truncate()).on_hover_text(
        "The pixel grid's bits, plus the sum of the levels below, are the bits per dimension",
    );
}

fn figure_ui(ui: &mut Ui, cx: &Cx<'_>, name: &str, value: &str, tip: &str) {
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(name).color(cx.tokens.text_weak))
            .on_hover_text(tip);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.monospace(value).on_hover_text(tip);
        });
    });
}
