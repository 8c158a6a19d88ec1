//! What the model screen remembers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::widgets::curve::PlotPoint;

/// Nothing of the model screen is undone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelTab {}

/// What lies about on the model screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelDesk {
    /// Text in the search box of the tensors.
    #[serde(skip)]
    pub search: String,
    /// The training curve of the open model, where its file has one.
    #[serde(skip)]
    pub curve: Vec<PlotPoint>,
    /// The rest of what the file says of itself.
    #[serde(skip)]
    pub provenance: Vec<(String, String)>,
    /// How often the self-test was asked for; 0 before the first time.
    #[serde(skip)]
    pub tests: u64,
}

/// The curve in a weight file's provenance, and everything else that stands there, in lines.
pub fn read_provenance(text: &str) -> (Vec<PlotPoint>, Vec<(String, String)>) {
    let Ok(Value::Object(mut all)) = serde_json::from_str::<Value>(text) else {
        return (Vec::new(), Vec::new());
    };
    let curve = match all.remove("curve") {
        Some(Value::Array(points)) => points.iter().filter_map(point).collect(),
        _ => Vec::new(),
    };
    let mut lines = Vec::new();
    for (key, value) in all {
        flatten(&key, &value, &mut lines);
    }
    (curve, lines)
}

fn point(value: &Value) -> Option<PlotPoint> {
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    let point = PlotPoint {
        pictures: number("pictures")?,
        train: number("train_bits_per_dim").unwrap_or(f64::NAN),
        valid: number("valid_bits_per_dim").unwrap_or(f64::NAN),
    };
    Some(point)
}

fn flatten(key: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                flatten(&format!("{key}, {name}"), value, lines);
            }
        }
        Value::Array(all) if all.iter().any(Value::is_object) => {
            for (at, value) in all.iter().enumerate() {
                flatten(&format!("{key} {}", at + 1), value, lines);
            }
        }
        Value::String(text) => lines.push((words(key), text.clone())),
        Value::Null => {}
        Value::Number(number) => lines.push((words(key), figure(number))),
        other => lines.push((words(key), other.to_string())),
    }
}

/// A number to four digits or so.
fn figure(number: &serde_json::Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        None => number.to_string(),
        Some(v) if v.fract() == 0.0 && v.abs() < 1e15 => format!("{v:.0}"),
        Some(v) if (1e-3..1e6).contains(&v.abs()) => {
            let text = format!("{v:.4}");
            text.trim_end_matches('0').to_owned()
        }
        Some(v) => format!("{v:.2e}"),
    }
}

/// `valid_bits_per_dim` as people read it.
fn words(key: &str) -> String {
    key.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_taken_out_of_what_a_file_says_of_itself() {
        let text = r#"{
            "curve": [{"pictures": 10, "train_bits_per_dim": 2.0, "valid_bits_per_dim": 2.5}, {"odd": 1}],
            "made_by": "glow-explorer", "training": {"lr": 0.001, "pictures": null},
            "detail": [{"seconds": 2998.0, "round_trip": 2.264976501464844e-6}]
        }"#;
        let (curve, lines) = read_provenance(text);
        assert_eq!(curve.len(), 1);
        assert_eq!((curve[0].pictures, curve[0].valid), (10.0, 2.5));
        let has = |key: &str, value: &str| lines.contains(&(key.to_owned(), value.to_owned()));
        assert!(has("made by", "glow-explorer") && has("training, lr", "0.001"));
        assert!(has("detail 1, seconds", "2998") && has("detail 1, round trip", "2.26e-6"));
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(read_provenance("not json"), (Vec::new(), Vec::new()));
    }
}
