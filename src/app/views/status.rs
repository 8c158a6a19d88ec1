//! The status bar.

use egui::{Ui, vec2};

use super::shelf::elided;
use crate::app::action::Action;
use crate::app::dialog::Dialog;
use crate::app::state::{LogLevel, Tab};
use crate::app::training::TrainingPhase;
use crate::app::widgets::Cx;
use crate::app::widgets::bars::{median_and_p95, sparkline_ui};
use crate::app::widgets::icons::{self, Icon};

/// Device, decode time, queue, progress, last message.
pub fn status_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal(|ui| {
        ui.set_min_height(22.0);
        ui.style_mut().override_text_style = Some(egui::TextStyle::Small);
        let weak = cx.tokens.text_weak;
        let live = &cx.state.live;
        let device = match &live.model {
            Some(model) => model.device.as_str(),
            None if live.opening => "opening the model…",
            None => "no model",
        };
        ui.label(egui::RichText::new(device).color(weak))
            .on_hover_text("Where the model runs");
        ui.separator();
        decode_time_ui(ui, cx);
        ui.separator();
        let queue = egui::RichText::new(format!("queue {}", live.waiting)).color(weak);
        ui.label(queue)
            .on_hover_text("Requests that wait for the model");
        training_ui(ui, cx);
        if let Some(progress) = live.progress.clone() {
            ui.separator();
            let share = progress.done as f32 / progress.total.max(1) as f32;
            let text = format!("{} {}/{}", progress.what, progress.done, progress.total);
            let bar = egui::ProgressBar::new(share)
                .desired_width(150.0)
                .desired_height(14.0);
            let response = ui.add(bar.fill(cx.tokens.accent));
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, &text)
            });
            ui.label(&text);
            let cancel = progress
                .ticket
                .map_or(Action::CancelImports, Action::Cancel);
            cancel_ui(ui, cx, cancel);
        } else if let Some((ticket, path)) = live.exporting.first() {
            ui.separator();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ui.label(format!("writing {name}"));
            cancel_ui(ui, cx, Action::Cancel(*ticket));
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            message_ui(ui, cx);
        });
    });
}

/// How far the training is; a click shows it.
fn training_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let run = cx.state.training.run.as_ref();
    let Some(run) = run.filter(|run| run.phase.is_active()) else {
        return;
    };
    ui.separator();
    let share = run.order.pictures.map(|target| {
        let share = run.pictures_seen() as f64 / target.max(1) as f64;
        format!(" {:.0} %", 100.0 * share.min(1.0))
    });
    let text = match run.phase {
        TrainingPhase::Paused | TrainingPhase::Unsaved(_) => "training paused".to_owned(),
        _ => format!("training{}", share.unwrap_or_default()),
    };
    let button = egui::Button::new(egui::RichText::new(text).color(cx.tokens.accent)).frame(false);
    let tip = format!("{} learns; a click shows how", run.name());
    if ui.add(button).on_hover_text(tip).clicked() {
        cx.push(Action::SetTab(Tab::Train));
    }
}

fn cancel_ui(ui: &mut Ui, cx: &mut Cx<'_>, action: Action) {
    let tip = "Give it up; nothing half-done is left behind";
    if ui.small_button("Cancel").on_hover_text(tip).clicked() {
        cx.push(action);
    }
}

fn decode_time_ui(ui: &mut Ui, cx: &Cx<'_>) {
    let times = &cx.state.live.decode_ms;
    let text = match median_and_p95(times.iter().copied()) {
        Some((median, p95)) => format!("decode {median:.0} ms (p95 {p95:.0})"),
        None => "decode …".to_owned(),
    };
    // As wide as it ever gets, so that nothing to the right of it moves while a slider is dragged.
    let font = egui::TextStyle::Small.resolve(ui.style());
    let color = cx.tokens.text_weak;
    let whole = ui
        .painter()
        .layout_no_wrap(text.clone(), font, color)
        .size()
        .x;
    let size = vec2(whole.ceil().max(124.0), 18.0);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::hover());
    let builder = egui::UiBuilder::new()
        .max_rect(rect)
        .layout(egui::Layout::left_to_right(egui::Align::Center));
    let label = egui::Label::new(egui::RichText::new(text).color(cx.tokens.text_weak)).truncate();
    ui.new_child(builder).add(label);
    let values: Vec<f32> = times.iter().copied().collect();
    let mut tip = "Time of one decode: median and 95th percentile of the last ones".to_owned();
    match median_and_p95(cx.state.trace.times_ms()) {
        Some((median, p95)) => {
            tip += &format!(
                "\nFrom a change to its picture on the screen: {median:.0} ms (p95 {p95:.0})"
            );
        }
        None => tip += "\nFrom a change to its picture on the screen: no change so far",
    }
    sparkline_ui(ui, &values, "Decode times").on_hover_text(&tip);
    response.on_hover_text(tip);
}

/// The last message; a click opens the log.
fn message_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(line) = cx.state.live.log.back() else {
        return;
    };
    let (icon, color) = sign(line.level, cx);
    let sign_width = 17.0;
    let room = ui.available_width() - sign_width;
    let text = elided(ui, &line.text, egui::TextStyle::Small, color, room);
    let size = vec2(sign_width + text.size().x, 18.0);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::click());
    let place =
        egui::Rect::from_min_size(rect.left_top() + vec2(0.0, 3.0), egui::Vec2::splat(12.0));
    icons::paint(ui.painter(), place, icon, color);
    let left = egui::pos2(
        rect.left() + sign_width,
        rect.center().y - text.size().y / 2.0,
    );
    ui.painter().galley(left, text, color);
    response.widget_info(|| {
        egui::WidgetInfo::labeled(
            egui::Role::Button,
            true,
            format!("Last message: {}", line.text),
        )
    });
    let tip = format!("{}\n\nA click shows all messages (Ctrl+L)", line.text);
    if response.on_hover_text(tip).clicked() {
        cx.push(Action::Show(Dialog::Log));
    }
}

/// Sign and colour of a kind of message.
pub fn sign(level: LogLevel, cx: &Cx<'_>) -> (Icon, egui::Color32) {
    match level {
        LogLevel::Info => (Icon::Info, cx.tokens.text_weak),
        LogLevel::Notice => (Icon::Info, cx.tokens.text),
        LogLevel::Done => (Icon::Done, cx.tokens.done),
        LogLevel::Error => (Icon::Warning, cx.tokens.error),
    }
}
