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
        Value::String(text) => lines.push((words(key), text.clone())),
        Value::Null => {}
        other => lines.push((words(key), other.to_string())),
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
            "made_by": "glow-explorer", "training": {"lr": 0.001, "pictures": null}
        }"#;
        let (curve, lines) = read_provenance(text);
        assert_eq!(curve.len(), 1);
        assert_eq!((curve[0].pictures, curve[0].valid), (10.0, 2.5));
        let has = |key: &str, value: &str| lines.contains(&(key.to_owned(), value.to_owned()));
        assert!(has("made by", "glow-explorer") && has("training, lr", "0.001"));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(read_provenance("not json"), (Vec::new(), Vec::new()));
    }
}
