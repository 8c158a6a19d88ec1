//! A table of training runs: a base, the rows that differ from it, and seeds.
//!
//! ```json
//! { "base": { "image_size": 32, "levels": 3, "depth": 4, "width": 48,
//!             "permutation": "invconv", "coupling": "affine" },
//!   "train": { "pictures": 16000 },
//!   "rows": [ { "name": "1x1" }, { "name": "reverse", "config": { "permutation": "reverse" } } ],
//!   "seeds": [0, 1, 2] }
//! ```
//!
//! `base` and a row's `config` are fields of a model's configuration, `train` those of its training. Every
//! key is checked: a misspelt one would otherwise compare a thing with itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::config::{self, GlowConfig};
use crate::disk;
use crate::export::folder_name;
use crate::train::config::TrainConfig;

/// Larger files are no tables.
const MAX_BYTES: u64 = 1 << 20;

/// What a table may hold.
const MAX_RUNS: usize = 10_000;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file.
    #[error(transparent)]
    Read(#[from] disk::ReadError),
    /// What is in it.
    #[error("the table is not valid ({problem}): {path}", path = path.display())]
    Invalid {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
}

/// The runs to compare, all on pictures of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// One for each row of the file, in its order.
    pub rows: Vec<Row>,
    /// Each row is trained once with each.
    pub seeds: Vec<u64>,
}

/// One configuration to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// As in the legend of the chart.
    pub name: String,
    /// The model.
    pub config: GlowConfig,
    /// How it is trained; the seed is that of the run.
    pub train: TrainConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    base: Map<String, Value>,
    #[serde(default)]
    train: Map<String, Value>,
    rows: Vec<FileRow>,
    #[serde(default = "one_seed")]
    seeds: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    name: String,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    train: Map<String, Value>,
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

impl Table {
    /// Reads a table.
    ///
    /// Errors: a file that cannot be read, and those of [`Table::parse`].
    pub fn read(path: &Path) -> Result<Self, TableError> {
        Self::parse(&disk::read_text(path, MAX_BYTES)?, path)
    }

    /// Takes the text of a table; `path` is for messages.
    ///
    /// Errors: JSON of another form, unknown keys, values that no model or training can have, rows of one
    /// name or with pictures of different sizes, runs without an end.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TableError> {
        Self::from_text(text).map_err(|problem| TableError::Invalid {
            problem,
            path: path.to_owned(),
        })
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let file: FileTable = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if file.rows.is_empty() {
            return Err("it has no rows; add one for each configuration".into());
        }
        let distinct: BTreeSet<u64> = file.seeds.iter().copied().collect();
        if file.seeds.is_empty() || distinct.len() < file.seeds.len() {
            return Err("`seeds` must be different whole numbers, at least one".into());
        }
        if file.rows.len().saturating_mul(file.seeds.len()) > MAX_RUNS {
            return Err(format!("it has more than {MAX_RUNS} runs"));
        }
        let mut rows: Vec<Row> = Vec::new();
        for row in &file.rows {
            let row = built(row, &file.base, &file.train)
                .map_err(|problem| format!("row \"{}\": {problem}", row.name))?;
            if rows
                .iter()
                .any(|r| folder_name(&r.name) == folder_name(&row.name))
            {
                return Err(format!("two rows are called \"{}\"", row.name));
            }
            rows.push(row);
        }
        let shape = |row: &Row| (row.config.image_size, row.config.channels);
        if rows.iter().any(|row| shape(row) != shape(&rows[0])) {
            return Err(
                "all rows must have the same `image_size` and `channels`: they learn from the same pictures"
                    .into(),
            );
        }
        Ok(Self {
            rows,
            seeds: file.seeds,
        })
    }

    /// Pixels a side and channels of the pictures that all rows learn from.
    pub fn picture_shape(&self) -> (usize, usize) {
        let config = self.rows.first().map(|row| &row.config);
        config.map_or((0, 0), |c| (c.image_size, c.channels))
    }

    /// The runs, seed by seed: after the first round there is something of every row to see.
    pub fn runs(&self) -> impl Iterator<Item = (&Row, u64)> {
        let seeds = self.seeds.iter();
        seeds.flat_map(|&seed| self.rows.iter().map(move |row| (row, seed)))
    }
}

impl Row {
    /// The settings of the run with a seed.
    pub fn settings(&self, seed: u64) -> TrainConfig {
        TrainConfig {
            seed,
            ..self.train.clone()
        }
    }

    /// The name of the folder that holds the run with a seed.
    pub fn run_name(&self, seed: u64) -> String {
        format!("{}-seed-{seed}", folder_name(&self.name))
    }
}

fn built(
    row: &FileRow,
    base: &Map<String, Value>,
    train: &Map<String, Value>,
) -> Result<Row, String> {
    if row.name.trim().is_empty() {
        return Err("give it a name".into());
    }
    let mut config_map = base.clone();
    config_map.extend(row.config.clone());
    let mut train_map = train.clone();
    train_map.extend(row.train.clone());
    for (key, reason) in [
        ("seed", "seeds stand in the table's `seeds`"),
        (
            "minutes",
            "runs are compared at equal counts of pictures; give `pictures`",
        ),
    ] {
        if train_map.contains_key(key) {
            return Err(format!("`train.{key}` cannot be given: {reason}"));
        }
    }
    check_keys("train", &train_map, &TRAIN_KEYS)?;
    let config: GlowConfig = from_map("config", config_map)?;
    let train: TrainConfig = from_map("train", train_map)?;
    if let Some((setting, expected)) = train.problem() {
        return Err(format!("`train.{setting}` must be {expected}"));
    }
    if train.pictures.is_none_or(|n| n == 0) {
        return Err("`train.pictures` must say after how many pictures a run ends".into());
    }
    Ok(Row {
        name: row.name.trim().to_owned(),
        config,
        train,
    })
}

/// The fields of a training that a table may set.
pub const TRAIN_KEYS: [&str; 17] = [
    "batch",
    "lr",
    "warmup",
    "decay",
    "clip",
    "floor_pictures",
    "part",
    "crop",
    "soften",
    "optimizer",
    "beta2",
    "average",
    "no_flip",
    "init_batch",
    "arithmetic",
    "activations",
    "pictures",
];

fn check_keys(what: &str, map: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    config::check_keys(map.keys().map(String::as_str), known).map_err(|e| format!("{what}: {e}"))
}

fn from_map<T: DeserializeOwned>(what: &str, map: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(map)).map_err(|e| format!("{what}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Coupling, Permutation};
    use crate::train::optimizer::Rule;

    const GOOD: &str = r#"{
        "base": { "image_size": 16, "levels": 2, "depth": 1, "width": 8,
                  "permutation": "invconv", "coupling": "affine" },
        "train": { "pictures": 100, "batch": 4, "lr": 0.002 },
        "rows": [
            { "name": "1x1, affine" },
            { "name": "reverse", "config": { "permutation": "reverse", "coupling": "additive" },
              "train": { "batch": 8, "optimizer": "adamax", "no_flip": true } }
        ],
        "seeds": [3, 1]
    }"#;

    fn parse(text: &str) -> Result<Table, String> {
        Table::parse(text, Path::new("t.json")).map_err(|e| e.to_string())
    }

    #[test]
    fn rows_are_the_base_and_what_they_change() {
        let table = parse(GOOD).unwrap();
        assert_eq!(table.picture_shape(), (16, 3));
        let [a, b] = &table.rows[..] else { panic!() };
        assert_eq!(a.config.permutation, Permutation::Invconv);
        assert_eq!((a.train.batch, a.train.lr), (4, 0.002));
        assert_eq!(b.config.permutation, Permutation::Reverse);
        assert_eq!(b.config.coupling, Coupling::Additive);
        assert_eq!(b.config.width, 8);
        assert_eq!((b.train.batch, b.train.optimizer), (8, Rule::Adamax));
        assert!(b.train.no_flip && b.train.pictures == Some(100));
        assert_eq!(b.settings(3).seed, 3);
        let runs: Vec<String> = table.runs().map(|(row, seed)| row.run_name(seed)).collect();
        assert_eq!(
            runs,
            [
                "1x1-affine-seed-3",
                "reverse-seed-3",
                "1x1-affine-seed-1",
                "reverse-seed-1"
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let refused = |from: &str, to: &str, parts: &[&str]| {
            assert!(GOOD.contains(from), "{from}");
            let message = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{part}: {message}");
            }
            assert!(message.ends_with("t.json"), "{message}");
        };
        let meant = "dept: did you mean depth?";
        refused("\"depth\"", "\"dept\"", &["1x1, affine", meant]);
        refused("\"lr\"", "\"learning_rate\"", &["learning_rate is", "lr"]);
        refused("\"seeds\"", "\"sedes\"", &["sedes"]);
        refused(
            "\"no_flip\": true",
            "\"flip\": false",
            &["reverse", "train: flip"],
        );
        refused("\"pictures\": 100, ", "", &["train.pictures"]);
        refused("\"batch\": 4", "\"minutes\": 4", &["minutes", "pictures"]);
        refused("\"batch\": 4", "\"seed\": 4", &["seeds"]);
        refused("\"batch\": 4", "\"batch\": 0", &["train.batch"]);
        refused("0.002", "-1", &["train.lr", "above 0"]);
        refused("\"levels\": 2", "\"levels\": 9", &["levels", "9"]);
        refused("\"affine\"", "\"conic\"", &["conic"]);
        refused("[3, 1]", "[3, 3]", &["seeds"]);
        refused("[3, 1]", "[]", &["seeds"]);
        refused(
            "\"reverse\", \"config\": {",
            "\"1x1  Affine\", \"config\": {",
            &["two rows"],
        );
        refused(
            "\"reverse\", \"config\": {",
            "\" \", \"config\": {",
            &["name"],
        );
        refused(
            "{ \"permutation\": \"reverse\",",
            "{ \"image_size\": 32,",
            &["image_size", "same"],
        );
        assert!(parse("[]").is_err() && parse("").is_err());
        assert!(Table::read(Path::new("none/t.json")).is_err());
    }

    #[test]
    fn the_keys_are_those_of_the_structs() {
        let table = parse(GOOD).unwrap();
        let keys = |value: Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        let of = |keys: &[&str]| keys.iter().map(|k| k.to_string()).collect::<BTreeSet<_>>();
        let mut train = keys(serde_json::to_value(&table.rows[0].train).unwrap());
        assert!(train.remove("seed") && train.remove("minutes"));
        // The row's config says it.
        assert!(train.remove("scale_floor"));
        // It changes the memory of a run and nothing that a table compares.
        assert!(train.remove("accumulate"));
        assert_eq!(train, of(&TRAIN_KEYS));
    }

    #[test]
    fn the_tables_that_come_with_the_project_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ablation");
        let tables = [
            ("permutations.json", 6, 3),
            ("design.json", 18, 1),
            ("bits.json", 2, 1),
        ];
        for (name, n_rows, n_seeds) in tables {
            let table = Table::read(&folder.join(name)).unwrap();
            assert_eq!((table.rows.len(), table.seeds.len()), (n_rows, n_seeds));
        }
    }

    #[test]
    fn any_name_makes_a_folder() {
        assert_eq!(folder_name("1x1, affine (LU)"), "1x1-affine-lu");
        assert_eq!(folder_name("../.."), "row");
        assert_eq!(folder_name("lr 0.001"), "lr-0.001");
    }
}
