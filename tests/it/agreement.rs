//! The fast forms against the plain model: encode, decode, likelihood, gradients.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use glow_explorer::config::GlowConfig;
use glow_explorer::flow::detail::Detail;
use glow_explorer::kernels::Arithmetic;
use glow_explorer::kernels::bf16::has_bf16;
use glow_explorer::model::device::DeviceModel;
use glow_explorer::model::fast::{FastGlow, RawEncoding, Resumable};
use glow_explorer::model::glow::{Glow, tensors};
use glow_explorer::model::params::Params;
use glow_explorer::model::pixels::largest_difference;
use glow_explorer::model::{DeviceChoice, FastChain, GlowModel, Latent};
use glow_explorer::noise::Noise;
use glow_explorer::train::backward::Activations;
use glow_explorer::train::gradients::{CpuGradients, CpuStageGradients};

use crate::support::{assert_agrees, chains, configs, lively, pictures};

fn refs(x: &[Vec<f32>]) -> Vec<&[f32]> {
    x.iter().map(Vec::as_slice).collect()
}

#[test]
fn the_fast_form_agrees_with_the_plain_model() {
    for config in configs() {
        let params = lively(&config, 7);
        // One picture is shared by the threads, two are divided, three are shared.
        for (n, threads) in [(1, 2), (2, 2), (3, 2), (1, 1), (1, 3)] {
            let fast = FastGlow::new(&params, threads).unwrap();
            let x = pictures(&config, n, 11);
            let encoded = fast.encode(&refs(&x), &|| false).unwrap();
            assert_agrees(&params, &x, &encoded, |latents| {
                fast.decode(latents, &|| false).unwrap()
            });
        }
    }
}

#[test]
fn a_chain_agrees_with_the_plain_model() {
    for config in chains() {
        let params = lively(&config, 7);
        for (n, threads) in [(1, 2), (2, 2), (3, 1)] {
            let model = GlowModel::new(&params, &DeviceChoice::Cpu, threads).unwrap();
            let x = pictures(&config, n, 11);
            let per_bit = -(config.dims() as f64 * 2f64.ln());
            let encoded = model.encode_x(x.clone(), &|| false).unwrap();
            // What is measured is the same model, without anything kept.
            let measured = FastChain::new(&params, threads).unwrap();
            let raw = measured.encode(&refs(&x), &|| false).unwrap();
            for (raw, e) in raw.iter().zip(&encoded) {
                assert_eq!(raw.latent, e.latent);
            }
            let encoded = encoded.into_iter().map(|e| RawEncoding {
                latent: e.latent,
                level_log_prob: e.level_bits.iter().map(|bits| bits * per_bit).collect(),
            });
            assert_agrees(&params, &x, &encoded.collect::<Vec<_>>(), |latents| {
                let latents: Vec<Latent> = latents.iter().map(|z| (*z).clone()).collect();
                let decoded = model.decode(&latents, &|| false).unwrap();
                decoded.into_iter().map(|d| d.x).collect()
            });
        }
    }
}

#[test]
fn a_decode_from_a_coarse_state_is_the_whole_decode() {
    for config in configs().into_iter().filter(|c| c.levels > 1) {
        let fast = FastGlow::new(&lively(&config, 7), 2).unwrap();
        let encoded = fast
            .encode(&refs(&pictures(&config, 2, 3)), &|| false)
            .unwrap();
        let latents: Vec<&Latent> = encoded.iter().map(|e| &e.latent).collect();
        let Resumable {
            pictures: whole,
            states,
        } = fast
            .decode_from(&latents, &[None, None], true, &|| false)
            .unwrap();
        for level in 0..config.levels - 1 {
            let starts: Vec<_> = states
                .iter()
                .map(|s| s.iter().find(|s| s.level == level))
                .collect();
            assert!(starts.iter().all(Option::is_some));
            let part = fast
                .decode_from(&latents, &starts, false, &|| false)
                .unwrap();
            assert_eq!(whole, part.pictures, "{config:?} from level {level}");
        }
    }
}

/// A rectifier that turns NaN into 0 would draw a model that has come apart as if it were sound.
#[test]
fn what_is_not_a_number_inside_a_network_reaches_the_picture_in_every_form() {
    let base = &configs()[0];
    let chain = &chains()[0];
    for (config, name) in [
        (base, "levels.0.steps.1.coupling.actnorm1.bias"),
        (base, "levels.1.steps.0.coupling.actnorm2.bias"),
        (chain, "detail.0.steps.1.coupling.actnorm1.bias"),
        (chain, "detail.0.trunk.blocks.0.conv1.bias"),
        (chain, "detail.0.trunk.first.bias"),
    ] {
        let mut params = lively(config, 7);
        params.slice_mut(name)[2] = f32::NAN;
        let check = |form: &str, x: &[f32]| {
            // Half of the channels pass a coupling unchanged; the 1x1 convolution after it mixes them in.
            let lost = x.iter().filter(|v| v.is_nan()).count();
            assert!(lost > x.len() / 2, "{form}, {name}: {lost} of {}", x.len());
        };
        let zero = Latent::zeros(&config.latent_shape());
        for arithmetic in [Arithmetic::F32, Arithmetic::Bf16.or_f32()] {
            let fast = FastChain::with_arithmetic(&params, 2, arithmetic).unwrap();
            check("folded", &fast.decode(&[&zero], &|| false).unwrap()[0]);
        }
        let x = pictures(config, 1, 3);
        let (c, size) = (config.channels, config.image_size);
        let input = Tensor::from_vec(x.concat(), (1, c, size, size), &Device::Cpu).unwrap();
        if config.detail.is_empty() {
            let device = DeviceModel::new(&params, &Device::Cpu).unwrap();
            check("device", &device.decode(&[&zero], &|| false).unwrap()[0]);
        }
        let glow = Glow::new(&params, &Device::Cpu).unwrap();
        let eps = glow.encode(&input).unwrap().eps;
        let eps: Vec<Tensor> = eps.iter().map(|eps| eps.zeros_like().unwrap()).collect();
        let plain = glow.decode(&eps).unwrap().flatten_all().unwrap();
        check("plain", &plain.to_vec1::<f32>().unwrap());
    }
}

#[test]
fn hand_written_gradients_agree_with_plain_backward() {
    for config in configs() {
        let params = lively(&config, 13);
        let x = pictures(&config, 4, 17);
        let gradients = |activations| {
            CpuGradients::new(&params, 2)
                .unwrap()
                .with_activations(activations)
                .loss_and_gradients(&params, &refs(&x))
                .unwrap()
        };
        let (bits, gradient) = gradients(Activations::Recompute);
        let (_, kept) = gradients(Activations::Keep);
        let norm = f64::from(kept.iter().map(|v| v * v).sum::<f32>().sqrt());
        assert!(
            largest_difference(&gradient, &kept) <= 1e-4 * norm,
            "{config:?}"
        );

        let vars: HashMap<String, Var> = tensors(&params, &Device::Cpu)
            .unwrap()
            .into_iter()
            .map(|(name, tensor)| (name, Var::from_tensor(&tensor).unwrap()))
            .collect();
        let named = vars
            .iter()
            .map(|(name, var)| (name.clone(), var.as_tensor().clone()))
            .collect();
        let vb = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
        let glow = Glow::from_vars(&config, &vb).unwrap();
        let (c, size) = (config.channels, config.image_size);
        let input = Tensor::from_vec(x.concat(), (4, c, size, size), &Device::Cpu).unwrap();
        let loss = glow.bits_per_dim(&input).unwrap();
        assert!(
            (f64::from(loss.to_scalar::<f32>().unwrap()) - bits).abs() < 1e-4,
            "{config:?}: loss"
        );
        let grads = loss.backward().unwrap();
        for entry in params.layout.entries().iter().filter(|e| e.trained) {
            let given = &gradient[entry.offset..entry.offset + entry.count()];
            let expected = grads
                .get(vars[&entry.name].as_tensor())
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            let norm = expected.iter().map(|v| v * v).sum::<f32>().sqrt();
            let error = given
                .iter()
                .zip(&expected)
                .map(|(a, b)| (a - b) * (a - b))
                .sum::<f32>()
                .sqrt();
            assert!(
                error <= 1e-4 * norm + 1e-7,
                "{config:?} {}: {error} of {norm}",
                entry.name
            );
        }
    }
}

#[test]
fn gradients_of_a_stage_agree_with_plain_backward_on_windows_too() {
    for (config, window) in chains().into_iter().flat_map(|c| [(c.clone(), 1), (c, 2)]) {
        let params = lively(&config, 13);
        for stage in 0..config.detail.len() {
            // The stage's pictures, or windows of half their side: the parameters are the same.
            let config = GlowConfig {
                image_size: config.image_size / window,
                ..config.clone()
            };
            let size = 2 * config.stage(stage).image_size;
            let of_stage = GlowConfig {
                image_size: size,
                detail: Vec::new(),
                ..config.clone()
            };
            let x = pictures(&of_stage, 3, 17);
            let params = Params {
                config: config.clone(),
                ..params.clone()
            };
            let (bits, gradient) = CpuStageGradients::new(&params, stage, 2, Arithmetic::F32)
                .unwrap()
                .loss_and_gradients(&params, &refs(&x), &[])
                .unwrap();
            let vars: HashMap<String, Var> = tensors(&params, &Device::Cpu)
                .unwrap()
                .into_iter()
                .map(|(name, tensor)| (name, Var::from_tensor(&tensor).unwrap()))
                .collect();
            let named = vars
                .iter()
                .map(|(name, var)| (name.clone(), var.as_tensor().clone()))
                .collect();
            let vb = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
            let plain = Detail::new(&vb.pp(format!("detail.{stage}")), &config, stage).unwrap();
            let input =
                Tensor::from_vec(x.concat(), (3, config.channels, size, size), &Device::Cpu);
            let input = input
                .unwrap()
                .permute((0, 2, 3, 1))
                .unwrap()
                .contiguous()
                .unwrap();
            let log_prob = plain.forward(&input).unwrap().log_prob;
            let n_details = config.stage(stage).dims() as f64;
            let loss = (log_prob.mean_all().unwrap() * (-1.0 / (n_details * 2f64.ln()))).unwrap();
            // Haar's determinant is not in the bits a detail: -ln 2 a value of the low-pass, of which there is one for three.
            let expected =
                f64::from(loss.to_scalar::<f32>().unwrap()) + f64::from(config.bits) - 1.0 / 3.0;
            assert!(
                (bits - expected).abs() < 1e-4,
                "{config:?} {stage}: {bits} {expected}"
            );
            let grads = loss.backward().unwrap();
            for entry in params.layout.entries().iter().filter(|e| e.trained) {
                let given = &gradient[entry.offset..entry.offset + entry.count()];
                if !entry.name.starts_with(&format!("detail.{stage}.")) {
                    assert!(given.iter().all(|v| *v == 0.0), "{} is frozen", entry.name);
                    continue;
                }
                let expected = grads.get(vars[&entry.name].as_tensor()).unwrap();
                let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let norm = expected.iter().map(|v| v * v).sum::<f32>().sqrt();
                let pairs = given.iter().zip(&expected);
                let error = pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                assert!(
                    error <= 1e-4 * norm + 1e-7,
                    "{config:?} {}: {error} of {norm}",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn what_is_cancelled_at_a_step_does_no_other() {
    for config in configs() {
        let steps = config.levels * config.depth;
        for (threads, n) in [(1, 1), (2, 1), (2, 2), (2, 3)] {
            let fast = FastGlow::new(&lively(&config, 1), threads).unwrap();
            let x = pictures(&config, n, 3);
            let latents = vec![Latent::zeros(&config.latent_shape()); n];
            let latents: Vec<&Latent> = latents.iter().collect();
            // Two threads with a picture each ask on their own.
            let groups = if n == 2 { 2 } else { 1 };
            for at in 1..=steps {
                for decodes in [true, false] {
                    let asked = AtomicUsize::new(0);
                    let cancelled = || asked.fetch_add(1, Ordering::SeqCst) + 1 >= at;
                    let failed = if decodes {
                        fast.decode(&latents, &cancelled).is_err()
                    } else {
                        fast.encode(&refs(&x), &cancelled).is_err()
                    };
                    assert!(failed, "{config:?}");
                    let further = asked.into_inner() - at;
                    assert!(further < groups, "{config:?}: {further} steps after {at}");
                }
            }
        }
    }
}

#[test]
fn cancelling_stops_a_decode_and_leaves_the_model_usable() {
    let config = &configs()[0];
    let model = GlowModel::new(&lively(config, 1), &DeviceChoice::Cpu, 2).unwrap();
    let zero = [Latent::zeros(&config.latent_shape())];
    assert!(model.decode(&zero, &|| true).is_err());
    assert_eq!(model.decode(&zero, &|| false).unwrap()[0].non_finite, 0);
    let wrong = [Latent::default()];
    assert!(model.decode(&wrong, &|| false).is_err());
}

#[test]
fn drafts_of_the_shipped_model_are_within_two_grey_levels() {
    if !has_bf16() {
        println!("skipped: the processor has no bf16");
        return;
    }
    let params = glow_explorer::files::shipped::usual()
        .weights()
        .unwrap()
        .params;
    let model = GlowModel::new(&params, &DeviceChoice::Cpu, 2).unwrap();
    assert!(!model.has_drafts());
    let model = model.with_drafts(&params).unwrap();
    assert!(model.has_drafts());
    let latents: Vec<Latent> = (0..12)
        .map(|i| {
            Latent::drawn(
                &params.config.latent_shape(),
                &mut Noise::with_stream(5, i),
                0.7,
            )
        })
        .collect();
    let exact = model.decode(&latents, &|| false).unwrap();
    let drafts = model.draft(&latents, &|| false).unwrap();
    let mut differ = 0;
    for (exact, draft) in exact.iter().zip(&drafts) {
        for (a, b) in exact.x.iter().zip(&draft.x) {
            let levels = 255.0 * (a.clamp(-0.5, 0.5) - b.clamp(-0.5, 0.5)).abs();
            assert!(levels <= 2.0, "{a} {b}");
            differ += usize::from(a != b);
        }
    }
    assert!(differ > 0, "drafts are computed otherwise");
}

#[test]
fn gradients_in_bf16_point_where_those_in_f32_do() {
    if !has_bf16() {
        println!("skipped: the processor has no bf16");
        return;
    }
    for config in configs() {
        let params = lively(&config, 3);
        let x = pictures(&config, 4, 5);
        let gradients = |arithmetic, activations| {
            CpuGradients::new(&params, 2)
                .unwrap()
                .with_arithmetic(arithmetic)
                .with_activations(activations)
                .loss_and_gradients(&params, &refs(&x))
                .unwrap()
        };
        let (bits, exact) = gradients(Arithmetic::F32, Activations::Keep);
        for activations in [Activations::Keep, Activations::Recompute] {
            let (rounded_bits, rounded) = gradients(Arithmetic::Bf16, activations);
            assert!(
                (bits - rounded_bits).abs() < 0.02 * bits.abs().max(1.0),
                "{config:?}"
            );
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            };
            let cosine =
                dot(&exact, &rounded) / (dot(&exact, &exact) * dot(&rounded, &rounded)).sqrt();
            assert!(cosine > 0.99, "{config:?} {activations:?}: {cosine}");
        }
    }
}
