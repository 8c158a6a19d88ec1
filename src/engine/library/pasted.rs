//! Edits brought back into the photos that they were cut from.

use std::path::Path;
use std::sync::Arc;

use image::{RgbImage, imageops};

use super::Library;
use super::items::{ShelfItems, ShelfPhoto};
use crate::data::crop::apply_crop;
use crate::data::intake;
use crate::engine::error::EngineError;
use crate::engine::message::{CropSquare, ItemId, PhotoPart, PictureSource, Recipe};
use crate::engine::seams::Cancelled;
use crate::latent::Latent;
use crate::paste::{self, Change, paste_back};
use crate::recipe;

/// What is needed to bring an edit back into its photo.
struct Pasting {
    source: PictureSource,
    /// The square that the model was shown.
    crop: CropSquare,
    /// That square at the model's size.
    framed: Arc<RgbImage>,
    /// What the edit changes.
    change: Change,
}

impl Pasting {
    /// The photo with the change in it.
    fn apply(&self, photo: &RgbImage) -> RgbImage {
        paste_back(photo, self.crop, &self.framed, &self.change, threads())
    }
}

/// The photo with the edit in it that was made last, to be looked at in parts.
pub(super) struct LastPasted {
    key: Vec<u8>,
    pixels: Arc<RgbImage>,
}

/// Threads for work on whole photos.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Library {
    /// Writes the whole photo that a recipe starts from, with what the recipe changes in it. The answer is what could not
    /// be kept, for people.
    ///
    /// Errors: as [`Library::pasting`]; a photo that cannot be read any more, a file that cannot be written.
    pub(in crate::engine) fn write_pasted(
        &mut self,
        recipe: &Recipe,
        items: Option<&ShelfItems>,
        quality: u8,
        path: &Path,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<String>, EngineError> {
        let pasting = self.pasting(recipe, items, cancelled)?;
        let original = intake::read_original(&pasting.source)?;
        let edited = pasting.apply(&original.srgb);
        let mut notes = paste::write(path, &original, &edited, quality, threads())?;
        notes.splice(0..0, original.notes);
        Ok(notes)
    }

    /// The photo that a recipe starts from.
    fn photo_of(
        &self,
        recipe: &Recipe,
        items: Option<&ShelfItems>,
    ) -> Result<(ItemId, ShelfPhoto), EngineError> {
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
    fn pasting(
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
                Arc::new(apply_crop(&whole, photo.crop, size as u32))
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

    /// A part of the photo that a recipe starts from, as it is and with the edit in it.
    ///
    /// Errors: as [`Library::pasting`]; a photo that cannot be read any more.
    pub(in crate::engine) fn photo_part(
        &mut self,
        recipe: &Recipe,
        part: PhotoPart,
        cancelled: Cancelled<'_>,
    ) -> Result<[RgbImage; 2], EngineError> {
        let (id, photo) = self.photo_of(recipe, None)?;
        let key = self.key(recipe, None)?;
        let known = self.pasted.as_ref().filter(|last| last.key == key);
        let known = known.map(|last| last.pixels.clone());
        let before = self.whole_picture(id, &photo.source)?;
        let after = match known {
            Some(pixels) => pixels,
            None => {
                let pasting = self.pasting(recipe, None, cancelled)?;
                let pixels = match pasting.change.is_zero() {
                    true => before.clone(),
                    false => Arc::new(pasting.apply(&before)),
                };
                self.pasted = Some(LastPasted {
                    key,
                    pixels: pixels.clone(),
                });
                pixels
            }
        };
        Ok([cut(&before, part), cut(&after, part)])
    }
}

/// A part of a picture, made smaller where it has more pixels than are asked for.
fn cut(picture: &RgbImage, part: PhotoPart) -> RgbImage {
    let [left, top, width, height] = part.region;
    let left = left.min(picture.width().saturating_sub(1));
    let top = top.min(picture.height().saturating_sub(1));
    let width = width.clamp(1, picture.width() - left);
    let height = height.clamp(1, picture.height() - top);
    let view = imageops::crop_imm(picture, left, top, width, height);
    let longer = width.max(height);
    let most = part.max_side.max(1);
    if longer <= most {
        return view.to_image();
    }
    let to = |side: u32| (u64::from(side) * u64::from(most) / u64::from(longer)).max(1) as u32;
    imageops::thumbnail(&*view, to(width), to(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_photos_own_pixels_until_there_are_too_many() {
        let picture = RgbImage::from_fn(100, 60, |x, y| image::Rgb([x as u8, y as u8, 0]));
        let part = |region, max_side| PhotoPart { region, max_side };
        let exact = cut(&picture, part([10, 20, 30, 15], 64));
        assert_eq!(exact.dimensions(), (30, 15));
        assert_eq!(exact.get_pixel(0, 0).0, [10, 20, 0]);
        let small = cut(&picture, part([0, 0, 100, 60], 50));
        assert_eq!(small.dimensions(), (50, 30));
        // Past the border, as far as there is something.
        assert_eq!(
            cut(&picture, part([90, 50, 500, 500], 64)).dimensions(),
            (10, 10)
        );
        assert_eq!(
            cut(&picture, part([900, 900, 0, 0], 64)).dimensions(),
            (1, 1)
        );
    }
}
