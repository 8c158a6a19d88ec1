//! A training that runs, or what became of it.

use egui::{RichText, Ui};

use super::TrainWish;
use crate::app::theme;
use crate::app::training::{TrainingPhase, TrainingRun};
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, thousands};
use crate::app::widgets::icons::{Icon, note_ui};
use crate::engine::message::{EarlierTraining, EarlierWork};

/// Left-out pictures that the tooltip names.
const NAMED: usize = 12;

/// Figures, state and buttons of a training.
pub fn run_ui(ui: &mut Ui, cx: &mut Cx<'_>, run: &TrainingRun) {
    if let TrainingPhase::Earlier(earlier) = &run.phase {
        earlier_ui(ui, cx, earlier);
        ui.add_space(theme::GROUP_GAP);
        return;
    }
    let heading = ui.heading(run.name());
    heading.on_hover_text(run.order.out.display().to_string());
    facts_ui(ui, cx, run);
    ui.add_space(theme::GAP);
    if run.begun.is_some() {
        bar_ui(ui, cx, run);
        figures_ui(ui, run);
    }
    left_out_ui(ui, cx, run);
    ui.add_space(4.0);
    // Above what is said, so that they stay where they are while that changes.
    buttons_ui(ui, cx, run);
    phase_ui(ui, cx, &run.phase);
    ui.add_space(theme::GROUP_GAP);
}

/// What it learns from, and what it is.
fn facts_ui(ui: &mut Ui, cx: &Cx<'_>, run: &TrainingRun) {
    let folder = run.order.images.display();
    let text = match &run.begun {
        None => format!("from {folder}"),
        Some(begun) => format!(
            "{} pictures of {folder}, {} more to measure on. {} px, {}, {} parameters",
            thousands(begun.n_pictures),
            thousands(begun.n_valid),
            begun.side,
            begun.model,
            thousands(begun.n_parameters),
        ),
    };
    let text = RichText::new(text).small().color(cx.tokens.text_weak);
    ui.add(egui::Label::new(text).wrap());
}

fn bar_ui(ui: &mut Ui, cx: &Cx<'_>, run: &TrainingRun) {
    let Some(target) = run.order.pictures else {
        return;
    };
    let share = run.pictures_seen() as f32 / target.max(1) as f32;
    let bar = egui::ProgressBar::new(share.min(1.0)).desired_height(14.0);
    let response = ui.add(bar.fill(cx.tokens.accent));
    let text = format!("Training, {:.0} %", 100.0 * share.min(1.0));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, &text));
}

fn figures_ui(ui: &mut Ui, run: &TrainingRun) {
    let seen = thousands(run.pictures_seen() as usize);
    let count = match run.order.pictures {
        Some(target) => format!("{seen} of {} pictures", thousands(target as usize)),
        None => format!("{seen} pictures"),
    };
    ui.label(count);
    if let Some(step) = run.step.filter(|_| run.phase.is_active()) {
        let mut text = format!("{} pictures/s", rate(step.pictures_per_sec));
        if let Some(secs) = step.secs_left {
            text += &format!(", {} left", duration(secs));
        }
        ui.label(text);
    }
    let last = run.curve.last();
    let train = run
        .bits_per_dim
        .or(last.map(|point| point.train_bits_per_dim));
    if let Some(train) = train.filter(|bits| bits.is_finite()) {
        let mut text = format!("{train:.3} bits/dim");
        let valid = last.and_then(|point| point.valid_bits_per_dim);
        if let Some(valid) = valid {
            text += &format!(", {valid:.3} on pictures that it has not seen");
        }
        let tip = "How surprised it is by a picture, for each of its numbers: less is better";
        ui.label(text).on_hover_text(tip);
    }
}

fn phase_ui(ui: &mut Ui, cx: &Cx<'_>, phase: &TrainingPhase) {
    let t = &cx.tokens;
    match phase {
        TrainingPhase::Running | TrainingPhase::Earlier(_) => {}
        TrainingPhase::Preparing => note_ui(
            ui,
            Icon::Busy,
            t.text_weak,
            "Reading the first pictures and setting the model up…",
        ),
        TrainingPhase::Pausing => note_ui(ui, Icon::Pause, t.text_weak, "Pauses after this step…"),
        TrainingPhase::Paused => note_ui(ui, Icon::Pause, t.text, "Paused"),
        TrainingPhase::Stopping => note_ui(ui, Icon::Busy, t.text_weak, "Saving…"),
        TrainingPhase::Unsaved(message) => {
            note_ui(ui, Icon::Warning, t.error, message);
            let text = "What it has learnt since the last save is still there: mend this, then stop it once more, or go on";
            ui.add(egui::Label::new(text).wrap());
        }
        TrainingPhase::Finished => note_ui(ui, Icon::Done, t.done, "Done, and saved"),
        TrainingPhase::Stopped => note_ui(ui, Icon::Done, t.done, "Stopped"),
        TrainingPhase::Failed(message) => note_ui(ui, Icon::Warning, t.error, message),
    }
}

fn left_out_ui(ui: &mut Ui, cx: &Cx<'_>, run: &TrainingRun) {
    let n = run.left_out.len();
    if n == 0 {
        return;
    }
    let text = match n {
        1 => "1 picture cannot be read and is left out".to_owned(),
        n => format!("{} pictures cannot be read and are left out", thousands(n)),
    };
    let mut tip = run.left_out[..n.min(NAMED)].join("\n");
    if n > NAMED {
        tip += &format!("\nand {} more", n - NAMED);
    }
    let text = RichText::new(text).color(cx.tokens.warning);
    ui.label(text).on_hover_text(tip);
}

fn buttons_ui(ui: &mut Ui, cx: &mut Cx<'_>, run: &TrainingRun) {
    ui.horizontal_wrapped(|ui| {
        if run.phase.is_active() {
            let waits = matches!(
                run.phase,
                TrainingPhase::Pausing | TrainingPhase::Paused | TrainingPhase::Unsaved(_)
            );
            let runs = run.phase == TrainingPhase::Running;
            if waits {
                if button_ui(ui, true, "Go on", "Learns on where it is") {
                    cx.push(TrainWish::Pause(false));
                }
            } else if button_ui(
                ui,
                runs,
                "Pause",
                "Leaves the processor to others; nothing is lost",
            ) {
                cx.push(TrainWish::Pause(true));
            }
            let stoppable = run.phase != TrainingPhase::Stopping;
            let tip = "Saves and ends. It can be resumed later, also after the window was closed";
            if button_ui(ui, stoppable, "Stop", tip) {
                cx.push(TrainWish::Stop);
            }
        } else if cx.state.training.resumable().is_some() {
            resume_ui(ui, cx);
        }
        let tip = match (run.has_saved, run.phase.is_active()) {
            (false, _) => "There are no weights yet",
            (true, true) => "Opens what was saved last in this window; the training goes on",
            (true, false) => "Opens the weights in this window",
        };
        if button_ui(ui, run.has_saved, "Use the result", tip) {
            cx.push(TrainWish::Use);
        }
    });
}

fn resume_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tip = "Goes on where the last save was, with the same pictures";
    if button_ui(ui, true, "Resume", tip) {
        cx.push(TrainWish::Resume);
    }
}

/// The offer to go on with what an earlier run of the program has left.
pub fn unfinished_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.state.training.run.is_some() {
        return; // said above already
    }
    let Some(order) = cx.state.training.resumable() else {
        return;
    };
    let name = order.out.file_name().unwrap_or_default().to_string_lossy();
    let text = format!("The training of {name} has not come to its end");
    note_ui(ui, Icon::Info, cx.tokens.text, &text);
    let from = format!("It learnt from {}", order.images.display());
    let from = RichText::new(from).small().color(cx.tokens.text_weak);
    ui.add(egui::Label::new(from).wrap());
    ui.horizontal_wrapped(|ui| {
        resume_ui(ui, cx);
        let tip = "Is not offered any more; its files stay where they are";
        if button_ui(ui, true, "Leave it", tip) {
            cx.push(TrainWish::Forget);
        }
    });
    ui.add_space(theme::GROUP_GAP);
}

/// An earlier training lies under the names that were chosen.
fn earlier_ui(ui: &mut Ui, cx: &mut Cx<'_>, earlier: &EarlierTraining) {
    let path = earlier.path.display();
    let text = format!("An earlier training is there, and nothing was touched: {path}");
    note_ui(ui, Icon::Warning, cx.tokens.warning, &text);
    let text = match &earlier.resumable {
        Some(state) => format!(
            "It has seen {} pictures of {} px",
            thousands(state.pictures_seen as usize),
            state.side
        ),
        None => "It has no checkpoint that could go on".to_owned(),
    };
    ui.label(RichText::new(text).color(cx.tokens.text_weak));
    ui.horizontal_wrapped(|ui| {
        let resumable = earlier.resumable.is_some();
        let tip = "Learns on where it was, as the model that it is, with the pictures chosen below";
        if resumable && button_ui(ui, true, "Go on with it", tip) {
            cx.push(TrainWish::Answer(EarlierWork::Resume));
        }
        let tip = "Its weights and its checkpoint are written over at the first save";
        if button_ui(ui, true, "Replace it", tip) {
            cx.push(TrainWish::Answer(EarlierWork::Replace));
        }
        let tip = "It stays; choose another name for the weights below";
        if button_ui(ui, true, "Leave it", tip) {
            cx.push(TrainWish::Answer(EarlierWork::Keep));
        }
    });
}

fn rate(per_sec: f64) -> String {
    match per_sec {
        slow if slow < 10.0 => format!("{slow:.1}"),
        fast => format!("{fast:.0}"),
    }
}

/// `2 h 5 min`, `12 min`, `40 s`.
fn duration(secs: f64) -> String {
    let minutes = (secs / 60.0).ceil();
    if secs < 59.5 {
        format!("{:.0} s", secs.max(1.0))
    } else if minutes < 60.0 {
        format!("{minutes:.0} min")
    } else if minutes < 48.0 * 60.0 {
        format!(
            "{:.0} h {:.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    } else {
        format!("{:.0} days", (minutes / 1440.0).ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_as_people_say_them() {
        let said = [3.2, 59.9, 720.0, 7500.0, 300_000.0].map(duration);
        assert_eq!(said, ["3 s", "1 min", "12 min", "2 h 5 min", "4 days"]);
        assert_eq!([0.42, 23.6].map(rate), ["0.4", "24"]);
    }
}
