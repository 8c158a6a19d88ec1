//! Edits brought back into the photos that they were cut from.

use std::sync::Arc;

use super::Library;
use super::items::{Photo, ShelfItems};
use crate::engine::error::EngineError;
use crate::engine::message::{ItemId, Recipe};
use crate::engine::seams::{Cancelled, Pasting};
use crate::latent::Latent;
use crate::paste::Change;
use crate::recipe;

impl Library {
    /// The photo that a recipe starts from.
    fn photo_of(
        &self,
        recipe: &Recipe,
        items: Option<&ShelfItems>,
    ) -> Result<(ItemId, Photo), EngineError> {
        let items = items.unwrap_or(&self.items);
        let id = recipe::root(recipe);
        let photo = id.and_then(|id| Some((id, items.get(&id)?.photo.clone()?)));
        photo.ok_or_else(|| {
            let name = recipe::name(recipe, items);
            EngineError::Request(format!(
                "only the edit of a photo can be pasted back; choose a photo as its base: {name}"
            ))
        })
    }

    /// What a recipe changes in the photo that it starts from.
    ///
    /// Errors: a recipe that does not start from a photo; pictures that are not finite.
    pub(in crate::engine) fn pasting(
        &mut self,
        recipe: &Recipe,
        items: Option<&ShelfItems>,
        cancelled: Cancelled<'_>,
    ) -> Result<Pasting, EngineError> {
        let (id, photo) = self.photo_of(recipe, items)?;
        let before = self.latent(&Recipe::Item(id), items)?;
        let after = self.latent(recipe, items)?;
        let size = self.config()?.image_size;
        let framed = match photo.pixels.filter(|p| p.width() == size as u32) {
            Some(pixels) => pixels,
            None => {
                let whole = self.whole_picture(id, &photo.source)?;
                Arc::new(self.reader.apply_crop(&whole, photo.crop, size as u32))
            }
        };
        let x = |latent: &Latent| -> Result<Vec<f32>, EngineError> {
            Ok(self.decode_one(latent, cancelled)?.x)
        };
        let x_before = x(&before)?;
        let x_after = match before == after {
            true => x_before.clone(),
            false => x(&after)?,
        };
        let change = Change::between(&x_before, &x_after, size).map_err(|e| {
            let name = recipe::name(recipe, items.unwrap_or(&self.items));
            EngineError::Request(format!("{e}: {name}"))
        })?;
        Ok(Pasting {
            source: photo.source,
            crop: photo.crop,
            framed,
            change,
        })
    }
}
