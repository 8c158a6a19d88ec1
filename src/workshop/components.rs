//! Directions without labels: the principal components of what is encoded.

use std::collections::BTreeSet;

use super::direction::{first, sound_range};
use super::encoded::{EncodedPictures, Pictures};
use super::{Built, Coder, Watch, WorkshopError, WorkshopOptions, WorkshopProgress};
use crate::data::batches::PictureSet;
use crate::latent::Latent;
use crate::latent::attributes::Directions;
use crate::latent::attributes::components::principal_components;
use crate::noise::Noise;

/// The first components of a folder's pictures, as many as there are names. Nothing is mirrored.
///
/// Errors: see [`WorkshopError`].
pub fn components_of_folder(
    model: &dyn Coder,
    names: &[String],
    set: &PictureSet,
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    Noise::new(options.seed).shuffle(&mut order);
    let chosen: BTreeSet<usize> = order.into_iter().take(options.limit).collect();
    let total = chosen.len();
    let sets = [set];
    let set = Pictures(&sets);
    let mut done = 0;
    let mut more = |n: usize| {
        done += n;
        watch(WorkshopProgress {
            what: "encoding",
            done,
            total,
        })
    };
    let encoded = EncodedPictures::new(model, &set, &chosen, false, &mut more)?;
    let mut built = components(model, names, &encoded, options, watch)?;
    built.unreadable = set.failures();
    Ok(built)
}

/// The first components of latents that are there already.
///
/// Errors: see [`WorkshopError`].
pub fn components_of_latents(
    model: &dyn Coder,
    names: &[String],
    latents: &[Latent],
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let shape = model.config().latent_shape();
    let encoded = EncodedPictures::of_latents(&shape, latents.iter())?;
    components(model, names, &encoded, options, watch)
}

fn components(
    model: &dyn Coder,
    names: &[String],
    encoded: &EncodedPictures,
    options: &WorkshopOptions,
    watch: Watch<'_>,
) -> Result<Built, WorkshopError> {
    let vectors = &encoded.vectors;
    let rows: Vec<usize> = (0..vectors.n()).collect();
    let mut proceed = |done, total| {
        watch(WorkshopProgress {
            what: "finding components",
            done,
            total,
        })
    };
    let found = principal_components(vectors, &rows, names, &mut proceed)?;
    let mut found = found.ok_or(WorkshopError::Cancelled)?;
    let decoded = first(&rows, options.decode);
    for direction in &mut found {
        if !decoded.is_empty() {
            direction.range = sound_range(model, vectors, decoded, direction, watch)?;
        }
        direction.figures.provenance.clone_from(&options.provenance);
    }
    Ok(Built {
        directions: Directions::new(found)?.with_leakage(),
        left_out: Vec::new(),
        unreadable: Vec::new(),
    })
}
