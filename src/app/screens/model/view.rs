//! The model screen: facts and self-test on the left, curve and tensors on the right.

use std::path::PathBuf;

use egui::{CentralPanel, Margin, RichText, Ui};

use super::{ModelWish, test_question};
use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::theme::{self, section_ui};
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, thousands};
use crate::app::widgets::curve::curve_ui;
use crate::app::widgets::icons::{Icon, note_ui};
use crate::engine::message::{Answer, ModelInfo, SelfTest};
use crate::engine::shipped::{self, Choice};

/// A round trip that is larger is no longer rounding alone.
const EXACT: f64 = 1e-3;

/// Two columns where there is room for them, one below the other where not.
pub fn model_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        let Some(model) = cx.state.live.model.clone() else {
            return;
        };
        egui::ScrollArea::vertical()
            .auto_shrink(false)
            .show(ui, |ui| {
                if ui.available_width() < 620.0 {
                    left_ui(ui, cx, &model);
                    ui.add_space(theme::GROUP_GAP);
                    right_ui(ui, cx, &model);
                } else {
                    ui.columns(2, |columns| {
                        left_ui(&mut columns[0], cx, &model);
                        right_ui(&mut columns[1], cx, &model);
                    });
                }
            });
    });
}

fn left_ui(ui: &mut Ui, cx: &mut Cx<'_>, model: &ModelInfo) {
    ui.heading(&model.name);
    if let Some(path) = &model.path {
        let text = RichText::new(path.display().to_string()).small();
        ui.add(egui::Label::new(text.color(cx.tokens.text_weak)).wrap());
    }
    ui.add_space(4.0);
    choose_ui(ui, cx, model);
    ui.add_space(theme::GAP);
    section_ui(ui, "WHAT IT IS");
    let c = &model.config;
    let facts = [
        (
            "Pictures",
            format!("{0} × {0} pixels, {1} channels", c.image_size, c.channels),
            "The size of the pictures that it makes and takes",
        ),
        (
            "Flow",
            c.parts_text(),
            "Levels: how often the flow halves the picture; each has a latent of its own. Steps: actnorm, 1x1 convolution and \
             coupling, so many times over. Width: channels inside the coupling networks. A detail stage draws the next finer \
             picture given the one below",
        ),
        (
            "Couplings",
            format!("{:?}", c.coupling).to_lowercase(),
            "Affine couplings shift and scale half of the channels; additive ones only shift",
        ),
        (
            "Permutation",
            c.permutation.about().to_owned(),
            "How channels are mixed between two couplings",
        ),
        (
            "Bits",
            format!("{} a subpixel", c.bits),
            "Shades that it tells apart: 5 bits are 32",
        ),
        (
            "Parameters",
            thousands(model.n_parameters),
            "Numbers that training has found",
        ),
        (
            "Runs on",
            model.device.clone(),
            "Where the numbers are computed",
        ),
    ];
    table_ui(
        ui,
        cx,
        "facts",
        &facts.map(|(a, b, tip)| (a.to_owned(), b, tip)),
    );
    ui.add_space(theme::GAP);
    test_ui(ui, cx);
    ui.add_space(theme::GAP);
    section_ui(ui, "WHERE IT COMES FROM");
    let provenance = cx.state.desks.model.provenance.clone();
    if provenance.is_empty() {
        ui.label(RichText::new("The file does not say").color(cx.tokens.text_weak));
    }
    let lines: Vec<_> = provenance.into_iter().map(|(a, b)| (a, b, "")).collect();
    table_ui(ui, cx, "provenance", &lines);
}

/// Other models: shipped, opened before, or from a file.
fn choose_ui(ui: &mut Ui, cx: &mut Cx<'_>, model: &ModelInfo) {
    ui.horizontal_wrapped(|ui| {
        if button_ui(
            ui,
            true,
            "Open model…",
            "A weight file, or a checkpoint of another program",
        ) {
            cx.push(Action::Browse(PathPurpose::Model));
        }
    });
    section_ui(ui, "PART OF THIS PROGRAM");
    ui.horizontal_wrapped(|ui| {
        for (at, shipped) in shipped::MODELS.iter().enumerate() {
            let path = (at > 0).then(|| PathBuf::from(shipped.name));
            let button = egui::Button::selectable(model.path == path, shipped.name);
            if ui.add(button).on_hover_text(shipped.about).clicked() && model.path != path {
                cx.push(Action::OpenModel(path));
            }
        }
    });
    let recent: Vec<_> = cx
        .state
        .recent_models
        .iter()
        .filter(|p| {
            Some(*p) != model.path.as_ref() && matches!(shipped::choose(Some(p)), Choice::File(_))
        })
        .cloned()
        .collect();
    if recent.is_empty() {
        return;
    }
    section_ui(ui, "OPENED BEFORE");
    for path in recent {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let button = egui::Button::new(name).frame(false);
        if ui
            .add(button)
            .on_hover_text(path.display().to_string())
            .clicked()
        {
            cx.push(Action::OpenModel(Some(path)));
        }
    }
}

fn table_ui(ui: &mut Ui, cx: &Cx<'_>, id: &str, lines: &[(String, String, &str)]) {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        ui.spacing_mut().item_spacing.y = 2.0;
        for (name, value, tip) in lines {
            ui.push_id((id, name), |ui| {
                ui.horizontal_wrapped(|ui| {
                    let response = ui.label(RichText::new(name).color(cx.tokens.text_weak));
                    if !tip.is_empty() {
                        response.on_hover_text(*tip);
                    }
                    ui.add(egui::Label::new(value).wrap());
                });
            });
        }
    });
}

fn test_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    section_ui(ui, "SELF-TEST");
    let question = test_question(cx.state);
    let answers = &cx.state.live.answers;
    let tip = "Draws samples, encodes and decodes them again, and measures how far they come back";
    match question.as_ref().and_then(|q| answers.get(q)) {
        Some(Answer::SelfTest(test)) => result_ui(ui, cx, test),
        _ if question.as_ref().is_some_and(|q| answers.has_failed(q)) => {
            note_ui(
                ui,
                Icon::Warning,
                cx.tokens.error,
                "The test could not be run; the messages say why (Ctrl+L)",
            );
        }
        _ => {
            let text = if question.is_some() {
                "Testing…"
            } else {
                "Not tested in this run"
            };
            ui.label(RichText::new(text).color(cx.tokens.text_weak));
        }
    }
    if button_ui(ui, true, "Test the model", tip) {
        cx.push(ModelWish::SelfTest);
    }
}

fn result_ui(ui: &mut Ui, cx: &Cx<'_>, test: &SelfTest) {
    let sound = test.finite == test.count && test.round_trip < EXACT;
    let text = if sound {
        format!(
            "All {} samples came back, within {:.1e}",
            test.count, test.round_trip
        )
    } else if test.finite < test.count {
        format!(
            "{} of {} samples have values that are not finite: sample at a lower temperature, or train the model further",
            test.count - test.finite,
            test.count
        )
    } else {
        format!(
            "Samples come back only within {:.1e}: the inverse of this model is not exact here",
            test.round_trip
        )
    };
    let (icon, color) = if sound {
        (Icon::Done, cx.tokens.done)
    } else {
        (Icon::Warning, cx.tokens.warning)
    };
    note_ui(ui, icon, color, &text);
    let text = format!(
        "bits per dimension {:.3}, decode {:.1} ms, encode {:.1} ms",
        test.bits_per_dim, test.decode_ms, test.encode_ms
    );
    ui.label(RichText::new(text).small().color(cx.tokens.text_weak));
}

fn right_ui(ui: &mut Ui, cx: &mut Cx<'_>, model: &ModelInfo) {
    section_ui(ui, "TRAINING");
    let curve = &cx.state.desks.model.curve;
    if curve.len() >= 2 {
        curve_ui(ui, curve, &[]);
    } else {
        ui.label(RichText::new("The file has no training curve").color(cx.tokens.text_weak));
    }
    ui.add_space(theme::GAP);
    section_ui(ui, "TENSORS");
    let mut text = cx.state.desks.model.search.clone();
    let field = egui::TextEdit::singleline(&mut text)
        .hint_text("Search tensors")
        .desired_width(f32::INFINITY);
    let response = ui.add(field);
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::text_edit(true, &cx.state.desks.model.search, &text, "");
        info.label = Some("Search tensors".to_owned());
        info
    });
    if response.changed() {
        cx.push(ModelWish::SetSearch(text));
    }
    let needle = &cx.state.desks.model.search;
    let found: Vec<_> = model
        .tensors
        .iter()
        .filter(|t| t.name.contains(needle.as_str()))
        .collect();
    let n: usize = found
        .iter()
        .map(|t| t.shape.iter().product::<usize>())
        .sum();
    let text = format!("{} tensors, {} numbers", found.len(), thousands(n));
    ui.label(RichText::new(text).small().color(cx.tokens.text_weak));
    let height = 16.0;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        egui::ScrollArea::vertical()
            .id_salt("tensors")
            .max_height(320.0)
            .auto_shrink([false, true])
            .show_rows(ui, height, found.len(), |ui, rows| {
                for tensor in &found[rows] {
                    let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
                    let text = format!("{}  [{}]", tensor.name, shape.join(", "));
                    let text = RichText::new(text).monospace().small();
                    ui.add(egui::Label::new(text).truncate());
                }
            });
    });
}
