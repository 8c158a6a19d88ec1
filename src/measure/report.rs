//! The figures of a model for its card: likelihood, round trip, speed, and how many of its pictures show a
//! face beside how many photographs do.

mod markdown;
mod odd;

use std::ops::Range;
use std::time::Instant;

use image::RgbImage;
use serde::Serialize;

use super::figures::{Spread, interval, worst};
use crate::data::batches::PictureSet;
use crate::data::faces::has_face;
use crate::kernels::in_parallel;
use crate::latent::attributes::{AttributeEdit, Directions, EditOptions, Figures};
use crate::latent::interpolate::{PathKind, between};
use crate::latent::temperature::{sample, scaled};
use crate::latent::{Latent, LatentError};
use crate::measure::bench::median;
use crate::model::pixels::{picture_from_x, x_from_bytes};
use crate::model::{Decoded, Encoded, GlowConfig, GlowModel, ModelError, WILD};
use crate::noise::Noise;

/// Pictures that are encoded or decoded together.
const BATCH: usize = 16;

/// Decodes before those that are measured: the first ones fill the caches.
const WARM_UP: usize = 2;

/// The streams of a seed: choices of photographs, and samples whose decoding is measured.
const PAIRS_STREAM: u64 = 1 << 33;
const DECODE_SEED: u64 = 1 << 40;

/// Why a report ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// None of the pictures can be read.
    #[error("none of the pictures can be measured, the first because: {0}")]
    Data(String),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Latents and directions.
    #[error(transparent)]
    Latent(#[from] LatentError),
}

/// What is measured, and on how much.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportOptions {
    /// Decides samples, noise within the bins and the choice of photographs.
    pub seed: u64,
    /// Pictures of the set, the first by name.
    pub pictures: usize,
    /// Of them, those whose round trip is measured.
    pub round_trips: usize,
    /// Samples a temperature.
    pub samples: usize,
    /// Temperatures of the samples.
    pub temperatures: Vec<f32>,
    /// Pairs of photographs whose midpoint is looked at.
    pub pairs: usize,
    /// Photographs edited with each direction.
    pub edits: usize,
    /// By how much they are edited; without it, to both ends of each slider.
    pub amount: Option<f32>,
    /// Generated pictures of each odd kind whose way back is measured.
    pub odd: usize,
    /// Decodes of a single picture whose time is taken.
    pub decodes: usize,
    /// Threads that look for faces.
    pub threads: usize,
}

/// The likelihood and round trip of a set.
#[derive(Debug)]
pub struct Likelihood {
    /// Bits per dimension of each picture.
    pub bits: Vec<f64>,
    /// The mean share of each level in them, less the discretisation's constant.
    pub level_bits: Vec<f64>,
    /// `max |x - decode(encode(x))|` of the first pictures.
    pub round_trips: Vec<f64>,
    /// The pictures that were read, by their place in the set.
    pub readable: Vec<usize>,
    /// Why the first of the others was left out: it cannot be read, or has no likelihood.
    pub first_failure: Option<String>,
    /// The first of those whose way back is not finite; no difference stands for them in `round_trips`.
    pub first_lost: Option<String>,
    /// How many those are.
    pub lost: usize,
}

/// Measures the first `n` pictures, with noise within the bins from `seed`, and the round trip of the
/// first `n_round_trips` of them. `progress` is told of pictures done.
///
/// Errors: no picture can be read, or the model's.
pub fn likelihood(
    model: &GlowModel,
    set: &PictureSet,
    n: usize,
    n_round_trips: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Result<Likelihood, ReportError> {
    let config = model.config();
    let n = n.min(set.len());
    let mut noise = Noise::new(seed);
    let mut found = Likelihood {
        bits: Vec::with_capacity(n),
        level_bits: vec![0.0; config.latent_shape().levels.len()],
        round_trips: Vec::new(),
        readable: Vec::with_capacity(n),
        first_failure: None,
        first_lost: None,
        lost: 0,
    };
    for part in parts(n) {
        let done = part.len();
        let (mut batch, mut indices) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        for index in part {
            match set.get(index) {
                Ok(bytes) => {
                    batch.push(x_from_bytes(&bytes, config, Some(&mut noise)));
                    indices.push(index);
                }
                Err(error) => {
                    found.first_failure.get_or_insert(error.to_string());
                }
            }
        }
        let name = |index: usize| set.name(index).unwrap_or_default();
        let mut encoded = Vec::with_capacity(BATCH);
        for (one, index) in model.encode_x(batch, &|| false)?.into_iter().zip(indices) {
            // One picture without a likelihood would leave none to the whole set.
            if one.bits_per_dim.is_finite() {
                found.readable.push(index);
                encoded.push(one);
            } else {
                let why = format!("the model gives it no finite likelihood: {}", name(index));
                found.first_failure.get_or_insert(why);
            }
        }
        let watched = n_round_trips
            .saturating_sub(found.bits.len())
            .min(encoded.len());
        let trips = round_trips(model, &encoded[..watched])?;
        let new = &found.readable[found.bits.len()..];
        for (trip, &index) in trips.into_iter().zip(new) {
            match trip.is_finite() {
                true => found.round_trips.push(trip),
                false => {
                    found.lost += 1;
                    found.first_lost.get_or_insert(name(index).to_owned());
                }
            }
        }
        for one in &encoded {
            found.bits.push(one.bits_per_dim);
            let levels = found.level_bits.iter_mut().zip(&one.level_bits);
            levels.for_each(|(sum, bits)| *sum += bits);
        }
        progress(done);
    }
    if found.bits.is_empty() {
        let why = found
            .first_failure
            .unwrap_or_else(|| "there is none".to_owned());
        return Err(ReportError::Data(why));
    }
    let n = found.bits.len() as f64;
    found.level_bits.iter_mut().for_each(|sum| *sum /= n);
    Ok(found)
}

/// `max |x - decode(encode(x))|` of each picture.
///
/// Errors: the model's.
pub fn round_trips(model: &GlowModel, encoded: &[Encoded]) -> Result<Vec<f64>, ModelError> {
    let latents: Vec<Latent> = encoded.iter().map(|e| e.latent.clone()).collect();
    let decoded = model.decode(&latents, &|| false)?;
    let one = |(e, d): (&Encoded, &Decoded)| {
        let pairs = e.x.iter().zip(&d.x);
        worst(pairs.map(|(a, b)| f64::from((a - b).abs())))
    };
    Ok(encoded.iter().zip(&decoded).map(one).collect())
}

/// The round trip of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundTrip {
    /// Pictures.
    pub pictures: usize,
    /// The worst of all.
    pub max: f64,
    /// The worst subpixel of the picture in the middle.
    pub median: f64,
}

/// How many pictures of a kind show a face.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaceShare {
    /// Which pictures.
    pub what: String,
    /// How many were looked at.
    pub pictures: usize,
    /// In how many the detector finds a face.
    pub faces: usize,
    /// `faces / pictures`.
    pub share: f64,
    /// In which the true share lies with 95 % certainty.
    pub interval: [f64; 2],
    /// Pictures with values that are not finite.
    pub non_finite: usize,
    /// Others with a value of [`WILD`] or more either way: a patch of noise.
    pub wild: usize,
    /// Mean magnitude of the finest Haar details, in steps of 1/256.
    pub mean_detail: f64,
}

/// The way back of generated pictures that are nothing like photographs of faces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OddRoundTrip {
    /// Their kind.
    pub what: String,
    /// How many.
    pub pictures: usize,
    /// The largest difference of a value; NaN where it is lost.
    pub max: f64,
}

/// What the attributes file says of a direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirectionFigures {
    /// Its name.
    pub name: String,
    /// How it was found and how well it does.
    pub figures: Figures,
}

/// The figures of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// Where it was computed.
    pub device: String,
    /// The model's configuration.
    pub config: GlowConfig,
    /// What was measured.
    pub options: ReportOptions,
    /// Pictures whose likelihood was measured.
    pub pictures: usize,
    /// Pictures that cannot be read.
    pub left_out: usize,
    /// Bits per dimension over these pictures.
    pub bits_per_dim: Spread,
    /// The mean share of each level in them, finest first, less the discretisation's constant.
    pub level_bits: Vec<f64>,
    /// The round trip.
    pub round_trip: Option<RoundTrip>,
    /// The round trips of pictures that no photograph is like.
    pub odd: Vec<OddRoundTrip>,
    /// Median milliseconds of decoding one picture.
    pub decode_ms: Option<f64>,
    /// Faces found.
    pub faces: Vec<FaceShare>,
    /// The directions.
    pub directions: Vec<DirectionFigures>,
    /// The program that measured.
    pub made_by: String,
}

/// Steps that `progress` of [`measure`] is told of, for a set of `n` pictures and so many directions.
pub fn n_steps(options: &ReportOptions, n: usize, n_directions: usize) -> usize {
    let n = n.min(options.pictures);
    let drawn = options.samples * options.temperatures.len() + 2 * options.pairs;
    let n_edits =
        n_directions * options.edits.min(n) * if options.amount.is_some() { 1 } else { 2 };
    2 * n + drawn + n_edits + options.decodes + options.odd * odd::KINDS.len()
}

/// Measures a model; the name is for the report.
///
/// Errors: no picture can be read; the model's; directions of another model.
pub fn measure(
    name: &str,
    model: &GlowModel,
    set: &PictureSet,
    directions: &Directions,
    options: &ReportOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Report, ReportError> {
    let config = model.config();
    // Its time is taken first, before the machine is warm from everything else.
    let decode_ms = decode_ms(model, options, progress)?;
    let n = set.len().min(options.pictures);
    let found = likelihood(model, set, n, options.round_trips, options.seed, progress)?;
    let photos = Photos {
        model,
        set,
        readable: &found.readable,
    };
    let round_trip = (!found.round_trips.is_empty()).then(|| RoundTrip {
        pictures: found.round_trips.len(),
        max: worst(found.round_trips.iter().copied()),
        median: median(&found.round_trips),
    });
    let odd = odd_round_trips(model, options, progress)?;
    let faces = faces(&photos, directions, options, progress)?;
    let directions = directions.as_slice().iter().map(|d| DirectionFigures {
        name: d.name.clone(),
        figures: d.figures.clone(),
    });
    Ok(Report {
        model: name.to_owned(),
        device: model.device_label(),
        config: config.clone(),
        options: options.clone(),
        pictures: found.bits.len(),
        left_out: n - found.bits.len(),
        bits_per_dim: Spread::of(&found.bits),
        level_bits: found.level_bits,
        round_trip,
        odd,
        decode_ms,
        faces,
        directions: directions.collect(),
        made_by: concat!("glow-explorer ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

/// Photographs that can be read.
struct Photos<'a> {
    model: &'a GlowModel,
    set: &'a PictureSet,
    readable: &'a [usize],
}

impl Photos<'_> {
    /// Model inputs, each subpixel in the middle of its bin. A file that has gone since is left out.
    fn inputs(&self, places: impl IntoIterator<Item = usize>) -> Vec<Vec<f32>> {
        let indices = places
            .into_iter()
            .filter_map(|place| self.readable.get(place));
        let bytes = indices.filter_map(|&index| self.set.get(index).ok());
        bytes
            .map(|b| x_from_bytes(&b, self.model.config(), None))
            .collect()
    }

    fn latents(&self, places: impl IntoIterator<Item = usize>) -> Result<Vec<Latent>, ModelError> {
        let encoded = self.model.encode_x(self.inputs(places), &|| false)?;
        Ok(encoded.into_iter().map(|e| e.latent).collect())
    }
}

fn decode_ms(
    model: &GlowModel,
    options: &ReportOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<f64>, ModelError> {
    let mut times = Vec::new();
    let shape = model.config().latent_shape();
    for i in 0..options.decodes + WARM_UP {
        if options.decodes == 0 {
            break;
        }
        // Another picture each time: levels that did not change would not be computed again.
        let latent = [sample(&shape, options.seed ^ DECODE_SEED, i as u32)];
        let start = Instant::now();
        model.decode(&latent, &|| false)?;
        if i >= WARM_UP {
            times.push(1000.0 * start.elapsed().as_secs_f64());
            progress(1);
        }
    }
    Ok((!times.is_empty()).then(|| median(&times)))
}

fn odd_round_trips(
    model: &GlowModel,
    options: &ReportOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<OddRoundTrip>, ModelError> {
    let config = model.config();
    let mut found = Vec::new();
    for kind in odd::KINDS.iter().filter(|_| options.odd > 0) {
        let mut noise = Noise::new(options.seed);
        let mut max = 0.0;
        for part in parts(options.odd) {
            let inputs = part.clone().map(|_| {
                let bytes = kind.bytes(config.image_size, config.channels, &mut noise);
                x_from_bytes(&bytes, config, None)
            });
            let encoded = model.encode_x(inputs.collect(), &|| false)?;
            max = worst(round_trips(model, &encoded)?.into_iter().chain([max]));
            progress(part.len());
        }
        found.push(OddRoundTrip {
            what: kind.name().to_owned(),
            pictures: options.odd,
            max,
        });
    }
    Ok(found)
}

fn faces(
    photos: &Photos,
    directions: &Directions,
    options: &ReportOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<FaceShare>, ReportError> {
    let (model, config) = (photos.model, photos.model.config());
    let mut count = Count {
        model,
        threads: options.threads,
        progress,
        found: Vec::new(),
    };
    let n_photos = photos.readable.len();
    // As the model sees them, in its bits: what a perfect model would draw.
    count.pictures("held-out photographs".into(), n_photos, |part| {
        let x = photos.inputs(part);
        Ok(x.iter().map(|x| Made::of(x, config)).collect())
    })?;
    let shape = config.latent_shape();
    for &temperature in &options.temperatures {
        let what = format!("samples at temperature {temperature}");
        count.latents(what, options.samples, |part| {
            let one = |i| scaled(&sample(&shape, options.seed, i as u32), &[temperature]);
            Ok(part.map(one).collect::<Result<_, LatentError>>()?)
        })?;
    }
    let pairs = pairs(n_photos, options);
    for (what, path) in [
        ("morph midpoints, spherical", PathKind::Spherical),
        ("morph midpoints, linear", PathKind::Linear),
    ] {
        count.latents(what.into(), pairs.len(), |part| {
            let places = pairs[part].iter().flatten().copied();
            let ends = photos.latents(places)?;
            let middle = |pair: &[Latent; 2]| between(&pair[0], &pair[1], 0.5, path);
            Ok(ends
                .as_chunks()
                .0
                .iter()
                .map(middle)
                .collect::<Result<_, LatentError>>()?)
        })?;
    }
    let mut order: Vec<usize> = (0..n_photos).collect();
    Noise::new(options.seed).shuffle(&mut order);
    order.truncate(options.edits);
    for direction in directions.as_slice() {
        let amounts = match options.amount {
            Some(amount) => vec![amount],
            None => direction.range.to_vec(),
        };
        for amount in amounts {
            let what = format!("photographs, {} {amount:+}", direction.name);
            let edit = [AttributeEdit {
                name: direction.name.clone(),
                amount,
            }];
            count.latents(what, order.len(), |part| {
                let latents = photos.latents(order[part].iter().copied())?;
                let edited = latents
                    .iter()
                    .map(|l| directions.apply(l, &edit, EditOptions::default()));
                Ok(edited.collect::<Result<_, LatentError>>()?)
            })?;
        }
    }
    Ok(count.found)
}

/// Pairs of different photographs, by their places.
fn pairs(n_photos: usize, options: &ReportOptions) -> Vec<[usize; 2]> {
    if n_photos < 2 {
        return Vec::new();
    }
    let mut noise = Noise::with_stream(options.seed, PAIRS_STREAM);
    let pair = |_| {
        let first = noise.below(n_photos);
        let second = (first + 1 + noise.below(n_photos - 1)) % n_photos;
        [first, second]
    };
    (0..options.pairs).map(pair).collect()
}

/// Looks for faces in pictures of one kind after the other.
struct Count<'a> {
    model: &'a GlowModel,
    threads: usize,
    progress: &'a mut dyn FnMut(usize),
    found: Vec<FaceShare>,
}

impl Count<'_> {
    /// Pictures that `make` decodes from latents.
    fn latents(
        &mut self,
        what: String,
        n: usize,
        mut make: impl FnMut(Range<usize>) -> Result<Vec<Latent>, ReportError>,
    ) -> Result<(), ReportError> {
        let model = self.model;
        self.pictures(what, n, |part| {
            let decoded = model.decode(&make(part)?, &|| false)?;
            let made = decoded.iter().map(|d| Made::of(&d.x, model.config()));
            Ok(made.collect())
        })
    }

    /// Pictures and what is told of their values. A kind of none is left out.
    fn pictures(
        &mut self,
        what: String,
        n: usize,
        mut make: impl FnMut(Range<usize>) -> Result<Vec<Made>, ReportError>,
    ) -> Result<(), ReportError> {
        let (mut faces, mut pictures, mut non_finite, mut wild) = (0, 0, 0, 0);
        let (mut detail, mut n_detail) = (0.0, 0);
        for part in parts(n) {
            let done = part.len();
            let made = make(part)?;
            pictures += made.len();
            for one in &made {
                non_finite += usize::from(one.non_finite > 0);
                wild += usize::from(one.non_finite == 0 && one.largest >= WILD);
                if one.detail.is_finite() {
                    detail += one.detail;
                    n_detail += 1;
                }
            }
            faces += n_with_face(&made, self.threads);
            (self.progress)(done);
        }
        if pictures > 0 {
            self.found.push(FaceShare {
                what,
                pictures,
                faces,
                share: faces as f64 / pictures as f64,
                interval: interval(faces, pictures),
                non_finite,
                wild,
                mean_detail: detail / f64::from(n_detail.max(1)),
            });
        }
        Ok(())
    }
}

/// A picture, and what is told of the model's values.
struct Made {
    pixels: RgbImage,
    non_finite: usize,
    /// The largest magnitude.
    largest: f32,
    /// See [`FaceShare::mean_detail`].
    detail: f64,
}

impl Made {
    /// From a model's output `[c, h, w]`.
    fn of(x: &[f32], config: &GlowConfig) -> Self {
        let (pixels, non_finite) = picture_from_x(x, config);
        Self {
            pixels,
            non_finite,
            largest: x.iter().fold(0.0, |largest, v| largest.max(v.abs())),
            detail: 256.0 * mean_detail(x, config.image_size),
        }
    }
}

/// Mean magnitude of the three Haar details of each 2x2 block `p q / r s`: `(p - q + r - s) / 2`, `(p + q - r - s) / 2`
/// and `(p - q - r + s) / 2`, of pictures `[c, side, side]` with an even side.
fn mean_detail(x: &[f32], side: usize) -> f64 {
    let (mut sum, mut n) = (0.0, 0);
    for rows in x.chunks_exact(2 * side) {
        let (upper, lower) = rows.split_at(side);
        for (u, l) in upper
            .as_chunks::<2>()
            .0
            .iter()
            .zip(lower.as_chunks::<2>().0)
        {
            let [p, q, r, s] = [u[0], u[1], l[0], l[1]].map(f64::from);
            sum += [p - q + r - s, p + q - r - s, p - q - r + s]
                .map(|d| d.abs() / 2.0)
                .iter()
                .sum::<f64>();
            n += 3;
        }
    }
    sum / f64::from(n.max(1))
}

/// How many of the pictures show a face.
fn n_with_face(pictures: &[Made], threads: usize) -> usize {
    in_parallel(pictures.len(), threads, |at| has_face(&pictures[at].pixels))
        .into_iter()
        .filter(|&face| face)
        .count()
}

fn parts(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n)
        .step_by(BATCH)
        .map(move |start| start..n.min(start + BATCH))
}
