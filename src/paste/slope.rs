//! How the change follows the picture's own contrast: the slope of a guided filter.

/// Added to the variance in a window, so that flat windows have no slope: three channels of (4 levels)^2.
const FLAT: f32 = 3.0 * 16.0;

/// The slope of `change` on `guide`, one for the three channels, at every pixel: `sum_c cov(guide_c, change_c) /
/// (sum_c var(guide_c) + FLAT)`, held within -1..1. Covariance and variance are those of square windows, averaged over the
/// windows that hold the pixel, so that windows with contrast decide and flat ones beside them do not water it down.
///
/// Shapes: `guide` and `change` `[3, s, s]`; the answer `[s, s]`. At -1 the photo's detail goes away entirely, at 1 it
/// is twice as strong; no window asks for more than that but by chance.
pub(super) fn slope(guide: &[f32], change: &[f32], size: usize) -> Vec<f32> {
    // A thirty-second of the picture: the width of a lip or a frame of glasses.
    let radius = (size / 32).max(1);
    let area = size * size;
    let (mut covariance, mut variance) = (vec![0.0; area], vec![0.0; area]);
    for channel in 0..3 {
        let guide = &guide[channel * area..][..area];
        let change = &change[channel * area..][..area];
        let mean = |values: Vec<f32>| window_means(&values, size, radius);
        let of_pairs = |a: &[f32], b: &[f32]| mean(a.iter().zip(b).map(|(a, b)| a * b).collect());
        let (mean_guide, mean_change) = (mean(guide.to_vec()), mean(change.to_vec()));
        let (both, squares) = (of_pairs(guide, change), of_pairs(guide, guide));
        for i in 0..area {
            covariance[i] += both[i] - mean_guide[i] * mean_change[i];
            variance[i] += (squares[i] - mean_guide[i] * mean_guide[i]).max(0.0);
        }
    }
    let covariance = window_means(&covariance, size, radius);
    let variance = window_means(&variance, size, radius);
    let pairs = covariance.iter().zip(&variance);
    pairs
        .map(|(cov, var)| (cov / (var + FLAT)).clamp(-1.0, 1.0))
        .collect()
}

/// The mean over the window round each pixel, as far as it lies in the picture.
fn window_means(values: &[f32], size: usize, radius: usize) -> Vec<f32> {
    let along = |values: &[f32], step: usize, stride: usize| {
        let mut means = vec![0.0; values.len()];
        for line in 0..size {
            let start = line * stride;
            for at in 0..size {
                let (low, high) = (at.saturating_sub(radius), (at + radius + 1).min(size));
                let sum: f32 = (low..high).map(|i| values[start + i * step]).sum();
                means[start + at * step] = sum / (high - low) as f32;
            }
        }
        means
    };
    along(&along(values, 1, size), size, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bright square on a dark ground, in three channels.
    fn guide() -> Vec<f32> {
        let one: Vec<f32> = (0..32 * 32)
            .map(|i| {
                let inside = |v: usize| (8..24).contains(&v);
                if inside(i % 32) && inside(i / 32) {
                    200.0
                } else {
                    60.0
                }
            })
            .collect();
        one.repeat(3)
    }

    #[test]
    fn what_takes_an_edge_away_has_slope_minus_one_there_and_none_elsewhere() {
        let guide = guide();
        let change: Vec<f32> = guide.iter().map(|v| 60.0 - v).collect();
        let slope = slope(&guide, &change, 32);
        assert!(slope[8 * 32 + 16] < -0.95, "{}", slope[8 * 32 + 16]);
        assert_eq!(slope[16 * 32 + 16], 0.0);
        assert_eq!(slope[2 * 32 + 2], 0.0);
    }

    #[test]
    fn a_change_of_brightness_has_no_slope() {
        let slope = slope(&guide(), &vec![25.0; 3 * 32 * 32], 32);
        assert!(slope.iter().all(|a| a.abs() < 0.01));
    }

    #[test]
    fn no_change_has_a_slope_of_zero_exactly() {
        let slope = slope(&guide(), &vec![0.0; 3 * 32 * 32], 32);
        assert!(slope.iter().all(|&a| a == 0.0));
    }
}
