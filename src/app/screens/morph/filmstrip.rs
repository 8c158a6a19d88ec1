//! A row of small pictures along a path.

use egui::{Rect, Ui, Vec2, pos2, vec2};

use super::{MORPH, MorphWish, STRIP};
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::picture::{drag_source, picture_button, picture_menu_ui};

/// Smallest picture; more of them than fit scroll sideways.
const MIN_SIDE: f32 = 44.0;
const MAX_SIDE: f32 = 84.0;

/// The steps of the morph; a click jumps to one.
pub fn filmstrip_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let morph = &cx.state.doc.morph;
    let n_steps = morph.steps.max(2);
    let gap = 6.0;
    let fit = (ui.available_width() - gap * (n_steps - 1) as f32) / n_steps as f32;
    let side = fit.floor().clamp(MIN_SIDE, MAX_SIDE);
    let whole = vec2((side + gap) * n_steps as f32 - gap, side + 6.0);
    let current = (cx.state.desks.morph.t * (n_steps - 1) as f32).round() as u32;
    egui::ScrollArea::horizontal()
        .id_salt("filmstrip")
        .show(ui, |ui| {
            let room = vec2(whole.x.max(ui.available_width()), whole.y);
            let (rect, _) = ui.allocate_exact_size(room, egui::Sense::hover());
            let left = rect.center().x - whole.x / 2.0;
            for step in 0..n_steps {
                let x = left + (side + gap) * step as f32;
                let cell = Rect::from_min_size(pos2(x, rect.top() + 3.0), Vec2::splat(side));
                let t = morph.t_of_step(step);
                let Some(named) = morph.at(t) else {
                    continue;
                };
                if step == current {
                    follow(ui, cell, current);
                }
                let id = ui.scope_id().with(("step", step));
                let picture = cx.state.cell_picture(STRIP, step).cloned();
                let label = format!("Step {} of {n_steps}", step + 1);
                let response =
                    picture_button(ui, cx, cell, id, &label, step == current, picture.as_ref());
                drag_source(&response, &named);
                let response = response.on_hover_text(format!("t = {t:.2}"));
                if response.clicked() {
                    cx.push(MorphWish::SetT(t));
                }
                response.context_menu(|ui| {
                    cx.push_t_then_menu(ui, t, &named);
                });
            }
        });
    ui.add_space(theme::GAP / 2.0);
}

/// Scrolls to the current step when it has changed, so that it is not lost while playing.
fn follow(ui: &Ui, cell: Rect, current: u32) {
    let id = ui.scope_id().with("current");
    let before = ui.data_mut(|d| {
        let before = d.get_temp::<u32>(id);
        d.insert_temp(id, current);
        before
    });
    if before != Some(current) {
        ui.scroll_to_rect(cell, None);
    }
}

impl Cx<'_> {
    /// The menu of a step: whatever is chosen, the path first goes there.
    fn push_t_then_menu(&mut self, ui: &mut Ui, t: f32, named: &crate::app::state::Named) {
        let before = self.actions.len();
        picture_menu_ui(ui, self, named, MORPH);
        if self.actions.len() > before {
            self.actions.insert(before, MorphWish::SetT(t).into());
        }
    }
}
