//! The train screen, by label.

use std::path::{Path, PathBuf};

use egui_kittest::kittest::Queryable as _;

use super::{TrainDesk, TrainWish};
use crate::app::action::Action;
use crate::app::dialog::{Dialog, PathPurpose};
use crate::app::intake::actions_of_paths;
use crate::app::state::{LogLevel, State, Tab, ThemeChoice};
use crate::app::tests::Bench;
use crate::app::training::TrainingPhase;
use crate::engine::message::{
    Command, EarlierWork, NetworkSize, TrainBase, TrainCommand, TrainOrder, TrainReport,
    TrainingEnd,
};

/// A window on the train screen with a folder chosen.
fn bench(folder: &str) -> Bench {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Train));
    for action in actions_of_paths(PathPurpose::TrainPictures, vec![folder.into()]) {
        bench.perform(action);
    }
    bench
}

/// What the training was told.
fn told(bench: &Bench) -> Vec<TrainCommand> {
    let heard = bench.engine.heard.iter();
    let told = heard.filter_map(|command| match command {
        Command::Train(command) => Some(command.clone()),
        _ => None,
    });
    told.collect()
}

/// The orders that it was given.
fn orders(bench: &Bench) -> Vec<TrainOrder> {
    let told = told(bench).into_iter();
    let orders = told.filter_map(|command| match command {
        TrainCommand::Start(order) => Some(*order),
        _ => None,
    });
    orders.collect()
}

fn phase(bench: &Bench) -> TrainingPhase {
    bench.state().training.run.as_ref().unwrap().phase.clone()
}

fn shows(bench: &Bench, text: &str) -> bool {
    bench.harness.query_all_by_label_contains(text).count() > 0
}

fn report(bench: &mut Bench, report: TrainReport) {
    bench.harness.state_mut().state.training_reported(report);
    bench.settle();
}

#[test]
fn a_folder_is_chosen_trained_on_and_the_result_used() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Train));
    assert!(shows(&bench, "Choose a folder of pictures first"));
    bench.click("Start training");
    assert!(orders(&bench).is_empty(), "there is nothing to learn from");
    for label in ["Folder of pictures", "Weights go to"] {
        bench
            .harness
            .get_by_role_and_label(egui::Role::TextInput, label);
    }
    bench.perform(TrainWish::SetImages("~/cats".to_owned()));
    bench.perform(TrainWish::SetOut("/data/cats".to_owned()));
    for choice in ["32 px", "Medium", "8", "Careful", "No end", "Faces"] {
        bench.click(choice);
    }
    bench.click("Start training");
    let [order] = &orders(&bench)[..] else {
        panic!("{:?}", told(&bench));
    };
    assert!(order.images.ends_with("cats") && order.images != Path::new("~/cats"));
    assert_eq!(order.out, PathBuf::from("/data/cats.safetensors"));
    let base = TrainBase::Fresh {
        side: 32,
        network: NetworkSize::Medium,
        bits: 8,
    };
    assert_eq!(order.base, base);
    assert_eq!((order.earlier, order.pictures), (EarlierWork::Keep, None));
    assert!(order.careful && order.crop_faces && order.flips);
    assert_eq!(phase(&bench), TrainingPhase::Running);
    for text in [
        "25,600 pictures",
        "24 pictures/s",
        "bits/dim",
        "7,600 pictures of",
    ] {
        assert!(shows(&bench, text), "{text}");
    }
    for label in ["Training curve", "Samples of the training"] {
        bench.harness.get_by_label(label);
    }
    assert!(!shows(&bench, "Start training"), "one at a time");
    bench.click("Pause");
    assert_eq!(phase(&bench), TrainingPhase::Paused);
    bench.click("Go on");
    assert_eq!(phase(&bench), TrainingPhase::Running);
    bench.click("Stop");
    assert_eq!(phase(&bench), TrainingPhase::Stopped);
    bench.click("Use the result");
    let open = bench.state().live.model.as_ref().unwrap().path.clone();
    assert_eq!(open, Some(PathBuf::from("/data/cats.safetensors")));
    assert!(
        bench.state().training.run.is_some(),
        "another model changes nothing of the training"
    );
    bench.click("Resume");
    assert_eq!(orders(&bench)[1].earlier, EarlierWork::Resume);
}

#[test]
fn an_earlier_training_is_asked_about() {
    let mut bench = bench("/home/me/earlier");
    bench.click("Start training");
    assert!(shows(&bench, "nothing was touched"));
    assert!(shows(&bench, "12,300 pictures of 64 px"));
    bench.click("Leave it");
    assert!(bench.state().training.run.is_none());
    bench.click("Start training");
    bench.click("Replace it");
    bench.click("Stop");
    bench.perform(TrainWish::Start);
    bench.click("Go on with it");
    let asked: Vec<EarlierWork> = orders(&bench).iter().map(|o| o.earlier).collect();
    use EarlierWork::{Keep, Replace, Resume};
    assert_eq!(asked, [Keep, Keep, Replace, Keep, Resume]);
}

#[test]
fn the_open_model_is_trained_on_where_that_can_be() {
    let mut bench = bench("/home/me/cats");
    bench.perform(Action::OpenModel(Some("/models/a.safetensors".into())));
    bench.click("The open model");
    assert!(!shows(&bench, "64 px"), "its size is settled");
    bench.click("Start training");
    let base = TrainBase::Model(Some("/models/a.safetensors".into()));
    assert_eq!(orders(&bench)[0].base, base);
}

#[test]
fn what_goes_wrong_is_said() {
    let mut bench = bench("/home/missing");
    bench.click("Start training");
    assert!(shows(&bench, "no such folder"));
    let log = &bench.state().live.log;
    assert_eq!(log.back().unwrap().level, LogLevel::Error);
    assert!(bench.state().training.unfinished.is_none());
    bench.perform(TrainWish::SetImages("/home/me/cats".to_owned()));
    bench.click("Start training");
    for i in 0..14 {
        let name = format!("not a picture: {i}.png");
        report(&mut bench, TrainReport::LeftOut(name));
    }
    assert!(shows(&bench, "14 pictures cannot be read"));
    let named = bench.state().live.log.iter();
    let named = named.filter(|l| l.text.contains("not a picture"));
    assert_eq!(named.count(), 10);
    let before = bench.state().training.run.as_ref().unwrap().curve.len();
    report(
        &mut bench,
        TrainReport::WentBack {
            reason: "a weight is not finite".to_owned(),
            pictures_seen: 12_800,
        },
    );
    let run = bench.state().training.run.as_ref().unwrap();
    assert!(run.curve.len() < before && run.line.points.iter().all(|p| p[0] <= 12_800.0));
    let full = "the disk is full; free some space: /home/me/cats-model.safetensors";
    report(&mut bench, TrainReport::Unsaved(full.to_owned()));
    assert!(shows(&bench, "the disk is full"));
    bench.click("Go on");
    assert_eq!(phase(&bench), TrainingPhase::Running);
}

#[test]
fn a_window_that_is_closed_over_a_training_asks_and_saves_it() {
    let mut bench = bench("/home/me/cats");
    bench.click("Start training");
    let close = |bench: &mut Bench| {
        let input = bench.harness.input_mut();
        let root = input.viewports.entry(egui::ViewportId::ROOT).or_default();
        root.events.push(egui::ViewportEvent::Close);
        bench.harness.step();
        bench.settle();
    };
    close(&mut bench);
    assert_eq!(bench.state().dialog, Some(Dialog::Quit));
    assert!(shows(&bench, "can be resumed at the next start"));
    bench.click("Stay");
    assert!(bench.state().training.is_active());
    close(&mut bench);
    bench.harness.get_by_label("Save and close").click();
    bench.harness.step();
    bench.harness.step();
    assert!(matches!(
        phase(&bench),
        TrainingPhase::Stopping | TrainingPhase::Stopped
    ));
    bench.engine.answer();
    bench.harness.step();
    bench.harness.step();
    assert_eq!(phase(&bench), TrainingPhase::Stopped);
    assert!(bench.harness.state().may_close);
    assert!(matches!(told(&bench).last(), Some(TrainCommand::Stop)));
}

#[test]
fn a_training_that_was_stopped_is_offered_at_the_next_start() {
    let mut bench = bench("/home/me/cats");
    bench.click("Start training");
    bench.click("Stop");
    let text = serde_json::to_string(bench.state()).unwrap();
    let mut state = serde_json::from_str::<State>(&text).unwrap().restored();
    assert_eq!(state.desks.train, bench.state().desks.train);
    state.start(None, Vec::new());
    let said = state.live.log.back().unwrap();
    assert!(said.text.contains("cats-model.safetensors"), "{said:?}");
    assert!(said.text.contains("Train > Resume"));
    let commands = state.apply(TrainWish::Resume);
    let [Command::Train(TrainCommand::Start(order))] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(order.earlier, EarlierWork::Resume);
    // One that came to its end is not.
    state.training_reported(TrainReport::Ended(TrainingEnd::Finished));
    assert!(state.training.resumable().is_none());
}

#[test]
fn a_new_session_leaves_the_training_alone() {
    let mut bench = bench("/home/me/cats");
    bench.click("Start training");
    bench.perform(Action::NewSession);
    assert_eq!(bench.state().desks.train, TrainDesk::default());
    assert_eq!(phase(&bench), TrainingPhase::Running);
}

/// Writes pictures of the screen to the folder named by `GLOW_SCREENS`, for people to look at.
#[test]
#[ignore = "needs a graphics adapter; draws, asserts little"]
fn draw_the_train_screen() {
    let Some(folder) = std::env::var_os("GLOW_SCREENS").map(PathBuf::from) else {
        eprintln!("skipped: GLOW_SCREENS is not set");
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    for (theme, choice) in [
        (egui::Theme::Dark, ThemeChoice::Dark),
        (egui::Theme::Light, ThemeChoice::Light),
    ] {
        for size in [[1280.0, 800.0], [600.0, 450.0]] {
            let mut bench = Bench::with_size(Vec::new(), size, theme);
            let shoot = |bench: &mut Bench, name: &str| {
                bench.settle();
                let name = format!("train-{name}-{}-{theme:?}.png", size[0]);
                let picture = bench.harness.render().unwrap();
                picture.save(folder.join(name)).unwrap();
            };
            bench.perform(Action::SetTheme(choice));
            bench.perform(Action::SetTab(Tab::Train));
            shoot(&mut bench, "1-empty");
            bench.perform(TrainWish::SetImages("/home/me/earlier".to_owned()));
            bench.perform(TrainWish::Start);
            shoot(&mut bench, "2-earlier");
            bench.perform(TrainWish::Answer(EarlierWork::Replace));
            shoot(&mut bench, "3-running");
            bench.perform(Action::Show(Dialog::Quit));
            shoot(&mut bench, "4-quit");
            bench.perform(Action::Close);
            let full = "the disk is full; free some space or choose another disk: /home/me/cats-model.safetensors";
            report(&mut bench, TrainReport::Unsaved(full.to_owned()));
            bench.perform(Action::CloseToast(0));
            shoot(&mut bench, "5-unsaved");
            bench.perform(TrainWish::Stop);
            shoot(&mut bench, "6-stopped");
        }
    }
}
