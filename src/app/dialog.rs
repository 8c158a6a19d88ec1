//! The dialogs' own data.

use std::path::PathBuf;

use super::document::Named;
use super::picture::Picture;
use super::screens::Tab;
use crate::engine::message::{CropSquare, FolderListing, ItemId, ModelOptions, PlayMode};

/// A path of the form for a new attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExamplePath {
    /// The folder of pictures with the attribute.
    With,
    /// The folder of pictures without it.
    Without,
    /// The table of labels.
    Table,
    /// The folder of its pictures.
    Pictures,
}

/// What a typed or chosen path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathPurpose {
    /// Pictures to import.
    Pictures,
    /// A folder, all of whose pictures are imported.
    Folder,
    /// A folder that is encoded for the map.
    MapFolder,
    /// A table that says something of the map's pictures.
    Labels,
    /// A weight file.
    Model,
    /// An attributes file.
    Attributes,
    /// The file that an export writes.
    Export,
    /// A session to open.
    OpenSession,
    /// The file that a session is written to.
    SaveSession,
    /// Examples to build directions from.
    Examples(ExamplePath),
    /// The file that directions are written to.
    SaveDirections,
    /// The folder that a training learns from.
    TrainPictures,
    /// The weights that a training writes.
    TrainWeights,
}

impl PathPurpose {
    /// Whether a file is written to it.
    pub fn saves(self) -> bool {
        matches!(self, Self::SaveSession | Self::SaveDirections)
    }

    /// Title of the dialog.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pictures => "Open pictures",
            Self::Folder => "Open a folder of pictures",
            Self::MapFolder => "Map a folder of pictures",
            Self::Labels => "Open a table of labels",
            Self::Model => "Open a model",
            Self::Attributes => "Open attributes",
            Self::Export => "Export to",
            Self::OpenSession => "Open a session",
            Self::SaveSession => "Save the session",
            Self::Examples(ExamplePath::With) => "Folder with the attribute",
            Self::Examples(ExamplePath::Without) => "Folder without the attribute",
            Self::Examples(ExamplePath::Table) => "Open a table of labels",
            Self::Examples(ExamplePath::Pictures) => "Folder of the labelled pictures",
            Self::SaveDirections => "Save directions",
            Self::TrainPictures => "Choose pictures to learn from",
            Self::TrainWeights => "Save the weights as",
        }
    }
}

/// The open dialog.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Frame a photo anew.
    Crop(CropForm),
    /// Write a file.
    Export(ExportForm),
    /// Say what a model's file does not.
    Ask(AskForm),
    /// Asked before very many pictures come onto the shelf.
    Folder(FolderForm),
    /// Type a path.
    TypePath {
        /// What for.
        purpose: PathPurpose,
        /// The text so far.
        text: String,
        /// Why it came up by itself, where it did.
        note: String,
    },
    /// Give a shelf item a name.
    Rename {
        /// The item.
        item: ItemId,
        /// The text so far.
        text: String,
    },
    /// All keys.
    Help,
    /// Find an action by a few letters.
    Palette {
        /// The letters.
        query: String,
        /// The highlighted row.
        row: usize,
    },
    /// Past messages.
    Log,
    /// Asked before the window closes over an export or a training that is not done.
    Quit,
    /// What this is.
    About,
}

/// Asked before a file is replaced.
pub const REPLACE: &str = "the file exists; Replace writes over it";

impl Dialog {
    /// Takes what was typed while the system was asked for its own dialog: it stands for the suggestion.
    pub fn typed_before(&mut self, letters: &str) {
        if let Self::TypePath { text, .. } = self {
            letters.clone_into(text);
        }
    }

    /// Takes letters that were typed before its field was there.
    pub fn type_ahead(&mut self, letters: &str) {
        match self {
            Self::TypePath { text, .. } => text.push_str(letters),
            Self::Palette { query, .. } => query.push_str(letters),
            _ => {}
        }
    }
}

/// The question about a model whose file does not say everything.
#[derive(Clone, Debug, PartialEq)]
pub struct AskForm {
    /// The file.
    pub path: PathBuf,
    /// The answers so far.
    pub options: ModelOptions,
    /// Samples of what they come to.
    pub pictures: Vec<Picture>,
    /// Whether other samples are on their way.
    pub busy: bool,
}

/// The question about a folder of very many pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderForm {
    /// What it holds.
    pub listing: FolderListing,
}

/// The crop dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct CropForm {
    /// The photo.
    pub item: ItemId,
    /// The square so far.
    pub square: CropSquare,
}

/// Whose pictures an export writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportSource {
    /// The selected picture.
    Selected,
    /// The whole shelf: a contact sheet.
    Shelf,
    /// What a screen gives.
    Screen(Tab),
}

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One PNG with all pictures in a grid (one picture: just it).
    Grid,
    /// One PNG, all in a row.
    Strip,
    /// A numbered PNG each.
    Frames,
    /// A film in 256 colours.
    Gif,
    /// A film in every colour: animated PNG.
    Apng,
    /// A film in every colour: animated WebP.
    WebP,
    /// A film through ffmpeg.
    Mp4,
    /// The whole photo with the edit in it.
    Photo,
    /// The latents.
    Latents,
}

impl ExportFormat {
    /// Name in the dialog.
    pub fn label(self) -> &'static str {
        match self {
            Self::Grid => "Grid",
            Self::Strip => "Strip",
            Self::Frames => "Numbered pictures",
            Self::Gif => "GIF",
            Self::Apng => "APNG",
            Self::WebP => "WebP",
            Self::Mp4 => "MP4",
            Self::Photo => "Whole photo",
            Self::Latents => "Latents",
        }
    }

    /// What it is good for.
    pub fn about(self) -> &'static str {
        match self {
            Self::Grid => "One PNG with all pictures",
            Self::Strip => "One PNG, all pictures in a row",
            Self::Frames => "A PNG for each picture, in a folder",
            Self::Gif => "Film in 256 colours, plays everywhere",
            Self::Apng => "Film in every colour, for browsers",
            Self::WebP => "Film in every colour, small, for browsers and messengers",
            Self::Mp4 => "Film that every player shows, through the ffmpeg that is installed",
            Self::Photo => {
                "The photo at its full size with the edit in it, JPEG or PNG, with its colour profile and EXIF"
            }
            Self::Latents => "The latents themselves (safetensors)",
        }
    }

    /// Endings of its file, the usual one first; a folder has none.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Grid | Self::Strip => &["png"],
            Self::Frames => &[],
            Self::Gif => &["gif"],
            Self::Apng => &["png", "apng"],
            Self::WebP => &["webp"],
            Self::Mp4 => &["mp4"],
            Self::Photo => &["jpg", "jpeg", "png"],
            Self::Latents => &["safetensors"],
        }
    }

    /// Whether pictures follow each other in it.
    pub fn is_film(self) -> bool {
        matches!(self, Self::Gif | Self::Apng | Self::WebP | Self::Mp4)
    }

    /// Whether it is one picture of several.
    pub fn is_sheet(self) -> bool {
        matches!(self, Self::Grid | Self::Strip)
    }

    /// The most frames a second that players keep to.
    pub fn max_fps(self) -> u32 {
        match self {
            Self::Gif => 50,
            _ => 60,
        }
    }
}

/// The export dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportForm {
    /// Whose pictures.
    pub source: ExportSource,
    /// The picture that [`ExportSource::Selected`] means; kept, so that it cannot change under the dialog.
    pub selected: Option<Named>,
    /// What kind of file.
    pub format: ExportFormat,
    /// The kind that the person chose last: taken again wherever a source has it.
    pub chosen: ExportFormat,
    /// Enlargement.
    pub scale: u32,
    /// Gap between pictures, pixels.
    pub gap: u32,
    /// Whether labels stand under the pictures.
    pub labels: bool,
    /// Pictures of a morph.
    pub frames: u32,
    /// How a film runs.
    pub clock: Clock,
    /// Quality of a JPEG.
    pub quality: u32,
    /// Where to, as typed.
    pub path: String,
    /// Set when the file exists and the person has not yet agreed to replace it.
    pub ask_replace: bool,
}

/// How a film runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Seconds from the first picture to the last.
    pub seconds: f32,
    /// Frames a second.
    pub fps: u32,
    /// What happens at the end.
    pub mode: PlayMode,
}

/// An answer of the system's file dialog, which runs on a thread of its own.
#[derive(Clone, Debug)]
pub struct PathsChosen {
    /// What for.
    pub purpose: PathPurpose,
    /// The paths; `None` where it was closed, or where the system has no file dialog.
    pub paths: Option<Vec<PathBuf>>,
    /// Whether the answer came faster than a person can give one: then no dialog was shown.
    pub at_once: bool,
}
