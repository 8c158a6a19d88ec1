//! One table of everything that can be done by name: it feeds the keyboard, the palette, the menus
//! and the list of keys, so that they cannot disagree.

use std::sync::LazyLock;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::action::Action;
use super::dialog::{Dialog, PathPurpose};
use super::export;
use super::screens::{Tab, all_offers};
use super::state::{Named, Selection, State, ThemeChoice};

/// Something that can be done by name.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name in menus, palette and help.
    pub name: &'static str,
    /// Group in the help.
    pub group: &'static str,
    /// Its key, where it has one.
    pub shortcut: Option<KeyboardShortcut>,
    /// What it does.
    pub deed: Deed,
}

/// What an entry does.
#[derive(Clone, Copy)]
pub enum Deed {
    /// An action; `None` where it cannot be done now.
    Do(fn(&State) -> Option<Action>),
    /// Open a screen.
    Open(Tab),
    /// Something with the selected picture.
    Offer(fn(Named) -> Action),
}

impl Entry {
    /// The action; `None` where it cannot be done now.
    pub fn action(&self, state: &State) -> Option<Action> {
        match self.deed {
            Deed::Do(action) => action(state),
            Deed::Open(tab) => Some(Action::SetTab(tab)),
            Deed::Offer(wish) => Some(wish(state.selected()?)),
        }
    }
}

/// A key alone.
pub const fn plain(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::NONE, key))
}

/// A key with Ctrl, or with Cmd on a Mac.
pub const fn ctrl(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::COMMAND, key))
}

const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

/// The same, with Shift.
pub const fn ctrl_shift(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(CTRL_SHIFT, key))
}

/// A table of entries by group: name, key, action.
macro_rules! entries {
    ($($group:literal: { $($name:literal, $shortcut:expr, $action:expr;)* })*) => {
        &[$($($crate::app::keys::Entry {
            name: $name,
            group: $group,
            shortcut: $shortcut,
            deed: $crate::app::keys::Deed::Do($action),
        },)*)*]
    };
}
pub(super) use entries;

/// Keys of the screens, in the order of the bar.
const TAB_KEYS: [Key; 9] = [
    Key::Num1,
    Key::Num2,
    Key::Num3,
    Key::Num4,
    Key::Num5,
    Key::Num6,
    Key::Num7,
    Key::Num8,
    Key::Num9,
];

/// All entries: the window's own, and those of the screens.
pub fn all() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let offers = all_offers().map(|offer| Entry {
            name: offer.name,
            group: "Edit",
            shortcut: offer.key,
            deed: Deed::Offer(offer.wish),
        });
        let tabs = Tab::ALL.iter().enumerate().map(|(at, tab)| Entry {
            name: tab.screen().label(),
            group: "View",
            shortcut: TAB_KEYS.get(at).copied().and_then(plain),
            deed: Deed::Open(*tab),
        });
        let screens = Tab::ALL.iter().flat_map(|tab| tab.screen().entries());
        let first = FIRST.iter().copied();
        let last = LAST.iter().copied();
        (first.chain(offers).chain(tabs))
            .chain(VIEW.iter().chain(screens).copied())
            .chain(last)
            .collect()
    });
    &ALL
}

const FIRST: &[Entry] = entries! {
    "File": {
        "Type a path…", ctrl_shift(Key::O), |_| Some(type_path(PathPurpose::Pictures));
        "Open pictures…", ctrl(Key::O), |_| Some(Action::Browse(PathPurpose::Pictures));
        "Open folder…", None, |_| Some(Action::Browse(PathPurpose::Folder));
        "Paste picture", None, |_| Some(Action::Paste);
        "Save session as…", ctrl_shift(Key::S), |_| Some(Action::Browse(PathPurpose::SaveSession));
        "Save session…", ctrl(Key::S), |s| Some(match &s.session.path {
            Some(path) => Action::SaveSession(path.clone()),
            None => Action::Browse(PathPurpose::SaveSession),
        });
        "Open session…", None, |_| Some(Action::Browse(PathPurpose::OpenSession));
        "New session", None, |_| Some(Action::NewSession);
        "Export…", ctrl(Key::E), |s| Some(Action::OpenExport(export::usual_source(s)));
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
    }
};

const VIEW: &[Entry] = entries! {
    "View": {
        "Full screen", plain(Key::F11), |s| s.selected().map(|_| Action::SetFullScreen(!s.full_screen));
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
};

const LAST: &[Entry] = entries! {
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
        "Take the tour", None, |_| Some(Action::Tour(Some(0)));
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

/// All entries, longer key combinations first: egui lets `Ctrl+Z` match `Ctrl+Shift+Z`.
fn by_length() -> impl Iterator<Item = &'static Entry> {
    let has_shift = |entry: &&Entry| entry.shortcut.is_some_and(|s| s.modifiers.shift);
    let long = all().iter().filter(has_shift);
    long.chain(all().iter().filter(move |entry| !has_shift(entry)))
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
    all().iter().find(|entry| entry.name == name)
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
        for entry in by_length() {
            let Some(shortcut) = entry.shortcut else {
                continue;
            };
            let key = shortcut.logical_key;
            let bare = shortcut.modifiers == Modifiers::NONE;
            let always = matches!(key, Key::F1 | Key::F11 | Key::Escape);
            if (bare && focused && !always) || (dialog_open && !always) {
                continue;
            }
            // A bare key must not fire while Ctrl or Alt is held for something else.
            if bare && input.modifiers.any() {
                continue;
            }
            if input.consume_shortcut(&shortcut) {
                actions.extend(entry.action(state));
            }
        }
    });
    actions
}

/// Entries that fit a few letters, best first.
pub fn search(query: &str) -> Vec<&'static Entry> {
    let mut found: Vec<(u32, &Entry)> = (all().iter())
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
        for (i, a) in all().iter().enumerate() {
            for b in &all()[i + 1..] {
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
