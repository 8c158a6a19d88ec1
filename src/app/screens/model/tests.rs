//! The model screen, by label.

use egui_kittest::kittest::Queryable as _;

use super::ModelWish;
use crate::app::action::Action;
use crate::app::state::Tab;
use crate::app::tests::Bench;
use crate::engine::message::{Command, Question};

#[test]
fn the_model_says_what_it_is_and_is_tested() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::SetTab(Tab::Model));
    for label in [
        "Flow",
        "4,812,000",
        "Not tested in this run",
        "Training curve",
    ] {
        assert!(
            bench.harness.query_all_by_label(label).count() > 0,
            "{label}"
        );
    }
    bench.harness.get_by_label_contains("9 tensors");
    bench.click("Test the model");
    bench
        .harness
        .get_by_label_contains("All 8 samples came back");
    bench.click("Test the model");
    let seeds: Vec<u64> = bench
        .engine
        .heard
        .iter()
        .filter_map(|c| match c {
            Command::Ask {
                question: Question::SelfTest { seed, .. },
                ..
            } => Some(*seed),
            _ => None,
        })
        .collect();
    assert_eq!(seeds, [1, 2], "other samples each time");
    bench.perform(ModelWish::SetSearch("permutation".to_owned()));
    bench.harness.get_by_label_contains("3 tensors");
}

#[test]
fn models_that_were_opened_before_are_offered() {
    let mut bench = Bench::new(Vec::new());
    bench.perform(Action::OpenModel(Some("/models/a.safetensors".into())));
    bench.perform(Action::OpenModel(Some("/models/b.safetensors".into())));
    bench.perform(Action::SetTab(Tab::Model));
    bench.click("a.safetensors");
    let opened = bench.state().live.model.as_ref().unwrap().path.clone();
    assert_eq!(opened, Some("/models/a.safetensors".into()));
    let recent = bench.state().recent_models.clone();
    assert_eq!(recent.len(), 2);
    assert!(recent[0].ends_with("a.safetensors"), "newest first");
    bench.click("faces-128");
    assert_eq!(bench.state().live.model.as_ref().unwrap().path, None);
    bench.click("faces-64");
    let opened = bench.state().live.model.as_ref().unwrap().path.clone();
    assert_eq!(opened, Some("faces-64".into()));
    let buttons = bench
        .harness
        .query_all_by_role_and_label(egui::Role::Button, "faces-64");
    assert_eq!(buttons.count(), 1, "it is not among those opened before");
}
