//! What the worker told, and what is on its way to it. Nothing here is stored.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::maps::FolderMaps;
pub use super::picture::Picture;
use crate::engine::message::{
    AttributeInfo, CropSquare, DirectionId, Inspection, ItemSource, ModelInfo, Recipe, Ticket, View,
};

/// Where a shelf item comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file or the clipboard.
    Photo,
    /// A sample or an edit.
    Sample,
}

/// How far a shelf item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemStatus {
    /// The worker has it in hand.
    Busy,
    /// It has a latent.
    Ready,
    /// It cannot be drawn now, and why: its photo or its model is not there. It keeps its place.
    Failed(String),
}

/// How a photo was framed before a hand moved the square.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Framing {
    /// The square first proposed.
    pub proposal: CropSquare,
    /// Whether a face led to it.
    pub face_found: bool,
}

/// An imported picture, before the model.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The whole picture, upright, small.
    pub preview: Picture,
    /// Size of the original, in whose pixels crops are measured.
    pub size: [u32; 2],
    /// The crop in use.
    pub crop: CropSquare,
    /// The crop first proposed.
    pub proposal: CropSquare,
    /// Whether the proposal came from a face.
    pub face_found: bool,
    /// What was left out or ignored when it was read.
    pub notes: Vec<String>,
}

impl Photo {
    /// Whether the proposal is the picture as it is.
    pub fn is_whole(&self) -> bool {
        let [width, height] = self.size;
        width == height && self.proposal == CropSquare::centred(width, height)
    }
}

/// The live side of a shelf entry.
#[derive(Clone, Debug)]
pub struct Item {
    /// Photo or sample.
    pub origin: Origin,
    /// Where it comes from, as a session keeps it; the crop stands in the document.
    pub source: ItemSource,
    /// Whether it has been more than a wish: it stays on the shelf, whatever cannot be read of it.
    pub lasting: bool,
    /// Whether the worker has it, be it only its name: then it answers for it when a model opens.
    pub known: bool,
    /// Why its photo cannot be shown, though its latent is there.
    pub missing: Option<String>,
    /// How far it is.
    pub status: ItemStatus,
    /// What its latent decodes to.
    pub thumbnail: Option<Picture>,
    /// Its figures.
    pub inspection: Option<Inspection>,
    /// The source picture, for photos.
    pub photo: Option<Photo>,
    /// How it was framed at first, for a photo from a session.
    pub framing: Option<Framing>,
    /// Whether the worker has a latent for it, whatever it is busy with now.
    pub has_latent: bool,
}

impl Item {
    /// An item that the worker was told of just now.
    pub fn new(source: ItemSource) -> Self {
        let origin = match source {
            ItemSource::Photo { .. } => Origin::Photo,
            ItemSource::Recipe(_) | ItemSource::Latent => Origin::Sample,
        };
        Self {
            origin,
            source,
            lasting: false,
            known: false,
            missing: None,
            status: ItemStatus::Busy,
            thumbnail: None,
            inspection: None,
            photo: None,
            framing: None,
            has_latent: false,
        }
    }
}

/// A picture in a cell, and what it shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What it shows.
    pub recipe: Recipe,
    /// The picture.
    pub picture: Picture,
    /// Whether it is a draft, which gives way to the exact picture once nothing moves.
    pub draft: bool,
}

/// A render on its way.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The request.
    pub ticket: Ticket,
    /// What was asked for.
    pub cells: BTreeMap<u32, Recipe>,
    /// Cells answered so far.
    pub answered: usize,
    /// Whether drafts were asked for.
    pub draft: bool,
}

/// One view's pictures.
#[derive(Clone, Debug, Default)]
pub struct ViewState {
    /// The picture of each cell; an old one stays until the new one is there.
    pub shown: BTreeMap<u32, Shown>,
    /// The request on its way.
    pub in_flight: Option<Flight>,
    /// What failed last; not asked for again until something changes.
    pub failed: Option<BTreeMap<u32, Recipe>>,
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For information.
    Info,
    /// Something was done.
    Done,
    /// Something that should be read.
    Notice,
    /// Something failed.
    Error,
}

/// Messages that stand on the screen at once.
const TOASTS: usize = 3;

/// A line of the message log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// How serious.
    pub level: LogLevel,
    /// The message.
    pub text: String,
}

/// Work that reports how far it is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The request, for cancel.
    pub ticket: Option<Ticket>,
    /// What is being done.
    pub what: String,
    /// Done.
    pub done: usize,
    /// Of.
    pub total: usize,
}

/// What the worker told, and what is on its way to it.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The open model.
    pub model: Option<ModelInfo>,
    /// Whether a model is being opened.
    pub opening: bool,
    /// The build that is under way.
    pub building: Option<Ticket>,
    /// The built directions that the worker was last told to have open.
    pub arranged: Vec<(DirectionId, String)>,
    /// The open directions.
    pub attributes: Vec<AttributeInfo>,
    /// Pictures of each view.
    pub views: HashMap<View, ViewState>,
    /// Figures known by recipe, newest last.
    pub inspections: VecDeque<(Recipe, Inspection)>,
    /// Figures asked for.
    pub inspecting: Option<(Ticket, Recipe)>,
    /// A recipe whose figures could not be had.
    pub inspect_failed: Option<Recipe>,
    /// What else was asked and answered.
    pub answers: Answers,
    /// Folders that were encoded for the map.
    pub maps: FolderMaps,
    /// Decode times, milliseconds, newest last.
    pub decode_ms: VecDeque<f32>,
    /// Requests waiting in the worker.
    pub waiting: usize,
    /// Work under way.
    pub progress: Option<Progress>,
    /// Exports under way.
    pub exporting: Vec<(Ticket, PathBuf)>,
    /// The export that was given up last; the worker confirms it as a failure.
    pub cancelled: Option<Ticket>,
    /// Messages, newest last.
    pub log: VecDeque<LogLine>,
    /// Those that stand on the screen until they are closed.
    pub toasts: VecDeque<LogLine>,
}

impl Live {
    /// Puts a message on the screen. What stands there already is not said twice, and old ones give way.
    pub(super) fn toast(&mut self, line: LogLine) {
        self.toasts.retain(|l| l.text != line.text);
        self.toasts.push_back(line);
        while self.toasts.len() > TOASTS {
            self.toasts.pop_front();
        }
    }
}
