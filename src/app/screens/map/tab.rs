//! What the map screen remembers. A map lives as long as its window and its model do, and so does how it is looked at.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::message::Ticket;

/// Nothing of the map screen is undone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MapTab {}

/// What the axes of a map are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapAxes {
    /// The principal components of the attributes' scores.
    #[default]
    Scores,
    /// Those of the eps.
    Eps,
    /// The scores of two attributes.
    Two(usize, usize),
}

/// What the colour of a picture on the map says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MapColour {
    /// Its bits per dimension.
    #[default]
    Bits,
    /// Its score on an attribute.
    Score(usize),
    /// What a column of the table says of it.
    Label(String),
}

/// Thumbnails' side on the screen, at least and at most; at the least there are points alone.
pub const SIZES: std::ops::RangeInclusive<f32> = 0.0..=96.0;

/// What lies about on the map screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MapDesk {
    /// The map that was chosen; else the newest shows.
    #[serde(skip)]
    pub open: Option<Ticket>,
    /// What the axes are.
    #[serde(skip)]
    pub axes: MapAxes,
    /// What the colours are.
    #[serde(skip)]
    pub colour: MapColour,
    /// The table whose columns are offered.
    #[serde(skip)]
    pub table: Option<PathBuf>,
    /// Points of the screen that a picture takes.
    #[serde(skip)]
    pub size: f32,
    /// The picture that was picked, by its place.
    #[serde(skip)]
    pub picked: Option<usize>,
}

impl Default for MapDesk {
    fn default() -> Self {
        Self {
            open: None,
            axes: MapAxes::default(),
            colour: MapColour::default(),
            table: None,
            size: 44.0,
            picked: None,
        }
    }
}
