//! Places that hold a picture: each takes a dropped one, or one chosen from a list.

use egui::{Align2, FontId, Rect, Ui, Vec2, vec2};

use super::Cx;
use super::picture::{drag_source, paint_ring, picture_button};
use crate::app::state::{Named, Picture};

/// A list of pictures to choose from, by the name `name` for people who do not see it. The chosen one, if any.
pub fn picture_choice_ui(
    ui: &mut Ui,
    cx: &Cx<'_>,
    name: &str,
    width: f32,
    current: Option<&Named>,
) -> Option<Named> {
    let shown = current.map_or("Choose…", |named| named.label.as_str());
    let combo = egui::ComboBox::from_id_salt(("picture choice", name))
        .width(width)
        .truncate()
        .selected_text(shown);
    let mut chosen = None;
    let response = combo.show_ui(ui, |ui| {
        let candidates = cx.state.candidates();
        for named in candidates {
            let selected = current == Some(&named);
            if ui.selectable_label(selected, &named.label).clicked() {
                chosen = Some(named);
            }
        }
    });
    response.response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name);
        info.current_text_value = Some(shown.to_owned());
        info
    });
    response.response.on_hover_text(name);
    chosen
}

/// A place for a picture with a letter in its corner. What was dropped on it, if anything.
pub fn slot_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    rect: Rect,
    letter: char,
    named: Option<&Named>,
    picture: Option<&Picture>,
) -> (egui::Response, Option<Named>) {
    let label = match named {
        Some(named) => format!("Slot {letter}: {}", named.label),
        None => format!("Slot {letter}: empty"),
    };
    let id = ui.scope_id().with(("slot", letter));
    let response = picture_button(ui, cx, rect, id, &label, false, picture);
    if named.is_none() {
        ui.painter().text(
            rect.center(),
            Align2::CENTER_CENTER,
            "drop here",
            egui::TextStyle::Small.resolve(ui.style()),
            cx.tokens.text_weak,
        );
    }
    paint_letter(ui, cx, rect, letter);
    if let Some(named) = named {
        drag_source(&response, named);
    }
    if response.dnd_hover_payload::<Named>().is_some() {
        paint_ring(ui.painter(), &cx.tokens, rect, true, false);
    }
    let dropped = response.dnd_release_payload::<Named>();
    (response, dropped.map(|named| (*named).clone()))
}

/// A letter on a plate in the upper left corner.
pub fn paint_letter(ui: &Ui, cx: &Cx<'_>, rect: Rect, letter: char) {
    let plate = Rect::from_min_size(rect.min + vec2(4.0, 4.0), Vec2::splat(18.0));
    ui.painter().rect_filled(plate, 4, cx.tokens.accent);
    ui.painter().text(
        plate.center(),
        Align2::CENTER_CENTER,
        letter,
        FontId::proportional(12.0),
        cx.tokens.on_accent,
    );
}
