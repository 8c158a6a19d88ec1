//! The dialog for a typed path: what lies in its folder is offered, and what was opened before.

use std::path::PathBuf;

use egui::text::{CCursor, CCursorRange};
use egui::{Button, FocusDirection, Key, Modifiers, Ui, vec2};

use super::frame::{TextEntry, buttons_ui, field_ui, title_ui};
use crate::app::action::Action;
use crate::app::dialog::{Dialog, PathPurpose, REPLACE};
use crate::app::screens::attributes::ExamplePath;
use crate::app::state::State;
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{Icon, note_ui};
use crate::app::{intake, theme};
use crate::engine::message::{Answer, PathEntry, Question};

/// Entries that are shown at once; typing on narrows them.
const SHOWN: usize = 200;
/// Height of the list.
const LIST_HEIGHT: f32 = 150.0;

/// See the module.
pub fn type_path_ui(ui: &mut Ui, cx: &mut Cx<'_>, purpose: PathPurpose, text: &str, note: &str) {
    title_ui(ui, purpose.title());
    let mut text = text.to_owned();
    let hint = match purpose {
        PathPurpose::Pictures => "/home/me/face.jpg",
        PathPurpose::Folder | PathPurpose::MapFolder => "/home/me/photos",
        PathPurpose::Labels => "/home/me/photos/labels.csv",
        PathPurpose::Model | PathPurpose::Attributes => "/home/me/model.safetensors",
        PathPurpose::OpenSession | PathPurpose::SaveSession => "/home/me/faces.glow.json",
        PathPurpose::Examples(ExamplePath::Table) => "/home/me/labels.csv",
        PathPurpose::Examples(_) => "/home/me/faces",
        PathPurpose::SaveDirections => "/home/me/my.attributes.safetensors",
        PathPurpose::TrainPictures => "/home/me/cats",
        PathPurpose::TrainWeights => "/home/me/cats-model.safetensors",
        PathPurpose::Export => "",
    };
    let mut field = field_ui(ui, ("Path", hint, true), &mut text);
    if tab_was_pressed(ui, &field) {
        match completed(cx.state, purpose, &text) {
            Some(longer) => {
                text = longer;
                field.changed = true;
                to_the_end(ui, field.id, &text);
            }
            // Nothing to complete: the key goes on to the next control, as everywhere.
            None => ui.memory_mut(|memory| memory.move_focus(FocusDirection::Next)),
        }
    }
    if !note.is_empty() {
        note_ui(ui, Icon::Warning, cx.tokens.warning, note);
    }
    if let Some(chosen) = offers_ui(ui, cx, purpose, &text) {
        text = chosen;
        field.changed = true;
        to_the_end(ui, field.id, &text);
        ui.memory_mut(|memory| memory.request_focus(field.id));
    }
    if field.changed {
        let (text, note) = (text.clone(), String::new());
        cx.push(Action::Show(Dialog::TypePath {
            purpose,
            text,
            note,
        }));
    }
    ui.add_space(8.0);
    verbs_ui(ui, cx, (purpose, &text, note), field.entered);
}

/// The button that does it, and Cancel.
fn verbs_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    (purpose, text, note): (PathPurpose, &str, &str),
    entered: bool,
) {
    buttons_ui(ui, cx, |ui, cx| {
        let saves = purpose.saves();
        let is_field = matches!(
            purpose,
            PathPurpose::TrainPictures | PathPurpose::TrainWeights
        );
        let verb = match (saves, note == REPLACE) {
            (false, _) if is_field => "Choose",
            (false, _) => "Open",
            (true, false) => "Save",
            (true, true) => "Replace",
        };
        let open = ui.add(theme::primary_button(ui, verb)).clicked();
        if (open || entered)
            && let Some(path) = intake::path_of_text(text)
        {
            // What is asked about is the file that would be written, whose ending may not be typed.
            let path = intake::with_ending(purpose, path);
            let is_session = purpose == PathPurpose::SaveSession;
            let known = is_session && cx.state.session.path.as_ref() == Some(&path);
            if saves && !known && verb == "Save" && path.exists() {
                let note = REPLACE.to_owned();
                cx.push(Action::Show(Dialog::TypePath {
                    purpose,
                    text: text.to_owned(),
                    note,
                }));
                return;
            }
            cx.push(Action::Close);
            if !is_field {
                cx.push(Action::Typed(purpose, path.clone()));
            }
            cx.actions
                .extend(intake::actions_of_paths(purpose, vec![path]));
        }
        if ui.button("Cancel").clicked() {
            cx.push(Action::Close);
        }
    });
}

/// Whether Tab was pressed in the field; Shift+Tab goes back from it.
fn tab_was_pressed(ui: &Ui, field: &TextEntry) -> bool {
    if !field.has_focus {
        return false;
    }
    let back = ui.input_mut(|i| i.consume_key(Modifiers::SHIFT, Key::Tab));
    if back {
        ui.memory_mut(|memory| memory.move_focus(FocusDirection::Previous));
    }
    !back && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Tab))
}

fn to_the_end(ui: &Ui, field: egui::Id, text: &str) {
    let mut state = egui::TextEdit::load_state(ui.ctx(), field).unwrap_or_default();
    let end = CCursorRange::one(CCursor::new(text.chars().count()));
    state.cursor.set_char_range(Some(end));
    egui::TextEdit::store_state(ui.ctx(), field, state);
}

/// What was typed, as a folder with its separator and the beginning of a name.
fn parts(text: &str) -> (&str, &str) {
    let is_separator = |c: char| c == '/' || c == std::path::MAIN_SEPARATOR;
    text.split_at(text.rfind(is_separator).map_or(0, |at| at + 1))
}

/// What the worker is asked for a typed path: what lies in its folder.
pub(in crate::app) fn entries_question(text: &str) -> Question {
    let (folder, _) = parts(text);
    let folder = intake::path_of_text(folder).unwrap_or_else(|| PathBuf::from("."));
    Question::Entries { folder }
}

/// Whether a folder is wanted.
fn is_folder(purpose: PathPurpose) -> bool {
    match purpose {
        PathPurpose::Folder | PathPurpose::MapFolder | PathPurpose::TrainPictures => true,
        PathPurpose::Examples(part) => part != ExamplePath::Table,
        _ => false,
    }
}

/// Entries that a typed path may mean, folders first.
fn candidates<'a>(state: &'a State, purpose: PathPurpose, text: &str) -> Vec<&'a PathEntry> {
    let Some(Answer::Entries(entries)) = state.live.answers.get(&entries_question(text)) else {
        return Vec::new();
    };
    let (_, beginning) = parts(text);
    let beginning = beginning.to_lowercase();
    let folders_only = is_folder(purpose);
    let fits = |entry: &&PathEntry| {
        // Hidden ones are meant by those who type the dot.
        let hidden = entry.name.starts_with('.') && !beginning.starts_with('.');
        entry.name.to_lowercase().starts_with(&beginning)
            && !hidden
            && (entry.is_folder || !folders_only)
    };
    entries.iter().filter(fits).collect()
}

/// The typed path made longer: by all that its candidates have in common, or to the only one.
fn completed(state: &State, purpose: PathPurpose, text: &str) -> Option<String> {
    let candidates = candidates(state, purpose, text);
    let (folder, beginning) = parts(text);
    let first = candidates.first()?;
    if let [only] = candidates[..] {
        let whole = path_to(folder, only);
        return (whole != text).then_some(whole);
    }
    let common = |other: &PathEntry| {
        let pairs = first.name.chars().zip(other.name.chars());
        pairs.take_while(|(a, b)| a == b).count()
    };
    let n = candidates.iter().map(|other| common(other)).min()?;
    let longer: String = first.name.chars().take(n).collect();
    (n > beginning.chars().count()).then(|| format!("{folder}{longer}"))
}

/// The path to an entry as it is typed; a folder's ends in a separator, so that one can go on.
fn path_to(folder: &str, entry: &PathEntry) -> String {
    let end = if entry.is_folder { "/" } else { "" };
    format!("{folder}{}{end}", entry.name)
}

/// What can be chosen instead of typed; the path of what was.
fn offers_ui(ui: &mut Ui, cx: &Cx<'_>, purpose: PathPurpose, text: &str) -> Option<String> {
    let recent = match text.is_empty() {
        true => recent(cx.state, purpose),
        false => Vec::new(),
    };
    let candidates = candidates(cx.state, purpose, text);
    if recent.is_empty() && candidates.is_empty() {
        return None;
    }
    let (folder, _) = parts(text);
    let mut chosen = None;
    let height = LIST_HEIGHT.min(0.3 * ui.ctx().content_rect().height());
    egui::ScrollArea::vertical()
        .max_height(height)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            let mut offer = |ui: &mut Ui, label: String, tip: &str, path: String| {
                let button = Button::selectable(false, label);
                let button = ui.add(button.min_size(vec2(ui.available_width(), 0.0)));
                if button.on_hover_text(tip).clicked() {
                    chosen = Some(path);
                }
            };
            for path in recent {
                let path = path.display().to_string();
                offer(ui, path.clone(), "Opened before", path);
            }
            for entry in candidates.iter().take(SHOWN) {
                let path = path_to(folder, entry);
                let label = path_to("", entry);
                offer(ui, label, "Tab completes what is typed", path);
            }
            if candidates.len() > SHOWN {
                let more = format!("and {} more: type on", candidates.len() - SHOWN);
                ui.label(egui::RichText::new(more).color(cx.tokens.text_weak));
            }
        });
    chosen
}

/// What was opened before of this kind, newest first.
fn recent(state: &State, purpose: PathPurpose) -> Vec<PathBuf> {
    match purpose {
        PathPurpose::Pictures => {
            let files = state.recent_pictures.iter().chain(&state.recent_folders);
            files.cloned().collect()
        }
        purpose if is_folder(purpose) => state.recent_folders.clone(),
        PathPurpose::Model => state.recent_models.clone(),
        PathPurpose::OpenSession => state.recent.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_is_taken_apart() {
        assert_eq!(parts("/home/me/fac"), ("/home/me/", "fac"));
        assert_eq!(parts("/home/me/"), ("/home/me/", ""));
        assert_eq!(parts("fac"), ("", "fac"));
        let asked = |text| match entries_question(text) {
            Question::Entries { folder } => folder,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked("/fac"), PathBuf::from("/"));
        assert_eq!(asked("fac"), PathBuf::from("."));
    }
}
