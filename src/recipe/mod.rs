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
    /// Each level's eps on the sphere between two latents' own: coarse levels of one, fine levels of the other.
    Mixed {
        /// What a share of 0 takes.
        a: Box<Recipe>,
        /// What a share of 1 takes.
        b: Box<Recipe>,
        /// The share of `b` in each level, finest first, or one for all.
        shares: Vec<f32>,
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
    /// The recipes that it is made of, in order; none for a shelf item and a sample.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Item(_) | Self::Sample { .. } => Vec::new(),
            Self::Morph { keys, .. } => keys.iter().collect(),
            Self::Edited { base, .. }
            | Self::Varied { base, .. }
            | Self::Scaled { base, .. }
            | Self::Given { base, .. } => vec![base],
            Self::Mixed { a, b, .. } => vec![a, b],
        }
    }

    #[cfg(any(feature = "gui", test))]
    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Item(_) | Self::Sample { .. } => Vec::new(),
            Self::Morph { keys, .. } => keys.iter_mut().collect(),
            Self::Edited { base, .. }
            | Self::Varied { base, .. }
            | Self::Scaled { base, .. }
            | Self::Given { base, .. } => vec![base],
            Self::Mixed { a, b, .. } => vec![a, b],
        }
    }

    /// Whether every item that it stands on is as `wanted` says.
    pub fn all_items(&self, wanted: &impl Fn(ItemId) -> bool) -> bool {
        match self {
            Self::Item(id) => wanted(*id),
            _ => self.parts().iter().all(|part| part.all_items(wanted)),
        }
    }

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
        let inner = part.parts().into_iter().rev();
        open.extend(inner.map(|part| (part, depth + 1)));
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

/// The item that a recipe starts from and that its steps change, the first of two that are mixed: none for samples and
/// morphs.
pub(crate) fn root(recipe: &Recipe) -> Option<ItemId> {
    let mut at = recipe;
    for _ in 0..=MAX_DEPTH {
        at = match at {
            Recipe::Item(id) => return Some(*id),
            Recipe::Sample { .. } | Recipe::Morph { .. } => return None,
            Recipe::Edited { base, .. }
            | Recipe::Varied { base, .. }
            | Recipe::Scaled { base, .. }
            | Recipe::Given { base, .. } => base,
            Recipe::Mixed { a, .. } => a,
        };
    }
    None
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
        Recipe::Mixed { shares, .. } => {
            key.push(6);
            key.extend((shares.len() as u64).to_le_bytes());
            for share in shares {
                key.extend(share.to_bits().to_le_bytes());
            }
        }
        Recipe::Given { condition, .. } => {
            key.push(7);
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
            Recipe::Mixed { a, .. } => (a, ", mixed"),
        };
        if after.is_empty() {
            after = step;
        }
        at = base;
    }
    "recipe".to_owned()
}

/// What was set on the way to a picture, in the order in which it was done: `smiling +1.5 · temperature 0.7`. Empty where
/// nothing was.
pub fn what_was_set(recipe: &Recipe) -> String {
    let mut parts = Vec::new();
    let mut at = recipe;
    for _ in 0..=MAX_DEPTH {
        at = match at {
            Recipe::Item(_) | Recipe::Sample { .. } | Recipe::Morph { .. } => break,
            Recipe::Edited { base, edits, .. } => {
                let set = edits.iter().filter(|edit| edit.amount != 0.0);
                let set = set.map(|edit| {
                    let name = edit.name.replace('_', " ").to_lowercase();
                    format!("{name} {}", short(edit.amount, true))
                });
                parts.push(set.collect::<Vec<_>>().join(", "));
                base
            }
            Recipe::Varied { base, amount, .. } => {
                parts.push(format!("varied by {}", short(*amount, false)));
                base
            }
            Recipe::Scaled { base, temperature } => {
                if temperature.iter().any(|&t| t != 1.0) {
                    parts.push(format!("temperature {}", list(temperature)));
                }
                base
            }
            Recipe::Mixed { a, shares, .. } => {
                parts.push(format!("mixed by {}", list(shares)));
                a
            }
            Recipe::Given { base, .. } => base,
        };
    }
    parts.retain(|part| !part.is_empty());
    // What was done last stands last.
    parts.reverse();
    parts.join(" · ")
}

/// A label under a picture: where it stands or comes from, and what was set: `t 0.25 · temperature 0.7`. The picture's own
/// name where nothing was.
pub fn caption(recipe: &Recipe, items: &dyn Items) -> String {
    let mut at = recipe;
    let start = loop {
        at = match at {
            Recipe::Item(_) => break None,
            Recipe::Sample { seed, index } => break Some(format!("seed {seed}, cell {index}")),
            Recipe::Morph { t, .. } => break Some(format!("t {t:.2}")),
            Recipe::Edited { base, .. }
            | Recipe::Varied { base, .. }
            | Recipe::Scaled { base, .. }
            | Recipe::Given { base, .. } => base,
            Recipe::Mixed { a, .. } => a,
        };
    };
    let set = what_was_set(recipe);
    match start {
        None if set.is_empty() => name(recipe, items),
        None => set,
        Some(start) if set.is_empty() => start,
        Some(start) => format!("{start} · {set}"),
    }
}

/// Numbers with strokes between them.
fn list(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(|&v| short(v, false)).collect();
    values.join("/")
}

/// A number with at most two decimals, and a sign where asked for.
fn short(value: f32, sign: bool) -> String {
    let text = if sign {
        format!("{value:+.2}")
    } else {
        format!("{value:.2}")
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
        let mixed = |a: Recipe, b: Recipe, share| Recipe::Mixed {
            a: Box::new(a),
            b: Box::new(b),
            shares: vec![share],
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
            mixed(sample(0), sample(1), 0.5),
            mixed(sample(1), sample(0), 0.5),
            mixed(sample(0), sample(1), 0.25),
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
    fn captions_say_what_was_set() {
        let edit = |name: &str, amount| AttributeEdit {
            name: name.to_owned(),
            amount,
        };
        let edited = Recipe::Edited {
            base: Box::new(Recipe::Item(ItemId(0))),
            edits: vec![
                edit("Smiling", 1.5),
                edit("Big_Nose", -2.0),
                edit("Bald", 0.0),
            ],
            keep_others: false,
        };
        let names = vec!["anna.jpg".to_owned()];
        let caption = |recipe: &Recipe| caption(recipe, &names);
        assert_eq!(
            caption(&scaled(edited, 0.7)),
            "smiling +1.5, big nose -2 · temperature 0.7"
        );
        assert_eq!(caption(&scaled(Recipe::Item(ItemId(0)), 1.0)), "anna.jpg");
        let morph = Recipe::Morph {
            keys: vec![sample(0), sample(1)],
            t: 0.25,
            path: PathKind::Linear,
        };
        assert_eq!(caption(&morph), "t 0.25");
        let levels = Recipe::Scaled {
            base: Box::new(sample(3)),
            temperature: vec![0.5, 1.0],
        };
        assert_eq!(caption(&levels), "seed 1, cell 3 · temperature 0.5/1");
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
