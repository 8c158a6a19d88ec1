//! The attributes screen: directions built from examples, looked at, named and saved.

mod examples;
mod results;
mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::{Key, Ui};

pub use crate::app::dialog::ExamplePath;
pub use tab::{AMOUNTS, AttributesDesk, AttributesTab, ExampleOrigin, OwnDirection, Tag};
pub use wish::AttributesWish;

use super::{Cells, Document, Lead, Offer, Screen, Tab};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::document::Named;
use crate::app::keys::{Entry, entries, plain};
use crate::app::state::{Picture, State};
use crate::app::widgets::Cx;
use crate::engine::message::{
    Answer, AttributeInfo, BuildReport, Command, DirectionId, ExampleCounts, ExampleSource, ItemId,
    Question, Recipe, View,
};

/// One picture moved along a direction.
pub const STRIP: View = super::view(Tab::Attributes, 0);

/// Tagged pictures that do not lie on the shelf.
pub const TAGGED: View = super::view(Tab::Attributes, 1);

/// See the module.
pub struct AttributesScreen;

const ENTRIES: &[Entry] = entries! {
    "Directions": {
        "Build directions", None, |s| plan(s).is_ok().then(|| AttributesWish::Build.into());
        "Take all tags away", None, |s| (!s.doc.attributes.tags.is_empty()).then(|| AttributesWish::ClearTags.into());
        "Save directions…", None, |s| (!s.live.attributes.is_empty()).then_some(Action::Browse(PathPurpose::SaveDirections));
    }
};

const OFFERS: &[Offer] = &[
    Offer {
        name: "Tag: has the attribute",
        button: None,
        tip: "An example to build a direction from, on the Attributes screen (Y); once more takes the tag away",
        key: plain(Key::Y),
        on_double_click: false,
        wish: |named| AttributesWish::SetTag(named, Tag::With).into(),
    },
    Offer {
        name: "Tag: lacks the attribute",
        button: None,
        tip: "An example of the other side, on the Attributes screen (N); once more takes the tag away",
        key: plain(Key::N),
        on_double_click: false,
        wish: |named| AttributesWish::SetTag(named, Tag::Without).into(),
    },
];

impl Screen for AttributesScreen {
    type Doc = AttributesTab;
    type Desk = AttributesDesk;
    type Wish = AttributesWish;

    fn apply(state: &mut State, wish: AttributesWish) -> Vec<Command> {
        wish::apply(state, wish)
    }

    fn label(&self) -> &'static str {
        "Attributes"
    }

    fn about(&self) -> &'static str {
        "Sliders of your own, found from examples with a trait and without it"
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::attributes_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn offers(&self) -> &'static [Offer] {
        OFFERS
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        let tab = &mut doc.attributes;
        tab.tags.retain_mut(|tagged| keep(&mut tagged.named));
        tab.shown.take_if(|named| !keep(named));
    }

    fn marks(&self, doc: &Document, id: ItemId) -> String {
        let tag = doc.attributes.tag_of(&Recipe::Item(id));
        tag.map_or(String::new(), |tag| tag.sign().to_owned())
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let cells = (0..).take(AMOUNTS.len());
        let cells = cells.filter_map(|cell| Some((cell, strip_cell(state, cell)?.recipe)));
        let tags = (0..).zip(&state.doc.attributes.tags);
        let loose = tags.filter(|(_, t)| !matches!(t.named.recipe, Recipe::Item(_)));
        let loose = loose.map(|(at, t)| (at, t.named.recipe.clone()));
        vec![(STRIP, cells.collect()), (TAGGED, loose.collect())]
    }

    fn lead(&self, state: &State) -> Option<Lead> {
        let cell = AMOUNTS.len() as u32 - 1;
        Some(Lead {
            view: STRIP,
            cell,
            recipe: strip_cell(state, cell).map(|named| named.recipe),
        })
    }

    /// What there is to learn from, once the paths are typed.
    fn sync(&self, state: &mut State) -> Vec<Command> {
        let desk = &state.desks.attributes;
        let files = desk.files().filter(|_| !desk.is_typing);
        let question = files.map(Question::Examples);
        question.and_then(|q| state.ask(q)).into_iter().collect()
    }

    fn subject(&self, state: &State, number: u32) -> Option<Named> {
        strip_cell(state, number)
    }

    fn picture<'a>(&self, state: &'a State, number: u32) -> Option<&'a Picture> {
        state.cell_picture(STRIP, number)
    }

    fn escape(&self, state: &mut State) {
        state.desks.attributes.renaming = None;
    }

    /// The strip shows what is selected on the shelf.
    fn shelf_selected(&self, state: &mut State, named: &Named) {
        state.doc.attributes.shown = Some(named.clone());
    }

    fn opened(&self, state: &mut State) {
        if state.doc.attributes.shown.is_none() {
            state.doc.attributes.shown = state.selected();
        }
    }

    fn new_run(&self, doc: &mut Document) {
        doc.attributes = AttributesTab::default();
    }

    fn directions(&self, doc: &Document) -> Vec<(DirectionId, String)> {
        let own = doc.attributes.own.iter();
        own.map(|own| (own.id, own.name.clone())).collect()
    }

    fn built(&self, state: &mut State, report: BuildReport) {
        wish::built(state, report);
    }
}

/// The direction whose figures are shown, as it is open.
fn looked_at(state: &State) -> Option<&AttributeInfo> {
    let own = &state.doc.attributes.own;
    let wanted = state.desks.attributes.looked_at;
    let wanted = wanted.filter(|id| own.iter().any(|own| own.id == *id));
    let id = wanted.or_else(|| own.last().map(|own| own.id))?;
    let mut open = state.live.attributes.iter();
    open.find(|a| a.built == Some(id))
}

fn strip_cell(state: &State, cell: u32) -> Option<Named> {
    let direction = looked_at(state)?;
    state.doc.attributes.cell(direction, cell)
}

/// What is known of the files that examples come from.
fn counted(state: &State) -> Option<&ExampleCounts> {
    let question = Question::Examples(state.desks.attributes.files()?);
    match state.live.answers.get(&question) {
        Some(Answer::Examples(counts)) => Some(counts),
        _ => None,
    }
}

/// The tagged pictures.
fn examples_now(state: &State) -> Vec<Named> {
    let tags = state.doc.attributes.tags.iter();
    tags.map(|tagged| tagged.named.clone()).collect()
}

/// What would be built.
#[derive(Debug)]
struct BuildPlan {
    name: String,
    source: ExampleSource,
    columns: Vec<String>,
    /// Examples with the attribute and without it; of several columns those of the one that has the fewest.
    counts: [usize; 2],
}

/// What would be built now, or what is still to be done before.
fn plan(state: &State) -> Result<BuildPlan, String> {
    let desk = &state.desks.attributes;
    let tab = &state.doc.attributes;
    if state.live.model.is_none() {
        return Err("Open a model first".to_owned());
    }
    let typed = desk.name.trim();
    if desk.origin == ExampleOrigin::Tags {
        let recipes = |tag| -> Vec<Recipe> {
            let tagged = tab.tagged(tag).map(|named| named.recipe.clone());
            tagged.collect()
        };
        let (with, without) = (recipes(Tag::With), recipes(Tag::Without));
        let counts = [with.len(), without.len()];
        if with.is_empty() || without.is_empty() {
            let text = "Tag pictures of both sides: select one, then Y where it has the attribute and N where it does not";
            return Err(text.to_owned());
        }
        let mut all = with.iter().chain(&without);
        if !all.all(|recipe| state.is_drawable(recipe)) {
            return Err("A tagged picture is not encoded yet, or not there".to_owned());
        }
        let name = if typed.is_empty() {
            "My attribute"
        } else {
            typed
        };
        return Ok(BuildPlan {
            name: name.to_owned(),
            source: ExampleSource::Tagged { with, without },
            columns: Vec::new(),
            counts,
        });
    }
    if desk.origin == ExampleOrigin::Unlabelled {
        return plan_unlabelled(state, typed);
    }
    let is_labels = desk.origin == ExampleOrigin::Labels;
    let source = desk.files().ok_or_else(|| {
        let text = match is_labels {
            true => "Choose a table of labels and the folder of its pictures",
            false => "Choose a folder of pictures with the attribute and one without it",
        };
        text.to_owned()
    })?;
    let counts = counted(state).ok_or("The files are not counted yet")?;
    let name = match &source {
        ExampleSource::Folders { with, .. } if typed.is_empty() => {
            let name = with.file_name().unwrap_or_default().to_string_lossy();
            name.into_owned()
        }
        _ => typed.to_owned(),
    };
    let chosen = counts.columns.iter();
    let chosen = chosen.filter(|column| !is_labels || desk.columns.contains(&column.name));
    let fewest = chosen
        .clone()
        .min_by_key(|column| column.counts[0].min(column.counts[1]));
    let fewest = fewest.ok_or("Choose the attributes of the table to build")?;
    if fewest.counts.contains(&0) {
        let which = match is_labels {
            true => format!(" of {}", fewest.name),
            false => String::new(),
        };
        return Err(format!("Both sides{which} need pictures"));
    }
    Ok(BuildPlan {
        name,
        source,
        columns: match is_labels {
            true => chosen.map(|column| column.name.clone()).collect(),
            false => Vec::new(),
        },
        counts: fewest.counts,
    })
}

/// The same where nothing is said of the pictures: those of a folder where one is named, else the shelf's.
fn plan_unlabelled(state: &State, typed: &str) -> Result<BuildPlan, String> {
    let (source, n) = match state.desks.attributes.files() {
        Some(source) => {
            let counts = counted(state).ok_or("The files are not counted yet")?;
            let n = counts.columns.first().map_or(0, |column| column.counts[0]);
            (source, n)
        }
        None => {
            let shelf = on_shelf(state);
            let n = shelf.len();
            (ExampleSource::Unlabelled(shelf), n)
        }
    };
    if n < 2 {
        let text =
            "Put two pictures or more on the shelf, or choose a folder; the more, the better";
        return Err(text.to_owned());
    }
    let name = if typed.is_empty() { "Component" } else { typed };
    Ok(BuildPlan {
        name: name.to_owned(),
        source,
        columns: Vec::new(),
        counts: [n, n],
    })
}

/// The pictures of the shelf that have a latent.
fn on_shelf(state: &State) -> Vec<Recipe> {
    let shelf = state.doc.shelf.iter();
    let ready = shelf.filter(|entry| state.is_ready(entry.id));
    ready.map(|entry| Recipe::Item(entry.id)).collect()
}
