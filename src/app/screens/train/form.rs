//! The choices for the next training.

use egui::{RichText, Ui};

use super::TrainWish;
use super::tab::{self, BITS, LENGTHS, NETWORKS, SIDES};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::theme::{self, section_ui};
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{choice_ui, label_ui};

const FRAMING: [(bool, &str, &str); 2] = [
    (
        false,
        "Middle",
        "The largest square in the middle of each picture",
    ),
    (
        true,
        "Faces",
        "The square round the face, where there is one: for photos that are not framed yet",
    ),
];

const LEARNING: [(bool, &str, &str); 2] = [
    (false, "Usual", "Steps of the size that suits most"),
    (
        true,
        "Careful",
        "Smaller steps: slower, for a training that broke",
    ),
];

/// All of them, and the button that begins.
pub fn form_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    section_ui(ui, "A MODEL OF YOUR OWN");
    pictures_ui(ui, cx);
    ui.add_space(theme::GAP);
    model_ui(ui, cx);
    ui.add_space(theme::GAP);
    learning_ui(ui, cx);
    ui.add_space(theme::GAP);
    out_ui(ui, cx);
    ui.add_space(theme::GAP);
    let order = tab::order(cx.state);
    let tip = match &order {
        Ok(_) => {
            "The window stays usable meanwhile. An earlier training is never replaced without being asked about"
        }
        Err(reason) => reason,
    };
    let button = theme::primary_button(ui, "Start training");
    // In a row of its own it is as wide as its words, not as the column.
    let row = ui.horizontal(|ui| ui.add_enabled(order.is_ok(), button));
    if row
        .inner
        .on_hover_text(tip)
        .on_disabled_hover_text(tip)
        .clicked()
    {
        cx.push(TrainWish::Start);
    }
    if let Err(reason) = order {
        let text = RichText::new(reason).small().color(cx.tokens.text_weak);
        ui.add(egui::Label::new(text).wrap());
    }
}

/// A path that is typed or chosen.
fn path_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    (name, hint, tip): (&str, &str, &str),
    text: &str,
    purpose: PathPurpose,
) -> Option<String> {
    let label = ui.label(name);
    let mut text = text.to_owned();
    let mut changed = false;
    ui.horizontal(|ui| {
        let button_width = 84.0;
        let width = (ui.available_width() - button_width).max(80.0);
        let field = egui::TextEdit::singleline(&mut text)
            .hint_text(hint.to_owned())
            .desired_width(width);
        let response = ui.add(field).labelled_by(label.id).on_hover_text(tip);
        changed = response.changed();
        let button = ui.button("Choose…").on_hover_text(tip);
        let name = format!("Choose: {name}");
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        if button.clicked() {
            cx.push(Action::Browse(purpose));
        }
    });
    changed.then_some(text)
}

/// A row of choices behind a label.
fn row_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    label: &str,
    current: T,
    choices: &[(T, &str, &str)],
    wish: fn(T) -> TrainWish,
) {
    ui.horizontal_wrapped(|ui| {
        label_ui(ui, label);
        let chosen = choice_ui(ui, current, choices);
        cx.extend(chosen.map(wish));
    });
}

fn pictures_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let desk = cx.state.desks.train.clone();
    let what = (
        "Folder of pictures",
        "/home/me/cats",
        "Every picture in it is learnt from; some thousands make a good model. One in twenty is held out to measure on",
    );
    let images = path_ui(ui, cx, what, &desk.images, PathPurpose::TrainPictures);
    cx.extend(images.map(TrainWish::SetImages));
    row_ui(
        ui,
        cx,
        "Framing",
        desk.crop_faces,
        &FRAMING,
        TrainWish::SetCropFaces,
    );
    ui.horizontal(|ui| {
        label_ui(ui, "");
        let mut flips = desk.flips;
        let tip = "Mirrored pictures count as further ones; not for writing or anything that has a left and a right";
        let response = ui.checkbox(&mut flips, "Mirror half of them");
        if response.on_hover_text(tip).changed() {
            cx.push(TrainWish::SetFlips(flips));
        }
    });
}

fn model_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let desk = cx.state.desks.train.clone();
    let model = cx.state.live.model.clone();
    let reason = match &model {
        None => Some("No model is open"),
        Some(model) => tab::why_not_on(model),
    };
    ui.horizontal_wrapped(|ui| {
        label_ui(ui, "Begin with");
        ui.spacing_mut().item_spacing.x = 2.0;
        let open_tip = reason
            .unwrap_or("Its weights go on learning, with your pictures; its file stays as it is");
        let ways = [
            (false, "New weights", "From nothing", true),
            (true, "The open model", open_tip, reason.is_none()),
        ];
        for (from_open, label, tip, enabled) in ways {
            let current = desk.from_open == from_open;
            let button = egui::Button::selectable(current, label).frame_when_inactive(true);
            let response = ui.add_enabled(enabled || current, button);
            let response = response.on_hover_text(tip).on_disabled_hover_text(tip);
            if response.clicked() && !current {
                cx.push(TrainWish::SetFromOpen(from_open));
            }
        }
    });
    if let (true, Some(model)) = (desk.from_open, &model) {
        let c = &model.config;
        let text = format!(
            "{}: {1} × {1} pixels, {2}, {3} bits",
            model.name,
            c.image_size,
            c.parts_text(),
            c.bits
        );
        let text = RichText::new(text).small().color(cx.tokens.text_weak);
        ui.add(egui::Label::new(text).wrap());
        return;
    }
    row_ui(ui, cx, "Size", desk.side, &SIDES, TrainWish::SetSide);
    row_ui(
        ui,
        cx,
        "Network",
        desk.network,
        &NETWORKS,
        TrainWish::SetNetwork,
    );
    row_ui(ui, cx, "Bits", desk.bits, &BITS, TrainWish::SetBits);
}

fn learning_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let desk = cx.state.desks.train.clone();
    row_ui(
        ui,
        cx,
        "Pictures",
        desk.length,
        &LENGTHS,
        TrainWish::SetLength,
    );
    row_ui(
        ui,
        cx,
        "Learning",
        desk.careful,
        &LEARNING,
        TrainWish::SetCareful,
    );
}

fn out_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let out = cx.state.desks.train.out.clone();
    let what = (
        "Weights go to",
        "/home/me/cats-model.safetensors",
        "The weight file; its checkpoint and a sheet of samples lie beside it",
    );
    let chosen = path_ui(ui, cx, what, &out, PathPurpose::TrainWeights);
    cx.extend(chosen.map(TrainWish::SetOut));
}
