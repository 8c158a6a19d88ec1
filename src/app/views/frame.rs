//! What every dialog begins and ends with.

use egui::{Id, Key, Ui, vec2};

use crate::app::intake;
use crate::app::theme;
use crate::app::widgets::Cx;

/// The heading of a dialog.
pub fn title_ui(ui: &mut Ui, title: &str) {
    ui.heading(title);
    ui.add_space(4.0);
}

/// A row of buttons at the right, the main one last for the eye and first for the code.
pub fn buttons_ui(ui: &mut Ui, cx: &mut Cx<'_>, add: impl FnOnce(&mut Ui, &mut Cx<'_>)) {
    let size = vec2(ui.available_width(), theme::CONTROL_HEIGHT);
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| add(ui, cx));
}

/// A text field, after it was drawn.
pub(super) struct TextEntry {
    /// Whether its text was changed.
    pub(super) changed: bool,
    /// Whether Enter was pressed in it.
    pub(super) entered: bool,
    /// Whether letters go to it.
    pub(super) has_focus: bool,
    /// Its id.
    pub(super) id: Id,
}

/// A text field that has the focus when its dialog opens. `keeps_tab`: its dialog decides what Tab does in it.
pub(super) fn field_ui(
    ui: &mut Ui,
    (name, hint, keeps_tab): (&str, &str, bool),
    text: &mut String,
) -> TextEntry {
    let label = ui.label(egui::RichText::new(name).small());
    let field = egui::TextEdit::singleline(text)
        .hint_text(hint.to_owned())
        .lock_focus(keeps_tab)
        .desired_width(f32::INFINITY);
    let response = ui.add(field).labelled_by(label.id);
    let mut answer = TextEntry {
        changed: response.changed(),
        entered: response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)),
        has_focus: response.has_focus(),
        id: response.id,
    };
    if !response.has_focus() && !response.lost_focus() && ui.memory(|m| m.focused().is_none()) {
        response.request_focus();
        // What stands there is a suggestion: it is replaced by what is typed.
        let mut state = egui::TextEdit::load_state(ui.ctx(), response.id).unwrap_or_default();
        let all = egui::text::CCursorRange::select_all_str(text);
        state.cursor.set_char_range(Some(all));
        egui::TextEdit::store_state(ui.ctx(), response.id, state);
        // The focus comes with the next frame; what is typed in this one must not be lost.
        let letters = intake::typed(ui.ctx());
        text.push_str(&letters);
        answer.changed = !letters.is_empty();
    }
    answer
}
