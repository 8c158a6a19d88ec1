//! What session files and the window are called.

use std::path::{Path, PathBuf};

use crate::app::autosave::SESSION_ENDING;
use crate::app::state::State;

/// The path that a dialog for saving begins with.
pub fn suggestion(state: &State) -> PathBuf {
    let folder = state.export_folder.clone().unwrap_or_default();
    let beside = || folder.join(format!("session.{SESSION_ENDING}"));
    state.session.path.clone().unwrap_or_else(beside)
}

/// What the window is called: the session, the model, the program.
pub fn title(state: &State) -> String {
    let session = &state.session;
    let name = match (&session.read_only, &session.path) {
        (Some(read_only), _) => Some(format!("{} (read-only)", name_of(&read_only.path))),
        (None, Some(path)) => Some(name_of(path)),
        (None, None) => None,
    };
    let model = state.live.model.as_ref().map(|model| model.name.clone());
    let parts = [name, model, Some("Glow Explorer".to_owned())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" – ")
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = format!(".{SESSION_ENDING}");
    name.strip_suffix(&ending).unwrap_or(&name).to_owned()
}

/// Whether a path looks like a session's.
pub fn is_session(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase().ends_with(SESSION_ENDING)
}
