//! The map screen: a whole folder as points of a plane, what lies near what, and where a picture stands among them.

mod canvas;
mod colour;
mod panel;
mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::Ui;

pub use tab::{MapAxes, MapColour, MapDesk, MapTab, SIZES};
pub use wish::MapWish;

use super::{Cells, Document, Screen, Tab};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::document::Named;
use crate::app::keys::{Entry, entries};
use crate::app::maps::FolderMap;
use crate::app::state::{Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Answer, Command, LabelColumn, MapSpace, Question, View};

/// See the module.
pub struct MapScreen;

const ENTRIES: &[Entry] = entries! {
    "Map": {
        "Map a folder…", None, |_| Some(Action::Browse(PathPurpose::MapFolder));
        "Take the picked picture onto the shelf", None, |s| {
            let picked = s.desks.map.picked.filter(|_| s.tab == Tab::Map);
            picked.map(|at| MapWish::Take(at).into())
        };
        "Colour the map by a table…", None, |s| {
            s.shown_map().map(|_| Action::Browse(PathPurpose::Labels))
        };
    }
};

impl Screen for MapScreen {
    type Doc = MapTab;
    type Desk = MapDesk;
    type Wish = MapWish;

    fn apply(state: &mut State, wish: MapWish) -> Vec<Command> {
        wish::apply(state, wish)
    }

    fn label(&self) -> &'static str {
        "Map"
    }

    fn about(&self) -> &'static str {
        "A whole folder of pictures at once: which are alike, which are rare, and what lies near what"
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::map_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn retain(&self, _doc: &mut Document, _keep: &mut dyn FnMut(&mut Named) -> bool) {}

    fn wanted(&self, _state: &State) -> Vec<(View, Cells)> {
        Vec::new()
    }

    fn sync(&self, state: &mut State) -> Vec<Command> {
        let questions = [neighbours_question(state), labels_question(state)];
        let asked = questions.into_iter().flatten();
        asked.filter_map(|question| state.ask(question)).collect()
    }

    fn arrows(&self, state: &mut State, dx: i32, dy: i32) {
        let Some(map) = state.shown_map() else {
            return;
        };
        let places = places(map, state.desks.map.axes);
        if let Some(next) = canvas::next_in_direction(&places, state.desks.map.picked, dx, dy) {
            wish::apply(state, MapWish::Pick(Some(next)));
        }
    }

    fn escape(&self, state: &mut State) {
        if state.desks.map.picked.is_some() {
            wish::apply(state, MapWish::Pick(None));
        }
    }

    fn opened(&self, state: &mut State) {
        if let Some(at) = state.desks.map.picked {
            state.selection = Selection::Of(Tab::Map, at as u32);
        }
    }

    fn model_opened(
        &self,
        state: &mut State,
        _model: &crate::engine::message::ModelInfo,
        _keep: bool,
    ) {
        // Maps belong to the model that encoded them.
        state.desks.map = MapDesk {
            size: state.desks.map.size,
            ..MapDesk::default()
        };
    }
}

/// Where the pictures lie, by the axes that are wanted and can be had.
fn places(map: &FolderMap, axes: MapAxes) -> Vec<[f32; 2]> {
    match (axes, &map.scores) {
        (MapAxes::Two(x, y), _) if x.max(y) < map.score_names.len() => {
            let score = |scores: &[f32], at: usize| scores.get(at).copied().unwrap_or(0.0);
            let of = |p: &crate::engine::message::MapPicture| [x, y].map(|at| score(&p.scores, at));
            map.pictures.iter().map(of).collect()
        }
        (MapAxes::Scores, Some(plane)) => plane.positions.to_vec(),
        _ => map.eps.positions.to_vec(),
    }
}

/// The space whose neighbours go with some axes.
fn space(map: &FolderMap, axes: MapAxes) -> MapSpace {
    map.space(match axes {
        MapAxes::Eps => MapSpace::Eps,
        MapAxes::Scores | MapAxes::Two(..) => MapSpace::Scores,
    })
}

/// What lies nearest the picked picture.
fn neighbours_question(state: &State) -> Option<Question> {
    let map = state.shown_map()?;
    let picture = state.desks.map.picked.filter(|at| *at < map.n_placed())?;
    Some(Question::MapNeighbours {
        map: map.ticket(),
        picture,
        space: space(map, state.desks.map.axes),
        pictures: map.n_placed(),
    })
}

/// What the table says, of the pictures that there are.
fn labels_question(state: &State) -> Option<Question> {
    let map = state.shown_map().filter(|map| map.n_placed() > 0)?;
    Some(Question::MapLabels {
        map: map.ticket(),
        table: state.desks.map.table.clone()?,
        pictures: map.n_placed(),
    })
}

/// The columns of the table, as far as they are known.
fn labels(state: &State) -> &[LabelColumn] {
    let (Some(map), Some(table)) = (state.shown_map(), &state.desks.map.table) else {
        return &[];
    };
    let wanted = |q: &Question| matches!(q, Question::MapLabels { map: m, table: t, .. } if *m == map.ticket() && t == table);
    match state.live.answers.newest(wanted) {
        Some((_, Answer::MapLabels(columns))) => columns,
        _ => &[],
    }
}
