//! From latents to files: a sheet, numbered frames, an animation, each with its settings inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use image::RgbImage;
use serde::Serialize;

use super::common::{BATCH, OpenModel, check_target, has_extension, note, progress, say};
use crate::engine::message::{ItemId, Recipe};
use crate::export::layout::{enlarge, sheet_size};
use crate::export::{FrameFolder, compose, write_gif, write_png};
use crate::latent::temperature::scaled;
use crate::model::Latent;

/// Colour between the pictures of a sheet.
const BACKGROUND: [u8; 3] = [24, 24, 24];

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
    /// An animation, and hundredths of a second a frame.
    pub(super) gif: Option<(PathBuf, u16)>,
}

/// What is drawn.
pub(super) struct Drawing<'a> {
    /// The subcommand, for the settings.
    pub(super) command: &'static str,
    pub(super) model: &'a OpenModel,
    /// How each picture came about, for the settings.
    pub(super) recipes: Vec<Recipe>,
    /// Names of the inputs, which the recipes number from zero.
    pub(super) items: &'a [String],
    pub(super) layout: LayoutArgs,
    /// Columns where none are asked for; 0 makes a strip.
    pub(super) default_columns: u32,
    pub(super) targets: Targets,
}

/// How a file came about; read back by the window, and by people.
#[derive(Serialize)]
struct Settings<'a> {
    format: &'static str,
    command: &'a str,
    model: &'a str,
    recipes: &'a [Recipe],
    items: BTreeMap<u64, &'a str>,
}

/// The settings text of a file with these recipes.
pub(super) fn settings(
    command: &str,
    model: &OpenModel,
    recipes: &[Recipe],
    items: &[String],
) -> anyhow::Result<String> {
    let settings = Settings {
        format: "glow-explorer-settings/1",
        command,
        model: &model.name,
        recipes,
        items: (0..).zip(items.iter().map(String::as_str)).collect(),
    };
    Ok(serde_json::to_string(&settings)?)
}

/// The recipe of an input, by its place among them.
pub(super) fn item(index: usize) -> Recipe {
    Recipe::Item(ItemId(index as u64))
}

/// A recipe at a temperature, where one is given.
pub(super) fn recipe_at(base: Recipe, temperature: &[f32]) -> Recipe {
    if temperature.is_empty() {
        return base;
    }
    Recipe::Scaled {
        base: Box::new(base),
        temperature: temperature.to_vec(),
    }
}

/// A latent at a temperature, where one is given.
pub(super) fn latent_at(latent: Latent, temperature: &[f32]) -> anyhow::Result<Latent> {
    if temperature.is_empty() {
        return Ok(latent);
    }
    Ok(scaled(&latent, temperature)?)
}

impl Drawing<'_> {
    /// Whether all files can be written, before time is spent on pictures for them.
    fn check(&self) -> anyhow::Result<()> {
        let Targets { sheet, frames, gif } = &self.targets;
        if let Some(path) = sheet {
            check_target(path)?;
            if !has_extension(path, "png") {
                bail!(
                    "the picture is written as PNG; end its name in .png: {}",
                    path.display()
                );
            }
            let side = self.model.config().image_size as u32;
            let LayoutArgs { gap, scale, .. } = self.layout;
            sheet_size(self.recipes.len(), (side, side), self.columns(), gap, scale)?;
        }
        if let Some((path, _)) = gif {
            check_target(path)?;
            if !has_extension(path, "gif") {
                bail!(
                    "the animation is written as GIF; end its name in .gif: {}",
                    path.display()
                );
            }
        }
        if sheet.is_none() && frames.is_none() && gif.is_none() {
            bail!("say where the pictures go: --out FILE.png");
        }
        Ok(())
    }

    fn columns(&self) -> u32 {
        self.layout.columns.unwrap_or(self.default_columns)
    }

    /// Decodes the latents, one for each recipe, writes all files and says where.
    pub(super) fn draw(
        self,
        latent: impl Fn(usize) -> anyhow::Result<Latent>,
    ) -> anyhow::Result<()> {
        self.draw_quietly(false, latent)
    }

    /// The same, but silent where it is `quiet` because the caller prints JSON.
    pub(super) fn draw_quietly(
        self,
        quiet: bool,
        latent: impl Fn(usize) -> anyhow::Result<Latent>,
    ) -> anyhow::Result<()> {
        self.check()?;
        let n = self.recipes.len();
        let folder = match &self.targets.frames {
            Some(path) => Some(FrameFolder::create(path, n)?),
            None => None,
        };
        let keep = self.targets.sheet.is_some() || self.targets.gif.is_some();
        let bar = progress(n, "decoding");
        let (mut kept, mut non_finite, mut done) = (Vec::new(), 0, 0);
        while done < n {
            let end = n.min(done + BATCH);
            let latents = (done..end)
                .map(&latent)
                .collect::<anyhow::Result<Vec<_>>>()?;
            for decoded in self.model.model.decode(&latents, &|| false)? {
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
        self.write(&kept, quiet)
    }

    fn write_frame(
        &self,
        folder: &FrameFolder,
        index: usize,
        picture: &RgbImage,
    ) -> anyhow::Result<()> {
        let recipes = self.recipes.get(index..=index).unwrap_or_default();
        let settings = settings(self.command, self.model, recipes, self.items)?;
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
            let settings = settings(self.command, self.model, &self.recipes, self.items)?;
            write_png(path, &sheet, Some(&settings))?;
            saved(path)?;
        }
        if let Some((path, delay_cs)) = &self.targets.gif {
            let frames: Vec<RgbImage> = pictures
                .iter()
                .map(|p| enlarge(p, scale).into_owned())
                .collect();
            write_gif(path, &frames, *delay_cs, &mut |_| true)?;
            saved(path)?;
        }
        Ok(())
    }
}
