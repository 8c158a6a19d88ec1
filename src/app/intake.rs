//! Files and pictures on their way in: the system's file dialog, drops, the clipboard.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::action::Action;
use super::autosave::SESSION_ENDING;
use super::dialog::{Dialog, PathPurpose, PathsChosen, REPLACE};
use super::screens::Tab;
use super::screens::attributes::{AttributesWish, ExampleOrigin, ExamplePath};
use super::screens::map::MapWish;
use super::screens::train::TrainWish;
use super::state::LogLevel;
use crate::engine::message::PictureSource;

/// Endings of pictures that can be read.
pub const PICTURE_ENDINGS: &[&str] = &[
    "png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "tga", "qoi", "ppm", "pgm", "pnm",
];
/// Endings of weight files: this program's, and those that people give the checkpoints of other programs. What has
/// another one is told by the worker, by what is in it.
pub const MODEL_ENDINGS: &[&str] = &[
    "safetensors",
    "pt",
    "pth",
    "pkg",
    "pkl",
    "pickle",
    "ckpt",
    "tar",
    "bin",
    "index",
    "meta",
    "pb",
];
/// Endings of tables of labels.
const TABLE_ENDINGS: &[&str] = &["csv", "tsv", "txt"];
/// Endings of direction files.
pub const ATTRIBUTES_ENDINGS: &[&str] = &["safetensors", "npy"];

/// An empty answer within this time means that the system has no file dialog to show: nobody
/// closes one so fast.
const NO_DIALOG_WITHIN: Duration = Duration::from_millis(400);

/// Asks the system for files on a thread of its own: a portal may take its time, and the window
/// must not wait for it.
pub fn browse(
    purpose: PathPurpose,
    suggestion: PathBuf,
    answers: Sender<PathsChosen>,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> std::io::Result<()> {
    let ask = move || {
        let asked = Instant::now();
        let dialog = rfd::FileDialog::new().set_title(purpose.title());
        let paths = match purpose {
            PathPurpose::Folder | PathPurpose::MapFolder => {
                dialog.pick_folder().map(|path| vec![path])
            }
            PathPurpose::Pictures => dialog.add_filter("Pictures", PICTURE_ENDINGS).pick_files(),
            PathPurpose::Labels => dialog
                .add_filter("Tables", &["csv", "tsv", "txt"])
                .add_filter("All files", &["*"])
                .pick_file()
                .map(|path| vec![path]),
            PathPurpose::Model => dialog
                .add_filter("Models", MODEL_ENDINGS)
                .add_filter("All files", &["*"])
                .pick_file()
                .map(|path| vec![path]),
            PathPurpose::Attributes => dialog
                .add_filter("Attributes", ATTRIBUTES_ENDINGS)
                .pick_file()
                .map(|path| vec![path]),
            PathPurpose::OpenSession => dialog
                .add_filter("Sessions", &["json"])
                .pick_file()
                .map(|path| vec![path]),
            PathPurpose::Examples(ExamplePath::Table) => dialog
                .add_filter("Tables", TABLE_ENDINGS)
                .add_filter("All files", &["*"])
                .pick_file()
                .map(|path| vec![path]),
            PathPurpose::Examples(_) => dialog.pick_folder().map(|path| vec![path]),
            PathPurpose::TrainPictures => {
                let dialog = match suggestion.as_os_str().is_empty() {
                    true => dialog,
                    false => dialog.set_directory(&suggestion),
                };
                dialog.pick_folder().map(|path| vec![path])
            }
            PathPurpose::Export
            | PathPurpose::SaveSession
            | PathPurpose::SaveDirections
            | PathPurpose::TrainWeights => {
                let mut dialog = dialog;
                if let Some(folder) = suggestion.parent() {
                    dialog = dialog.set_directory(folder);
                }
                if let Some(name) = suggestion.file_name() {
                    dialog = dialog.set_file_name(name.to_string_lossy());
                }
                dialog.save_file().map(|path| vec![path])
            }
        };
        // The window may be gone by now; then nobody wants the answer.
        let at_once = asked.elapsed() < NO_DIALOG_WITHIN;
        let _ = answers.send(PathsChosen {
            purpose,
            paths,
            at_once,
        });
        wake();
    };
    std::thread::Builder::new()
        .name("file dialog".to_owned())
        .spawn(ask)
        .map(drop)
}

/// What an answer of the file dialog leads to. Exports are handled by the dialog itself.
pub fn actions_of_answer(
    answer: PathsChosen,
    open: Option<&Dialog>,
    suggestion: &Path,
) -> Vec<Action> {
    let PathsChosen {
        purpose,
        paths,
        at_once,
    } = answer;
    if purpose == PathPurpose::Export {
        let path = paths.and_then(|p| p.into_iter().next());
        return match (path, open) {
            (Some(path), Some(Dialog::Export(form))) => {
                let mut form = form.clone();
                form.path = path.display().to_string();
                // The system's dialog has asked about replacing already.
                vec![Action::Show(Dialog::Export(form))]
            }
            (None, Some(Dialog::Export(_))) => vec![Action::Log(
                LogLevel::Info,
                "no file was chosen; a path can be typed into the field as well".to_owned(),
            )],
            _ => Vec::new(),
        };
    }
    match paths {
        Some(paths) if purpose.saves() => paths
            .first()
            .map_or_else(Vec::new, |path| save(purpose, path)),
        Some(paths) => actions_of_paths(purpose, paths),
        None if at_once && open.is_none() => vec![Action::Show(Dialog::TypePath {
            purpose,
            text: suggestion.display().to_string(),
            note: "the system shows no file dialog; type the path instead".to_owned(),
        })],
        None => Vec::new(),
    }
}

/// The system's dialog has asked about the name it was given; where an ending is added to that, the file may be
/// another one, about which nobody has been asked.
fn save(purpose: PathPurpose, chosen: &Path) -> Vec<Action> {
    let path = with_ending(purpose, chosen.to_path_buf());
    if path != chosen && path.exists() {
        return vec![Action::Show(Dialog::TypePath {
            purpose,
            text: path.display().to_string(),
            note: REPLACE.to_owned(),
        })];
    }
    actions_of_paths(purpose, vec![path])
}

/// A name as typed, with an ending where it has none: the file that is written.
pub fn with_ending(purpose: PathPurpose, path: PathBuf) -> PathBuf {
    match purpose {
        PathPurpose::SaveSession if path.extension().is_none() => {
            ending_added(path, SESSION_ENDING)
        }
        PathPurpose::SaveDirections => match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => path,
            Some("attributes") => ending_added(path, "safetensors"),
            _ => ending_added(path, "attributes.safetensors"),
        },
        _ => path,
    }
}

fn ending_added(path: PathBuf, ending: &str) -> PathBuf {
    let mut name = path.into_os_string();
    name.push(".");
    name.push(ending);
    name.into()
}

/// What paths lead to: pictures are imported, weight files opened.
pub fn actions_of_paths(purpose: PathPurpose, paths: Vec<PathBuf>) -> Vec<Action> {
    let mut paths = paths.into_iter();
    match purpose {
        PathPurpose::Pictures => {
            let (sessions, rest): (Vec<PathBuf>, Vec<PathBuf>) =
                paths.partition(|path| super::session::is_session(path));
            let is_npy = |path: &PathBuf| {
                path.extension()
                    .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
            };
            let (directions, rest): (Vec<PathBuf>, Vec<PathBuf>) =
                rest.into_iter().partition(is_npy);
            let (models, pictures): (Vec<PathBuf>, Vec<PathBuf>) =
                rest.into_iter().partition(|path| is_model(path));
            let (tables, pictures): (Vec<PathBuf>, Vec<PathBuf>) =
                pictures.into_iter().partition(|path| is_table(path));
            let mut actions = Vec::new();
            actions.extend(
                tables
                    .first()
                    .into_iter()
                    .flat_map(|path| labels_from(path)),
            );
            actions.extend(sessions.into_iter().map(Action::OpenSession));
            // Somebody who drops a weight file on the window means to open it.
            actions.extend(models.into_iter().map(|path| Action::OpenModel(Some(path))));
            actions.extend(directions.into_iter().map(Action::OpenAttributes));
            if !pictures.is_empty() {
                let sources = pictures.into_iter().map(PictureSource::Path).collect();
                actions.push(Action::Import(sources));
            }
            actions
        }
        PathPurpose::Folder => paths.next().map(Action::OpenFolder).into_iter().collect(),
        PathPurpose::MapFolder => {
            let open = |path| MapWish::Open(path).into();
            paths.next().map(open).into_iter().collect()
        }
        PathPurpose::Labels => {
            let open = |path| MapWish::SetTable(Some(path)).into();
            paths.next().map(open).into_iter().collect()
        }
        PathPurpose::Model => paths
            .next()
            .map(|p| Action::OpenModel(Some(p)))
            .into_iter()
            .collect(),
        PathPurpose::Attributes => paths
            .next()
            .map(Action::OpenAttributes)
            .into_iter()
            .collect(),
        PathPurpose::OpenSession => paths.next().map(Action::OpenSession).into_iter().collect(),
        PathPurpose::SaveSession => paths.next().map(Action::SaveSession).into_iter().collect(),
        PathPurpose::Examples(which) => {
            let chosen = paths.next().map(|path| path.display().to_string());
            let wish = chosen.map(|text| AttributesWish::SetPath(which, text));
            wish.map(Action::from).into_iter().collect()
        }
        PathPurpose::SaveDirections => {
            let wish = paths.next().map(AttributesWish::Save);
            wish.map(Action::from).into_iter().collect()
        }
        PathPurpose::TrainPictures => typed_wish(paths.next(), TrainWish::SetImages),
        PathPurpose::TrainWeights => typed_wish(paths.next(), TrainWish::SetOut),
        PathPurpose::Export => Vec::new(),
    }
}

/// A path that goes into a field as text.
fn typed_wish(path: Option<PathBuf>, wish: fn(String) -> TrainWish) -> Vec<Action> {
    let text = path.map(|path| path.display().to_string());
    text.map(|text| wish(text).into()).into_iter().collect()
}

/// A table of labels is something to build directions from.
fn labels_from(table: &Path) -> [Action; 3] {
    let text = table.display().to_string();
    [
        Action::SetTab(Tab::Attributes),
        AttributesWish::SetOrigin(ExampleOrigin::Labels).into(),
        AttributesWish::SetPath(ExamplePath::Table, text).into(),
    ]
}

fn is_table(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| TABLE_ENDINGS.contains(&e.as_str()))
}

/// Whether a name is a model's. The numbers of a TensorFlow checkpoint end in `.data-00000-of-00001`.
fn is_model(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| MODEL_ENDINGS.contains(&e.as_str()) || e.starts_with("data-"))
}

/// A typed path, as people type it: quotes around it and a leading `~` are understood.
pub fn path_of_text(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&q| text.strip_prefix(q)?.strip_suffix(q));
    let text = unquoted.unwrap_or(text);
    let text = text.strip_prefix("file://").unwrap_or(text);
    if text.is_empty() {
        return None;
    }
    match (text.strip_prefix("~/"), directories::UserDirs::new()) {
        (Some(rest), Some(dirs)) => Some(dirs.home_dir().join(rest)),
        _ => Some(PathBuf::from(text)),
    }
}

/// The letters typed in this frame.
pub fn typed(ctx: &egui::Context) -> String {
    ctx.input(|input| {
        let letters = input.events.iter().filter_map(|event| match event {
            egui::Event::Text(text) => Some(text.as_str()),
            _ => None,
        });
        letters.collect()
    })
}

/// What was dropped on the window or pasted into it in this frame.
pub fn actions_of_input(ctx: &egui::Context) -> Vec<Action> {
    let (dropped, pasted) = ctx.input(|input| {
        let dropped: Vec<PathBuf> = (input.raw.dropped_files.iter())
            .map(|file| file.path().to_path_buf())
            .collect();
        let pasted: Vec<Arc<egui::ColorImage>> = (input.events.iter())
            .filter_map(|event| match event {
                egui::Event::PasteImage(image) => Some(Arc::clone(image)),
                _ => None,
            })
            .collect();
        (dropped, pasted)
    });
    let mut actions = Vec::new();
    if !dropped.is_empty() {
        actions.extend(actions_of_paths(PathPurpose::Pictures, dropped));
    }
    if !pasted.is_empty() {
        let sources = pasted.iter().map(|image| source_of_image(image));
        actions.push(Action::Import(sources.collect()));
    }
    actions
}

/// Clipboard pixels as a source.
fn source_of_image(image: &egui::ColorImage) -> PictureSource {
    let pixels: Vec<u8> = (image.pixels.iter())
        .flat_map(|pixel| pixel.to_srgba_unmultiplied())
        .collect();
    PictureSource::Rgba {
        size: image.size.map(|side| side as u32),
        pixels: pixels.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_paths_are_understood_as_people_type_them() {
        assert_eq!(path_of_text("  \"/a b/c.png\" "), Some("/a b/c.png".into()));
        assert_eq!(path_of_text("file:///a/c.png"), Some("/a/c.png".into()));
        assert_eq!(path_of_text("  "), None);
        let home = path_of_text("~/c.png").unwrap();
        assert!(!home.starts_with("~") || directories::UserDirs::new().is_none());
    }

    #[test]
    fn a_system_without_a_file_dialog_leads_to_the_typed_path() {
        let answer = |at_once| PathsChosen {
            purpose: PathPurpose::Pictures,
            paths: None,
            at_once,
        };
        let actions = actions_of_answer(answer(true), None, Path::new(""));
        assert!(
            matches!(&actions[..], [Action::Show(Dialog::TypePath { note, .. })] if !note.is_empty())
        );
        assert!(actions_of_answer(answer(false), None, Path::new("")).is_empty());
    }

    #[test]
    fn an_ending_that_is_added_to_a_chosen_name_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let answer = |name: &str| {
            let answer = PathsChosen {
                purpose: PathPurpose::SaveSession,
                paths: Some(vec![folder.path().join(name)]),
                at_once: false,
            };
            actions_of_answer(answer, None, Path::new(""))
        };
        let full = folder.path().join("faces.glow.json");
        assert_eq!(answer("faces"), [Action::SaveSession(full.clone())]);
        std::fs::write(&full, "{}").unwrap();
        assert!(
            matches!(&answer("faces")[..], [Action::Show(Dialog::TypePath { note, .. })] if note == REPLACE)
        );
        // The system's dialog has asked about this very file.
        assert_eq!(answer("faces.glow.json"), [Action::SaveSession(full)]);
    }

    #[test]
    fn a_dropped_weight_file_is_opened_and_pictures_are_imported() {
        for name in ["trained.pkg", "model_001.pt", "m.ckpt.data-00000-of-00001"] {
            let actions = actions_of_paths(PathPurpose::Pictures, vec![name.into()]);
            assert_eq!(actions, [Action::OpenModel(Some(name.into()))]);
        }
        let actions = actions_of_paths(PathPurpose::Pictures, vec!["z.npy".into()]);
        assert_eq!(actions, [Action::OpenAttributes("z.npy".into())]);
        let actions = actions_of_paths(PathPurpose::Pictures, vec!["list_attr.TXT".into()]);
        let wish = AttributesWish::SetPath(ExamplePath::Table, "list_attr.TXT".to_owned());
        assert_eq!(actions[2], wish.into());
        let paths = vec!["a.png".into(), "m.SafeTensors".into(), "b.jpg".into()];
        let actions = actions_of_paths(PathPurpose::Pictures, paths);
        assert_eq!(actions[0], Action::OpenModel(Some("m.SafeTensors".into())));
        assert!(matches!(&actions[1], Action::Import(sources) if sources.len() == 2));
    }
}
