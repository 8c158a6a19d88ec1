//! A folder's pictures as they come onto the shelf.

use super::{ASKED_ABOVE, FolderImport};
use crate::app::dialog::{Dialog, FolderForm};
use crate::app::document::name_of_path;
use crate::app::state::{ItemStatus, LogLevel, Selection, State, Tab};
use crate::engine::message::{Command, FolderListing, ItemId, PictureSource, Ticket};

/// What was left out is named one by one up to here.
const NAMED: usize = 10;

impl State {
    /// A folder was listed: its pictures come onto the shelf, after a question where they are very many.
    pub(crate) fn folder_read(
        &mut self,
        ticket: Option<Ticket>,
        listing: FolderListing,
    ) -> Vec<Command> {
        if ticket.is_none() && self.tab == Tab::Map {
            return self.open_map(listing.folder); // it was dropped there
        }
        if listing.pictures.len() > ASKED_ABOVE {
            self.dialog = Some(Dialog::Folder(FolderForm { listing }));
            return Vec::new();
        }
        self.open_folder(listing, usize::MAX)
    }

    /// Imports the pictures of a folder, the first `most` of them.
    pub(crate) fn open_folder(&mut self, listing: FolderListing, most: usize) -> Vec<Command> {
        let FolderListing {
            folder,
            pictures,
            others,
            folders,
        } = listing;
        self.remember_folder(&folder);
        let before = self.doc.shelf.len();
        let paths = pictures.iter().take(most).map(|name| folder.join(name));
        let sources = paths.map(PictureSource::Path).collect();
        let commands = self.import_as_they_are(sources);
        let items: Vec<ItemId> = self.doc.shelf.iter().skip(before).map(|e| e.id).collect();
        if let Some(first) = items.first() {
            self.selection = Selection::Item(*first);
        }
        let others = others.into_iter().map(|name| format!("{name}: no picture"));
        let left_out = others.collect();
        if !folders.is_empty() {
            let text = match folders.len() {
                1 => "1 folder inside is not read".to_owned(),
                n => format!("{n} folders inside are not read"),
            };
            self.log(LogLevel::Info, format!("{text}: {}", folder.display()));
        }
        self.folders.push(FolderImport {
            folder,
            waiting: items.clone(),
            items,
            left_out,
            cancelled: false,
        });
        commands
    }

    /// Whether an item came with its folder: then what is to be said of it is said of the folder, once.
    pub(crate) fn comes_with_a_folder(&self, id: ItemId) -> bool {
        self.folders.iter().any(|f| f.waiting.contains(&id))
    }

    /// A picture of a folder is left out.
    pub(crate) fn left_out_of_folder(&mut self, id: ItemId, why: &str) {
        let folder = self.folders.iter_mut().find(|f| f.waiting.contains(&id));
        if let Some(folder) = folder {
            folder.left_out.push(why.to_owned());
        }
    }

    /// What had no latent yet was given up.
    pub(crate) fn folders_cancelled(&mut self) {
        for folder in &mut self.folders {
            folder.cancelled = true;
        }
    }

    /// Says what came of the folders whose pictures are all there.
    pub(crate) fn folders_settled(&mut self) {
        let items = &self.items;
        let is_busy = |id: &ItemId| items.get(id).is_some_and(|i| i.status == ItemStatus::Busy);
        for folder in &mut self.folders {
            folder.waiting.retain(is_busy);
        }
        let (done, going): (Vec<FolderImport>, Vec<FolderImport>) =
            std::mem::take(&mut self.folders)
                .into_iter()
                .partition(|f| f.waiting.is_empty());
        self.folders = going;
        for folder in done {
            self.tell_of_folder(&folder);
        }
    }

    fn tell_of_folder(&mut self, folder: &FolderImport) {
        let n = folder.items.iter().filter(|id| self.is_ready(**id)).count();
        let FolderImport {
            folder: path,
            items,
            left_out,
            cancelled,
            ..
        } = folder;
        for why in left_out.iter().take(NAMED) {
            self.log(LogLevel::Info, format!("left out: {why}"));
        }
        if left_out.len() > NAMED {
            let text = format!("left out: and {} more", left_out.len() - NAMED);
            self.log(LogLevel::Info, text);
        }
        let name = name_of_path(path);
        let mut text = format!("opened {n} of {} pictures of {name}", items.len());
        if *cancelled {
            text += ", then cancelled";
        }
        let left_out = match left_out.as_slice() {
            [] => String::new(),
            [why] => format!("; left out: {why}"),
            all => format!("; left out {}, named under Help > Messages", all.len()),
        };
        let level = match left_out.is_empty() {
            true => LogLevel::Done,
            false => LogLevel::Notice,
        };
        self.log(level, text + &left_out);
    }
}
