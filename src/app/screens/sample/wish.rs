//! What can be wished for on the sample screen, and what that does.

use super::{Variation, cell};
use crate::app::state::{Named, State, Tab};
use crate::engine::message::Condition;

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleWish {
    /// Show the selected cell large, or the grid again.
    Enlarge(bool),
    /// Which cell is under the pointer.
    FocusCell(Option<u32>),
    /// Seed of the grid.
    SetSeed(u64),
    /// A seed that nobody chose.
    NewSeed,
    /// One temperature for all levels.
    SetTemperature(f32),
    /// Fold the temperatures of the levels out or in.
    SetPerLevel(bool),
    /// The temperature of one level.
    SetLevelTemperature(usize, f32),
    /// Given which samples are drawn, and photos encoded that come from now on.
    SetCondition(Condition),
    /// Columns and rows of the grid.
    SetGrid(u32, u32),
    /// Fill the grid with variations.
    MoreLikeThis(Named),
    /// How far variations go.
    SetVariation(f32),
    /// Fresh samples again.
    LeaveVariations,
}

pub(super) fn apply(state: &mut State, wish: SampleWish) {
    let desk = &mut state.desks.sample;
    let sample = &mut state.doc.sample;
    match wish {
        SampleWish::Enlarge(enlarged) => desk.enlarged = enlarged,
        SampleWish::FocusCell(cell) => desk.focus = cell,
        SampleWish::SetSeed(seed) => sample.seed = seed,
        // Short enough to read out and to type.
        SampleWish::NewSeed => sample.seed = state.chance % 1_000_000,
        SampleWish::SetTemperature(value) => {
            sample.temperature = value;
            sample.level_temperatures.fill(value);
        }
        SampleWish::SetPerLevel(per_level) => sample.per_level = per_level,
        SampleWish::SetLevelTemperature(level, value) => {
            if let Some(slot) = sample.level_temperatures.get_mut(level) {
                *slot = value;
            }
        }
        SampleWish::SetCondition(condition) => sample.condition = condition,
        SampleWish::SetGrid(columns, rows) => {
            sample.columns = columns.clamp(1, 12);
            sample.rows = rows.clamp(1, 12);
        }
        SampleWish::MoreLikeThis(base) => {
            let amount = sample.variation.as_ref().map_or(0.3, |v| v.amount);
            sample.variation = Some(Variation { base, amount });
            state.show(Tab::Sample, cell(0));
        }
        SampleWish::SetVariation(amount) => {
            if let Some(variation) = &mut sample.variation {
                variation.amount = amount;
            }
        }
        SampleWish::LeaveVariations => sample.variation = None,
    }
}
