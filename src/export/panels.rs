//! Small multiples: panels side by side with logarithmic axes, on which a power of x is a straight line.

use std::error::Error;
use std::ops::Range;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

use super::ExportError;
use super::chart::{COLOURS, FONT, count, draw};

/// Panels side by side before the next row begins.
const COLUMNS: usize = 3;

/// The colour of guides.
const GREY: RGBColor = RGBColor(127, 127, 127);

/// A picture of several panels with one scale of y, so that heights compare across them.
#[derive(Clone, Debug, PartialEq)]
pub struct Panels {
    /// Above all of them.
    pub title: String,
    /// What y is, with its unit.
    pub y_label: String,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// What x is, with its unit.
    pub x_label: String,
    /// Its lines; equal places have equal looks in all panels.
    pub lines: Vec<Line>,
}

/// A line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend, which the first panel gives.
    pub name: String,
    /// `(x, y)`, all above 0, x rising.
    pub points: Vec<(f64, f64)>,
    /// Thin and grey, without marks: what the others are compared with.
    pub is_guide: bool,
}

impl Line {
    /// The points that a logarithmic axis has.
    fn logs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let points = self.points.iter().map(|(x, y)| (x.log2(), y.log10()));
        points.filter(|(x, y)| x.is_finite() && y.is_finite())
    }
}

impl Panels {
    /// Draws the panels, [`super::chart::SIZE`] pixels large, with a legend behind the last.
    ///
    /// Errors: nothing to draw, or what the plotting library says.
    pub fn draw(&self) -> Result<RgbImage, ExportError> {
        draw(|area| self.paint(area))
    }

    /// The ends of the y axis, in powers of ten.
    fn range(&self) -> Option<(f64, f64)> {
        let ys = || {
            let lines = self.panels.iter().flat_map(|p| &p.lines);
            lines.flat_map(Line::logs).map(|p| p.1)
        };
        let low = ys().fold(f64::INFINITY, f64::min);
        let high = ys().fold(f64::NEG_INFINITY, f64::max);
        (low.is_finite() && high.is_finite()).then_some((low - 0.15, high + 0.15))
    }

    fn paint(&self, area: &DrawingArea<BitMapBackend, Shift>) -> Result<(), Box<dyn Error>> {
        let y = self.range().ok_or("nothing was measured")?;
        area.fill(&WHITE)?;
        let area = area.margin(10, 0, 0, 0).titled(&self.title, (FONT, 24))?;
        // A place more than there are panels: the legend's.
        let rows = (self.panels.len() + 1).div_ceil(COLUMNS);
        let places = area.split_evenly((rows, COLUMNS));
        for (panel, place) in self.panels.iter().zip(&places) {
            self.panel(panel, place, y)?;
        }
        if let Some(place) = places.get(self.panels.len()) {
            self.legend(place)?;
        }
        Ok(())
    }

    fn panel(
        &self,
        panel: &Panel,
        area: &DrawingArea<BitMapBackend, Shift>,
        y: (f64, f64),
    ) -> Result<(), Box<dyn Error>> {
        let logs = panel.lines.iter().flat_map(Line::logs);
        let mut xs: Vec<f64> = logs.map(|p| p.0).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let (Some(first), Some(last)) = (xs.first(), xs.last()) else {
            return Ok(());
        };
        let space = 0.08 * (last - first).max(1.0);
        let x = Logs {
            ends: (first - space, last + space),
            ticks: xs.clone(),
        };
        let y = Logs {
            ends: y,
            ticks: ticks(y),
        };
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, (FONT, 20))
            .margin(10)
            .x_label_area_size(46)
            .y_label_area_size(66)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(&panel.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&|v: &f64| count(v.exp2().round() as usize))
            .y_label_formatter(&|v: &f64| short(10f64.powf(*v)))
            .axis_desc_style((FONT, 17))
            .label_style((FONT, 15))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        for (index, line) in panel.lines.iter().enumerate() {
            let style = style(index, line);
            chart.draw_series(LineSeries::new(line.logs(), style))?;
            if !line.is_guide {
                let marks = line.logs().map(|at| Circle::new(at, 4, style.filled()));
                chart.draw_series(marks)?;
            }
        }
        Ok(())
    }

    fn legend(&self, area: &DrawingArea<BitMapBackend, Shift>) -> Result<(), Box<dyn Error>> {
        let lines = self.panels.first().map_or(&[] as &[Line], |p| &p.lines);
        for (index, line) in lines.iter().enumerate() {
            let (y, style) = (90 + 34 * index as i32, style(index, line));
            area.draw(&PathElement::new(vec![(36, y), (76, y)], style))?;
            if !line.is_guide {
                area.draw(&Circle::new((56, y), 4, style.filled()))?;
            }
            let text = (FONT, 17).into_text_style(area);
            area.draw_text(&line.name, &text, (88, y - 9))?;
        }
        Ok(())
    }
}

/// An axis of logarithms whose ticks are given. plotters' own combinator for given ticks has no mesh.
struct Logs {
    ends: (f64, f64),
    ticks: Vec<f64>,
}

impl Ranged for Logs {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.ends.0) / (self.ends.1 - self.ends.0);
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

fn style(index: usize, line: &Line) -> ShapeStyle {
    if line.is_guide {
        GREY.stroke_width(1)
    } else {
        COLOURS[index % COLOURS.len()].stroke_width(2)
    }
}

/// 1, 2 and 5 of every power of ten in the range, as logarithms; powers of ten alone where it is long.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let steps: &[f64] = if high - low > 3.0 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let powers = (low.floor() as i32..=high.ceil() as i32).map(f64::from);
    powers
        .flat_map(|power| steps.iter().map(move |s| power + s.log10()))
        .filter(|v| (low..=high).contains(v))
        .collect()
}

/// A number with no more places than a power of ten, its double or its half need.
fn short(v: f64) -> String {
    let places = if v > 0.95 {
        0
    } else {
        -v.log10().floor() as usize
    };
    format!("{v:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::chart::SIZE;

    fn panels() -> Panels {
        let line = |name: &str, factor: f64, is_guide| Line {
            name: name.to_owned(),
            points: [1.0, 2.0, 4.0, 16.0].map(|x| (x, factor * x)).into(),
            is_guide,
        };
        let panel = Panel {
            title: "batch".into(),
            x_label: "pictures".into(),
            lines: vec![line("guide", 8.0, true), line("decode", 9.0, false)],
        };
        Panels {
            title: "A title".into(),
            y_label: "milliseconds".into(),
            panels: vec![panel; 5],
        }
    }

    #[test]
    fn every_panel_has_its_lines() {
        let picture = panels().draw().unwrap();
        assert_eq!(picture.dimensions(), SIZE);
        let wanted = image::Rgb([COLOURS[1].0, COLOURS[1].1, COLOURS[1].2]);
        let (w, h) = (SIZE.0 / 3, SIZE.1 / 2);
        for place in 0..6 {
            let (left, top) = (place % 3 * w, place / 3 * h);
            let on = (left..left + w).flat_map(|x| (top..top + h).map(move |y| (x, y)));
            let n = on
                .filter(|&(x, y)| *picture.get_pixel(x, y) == wanted)
                .count();
            let least = if place < 5 { 200 } else { 30 };
            assert!(n > least, "{place}: {n}");
        }
    }

    #[test]
    fn numbers_have_the_places_they_need() {
        let texts = [0.02, 0.5, 1.0, 5.0, 200.0].map(short);
        assert_eq!(texts, ["0.02", "0.5", "1", "5", "200"]);
        assert_eq!(ticks((0.2, 1.1)).len(), 3);
        assert_eq!(ticks((-2.0, 2.0)).len(), 5);
    }

    #[test]
    fn panels_of_nothing_say_so() {
        let mut empty = panels();
        for panel in &mut empty.panels {
            panel
                .lines
                .iter_mut()
                .for_each(|l| l.points = vec![(1.0, f64::NAN)]);
        }
        let message = empty.draw().unwrap_err().to_string();
        assert!(message.contains("nothing was measured"), "{message}");
    }
}
