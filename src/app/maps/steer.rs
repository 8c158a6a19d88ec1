//! What a person's wishes and the worker's news do to the maps.

use std::path::{Path, PathBuf};

use super::{FolderMap, MapStage};
use crate::app::shelf::condition_command;
use crate::app::state::{LogLevel, State, Tab};
use crate::engine::message::{
    Command, FolderNews, ItemId, ItemSource, MAPS_KEPT, PictureSource, Ticket,
};

/// Folders, and pictures, that are offered again.
const RECENT_KEPT: usize = 8;

impl State {
    /// The map that is shown: the one that was chosen, or else the newest.
    pub fn shown_map(&self) -> Option<&FolderMap> {
        let chosen = self.desks.map.open.and_then(|t| self.live.maps.get(t));
        chosen.or(self.live.maps.all().last())
    }

    /// Shows a folder on the map; it is encoded unless it is there already.
    pub(crate) fn open_map(&mut self, folder: PathBuf) -> Vec<Command> {
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

    pub(crate) fn folder_news(&mut self, ticket: Ticket, news: FolderNews) {
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
    pub(crate) fn map_failed(&mut self, ticket: Ticket) {
        let maps = &mut self.live.maps.known;
        maps.retain(|map| map.ticket() != ticket || !map.pictures.is_empty());
        if let Some(map) = self.live.maps.get_mut(ticket) {
            map.stage = MapStage::Cancelled;
        }
    }

    /// Offers a picture's file again.
    pub(crate) fn remember_picture(&mut self, item: ItemId) {
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
    pub(crate) fn remember_folder(&mut self, folder: &Path) {
        self.recent_folders.retain(|p| p != folder);
        self.recent_folders.insert(0, folder.to_owned());
        self.recent_folders.truncate(RECENT_KEPT);
    }
}
