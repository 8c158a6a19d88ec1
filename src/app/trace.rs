//! How long a change takes to reach the screen.
//!
//! For each view the trace follows the picture that is waited for: the only one, or the one nearest the
//! pointer. A change begins with the frame whose input asked for another picture, and ends with the
//! frame that paints it. Values that were overtaken on the way are not counted: nobody waits for them.

use std::collections::{HashMap, VecDeque};

use crate::engine::message::{Recipe, View};

/// Times kept.
const KEPT: usize = 240;
/// Changes of one view on their way; older ones were overtaken long ago.
const ON_THEIR_WAY: usize = 512;

/// The lead picture of a view.
#[derive(Clone, Debug, Default)]
struct Followed {
    wanted: Option<Recipe>,
    changes: VecDeque<(Recipe, f64)>,
}

/// See the module. Its clock is the caller's, in seconds.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    leads: HashMap<View, Followed>,
    /// Milliseconds from change to picture, newest last.
    times_ms: VecDeque<f32>,
}

impl Trace {
    /// Takes note of what a view should show from `now` on. What it wanted when it was first seen is no
    /// change, and neither is what is `there` already: the pointer has moved to another picture.
    pub fn wanted(&mut self, view: View, recipe: Option<&Recipe>, there: bool, now: f64) {
        let lead = self.leads.entry(view).or_default();
        if lead.wanted.as_ref() == recipe {
            return;
        }
        if let (Some(recipe), Some(_), false) = (recipe, &lead.wanted, there) {
            lead.changes.push_back((recipe.clone(), now));
            while lead.changes.len() > ON_THEIR_WAY {
                lead.changes.pop_front();
            }
        }
        lead.wanted = recipe.cloned();
    }

    /// Takes note of what a view shows `now`; the milliseconds since the change that asked for it, the
    /// first time it is seen.
    pub fn shown(&mut self, view: View, recipe: Option<&Recipe>, now: f64) -> Option<f32> {
        let changes = &mut self.leads.get_mut(&view)?.changes;
        let at = changes.iter().rposition(|(r, _)| Some(r) == recipe)?;
        let (_, since) = changes.drain(..=at).next_back()?;
        let ms = ((now - since) * 1e3) as f32;
        self.times_ms.push_back(ms);
        while self.times_ms.len() > KEPT {
            self.times_ms.pop_front();
        }
        Some(ms)
    }

    /// Only this view is looked at: what others wait for is no delay.
    pub fn left_all_but(&mut self, view: Option<View>) {
        self.leads.retain(|v, _| Some(*v) == view);
    }

    /// Milliseconds from change to picture, newest last.
    pub fn times_ms(&self) -> impl Iterator<Item = f32> + '_ {
        self.times_ms.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(index: u32) -> Recipe {
        Recipe::Sample { seed: 1, index }
    }

    #[test]
    fn overtaken_values_are_not_counted_and_the_last_one_is() {
        let mut trace = Trace::default();
        let view = View(2);
        trace.wanted(view, Some(&sample(0)), false, 0.0);
        for i in 1..5 {
            trace.wanted(view, Some(&sample(i)), false, f64::from(i));
        }
        assert_eq!(trace.shown(view, Some(&sample(0)), 5.0), None);
        assert_eq!(trace.shown(view, Some(&sample(2)), 5.0), Some(3000.0));
        assert_eq!(trace.shown(view, Some(&sample(2)), 6.0), None, "once");
        assert_eq!(trace.shown(view, Some(&sample(4)), 6.5), Some(2500.0));
        assert_eq!(trace.times_ms().collect::<Vec<_>>(), [3000.0, 2500.0]);
    }

    #[test]
    fn a_view_that_opens_is_no_delay() {
        let mut trace = Trace::default();
        trace.wanted(View(1), Some(&sample(0)), false, 0.0);
        assert_eq!(trace.shown(View(1), Some(&sample(0)), 9.0), None);
        trace.wanted(View(1), Some(&sample(2)), true, 9.5);
        assert_eq!(trace.shown(View(1), Some(&sample(2)), 9.6), None);
        trace.wanted(View(1), Some(&sample(1)), false, 10.0);
        trace.left_all_but(None);
        assert_eq!(trace.shown(View(1), Some(&sample(1)), 20.0), None);
    }
}
