//! The shelf: pictures that were imported, latents that were pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbImage;

use super::{Library, Picture};
use crate::data::{crop as framing, intake};
use crate::engine::error::EngineError;
use crate::engine::figures;
use crate::engine::message::{
    CropSquare, Event, Inspection, ItemId, PictureSource, Recipe, StoredPhoto,
};
use crate::engine::seams::Cancelled;
use crate::latent::{Condition, Latent, LatentShape};
use crate::model::Decoded;
use crate::recipe::{self, Ingredient, Items, RecipeError};

/// The longer side of the preview of a whole picture.
const PREVIEW_SIDE: u32 = 1024;

/// The items of a session, or those that an export started with.
pub(in crate::engine) type ShelfItems = BTreeMap<ItemId, Arc<Item>>;

impl Items for ShelfItems {
    fn ingredient(&self, id: ItemId) -> Option<Ingredient<'_>> {
        let item = self.get(&id)?;
        Some(Ingredient {
            name: &item.name,
            version: item.version,
            latent: item.latent.as_ref(),
        })
    }
}

/// Something on the shelf.
#[derive(Clone)]
pub(in crate::engine) struct Item {
    /// For people.
    pub(in crate::engine) name: String,
    /// Never the same for two states of an item, so that cached pictures of older ones do not match.
    pub(in crate::engine) version: u64,
    /// Where its latent comes from, for an imported picture.
    pub(super) photo: Option<Photo>,
    /// `None` until a model has encoded it.
    pub(in crate::engine) latent: Option<Arc<Latent>>,
    /// Its figures, without projections.
    pub(super) figures: Option<Inspection>,
}

#[derive(Clone)]
pub(super) struct Photo {
    pub(super) source: PictureSource,
    pub(super) crop: CropSquare,
    /// Given which it is encoded.
    pub(super) condition: Condition,
    /// The crop at the size of the model that was open last.
    pub(super) pixels: Option<Arc<RgbImage>>,
}

impl Item {
    /// The item for another model: `None` for a pinned latent that it cannot decode.
    pub(super) fn for_model(&self, shape: &LatentShape, version: u64) -> Option<Self> {
        // A photo's latent is the model's view of it; a pinned latent stays what it is.
        let latent = match self.photo {
            Some(_) => None,
            None => Some(self.latent.clone().filter(|latent| latent.fits(shape))?),
        };
        Some(Self {
            name: self.name.clone(),
            version,
            photo: self.photo.clone(),
            latent,
            figures: None,
        })
    }
}

impl Library {
    /// Drops items.
    pub(in crate::engine) fn forget(&mut self, ids: &[ItemId]) {
        for id in ids {
            self.items.remove(id);
            self.sources.remove(&id.0.to_le_bytes());
        }
    }

    /// Reads a picture and decides its crop; it has no latent yet.
    pub(in crate::engine) fn import(
        &mut self,
        id: ItemId,
        source: PictureSource,
        crop: Option<CropSquare>,
    ) -> Result<Event, EngineError> {
        let condition = self.condition.clone();
        self.import_given(id, source, crop, condition)
    }

    /// As [`Library::import`], to be encoded given a condition of its own.
    pub(in crate::engine) fn import_given(
        &mut self,
        id: ItemId,
        source: PictureSource,
        crop: Option<CropSquare>,
        condition: Condition,
    ) -> Result<Event, EngineError> {
        let picture = intake::read(&source)?;
        let (width, height) = picture.rgb.dimensions();
        let (crop, face_found) = match crop {
            Some(crop) => (crop, false),
            None => {
                // Without a model no size is the right one.
                let size = self.config().map_or(0, |config| config.image_size);
                framing::framing(&picture.rgb, size as u32)
            }
        };
        check_crop(crop, &picture.name)?;
        let event = Event::Imported {
            item: id,
            name: picture.name.clone(),
            preview: Arc::new(picture.preview(PREVIEW_SIDE)),
            size: [width, height],
            crop,
            face_found,
            notes: picture.notes,
        };
        let bytes = picture.rgb.as_raw().len();
        let key = id.0.to_le_bytes();
        self.sources.insert(&key, Arc::new(picture.rgb), bytes);
        let photo = Photo {
            source,
            crop,
            condition,
            pixels: None,
        };
        self.last_version += 1;
        let item = Item {
            name: picture.name,
            version: self.last_version,
            photo: Some(photo),
            latent: None,
            figures: None,
        };
        self.items.insert(id, Arc::new(item));
        Ok(event)
    }

    /// Encodes an imported picture with its crop, or another one; decodes a pinned latent anew.
    pub(in crate::engine) fn encode(
        &mut self,
        id: ItemId,
        crop: Option<CropSquare>,
        cancelled: Cancelled<'_>,
    ) -> Result<Event, EngineError> {
        let item = self
            .items
            .get(&id)
            .ok_or(RecipeError::UnknownItem(id))?
            .clone();
        let Some(photo) = &item.photo else {
            if crop.is_some() {
                let message = format!("{} has no crop: it is not a photo", item.name);
                return Err(EngineError::Request(message));
            }
            let latent = item.latent.clone();
            let latent = latent.ok_or_else(|| RecipeError::NotEncoded(item.name.clone()))?;
            return self.shelve(id, item.name.clone(), latent, cancelled);
        };
        let mut photo = photo.clone();
        if let Some(crop) = crop {
            check_crop(crop, &item.name)?;
            (photo.crop, photo.pixels) = (crop, None);
        }
        let size = self.config()?.image_size as u32;
        let ready = photo.pixels.clone().filter(|p| p.width() == size);
        let pixels = match ready {
            Some(pixels) => pixels,
            None => {
                let whole = self.whole_picture(id, &photo.source)?;
                Arc::new(framing::apply_crop(&whole, photo.crop, size))
            }
        };
        // Another model than the condition was chosen for is given none.
        if !photo.condition.fits(self.shape()?.condition) {
            photo.condition = Condition::default();
        }
        let encoded = self.encode_given(&pixels, &photo.condition, cancelled)?;
        let decoded = self.decode_one(&encoded.latent, cancelled)?;
        let inspection = figures::of(&encoded.latent, &encoded, &decoded);
        photo.pixels = Some(pixels);
        let latent = Arc::new(encoded.latent);
        Ok(self.put(
            id,
            item.name.clone(),
            Some(photo),
            latent,
            inspection,
            decoded,
        ))
    }

    /// Gives an item another condition: a photo is encoded anew, another latent decodes to another picture.
    pub(in crate::engine) fn give(
        &mut self,
        id: ItemId,
        condition: Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Event, EngineError> {
        let given = recipe::Recipe::Item(id).given(&condition);
        // The checks of a recipe: an item that is there, a condition that the model can be given.
        let latent = self.latent(&given, None);
        let item = self.items.get(&id).ok_or(RecipeError::UnknownItem(id))?;
        let Some(photo) = &item.photo else {
            let name = item.name.clone();
            let latent = Latent::clone(&*latent?).given(condition);
            return self.shelve(id, name, Arc::new(latent), cancelled);
        };
        let mut item = Item::clone(item);
        item.photo = Some(Photo {
            condition,
            ..photo.clone()
        });
        self.items.insert(id, Arc::new(item));
        self.encode(id, None, cancelled)
    }

    pub(super) fn whole_picture(
        &mut self,
        id: ItemId,
        source: &PictureSource,
    ) -> Result<Arc<RgbImage>, EngineError> {
        let key = id.0.to_le_bytes();
        if let Some(pixels) = self.sources.get(&key) {
            return Ok(pixels);
        }
        let pixels = intake::read(source)?.rgb;
        let bytes = pixels.as_raw().len();
        let pixels = Arc::new(pixels);
        self.sources.insert(&key, pixels.clone(), bytes);
        Ok(pixels)
    }

    /// Keeps the latent of a recipe.
    pub(in crate::engine) fn pin(
        &mut self,
        id: ItemId,
        recipe: &Recipe,
        cancelled: Cancelled<'_>,
    ) -> Result<Event, EngineError> {
        let latent = self.latent(recipe, None)?;
        let name = recipe::name(recipe, &self.items);
        self.shelve(id, name, latent, cancelled)
    }

    pub(super) fn shelve(
        &mut self,
        id: ItemId,
        name: String,
        latent: Arc<Latent>,
        cancelled: Cancelled<'_>,
    ) -> Result<Event, EngineError> {
        let decoded = self.decode_one(&latent, cancelled)?;
        let (inspection, decoded) = self.inspect_decoded(&latent, decoded, cancelled)?;
        Ok(self.put(id, name, None, latent, inspection, decoded))
    }

    fn put(
        &mut self,
        id: ItemId,
        name: String,
        photo: Option<Photo>,
        latent: Arc<Latent>,
        inspection: Inspection,
        decoded: Decoded,
    ) -> Event {
        self.last_version += 1;
        let item = Item {
            name,
            version: self.last_version,
            photo,
            latent: Some(latent.clone()),
            figures: Some(inspection.clone()),
        };
        self.items.insert(id, Arc::new(item));
        let picture = match self.key(&Recipe::Item(id), None) {
            Ok(key) => self.keep(&key, decoded),
            Err(_) => Picture::new(decoded),
        };
        Event::Encoded {
            item: id,
            thumbnail: picture.pixels,
            inspection: self.with_projections(inspection, &latent),
        }
    }
}

/// The photo of an item as a session stores it: only files can be read again.
pub(super) fn stored_photo(item: &Item) -> Option<StoredPhoto> {
    let photo = item.photo.as_ref()?;
    match &photo.source {
        PictureSource::Path(path) => Some(StoredPhoto {
            path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            crop: photo.crop,
            condition: photo.condition.clone(),
        }),
        PictureSource::Bytes { .. } | PictureSource::Rgba { .. } => None,
    }
}

fn check_crop(crop: CropSquare, name: &str) -> Result<(), EngineError> {
    let CropSquare { cx, cy, side } = crop;
    if cx.is_finite() && cy.is_finite() && side.is_finite() && side > 0.0 {
        return Ok(());
    }
    Err(EngineError::Request(format!(
        "the crop must be a square of at least one pixel, not {side} at ({cx}, {cy}): {name}"
    )))
}
