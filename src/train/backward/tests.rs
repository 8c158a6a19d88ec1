use super::*;
use crate::config::{Coupling, GlowConfig, Padding, Permutation, ScaleFloor};
use crate::latent::tests::tiny_config;
use crate::model::folded::Purpose;
use crate::model::params::Params;
use crate::noise::Noise;
use crate::train::unfold::parameter_gradients;

fn loss_and_gradients(params: &Params, x: &[&[f32]]) -> (f64, Vec<f32>) {
    let folded = Folded::new(params, Purpose::Training).unwrap();
    let mut gradients = Gradients::zeros(&folded);
    let mut walk = Vec::new();
    let dims = params.config.dims() as f64;
    let weight_sum = -1.0 / (dims * std::f64::consts::LN_2);
    let weight = (weight_sum / x.len() as f64) as f32;
    accumulate(
        &folded,
        params.config.channels,
        x,
        weight,
        Activations::Recompute,
        &mut Workspace::default(),
        &mut gradients,
        &mut |piece, _| walk.push(piece),
    );
    assert_eq!(walk, crate::train::reduce::walk(params).collect::<Vec<_>>());
    let loss = f64::from(weight) * gradients.log_prob;
    (loss, parameter_gradients(params, &gradients, weight_sum, 2))
}

#[test]
fn gradients_agree_with_differences_of_the_loss() {
    for permutation in [
        Permutation::Invconv,
        Permutation::InvconvLu,
        Permutation::Shuffle,
        Permutation::Reverse,
    ] {
        for (coupling, padding, floor) in [
            (Coupling::Affine, Padding::EdgeBias, 0.0),
            (Coupling::Affine, Padding::EdgeBias, 0.5),
            (Coupling::Affine, Padding::FinalOnes, 0.0),
            (Coupling::Additive, Padding::Zeros, 0.0),
            (Coupling::Additive, Padding::EdgeBias, 0.0),
        ] {
            let config = GlowConfig {
                depth: 2,
                width: 20,
                permutation,
                coupling,
                padding,
                scale_floor: ScaleFloor::new(floor).unwrap(),
                ..tiny_config()
            };
            let mut params = Params::perturbed(config, 5);
            // Couplings that matter: the last convolution is not near zero.
            let mut noise = Noise::new(9);
            let x: Vec<Vec<f32>> = (0..3)
                .map(|_| (0..192).map(|_| 0.3 * noise.normal()).collect())
                .collect();
            let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
            let layout = std::sync::Arc::clone(&params.layout);
            let (_, gradient) = loss_and_gradients(&params, &x);
            for entry in layout.entries().iter().filter(|e| e.trained) {
                let range = entry.offset..entry.offset + entry.count();
                let (lower, upper) = (
                    entry.name.ends_with("permutation.l"),
                    entry.name.ends_with("permutation.u"),
                );
                let c = entry.shape[0];
                let direction: Vec<f32> = (0..entry.count())
                    .map(|at| {
                        if (lower && at % c >= at / c) || (upper && at % c <= at / c) {
                            0.0
                        } else {
                            noise.normal()
                        }
                    })
                    .collect();
                let norm = direction.iter().map(|v| v * v).sum::<f32>().sqrt();
                let along: f64 = gradient[range.clone()]
                    .iter()
                    .zip(&direction)
                    .map(|(g, d)| f64::from(g * d / norm))
                    .sum();
                let h = 2e-3;
                let mut at = |sign: f32| {
                    let before = params.data.clone();
                    params.data[range.clone()]
                        .iter_mut()
                        .zip(&direction)
                        .for_each(|(p, d)| *p += sign * h * d / norm);
                    let loss = loss_and_gradients(&params, &x).0;
                    params.data = before;
                    loss
                };
                let difference = (at(1.0) - at(-1.0)) / (2.0 * f64::from(h));
                let error = (along - difference).abs();
                let tolerance = 2e-3 + 0.02 * difference.abs();
                assert!(
                    error < tolerance,
                    "{permutation:?} {coupling:?} {padding:?} floor {floor}, {}: {along} {difference}",
                    entry.name
                );
            }
        }
    }
}
