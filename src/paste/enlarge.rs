//! Enlargement from the model's size to a square of the photo: Catmull-Rom, across first and then down, row by row, so
//! that no plane of the photo's size is ever held.

use crate::kernels::{in_parallel, multiversion};

/// Where a pixel takes its value from: four neighbours at the model's size, held at its border, and their weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct CubicTaps {
    at: [usize; 4],
    weights: [f32; 4],
}

impl CubicTaps {
    /// The taps of place `u`, in pixels of `n`, whose centres are whole numbers.
    fn new(u: f32, n: usize) -> Self {
        let base = u.floor();
        let t = u - base;
        let at = [-1.0, 0.0, 1.0, 2.0].map(|k| (base + k).clamp(0.0, n as f32 - 1.0) as usize);
        // Catmull and Rom 1974; the weights add up to 1.
        let weights = [
            ((2.0 - t) * t - 1.0) * t * 0.5,
            ((3.0 * t - 5.0) * t * t + 2.0) * 0.5,
            ((4.0 - 3.0 * t) * t + 1.0) * t * 0.5,
            (t - 1.0) * t * t * 0.5,
        ];
        Self { at, weights }
    }
}

/// The pixels of a photo's row or column whose centres lie in the square.
pub(super) struct Extent {
    first: usize,
    taps: Vec<CubicTaps>,
    /// How much of the change each takes, 0 to 1.
    weights: Vec<f32>,
}

impl Extent {
    /// The square `side` long round `centre`, `size` pixels of the model, on `extent` pixels of the photo. Over the share
    /// `fade` of its side it fades in, but for ends at the photo's own border.
    pub(super) fn new(centre: f32, side: f32, size: usize, extent: usize, fade: f32) -> Self {
        // In double precision: a photo's pixels leave f32 few digits behind the point.
        let (side, fade) = (f64::from(side), f64::from(fade) * f64::from(side));
        let start = f64::from(centre) - side / 2.0;
        let end = start + side;
        let first = (start - 0.5).ceil().max(0.0) as usize;
        let last = ((end - 0.5).floor() + 1.0).clamp(0.0, extent as f64) as usize;
        let ramp = |distance: f64| {
            let t = (distance / fade).clamp(0.0, 1.0);
            (t * t * (3.0 - 2.0 * t)) as f32
        };
        // Half a pixel is what rounding a crop can come to.
        let (fades_in, fades_out) = (start > 0.5, end < extent as f64 - 0.5);
        let (mut taps, mut weights) = (Vec::new(), Vec::new());
        for x in first..last {
            let middle = x as f64 + 0.5;
            taps.push(CubicTaps::new(
                ((middle - start) / side * size as f64 - 0.5) as f32,
                size,
            ));
            let into = if fades_in { ramp(middle - start) } else { 1.0 };
            let out = if fades_out { ramp(end - middle) } else { 1.0 };
            weights.push(into * out);
        }
        Self {
            first,
            taps,
            weights,
        }
    }

    pub(super) fn first(&self) -> usize {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        self.taps.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// CubicTaps and weight of a pixel of the photo, where it lies in the square.
    pub(super) fn at(&self, pixel: usize) -> Option<(&CubicTaps, f32)> {
        let at = pixel.checked_sub(self.first)?;
        Some((self.taps.get(at)?, *self.weights.get(at)?))
    }
}

/// Planes that are enlarged across already: for each row at the model's size, all planes one after another.
pub(super) struct Rows(Vec<Vec<f32>>);

impl Rows {
    /// Enlarges `n_planes` planes of `size * size` across.
    pub(super) fn across(
        planes: &[f32],
        size: usize,
        n_planes: usize,
        columns: &Extent,
        threads: usize,
    ) -> Self {
        let area = size * size;
        let row = |y: usize| {
            let mut row = Vec::with_capacity(n_planes * columns.len());
            for plane in 0..n_planes {
                let from = &planes[plane * area + y * size..][..size];
                row.extend(columns.taps.iter().map(|taps| {
                    let products = taps.at.iter().zip(taps.weights);
                    products.map(|(&at, w)| w * from[at]).sum::<f32>()
                }));
            }
            row
        };
        Self(in_parallel(size, threads, row))
    }

    /// The planes at a row of the photo.
    pub(super) fn down(&self, taps: &CubicTaps, line: &mut [f32]) {
        let [a, b, c, d] = taps.at.map(|at| self.0[at].as_slice());
        combine(line, a, b, c, d, taps.weights);
    }
}

multiversion! {
    fn combine(line: &mut [f32], a: &[f32], b: &[f32], c: &[f32], d: &[f32], weights: [f32; 4]) {
        let n = line.len();
        let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
        let [wa, wb, wc, wd] = weights;
        for x in 0..n {
            line[x] = (wa * a[x] + wb * b[x]) + (wc * c[x] + wd * d[x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_is_the_same_picture() {
        let planes: Vec<f32> = (0..2 * 25).map(|v| (v * v % 17) as f32).collect();
        let axis = Extent::new(2.5, 5.0, 5, 5, 0.1);
        let rows = Rows::across(&planes, 5, 2, &axis, 2);
        let mut line = vec![0.0; 10];
        for y in 0..5 {
            let (taps, weight) = axis.at(y).unwrap();
            assert_eq!(weight, 1.0);
            rows.down(taps, &mut line);
            assert_eq!(line[..5], planes[5 * y..][..5]);
            assert_eq!(line[5..], planes[25 + 5 * y..][..5]);
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp_and_weights_add_up() {
        let planes: Vec<f32> = (0..64).map(|i| (i % 8) as f32).collect();
        let axis = Extent::new(100.0, 80.0, 8, 200, 0.1);
        assert_eq!((axis.first(), axis.len()), (60, 80));
        let rows = Rows::across(&planes, 8, 1, &axis, 1);
        let mut line = vec![0.0; 80];
        rows.down(axis.at(97).unwrap().0, &mut line);
        // Between the outermost centres but one, where no neighbour is held at the border.
        for (x, v) in line.iter().enumerate().take(64).skip(16) {
            let expected = (x as f32 + 0.5) / 10.0 - 0.5;
            assert!((v - expected).abs() < 1e-4, "{x}: {v}");
        }
        for taps in &axis.taps {
            assert!((taps.weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_square_fades_in_but_for_ends_at_the_border() {
        let inside = Extent::new(100.0, 80.0, 8, 200, 0.1);
        let w = inside.weights();
        assert!(w[0] < 0.02 && w[79] < 0.02 && w[3] < w[4] && w[8] == 1.0 && w[40] == 1.0);
        let at_border = Extent::new(40.0, 80.0, 8, 200, 0.1);
        assert_eq!(at_border.weights()[0], 1.0);
        assert!(at_border.weights()[79] < 0.02);
        let over_it = Extent::new(10.0, 80.0, 8, 30, 0.1);
        assert_eq!((over_it.first(), over_it.len()), (0, 30));
        assert!(over_it.weights().iter().all(|&w| w == 1.0));
        let outside = Extent::new(-100.0, 80.0, 8, 30, 0.1);
        assert!(outside.is_empty() && outside.at(3).is_none());
    }
}
