//! What is asked for when a direction is built in the window: plain data, part of the contract in `message`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::latent::attributes::compare::Method;
use crate::recipe::Recipe;
pub use crate::workshop::ColumnCount;

/// Names a direction that was built in the window: a hash of its numbers, the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DirectionId(pub u64);

/// Where the examples of an attribute are.
#[derive(Clone, Debug, PartialEq)]
pub enum ExampleSource {
    /// Pictures that were tagged by hand.
    Tagged {
        /// Those that have the attribute.
        with: Vec<Recipe>,
        /// Those that do not.
        without: Vec<Recipe>,
    },
    /// A folder of pictures for each side.
    Folders {
        /// Pictures with the attribute.
        with: PathBuf,
        /// Pictures without it.
        without: PathBuf,
    },
    /// A table of labels and the folder of its pictures.
    Labels {
        /// The table.
        table: PathBuf,
        /// The folder.
        pictures: PathBuf,
    },
    /// Pictures of which nothing is said: their principal components are found.
    Unlabelled(Vec<Recipe>),
    /// The same, a folder of them.
    UnlabelledFolder(PathBuf),
}

/// How a direction is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FindBy {
    /// As the number of examples suggests.
    #[default]
    Usual,
    /// This method.
    Method(Method),
    /// All methods are tried, and the one that does best on examples held out is taken.
    Compared,
}

/// A wish for directions.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildRequest {
    /// What the direction is to be called; a table's columns have their own names, and components are numbered.
    pub name: String,
    /// Where the examples are.
    pub source: ExampleSource,
    /// Columns of the table to build directions from.
    pub columns: Vec<String>,
    /// How many principal components of pictures without labels.
    pub components: u32,
    /// How they are found.
    pub how: FindBy,
    /// Whether pictures of folders are learnt from mirrored as well.
    pub mirror: bool,
    /// Whether photos of folders are framed round the face, rather than in the middle.
    pub frame_faces: bool,
}

/// How many examples there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExampleCounts {
    /// Each attribute; of two folders one without a name.
    pub columns: Vec<ColumnCount>,
    /// What should be known of the files.
    pub notes: Vec<String>,
}

/// What came of a [`BuildRequest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildReport {
    /// The directions and what they are to be called; the window says which are open, by which names.
    pub directions: Vec<(DirectionId, String)>,
    /// Attributes from which nothing could be learnt, and why.
    pub left_out: Vec<String>,
    /// Pictures that were left out, and why, each naming its file.
    pub unreadable: Vec<String>,
}
