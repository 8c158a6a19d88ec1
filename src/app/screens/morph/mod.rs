//! The morph screen: a path through two to eight keyframes.

mod filmstrip;
mod playback;
mod tab;
#[cfg(test)]
mod tests;
mod view;
mod wish;

use std::time::Duration;

use egui::{Key, Ui};

pub use tab::{MAX_KEYS, MorphTab, PLAY_MODES, Playback, slot_name};
pub use wish::MorphWish;

use super::{Cells, Desks, Document, Exported, Lead, Offer, Running, Screen, Tab};
use crate::app::dialog::{Clock, ExportFormat};
use crate::app::document::Named;
use crate::app::keys::{Entry, entries, plain};
use crate::app::state::{Picture, Selection, State};
use crate::app::widgets::Cx;
use crate::engine::message::{Command, Easing, ItemId, PathKind, Recipe, Timeline, View};
use crate::recipe::PictureSettings;

/// The large picture.
pub const HERO: View = super::view(Tab::Morph, 0);
/// The filmstrip, and the keyframes.
pub const STRIP: View = super::view(Tab::Morph, 1);
/// The large picture, as a selection.
pub const MORPH: Selection = Selection::Of(Tab::Morph, 0);

/// Cell numbers of keyframes in the filmstrip's view begin here.
const KEY_CELLS: u32 = 1000;

/// Frames a second of an exported film at first.
const FILM_FPS: u32 = 25;

/// See the module.
pub struct MorphScreen;

const ENTRIES: &[Entry] = entries! {
    "Morph": {
        "Play or pause", plain(Key::Space), |s| (s.doc.morph.path_keys().is_some()).then_some(MorphWish::Play(!s.desks.morph.playing).into());
        "Swap A and B", plain(Key::X), |_| Some(MorphWish::ReverseKeys.into());
        "Straight path", None, |_| Some(MorphWish::SetPath(PathKind::Linear).into());
        "Spherical path", None, |_| Some(MorphWish::SetPath(PathKind::Spherical).into());
        "Spherical path per level", None, |_| Some(MorphWish::SetPath(PathKind::SphericalPerLevel).into());
    }
};

const OFFERS: &[Offer] = &[
    Offer {
        name: "Use as A",
        button: Some("Use as A"),
        tip: "Into slot A of the morph (A)",
        key: plain(Key::A),
        on_double_click: false,
        wish: |named| MorphWish::SetKey(0, named).into(),
    },
    Offer {
        name: "Use as B",
        button: Some("Use as B"),
        tip: "Into slot B of the morph (B)",
        key: plain(Key::B),
        on_double_click: false,
        wish: |named| MorphWish::SetKey(1, named).into(),
    },
];

impl Screen for MorphScreen {
    type Doc = MorphTab;
    type Desk = Playback;
    type Wish = MorphWish;

    fn apply(state: &mut State, wish: MorphWish) -> Vec<Command> {
        wish::apply(state, wish);
        Vec::new()
    }

    fn is_quiet(wish: &MorphWish) -> bool {
        matches!(wish, MorphWish::Advance(_))
    }

    fn label(&self) -> &'static str {
        "Morph"
    }

    fn about(&self) -> &'static str {
        "A path from picture to picture"
    }

    fn tour(&self) -> Option<&'static str> {
        Some(
            "Drag the position, or press Space: every picture on the way is a face too. The ends are pictures of the shelf; drag others into the slots.",
        )
    }

    fn ui(&self, ui: &mut Ui, cx: &mut Cx<'_>) {
        view::morph_ui(ui, cx);
    }

    fn entries(&self) -> &'static [Entry] {
        ENTRIES
    }

    fn offers(&self) -> &'static [Offer] {
        OFFERS
    }

    fn retain(&self, doc: &mut Document, keep: &mut dyn FnMut(&mut Named) -> bool) {
        for key in &mut doc.morph.keys {
            key.take_if(|named| !keep(named));
        }
    }

    fn make_sound(&self, state: &mut State) {
        let morph = &mut state.doc.morph;
        morph.steps = morph.steps.clamp(2, 60);
        morph.keys.truncate(MAX_KEYS);
        while morph.keys.len() < 2 {
            morph.keys.push(None);
        }
    }

    fn marks(&self, doc: &Document, id: ItemId) -> String {
        let keys = doc.morph.keys.iter().enumerate();
        keys.filter(|(_, key)| key.as_ref().is_some_and(|k| k.recipe == Recipe::Item(id)))
            .map(|(slot, _)| slot_name(slot))
            .collect()
    }

    fn wanted(&self, state: &State) -> Vec<(View, Cells)> {
        let morph = &state.doc.morph;
        let hero = self.subject(state, 0).map(|n| (0, n.recipe));
        let mut strip: Cells = (0..morph.steps)
            .filter_map(|step| Some((step, morph.at(morph.t_of_step(step))?.recipe)))
            .collect();
        let keys = morph.keys.iter().enumerate();
        strip.extend(keys.filter_map(|(slot, key)| {
            let recipe = key.as_ref()?.recipe.clone();
            let is_item = matches!(recipe, Recipe::Item(_));
            (!is_item).then_some((KEY_CELLS + slot as u32, recipe))
        }));
        vec![(HERO, hero.into_iter().collect()), (STRIP, strip)]
    }

    fn lead(&self, state: &State) -> Option<Lead> {
        Some(Lead {
            view: HERO,
            cell: 0,
            recipe: self.subject(state, 0).map(|n| n.recipe),
        })
    }

    fn running(&self, state: &State) -> Option<Running> {
        if !state.desks.morph.playing {
            return None;
        }
        // While a decode is out, its answer wakes the window; painting faster than that would only take the cores
        // from it.
        let waiting = (state.live.views.get(&HERO)).is_some_and(|v| v.in_flight.is_some());
        Some(Running {
            view: HERO,
            step: |elapsed_secs| MorphWish::Advance(elapsed_secs).into(),
            next_frame: Duration::from_millis(if waiting { 50 } else { 16 }),
        })
    }

    fn stop_where_it_began(&self, desks: &mut Desks) {
        desks.morph.t = desks.morph.began;
    }

    fn subject(&self, state: &State, _number: u32) -> Option<Named> {
        state.doc.morph.at(state.desks.morph.t)
    }

    fn picture<'a>(&self, state: &'a State, _number: u32) -> Option<&'a Picture> {
        state.cell_picture(HERO, 0)
    }

    fn arrows(&self, state: &mut State, dx: i32, dy: i32) {
        let intervals = (state.doc.morph.steps - 1) as f32;
        let step = (state.desks.morph.t * intervals).round() + (dx + dy) as f32;
        state.desks.morph.t = (step / intervals).clamp(0.0, 1.0);
    }

    fn opened(&self, state: &mut State) {
        if state.doc.morph.path_keys().is_some() {
            state.selection = MORPH;
        }
    }

    fn left(&self, state: &mut State) {
        state.desks.morph.playing = false;
    }

    fn new_run(&self, doc: &mut Document) {
        doc.morph.keys = vec![None, None];
    }

    /// A morph that is ready beats two empty slots.
    fn first_shelf(&self, doc: &mut Document, pinned: &[Named]) {
        for (key, named) in doc.morph.keys.iter_mut().zip(pinned) {
            key.get_or_insert_with(|| named.clone());
        }
    }

    /// Two photos of the command line are what is morphed.
    fn given(&self, state: &mut State, place: usize, picture: &Named) {
        if place < 2 {
            wish::set_key(state, place, picture.clone());
        }
    }

    fn exported(&self, state: &State) -> Option<Exported> {
        state.doc.morph.path_keys()?;
        Some(Exported {
            label: "Morph",
            formats: &[
                ExportFormat::Strip,
                ExportFormat::Grid,
                ExportFormat::Frames,
                ExportFormat::Gif,
                ExportFormat::Apng,
                ExportFormat::WebP,
                ExportFormat::Mp4,
                ExportFormat::Latents,
            ],
            columns: None,
            frames: Some(state.doc.morph.steps),
            clock: Some(Clock {
                seconds: state.desks.morph.seconds,
                fps: FILM_FPS,
                mode: state.desks.morph.mode,
            }),
            stem: "morph".to_owned(),
            usual: true,
        })
    }

    fn export_pictures(&self, state: &State, frames: u32) -> Vec<Named> {
        let last = (frames.max(2) - 1) as f32;
        let at = |i: u32| {
            let t = i as f32 / last;
            let named = state.doc.morph.at(t)?;
            Some(Named {
                label: format!("{t:.2}"),
                ..named
            })
        };
        (0..frames.max(2)).filter_map(at).collect()
    }

    /// What is played, frame by frame.
    fn film(&self, state: &State, clock: Clock) -> (Vec<Named>, Vec<usize>) {
        let Clock { seconds, fps, mode } = clock;
        let keys = state.doc.morph.path_keys().unwrap_or_default();
        let closed = keys.first() == keys.last();
        // The path itself bends time.
        let timeline = Timeline::new(seconds, fps, mode, Easing::Linear, closed);
        let at = |&t: &f32| {
            let named = state.doc.morph.at(t)?;
            Some(Named {
                label: format!("{t:.2}"),
                ..named
            })
        };
        let pictures: Vec<Named> = timeline.times.iter().filter_map(at).collect();
        match pictures.is_empty() {
            true => (pictures, Vec::new()),
            false => (pictures, timeline.order),
        }
    }

    fn remake(
        &self,
        state: &mut State,
        settings: &PictureSettings,
        name: &str,
    ) -> Option<&'static str> {
        let recipes = &settings.recipes;
        let (keys, path) = as_morph(recipes)?;
        let named = |key: &Recipe| Named {
            recipe: key.clone(),
            label: crate::app::reopened::label_of(key, name),
        };
        let morph = &mut state.doc.morph;
        morph.path = path;
        // The file has the positions themselves, bent already.
        morph.easing = Easing::Linear;
        morph.keys = keys.iter().map(|key| Some(named(key))).collect();
        if recipes.len() > 1 {
            morph.steps = recipes.len() as u32;
        } else if let Recipe::Morph { t, .. } = &recipes[0] {
            state.desks.morph.t = t.clamp(0.0, 1.0);
        }
        self.make_sound(state);
        state.show(Tab::Morph, MORPH);
        Some("the morph")
    }
}

/// Keyframes and path of the steps of a morph.
fn as_morph(recipes: &[Recipe]) -> Option<(&[Recipe], PathKind)> {
    let part = |recipe| match recipe {
        &Recipe::Morph { ref keys, path, .. } => Some((&keys[..], path)),
        _ => None,
    };
    let found = part(recipes.first()?)?;
    let same = recipes.iter().all(|recipe| part(recipe) == Some(found));
    (same && found.0.len() >= 2).then_some(found)
}
