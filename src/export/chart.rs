//! Line charts as pictures, for measurements: bits per dimension against pictures seen.

use std::error::Error;
use std::sync::OnceLock;

use epaint_default_fonts::UBUNTU_LIGHT;
use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::ExportError;

/// Width and height in pixels.
pub const SIZE: (u32, u32) = (1280, 800);

/// The name under which plotters finds the font that the window uses.
pub(super) const FONT: &str = "ubuntu";

/// Colours that colour-blind people tell apart (Okabe and Ito 2008); shapes tell lines apart as well.
pub(super) const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(127, 127, 127),
];

/// The part of the horizontal axis, at its start, whose points do not decide the height: the first fall is
/// so deep that everything behind it would lie flat.
const FIRST_FALL: f64 = 0.2;

/// A chart with a line for each series, a legend and named axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above the chart.
    pub title: String,
    /// What the horizontal axis counts, with its unit.
    pub x_label: String,
    /// What the vertical axis counts, with its unit.
    pub y_label: String,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
}

/// A line of a chart: the mean of several runs, and each of them as a thin line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// The mean where all runs were measured.
    pub mean: Vec<(f64, f64)>,
    /// The runs themselves, where there is more than one.
    pub members: Vec<Vec<(f64, f64)>>,
}

impl Series {
    /// The series of runs `(x, y)`, each with rising x. Values that are not finite are left out.
    pub fn of_runs(name: &str, mut runs: Vec<Vec<(f64, f64)>>) -> Self {
        for run in &mut runs {
            run.retain(|(x, y)| x.is_finite() && y.is_finite());
        }
        runs.retain(|run| !run.is_empty());
        let first = runs.first().cloned().unwrap_or_default();
        let n = runs.len() as f64;
        // Points that one run alone has, such as those of an interruption, would make the mean jump.
        let mean = first.iter().filter_map(|&(x, _)| {
            let at = |run: &Vec<(f64, f64)>| run.iter().find(|p| p.0 == x).map(|p| p.1);
            let values: Option<Vec<f64>> = runs.iter().map(at).collect();
            Some((x, values?.iter().sum::<f64>() / n))
        });
        Self {
            name: name.to_owned(),
            mean: mean.collect(),
            members: runs,
        }
    }
}

impl Chart {
    /// Draws the chart, [`SIZE`] pixels large.
    ///
    /// Errors: nothing to draw, or what the plotting library says.
    pub fn draw(&self) -> Result<RgbImage, ExportError> {
        draw(|area| self.paint(area))
    }

    /// The ends of both axes, around all points but those of the first fall.
    fn ranges(&self) -> Option<[(f64, f64); 2]> {
        let all = || {
            let of = |s: &Series| [s.members.concat(), s.mean.clone()].concat();
            self.series.iter().flat_map(of)
        };
        let right = all().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
        let low = all().map(|p| p.1).fold(f64::INFINITY, f64::min);
        let late = all().filter(|p| p.0 >= FIRST_FALL * right);
        let high = late.map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
        if !(right.is_finite() && low.is_finite() && high.is_finite()) {
            return None;
        }
        let space = match high - low {
            0.0 => 0.5,
            between => 0.05 * between,
        };
        let right = if right > 0.0 { right } else { 1.0 };
        Some([(0.0, 1.02 * right), (low - space, high + space)])
    }

    fn paint(&self, area: &DrawingArea<BitMapBackend, Shift>) -> Result<(), Box<dyn Error>> {
        let [x, y] = self.ranges().ok_or("no run has a point yet")?;
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 26))
            .margin(16)
            .x_label_area_size(56)
            .y_label_area_size(84)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        let x_text = |v: &f64| count(v.round().max(0.0) as usize);
        let y_text = |v: &f64| format!("{v:.2}");
        chart
            .configure_mesh()
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&x_text)
            .y_label_formatter(&y_text)
            .axis_desc_style((FONT, 20))
            .label_style((FONT, 17))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        for (index, series) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let line = colour.stroke_width(2);
            if series.members.len() > 1 {
                for run in &series.members {
                    for part in below(run, y.1) {
                        chart.draw_series(LineSeries::new(part, colour.mix(0.35)))?;
                    }
                }
            }
            for part in below(&series.mean, y.1) {
                chart.draw_series(LineSeries::new(part, line))?;
            }
            let seen = series.mean.iter().filter(|p| p.1 <= y.1);
            // The mark of a series: its shape tells it apart where its colour does not.
            macro_rules! mark {
                ($element:ident, $size:expr, $style:expr) => {
                    chart
                        .draw_series(seen.map(|&at| $element::new(at, $size, $style)))?
                        .label(&series.name)
                        .legend(move |(x, y)| {
                            EmptyElement::at((x + 10, y))
                                + PathElement::new(vec![(-12, 0), (12, 0)], line)
                                + $element::new((0, 0), $size, $style)
                        })
                };
            }
            match index % 3 {
                0 => mark!(Circle, 4, colour.filled()),
                1 => mark!(TriangleMarker, 6, colour.filled()),
                _ => mark!(Cross, 4, line),
            };
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .margin(14)
            .legend_area_size(34)
            .label_font((FONT, 18))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        Ok(())
    }
}

/// A picture of [`SIZE`] that `paint` draws on.
pub(super) fn draw(
    paint: impl FnOnce(&DrawingArea<BitMapBackend, Shift>) -> Result<(), Box<dyn Error>>,
) -> Result<RgbImage, ExportError> {
    let fail = |reason: String| ExportError::Chart { reason };
    static FONT_KNOWN: OnceLock<bool> = OnceLock::new();
    let known =
        FONT_KNOWN.get_or_init(|| register_font(FONT, FontStyle::Normal, UBUNTU_LIGHT).is_ok());
    if !known {
        return Err(fail("its font is damaged".into()));
    }
    let (width, height) = SIZE;
    let mut pixels = vec![255; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        paint(&area).map_err(|e| fail(e.to_string()))?;
        area.present().map_err(|e| fail(e.to_string()))?;
    }
    RgbImage::from_raw(width, height, pixels).ok_or_else(|| fail("its size is wrong".into()))
}

/// A count with its thousands parted: `17,604`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// The parts of a line below `top`, cut off where it crosses.
fn below(line: &[(f64, f64)], top: f64) -> Vec<Vec<(f64, f64)>> {
    let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    let mut before: Option<(f64, f64)> = None;
    for &(x, y) in line {
        let crossing = before.filter(|b| (b.1 > top) != (y > top)).map(|b| {
            let share = (top - b.1) / (y - b.1);
            (b.0 + share * (x - b.0), top)
        });
        if let Some(part) = parts.last_mut() {
            part.extend(crossing);
            if y <= top {
                part.push((x, y));
            }
        }
        if y > top {
            parts.push(Vec::new());
        }
        before = Some((x, y));
    }
    parts.retain(|part| part.len() > 1);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let run = |offset: f64| {
            (1..=8)
                .map(|i| (1000.0 * f64::from(i), offset + 9.0 / f64::from(i)))
                .collect()
        };
        Chart {
            title: "A title".into(),
            x_label: "pictures seen".into(),
            y_label: "bits per dimension".into(),
            series: (0..5)
                .map(|i| {
                    let offset = f64::from(i);
                    Series::of_runs(&format!("row {i}"), vec![run(offset), run(offset + 0.2)])
                })
                .collect(),
        }
    }

    #[test]
    fn a_chart_is_a_picture_with_every_line_and_text() {
        let picture = chart().draw().unwrap();
        assert_eq!(picture.dimensions(), SIZE);
        let of = |colour: RGBColor| {
            let wanted = image::Rgb([colour.0, colour.1, colour.2]);
            picture.pixels().filter(|p| **p == wanted).count()
        };
        for colour in &COLOURS[..5] {
            assert!(of(*colour) > 300, "{colour:?}");
        }
        assert_eq!(of(COLOURS[5]), 0);
        // Names of the axes: something dark below the plot and left of it.
        let dark = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
            let pixels = x.flat_map(|x| y.clone().map(move |y| (x, y)));
            pixels
                .filter(|&(x, y)| picture.get_pixel(x, y).0[0] < 100)
                .count()
        };
        assert!(dark(400..900, 760..800) > 100);
        assert!(dark(0..50, 200..600) > 100);
        assert!(dark(300..980, 10..50) > 100);
    }

    #[test]
    fn thousands_are_parted() {
        let texts = [0, 999, 17_604, 1_000_000].map(count);
        assert_eq!(texts, ["0", "999", "17,604", "1,000,000"]);
    }

    #[test]
    fn means_are_taken_where_all_runs_have_a_point() {
        let runs = vec![
            vec![(1.0, 4.0), (1.5, 9.0), (2.0, 2.0), (3.0, f64::NAN)],
            vec![(1.0, 6.0), (2.0, 3.0), (3.0, 1.0)],
            vec![],
        ];
        let series = Series::of_runs("a", runs);
        assert_eq!(series.mean, [(1.0, 5.0), (2.0, 2.5)]);
        assert_eq!(series.members.len(), 2);
    }

    #[test]
    fn lines_are_cut_where_they_leave_the_chart() {
        let line = [
            (0.0, 8.0),
            (1.0, 4.0),
            (2.0, 2.0),
            (3.0, 8.0),
            (4.0, 2.0),
            (5.0, 2.0),
        ];
        assert_eq!(
            below(&line, 6.0),
            [
                vec![(0.5, 6.0), (1.0, 4.0), (2.0, 2.0), (2.0 + 4.0 / 6.0, 6.0)],
                vec![(3.0 + 2.0 / 6.0, 6.0), (4.0, 2.0), (5.0, 2.0)],
            ]
        );
        assert!(below(&[(0.0, 9.0), (1.0, 9.0)], 6.0).is_empty());
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        let mut empty = chart();
        empty
            .series
            .iter_mut()
            .for_each(|s| *s = Series::of_runs("a", vec![vec![(1.0, f64::NAN)]]));
        let message = empty.draw().unwrap_err().to_string();
        assert!(message.contains("no run has a point"), "{message}");
        // A single point is a chart.
        empty.series[0] = Series::of_runs("a", vec![vec![(0.0, 3.0)]]);
        empty.draw().unwrap();
    }
}
