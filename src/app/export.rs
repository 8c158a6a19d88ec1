//! From the export dialog to a request.

use std::path::{Path, PathBuf};

use super::dialog::{Clock, ExportForm, ExportFormat, ExportSource};
use super::screens::{Exported, Tab};
use super::state::{Named, Origin, State};
use crate::engine::message::{Easing, ExportKind, ExportRequest, PlayMode, Rate, Recipe, Timeline};
use crate::recipe;

/// JPEG quality at first: changes of a level or two.
const QUALITY: u32 = 95;

/// How pictures follow each other that do not play by themselves.
const SLIDES: Clock = Clock {
    seconds: 1.0,
    fps: 1,
    mode: PlayMode::Once,
};

impl ExportForm {
    /// A form with sensible values for what is on the screen.
    pub fn new(source: ExportSource, state: &State) -> Self {
        let last = state.last_export.as_ref();
        let same = last.filter(|last| last.source == source);
        let suiting = formats(source, state);
        let exported = exported(source, state);
        // What was chosen the last time; what it was called, and what it was a film of, belong to that time alone.
        let format = same
            .map(|last| last.format)
            .filter(|format| suiting.contains(format))
            .unwrap_or(suiting[0]);
        let mut form = Self {
            source,
            selected: state.selected(),
            format,
            chosen: format,
            scale: last.map_or(4, |last| last.scale),
            gap: last.map_or(4, |last| last.gap),
            labels: same.map_or(source == ExportSource::Shelf, |last| last.labels),
            frames: exported.as_ref().and_then(|e| e.frames).unwrap_or(1),
            clock: exported.and_then(|e| e.clock).unwrap_or(SLIDES),
            quality: last.map_or(QUALITY, |last| last.quality),
            path: String::new(),
            ask_replace: false,
        };
        form.path = default_path(&form, state).display().to_string();
        form
    }

    /// Takes another source. The format stays the one that was chosen, wherever the source has it.
    pub fn with_source(mut self, source: ExportSource, state: &State) -> Self {
        let renamed = self.path_is_default(state);
        self.source = source;
        let formats = formats(source, state);
        self.format = *formats
            .iter()
            .find(|&&format| format == self.chosen)
            .unwrap_or(&formats[0]);
        let exported = exported(source, state);
        let frames = exported.as_ref().and_then(|e| e.frames);
        if let Some(frames) = frames.filter(|_| self.frames < 2) {
            self.frames = frames;
        }
        self.clock = exported.and_then(|e| e.clock).unwrap_or(SLIDES);
        self.labels |= source == ExportSource::Shelf;
        if renamed {
            self.path = default_path(&self, state).display().to_string();
        } else {
            self.take_ending();
        }
        self
    }

    /// Takes another format; the path's ending follows.
    pub fn with_format(mut self, format: ExportFormat) -> Self {
        (self.format, self.chosen) = (format, format);
        self.clock.fps = self.clock.fps.min(format.max_fps());
        self.take_ending();
        self
    }

    /// Takes another path; where its ending is that of another format of this source, the format follows.
    pub fn with_path(mut self, path: String, state: &State) -> Self {
        self.path = path;
        self.ask_replace = false;
        if let Some(ending) = self.ending()
            && !self.format.endings().contains(&ending.as_str())
        {
            let mut formats = formats(self.source, state).iter();
            if let Some(format) = formats.find(|f| f.endings().contains(&ending.as_str())) {
                (self.format, self.chosen) = (*format, *format);
                self.clock.fps = self.clock.fps.min(format.max_fps());
            }
        }
        self
    }

    /// Gives the path the ending of the format, unless it has one that fits.
    fn take_ending(&mut self) {
        let fits = self.wrong_ending().is_none() && self.ending().is_some();
        if !fits || self.format.endings().is_empty() {
            let path = Path::new(self.path.trim());
            let ending = self.format.endings().first().copied().unwrap_or_default();
            self.path = path.with_extension(ending).display().to_string();
        }
        self.ask_replace = false;
    }

    /// The ending of the path, in small letters.
    fn ending(&self) -> Option<String> {
        let path = Path::new(self.path.trim());
        let ending = path.extension()?.to_str()?;
        Some(ending.to_ascii_lowercase())
    }

    /// What is wrong with the path's ending, in words: a file must not be called what it is not.
    pub fn wrong_ending(&self) -> Option<String> {
        let endings = self.format.endings();
        let ending = self.ending()?;
        if endings.is_empty() || endings.contains(&ending.as_str()) {
            return None;
        }
        let right: Vec<String> = endings.iter().map(|e| format!(".{e}")).collect();
        Some(format!(
            "{} ends in {}, not in .{ending}",
            self.format.label(),
            right.join(" or ")
        ))
    }

    /// Where it is written: as typed, with an ending where none was typed.
    pub fn target(&self) -> PathBuf {
        let path = PathBuf::from(self.path.trim());
        match self.format.endings().first() {
            Some(ending) if path.extension().is_none() && path.file_name().is_some() => {
                path.with_extension(ending)
            }
            _ => path,
        }
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

    /// Pictures that would be drawn, and frames of a film.
    pub fn counts(&self, state: &State) -> (usize, usize) {
        if self.format == ExportFormat::Photo {
            return (1, 1);
        }
        match timeline(self, state) {
            Some(timeline) => (timeline.times.len(), timeline.n_frames()),
            None => {
                let n = pictures(self, state).len();
                (n, n)
            }
        }
    }
}

/// How the frames of a film lie in time, where the source plays by itself.
fn timeline(form: &ExportForm, state: &State) -> Option<Timeline> {
    if !form.format.is_film() {
        return None;
    }
    exported(form.source, state)?.clock?;
    let Clock { seconds, fps, mode } = form.clock;
    Some(Timeline::new(seconds, fps, mode, Easing::Linear, false))
}

/// What a source gives now.
pub fn exported(source: ExportSource, state: &State) -> Option<Exported> {
    let formats = |photo: bool| -> &'static [ExportFormat] {
        match photo {
            true => &[
                ExportFormat::Grid,
                ExportFormat::Photo,
                ExportFormat::Latents,
            ],
            false => &[ExportFormat::Grid, ExportFormat::Latents],
        }
    };
    match source {
        ExportSource::Screen(tab) => tab.screen().exported(state),
        ExportSource::Selected => {
            let selected = state.selected();
            let stem = selected.as_ref().map(|named| file_stem(&named.label));
            let pasted = selected.is_some_and(|named| stands_on_photo(&named.recipe, state));
            Some(Exported {
                label: "Selected picture",
                formats: formats(pasted),
                columns: Some(1),
                frames: None,
                clock: None,
                stem: stem.unwrap_or_else(|| "picture".to_owned()),
                usual: false,
            })
        }
        ExportSource::Shelf => {
            let any = state.doc.shelf.iter().any(|e| state.is_ready(e.id));
            any.then(|| Exported {
                label: "Shelf",
                formats: &[
                    ExportFormat::Grid,
                    ExportFormat::Frames,
                    ExportFormat::Latents,
                ],
                columns: None,
                frames: None,
                clock: None,
                stem: "contact-sheet".to_owned(),
                usual: false,
            })
        }
    }
}

/// Whether a recipe changes a photo, into which it can be brought back.
pub fn stands_on_photo(recipe: &Recipe, state: &State) -> bool {
    let item = recipe::root(recipe).and_then(|id| state.items.get(&id));
    let is_photo = item.is_some_and(|item| item.origin == Origin::Photo && item.photo.is_some());
    is_photo && !matches!(recipe, Recipe::Item(_))
}

/// Formats that suit a source, the usual one first.
pub fn formats(source: ExportSource, state: &State) -> &'static [ExportFormat] {
    exported(source, state).map_or(&[ExportFormat::Grid], |e| e.formats)
}

/// Whether the number of pictures can be chosen.
pub fn has_frames(source: ExportSource, state: &State) -> bool {
    exported(source, state).is_some_and(|e| e.frames.is_some())
}

/// Whether it plays by itself.
pub fn plays(source: ExportSource, state: &State) -> bool {
    exported(source, state).is_some_and(|e| e.clock.is_some())
}

/// Sources that have something to export now.
pub fn sources(state: &State) -> Vec<ExportSource> {
    let selected = state.selected().map(|_| ExportSource::Selected);
    let tabs = Tab::ALL
        .iter()
        .filter(|tab| tab.screen().exported(state).is_some());
    let screens = tabs.map(|tab| ExportSource::Screen(*tab));
    let shelf = exported(ExportSource::Shelf, state).map(|_| ExportSource::Shelf);
    selected.into_iter().chain(screens).chain(shelf).collect()
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
        ExportSource::Shelf => {
            let ready = state.doc.shelf.iter().filter(|e| state.is_ready(e.id));
            ready.map(|entry| entry.named()).collect()
        }
    }
}

/// The frames of a film: pictures, and for each frame the place of its picture.
fn film(form: &ExportForm, state: &State) -> (Vec<Named>, Vec<usize>) {
    match form.source {
        ExportSource::Screen(tab) => tab.screen().film(state, form.clock),
        ExportSource::Selected | ExportSource::Shelf => {
            let pictures = pictures(form, state);
            let order = (0..pictures.len()).collect();
            (pictures, order)
        }
    }
}

/// A label: what the picture is, and what was set.
fn label(named: &Named) -> String {
    let set = recipe::what_was_set(&named.recipe);
    match set.is_empty() {
        true => named.label.clone(),
        false => format!("{} · {set}", named.label),
    }
}

/// The request that the form describes, or what it lacks.
pub fn request(form: &ExportForm, state: &State) -> Result<ExportRequest, String> {
    if form.path.trim().is_empty() {
        return Err("no file is named to export to; type a path".to_owned());
    }
    if let Some(wrong) = form.wrong_ending() {
        return Err(format!("{wrong}: {}", form.path.trim()));
    }
    let (mut pictures, order) = match form.format.is_film() {
        true => film(form, state),
        false => (pictures(form, state), Vec::new()),
    };
    if pictures.is_empty() {
        return Err("nothing to export: select a picture first".to_owned());
    }
    let columns = match exported(form.source, state).and_then(|e| e.columns) {
        _ if form.format == ExportFormat::Strip => pictures.len() as u32,
        Some(columns) => columns,
        None => square_columns(pictures.len()),
    };
    let labels = match form.labels {
        true => pictures.iter().map(label).collect(),
        false => Vec::new(),
    };
    let kind = match form.format {
        ExportFormat::Grid | ExportFormat::Strip => ExportKind::Grid {
            columns,
            gap: if pictures.len() > 1 { form.gap } else { 0 },
            labels,
        },
        ExportFormat::Frames => ExportKind::Frames,
        ExportFormat::Gif | ExportFormat::Apng | ExportFormat::WebP | ExportFormat::Mp4 => {
            ExportKind::Film {
                order,
                rate: Rate::per_second(form.clock.fps.clamp(1, form.format.max_fps())),
                labels,
            }
        }
        ExportFormat::Photo => {
            // Of before and after, what was edited.
            pictures = pictures.split_off(pictures.len() - 1);
            ExportKind::Photo {
                quality: form.quality.clamp(1, 100) as u8,
            }
        }
        ExportFormat::Latents => ExportKind::Latents,
    };
    Ok(ExportRequest {
        recipes: pictures.into_iter().map(|p| p.recipe).collect(),
        kind,
        scale: form.scale.clamp(1, 32),
        path: form.target(),
    })
}

/// Columns of a grid that is about as wide as high.
fn square_columns(n: usize) -> u32 {
    (n as f32).sqrt().ceil() as u32
}

/// What would be written, in numbers.
pub fn summary(form: &ExportForm, state: &State) -> String {
    let (n, n_frames) = form.counts(state);
    let pictures = format!("{n} {}", if n == 1 { "picture" } else { "pictures" });
    let model = state.live.model.as_ref();
    let Some(side) = model.map(|m| m.config.image_size as u32 * form.scale) else {
        return pictures;
    };
    match form.format {
        ExportFormat::Latents => pictures,
        ExportFormat::Photo => match photo_size(form, state) {
            Some([width, height]) => format!("The whole photo, {width} × {height} pixels"),
            None => "The whole photo".to_owned(),
        },
        format if format.is_film() => {
            let seconds = n_frames as f32 / form.clock.fps.max(1) as f32;
            format!("{n_frames} frames, {seconds:.1} s, {side} × {side} pixels")
        }
        format if format.is_sheet() && n > 1 => {
            let columns = match exported(form.source, state).and_then(|e| e.columns) {
                _ if format == ExportFormat::Strip => n as u32,
                Some(columns) => columns.min(n as u32).max(1),
                None => square_columns(n),
            };
            let extent = |cells: u32| cells * side + (cells - 1) * form.gap;
            let (width, height) = (extent(columns), extent((n as u32).div_ceil(columns)));
            let more = if form.labels { " and the labels" } else { "" };
            format!("{pictures}, {side} × {side} pixels each; {width} × {height} in all{more}")
        }
        _ => format!("{pictures}, {side} × {side} pixels each"),
    }
}

/// Size of the photo that the edit would be brought back into.
fn photo_size(form: &ExportForm, state: &State) -> Option<[u32; 2]> {
    let pictures = pictures(form, state);
    let id = recipe::root(&pictures.last()?.recipe)?;
    Some(state.items.get(&id)?.photo.as_ref()?.size)
}

fn default_path(form: &ExportForm, state: &State) -> PathBuf {
    let folder = state.export_folder.clone().unwrap_or_default();
    let stem = match (form.source, &form.selected) {
        // Kept by the form, so that it cannot change under the dialog.
        (ExportSource::Selected, Some(named)) => file_stem(&named.label),
        (source, _) => exported(source, state).map_or_else(|| "picture".to_owned(), |e| e.stem),
    };
    let path = folder.join(stem);
    match form.format.endings().first() {
        Some(ending) => path.with_extension(ending),
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
        assert_eq!(labels[4], "Seed 1 · 5 · temperature 0.7");
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

    fn morph() -> State {
        let mut state = State::default();
        for slot in 0..2 {
            let named = state.doc.sample.cell(slot);
            state.doc.morph.keys[slot as usize] = Some(named);
        }
        state
    }

    #[test]
    fn the_film_that_is_exported_is_the_film_that_is_played() {
        let mut state = morph();
        state.desks.morph.seconds = 2.0;
        state.desks.morph.mode = PlayMode::PingPong;
        let form = ExportForm::new(ExportSource::Screen(Tab::Morph), &state)
            .with_format(ExportFormat::WebP);
        assert_eq!(form.clock.fps, 25);
        assert_eq!(form.counts(&state), (51, 100));
        let request = request(&form, &state).unwrap();
        assert_eq!(request.recipes.len(), 51);
        let ExportKind::Film { order, rate, .. } = request.kind else {
            panic!("a film was asked for");
        };
        assert_eq!((order.len(), rate), (100, Rate::per_second(25)));
        let ts: Vec<f32> = order
            .iter()
            .map(|&at| match request.recipes[at] {
                Recipe::Morph { t, .. } => t,
                _ => panic!("a morph was asked for"),
            })
            .collect();
        assert_eq!((ts[0], ts[25], ts[50], ts[75]), (0.0, 0.5, 1.0, 0.5));
    }

    #[test]
    fn a_file_is_not_called_what_it_is_not() {
        let state = morph();
        let form = ExportForm::new(ExportSource::Screen(Tab::Morph), &state);
        assert_eq!(form.format, ExportFormat::Strip);
        // An ending of another format of this source chooses that format.
        let form = form.with_path("out1.gif".to_owned(), &state);
        assert_eq!(form.format, ExportFormat::Gif);
        assert!(request(&form, &state).is_ok());
        // One of none is refused in words.
        let form = form.with_path("out1.tiff".to_owned(), &state);
        assert!(request(&form, &state).unwrap_err().contains(".gif"));
        let form = form.with_path("out1".to_owned(), &state);
        assert_eq!(request(&form, &state).unwrap().path, Path::new("out1.gif"));
    }

    #[test]
    fn another_source_keeps_the_chosen_format_where_it_has_it() {
        let state = morph();
        let form = ExportForm::new(ExportSource::Screen(Tab::Morph), &state)
            .with_format(ExportFormat::Apng)
            .with_path("mine.png".to_owned(), &state);
        assert_eq!(form.format, ExportFormat::Apng);
        let form = form.with_source(ExportSource::Screen(Tab::Sample), &state);
        assert_eq!(form.format, ExportFormat::Grid);
        let form = form.with_source(ExportSource::Screen(Tab::Morph), &state);
        assert_eq!(
            (form.format, form.path.as_str()),
            (ExportFormat::Apng, "mine.png")
        );
    }

    #[test]
    fn an_empty_path_is_refused_in_words() {
        let state = State::default();
        let mut form = ExportForm::new(ExportSource::Screen(Tab::Sample), &state);
        form.path = "  ".to_owned();
        assert!(request(&form, &state).unwrap_err().contains("type a path"));
    }
}
