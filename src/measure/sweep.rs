//! How the cost of an encode and a decode grows: one of resolution, depth, width, batch and threads at a time
//! changes, the others stay those of a base configuration.

mod output;

use serde::Serialize;

use super::bench::{median, pictures, seconds};
use crate::model::params::Params;
use crate::model::pixels::largest_difference;
use crate::model::{FastChain, GlowConfig, Latent, ModelError};

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Pixels a side, with a level more for each doubling.
    Resolution,
    /// Steps a level.
    Depth,
    /// Hidden channels of a coupling network.
    Width,
    /// Pictures at once.
    Batch,
    /// Threads.
    Threads,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Resolution,
        Self::Depth,
        Self::Width,
        Self::Batch,
        Self::Threads,
    ];

    /// Its name, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolution => "resolution",
            Self::Depth => "depth",
            Self::Width => "width",
            Self::Batch => "batch",
            Self::Threads => "threads",
        }
    }

    /// The name of its unit, for the chart.
    fn unit(self) -> &'static str {
        match self {
            Self::Resolution => "pixels a side",
            Self::Depth => "steps a level",
            Self::Width => "hidden channels",
            Self::Batch => "pictures at once",
            Self::Threads => "threads",
        }
    }

    /// The values to measure, with that of the base among them.
    fn values(self, base: &Setting) -> Vec<usize> {
        let mut values: Vec<usize> = match self {
            Self::Resolution => vec![16, 32, 64, 128],
            Self::Depth => vec![4, 8, 16, 32],
            Self::Width => vec![64, 128, 256, 512],
            Self::Batch => vec![1, 2, 4, 8, 16],
            Self::Threads => (0..usize::BITS)
                .map(|i| 1 << i)
                .take_while(|&n| n < base.threads)
                .collect(),
        };
        values.push(base.value(self));
        values.sort_unstable();
        values.dedup();
        values
    }
}

/// What one measurement is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    config: GlowConfig,
    batch: usize,
    threads: usize,
}

impl Setting {
    fn value(&self, axis: Axis) -> usize {
        match axis {
            Axis::Resolution => self.config.image_size,
            Axis::Depth => self.config.depth,
            Axis::Width => self.config.width,
            Axis::Batch => self.batch,
            Axis::Threads => self.threads,
        }
    }

    /// The base with another value on one axis.
    fn with(&self, axis: Axis, value: usize) -> Self {
        let mut other = self.clone();
        match axis {
            Axis::Resolution if value != self.config.image_size => {
                other.config.image_size = value;
                // The coarsest level keeps its size.
                let coarsest = self.config.image_size >> self.config.levels;
                other.config.levels = (value / coarsest.max(1)).max(2).ilog2() as usize;
            }
            Axis::Resolution => {}
            Axis::Depth => other.config.depth = value,
            Axis::Width => other.config.width = value,
            Axis::Batch => other.batch = value,
            Axis::Threads => other.threads = value,
        }
        other
    }
}

/// One point of an axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What changes.
    pub axis: Axis,
    /// Its value here.
    pub value: usize,
    /// The configuration.
    pub config: GlowConfig,
    /// Pictures at once.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Multiply-adds of an encode, or a decode, of one picture, convolutions counted as direct ones.
    pub multiply_adds: f64,
    /// Median milliseconds of an encode of the batch.
    pub encode_ms: f64,
    /// Median milliseconds of a decode of the batch.
    pub decode_ms: f64,
    /// Largest `|x - decode(encode(x))|`.
    pub round_trip: f64,
}

impl Point {
    /// `10^9` floating-point operations a second, two for a multiply-add.
    fn gflops(&self, ms: f64) -> f64 {
        2.0 * self.multiply_adds * self.batch as f64 / (ms * 1e6)
    }

    /// The rate of the encode.
    pub fn encode_gflops(&self) -> f64 {
        self.gflops(self.encode_ms)
    }

    /// The rate of the decode.
    pub fn decode_gflops(&self) -> f64 {
        self.gflops(self.decode_ms)
    }

    /// Milliseconds of the decode for each picture.
    pub fn decode_ms_a_picture(&self) -> f64 {
        self.decode_ms / self.batch as f64
    }
}

/// How a quantity grows with the value of an axis, `quantity = a * value^exponent` by least squares in logarithms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// The axis.
    pub axis: Axis,
    /// Exponent of the multiply-adds of the whole batch.
    pub multiply_adds: f64,
    /// Exponent of the time of an encode of the batch.
    pub encode: f64,
    /// Exponent of the time of a decode of the batch.
    pub decode: f64,
}

/// What a sweep measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// Where it ran.
    pub device: String,
    /// The base configuration.
    pub config: GlowConfig,
    /// Pictures at once where the axis is another.
    pub batch: usize,
    /// Threads where the axis is another.
    pub threads: usize,
    /// Runs of which each time is the median.
    pub runs: usize,
    /// All points, axis by axis, values rising.
    pub points: Vec<Point>,
    /// The exponents of axes with at least two values.
    pub growth: Vec<Growth>,
}

/// A model that is ready to be measured.
struct Subject {
    fast: FastChain,
    pictures: Vec<Vec<f32>>,
    latents: Vec<Latent>,
    round_trip: f64,
    encode_s: Vec<f64>,
    decode_s: Vec<f64>,
}

impl Subject {
    fn new(setting: &Setting) -> Result<Self, ModelError> {
        let params = Params::perturbed(setting.config.clone(), 0);
        let fast = FastChain::new(&params, setting.threads)?;
        let pictures = pictures(
            |latents| fast.decode(latents, &|| false),
            &setting.config,
            setting.batch,
        )?;
        let x: Vec<&[f32]> = pictures.iter().map(Vec::as_slice).collect();
        let encoded = fast.encode(&x, &|| false)?;
        let latents: Vec<Latent> = encoded.into_iter().map(|e| e.latent).collect();
        let refs: Vec<&Latent> = latents.iter().collect();
        let decoded = fast.decode(&refs, &|| false)?;
        let round_trip = largest_difference(&decoded.concat(), &pictures.concat());
        Ok(Self {
            fast,
            pictures,
            latents,
            round_trip,
            encode_s: Vec::new(),
            decode_s: Vec::new(),
        })
    }

    /// One run. Others have taken the caches since the last, so the first encode and decode are not measured.
    fn run(&mut self) -> Result<(), ModelError> {
        let x: Vec<&[f32]> = self.pictures.iter().map(Vec::as_slice).collect();
        let latents: Vec<&Latent> = self.latents.iter().collect();
        let never = || false;
        self.fast.encode(&x, &never)?;
        self.encode_s
            .push(seconds(|| self.fast.encode(&x, &never))?);
        self.fast.decode(&latents, &never)?;
        self.decode_s
            .push(seconds(|| self.fast.decode(&latents, &never))?);
        Ok(())
    }
}

/// Measures all axes round a base; `report` is told after each of the `runs`.
///
/// Errors: a 1x1 convolution without an inverse.
pub fn run(
    config: &GlowConfig,
    batch: usize,
    threads: usize,
    runs: usize,
    mut report: impl FnMut(usize),
) -> Result<Sweep, ModelError> {
    let base = Setting {
        config: config.clone(),
        batch,
        threads,
    };
    let points = Axis::ALL.into_iter().flat_map(|axis| {
        let base = &base;
        let values = axis.values(base).into_iter();
        values.map(move |value| (axis, value, base.with(axis, value)))
    });
    // A base of another shape may leave no room for the levels of a resolution.
    let points = points.filter(|(_, _, s)| s.config.clone().validated().is_ok());
    let points: Vec<(Axis, usize, Setting)> = points.collect();
    // The base lies on every axis, and is measured once.
    let mut settings: Vec<&Setting> = Vec::new();
    for (_, _, setting) in &points {
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    let subjects = settings.iter().map(|setting| Subject::new(setting));
    let mut subjects = subjects.collect::<Result<Vec<_>, _>>()?;
    // One after the other in each run, so that a change of the machine's speed meets all alike.
    for done in 1..=runs {
        for subject in &mut subjects {
            subject.run()?;
        }
        report(done);
    }
    let points: Vec<Point> = points
        .iter()
        .filter_map(|(axis, value, setting)| {
            let at = settings.iter().position(|s| *s == setting)?;
            let subject = subjects.get(at)?;
            Some(Point {
                axis: *axis,
                value: *value,
                config: setting.config.clone(),
                batch: setting.batch,
                threads: setting.threads,
                multiply_adds: setting.config.flops() / 2.0,
                encode_ms: 1e3 * median(&subject.encode_s),
                decode_ms: 1e3 * median(&subject.decode_s),
                round_trip: subject.round_trip,
            })
        })
        .collect();
    Ok(Sweep {
        device: "cpu".into(),
        config: config.clone(),
        batch,
        threads,
        runs,
        growth: growth(&points),
        points,
    })
}

fn growth(points: &[Point]) -> Vec<Growth> {
    let of = |axis: Axis| {
        let on: Vec<&Point> = points.iter().filter(|p| p.axis == axis).collect();
        let fit = |quantity: &dyn Fn(&Point) -> f64| {
            let pairs = on.iter().map(|p| (p.value as f64, quantity(p)));
            exponent(&pairs.collect::<Vec<_>>())
        };
        Some(Growth {
            axis,
            multiply_adds: fit(&|p| p.multiply_adds * p.batch as f64)?,
            encode: fit(&|p| p.encode_ms)?,
            decode: fit(&|p| p.decode_ms)?,
        })
    };
    Axis::ALL.into_iter().filter_map(of).collect()
}

/// The least-squares slope of `ln y` over `ln x`; `None` of fewer than two different x.
fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in &logs {
        above += (x - mean_x) * (y - mean_y);
        below += (x - mean_x).powi(2);
    }
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::tests::tiny_config;
    use crate::model::Padding;

    fn base() -> GlowConfig {
        GlowConfig {
            image_size: 64,
            levels: 3,
            depth: 16,
            width: 128,
            padding: Padding::EdgeBias,
            ..tiny_config()
        }
    }

    fn setting() -> Setting {
        Setting {
            config: base(),
            batch: 1,
            threads: 2,
        }
    }

    #[test]
    fn every_axis_passes_through_the_base_and_keeps_the_coarsest_level() {
        let base = setting();
        for axis in Axis::ALL {
            let values = axis.values(&base);
            assert!(values.contains(&base.value(axis)), "{axis:?}");
            let at_base = base.with(axis, base.value(axis));
            assert_eq!(at_base, base);
            for value in values {
                let other = base.with(axis, value);
                assert_eq!(other.value(axis), value);
                let config = other.config.validated().unwrap();
                assert_eq!(config.image_size >> config.levels, 8, "{config:?}");
            }
        }
        assert_eq!(Axis::Threads.values(&base), [1, 2]);
        let many = Setting { threads: 6, ..base };
        assert_eq!(Axis::Threads.values(&many), [1, 2, 4, 6]);
    }

    #[test]
    fn the_exponent_is_the_slope_in_logarithms() {
        let cube: Vec<(f64, f64)> = [1.0, 2.0, 8.0].map(|x: f64| (x, 5.0 * x.powi(3))).into();
        assert!((exponent(&cube).unwrap() - 3.0).abs() < 1e-12);
        assert_eq!(exponent(&[(4.0, 2.0)]), None);
    }

    fn made_up() -> Sweep {
        let base = setting();
        let points: Vec<Point> = Axis::ALL
            .into_iter()
            .flat_map(|axis| axis.values(&base).into_iter().map(move |v| (axis, v)))
            .map(|(axis, value)| {
                let s = base.with(axis, value);
                let work = s.config.flops() * s.batch as f64;
                let ms = work / 2e8 / s.threads as f64;
                Point {
                    axis,
                    value,
                    batch: s.batch,
                    threads: s.threads,
                    multiply_adds: s.config.flops() / 2.0,
                    encode_ms: 1.1 * ms,
                    decode_ms: ms,
                    round_trip: 1e-6,
                    config: s.config,
                }
            })
            .collect();
        Sweep {
            device: "cpu".into(),
            config: base.config,
            batch: 1,
            threads: 2,
            runs: 1,
            growth: growth(&points),
            points,
        }
    }

    #[test]
    fn growth_tables_and_the_chart_follow_the_points() {
        let sweep = made_up();
        let of = |axis| sweep.growth.iter().find(|g| g.axis == axis).unwrap();
        assert!((of(Axis::Depth).decode - 1.0).abs() < 0.01);
        assert!((of(Axis::Batch).multiply_adds - 1.0).abs() < 1e-9);
        assert!((of(Axis::Threads).decode + 1.0).abs() < 1e-9);
        assert!(of(Axis::Resolution).decode > 1.9);
        let text = sweep.markdown();
        assert_eq!(text.lines().count(), 2 + 19 + 1 + 2 + 5, "{text}");
        assert!(text.contains("| resolution | 128 (L 4) |"), "{text}");
        assert!(
            text.contains("| threads | 0.00 | -1.00 | -1.00 |"),
            "{text}"
        );

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.csv");
        sweep.write_csv(&path).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let columns = reader.headers().unwrap().len();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), sweep.points.len());
        assert!(rows.iter().all(|r| r.len() == columns));
        sweep.chart().draw().unwrap();
    }

    #[test]
    fn a_small_sweep_measures_each_setting() {
        // The axes are those of every sweep; what is cheap is the base.
        let config = GlowConfig {
            depth: 1,
            width: 4,
            ..base()
        };
        let mut told = Vec::new();
        let sweep = run(&config, 1, 1, 1, |done| told.push(done)).unwrap();
        assert_eq!(told, [1]);
        assert!(sweep.growth.iter().all(|g| g.axis != Axis::Threads));
        for p in &sweep.points {
            assert!(
                p.encode_ms > 0.0 && p.decode_ms > 0.0 && p.round_trip < 1e-2,
                "{p:?}"
            );
        }
    }
}
