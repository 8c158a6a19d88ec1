//! Recipes: their latent, their exact key, the items they need, a name for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::EngineError;
use super::message::{ItemId, PathKind, Recipe};
use super::session::Item;
use crate::latent::attributes::{Directions, EditOptions};
use crate::latent::{Latent, interpolate, temperature};
use crate::lru::Lru;
use crate::model::GlowConfig;

/// Steps within steps that a recipe may have.
const MAX_DEPTH: usize = 16;

/// Parts that a recipe may have in all.
const MAX_PARTS: usize = 256;

/// The items of a session, or those that an export started with.
pub(super) type Items = BTreeMap<ItemId, Arc<Item>>;

/// Calls `visit` for each part of a recipe, the whole first.
///
/// Errors: a recipe too deep or too large to be meant.
fn walk<'a>(recipe: &'a Recipe, visit: &mut impl FnMut(&'a Recipe)) -> Result<(), EngineError> {
    let too_deep = |what, limit| Err(EngineError::TooDeep { what, limit });
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
            | Recipe::Scaled { base, .. } => open.push((base, depth + 1)),
        }
    }
    Ok(())
}

/// Whether the recipe needs an item of which `wanted` says yes. A recipe too deep to be looked
/// through needs none; resolving it gives the error.
pub(super) fn needs(recipe: &Recipe, wanted: impl Fn(ItemId) -> bool) -> bool {
    let mut found = false;
    let looked_through = walk(recipe, &mut |part| {
        if let Recipe::Item(id) = part {
            found |= wanted(*id);
        }
    });
    looked_through.is_ok() && found
}

/// The items that a recipe needs.
pub(super) fn items_of(recipe: &Recipe) -> Result<Vec<ItemId>, EngineError> {
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
pub(super) fn key(recipe: &Recipe, items: &Items) -> Result<Vec<u8>, EngineError> {
    let mut key = Vec::with_capacity(64);
    let mut unknown = None;
    walk(recipe, &mut |part| match part {
        Recipe::Item(id) => {
            key.push(0);
            key.extend(id.0.to_le_bytes());
            match items.get(id) {
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
    })?;
    match unknown {
        Some(id) => Err(EngineError::UnknownItem(id)),
        None => Ok(key),
    }
}

/// A short name for people: `seed 7, cell 3`, `photo.jpg, edited`.
pub(super) fn name(recipe: &Recipe, items: &Items) -> String {
    let mut after = "";
    let mut at = recipe;
    // The innermost base names the picture, the outermost step says what became of it.
    for _ in 0..=MAX_DEPTH {
        let (base, step) = match at {
            Recipe::Item(id) => {
                let name = items.get(id).map_or("unknown", |item| &item.name);
                return format!("{name}{after}");
            }
            Recipe::Sample { seed, index } => return format!("seed {seed}, cell {index}{after}"),
            Recipe::Morph { keys, t, .. } => {
                return format!("morph of {} at {t:.2}{after}", keys.len());
            }
            Recipe::Edited { base, .. } => (base, ", edited"),
            Recipe::Varied { base, .. } => (base, ", varied"),
            Recipe::Scaled { base, .. } => (base, ""),
        };
        if after.is_empty() {
            after = step;
        }
        at = base;
    }
    "recipe".to_owned()
}

/// Everything that a recipe can refer to.
pub(super) struct Resolver<'a> {
    pub(super) config: &'a GlowConfig,
    pub(super) directions: &'a Directions,
    pub(super) items: &'a Items,
    /// Drawn latents by (seed, index): a temperature slider asks for the same ones again and again.
    pub(super) samples: &'a mut Lru<Arc<Latent>>,
}

impl Resolver<'_> {
    /// The latent that a recipe decides.
    ///
    /// Errors: unknown items or attributes, numbers that are not finite, a recipe too deep.
    pub(super) fn latent(&mut self, recipe: &Recipe) -> Result<Arc<Latent>, EngineError> {
        walk(recipe, &mut |_| {})?; // the recursion below is bounded by this
        self.resolve(recipe)
    }

    fn resolve(&mut self, recipe: &Recipe) -> Result<Arc<Latent>, EngineError> {
        let latent = match recipe {
            Recipe::Item(id) => {
                let item = self.items.get(id).ok_or(EngineError::UnknownItem(*id))?;
                let latent = item.latent.clone();
                return latent.ok_or_else(|| EngineError::NotEncoded(item.name.clone()));
            }
            Recipe::Sample { seed, index } => return Ok(self.sample(*seed, *index)),
            Recipe::Morph { keys, t, path } => {
                let keys: Vec<Arc<Latent>> = keys
                    .iter()
                    .map(|key| self.resolve(key))
                    .collect::<Result<_, _>>()?;
                let keys: Vec<&Latent> = keys.iter().map(Arc::as_ref).collect();
                if t.is_infinite() {
                    let message = "the position of the morph must be a number from 0 to 1";
                    return Err(EngineError::Request(message.to_owned()));
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
        let latent = Arc::new(temperature::sample(self.config, seed, index));
        self.samples.insert(&key, latent.clone(), 4 * latent.dims());
        latent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::AttributeEdit;
    use crate::latent::tests::tiny_config;

    fn sample(index: u32) -> Recipe {
        Recipe::Sample { seed: 1, index }
    }

    fn scaled(base: Recipe, temperature: f32) -> Recipe {
        Recipe::Scaled {
            base: Box::new(base),
            temperature: vec![temperature],
        }
    }

    fn resolve(recipe: &Recipe) -> Result<Arc<Latent>, EngineError> {
        let (config, directions, items) = (tiny_config(), Directions::default(), Items::new());
        Resolver {
            config: &config,
            directions: &directions,
            items: &items,
            samples: &mut Lru::new(1 << 20),
        }
        .latent(recipe)
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
        ];
        let keys: Vec<_> = recipes
            .iter()
            .map(|r| key(r, &Items::new()).unwrap())
            .collect();
        for i in 0..keys.len() {
            for j in 0..i {
                assert_ne!(keys[i], keys[j], "{i} {j}");
            }
            assert_eq!(keys[i], key(&recipes[i].clone(), &Items::new()).unwrap());
        }
    }

    #[test]
    fn names_for_people() {
        let varied = Recipe::Varied {
            base: Box::new(scaled(sample(3), 0.7)),
            seed: 1,
            amount: 0.2,
        };
        assert_eq!(name(&varied, &Items::new()), "seed 1, cell 3, varied");
    }
}
