//! Latents of the pictures of a folder, as they are and mirrored.

use std::collections::{BTreeMap, BTreeSet};

use super::{BATCH, Coder, WorkshopError};
use crate::data::DataError;
use crate::data::batches::PictureSet;
use crate::latent::attributes::build::Vectors;
use crate::latent::{Latent, LatentShape};
use crate::model::Encoded;
use crate::model::pixels::x_from_bytes;

/// Pictures of one folder or of several, counted through.
pub(super) struct Pictures<'a>(pub(super) &'a [&'a PictureSet]);

impl Pictures<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|set| set.len()).sum()
    }

    /// The set of a picture, and its place there.
    fn place(&self, mut index: usize) -> Option<(&PictureSet, usize)> {
        for set in self.0 {
            if index < set.len() {
                return Some((set, index));
            }
            index -= set.len();
        }
        None
    }

    pub(super) fn name(&self, index: usize) -> Option<&str> {
        let (set, at) = self.place(index)?;
        set.name(at)
    }

    fn get(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let n = self.len();
        let missing = DataError::NoSuchIndex { index, n };
        let (set, at) = self.place(index).ok_or(missing)?;
        set.get(at)
    }

    fn note_failure(&self, index: usize, reason: String) {
        if let Some((set, at)) = self.place(index) {
            set.note_failure(at, reason);
        }
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.0.iter().flat_map(|set| set.failures()).collect()
    }
}

/// Latents of pictures.
pub(super) struct EncodedPictures {
    pub(super) vectors: Vectors,
    /// The picture of each row. A mirrored one follows the row of its picture.
    pub(super) pictures: Vec<usize>,
    /// The row of each picture that can be read, as it is.
    pub(super) row_of: BTreeMap<usize, usize>,
}

impl EncodedPictures {
    /// Encodes pictures as they are and, where that is wanted, mirrored. `watch` is told how many more are done, and
    /// asked whether to go on.
    pub(super) fn new(
        model: &dyn Coder,
        set: &Pictures<'_>,
        pictures: &BTreeSet<usize>,
        mirror: bool,
        watch: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, WorkshopError> {
        let config = model.config();
        let mut found = Self {
            vectors: Vectors::new(&config.latent_shape()),
            pictures: Vec::new(),
            row_of: BTreeMap::new(),
        };
        let pictures: Vec<usize> = pictures.iter().copied().collect();
        for part in pictures.chunks(BATCH) {
            let (mut batch, mut readable) = (Vec::new(), Vec::new());
            for &i in part {
                let bytes = match set.get(i) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        set.note_failure(i, error.to_string());
                        continue;
                    }
                };
                batch.push(x_from_bytes(&bytes, config, None));
                readable.push(i);
                if mirror {
                    let mirrored = mirrored(&bytes, config.image_size, config.channels);
                    batch.push(x_from_bytes(&mirrored, config, None));
                    readable.push(i);
                }
            }
            let encoded = model.encode_x(batch)?;
            let n_rows = if mirror { 2 } else { 1 };
            for (encoded, rows) in encoded.chunks(n_rows).zip(readable.chunks(n_rows)) {
                found.add(set, encoded, rows)?;
            }
            if !watch(part.len()) {
                return Err(WorkshopError::Cancelled);
            }
        }
        Ok(found)
    }

    /// Latents that are there already, each as if it were a picture.
    ///
    /// Errors: another model's latent, numbers that are not finite.
    pub(super) fn of_latents<'a>(
        shape: &LatentShape,
        latents: impl Iterator<Item = &'a Latent>,
    ) -> Result<Self, WorkshopError> {
        let mut found = Self {
            vectors: Vectors::new(shape),
            pictures: Vec::new(),
            row_of: BTreeMap::new(),
        };
        for (i, latent) in latents.enumerate() {
            found.vectors.push(latent)?;
            found.pictures.push(i);
            found.row_of.insert(i, i);
        }
        Ok(found)
    }

    /// Takes up one picture, as it is and mirrored; leaves it out where the model gives no finite latent for it.
    fn add(
        &mut self,
        set: &Pictures<'_>,
        encoded: &[Encoded],
        rows: &[usize],
    ) -> Result<(), WorkshopError> {
        let Some(&picture) = rows.first() else {
            return Ok(());
        };
        let name = || set.name(picture).unwrap_or_default().to_owned();
        let is_finite = |e: &Encoded| e.latent.iter().all(|v| v.is_finite());
        if !encoded.iter().all(is_finite) {
            let reason = format!("the model gives no finite latent for it: {}", name());
            set.note_failure(picture, reason);
            return Ok(());
        }
        self.row_of.insert(picture, self.pictures.len());
        for encoded in encoded {
            let pushed = self.vectors.push(&encoded.latent);
            pushed.map_err(|source| WorkshopError::Picture {
                picture: name(),
                source,
            })?;
        }
        self.pictures.extend(rows);
        Ok(())
    }
}

/// A picture `[h, w, c]` with left and right exchanged.
fn mirrored(bytes: &[u8], width: usize, channels: usize) -> Vec<u8> {
    let mut mirrored = Vec::with_capacity(bytes.len());
    for row in bytes.chunks_exact(width * channels) {
        mirrored.extend(row.chunks_exact(channels).rev().flatten());
    }
    mirrored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_exchanges_left_and_right_alone() {
        // Two rows of two pixels of three channels.
        let bytes: Vec<u8> = (0..12).collect();
        let expected = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8];
        assert_eq!(mirrored(&bytes, 2, 3), expected);
        assert_eq!(mirrored(&mirrored(&bytes, 2, 3), 2, 3), bytes);
    }
}
