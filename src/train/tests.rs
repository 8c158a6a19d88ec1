//! Trainings of several ranks against those of one process.

use std::path::Path;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::config::TrainConfig;
use super::optimizer::norm;
use super::ranks::threads::on_ranks;
use super::ranks::{Communicator, alone};
use super::trainer::{Run, TrainEvent, Trainer};
use crate::data::batches::PictureSet;
use crate::files::weights::Precision;
use crate::model::{DeviceChoice, GlowConfig};

/// Pictures of a batch: odd, so that it does not divide.
const BATCH: u64 = 5;

fn pictures(folder: &Path) {
    for i in 0..24u32 {
        let picture = image::RgbImage::from_fn(16, 16, |x, y| {
            image::Rgb([
                (x * 12 + i) as u8,
                (y * 9 + 3 * i) as u8,
                ((x + y) * 5 + i * 7) as u8,
            ])
        });
        picture.save(folder.join(format!("{i:02}.png"))).unwrap();
    }
    // A sheet of samples among them would be learnt from by the next training.
    std::fs::create_dir(folder.join("out")).unwrap();
    // One that only its reader finds unreadable.
    std::fs::write(folder.join("07.png"), b"no picture").unwrap();
}

fn config() -> GlowConfig {
    let text = r#"{"image_size":16,"levels":2,"depth":2,"width":16,"permutation":"invconv_lu","coupling":"affine"}"#;
    serde_json::from_str(text).unwrap()
}

fn settings(steps: u64) -> TrainConfig {
    TrainConfig {
        batch: BATCH as usize,
        lr: 1e-3,
        warmup: 20,
        decay: 0.0,
        init_batch: 11,
        seed: 1,
        pictures: Some(steps * BATCH),
        ..TrainConfig::default()
    }
}

/// Trains to the end; the losses.
fn train(
    folder: &Path,
    out: &str,
    ranks: &Arc<dyn Communicator>,
    settings: TrainConfig,
    resumes: bool,
) -> Vec<f64> {
    let run = Run {
        out: folder.join("out").join(out),
        precision: Precision::F32,
        pictures: Arc::new(PictureSet::open(folder, None, 16, 3).unwrap()),
        valid: None,
        valid_limit: 8,
        data: String::new(),
        licence: String::new(),
        save_every_secs: 1e9,
        early_saves: false,
        save_every_pictures: None,
        threads: 1,
        device: DeviceChoice::Cpu,
        ranks: Arc::clone(ranks),
    };
    let mut trainer = match resumes {
        true => Trainer::resume(&config(), settings, run).unwrap(),
        false => Trainer::start(config(), None, settings, run).unwrap(),
    };
    let mut losses = Vec::new();
    trainer
        .train(&|| false, &mut |event| {
            if let TrainEvent::Step { bits_per_dim, .. } = event {
                losses.push(bits_per_dim);
            }
        })
        .unwrap();
    losses
}

/// `|a - b| / |a|` of the weights of two checkpoints.
fn relative_difference(folder: &Path, a: &str, b: &str) -> f64 {
    let [a, b] = [a, b].map(|name| {
        let path = folder.join("out").join(name);
        let path = path.with_extension("checkpoint.safetensors");
        Checkpoint::read(&path).unwrap().params.data
    });
    let difference: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(&a)
}

#[track_caller]
fn assert_same_losses(one: &[f64], other: &[f64]) {
    assert_eq!(one.len(), other.len());
    for (at, (a, b)) in one.iter().zip(other).enumerate() {
        assert!((a - b).abs() < 1e-5 * a.abs(), "step {at}: {a} {b}");
    }
}

#[test]
fn fifty_steps_of_several_ranks_are_those_of_one_process() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path());
    let one = train(dir.path(), "one.safetensors", &alone(), settings(50), false);
    for n in [2, 3, 6] {
        let out = format!("{n}.safetensors");
        let found = on_ranks(n, |ranks| {
            train(dir.path(), &out, ranks, settings(50), false)
        });
        assert!(found.iter().all(|losses| *losses == found[0]));
        assert_same_losses(&one, &found[0]);
        let difference = relative_difference(dir.path(), "one.safetensors", &out);
        assert!(difference < 1e-5, "{n} ranks: {difference}");
    }
}

#[test]
fn a_training_goes_on_with_another_number_of_ranks() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path());
    let whole = train(dir.path(), "one.safetensors", &alone(), settings(30), false);
    let mut parts = on_ranks(2, |ranks| {
        train(dir.path(), "m.safetensors", ranks, settings(10), false)
    })
    .remove(0);
    for (n, steps) in [(3, 20), (1, 30)] {
        let later = on_ranks(n, |ranks| {
            train(dir.path(), "m.safetensors", ranks, settings(steps), true)
        });
        parts.extend(&later[0]);
    }
    assert_same_losses(&whole, &parts);
    let difference = relative_difference(dir.path(), "one.safetensors", "m.safetensors");
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn a_batch_in_parts_trains_as_the_whole_batch() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path());
    let one = train(dir.path(), "one.safetensors", &alone(), settings(20), false);
    let in_parts = TrainConfig {
        accumulate: 3,
        ..settings(20)
    };
    let parts = train(dir.path(), "p.safetensors", &alone(), in_parts, false);
    assert_same_losses(&one, &parts);
}

#[test]
fn a_save_that_fails_on_rank_0_ends_all_ranks_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path());
    let out = dir.path().join("out/m.safetensors");
    // Where a folder has the checkpoint's name nothing can be written.
    std::fs::create_dir(out.with_extension("checkpoint.safetensors")).unwrap();
    let found = on_ranks(2, |ranks| {
        let run = Run {
            out: out.clone(),
            precision: Precision::F32,
            pictures: Arc::new(PictureSet::open(dir.path(), None, 16, 3).unwrap()),
            valid: None,
            valid_limit: 8,
            data: String::new(),
            licence: String::new(),
            save_every_secs: 1e9,
            early_saves: false,
            save_every_pictures: None,
            threads: 1,
            device: DeviceChoice::Cpu,
            ranks: Arc::clone(ranks),
        };
        let mut trainer = Trainer::start(config(), None, settings(2), run).unwrap();
        let error = trainer.train(&|| false, &mut |_| {}).unwrap_err();
        error.to_string()
    });
    assert_eq!(found[0], found[1]);
    assert!(
        found[0].contains("m.checkpoint.safetensors"),
        "{}",
        found[0]
    );
}
