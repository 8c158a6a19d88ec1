//! Attribute directions: moving a latent along them, and saying where on them it lies.
//!
//! An edit is `eps + amount * v`. Everything is measured in slider units, in which `v` is one: a
//! latent's score is `<eps, v> / <v, v> - center`, 0 half way between the two sides of the training
//! labels, and an edit by `amount` raises it by exactly `amount`.

pub mod build;
pub mod compare;
pub mod components;
pub mod measure;
mod solve;
mod vectors;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Latent, LatentError, check_same_shape, dot};

/// Less than this share of `|v|^2` left beside the other directions counts as nothing.
const DEPENDENT_BELOW: f64 = 0.01;

/// An orthogonalised direction is lengthened to the slider unit again, but no further than this.
const MAX_GAIN: f64 = 3.0;

/// One attribute slider: its direction's name and amount, in the direction's own units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributeEdit {
    /// Name of the direction, as in the attributes file.
    pub name: String,
    /// +1 is a clear change.
    pub amount: f32,
}

/// How a direction was found and how well it does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Area under the ROC curve on held-out latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f32>,
    /// Correlation with the label on held-out latents, for labels that are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f32>,
    /// Latents on the positive and the negative side that it was learnt from.
    #[serde(default)]
    pub counts: [usize; 2],
    /// Held-out latents that the figures were measured on.
    #[serde(default)]
    pub held_out: usize,
    /// `difference of means`, `balanced difference`, `linear classifier`, ..., and the weights of the
    /// levels where they are not all 1.
    #[serde(default)]
    pub method: String,
    /// Where the labels come from, in words.
    #[serde(default)]
    pub provenance: String,
    /// By how much +1 changes the score of each other direction of the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leakage: BTreeMap<String, f32>,
    /// What becomes of held-out latents that are moved along it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<EditedFigures>,
    /// The ways to find it that were compared, where several were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<compare::Compared>,
}

impl Figures {
    /// The direction whose score an edit changes most beside its own, and by how much for +1.
    pub fn largest_leak(&self) -> Option<(&str, f32)> {
        let leaks = self.leakage.iter().map(|(name, &v)| (name.as_str(), v));
        leaks.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }
}

/// Held-out latents after an edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditedFigures {
    /// By how much they were moved.
    pub amount: f32,
    /// The median of their norm over the norm before: 1 stays on the shell where typical latents lie.
    pub relative_norm: f32,
    /// Latents that were decoded.
    pub decoded: usize,
    /// Those of them whose every value is finite.
    pub finite: usize,
}

impl Direction {
    /// The same direction with `unit` times the change for each +1, and its slider as far as before.
    pub fn with_unit(mut self, unit: f32) -> Self {
        let numbers = self.vector.levels.iter_mut().flat_map(|e| &mut e.data);
        numbers.for_each(|v| *v *= unit);
        self.center /= unit;
        self.range = self.range.map(|v| v / unit);
        self
    }
}

/// A direction of the latent space that changes one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// Name, as on the slider; unique in its file.
    pub name: String,
    /// What +1 adds: it carries the average latent of the negative side to the positive side's score.
    pub vector: Latent,
    /// `<m, v> / <v, v>` of the point `m` half way between the two sides.
    pub center: f32,
    /// Amounts between which a slider stays on plausible pictures.
    pub range: [f32; 2],
    /// Where it comes from.
    pub figures: Figures,
}

/// Where `latent` lies on a direction, in slider units; 0 at the midpoint of the population.
///
/// Errors: a latent of another shape.
pub fn project(latent: &Latent, direction: &Direction) -> Result<f32, LatentError> {
    check_same_shape("the latent", latent, &direction.vector)?;
    let vv = dot(&direction.vector, &direction.vector).max(f64::MIN_POSITIVE);
    Ok((dot(latent, &direction.vector) / vv - f64::from(direction.center)) as f32)
}

/// How an edit treats what it was not asked to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EditOptions {
    /// Take out of each direction what lies along all the others, so that their scores stay.
    pub keep_others: bool,
    /// Scale the result back to the norm that the latent had.
    pub renormalise: bool,
}

/// The open directions, with their inner products at hand.
#[derive(Clone, Debug, Default)]
pub struct Directions {
    list: Vec<Direction>,
    /// `<v_i, v_j>`, row-major.
    gram: Vec<f64>,
}

impl Directions {
    /// Takes directions that belong together.
    ///
    /// Errors: vectors of different shapes, two of one name, a vector that is zero or not finite.
    pub fn new(list: Vec<Direction>) -> Result<Self, LatentError> {
        for (i, d) in list.iter().enumerate() {
            let what = format!("direction \"{}\"", d.name);
            check_same_shape(&what, &d.vector, &list[0].vector)?;
            if list[..i].iter().any(|e| e.name == d.name) {
                return Err(LatentError::number(
                    &what,
                    "there twice",
                    "names must be unique",
                ));
            }
            let norm = d.vector.norm();
            if !norm.is_finite() || norm == 0.0 {
                return Err(LatentError::number(
                    &format!("the length of {what}"),
                    norm,
                    "it must be a number above 0",
                ));
            }
        }
        let n = list.len();
        let mut gram = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let product = dot(&list[i].vector, &list[j].vector);
                gram[i * n + j] = product;
                gram[j * n + i] = product;
            }
        }
        Ok(Self { list, gram })
    }

    /// The directions, in the order of their file.
    pub fn as_slice(&self) -> &[Direction] {
        &self.list
    }

    /// The position of a direction.
    ///
    /// Errors: no direction of that name.
    pub fn index_of(&self, name: &str) -> Result<usize, LatentError> {
        let found = self.list.iter().position(|d| d.name == name);
        found.ok_or_else(|| LatentError::UnknownDirection {
            name: name.to_owned(),
        })
    }

    /// Scores on all directions, in order, in slider units.
    ///
    /// Errors: a latent of another shape.
    pub fn project_all(&self, latent: &Latent) -> Result<Vec<f32>, LatentError> {
        self.list.iter().map(|d| project(latent, d)).collect()
    }

    /// By how much +1 on direction `i` changes the score on `j`: 1 on itself, 0 where they are at right
    /// angles. `None` outside the list.
    pub fn leakage(&self, i: usize, j: usize) -> Option<f32> {
        let n = self.list.len();
        if i >= n || j >= n {
            return None;
        }
        Some((self.gram[i * n + j] / self.gram[j * n + j]) as f32)
    }

    /// The same directions with all leakages among their figures.
    pub fn with_leakage(mut self) -> Self {
        let leaks = |i| {
            let others = (0..self.list.len()).filter(move |&j| j != i);
            let leak = |j: usize| Some((self.list[j].name.clone(), self.leakage(i, j)?));
            others.filter_map(leak).collect()
        };
        let all: Vec<BTreeMap<String, f32>> = (0..self.list.len()).map(leaks).collect();
        for (direction, leaks) in self.list.iter_mut().zip(all) {
            direction.figures.leakage = leaks;
        }
        self
    }

    /// The latent moved by all edits at once.
    ///
    /// Errors: an unknown name, an amount that is not finite, a latent of another shape, a direction
    /// of which nothing is left beside the others.
    pub fn apply(
        &self,
        latent: &Latent,
        edits: &[AttributeEdit],
        options: EditOptions,
    ) -> Result<Latent, LatentError> {
        // Weights of the vectors as they are in the file; orthogonalised ones are combinations of them.
        let mut weights = vec![0.0f64; self.list.len()];
        for edit in edits {
            let i = self.index_of(&edit.name)?;
            if !edit.amount.is_finite() {
                return Err(LatentError::number(
                    &format!("the amount of \"{}\"", edit.name),
                    edit.amount,
                    "it must be a number",
                ));
            }
            let amount = f64::from(edit.amount);
            if options.keep_others {
                let combination = self.orthogonalised(i)?;
                for (w, c) in weights.iter_mut().zip(combination) {
                    *w += amount * c;
                }
            } else {
                weights[i] += amount;
            }
        }
        let mut edited = latent.clone();
        for (direction, &weight) in self.list.iter().zip(&weights) {
            check_same_shape("the latent", latent, &direction.vector)?;
            if weight == 0.0 {
                continue;
            }
            for (level, v) in edited.levels.iter_mut().zip(&direction.vector.levels) {
                for (e, &v) in level.data.iter_mut().zip(&v.data) {
                    *e += (weight * f64::from(v)) as f32;
                }
            }
        }
        if options.renormalise {
            let (before, after) = (latent.norm(), edited.norm());
            if after > 0.0 {
                let factor = (before / after) as f32;
                let numbers = edited.levels.iter_mut().flat_map(|e| &mut e.data);
                numbers.for_each(|v| *v *= factor);
            }
        }
        Ok(edited)
    }

    /// Direction `i` without its component along the span of all others, as weights of the vectors.
    /// It is lengthened again (by at most [`MAX_GAIN`]) so that +1 still raises its score by one.
    fn orthogonalised(&self, i: usize) -> Result<Vec<f64>, LatentError> {
        let n = self.list.len();
        let others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
        let at = |a: usize, b: usize| self.gram[a * n + b];
        // <v_j, v_i - sum_k a_k v_k> = 0 for all j; scaled to unit vectors, with a trace of ridge so
        // that others which depend on each other do no harm.
        let unit = |a: usize, b: usize| at(a, b) / (at(a, a) * at(b, b)).sqrt();
        let mut matrix = Vec::with_capacity(others.len() * others.len());
        for &j in &others {
            for &k in &others {
                matrix.push(unit(j, k) + if j == k { 1e-9 } else { 0.0 });
            }
        }
        let rhs: Vec<f64> = others.iter().map(|&j| unit(j, i)).collect();
        let dependent = || LatentError::Dependent {
            name: self.list[i].name.clone(),
        };
        let solution = solve::cholesky(matrix, &rhs).ok_or_else(dependent)?;
        let explained: f64 = solution.iter().zip(&rhs).map(|(a, b)| a * b).sum();
        let left = 1.0 - explained;
        if left.is_nan() || left < DEPENDENT_BELOW {
            return Err(dependent());
        }
        let gain = (1.0 / left).min(MAX_GAIN);
        let mut weights = vec![0.0; n];
        weights[i] = gain;
        for (&j, a) in others.iter().zip(&solution) {
            weights[j] = -gain * a * (at(i, i) / at(j, j)).sqrt();
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::latent_from_flat;
    use crate::latent::temperature::sample;
    use crate::latent::tests::tiny_shape;

    fn direction(name: &str, entries: &[(usize, f32)]) -> Direction {
        let mut flat = vec![0.0; 192];
        entries.iter().for_each(|&(i, v)| flat[i] = v);
        Direction {
            name: name.to_owned(),
            vector: latent_from_flat(&tiny_shape(), &flat).unwrap(),
            center: 0.25,
            range: [-3.0, 3.0],
            figures: Figures::default(),
        }
    }

    fn edit(name: &str, amount: f32) -> AttributeEdit {
        AttributeEdit {
            name: name.to_owned(),
            amount,
        }
    }

    fn three() -> Directions {
        Directions::new(vec![
            direction("smile", &[(0, 2.0), (100, 1.0)]),
            direction("age", &[(0, 1.0), (5, 3.0)]),
            direction("hair", &[(100, 4.0), (7, 1.0)]),
        ])
        .unwrap()
    }

    #[test]
    fn an_edit_moves_its_score_by_its_amount() {
        let (all, latent) = (three(), sample(&tiny_shape(), 1, 0));
        let edited = all
            .apply(&latent, &[edit("smile", 1.5)], EditOptions::default())
            .unwrap();
        let before = all.project_all(&latent).unwrap();
        let after = all.project_all(&edited).unwrap();
        assert!((after[0] - before[0] - 1.5).abs() < 1e-5);
        // It shares entries 0 and 100 with the others, so they move as well.
        assert!((after[1] - before[1]).abs() > 0.1);
        let origin = Latent::zeros(&tiny_shape());
        assert_eq!(project(&origin, &all.as_slice()[0]).unwrap(), -0.25);
    }

    #[test]
    fn another_unit_is_the_same_direction() {
        let (whole, latent) = (direction("smile", &[(0, 2.0)]), sample(&tiny_shape(), 1, 0));
        let half = whole.clone().with_unit(0.5);
        let of = |d: &Direction| project(&latent, d).unwrap();
        assert!((of(&half) - 2.0 * of(&whole)).abs() < 1e-5);
        assert_eq!(
            (half.vector.levels[0].data[0], half.range),
            (1.0, [-6.0, 6.0])
        );
    }

    #[test]
    fn leakage_is_what_an_edit_does_to_the_other_scores() {
        let (all, latent) = (three().with_leakage(), sample(&tiny_shape(), 1, 0));
        let edited = all
            .apply(&latent, &[edit("smile", 1.0)], EditOptions::default())
            .unwrap();
        let before = all.project_all(&latent).unwrap();
        let after = all.project_all(&edited).unwrap();
        let figures = &all.as_slice()[0].figures;
        for (j, name) in [(1, "age"), (2, "hair")] {
            assert!((figures.leakage[name] - (after[j] - before[j])).abs() < 1e-5);
        }
        assert_eq!(figures.leakage.len(), 2);
        // <smile, age> / |age|^2 = 2 / 10, <smile, hair> / |hair|^2 = 4 / 17.
        assert_eq!(figures.largest_leak().map(|l| l.0), Some("hair"));
        assert_eq!(all.leakage(0, 0), Some(1.0));
        assert_eq!(all.leakage(0, 3), None);
    }

    #[test]
    fn keeping_others_leaves_their_scores() {
        let (all, latent) = (three(), sample(&tiny_shape(), 1, 0));
        let options = EditOptions {
            keep_others: true,
            renormalise: false,
        };
        let edits = [edit("smile", 1.0), edit("age", -2.0)];
        let edited = all.apply(&latent, &edits, options).unwrap();
        let before = all.project_all(&latent).unwrap();
        let after = all.project_all(&edited).unwrap();
        for (i, moved) in [1.0, -2.0, 0.0].iter().enumerate() {
            let found = after[i] - before[i];
            assert!((found - moved).abs() < 1e-4, "{i}: {found}");
        }
    }

    #[test]
    fn a_dependent_direction_is_refused_by_name() {
        let twin = direction("grin", &[(0, 4.0), (100, 2.0)]);
        let mut list = three().list;
        list.push(twin);
        let all = Directions::new(list).unwrap();
        let latent = Latent::zeros(&tiny_shape());
        let options = EditOptions {
            keep_others: true,
            renormalise: false,
        };
        let error = all
            .apply(&latent, &[edit("smile", 1.0)], options)
            .unwrap_err();
        assert_eq!(
            error,
            LatentError::Dependent {
                name: "smile".to_owned()
            }
        );
        // The twins harm nobody else.
        assert!(all.apply(&latent, &[edit("age", 1.0)], options).is_ok());
    }

    #[test]
    fn renormalising_keeps_the_norm() {
        let (all, latent) = (three(), sample(&tiny_shape(), 1, 0));
        let options = EditOptions {
            keep_others: false,
            renormalise: true,
        };
        let edited = all.apply(&latent, &[edit("age", 4.0)], options).unwrap();
        assert!((edited.norm() - latent.norm()).abs() < 1e-3);
    }

    #[test]
    fn what_cannot_be_applied() {
        let (all, latent) = (three(), sample(&tiny_shape(), 1, 0));
        let options = EditOptions::default();
        let unknown = all
            .apply(&latent, &[edit("beard", 1.0)], options)
            .unwrap_err();
        assert!(unknown.to_string().contains("\"beard\""));
        assert!(
            all.apply(&latent, &[edit("age", f32::NAN)], options)
                .is_err()
        );
        let twice = vec![direction("a", &[(0, 1.0)]), direction("a", &[(1, 1.0)])];
        assert!(Directions::new(twice).is_err());
        assert!(Directions::new(vec![direction("zero", &[])]).is_err());
    }
}
