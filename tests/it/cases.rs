//! What people have met in programs of this kind: pictures and tables that are nearly right, files in each other's way.

use std::process::Command;

use glow_explorer::export::read_settings;
use glow_explorer::files::latents;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;

use crate::cli::{Scratch, failed, picture, succeeded};

fn text(output: &std::process::Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn bytes(scratch: &Scratch, name: &str) -> Vec<u8> {
    std::fs::read(scratch.path(name)).unwrap()
}

/// A folder of pictures, the dark ones with even numbers.
fn labelled(scratch: &Scratch, ending: &str) {
    std::fs::create_dir(scratch.path("faces")).unwrap();
    for i in 0..24u32 {
        let base = picture(i, 16);
        let lit = RgbImage::from_fn(16, 16, |x, y| {
            let v = base.get_pixel(x, y).0;
            Rgb(v.map(|v| v / 2 + if i % 2 == 0 { 0 } else { 110 }))
        });
        let path = scratch.path(&format!("faces/p{i:02}.{ending}"));
        lit.save_with_format(path, ImageFormat::Png).unwrap();
    }
}

#[test]
fn no_command_writes_over_what_it_reads() {
    let scratch = Scratch::new();
    scratch.ok("encode a.png b.png --out l.safetensors");
    scratch.ok("sample --count 2 --frames film");
    std::fs::write(scratch.path("t.csv"), "file,age\na.png,1\nb.png,2\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(scratch.path("a.png"), scratch.path("link.png")).unwrap();
    let kept = ["a.png", "b.png", "m.safetensors", "l.safetensors", "t.csv"];
    let before = kept.map(|name| bytes(&scratch, name));
    let words = [
        "encode l.safetensors --out l.safetensors",
        "encode a.png --out m.safetensors",
        "edit a.png --set smile=1 --out ./a.png",
        "edit a.png --set smile=1 --out x.png --latents m.attributes.safetensors",
        "morph a.png b.png --out b.png",
        "morph a.png b.png --out x.png --apng b.png",
        "morph film/frame-0001.png film/frame-0002.png --steps 2 --frames film",
        "sample --count 1 --out x.png --latents m.safetensors",
        "decode l.safetensors --tensor l.safetensors",
        #[cfg(unix)]
        "edit a.png --set smile=1 --out link.png",
    ];
    for words in words {
        scratch.fails(words, &["reads"]);
    }
    for words in [
        "convert m.safetensors m.safetensors --half",
        "import m.safetensors --out m.safetensors",
        "curves m=m.safetensors --out m.safetensors",
        "train --images . --start m.safetensors --out m.safetensors --overwrite --pictures 4",
        "attributes --images . --labels t.csv --out t.csv --model m.safetensors",
        "evaluate --images . --labels t.csv --report --out t.csv --model m.safetensors",
    ] {
        let output = scratch.run(words);
        assert_eq!(output.status.code(), Some(1), "{words}: {}", text(&output));
    }
    assert_eq!(kept.map(|name| bytes(&scratch, name)), before);
    // Nor two files under one name.
    scratch.fails("morph a.png b.png --out s.png --apng s.png", &["two files"]);
    scratch.fails("encode a.png --out x.png", &["x.png", ".safetensors"]);
}

#[test]
fn a_file_can_go_to_standard_output() {
    let scratch = Scratch::new();
    scratch.ok("sample --count 2 --seed 3 --out s.png");
    let output = scratch.model("sample --count 2 --seed 3 --out -");
    assert!(output.status.success());
    assert!(output.stdout == bytes(&scratch, "s.png"));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("2 pictures: standard output"), "{words}");

    scratch.ok("encode a.png --out l.safetensors");
    let output = scratch.model("encode a.png --out -");
    assert!(output.stdout == bytes(&scratch, "l.safetensors"));
    let gif = scratch.model("morph a.png b.png --steps 2 --gif -").stdout;
    assert!(gif.starts_with(b"GIF8"));
    let weights = scratch.run("convert m.safetensors -").stdout;
    assert!(weights == bytes(&scratch, "m.safetensors"));

    scratch.fails("encode a.png --json --out -", &["--json"]);
    scratch.fails("morph a.png b.png --out - --gif -", &["one file"]);
    scratch.fails("sample --frames -", &["choose a name"]);
    let words = "train --images . --start m.safetensors --out - --pictures 4";
    failed(&scratch.run(words), words, &["choose a name"]);
    assert!(!scratch.path("-").exists());
}

#[test]
fn the_ending_decides_the_format_of_a_picture() {
    let scratch = Scratch::new();
    for name in ["s.png", "s.jpg", "s.JPEG", "s.webp"] {
        scratch.ok(&format!("sample --count 2 --seed 3 --out {name}"));
        assert!(
            read_settings(&scratch.path(name))
                .unwrap()
                .contains("sample")
        );
        let info = succeeded(scratch.run(&format!("info {name} --json")));
        assert!(info.contains("\"seed\": 3"), "{info}");
    }
    let format = |name: &str| image::guess_format(&bytes(&scratch, name)).unwrap();
    assert_eq!(format("s.jpg"), ImageFormat::Jpeg);
    assert_eq!(format("s.webp"), ImageFormat::WebP);
    assert_eq!(scratch.png("s.webp"), scratch.png("s.png"));
    scratch.ok("sample --count 2 --seed 3 --quality 10 --out small.jpg");
    assert!(bytes(&scratch, "small.jpg").len() < bytes(&scratch, "s.jpg").len());
    // What was written is read again, too.
    scratch.ok("encode s.webp s.jpg --out l.safetensors");
    scratch.ok("decode l.safetensors --out d.webp");
    assert_eq!(format("d.webp"), ImageFormat::WebP);
}

#[test]
fn numbers_below_zero_reach_the_check_of_their_flag() {
    let scratch = Scratch::new();
    for (words, part) in [
        ("sample --out x.png --temperature -0.5", "0 to 10"),
        ("sample --out x.png --temperature -1,0.5", "0 to 10"),
        ("sample --out x.png --temperature 0,7,5x", "0 to 10"),
        ("sample --out x.png --seed -1", "--seed"),
        ("sample --out x.png --count -3", "--count"),
        ("edit a.png --out x.png --set smile=-101", "smiling=1.5"),
        (
            "train --images . --out w.safetensors --save-every -5",
            "0.1",
        ),
        (
            "attributes --images . --labels t.csv --out x.safetensors --shrinkage -1",
            "--shrinkage",
        ),
        ("bench --runs -1", "--runs"),
    ] {
        let output = scratch.run(words);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{words}: {said}");
        let first = said.lines().next().unwrap();
        assert!(
            first.contains("invalid value") && first.contains(part),
            "{words}: {said}"
        );
    }
    let words = "train --images . --start m.safetensors --out w.safetensors --pictures 4 --lr -1";
    failed(&scratch.run(words), words, &["--lr"]);
    // A decimal comma makes two numbers of one: said, where both are sound.
    let output = scratch.model("sample --count 1 --temperature 0,7 --out x.png");
    assert!(text(&output).contains("write 0.7"), "{}", text(&output));
    let words = "sample --count 1 --out x.png --gap 0,5";
    assert_eq!(scratch.run(words).status.code(), Some(2));
}

#[test]
fn one_bad_picture_does_not_end_a_command_without_the_others_figures() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("bad.png"), "no picture").unwrap();
    let output = scratch.model("encode a.png bad.png b.png --json --out l.safetensors");
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["pictures"].as_array().unwrap().len(), 2);
    assert_eq!(found["left_out"][0]["file"], "bad.png");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("1 of 3 pictures") && said.contains("bad.png"),
        "{said}"
    );
    let file = latents::read(&scratch.path("l.safetensors")).unwrap();
    assert_eq!(file.names.unwrap(), ["a.png", "b.png"]);
    // Where none is left there is nothing to write.
    let output = scratch.model("encode bad.png none.png --out x.safetensors");
    assert!(text(&output).contains("none of the 2 pictures"));
    assert!(!scratch.path("x.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once_by_every_reader() {
    let scratch = Scratch::new();
    let made = Command::new("mkfifo").arg(scratch.path("pipe")).status();
    assert!(made.unwrap().success());
    for file in ["pipe", "/dev/zero"] {
        for words in [
            "encode FILE",
            "encode --tensor FILE",
            "decode FILE --out x.png",
            "edit a.png --set smile=1 --attributes FILE --out x.png",
            "attributes --images . --labels FILE --out x.safetensors",
            "evaluate --images . --labels FILE",
        ] {
            scratch.fails(&words.replace("FILE", file), &["to a file first"]);
        }
        for words in [
            "sample --model FILE --out x.png",
            "info FILE",
            "convert FILE x.safetensors",
            "import FILE --out x.safetensors",
            "export --model FILE --to onnx --out x.onnx",
            "curves a=FILE --out x.png",
            "bench --config FILE",
            "train --images . --config FILE --out x.safetensors --pictures 4",
            "train --images . --start FILE --out x.safetensors --pictures 4",
            "ablate --table FILE --images . --out x",
        ] {
            let words = words.replace("FILE", file);
            failed(&scratch.run(&words), &words, &[]);
            assert!(!scratch.path("x.safetensors").exists());
        }
    }
    // Nor are gigabytes of nothing read that have the right name.
    let sparse = std::fs::File::create(scratch.path("sparse.safetensors")).unwrap();
    sparse.set_len(3 << 30).unwrap();
    for words in [
        "info sparse.safetensors",
        "sample --model sparse.safetensors --out x.png",
    ] {
        failed(&scratch.run(words), words, &["zeros"]);
    }
}

#[test]
fn text_from_files_does_not_act_on_the_terminal() {
    let scratch = Scratch::new();
    let evil = "\u{1b}[2Jx\u{9b}31m\u{202e}";
    // Parted by spaces, so that the name has none.
    std::fs::write(scratch.path(&format!("{evil}.png")), "no picture").unwrap();
    std::fs::write(
        scratch.path("t.csv"),
        format!("file,age\na.png,{evil}{}\n", "y".repeat(100_000)),
    )
    .unwrap();
    let outputs = [
        scratch.model(&format!("encode {evil}.png")),
        scratch.model("attributes --images . --labels t.csv --out x.safetensors"),
        scratch.run(&format!("{evil}.png.none")),
    ];
    for output in outputs {
        let said = text(&output);
        assert!(!output.status.success());
        assert!(
            said.chars().all(|c| c == '\n' || !c.is_control()),
            "{said:?}"
        );
        assert!(
            !said.contains('\u{202e}') && said.len() < 5000,
            "{}",
            said.len()
        );
    }
    std::fs::copy(scratch.path("a.png"), scratch.path(&format!("{evil}.png"))).unwrap();
    for json in ["", "--json"] {
        let said = scratch.ok(&format!("encode {evil}.png {json}"));
        assert!(
            said.chars().all(|c| c == '\n' || !c.is_control()),
            "{said:?}"
        );
    }
}

#[test]
fn pictures_of_a_folder_are_found_whatever_their_names_end_in() {
    let scratch = Scratch::new();
    let folder = scratch.path("mixed");
    std::fs::create_dir_all(folder.join("deeper")).unwrap();
    for name in ["a.jfif", "b.JPE", "c.apng", "d.picture", "e"] {
        let format = match name {
            "a.jfif" | "b.JPE" => ImageFormat::Jpeg,
            _ => ImageFormat::Png,
        };
        picture(1, 16)
            .save_with_format(folder.join(name), format)
            .unwrap();
    }
    std::fs::write(folder.join("labels.csv"), "file,age\n").unwrap();
    picture(1, 16).save(folder.join("deeper/f.png")).unwrap();
    let output = scratch.model("evaluate --images mixed --json");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["pictures"], 5);
    assert!(
        text(&output).contains("1 folder inside"),
        "{}",
        text(&output)
    );
    std::fs::create_dir(scratch.path("outer")).unwrap();
    std::fs::rename(&folder, scratch.path("outer/mixed")).unwrap();
    scratch.fails(
        "evaluate --images outer",
        &["folders inside", "outer/mixed"],
    );
}

#[test]
fn older_frames_that_stay_are_said() {
    let scratch = Scratch::new();
    let first = scratch.model("sample --count 6 --frames f");
    assert!(first.stderr.is_empty(), "{}", text(&first));
    let output = scratch.model("sample --count 3 --frames f");
    assert!(output.status.success());
    let said = text(&output);
    assert!(
        said.contains("3 older frames") && said.contains("frame-0004.png"),
        "{said}"
    );
    let again = scratch.model("sample --count 6 --frames f");
    assert!(again.stderr.is_empty(), "{}", text(&again));
}

#[test]
fn a_pointer_of_git_lfs_is_named_wherever_a_file_was_expected() {
    let scratch = Scratch::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0f\nsize 9\n";
    for name in ["p.safetensors", "p.png", "p.csv"] {
        std::fs::write(scratch.path(name), pointer).unwrap();
    }
    for words in [
        "sample --model p.safetensors --out x.png",
        "info p.safetensors",
        "info p.png",
    ] {
        failed(&scratch.run(words), words, &["Git LFS pointer"]);
    }
    for words in [
        "decode p.safetensors --out x.png",
        "encode p.png",
        "edit a.png --set smile=1 --attributes p.safetensors --out x.png",
        "attributes --images . --labels p.csv --out x.safetensors",
    ] {
        scratch.fails(words, &["Git LFS pointer"]);
    }
}

#[test]
fn tables_of_every_separator_are_read_and_lost_rows_are_said() {
    let scratch = Scratch::new();
    labelled(&scratch, "PNG");
    let rows = |separator: &str, name: &dyn Fn(u32) -> String| -> String {
        let row = |i| {
            format!(
                "{}{separator}{}\n",
                name(i),
                if i % 2 == 0 { "-1" } else { "1" }
            )
        };
        (0..24).map(row).collect()
    };
    let whole = |i: u32| format!("p{i:02}.PNG");
    let comma = rows(",", &whole);
    let tables = [
        ("plain", format!("file,bright\n{comma}")),
        (
            "crlf",
            format!("file,bright\n{comma}").replace('\n', "\r\n"),
        ),
        ("bom", format!("\u{feff}file,bright\n{comma}")),
        ("semicolons", format!("file;bright\n{}", rows(";", &whole))),
        ("tabs", format!("file\tbright\n{}", rows("\t", &whole))),
        ("celeba", format!("24\nbright\n{}", rows("  ", &whole))),
    ];
    let words =
        "attributes --images faces --method difference --decode 0 --out d.safetensors --labels";
    for (name, table) in tables {
        std::fs::write(scratch.path("t.csv"), table).unwrap();
        let output = scratch.model(&format!("{words} t.csv"));
        assert!(output.status.success(), "{name}: {}", text(&output));
        assert!(text(&output).contains("bright: "), "{name}");
    }
    // Names are found whatever their capitals and endings; rows that name no picture at all are said.
    let other = |i: u32| match i < 12 {
        true => format!("p{i:02}"),
        false => format!("q{i:02}.png"),
    };
    let table = format!("file,bright\n{}", rows(",", &other));
    std::fs::write(scratch.path("t.csv"), table).unwrap();
    let said = text(&scratch.model(&format!("{words} t.csv")));
    assert!(said.contains("12") && said.contains("`q12.png`"), "{said}");
    let none = |i: u32| format!("q{i:02}");
    let table = format!("file,bright\n{}", rows(",", &none));
    std::fs::write(scratch.path("t.csv"), table).unwrap();
    let output = scratch.model(&format!("{words} t.csv"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("q00") && text(&output).contains("t.csv"));
}

#[test]
fn a_misspelt_key_of_a_config_is_refused_with_the_right_one() {
    let scratch = Scratch::new();
    let config = r#"{"image_size":16,"levels":2,"depth":1,"width":8,"permutation":"reverse","coupling":"affine","chanels":1}"#;
    std::fs::write(scratch.path("c.json"), config).unwrap();
    for words in [
        "train --images . --config c.json --out w.safetensors --pictures 4",
        "bench --config c.json",
    ] {
        failed(
            &scratch.run(words),
            words,
            &["did you mean channels?", "c.json"],
        );
    }
}
