//! What the attributes screen remembers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::app::dialog::ExamplePath;
use crate::app::document::Named;
use crate::app::intake;
use crate::app::screens::edit::pretty;
use crate::engine::message::{
    AttributeEdit, AttributeInfo, BuildReport, DirectionId, ExampleSource, FindBy, Recipe,
};

/// How far the picture of the strip is moved in each of its cells.
pub const AMOUNTS: [f32; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

/// A mark on a picture: whether it has the attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tag {
    /// It has it.
    With,
    /// It does not.
    Without,
}

impl Tag {
    /// Both, those with the attribute first.
    pub const ALL: [Self; 2] = [Self::With, Self::Without];

    /// What stands on the row of the shelf.
    pub fn sign(self) -> &'static str {
        match self {
            Self::With => "+",
            Self::Without => "−",
        }
    }
}

/// A picture with its mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tagged {
    /// The picture.
    pub named: Named,
    /// Its mark.
    pub tag: Tag,
}

/// A direction that was built here and is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnDirection {
    /// Its id; the worker has its numbers.
    pub id: DirectionId,
    /// What it is called.
    pub name: String,
}

/// What is undone on the attributes screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributesTab {
    /// Pictures that were tagged, in the order in which they were.
    pub tags: Vec<Tagged>,
    /// The directions that were built here, in the order of their sliders.
    pub own: Vec<OwnDirection>,
    /// The picture that is moved along them for a look.
    pub shown: Option<Named>,
}

impl AttributesTab {
    /// The tagged pictures of one side.
    pub fn tagged(&self, tag: Tag) -> impl Iterator<Item = &Named> {
        let of_it = self.tags.iter().filter(move |t| t.tag == tag);
        of_it.map(|t| &t.named)
    }

    /// What a picture is tagged with.
    pub fn tag_of(&self, recipe: &Recipe) -> Option<Tag> {
        let tagged = self.tags.iter().find(|t| t.named.recipe == *recipe);
        tagged.map(|t| t.tag)
    }

    /// A cell of the strip along a direction.
    pub fn cell(&self, direction: &AttributeInfo, cell: u32) -> Option<Named> {
        let shown = self.shown.as_ref()?;
        let amount = amount_of(direction, cell)?;
        if amount == 0.0 {
            return Some(shown.clone());
        }
        let edit = AttributeEdit {
            name: direction.name.clone(),
            amount,
        };
        Some(Named {
            recipe: Recipe::Edited {
                base: Box::new(shown.recipe.clone()),
                edits: vec![edit],
                keep_others: false,
            },
            label: format!("{}, {} {amount:+}", shown.label, pretty(&direction.name)),
        })
    }
}

/// How far a cell of the strip is moved: no further than its slider goes.
pub fn amount_of(direction: &AttributeInfo, cell: u32) -> Option<f32> {
    let [low, high] = direction.range;
    let amount = AMOUNTS.get(cell as usize)?;
    Some(amount.max(low.min(0.0)).min(high.max(0.0)))
}

/// Where the examples come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExampleOrigin {
    /// Pictures tagged by hand.
    #[default]
    Tags,
    /// Two folders.
    Folders,
    /// A table of labels and a folder.
    Labels,
    /// The shelf or a folder, without labels.
    Unlabelled,
}

/// What lies about on the attributes screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributesDesk {
    /// Where examples come from.
    pub origin: ExampleOrigin,
    /// The folder with the attribute, as typed.
    pub with: String,
    /// The folder without it.
    pub without: String,
    /// The table of labels.
    pub table: String,
    /// The folder of its pictures.
    pub pictures: String,
    /// Columns of the table that are chosen.
    pub columns: BTreeSet<String>,
    /// What the direction is to be called.
    pub name: String,
    /// How many principal components are found.
    pub components: u32,
    /// How it is found.
    pub how: FindBy,
    /// Whether pictures of folders count mirrored as well.
    pub mirror: bool,
    /// Whether they are framed round the face.
    pub frame_faces: bool,
    /// Whether only what was built here is saved.
    pub only_built: bool,
    /// The direction whose figures are shown.
    pub looked_at: Option<DirectionId>,
    /// Text in the search box of the columns.
    #[serde(skip)]
    pub search: String,
    /// Whether the paths are typed to their ends: only then are they looked at.
    #[serde(skip)]
    pub is_typing: bool,
    /// What came of the last build.
    #[serde(skip)]
    pub report: Option<BuildReport>,
    /// A direction's new name, while it is typed.
    #[serde(skip)]
    pub renaming: Option<(DirectionId, String)>,
}

impl Default for AttributesDesk {
    fn default() -> Self {
        Self {
            origin: ExampleOrigin::default(),
            with: String::new(),
            without: String::new(),
            table: String::new(),
            pictures: String::new(),
            columns: BTreeSet::new(),
            name: String::new(),
            components: 3,
            how: FindBy::default(),
            mirror: true,
            frame_faces: true,
            only_built: false,
            looked_at: None,
            search: String::new(),
            is_typing: false,
            report: None,
            renaming: None,
        }
    }
}

impl AttributesDesk {
    /// A path as typed.
    pub fn path(&self, which: ExamplePath) -> &String {
        match which {
            ExamplePath::With => &self.with,
            ExamplePath::Without => &self.without,
            ExamplePath::Table => &self.table,
            ExamplePath::Pictures => &self.pictures,
        }
    }

    /// The same, to be changed.
    pub(super) fn path_mut(&mut self, which: ExamplePath) -> &mut String {
        match which {
            ExamplePath::With => &mut self.with,
            ExamplePath::Without => &mut self.without,
            ExamplePath::Table => &mut self.table,
            ExamplePath::Pictures => &mut self.pictures,
        }
    }

    /// The files that examples come from, where both are named.
    pub fn files(&self) -> Option<ExampleSource> {
        let path = |which| intake::path_of_text(self.path(which));
        match self.origin {
            ExampleOrigin::Tags => None,
            ExampleOrigin::Folders => Some(ExampleSource::Folders {
                with: path(ExamplePath::With)?,
                without: path(ExamplePath::Without)?,
            }),
            ExampleOrigin::Labels => Some(ExampleSource::Labels {
                table: path(ExamplePath::Table)?,
                pictures: path(ExamplePath::Pictures)?,
            }),
            ExampleOrigin::Unlabelled => {
                let folder = path(ExamplePath::Pictures)?;
                Some(ExampleSource::UnlabelledFolder(folder))
            }
        }
    }
}
