//! Priors that stand beside the flow: tables of the splits, and what a condition adds to a table.
//!
//! The flow itself never looks at them: `z` is the same whatever its prior says. So they are taken where latents come in
//! and go out, on the host, for every form of the model alike. What the flow calls eps, `e`, came of the prior that it
//! knows (`mean_0`, `log_std_0`: the top's own numbers, a standard normal elsewhere); the latent that people see is
//! `eps = (e * exp(log_std_0) + mean_0 - mean) * exp(-log_std) = gain * e + shift`, and the likelihood changes by
//! `sum(e^2 / 2 - eps^2 / 2 + ln gain)`.

use std::borrow::Cow;
use std::sync::Arc;

use super::ModelError;
use super::params::Params;
use crate::latent::{Condition, Latent};

/// The tables of one level.
struct ConditionTable {
    level: usize,
    /// Numbers in an eps of the level.
    len: usize,
    /// The prior that the flow knows, and the one without a condition: `[mean, log_std]`.
    known: [Vec<f32>; 2],
    base: [Vec<f32>; 2],
    /// What each value of the condition adds, `[values, base]`.
    by_value: Option<[Vec<f32>; 2]>,
}

/// All tables of a model.
pub(super) struct Priors {
    tables: Vec<ConditionTable>,
    /// Values of a condition.
    values: usize,
}

impl Priors {
    pub(super) fn new(params: &Params) -> Self {
        let config = &params.config;
        let shapes = config.level_shapes();
        let top = shapes.len() - 1;
        let mut tables = Vec::new();
        for (level, shape) in shapes.iter().enumerate() {
            let prefix = if level == top {
                "prior.".to_owned()
            } else {
                format!("levels.{level}.split.prior.")
            };
            let get = |name: &str| params.get(&format!("{prefix}{name}")).map(<[f32]>::to_vec);
            let (Some(mean), Some(log_std)) = (get("mean"), get("log_std")) else {
                continue;
            };
            let by_value = get("condition_mean").zip(get("condition_log_std"));
            let zeros = vec![0.0; mean.len()];
            let known = if level == top {
                [mean.clone(), log_std.clone()]
            } else {
                [zeros.clone(), zeros]
            };
            // The top of a model without a condition is the flow's own.
            if level < top || by_value.is_some() {
                tables.push(ConditionTable {
                    level,
                    len: shape.eps_len(),
                    known,
                    base: [mean, log_std],
                    by_value: by_value.map(|(a, b)| [a, b]),
                });
            }
        }
        Self {
            tables,
            values: config.variant.condition,
        }
    }

    /// Refuses a condition of another length than the model's.
    pub(super) fn check(&self, condition: &Condition) -> Result<(), ModelError> {
        if !condition.fits(self.values) {
            return Err(ModelError::Shape {
                what: "condition".into(),
                expected: match self.values {
                    0 => "none, for the model is not conditional".into(),
                    values => format!("{values} numbers"),
                },
                found: condition.0.len().to_string(),
            });
        }
        Ok(())
    }

    /// The map of each condition; equal neighbours share one.
    pub(super) fn maps<'a>(
        &self,
        conditions: impl Iterator<Item = &'a Condition>,
    ) -> Result<Maps, ModelError> {
        let mut maps: Vec<Arc<Map>> = Vec::new();
        let mut before = None;
        for condition in conditions {
            self.check(condition)?;
            if self.tables.is_empty() {
                continue;
            }
            let map = match maps.last() {
                Some(map) if before == Some(condition) => Arc::clone(map),
                _ => Arc::new(self.map(condition)),
            };
            maps.push(map);
            before = Some(condition);
        }
        Ok(Maps(maps))
    }

    fn map(&self, condition: &Condition) -> Map {
        Map(self.tables.iter().map(|t| t.map(condition)).collect())
    }
}

impl ConditionTable {
    fn map(&self, condition: &Condition) -> LevelMap {
        let numbers = self.base[0].len();
        let given = |which: usize, at: usize| {
            let mut value = f64::from(self.base[which][at]);
            if let Some(by_value) = &self.by_value {
                for (y, v) in condition.0.iter().enumerate() {
                    value += f64::from(*v) * f64::from(by_value[which][y * numbers + at]);
                }
            }
            value
        };
        let (mut gain, mut shift) = (Vec::new(), Vec::new());
        for at in 0..numbers {
            let known = [f64::from(self.known[0][at]), f64::from(self.known[1][at])];
            let (mean, log_std) = (given(0, at), given(1, at));
            gain.push((known[1] - log_std).exp());
            shift.push((known[0] - mean) * (-log_std).exp());
        }
        LevelMap {
            level: self.level,
            repeat: self.len / numbers,
            gain,
            shift,
        }
    }
}

/// `eps = gain * e + shift` at one level; each number stands for `repeat` in a row.
struct LevelMap {
    level: usize,
    repeat: usize,
    gain: Vec<f64>,
    shift: Vec<f64>,
}

/// The maps of all levels that have tables.
pub(super) struct Map(Vec<LevelMap>);

impl Map {
    /// From what the flow gave to what people see.
    pub(super) fn outward(&self, latent: &mut Latent, log_prob: &mut [f64]) {
        for map in &self.0 {
            let mut more = 0.0;
            for (at, v) in latent.levels[map.level].data.iter_mut().enumerate() {
                let (gain, shift) = (map.gain[at / map.repeat], map.shift[at / map.repeat]);
                let e = f64::from(*v);
                let eps = gain * e + shift;
                more += 0.5 * (e * e - eps * eps) + gain.ln();
                *v = eps as f32;
            }
            log_prob[map.level] += more;
        }
    }

    fn inward(&self, latent: &Latent) -> Latent {
        let mut latent = latent.clone();
        for map in &self.0 {
            let Some(level) = latent.levels.get_mut(map.level) else {
                continue;
            };
            let n = map.gain.len();
            for (at, v) in level.data.iter_mut().enumerate() {
                // A latent of another model is refused by the flow, which knows the shapes.
                let i = (at / map.repeat).min(n - 1);
                *v = ((f64::from(*v) - map.shift[i]) / map.gain[i]) as f32;
            }
        }
        latent
    }
}

/// The maps of a batch: one each, or none where the model has no tables.
pub(super) struct Maps(Vec<Arc<Map>>);

impl Maps {
    pub(super) fn of(&self, i: usize) -> Option<&Map> {
        self.0.get(i).map(|map| &**map)
    }

    /// From what people see to what the flow takes.
    pub(super) fn inward<'a>(&self, latents: &'a [Latent]) -> Vec<Cow<'a, Latent>> {
        let each = latents.iter().enumerate();
        each.map(|(i, latent)| match self.of(i) {
            Some(map) => Cow::Owned(map.inward(latent)),
            None => Cow::Borrowed(latent),
        })
        .collect()
    }
}
