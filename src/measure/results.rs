//! What a table of runs gave: a CSV file with every point, a chart, a summary.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::figures::{mean, std};
use super::table::{Row, TRAIN_KEYS, Table};
use crate::config::GlowConfig;
use crate::export::chart::{Chart, Series};
use crate::export::{ExportError, write_atomically};
use crate::train::checkpoint::CurvePoint;

/// One run so far.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The run's row, by its place in the table.
    pub row: usize,
    /// Its seed.
    pub seed: u64,
    /// Every point at which it was measured.
    pub curve: Vec<CurvePoint>,
    /// Why it ended before its time, where it did.
    pub failure: Option<String>,
}

/// One row at the end of its runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The row's name.
    pub name: String,
    /// Runs that reached the end.
    pub runs: usize,
    /// Runs that failed.
    pub failed: usize,
    /// Mean bits per dimension at the end, on validation pictures where there are any.
    pub bits_per_dim: f64,
    /// Standard deviation of the same over the seeds.
    pub std: f64,
    /// The worst round trip at the end of a run.
    pub round_trip: f64,
    /// Mean seconds of a run.
    pub seconds: f64,
}

/// The bits per dimension that runs are compared by: those of validation pictures where there are any.
fn bits(point: &CurvePoint) -> f64 {
    point.valid_bits_per_dim.unwrap_or(point.train_bits_per_dim)
}

/// Writes a line for each point of each run.
///
/// Errors: the file cannot be written.
pub fn write_csv(path: &Path, table: &Table, results: &[RunResult]) -> Result<(), ExportError> {
    write_atomically(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        let header = ["run"].into_iter().chain(config_keys());
        // What ends a run stands in every line as the pictures seen.
        let header = header.chain(TRAIN_KEYS.into_iter().filter(|&k| k != "pictures"));
        let measured = [
            "seed",
            "pictures",
            "train_bits_per_dim",
            "valid_bits_per_dim",
            "round_trip",
            "seconds",
        ];
        writer
            .write_record(header.chain(measured))
            .map_err(io_from_csv)?;
        for result in results {
            let Some(row) = table.rows.get(result.row) else {
                continue;
            };
            let settings = settings(row)?;
            for point in &result.curve {
                let valid = point.valid_bits_per_dim.map(|v| format!("{v:.6}"));
                let measured = [
                    result.seed.to_string(),
                    point.pictures.to_string(),
                    format!("{:.6}", point.train_bits_per_dim),
                    valid.unwrap_or_default(),
                    format!("{:.3e}", point.round_trip),
                    format!("{:.1}", point.seconds),
                ];
                let line = settings.iter().cloned().chain(measured);
                writer.write_record(line).map_err(io_from_csv)?;
            }
        }
        writer.flush()
    })
}

/// The fields of a config that rows can differ in: what is trained computes the plain function.
fn config_keys() -> impl Iterator<Item = &'static str> {
    let fields = GlowConfig::FIELDS.into_iter();
    fields.filter(|&key| key != "variant")
}

/// Name, config and training of a row as they stand in a line.
fn settings(row: &Row) -> io::Result<Vec<String>> {
    let config = serde_json::to_value(&row.config)?;
    let train = serde_json::to_value(&row.train)?;
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        // Single precision at heart: 0.001 and not 0.0010000000474974513.
        Some(Value::Number(n)) if n.is_f64() => {
            n.as_f64().map_or(String::new(), |v| (v as f32).to_string())
        }
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let config = config_keys().map(|key| text(config.get(key)));
    let train = TRAIN_KEYS
        .iter()
        .filter(|&&key| key != "pictures")
        .map(|&key| text(train.get(key)));
    Ok(std::iter::once(row.name.clone())
        .chain(config)
        .chain(train)
        .collect())
}

fn io_from_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The chart of bits per dimension against pictures seen, a line a row.
pub fn chart(table: &Table, results: &[RunResult], title: &str) -> Chart {
    let valid = results
        .iter()
        .flat_map(|r| &r.curve)
        .any(|p| p.valid_bits_per_dim.is_some());
    let series = table.rows.iter().enumerate().map(|(at, row)| {
        let runs = results.iter().filter(|r| r.row == at);
        let lines = runs.map(|r| {
            r.curve
                .iter()
                .map(|p| (p.pictures as f64, bits(p)))
                .collect()
        });
        Series::of_runs(&row.name, lines.collect())
    });
    Chart {
        title: title.to_owned(),
        x_label: "pictures seen".into(),
        y_label: match valid {
            true => "bits per dimension, validation pictures".into(),
            false => "bits per dimension, training pictures".into(),
        },
        series: series.filter(|s| !s.members.is_empty()).collect(),
    }
}

/// Every row at its end, the best first.
pub fn summary(table: &Table, results: &[RunResult]) -> Vec<Summary> {
    let rows = table.rows.iter().enumerate().map(|(at, row)| {
        let runs = || results.iter().filter(move |r| r.row == at);
        let ends: Vec<&CurvePoint> = runs()
            .filter(|r| r.failure.is_none())
            .filter_map(|r| r.curve.last())
            .collect();
        let values: Vec<f64> = ends.iter().map(|p| bits(p)).collect();
        let seconds: Vec<f64> = ends.iter().map(|p| p.seconds).collect();
        Summary {
            name: row.name.clone(),
            runs: ends.len(),
            failed: runs().filter(|r| r.failure.is_some()).count(),
            bits_per_dim: mean(&values),
            std: std(&values),
            round_trip: super::figures::worst(ends.iter().map(|p| p.round_trip)),
            seconds: mean(&seconds),
        }
    });
    let mut rows: Vec<Summary> = rows.collect();
    rows.sort_by(|a, b| a.bits_per_dim.total_cmp(&b.bits_per_dim));
    rows
}

/// The summary as a Markdown table.
pub fn markdown(rows: &[Summary]) -> String {
    let mut text = String::from(
        "| configuration | bits/dim | over seeds | runs | round trip | seconds a run |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let bits = match row.runs {
            0 => "none ended well".to_owned(),
            _ => format!("{:.4}", row.bits_per_dim),
        };
        let failed = match row.failed {
            0 => String::new(),
            n => format!(", {n} failed"),
        };
        text += &format!(
            "| {} | {bits} | ± {:.4} | {}{failed} | {:.1e} | {:.0} |\n",
            super::figures::cell(&row.name),
            row.std,
            row.runs,
            row.round_trip,
            row.seconds
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let text = r#"{
            "base": { "image_size": 16, "levels": 2, "depth": 1, "width": 8,
                      "permutation": "invconv", "coupling": "affine" },
            "train": { "pictures": 100, "lr": 0.001 },
            "rows": [ { "name": "a, \"b\"" }, { "name": "deep", "config": { "depth": 2 } } ],
            "seeds": [0, 1]
        }"#;
        Table::parse(text, Path::new("t.json")).unwrap()
    }

    fn result(row: usize, seed: u64, bits: f64, failure: Option<String>) -> RunResult {
        let point = |pictures, bits| CurvePoint {
            pictures,
            train_bits_per_dim: bits + 1.0,
            valid_bits_per_dim: Some(bits),
            valid_bits_per_detail: None,
            round_trip: 1e-6,
            seconds: 2.0,
        };
        RunResult {
            row,
            seed,
            curve: vec![point(50, bits + 1.0), point(100, bits)],
            failure,
        }
    }

    #[test]
    fn every_point_is_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let results = [result(0, 0, 3.0, None), result(1, 1, 2.0, None)];
        write_csv(&path, &table(), &results).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let header = reader.headers().unwrap().clone();
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 4);
        let at = |line: usize, name: &str| {
            let column = header.iter().position(|h| h == name).unwrap();
            lines[line][column].to_owned()
        };
        assert_eq!(at(0, "run"), "a, \"b\"");
        assert_eq!((at(0, "depth"), at(2, "depth")), ("1".into(), "2".into()));
        assert_eq!(
            (at(0, "permutation"), at(0, "lr")),
            ("invconv".into(), "0.001".into())
        );
        assert_eq!(
            (at(2, "seed"), at(3, "pictures")),
            ("1".into(), "100".into())
        );
        assert_eq!(at(3, "valid_bits_per_dim"), "2.000000");
    }

    #[test]
    fn the_summary_takes_means_over_seeds_and_counts_failures() {
        let results = [
            result(0, 0, 3.0, None),
            result(0, 1, 3.2, None),
            result(1, 0, 2.0, None),
            result(1, 1, 9.0, Some("no inverse".into())),
        ];
        let rows = summary(&table(), &results);
        assert_eq!(
            (rows[0].name.as_str(), rows[0].runs, rows[0].failed),
            ("deep", 1, 1)
        );
        assert!((rows[1].bits_per_dim - 3.1).abs() < 1e-12);
        assert!((rows[1].std - 0.02f64.sqrt()).abs() < 1e-9);
        let text = markdown(&rows);
        assert!(
            text.contains("| deep | 2.0000 | ± 0.0000 | 1, 1 failed |"),
            "{text}"
        );
        let chart = chart(&table(), &results, "t");
        assert_eq!(chart.series[0].mean, [(50.0, 4.1), (100.0, 3.1)]);
    }
}
