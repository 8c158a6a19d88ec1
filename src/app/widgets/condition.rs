//! What a conditional model is given: a class, or any of its values.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{PopupCloseBehavior, Ui};

use crate::engine::message::{Condition, ModelInfo};

/// Height of the list before it scrolls.
const LIST_HEIGHT: f32 = 320.0;

/// Its width; longer names are cut.
const LIST_WIDTH: f32 = 240.0;

/// A button that says what is given, over a list of the model's values; the new condition, where it changed. Nothing is drawn
/// for a model that takes no condition.
pub fn condition_ui(
    ui: &mut Ui,
    model: &ModelInfo,
    condition: &Condition,
    tip: &str,
) -> Option<Condition> {
    let n = model.config.variant.condition;
    if n == 0 {
        return None;
    }
    let label = ui.label("Given");
    let mut chosen = None;
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let text = format!("{} ▾", text(model, condition));
    let (button, _) = MenuButton::new(text).config(config).ui(ui, |ui| {
        ui.set_min_width(LIST_WIDTH);
        ui.set_max_width(LIST_WIDTH);
        if ui.button("Nothing").clicked() {
            chosen = Some(Condition::default());
            ui.close();
        }
        let list = egui::ScrollArea::vertical().max_height(LIST_HEIGHT);
        list.show(ui, |ui| {
            for i in 0..n {
                chosen = value_ui(ui, model, condition, i).or(chosen.take());
            }
        });
    });
    button.labelled_by(label.id).on_hover_text(tip);
    chosen
}

/// A value that can be given with the others, or alone.
fn value_ui(ui: &mut Ui, model: &ModelInfo, condition: &Condition, i: usize) -> Option<Condition> {
    let n = model.config.variant.condition;
    let name = name(model, i);
    let mut chosen = None;
    ui.horizontal(|ui| {
        let mut on = condition.0.get(i).is_some_and(|v| *v != 0.0);
        if ui.checkbox(&mut on, name.as_str()).changed() {
            let mut values = condition.0.clone();
            values.resize(n, 0.0);
            values[i] = f32::from(u8::from(on));
            chosen = Some(Condition(values));
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let only = ui
                .small_button("Only")
                .on_hover_text(format!("Give {name} alone"));
            if only.clicked() {
                chosen = Some(Condition::class(i, n));
                ui.close();
            }
        });
    });
    chosen
}

fn name(model: &ModelInfo, i: usize) -> String {
    let named = model.condition_names.get(i);
    named.cloned().unwrap_or_else(|| format!("Class {i}"))
}

/// What is given, in a few words.
pub fn text(model: &ModelInfo, condition: &Condition) -> String {
    let given = condition.0.iter().enumerate().filter(|(_, v)| **v != 0.0);
    let given: Vec<usize> = given.map(|(i, _)| i).collect();
    match given.as_slice() {
        [] => "nothing".to_owned(),
        [one] => name(model, *one),
        [a, b] => format!("{}, {}", name(model, *a), name(model, *b)),
        more => format!("{} of {}", more.len(), model.config.variant.condition),
    }
}
