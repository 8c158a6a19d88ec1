//! From latents to files: a sheet, numbered frames, an animation, each with its settings inside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::common::{BATCH, OpenModel, note, progress, say};
use super::output::{Outputs, SAFETENSORS, shown};
use crate::export::layout::{enlarge, sheet_size};
use crate::export::{
    DEFAULT_QUALITY, Film, FrameFolder, PictureFormat, Rate, compose, write_film, write_picture,
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
    /// Quality of a JPEG, 1 to 100
    #[arg(long, default_value_t = DEFAULT_QUALITY, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(super) quality: u8,
}

/// Where the pictures go.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// One picture with all of them.
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
    /// Where they were taken up.
    pub(super) outputs: Outputs,
}

/// The recipe of an input, by its place among them.
pub(super) fn item(index: usize) -> Recipe {
    Recipe::Item(ItemId(index as u64))
}

impl Targets {
    /// The files that are asked for, each taken up among the command's outputs.
    ///
    /// Errors: as [`Outputs::file`].
    pub(super) fn new(
        outputs: &mut Outputs,
        sheet: Option<&Path>,
        latents: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let what = "latents are written as safetensors";
        Ok(Self {
            sheet: sheet.map(|path| outputs.picture(path)).transpose()?,
            latents: latents
                .map(|path| outputs.file(path, SAFETENSORS, what))
                .transpose()?,
            ..Self::default()
        })
    }
}

impl Drawing<'_> {
    /// Whether the sheet can be drawn, before time is spent on pictures for it.
    fn check(&self) -> anyhow::Result<()> {
        if self.targets.sheet.is_some() {
            let side = self.model.config().image_size as u32;
            let LayoutArgs { gap, scale, .. } = self.layout;
            sheet_size(self.recipes.len(), (side, side), self.columns(), gap, scale)?;
        }
        Ok(())
    }

    /// What to do about values that are not finite.
    fn advice(&self) -> &'static str {
        let is_as_it_was = |r: &Recipe| matches!(r, Recipe::Item(_));
        match self.recipes.iter().all(is_as_it_was) {
            true => {
                "these latents lie too far out for the model's way back; was it another model that encoded them?"
            }
            false => "use a lower temperature or smaller edits",
        }
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
        let mut folder = match &self.targets.frames {
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
            for decoded in self.model.decode(&latents)? {
                non_finite += usize::from(decoded.non_finite > 0);
                if let Some(folder) = &mut folder {
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
                "{non_finite} of {n} pictures have values that are not finite, drawn in a warning colour; {}",
                self.advice()
            ));
        }
        self.write(&kept, quiet)?;
        if let Some(folder) = &folder {
            note_left_over(folder, targets.frames.as_deref());
        }
        if let Some(path) = &self.targets.latents {
            self.write_latents(path)?;
            if !quiet {
                say(format_args!("{n} latents: {}", shown(path)))?;
            }
        }
        self.outputs.finish()
    }

    fn write_latents(&self, path: &Path) -> anyhow::Result<()> {
        let contents = LatentsFile {
            config: self.model.config().clone(),
            fingerprint: Some(self.model.fingerprint),
            latents: self.latents(&self.recipes)?,
            bits_per_dim: None,
            names: None,
            settings: Some(self.settings(&self.recipes)?.to_json()),
        };
        Ok(latents::write(path, &contents)?)
    }

    fn settings(&self, recipes: &[Recipe]) -> anyhow::Result<PictureSettings> {
        let settings = PictureSettings::new(&self.model.name, recipes, &self.inputs)?;
        Ok(settings.by_command(self.command))
    }

    fn write_frame(
        &self,
        folder: &mut FrameFolder,
        index: usize,
        picture: &RgbImage,
    ) -> anyhow::Result<()> {
        let recipes = self.recipes.get(index..=index).unwrap_or_default();
        let settings = self.settings(recipes)?.to_json();
        folder.write(index, &enlarge(picture, self.layout.scale), Some(&settings))?;
        Ok(())
    }

    fn write(&self, pictures: &[RgbImage], quiet: bool) -> anyhow::Result<()> {
        let LayoutArgs {
            gap,
            scale,
            quality,
            ..
        } = self.layout;
        let n = self.recipes.len();
        let what = if n == 1 {
            "1 picture".to_owned()
        } else {
            format!("{n} pictures")
        };
        let saved = |path: &Path| match quiet {
            true => Ok(()),
            false => say(format_args!("{what}: {}", shown(path))),
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
            if PictureFormat::of(path).is_some_and(|f| !f.has_room_for(&settings)) {
                note("a JPEG has no room for the settings of so many pictures; a PNG or WebP has");
            }
            write_picture(path, &sheet, Some(&settings), quality)?;
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

/// Says so where frames of an earlier export lie among the new ones.
fn note_left_over(frames: &FrameFolder, folder: Option<&Path>) {
    let left_over = frames.left_over();
    let Some(first) = left_over.first() else {
        return;
    };
    let n = match left_over.len() {
        1 => "an older frame stays".to_owned(),
        n => format!("{n} older frames stay"),
    };
    note(format_args!(
        "{n} in the folder, from {first} on; a film made of it would show them too: {}",
        folder.unwrap_or(Path::new("")).display()
    ));
}
