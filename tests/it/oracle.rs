//! Against numbers of an independent PyTorch implementation; `tests/data/make_oracle.py` made the files.

use std::path::{Path, PathBuf};

use glow_explorer::files::weights;
use glow_explorer::model::pixels::largest_difference;
use glow_explorer::model::{DeviceChoice, GlowModel};
use image::RgbImage;
use safetensors::SafeTensors;

use crate::support::largest;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn numbers(tensors: &SafeTensors, name: &str) -> Vec<f32> {
    let tensor = tensors.tensor(name).unwrap();
    tensor
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

#[test]
fn numbers_agree_with_those_of_pytorch() {
    let mut n_files = 0;
    for entry in std::fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path
            .to_string_lossy()
            .strip_suffix(".oracle.safetensors")
            .map(str::to_owned)
        else {
            continue;
        };
        n_files += 1;
        let bytes = std::fs::read(&path).unwrap();
        let oracle = SafeTensors::deserialize(&bytes).unwrap();
        let params = weights::read(format!("{name}.safetensors").as_ref())
            .unwrap()
            .params;
        let size = params.config.image_size;
        let pictures: Vec<RgbImage> = oracle
            .tensor("images")
            .unwrap()
            .data()
            .chunks_exact(3 * size * size)
            .map(|p| RgbImage::from_raw(size as u32, size as u32, p.to_vec()).unwrap())
            .collect();
        let model = GlowModel::new(&params, &DeviceChoice::Cpu, 2).unwrap();
        let encoded = model.encode(&pictures, &|| false).unwrap();
        for l in 0..params.config.latent_shape().levels.len() {
            let expected = numbers(&oracle, &format!("eps{l}"));
            let given: Vec<f32> = encoded
                .iter()
                .flat_map(|e| e.latent.levels[l].data.clone())
                .collect();
            assert!(
                largest_difference(&given, &expected) <= 1e-3 * largest(&expected),
                "{name}: eps of level {l}"
            );
        }
        for (e, bits) in encoded.iter().zip(numbers(&oracle, "bits_per_dim")) {
            assert!(
                (e.bits_per_dim - f64::from(bits)).abs() < 1e-4,
                "{name}: {} {bits} bits/dim",
                e.bits_per_dim
            );
        }
        let latents: Vec<_> = encoded.iter().map(|e| e.latent.clone()).collect();
        let decoded = model.decode(&latents, &|| false).unwrap();
        let x: Vec<f32> = decoded.iter().flat_map(|d| d.x.clone()).collect();
        // One of 255 in the model's units is 1/255; the peer's own numbers are far closer than that.
        assert!(
            largest_difference(&x, &numbers(&oracle, "decoded")) < 1e-3,
            "{name}: decoded"
        );
        let theirs = largest_difference(&numbers(&oracle, "decoded"), &numbers(&oracle, "x"));
        let inputs: Vec<f32> = encoded.iter().flat_map(|e| e.x.clone()).collect();
        let ours = largest_difference(&x, &inputs);
        assert!(
            ours <= 2.0 * theirs + 1e-6,
            "{name}: round trip {ours}, theirs {theirs}"
        );
    }
    assert_eq!(n_files, 7);
}
