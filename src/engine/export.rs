//! An export, done a picture at a time.

use std::collections::BTreeMap;

use image::RgbImage;
use serde::Serialize;

use super::error::EngineError;
use super::message::{ExportKind, ExportRequest, Recipe, Ticket};
use super::recipe::{self, Items, items_of};
use super::seams::{Cancelled, Exporter, GridLayout};
use super::session::Session;
use crate::formats::latents::{self, LatentsFile};
use crate::latent::Latent;

/// An export under way.
pub(super) struct ExportJob {
    pub(super) ticket: Ticket,
    pub(super) request: ExportRequest,
    /// The items as they were when it began: what is forgotten or cropped meanwhile does not matter.
    items: Option<Items>,
    pictures: Vec<RgbImage>,
    latents: Vec<Latent>,
    done: usize,
}

/// How far a step brought an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many recipes are done.
    Going(usize),
    /// The file is there.
    Finished,
}

/// What goes into a file about how it came about.
#[derive(Serialize)]
struct Settings<'a> {
    format: &'static str,
    model: &'a str,
    recipes: &'a [Recipe],
    /// Names of the shelf's items in the recipes.
    items: BTreeMap<u64, &'a str>,
    /// Columns of a grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<u32>,
}

impl ExportJob {
    pub(super) fn new(ticket: Ticket, request: ExportRequest) -> Self {
        Self {
            ticket,
            request,
            items: None,
            pictures: Vec::new(),
            latents: Vec::new(),
            done: 0,
        }
    }

    /// Recipes in all.
    pub(super) fn total(&self) -> usize {
        self.request.recipes.len()
    }

    /// Draws the next recipe, or writes the file once all are drawn.
    pub(super) fn step(
        &mut self,
        session: &mut Session,
        exporter: &dyn Exporter,
        cancelled: Cancelled<'_>,
    ) -> Result<Step, EngineError> {
        if self.items.is_none() {
            self.check()?;
            self.items = Some(session.items());
        }
        let Some(recipe) = self.request.recipes.get(self.done) else {
            self.finish(session, exporter, cancelled)?;
            return Ok(Step::Finished);
        };
        let latent = session.latent(recipe, self.items.as_ref())?;
        match self.request.kind {
            ExportKind::Latents => self.latents.push((*latent).clone()),
            ExportKind::Grid { .. } | ExportKind::Frames | ExportKind::Gif { .. } => {
                let key = session.key(recipe, self.items.as_ref())?;
                let pixels = match session.cached(&key) {
                    Some(picture) => (*picture.pixels).clone(),
                    None => {
                        let decoded = session.decode(&[(*latent).clone()], cancelled)?;
                        let one = decoded.into_iter().next();
                        one.ok_or(EngineError::NoModel)?.pixels
                    }
                };
                self.draw(pixels, session, exporter)?;
            }
        }
        self.done += 1;
        Ok(Step::Going(self.done))
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
        if let ExportKind::Grid { labels, .. } = &self.request.kind
            && !labels.is_empty()
            && labels.len() != self.total()
        {
            return refuse("every picture needs a label, or none");
        }
        Ok(())
    }

    /// Frames are written one by one, so that a long film needs no memory; others are kept.
    fn draw(
        &mut self,
        pixels: RgbImage,
        session: &Session,
        exporter: &dyn Exporter,
    ) -> Result<(), EngineError> {
        if self.request.kind != ExportKind::Frames {
            self.pictures.push(pixels);
            return Ok(());
        }
        let settings = self.settings(session, &self.request.recipes[self.done..=self.done])?;
        let ExportRequest { scale, path, .. } = &self.request;
        exporter
            .frame(&pixels, self.done, self.total(), *scale, &settings, path)
            .map_err(EngineError::Outside)
    }

    fn finish(
        &mut self,
        session: &Session,
        exporter: &dyn Exporter,
        cancelled: Cancelled<'_>,
    ) -> Result<(), EngineError> {
        let settings = self.settings(session, &self.request.recipes)?;
        let ExportRequest {
            kind, scale, path, ..
        } = &self.request;
        match kind {
            ExportKind::Frames => Ok(()),
            ExportKind::Grid {
                columns,
                gap,
                labels,
            } => {
                let layout = GridLayout {
                    columns: *columns,
                    gap: *gap,
                    labels,
                    scale: *scale,
                };
                exporter
                    .grid(&self.pictures, layout, &settings, path)
                    .map_err(EngineError::Outside)
            }
            ExportKind::Gif { delay_cs } => exporter
                .animation(
                    &self.pictures,
                    *delay_cs,
                    *scale,
                    &settings,
                    path,
                    cancelled,
                )
                .map_err(|e| match cancelled() {
                    true => EngineError::Cancelled,
                    false => EngineError::Outside(e),
                }),
            ExportKind::Latents => {
                let contents = LatentsFile {
                    config: session.config()?.clone(),
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
        let none = Items::new();
        let items = self.items.as_ref().unwrap_or(&none);
        let recipes = self.request.recipes.iter();
        recipes.map(|r| recipe::name(r, items)).collect()
    }

    fn settings(&self, session: &Session, recipes: &[Recipe]) -> Result<String, EngineError> {
        let mut names = BTreeMap::new();
        for recipe in recipes {
            for id in items_of(recipe)? {
                if let Some(item) = self.items.as_ref().and_then(|items| items.get(&id)) {
                    names.insert(id.0, item.name.as_str());
                }
            }
        }
        let settings = Settings {
            format: "glow-explorer-settings/1",
            model: session.model_name()?,
            recipes,
            items: names,
            columns: match self.request.kind {
                ExportKind::Grid { columns, .. } => Some(columns),
                _ => None,
            },
        };
        serde_json::to_string(&settings).map_err(|e| EngineError::Request(e.to_string()))
    }
}
