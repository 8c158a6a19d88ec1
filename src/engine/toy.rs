//! A stand-in for the model, exactly invertible and instant: a Haar transform in Glow's shape. Tests
//! can hold it between two decodes, make it panic, and read what it was asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender};
use image::RgbImage;

use super::message::ModelInfo;
use super::seams::{Cancelled, Codec, OpenedModel};
use crate::latent::attributes::Directions;
use crate::model::{Condition, Decoded, Encoded, GlowConfig, Latent, ModelError, WalkStep};

/// eps of the toy are this much larger than Haar coefficients, so that they are about unit normal.
const SCALE: f32 = 4.0;

/// A picture that begins with this makes the toy panic when it is encoded.
pub(crate) const PANICS_ON: image::Rgb<u8> = image::Rgb([1, 2, 3]);

/// See the module.
pub(crate) struct ToyCodec {
    pub(crate) config: GlowConfig,
    /// Holds every decode until a test lets it go on; free where there is none.
    pub(crate) gate: Option<Gate>,
    /// Decodes that are still to panic.
    pub(crate) panics: Arc<AtomicUsize>,
}

/// The codec's side of a gate.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Says how many latents a decode has before it waits.
    pub(crate) arrived: Sender<usize>,
    /// One message lets one decode go on; closed, all.
    pub(crate) go: Receiver<()>,
}

impl ToyCodec {
    pub(crate) fn new(config: GlowConfig) -> Self {
        Self {
            config,
            gate: None,
            panics: Arc::default(),
        }
    }

    /// Channels and side of what level `l` takes apart: a stage's details keep three of the four parts.
    fn squeezed(&self, l: usize) -> (usize, usize) {
        let shape = self.config.latent_shape();
        match shape.levels[l] {
            stage if l < shape.stages => (stage.channels / 12, 4 * stage.side),
            level => {
                let channels = self.config.level_shapes()[l - shape.stages].channels;
                (channels / 4, 2 * level.side)
            }
        }
    }
}

/// `[c, s, s] -> [4c, s/2, s/2]`, orthonormal and its own inverse within each 2x2 block.
fn haar(x: &[f32], c: usize, side: usize) -> Vec<f32> {
    let h = side / 2;
    let mut y = vec![0.0; x.len()];
    for ch in 0..c {
        for i in 0..h * h {
            let (r, q) = (2 * (i / h), 2 * (i % h));
            let at = |dy, dx| x[(ch * side + r + dy) * side + q + dx];
            let block = butterfly([at(0, 0), at(0, 1), at(1, 0), at(1, 1)]);
            for (k, v) in block.into_iter().enumerate() {
                y[(k * c + ch) * h * h + i] = v;
            }
        }
    }
    y
}

fn unhaar(y: &[f32], c: usize, side: usize) -> Vec<f32> {
    let h = side / 2;
    let mut x = vec![0.0; y.len()];
    for ch in 0..c {
        for i in 0..h * h {
            let (r, q) = (2 * (i / h), 2 * (i % h));
            let block = butterfly([0, 1, 2, 3].map(|k| y[(k * c + ch) * h * h + i]));
            for (k, v) in block.into_iter().enumerate() {
                x[(ch * side + r + k / 2) * side + q + k % 2] = v;
            }
        }
    }
    x
}

fn butterfly([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d].map(|v| v / 2.0)
}

impl Codec for ToyCodec {
    fn config(&self) -> &GlowConfig {
        &self.config
    }

    fn encode(
        &self,
        pictures: &[RgbImage],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        let side = self.config.image_size;
        let input = |picture: &RgbImage| {
            if picture.dimensions() != (side as u32, side as u32) {
                return Err(ModelError::Shape {
                    what: "picture".to_owned(),
                    expected: side.to_string(),
                    found: picture.width().to_string(),
                });
            }
            assert!(*picture.get_pixel(0, 0) != PANICS_ON, "toy panic");
            let raw = picture.as_raw();
            let x = (0..3 * side * side)
                .map(|i| f32::from(raw[i % (side * side) * 3 + i / (side * side)] / 8))
                .map(|bin| (bin + 0.5) / 32.0 - 0.5);
            Ok(x.collect())
        };
        let x: Result<_, ModelError> = pictures.iter().map(input).collect();
        self.encode_x(x?, &Condition::default(), cancelled)
    }

    fn encode_x(
        &self,
        x: Vec<Vec<f32>>,
        _condition: &Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, ModelError> {
        let encode = |x: Vec<f32>| {
            if cancelled() {
                return Err(ModelError::Cancelled);
            }
            let mut latent = Latent::zeros(&self.config.latent_shape());
            let mut flow = x.clone();
            for (l, level) in latent.levels.iter_mut().enumerate() {
                let (channels, side) = self.squeezed(l);
                flow = haar(&flow, channels, side);
                let kept = flow.len() - level.data.len();
                for (e, v) in level.data.iter_mut().zip(&flow[kept..]) {
                    *e = SCALE * v;
                }
                flow.truncate(kept);
            }
            let d = self.config.dims() as f64;
            let level_bits: Vec<f64> = latent
                .levels
                .iter()
                .map(|e| {
                    e.data
                        .iter()
                        .map(|&v| 0.5 * f64::from(v).powi(2))
                        .sum::<f64>()
                        / d
                })
                .collect();
            Ok(Encoded {
                latent,
                bits_per_dim: level_bits.iter().sum::<f64>() + f64::from(self.config.bits),
                level_bits,
                x,
            })
        };
        x.into_iter().map(encode).collect()
    }

    fn has_drafts(&self) -> bool {
        true
    }

    /// Negatives, which nobody takes for the pictures.
    fn draft(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, ModelError> {
        let mut decoded = self.decode(latents, cancelled)?;
        for picture in &mut decoded {
            picture.pixels.iter_mut().for_each(|v| *v = 255 - *v);
        }
        Ok(decoded)
    }

    /// The picture alone: a toy has no steps.
    fn walk(&self, latent: &Latent, cancelled: Cancelled<'_>) -> Result<Vec<WalkStep>, ModelError> {
        let decoded = self.decode(std::slice::from_ref(latent), cancelled)?;
        let steps = decoded.into_iter().map(|d| WalkStep {
            level: 0,
            undone: 0,
            pixels: Arc::new(d.pixels),
        });
        Ok(steps.collect())
    }

    fn decode(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, ModelError> {
        if let Some(gate) = &self.gate {
            let _ = gate.arrived.send(latents.len());
            let _ = gate.go.recv();
        }
        if cancelled() {
            return Err(ModelError::Cancelled);
        }
        let one_less = |n: usize| n.checked_sub(1);
        let panics = self
            .panics
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        assert!(panics.is_err(), "toy panic");
        let decode = |latent: &Latent| {
            assert!(latent.fits(&self.config.latent_shape()));
            let mut flow: Vec<f32> = Vec::new();
            for (l, level) in latent.levels.iter().enumerate().rev() {
                let (channels, side) = self.squeezed(l);
                flow.extend(level.data.iter().map(|v| v / SCALE));
                flow = unhaar(&flow, channels, side);
            }
            let (side, plane) = (self.config.image_size as u32, flow.len() / 3);
            let pixels = RgbImage::from_fn(side, side, |px, py| {
                let at = (py * side + px) as usize;
                image::Rgb([0, 1, 2].map(|c| {
                    let bin = ((flow[c * plane + at] + 0.5) * 32.0).floor();
                    (bin * 8.0).clamp(0.0, 255.0) as u8
                }))
            });
            Decoded {
                non_finite: flow.iter().filter(|v| !v.is_finite()).count(),
                x: flow,
                pixels,
            }
        };
        Ok(latents.iter().map(decode).collect())
    }
}

/// Opens a toy of 8 pixels, or of as many as the path says: `16`, or `16-2` for another training of that shape.
/// `missing` cannot be opened.
pub(crate) fn open_toy(
    path: Option<&Path>,
    gate: Option<Gate>,
    panics: Arc<AtomicUsize>,
) -> Result<OpenedModel, String> {
    let name = path.map_or("8".to_owned(), |p| p.display().to_string());
    let (side, training) = name.split_once('-').unwrap_or((&name, "0"));
    let missing = || format!("no such model: {name}");
    let side: usize = side.parse().map_err(|_| missing())?;
    let training: u32 = training.parse().map_err(|_| missing())?;
    let config = GlowConfig {
        image_size: side,
        ..crate::latent::tests::tiny_config()
    };
    let codec = ToyCodec {
        gate,
        panics,
        ..ToyCodec::new(config.clone())
    };
    let info = ModelInfo {
        answers: Default::default(),
        name,
        path: path.map(Path::to_owned),
        n_parameters: 0,
        fingerprint: format!("{side:016x}{training:016x}").parse().unwrap(),
        provenance: "{}".to_owned(),
        device: "toy".to_owned(),
        tensors: Arc::default(),
        condition_names: Vec::new(),
        config,
    };
    Ok(OpenedModel {
        codec: Box::new(codec),
        info,
        directions: Directions::default(),
        warnings: Vec::new(),
        asks: Default::default(),
    })
}

/// A photo of 40 by 30 pixels whose red is this everywhere, in a file named after it.
pub(crate) fn photo(red: u8) -> PathBuf {
    let folder = Path::new(env!("OUT_DIR")).join("toys");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{red}.png"));
    if !path.is_file() {
        let pixels = RgbImage::from_fn(40, 30, |x, _| image::Rgb([red, x as u8, 128]));
        crate::export::write_png(&path, &pixels, None).unwrap();
    }
    path
}

#[test]
fn the_toy_inverts_itself() {
    let config = crate::latent::tests::tiny_config();
    let toy = ToyCodec::new(config);
    let picture = RgbImage::from_fn(8, 8, |x, y| image::Rgb([x as u8 * 31, y as u8 * 31, 77]));
    let encoded = &toy.encode(&[picture], &|| false).unwrap()[0];
    let decoded = &toy
        .decode(std::slice::from_ref(&encoded.latent), &|| false)
        .unwrap()[0];
    for (a, b) in encoded.x.iter().zip(&decoded.x) {
        assert!((a - b).abs() < 1e-6);
    }
    assert_eq!(
        toy.encode(std::slice::from_ref(&decoded.pixels), &|| false)
            .unwrap()[0]
            .x,
        encoded.x
    );
}
