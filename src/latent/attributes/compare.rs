//! Which way of finding a direction does best, judged on latents that it did not learn from.
//!
//! Rows are kept aside for the figures. The others are parted in two, several times over: each way learns from
//! the first part and is judged on the second; the best on average learns once more from both.
//!
//! Labels that go together (a smile and an open mouth) make the plain measures misleading: a direction that
//! moves both tells the sides of one apart better. So a score is judged within groups that are alike in another
//! label, and of ways that do about equally well the one is taken that moves the other attributes least.

use serde::{Deserialize, Serialize};

use super::Direction;
use super::build::{
    RidgeOptions, Vectors, adjusted_difference, balanced_difference, classifier,
    difference_of_means, direction_from_labels, direction_from_values, joint_ridge, ridge,
};
use super::measure::{Holdout, auc, quantile};
use crate::latent::{Latent, LatentError, dot, dot_flat, flat_from_latent};

/// Areas under the curve that differ by less are taken for equal, and the leakage decides.
pub const AUC_TOLERANCE: f32 = 0.01;

/// Rows on each side that a measure of another attribute needs at least.
const MIN_SIDE: usize = 8;

/// Below this cosine the effects of another attribute in the two parts have too little in common.
const MIN_COSINE: f64 = 0.02;

/// How the vector of a direction is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The difference of the two means, as in the paper.
    Difference,
    /// The difference of means within groups that are alike in all other labels.
    Balanced,
    /// The difference of means with the linear part of the other labels taken out.
    Adjusted,
    /// The normal of a linear classifier; of labels that are numbers, ridge regression.
    Classifier,
    /// Ridge regression on the label.
    Ridge,
    /// Ridge regression on the label together with all others.
    Joint,
}

/// The share of what other labels say of one that [`Method::Joint`] takes out of it, usually: among 40 labels of 8,000
/// faces a quarter cost 0.003 of the area under the curve and cut the largest leak by a fifth.
pub const USUAL_CLEARED: f64 = 0.25;

impl Method {
    /// All of them. Of yes-or-no labels ridge regression has the same normal as the classifier.
    pub const ALL: [Self; 6] = [
        Self::Difference,
        Self::Balanced,
        Self::Adjusted,
        Self::Classifier,
        Self::Ridge,
        Self::Joint,
    ];

    fn shrinks(self) -> bool {
        matches!(self, Self::Classifier | Self::Ridge | Self::Joint)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Difference => "difference of means",
            Self::Balanced => "balanced difference",
            Self::Adjusted => "adjusted difference",
            Self::Classifier => "linear classifier",
            Self::Ridge => "ridge regression",
            Self::Joint => "joint ridge regression",
        }
    }
}

/// A method with all its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approach {
    /// How the vector is found.
    pub method: Method,
    /// [`RidgeOptions::shrinkage`], where the method has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrinkage: Option<f64>,
    /// A factor for each level, finest first; none where all are 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level_weights: Vec<f32>,
    /// Of [`Method::Joint`], the share of what the other labels say that is taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<f64>,
}

impl Approach {
    /// A method with its usual settings.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            shrinkage: method.shrinks().then_some(1.0),
            level_weights: Vec::new(),
            cleared: (method == Method::Joint).then_some(USUAL_CLEARED),
        }
    }

    /// The approach in words.
    pub fn text(&self) -> String {
        let mut text = self.method.text().to_owned();
        if let Some(shrinkage) = self.shrinkage {
            text += &format!(", shrinkage {shrinkage}");
        }
        if let Some(cleared) = self.cleared {
            text += &format!(", cleared of {cleared} of the others");
        }
        if !self.level_weights.is_empty() {
            let weights: Vec<String> = self.level_weights.iter().map(f32::to_string).collect();
            text += &format!(", levels weighted {}", weights.join(" "));
        }
        text
    }
}

/// What is known of one attribute, by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Name of the attribute.
    pub name: String,
    /// `None` where nothing is known.
    pub values: Vec<Option<f64>>,
    /// The value that parts the yes from the no.
    pub threshold: f64,
    /// A measure rather than a yes or no.
    pub is_number: bool,
}

impl Labels {
    fn value(&self, row: usize) -> Option<f64> {
        self.values.get(row).copied().flatten()
    }

    fn positive(&self) -> Vec<bool> {
        let yes = |v: &Option<f64>| v.is_some_and(|v| v > self.threshold);
        self.values.iter().map(yes).collect()
    }

    /// The values, 0 where nothing is known: such rows must not be used.
    fn numbers(&self) -> Vec<f64> {
        self.values.iter().map(|v| v.unwrap_or(0.0)).collect()
    }

    /// What a direction is learnt from: yes and no as they are, of measures the share of the known values of `rows`
    /// that lie below. Few old people should not weigh more than many young ones, and a year more at 80 shows less than
    /// one at 8.
    fn targets(&self, rows: &[usize]) -> Vec<f64> {
        if !self.is_number {
            return self.numbers();
        }
        let mut sorted: Vec<f64> = rows.iter().filter_map(|&row| self.value(row)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len().max(1) as f64;
        let rank = |v: f64| {
            let below = sorted.partition_point(|&s| s < v);
            let up_to = sorted.partition_point(|&s| s <= v);
            (below + up_to) as f64 / (2.0 * n)
        };
        self.values.iter().map(|v| v.map_or(0.0, rank)).collect()
    }
}

/// The settings that are tried.
#[derive(Clone, Debug, PartialEq)]
pub struct ApproachGrid {
    /// Shrinkages, the usual one first: with it level weights are chosen, and with these the others are tried.
    pub shrinkages: Vec<f64>,
    /// Factors of the levels, finest first, beside all 1.
    pub level_weights: Vec<Vec<f32>>,
}

impl ApproachGrid {
    /// The grid for a model of so many levels: the finest ones hold most of the numbers and the least of what a
    /// face looks like, so they are weakened or left out.
    pub fn new(levels: usize) -> Self {
        // Each level counts `ratio` of the next coarser one, the finest `left_out` ones nothing.
        let weights = |ratio: f32, left_out: usize| -> Vec<f32> {
            let factor = |l: usize| match l < left_out {
                true => 0.0,
                false => ratio.powi((levels - 1 - l) as i32),
            };
            (0..levels).map(factor).collect()
        };
        let mut level_weights: Vec<Vec<f32>> = Vec::new();
        if levels > 1 {
            let tried = [(0.5, 0), (0.25, 0), (1.0, 1), (0.5, 1), (1.0, 2)];
            for (ratio, left_out) in tried {
                let weights = weights(ratio, left_out);
                if left_out < levels && !level_weights.contains(&weights) {
                    level_weights.push(weights);
                }
            }
        }
        Self {
            shrinkages: vec![5.0, 1.0, 20.0],
            level_weights,
        }
    }
}

impl ApproachGrid {
    /// Approaches that [`Task::compare`] judges at most.
    pub fn n_approaches(&self) -> usize {
        let n_weights = self.level_weights.len();
        3 * (1 + n_weights) + self.shrinkages.len() + n_weights
    }
}

/// How one approach did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The approach.
    #[serde(flatten)]
    pub approach: Approach,
    /// Area under the ROC curve on the second part.
    pub auc: f32,
    /// The same within groups that are alike in another label, the least over these labels.
    pub balanced_auc: f32,
    /// The largest share of another attribute that +1 brings along: 1 would be all of what its own +1 does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leakage: Option<f32>,
    /// Length of what +1 adds, over that of a typical latent.
    pub relative_length: f32,
    /// The share of pictures that stay finite when they are moved by 2 to either side, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finite: Option<f32>,
}

/// The labels of one attribute and all others that rows are known by.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The latents.
    pub vectors: &'a Vectors,
    /// The attribute.
    pub label: &'a Labels,
    /// Those that must not be taken for it.
    pub others: &'a [&'a Labels],
}

impl Task<'_> {
    /// The raw vector of an approach.
    ///
    /// Errors: labels from which it cannot be found.
    pub fn raw(&self, rows: &[usize], approach: &Approach) -> Result<Vec<f32>, LatentError> {
        let (vectors, label) = (self.vectors, self.label);
        let weights = match &approach.level_weights[..] {
            [] => None,
            factors => Some(vectors.level_weights(factors)?),
        };
        let options = || RidgeOptions {
            shrinkage: approach.shrinkage.unwrap_or(1.0),
            weights: weights.clone(),
            ..RidgeOptions::default()
        };
        let mut raw = match approach.method {
            Method::Difference => difference_of_means(vectors, rows, &label.positive())?,
            Method::Balanced => {
                let strata = self.strata();
                let strata: Vec<&[bool]> = strata.iter().map(Vec::as_slice).collect();
                balanced_difference(vectors, rows, &label.positive(), &strata)?
            }
            Method::Adjusted => {
                let others: Vec<&[Option<f64>]> =
                    self.others.iter().map(|o| o.values.as_slice()).collect();
                adjusted_difference(vectors, rows, &label.targets(rows), &others)?
            }
            Method::Classifier if !label.is_number => {
                return classifier(vectors, rows, &label.positive(), &options());
            }
            Method::Joint => {
                let others: Vec<&[Option<f64>]> =
                    self.others.iter().map(|o| o.values.as_slice()).collect();
                let share = approach.cleared.unwrap_or(USUAL_CLEARED);
                let targets = label.targets(rows);
                return joint_ridge(vectors, rows, &targets, &others, share, &options());
            }
            Method::Classifier | Method::Ridge => {
                return ridge(vectors, rows, &label.targets(rows), &options());
            }
        };
        if let Some(weights) = weights {
            raw.iter_mut().zip(weights).for_each(|(v, w)| *v *= w);
        }
        Ok(raw)
    }

    /// The direction of an approach, with its figures on the rows held out.
    ///
    /// Errors: labels from which it cannot be found, or that it does not tell apart.
    pub fn direction(
        &self,
        split: &Holdout,
        approach: &Approach,
    ) -> Result<Direction, LatentError> {
        let raw = self.raw(&split.train, approach)?;
        self.in_units(split, &raw, &approach.text())
    }

    fn in_units(&self, split: &Holdout, raw: &[f32], text: &str) -> Result<Direction, LatentError> {
        let (name, vectors) = (&self.label.name, self.vectors);
        match self.label.is_number {
            true => direction_from_values(name, vectors, split, &self.label.numbers(), raw, text),
            false => direction_from_labels(name, vectors, split, &self.label.positive(), raw, text),
        }
    }

    /// Judges all methods: `train` of each split is learnt from, `held_out` judged on, and the figures are averages
    /// over the splits. Approaches that the labels do not allow are left out. `proceed` is asked before each; where it
    /// says no, what is there is given.
    ///
    /// Errors: no split, or the labels allow no approach.
    pub fn compare(
        &self,
        splits: &[Holdout],
        grid: &ApproachGrid,
        proceed: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Compared>, LatentError> {
        let probes: Vec<Vec<Probe>> = splits.iter().map(|split| self.probes(split)).collect();
        let mut found: Vec<Compared> = Vec::new();
        let mut first_error = None;
        let methods = Method::ALL.into_iter();
        // Classifier and regression differ for labels that are numbers alone, and there the classifier is the
        // regression. The joint one is a choice: what it gives up to be free of the others is not for a figure to say.
        let judged = methods.filter(|m| !matches!(m, Method::Ridge | Method::Joint));
        for method in judged {
            let mut one = |approach: Approach, raws: Option<Vec<Vec<f32>>>| -> Option<Compared> {
                if !proceed() {
                    return None;
                }
                let raws = raws.map_or_else(|| self.raws(splits, &approach), Ok);
                let judged = raws.and_then(|raws| {
                    let parts = splits.iter().zip(&probes).zip(&raws);
                    let all: Result<Vec<Compared>, LatentError> = parts
                        .map(|((split, probes), raw)| {
                            self.judge(split, probes, approach.clone(), raw)
                        })
                        .collect();
                    averaged(approach, &all?)
                });
                judged.map_err(|e| first_error.get_or_insert(e)).ok()
            };
            let mut best = Approach::new(method);
            if method.shrinks() {
                // With the fewer numbers that weights leave, less shrinkage is needed: weights come first.
                let [usual, others @ ..] = &grid.shrinkages[..] else {
                    continue;
                };
                best.shrinkage = Some(*usual);
                let all = std::iter::once(&best.level_weights).chain(&grid.level_weights);
                let tried = all.map(|weights| Approach {
                    level_weights: weights.clone(),
                    ..best.clone()
                });
                let tried: Vec<Compared> =
                    tried.filter_map(|approach| one(approach, None)).collect();
                if let Some(&first) = ranking(&tried).first() {
                    best = tried[first].approach.clone();
                }
                found.extend(tried);
                let shrunk = others.iter().map(|&shrinkage| Approach {
                    shrinkage: Some(shrinkage),
                    ..best.clone()
                });
                found.extend(shrunk.filter_map(|approach| one(approach, None)));
                continue;
            }
            // Weights are factors on the result here, so it is found once.
            let Ok(raws) = self.raws(splits, &best) else {
                continue;
            };
            found.extend(one(best.clone(), Some(raws.clone())));
            for weights in &grid.level_weights {
                let factors = self.vectors.level_weights(weights)?;
                let weigh = |raw: &Vec<f32>| raw.iter().zip(&factors).map(|(v, f)| v * f).collect();
                let weighted = raws.iter().map(weigh).collect();
                best.level_weights.clone_from(weights);
                found.extend(one(best.clone(), Some(weighted)));
            }
        }
        match (found.is_empty(), first_error) {
            (true, Some(error)) => Err(error),
            (true, None) => Err(nothing_to_compare()),
            _ => Ok(found),
        }
    }

    /// The raw vector of an approach from the first part of each split.
    fn raws(&self, splits: &[Holdout], approach: &Approach) -> Result<Vec<Vec<f32>>, LatentError> {
        let of = |split: &Holdout| self.raw(&split.train, approach);
        splits.iter().map(of).collect()
    }

    fn judge(
        &self,
        split: &Holdout,
        probes: &[Probe],
        approach: Approach,
        raw: &[f32],
    ) -> Result<Compared, LatentError> {
        let direction = self.in_units(split, raw, "")?;
        let scores = self.vectors.scores(&split.held_out, raw);
        let positive = self.label.positive();
        let positive: Vec<bool> = split.held_out.iter().map(|&i| positive[i]).collect();
        // Where one side is missing nothing can be said for or against.
        let plain = auc(&scores, &positive).unwrap_or(0.5);
        let within: Vec<f64> = self
            .others
            .iter()
            .filter_map(|other| {
                let groups = split
                    .held_out
                    .iter()
                    .map(|&i| other.value(i).map(|v| v > other.threshold));
                auc_within(&scores, &positive, &groups.collect::<Vec<_>>())
            })
            .collect();
        let balanced = within.into_iter().reduce(f64::min).unwrap_or(plain);
        let leak = |probe: &Probe| (dot(&direction.vector, &probe.seen) / probe.own).abs() as f32;
        Ok(Compared {
            approach,
            auc: plain as f32,
            balanced_auc: balanced as f32,
            leakage: probes.iter().map(leak).reduce(f32::max),
            relative_length: (direction.vector.norm() / (self.vectors.d() as f64).sqrt()) as f32,
            finite: None,
        })
    }

    /// A probe for each other label that has enough rows.
    fn probes(&self, split: &Holdout) -> Vec<Probe> {
        let probe = |at: usize| {
            let learnt = self.effect(at, &split.train)?;
            let seen = self.effect(at, &split.held_out)?;
            let own = dot(&learnt, &seen);
            let lengths = learnt.norm() * seen.norm();
            (own > MIN_COSINE * lengths).then_some(Probe { seen, own })
        };
        (0..self.others.len()).filter_map(probe).collect()
    }

    /// What another label does to the latents among these rows while all labels but it stay.
    fn effect(&self, at: usize, rows: &[usize]) -> Option<Latent> {
        let label = self.others[at];
        let known = rows.iter().copied().filter(|&i| label.value(i).is_some());
        let split = Holdout {
            train: known.collect(),
            held_out: Vec::new(),
        };
        let positive = label.positive();
        let n_positive = split.train.iter().filter(|&&i| positive[i]).count();
        if n_positive < MIN_SIDE || split.train.len() - n_positive < MIN_SIDE {
            return None;
        }
        let rest = self.others.iter().enumerate().filter(|(j, _)| *j != at);
        let others: Vec<&Labels> = rest.map(|(_, o)| *o).chain([self.label]).collect();
        let task = Task {
            vectors: self.vectors,
            label,
            others: &others,
        };
        let direction = task.direction(&split, &Approach::new(Method::Adjusted));
        direction.ok().map(|d| d.vector)
    }

    /// The other labels for balancing: of each the yes or no, and whether it is unknown.
    fn strata(&self) -> Vec<Vec<bool>> {
        let others = self.others.iter();
        let both = others.flat_map(|other| {
            let unknown = other.values.iter().map(Option::is_none).collect();
            [other.positive(), unknown]
        });
        both.collect()
    }
}

fn nothing_to_compare() -> LatentError {
    LatentError::Data {
        what: "comparing",
        found: "no way to find the direction".to_owned(),
        expected: "there must be rows with both sides",
    }
}

/// One approach's figures over several splits.
fn averaged(approach: Approach, all: &[Compared]) -> Result<Compared, LatentError> {
    let mean = |values: Vec<f32>| -> Option<f32> {
        (!values.is_empty()).then(|| values.iter().sum::<f32>() / values.len() as f32)
    };
    let of = |figure: fn(&Compared) -> f32| {
        mean(all.iter().map(figure).collect()).ok_or_else(nothing_to_compare)
    };
    Ok(Compared {
        approach,
        auc: of(|c| c.auc)?,
        balanced_auc: of(|c| c.balanced_auc)?,
        leakage: mean(all.iter().filter_map(|c| c.leakage).collect()),
        relative_length: of(|c| c.relative_length)?,
        finite: None,
    })
}

/// Measures how far an edit goes along another attribute.
///
/// With more dimensions than rows, two directions from the same rows share most of their noise, and their
/// product says more of that than of the attributes. So the other attribute's effect is taken from the rows
/// that the candidates did not learn from, and its own length as the product of both parts' effects.
struct Probe {
    /// The effect among the rows that are judged on.
    seen: Latent,
    /// `<learnt, seen>`: what the other attribute's own +1 measures.
    own: f64,
}

/// Places of the approaches, the best first: those that tell the sides apart within groups about as well as the
/// best, the one that moves the others least before the others; then the rest by how well they tell them apart.
pub fn ranking(compared: &[Compared]) -> Vec<usize> {
    let best = compared
        .iter()
        .map(|c| c.balanced_auc)
        .fold(f32::NEG_INFINITY, f32::max);
    let key = |&at: &usize| {
        let one = &compared[at];
        match one.balanced_auc >= best - AUC_TOLERANCE {
            true => (false, one.leakage.unwrap_or(0.0)),
            false => (true, -one.balanced_auc),
        }
    };
    let mut order: Vec<usize> = (0..compared.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    order
}

/// The area under the curve of pairs in the same group: the chance that of two rows alike in the other label
/// the positive one scores higher. `None` where no group has both sides.
fn auc_within(scores: &[f64], positive: &[bool], groups: &[Option<bool>]) -> Option<f64> {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for group in [Some(false), Some(true)] {
        let rows: Vec<usize> = (0..scores.len()).filter(|&i| groups[i] == group).collect();
        let scores: Vec<f64> = rows.iter().map(|&i| scores[i]).collect();
        let positive: Vec<bool> = rows.iter().map(|&i| positive[i]).collect();
        let n_positive = positive.iter().filter(|&&p| p).count();
        let n = (n_positive * (positive.len() - n_positive)) as f64;
        if let Some(auc) = auc(&scores, &positive) {
            sum += n * auc;
            pairs += n;
        }
    }
    (pairs > 0.0).then(|| sum / pairs)
}

/// The median over rows of `|eps + amount v| / |eps|`.
pub fn relative_norm(
    vectors: &Vectors,
    rows: &[usize],
    direction: &Direction,
    amount: f32,
) -> Option<f32> {
    let v = flat_from_latent(&direction.vector);
    let (a, vv) = (f64::from(amount), dot_flat(&v, &v));
    let ratio = |&i: &usize| {
        let xx = dot_flat(vectors.row(i), vectors.row(i));
        let moved = xx + 2.0 * a * dot_flat(vectors.row(i), &v) + a * a * vv;
        (moved / xx).sqrt()
    };
    let ratios: Vec<f64> = rows.iter().map(ratio).collect();
    quantile(&ratios, 0.5).map(|v| v as f32)
}

#[cfg(test)]
mod tests;
