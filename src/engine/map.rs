//! What the worker keeps of the folders on the map: a small record of each picture.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::error::EngineError;
use super::message::{
    FolderNews, LabelColumn, MAPS_KEPT, MapNeighbour, MapPlane, MapSpace, Ticket,
};
use crate::data::labels::LabelTable;
use crate::latent::cloud::{Plane, PointCloud, Sketch};
use crate::latent::{Latent, LatentShape};

/// Names of an axis that are said.
const WORDS: usize = 2;
/// An attribute counts for an axis where it adds at least this share of the largest.
const WORTH_A_WORD: f32 = 0.5;

/// What the worker keeps of a folder's pictures: the names, and their points.
pub(super) struct MapRecords {
    names: Vec<String>,
    sketch: Sketch,
    eps: PointCloud,
    /// The names of the scores and their points, where directions are open.
    scores: Option<(Vec<String>, PointCloud)>,
}

impl MapRecords {
    pub(super) fn new(shape: &LatentShape, scores: &[String]) -> Self {
        let sketch = Sketch::of(shape);
        // A plane needs two.
        let cloud = (scores.len() >= 2).then(|| PointCloud::new(scores.len(), true));
        Self {
            names: Vec::new(),
            eps: PointCloud::new(sketch.width(), false),
            sketch,
            scores: cloud.map(|cloud| (scores.to_vec(), cloud)),
        }
    }

    /// Bytes of a further picture, its name apart.
    #[cfg(test)]
    fn bytes_per_picture(&self) -> usize {
        let scores = self.scores.as_ref();
        self.eps.bytes_per_point() + scores.map_or(0, |(_, cloud)| cloud.bytes_per_point())
    }

    /// Pictures.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Takes a picture in; not where its latent is not finite.
    pub(super) fn add(&mut self, name: &str, latent: &Latent, scores: &[f32]) -> bool {
        let sketch = self.sketch.apply(latent);
        let are_finite = sketch.iter().chain(scores).all(|v| v.is_finite());
        if !are_finite || !self.eps.push(&sketch) {
            return false;
        }
        if let Some((_, cloud)) = &mut self.scores {
            cloud.push(scores);
        }
        self.names.push(name.to_owned());
        true
    }

    /// Where the pictures so far lie.
    pub(super) fn planes(&mut self) -> FolderNews {
        let scores = self.scores.as_mut().map(|(names, cloud)| {
            let plane = cloud.plane();
            let words = [0, 1].map(|k| words_of(&plane.loadings[k], names));
            map_plane(plane, words)
        });
        FolderNews::Planes {
            eps: map_plane(self.eps.plane(), Default::default()),
            scores,
        }
    }

    /// The pictures nearest one.
    pub(super) fn nearest(
        &self,
        picture: usize,
        space: MapSpace,
        count: usize,
    ) -> Vec<MapNeighbour> {
        let found = match (space, &self.scores) {
            (MapSpace::Scores, Some((names, cloud))) => cloud.nearest(picture, count, names.len()),
            _ => self.eps.nearest(picture, count, self.sketch.dims()),
        };
        let found = found.into_iter();
        found
            .map(|(picture, distance)| MapNeighbour { picture, distance })
            .collect()
    }

    /// What a table says of the pictures.
    pub(super) fn labels(&self, table: &Path) -> Result<Vec<LabelColumn>, EngineError> {
        let read = LabelTable::read(table)?;
        let columns = read.columns().iter().map(|column| {
            let value = |name: &String| read.value(name, column).unwrap_or(f32::NAN);
            LabelColumn {
                name: column.clone(),
                values: self.names.iter().map(value).collect(),
            }
        });
        let columns: Vec<LabelColumn> = columns.collect();
        let is_known = |column: &LabelColumn| column.values.iter().any(|v| v.is_finite());
        if !columns.iter().any(is_known) {
            return Err(EngineError::Request(format!(
                "the table says nothing of these pictures; its first column is to hold their file names: {}",
                table.display()
            )));
        }
        Ok(columns)
    }
}

fn map_plane(plane: Plane, words: [[String; 2]; 2]) -> MapPlane {
    MapPlane {
        positions: Arc::new(plane.positions),
        shares: plane.shares,
        words,
    }
}

/// What stands at the lower and the upper end of an axis of scores.
fn words_of(loadings: &[f32], names: &[String]) -> [String; 2] {
    let largest = loadings.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    [-1.0, 1.0].map(|sign| {
        let mut all: Vec<(f32, &String)> = loadings
            .iter()
            .map(|v| v * sign)
            .zip(names)
            .filter(|(v, _)| *v > 0.0 && *v >= WORTH_A_WORD * largest)
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let words = all.into_iter().take(WORDS).map(|(_, name)| name.as_str());
        words.collect::<Vec<&str>>().join(", ")
    })
}

/// The records of the newest maps.
#[derive(Default)]
pub(super) struct MapShelf(BTreeMap<Ticket, MapRecords>);

impl MapShelf {
    pub(super) fn get(&self, ticket: Ticket) -> Option<&MapRecords> {
        self.0.get(&ticket)
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut MapRecords> {
        self.0.get_mut(&ticket)
    }

    pub(super) fn add(&mut self, ticket: Ticket, records: MapRecords) {
        self.0.insert(ticket, records);
        while self.0.len() > MAPS_KEPT {
            self.0.pop_first();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::EpsShape;
    use crate::noise::Noise;

    #[test]
    fn the_record_of_a_picture_is_small_however_large_its_latent() {
        let shape = |side: usize| LatentShape {
            levels: vec![
                EpsShape {
                    channels: 9,
                    side: side / 2,
                },
                EpsShape {
                    channels: 12,
                    side: side / 4,
                },
                EpsShape {
                    channels: 48,
                    side: side / 8,
                },
            ],
            stages: 1,
            condition: 0,
        };
        let scores: Vec<String> = (0..40).map(|i| format!("attribute {i}")).collect();
        for side in [64, 128, 256] {
            let mut records = MapRecords::new(&shape(side), &scores);
            let bytes = |records: &MapRecords| {
                let scores = records
                    .scores
                    .as_ref()
                    .map_or(0, |(_, cloud)| cloud.bytes());
                records.eps.bytes() + scores
            };
            let empty = bytes(&records);
            for i in 0..10 {
                let latent = Latent::drawn(&shape(side), &mut Noise::new(i), 1.0);
                assert!(records.add("a.png", &latent, &[0.5; 40]));
            }
            let grown = bytes(&records) - empty;
            assert_eq!(grown, 10 * records.bytes_per_picture());
            assert!(records.bytes_per_picture() <= 2304, "{side}");
        }
    }

    #[test]
    fn an_axis_is_named_after_what_counts_most() {
        let names = ["male", "beard", "lipstick", "age"].map(str::to_owned);
        let words = words_of(&[-0.6, -0.4, 0.65, 0.1], &names);
        assert_eq!(words, ["male, beard", "lipstick"]);
        assert_eq!(words_of(&[], &[]), [String::new(), String::new()]);
    }

    #[test]
    fn a_latent_that_is_not_finite_spoils_nothing() {
        let shape = LatentShape {
            levels: vec![EpsShape {
                channels: 1,
                side: 2,
            }],
            stages: 0,
            condition: 0,
        };
        let mut records = MapRecords::new(&shape, &[]);
        let mut latent = Latent::zeros(&shape);
        assert!(records.add("a.png", &latent, &[]));
        latent.levels[0].data[2] = f32::NAN;
        assert!(!records.add("b.png", &latent, &[]));
        assert_eq!(records.names, ["a.png"]);
        assert!(matches!(
            records.planes(),
            FolderNews::Planes { scores: None, .. }
        ));
    }
}
