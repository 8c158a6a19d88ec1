//! The window without a window: a scripted drag through the same [`State`] and a real worker, to
//! measure how long a change takes to come back as a picture.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::action::Action;
use super::screens::morph::{self, MorphWish};
use super::screens::sample::{self, SampleWish};
use super::state::{State, Tab};
use super::widgets::bars::median_and_p95;
use crate::engine::message::View;
use crate::engine::{Engine, EngineLink};

/// What to replay.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Moves of the slider.
    pub moves: u32,
    /// Time between two of them; a mouse reports about every 8 to 16 ms.
    pub every: Duration,
    /// The worker is given up after so long without an answer.
    pub patience: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            moves: 120,
            every: Duration::from_millis(16),
            patience: Duration::from_secs(120),
        }
    }
}

/// One drag.
#[derive(Clone, Debug, Serialize)]
pub struct Drag {
    /// Moves of the slider.
    pub moves: u32,
    /// Pictures of the lead cell that came while it moved, and the last one.
    pub pictures: usize,
    /// Median milliseconds from a move to its picture.
    pub median_ms: f32,
    /// 95th percentile.
    pub p95_ms: f32,
    /// Milliseconds from the last move until every cell shows it.
    pub settled_ms: f64,
}

/// What a replay measured.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// The model.
    pub model: String,
    /// Where it runs.
    pub device: String,
    /// The morph's large picture.
    pub hero: Drag,
    /// The grid of 6 x 4 samples; the figures are the first cell's.
    pub grid: Drag,
    /// Longest time that the state kept the thread of the window, milliseconds.
    pub longest_block_ms: f64,
}

struct Replay<'a> {
    state: State,
    link: &'a EngineLink,
    script: Script,
    began: Instant,
    longest_block: Duration,
    times_ms: Vec<f32>,
}

/// Replays the drags with a worker that has no model open yet; `model` as on the command line.
///
/// Errors: the worker's first message where the model cannot be opened, or that it does not answer.
pub fn run(
    engine: &Engine,
    model: Option<std::path::PathBuf>,
    script: Script,
) -> Result<ReplayReport, String> {
    let link = engine.link();
    let mut replay = Replay {
        state: State::default(),
        link: &link,
        script,
        began: Instant::now(),
        longest_block: Duration::ZERO,
        times_ms: Vec::new(),
    };
    replay.step(|state| state.start(model, Vec::new()));
    replay.settle()?;
    replay.step(|state| state.apply(Action::SetTab(Tab::Morph)));
    replay.settle()?;
    let hero = replay.drag(morph::HERO, |share| {
        MorphWish::SetT(0.02 + 0.96 * share).into()
    })?;
    replay.step(|state| state.apply(Action::SetTab(Tab::Sample)));
    replay.settle()?;
    let grid = replay.drag(sample::GRID, |share| {
        SampleWish::SetTemperature(0.3 + 0.6 * share).into()
    })?;
    let info = replay.state.live.model.as_ref();
    Ok(ReplayReport {
        model: info.map(|m| m.name.clone()).unwrap_or_default(),
        device: info.map(|m| m.device.clone()).unwrap_or_default(),
        hero,
        grid,
        longest_block_ms: replay.longest_block.as_secs_f64() * 1e3,
    })
}

impl Replay<'_> {
    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// What a frame of the window does, but for the painting.
    fn frame(
        &mut self,
        settled: bool,
        act: impl FnOnce(&mut State) -> Vec<crate::engine::message::Command>,
    ) {
        let now = self.now();
        let mut commands = act(&mut self.state);
        commands.extend(self.state.sync(settled));
        for command in commands {
            // A worker that has gone is noticed where its answer is waited for.
            let _ = self.link.commands.send(command);
        }
        let seen = self.now();
        self.times_ms.extend(self.state.trace_shown(seen));
        self.state.trace_wanted(now);
        let block = Duration::from_secs_f64(self.now() - now);
        self.longest_block = self.longest_block.max(block);
    }

    fn step(&mut self, act: impl FnOnce(&mut State) -> Vec<crate::engine::message::Command>) {
        self.frame(true, act);
    }

    /// Takes answers in until `deadline`; whether one came.
    fn answers_until(&mut self, deadline: Instant, settled: bool) -> bool {
        match self.link.events.recv_deadline(deadline) {
            Ok(event) => {
                self.frame(settled, |state| state.receive(event));
                true
            }
            Err(_) => false,
        }
    }

    fn is_settled(&self) -> bool {
        let live = &self.state.live;
        let busy = |v: &super::state::ViewState| v.in_flight.is_some();
        live.model.is_some()
            && !live.views.is_empty()
            && !live.views.values().any(busy)
            && live.inspecting.is_none()
            && self
                .state
                .doc
                .shelf
                .iter()
                .all(|e| self.state.is_ready(e.id))
    }

    fn settle(&mut self) -> Result<(), String> {
        while !self.is_settled() {
            let deadline = Instant::now() + self.script.patience;
            if !self.answers_until(deadline, true) {
                return Err("the worker does not answer".to_owned());
            }
            let live = &self.state.live;
            let error = live.log.iter().rev();
            let mut errors = error.filter(|l| l.level == super::state::LogLevel::Error);
            if let Some(line) = errors.next() {
                return Err(line.text.clone());
            }
        }
        Ok(())
    }

    fn drag(&mut self, view: View, action: impl Fn(f32) -> Action) -> Result<Drag, String> {
        self.times_ms.clear();
        let moves = self.script.moves.max(2);
        let begin = Instant::now();
        for i in 0..moves {
            let share = i as f32 / (moves - 1) as f32;
            self.frame(false, |state| state.apply(action(share)));
            let next = begin + self.script.every * (i + 1);
            while self.answers_until(next, false) {}
        }
        let released = Instant::now();
        self.step(|_| Vec::new());
        let mut settled_ms = None;
        while settled_ms.is_none() {
            let views = &self.state.live.views;
            if views.get(&view).is_none_or(|v| v.in_flight.is_none()) {
                settled_ms = Some(released.elapsed().as_secs_f64() * 1e3);
                break;
            }
            let deadline = Instant::now() + self.script.patience;
            if !self.answers_until(deadline, true) {
                return Err("the worker does not answer".to_owned());
            }
        }
        let times = median_and_p95(self.times_ms.iter().copied());
        let (median_ms, p95_ms) = times.unwrap_or((f32::NAN, f32::NAN));
        let drag = Drag {
            moves,
            pictures: self.times_ms.len(),
            median_ms,
            p95_ms,
            settled_ms: settled_ms.unwrap_or(f64::NAN),
        };
        self.settle()?;
        Ok(drag)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::engine::EngineOptions;
    use crate::engine::toy::open_toy;

    #[test]
    fn the_last_value_of_a_drag_is_always_drawn() {
        let panics = Arc::new(AtomicUsize::new(0));
        let options = EngineOptions::new(Box::new(move |path: Option<&Path>| {
            open_toy(path, None, panics.clone())
        }));
        let engine = Engine::spawn(options, || {});
        let script = Script {
            moves: 12,
            every: Duration::from_millis(1),
            ..Script::default()
        };
        let report = run(&engine, None, script).unwrap();
        for drag in [&report.hero, &report.grid] {
            assert!((1..=12).contains(&drag.pictures), "{drag:?}");
            assert!(drag.median_ms <= drag.p95_ms, "{drag:?}");
        }
    }
}
