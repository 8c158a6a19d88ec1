//! A folder encoded in the background, a picture at a time, for the map: of each only a small record stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::error::EngineError;
use super::library::Library;
use super::map::MapRecords;
use super::message::{Event, FolderNews, MapPicture, Ticket};
use super::seams::Cancelled;
use crate::data::batches::PictureSet;
use crate::data::folder;
use crate::latent::attributes::Directions;

/// Pixels a side of a picture on the map.
pub(super) const THUMBNAIL: u32 = 48;
/// Pictures until the first plane; it is laid anew at each doubling, and after so many at the latest.
const FIRST_PLANE: usize = 8;
const PLANE_EVERY: usize = 256;
/// Endings of tables.
const TABLES: [&str; 4] = ["csv", "tsv", "txt", "tab"];

/// A folder under way.
pub(super) struct FolderJob {
    pub(super) ticket: Ticket,
    pub(super) path: PathBuf,
    /// Pictures that made the program panic.
    pub(super) faults: usize,
    going: Option<Going>,
}

struct Going {
    pictures: PictureSet,
    /// Those that were open when it began, so that all scores mean the same.
    directions: Directions,
    next: usize,
    next_plane: usize,
}

/// What a step came to, and whether it was the last.
pub(super) struct FolderStep {
    pub(super) news: Vec<FolderNews>,
    pub(super) finished: bool,
}

impl FolderJob {
    pub(super) fn new(ticket: Ticket, path: PathBuf) -> Self {
        Self {
            ticket,
            path,
            faults: 0,
            going: None,
        }
    }

    /// Pictures looked at, of how many.
    pub(super) fn progress(&self) -> (usize, usize) {
        let going = self.going.as_ref();
        going.map_or((0, 0), |g| (g.next, g.pictures.len()))
    }

    /// The picture that the last step was about.
    pub(super) fn last_name(&self) -> String {
        let going = self.going.as_ref();
        let name = going.and_then(|g| g.pictures.name(g.next.checked_sub(1)?));
        let path = name.map_or_else(|| self.path.clone(), |name| self.path.join(name));
        path.display().to_string()
    }

    /// Lists the folder, or encodes its next picture.
    pub(super) fn step(
        &mut self,
        library: &mut Library,
        cancelled: Cancelled<'_>,
    ) -> Result<FolderStep, EngineError> {
        let Some(going) = &mut self.going else {
            let news = self.begin(library)?;
            return Ok(FolderStep {
                news: vec![news],
                finished: false,
            });
        };
        let at = going.next;
        let Some(name) = going.pictures.name(at).map(str::to_owned) else {
            return Ok(self.finish(library));
        };
        // First: a picture that makes it panic must not come up again.
        going.next += 1;
        let mut news = Vec::new();
        match going.encode(at, &name, &self.path, self.ticket, library, cancelled) {
            Ok(picture) => news.push(FolderNews::Picture(Box::new(picture))),
            Err(EngineError::Cancelled) => {
                going.next = at;
                return Err(EngineError::Cancelled);
            }
            Err(error) => news.push(FolderNews::LeftOut(self.naming(&name, &error.to_string()))),
        }
        if let (Some(going), Some(map)) = (&mut self.going, library.map_mut(self.ticket))
            && map.len() >= going.next_plane
        {
            going.next_plane += going.next_plane.min(PLANE_EVERY);
            news.push(map.planes());
        }
        Ok(FolderStep {
            news,
            finished: false,
        })
    }

    /// A message that names the file, once.
    fn naming(&self, name: &str, why: &str) -> String {
        let path = self.path.join(name).display().to_string();
        match why.contains(&path) {
            true => why.to_owned(),
            false => format!("{why}: {path}"),
        }
    }

    fn begin(&mut self, library: &mut Library) -> Result<FolderNews, EngineError> {
        let size = library.config()?.image_size;
        let pictures = PictureSet::open(&self.path, None, size, 3)?
            .with_memory_budget(0)
            .with_faces_framed(true);
        let directions = library.directions().clone();
        let names = directions.as_slice().iter().map(|d| d.name.clone());
        let scores: Vec<String> = names.collect();
        library.add_map(self.ticket, MapRecords::new(library.shape()?, &scores));
        let news = FolderNews::Begun {
            folder: self.path.clone(),
            total: pictures.len(),
            scores,
            tables: tables_beside(&self.path),
        };
        self.going = Some(Going {
            pictures,
            directions,
            next: 0,
            next_plane: FIRST_PLANE,
        });
        Ok(news)
    }

    /// What is said of all pictures in the end, also where it was given up.
    pub(super) fn last_news(&self, library: &mut Library, cancelled: bool) -> Vec<FolderNews> {
        let planes = library.map_mut(self.ticket).map(MapRecords::planes);
        let done = FolderNews::Done { cancelled };
        planes.into_iter().chain([done]).collect()
    }

    fn finish(&self, library: &mut Library) -> FolderStep {
        FolderStep {
            news: self.last_news(library, false),
            finished: true,
        }
    }
}

impl Going {
    fn encode(
        &self,
        at: usize,
        name: &str,
        folder: &Path,
        ticket: Ticket,
        library: &mut Library,
        cancelled: Cancelled<'_>,
    ) -> Result<MapPicture, EngineError> {
        let side = self.pictures.size() as u32;
        let pixels = self.pictures.get(at)?;
        let broken =
            || EngineError::Request("the picture has another size than asked for".to_owned());
        let pixels = RgbImage::from_raw(side, side, pixels).ok_or_else(broken)?;
        let encoded = library.encode_for_map(&pixels, cancelled)?;
        let scores = self.directions.project_all(&encoded.latent)?;
        let is_kept = library
            .map_mut(ticket)
            .is_some_and(|map| map.add(name, &encoded.latent, &scores));
        if !is_kept {
            let text = "the model has no finite latent for it";
            return Err(EngineError::Request(text.to_owned()));
        }
        // A member of a tar archive is no file that could be opened.
        let path = folder.join(name);
        Ok(MapPicture {
            name: name.to_owned(),
            path: (!name.contains(".tar/")).then_some(path),
            thumbnail: Arc::new(thumbnail(&pixels)),
            bits_per_dim: encoded.bits_per_dim,
            scores,
        })
    }
}

fn thumbnail(pixels: &RgbImage) -> RgbImage {
    match pixels.width() {
        THUMBNAIL => pixels.clone(),
        _ => imageops::resize(pixels, THUMBNAIL, THUMBNAIL, FilterType::Triangle),
    }
}

/// Tables in a folder and beside it, those inside first. What cannot be listed has none.
fn tables_beside(path: &Path) -> Vec<PathBuf> {
    let is_table = |name: &String| {
        let ending = Path::new(name).extension().and_then(|e| e.to_str());
        ending.is_some_and(|e| TABLES.iter().any(|t| t.eq_ignore_ascii_case(e)))
    };
    let tables_in = |folder: &Path| -> Vec<PathBuf> {
        let others = folder::list(folder).map(|listing| listing.others);
        let names = others.unwrap_or_default().into_iter().filter(is_table);
        names.map(|name| folder.join(name)).collect()
    };
    let mut tables = tables_in(path);
    let parent = path
        .parent()
        .map(|parent| match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        });
    tables.extend(parent.map(tables_in).unwrap_or_default());
    tables
}

/// The news of a map, as the window gets them.
pub(super) fn events(ticket: Ticket, news: Vec<FolderNews>) -> impl Iterator<Item = Event> {
    news.into_iter()
        .map(move |news| Event::Folder { ticket, news })
}
