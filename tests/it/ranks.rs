//! Trainings of several processes, started by `mpirun`.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use glow_explorer::train::checkpoint::Checkpoint;

use crate::cli::{Scratch, succeeded};

/// A batch that does not divide; the first steps are at a small learning rate, as in any training.
const TRAIN: &str = "train --images data --config c.json --batch 5 --init-batch 7 --seed 3 --threads 1 --lr 1e-3 --warmup 20 --decay 0";

/// A folder with pictures and a small configuration; `None`, with a word, where there is no `mpirun`.
fn scratch() -> Option<Scratch> {
    if Command::new("mpirun").arg("--version").output().is_err() {
        println!("skipped: there is no mpirun");
        return None;
    }
    let scratch = Scratch::new();
    std::fs::write(
        scratch.path("c.json"),
        r#"{"image_size":16,"levels":2,"depth":2,"width":16,"permutation":"invconv_lu","coupling":"affine"}"#,
    )
    .unwrap();
    std::fs::create_dir(scratch.path("data")).unwrap();
    for i in 0..23u32 {
        let picture = image::RgbImage::from_fn(16, 16, |x, y| {
            image::Rgb([(x * 12 + i) as u8, (y * 9 + 3 * i) as u8, (i * 11) as u8])
        });
        let name = format!("data/{i:02}.png");
        picture.save(scratch.path(&name)).unwrap();
    }
    std::fs::write(scratch.path("data/05.png"), b"no picture").unwrap();
    Some(scratch)
}

fn mpirun(scratch: &Scratch) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args(["--oversubscribe", "--bind-to", "none"])
        // Tests may be run in a container, where everybody is root.
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .current_dir(scratch.path(""));
    command
}

/// The program on so many ranks.
fn on_ranks(scratch: &Scratch, n: usize, words: &str) -> Output {
    mpirun(scratch)
        .args(["-n", &n.to_string(), env!("CARGO_BIN_EXE_glow-explorer")])
        .args(words.split_whitespace())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The lines that are this program's.
fn own_lines(output: &Output) -> Vec<String> {
    let text = text(output);
    let own = text.lines().filter(|l| l.starts_with("glow-explorer: "));
    own.map(str::to_owned).collect()
}

/// `|a - b| / |a|` of the trained and of the averaged weights.
fn relative_difference(a: &Path, b: &Path) -> f64 {
    let [a, b] = [a, b].map(|path| {
        let checkpoint = Checkpoint::read(path).unwrap();
        [checkpoint.params.data, checkpoint.optimizer.average].concat()
    });
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let difference = square(&mut a.iter().zip(&b).map(|(a, b)| f64::from(a - b)));
    difference / square(&mut a.iter().map(|&v| f64::from(v)))
}

fn checkpoint(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    scratch.path(&format!("{name}.checkpoint.safetensors"))
}

#[test]
fn ranks_of_mpi_train_as_one_process_does_and_resume_with_another_number() {
    let Some(scratch) = scratch() else { return };
    succeeded(scratch.run(&format!("{TRAIN} --out one.safetensors --pictures 250")));
    for n in [2, 3] {
        let output = on_ranks(
            &scratch,
            n,
            &format!("{TRAIN} --out ranks{n}.safetensors --pictures 250 --ranks-check"),
        );
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        // Rank 0 alone prints.
        assert_eq!(said.matches("250 pictures: train").count(), 1, "{said}");
        assert_eq!(said.matches("were given the same").count(), 1, "{said}");
        let (one, ranks) = (
            checkpoint(&scratch, "one"),
            checkpoint(&scratch, &format!("ranks{n}")),
        );
        let difference = relative_difference(&one, &ranks);
        assert!(difference < 1e-5, "{n} ranks: {difference}");
    }
    for (n, words) in [(2, "--pictures 100"), (3, "--pictures 200 --resume")] {
        let words = format!("{TRAIN} --out parts.safetensors {words}");
        let output = on_ranks(&scratch, n, &words);
        assert!(output.status.success(), "{}", text(&output));
    }
    succeeded(scratch.run(&format!(
        "{TRAIN} --out parts.safetensors --pictures 250 --resume"
    )));
    let difference =
        relative_difference(&checkpoint(&scratch, "one"), &checkpoint(&scratch, "parts"));
    assert!(difference < 1e-5, "resumed: {difference}");
}

#[test]
fn what_one_rank_lacks_is_one_line_and_ends_all() {
    let Some(scratch) = scratch() else { return };
    let program = env!("CARGO_BIN_EXE_glow-explorer");
    let words = |extra: &str| {
        let words = format!("{TRAIN} --out w.safetensors --pictures 50 {extra}");
        let words = words.split_whitespace().map(str::to_owned);
        words.collect::<Vec<String>>()
    };
    std::fs::create_dir(scratch.path("other")).unwrap();
    for i in 0..22u32 {
        let name = format!("{i:02}.png");
        std::fs::copy(
            scratch.path("data/00.png"),
            scratch.path(&format!("other/{name}")),
        )
        .unwrap();
    }
    for (extra, part) in [
        ("--images none", "rank 1: no such file or folder"),
        ("--images other", "rank 1"),
        ("--lr 1e-2", "lr 0.01 instead of 0.001"),
    ] {
        let mut others = words("");
        if extra.starts_with("--images") {
            let at = others.iter().position(|w| w == "--images").unwrap();
            others.drain(at..at + 2);
        } else {
            let at = others.iter().position(|w| w == "--lr").unwrap();
            others.drain(at..at + 2);
        }
        others.extend(extra.split_whitespace().map(str::to_owned));
        let output = mpirun(&scratch)
            .args(["-n", "1", program])
            .args(words(""))
            .args([":", "-n", "1", program])
            .args(others)
            .output()
            .unwrap();
        let own = own_lines(&output);
        assert!(!output.status.success(), "{extra}");
        assert_eq!(own.len(), 1, "{extra}: {}", text(&output));
        assert!(own[0].contains(part), "{extra}: {own:?}");
        assert!(!scratch.path("w.lock").exists());
    }
    // What is wrong everywhere is said once.
    let output = on_ranks(
        &scratch,
        3,
        "train --images data --config none.json --out w.safetensors",
    );
    assert_eq!(own_lines(&output).len(), 1, "{}", text(&output));
    assert!(!output.status.success());
}

/// Waits until something is so, for long enough on a busy machine.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The processes of the program that `mpirun` has started.
fn children_of(mpirun: &Child) -> Vec<u32> {
    let children = format!("/proc/{0}/task/{0}/children", mpirun.id());
    let text = std::fs::read_to_string(children).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

#[test]
fn a_killed_rank_ends_all_and_the_last_checkpoint_is_whole() {
    if !Path::new("/proc/self/task").exists() {
        println!("skipped: the system does not list a process's children");
        return;
    }
    let Some(scratch) = scratch() else { return };
    let mut training = mpirun(&scratch)
        .args(["-n", "2", env!("CARGO_BIN_EXE_glow-explorer")])
        .args(TRAIN.split_whitespace())
        .args(["--out", "w.safetensors", "--save-every", "0.1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = checkpoint(&scratch, "w");
    wait_until("a save", || path.exists());
    let ranks = children_of(&training);
    assert_eq!(ranks.len(), 2, "{ranks:?}");
    let killed = Command::new("kill")
        .args(["-9", &ranks[1].to_string()])
        .status();
    assert!(killed.unwrap().success());
    wait_until("the end", || training.try_wait().unwrap().is_some());
    let output = training.wait_with_output().unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    for rank in ranks {
        wait_until("the end of a rank", || {
            !Path::new(&format!("/proc/{rank}")).exists()
        });
    }
    let seen = Checkpoint::read(&path).unwrap().progress.pictures_seen;
    assert!(seen > 0);
    let words = format!(
        "{TRAIN} --out w.safetensors --resume --pictures {}",
        seen + 25
    );
    let output = on_ranks(&scratch, 3, &words);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        Checkpoint::read(&path).unwrap().progress.pictures_seen,
        seen + 25
    );
}

#[test]
fn a_disk_that_is_full_on_rank_0_ends_all_with_its_line() {
    let Some(scratch) = scratch() else { return };
    // Where a folder has the checkpoint's name nothing can be written.
    std::fs::create_dir(checkpoint(&scratch, "w")).unwrap();
    let words = format!("{TRAIN} --out w.safetensors --pictures 10 --overwrite");
    let output = on_ranks(&scratch, 2, &words);
    assert!(!output.status.success(), "{}", text(&output));
    let own = own_lines(&output);
    let errors: Vec<&String> = own.iter().filter(|l| l.contains("w.checkpoint")).collect();
    assert_eq!(errors.len(), 1, "{}", text(&output));
}
