//! What a person's wishes and the training's reports do to it.

use super::{TrainingPhase, TrainingRun};
use crate::app::dialog::Dialog;
use crate::app::state::{LogLevel, State};
use crate::engine::message::{Command, TrainCommand, TrainOrder, TrainReport, TrainingEnd};

/// Pictures left out that the log names one by one.
const NAMED: usize = 10;
/// How much of the figure is the newest report.
const NEWEST: f64 = 0.2;

impl State {
    /// Begins a training, unless one is under way.
    pub(crate) fn start_training(&mut self, order: TrainOrder) -> Option<Command> {
        if self.training.is_active() {
            return None;
        }
        self.training.run = Some(TrainingRun::new(order.clone()));
        Some(Command::Train(TrainCommand::Start(Box::new(order))))
    }

    /// Holds the training up, or lets it go on.
    pub(crate) fn pause_training(&mut self, paused: bool) -> Option<Command> {
        let run = self.training.run.as_mut()?;
        run.phase = match (&run.phase, paused) {
            (TrainingPhase::Running, true) => TrainingPhase::Pausing,
            (TrainingPhase::Pausing | TrainingPhase::Paused | TrainingPhase::Unsaved(_), false) => {
                TrainingPhase::Running
            }
            _ => return None,
        };
        Some(Command::Train(TrainCommand::Pause(paused)))
    }

    /// Saves the training and ends it.
    pub(crate) fn stop_training(&mut self) -> Option<Command> {
        let run = self.training.run.as_mut()?;
        if !run.phase.is_active() || run.phase == TrainingPhase::Stopping {
            return None;
        }
        run.phase = TrainingPhase::Stopping;
        Some(Command::Train(TrainCommand::Stop))
    }

    /// Takes in what the training tells.
    pub(crate) fn training_reported(&mut self, report: TrainReport) {
        let pictures = match &report {
            TrainReport::Samples(pictures) => pictures
                .iter()
                .map(|pixels| self.picture(pixels.clone(), 0))
                .collect(),
            _ => Vec::new(),
        };
        let Some(run) = &mut self.training.run else {
            return;
        };
        let mut said = None;
        match report {
            TrainReport::Begun(begun) => {
                run.curve.clone_from(&begun.curve);
                run.has_saved = begun.pictures_seen > 0;
                run.begun = Some(*begun);
                if run.phase == TrainingPhase::Preparing {
                    run.phase = TrainingPhase::Running;
                }
            }
            TrainReport::Step(step) => {
                let bits = step.bits_per_dim;
                let before = run.bits_per_dim.unwrap_or(bits);
                run.bits_per_dim = Some(before + NEWEST * (bits - before));
                run.line.push(step.pictures_seen as f64, bits);
                run.step = Some(step);
            }
            TrainReport::Saved(point) => {
                run.curve.push(point);
                run.has_saved = true;
                self.training.unfinished = Some(run.order.clone());
            }
            TrainReport::Samples(_) => run.samples = pictures,
            TrainReport::LeftOut(name) => {
                let n = run.left_out.len();
                let text = match n.cmp(&NAMED) {
                    std::cmp::Ordering::Less => Some(format!("left out of the training: {name}")),
                    std::cmp::Ordering::Equal => {
                        Some("more pictures are left out; the Train screen counts them".to_owned())
                    }
                    std::cmp::Ordering::Greater => None,
                };
                run.left_out.push(name);
                said = text.map(|text| (LogLevel::Info, text));
            }
            TrainReport::Note(text) => said = Some((LogLevel::Notice, text)),
            TrainReport::WentBack {
                reason,
                pictures_seen,
            } => {
                let at = pictures_seen as f64;
                run.curve.retain(|point| point.pictures <= pictures_seen);
                run.line.cut(at);
                run.bits_per_dim = None;
                let text = format!(
                    "the training diverged ({reason}): it goes on from {pictures_seen} pictures in smaller steps"
                );
                said = Some((LogLevel::Notice, text));
            }
            TrainReport::Paused(paused) => {
                let waits = matches!(
                    run.phase,
                    TrainingPhase::Pausing | TrainingPhase::Paused | TrainingPhase::Running
                );
                if waits {
                    run.phase = match paused {
                        true => TrainingPhase::Paused,
                        false => TrainingPhase::Running,
                    };
                }
            }
            TrainReport::Unsaved(message) => {
                run.phase = TrainingPhase::Unsaved(message.clone());
                self.training.closes = false;
                said = Some((LogLevel::Error, message));
            }
            TrainReport::Ended(end) => return self.training_ended(end),
        }
        if let Some((level, text)) = said {
            self.log(level, text);
        }
    }

    fn training_ended(&mut self, end: TrainingEnd) {
        let Some(run) = &mut self.training.run else {
            return;
        };
        let path = run.order.out.display().to_string();
        // What was asked before the window closes has its answer.
        if self.dialog == Some(Dialog::Quit) && self.live.exporting.is_empty() {
            self.dialog = None;
        }
        match end {
            TrainingEnd::Earlier(earlier) => run.phase = TrainingPhase::Earlier(earlier),
            TrainingEnd::Finished => {
                run.phase = TrainingPhase::Finished;
                self.training.unfinished = None;
                let text = format!("the training is done, its weights are saved: {path}");
                self.log(LogLevel::Notice, text);
            }
            TrainingEnd::Stopped => {
                run.phase = TrainingPhase::Stopped;
                if run.has_saved {
                    let text = format!("the training was stopped and is saved: {path}");
                    self.log(LogLevel::Done, text);
                }
            }
            TrainingEnd::Failed { message, .. } => {
                run.phase = TrainingPhase::Failed(message.clone());
                self.training.closes = false;
                self.log(LogLevel::Error, message);
            }
        }
    }
}
