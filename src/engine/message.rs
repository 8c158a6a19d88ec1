//! `Command` and `Event`: plain data, the whole contract between the window and the worker.
//!
//! The window names things by ids that it hands out itself ([`ItemId`], [`Ticket`]), so that it can
//! refer to a picture before the worker has seen it; it never holds a latent or a tensor.

mod training;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;
use serde::{Deserialize, Serialize};

pub use super::examples::{
    BuildReport, BuildRequest, ColumnCount, DirectionId, ExampleCounts, ExampleSource, FindBy,
};
pub use crate::data::{CropSquare, FolderListing, PictureSource};
pub use crate::export::Rate;
pub use crate::files::import::Options as ModelOptions;
pub use crate::latent::Condition;
use crate::latent::LatentShape;
pub use crate::latent::attributes::AttributeEdit;
pub use crate::latent::attributes::compare::Method;
pub use crate::latent::interpolate::{Easing, PathKind};
pub use crate::latent::statistics::LevelStatistics;
pub use crate::latent::timeline::{PlayMode, Timeline};
pub use crate::model::Fingerprint;
use crate::model::GlowConfig;
pub use crate::model::WalkStep;
pub use crate::model::{Permutation, ScaleFunction};
pub use crate::recipe::{ItemId, Recipe};
pub use training::*;

/// Names one request; answers carry it back, and the window drops those it no longer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// A part of the screen with one live request at a time: a newer render for it replaces the older. The window
/// hands out the numbers; the worker only tells one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View(pub u32);

/// What an export writes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExportKind {
    /// One picture, or several in one grid with this many columns and a gap in pixels.
    Grid {
        /// Columns.
        columns: u32,
        /// Gap between cells, pixels of the output.
        gap: u32,
        /// A label under each cell (empty: none).
        labels: Vec<String>,
    },
    /// A numbered PNG for each recipe, in the folder that the path names.
    Frames,
    /// A film, in the format that the path's ending says.
    Film {
        /// For each frame, the place of its recipe: what comes up twice is drawn once.
        order: Vec<usize>,
        /// How fast frames follow each other.
        rate: Rate,
        /// A label under each picture (empty: none).
        labels: Vec<String>,
    },
    /// The latents themselves as safetensors.
    Latents,
    /// The photo that the one recipe starts from, at its full size, with what the recipe changes in it: JPEG or PNG.
    Photo {
        /// Quality of a JPEG, 1 to 100.
        quality: u8,
    },
}

/// A file to write.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRequest {
    /// What is drawn, in order.
    pub recipes: Vec<Recipe>,
    /// How it is laid out.
    pub kind: ExportKind,
    /// Enlargement of each picture, 1 or more, nearest neighbour or smooth by the exporter's choice.
    pub scale: u32,
    /// The file (or the folder, for frames).
    pub path: PathBuf,
}

/// The `format` of a session file.
pub const SESSION_FORMAT: &str = "glow-explorer-session/1";

/// A photo as a session file names it: it is read again from its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPhoto {
    /// Its file. A name without folders lies beside the session: a picture that came from no file.
    pub path: PathBuf,
    /// Its crop; `None` where none was decided yet.
    pub crop: Option<CropSquare>,
    /// The crop of its stored latent, where that is an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent_crop: Option<CropSquare>,
    /// Given which it was encoded.
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    pub condition: Condition,
}

impl StoredPhoto {
    /// Where it lies, for the session at `path`.
    pub fn place(&self, path: &Path) -> PathBuf {
        match self.path.file_name() {
            Some(name) if name == self.path => path.with_file_name(name),
            _ => self.path.clone(),
        }
    }
}

/// A shelf item in a session file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredItem {
    /// Its id when it was written; recipes in the same file name it by that.
    pub id: ItemId,
    /// For people.
    pub name: String,
    /// Its row in the latents file, where it had a latent.
    pub latent: Option<usize>,
    /// The latents file of that row, where it is not the session's own: that of another model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents: Option<String>,
    /// The photo that it comes from.
    pub photo: Option<StoredPhoto>,
    /// What it is the latent of, where it was pinned and its latent was not there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
}

/// The model that a session was made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredModel {
    /// For people.
    pub name: String,
    /// Its file; `None` is the shipped one.
    pub path: Option<PathBuf>,
    /// What tells it from another training of the same shape; older files do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// What was said of it, where its file does not say everything.
    #[serde(default, skip_serializing_if = "ModelOptions::is_empty")]
    pub answers: ModelOptions,
}

/// Latents of a session that belong to another model than it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredLatents {
    /// Name of the latents file, in the same folder.
    pub file: String,
    /// Their model.
    pub model: StoredModel,
}

/// A session file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionFile {
    /// [`SESSION_FORMAT`].
    pub format: String,
    /// The model that was open.
    pub model: Option<StoredModel>,
    /// Name of the latents file, in the same folder; `None` where there are no latents.
    pub latents: Option<String>,
    /// Latents files of other models, in the same folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<StoredLatents>,
    /// Files with the directions that were built here, one for each model, in the same folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directions: Vec<StoredLatents>,
    /// The items.
    pub items: Vec<StoredItem>,
    /// What the window wants to find again; the worker does not look into it.
    pub window: serde_json::Value,
}

/// What the worker does not know of an item that a session keeps, or not yet.
#[derive(Clone, Debug)]
pub enum ItemSource {
    /// A picture was imported.
    Photo {
        /// Where from.
        source: PictureSource,
        /// The crop that it is to have; `None` where none was decided yet.
        crop: Option<CropSquare>,
    },
    /// A recipe was pinned.
    Recipe(Recipe),
    /// All there is of it is a latent.
    Latent,
}

/// An item that goes into a session.
#[derive(Clone, Debug)]
pub struct KeptItem {
    /// The item.
    pub id: ItemId,
    /// Its name on the shelf.
    pub name: String,
    /// Where it comes from.
    pub source: ItemSource,
}

/// How the open model and what lies on the disk stand to a session that was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fit {
    /// Items that have a latent which the open model decodes.
    pub ready: Vec<ItemId>,
    /// Items that keep their place, but cannot be drawn now, and why.
    pub waiting: Vec<(ItemId, String)>,
    /// Why the session is not whole: its model is not the open one, or its latents cannot be read.
    pub lacks: Option<String>,
}

/// What the window asks of the worker.
#[derive(Clone, Debug)]
pub enum Command {
    /// Load a weight file, or the shipped one. Items are encoded anew where the model differs.
    OpenModel(Option<PathBuf>),
    /// Load a model of another program, given what its file does not say, as the answer to [`Event::ModelAsks`].
    OpenModelAs {
        /// The file.
        path: PathBuf,
        /// What it does not say.
        options: ModelOptions,
    },
    /// Show what a file would come to with these options: another [`Event::ModelAsks`]. The open model stays.
    TryModel {
        /// The file.
        path: PathBuf,
        /// What it does not say.
        options: ModelOptions,
    },
    /// Load directions for the open model; the file beside the weights is loaded by itself.
    OpenAttributes(PathBuf),
    /// Build directions from examples: batch work, answered by [`Event::Built`].
    Build {
        /// The request.
        ticket: Ticket,
        /// What is wanted.
        request: Box<BuildRequest>,
    },
    /// Which of the directions that were built here are open, in which order and by which names.
    ArrangeDirections(Vec<(DirectionId, String)>),
    /// Write the open directions to a file.
    SaveDirections {
        /// The request.
        ticket: Ticket,
        /// The file.
        path: PathBuf,
        /// Whether only those that were built here are written.
        only_built: bool,
    },
    /// Read a picture, propose a crop (a face where one is found) and encode it under `item`.
    Import {
        /// Its id from now on.
        item: ItemId,
        /// The picture.
        source: PictureSource,
        /// The crop, where it is known; else one is proposed.
        crop: Option<CropSquare>,
    },
    /// Say what pictures a folder holds; none is read yet.
    ReadFolder {
        /// The request.
        ticket: Ticket,
        /// The folder.
        path: PathBuf,
    },
    /// Encode all pictures of a folder for a map; none comes onto the shelf. [`Event::Folder`] tells of them one by one.
    EncodeFolder {
        /// The request.
        ticket: Ticket,
        /// The folder, or a tar archive of pictures.
        path: PathBuf,
    },
    /// Encode an imported picture again with another crop.
    Recrop {
        /// The picture.
        item: ItemId,
        /// The new crop.
        crop: CropSquare,
    },
    /// Photos that come from now on are encoded given this.
    SetCondition(Condition),
    /// Give an item another condition: a photo is encoded anew, another latent decodes to another picture.
    Give {
        /// The item.
        item: ItemId,
        /// What it is given.
        condition: Condition,
    },
    /// Keep the latent of a recipe under a new id.
    Pin {
        /// Its id from now on.
        item: ItemId,
        /// What is kept.
        recipe: Recipe,
    },
    /// Forget items.
    Forget(Vec<ItemId>),
    /// Draw recipes for a view; answers come cell by cell, in the order given here.
    Render {
        /// The view.
        view: View,
        /// The request.
        ticket: Ticket,
        /// Cell number and recipe, those wanted first in front.
        cells: Vec<(u32, Recipe)>,
        /// Whether drafts will do: the request is followed by another once the view rests, as after a slider's move.
        draft: bool,
    },
    /// Likelihood, norms and round trip of a recipe's picture.
    Inspect {
        /// The request.
        ticket: Ticket,
        /// What is inspected.
        recipe: Recipe,
    },
    /// Something that the window wants to know; a newer question of the same kind replaces it.
    Ask {
        /// The request.
        ticket: Ticket,
        /// What it wants to know.
        question: Question,
    },
    /// Write a file.
    Export {
        /// The request.
        ticket: Ticket,
        /// What and where.
        request: ExportRequest,
    },
    /// Write a session file and its latents beside it, each replacing an older one atomically.
    SaveSession {
        /// The request.
        ticket: Ticket,
        /// The session file.
        path: PathBuf,
        /// The items that go in.
        items: Vec<KeptItem>,
        /// The model that the session belongs to, where that is not the open one.
        model: Option<StoredModel>,
        /// What the window wants to find again.
        window: serde_json::Value,
    },
    /// Read a session file; nothing changes yet.
    OpenSession {
        /// The request.
        ticket: Ticket,
        /// The session file.
        path: PathBuf,
    },
    /// Put the items of a session on the shelf, with their latents; photos are read again for their previews.
    RestoreItems {
        /// The request.
        ticket: Ticket,
        /// The session file.
        path: PathBuf,
        /// What it holds, without the window's part.
        session: Box<SessionFile>,
        /// The items, each under its id from now on; recipes name items by those ids.
        items: Vec<(ItemId, StoredItem)>,
    },
    /// Look for the settings that a picture of this program's own carries.
    Inquire {
        /// The id that the picture would have.
        item: ItemId,
        /// The picture.
        path: PathBuf,
    },
    /// Train a model of one's own, on a thread of its own.
    Train(TrainCommand),
    /// Give up a request (export, import by `Ticket`-less items is cancelled by `Forget`).
    Cancel(Ticket),
}

/// What the window can ask beside pictures and figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// How standard normal each level of a recipe's latent is.
    Levels(Recipe),
    /// What a recipe's decode comes to after each step of the flow.
    Walk(Recipe),
    /// A part of the photo that a recipe starts from, as it is and with what the recipe changes in it.
    Photo {
        /// The edit.
        recipe: Recipe,
        /// The part.
        part: PhotoPart,
    },
    /// For each of these items, which other one lies nearest.
    Neighbours(Vec<ItemId>),
    /// The pictures of a map that lie nearest one of them.
    MapNeighbours {
        /// The request that the map came from.
        map: Ticket,
        /// The picture, by its place.
        picture: usize,
        /// What near means.
        space: MapSpace,
        /// How many pictures there were when it was asked.
        pictures: usize,
    },
    /// What a table says of the pictures of a map.
    MapLabels {
        /// The request that the map came from.
        map: Ticket,
        /// The table.
        table: PathBuf,
        /// How many pictures there were when it was asked: more have come where this is not all.
        pictures: usize,
    },
    /// What lies in a folder, for a path that is being typed.
    Entries {
        /// The folder.
        folder: PathBuf,
    },
    /// How many examples of an attribute there are.
    Examples(ExampleSource),
    /// Whether the model's inverse is exact: so many samples from a seed, decoded, encoded and decoded again.
    SelfTest {
        /// Samples.
        count: u32,
        /// Their seed.
        seed: u64,
    },
}

impl Question {
    /// The recipe that it is about.
    pub fn recipe(&self) -> Option<&Recipe> {
        match self {
            Self::Levels(recipe) | Self::Walk(recipe) | Self::Photo { recipe, .. } => Some(recipe),
            Self::Neighbours(_)
            | Self::MapNeighbours { .. }
            | Self::MapLabels { .. }
            | Self::Entries { .. }
            | Self::Examples(_)
            | Self::SelfTest { .. } => None,
        }
    }

    /// Whether it is about an item.
    pub fn concerns(&self, id: ItemId) -> bool {
        match self {
            Self::Neighbours(items) => items.contains(&id),
            _ => self
                .recipe()
                .is_some_and(|recipe| !recipe.all_items(&|item| item != id)),
        }
    }
}

/// What the worker knows of a [`Question`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// Each level, finest first.
    Levels(Vec<LevelReport>),
    /// The steps, the eps alone first, the picture last.
    Walk(Arc<Vec<WalkStep>>),
    /// The part of a photo.
    Photo {
        /// As it is.
        before: Arc<RgbImage>,
        /// With what the recipe changes.
        after: Arc<RgbImage>,
    },
    /// The nearest of each item; `None` where there is no other.
    Neighbours(Vec<(ItemId, Option<Neighbour>)>),
    /// The nearest first.
    MapNeighbours(Vec<MapNeighbour>),
    /// The table's columns of numbers.
    MapLabels(Arc<Vec<LabelColumn>>),
    /// Folders first, by name; none where it cannot be listed.
    Entries(Vec<PathEntry>),
    /// What there is to learn from.
    Examples(ExampleCounts),
    /// What the self-test found.
    SelfTest(SelfTest),
}

impl Answer {
    /// The pictures in it, in order.
    pub fn pictures(&self) -> Vec<Arc<RgbImage>> {
        match self {
            Self::Levels(levels) => levels.iter().map(|l| Arc::clone(&l.eps)).collect(),
            Self::Walk(steps) => steps.iter().map(|s| Arc::clone(&s.pixels)).collect(),
            Self::Photo { before, after } => vec![Arc::clone(before), Arc::clone(after)],
            Self::Neighbours(_)
            | Self::MapNeighbours(_)
            | Self::MapLabels(_)
            | Self::Entries(_)
            | Self::Examples(_)
            | Self::SelfTest(_) => Vec::new(),
        }
    }
}

/// How far the encoding of a folder for a map is.
#[derive(Clone, Debug)]
pub enum FolderNews {
    /// The folder was listed.
    Begun {
        /// The folder.
        folder: PathBuf,
        /// Its pictures.
        total: usize,
        /// Names of the scores that each picture gets: the directions that are open.
        scores: Vec<String>,
        /// Tables in the folder and beside it, which may say something of the pictures.
        tables: Vec<PathBuf>,
    },
    /// A picture was encoded. They come in order of name, and count from 0.
    Picture(Box<MapPicture>),
    /// A picture is left out; why, naming its file.
    LeftOut(String),
    /// Where the pictures so far lie.
    Planes {
        /// By the principal components of their eps.
        eps: MapPlane,
        /// By those of their scores, where there are at least two.
        scores: Option<MapPlane>,
    },
    /// No more come.
    Done {
        /// Whether that is because it was given up.
        cancelled: bool,
    },
}

/// All that is kept of a picture of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapPicture {
    /// Its name in the folder.
    pub name: String,
    /// Its file; `None` where it lies inside an archive.
    pub path: Option<PathBuf>,
    /// The picture as the model sees it, small.
    pub thumbnail: Arc<RgbImage>,
    /// Its bits per dimension.
    pub bits_per_dim: f64,
    /// Its projection on each direction, in slider units.
    pub scores: Vec<f32>,
}

/// Where pictures lie, in one of the spaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MapPlane {
    /// Each picture's place.
    pub positions: Arc<Vec<[f32; 2]>>,
    /// Each axis' share of the variance.
    pub shares: [f64; 2],
    /// What stands at the lower and at the upper end of each axis; empty where that has no name.
    pub words: [[String; 2]; 2],
}

/// Maps whose pictures are kept, the newest ones.
pub const MAPS_KEPT: usize = 4;

/// What near means on a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapSpace {
    /// By the scores on the directions, each in units of its own spread.
    #[default]
    Scores,
    /// By the eps of the coarsest level.
    Eps,
}

/// A picture of a map that lies near another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapNeighbour {
    /// The picture, by its place.
    pub picture: usize,
    /// `|a - b| / sqrt(2 D)`: about 1 for two pictures that have nothing to do with each other.
    pub distance: f64,
}

/// A column of a table of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelColumn {
    /// Its name.
    pub name: String,
    /// What it says of each picture; not a number where it says nothing.
    pub values: Vec<f32>,
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A part of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoPart {
    /// Left, top, width and height, in pixels of the upright photo.
    pub region: [u32; 4],
    /// The most pixels a side that are wanted; more are made fewer.
    pub max_side: u32,
}

/// One level of a latent.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelReport {
    /// Its moments and histogram.
    pub statistics: LevelStatistics,
    /// Its eps as a picture, channel beside channel: grey is 0, black and white are three standard deviations.
    pub eps: Arc<RgbImage>,
}

/// The item that lies nearest another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The item.
    pub item: ItemId,
    /// `|a - b| / sqrt(2 D)`: 1 for two samples that have nothing to do with each other.
    pub distance: f64,
}

/// What the self-test found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfTest {
    /// Samples.
    pub count: usize,
    /// Those whose decode has no value that is not finite.
    pub finite: usize,
    /// `max |x - decode(encode(x))|` over the finite ones' pictures.
    pub round_trip: f64,
    /// Their mean bits per dimension.
    pub bits_per_dim: f64,
    /// Milliseconds of a decode, of a single picture.
    pub decode_ms: f64,
    /// Milliseconds of an encode.
    pub encode_ms: f64,
}

/// One tensor of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Its name in the weight file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// An open model, for people and for sliders.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// File name, or `faces-64 (shipped)`.
    pub name: String,
    /// Its path, where it is a file.
    pub path: Option<PathBuf>,
    /// What was said of it, where its file does not say everything.
    pub answers: ModelOptions,
    /// The configuration.
    pub config: GlowConfig,
    /// Numbers in the model.
    pub n_parameters: usize,
    /// What tells it from another training of the same shape.
    pub fingerprint: Fingerprint,
    /// Provenance, pretty-printed JSON, as the file has it.
    pub provenance: String,
    /// Where it runs: `cpu, 2 threads`.
    pub device: String,
    /// Its tensors, in the order of the file.
    pub tensors: Arc<Vec<TensorInfo>>,
    /// Names of the values that it is conditioned on, as many as the configuration says, where its file has any.
    pub condition_names: Vec<String>,
}

impl ModelInfo {
    /// What its latents look like.
    pub fn latent_shape(&self) -> LatentShape {
        self.config.latent_shape()
    }
}

/// One direction of the open attributes file.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeInfo {
    /// Name, as on the slider.
    pub name: String,
    /// Area under the ROC curve on held-out pictures, where the file says it.
    pub auc: Option<f32>,
    /// Pictures on the positive and the negative side.
    pub counts: [usize; 2],
    /// Range in which a slider stays on faces.
    pub range: [f32; 2],
    /// Which of those that were built here it is; `None` of a file's.
    pub built: Option<DirectionId>,
    /// How it was found.
    pub method: String,
    /// Pictures that `auc` was measured on.
    pub held_out: usize,
    /// By how much +1 moves the scores of the others, the largest first; only of those that were built here.
    pub leakage: Vec<(String, f32)>,
}

/// Figures of one latent.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Bits per dimension of the picture.
    pub bits_per_dim: f64,
    /// The share of each level, finest first.
    pub level_bits: Vec<f64>,
    /// `|eps| / sqrt(D)`.
    pub relative_norm: f64,
    /// The same of each level.
    pub level_norms: Vec<f64>,
    /// `max |x - decode(encode(x))|`.
    pub round_trip: f64,
    /// Projection on each direction, in slider units, in the order of the attributes.
    pub projections: Vec<f32>,
    /// Subpixels that are not finite.
    pub non_finite: usize,
    /// Given which the latent decodes to its picture.
    pub condition: Condition,
}

/// What the worker answers.
#[derive(Clone, Debug)]
pub enum Event {
    /// A model is open; every earlier answer is void.
    ModelOpened(Box<ModelInfo>),
    /// The file of a model of another program does not say everything. The open model stays until the answer.
    ModelAsks {
        /// The file.
        path: PathBuf,
        /// What it does not say, with what was taken for it in these pictures.
        asks: ModelOptions,
        /// Samples of the model, if it is so.
        pictures: Vec<Arc<RgbImage>>,
        /// Whether this answers [`Command::TryModel`].
        again: bool,
    },
    /// The directions that are open now.
    AttributesOpened(Vec<AttributeInfo>),
    /// What a folder holds.
    FolderRead {
        /// The request; `None` where a folder came in the place of a picture.
        ticket: Option<Ticket>,
        /// What it holds.
        listing: FolderListing,
    },
    /// How far a folder's encoding for a map is.
    Folder {
        /// The request.
        ticket: Ticket,
        /// What is new.
        news: FolderNews,
    },
    /// The same after [`Command::ArrangeDirections`]: those of the file are what they were.
    DirectionsArranged(Vec<AttributeInfo>),
    /// Directions were built. They are open once the window says so.
    Built {
        /// The request.
        ticket: Ticket,
        /// What came of it.
        report: BuildReport,
    },
    /// A picture was read: an upright preview of it (at most 1,024 pixels a side) and the crop in use.
    Imported {
        /// The picture.
        item: ItemId,
        /// File name for people.
        name: String,
        /// Preview of the whole picture.
        preview: Arc<RgbImage>,
        /// Size of the whole picture, in whose pixels the crop is measured.
        size: [u32; 2],
        /// The crop in use.
        crop: CropSquare,
        /// Whether the crop was proposed from a face.
        face_found: bool,
        /// What was left out or ignored on the way, for people.
        notes: Vec<String>,
    },
    /// An item has a latent: its decoded picture (the thumbnail) and figures.
    Encoded {
        /// The item.
        item: ItemId,
        /// What its latent decodes to.
        thumbnail: Arc<RgbImage>,
        /// Its figures, where they are known already: those of a session are measured when asked for.
        inspection: Option<Inspection>,
    },
    /// One cell of a render.
    Rendered {
        /// The view.
        view: View,
        /// The request.
        ticket: Ticket,
        /// The cell.
        cell: u32,
        /// The picture.
        pixels: Arc<RgbImage>,
        /// Subpixels that are not finite (0 for a healthy picture).
        non_finite: usize,
        /// Whether it is a draft: near the picture, and not kept. To be asked for again where it stays.
        draft: bool,
        /// Time of the decode; `None` where the cache answered.
        elapsed: Option<Duration>,
    },
    /// The last cell of a render has been sent.
    RenderDone {
        /// The view.
        view: View,
        /// The request.
        ticket: Ticket,
    },
    /// Figures asked for.
    Inspected {
        /// The request.
        ticket: Ticket,
        /// The figures.
        inspection: Inspection,
    },
    /// What was asked for.
    Answered {
        /// The request.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// How far an export, a build or an import batch is.
    Progress {
        /// The request (`None`: imports).
        ticket: Option<Ticket>,
        /// For people: `encoding`, `exporting`.
        what: String,
        /// Done.
        done: usize,
        /// Of.
        total: usize,
    },
    /// A session file was written.
    SessionSaved {
        /// The request.
        ticket: Ticket,
        /// The session file.
        path: PathBuf,
    },
    /// A session file was read and is sound, as far as the worker can tell.
    SessionRead {
        /// The request.
        ticket: Ticket,
        /// The session file.
        path: PathBuf,
        /// What it holds.
        session: Box<SessionFile>,
    },
    /// The items of a session are on the shelf.
    ItemsRestored {
        /// The request.
        ticket: Ticket,
        /// What of it can be drawn.
        fit: Fit,
    },
    /// Items that were no pictures after all: there is nothing to keep of them.
    Forgotten(Vec<ItemId>),
    /// Items that the open model cannot decode: they keep their place for the one that can.
    Waiting {
        /// The items, and why each waits.
        items: Vec<(ItemId, String)>,
        /// What is said of them all, once.
        message: String,
    },
    /// The photo of an item cannot be read; its latent stands in for it.
    PhotoMissing {
        /// The item.
        item: ItemId,
        /// What is wrong, naming the file.
        message: String,
    },
    /// The settings in a picture, or that there are none.
    Inquired {
        /// The id that the picture would have.
        item: ItemId,
        /// The picture.
        path: PathBuf,
        /// The settings, JSON.
        settings: Option<String>,
    },
    /// What a training tells.
    Training(TrainReport),
    /// Something that should be known, and is no failure.
    Note(String),
    /// A file was written.
    Exported {
        /// The request.
        ticket: Ticket,
        /// The file.
        path: PathBuf,
    },
    /// Requests that wait.
    Queue {
        /// How many.
        waiting: usize,
    },
    /// A request failed; everything else stays as it is.
    Failed {
        /// The request, where there is one.
        ticket: Option<Ticket>,
        /// The item, where it concerns one.
        item: Option<ItemId>,
        /// One message that names the thing, what is wrong and what to do.
        message: String,
    },
}
