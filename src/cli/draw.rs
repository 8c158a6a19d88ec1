//! From latents to files: a sheet, numbered frames, an animation, each with its settings inside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use image::RgbImage;

use super::common::{BATCH, OpenModel, check_target, has_extension, note, progress, say};
use crate::export::layout::{enlarge, sheet_size};
use crate::export::{FrameFolder, compose, write_apng, write_gif, write_png};
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
}

/// Where the pictures go.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// One PNG with all of them.
    pub(super) sheet: Option<PathBuf>,
    /// A folder for a PNG each.
    pub(super) frames: Option<PathBuf>,
    /// A GIF.
    pub(super) gif: Option<PathBuf>,
    /// An animated PNG.
    pub(super) apng: Option<PathBuf>,
    /// Hundredths of a second a frame of the animations.
    pub(super) delay_cs: u16,
    /// The latents themselves.
    pub(super) latents: Option<PathBuf>,
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
fn check_name(path: &Path, extension: &str, what: &str) -> anyhow::Result<()> {
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
        if let Some(path) = &targets.gif {
            check_name(path, "gif", "the animation is written as GIF")?;
        }
        if let Some(path) = &targets.apng {
            check_name(path, "png", "the animation is written as PNG")?;
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
        let animated = targets.gif.is_some() || targets.apng.is_some();
        let keep = targets.sheet.is_some() || animated;
        let bar = progress(n, "decoding");
        let (mut kept, mut non_finite, mut done) = (Vec::new(), 0, 0);
        // Latents alone need no pictures.
        let wanted = keep || folder.is_some();
        while wanted && done < n {
            let end = n.min(done + BATCH);
            let latents = self.latents(&self.recipes[done..end])?;
            for decoded in self.model.decode(&latents)? {
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
            let sheet = compose(pictures, self.columns(), gap, scale, None, BACKGROUND)?;
            let settings = self
                .settings(&self.recipes)?
                .in_columns(self.columns_used());
            let settings = settings.to_json();
            write_png(path, &sheet, Some(&settings))?;
            saved(path)?;
        }
        let Targets { gif, apng, .. } = &self.targets;
        if gif.is_none() && apng.is_none() {
            return Ok(());
        }
        let frames: Vec<RgbImage> = pictures
            .iter()
            .map(|p| enlarge(p, scale).into_owned())
            .collect();
        let delay_cs = self.targets.delay_cs;
        if let Some(path) = gif {
            write_gif(path, &frames, delay_cs, &mut |_| true)?;
            saved(path)?;
        }
        if let Some(path) = apng {
            let settings = self.settings(&self.recipes)?.to_json();
            write_apng(path, &frames, delay_cs, Some(&settings), &mut |_| true)?;
            saved(path)?;
        }
        Ok(())
    }
}
