//! What several tests need.

use candle_core::{Device, Tensor};
use glow_explorer::config::{Coupling, DetailConfig, GlowConfig, Padding, Permutation, ScaleFloor};
use glow_explorer::model::Latent;
use glow_explorer::model::fast::RawEncoding;
use glow_explorer::model::glow::Glow;
use glow_explorer::model::params::Params;
use glow_explorer::model::pixels::largest_difference;
use glow_explorer::noise::Noise;

/// All permutations.
pub const PERMUTATIONS: [Permutation; 4] = [
    Permutation::InvconvLu,
    Permutation::Invconv,
    Permutation::Shuffle,
    Permutation::Reverse,
];
/// All couplings.
pub const COUPLINGS: [Coupling; 2] = [Coupling::Affine, Coupling::Additive];
/// All paddings.
pub const PADDINGS: [Padding; 3] = [Padding::EdgeBias, Padding::Zeros, Padding::FinalOnes];

/// A small configuration.
pub fn config(permutation: Permutation, coupling: Coupling, padding: Padding) -> GlowConfig {
    GlowConfig {
        image_size: 16,
        channels: 3,
        levels: 2,
        depth: 2,
        width: 20,
        permutation,
        coupling,
        bits: 5,
        variant: Default::default(),
        padding,
        scale_floor: Default::default(),
        detail: Vec::new(),
    }
    .validated()
    .unwrap()
}

/// Every small configuration, and some odd ones: one level, grey, an odd width, one pixel at the top.
pub fn configs() -> Vec<GlowConfig> {
    let mut all = Vec::new();
    for permutation in PERMUTATIONS {
        for coupling in COUPLINGS {
            for padding in PADDINGS {
                all.push(config(permutation, coupling, padding));
            }
        }
    }
    let base = config(Permutation::Invconv, Coupling::Affine, Padding::FinalOnes);
    all.push(GlowConfig {
        levels: 1,
        ..base.clone()
    });
    all.push(GlowConfig {
        channels: 1,
        width: 7,
        ..base.clone()
    });
    all.push(GlowConfig {
        levels: 4,
        width: 33,
        variant: Default::default(),
        padding: Padding::EdgeBias,
        scale_floor: ScaleFloor::new(0.5).unwrap(),
        ..base.clone()
    });
    all.push(GlowConfig {
        scale_floor: ScaleFloor::new(0.1).unwrap(),
        ..base.clone()
    });
    all.push(GlowConfig {
        image_size: 24,
        levels: 3,
        depth: 1,
        width: 300,
        bits: 8,
        ..base
    });
    all
}

/// Small chains: one stage and two, grey, sides too small for Winograd's form and large enough, a trunk without blocks.
pub fn chains() -> Vec<GlowConfig> {
    let stage = DetailConfig {
        depth: 2,
        width: 12,
        trunk: 10,
        blocks: 2,
        features: 7,
        scale_floor: ScaleFloor::new(0.5).unwrap(),
    };
    let base = GlowConfig {
        image_size: 32,
        detail: vec![stage],
        ..config(Permutation::InvconvLu, Coupling::Affine, Padding::EdgeBias)
    };
    let two = vec![
        DetailConfig {
            blocks: 0,
            width: 9,
            ..stage
        },
        stage,
    ];
    vec![
        GlowConfig {
            image_size: 16,
            levels: 1,
            channels: 1,
            ..base.clone()
        },
        GlowConfig {
            coupling: Coupling::Additive,
            permutation: Permutation::Shuffle,
            bits: 8,
            detail: two,
            ..base.clone()
        },
        base,
    ]
}

/// Parameters of a model in which no layer is near the identity.
pub fn lively(config: &GlowConfig, seed: u64) -> Params {
    let mut params = Params::perturbed(config.clone(), seed);
    let mut noise = Noise::with_stream(seed, 9);
    let layout = std::sync::Arc::clone(&params.layout);
    for entry in layout
        .entries()
        .iter()
        .filter(|e| e.trained && !e.name.contains("permutation"))
    {
        let std = if entry.name.ends_with("weight") {
            0.05
        } else {
            0.03
        };
        params
            .slice_mut(&entry.name)
            .iter_mut()
            .for_each(|v| *v += std * noise.normal());
    }
    params
}

/// Smooth pictures `[c, h, w]` with a little noise.
pub fn pictures(config: &GlowConfig, n: usize, seed: u64) -> Vec<Vec<f32>> {
    let size = config.image_size;
    let mut noise = Noise::with_stream(seed, 5);
    (0..n)
        .map(|i| {
            let mut x = Vec::with_capacity(config.dims());
            for c in 0..config.channels {
                for at in 0..size * size {
                    let (y, xx) = (
                        (at / size) as f32 / size as f32,
                        (at % size) as f32 / size as f32,
                    );
                    let wave = (3.0 * y + 2.0 * xx + c as f32 + i as f32).sin();
                    x.push((0.35 * wave + 0.03 * noise.normal()).clamp(-0.5, 0.5));
                }
            }
            x
        })
        .collect()
}

/// Checks what a fast form made of `x` against the plain model: latents, likelihoods, and both ways back.
pub fn assert_agrees(
    params: &Params,
    x: &[Vec<f32>],
    encoded: &[RawEncoding],
    decode: impl Fn(&[&Latent]) -> Vec<Vec<f32>>,
) {
    let config = &params.config;
    let glow = Glow::new(params, &Device::Cpu).unwrap();
    let (c, size) = (config.channels, config.image_size);
    let input = Tensor::from_vec(x.concat(), (x.len(), c, size, size), &Device::Cpu).unwrap();
    let plain = glow.encode(&input).unwrap();
    for (l, eps) in plain.eps.iter().enumerate() {
        let eps = eps.permute((0, 3, 1, 2)).unwrap();
        let eps = eps.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let given: Vec<f32> = encoded
            .iter()
            .flat_map(|e| e.latent.levels[l].data.clone())
            .collect();
        let largest = largest(&eps);
        let error = largest_difference(&given, &eps);
        assert!(
            error <= 1e-3 * largest,
            "{config:?} level {l}: {error} of {largest}"
        );
        let log_prob = plain.level_log_prob[l].to_vec1::<f32>().unwrap();
        for (e, lp) in encoded.iter().zip(log_prob) {
            let nats = (e.level_log_prob[l] - f64::from(lp)).abs();
            let bits = nats / (config.dims() as f64 * 2f64.ln());
            assert!(bits < 1e-4, "{config:?} level {l}: {bits} bits/dim");
        }
    }
    let latents: Vec<&Latent> = encoded.iter().map(|e| &e.latent).collect();
    let decoded = decode(&latents).concat();
    let back = glow.decode(&plain.eps).unwrap().flatten_all().unwrap();
    let back = back.to_vec1::<f32>().unwrap();
    for (what, expected) in [("plain", &back), ("round trip", &x.concat())] {
        let error = largest_difference(&decoded, expected);
        assert!(error < 1e-4, "{config:?}, {what}: {error}");
    }
}

/// The largest absolute value.
pub fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |m, v| f64::from(v.abs()).max(m))
}
