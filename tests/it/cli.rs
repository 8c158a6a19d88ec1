//! The command line: the program itself, on small weights and generated pictures.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glow_explorer::config::{Coupling, GlowConfig, Padding, Permutation};
use glow_explorer::export::read_settings;
use glow_explorer::files::weights::{self, Precision};
use glow_explorer::files::{attributes, latents};
use glow_explorer::latent::attributes::{Direction, Directions, Figures};
use glow_explorer::latent::flat_from_latent;
use glow_explorer::latent::temperature::sample;
use glow_explorer::model::params::Params;
use glow_explorer::model::pixels::largest_difference;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::support;

/// A folder with a small model, its directions and a few pictures.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let scratch = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let params = support::lively(&config(), 3);
        let provenance = json!({ "data": "made up", "curve": [
            { "pictures": 10, "train_bits_per_dim": 5.0, "valid_bits_per_dim": 4.5, "round_trip": 1e-6 },
            { "pictures": 20, "train_bits_per_dim": 4.0, "valid_bits_per_dim": null, "round_trip": 1e-6 },
        ] });
        weights::write(
            &scratch.path("m.safetensors"),
            &params,
            &provenance,
            None,
            Precision::F32,
        )
        .unwrap();
        let direction = |name: &str, index| Direction {
            name: name.into(),
            vector: sample(&config().latent_shape(), 8, index),
            center: 0.0,
            range: [-2.0, 2.0],
            figures: Figures::default(),
        };
        let directions = Directions::new(vec![direction("smile", 0), direction("age", 1)]).unwrap();
        let path = scratch.path("m.attributes.safetensors");
        attributes::write(
            &path,
            &config(),
            None,
            &directions,
            attributes::Precision::F32,
        )
        .unwrap();
        for (i, name) in ["a.png", "b.png", "c.png"].iter().enumerate() {
            picture(i as u32, 40).save(scratch.path(name)).unwrap();
        }
        scratch
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in the folder; `words` are its arguments, parted by spaces.
    pub(crate) fn run(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_glow-explorer"))
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// The same with the small model, on one thread.
    pub(crate) fn model(&self, words: &str) -> Output {
        self.run(&format!(
            "{words} --model m.safetensors --device cpu --threads 1"
        ))
    }

    #[track_caller]
    pub(crate) fn ok(&self, words: &str) -> String {
        succeeded(self.model(words))
    }

    #[track_caller]
    pub(crate) fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    pub(crate) fn png(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().into_rgb8()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The words end in failure: exit code 1, nothing on standard output, and one line on standard
    /// error that holds each of `parts`. No file is made.
    #[track_caller]
    pub(crate) fn fails(&self, words: &str, parts: &[&str]) {
        let before = self.names();
        let output = self.model(words);
        failed(&output, words, parts);
        assert_eq!(self.names(), before, "{words}");
    }
}

#[track_caller]
pub(crate) fn succeeded(output: Output) -> String {
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
pub(crate) fn failed(output: &Output, words: &str, parts: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}: {error}");
    assert_eq!(error.lines().count(), 1, "{words}: {error}");
    assert!(error.starts_with("glow-explorer: "), "{words}: {error}");
    for part in parts {
        assert!(error.contains(part), "{words}: {part}: {error}");
        let once = error.matches(part).count();
        assert!(once == 1, "{words}: says {part} {once} times: {error}");
    }
    assert!(output.stdout.is_empty(), "{words}");
}

fn config() -> GlowConfig {
    GlowConfig {
        image_size: 16,
        channels: 3,
        levels: 2,
        depth: 1,
        width: 8,
        permutation: Permutation::InvconvLu,
        coupling: Coupling::Affine,
        bits: 5,
        variant: Default::default(),
        padding: Padding::EdgeBias,
        scale_floor: Default::default(),
        detail: Vec::new(),
    }
}

pub(crate) fn picture(seed: u32, side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let wave = |a: u32, b: u32| ((x * a + y * b + 37 * seed) % 256) as u8;
        Rgb([wave(3, 1), wave(1, 4), wave(2, 2)])
    })
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn samples_are_decided_by_the_seed() {
    let scratch = Scratch::new();
    scratch.ok("sample --count 5 --columns 3 --seed 7 --gap 1 --scale 2 --out one.png");
    scratch.ok("sample --count 5 --columns 3 --seed 7 --gap 1 --scale 2 --out two.png");
    scratch.ok("sample --count 5 --columns 3 --seed 8 --gap 1 --scale 2 --out three.png");
    assert_eq!(
        scratch.png("one.png").dimensions(),
        (3 * 32 + 2, 2 * 32 + 1)
    );
    assert!(bytes(&scratch.path("one.png")) == bytes(&scratch.path("two.png")));
    assert_ne!(scratch.png("one.png"), scratch.png("three.png"));

    // Frames are the cells of the sheet; temperature 0 is one picture.
    scratch.ok("sample --count 2 --seed 7 --frames frames");
    scratch.ok("sample --count 2 --seed 7 --gap 0 --out sheet.png");
    let sheet = scratch.png("sheet.png");
    let second = image::imageops::crop_imm(&sheet, 16, 0, 16, 16).to_image();
    assert_eq!(scratch.png("frames/frame-0002.png"), second);
    scratch.ok("sample --count 2 --temperature 0,0 --frames cold");
    assert_eq!(
        scratch.png("cold/frame-0001.png"),
        scratch.png("cold/frame-0002.png")
    );
}

#[test]
fn pictures_carry_their_settings() {
    let scratch = Scratch::new();
    scratch.ok("sample --count 2 --seed 7 --temperature 0.5 --out s.png");
    let settings: Value =
        serde_json::from_str(&read_settings(&scratch.path("s.png")).unwrap()).unwrap();
    assert_eq!(settings["command"], "sample");
    assert_eq!(settings["model"], "m.safetensors");
    assert_eq!(
        settings["recipes"][1]["scaled"]["base"]["sample"],
        json!({ "seed": 7, "index": 1 })
    );

    scratch.ok("morph a.png b.png --steps 3 --out strip.png");
    let info: Value =
        serde_json::from_str(&succeeded(scratch.run("info strip.png --json"))).unwrap();
    assert_eq!(
        info["settings"]["items"],
        json!({ "0": "a.png", "1": "b.png" })
    );
    assert_eq!(info["settings"]["recipes"][1]["morph"]["t"], 0.5);
}

#[test]
fn encoding_and_decoding_give_the_picture_back() {
    let scratch = Scratch::new();
    let figures = scratch.json("encode a.png b.png --no-crop --json --out l.safetensors");
    let file = latents::read(&scratch.path("l.safetensors")).unwrap();
    assert_eq!(
        file.names,
        Some(vec!["a.png".to_owned(), "b.png".to_owned()])
    );
    let bits = file.bits_per_dim.unwrap();
    assert_eq!(
        figures["pictures"][1]["bits_per_dim"].as_f64(),
        Some(bits[1])
    );
    assert!(figures["pictures"][0]["round_trip"].as_f64().unwrap() < 1e-3);

    scratch.ok("encode a.png b.png --no-crop --out same.safetensors");
    assert!(bytes(&scratch.path("l.safetensors")) == bytes(&scratch.path("same.safetensors")));

    scratch.ok("decode l.safetensors --out back");
    scratch.ok("decode l.safetensors --out back.png --columns 2 --gap 0");
    let (back, sheet) = (scratch.png("back/frame-0002.png"), scratch.png("back.png"));
    assert_eq!(sheet.dimensions(), (32, 16));
    assert_eq!(
        image::imageops::crop_imm(&sheet, 16, 0, 16, 16).to_image(),
        back
    );
    // The decoded picture encodes to itself: it is of the model's size and on its 32 values.
    scratch.ok("encode back/frame-0002.png --out again.safetensors");
    scratch.ok("decode again.safetensors --out again");
    let again = scratch.png("again/frame-0001.png");
    let differ = back
        .as_raw()
        .iter()
        .zip(again.as_raw())
        .filter(|(a, b)| a.abs_diff(**b) > 8)
        .count();
    assert_eq!(differ, 0);
    // Without a file the figures alone are printed.
    let line = scratch.ok("encode a.png");
    assert!(
        line.contains("bits/dim") && line.ends_with("a.png\n"),
        "{line}"
    );
}

#[test]
fn a_morph_starts_and_ends_at_its_keyframes() {
    let scratch = Scratch::new();
    scratch.ok("encode a.png b.png c.png --out l.safetensors");
    scratch.ok("decode l.safetensors --out ends");
    for path in ["linear", "spherical", "per-level"] {
        scratch.ok(&format!(
            "morph a.png b.png c.png --steps 5 --path {path} --easing smooth --frames film"
        ));
        assert_eq!(
            scratch.png("film/frame-0001.png"),
            scratch.png("ends/frame-0001.png")
        );
        assert_eq!(
            scratch.png("film/frame-0003.png"),
            scratch.png("ends/frame-0002.png")
        );
        assert_eq!(
            scratch.png("film/frame-0005.png"),
            scratch.png("ends/frame-0003.png")
        );
    }
    // Latents are keyframes as photos are.
    scratch.ok(
        "morph l.safetensors --steps 5 --gap 0 --scale 2 --out strip.png --gif film.gif --delay 5",
    );
    assert_eq!(scratch.png("strip.png").dimensions(), (5 * 32, 32));
    let gif =
        image::codecs::gif::GifDecoder::new(std::io::Cursor::new(bytes(&scratch.path("film.gif"))))
            .unwrap();
    assert_eq!(image::AnimationDecoder::into_frames(gif).count(), 5);
    scratch.fails("morph a.png --out one.png", &["2 to 8", "a.png"]);
}

#[test]
fn animations_and_latents_are_those_of_the_pictures() {
    let scratch = Scratch::new();
    scratch.ok("morph a.png b.png --steps 3 --apng film.png --delay 7 --latents way.safetensors --frames film");
    let file = std::io::Cursor::new(bytes(&scratch.path("film.png")));
    let apng = image::codecs::png::PngDecoder::new(file)
        .unwrap()
        .apng()
        .unwrap();
    let frames = image::AnimationDecoder::into_frames(apng)
        .collect_frames()
        .unwrap();
    assert_eq!(frames.len(), 3);
    let second = image::DynamicImage::from(frames[1].buffer().clone()).into_rgb8();
    assert_eq!(second, scratch.png("film/frame-0002.png"));
    assert!(
        read_settings(&scratch.path("film.png"))
            .unwrap()
            .contains("morph")
    );
    scratch.ok("decode way.safetensors --out back");
    assert_eq!(scratch.png("back/frame-0002.png"), second);

    // Without pictures, too; edits start from samples as they do from photos.
    scratch.ok("sample --count 2 --seed 4 --latents s.safetensors");
    scratch.ok("sample --count 2 --seed 4 --frames s");
    scratch.ok("edit s.safetensors --set smile=1 --out e.png --latents e.safetensors");
    scratch.ok("edit e.safetensors --set smile=-1 --out u.png --latents u.safetensors");
    let read = |name: &str| latents::read(&scratch.path(name)).unwrap().latents;
    let last = |name: &str| flat_from_latent(&read(name)[1]);
    assert!(largest_difference(&last("s.safetensors"), &last("u.safetensors")) < 1e-5);
    assert_ne!(read("e.safetensors"), read("s.safetensors"));
    scratch.fails("sample --latents s.png", &["s.png", ".safetensors"]);
}

#[test]
fn an_edit_moves_the_score_that_it_names() {
    let scratch = Scratch::new();
    let scores = scratch.json("edit a.png --set smile=1.5 --keep-others --json --out e.png");
    let (smile, age) = (
        &scores["pictures"][0]["scores"]["smile"],
        &scores["pictures"][0]["scores"]["age"],
    );
    let moved = |v: &Value| v["after"].as_f64().unwrap() - v["before"].as_f64().unwrap();
    assert!((moved(smile) - 1.5).abs() < 1e-3, "{scores}");
    assert!(moved(age).abs() < 1e-3, "{scores}");
    scratch.ok("edit a.png --set smile=0 --out same.png");
    scratch.ok("morph a.png b.png --steps 2 --frames ends");
    assert_eq!(scratch.png("same.png"), scratch.png("ends/frame-0001.png"));
    assert_ne!(scratch.png("e.png"), scratch.png("same.png"));
    scratch.ok("encode a.png b.png --out l.safetensors");
    scratch.ok("edit l.safetensors --set smile=-1 --set age=1 --temperature 0.8 --out two.png");
    assert_eq!(scratch.png("two.png").dimensions(), (2 * 16 + 2, 16));

    scratch.fails(
        "edit a.png --set grin=1 --out x.png",
        &["\"grin\"", "smile, age", "m.attributes.safetensors"],
    );
    std::fs::remove_file(scratch.path("m.attributes.safetensors")).unwrap();
    scratch.fails(
        "edit a.png --set smile=1 --out x.png",
        &["--attributes", "m.attributes.safetensors"],
    );
}

#[test]
fn a_film_is_what_the_window_plays() {
    let scratch = Scratch::new();
    let film = "morph a.png b.png --seconds 0.5 --fps 8";
    let said = scratch.ok(&format!("{film} --film film.webp"));
    assert!(said.contains("8 frames, 1.00 s: "), "{said}");
    let frames = |name: &str| {
        let file = std::io::Cursor::new(bytes(&scratch.path(name)));
        let decoder = image::codecs::webp::WebPDecoder::new(file).unwrap();
        let frames = image::AnimationDecoder::into_frames(decoder).collect_frames();
        let rgb = |f: image::Frame| image::DynamicImage::from(f.into_buffer()).into_rgb8();
        frames.unwrap().into_iter().map(rgb).collect::<Vec<_>>()
    };
    let there_and_back = frames("film.webp");
    assert_eq!(there_and_back.len(), 8);
    scratch.ok("morph a.png b.png --steps 5 --frames steps");
    for (frame, step) in there_and_back.iter().zip([1, 2, 3, 4, 5, 4, 3, 2]) {
        assert_eq!(
            *frame,
            scratch.png(&format!("steps/frame-000{step}.png")),
            "{step}"
        );
    }
    scratch.ok(&format!(
        "{film} --play once --film once.webp --labels --scale 4"
    ));
    let once = frames("once.webp");
    assert_eq!((once.len(), once[0].width()), (4, 64));
    assert!(once[0].height() > 64, "there is room for labels");

    scratch.fails(&format!("{film} --film a.avi"), &[".mp4", "a.avi"]);
    scratch.fails("morph a.png b.png --fps 60 --film a.gif", &["50", "a.gif"]);
}

#[test]
fn an_edit_is_pasted_back_into_its_photo() {
    let scratch = Scratch::new();
    let photo = RgbImage::from_fn(120, 90, |x, y| {
        image::Rgb([
            (x * 2) as u8,
            (y * 2) as u8,
            ((x / 2 + y / 3) % 2 * 90) as u8,
        ])
    });
    photo.save(scratch.path("photo.png")).unwrap();
    scratch.ok("edit photo.png --no-crop --set smile=0 --paste-back same.png");
    assert_eq!(
        bytes(&scratch.path("same.png")),
        bytes(&scratch.path("photo.png"))
    );
    let said = scratch.ok("edit photo.png --no-crop --set smile=3 --paste-back p.png --out e.png");
    assert!(said.contains("1 photo: "), "{said}");
    let pasted = scratch.png("p.png");
    assert_eq!(pasted.dimensions(), (120, 90));
    // The square is 15..105; outside of it nothing changes, inside something does.
    for (x, y, pixel) in pasted.enumerate_pixels() {
        let outside = !(15..105).contains(&x);
        assert!(!outside || pixel == photo.get_pixel(x, y), "{x} {y}");
    }
    assert_ne!(pasted, photo);
    scratch.ok("edit photo.png --no-crop --set smile=3 --paste-back p.jpg --quality 80");
    assert_eq!(image::open(scratch.path("p.jpg")).unwrap().width(), 120);

    scratch.fails(
        "edit photo.png --set smile=3 --paste-back photo.png",
        &["would be written over", "photo.png"],
    );
    scratch.fails(
        "edit photo.png --set smile=3 --paste-back p.gif",
        &["JPEG or PNG", "p.gif"],
    );
    scratch.fails(
        "edit l.safetensors --set smile=3 --paste-back p.png",
        &["not its latents"],
    );
}

#[test]
fn directions_are_built_from_a_table() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("faces")).unwrap();
    let mut table = "file,split,bright,age,half\n".to_owned();
    for i in 0..40u32 {
        let bright = i % 2 == 0;
        let base = picture(i, 16);
        let picture = RgbImage::from_fn(16, 16, |x, y| {
            base.get_pixel(x, y)
                .0
                .map(|v| v / 2 + if bright { 110 } else { 0 })
                .into()
        });
        picture
            .save(scratch.path(&format!("faces/{i:02}.png")))
            .unwrap();
        let split = if i < 36 { "train" } else { "valid" };
        let bright = if bright { "1" } else { "-1" };
        let bright = if i == 3 { "0" } else { bright };
        table += &format!(
            "{i:02}.png,{split},{bright},{},{}\n",
            20 + (i % 2) * 30 + i,
            i / 2 % 2
        );
    }
    std::fs::write(scratch.path("t.csv"), &table).unwrap();
    for method in [
        "means",
        "balanced",
        "adjusted",
        "classifier",
        "ridge",
        "auto",
    ] {
        let words =
            format!("attributes --images faces --labels t.csv --method {method} --balance-by half");
        let words = format!(
            "{words} --columns bright,age --licence mine --json --out d.attributes.safetensors"
        );
        let found = scratch.json(&words);
        assert_eq!(found["directions"][1]["name"], "age");
        let bright = &found["directions"][0]["figures"];
        assert_eq!(bright["auc"], 1.0, "{method}: {found}");
        let counts: u64 = (0..2).map(|i| bright["counts"][i].as_u64().unwrap()).sum();
        assert_eq!(
            counts + bright["held_out"].as_u64().unwrap(),
            35,
            "36 of the split, one unknown"
        );
        let first = bytes(&scratch.path("d.attributes.safetensors"));
        scratch.ok(&words);
        assert!(
            bytes(&scratch.path("d.attributes.safetensors")) == first,
            "{method}: the bytes changed"
        );
    }
    let file = attributes::read(&scratch.path("d.attributes.safetensors")).unwrap();
    let figures = &file.directions.as_slice()[0].figures;
    assert!(figures.provenance.contains("terms: mine") && figures.provenance.contains("t.csv"));
    let words = "edit a.png --set bright=1 --attributes d.attributes.safetensors --out e.png";
    assert!(scratch.ok(words).contains("bright"));

    let build = "attributes --images faces --out x.safetensors --labels";
    scratch.fails(
        &format!("{build} t.csv --columns glasses"),
        &["\"glasses\"", "bright, age, half", "t.csv"],
    );
    std::fs::write(scratch.path("bad.csv"), "file,age\n00.png,twelve\n").unwrap();
    let output = scratch.model(&format!("{build} bad.csv"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for part in ["twelve", "bad.csv", "no column of numbers"] {
        assert!(said.contains(part), "{said}");
    }
    std::fs::write(
        scratch.path("one.csv"),
        "file,age\n00.png,1\n01.png,1\n02.png,1\n",
    )
    .unwrap();
    scratch.fails(&format!("{build} one.csv"), &["\"age\"", "one.csv"]);
    scratch.fails(&format!("{build} none.csv"), &["none.csv"]);
    scratch.fails(
        &format!("{build} t.csv --split test"),
        &["`test`", "train, valid", "faces"],
    );
}

#[test]
fn a_set_is_evaluated() {
    let scratch = Scratch::new();
    let found = scratch.json("evaluate --images . --json");
    assert_eq!(
        (&found["pictures"], &found["left_out"]),
        (&json!(3), &json!(0))
    );
    let bits = &found["bits_per_dim"];
    let of = |v: &Value| v.as_f64().unwrap();
    assert!(of(&bits["min"]) <= of(&bits["mean"]) && of(&bits["mean"]) <= of(&bits["max"]));
    assert!(of(&bits["quartiles"][0]) <= of(&bits["quartiles"][2]));
    let sum: f64 = found["level_bits"].as_array().unwrap().iter().map(of).sum();
    assert!((sum + 5.0 - of(&bits["mean"])).abs() < 1e-9);
    assert!(of(&found["round_trip"]["max"]) < 1e-3);
    assert_eq!(
        scratch.json("evaluate --images . --limit 2 --json")["pictures"],
        2
    );

    std::fs::write(scratch.path("d.png"), "no picture").unwrap();
    let output = scratch.model("evaluate --images . --json");
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        note.contains("1 of 4 pictures left out") && note.contains("d.png"),
        "{note}"
    );
    assert_eq!(
        scratch
            .names()
            .iter()
            .filter(|n| n.ends_with(".png"))
            .count(),
        4
    );
    scratch.fails("evaluate --images none", &["none"]);
}

#[test]
fn info_tells_every_kind_of_file() {
    let scratch = Scratch::new();
    scratch.ok("encode a.png --out l.safetensors");
    let kind =
        |words: &str| -> Value { serde_json::from_str(&succeeded(scratch.run(words))).unwrap() };
    let found = kind("info m.safetensors --json");
    assert_eq!(found["kind"], "weights");
    assert_eq!(found["config"]["levels"], 2);
    assert_eq!(found["provenance"]["data"], "made up");
    assert_eq!(
        kind("info l.safetensors --json")["latents"][0]["name"],
        "a.png"
    );
    assert_eq!(
        kind("info m.attributes.safetensors --json")["directions"][1]["name"],
        "age"
    );
    assert_eq!(kind("info --json")["kind"], "weights");
    let text = succeeded(scratch.run("info m.safetensors"));
    assert!(text.contains("16 px, 2 levels of 1 steps"), "{text}");
    assert!(
        text.contains("best 4.0000 bits/dim at 20 pictures"),
        "{text}"
    );

    let fails = |words: &str, parts: &[&str]| failed(&scratch.run(words), words, parts);
    fails("info a.png", &["no settings", "a.png"]);
    fails("info none.png", &["none.png"]);
    fails("info .", &["not a file"]);
    std::fs::write(scratch.path("short"), "abc").unwrap();
    fails("info short", &["3 bytes"]);
}

#[test]
fn half_precision_is_smaller_and_nearly_the_same() {
    let scratch = Scratch::new();
    succeeded(scratch.run("convert m.safetensors h.safetensors --half"));
    assert!(
        bytes(&scratch.path("h.safetensors")).len() < bytes(&scratch.path("m.safetensors")).len()
    );
    succeeded(scratch.run("convert m.safetensors again.safetensors"));
    assert!(bytes(&scratch.path("m.safetensors")) == bytes(&scratch.path("again.safetensors")));
    let (a, b) = (
        weights::read(&scratch.path("m.safetensors")).unwrap(),
        weights::read(&scratch.path("h.safetensors")).unwrap(),
    );
    assert!(largest_difference(&a.params.data, &b.params.data) < 1e-2);
    assert_eq!(a.provenance, b.provenance);
}

#[test]
fn pictures_that_cannot_be_read_are_named() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("page.jpg"), "<!DOCTYPE html><html></html>").unwrap();
    std::fs::write(scratch.path("empty.png"), "").unwrap();
    let whole = bytes(&scratch.path("a.png"));
    std::fs::write(scratch.path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let mut huge = whole;
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    std::fs::write(scratch.path("huge.png"), huge).unwrap();
    for name in [
        "page.jpg",
        "empty.png",
        "cut.png",
        "huge.png",
        "none.png",
        "m.txt",
    ] {
        scratch.fails(&format!("encode {name} --out x.safetensors"), &[name]);
        scratch.fails(&format!("morph a.png {name} --out x.png"), &[name]);
        scratch.fails(&format!("edit {name} --set smile=1 --out x.png"), &[name]);
    }
    scratch.fails("encode . --out x.safetensors", &["folder"]);
}

#[test]
fn weights_that_cannot_be_used_are_named() {
    let scratch = Scratch::new();
    let whole = bytes(&scratch.path("m.safetensors"));
    let write = |name: &str, bytes: &[u8]| std::fs::write(scratch.path(name), bytes).unwrap();
    write("cut.safetensors", &whole[..whole.len() / 2]);
    write("html.safetensors", b"<!DOCTYPE html><html>not found</html>");
    write("empty.safetensors", b"");
    // A header that claims more than the file has.
    write(
        "claims.safetensors",
        &[&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
    );

    // Another program's: ours writes no weights that are not finite. The last tensor ends where the file does.
    let mut not_finite = whole.clone();
    let end = not_finite.len();
    not_finite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    write("nan.safetensors", &not_finite);
    // A config that contradicts the tensors, and one that wants more numbers than any machine has.
    let text = |from: &str, to: &str| replace_in_header(&whole, from, to);
    write(
        "contradicts.safetensors",
        &text(r#"\"depth\":1"#, r#"\"depth\":2"#),
    );
    write(
        "wants.safetensors",
        &text(r#"\"width\":8"#, r#"\"width\":4096"#),
    );
    write(
        "impossible.safetensors",
        &text(r#"\"levels\":2"#, r#"\"levels\":9"#),
    );
    scratch.ok("encode a.png --out latents.safetensors");

    let names = scratch.names();
    let bad = names
        .iter()
        .filter(|n| n.ends_with(".safetensors") && *n != "m.safetensors");
    let bad: Vec<&String> = bad.collect();
    assert_eq!(bad.len(), 10);
    for name in bad {
        for words in ["sample --out x.png", "encode a.png", "evaluate --images ."] {
            let words = format!("{words} --model {name}");
            failed(&scratch.run(&words), &words, &[name]);
        }
        // Neither are they latents, but for the one that is.
        if name != "latents.safetensors" {
            scratch.fails(&format!("decode {name} --out x.png"), &[name]);
        }
        if !["latents.safetensors", "m.attributes.safetensors"].contains(&name.as_str()) {
            failed(&scratch.run(&format!("info {name}")), name, &[name]);
        }
    }
    failed(
        &scratch.run("sample --out x.png --model none.safetensors"),
        "missing",
        &["none.safetensors"],
    );
}

/// A safetensors file with another text in its header.
fn replace_in_header(whole: &[u8], from: &str, to: &str) -> Vec<u8> {
    let n = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&whole[8..8 + n]).unwrap();
    assert!(header.contains(from), "{header}");
    let header = header.replace(from, to);
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &whole[8 + n..],
    ]
    .concat()
}

#[test]
fn files_of_another_model_are_refused() {
    let scratch = Scratch::new();
    scratch.ok("encode a.png --out l.safetensors");
    let other = Params::perturbed(
        GlowConfig {
            image_size: 32,
            ..config()
        },
        1,
    );
    weights::write(
        &scratch.path("o.safetensors"),
        &other,
        &Value::Null,
        None,
        Precision::F32,
    )
    .unwrap();
    for words in [
        "decode l.safetensors --out x.png",
        "morph a.png l.safetensors --out x.png",
    ] {
        let words = format!("{words} --model o.safetensors");
        failed(
            &scratch.run(&words),
            &words,
            &["l.safetensors", "another model"],
        );
    }
    let words = "edit a.png --set age=1 --out x.png --model o.safetensors --attributes m.attributes.safetensors";
    failed(
        &scratch.run(words),
        words,
        &["m.attributes.safetensors", "another model"],
    );
}

#[test]
fn targets_are_checked_before_the_work() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("folder")).unwrap();
    scratch.fails("sample --out none/x.png", &["none/x.png", "folder"]);
    scratch.fails("sample --out folder", &["folder;"]);
    scratch.fails("sample --out x.gif", &["x.gif", ".png"]);
    scratch.fails("sample --out a.png/x.png", &["a.png", "not a folder"]);
    scratch.fails("sample --frames a.png", &["a.png"]);
    scratch.fails(
        "sample --count 10000 --scale 16 --columns 1 --out x.png",
        &["sheet"],
    );
    scratch.fails(
        "encode a.png --out none/l.safetensors",
        &["none/l.safetensors"],
    );
    scratch.fails("morph a.png b.png --gif x.png", &["x.png", ".gif"]);
    let words = "train --images . --start m.safetensors --out none/w.safetensors --pictures 4";
    failed(&scratch.run(words), words, &["none/w.safetensors"]);
    let words = "train --images . --start m.safetensors --out w.safetensors --pictures 4 --lr NaN";
    failed(&scratch.run(words), words, &["--lr"]);
}

#[test]
fn a_flag_for_cuda_is_taken_elsewhere_with_a_note() {
    let scratch = Scratch::new();
    let output = scratch.model("sample --count 1 --out x.png --tf32");
    assert!(output.status.success());
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(
        notes.contains("--tf32 changes nothing on this device: cpu, 1 thread"),
        "{notes}"
    );
}

#[test]
fn wrong_usage_is_code_two() {
    let scratch = Scratch::new();
    for words in [
        "sample",
        "sample --out x.png --count 0",
        "sample --out x.png --count 10001",
        "sample --out x.png --temperature NaN",
        "sample --out x.png --temperature 11",
        "sample --out x.png --temperature -1",
        "sample --out x.png --scale 17",
        "sample --out x.png --device quantum",
        "sample --out x.png --threads 0",
        "morph a.png b.png",
        "morph a.png b.png --steps 1 --out x.png",
        "morph a.png b.png --steps 1001 --out x.png",
        "morph a.png b.png --path crooked --out x.png",
        "edit a.png --out x.png",
        "edit a.png --set smile --out x.png",
        "edit a.png --set smile=inf --out x.png",
        "decode --out x.png",
        "encode",
        "--no-such-flag",
    ] {
        let output = scratch.run(words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{words}"
        );
    }
    let help = succeeded(scratch.run("morph --help"));
    assert!(
        help.contains("Examples:") && help.contains("--easing"),
        "{help}"
    );
    assert!(succeeded(scratch.run("--version")).starts_with("glow-explorer "));
}

#[test]
fn a_window_without_a_display_ends_in_one_line() {
    let scratch = Scratch::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_glow-explorer"));
    let command = command.arg("a.png").current_dir(scratch.folder.path());
    if cfg!(all(unix, not(target_os = "macos"))) {
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
            command.env_remove(name);
        }
        failed(&command.output().unwrap(), "a.png", &["--help"]);
    }
}

#[test]
fn a_checkpoint_is_described_and_checked() {
    let scratch = Scratch::new();
    let words = "train --images . --start m.safetensors --out w.safetensors --pictures 4 --batch 2 --threads 1";
    let words = format!("{words} --json");
    let saved: Value = serde_json::from_str(&succeeded(scratch.run(&words))).unwrap();
    assert_eq!(saved["pictures"], 4);
    let found = succeeded(scratch.run("info w.checkpoint.safetensors --json"));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (&found["kind"], &found["progress"]["pictures_seen"]),
        (&json!("checkpoint"), &json!(4))
    );
    let whole = bytes(&scratch.path("w.checkpoint.safetensors"));
    let wants = replace_in_header(&whole, r#"\"width\":8"#, r#"\"width\":4096"#);
    std::fs::write(scratch.path("wants.safetensors"), wants).unwrap();
    let words = "info wants.safetensors";
    failed(
        &scratch.run(words),
        words,
        &["another number of weights", "wants.safetensors"],
    );
}

#[test]
fn a_mistyped_command_is_told_so() {
    let scratch = Scratch::new();
    failed(&scratch.run("sampel"), "sampel", &["sampel", "--help"]);
}

#[test]
fn the_shipped_model_works_from_anywhere() {
    let scratch = Scratch::new();
    succeeded(scratch.run("sample --count 1 --threads 1 --out s.png"));
    assert_eq!(scratch.png("s.png").dimensions(), (128, 128));
    succeeded(scratch.run("sample --model faces-64 --count 1 --threads 1 --out t.png"));
    assert_eq!(scratch.png("t.png").dimensions(), (64, 64));
}
