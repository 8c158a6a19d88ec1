use super::*;
use crate::latent::Latent;
use crate::latent::attributes::measure::split;
use crate::latent::attributes::project;
use crate::latent::temperature::sample;
use crate::latent::tests::tiny_shape;

/// Standard normal rows; positive ones are shifted by 2 along dimension 3. With `entangled`, a second
/// label goes along with the first in four of five rows and shifts dimension 100 by 4.
fn population(n: usize, entangled: bool) -> (Vectors, Vec<bool>, Vec<bool>) {
    let shape = tiny_shape();
    let mut vectors = Vectors::new(&shape);
    let (mut label, mut other) = (Vec::new(), Vec::new());
    for i in 0..n {
        let positive = i % 3 == 0;
        let along = if i % 5 == 0 { !positive } else { positive };
        let mut row = sample(&shape, 77, i as u32);
        row.levels[0].data[3] += if positive { 2.0 } else { 0.0 };
        if entangled {
            row.levels[1].data[4] += if along { 4.0 } else { 0.0 };
        }
        vectors.push(&row).unwrap();
        label.push(positive);
        other.push(along);
    }
    (vectors, label, other)
}

fn rows(vectors: &Vectors) -> Vec<usize> {
    (0..vectors.n()).collect()
}

#[test]
fn the_difference_of_means_finds_the_shift() {
    let (vectors, label, _) = population(1500, false);
    let v = difference_of_means(&vectors, &rows(&vectors), &label).unwrap();
    assert!((v[3] - 2.0).abs() < 0.2, "{}", v[3]);
    let rest = v.iter().enumerate().filter(|(i, _)| *i != 3);
    assert!(rest.map(|(_, v)| v.abs()).fold(0.0, f32::max) < 0.25);
}

#[test]
fn balancing_removes_what_only_goes_along() {
    let (vectors, label, other) = population(1500, true);
    let all = rows(&vectors);
    let plain = difference_of_means(&vectors, &all, &label).unwrap();
    let balanced = balanced_difference(&vectors, &all, &label, &[&other]).unwrap();
    assert!(plain[100] > 1.5, "{}", plain[100]);
    assert!(balanced[100].abs() < 0.4, "{}", balanced[100]);
    assert!((balanced[3] - 2.0).abs() < 0.3, "{}", balanced[3]);
    // The label itself leaves no stratum with both sides.
    assert!(balanced_difference(&vectors, &all, &label, &[&label]).is_err());
}

#[test]
fn the_classifier_beats_the_means_where_dimensions_go_together() {
    // Dimension 10 carries the label and noise; dimension 11 the same noise alone.
    let shape = tiny_shape();
    let mut vectors = Vectors::new(&shape);
    let mut label = Vec::new();
    for i in 0..1200 {
        let mut row = sample(&shape, 9, i);
        let noise = 5.0 * row.levels[0].data[12];
        label.push(i % 2 == 0);
        row.levels[0].data[10] = noise + if i % 2 == 0 { 1.0 } else { -1.0 };
        row.levels[0].data[11] = noise;
        vectors.push(&row).unwrap();
    }
    let split = split(&rows(&vectors), 0.25, 1);
    let means = difference_of_means(&vectors, &split.train, &label).unwrap();
    let options = RidgeOptions {
        shrinkage: 0.001,
        ..RidgeOptions::default()
    };
    let normal = classifier(&vectors, &split.train, &label, &options).unwrap();
    let figures = |raw: &[f32]| {
        let d = direction_from_labels("l", &vectors, &split, &label, raw, "m").unwrap();
        d.figures.auc.unwrap()
    };
    let (plain, fitted) = (figures(&means), figures(&normal));
    assert!(plain < 0.8 && fitted > 0.98, "{plain} {fitted}");
}

#[test]
fn ridge_agrees_with_the_closed_form_and_heavy_shrinkage_with_the_means() {
    let (vectors, label, _) = population(400, false);
    let all = rows(&vectors);
    let targets: Vec<f64> = all.iter().map(|&i| f64::from(vectors.row(i)[7])).collect();
    let options = RidgeOptions {
        shrinkage: 1e-6,
        max_iterations: 500,
        tolerance: 1e-10,
        ..RidgeOptions::default()
    };
    // The target is a coordinate, so the solution is the unit vector along it.
    let w = ridge(&vectors, &all, &targets, &options).unwrap();
    assert!((w[7] - 1.0).abs() < 1e-3);
    assert!(w.iter().enumerate().all(|(i, v)| i == 7 || v.abs() < 1e-3));

    let heavy = RidgeOptions {
        shrinkage: 1e6,
        ..RidgeOptions::default()
    };
    let w = classifier(&vectors, &all, &label, &heavy).unwrap();
    let means = difference_of_means(&vectors, &all, &label).unwrap();
    let cosine = dot_flat(&w, &means) / (dot_flat(&w, &w) * dot_flat(&means, &means)).sqrt();
    assert!(cosine > 0.9999, "{cosine}");
}

#[test]
fn a_level_without_weight_stays_out() {
    let (vectors, label, _) = population(300, true);
    let options = RidgeOptions {
        weights: Some(vectors.level_weights(&[1.0, 0.0]).unwrap()),
        ..RidgeOptions::default()
    };
    let w = classifier(&vectors, &rows(&vectors), &label, &options).unwrap();
    assert!(w[96..].iter().all(|&v| v == 0.0));
    assert!(w[3] > 0.0);
    assert!(vectors.level_weights(&[1.0]).is_err());
}

#[test]
fn slider_units_put_the_sides_half_a_unit_from_the_centre() {
    let (vectors, label, _) = population(1500, false);
    let split = split(&rows(&vectors), 0.2, 3);
    let raw = difference_of_means(&vectors, &split.train, &label).unwrap();
    let d = direction_from_labels("smile", &vectors, &split, &label, &raw, "means").unwrap();
    let mean_score = |positive: bool| {
        let rows: Vec<usize> = split
            .train
            .iter()
            .copied()
            .filter(|&i| label[i] == positive)
            .collect();
        let latents = rows
            .iter()
            .map(|&i| latent_from_flat(&vectors.shape, vectors.row(i)));
        let scores = latents.map(|l| f64::from(project(&l.unwrap(), &d).unwrap()));
        scores.sum::<f64>() / rows.len() as f64
    };
    assert!((mean_score(true) - 0.5).abs() < 1e-3);
    assert!((mean_score(false) + 0.5).abs() < 1e-3);
    assert!(d.figures.auc.unwrap() > 0.8);
    assert_eq!(d.figures.counts.iter().sum::<usize>(), 1200);
    assert_eq!(d.figures.held_out, 300);
    assert!(d.range[1] >= 1.0 && d.range[0] == -d.range[1]);
}

#[test]
fn numbers_as_labels() {
    let (vectors, _, _) = population(800, false);
    let ages: Vec<f64> = (0..800)
        .map(|i| 40.0 + 10.0 * f64::from(vectors.row(i)[50]))
        .collect();
    let split = split(&rows(&vectors), 0.25, 3);
    let raw = ridge(&vectors, &split.train, &ages, &RidgeOptions::default()).unwrap();
    let d = direction_from_values("age", &vectors, &split, &ages, &raw, "regression").unwrap();
    assert!(d.figures.correlation.unwrap() > 0.9);
    assert!(d.figures.auc.unwrap() > 0.9);
    // From one standard deviation under the mean age to one above: 2 along dimension 50.
    let v = flat(&d);
    assert!((v[50] - 2.0).abs() < 0.5, "{}", v[50]);
    assert!(direction_from_values("x", &vectors, &split, &[1.0; 800], &raw, "m").is_err());
}

fn flat(d: &Direction) -> Vec<f32> {
    crate::latent::flat_from_latent(&d.vector)
}

#[test]
fn labels_that_teach_nothing() {
    let (vectors, label, _) = population(30, false);
    let all = rows(&vectors);
    assert!(difference_of_means(&vectors, &all, &[true; 30]).is_err());
    assert!(difference_of_means(&vectors, &all, &label[..5]).is_err());
    assert!(ridge(&vectors, &all, &[f64::NAN; 30], &RidgeOptions::default()).is_err());
    assert!(ridge(&vectors, &all, &[1.0; 30], &RidgeOptions::default()).is_err());
    assert!(ridge(&vectors, &[0], &[1.0; 30], &RidgeOptions::default()).is_err());
    let mut vectors = Vectors::new(&tiny_shape());
    let mut bad = Latent::zeros(&tiny_shape());
    bad.levels[1].data[0] = f32::INFINITY;
    assert!(vectors.push(&bad).is_err());
}

#[test]
fn weights_that_are_all_larger_are_the_same_weights() {
    let (vectors, label, _) = population(300, true);
    let of = |factors: [f32; 2]| {
        let options = RidgeOptions {
            weights: Some(vectors.level_weights(&factors).unwrap()),
            ..RidgeOptions::default()
        };
        classifier(&vectors, &rows(&vectors), &label, &options).unwrap()
    };
    let cosine = |a: &[f32], b: &[f32]| dot_flat(a, b) / (dot_flat(a, a) * dot_flat(b, b)).sqrt();
    let plain = of([0.5, 1.0]);
    assert!(cosine(&plain, &of([4.0, 8.0])) > 0.99999);
    assert!(cosine(&plain, &of([1.0, 1.0])) < 0.999);
}
