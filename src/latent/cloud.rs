//! Many latents as points of a plane: principal components of ever more vectors, in memory that does not depend on how
//! long a latent is.
//!
//! A latent of 128 x 128 pixels has 49,152 numbers, and thousands of them do not fit. [`Sketch`] keeps a few hundred
//! numbers of each, [`PointCloud`] the sums from which their covariance follows. Nothing has to be read twice, all
//! latents are treated alike (an incremental basis would bend those that came first), and the plane can be asked for at
//! any time.

use std::cmp::Ordering;

use super::{Latent, LatentShape};
use crate::noise::Noise;

/// Numbers that a sketch keeps at most.
pub const SKETCHED: usize = 512;
/// Seed of the random signs, the same for all maps.
const SKETCH_SEED: u64 = 0x006d_6170;
/// Steps of the power iteration, at most.
const MAX_STEPS: usize = 120;
/// A step that turns the axis by less ends the iteration.
const SETTLED: f64 = 1e-10;

/// A few numbers of a latent, the same linear function of each: its coarsest level, where that is longer than
/// [`SKETCHED`] summed with random signs into so many buckets (a count sketch).
///
/// In expectation this keeps distances and inner products: `E |S a - S b|^2 = |a - b|^2`, with a relative error of about
/// `sqrt(2 / SKETCHED)`, 6 %. The coarsest level alone, since the eps of finer ones are nearly white under a model that has
/// learnt: they are most of the numbers, and would drown what there is to see.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// Numbers of the level.
    len: usize,
    /// Bucket and sign of each; empty where every number is kept as it is.
    buckets: Vec<(u16, f32)>,
}

impl Sketch {
    /// The sketch for latents of a shape.
    pub fn of(shape: &LatentShape) -> Self {
        let len = shape.levels.last().map_or(0, super::EpsShape::len);
        let mut noise = Noise::new(SKETCH_SEED);
        let mut bucket = || {
            let at = noise.below(2 * SKETCHED);
            let sign = if at.is_multiple_of(2) { 1.0 } else { -1.0 };
            ((at / 2) as u16, sign)
        };
        let n_buckets = if len > SKETCHED { len } else { 0 };
        Self {
            len,
            buckets: (0..n_buckets).map(|_| bucket()).collect(),
        }
    }

    /// Numbers of the level that it is made of.
    pub fn dims(&self) -> usize {
        self.len
    }

    /// Numbers that it keeps.
    pub fn width(&self) -> usize {
        self.len.min(SKETCHED)
    }

    /// The sketch of a latent of the shape.
    pub fn apply(&self, latent: &Latent) -> Vec<f32> {
        let level = latent.levels.last().map_or(&[][..], |level| &level.data);
        if self.buckets.is_empty() {
            return level.to_vec();
        }
        let mut sums = vec![0.0; self.width()];
        for (value, (bucket, sign)) in level.iter().zip(&self.buckets) {
            sums[usize::from(*bucket)] += sign * value;
        }
        sums
    }
}

/// Vectors of one width and the sums of their products.
#[derive(Clone, Debug)]
pub struct PointCloud {
    width: usize,
    /// Whether each number counts in units of its own standard deviation.
    standardised: bool,
    rows: Vec<f32>,
    n: usize,
    sum: Vec<f64>,
    /// Sums of products, row-major, on and above the diagonal.
    products: Vec<f64>,
    /// The last plane's axes: where the next search begins, so that the plane does not turn over as it grows.
    axes: [Vec<f64>; 2],
}

/// Where the points of a cloud lie on the plane of its two first principal components.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plane {
    /// Each point, in the order in which they came.
    pub positions: Vec<[f32; 2]>,
    /// Each axis' share of the variance.
    pub shares: [f64; 2],
    /// What each number of a row adds to each axis.
    pub loadings: [Vec<f32>; 2],
}

impl PointCloud {
    /// No points yet. `standardised`: numbers of different units, such as scores.
    pub fn new(width: usize, standardised: bool) -> Self {
        Self {
            width,
            standardised,
            rows: Vec::new(),
            n: 0,
            sum: vec![0.0; width],
            products: vec![0.0; width * width],
            axes: [vec![0.0; width], vec![0.0; width]],
        }
    }

    /// Points.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Bytes that a further point takes.
    pub fn bytes_per_point(&self) -> usize {
        self.width * size_of::<f32>()
    }

    /// Bytes of everything that grows with the points.
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<f32>()
    }

    /// Adds a point; one of another width or with numbers that are not finite is refused, since it would spoil all sums.
    pub fn push(&mut self, row: &[f32]) -> bool {
        if row.len() != self.width || row.iter().any(|v| !v.is_finite()) {
            return false;
        }
        self.rows.extend_from_slice(row);
        self.n += 1;
        for (i, &a) in row.iter().enumerate() {
            let a = f64::from(a);
            self.sum[i] += a;
            let products = &mut self.products[i * self.width..][i..self.width];
            for (sum, &b) in products.iter_mut().zip(&row[i..]) {
                *sum += a * f64::from(b);
            }
        }
        true
    }

    fn mean(&self, i: usize) -> f64 {
        self.sum[i] / self.n.max(1) as f64
    }

    fn covariance(&self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.min(j), i.max(j));
        let product = self.products[i * self.width + j] / self.n.max(1) as f64;
        product - self.mean(i) * self.mean(j)
    }

    /// What a number is divided by; 0 for one that never varies.
    fn unit(&self, i: usize) -> f64 {
        let variance = self.covariance(i, i).max(0.0);
        match self.standardised {
            // What rounding leaves of a number that is always the same is no variance.
            true if variance <= 1e-12 * (1.0 + self.mean(i).powi(2)) => 0.0,
            true => variance.sqrt(),
            false => 1.0,
        }
    }

    fn factors(&self) -> Vec<f64> {
        let units = (0..self.width).map(|i| self.unit(i));
        let inverse = units.map(|unit| if unit > 0.0 { 1.0 / unit } else { 0.0 });
        inverse.collect()
    }

    /// The plane of the two directions in which the points vary most.
    pub fn plane(&mut self) -> Plane {
        let width = self.width;
        let factors = self.factors();
        let mut covariance = vec![0.0; width * width];
        for i in 0..width {
            for j in i..width {
                let value = self.covariance(i, j) * factors[i] * factors[j];
                covariance[i * width + j] = value;
                covariance[j * width + i] = value;
            }
        }
        let total: f64 = (0..width).map(|i| covariance[i * width + i]).sum();
        let [mut first, mut second] = std::mem::take(&mut self.axes);
        let values = [
            principal(&covariance, &mut first, None, 1),
            principal(&covariance, &mut second, Some(&first), 2),
        ];
        self.axes = [first, second];
        let share = |value: f64| if total > 0.0 { value / total } else { 0.0 };
        let on_axis = |row: &[f32], axis: &[f64]| -> f32 {
            let terms = row.iter().zip(axis).enumerate();
            let sum: f64 = terms
                .map(|(i, (&v, &a))| (f64::from(v) - self.mean(i)) * factors[i] * a)
                .sum();
            sum as f32
        };
        let rows = self.rows.chunks_exact(width.max(1));
        Plane {
            positions: rows
                .map(|row| [0, 1].map(|k| on_axis(row, &self.axes[k])))
                .collect(),
            shares: values.map(share),
            loadings: [0, 1].map(|k| self.axes[k].iter().map(|&v| v as f32).collect()),
        }
    }

    /// The points nearest one of them, nearest first, with their distances `|a - b| / sqrt(2 dims)`: about 1 for two
    /// points that have nothing to do with each other. `dims`: numbers that a row stands for.
    pub fn nearest(&self, at: usize, count: usize, dims: usize) -> Vec<(usize, f64)> {
        let factors = self.factors();
        let row = |at: usize| self.rows.get(at * self.width..(at + 1) * self.width);
        let Some(own) = row(at) else {
            return Vec::new();
        };
        let distance = |other: &[f32]| {
            let terms = own.iter().zip(other).zip(&factors);
            let squares: f64 = terms
                .map(|((a, b), f)| (f64::from(a - b) * f).powi(2))
                .sum();
            (squares / (2.0 * dims.max(1) as f64)).sqrt()
        };
        let others = (0..self.n).filter(|other| *other != at);
        let mut all: Vec<(usize, f64)> = others
            .filter_map(|other| Some((other, distance(row(other)?))))
            .collect();
        let nearer = |a: &(usize, f64), b: &(usize, f64)| -> Ordering {
            a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))
        };
        if all.len() > count {
            all.select_nth_unstable_by(count, nearer);
            all.truncate(count);
        }
        all.sort_by(nearer);
        all
    }
}

/// Turns `axis` into the unit vector along which a covariance is largest, at right angles to `other`, by power iteration
/// from where it stands; the variance along it.
fn principal(covariance: &[f64], axis: &mut [f64], other: Option<&[f64]>, seed: u64) -> f64 {
    let width = axis.len();
    let is_new = axis.iter().all(|&v| v == 0.0);
    if is_new {
        let mut noise = Noise::with_stream(SKETCH_SEED, seed);
        axis.fill_with(|| f64::from(noise.normal()));
    }
    let tidy = |axis: &mut [f64]| -> f64 {
        if let Some(other) = other {
            let along: f64 = axis.iter().zip(other).map(|(a, b)| a * b).sum();
            axis.iter_mut()
                .zip(other)
                .for_each(|(a, b)| *a -= along * b);
        }
        let norm = axis.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm > 0.0 {
            axis.iter_mut().for_each(|v| *v /= norm);
        }
        norm
    };
    tidy(axis);
    let mut value = 0.0;
    for _ in 0..MAX_STEPS {
        let rows = covariance.chunks_exact(width.max(1));
        let mut next: Vec<f64> = rows
            .map(|row| row.iter().zip(&*axis).map(|(c, a)| c * a).sum())
            .collect();
        value = tidy(&mut next);
        if value == 0.0 {
            axis.fill(0.0); // nothing varies any more
            return 0.0;
        }
        let cosine: f64 = next.iter().zip(&*axis).map(|(a, b)| a * b).sum();
        axis.copy_from_slice(&next);
        if 1.0 - cosine.abs() < SETTLED {
            break;
        }
    }
    let largest = axis
        .iter()
        .copied()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()));
    if is_new && largest.is_some_and(|v| v < 0.0) {
        axis.iter_mut().for_each(|v| *v = -*v);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::EpsShape;

    fn shape(channels: usize, side: usize) -> LatentShape {
        LatentShape {
            levels: vec![
                EpsShape {
                    channels: 6,
                    side: 4 * side,
                },
                EpsShape { channels, side },
            ],
            stages: 0,
            condition: 0,
        }
    }

    #[test]
    fn a_sketch_keeps_distances_and_short_levels_stay_as_they_are() {
        let long = shape(96, 8);
        let sketch = Sketch::of(&long);
        assert_eq!((sketch.dims(), sketch.width()), (6144, SKETCHED));
        let drawn = |seed| Latent::drawn(&long, &mut Noise::new(seed), 1.0);
        let (a, b) = (drawn(1), drawn(2));
        let between = |a: &[f32], b: &[f32]| -> f64 {
            let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let exact = between(&a.levels[1].data, &b.levels[1].data);
        let found = between(&sketch.apply(&a), &sketch.apply(&b));
        assert!((found / exact - 1.0).abs() < 0.1, "{found} for {exact}");

        let short = shape(12, 4);
        let latent = Latent::drawn(&short, &mut Noise::new(3), 1.0);
        let sketch = Sketch::of(&short);
        assert_eq!(sketch.apply(&latent), latent.levels[1].data);
        assert_eq!(sketch.width(), 192);
    }

    /// Points on a line with noise around it, far from the origin.
    fn along_a_line(n: usize, width: usize) -> (PointCloud, Vec<f64>) {
        let mut noise = Noise::new(7);
        let mut line: Vec<f64> = (0..width).map(|_| f64::from(noise.normal())).collect();
        let norm = line.iter().map(|v| v * v).sum::<f64>().sqrt();
        line.iter_mut().for_each(|v| *v /= norm);
        let mut cloud = PointCloud::new(width, false);
        for _ in 0..n {
            let t = 10.0 * f64::from(noise.normal());
            let row: Vec<f32> = line
                .iter()
                .map(|l| (50.0 + t * l) as f32 + 0.5 * noise.normal())
                .collect();
            assert!(cloud.push(&row));
        }
        (cloud, line)
    }

    #[test]
    fn the_first_axis_is_the_one_that_varies_and_stays_where_it_is() {
        let (mut cloud, line) = along_a_line(300, 20);
        let plane = cloud.plane();
        let along: f64 = plane.loadings[0]
            .iter()
            .zip(&line)
            .map(|(&a, b)| f64::from(a) * b)
            .sum();
        assert!(along.abs() > 0.999, "{along}");
        assert!(plane.shares[0] > 0.9 && plane.shares[1] < 0.01);
        let mean: f32 = plane.positions.iter().map(|p| p[0]).sum::<f32>() / 300.0;
        assert!(mean.abs() < 1e-2, "positions are around the mean: {mean}");
        let right: f32 = (0..20)
            .map(|i| plane.loadings[0][i] * plane.loadings[1][i])
            .sum();
        assert!(right.abs() < 1e-5);
        // More of the same: the axis does not turn over.
        let row: Vec<f32> = line.iter().map(|l| (50.0 - 30.0 * l) as f32).collect();
        cloud.push(&row);
        let again = cloud.plane();
        let kept: f32 = (0..20)
            .map(|i| plane.loadings[0][i] * again.loadings[0][i])
            .sum();
        assert!(kept > 0.99, "{kept}");
    }

    #[test]
    fn standardised_numbers_count_alike_and_constant_ones_do_not() {
        let mut cloud = PointCloud::new(3, true);
        for i in 0..40 {
            let t = i as f32 - 19.5;
            cloud.push(&[1000.0 * t, 0.001 * t, 5.0]);
        }
        let plane = cloud.plane();
        let [a, b, c] = [0, 1, 2].map(|i| plane.loadings[0][i]);
        assert!((a - b).abs() < 1e-3 && c.abs() < 1e-6, "{a} {b} {c}");
        assert!((plane.shares[0] - 1.0).abs() < 1e-6);
        let nearest = cloud.nearest(0, 2, 3);
        assert_eq!([nearest[0].0, nearest[1].0], [1, 2]);
        assert!(nearest[0].1 < nearest[1].1);
    }

    #[test]
    fn few_points_equal_points_and_broken_ones_make_no_trouble() {
        let mut cloud = PointCloud::new(4, false);
        assert_eq!(
            cloud.plane(),
            Plane {
                loadings: [vec![0.0; 4], vec![0.0; 4]],
                ..Plane::default()
            }
        );
        for _ in 0..3 {
            cloud.push(&[1.0, 2.0, 3.0, 4.0]);
        }
        assert!(!cloud.push(&[f32::NAN, 0.0, 0.0, 0.0]) && !cloud.push(&[0.0]));
        let plane = cloud.plane();
        assert_eq!(plane.positions.len(), 3);
        assert!(plane.positions.iter().flatten().all(|v| v.abs() < 1e-5));
        assert!(cloud.nearest(9, 4, 4).is_empty());
        assert_eq!(cloud.nearest(0, 9, 4).len(), 2);
        assert_eq!(cloud.bytes_per_point(), 16);
    }
}
