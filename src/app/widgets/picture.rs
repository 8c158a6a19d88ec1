//! Pictures: a cache of textures, and the ways of putting one on the screen.

use std::collections::HashMap;

use egui::{
    Align2, Color32, ColorImage, Context, CornerRadius, Painter, Rect, Role, Sense, Stroke,
    StrokeKind, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};

use image::RgbImage;

use super::sheet::Sheet;
use crate::app::action::Action;
use crate::app::dialog::{Dialog, ExportSource};
use crate::app::screens::all_offers;
use crate::app::state::{Named, Picture, Selection};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::Cx;

/// Frames after which a texture that was not drawn is dropped.
const FRAMES_KEPT: u64 = 240;

/// Bytes of textures; past it, those that were drawn longest ago are dropped, whenever that was.
const BYTES_KEPT: usize = 192 << 20;

/// Textures of pictures, by the picture's number.
#[derive(Default)]
pub struct Textures {
    cached: HashMap<(u64, bool), (TextureHandle, u64)>,
    /// Small pictures of maps, by the number of the map.
    sheets: HashMap<u64, Sheet>,
    frame: u64,
    /// Whether pictures are enlarged smoothly.
    pub smooth: bool,
}

impl Textures {
    /// Begins a frame: textures that were not drawn for a while are dropped.
    pub fn begin_frame(&mut self, smooth: bool) {
        self.smooth = smooth;
        self.frame += 1;
        let frame = self.frame;
        self.cached
            .retain(|_, (_, used)| frame - *used <= FRAMES_KEPT);
        self.keep_within(BYTES_KEPT);
        self.sheets
            .retain(|_, sheet| frame - sheet.used <= FRAMES_KEPT);
    }

    /// Drops what was drawn longest ago, but nothing of the frame before: that is on the screen.
    fn keep_within(&mut self, most: usize) {
        let bytes = |handle: &TextureHandle| handle.byte_size();
        let all = self.cached.values();
        let mut held: usize = all.map(|(handle, _)| bytes(handle)).sum();
        if held <= most {
            return;
        }
        let mut oldest: Vec<(u64, (u64, bool))> = (self.cached.iter())
            .filter(|(_, (_, used))| *used + 1 < self.frame)
            .map(|(key, (_, used))| (*used, *key))
            .collect();
        oldest.sort_unstable();
        for (_, key) in oldest {
            if held <= most {
                return;
            }
            let dropped = self.cached.remove(&key);
            held -= dropped.map_or(0, |(handle, _)| bytes(&handle));
        }
    }

    /// The sheet of a map, with further pictures on it where there are new ones: `count` of `total` are there.
    pub fn lay_out<'a>(
        &mut self,
        ctx: &Context,
        map: u64,
        (count, total): (usize, usize),
        picture: impl Fn(usize) -> &'a RgbImage,
    ) {
        let sheet = self.sheets.entry(map).or_default();
        sheet.used = self.frame;
        sheet.lay_out(ctx, count, total, picture);
    }

    /// A picture of a map, as its texture and its part of that.
    pub fn on_sheet(&self, map: u64, picture: usize) -> Option<(egui::TextureId, Rect)> {
        self.sheets.get(&map)?.cell(picture)
    }

    /// The texture of a picture, uploaded where it is new.
    pub fn get(&mut self, ctx: &Context, picture: &Picture) -> egui::TextureId {
        let (frame, smooth) = (self.frame, self.smooth);
        let entry = self.cached.entry((picture.id, smooth)).or_insert_with(|| {
            let size = [
                picture.pixels.width() as usize,
                picture.pixels.height() as usize,
            ];
            let image = ColorImage::from_rgb(size, picture.pixels.as_raw());
            let options = if smooth {
                TextureOptions::LINEAR
            } else {
                // Small pictures show their pixels; large ones shrink smoothly all the same.
                TextureOptions {
                    minification: egui::TextureFilter::Linear,
                    ..TextureOptions::NEAREST
                }
            };
            (ctx.load_texture("picture", image, options), frame)
        });
        entry.1 = frame;
        entry.0.id()
    }
}

/// Paints a picture into `rect`, or an empty frame where there is none.
pub fn paint(
    painter: &Painter,
    textures: &mut Textures,
    tokens: &Tokens,
    rect: Rect,
    picture: Option<&Picture>,
) {
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    paint_uv(painter, textures, tokens, rect, picture, whole);
}

/// Paints the part `uv` of a picture into `rect`.
pub fn paint_uv(
    painter: &Painter,
    textures: &mut Textures,
    tokens: &Tokens,
    rect: Rect,
    picture: Option<&Picture>,
    uv: Rect,
) {
    let rounding = CornerRadius::same(theme::ROUNDING);
    match picture {
        Some(picture) => {
            let id = textures.get(painter.ctx(), picture);
            let image = egui::epaint::RectShape::filled(rect, rounding, Color32::WHITE)
                .with_texture(id, uv);
            if picture.non_finite == 0 {
                painter.add(image);
            } else {
                paint_not_finite(painter, tokens, rect);
            }
        }
        None => {
            painter.rect_filled(rect, rounding, tokens.control.gamma_multiply(0.5));
        }
    }
}

/// In place of a picture with values that are not finite: grey, with a word.
fn paint_not_finite(painter: &Painter, tokens: &Tokens, rect: Rect) {
    let painter = painter.with_clip_rect(rect.intersect(painter.clip_rect()));
    painter.rect_filled(rect, CornerRadius::same(theme::ROUNDING), tokens.control);
    let font = egui::FontId::proportional((rect.width() / 8.0).clamp(9.0, 16.0));
    let color = tokens.text;
    painter.text(
        rect.center(),
        Align2::CENTER_CENTER,
        "not finite",
        font,
        color,
    );
}

/// A short text on a solid plate in the lower left corner of a picture.
pub fn paint_badge(painter: &Painter, tokens: &Tokens, rect: Rect, text: &str, color: Color32) {
    let font = egui::FontId::proportional(10.5);
    let galley = painter.layout_no_wrap(text.to_owned(), font, color);
    let size = galley.size() + vec2(8.0, 4.0);
    let plate = Align2::LEFT_BOTTOM.anchor_size(rect.left_bottom() + vec2(4.0, -4.0), size);
    painter.rect_filled(plate, CornerRadius::same(3), tokens.raised);
    painter.galley(plate.min + vec2(4.0, 2.0), galley, color);
}

/// A ring round a picture: selected, or under the pointer.
pub fn paint_ring(painter: &Painter, tokens: &Tokens, rect: Rect, selected: bool, hovered: bool) {
    let stroke = match (selected, hovered) {
        (true, _) => Stroke::new(2.5, tokens.accent),
        (false, true) => Stroke::new(1.5, tokens.text_weak),
        (false, false) => return,
    };
    let rounding = CornerRadius::same(theme::ROUNDING + 1);
    painter.rect_stroke(rect.expand(1.0), rounding, stroke, StrokeKind::Outside);
}

/// A picture that can be clicked and dragged; `label` names it for people who do not see it.
pub fn picture_button(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    id: egui::Id,
    label: &str,
    selected: bool,
    picture: Option<&Picture>,
) -> egui::Response {
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let finite = picture.is_none_or(|picture| picture.non_finite == 0);
    response.widget_info(|| {
        let label = match finite {
            true => label.to_owned(),
            false => format!("{label}, not finite"),
        };
        WidgetInfo::selected(Role::Button, ui.is_enabled(), selected, label)
    });
    if ui.is_rect_visible(rect) {
        paint(ui.painter(), cx.textures, &cx.tokens, rect, picture);
        let lit = response.hovered() || response.has_focus();
        paint_ring(ui.painter(), &cx.tokens, rect, selected, lit);
    }
    response
}

/// A square that is as large as `room` allows, in its middle.
pub fn square_in(room: Rect) -> Rect {
    let side = room.width().min(room.height()).max(1.0).floor();
    Rect::from_center_size(room.center(), vec2(side, side))
}

/// Makes a picture draggable into slots.
pub fn drag_source(response: &egui::Response, named: &Named) {
    if response.drag_started() || response.dragged() {
        response.dnd_set_drag_payload(named.clone());
    }
}

/// The picture being dragged, under the pointer.
pub fn drag_ghost_ui(ctx: &Context, cx: &mut Cx<'_>) {
    let Some(named) = egui::DragAndDrop::payload::<Named>(ctx) else {
        return;
    };
    let Some(pointer) = ctx.pointer_interact_pos() else {
        return;
    };
    let layer = egui::LayerId::new(egui::Order::Tooltip, egui::Id::unique("drag ghost"));
    let painter = ctx.layer_painter(layer);
    let rect = Rect::from_min_size(pointer + vec2(10.0, 10.0), vec2(56.0, 56.0));
    let picture = cx.state.picture_of(&named.recipe).cloned();
    paint(&painter, cx.textures, &cx.tokens, rect, picture.as_ref());
    paint_ring(&painter, &cx.tokens, rect, true, false);
    ctx.set_cursor_icon(egui::CursorIcon::Grabbing);
}

/// The menu of a picture: what can be done with it everywhere.
pub fn picture_menu_ui(ui: &mut Ui, cx: &mut Cx<'_>, named: &Named, selection: Selection) {
    ui.set_min_width(170.0);
    let picture = cx.state.picture_of(&named.recipe);
    if picture.is_some_and(|picture| picture.non_finite > 0) {
        let text = "Not finite: lower the temperature, or the amounts of an edit";
        ui.label(egui::RichText::new(text).color(cx.tokens.error));
        ui.separator();
    }
    let mut choose = |ui: &mut Ui, text: &str, actions: Vec<Action>| {
        if ui.button(text).clicked() {
            cx.actions.push(Action::Select(selection));
            cx.actions.extend(actions);
            ui.close();
        }
    };
    if !matches!(selection, Selection::Item(_)) {
        choose(ui, "Pin to shelf", vec![Action::Pin(named.clone())]);
    }
    for offer in all_offers() {
        choose(ui, offer.name, vec![(offer.wish)(named.clone())]);
    }
    ui.separator();
    choose(
        ui,
        "Copy picture",
        vec![Action::CopyImage(named.recipe.clone())],
    );
    choose(
        ui,
        "Export…",
        vec![Action::OpenExport(ExportSource::Selected)],
    );
    if let Selection::Item(id) = selection {
        ui.separator();
        if let Some(form) = crate::app::dialog::CropForm::new(id, cx.state) {
            choose(ui, "Crop…", vec![Action::Show(Dialog::Crop(form))]);
        }
        let rename = Dialog::Rename {
            item: id,
            text: named.label.clone(),
        };
        choose(ui, "Rename…", vec![Action::Show(rename)]);
        choose(ui, "Remove from shelf", vec![Action::Remove(id)]);
    }
}
