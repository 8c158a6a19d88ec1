//! Hands the face detector's model, which the `rustface` crate carries, to `src/data/faces.rs`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crate that carries the model, and the model's place in it.
const CRATE: &str = "rustface";
const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";
/// Names the model file directly, for builds that cannot find it.
const OVERRIDE: &str = "GLOW_EXPLORER_FACE_MODEL";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-env-changed={OVERRIDE}");

    let model = env::var_os(OVERRIDE)
        .map(PathBuf::from)
        .or_else(from_cargo_metadata)
        .or_else(from_registry)
        .unwrap_or_else(|| {
            panic!(
                "the face detector's model {MODEL} of crate {CRATE} was not found; run `cargo fetch`, \
                 or set {OVERRIDE} to the path of that file"
            )
        });
    println!("cargo::rerun-if-changed={}", model.display());
    let target = PathBuf::from(variable("OUT_DIR")).join("face_model.bin");
    if let Err(error) = fs::copy(&model, &target) {
        panic!(
            "{} cannot be copied to {}: {error}",
            model.display(),
            target.display()
        );
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo did not set {name}"))
}

/// Asks cargo where the crate lies: right for registries, vendored and patched dependencies.
fn from_cargo_metadata() -> Option<PathBuf> {
    // Without the network and the dependencies of other platforms, which may not be downloaded.
    let output = Command::new(env::var_os("CARGO")?)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--no-default-features", "--filter-platform"])
        .arg(variable("TARGET"))
        .arg("--manifest-path")
        .arg(Path::new(&variable("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .ok()?;
    let json = String::from_utf8(output.stdout).ok()?;
    // A JSON parser would be one more crate to build; this field holds nothing but a path.
    json.split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|path| PathBuf::from(path.replace("\\\\", "\\")))
        .filter_map(|manifest| manifest.parent().map(Path::to_owned))
        .find_map(|folder| model_in(&folder))
}

/// Looks through the registry's sources: an installed package brings no development
/// dependencies, without which the metadata are refused.
fn from_registry() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let user = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"))?;
        Some(PathBuf::from(user).join(".cargo"))
    })?;
    let registries = fs::read_dir(home.join("registry").join("src")).ok()?;
    registries
        .flatten()
        .filter_map(|registry| fs::read_dir(registry.path()).ok())
        .flatten()
        .flatten()
        .find_map(|folder| model_in(&folder.path()))
}

/// The model in this folder, where it is the crate's.
fn model_in(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_str()?;
    let is_crate = name == CRATE || name.strip_prefix(CRATE)?.starts_with('-');
    let model = folder.join(MODEL);
    (is_crate && model.is_file()).then_some(model)
}
