//! Checkpoints of other programs; `tests/data/foreign/make_foreign.py` made the files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glow_explorer::config::{Coupling, GlowConfig, Padding, Permutation};
use glow_explorer::files::import::{self, Options};
use glow_explorer::files::{latents, weights};
use glow_explorer::model::params::Params;
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
    let words =
        format!("decode z.safetensors --tensor y.safetensors --device cpu --threads 1 {options}");
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

/// Numbers from a seed, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n.max(1)
    }

    /// A place in the file: mostly where its structure is, at the start and at the end.
    fn place(&mut self, n: usize) -> usize {
        let near = n.min(6000);
        match self.below(5) {
            0 => self.below(n),
            1 | 2 => self.below(near),
            _ => n - 1 - self.below(near),
        }
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                return;
            }
            let at = self.place(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at] = self.below(256) as u8,
                3 => {
                    // Lengths, offsets and counts that are as large as can be, or nothing.
                    let value = [0, u64::MAX, 1 << 31, 1 << 63, 255][self.below(5)].to_le_bytes();
                    let n = [1, 2, 4, 8][self.below(4)];
                    for (to, from) in bytes[at..].iter_mut().zip(&value[..n]) {
                        *to = *from;
                    }
                }
                4 => {
                    let end = bytes.len().min(at + 1 + self.below(64));
                    bytes.drain(at..end);
                }
                5 => {
                    let from = self.place(bytes.len());
                    let chunk = bytes[from..bytes.len().min(from + 1 + self.below(200))].to_vec();
                    bytes.splice(at..at, chunk);
                }
                6 => {
                    let from = self.place(other.len());
                    let chunk = &other[from..other.len().min(from + 1 + self.below(500))];
                    let end = bytes.len().min(at + chunk.len());
                    bytes[at..end].copy_from_slice(&chunk[..end - at]);
                }
                _ => {
                    let to = self.place(bytes.len());
                    bytes.swap(at, to);
                }
            }
        }
    }
}

/// Thousands of changes of every file: a model or a message of one line, never a panic.
#[test]
fn whatever_the_bytes_there_is_a_model_or_a_message() {
    let options = Options {
        image_size: Some(8),
        permutation: Some(Permutation::Reverse),
        ..Options::default()
    };
    let files: Vec<(String, Vec<u8>, Vec<Vec<u8>>)> = cases()
        .into_iter()
        .map(|case| {
            let bytes = std::fs::read(&case.file).unwrap();
            let data = case
                .file
                .to_string_lossy()
                .replace(".index", ".data-00000-of-00001");
            let data = (data != case.file.to_string_lossy()).then(|| std::fs::read(data).unwrap());
            (case.name, bytes, Vec::from_iter(data))
        })
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut opened, mut refused) = (0, 0);
    for (name, bytes, data) in &files {
        for round in 0..150 {
            let (mut bytes, mut data) = (bytes.clone(), data.clone());
            let other = &files[random.below(files.len())].1;
            match data.first_mut() {
                Some(data) if round % 4 == 0 => random.mutate(data, other),
                _ => random.mutate(&mut bytes, other),
            }
            match import::from_memory(&bytes, &data, &options) {
                Ok(_) => opened += 1,
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    let plain = !text.is_empty() && !text.chars().any(char::is_control);
                    assert!(plain, "{name}, round {round}: {text:?}");
                }
            }
        }
    }
    // Some changes are in numbers alone; most are not.
    assert!(
        opened > 100 && refused > 1000,
        "{opened} opened, {refused} refused"
    );
}

#[test]
fn what_is_no_glow_gets_one_sentence_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(data().join("ros_affine_lu.pt")).unwrap();
    let cut = |name: &str, file: &str, n: usize| {
        let bytes = std::fs::read(data().join(file)).unwrap();
        std::fs::write(folder.path().join(name), &bytes[..bytes.len() - n]).unwrap();
    };
    cut("cut.pt", "ros_affine_lu.pt", whole.len() / 2);
    cut("cut_legacy.pt", "ros_affine_plain.pt", 100);
    cut("cut.pb", "tf_reverse.pb", 1000);
    cut("cut.index", "tf_affine.ckpt.index", 60);
    cut("alone.index", "tf_affine.ckpt.index", 0);
    for name in std::fs::read_dir(data().join("hostile")).unwrap() {
        let path = name.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    for (name, part) in [
        (
            "resnet.pth",
            "(bn1.bias, bn1.num_batches_tracked, bn1.running_mean, …) are those of no known Glow",
        ),
        (
            "stylegan.pkl",
            "`torch_utils.persistence._reconstruct_persistent_obj`",
        ),
        (
            "stylegan_zip.pt",
            "`torch_utils.persistence._reconstruct_persistent_obj`",
        ),
        ("module.pt", "state_dict()"),
        (
            "runs.pt",
            "system`, which no file of weights needs; nothing of it was run",
        ),
        (
            "runs_legacy.pt",
            "system`, which no file of weights needs; nothing of it was run",
        ),
        ("bomb.pt", "compressed"),
        ("shared.pt", "come to more numbers than are in it"),
        ("other.zip", "not one that PyTorch wrote"),
        ("script.pt", "TorchScript"),
        ("cut.pt", "cut off or damaged"),
        ("cut_legacy.pt", "ends before its last tensor"),
        ("cut.pb", "not a usable"),
        ("cut.index", "copy it again"),
        (
            "alone.index",
            "lie beside it and does not: alone.data-00000-of-00001",
        ),
    ] {
        let before = std::fs::read_dir(folder.path()).unwrap().count();
        for command in [
            "import FILE --out m.safetensors",
            "sample --out a.png --model FILE",
            "info FILE",
        ] {
            let words = command.replace("FILE", name);
            failed(&run(folder.path(), &words), &words, &[part, name]);
        }
        let after = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(before, after, "{name} left a file");
    }
}

/// Writes the weights of a small model.
fn small_model(folder: &Path, name: &str, config: &GlowConfig) -> PathBuf {
    let path = folder.join(name);
    let params = Params::perturbed(config.clone(), 5);
    weights::write(&path, &params, &Value::Null, None, weights::Precision::F32).unwrap();
    path
}

fn small_config(coupling: Coupling, permutation: Permutation, padding: Padding) -> GlowConfig {
    let config = serde_json::json!({
        "image_size": 16, "levels": 3, "depth": 2, "width": 8, "bits": 5,
        "coupling": coupling, "permutation": permutation, "padding": padding,
    });
    serde_json::from_value(config).unwrap()
}

/// A Python with what a check needs; `None`, said on standard error, where there is none.
fn python(script: &str, words: &[&str]) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/foreign")
        .join(script);
    let output = Command::new("python3").arg(path).args(words).output();
    let skipped = |why: &str| {
        eprintln!("skipped: {why}");
        None
    };
    let Ok(output) = output else {
        return skipped("no python3");
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.code() {
        Some(0) => Some(text),
        Some(77) => skipped(&text),
        _ => panic!("{script}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn a_state_dict_for_rosinality_says_what_the_model_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (coupling, permutation, more) in [
        (Coupling::Affine, Permutation::InvconvLu, "affine=True"),
        (Coupling::Additive, Permutation::Invconv, "affine=False"),
        (Coupling::Affine, Permutation::Shuffle, "affine=True"),
        (Coupling::Additive, Permutation::Reverse, "affine=False"),
    ] {
        let config = small_config(coupling, permutation, Padding::FinalOnes);
        small_model(folder, "m.safetensors", &config);
        let words = "export --model m.safetensors --to rosinality --out m.pt";
        let said = succeeded(run(folder, words));
        assert!(
            said.contains(&format!("Glow(3, 2, 3, {more}, conv_lu=True)")),
            "{said}"
        );
        succeeded(run(
            folder,
            "sample --model m.safetensors --count 2 --latents z.safetensors",
        ));
        succeeded(run(
            folder,
            "decode z.safetensors --model m.safetensors --tensor x.safetensors",
        ));
        let bits = |model: &str| -> Vec<f64> {
            let words = format!("encode --tensor x.safetensors --json --model {model}");
            let report: Value = serde_json::from_str(&succeeded(run(folder, &words))).unwrap();
            let bits = report["pictures"].as_array().unwrap().iter();
            bits.map(|p| p["bits_per_dim"].as_f64().unwrap()).collect()
        };
        let (ours, theirs) = (bits("m.safetensors"), bits("m.pt --image-size 16 --bits 5"));
        assert_eq!(ours.len(), 2);
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-4, "{permutation:?}: {a} {b}");
        }
        let words = ["m.pt", "x.safetensors", "5"].map(|name| match name {
            "5" => name.to_owned(),
            name => folder.join(name).display().to_string(),
        });
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(text) = python("check_state_dict.py", &words) {
            let found: Vec<f64> = serde_json::from_str(&text).unwrap();
            for (a, b) in ours.iter().zip(&found) {
                assert!((a - b).abs() < 2e-4, "PyTorch: {a} {b}");
            }
        }
    }
    let config = small_config(Coupling::Affine, Permutation::Invconv, Padding::Zeros);
    small_model(folder, "m.safetensors", &config);
    let words = "export --model m.safetensors --to rosinality --out other.pt";
    failed(
        &run(folder, words),
        words,
        &["pads the last convolutions with ones", "other.pt"],
    );
}

#[test]
fn onnx_decodes_to_what_the_model_decodes_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut models = vec![];
    for (name, coupling, permutation, padding) in [
        (
            "a",
            Coupling::Affine,
            Permutation::InvconvLu,
            Padding::EdgeBias,
        ),
        (
            "b",
            Coupling::Additive,
            Permutation::Shuffle,
            Padding::FinalOnes,
        ),
        ("c", Coupling::Affine, Permutation::Reverse, Padding::Zeros),
    ] {
        let config = small_config(coupling, permutation, padding);
        let path = small_model(folder, &format!("{name}.safetensors"), &config);
        models.push((path, String::new(), None));
    }
    for case in cases() {
        models.push((case.file, case.options, Some(case.oracle)));
    }
    for (file, options, x) in models {
        let model = format!("--model {} {}", file.display(), import_options(&options));
        succeeded(run(
            folder,
            &format!("export {model} --to onnx --out m.onnx"),
        ));
        // Those with pictures of their own are asked of these: what they make up can be beyond all bounds.
        let (words, temperature) = match &x {
            Some(x) => (
                format!(
                    "encode --tensor {} --model {} {options} --out z.safetensors",
                    x.display(),
                    file.display()
                ),
                "1",
            ),
            None => (
                format!("sample {model} --count 2 --temperature 1 --latents z.safetensors"),
                "0.7",
            ),
        };
        succeeded(run(folder, &words));
        let words = format!(
            "decode z.safetensors {model} --temperature {temperature} --tensor y.safetensors"
        );
        succeeded(run(folder, &words));
        let paths = ["m.onnx", "z.safetensors", "y.safetensors"]
            .map(|n| folder.join(n).display().to_string());
        let mut words: Vec<&str> = paths.iter().map(String::as_str).collect();
        words.push(temperature);
        let Some(text) = python("check_onnx.py", &words) else {
            return;
        };
        let difference: f64 = text.parse().unwrap();
        assert!(difference < 1e-3, "{}: {difference}", file.display());
    }
}
