//! Adam, Adamax and averaged weights on one flat vector.

use serde::{Deserialize, Serialize};

use crate::kernels::multiversion;

/// The update rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Kingma & Ba 2015.
    #[default]
    Adam,
    /// The infinity-norm variant, with the paper's code's step size `lr sqrt(1 - b2^t) / (1 - b1^t)`.
    Adamax,
}

/// Decay rates and the guard against division by zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment (or of the infinity norm).
    pub beta2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
        }
    }
}

/// Moments of the gradient, and the running average of the weights.
#[derive(Clone, Debug)]
pub struct Optimizer {
    /// The rule.
    pub rule: Rule,
    /// Its rates.
    pub rates: Rates,
    /// Updates done.
    pub t: u64,
    /// First moment.
    pub m: Vec<f32>,
    /// Second moment.
    pub v: Vec<f32>,
    /// Average of the weights, `a += (1 - d) (w - a)` with `d = min(decay, t / (t + 10))`.
    pub average: Vec<f32>,
}

impl Optimizer {
    /// At the start of a training from `weights`.
    pub fn new(rule: Rule, rates: Rates, weights: &[f32]) -> Self {
        let zeros = vec![0.0; weights.len()];
        Self {
            rule,
            rates,
            t: 0,
            m: zeros.clone(),
            v: zeros,
            average: weights.to_vec(),
        }
    }

    /// One update with the gradient times `gradient_scale`; `decay` is that of the averaged weights.
    pub fn step(
        &mut self,
        weights: &mut [f32],
        gradient: &[f32],
        gradient_scale: f32,
        learning_rate: f32,
        decay: f32,
    ) {
        self.t += 1;
        let t = self.t as f64;
        let (b1, b2) = (f64::from(self.rates.beta1), f64::from(self.rates.beta2));
        let bias1 = (1.0 - b1.powf(t)) as f32;
        let bias2 = (1.0 - b2.powf(t)).sqrt() as f32;
        let keep = f64::from(decay).min(t / (t + 10.0)) as f32;
        match self.rule {
            // epsilon stands beside the corrected root, as in the usual statement of Adam.
            Rule::Adam => {
                let (step, epsilon) = (learning_rate * bias2 / bias1, self.rates.epsilon * bias2);
                adam(
                    weights,
                    gradient,
                    &mut self.m,
                    &mut self.v,
                    gradient_scale,
                    self.rates.beta1,
                    self.rates.beta2,
                    step,
                    epsilon,
                );
            }
            Rule::Adamax => {
                let step = learning_rate * bias2 / bias1;
                adamax(
                    weights,
                    gradient,
                    &mut self.m,
                    &mut self.v,
                    gradient_scale,
                    self.rates.beta1,
                    self.rates.beta2,
                    step,
                    self.rates.epsilon,
                );
            }
        }
        average(&mut self.average, weights, 1.0 - keep);
    }
}

multiversion! {
    fn adam(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], scale: f32, b1: f32, b2: f32, step: f32, epsilon: f32) {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * scale;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *w -= step * *m / (v.sqrt() + epsilon);
        }
    }
}

multiversion! {
    fn adamax(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], scale: f32, b1: f32, b2: f32, step: f32, epsilon: f32) {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * scale;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = (b2 * *v).max(g.abs());
            *w -= step * *m / (*v + epsilon);
        }
    }
}

multiversion! {
    fn average(a: &mut [f32], w: &[f32], part: f32) {
        for (a, w) in a.iter_mut().zip(w) {
            *a += part * (w - *a);
        }
    }
}

/// Euclidean norm.
pub fn norm(gradient: &[f32]) -> f64 {
    gradient
        .iter()
        .map(|&g| f64::from(g) * f64::from(g))
        .sum::<f64>()
        .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rules_find_the_minimum_of_a_parabola() {
        for rule in [Rule::Adam, Rule::Adamax] {
            let mut w = vec![3.0, -2.0];
            let mut optimizer = Optimizer::new(rule, Rates::default(), &w);
            for _ in 0..2000 {
                let gradient: Vec<f32> = w.iter().map(|v| 2.0 * (v - 1.0)).collect();
                optimizer.step(&mut w, &gradient, 1.0, 0.01, 0.9);
            }
            assert!(
                w.iter()
                    .chain(&optimizer.average)
                    .all(|v| (v - 1.0).abs() < 0.02),
                "{rule:?} {w:?}"
            );
        }
    }

    #[test]
    fn the_first_step_of_adam_has_the_length_of_the_learning_rate() {
        let mut w = vec![0.0];
        Optimizer::new(Rule::Adam, Rates::default(), &w).step(&mut w, &[123.0], 1.0, 0.5, 0.9);
        assert!((w[0] + 0.5).abs() < 1e-6);
    }
}
