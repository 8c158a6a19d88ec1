//! From the export dialog to a request.

use std::path::{Path, PathBuf};

use super::dialog::{ExportForm, ExportFormat, ExportSource};
use super::state::{Named, Selection, State};
use crate::engine::message::{ExportKind, ExportRequest, Rate};

impl ExportForm {
    /// A form with sensible values for what is on the screen.
    pub fn new(source: ExportSource, state: &State) -> Self {
        let mut form = Self {
            source,
            selected: state.selected(),
            format: formats(source)[0],
            scale: 4,
            gap: 4,
            labels: false,
            frames: if source == ExportSource::Morph {
                state.doc.morph.steps
            } else {
                1
            },
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
        if !formats(source).contains(&self.format) {
            self.format = formats(source)[0];
        }
        if source == ExportSource::Morph && self.frames < 2 {
            self.frames = state.doc.morph.steps;
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

    /// Pictures that would be written.
    pub fn n_pictures(&self, state: &State) -> usize {
        pictures(self, state).len()
    }
}

/// Formats that suit a source, the usual one first.
pub fn formats(source: ExportSource) -> &'static [ExportFormat] {
    use ExportFormat::{Frames, Gif, Grid, Latents, Strip};
    match source {
        ExportSource::Selected => &[Grid, Latents],
        ExportSource::Grid => &[Grid, Frames, Latents],
        ExportSource::Morph => &[Strip, Grid, Frames, Gif, Latents],
        ExportSource::BeforeAfter => &[Strip, Gif, Latents],
    }
}

/// Sources that have something to export now.
pub fn sources(state: &State) -> Vec<ExportSource> {
    let mut sources = Vec::new();
    if state.selected().is_some() {
        sources.push(ExportSource::Selected);
    }
    sources.push(ExportSource::Grid);
    if state.doc.morph.path_keys().is_some() {
        sources.push(ExportSource::Morph);
    }
    if state.doc.edit.base.is_some() {
        sources.push(ExportSource::BeforeAfter);
    }
    sources
}

/// What an export draws, in order.
fn pictures(form: &ExportForm, state: &State) -> Vec<Named> {
    match form.source {
        ExportSource::Selected => form.selected.iter().cloned().collect(),
        ExportSource::Grid => (0..state.doc.sample.n_cells())
            .map(|cell| state.doc.sample.cell(cell))
            .collect(),
        ExportSource::Morph => {
            let last = (form.frames.max(2) - 1) as f32;
            (0..form.frames.max(2))
                .filter_map(|i| {
                    let t = i as f32 / last;
                    let named = state.doc.morph.at(t)?;
                    Some(Named {
                        label: format!("{t:.2}"),
                        ..named
                    })
                })
                .collect()
        }
        ExportSource::BeforeAfter => {
            let before = state.doc.edit.base.clone();
            let after = state.subject(Selection::Edit);
            let label = |named: Option<Named>, label: &str| {
                named.map(|n| Named {
                    label: label.to_owned(),
                    ..n
                })
            };
            label(before, "Before")
                .into_iter()
                .chain(label(after, "After"))
                .collect()
        }
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
    let columns = match (form.format, form.source) {
        (ExportFormat::Strip, _) => pictures.len() as u32,
        (_, ExportSource::Grid) => state.doc.sample.columns,
        _ => (pictures.len() as f32).sqrt().ceil() as u32,
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
        ExportFormat::Gif => ExportKind::Film {
            order: (0..pictures.len()).collect(),
            rate: Rate::per_second(form.fps.clamp(1, 50)),
            labels: Vec::new(),
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
    let sample = &state.doc.sample;
    let stem = match form.source {
        ExportSource::Selected => (form.selected.as_ref())
            .map_or_else(|| "picture".to_owned(), |named| file_stem(&named.label)),
        ExportSource::Grid if sample.variation.is_some() => format!("variations-{}", sample.seed),
        ExportSource::Grid => format!("samples-seed-{}", sample.seed),
        ExportSource::Morph => "morph".to_owned(),
        ExportSource::BeforeAfter => "before-after".to_owned(),
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
        let mut form = ExportForm::new(ExportSource::Grid, &state);
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
        let form = ExportForm::new(ExportSource::Grid, &state);
        assert!(form.path.ends_with("samples-seed-1.png"), "{}", form.path);
        let form = form.with_format(ExportFormat::Latents);
        assert!(form.path.ends_with(".safetensors"), "{}", form.path);
        let form = form.with_format(ExportFormat::Frames);
        assert!(form.path.ends_with("samples-seed-1"), "{}", form.path);
    }

    #[test]
    fn an_empty_path_is_refused_in_words() {
        let state = State::default();
        let mut form = ExportForm::new(ExportSource::Grid, &state);
        form.path = "  ".to_owned();
        assert!(request(&form, &state).unwrap_err().contains("type a path"));
    }
}
