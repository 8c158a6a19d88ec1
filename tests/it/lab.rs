//! Comparing runs, reporting on a model, choosing directions: the program itself, on small weights.

use glow_explorer::files::attributes;
use glow_explorer::files::weights;
use serde_json::{Value, json};

use crate::cli::{Scratch, failed, picture, succeeded};

const TABLE: &str = r#"{
    "base": { "image_size": 16, "levels": 2, "depth": 1, "width": 8,
              "permutation": "invconv_lu", "coupling": "affine" },
    "train": { "pictures": 16, "batch": 4, "warmup": 2, "init_batch": 4 },
    "rows": [ { "name": "1x1" }, { "name": "Reverse", "config": { "permutation": "reverse" } } ],
    "seeds": [0, 1]
}"#;

#[test]
fn a_table_of_runs_is_trained_and_compared() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("faces")).unwrap();
    let mut labels = "file,split\n".to_owned();
    for i in 0..12 {
        let name = format!("{i:02}.png");
        picture(i, 16)
            .save(scratch.path(&format!("faces/{name}")))
            .unwrap();
        labels += &format!("{name},{}\n", if i < 8 { "train" } else { "valid" });
    }
    std::fs::write(scratch.path("t.json"), TABLE).unwrap();
    std::fs::write(scratch.path("l.csv"), labels).unwrap();
    let words = "ablate --table t.json --images faces --labels l.csv --valid valid --points 2 --threads 1 --out out";
    let text = succeeded(scratch.run(words));
    assert!(
        text.contains("| 1x1 |") && text.contains("| Reverse |"),
        "{text}"
    );
    let csv = std::fs::read_to_string(scratch.path("out/results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * 2 * 2, "{csv}");
    assert_eq!(scratch.png("out/chart.png").dimensions(), (1280, 800));
    let file = weights::read(&scratch.path("out/runs/reverse-seed-1/model.safetensors")).unwrap();
    assert_eq!(file.provenance["pictures_seen"], 16);
    assert_eq!(file.provenance["training"]["seed"], 1);

    failed(&scratch.run(words), words, &["--resume", "out"]);
    let again: Value =
        serde_json::from_str(&succeeded(scratch.run(&format!("{words} --resume --json")))).unwrap();
    assert_eq!(again["rows"].as_array().unwrap().len(), 2);
    assert_eq!(again["rows"][0]["runs"], 2);
    assert_eq!(
        std::fs::read_to_string(scratch.path("out/results.csv")).unwrap(),
        csv
    );

    std::fs::write(scratch.path("bad.json"), TABLE.replace("depth", "deep")).unwrap();
    scratch_fails(
        &scratch,
        "ablate --table bad.json --images faces --out other",
        &["deep is no key", "bad.json"],
    );
    scratch_fails(
        &scratch,
        "ablate --table none.json --images faces --out other",
        &["none.json"],
    );
    scratch_fails(
        &scratch,
        "ablate --table t.json --images faces --out a.png",
        &["a.png"],
    );
}

fn scratch_fails(scratch: &Scratch, words: &str, parts: &[&str]) {
    failed(&scratch.run(words), words, parts);
}

#[test]
fn a_report_says_what_a_model_card_needs() {
    let scratch = Scratch::new();
    let few = "--limit 3 --round-trips 2 --samples 3 --pairs 2 --edits 2 --decodes 2 --temperatures 0.5,1";
    let words = format!("evaluate --report --images . {few} --seed 4");
    let found = scratch.json(&format!("{words} --json --out r.md"));
    assert_eq!(
        (&found["pictures"], &found["left_out"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(found["round_trip"]["pictures"], 2);
    assert!(found["round_trip"]["max"].as_f64().unwrap() < 1e-3);
    assert!(found["decode_ms"].as_f64().unwrap() > 0.0);
    let kinds: Vec<(&str, u64)> = found["faces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            (
                kind["what"].as_str().unwrap(),
                kind["pictures"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("held-out photographs", 3),
            ("samples at temperature 0.5", 3),
            ("samples at temperature 1", 3),
            ("morph midpoints, spherical", 2),
            ("morph midpoints, linear", 2),
            ("photographs, smile -2", 2),
            ("photographs, smile +2", 2),
            ("photographs, age -2", 2),
            ("photographs, age +2", 2),
        ]
    );
    // Waves are no faces.
    assert_eq!(found["faces"][0]["faces"], 0);
    // The likelihood is that of the plain evaluation with the same seed.
    let plain = scratch.json("evaluate --images . --json --seed 4");
    let mean = |v: &Value| v["bits_per_dim"]["mean"].as_f64().unwrap();
    assert!((mean(&plain) - mean(&found)).abs() < 1e-5);

    let text = std::fs::read_to_string(scratch.path("r.md")).unwrap();
    for part in [
        "| bits per dimension, mean |",
        "| samples at temperature 0.5 | 0 of 3 |",
        "--seed 4",
        "| smile |",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let printed = scratch.ok(&words);
    assert_eq!(printed.lines().count(), text.lines().count());

    std::fs::remove_file(scratch.path("m.attributes.safetensors")).unwrap();
    let output = scratch.model(&format!("{words} --json"));
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(note.contains("no edits are measured"), "{note}");
    let found: Value = serde_json::from_str(&succeeded(output)).unwrap();
    assert_eq!(found["faces"].as_array().unwrap().len(), 5);
    scratch.fails(
        &format!("{words} --attributes none.safetensors"),
        &["none.safetensors"],
    );
    scratch.fails(&format!("{words} --out none/r.md"), &["none/r.md"]);
}

#[test]
fn directions_are_compared_and_shown() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("faces")).unwrap();
    let mut table = "file,bright,red\n".to_owned();
    for i in 0..60u32 {
        let (bright, red) = (i % 2 == 0, if i % 5 == 0 { i % 2 == 1 } else { i % 2 == 0 });
        let base = picture(i, 16);
        let shown = image::RgbImage::from_fn(16, 16, |x, y| {
            let [r, g, b] = base
                .get_pixel(x, y)
                .0
                .map(|v| v / 3 + if bright { 80 } else { 0 });
            image::Rgb([if red { r + 80 } else { r }, g, b])
        });
        shown
            .save(scratch.path(&format!("faces/{i:02}.png")))
            .unwrap();
        let sign = |yes: bool| if yes { 1 } else { -1 };
        table += &format!("{i:02}.png,{},{}\n", sign(bright), sign(red));
    }
    std::fs::write(scratch.path("t.csv"), table).unwrap();
    let words = "attributes --images faces --labels t.csv --decode 2 --sheet sheets --json \
                 --out d.attributes.safetensors";
    let found = scratch.json(words);
    let figures = &found["directions"][0]["figures"];
    let compared = figures["compared"].as_array().unwrap();
    assert!(compared.len() > 10, "{found}");
    assert!(
        compared
            .iter()
            .all(|c| c["balanced_auc"].as_f64().unwrap() <= 1.0)
    );
    assert!(figures["leakage"]["red"].is_number(), "{found}");
    let edited = figures["edited"].as_array().unwrap();
    let amounts: Vec<f64> = edited
        .iter()
        .map(|e| e["amount"].as_f64().unwrap())
        .collect();
    assert_eq!(amounts, [1.0, 2.0, 3.0]);
    assert_eq!(
        (&edited[2]["decoded"], &edited[0]["finite"]),
        (&json!(2), &json!(2))
    );
    // 8 rows of 6 pictures, twice as large, with a line of text below each.
    let (width, height) = scratch.png("sheets/bright.png").dimensions();
    assert_eq!(width, 6 * 32 + 5 * 2);
    assert!(height > 8 * 32 + 7 * 2);
    assert_eq!(scratch.png("sheets/red.png").dimensions(), (width, height));

    let file = attributes::read(&scratch.path("d.attributes.safetensors")).unwrap();
    let read = &file.directions.as_slice()[1].figures;
    assert_eq!(read.compared.len(), compared.len());
    assert_eq!(read.leakage.keys().collect::<Vec<_>>(), ["bright"]);
    scratch.fails(
        "attributes --images faces --labels t.csv --level-weights 1,0 --out x.safetensors",
        &["--level-weights", "--method"],
    );
    scratch.fails(
        "attributes --images faces --labels t.csv --method difference --level-weights 1 --out x.safetensors",
        &["2 levels", "t.csv"],
    );
}
