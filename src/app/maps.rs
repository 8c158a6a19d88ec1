//! Folders that were encoded for the map, as the window knows them: kept while it is open and the model stays.

use std::path::{Path, PathBuf};

use super::shelf::condition_command;
use super::state::{LogLevel, State, Tab};
use crate::engine::message::{
    Command, FolderNews, ItemId, ItemSource, MAPS_KEPT, MapPicture, MapPlane, MapSpace,
    PictureSource, Ticket,
};

/// Folders, and pictures, that are offered again.
const RECENT_KEPT: usize = 8;

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
        super::apply::name_of_path(&self.folder)
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

impl State {
    /// The map that is shown: the one that was chosen, or else the newest.
    pub fn shown_map(&self) -> Option<&FolderMap> {
        let chosen = self.desks.map.open.and_then(|t| self.live.maps.get(t));
        chosen.or(self.live.maps.all().last())
    }

    /// Shows a folder on the map; it is encoded unless it is there already.
    pub(super) fn open_map(&mut self, folder: PathBuf) -> Vec<Command> {
        self.dialog = None;
        self.tab = Tab::Map;
        let is_it = |map: &&FolderMap| map.folder == folder && map.stage != MapStage::Cancelled;
        if let Some(map) = self.live.maps.all().iter().find(is_it) {
            self.desks.map.open = Some(map.ticket());
            self.desks.map.picked = None;
            return Vec::new();
        }
        let ticket = self.fresh();
        let maps = &mut self.live.maps.known;
        maps.retain(|map| map.folder != folder);
        maps.push(FolderMap {
            ticket,
            folder: folder.clone(),
            ..FolderMap::default()
        });
        let too_many = maps.len().saturating_sub(MAPS_KEPT);
        let gone: Vec<FolderMap> = maps.drain(..too_many).collect();
        let desk = &mut self.desks.map;
        (desk.open, desk.picked, desk.table) = (Some(Ticket(ticket)), None, None);
        let under_way = gone.iter().filter(|map| map.stage == MapStage::Encoding);
        let mut commands: Vec<Command> =
            under_way.map(|map| Command::Cancel(map.ticket())).collect();
        commands.extend(condition_command(self));
        commands.push(Command::EncodeFolder {
            ticket: Ticket(ticket),
            path: folder,
        });
        commands
    }

    pub(super) fn folder_news(&mut self, ticket: Ticket, news: FolderNews) {
        let Some(map) = self.live.maps.get_mut(ticket) else {
            return;
        };
        match news {
            FolderNews::Begun {
                folder,
                total,
                scores,
                tables,
            } => {
                (map.total, map.score_names, map.tables) = (total, scores, tables);
                self.remember_folder(&folder);
            }
            FolderNews::Picture(picture) => map.pictures.push(*picture),
            FolderNews::LeftOut(why) => map.left_out.push(why),
            FolderNews::Planes { eps, scores } => (map.eps, map.scores) = (eps, scores),
            FolderNews::Done { cancelled } => {
                map.stage = match cancelled {
                    true => MapStage::Cancelled,
                    false => MapStage::Done,
                };
                let (n, total) = (map.pictures.len(), map.total);
                let left_out = match map.left_out.as_slice() {
                    [] => String::new(),
                    [why] => format!("; left out: {why}"),
                    all => format!("; left out {}, named beside the map", all.len()),
                };
                let name = map.name();
                let (word, level) = match (cancelled, left_out.is_empty()) {
                    (true, _) => ("mapped, then cancelled:", LogLevel::Info),
                    (false, true) => ("mapped", LogLevel::Done),
                    // The screen says so itself.
                    (false, false) => ("mapped", LogLevel::Info),
                };
                self.live.progress = None;
                self.log(
                    level,
                    format!("{word} {n} of {total} pictures of {name}{left_out}"),
                );
            }
        }
    }

    /// A map came to nothing, or no further. What has come stays.
    pub(super) fn map_failed(&mut self, ticket: Ticket) {
        let maps = &mut self.live.maps.known;
        maps.retain(|map| map.ticket() != ticket || !map.pictures.is_empty());
        if let Some(map) = self.live.maps.get_mut(ticket) {
            map.stage = MapStage::Cancelled;
        }
    }

    /// Offers a picture's file again.
    pub(super) fn remember_picture(&mut self, item: ItemId) {
        let source = self.items.get(&item).map(|item| &item.source);
        let Some(ItemSource::Photo {
            source: PictureSource::Path(path),
            ..
        }) = source
        else {
            return;
        };
        let path = path.clone();
        self.recent_pictures.retain(|p| *p != path);
        self.recent_pictures.insert(0, path);
        self.recent_pictures.truncate(RECENT_KEPT);
    }

    /// Offers a folder again.
    pub(super) fn remember_folder(&mut self, folder: &Path) {
        self.recent_folders.retain(|p| p != folder);
        self.recent_folders.insert(0, folder.to_owned());
        self.recent_folders.truncate(RECENT_KEPT);
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
