//! An export, done a picture at a time.

use image::RgbImage;

use super::error::EngineError;
use super::library::{Library, ShelfItems};
use super::message::{ExportKind, ExportRequest, Recipe, Ticket};
use super::seams::Cancelled;
use crate::export::layout::enlarge;
use crate::export::photo::check_photo_name;
use crate::export::{Film, FilmFormat, FrameFolder, compose, write_film, write_png};
use crate::files::latents::{self, LatentsFile};
use crate::latent::Latent;
use crate::recipe::{self, PictureSettings};

/// Between the cells of a grid.
const BACKGROUND: [u8; 3] = [255; 3];

/// An export under way.
pub(super) struct ExportJob {
    pub(super) ticket: Ticket,
    pub(super) request: ExportRequest,
    /// The items as they were when it began: what is forgotten or cropped meanwhile does not matter.
    items: Option<ShelfItems>,
    pictures: Vec<RgbImage>,
    latents: Vec<Latent>,
    /// The folder of numbered pictures, from the first one on.
    frames: Option<FrameFolder>,
    done: usize,
    /// What people should know of the written file.
    pub(super) notes: Vec<String>,
}

/// How far a step brought an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExportStep {
    /// So many recipes are done.
    Going(usize),
    /// The file is there.
    Finished,
}

impl ExportJob {
    pub(super) fn new(ticket: Ticket, request: ExportRequest) -> Self {
        Self {
            ticket,
            request,
            items: None,
            pictures: Vec::new(),
            latents: Vec::new(),
            frames: None,
            done: 0,
            notes: Vec::new(),
        }
    }

    /// Recipes in all.
    pub(super) fn total(&self) -> usize {
        self.request.recipes.len()
    }

    /// Draws the next recipe, or writes the file once all are drawn.
    pub(super) fn step(
        &mut self,
        session: &mut Library,
        cancelled: Cancelled<'_>,
    ) -> Result<ExportStep, EngineError> {
        if self.items.is_none() {
            self.check()?;
            self.items = Some(session.items());
        }
        let Some(recipe) = self.request.recipes.get(self.done) else {
            self.finish(session, cancelled)?;
            return Ok(ExportStep::Finished);
        };
        let latent = session.latent(recipe, self.items.as_ref())?;
        match self.request.kind {
            ExportKind::Latents => self.latents.push((*latent).clone()),
            ExportKind::Photo { quality } => {
                let path = &self.request.path;
                self.notes =
                    session.write_pasted(recipe, self.items.as_ref(), quality, path, cancelled)?;
            }
            ExportKind::Grid { .. } | ExportKind::Frames | ExportKind::Film { .. } => {
                let key = session.key(recipe, self.items.as_ref())?;
                let pixels = match session.cached(&key) {
                    Some(picture) => (*picture.pixels).clone(),
                    None => {
                        let decoded = session.decode(&[(*latent).clone()], cancelled)?;
                        let one = decoded.into_iter().next();
                        one.ok_or(EngineError::NoModel)?.pixels
                    }
                };
                self.draw(pixels, session)?;
            }
        }
        self.done += 1;
        Ok(ExportStep::Going(self.done))
    }

    fn check(&self) -> Result<(), EngineError> {
        let refuse = |message: &str| {
            let path = self.request.path.display();
            Err(EngineError::Request(format!(
                "cannot export: {message}: {path}"
            )))
        };
        if self.total() == 0 {
            return refuse("there is nothing to draw; choose at least one picture");
        }
        if !(1..=64).contains(&self.request.scale) {
            return refuse("the scale must be from 1 to 64");
        }
        if let ExportKind::Grid { labels, .. } | ExportKind::Film { labels, .. } =
            &self.request.kind
            && !labels.is_empty()
            && labels.len() != self.total()
        {
            return refuse("every picture needs a label, or none");
        }
        if let ExportKind::Photo { .. } = self.request.kind {
            if self.total() > 1 {
                return refuse("one edit at a time can be pasted back");
            }
            check_photo_name(&self.request.path)?;
        }
        if let ExportKind::Film { order, .. } = &self.request.kind {
            if order.is_empty() || order.iter().any(|&at| at >= self.total()) {
                return refuse("a frame of the film has no picture");
            }
            // Said before the drawing, not after it.
            FilmFormat::of_path(&self.request.path)?;
        }
        Ok(())
    }

    /// Frames are written one by one, so that a long film needs no memory; others are kept.
    fn draw(&mut self, pixels: RgbImage, session: &Library) -> Result<(), EngineError> {
        if self.request.kind != ExportKind::Frames {
            self.pictures.push(pixels);
            return Ok(());
        }
        let settings = self.settings(session, &self.request.recipes[self.done..=self.done])?;
        let (scale, n_frames) = (self.request.scale, self.total());
        let folder = match &mut self.frames {
            Some(folder) => folder,
            none => none.insert(FrameFolder::create(&self.request.path, n_frames)?),
        };
        folder.write(self.done, &enlarge(&pixels, scale), Some(&settings))?;
        Ok(())
    }

    /// Takes back what an export that comes to no end has written; in words, what stays of it.
    pub(super) fn take_back(&mut self) -> String {
        match self.frames.take().map_or(0, FrameFolder::take_back) {
            0 => String::new(),
            1 => "; one picture of an earlier export was replaced already".to_owned(),
            n => format!("; {n} pictures of an earlier export were replaced already"),
        }
    }

    fn finish(&mut self, session: &Library, cancelled: Cancelled<'_>) -> Result<(), EngineError> {
        let settings = self.settings(session, &self.request.recipes)?;
        let ExportRequest {
            kind, scale, path, ..
        } = &self.request;
        match kind {
            ExportKind::Frames | ExportKind::Photo { .. } => Ok(()),
            ExportKind::Grid {
                columns,
                gap,
                labels,
            } => {
                let labels = (!labels.is_empty()).then_some(labels.as_slice());
                let sheet = compose(&self.pictures, *columns, *gap, *scale, labels, BACKGROUND)?;
                Ok(write_png(path, &sheet, Some(&settings))?)
            }
            ExportKind::Film {
                order,
                rate,
                labels,
            } => {
                let film = Film {
                    pictures: &self.pictures,
                    order,
                    rate: *rate,
                    scale: *scale,
                    labels,
                };
                Ok(write_film(path, &film, Some(&settings), &mut |_| {
                    !cancelled()
                })?)
            }
            ExportKind::Latents => {
                let contents = LatentsFile {
                    config: session.config()?.clone(),
                    fingerprint: session.fingerprint(),
                    latents: std::mem::take(&mut self.latents),
                    bits_per_dim: None,
                    names: Some(self.names()),
                    settings: Some(settings),
                };
                Ok(latents::write(path, &contents)?)
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let none = ShelfItems::new();
        let items = self.items.as_ref().unwrap_or(&none);
        let recipes = self.request.recipes.iter();
        recipes.map(|r| recipe::name(r, items)).collect()
    }

    fn settings(&self, session: &Library, recipes: &[Recipe]) -> Result<String, EngineError> {
        let none = ShelfItems::new();
        let items = self.items.as_ref().unwrap_or(&none);
        let columns = match self.request.kind {
            ExportKind::Grid { columns, .. } => Some(columns),
            _ => None,
        };
        let settings = PictureSettings::new(session.model_name()?, recipes, items)?;
        Ok(settings.in_columns(columns).to_json())
    }
}
