//! Trainings that go wrong, that are gone on with, and that stand in each other's way.

use std::path::Path;

use glow_explorer::files::weights;
use image::{Rgb, RgbImage};

use crate::cli::{Scratch, failed, succeeded};

/// The small model, trained on the three pictures of the folder.
const TRAIN: &str = "train --images . --start m.safetensors --batch 2 --threads 1";

fn text(output: &std::process::Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_training_that_diverges_ends_by_itself_and_writes_no_weights() {
    let scratch = Scratch::new();
    let words =
        format!("{TRAIN} --out w.safetensors --pictures 400 --lr 1e6 --warmup 0 --clip 1e9");
    let output = scratch.run(&words);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("learning rates times").count(), 3, "{said}");
    assert!(said.contains("diverged 4 times"), "{said}");
    assert!(!scratch.path("w.safetensors").exists());
    assert!(!scratch.path("w.checkpoint.safetensors").exists());
    assert!(!scratch.path("w.lock").exists());
}

#[test]
fn a_training_that_diverges_goes_back_to_what_was_saved() {
    let scratch = Scratch::new();
    succeeded(scratch.run(&format!("{TRAIN} --out w.safetensors --pictures 8")));
    let good = bytes(&scratch.path("w.safetensors"));
    let words = format!(
        "{TRAIN} --out w.safetensors --resume --pictures 400 --lr 1e6 --warmup 0 --clip 1e9"
    );
    let output = scratch.run(&words);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("back to 8 pictures"), "{said}");
    assert_eq!(bytes(&scratch.path("w.safetensors")), good);
}

#[test]
fn an_earlier_training_is_not_written_over() {
    let scratch = Scratch::new();
    let words = format!("{TRAIN} --out w.safetensors --pictures 8");
    succeeded(scratch.run(&words));
    let names = ["w.safetensors", "w.checkpoint.safetensors"];
    let before = names.map(|name| bytes(&scratch.path(name)));
    failed(
        &scratch.run(&words),
        &words,
        &["--resume", "--overwrite", "w.safetensors"],
    );
    assert_eq!(names.map(|name| bytes(&scratch.path(name))), before);
    // A checkpoint alone is work as well.
    std::fs::remove_file(scratch.path("w.safetensors")).unwrap();
    failed(&scratch.run(&words), &words, &["w.checkpoint.safetensors"]);
    succeeded(scratch.run(&format!("{words} --overwrite")));
}

#[test]
fn a_run_that_is_not_there_is_not_resumed() {
    let scratch = Scratch::new();
    let words = format!("{TRAIN} --out typo.safetensors --pictures 8 --resume");
    failed(
        &scratch.run(&words),
        &words,
        &["nothing to resume", "typo.checkpoint.safetensors"],
    );
}

#[test]
fn resuming_another_training_says_what_differs() {
    let scratch = Scratch::new();
    succeeded(scratch.run(&format!("{TRAIN} --out w.safetensors --pictures 8")));
    let config = |width: u32| {
        let text = format!(
            r#"{{"image_size":16,"levels":2,"depth":1,"width":{width},"permutation":"invconv_lu","coupling":"affine"}}"#
        );
        std::fs::write(scratch.path("c.json"), text).unwrap();
    };
    config(24);
    let words = "train --images . --config c.json --batch 2 --threads 1 --out w.safetensors --pictures 16 --resume";
    failed(&scratch.run(words), words, &["width 8 instead of 24"]);
    RgbImage::from_pixel(20, 20, Rgb([9, 99, 200]))
        .save(scratch.path("d.png"))
        .unwrap();
    let words = format!("{TRAIN} --out w.safetensors --pictures 16 --resume --seed 5");
    let said = text(&scratch.run(&words));
    assert!(
        said.contains("the seed was 0 before and is 5 now"),
        "{said}"
    );
    assert!(
        said.contains("3 pictures before and there are 4 now"),
        "{said}"
    );
}

#[test]
fn one_unreadable_validation_picture_does_not_end_a_training() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("valid")).unwrap();
    std::fs::copy(scratch.path("a.png"), scratch.path("valid/b.png")).unwrap();
    std::fs::write(scratch.path("valid/a.png"), b"no picture").unwrap();
    let words = format!("{TRAIN} --valid valid --out w.safetensors --pictures 8");
    let output = scratch.run(&words);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        said.matches("a.png").count(),
        2,
        "named when met and at the end: {said}"
    );
    let file = weights::read(&scratch.path("w.safetensors")).unwrap();
    assert!(file.provenance["valid_bits_per_dim"].is_number());
}

#[test]
fn a_training_without_a_terminal_says_what_it_did() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("0-broken.jpg"), b"no picture").unwrap();
    let words = format!("{TRAIN} --out w.safetensors --pictures 8");
    let said = succeeded(scratch.run(&words));
    for part in [
        "8 pictures: train",
        "learnt from 3 pictures",
        "0-broken.jpg",
        "written: w.safetensors",
        "written: w.checkpoint.safetensors",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let output = scratch.run(&format!("{words} --overwrite --json"));
    assert!(text(&output).contains("0-broken.jpg"));
    // Standard output is JSON alone.
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(
        lines
            .lines()
            .all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()),
        "{lines}"
    );
}

#[test]
fn a_config_that_no_machine_can_train_is_refused_with_the_memory_it_needs() {
    let scratch = Scratch::new();
    let config = r#"{"image_size":256,"levels":6,"depth":64,"width":4096,"permutation":"invconv_lu","coupling":"affine"}"#;
    std::fs::write(scratch.path("c.json"), config).unwrap();
    if glow_explorer::train::estimate::available_bytes().is_none() {
        println!("skipped: the system does not say how much memory is free");
        return;
    }
    for words in [
        "train --images . --config c.json --out w.safetensors --pictures 8",
        "bench --config c.json --runs 1",
    ] {
        failed(&scratch.run(words), words, &["of memory"]);
    }
}

/// The small model with a detail stage on top, as a config.
const CHAIN: &str = r#"{"image_size":32,"levels":2,"depth":1,"width":8,"permutation":"invconv_lu","coupling":"affine",
    "padding":"edge_bias","detail":[{"depth":2,"width":8,"trunk":8,"blocks":1,"features":4,"scale_floor":0.5}]}"#;

#[test]
fn a_detail_stage_comes_on_top_of_a_trained_glow_and_learns_alone() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("chain.json"), CHAIN).unwrap();
    let words = "train --images . --valid . --start m.safetensors --config chain.json --out w.safetensors --batch 2 \
                 --threads 1 --part 0 --crop 16 --soften 0.01 --warmup 1";
    let said = succeeded(scratch.run(&format!("{words} --pictures 8")));
    assert!(said.contains("bits/detail; the whole"), "{said}");
    let read = |name| weights::read(&scratch.path(name)).unwrap();
    let (before, after) = (read("m.safetensors"), read("w.safetensors"));
    let n = before.params.data.len();
    assert_eq!(after.params.config.detail.len(), 1);
    assert_eq!(after.params.data[..n], before.params.data[..]);
    assert!(after.provenance["curve"][0]["valid_bits_per_detail"].is_number());
    // It goes on, and then all learns together.
    let said = succeeded(scratch.run(&format!("{words} --resume --pictures 16")));
    assert!(said.contains("16 pictures"), "{said}");
    let whole = "train --images . --start w.safetensors --out all.safetensors --batch 2 --threads 1 --warmup 1 --pictures 8";
    let said = succeeded(scratch.run(whole));
    assert!(said.contains("bits/dim, round trip"), "{said}");
    let all = read("all.safetensors").params.data;
    assert_ne!(all[..n], before.params.data[..]);
    assert_ne!(all[n..], read("w.safetensors").params.data[n..]);
}

#[test]
fn what_is_no_part_of_the_model_is_not_trained() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("chain.json"), CHAIN).unwrap();
    let other = CHAIN.replace("\"width\":8,\"permutation\"", "\"width\":9,\"permutation\"");
    std::fs::write(scratch.path("other.json"), other).unwrap();
    for (words, part) in [
        ("--start m.safetensors --part 0", "--part is for models"),
        ("--config chain.json --part 1", "numbered from 0"),
        ("--config chain.json --crop 18", "multiple of 4"),
        (
            "--config chain.json --part base --crop 16",
            "for detail stages",
        ),
        (
            "--start m.safetensors --config other.json",
            "no beginning of it",
        ),
    ] {
        let words = format!("train --images . --out w.safetensors --pictures 2 --batch 2 {words}");
        failed(&scratch.run(&words), &words, &[part]);
        assert!(!scratch.path("w.safetensors").exists(), "{words}");
    }
}
