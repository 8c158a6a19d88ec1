//! How well a score tells the labels: held-out splits, area under the ROC curve, correlation.

use crate::noise::{Noise, NoisePurpose};

/// Rows to learn from, and rows held out; a permutation decided by the seed alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdout {
    /// Rows to learn from, ascending.
    pub train: Vec<usize>,
    /// Rows to measure on, ascending.
    pub held_out: Vec<usize>,
}

/// Splits `rows`, holding out `share` of them (0 to 1, rounded down), seeded.
pub fn split(rows: &[usize], share: f64, seed: u64) -> Holdout {
    let mut order = rows.to_vec();
    Noise::of(NoisePurpose::Split, seed, 0).shuffle(&mut order);
    let n_held_out = (order.len() as f64 * share.clamp(0.0, 1.0)) as usize;
    let mut train = order.split_off(n_held_out);
    order.sort_unstable();
    train.sort_unstable();
    Holdout {
        train,
        held_out: order,
    }
}

/// The chance that a positive scores above a negative, ties counting half. `None` without both sides
/// or with a score that is not a number.
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    if scores.len() != positive.len() || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let n_positive = positive.iter().filter(|&&p| p).count();
    let n_negative = positive.len() - n_positive;
    if n_positive == 0 || n_negative == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Sum of the positives' ranks, ties sharing the mean of their ranks.
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..]
            .iter()
            .take_while(|&&i| scores[i] == scores[order[start]])
            .count();
        let rank = start as f64 + (tied as f64 + 1.0) / 2.0;
        let n = order[start..start + tied]
            .iter()
            .filter(|&&i| positive[i])
            .count();
        rank_sum += rank * n as f64;
        start += tied;
    }
    let (p, n) = (n_positive as f64, n_negative as f64);
    Some((rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// Pearson's correlation; `None` where one side does not vary.
pub fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len().min(b.len()) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    let r = ab / (aa * bb).sqrt();
    r.is_finite().then_some(r)
}

/// The value below which `share` of the values lie, interpolated; `None` of nothing.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(sorted.len() - 1);
    Some(sorted[low] * (1.0 - part) + sorted[high] * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_cover_everything_once_and_repeat() {
        let rows: Vec<usize> = (0..101).collect();
        let a = split(&rows, 0.2, 7);
        assert_eq!((a.train.len(), a.held_out.len()), (81, 20));
        let mut all = [a.train.clone(), a.held_out.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, rows);
        assert_eq!(a, split(&rows, 0.2, 7));
        assert_ne!(a, split(&rows, 0.2, 8));
        assert_eq!(split(&[], 0.5, 1).train, Vec::<usize>::new());
    }

    #[test]
    fn auc_of_known_rankings() {
        let labels = [false, false, true, true];
        assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &labels), Some(1.0));
        assert_eq!(auc(&[4.0, 3.0, 2.0, 1.0], &labels), Some(0.0));
        assert_eq!(auc(&[1.0, 1.0, 1.0, 1.0], &labels), Some(0.5));
        assert_eq!(auc(&[1.0, 3.0, 2.0, 4.0], &labels), Some(0.75));
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auc(&[1.0, f64::NAN], &[true, false]), None);
    }

    #[test]
    fn correlation_and_quantiles() {
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[0.0, 10.0], 0.99), Some(9.9));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
