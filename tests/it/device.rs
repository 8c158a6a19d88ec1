//! The form that a CUDA device runs against the plain model and the CPU's own form: on the CPU, where its kernels are
//! their definitions, and on a CUDA device where there is one and the tests are built for it.

use candle_core::Device;
use glow_explorer::model::device::DeviceModel;
use glow_explorer::model::fast::FastGlow;
use glow_explorer::model::{Latent, ModelError};

use crate::support::{assert_agrees, configs, lively, pictures};

/// The first CUDA device, where there is one.
fn cuda() -> Option<Device> {
    if !cfg!(feature = "cuda") {
        return None;
    }
    // Missing libraries are a panic inside.
    let found = std::panic::catch_unwind(|| Device::new_cuda_with_stream(0).ok());
    let device = found.ok().flatten();
    if device.is_none() {
        println!("skipped: no CUDA device");
    }
    device
}

#[test]
fn the_device_form_agrees_with_the_plain_model_and_the_fast_form() {
    for device in std::iter::once(Device::Cpu).chain(cuda()) {
        check_all(&device);
    }
}

fn check_all(device: &Device) {
    // The kernels have no floor of the factor yet: such models run in the plain form.
    for config in configs() {
        let params = lively(&config, 7);
        let x = pictures(&config, 3, 11);
        let refs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let model = DeviceModel::new(&params, device).unwrap();
        let encoded = model.encode(&refs, &|| false).unwrap();

        let fast = FastGlow::new(&params, 2).unwrap();
        for (given, expected) in encoded.iter().zip(fast.encode(&refs, &|| false).unwrap()) {
            let per_dim = given
                .level_log_prob
                .iter()
                .zip(&expected.level_log_prob)
                .map(|(a, b)| (a - b).abs() / (config.dims() as f64 * 2f64.ln()));
            for (l, bits) in per_dim.enumerate() {
                assert!(bits < 1e-4, "{config:?} level {l}: {bits} bits/dim");
            }
        }

        assert_agrees(&params, &x, &encoded, |latents| {
            model.decode(latents, &|| false).unwrap()
        });
    }
}

#[test]
fn cancelling_stops_the_device_form_between_steps() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let config = &configs()[0];
    let model = DeviceModel::new(&lively(config, 1), &Device::Cpu).unwrap();
    let x = pictures(config, 1, 2);
    let zero = Latent::zeros(&config.latent_shape());
    for stop_at in 0..config.levels * config.depth {
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) == stop_at;
        let encoded = model.encode(&[x[0].as_slice()], &cancelled);
        assert!(matches!(encoded, Err(ModelError::Cancelled)));
        asked.store(0, Ordering::Relaxed);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) == stop_at;
        let decoded = model.decode(&[&zero], &cancelled);
        assert!(matches!(decoded, Err(ModelError::Cancelled)));
    }
    assert!(model.decode(&[&zero], &|| false).is_ok());
    let wrong = Latent::default();
    assert!(model.decode(&[&wrong], &|| false).is_err());
    assert!(model.encode(&[&x[0][1..]], &|| false).is_err());
    assert!(model.encode(&[], &|| false).unwrap().is_empty());
}
