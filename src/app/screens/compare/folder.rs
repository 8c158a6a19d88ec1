//! Where pictures lie among those of a folder: its bits per dimension as a histogram, with their marks.

use egui::{Align2, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::action::Action;
use crate::app::dialog::PathPurpose;
use crate::app::maps::FolderMap;
use crate::app::state::State;
use crate::app::theme;
use crate::app::widgets::Cx;
use crate::app::widgets::icons::{Icon, note_ui};

/// Room for the marks' letters above the bars, and for numbers below.
const ABOVE: f32 = 24.0;
const BELOW: f32 = 34.0;
/// Fewer pictures make no distribution.
const FEW: usize = 20;

/// A picture that is marked.
#[derive(Clone, Debug, PartialEq)]
struct BitsMark {
    /// What stands at its line.
    letter: &'static str,
    name: String,
    bits: Option<f64>,
}

/// Bars of equal width.
#[derive(Clone, Debug, PartialEq)]
struct Bins {
    low: f64,
    width: f64,
    counts: Vec<usize>,
}

impl Bins {
    /// Bins over all values, wide enough for the marks too.
    fn of(values: &[f64], marks: &[BitsMark]) -> Self {
        let all = values
            .iter()
            .copied()
            .chain(marks.iter().filter_map(|m| m.bits));
        let all = all.filter(|v| v.is_finite());
        let (low, high) = all.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let n = ((values.len() as f64).sqrt() as usize).clamp(8, 48);
        let width = ((high - low) / n as f64).max(1e-6);
        let mut counts = vec![0; n];
        for value in values {
            let at = ((value - low) / width) as usize;
            counts[at.min(n - 1)] += 1;
        }
        Self { low, width, counts }
    }

    fn high(&self) -> f64 {
        self.low + self.width * self.counts.len() as f64
    }
}

/// Histogram and marks, or how to come by a folder.
pub fn folder_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let map = cx.state.shown_map();
    let Some(map) = map.filter(|map| !map.pictures.is_empty()) else {
        no_folder_ui(ui, cx);
        return;
    };
    let marks = marks(cx.state);
    let mut values: Vec<f64> = map.pictures.iter().map(|p| p.bits_per_dim).collect();
    values.retain(|v| v.is_finite());
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        ui.label("None of the folder's pictures has finite bits/dim");
        return;
    }
    egui::ScrollArea::vertical()
        .auto_shrink(false)
        .show(ui, |ui| {
            let text = format!("{} pictures of {}", values.len(), map.name());
            ui.label(RichText::new(text).strong())
                .on_hover_text(map.folder.display().to_string());
            for mark in &marks {
                ui.label(sentence(map, mark));
            }
            if values.len() < FEW {
                let text = "So few pictures say little about where others lie";
                note_ui(ui, Icon::Info, cx.tokens.text_weak, text);
            }
            let height = ui.available_height().clamp(140.0, 360.0);
            bars_ui(ui, cx, height, &values, &marks);
        });
}

/// The selected picture, and the two that are compared.
fn marks(state: &State) -> Vec<BitsMark> {
    let selected = state.selected();
    let pair = state.doc.compare.pair.iter().zip(["A", "B"]);
    let pair = pair.filter_map(|(named, letter)| Some((named.clone()?, letter)));
    let all: Vec<_> = pair.collect();
    // One that is in the pair has its letter there.
    let apart = selected.filter(|s| all.iter().all(|(named, _)| named.recipe != s.recipe));
    let apart = apart.map(|named| (named, "●"));
    let mark = |(named, letter): (crate::app::state::Named, &'static str)| BitsMark {
        letter,
        bits: state
            .inspection_of(&named.recipe)
            .map(|i| i.bits_per_dim)
            .filter(|b| b.is_finite()),
        name: named.label,
    };
    apart.into_iter().chain(all).map(mark).collect()
}

fn sentence(map: &FolderMap, mark: &BitsMark) -> String {
    let BitsMark { letter, name, bits } = mark;
    match bits.and_then(|bits| Some((bits, map.percentile(bits)?))) {
        Some((bits, share)) => format!(
            "{letter}  {name}: {bits:.3} bits/dim, more than {:.0} % of the folder",
            100.0 * share
        ),
        None => format!("{letter}  {name}: measuring…"),
    }
}

fn bars_ui(ui: &mut Ui, cx: &Cx<'_>, height: f32, values: &[f64], marks: &[BitsMark]) {
    let bins = Bins::of(values, marks);
    let size = vec2(ui.available_width(), height);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let median = values[values.len() / 2];
    let name = format!(
        "Histogram of bits/dim from {:.3} to {:.3}, median {median:.3}",
        values[0],
        values[values.len() - 1]
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let tokens = cx.tokens;
    let painter = ui.painter();
    let inner = Rect::from_min_max(rect.min + vec2(8.0, ABOVE), rect.max - vec2(8.0, BELOW));
    let x = |value: f64| {
        let share = (value - bins.low) / (bins.high() - bins.low);
        inner.left() + inner.width() * share as f32
    };
    let most = bins.counts.iter().copied().max().unwrap_or(1).max(1);
    for (bin, &count) in bins.counts.iter().enumerate() {
        let left = bins.low + bins.width * bin as f64;
        let top = inner.bottom() - inner.height() * count as f32 / most as f32;
        let bar = Rect::from_min_max(
            pos2(x(left), top),
            pos2(x(left + bins.width) - 1.0, inner.bottom()),
        );
        painter.rect_filled(bar, 0, tokens.text_weak.gamma_multiply(0.55));
    }
    painter.hline(
        inner.x_range(),
        inner.bottom(),
        Stroke::new(1.0, tokens.line),
    );
    let small = egui::TextStyle::Small.resolve(ui.style());
    let below = inner.bottom() + 4.0;
    let ticks = [
        (bins.low, Align2::LEFT_TOP),
        (median, Align2::CENTER_TOP),
        (bins.high(), Align2::RIGHT_TOP),
    ];
    for (value, align) in ticks {
        let text = match align {
            Align2::CENTER_TOP => format!("median {value:.2}"),
            _ => format!("{value:.2}"),
        };
        painter.text(
            pos2(x(value), below),
            align,
            text,
            small.clone(),
            tokens.text_weak,
        );
    }
    let at = pos2(inner.center().x, rect.bottom());
    let text = format!("bits/dim; the tallest bar is {most} pictures");
    painter.text(at, Align2::CENTER_BOTTOM, text, small, tokens.text_weak);
    for (place, mark) in marks.iter().enumerate() {
        let Some(bits) = mark.bits else { continue };
        let line = egui::Rangef::new(inner.top() - 4.0, inner.bottom());
        painter.vline(x(bits), line, Stroke::new(2.0, tokens.accent));
        // Letters that would lie over each other stand at different heights.
        let at = pos2(x(bits) + 3.0, rect.top() + 8.0 * (place % 2) as f32);
        let font = egui::FontId::proportional(13.0);
        painter.text(at, Align2::LEFT_TOP, mark.letter, font, tokens.accent);
    }
    if let Some(pointer) = response.hover_pos().filter(|p| inner.contains(*p)) {
        let share = f64::from((pointer.x - inner.left()) / inner.width());
        let bin = ((share * bins.counts.len() as f64) as usize).min(bins.counts.len() - 1);
        let left = bins.low + bins.width * bin as f64;
        let text = format!(
            "{:.3} to {:.3} bits/dim: {} pictures",
            left,
            left + bins.width,
            bins.counts[bin]
        );
        response.on_hover_text_at_pointer(text);
    }
}

fn no_folder_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        ui.add_space(0.3 * height);
        ui.set_max_width(ui.available_width().min(420.0));
        let text = "Where does a picture lie among those of a folder? Map a folder first: its pictures are encoded in the background.";
        ui.label(RichText::new(text).color(cx.tokens.text_weak));
        ui.add_space(theme::GAP);
        let open = ui.add(theme::primary_button(ui, "Map a folder…"));
        if open.on_hover_text("Opens the screen Map; come back here when it has begun").clicked() {
            cx.push(Action::Browse(PathPurpose::MapFolder));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_value_and_reach_the_marks() {
        let values: Vec<f64> = (0..100).map(|i| 3.0 + f64::from(i) / 100.0).collect();
        let mark = BitsMark {
            letter: "A",
            name: String::new(),
            bits: Some(5.0),
        };
        let bins = Bins::of(&values, &[mark]);
        assert_eq!(bins.counts.iter().sum::<usize>(), 100);
        assert_eq!((bins.low, bins.counts.len()), (3.0, 10));
        assert!((bins.high() - 5.0).abs() < 1e-9);
        let one = Bins::of(&[2.0, 2.0], &[]);
        assert_eq!(one.counts.iter().sum::<usize>(), 2);
    }
}
