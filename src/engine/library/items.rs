//! The shelf: pictures that were imported, latents that were pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbImage;

use super::{DrawnPicture, Library, Stamp};
use crate::data::{crop as framing, intake};
use crate::engine::error::EngineError;
use crate::engine::figures;
use crate::engine::message::{CropSquare, Event, Inspection, ItemId, PictureSource, Recipe};
use crate::engine::seams::Cancelled;
use crate::latent::{Condition, Latent, LatentShape};
use crate::model::{Decoded, Encoded};
use crate::recipe::{self, Ingredient, Items, RecipeError};

/// The longer side of the preview of a whole picture, by how many photos lie on the shelf already: the window holds them
/// all, and of a large one 2 MB each.
const PREVIEW_SIDES: [(usize, u32); 3] = [(48, 1024), (256, 320), (usize::MAX, 128)];

/// The items of a session, or those that an export started with.
pub(in crate::engine) type ShelfItems = BTreeMap<ItemId, Arc<ShelfItem>>;

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
pub(in crate::engine) struct ShelfItem {
    /// For people.
    pub(in crate::engine) name: String,
    /// Never the same for two states of an item, so that cached pictures of older ones do not match.
    pub(in crate::engine) version: u64,
    /// Where its latent comes from, for an imported picture.
    pub(super) photo: Option<ShelfPhoto>,
    /// What the open model decodes; `None` until it has encoded it.
    pub(in crate::engine) latent: Option<Arc<Latent>>,
    /// The newest latent, whichever model it belongs to: what a session keeps.
    pub(super) kept: Option<Owned>,
    /// Its figures, without projections.
    pub(super) figures: Option<Inspection>,
}

/// A latent and what it belongs to.
#[derive(Clone)]
pub(in crate::engine) struct Owned {
    pub(in crate::engine) latent: Arc<Latent>,
    pub(in crate::engine) of: Arc<Stamp>,
    /// The crop that was encoded, for a photo.
    pub(in crate::engine) crop: Option<CropSquare>,
}

#[derive(Clone)]
pub(super) struct ShelfPhoto {
    pub(super) source: PictureSource,
    pub(super) crop: CropSquare,
    /// Given which it is encoded.
    pub(super) condition: Condition,
    /// The crop at the size of the model that was open last.
    pub(super) pixels: Option<Arc<RgbImage>>,
}

impl ShelfItem {
    /// The item for another model. One that this cannot decode keeps its latent for the model that can.
    pub(super) fn for_model(&self, stamp: &Stamp, shape: &LatentShape, version: u64) -> Self {
        let kept = self.kept.as_ref();
        // A photo's latent is one model's view of it; a pinned latent stays what it is.
        let usable = kept.filter(|kept| {
            kept.latent.fits(shape) && (self.photo.is_none() || stamp.is(&kept.of.model))
        });
        Self {
            name: self.name.clone(),
            version,
            photo: self.photo.clone(),
            latent: usable.map(|kept| Arc::clone(&kept.latent)),
            kept: self.kept.clone(),
            figures: None,
        }
    }

    pub(super) fn is_photo(&self) -> bool {
        self.photo.is_some()
    }

    /// Given which its photo is encoded.
    pub(super) fn condition(&self) -> Condition {
        let photo = self.photo.as_ref();
        photo.map_or_else(Condition::default, |photo| photo.condition.clone())
    }

    /// Whether it is drawn by another training than the one that it was made with.
    pub(super) fn is_of_other_training(&self, open: &Stamp) -> bool {
        let made = self.kept.as_ref().map(|kept| &kept.of.model);
        self.latent.is_some() && made.is_some_and(|model| !open.is(model))
    }

    /// What an item without a latent for the open model waits for, for people.
    pub(super) fn waits_for(&self) -> String {
        match &self.kept {
            Some(kept) => waits_for_model(&kept.of),
            None => "nothing of it is left but its name".to_owned(),
        }
    }
}

/// What a latent of another shape waits for.
pub(in crate::engine) fn waits_for_model(of: &Stamp) -> String {
    let model = &of.model;
    let place = model.path.as_ref().map(|path| path.display().to_string());
    let place = place.unwrap_or_else(|| model.name.clone());
    format!("its latent belongs to a model of another shape; open that to see it: {place}")
}

impl Library {
    /// Drops items.
    pub(in crate::engine) fn forget(&mut self, ids: &[ItemId]) {
        for id in ids {
            self.items.remove(id);
            self.from_clipboard.borrow_mut().remove(id);
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
        // One of a session brings its own.
        let known = self.items.get(&id).and_then(|item| item.photo.as_ref());
        let condition = known
            .map_or(&self.condition, |photo| &photo.condition)
            .clone();
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
            preview: Arc::new(picture.preview(self.preview_side())),
            size: [width, height],
            crop,
            face_found,
            notes: picture.notes,
        };
        let bytes = picture.rgb.as_raw().len();
        let key = id.0.to_le_bytes();
        self.sources.insert(&key, Arc::new(picture.rgb), bytes);
        let photo = ShelfPhoto {
            source,
            crop,
            condition,
            pixels: None,
        };
        self.last_version += 1;
        let item = ShelfItem {
            name: picture.name,
            version: self.last_version,
            photo: Some(photo),
            latent: None,
            // Until it is encoded, a session keeps what it had.
            kept: self.items.get(&id).and_then(|item| item.kept.clone()),
            figures: None,
        };
        self.items.insert(id, Arc::new(item));
        Ok(event)
    }

    fn preview_side(&self) -> u32 {
        let photos = self.items.values().filter(|item| item.is_photo());
        let n = photos.count();
        let mut sides = PREVIEW_SIDES.into_iter();
        sides
            .find(|(up_to, _)| n < *up_to)
            .map_or(128, |(_, side)| side)
    }

    /// Puts an item of a session on the shelf as it was left. The latent is taken into use where `usable`.
    pub(in crate::engine) fn put_back(
        &mut self,
        id: ItemId,
        name: String,
        photo: Option<(PictureSource, CropSquare, Condition)>,
        kept: Option<Owned>,
        usable: bool,
    ) {
        self.last_version += 1;
        let latent = kept.as_ref().filter(|_| usable);
        let item = ShelfItem {
            name,
            version: self.last_version,
            photo: photo.map(|(source, crop, condition)| ShelfPhoto {
                source,
                crop,
                condition,
                pixels: None,
            }),
            latent: latent.map(|kept| Arc::clone(&kept.latent)),
            kept,
            figures: None,
        };
        self.items.insert(id, Arc::new(item));
    }

    /// The picture of an item that has its latent already.
    pub(in crate::engine) fn thumbnail(
        &mut self,
        id: ItemId,
        cancelled: Cancelled<'_>,
    ) -> Result<Event, EngineError> {
        let recipe = Recipe::Item(id);
        let latent = self.latent(&recipe, None)?;
        let key = self.key(&recipe, None)?;
        let picture = match self.cached(&key) {
            Some(picture) => picture,
            None => {
                let decoded = self.decode_one(&latent, cancelled)?;
                self.keep(&key, decoded)
            }
        };
        Ok(Event::Encoded {
            item: id,
            thumbnail: picture.pixels,
            inspection: None,
        })
    }

    /// Reads the photo of an item that has its latent already, so that it can be framed anew.
    pub(in crate::engine) fn read_again(&mut self, id: ItemId) -> Result<Event, EngineError> {
        let item = self.items.get(&id).ok_or(RecipeError::UnknownItem(id))?;
        let item = Arc::clone(item);
        let photo = item.photo.as_ref().ok_or(RecipeError::UnknownItem(id))?;
        let picture = match intake::read(&photo.source) {
            Ok(picture) => picture,
            Err(error) => {
                return Ok(Event::PhotoMissing {
                    item: id,
                    message: error.to_string(),
                });
            }
        };
        let (width, height) = picture.rgb.dimensions();
        let event = Event::Imported {
            item: id,
            name: item.name.clone(),
            preview: Arc::new(picture.preview(self.preview_side())),
            size: [width, height],
            crop: photo.crop,
            face_found: false,
            notes: picture.notes,
        };
        let bytes = picture.rgb.as_raw().len();
        let key = id.0.to_le_bytes();
        self.sources.insert(&key, Arc::new(picture.rgb), bytes);
        Ok(event)
    }

    /// The crop of a photo, encoded once more for its figures; `None` where there is no photo to be had.
    pub(super) fn encoded_anew(
        &mut self,
        id: ItemId,
        cancelled: Cancelled<'_>,
    ) -> Result<Option<Encoded>, EngineError> {
        let Some(photo) = self.items.get(&id).and_then(|item| item.photo.clone()) else {
            return Ok(None);
        };
        let size = self.config()?.image_size as u32;
        let pixels = match photo.pixels.filter(|p| p.width() == size) {
            Some(pixels) => pixels,
            None => match self.whole_picture(id, &photo.source) {
                Ok(whole) => Arc::new(framing::apply_crop(&whole, photo.crop, size)),
                Err(_) => return Ok(None),
            },
        };
        self.encode_given(&pixels, &photo.condition, cancelled)
            .map(Some)
    }

    /// Keeps the figures of an item.
    pub(super) fn measured(&mut self, id: ItemId, inspection: &Inspection) {
        if let Some(item) = self.items.get_mut(&id) {
            let measured = ShelfItem {
                name: item.name.clone(),
                version: item.version,
                photo: item.photo.clone(),
                latent: item.latent.clone(),
                kept: item.kept.clone(),
                figures: Some(inspection.clone()),
            };
            *item = Arc::new(measured);
        }
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
            None => match self.whole_picture(id, &photo.source) {
                Ok(whole) => Arc::new(framing::apply_crop(&whole, photo.crop, size)),
                Err(error) if crop.is_some() || item.latent.is_none() => return Err(error),
                // The photo is not there, but this model has encoded it before.
                Err(_) => return self.thumbnail(id, cancelled),
            },
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
        let mut item = ShelfItem::clone(item);
        item.photo = Some(ShelfPhoto {
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
        photo: Option<ShelfPhoto>,
        latent: Arc<Latent>,
        inspection: Inspection,
        decoded: Decoded,
    ) -> Event {
        self.last_version += 1;
        let crop = photo.as_ref().map(|photo| photo.crop);
        let made = |model: &super::Model| Owned {
            latent: Arc::clone(&latent),
            of: Arc::clone(&model.stamp),
            crop,
        };
        // A latent that stands on no photo keeps the model that it was made with.
        let before = self.items.get(&id).and_then(|item| item.kept.clone());
        let same = before.filter(|kept| Arc::ptr_eq(&kept.latent, &latent));
        let item = ShelfItem {
            name,
            version: self.last_version,
            photo,
            latent: Some(latent.clone()),
            kept: same.or_else(|| self.model.as_ref().map(made)),
            figures: Some(inspection.clone()),
        };
        self.items.insert(id, Arc::new(item));
        let picture = match self.key(&Recipe::Item(id), None) {
            Ok(key) => self.keep(&key, decoded),
            Err(_) => DrawnPicture::new(decoded),
        };
        Event::Encoded {
            item: id,
            thumbnail: picture.pixels,
            inspection: Some(self.with_projections(inspection, &latent)),
        }
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
