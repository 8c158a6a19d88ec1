//! Pictures in, pictures out.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::Bench;
use crate::app::action::Action;
use crate::app::dialog::{Dialog, PathPurpose, PathsChosen};
use crate::app::screens::morph::MorphWish;
use crate::app::state::{LogLevel, Selection, Tab};
use crate::engine::message::{Command, ExportKind, PictureSource};

#[test]
fn two_pictures_come_in_the_way_the_dialog_brings_them() {
    let mut bench = Bench::new(Vec::new());
    let answer = PathsChosen {
        purpose: PathPurpose::Pictures,
        paths: Some(vec!["/tmp/anna.png".into(), "/tmp/ben.jpg".into()]),
        at_once: false,
    };
    bench.harness.state().paths_out.send(answer).unwrap();
    bench.harness.step();
    bench.settle();
    let imports = bench
        .engine
        .heard
        .iter()
        .filter(|c| matches!(c, Command::Import { .. }));
    assert_eq!(imports.count(), 2);
    bench.harness.get_by_label("anna.png, photo");
    bench.harness.get_by_label("ben.jpg, photo");
    assert!(matches!(bench.state().selection, Selection::Item(_)));
    bench.harness.get_by_label("ben.jpg, original");
}

#[test]
fn a_failed_import_says_why_and_leaves_the_rest_alone() {
    let bench = Bench::new(vec!["/tmp/missing.png".into(), "/tmp/anna.png".into()]);
    let gone = bench.harness.query_all_by_label_contains("missing.png, ");
    assert_eq!(
        gone.count(),
        0,
        "what cannot be read does not stay on the shelf"
    );
    assert!(
        !bench.state().live.toasts.is_empty(),
        "it is said where it is seen"
    );
    bench.harness.get_by_label("anna.png, photo");
    let log = &bench.state().live.log;
    assert!(
        log.iter()
            .any(|l| l.level == LogLevel::Error && l.text.contains("missing.png"))
    );
}

#[test]
fn two_photos_of_the_command_line_are_what_is_morphed() {
    let labels = |bench: &Bench| -> Vec<String> {
        let keys = bench.state().doc.morph.keys.iter().flatten();
        keys.map(|key| key.label.clone()).collect()
    };
    let files = |names: &[&str]| Bench::new(names.iter().map(|n| n.into()).collect());
    let mut bench = files(&["/tmp/anna.png", "/tmp/ben.jpg", "/tmp/carl.jpg"]);
    assert_eq!(labels(&bench), ["anna.png", "ben.jpg"]);
    // A photo is put there once: another crop of it must not bring it back.
    bench.perform(MorphWish::ReverseKeys);
    let anna = bench.state().doc.shelf[0].id;
    let crop = bench.state().items[&anna].photo.as_ref().unwrap().crop;
    bench.perform(Action::Recrop(anna, crop));
    assert_eq!(labels(&bench), ["ben.jpg", "anna.png"]);

    let samples = labels(&files(&[]));
    assert_eq!(
        labels(&files(&["/tmp/missing.png", "/tmp/anna.png"])),
        [samples[0].as_str(), "anna.png"]
    );
    assert_eq!(labels(&files(&["/tmp/anna.png"])), samples);
}

#[test]
fn a_pasted_picture_is_imported() {
    let mut bench = Bench::new(Vec::new());
    let image = egui::ColorImage::filled([3, 2], egui::Color32::from_rgb(1, 2, 3));
    bench
        .harness
        .event(egui::Event::PasteImage(Arc::new(image)));
    bench.settle();
    let import = bench.engine.heard.iter().find_map(|c| match c {
        Command::Import {
            source: PictureSource::Rgba { size, pixels },
            ..
        } => Some((*size, pixels.len())),
        _ => None,
    });
    assert_eq!(import, Some(([3, 2], 24)));
}

#[test]
fn an_export_is_sent_and_an_existing_file_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    std::fs::write(&path, "old").unwrap();
    let mut bench = Bench::new(Vec::new());
    bench.press(Modifiers::COMMAND, Key::E);
    let Some(Dialog::Export(mut form)) = bench.state().dialog.clone() else {
        panic!("the export dialog is open");
    };
    form.path = path.display().to_string();
    bench.perform(Action::Show(Dialog::Export(form)));
    bench.click("Export");
    assert!(
        !bench
            .engine
            .heard
            .iter()
            .any(|c| matches!(c, Command::Export { .. }))
    );
    bench.click("Replace");
    let request = bench.engine.heard.iter().find_map(|c| match c {
        Command::Export { request, .. } => Some(request.clone()),
        _ => None,
    });
    let request = request.expect("an export was asked for");
    assert_eq!(request.path, path);
    assert!(matches!(request.kind, ExportKind::Grid { columns: 6, .. }));
    assert!(bench.state().dialog.is_none());
    assert!(
        bench
            .state()
            .live
            .log
            .back()
            .unwrap()
            .text
            .starts_with("saved")
    );
}

#[test]
fn enter_in_a_number_of_the_export_dialog_only_ends_the_typing() {
    let mut bench = Bench::new(Vec::new());
    bench.press(Modifiers::COMMAND, Key::E);
    let exported = |bench: &Bench| {
        let heard = &bench.engine.heard;
        heard.iter().any(|c| matches!(c, Command::Export { .. }))
    };
    bench
        .harness
        .get_by_role_and_label(egui::Role::SpinButton, "Enlarge")
        .click();
    bench.settle();
    bench.harness.event(egui::Event::Text("2".to_owned()));
    bench.press(Modifiers::NONE, Key::Enter);
    assert!(!exported(&bench));
    assert!(matches!(bench.state().dialog, Some(Dialog::Export(_))));
}

#[test]
fn formats_can_be_chosen_every_time_the_dialog_opens() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Morph));
    for (format, ending) in [("GIF", ".gif"), ("WebP", ".webp"), ("MP4", ".mp4")] {
        bench.press(Modifiers::COMMAND, Key::E);
        bench.click(format);
        let Some(Dialog::Export(form)) = &bench.state().dialog else {
            panic!("the export dialog is open");
        };
        assert!(form.path.ends_with(ending), "{}", form.path);
        let summary = bench
            .harness
            .query_all_by_label_contains("200 frames, 8.0 s");
        assert_eq!(summary.count(), 1, "there and back in twice four seconds");
        bench.press(Modifiers::NONE, Key::Escape);
    }
}

#[test]
fn a_photo_is_cropped_anew() {
    let mut bench = Bench::new(vec!["/tmp/anna.png".into()]);
    bench.click("Crop…");
    bench.press(Modifiers::NONE, Key::ArrowRight);
    bench.click("Apply");
    let crop = bench.engine.heard.iter().find_map(|c| match c {
        Command::Recrop { crop, .. } => Some(*crop),
        _ => None,
    });
    assert_eq!(crop.unwrap().cx, 541.0);
}

#[test]
fn a_crop_moves_as_far_as_it_is_dragged() {
    let mut bench = Bench::new(vec!["/tmp/anna.png".into()]);
    bench.click("Crop…");
    let photo = bench.state().items.values().find_map(|i| i.photo.clone());
    let photo = photo.unwrap();
    let stage = bench.harness.get_by_label("Photo with the crop").rect();
    // A finger comes from elsewhere and presses in the same frame.
    bench.harness.hover_at(stage.left_top());
    bench.harness.run();
    let from = stage.center();
    bench.harness.drag_at(from);
    bench.harness.run();
    let to = from + egui::vec2(12.0, -5.0);
    bench.harness.hover_at(to);
    bench.harness.run();
    bench.harness.drop_at(to);
    bench.settle();
    bench.click("Apply");
    let crop = bench.engine.heard.iter().find_map(|c| match c {
        Command::Recrop { crop, .. } => Some(*crop),
        _ => None,
    });
    let (crop, pixels) = (crop.unwrap(), photo.size[0] as f32 / stage.width());
    let moved = (crop.cx - photo.crop.cx, crop.cy - photo.crop.cy);
    assert!(
        (moved.0 - 12.0 * pixels).abs() < 0.1 && (moved.1 + 5.0 * pixels).abs() < 0.1,
        "{moved:?}, {pixels} pixels a point"
    );
}
