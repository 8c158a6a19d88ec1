//! The mix screen: the pad beside the mixed picture, or two pictures and a slider a level.

use egui::{Align2, CentralPanel, Margin, Rect, Sense, Stroke, Ui, Vec2, pos2, vec2};

use super::{AROUND, CORNER_CELLS, HERO, LATTICE, MIXED, MixKind, MixWish};
use crate::app::action::Action;
use crate::app::dialog::ExportSource;
use crate::app::screens::Tab;
use crate::app::state::Named;
use crate::app::theme;
use crate::app::views;
use crate::app::widgets::controls::{
    button_ui, choice_ui, full_slider_ui, row_with_end_ui, slider_ui,
};
use crate::app::widgets::picture::{paint, picture_menu_ui, square_in};
use crate::app::widgets::slot::{paint_letter, picture_choice_ui, slot_ui};
use crate::app::widgets::{Cx, grid, zoom};

/// `A` to `D`, row by row.
const LETTERS: [char; 4] = ['A', 'B', 'C', 'D'];

/// The pad or the levels, the mixed picture, the controls.
pub fn mix_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    views::controls_ui(ui, cx, "mix controls", controls_ui);
    let frame = egui::Frame::new().inner_margin(Margin::same(14));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        let room = ui.available_rect_before_wrap();
        match cx.state.doc.mix.kind {
            MixKind::Pad => {
                let (pad, hero) = halves(room, 0.5);
                pad_ui(ui, cx, pad);
                hero_ui(ui, cx, hero);
            }
            MixKind::Levels => {
                let (pair, hero) = halves(room, 0.3);
                pair_ui(ui, cx, pair);
                hero_ui(ui, cx, hero);
            }
        }
    });
}

/// Two parts beside each other in a wide room, one over the other in a tall one.
fn halves(room: Rect, share: f32) -> (Rect, Rect) {
    let gap = theme::GROUP_GAP / 2.0;
    if room.width() >= room.height() {
        let (a, b) = room.split_left_right_at_fraction(share);
        (a.with_max_x(a.right() - gap), b.with_min_x(b.left() + gap))
    } else {
        let (a, b) = room.split_top_bottom_at_fraction(share);
        (a.with_max_y(a.bottom() - gap), b.with_min_y(b.top() + gap))
    }
}

fn hero_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect) {
    let Some(named) = cx.state.subject(MIXED) else {
        ui.scope_builder(egui::UiBuilder::new().max_rect(room), |ui| {
            ui.centered_and_justified(|ui| {
                let text = match cx.state.doc.mix.kind {
                    MixKind::Pad => {
                        "Drag a picture from the shelf into each corner,\nor choose them below"
                    }
                    MixKind::Levels => {
                        "Drag two pictures from the shelf to A and B,\nor choose them below"
                    }
                };
                ui.label(egui::RichText::new(text).color(cx.tokens.text_weak));
            });
        });
        return;
    };
    let picture = cx.state.cell_picture(HERO, 0).cloned();
    let id = ui.scope_id().with("hero");
    let response = zoom::hero_ui(ui, cx, square_in(room), id, &named, picture.as_ref());
    if response.clicked() && cx.state.selection != MIXED {
        cx.push(Action::Select(MIXED));
    }
    response.context_menu(|ui| picture_menu_ui(ui, cx, &named, MIXED));
}

/// A lattice of the pictures that lie on the pad, and the point.
fn pad_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect) {
    let pad = square_in(room);
    let id = ui.scope_id().with("pad");
    let response = ui.interact(pad, id, Sense::click_and_drag());
    let desk = cx.state.desks.mix.clone();
    response.widget_info(|| {
        let text = format!("Pad of the mix, at {:.2}, {:.2}", desk.x, desk.y);
        egui::WidgetInfo::labeled(egui::Role::Image, true, text)
    });
    let cells = grid::cells(pad, LATTICE, LATTICE, 2.0);
    for (cell, rect) in (0u32..).zip(&cells) {
        let picture = cx.state.cell_picture(AROUND, cell).cloned();
        paint(
            ui.painter(),
            cx.textures,
            &cx.tokens,
            *rect,
            picture.as_ref(),
        );
    }
    for (corner, cell) in CORNER_CELLS.into_iter().enumerate() {
        let rect = cells[cell as usize];
        paint_letter(ui, cx, rect, LETTERS[corner]);
        if cx.state.doc.mix.corners[corner].is_none() {
            let font = egui::TextStyle::Small.resolve(ui.style());
            let color = cx.tokens.text_weak;
            ui.painter().text(
                rect.center(),
                Align2::CENTER_CENTER,
                "drop here",
                font,
                color,
            );
        }
    }
    // The middles of the outer pictures are the ends of both ways.
    let (first, last) = (cells[0].center(), cells[cells.len() - 1].center());
    let ways = (last - first).max(Vec2::splat(1.0));
    let nearest = |at: egui::Pos2| {
        let share = (at - first) / ways;
        usize::from(share.x > 0.5) + 2 * usize::from(share.y > 0.5)
    };
    if let Some(pointer) = ui.input(|i| i.pointer.hover_pos())
        && response.dnd_hover_payload::<Named>().is_some()
    {
        let rect = cells[CORNER_CELLS[nearest(pointer)] as usize];
        crate::app::widgets::picture::paint_ring(ui.painter(), &cx.tokens, rect, true, false);
    }
    if let Some(named) = response.dnd_release_payload::<Named>() {
        let at = ui
            .input(|i| i.pointer.interact_pos())
            .unwrap_or(pad.center());
        cx.push(MixWish::SetCorner(nearest(at), (*named).clone()));
    } else if let Some(at) = response.interact_pointer_pos()
        && (response.dragged() || response.clicked())
    {
        let share = (at - first) / ways;
        cx.push(MixWish::MoveTo(share.x, share.y));
    }
    if cx.state.doc.mix.at(desk.x, desk.y).is_some() {
        let at = first + ways * vec2(desk.x, desk.y);
        let painter = ui.painter();
        painter.circle(
            at,
            8.0,
            cx.tokens.accent,
            Stroke::new(2.0, cx.tokens.on_accent),
        );
        painter.circle_stroke(at, 10.0, Stroke::new(2.0, cx.tokens.accent));
    }
    let tip = "Drag: the picture is a mixture of the four corners. Drop a picture to change the corner nearest to it";
    response.on_hover_text(tip);
}

/// The two pictures whose levels are mixed.
fn pair_ui(ui: &mut Ui, cx: &mut Cx<'_>, room: Rect) {
    let vertical = room.height() > room.width();
    let side = if vertical {
        ((room.height() - theme::GAP) / 2.0).min(room.width())
    } else {
        ((room.width() - theme::GAP) / 2.0).min(room.height())
    };
    let step = if vertical {
        vec2(0.0, side + theme::GAP)
    } else {
        vec2(side + theme::GAP, 0.0)
    };
    for (which, letter) in LETTERS.into_iter().take(2).enumerate() {
        let min = pos2(room.left(), room.top()) + step * which as f32;
        let rect = Rect::from_min_size(min, Vec2::splat(side.max(24.0)));
        let named = cx.state.doc.mix.pair[which].clone();
        let picture = cx.state.cell_picture(AROUND, which as u32).cloned();
        let (response, dropped) = slot_ui(ui, cx, rect, letter, named.as_ref(), picture.as_ref());
        cx.extend(dropped.map(|named| MixWish::SetPicture(which, named)));
        if response.clicked() {
            cx.push(MixWish::SetShares(which as f32));
        }
        response.on_hover_text("Drop a picture here; a click takes all levels of this one");
    }
}

fn controls_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let ready = cx.state.subject(MIXED).is_some();
    let kind = cx.state.doc.mix.kind;
    let mut export = false;
    row_with_end_ui(
        ui,
        |ui| {
            export = button_ui(
                ui,
                ready,
                "Export…",
                "The whole pad, or both and the mixture (Ctrl+E)",
            )
        },
        |ui| {
            let kinds = [
                (
                    MixKind::Pad,
                    "Four pictures",
                    "A point between four corners",
                ),
                (
                    MixKind::Levels,
                    "Levels of two",
                    "Coarse levels of one picture with fine levels of another",
                ),
            ];
            ui.scope(|ui| {
                let kind = choice_ui(ui, kind, &kinds);
                cx.extend(kind.map(MixWish::SetKind));
            });
        },
    );
    if export {
        cx.push(Action::OpenExport(ExportSource::Screen(Tab::Mix)));
    }
    ui.add_space(2.0);
    match kind {
        MixKind::Pad => corners_ui(ui, cx),
        MixKind::Levels => shares_ui(ui, cx),
    }
}

fn corners_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal_wrapped(|ui| {
        for (corner, letter) in LETTERS.into_iter().enumerate() {
            let current = cx.state.doc.mix.corners[corner].clone();
            ui.label(letter.to_string());
            let name = format!("Picture of corner {letter}");
            let chosen = picture_choice_ui(ui, cx, &name, 110.0, current.as_ref());
            cx.extend(chosen.map(|named| MixWish::SetCorner(corner, named)));
        }
    });
    ui.horizontal_wrapped(|ui| {
        let (mut x, mut y) = (cx.state.desks.mix.x, cx.state.desks.mix.y);
        let mut moved = slider_ui(
            ui,
            "Left to right",
            &mut x,
            0.0..=1.0,
            2,
            "0 is A and C, 1 is B and D",
        )
        .changed();
        moved |= slider_ui(
            ui,
            "Top to bottom",
            &mut y,
            0.0..=1.0,
            2,
            "0 is A and B, 1 is C and D",
        )
        .changed();
        if moved {
            cx.push(MixWish::MoveTo(x, y));
        }
    });
}

fn shares_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal_wrapped(|ui| {
        for (which, letter) in LETTERS.into_iter().take(2).enumerate() {
            let current = cx.state.doc.mix.pair[which].clone();
            ui.label(letter.to_string());
            let name = format!("Picture {letter}");
            let chosen = picture_choice_ui(ui, cx, &name, 130.0, current.as_ref());
            cx.extend(chosen.map(|named| MixWish::SetPicture(which, named)));
        }
        if button_ui(ui, true, "Swap", "The first becomes the second") {
            cx.push(MixWish::Swap);
        }
        if button_ui(ui, true, "All of A", "Every level of the first picture") {
            cx.push(MixWish::SetShares(0.0));
        }
        if button_ui(ui, true, "All of B", "Every level of the second picture") {
            cx.push(MixWish::SetShares(1.0));
        }
    });
    theme::section_ui(ui, "SHARE OF B IN EACH LEVEL, FINEST FIRST");
    let shares = cx.state.doc.mix.shares.clone();
    let in_row = ((ui.available_width() / 260.0) as usize).clamp(1, shares.len().max(1));
    ui.horizontal_wrapped(|ui| {
        let width = (ui.available_width() / in_row as f32 - theme::GAP).min(330.0);
        for (level, share) in shares.into_iter().enumerate() {
            let mut share = share;
            let label = cx.state.level_label(level);
            let tip = "0: this level is A's. 1: it is B's. Between: on the sphere between both";
            ui.allocate_ui(vec2(width, theme::CONTROL_HEIGHT), |ui| {
                let label = (label.as_str(), theme::LABEL_WIDTH);
                if full_slider_ui(ui, label, &mut share, 0.0..=1.0, 2, tip).changed() {
                    cx.push(MixWish::SetShare(level, share));
                }
            });
        }
    });
}
