//! A sweep as tables and as a chart.

use std::io;
use std::path::Path;

use super::{Axis, Point, Sweep};
use crate::export::panels::{Line, Panel, Panels};
use crate::export::{ExportError, write_atomically};

impl Sweep {
    /// The points and exponents as tables in Markdown.
    pub fn markdown(&self) -> String {
        let mut lines = vec![
            "| axis | value | multiply-adds a picture | encode | decode | decode a picture | rate of the decode |"
                .to_owned(),
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
        ];
        for p in &self.points {
            let levels = match p.axis {
                Axis::Resolution => format!(" (L {})", p.config.levels),
                _ => String::new(),
            };
            lines.push(format!(
                "| {} | {}{levels} | {:.1} M | {:.2} ms | {:.2} ms | {:.2} ms | {:.0} GFLOP/s |",
                p.axis.name(),
                p.value,
                p.multiply_adds / 1e6,
                p.encode_ms,
                p.decode_ms,
                p.decode_ms_a_picture(),
                p.decode_gflops(),
            ));
        }
        lines.push(String::new());
        lines.push("| grows with | multiply-adds | encode | decode |".to_owned());
        lines.push("| --- | ---: | ---: | ---: |".to_owned());
        for g in &self.growth {
            lines.push(format!(
                "| {} | {:.2} | {:.2} | {:.2} |",
                g.axis.name(),
                g.multiply_adds,
                g.encode,
                g.decode
            ));
        }
        lines.join("\n") + "\n"
    }

    /// Writes a line for each point.
    ///
    /// Errors: the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), ExportError> {
        write_atomically(path, |file| {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record([
                "axis",
                "value",
                "image_size",
                "levels",
                "depth",
                "width",
                "batch",
                "threads",
                "multiply_adds_a_picture",
                "encode_ms",
                "decode_ms",
                "decode_ms_a_picture",
                "encode_gflops",
                "decode_gflops",
                "round_trip",
            ])?;
            for p in &self.points {
                let c = &p.config;
                let counts = [
                    p.value,
                    c.image_size,
                    c.levels,
                    c.depth,
                    c.width,
                    p.batch,
                    p.threads,
                ];
                let mut record = vec![p.axis.name().to_owned()];
                record.extend(counts.map(|n| n.to_string()));
                record.push(format!("{:.0}", p.multiply_adds));
                let times = [p.encode_ms, p.decode_ms, p.decode_ms_a_picture()];
                record.extend(times.map(|ms| format!("{ms:.4}")));
                let rates = [p.encode_gflops(), p.decode_gflops()];
                record.extend(rates.map(|rate| format!("{rate:.2}")));
                record.push(format!("{:.2e}", p.round_trip));
                writer.write_record(record)?;
            }
            writer.flush()?;
            io::Result::Ok(())
        })
    }

    /// A panel for each axis with at least two values: encode and decode, and what the multiply-adds would take
    /// at the rate of the base.
    pub fn chart(&self) -> Panels {
        let c = &self.config;
        let panels = self.growth.iter().map(|g| {
            let on: Vec<&Point> = self.points.iter().filter(|p| p.axis == g.axis).collect();
            let line = |name: &str, is_guide, y: &dyn Fn(&Point) -> f64| Line {
                name: name.to_owned(),
                points: on.iter().map(|p| (p.value as f64, y(p))).collect(),
                is_guide,
            };
            let is_base = |p: &&&Point| {
                p.config == self.config && p.batch == self.batch && p.threads == self.threads
            };
            let rate = on
                .iter()
                .find(is_base)
                .map_or(f64::NAN, |p| p.decode_gflops());
            let threads = |p: &Point| p.threads as f64 / self.threads as f64;
            let ideal = |p: &Point| 2e-6 * p.multiply_adds * p.batch as f64 / (rate * threads(p));
            Panel {
                title: format!("{}: decode ~ x^{:.2}", g.axis.name(), g.decode),
                x_label: g.axis.unit().to_owned(),
                lines: vec![
                    line("at the base's rate, for its multiply-adds", true, &ideal),
                    line("encode", false, &|p| p.encode_ms),
                    line("decode", false, &|p| p.decode_ms),
                ],
            }
        });
        Panels {
            title: format!(
                "Time of a batch round {} px, L {}, K {}, width {}, batch {}, {} threads",
                c.image_size, c.levels, c.depth, c.width, self.batch, self.threads
            ),
            y_label: "milliseconds".to_owned(),
            panels: panels.collect(),
        }
    }
}
