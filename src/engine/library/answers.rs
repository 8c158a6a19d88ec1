//! What the window can ask beside pictures and figures.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use image::{Rgb, RgbImage};

use super::Library;
use crate::engine::error::EngineError;
use crate::engine::message::{
    Answer, ExampleCounts, ItemId, LevelReport, LevelStatistics, Neighbour, PathEntry, Question,
    Recipe, SelfTest,
};
use crate::engine::seams::Cancelled;
use crate::latent::{Latent, LevelEps};
use crate::model::pixels::{largest_difference, worst};

/// Entries of a folder that are told.
const ENTRIES: usize = 20_000;

/// Neighbours of a picture on the map that are told.
const MAP_NEIGHBOURS: usize = 8;

/// Standard deviations from grey to white in a picture of eps.
const WHITE: f32 = 3.0;

impl Library {
    /// Answers a question.
    ///
    /// Errors: what cannot be resolved or decoded; cancellation.
    pub(in crate::engine) fn answer(
        &mut self,
        question: &Question,
        cancelled: Cancelled<'_>,
    ) -> Result<Answer, EngineError> {
        Ok(match question {
            Question::Levels(recipe) => {
                let latent = self.latent(recipe, None)?;
                Answer::Levels(latent.levels.iter().map(report).collect())
            }
            Question::Walk(recipe) => {
                let latent = self.latent(recipe, None)?;
                let steps = self.run_codec(|codec| codec.walk(&latent, cancelled))?;
                Answer::Walk(Arc::new(steps))
            }
            Question::Photo { recipe, part } => {
                let [before, after] = self.photo_part(recipe, *part, cancelled)?.map(Arc::new);
                Answer::Photo { before, after }
            }
            Question::Neighbours(items) => Answer::Neighbours(self.neighbours(items)),
            Question::MapNeighbours {
                map,
                picture,
                space,
                ..
            } => {
                let records = self.map(*map).ok_or_else(gone)?;
                Answer::MapNeighbours(records.nearest(*picture, *space, MAP_NEIGHBOURS))
            }
            Question::Entries { folder } => Answer::Entries(entries_of(folder)),
            Question::MapLabels { map, table, .. } => {
                let records = self.map(*map).ok_or_else(gone)?;
                Answer::MapLabels(Arc::new(records.labels(table)?))
            }
            // The worker has them counted beside it.
            Question::Examples(_) => Answer::Examples(ExampleCounts::default()),
            Question::SelfTest { count, seed } => {
                Answer::SelfTest(self.self_test(*count, *seed, cancelled)?)
            }
        })
    }

    /// The nearest other of each item that has a latent.
    fn neighbours(&self, items: &[ItemId]) -> Vec<(ItemId, Option<Neighbour>)> {
        let latent = |id: &ItemId| {
            let item = self.items.get(id)?;
            Some((*id, item.latent.clone()?))
        };
        let known: Vec<(ItemId, Arc<Latent>)> = items.iter().filter_map(latent).collect();
        let nearest = |(id, mine): &(ItemId, Arc<Latent>)| {
            let others = known.iter().filter(|(other, _)| other != id);
            let distances = others.map(|(item, theirs)| Neighbour {
                item: *item,
                distance: distance(mine, theirs),
            });
            let nearest = distances.min_by(|a, b| a.distance.total_cmp(&b.distance));
            (*id, nearest)
        };
        known.iter().map(nearest).collect()
    }

    fn self_test(
        &mut self,
        count: u32,
        seed: u64,
        cancelled: Cancelled<'_>,
    ) -> Result<SelfTest, EngineError> {
        let (mut finite, mut round_trips, mut bits) = (0, Vec::new(), 0.0);
        let (mut decode_ms, mut encode_ms) = (Vec::new(), Vec::new());
        for index in 0..count {
            let latent = self.latent(&Recipe::Sample { seed, index }, None)?;
            let began = Instant::now();
            let decoded = self.decode_one(&latent, cancelled)?;
            decode_ms.push(began.elapsed().as_secs_f64() * 1e3);
            if decoded.non_finite > 0 {
                continue;
            }
            finite += 1;
            let began = Instant::now();
            let encoded = self.encode_given(&decoded.pixels, &latent.condition, cancelled)?;
            encode_ms.push(began.elapsed().as_secs_f64() * 1e3);
            let again = self.decode_one(&encoded.latent, cancelled)?;
            round_trips.push(largest_difference(&encoded.x, &again.x));
            bits += encoded.bits_per_dim;
        }
        Ok(SelfTest {
            count: count as usize,
            finite,
            round_trip: worst(round_trips),
            bits_per_dim: bits / finite as f64,
            decode_ms: median(decode_ms),
            encode_ms: median(encode_ms),
        })
    }
}

/// What lies in a folder, folders first. Whoever types a path is on the way to one that is there: none that is not is an
/// error.
fn entries_of(folder: &Path) -> Vec<PathEntry> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entry = |entry: std::fs::DirEntry| {
        let is_folder = match entry.file_type().ok()? {
            kind if kind.is_symlink() => entry.path().is_dir(),
            kind => kind.is_dir(),
        };
        let name = entry.file_name().into_string().ok()?;
        Some(PathEntry { name, is_folder })
    };
    let mut all: Vec<PathEntry> = entries.filter_map(entry).take(ENTRIES).collect();
    all.sort_by_cached_key(|entry| (!entry.is_folder, entry.name.to_lowercase()));
    all
}

fn gone() -> EngineError {
    let text = "this map is not kept any more; open its folder again";
    EngineError::Request(text.to_owned())
}

/// `|a - b| / sqrt(2 D)`.
fn distance(a: &Latent, b: &Latent) -> f64 {
    let pairs = a.iter().zip(b.iter());
    let squares: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares / (2.0 * a.dims() as f64)).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(level: &LevelEps) -> LevelReport {
    LevelReport {
        statistics: LevelStatistics::of(level),
        eps: Arc::new(picture_of_eps(level)),
    }
}

/// The channels beside each other in a square or nearly so, one pixel of dark between them.
fn picture_of_eps(level: &LevelEps) -> RgbImage {
    let side = level.side as u32;
    let columns = (level.channels as f64).sqrt().ceil().max(1.0) as u32;
    let rows = (level.channels as u32).div_ceil(columns).max(1);
    let size = |n: u32| n * (side + 1) - 1;
    let mut picture = RgbImage::from_pixel(size(columns), size(rows), Rgb([24, 24, 28]));
    for (i, v) in level.data.iter().enumerate() {
        let i = i as u32;
        let (channel, y, x) = (i / (side * side), i / side % side, i % side);
        let shade = (128.0 + 127.0 * v / WHITE).clamp(0.0, 255.0) as u8;
        let at = |of: u32, inside: u32| of * (side + 1) + inside;
        picture.put_pixel(
            at(channel % columns, x),
            at(channel / columns, y),
            Rgb([shade; 3]),
        );
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_eps_shows_every_channel() {
        let mut data = vec![0.0; 3 * 4];
        data[4..8].fill(3.0); // the second channel
        data[8..12].fill(-9.0); // the third
        let level = LevelEps {
            channels: 3,
            side: 2,
            data,
        };
        let picture = picture_of_eps(&level);
        assert_eq!(
            picture.dimensions(),
            (5, 5),
            "two by two, with a line between"
        );
        assert_eq!(picture.get_pixel(0, 0), &Rgb([128; 3]));
        assert_eq!(picture.get_pixel(3, 0), &Rgb([255; 3]));
        assert_eq!(picture.get_pixel(0, 3), &Rgb([0; 3]), "held at black");
    }
}
