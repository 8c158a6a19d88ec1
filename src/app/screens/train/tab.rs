//! What the train screen remembers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::intake::path_of_text;
use crate::app::state::State;
use crate::engine::message::{EarlierWork, ModelInfo, NetworkSize, TrainBase, TrainOrder};

/// Sizes that are offered: a processor trains larger pictures for days.
pub const SIDES: [(u32, &str, &str); 2] = [
    (32, "32 px", "Four times as fast as 64"),
    (64, "64 px", "Faces are told apart well"),
];

/// Networks that are offered.
pub const NETWORKS: [(NetworkSize, &str, &str); 3] = [
    (
        NetworkSize::Small,
        "Small",
        "16 steps a level, width 128, the coarsest pattern left to the noise: the quickest to learn",
    ),
    (
        NetworkSize::Medium,
        "Medium",
        "16 steps a level, width 128, one level more where the pictures allow: as the shipped faces-64",
    ),
    (
        NetworkSize::Large,
        "Large",
        "32 steps a level, width 512: sharper, and about ten times as slow",
    ),
];

/// Bits a subpixel that are offered.
pub const BITS: [(u32, &str, &str); 3] = [
    (
        5,
        "5",
        "32 shades a colour, as in the paper's faces: learns sooner",
    ),
    (6, "6", "64 shades a colour"),
    (
        8,
        "8",
        "All 256 shades a colour: smooth skies, and slower to learn",
    ),
];

/// Lengths that are offered; 0 has no end.
pub const LENGTHS: [(u64, &str, &str); 4] = [
    (20_000, "20,000", "A first look"),
    (100_000, "100,000", "Enough to see what it will become"),
    (
        1_000_000,
        "1,000,000",
        "Hours to days: learning slows down towards the end, which sharpens the result",
    ),
    (0, "No end", "Goes on until you stop it"),
];

/// Nothing of the train screen is undone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainTab {}

/// The choices for the next training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainDesk {
    /// Folder of pictures, as typed.
    pub images: String,
    /// Whether faces are framed.
    pub crop_faces: bool,
    /// Whether the open model's weights are what it begins with.
    pub from_open: bool,
    /// Pixels a side.
    pub side: u32,
    /// How large the network is.
    pub network: NetworkSize,
    /// Bits a subpixel.
    pub bits: u32,
    /// Pictures to learn from in all; 0 has no end.
    pub length: u64,
    /// Smaller steps.
    pub careful: bool,
    /// Whether half of the pictures are mirrored.
    pub flips: bool,
    /// The weight file, as typed.
    pub out: String,
}

impl Default for TrainDesk {
    fn default() -> Self {
        Self {
            images: String::new(),
            crop_faces: false,
            from_open: false,
            side: 64,
            network: NetworkSize::Small,
            bits: 5,
            length: 100_000,
            careful: false,
            flips: true,
            out: String::new(),
        }
    }
}

impl TrainDesk {
    /// Takes another folder of pictures. The weights' name follows it until somebody has chosen another.
    pub fn set_images(&mut self, images: String) {
        if self.out.trim().is_empty() || self.out == suggested_out(&self.images) {
            self.out = suggested_out(&images);
        }
        self.images = images;
    }

    /// Numbers from a file, held to what is offered.
    pub fn make_sound(&mut self) {
        let usual = Self::default();
        if !SIDES.iter().any(|(side, ..)| *side == self.side) {
            self.side = usual.side;
        }
        if !BITS.iter().any(|(bits, ..)| *bits == self.bits) {
            self.bits = usual.bits;
        }
        if !LENGTHS.iter().any(|(length, ..)| *length == self.length) {
            self.length = usual.length;
        }
    }
}

/// Where the weights learnt from a folder could go: beside it, under its name.
fn suggested_out(images: &str) -> String {
    let folder = path_of_text(images);
    let name = folder.as_deref().and_then(Path::file_name);
    let (Some(folder), Some(name)) = (&folder, name) else {
        return String::new();
    };
    let name = format!("{}-model.safetensors", name.to_string_lossy());
    folder.with_file_name(name).display().to_string()
}

/// Why the open model cannot be trained on; `None` where it can.
pub fn why_not_on(model: &ModelInfo) -> Option<&'static str> {
    let refused = model.config.variant.refuse("training").is_err();
    refused
        .then_some("The open model computes another program's function, which is not trained here")
}

/// The training that the choices come to, or why there is none.
pub fn order(state: &State) -> Result<TrainOrder, &'static str> {
    let desk = &state.desks.train;
    let images = path_of_text(&desk.images).ok_or("Choose a folder of pictures first")?;
    let out = path_of_text(&desk.out).ok_or("Say where the weights go first")?;
    let base = match (desk.from_open, &state.live.model) {
        (false, _) => TrainBase::Fresh {
            side: desk.side,
            network: desk.network,
            bits: desk.bits,
        },
        (true, None) => return Err("No model is open"),
        (true, Some(model)) => match why_not_on(model) {
            Some(reason) => return Err(reason),
            None => TrainBase::Model(model.path.clone()),
        },
    };
    Ok(TrainOrder {
        images,
        crop_faces: desk.crop_faces,
        base,
        out: with_ending(out),
        earlier: EarlierWork::Keep,
        pictures: (desk.length > 0).then_some(desk.length),
        careful: desk.careful,
        flips: desk.flips,
    })
}

/// A name without an ending gets that of weights.
fn with_ending(out: PathBuf) -> PathBuf {
    match out.extension() {
        Some(_) => out,
        None => out.with_extension("safetensors"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_weights_follows_the_folder_until_it_is_chosen() {
        let mut desk = TrainDesk::default();
        desk.set_images("/home/me/cats".to_owned());
        assert_eq!(desk.out, "/home/me/cats-model.safetensors");
        desk.set_images("/home/me/dogs/".to_owned());
        assert_eq!(desk.out, "/home/me/dogs-model.safetensors");
        desk.out = "/data/mine.safetensors".to_owned();
        desk.set_images("/home/me/cats".to_owned());
        assert_eq!(desk.out, "/data/mine.safetensors");
    }

    #[test]
    fn what_no_control_offers_is_not_taken_from_a_file() {
        let text = r#"{"side":77,"bits":0,"length":5,"network":"Large"}"#;
        let mut desk: TrainDesk = serde_json::from_str(text).unwrap();
        desk.make_sound();
        let large = TrainDesk {
            network: NetworkSize::Large,
            ..TrainDesk::default()
        };
        assert_eq!(desk, large);
    }
}
