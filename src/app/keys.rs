//! One table of everything that can be done by name: it feeds the keyboard, the palette, the menus
//! and the list of keys, so that they cannot disagree.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::action::Action;
use super::dialog::{Dialog, ExportSource, PathPurpose};
use super::state::{Selection, State, Tab, ThemeChoice};
use crate::engine::message::PathKind;

/// Something that can be done by name.
pub struct Entry {
    /// Name in menus, palette and help.
    pub name: &'static str,
    /// Group in the help.
    pub group: &'static str,
    /// Its key, where it has one.
    pub shortcut: Option<KeyboardShortcut>,
    /// The action; `None` where it cannot be done now.
    pub action: fn(&State) -> Option<Action>,
}

const fn plain(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::NONE, key))
}

const fn ctrl(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::COMMAND, key))
}

const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

const fn ctrl_shift(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(CTRL_SHIFT, key))
}

macro_rules! entries {
    ($($group:literal: { $($name:literal, $shortcut:expr, $action:expr;)* })*) => {
        &[$($(Entry { name: $name, group: $group, shortcut: $shortcut, action: $action },)*)*]
    };
}

/// All entries, grouped. Longer key combinations stand before shorter ones of the same letter,
/// because egui lets `Ctrl+Z` match `Ctrl+Shift+Z`.
pub const ENTRIES: &[Entry] = entries! {
    "File": {
        "Type a path…", ctrl_shift(Key::O), |_| Some(type_path(PathPurpose::Pictures));
        "Open pictures…", ctrl(Key::O), |_| Some(Action::Browse(PathPurpose::Pictures));
        "Paste picture", None, |_| Some(Action::Paste);
        "Save session as…", ctrl_shift(Key::S), |_| Some(Action::Browse(PathPurpose::SaveSession));
        "Save session…", ctrl(Key::S), |s| Some(match &s.session.path {
            Some(path) => Action::SaveSession(path.clone()),
            None => Action::Browse(PathPurpose::SaveSession),
        });
        "Open session…", None, |_| Some(Action::Browse(PathPurpose::OpenSession));
        "New session", None, |_| Some(Action::NewSession);
        "Export…", ctrl(Key::E), |s| Some(Action::OpenExport(export_source(s)));
        "Open model…", None, |_| Some(Action::Browse(PathPurpose::Model));
        "Type the path of a model…", None, |_| Some(type_path(PathPurpose::Model));
        "Open attributes…", None, |_| Some(Action::Browse(PathPurpose::Attributes));
        "Open the shipped model", None, |_| Some(Action::OpenModel(None));
        "Quit", ctrl(Key::Q), |_| Some(Action::Quit);
    }
    "Edit": {
        "Redo", ctrl_shift(Key::Z), |s| s.history.can_redo().then_some(Action::Redo);
        "Undo", ctrl(Key::Z), |s| s.history.can_undo(&s.doc).then_some(Action::Undo);
        "Copy picture", ctrl_shift(Key::C), |s| Some(Action::CopyImage(s.selected()?.recipe));
        "Pin to shelf", plain(Key::P), |s| Some(Action::Pin(s.selected()?));
        "Rename", plain(Key::F2), rename;
        "Remove from shelf", plain(Key::Delete), |s| match s.selection {
            Selection::Item(id) => Some(Action::Remove(id)),
            _ => None,
        };
        "Use as A", plain(Key::A), |s| Some(Action::SetKey(0, s.selected()?));
        "Use as B", plain(Key::B), |s| Some(Action::SetKey(1, s.selected()?));
        "Edit this picture", plain(Key::E), |s| Some(Action::EditBase(s.selected()?));
        "More like this", plain(Key::M), |s| Some(Action::MoreLikeThis(s.selected()?));
    }
    "View": {
        "Sample", plain(Key::Num1), |_| Some(Action::SetTab(Tab::Sample));
        "Morph", plain(Key::Num2), |_| Some(Action::SetTab(Tab::Morph));
        "Edit", plain(Key::Num3), |_| Some(Action::SetTab(Tab::Edit));
        "Enlarge", plain(Key::Enter), |s| (s.tab == Tab::Sample).then_some(Action::Enlarge(!s.enlarged));
        "Shelf", ctrl(Key::B), |s| Some(Action::SetShelfOpen(!s.settings.shelf_open));
        "Inspector", ctrl(Key::I), |s| Some(Action::SetInspectorOpen(!s.settings.inspector_open));
        "Smooth pictures", None, |s| Some(Action::SetSmooth(!s.settings.smooth));
        "Larger", ctrl(Key::Plus), |s| Some(Action::SetScale(s.settings.ui_scale + 0.1));
        "Larger (=)", ctrl(Key::Equals), |s| Some(Action::SetScale(s.settings.ui_scale + 0.1));
        "Smaller", ctrl(Key::Minus), |s| Some(Action::SetScale(s.settings.ui_scale - 0.1));
        "Normal size", ctrl(Key::Num0), |_| Some(Action::SetScale(1.0));
        "System theme", None, |_| Some(Action::SetTheme(ThemeChoice::System));
        "Light theme", None, |_| Some(Action::SetTheme(ThemeChoice::Light));
        "Dark theme", None, |_| Some(Action::SetTheme(ThemeChoice::Dark));
    }
    "Sample": {
        "New seed", plain(Key::R), |_| Some(Action::NewSeed);
        "Next seed", plain(Key::CloseBracket), |s| Some(Action::SetSeed(s.doc.sample.seed.wrapping_add(1)));
        "Previous seed", plain(Key::OpenBracket), |s| Some(Action::SetSeed(s.doc.sample.seed.saturating_sub(1)));
        "Temperature per level", None, |s| Some(Action::SetPerLevel(!s.doc.sample.per_level));
        "Fresh samples", None, |s| s.doc.sample.variation.as_ref().map(|_| Action::LeaveVariations);
    }
    "Morph": {
        "Play or pause", plain(Key::Space), |s| (s.doc.morph.path_keys().is_some()).then_some(Action::Play(!s.playback.playing));
        "Swap A and B", plain(Key::X), |_| Some(Action::ReverseKeys);
        "Straight path", None, |_| Some(Action::SetPath(PathKind::Linear));
        "Spherical path", None, |_| Some(Action::SetPath(PathKind::Spherical));
    }
    "Attributes": {
        "Reset all attributes", plain(Key::Num0), |s| (s.tab == Tab::Edit).then_some(Action::ResetAmounts);
        "Keep other attributes", None, |s| Some(Action::SetKeepOthers(!s.doc.edit.keep_others));
    }
    "Selection": {
        "Left", plain(Key::ArrowLeft), |_| Some(Action::MoveSelection(-1, 0));
        "Right", plain(Key::ArrowRight), |_| Some(Action::MoveSelection(1, 0));
        "Up", plain(Key::ArrowUp), |_| Some(Action::MoveSelection(0, -1));
        "Down", plain(Key::ArrowDown), |_| Some(Action::MoveSelection(0, 1));
        "Close", plain(Key::Escape), |_| Some(Action::Close);
    }
    "Help": {
        "Commands…", ctrl(Key::P), |_| Some(Action::Show(Dialog::Palette { query: String::new(), row: 0 }));
        "Keyboard", plain(Key::F1), |_| Some(Action::Show(Dialog::Help));
        "Messages", ctrl(Key::L), |_| Some(Action::Show(Dialog::Log));
        "About", None, |_| Some(Action::Show(Dialog::About));
    }
};

fn type_path(purpose: PathPurpose) -> Action {
    Action::Show(Dialog::TypePath {
        purpose,
        text: String::new(),
        note: String::new(),
    })
}

fn rename(state: &State) -> Option<Action> {
    let Selection::Item(item) = state.selection else {
        return None;
    };
    let text = state.selected()?.label;
    Some(Action::Show(Dialog::Rename { item, text }))
}

/// What "Export…" means on the open tab.
pub fn export_source(state: &State) -> ExportSource {
    match state.tab {
        Tab::Sample if state.enlarged => ExportSource::Selected,
        Tab::Sample => ExportSource::Grid,
        Tab::Morph if state.doc.morph.path_keys().is_some() => ExportSource::Morph,
        Tab::Edit if state.doc.edit.base.is_some() => ExportSource::BeforeAfter,
        Tab::Morph | Tab::Edit => ExportSource::Grid,
    }
}

/// A key combination as it stands on the keyboard: `Ctrl++`, not `Ctrl+Plus`.
pub fn shortcut_text(ctx: &egui::Context, shortcut: &KeyboardShortcut) -> String {
    let text = ctx.format_shortcut(shortcut);
    let name = shortcut.logical_key.name();
    let sign = match shortcut.logical_key {
        Key::Plus => "+",
        Key::Minus => "−",
        Key::Equals => "=",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::Escape => "Esc",
        _ => return text,
    };
    match text.strip_suffix(name) {
        Some(modifiers) => format!("{modifiers}{sign}"),
        None => text,
    }
}

/// The entry of a name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// Actions of the keys pressed in this frame.
///
/// Keys without a modifier belong to whatever has the focus: a text field, or a control reached by
/// Tab. With a dialog open only Escape and the function keys act on the window behind it.
pub fn actions_of_keys(ctx: &egui::Context, state: &State) -> Vec<Action> {
    let focused = ctx.egui_wants_keyboard_input();
    let dialog_open = state.dialog.is_some();
    // An open menu takes Escape and the arrows for itself.
    if egui::Popup::is_any_open(ctx) {
        return Vec::new();
    }
    let mut actions = Vec::new();
    ctx.input_mut(|input| {
        for entry in ENTRIES {
            let Some(shortcut) = entry.shortcut else {
                continue;
            };
            let key = shortcut.logical_key;
            let bare = shortcut.modifiers == Modifiers::NONE;
            let always = matches!(key, Key::F1 | Key::Escape);
            if (bare && focused && !always) || (dialog_open && !always) {
                continue;
            }
            // A bare key must not fire while Ctrl or Alt is held for something else.
            if bare && input.modifiers.any() {
                continue;
            }
            if input.consume_shortcut(&shortcut) {
                actions.extend((entry.action)(state));
            }
        }
    });
    actions
}

/// Entries that fit a few letters, best first.
pub fn search(query: &str) -> Vec<&'static Entry> {
    let mut found: Vec<(u32, &Entry)> = (ENTRIES.iter())
        .filter(|entry| entry.group != "Selection" && entry.name != "Larger (=)")
        .filter_map(|entry| Some((fuzzy(query, entry.name)?, entry)))
        .collect();
    found.sort_by_key(|(cost, _)| *cost);
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Whether the letters of `query` occur in `text` in this order, and how far apart: letters at the
/// beginning of words cost nothing, gaps cost.
fn fuzzy(query: &str, text: &str) -> Option<u32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut cost) = (0usize, 0u32);
    for letter in query.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = at + text.get(at..)?.iter().position(|&c| c == letter)?;
        let starts_word = found == 0 || text[found - 1] == ' ';
        cost += match found - at {
            0 => 0,
            _ if starts_word => 1,
            gap => 4 + gap as u32,
        };
        at = found + 1;
    }
    Some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        for (i, a) in ENTRIES.iter().enumerate() {
            for b in &ENTRIES[i + 1..] {
                assert!(
                    a.shortcut.is_none() || a.shortcut != b.shortcut,
                    "{} and {} share a key",
                    a.name,
                    b.name
                );
            }
        }
    }

    #[test]
    fn a_few_letters_find_an_entry() {
        assert_eq!(search("expo")[0].name, "Export…");
        assert_eq!(search("mlt")[0].name, "More like this");
        assert!(search("zzzz").is_empty());
        assert!(search("").len() > 20);
    }
}
