//! What can be wished for on the attributes screen, and what that does.

use std::path::PathBuf;

use super::tab::{ExampleOrigin, OwnDirection, Tag, Tagged};
use super::{examples_now, plan};
use crate::app::dialog::ExamplePath;
use crate::app::state::{LogLevel, Named, State};
use crate::engine::message::{
    BuildReport, BuildRequest, Command, DirectionId, FindBy, Question, Recipe, Ticket,
};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributesWish {
    /// Mark a picture; with the mark that it has, the mark is taken away.
    SetTag(Named, Tag),
    /// Take a picture's mark away.
    Untag(Recipe),
    /// Take all marks away.
    ClearTags,
    /// Choose where examples come from.
    SetOrigin(ExampleOrigin),
    /// A path as it is being typed.
    TypePath(ExamplePath, String),
    /// A path is typed to its end, or was chosen.
    SetPath(ExamplePath, String),
    /// Look at the files once more.
    CountAgain,
    /// Choose a column of the table, or leave it out.
    SetColumn(String, bool),
    /// Text in the search box of the columns.
    SetSearch(String),
    /// What the direction is to be called.
    SetName(String),
    /// How many principal components are found.
    SetComponents(u32),
    /// How it is found.
    SetHow(FindBy),
    /// Learn from the pictures of folders mirrored as well.
    SetMirror(bool),
    /// Frame them round the face.
    SetFrameFaces(bool),
    /// Build what is chosen.
    Build,
    /// Show the figures of a direction.
    LookAt(DirectionId),
    /// Choose the picture of the strip.
    Show(Named),
    /// A direction's new name, as it is being typed; `None` leaves it as it is.
    TypeName(Option<(DirectionId, String)>),
    /// Give a direction a name.
    Rename(DirectionId, String),
    /// Close a direction.
    Remove(DirectionId),
    /// Save only what was built here.
    SetOnlyBuilt(bool),
    /// Write the open directions to a file.
    Save(PathBuf),
}

pub(super) fn apply(state: &mut State, wish: AttributesWish) -> Vec<Command> {
    let desk = &mut state.desks.attributes;
    let tab = &mut state.doc.attributes;
    match wish {
        AttributesWish::SetTag(named, tag) => {
            let had = tab.tag_of(&named.recipe);
            tab.tags.retain(|t| t.named.recipe != named.recipe);
            if had != Some(tag) {
                tab.tags.push(Tagged { named, tag });
            }
        }
        AttributesWish::Untag(recipe) => tab.tags.retain(|t| t.named.recipe != recipe),
        AttributesWish::ClearTags => tab.tags.clear(),
        AttributesWish::SetOrigin(origin) => desk.origin = origin,
        AttributesWish::TypePath(which, text) => {
            *desk.path_mut(which) = text;
            desk.is_typing = true;
        }
        AttributesWish::SetPath(which, text) => {
            *desk.path_mut(which) = text;
            desk.is_typing = false;
        }
        AttributesWish::CountAgain => {
            let question = desk.files().map(Question::Examples);
            let again = question.and_then(|question| state.ask_again(question));
            return again.into_iter().collect();
        }
        AttributesWish::SetColumn(name, true) => {
            desk.columns.insert(name);
        }
        AttributesWish::SetColumn(name, false) => {
            desk.columns.remove(&name);
        }
        AttributesWish::SetSearch(text) => desk.search = text,
        AttributesWish::SetName(text) => desk.name = text,
        AttributesWish::SetComponents(n) => desk.components = n,
        AttributesWish::SetHow(how) => desk.how = how,
        AttributesWish::SetMirror(mirror) => desk.mirror = mirror,
        AttributesWish::SetFrameFaces(frame) => desk.frame_faces = frame,
        AttributesWish::Build => return build(state),
        AttributesWish::LookAt(id) => desk.looked_at = Some(id),
        AttributesWish::Show(named) => tab.shown = Some(named),
        AttributesWish::TypeName(renaming) => desk.renaming = renaming,
        AttributesWish::Rename(id, name) => rename(state, id, name.trim()),
        AttributesWish::Remove(id) => remove(state, id),
        AttributesWish::SetOnlyBuilt(only) => desk.only_built = only,
        AttributesWish::Save(path) => return save(state, path),
    }
    Vec::new()
}

fn build(state: &mut State) -> Vec<Command> {
    let wanted = match (plan(state), state.live.building) {
        (Ok(wanted), None) => wanted,
        (Err(why), _) => {
            state.log(LogLevel::Notice, why);
            return Vec::new();
        }
        (_, Some(_)) => return Vec::new(),
    };
    let desk = &mut state.desks.attributes;
    desk.report = None;
    let request = BuildRequest {
        name: wanted.name,
        source: wanted.source,
        columns: wanted.columns,
        components: desk.components,
        how: desk.how,
        mirror: desk.mirror,
        frame_faces: desk.frame_faces,
    };
    let ticket = Ticket(state.fresh());
    state.live.building = Some(ticket);
    vec![Command::Build {
        ticket,
        request: Box::new(request),
    }]
}

/// Takes in what was built: it is open from now on.
pub(super) fn built(state: &mut State, report: BuildReport) {
    let mut said = Vec::new();
    for (id, name) in &report.directions {
        let tab = &state.doc.attributes;
        if let Some(known) = tab.own.iter().find(|own| own.id == *id) {
            said.push(known.name.clone());
            continue;
        }
        let name = unique(state, name);
        said.push(name.clone());
        let own = OwnDirection { id: *id, name };
        state.doc.attributes.own.push(own);
    }
    let desk = &mut state.desks.attributes;
    desk.looked_at = report.directions.first().map(|(id, _)| *id);
    desk.name.clear();
    let text = format!("built {}; its slider is on Edit", said.join(", "));
    desk.report = Some(report);
    if state.doc.attributes.shown.is_none() {
        state.doc.attributes.shown = state.selected().or_else(|| examples_now(state).pop());
    }
    state.log(LogLevel::Done, text);
}

/// A name that no open direction has.
fn unique(state: &State, name: &str) -> String {
    let mut number = 1;
    let mut unique = name.to_owned();
    while is_taken(state, &unique, None) {
        number += 1;
        unique = format!("{name} {number}");
    }
    unique
}

/// Whether another direction than `except` has this name.
fn is_taken(state: &State, name: &str, except: Option<DirectionId>) -> bool {
    let mut open = state.live.attributes.iter();
    let mut own = state.doc.attributes.own.iter();
    open.any(|a| a.name == name && (a.built.is_none() || a.built != except))
        || own.any(|own| own.name == name && Some(own.id) != except)
}

fn rename(state: &mut State, id: DirectionId, name: &str) {
    if name.is_empty() {
        return;
    }
    if is_taken(state, name, Some(id)) {
        let text = format!("there is an attribute of that name already; choose another: {name}");
        return state.log(LogLevel::Notice, text);
    }
    state.desks.attributes.renaming = None;
    let open = state.live.attributes.iter().find(|a| a.built == Some(id));
    let before = open.map(|a| a.name.clone());
    let own = state.doc.attributes.own.iter_mut();
    for own in own.filter(|own| own.id == id) {
        let before = before.as_ref().unwrap_or(&own.name);
        // Its slider stays where it is.
        if let Some(amount) = state.doc.edit.amounts.remove(before) {
            state.doc.edit.amounts.insert(name.to_owned(), amount);
        }
        own.name = name.to_owned();
    }
}

fn remove(state: &mut State, id: DirectionId) {
    let open = state.live.attributes.iter().find(|a| a.built == Some(id));
    if let Some(open) = open {
        // One step of undo brings both back.
        state.doc.edit.amounts.remove(&open.name);
    }
    state.doc.attributes.own.retain(|own| own.id != id);
}

fn save(state: &mut State, path: PathBuf) -> Vec<Command> {
    let ticket = Ticket(state.fresh());
    state.live.exporting.push((ticket, path.clone()));
    state.export_folder = path.parent().map(PathBuf::from);
    vec![Command::SaveDirections {
        ticket,
        path,
        only_built: state.desks.attributes.only_built,
    }]
}
