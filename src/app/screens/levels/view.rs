//! The levels screen: a row a level, or the walk.

use egui::{CentralPanel, Margin, Rect, RichText, Sense, Ui, Vec2, vec2};

use super::{
    BASE, LevelProbe, LevelsPart, LevelsWish, PICTURES, n_levels, table_question, walk_question,
};
use crate::app::action::Action;
use crate::app::dialog::ExportSource;
use crate::app::screens::Tab;
use crate::app::state::{Named, Selection};
use crate::app::theme;
use crate::app::views;
use crate::app::widgets::controls::{button_ui, choice_ui, full_slider_ui, row_with_end_ui};
use crate::app::widgets::histogram::histogram_ui;
use crate::app::widgets::icons::{Icon, icon_button_ui};
use crate::app::widgets::picture::{
    drag_source, paint, picture_button, picture_menu_ui, square_in,
};
use crate::app::widgets::slot::picture_choice_ui;
use crate::app::widgets::{Cx, zoom};
use crate::engine::message::{Answer, LevelReport};

/// Table or walk above, the controls below.
pub fn levels_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    views::controls_ui(ui, cx, "levels controls", controls_ui);
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        if cx.state.doc.levels.base.is_none() {
            empty_ui(ui, cx);
            return;
        }
        match cx.state.desks.levels.part {
            LevelsPart::Table => {
                egui::ScrollArea::both()
                    .auto_shrink(false)
                    .show(ui, |ui| table_ui(ui, cx));
            }
            LevelsPart::Walk => walk_ui(ui, cx),
        }
    });
}

fn empty_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let room = ui.available_rect_before_wrap();
    ui.centered_and_justified(|ui| {
        let text = "Select a picture and press L,\nor drop one here from the shelf";
        ui.label(RichText::new(text).color(cx.tokens.text_weak));
    });
    let response = ui.interact(room, ui.scope_id().with("drop"), Sense::hover());
    if let Some(named) = response.dnd_release_payload::<Named>() {
        cx.push(LevelsWish::SetBase((*named).clone()));
    }
}

/// Side of a picture in the table.
const SIDE: f32 = 96.0;

fn table_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let reports = table_question(cx.state).and_then(|q| match cx.state.live.answers.get(&q) {
        Some(Answer::Levels(reports)) => Some(reports.clone()),
        _ => None,
    });
    let base = cx.state.doc.levels.base.clone();
    let inspection = base.and_then(|b| cx.state.inspection_of(&b.recipe).cloned());
    egui::Grid::new("levels")
        .spacing(vec2(theme::GAP * 1.5, theme::GAP * 1.5))
        .show(ui, |ui| {
            heading_ui(ui, "Level", "The flow takes a picture apart level by level: the first holds the finest detail, the last the face as a whole");
            heading_ui(ui, "Numbers (eps)", "The latent of this level as a picture, channel beside channel. Grey is zero; a good model leaves pure noise");
            heading_ui(ui, "Histogram", "How often each value occurs, against the bell curve N(0, 1)");
            for probe in LevelProbe::ALL {
                heading_ui(ui, probe.label(), probe.tip());
            }
            ui.end_row();
            for level in 0..n_levels(cx.state) {
                let report = reports.as_ref().and_then(|r| r.get(level));
                let bits = inspection.as_ref().and_then(|i| i.level_bits.get(level));
                level_ui(ui, cx, level, report, bits.copied());
                ui.end_row();
            }
        });
}

fn heading_ui(ui: &mut Ui, text: &str, tip: &str) {
    let color = theme::Tokens::of(ui).text_weak;
    let text = RichText::new(text).small().strong().color(color);
    ui.label(text).on_hover_text(tip);
}

fn level_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    level: usize,
    report: Option<&LevelReport>,
    bits: Option<f64>,
) {
    ui.vertical(|ui| {
        ui.set_width(132.0);
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.label(cx.state.level_label(level));
        figures_ui(ui, cx, report, bits);
    });
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(SIDE), Sense::hover());
    let name = format!("Numbers of level {}", level + 1);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let eps = table_question(cx.state).and_then(|q| cx.state.live.answers.picture(&q, level));
    let eps = eps.cloned();
    paint(ui.painter(), cx.textures, &cx.tokens, rect, eps.as_ref());
    match report {
        Some(report) => {
            let name = format!("Histogram of level {}", level + 1);
            histogram_ui(ui, vec2(1.5 * SIDE, SIDE), &report.statistics, &name);
        }
        None => {
            ui.allocate_exact_size(vec2(1.5 * SIDE, SIDE), Sense::hover());
        }
    }
    for at in 0..LevelProbe::ALL.len() {
        probe_ui(ui, cx, (1 + LevelProbe::ALL.len() * level + at) as u32);
    }
}

fn figures_ui(ui: &mut Ui, cx: &Cx<'_>, report: Option<&LevelReport>, bits: Option<f64>) {
    let mut line = |name: &str, value: String, tip: &str| {
        let text = RichText::new(format!("{name} {value}"));
        ui.label(text.small().color(cx.tokens.text_weak))
            .on_hover_text(tip);
    };
    if let Some(report) = report {
        let s = &report.statistics;
        line(
            "numbers",
            s.count.to_string(),
            "How many numbers this level has",
        );
        line(
            "mean",
            format!("{:+.3}", s.mean),
            "Their mean; 0 is expected",
        );
        line(
            "spread",
            format!("{:.3}", s.std),
            "Their standard deviation; 1 is expected of a typical picture",
        );
        line(
            "energy",
            format!("{:.3}", s.energy),
            "The mean of their squares; 1 is expected. More: the picture is unusual here",
        );
    }
    if let Some(bits) = bits {
        line(
            "bits",
            format!("{bits:+.3}"),
            "What this level adds to the bits per dimension; below zero it explains more than it costs",
        );
    }
}

fn probe_ui(ui: &mut Ui, cx: &mut Cx<'_>, cell: u32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(SIDE), Sense::hover());
    let selection = Selection::Of(Tab::Levels, cell);
    let Some(named) = cx.state.subject(selection) else {
        return;
    };
    let picture = cx.state.cell_picture(PICTURES, cell).cloned();
    let id = ui.scope_id().with(("probe", cell));
    let selected = cx.state.selection == selection;
    let response = picture_button(ui, cx, rect, id, &named.label, selected, picture.as_ref());
    drag_source(&response, &named);
    if response.clicked() {
        cx.push(Action::Select(selection));
    }
    response.context_menu(|ui| picture_menu_ui(ui, cx, &named, selection));
    response.on_hover_text(&named.label);
}

fn walk_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(question) = walk_question(cx.state) else {
        return;
    };
    let room = ui.available_rect_before_wrap();
    let answers = &cx.state.live.answers;
    let Some(Answer::Walk(steps)) = answers.get(&question) else {
        let text = if answers.has_failed(&question) {
            "The steps could not be computed; the messages say why (Ctrl+L)"
        } else {
            "Computing the steps…"
        };
        ui.centered_and_justified(|ui| {
            ui.label(RichText::new(text).color(cx.tokens.text_weak));
        });
        return;
    };
    let last = steps.len().saturating_sub(1);
    let at = (cx.state.desks.levels.walk * last as f32).round() as usize;
    let caption = steps.get(at).map(|step| {
        let level = cx.state.level_label(step.level);
        let depth = cx.state.live.model.as_ref().map_or(0, |m| m.config.depth);
        let what = match step.undone {
            _ if at == last => "the picture".to_owned(),
            0 => format!("{level}: its noise comes in"),
            undone => format!("{level}: after step {undone} of {depth}"),
        };
        format!("{} of {}   {what}", at + 1, last + 1)
    });
    let caption_height = 24.0;
    let picture = answers.picture(&question, at).cloned();
    let rect = square_in(room.with_min_y(room.top() + caption_height));
    if let Some(caption) = caption {
        let place = Rect::from_min_size(room.min, vec2(room.width(), caption_height));
        ui.put(place, egui::Label::new(caption));
    }
    // A drag takes the picture that it becomes.
    if let Some(base) = cx.state.doc.levels.base.clone() {
        let named = Named {
            label: "The picture at this step of the walk".to_owned(),
            ..base
        };
        let id = ui.scope_id().with("walk");
        zoom::hero_ui(ui, cx, rect, id, &named, picture.as_ref());
    }
}

fn controls_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let ready = cx.state.doc.levels.base.is_some();
    let part = cx.state.desks.levels.part;
    let mut export = false;
    row_with_end_ui(
        ui,
        |ui| export = button_ui(ui, ready, "Export…", "The table's pictures (Ctrl+E)"),
        |ui| {
            let parts = [
                (LevelsPart::Table, "Levels", "What each level holds"),
                (
                    LevelsPart::Walk,
                    "Walk through the flow",
                    "From noise to the picture, a step of the network at a time",
                ),
            ];
            ui.scope(|ui| {
                let part = choice_ui(ui, part, &parts);
                cx.extend(part.map(LevelsWish::SetPart));
            });
            ui.label("Picture");
            let base = cx.state.doc.levels.base.clone();
            let chosen = picture_choice_ui(ui, cx, "Picture of the levels", 140.0, base.as_ref());
            cx.extend(chosen.map(LevelsWish::SetBase));
        },
    );
    if export {
        cx.push(Action::OpenExport(ExportSource::Screen(Tab::Levels)));
    }
    ui.add_space(2.0);
    match part {
        LevelsPart::Table => {
            ui.horizontal_wrapped(|ui| {
                let tip = "Other random numbers for the column on the right";
                if button_ui(ui, ready, "Draw anew", tip) {
                    cx.push(LevelsWish::DrawAnew);
                }
                if button_ui(
                    ui,
                    ready,
                    "Figures of the picture",
                    "Select the picture itself for the inspector",
                ) {
                    cx.push(Action::Select(BASE));
                }
            });
        }
        LevelsPart::Walk => {
            ui.horizontal(|ui| {
                let playing = cx.state.desks.levels.playing;
                let (icon, name) = match playing {
                    true => (Icon::Pause, "Pause the walk"),
                    false => (Icon::Play, "Play the walk"),
                };
                if icon_button_ui(ui, ready, icon, name, name).clicked() {
                    cx.push(LevelsWish::Play(!playing));
                }
                let mut walk = cx.state.desks.levels.walk;
                let tip = "0: the latent alone, which is noise. 1: the picture. Between: what each step of the network has made of it";
                let label = ("Step of the walk", 104.0);
                if full_slider_ui(ui, label, &mut walk, 0.0..=1.0, 3, tip).changed() {
                    cx.push(LevelsWish::SetWalk(walk));
                }
            });
        }
    }
}
