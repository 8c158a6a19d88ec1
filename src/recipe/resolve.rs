//! From a recipe to its latent.

use std::sync::Arc;

use super::{Items, Recipe, RecipeError, walk};
use crate::latent::attributes::{Directions, EditOptions};
use crate::latent::{Condition, Latent, LatentError, LatentShape, interpolate, temperature};
use crate::lru::Lru;

/// The latents of recipes for a model whose latents look like this.
///
/// Errors: the first recipe that cannot be resolved.
pub fn latents(
    recipes: &[Recipe],
    shape: &LatentShape,
    directions: &Directions,
    items: &dyn Items,
) -> Result<Vec<Arc<Latent>>, RecipeError> {
    let mut resolver = Resolver {
        shape,
        directions,
        items,
        samples: &mut Lru::new(0), // each is drawn once
    };
    recipes.iter().map(|r| resolver.latent(r)).collect()
}

/// Everything that a recipe can refer to.
pub(crate) struct Resolver<'a> {
    /// What the latents of the model look like.
    pub(crate) shape: &'a LatentShape,
    /// What edits move along.
    pub(crate) directions: &'a Directions,
    /// What items are looked up in.
    pub(crate) items: &'a dyn Items,
    /// Drawn latents by (seed, index): a temperature slider asks for the same ones again and again.
    pub(crate) samples: &'a mut Lru<Arc<Latent>>,
}

impl Resolver<'_> {
    /// The latent that a recipe decides.
    ///
    /// Errors: unknown items or attributes, numbers that are not finite, a recipe too deep.
    pub(crate) fn latent(&mut self, recipe: &Recipe) -> Result<Arc<Latent>, RecipeError> {
        walk(recipe, &mut |_| {})?; // the recursion below is bounded by this
        self.resolve(recipe)
    }

    fn resolve(&mut self, recipe: &Recipe) -> Result<Arc<Latent>, RecipeError> {
        let latent = match recipe {
            Recipe::Item(id) => {
                let item = self
                    .items
                    .ingredient(*id)
                    .ok_or(RecipeError::UnknownItem(*id))?;
                let latent = item.latent.cloned();
                return latent.ok_or_else(|| RecipeError::NotEncoded(item.name.to_owned()));
            }
            Recipe::Sample { seed, index } => return Ok(self.sample(*seed, *index)),
            Recipe::Morph { keys, t, path } => {
                let keys: Vec<Arc<Latent>> = keys
                    .iter()
                    .map(|key| self.resolve(key))
                    .collect::<Result<_, _>>()?;
                let keys: Vec<&Latent> = keys.iter().map(Arc::as_ref).collect();
                if t.is_infinite() {
                    return Err(RecipeError::Position);
                }
                interpolate::along(&keys, *t, *path)?
            }
            Recipe::Edited {
                base,
                edits,
                keep_others,
            } => {
                let base = self.resolve(base)?;
                let options = EditOptions {
                    keep_others: *keep_others,
                    renormalise: false,
                };
                self.directions.apply(&base, edits, options)?
            }
            Recipe::Varied { base, seed, amount } => {
                temperature::varied(&*self.resolve(base)?, *seed, *amount)?
            }
            Recipe::Scaled { base, temperature } => {
                temperature::scaled(&*self.resolve(base)?, temperature)?
            }
            Recipe::Mixed { a, b, shares } => {
                let (a, b) = (self.resolve(a)?, self.resolve(b)?);
                interpolate::mixed(&a, &b, shares)?
            }
            Recipe::Given { base, condition } => {
                check_condition(condition, self.shape)?;
                Latent::clone(&*self.resolve(base)?).given(condition.clone())
            }
        };
        Ok(Arc::new(latent))
    }

    fn sample(&mut self, seed: u64, index: u32) -> Arc<Latent> {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..].copy_from_slice(&index.to_le_bytes());
        if let Some(latent) = self.samples.get(&key) {
            return latent;
        }
        let latent = Arc::new(temperature::sample(self.shape, seed, index));
        self.samples.insert(&key, latent.clone(), 4 * latent.dims());
        latent
    }
}

/// Refuses a condition that the model cannot be given.
fn check_condition(condition: &Condition, shape: &LatentShape) -> Result<(), LatentError> {
    let n = condition.0.len();
    if !condition.fits(shape.condition) {
        let expected = match shape.condition {
            0 => "the open model is not conditional".to_owned(),
            values => format!("the open model takes {values}"),
        };
        let what = "the count of numbers of a condition";
        return Err(LatentError::number(what, n, &expected));
    }
    match condition.0.iter().find(|v| !v.is_finite()) {
        Some(bad) => Err(LatentError::number(
            "a condition",
            bad,
            "it must be a number",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, ItemId, MAX_DEPTH};
    use super::*;
    use crate::latent::attributes::AttributeEdit;
    use crate::latent::interpolate::PathKind;
    use crate::latent::tests::tiny_shape;

    fn sample(index: u32) -> Recipe {
        Recipe::Sample { seed: 1, index }
    }

    fn scaled(base: Recipe, temperature: f32) -> Recipe {
        Recipe::Scaled {
            base: Box::new(base),
            temperature: vec![temperature],
        }
    }

    fn resolve(recipe: &Recipe) -> Result<Arc<Latent>, RecipeError> {
        let (shape, directions) = (tiny_shape(), Directions::default());
        let one = latents(
            std::slice::from_ref(recipe),
            &shape,
            &directions,
            &Inputs::default(),
        )?;
        Ok(one.into_iter().next().unwrap())
    }

    #[test]
    fn nested_recipes_are_resolved_inside_out() {
        let morph = |t| Recipe::Morph {
            keys: vec![sample(0), scaled(sample(1), 0.5)],
            t,
            path: PathKind::Linear,
        };
        assert_eq!(resolve(&morph(0.0)).unwrap(), resolve(&sample(0)).unwrap());
        let end = resolve(&morph(1.0)).unwrap();
        assert_eq!(end, resolve(&scaled(sample(1), 0.5)).unwrap());
        let middle = resolve(&scaled(morph(0.5), 2.0)).unwrap();
        let pairs = resolve(&sample(0)).unwrap();
        for ((m, a), b) in middle.iter().zip(pairs.iter()).zip(end.iter()) {
            assert!((m - (a + b)).abs() < 1e-5);
        }
    }

    #[test]
    fn a_condition_stays_through_what_is_done_to_a_latent_and_moves_along_a_path() {
        let shape = LatentShape {
            condition: 2,
            ..tiny_shape()
        };
        let class = |i| sample(0).given(&Condition::class(i, 2));
        let resolve = |recipe: Recipe| {
            let (directions, inputs) = (Directions::default(), Inputs::default());
            latents(&[recipe], &shape, &directions, &inputs).map(|l| Arc::clone(&l[0]))
        };
        let varied = Recipe::Varied {
            base: Box::new(scaled(class(1), 0.5)),
            seed: 3,
            amount: 0.2,
        };
        assert_eq!(resolve(varied).unwrap().condition.0, [0.0, 1.0]);
        let morph = Recipe::Morph {
            keys: vec![class(0), class(1)],
            t: 0.25,
            path: PathKind::Spherical,
        };
        assert_eq!(resolve(morph).unwrap().condition.0, [0.75, 0.25]);
        let again = class(0).given(&Condition::class(1, 2));
        assert_eq!(resolve(again).unwrap(), resolve(class(1)).unwrap());
        let refuse = |condition: &[f32]| {
            let recipe = sample(0).given(&Condition(condition.to_vec()));
            resolve(recipe).unwrap_err().to_string()
        };
        assert!(refuse(&[1.0]).contains("takes 2"));
        assert!(refuse(&[1.0, f32::NAN]).contains("must be a number"));
    }

    #[test]
    fn what_cannot_be_resolved_says_why() {
        let refuse = |recipe: Recipe| resolve(&recipe).unwrap_err().to_string();
        assert!(refuse(Recipe::Item(ItemId(7))).contains("picture 7"));
        for t in [f32::NAN, f32::INFINITY] {
            let keys = vec![sample(0), sample(1)];
            let path = PathKind::Spherical;
            assert!(refuse(Recipe::Morph { keys, t, path }).contains("position"));
        }
        let edits = vec![AttributeEdit {
            name: "beard".to_owned(),
            amount: 1.0,
        }];
        let edited = Recipe::Edited {
            base: Box::new(sample(0)),
            edits,
            keep_others: false,
        };
        assert!(refuse(edited).contains("\"beard\""));
        assert!(refuse(scaled(sample(0), f32::NAN)).contains("temperature"));
        let deep = (0..=MAX_DEPTH).fold(sample(0), |base, _| scaled(base, 1.0));
        assert!(refuse(deep).contains("nested"));
        let wide = Recipe::Morph {
            keys: vec![sample(0); 300],
            t: 0.0,
            path: PathKind::Linear,
        };
        assert!(refuse(wide).contains("parts"));
    }
}
