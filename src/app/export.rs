//! From the export dialog to a request.

use std::path::{Path, PathBuf};

use super::dialog::{ExportForm, ExportFormat, ExportSource};
use super::screens::{Exported, Tab};
use super::state::{Named, State};
use crate::engine::message::{ExportKind, ExportRequest};

impl ExportForm {
    /// A form with sensible values for what is on the screen.
    pub fn new(source: ExportSource, state: &State) -> Self {
        let mut form = Self {
            source,
            selected: state.selected(),
            format: formats(source, state)[0],
            scale: 4,
            gap: 4,
            labels: false,
            frames: exported(source, state).and_then(|e| e.frames).unwrap_or(1),
            fps: 12,
            path: String::new(),
            ask_replace: false,
        };
        form.path = default_path(&form, state).display().to_string();
        form
    }

    /// Takes another source, with the first format that suits it.
    pub fn with_source(mut self, source: ExportSource, state: &State) -> Self {
        let renamed = self.path_is_default(state);
        self.source = source;
        let formats = formats(source, state);
        if !formats.contains(&self.format) {
            self.format = formats[0];
        }
        let frames = exported(source, state).and_then(|e| e.frames);
        if let Some(frames) = frames.filter(|_| self.frames < 2) {
            self.frames = frames;
        }
        if renamed {
            self.path = default_path(&self, state).display().to_string();
        }
        self
    }

    /// Takes another format; the path's ending follows.
    pub fn with_format(mut self, format: ExportFormat) -> Self {
        let path = Path::new(self.path.trim());
        let renamed = match format.extension() {
            Some(extension) => path.with_extension(extension),
            None => path.with_extension(""),
        };
        self.path = renamed.display().to_string();
        self.format = format;
        self.ask_replace = false;
        self
    }

    fn path_is_default(&self, state: &State) -> bool {
        self.path == default_path(self, state).display().to_string()
    }

    /// Pictures of it that have values which are not finite, as far as they are on the screen.
    pub fn n_not_finite(&self, state: &State) -> usize {
        let broken = |named: &&Named| {
            let picture = state.picture_of(&named.recipe);
            picture.is_some_and(|picture| picture.non_finite > 0)
        };
        pictures(self, state).iter().filter(broken).count()
    }

    /// Pictures that would be written.
    pub fn n_pictures(&self, state: &State) -> usize {
        pictures(self, state).len()
    }
}

/// What a source gives now.
pub fn exported(source: ExportSource, state: &State) -> Option<Exported> {
    match source {
        ExportSource::Screen(tab) => tab.screen().exported(state),
        ExportSource::Selected => Some(Exported {
            label: "Selected picture",
            formats: &[ExportFormat::Grid, ExportFormat::Latents],
            columns: Some(1),
            frames: None,
            stem: state
                .selected()
                .map_or_else(|| "picture".to_owned(), |named| file_stem(&named.label)),
            usual: false,
        }),
    }
}

/// Formats that suit a source, the usual one first.
pub fn formats(source: ExportSource, state: &State) -> &'static [ExportFormat] {
    exported(source, state).map_or(&[ExportFormat::Grid], |e| e.formats)
}

/// Whether the number of pictures can be chosen.
pub fn has_frames(source: ExportSource, state: &State) -> bool {
    exported(source, state).is_some_and(|e| e.frames.is_some())
}

/// Sources that have something to export now.
pub fn sources(state: &State) -> Vec<ExportSource> {
    let selected = state.selected().map(|_| ExportSource::Selected);
    let tabs = Tab::ALL
        .iter()
        .filter(|tab| tab.screen().exported(state).is_some());
    let screens = tabs.map(|tab| ExportSource::Screen(*tab));
    selected.into_iter().chain(screens).collect()
}

/// What "Export…" means on the open screen.
pub fn usual_source(state: &State) -> ExportSource {
    match state.tab.screen().exported(state) {
        Some(exported) if exported.usual => ExportSource::Screen(state.tab),
        Some(_) => ExportSource::Selected,
        None => ExportSource::Screen(Tab::ALL[0]),
    }
}

/// What an export draws, in order.
fn pictures(form: &ExportForm, state: &State) -> Vec<Named> {
    match form.source {
        ExportSource::Selected => form.selected.iter().cloned().collect(),
        ExportSource::Screen(tab) => tab.screen().export_pictures(state, form.frames),
    }
}

/// The request that the form describes, or what it lacks.
pub fn request(form: &ExportForm, state: &State) -> Result<ExportRequest, String> {
    let path = form.path.trim();
    if path.is_empty() {
        return Err("no file is named to export to; type a path".to_owned());
    }
    let pictures = pictures(form, state);
    if pictures.is_empty() {
        return Err("nothing to export: select a picture first".to_owned());
    }
    let columns = match exported(form.source, state).and_then(|e| e.columns) {
        _ if form.format == ExportFormat::Strip => pictures.len() as u32,
        Some(columns) => columns,
        None => (pictures.len() as f32).sqrt().ceil() as u32,
    };
    let kind = match form.format {
        ExportFormat::Grid | ExportFormat::Strip => ExportKind::Grid {
            columns,
            gap: if pictures.len() > 1 { form.gap } else { 0 },
            labels: if form.labels {
                pictures.iter().map(|p| p.label.clone()).collect()
            } else {
                Vec::new()
            },
        },
        ExportFormat::Frames => ExportKind::Frames,
        ExportFormat::Gif => ExportKind::Gif {
            delay_cs: (100 / form.fps.clamp(1, 50)) as u16,
        },
        ExportFormat::Latents => ExportKind::Latents,
    };
    Ok(ExportRequest {
        recipes: pictures.into_iter().map(|p| p.recipe).collect(),
        kind,
        scale: form.scale.clamp(1, 32),
        path: PathBuf::from(path),
    })
}

fn default_path(form: &ExportForm, state: &State) -> PathBuf {
    let folder = state.export_folder.clone().unwrap_or_default();
    let stem = match (form.source, &form.selected) {
        // Kept by the form, so that it cannot change under the dialog.
        (ExportSource::Selected, Some(named)) => file_stem(&named.label),
        (source, _) => exported(source, state).map_or_else(|| "picture".to_owned(), |e| e.stem),
    };
    let path = folder.join(stem);
    match form.format.extension() {
        Some(extension) => path.with_extension(extension),
        None => path,
    }
}

/// A label as a file name: letters and digits, the rest as dashes. An ending would be taken for
/// the file's own, so there are no dots.
fn file_stem(label: &str) -> String {
    let mut stem = String::new();
    for ch in label.chars() {
        if ch.is_alphanumeric() {
            stem.extend(ch.to_lowercase());
        } else if !stem.ends_with('-') && !stem.is_empty() {
            stem.push('-');
        }
    }
    let stem = stem.trim_end_matches('-');
    if stem.is_empty() {
        "picture".to_owned()
    } else {
        stem.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_file_names() {
        assert_eq!(file_stem("Seed 1 · 5"), "seed-1-5");
        assert_eq!(file_stem("my face.jpg"), "my-face-jpg");
        assert_eq!(file_stem("···"), "picture");
    }

    #[test]
    fn a_grid_keeps_its_columns_and_labels() {
        let state = State::default();
        let mut form = ExportForm::new(ExportSource::Screen(Tab::Sample), &state);
        form.labels = true;
        form.path = "out.png".to_owned();
        let request = request(&form, &state).unwrap();
        assert_eq!(request.recipes.len(), 24);
        let ExportKind::Grid {
            columns, labels, ..
        } = request.kind
        else {
            panic!("a grid was asked for");
        };
        assert_eq!((columns, labels.len()), (6, 24));
        assert_eq!(labels[4], "Seed 1 · 5");
    }

    #[test]
    fn the_ending_follows_the_format() {
        let state = State::default();
        let form = ExportForm::new(ExportSource::Screen(Tab::Sample), &state);
        assert!(form.path.ends_with("samples-seed-1.png"), "{}", form.path);
        let form = form.with_format(ExportFormat::Latents);
        assert!(form.path.ends_with(".safetensors"), "{}", form.path);
        let form = form.with_format(ExportFormat::Frames);
        assert!(form.path.ends_with("samples-seed-1"), "{}", form.path);
    }

    #[test]
    fn an_empty_path_is_refused_in_words() {
        let state = State::default();
        let mut form = ExportForm::new(ExportSource::Screen(Tab::Sample), &state);
        form.path = "  ".to_owned();
        assert!(request(&form, &state).unwrap_err().contains("type a path"));
    }
}
