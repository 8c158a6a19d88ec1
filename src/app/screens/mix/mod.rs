//! The mix screen: a point between four pictures, or the levels of one with the levels of another.

mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use egui::Ui;

pub use tab::{LATTICE, MixDesk, MixKind, MixTab};
pub use wish::MixWish;

use super::{Cells, Document, Exported, Lead, Screen, Tab};
use crate::app::dialog::ExportFormat;
use crate::app::document::Named;
use crate::app::keys::{Entry, entries};
use crate::app::state::{Picture, Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Command, ModelInfo, Recipe, View};

/// The mixed picture.
pub const HERO: View = super::view(Tab::Mix, 0);
/// The lattice under the pad, or the two pictures whose levels are mixed.
pub const AROUND: View = super::view(Tab::Mix, 1);
/// The mixed picture, as a selection.
pub const MIXED: Selection = Selection::Of(Tab::Mix, 0);

/// How far an arrow key moves the point.
const ARROW: f32 = 0.05;

/// See the module.
pub struct MixScreen;

const ENTRIES: &[Entry] = entries! {
    "Mix": {
        "Middle of the mix", None, |s| (s.tab == Tab::Mix).then_some(MixWish::MoveTo(0.5, 0.5).into());
        "Mix on the pad", None, |_| Some(MixWish::SetKind(MixKind::Pad).into());
        "Mix levels", None, |_| Some(MixWish::SetKind(MixKind::Levels).into());
    }
};

impl Screen for MixScreen {
    type Doc = MixTab;
    type Desk = MixDesk;
    type Wish = MixWish;

    fn apply(state: &mut State, wish: MixWish) -> Vec<Command> {
        wish::apply(state, wish);
        Vec::new()
    }

    fn label(&self) -> &'static str {
        "Mix"
    }

    fn about(&self) -> &'static str {
        "A picture between four others, or the coarse traits of one with the fine ones of another"
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::mix_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        for place in doc.mix.corners.iter_mut().chain(&mut doc.mix.pair) {
            place.take_if(|named| !keep(named));
        }
    }

    fn make_sound(&self, state: &mut State) {
        let mix = &mut state.doc.mix;
        if let Some(model) = &state.live.model {
            mix.fit_levels(model.latent_shape().levels.len());
        }
        let sound = |v: f32| {
            if v.is_finite() {
                v.clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        let shares = mix.shares.iter_mut().chain(&mut mix.further_shares);
        shares.for_each(|share| *share = sound(*share));
        let desk = &mut state.desks.mix;
        (desk.x, desk.y) = (sound(desk.x), sound(desk.y));
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let mix = &state.doc.mix;
        let hero = self.subject(state, 0).map(|n| (0, n.recipe));
        let around: Cells = match mix.kind {
            MixKind::Pad => (0..LATTICE * LATTICE)
                .filter_map(|cell| {
                    let (x, y) = MixTab::place_of_cell(cell);
                    Some((cell, mix.at(x, y)?.recipe))
                })
                .chain(loose_corners(mix))
                .collect(),
            MixKind::Levels => {
                let pair = (0..).zip(mix.pair.iter());
                pair.filter_map(|(i, n)| Some((i, n.as_ref()?.recipe.clone())))
                    .collect()
            }
        };
        vec![(HERO, hero.into_iter().collect()), (AROUND, around)]
    }

    fn lead(&self, state: &State) -> Option<Lead> {
        Some(Lead {
            view: HERO,
            cell: 0,
            recipe: self.subject(state, 0).map(|n| n.recipe),
        })
    }

    fn subject(&self, state: &State, _number: u32) -> Option<Named> {
        let desk = &state.desks.mix;
        match state.doc.mix.kind {
            MixKind::Pad => state.doc.mix.at(desk.x, desk.y),
            MixKind::Levels => state.doc.mix.levels(),
        }
    }

    fn picture<'a>(&self, state: &'a State, _number: u32) -> Option<&'a Picture> {
        state.cell_picture(HERO, 0)
    }

    fn arrows(&self, state: &mut State, dx: i32, dy: i32) {
        let desk = &state.desks.mix;
        let (x, y) = (desk.x + ARROW * dx as f32, desk.y + ARROW * dy as f32);
        wish::apply(state, MixWish::MoveTo(x, y));
    }

    fn opened(&self, state: &mut State) {
        if self.subject(state, 0).is_some() {
            state.selection = MIXED;
        }
    }

    fn model_opened(&self, state: &mut State, _model: &ModelInfo, _keep: bool) {
        self.make_sound(state);
    }

    fn first_shelf(&self, doc: &mut Document, pinned: &[Named]) {
        for places in [&mut doc.mix.corners[..], &mut doc.mix.pair] {
            for (place, named) in places.iter_mut().zip(pinned) {
                place.get_or_insert_with(|| named.clone());
            }
        }
    }

    fn exported(&self, state: &State) -> Option<Exported> {
        self.subject(state, 0)?;
        let pad = state.doc.mix.kind == MixKind::Pad;
        Some(Exported {
            label: "Mix",
            formats: if pad {
                &[
                    ExportFormat::Grid,
                    ExportFormat::Frames,
                    ExportFormat::Latents,
                ]
            } else {
                &[
                    ExportFormat::Strip,
                    ExportFormat::Frames,
                    ExportFormat::Latents,
                ]
            },
            columns: pad.then_some(LATTICE),
            frames: None,
            clock: None,
            stem: "mix".to_owned(),
            usual: true,
        })
    }

    /// The whole lattice; or the first picture, the mixture, the second.
    fn export_pictures(&self, state: &State, _frames: u32) -> Vec<Named> {
        let mix = &state.doc.mix;
        match mix.kind {
            MixKind::Pad => (0..LATTICE * LATTICE)
                .filter_map(|cell| {
                    let (x, y) = MixTab::place_of_cell(cell);
                    mix.at(x, y)
                })
                .collect(),
            MixKind::Levels => {
                let [a, b] = mix.pair.clone();
                [a, mix.levels(), b].into_iter().flatten().collect()
            }
        }
    }
}

/// Cells of the lattice that are its corners, in the order of the corners.
const CORNER_CELLS: [u32; 4] = [
    0,
    LATTICE - 1,
    LATTICE * (LATTICE - 1),
    LATTICE * LATTICE - 1,
];

/// Corners that are set while others are not.
fn loose_corners(mix: &MixTab) -> impl Iterator<Item = (u32, Recipe)> + '_ {
    let cells = CORNER_CELLS.into_iter().zip(&mix.corners);
    cells.filter_map(|(cell, named)| Some((cell, named.as_ref()?.recipe.clone())))
}
