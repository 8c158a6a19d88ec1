//! The configuration of a model, validated once where it is built, and the shapes it implies.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::latent::{EpsShape, LatentShape};

/// How a step of flow mixes its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permutation {
    /// Invertible 1x1 convolution with `W` kept as `P (L + I) (U + diag(s))`.
    InvconvLu,
    /// Invertible 1x1 convolution with `W` kept as it is (the paper's released code).
    Invconv,
    /// A fixed random permutation of the channels.
    Shuffle,
    /// The channels in reverse order (RealNVP).
    Reverse,
}

impl Permutation {
    /// In words.
    pub fn about(self) -> &'static str {
        match self {
            Self::InvconvLu => "invertible 1x1 convolution, as LU factors",
            Self::Invconv => "invertible 1x1 convolution",
            Self::Shuffle => "a fixed shuffle",
            Self::Reverse => "channels in reverse order, as RealNVP",
        }
    }
}

/// What a coupling layer does to the half of the channels that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coupling {
    /// `y2 = (x2 + shift) * s`, `s = f + (1 - f) sigmoid(raw + 2)` with [`GlowConfig::scale_floor`] `f`.
    Affine,
    /// `y2 = x2 + net(x1)`.
    Additive,
}

/// The least factor `f` of an affine coupling, `0 <= f < 1`: the factor is `f + (1 - f) sigmoid(raw + 2)`, so that no
/// step of the inverse enlarges a value by more than `1 / f`.
///
/// A number of its own type because a config is compared and hashed: it is never NaN and never negative zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScaleFloor(f32);

impl ScaleFloor {
    /// No floor: the plain sigmoid.
    pub const NONE: Self = Self(0.0);

    /// A floor, where `0 <= value < 1`.
    pub fn new(value: f32) -> Option<Self> {
        // Adding zero makes a negative zero positive.
        (0.0..1.0).contains(&value).then_some(Self(value + 0.0))
    }

    /// The number.
    pub fn value(self) -> f32 {
        self.0
    }

    fn is_none(&self) -> bool {
        self.0 == 0.0
    }
}

// Values are finite, and zero has one form.
impl Eq for ScaleFloor {}

impl std::hash::Hash for ScaleFloor {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// What a 3x3 convolution sees outside the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// One more input channel that is one on the padding and zero inside (the paper's code).
    #[default]
    EdgeBias,
    /// Zeros.
    Zeros,
    /// Ones for the convolutions that carry a `log_scale`, zeros for the others.
    FinalOnes,
}

/// The factor of an affine coupling, where another program has another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleFunction {
    /// `s = f + (1 - f) sigmoid(raw + 2)` with [`GlowConfig::scale_floor`] `f`.
    #[default]
    Sigmoid,
    /// `s = exp(raw)` (RealNVP).
    Exp,
    /// `s = 1 / sigmoid(raw + 2)`.
    InverseSigmoid,
}

/// What a split knows of the half that it factors out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitPrior {
    /// Mean and log_std are a convolution of the half that goes on.
    #[default]
    Conv,
    /// Mean and log_std are numbers of their own, as at the top.
    Table,
}

/// Where models of other programs compute another function than the paper's code (format version 2). The default changes
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// The factor of an affine coupling.
    pub scale_function: ScaleFunction,
    /// The prior of what a split factors out.
    pub split_prior: SplitPrior,
    /// Values of a condition, such as classes or attributes, that the priors are given; 0: none.
    pub condition: usize,
}

impl Variant {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what only a plain model can do.
    ///
    /// Errors: a model of another program's function.
    pub fn refuse(&self, what: &str) -> Result<(), ConfigError> {
        if self.is_none() {
            return Ok(());
        }
        Err(ConfigError {
            field: "variant",
            found: serde_json::to_string(self).unwrap_or_default(),
            expected: format!("{what} takes models of the plain function only"),
        })
    }
}

/// A detail stage of a chain (format version 2): a flow of the next octave of a picture given the picture below it.
///
/// The details of a picture `[c, 2h, 2w]`, three Haar differences for each 2x2 block, are squeezed to `[12 c, h/2, w/2]`
/// and go through `depth` steps of flow, conditioned by `features` that a network, the trunk, takes from the low-pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailConfig {
    /// Steps of flow.
    pub depth: usize,
    /// Hidden channels of a coupling network.
    pub width: usize,
    /// Channels of the trunk.
    pub trunk: usize,
    /// Residual blocks of the trunk.
    pub blocks: usize,
    /// Channels that the trunk hands to the steps and the prior.
    pub features: usize,
    /// The least factor of its affine couplings.
    #[serde(default, skip_serializing_if = "ScaleFloor::is_none")]
    pub scale_floor: ScaleFloor,
}

/// Everything that decides the shape and the meaning of a model's tensors.
///
/// Build one with [`GlowConfig::validated`], or through serde, which asks it: a value that passed it has consistent,
/// bounded shapes. A key that no field has is refused with the one that may be meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GlowConfig {
    /// Pixels a side; divisible by `2^levels`.
    pub image_size: usize,
    /// Colour channels of a picture: 3, or 1.
    #[serde(default = "three")]
    pub channels: usize,
    /// Levels `L`: squeeze, `depth` steps of flow, split.
    pub levels: usize,
    /// Steps of flow a level, `K`.
    pub depth: usize,
    /// Hidden channels of a coupling network.
    pub width: usize,
    /// The channel mixing of a step.
    pub permutation: Permutation,
    /// The coupling of a step.
    pub coupling: Coupling,
    /// Bits a subpixel, 1 to 8.
    #[serde(default = "five")]
    pub bits: u32,
    /// Padding of the 3x3 convolutions.
    #[serde(default)]
    pub padding: Padding,
    /// What differs in models of other programs (format version 2).
    #[serde(default, skip_serializing_if = "Variant::is_none")]
    pub variant: Variant,
    /// The least factor of an affine coupling (format version 2).
    #[serde(default, skip_serializing_if = "ScaleFloor::is_none")]
    pub scale_floor: ScaleFloor,
    /// Detail stages on top of the plain Glow, coarsest first (format version 2). The Glow then models the picture
    /// reduced by `2^stages`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<DetailConfig>,
}

// `remote` gives both functions as the type's own, so that a check can stand before the one that reads.
impl Serialize for GlowConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for GlowConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let map = serde_json::Map::deserialize(from)?;
        check_keys(map.keys().map(String::as_str), &Self::FIELDS).map_err(de::Error::custom)?;
        let config = Self::deserialize(serde_json::Value::Object(map));
        let config = config.map_err(de::Error::custom)?;
        config.validated().map_err(de::Error::custom)
    }
}

/// Refuses a key that is none of those known, and names the one that may be meant.
///
/// Errors: what is wrong and what would be right, in a sentence.
pub fn check_keys<'a>(
    keys: impl IntoIterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), String> {
    let Some(key) = keys.into_iter().find(|key| !known.contains(key)) else {
        return Ok(());
    };
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(key, k), k));
    // A third of the letters may be wrong.
    let near = near.filter(|(distance, k)| 3 * distance <= k.len().max(3));
    let key = crate::quote::piece(key);
    Err(match near.min() {
        Some((_, meant)) => format!("{key}: did you mean {meant}?"),
        None => format!("{key} is no key of it; choose of {}", known.join(", ")),
    })
}

fn three() -> usize {
    3
}

fn five() -> u32 {
    5
}

/// A configuration that no model can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config: {field} is {found}, but {expected}")]
pub struct ConfigError {
    /// The field at fault.
    pub field: &'static str,
    /// Its value.
    pub found: String,
    /// What would be valid.
    pub expected: String,
}

/// Shape of the flow at one level, and of the latent it leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelShape {
    /// Channels of the flow after the squeeze, `c`.
    pub channels: usize,
    /// Channels of the eps that this level factors out: `c/2`, or `c` at the last level.
    pub eps_channels: usize,
    /// Height and width in pixels after the squeeze.
    pub side: usize,
}

impl LevelShape {
    /// Numbers in this level's eps.
    pub fn eps_len(&self) -> usize {
        self.eps_channels * self.side * self.side
    }
}

impl GlowConfig {
    /// The keys of the fields.
    pub const FIELDS: [&str; 12] = [
        "image_size",
        "channels",
        "levels",
        "depth",
        "width",
        "permutation",
        "coupling",
        "bits",
        "padding",
        "variant",
        "scale_floor",
        "detail",
    ];

    /// Checks every field and the limits that keep a hostile file from exhausting the memory.
    pub fn validated(self) -> Result<Self, ConfigError> {
        let err = |field, found: &dyn std::fmt::Display, expected: &str| {
            Err(ConfigError {
                field,
                found: found.to_string(),
                expected: expected.to_owned(),
            })
        };
        if self.channels != 3 && self.channels != 1 {
            return err("channels", &self.channels, "a picture has 3 channels, or 1");
        }
        if !(1..=8).contains(&self.levels) {
            return err("levels", &self.levels, "1 to 8 levels are possible");
        }
        if self.detail.len() > 4 {
            return err(
                "detail",
                &self.detail.len(),
                "at most 4 stages are possible",
            );
        }
        let parts = 1 << (self.levels + self.detail.len());
        if self.image_size == 0 || self.image_size > 1024 || !self.image_size.is_multiple_of(parts)
        {
            let expected =
                format!("it must be at most 1024 and divisible by 2^(levels + stages) = {parts}");
            return err("image_size", &self.image_size, &expected);
        }
        for stage in &self.detail {
            let sizes = [
                (stage.depth, 1, 256, "steps"),
                (stage.width, 1, 4096, "hidden channels"),
                (stage.trunk, 1, 4096, "channels of the trunk"),
                (stage.blocks, 0, 64, "blocks of the trunk"),
                (stage.features, 1, 4096, "features"),
            ];
            for (found, least, most, what) in sizes {
                if !(least..=most).contains(&found) {
                    let found = format!("a stage of {found} {what}");
                    return err("detail", &found, &format!("{least} to {most} are possible"));
                }
            }
            if ScaleFloor::new(stage.scale_floor.value()).is_none() {
                let found = format!("a stage of scale_floor {}", stage.scale_floor.value());
                return err("detail", &found, "a floor is at least 0 and less than 1");
            }
        }
        if !self.detail.is_empty() && !self.variant.is_none() {
            return err(
                "detail",
                &"given beside a variant",
                "stages stand on a plain model only",
            );
        }
        if !(1..=256).contains(&self.depth) {
            return err("depth", &self.depth, "1 to 256 steps a level are possible");
        }
        if !(1..=4096).contains(&self.width) {
            return err(
                "width",
                &self.width,
                "1 to 4096 hidden channels are possible",
            );
        }
        if !(1..=8).contains(&self.bits) {
            return err("bits", &self.bits, "a subpixel has 1 to 8 bits");
        }
        if ScaleFloor::new(self.scale_floor.value()).is_none() {
            return err(
                "scale_floor",
                &self.scale_floor.value(),
                "a floor is at least 0 and less than 1",
            );
        }
        if self.variant.condition > 4096 {
            let found = format!("a condition of {} values", self.variant.condition);
            return err("variant", &found, "at most 4096 are possible");
        }
        if self.variant.scale_function != ScaleFunction::Sigmoid && !self.scale_floor.is_none() {
            return err(
                "variant",
                &"another scale_function and a scale_floor",
                "only one of the two is possible",
            );
        }
        Ok(self)
    }

    /// The floor of the couplings' factor, where they are affine.
    pub fn affine(&self) -> Option<ScaleFloor> {
        (self.coupling == Coupling::Affine).then_some(self.scale_floor)
    }

    /// Whether format version 1 can say what this config says.
    pub fn is_version_1(&self) -> bool {
        self.scale_floor.is_none() && self.variant.is_none() && self.detail.is_empty()
    }

    /// Pixels a side of the picture that the plain Glow models: `image_size / 2^stages`.
    pub fn base_size(&self) -> usize {
        self.image_size >> self.detail.len()
    }

    /// The plain Glow at the bottom of the chain; the model itself where it has no stages.
    pub fn base(&self) -> Self {
        Self {
            image_size: self.base_size(),
            detail: Vec::new(),
            ..self.clone()
        }
    }

    /// The flow of detail stage `i` (0 the coarsest) as a Glow of one level over pictures of three details a channel, which
    /// is what it is but for its conditions. It is no config of a model: its channels are not those of a picture.
    ///
    /// # Panics
    /// Where there is no such stage.
    pub fn stage(&self, i: usize) -> Self {
        let stage = self.detail[i];
        Self {
            image_size: self.base_size() << i,
            channels: 3 * self.channels,
            levels: 1,
            depth: stage.depth,
            width: stage.width,
            padding: Padding::Zeros,
            scale_floor: stage.scale_floor,
            detail: Vec::new(),
            ..self.clone()
        }
    }

    /// Numbers in a picture, `D = channels * image_size^2`.
    pub fn dims(&self) -> usize {
        self.channels * self.image_size * self.image_size
    }

    /// Values a subpixel can take, `2^bits`.
    pub fn bins(&self) -> f32 {
        (1u32 << self.bits) as f32
    }

    /// The shape of the flow at each level of the plain Glow, finest first; detail stages are no levels.
    pub fn level_shapes(&self) -> Vec<LevelShape> {
        let (mut c, mut side) = (self.channels, self.base_size());
        (0..self.levels)
            .map(|level| {
                let last = level + 1 == self.levels;
                (c, side) = (4 * c, side / 2);
                let shape = LevelShape {
                    channels: c,
                    eps_channels: if last { c } else { c / 2 },
                    side,
                };
                if !last {
                    c /= 2;
                }
                shape
            })
            .collect()
    }

    /// The parts of the flow in a line, for people: `4 levels of 16 steps, width 128; detail 128 of 12 steps, width 96`.
    pub fn parts_text(&self) -> String {
        let mut text = format!(
            "{} levels of {} steps, width {}",
            self.levels, self.depth, self.width
        );
        for (i, stage) in self.detail.iter().enumerate() {
            let (size, depth, width) = (self.base_size() << (i + 1), stage.depth, stage.width);
            text += &format!("; detail {size} of {depth} steps, width {width}");
        }
        text
    }

    /// What the latents of such a model look like.
    pub fn latent_shape(&self) -> LatentShape {
        let level = |s: &LevelShape| EpsShape {
            channels: s.eps_channels,
            side: s.side,
        };
        let stages = (0..self.detail.len()).rev().map(|i| EpsShape {
            channels: 12 * self.channels,
            side: (self.base_size() << i) / 2,
        });
        LatentShape {
            levels: stages
                .chain(self.level_shapes().iter().map(level))
                .collect(),
            stages: self.detail.len(),
            condition: self.variant.condition,
        }
    }

    /// Output channels of a coupling network at a level with `channels`: shift and raw, or shift alone.
    pub fn coupling_out(&self, channels: usize) -> usize {
        match self.coupling {
            Coupling::Affine => channels,
            Coupling::Additive => channels / 2,
        }
    }

    /// Multiply-adds of one decode (or encode) of one picture, times two, in floating-point operations.
    pub fn flops(&self) -> f64 {
        let mut total = 0.0;
        for (level, s) in self.level_shapes().iter().enumerate() {
            let (c, m, w, o) = (
                s.channels as f64,
                (s.channels / 2) as f64,
                self.width as f64,
                self.coupling_out(s.channels) as f64,
            );
            let step = 9.0 * m * w + w * w + 9.0 * w * o + c * c;
            let prior = if level + 1 < self.levels {
                9.0 * m * c
            } else {
                0.0
            };
            total += 2.0 * (s.side * s.side) as f64 * (step * self.depth as f64 + prior);
        }
        for (i, stage) in self.detail.iter().enumerate() {
            let (t, u) = (stage.trunk as f64, stage.features as f64);
            let (w, c) = (stage.width as f64, 12.0 * self.channels as f64);
            let trunk = 9.0 * (4.0 * self.channels as f64 + 2.0 * stage.blocks as f64 * t) * t;
            let given = t * u + 18.0 * u * c + u * w * stage.depth as f64;
            let flow = self.stage(i);
            total += flow.flops();
            let side = (flow.image_size / 2) as f64;
            total += 2.0 * side * side * (trunk + given);
        }
        total
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small configuration: D = 3 * 8 * 8 = 192 in two levels.
    pub(crate) fn tiny_config() -> GlowConfig {
        GlowConfig {
            image_size: 8,
            channels: 3,
            levels: 2,
            depth: 1,
            width: 8,
            permutation: Permutation::InvconvLu,
            coupling: Coupling::Affine,
            bits: 5,
            variant: Variant::default(),
            padding: Padding::Zeros,
            scale_floor: ScaleFloor::NONE,
            detail: Vec::new(),
        }
    }

    fn read(text: &str) -> Result<GlowConfig, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    const GOOD: &str = r#"{"image_size":16,"levels":2,"depth":1,"width":8,"permutation":"reverse","coupling":"affine"}"#;

    #[test]
    fn a_misspelt_key_is_refused_with_the_right_one() {
        let config = read(GOOD).unwrap();
        assert_eq!((config.channels, config.bits), (3, 5));
        let refused = |from: &str, to: &str, part: &str| {
            let error = read(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        refused("{", r#"{"chanels":1,"#, "chanels: did you mean channels?");
        refused("depth", "dpeth", "dpeth: did you mean depth?");
        refused(
            "{",
            r#"{"dropout":1,"#,
            "dropout is no key of it; choose of image_size",
        );
        refused("\"depth\":1,", "", "depth");
        refused("reverse", "reversed", "reversed");
        // What no model can have is not read either.
        refused("\"levels\":2", "\"levels\":9", "levels is 9");
        assert!(read("[]").is_err() && read("{").is_err());
    }

    #[test]
    fn the_fields_are_those_that_are_written() {
        let mut config = tiny_config();
        let value = serde_json::to_value(&config).unwrap();
        assert_eq!(serde_json::from_value::<GlowConfig>(value).unwrap(), config);
        // Those that are left out where they change nothing; a config that is only written may have all at once.
        config.variant.condition = 1;
        config.scale_floor = ScaleFloor::new(0.5).unwrap();
        let stage = r#"{"depth":1,"width":8,"trunk":8,"blocks":0,"features":4}"#;
        config.detail = vec![serde_json::from_str(stage).unwrap()];
        let value = serde_json::to_value(&config).unwrap();
        let mut written: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut fields = GlowConfig::FIELDS.to_vec();
        written.sort_unstable();
        fields.sort_unstable();
        assert_eq!(written, fields);
    }

    /// A chain of two stages, as a file has it.
    const CHAIN: &str = r#"{"image_size":64,"channels":3,"levels":2,"depth":1,"width":8,"permutation":"invconv_lu","coupling":"affine",
        "bits":8,"padding":"edge_bias","scale_floor":0.5,"detail":[
        {"depth":2,"width":9,"trunk":10,"blocks":1,"features":6,"scale_floor":0.7},{"depth":1,"width":9,"trunk":10,"blocks":0,"features":6}]}"#;

    #[test]
    fn stages_are_the_finest_levels_and_are_called_by_their_size() {
        let config = read(CHAIN).unwrap();
        let shape = config.latent_shape();
        let sides = shape.levels.iter().map(|l| (l.channels, l.side));
        let sides: Vec<(usize, usize)> = sides.collect();
        assert_eq!(sides, [(36, 16), (36, 8), (6, 8), (24, 4)]);
        let names: Vec<String> = (0..4).map(|l| shape.level_name(l)).collect();
        assert_eq!(names, ["detail 64", "detail 32", "level 1", "level 2"]);
        assert_eq!(shape.dims(), config.dims());
        assert_eq!(config.base().latent_shape().dims(), 3 * 16 * 16);
        assert!(!config.is_version_1() && config.base().detail.is_empty());
        assert_eq!(
            config.parts_text(),
            "2 levels of 1 steps, width 8; detail 32 of 2 steps, width 9; detail 64 of 1 steps, width 9"
        );
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&text).unwrap(), config);
    }

    #[test]
    fn bad_stages_are_refused_with_a_reason() {
        let refused = |from: &str, to: &str, word: &str| {
            let error = read(&CHAIN.replace(from, to)).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        refused("\"image_size\":64", "\"image_size\":72", "stages");
        refused("\"blocks\":1", "\"blocks\":999", "999 blocks");
        refused("\"features\":6}", "\"features\":0}", "0 features");
        refused("0.7", "1.5", "floor");
        refused("\"trunk\":10", "\"trunks\":10", "trunks");
        refused(
            "\"scale_floor\":0.5",
            "\"variant\":{\"condition\":1}",
            "stages",
        );
    }
}
