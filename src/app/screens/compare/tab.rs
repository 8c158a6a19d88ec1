//! What the compare screen remembers.

use serde::{Deserialize, Serialize};

use crate::app::document::Named;

/// The compare screen, without how it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareTab {
    /// The two pictures that are held against each other.
    pub pair: [Option<Named>; 2],
}

/// How two pictures are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareWay {
    /// The figures of the whole shelf.
    #[default]
    Table,
    /// Both, and the difference between them, side by side.
    Beside,
    /// One over the other, with an edge to be moved.
    Wipe,
    /// One in the place of the other.
    Flip,
    /// Among the pictures of a folder.
    Folder,
}

impl CompareWay {
    /// All, in the order of the buttons: each with its name and what it is good for.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (
            Self::Table,
            "Table",
            "The figures of everything on the shelf",
        ),
        (
            Self::Beside,
            "Side by side",
            "Both pictures and their difference, zoomed together",
        ),
        (
            Self::Wipe,
            "Wipe",
            "One over the other, with an edge that you move",
        ),
        (
            Self::Flip,
            "Flip",
            "One in the place of the other: what moves is what differs",
        ),
        (
            Self::Folder,
            "Folder",
            "Where a picture's bits/dim lie among those of a whole folder",
        ),
    ];
}

/// A column of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortColumn {
    /// As on the shelf.
    #[default]
    Shelf,
    /// By name.
    Name,
    /// Bits per dimension.
    Bits,
    /// The bits of a level.
    Level(usize),
    /// Relative norm.
    Norm,
    /// Error of the round trip.
    RoundTrip,
    /// Distance of the nearest other.
    Nearest,
}

/// What lies about on the compare screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareDesk {
    /// How the pictures are looked at.
    pub way: CompareWay,
    /// What the table is sorted by.
    pub sort: SortColumn,
    /// Whether the largest stands first.
    pub descending: bool,
    /// Where the edge of the wipe is: 0 at the left, 1 at the right.
    pub edge: f32,
    /// How much a difference is made larger.
    pub gain: f32,
    /// Whether the second picture is the one that shows.
    pub flipped: bool,
}

impl Default for CompareDesk {
    fn default() -> Self {
        Self {
            way: CompareWay::Table,
            sort: SortColumn::Shelf,
            descending: false,
            edge: 0.5,
            gain: 4.0,
            flipped: false,
        }
    }
}
