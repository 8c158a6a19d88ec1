//! Recipes: what decides a picture completely. Equal recipes give equal latents, and so equal pixels.
//!
//! A recipe is plain data that the window, the command line and the files that carry it share
//! ([`settings`]); `resolve` turns it into a latent. Here are its parts, the items that it names, its exact
//! key for caches, and a name for people.

mod resolve;
pub mod settings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::latent::attributes::AttributeEdit;
use crate::latent::interpolate::PathKind;
use crate::latent::{Condition, Latent, LatentError};

pub(crate) use resolve::Resolver;
pub use resolve::latents;
pub use settings::PictureSettings;

/// A picture, sample or edit on the shelf. Handed out by the window, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId(pub u64);

/// Decides one latent completely: equal recipes give equal pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// The latent of a shelf item.
    Item(ItemId),
    /// `eps ~ N(0, 1)` drawn from (seed, index).
    Sample {
        /// The grid's seed.
        seed: u64,
        /// The cell.
        index: u32,
    },
    /// A point on the path through two to eight keyframes.
    Morph {
        /// The keyframes.
        keys: Vec<Recipe>,
        /// 0 at the first, 1 at the last keyframe.
        t: f32,
        /// Straight or spherical.
        path: PathKind,
    },
    /// A base moved along attribute directions.
    Edited {
        /// What is edited.
        base: Box<Recipe>,
        /// The sliders that are not at zero.
        edits: Vec<AttributeEdit>,
        /// Orthogonalise each direction against the others, so that they stay as they are.
        keep_others: bool,
    },
    /// `eps + amount * n`, `n ~ N(0, 1)` from the seed, back on the shell: "more like this".
    Varied {
        /// What is varied.
        base: Box<Recipe>,
        /// Seed of the noise.
        seed: u64,
        /// Standard deviation of the noise.
        amount: f32,
    },
    /// Each level's eps times a factor; a single factor holds for all levels. The temperature.
    Scaled {
        /// What is scaled.
        base: Box<Recipe>,
        /// Factors, finest level first, or one for all.
        temperature: Vec<f32>,
    },
    /// The same latent, given another condition: the same eps as another class.
    Given {
        /// What is given it.
        base: Box<Recipe>,
        /// One number for each value that the model is conditioned on.
        condition: Condition,
    },
}

/// What a recipe cannot be resolved for. Its text is what people are told.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// An id without an item.
    #[error("picture {} is not on the shelf: it was removed, or could not be read", .0.0)]
    UnknownItem(ItemId),
    /// An item that was read while no model could encode it.
    #[error("{0} is not encoded yet: open a model that can")]
    NotEncoded(String),
    /// A recipe within a recipe within a recipe ...
    #[error(
        "the recipe has more than {limit} {what}: pin an intermediate result and start from it"
    )]
    TooDeep {
        /// `nested steps`, `parts`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A place on a path that is no number.
    #[error("the position of the morph must be a number from 0 to 1")]
    Position,
    /// An operation on latents.
    #[error(transparent)]
    Latent(#[from] LatentError),
}

/// What a recipe takes from an item that it names.
#[derive(Clone, Copy, Debug)]
pub struct Ingredient<'a> {
    /// For people.
    pub name: &'a str,
    /// Never the same for two states of an item.
    pub version: u64,
    /// `None` until a model has encoded it.
    pub latent: Option<&'a Arc<Latent>>,
}

/// Where recipes look up items: the shelf of the window, or the inputs of a command.
pub trait Items {
    /// The item with this id.
    fn ingredient(&self, id: ItemId) -> Option<Ingredient<'_>>;
}

/// The inputs of a command: the id of each is its place.
#[derive(Clone, Debug, Default)]
pub struct Inputs(pub Vec<(String, Arc<Latent>)>);

impl Items for Inputs {
    fn ingredient(&self, id: ItemId) -> Option<Ingredient<'_>> {
        let (name, latent) = self.0.get(usize::try_from(id.0).ok()?)?;
        Some(Ingredient {
            name,
            version: 0,
            latent: Some(latent),
        })
    }
}

/// Names alone, each with its place as its id.
impl Items for Vec<String> {
    fn ingredient(&self, id: ItemId) -> Option<Ingredient<'_>> {
        Some(Ingredient {
            name: self.get(usize::try_from(id.0).ok()?)?,
            version: 0,
            latent: None,
        })
    }
}

impl FromIterator<(String, Latent)> for Inputs {
    fn from_iter<I: IntoIterator<Item = (String, Latent)>>(inputs: I) -> Self {
        let shared = |(name, latent)| (name, Arc::new(latent));
        Self(inputs.into_iter().map(shared).collect())
    }
}

impl Recipe {
    /// The recipe at a temperature, where one is given.
    pub fn at_temperature(self, temperature: &[f32]) -> Self {
        if temperature.is_empty() {
            return self;
        }
        Self::Scaled {
            base: Box::new(self),
            temperature: temperature.to_vec(),
        }
    }

    /// The recipe given a condition, where there is one.
    pub fn given(self, condition: &Condition) -> Self {
        if condition.is_empty() {
            return self;
        }
        Self::Given {
            base: Box::new(self),
            condition: condition.clone(),
        }
    }
}

/// Steps within steps that a recipe may have.
const MAX_DEPTH: usize = 16;

/// Parts that a recipe may have in all.
const MAX_PARTS: usize = 256;

/// Calls `visit` for each part of a recipe, the whole first.
///
/// Errors: a recipe too deep or too large to be meant.
fn walk<'a>(recipe: &'a Recipe, visit: &mut impl FnMut(&'a Recipe)) -> Result<(), RecipeError> {
    let too_deep = |what, limit| Err(RecipeError::TooDeep { what, limit });
    let mut parts = 0;
    let mut open = vec![(recipe, 0)];
    while let Some((part, depth)) = open.pop() {
        parts += 1;
        if depth > MAX_DEPTH {
            return too_deep("nested steps", MAX_DEPTH);
        }
        if parts > MAX_PARTS {
            return too_deep("parts", MAX_PARTS);
        }
        visit(part);
        match part {
            Recipe::Item(_) | Recipe::Sample { .. } => {}
            Recipe::Morph { keys, .. } => open.extend(keys.iter().rev().map(|k| (k, depth + 1))),
            Recipe::Edited { base, .. }
            | Recipe::Varied { base, .. }
            | Recipe::Scaled { base, .. }
            | Recipe::Given { base, .. } => open.push((base, depth + 1)),
        }
    }
    Ok(())
}

/// Whether the recipe needs an item of which `wanted` says yes. A recipe too deep to be looked
/// through needs none; resolving it gives the error.
pub(crate) fn needs(recipe: &Recipe, wanted: impl Fn(ItemId) -> bool) -> bool {
    let mut found = false;
    let looked_through = walk(recipe, &mut |part| {
        if let Recipe::Item(id) = part {
            found |= wanted(*id);
        }
    });
    looked_through.is_ok() && found
}

/// The items that a recipe needs.
pub(crate) fn items_of(recipe: &Recipe) -> Result<Vec<ItemId>, RecipeError> {
    let mut ids = Vec::new();
    walk(recipe, &mut |part| {
        if let Recipe::Item(id) = part {
            ids.push(*id);
        }
    })?;
    Ok(ids)
}

/// What decides a picture, in bytes: the recipe, with the version of each item in it. Two recipes have
/// the same key where they are equal, and only there.
///
/// Errors: unknown items, a recipe too deep.
pub(crate) fn key(recipe: &Recipe, items: &dyn Items) -> Result<Vec<u8>, RecipeError> {
    let mut key = Vec::with_capacity(64);
    let mut unknown = None;
    walk(recipe, &mut |part| match part {
        Recipe::Item(id) => {
            key.push(0);
            key.extend(id.0.to_le_bytes());
            match items.ingredient(*id) {
                Some(item) => key.extend(item.version.to_le_bytes()),
                None => unknown = Some(*id),
            }
        }
        Recipe::Sample { seed, index } => {
            key.push(1);
            key.extend(seed.to_le_bytes());
            key.extend(index.to_le_bytes());
        }
        Recipe::Morph { keys, t, path } => {
            let path = match path {
                PathKind::Linear => 0,
                PathKind::Spherical => 1,
                PathKind::SphericalPerLevel => 2,
            };
            key.extend([2, path]);
            key.extend((keys.len() as u64).to_le_bytes());
            key.extend(t.to_bits().to_le_bytes());
        }
        Recipe::Edited {
            edits, keep_others, ..
        } => {
            key.extend([3, u8::from(*keep_others)]);
            key.extend((edits.len() as u64).to_le_bytes());
            for edit in edits {
                key.extend((edit.name.len() as u64).to_le_bytes());
                key.extend(edit.name.as_bytes());
                key.extend(edit.amount.to_bits().to_le_bytes());
            }
        }
        Recipe::Varied { seed, amount, .. } => {
            key.push(4);
            key.extend(seed.to_le_bytes());
            key.extend(amount.to_bits().to_le_bytes());
        }
        Recipe::Scaled { temperature, .. } => {
            key.push(5);
            key.extend((temperature.len() as u64).to_le_bytes());
            for factor in temperature {
                key.extend(factor.to_bits().to_le_bytes());
            }
        }
        Recipe::Given { condition, .. } => {
            key.push(6);
            key.extend((condition.0.len() as u64).to_le_bytes());
            for value in &condition.0 {
                key.extend(value.to_bits().to_le_bytes());
            }
        }
    })?;
    match unknown {
        Some(id) => Err(RecipeError::UnknownItem(id)),
        None => Ok(key),
    }
}

/// A short name for people: `seed 7, cell 3`, `photo.jpg, edited`.
pub(crate) fn name(recipe: &Recipe, items: &dyn Items) -> String {
    let mut after = "";
    let mut at = recipe;
    // The innermost base names the picture, the outermost step says what became of it.
    for _ in 0..=MAX_DEPTH {
        let (base, step) = match at {
            Recipe::Item(id) => {
                let name = items.ingredient(*id).map_or("unknown", |item| item.name);
                return format!("{name}{after}");
            }
            Recipe::Sample { seed, index } => return format!("seed {seed}, cell {index}{after}"),
            Recipe::Morph { keys, t, .. } => {
                return format!("morph of {} at {t:.2}{after}", keys.len());
            }
            Recipe::Edited { base, .. } => (base, ", edited"),
            Recipe::Varied { base, .. } => (base, ", varied"),
            Recipe::Scaled { base, .. } | Recipe::Given { base, .. } => (base, ""),
        };
        if after.is_empty() {
            after = step;
        }
        at = base;
    }
    "recipe".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(index: u32) -> Recipe {
        Recipe::Sample { seed: 1, index }
    }

    fn scaled(base: Recipe, temperature: f32) -> Recipe {
        Recipe::Scaled {
            base: Box::new(base),
            temperature: vec![temperature],
        }
    }

    #[test]
    fn keys_differ_where_recipes_do() {
        let morph = |keys: Vec<Recipe>, t, path| Recipe::Morph { keys, t, path };
        let edited = |name: &str, amount, keep_others| Recipe::Edited {
            base: Box::new(sample(0)),
            edits: vec![AttributeEdit {
                name: name.to_owned(),
                amount,
            }],
            keep_others,
        };
        let recipes = [
            sample(0),
            sample(1),
            scaled(sample(0), 1.0),
            scaled(sample(0), 0.5),
            scaled(scaled(sample(0), 0.5), 1.0),
            morph(vec![sample(0), sample(1)], 0.5, PathKind::Linear),
            morph(vec![sample(1), sample(0)], 0.5, PathKind::Linear),
            morph(vec![sample(0), sample(1)], 0.5, PathKind::Spherical),
            morph(vec![sample(0), sample(1)], 0.25, PathKind::Linear),
            morph(vec![sample(0), sample(1), sample(1)], 0.5, PathKind::Linear),
            edited("a", 1.0, false),
            edited("a", 1.0, true),
            edited("ab", 1.0, false),
            edited("a", 2.0, false),
            sample(0).given(&Condition::class(0, 2)),
            sample(0).given(&Condition::class(1, 2)),
            scaled(sample(0).given(&Condition::class(1, 2)), 1.0),
        ];
        let keys: Vec<_> = recipes
            .iter()
            .map(|r| key(r, &Inputs::default()).unwrap())
            .collect();
        for i in 0..keys.len() {
            for j in 0..i {
                assert_ne!(keys[i], keys[j], "{i} {j}");
            }
            assert_eq!(
                keys[i],
                key(&recipes[i].clone(), &Inputs::default()).unwrap()
            );
        }
    }

    #[test]
    fn names_for_people() {
        let varied = Recipe::Varied {
            base: Box::new(scaled(sample(3), 0.7)),
            seed: 1,
            amount: 0.2,
        };
        assert_eq!(name(&varied, &Inputs::default()), "seed 1, cell 3, varied");
    }
}
