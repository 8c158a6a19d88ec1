//! Checkpoints of other programs; `tests/data/foreign/make_foreign.py` made the files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glow_explorer::files::import::{self, Options};
use glow_explorer::files::latents;
use glow_explorer::model::pixels::largest_difference;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde_json::Value;

use crate::cli::{failed, succeeded};
use crate::support::largest;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/foreign")
}

/// Runs the program in a folder.
fn run(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_glow-explorer"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

/// One checkpoint and what its program says.
struct Case {
    name: String,
    file: PathBuf,
    oracle: PathBuf,
    options: String,
    bytes: Vec<u8>,
}

impl Case {
    fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        let oracle = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = oracle.tensor(name).ok()?;
        let bytes = tensor.data().as_chunks::<8>().0.iter();
        Some(bytes.map(|b| f64::from_le_bytes(*b)).collect())
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(data()).unwrap() {
        let oracle = entry.unwrap().path();
        if !oracle.to_string_lossy().ends_with(".oracle.safetensors") {
            continue;
        }
        let bytes = std::fs::read(&oracle).unwrap();
        let (_, header): (usize, Metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        cases.push(Case {
            name: metadata["file"].clone(),
            file: data().join(&metadata["file"]),
            options: metadata["options"].clone(),
            oracle,
            bytes,
        });
    }
    cases
}

/// Options for `import`: those that are not about a condition.
fn import_options(options: &str) -> String {
    let words: Vec<&str> = options.split_whitespace().collect();
    let pairs = words
        .chunks(2)
        .filter(|w| w[0] != "--class" && w[0] != "--condition");
    pairs.flatten().copied().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check_numbers(case: &Case, folder: &Path, options: &str) {
    let words = format!(
        "encode --tensor {} --json --out z.safetensors --device cpu --threads 1 {options}",
        case.oracle.display()
    );
    let report: Value = serde_json::from_str(&succeeded(run(folder, &words))).unwrap();
    let expected = case.numbers("bits_per_dim").unwrap();
    for (i, bits) in expected.iter().enumerate() {
        let picture = &report["pictures"][i];
        let found = picture["bits_per_dim"].as_f64().unwrap();
        assert!(
            (found - bits).abs() < 2e-4,
            "{}: {found}, not {bits} bits/dim",
            case.name
        );
        let round_trip = picture["round_trip"].as_f64().unwrap();
        assert!(round_trip < 1e-3, "{}: round trip {round_trip}", case.name);
    }
    let encoded = latents::read(&folder.join("z.safetensors")).unwrap();
    for level in 0..encoded.config.levels {
        let Some(expected) = case.numbers(&format!("eps.{level}")) else {
            continue;
        };
        let expected: Vec<f32> = expected.iter().map(|&v| v as f32).collect();
        let found = encoded
            .latents
            .iter()
            .flat_map(|z| z.levels[level].data.iter().copied());
        let error = largest_difference(&found.collect::<Vec<_>>(), &expected);
        assert!(
            error <= 1e-3 * largest(&expected),
            "{}: eps of level {level}, {error}",
            case.name
        );
    }
    let model_words = options.replace("--image-size", "--image-size");
    let words = format!(
        "decode z.safetensors --tensor y.safetensors --device cpu --threads 1 {model_words}"
    );
    succeeded(run(folder, &words));
    let bytes = std::fs::read(folder.join("y.safetensors")).unwrap();
    let decoded = SafeTensors::deserialize(&bytes).unwrap();
    let decoded: Vec<f32> = decoded
        .tensor("x")
        .unwrap()
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    let x: Vec<f32> = case
        .numbers("x")
        .unwrap()
        .iter()
        .map(|&v| v as f32)
        .collect();
    let error = largest_difference(&decoded, &x);
    assert!(error < 1e-3, "{}: decoded {error}", case.name);
}

#[test]
fn models_of_other_programs_say_what_those_programs_say() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    assert!(cases.len() >= 14, "{} cases", cases.len());
    for case in cases {
        let (file, options) = (case.file.display(), &case.options);
        check_numbers(&case, folder.path(), &format!("--model {file} {options}"));
        let words = format!(
            "import {file} --out m.safetensors {}",
            import_options(options)
        );
        succeeded(run(folder.path(), &words));
        let condition = options
            .split_once("--cl")
            .map(|(_, rest)| format!("--cl{rest}"))
            .or_else(|| {
                options
                    .split_once("--cond")
                    .map(|(_, rest)| format!("--cond{rest}"))
            });
        let words = format!("--model m.safetensors {}", condition.unwrap_or_default());
        check_numbers(&case, folder.path(), &words);
    }
}

#[test]
fn what_a_file_does_not_say_is_asked_or_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = data().join("cha_reverse.pkg");
    let words = |more: &str| format!("import {} --out m.safetensors {more}", file.display());
    for (more, part) in [
        ("", "--permutation reverse"),
        ("--permutation shuffle", "is not in the file"),
        ("--permutation reverse --image-size 32", "8 pixels a side"),
    ] {
        failed(
            &run(folder.path(), &words(more)),
            more,
            &[part, "cha_reverse.pkg"],
        );
    }
    assert!(!folder.path().join("m.safetensors").exists());
    // Guesses are said.
    let file = data().join("ros_affine_lu.pt");
    let words = format!("import {} --out m.safetensors", file.display());
    let output = run(folder.path(), &words);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && notes.contains("--image-size") && notes.contains("--bits"));
}

#[test]
fn a_condition_must_fit_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = data().join("cha_lu_cond.pkg");
    for (more, part) in [
        ("--condition 1,2", "takes 5"),
        ("--class 5", "0 to 4"),
        ("--condition 1,2,x,4,5", "not a number"),
    ] {
        let words = format!("sample --out a.png --model {} {more}", file.display());
        failed(&run(folder.path(), &words), more, &[part]);
    }
    let file = data().join("cha_plain_additive.pkg");
    let words = format!("sample --out a.png --class 1 --model {}", file.display());
    failed(
        &run(folder.path(), &words),
        "--class 1",
        &["not conditional"],
    );
}

/// Every cut and many changes of every file: a model or a message, never a panic.
#[test]
fn damaged_files_give_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut state = 1u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let options = Options {
        image_size: Some(8),
        ..Options::default()
    };
    for case in cases() {
        let bytes = std::fs::read(&case.file).unwrap();
        for round in 0..60 {
            let mut bytes = bytes.clone();
            match round % 3 {
                0 => bytes.truncate(random() % bytes.len()),
                1 => {
                    let at = random() % bytes.len();
                    bytes[at] ^= 1 << (random() % 8);
                }
                // Where the pickle is: at the start.
                _ => {
                    for _ in 0..3 {
                        let at = random() % bytes.len().min(4000);
                        bytes[at] = random() as u8;
                    }
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = import::open(&path, &options) {
                let text = error.to_string();
                assert!(
                    text.contains(&*path.to_string_lossy()) && !text.contains('\n'),
                    "{text}"
                );
            }
        }
    }
}
