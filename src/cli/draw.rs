//! From latents to files: a sheet, numbered frames, an animation, each with its settings inside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use image::RgbImage;

use super::common::{BATCH, OpenModel, check_target, has_extension, note, progress, say};
use crate::export::layout::{enlarge, sheet_size};
use crate::export::{
    ExportError, Film, FilmFormat, FrameFolder, Rate, compose, has_ffmpeg, write_film, write_png,
};
use crate::files::latents::{self, LatentsFile};
use crate::latent::Latent;
use crate::latent::attributes::Directions;
use crate::recipe::{self, Inputs, ItemId, PictureSettings, Recipe};

/// Colour between the pictures of a sheet, as in the window's exports.
const BACKGROUND: [u8; 3] = [255; 3];

#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct LayoutArgs {
    /// Columns of the sheet
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) columns: Option<u32>,
    /// Pixels between the pictures of the sheet
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(super) gap: u32,
    /// Enlargement of each picture, smooth
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(super) scale: u32,
    /// Say under each picture of sheets and films what was set: position, amounts, temperature
    #[arg(long)]
    pub(super) labels: bool,
}

/// Where the pictures go.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// One PNG with all of them.
    pub(super) sheet: Option<PathBuf>,
    /// A folder for a PNG each.
    pub(super) frames: Option<PathBuf>,
    /// Films, each in the format that its name says.
    pub(super) films: Vec<FilmTarget>,
    /// The latents themselves.
    pub(super) latents: Option<PathBuf>,
}

impl Targets {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            sheet,
            frames,
            films,
            latents,
        } = self;
        sheet.is_none() && frames.is_none() && films.is_empty() && latents.is_none()
    }
}

/// A film to write.
#[derive(Clone, Debug)]
pub(super) struct FilmTarget {
    pub(super) path: PathBuf,
    /// For each frame, the place of its recipe.
    pub(super) order: Vec<usize>,
    pub(super) rate: Rate,
}

/// What is drawn.
pub(super) struct Drawing<'a> {
    /// The subcommand, for the settings.
    pub(super) command: &'static str,
    pub(super) model: &'a OpenModel,
    /// What each picture is.
    pub(super) recipes: Vec<Recipe>,
    /// The inputs, which the recipes number from zero.
    pub(super) inputs: Inputs,
    /// What edits move along.
    pub(super) directions: Directions,
    pub(super) layout: LayoutArgs,
    /// Columns where none are asked for; 0 makes a strip.
    pub(super) default_columns: u32,
    pub(super) targets: Targets,
}

/// The recipe of an input, by its place among them.
pub(super) fn item(index: usize) -> Recipe {
    Recipe::Item(ItemId(index as u64))
}

/// Refuses a file that could not be written, or whose name would mislead.
pub(super) fn check_name(path: &Path, extension: &str, what: &str) -> anyhow::Result<()> {
    check_target(path)?;
    if has_extension(path, extension) {
        return Ok(());
    }
    bail!("{what}; end its name in .{extension}: {}", path.display())
}

impl Drawing<'_> {
    /// Whether all files can be written, before time is spent on pictures for them.
    fn check(&self) -> anyhow::Result<()> {
        let targets = &self.targets;
        if let Some(path) = &targets.sheet {
            check_name(path, "png", "the picture is written as PNG")?;
            let side = self.model.config().image_size as u32;
            let LayoutArgs { gap, scale, .. } = self.layout;
            sheet_size(self.recipes.len(), (side, side), self.columns(), gap, scale)?;
        }
        for film in &targets.films {
            check_target(&film.path)?;
            let format = FilmFormat::of_path(&film.path)?;
            if format == FilmFormat::Mp4 && !has_ffmpeg() {
                bail!(ExportError::NoFfmpeg {
                    path: film.path.display().to_string()
                });
            }
        }
        if let Some(path) = &targets.latents {
            check_name(path, "safetensors", "latents are written as safetensors")?;
        }
        Ok(())
    }

    fn columns(&self) -> u32 {
        self.layout.columns.unwrap_or(self.default_columns)
    }

    /// Columns of the sheet as its settings say them; a strip has as many as pictures.
    fn columns_used(&self) -> Option<u32> {
        match self.columns() {
            0 => u32::try_from(self.recipes.len()).ok(),
            columns => Some(columns),
        }
    }

    /// The latents of recipes.
    fn latents(&self, recipes: &[Recipe]) -> anyhow::Result<Vec<Latent>> {
        let shape = self.model.config().latent_shape();
        let latents = recipe::latents(recipes, &shape, &self.directions, &self.inputs)?;
        Ok(latents.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    /// Decodes the latent of each recipe, writes all files and says where; silent where it is `quiet` because the
    /// caller prints JSON.
    pub(super) fn draw(self, quiet: bool) -> anyhow::Result<()> {
        self.check()?;
        let n = self.recipes.len();
        let folder = match &self.targets.frames {
            Some(path) => Some(FrameFolder::create(path, n)?),
            None => None,
        };
        let targets = &self.targets;
        let keep = targets.sheet.is_some() || !targets.films.is_empty();
        let bar = progress(n, "decoding");
        let (mut kept, mut non_finite, mut done) = (Vec::new(), 0, 0);
        // Latents alone need no pictures.
        let wanted = keep || folder.is_some();
        while wanted && done < n {
            let end = n.min(done + BATCH);
            let latents = self.latents(&self.recipes[done..end])?;
            for decoded in self.model.decode(&latents, done..end, n)? {
                non_finite += usize::from(decoded.non_finite > 0);
                if let Some(folder) = &folder {
                    self.write_frame(folder, done, &decoded.pixels)?;
                }
                if keep {
                    kept.push(decoded.pixels);
                }
                done += 1;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        if non_finite > 0 {
            note(format_args!(
                "{non_finite} of {n} pictures have values that are not finite, drawn in a warning \
                 colour; use a lower temperature or smaller edits"
            ));
        }
        self.write(&kept, quiet)?;
        let Some(path) = &self.targets.latents else {
            return Ok(());
        };
        let contents = LatentsFile {
            config: self.model.config().clone(),
            latents: self.latents(&self.recipes)?,
            bits_per_dim: None,
            names: None,
            settings: Some(self.settings(&self.recipes)?.to_json()),
        };
        latents::write(path, &contents)?;
        match quiet {
            true => Ok(()),
            false => say(format_args!("{n} latents: {}", path.display())),
        }
    }

    fn settings(&self, recipes: &[Recipe]) -> anyhow::Result<PictureSettings> {
        let settings = PictureSettings::new(&self.model.name, recipes, &self.inputs)?;
        Ok(settings.by_command(self.command))
    }

    fn write_frame(
        &self,
        folder: &FrameFolder,
        index: usize,
        picture: &RgbImage,
    ) -> anyhow::Result<()> {
        let recipes = self.recipes.get(index..=index).unwrap_or_default();
        let settings = self.settings(recipes)?.to_json();
        folder.write(index, &enlarge(picture, self.layout.scale), Some(&settings))?;
        Ok(())
    }

    fn write(&self, pictures: &[RgbImage], quiet: bool) -> anyhow::Result<()> {
        let LayoutArgs { gap, scale, .. } = self.layout;
        let n = self.recipes.len();
        let what = if n == 1 {
            "1 picture".to_owned()
        } else {
            format!("{n} pictures")
        };
        let saved = |path: &Path| match quiet {
            true => Ok(()),
            false => say(format_args!("{what}: {}", path.display())),
        };
        if let Some(path) = &self.targets.frames {
            saved(path)?;
        }
        if let Some(path) = &self.targets.sheet {
            let labels = Some(self.labels()).filter(|labels| !labels.is_empty());
            let labels = labels.as_deref();
            let sheet = compose(pictures, self.columns(), gap, scale, labels, BACKGROUND)?;
            let settings = self
                .settings(&self.recipes)?
                .in_columns(self.columns_used());
            let settings = settings.to_json();
            write_png(path, &sheet, Some(&settings))?;
            saved(path)?;
        }
        if self.targets.films.is_empty() {
            return Ok(());
        }
        let settings = self.settings(&self.recipes)?.to_json();
        let labels = self.labels();
        for target in &self.targets.films {
            let film = Film {
                pictures,
                order: &target.order,
                rate: target.rate,
                scale,
                labels: &labels,
            };
            let bar = progress(film.n_frames(), "writing");
            let proceed = &mut |_| {
                bar.inc(1);
                true
            };
            write_film(&target.path, &film, Some(&settings), proceed)?;
            bar.finish_and_clear();
            if !quiet {
                let Rate { frames, seconds } = target.rate;
                let took = film.n_frames() as f64 * f64::from(seconds) / f64::from(frames);
                let (n, path) = (film.n_frames(), target.path.display());
                say(format_args!("{n} frames, {took:.2} s: {path}"))?;
            }
        }
        Ok(())
    }

    /// What was set for each picture, where that is to be said.
    fn labels(&self) -> Vec<String> {
        if !self.layout.labels {
            return Vec::new();
        }
        let caption = |recipe| recipe::caption(recipe, &self.inputs);
        self.recipes.iter().map(caption).collect()
    }
}
