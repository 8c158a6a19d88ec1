//! Folders that were encoded for the map, as the window knows them: kept while it is open and the model stays.

mod steer;

use std::path::PathBuf;

use super::document::name_of_path;
use crate::engine::message::{MapPicture, MapPlane, MapSpace, Ticket};

/// How far a map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapStage {
    /// Its pictures are on their way.
    #[default]
    Encoding,
    /// All are there.
    Done,
    /// It was given up; what had come is there.
    Cancelled,
}

/// A folder on the map.
#[derive(Clone, Debug, Default)]
pub struct FolderMap {
    /// The request that it came from; 0 names none.
    pub ticket: u64,
    /// The folder.
    pub folder: PathBuf,
    /// Pictures in it; 0 until it is listed.
    pub total: usize,
    /// Those that were encoded, in order of name.
    pub pictures: Vec<MapPicture>,
    /// Why others are left out.
    pub left_out: Vec<String>,
    /// Where they lie by their eps.
    pub eps: MapPlane,
    /// The same by their scores, where directions are open.
    pub scores: Option<MapPlane>,
    /// Names of the scores.
    pub score_names: Vec<String>,
    /// Tables in the folder and beside it.
    pub tables: Vec<PathBuf>,
    /// How far it is.
    pub stage: MapStage,
}

impl FolderMap {
    /// The request that it came from.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.ticket)
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        name_of_path(&self.folder)
    }

    /// Pictures that have a place.
    pub fn n_placed(&self) -> usize {
        self.eps.positions.len().min(self.pictures.len())
    }

    /// The share of its pictures that have fewer bits a dimension, between 0 and 1; of those that have as many, half count.
    /// `None` where there are none.
    pub fn percentile(&self, bits_per_dim: f64) -> Option<f64> {
        let bits = self.pictures.iter().map(|p| p.bits_per_dim);
        let (mut below, mut equal, mut n) = (0usize, 0usize, 0usize);
        for b in bits.filter(|b| b.is_finite()) {
            n += 1;
            below += usize::from(b < bits_per_dim);
            equal += usize::from(b == bits_per_dim);
        }
        (n > 0 && bits_per_dim.is_finite()).then(|| (below as f64 + 0.5 * equal as f64) / n as f64)
    }

    /// The space in which neighbours are looked for where this one is shown.
    pub fn space(&self, wanted: MapSpace) -> MapSpace {
        match self.scores {
            Some(_) => wanted,
            None => MapSpace::Eps,
        }
    }
}

/// All of them, newest last.
#[derive(Clone, Debug, Default)]
pub struct FolderMaps {
    known: Vec<FolderMap>,
}

impl FolderMaps {
    /// All, newest last.
    pub fn all(&self) -> &[FolderMap] {
        &self.known
    }

    /// That of a request.
    pub fn get(&self, ticket: Ticket) -> Option<&FolderMap> {
        self.known.iter().find(|map| map.ticket() == ticket)
    }

    fn get_mut(&mut self, ticket: Ticket) -> Option<&mut FolderMap> {
        self.known.iter_mut().find(|map| map.ticket() == ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_counts_what_lies_below() {
        let picture = |bits_per_dim| MapPicture {
            name: String::new(),
            path: None,
            thumbnail: Default::default(),
            bits_per_dim,
            scores: Vec::new(),
        };
        let map = FolderMap {
            pictures: [1.0, 2.0, 2.0, 3.0, f64::NAN].map(picture).into(),
            ..FolderMap::default()
        };
        assert_eq!(map.percentile(0.5), Some(0.0));
        assert_eq!(map.percentile(2.0), Some(0.5));
        assert_eq!(map.percentile(9.0), Some(1.0));
        assert_eq!(map.percentile(f64::NAN), None);
        assert_eq!(FolderMap::default().percentile(1.0), None);
    }
}
