//! The directions that are open: those of a file, and after them those that were built here.
//!
//! What was built stays here until the program ends, under its id. The window says which are open, so that undo brings
//! one back; those of another model wait until it is open.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{Library, Stamp};
use crate::engine::error::EngineError;
use crate::engine::message::{AttributeInfo, BuildRequest, DirectionId, Event, ExampleSource};
use crate::engine::workbench::WorkOrder;
use crate::files::attributes::{self, Precision};
use crate::latent::attributes::{Direction, Directions};
use crate::latent::{Latent, dot};

/// Directions of one name whose cosine is above this are one: a file holds them in half precision.
const SAME_COSINE: f64 = 0.9999;

/// A direction that was built here.
#[derive(Clone)]
pub(in crate::engine) struct BuiltDirection {
    pub(in crate::engine) direction: Direction,
    pub(in crate::engine) of: Arc<Stamp>,
}

impl Library {
    /// What the workshop needs for a request.
    ///
    /// Errors: no model, tagged pictures that cannot be resolved.
    pub(in crate::engine) fn work_order(
        &mut self,
        request: BuildRequest,
    ) -> Result<WorkOrder, EngineError> {
        let mut tagged: Vec<(Latent, bool)> = Vec::new();
        let sides = match &request.source {
            ExampleSource::Tagged { with, without } => vec![(with, true), (without, false)],
            ExampleSource::Unlabelled(all) => vec![(all, true)],
            _ => Vec::new(),
        };
        for (recipes, has_it) in sides {
            for recipe in recipes {
                let latent = self.latent(recipe, None)?;
                tagged.push(((*latent).clone(), has_it));
            }
        }
        Ok(WorkOrder {
            tagged,
            config: self.config()?.clone(),
            model: self.model_name()?.to_owned(),
            request,
        })
    }

    /// Keeps directions that were built with the open model; their ids and names.
    pub(in crate::engine) fn keep_built(
        &mut self,
        directions: &Directions,
    ) -> Result<Vec<(DirectionId, String)>, EngineError> {
        let of = Arc::clone(self.stamp().ok_or(EngineError::NoModel)?);
        Ok(self.keep_built_of(directions, &of))
    }

    /// The same for those of any model, out of a session.
    pub(in crate::engine) fn keep_built_of(
        &mut self,
        directions: &Directions,
        of: &Arc<Stamp>,
    ) -> Vec<(DirectionId, String)> {
        let mut kept = Vec::new();
        for direction in directions.as_slice() {
            let id = id_of(direction);
            kept.push((id, direction.name.clone()));
            let of = Arc::clone(of);
            let direction = direction.clone();
            self.built
                .entry(id)
                .or_insert(BuiltDirection { direction, of });
        }
        kept
    }

    /// Takes over which of the built directions are open; the event, where that changes anything.
    pub(in crate::engine) fn arrange(&mut self, list: Vec<(DirectionId, String)>) -> Option<Event> {
        self.arranged = list;
        self.arranged_anew()
    }

    /// Opens what is wanted and has come since; the event, where that changes anything.
    pub(in crate::engine) fn arranged_anew(&mut self) -> Option<Event> {
        let names = |library: &Self| -> Vec<(String, Option<DirectionId>)> {
            let all = library.directions.as_slice().iter();
            let named = all.map(|d| d.name.clone());
            named.zip(library.built_as.iter().copied()).collect()
        };
        let before = names(self);
        self.rearrange();
        (names(self) != before).then(|| Event::DirectionsArranged(self.attribute_infos()))
    }

    /// Puts the open directions together: those of the file, then those that were built for this model.
    pub(super) fn rearrange(&mut self) {
        let mut list = self.opened.as_slice().to_vec();
        let mut built_as = vec![None; list.len()];
        for (id, name) in &self.arranged {
            let Some(built) = self.built.get(id) else {
                continue;
            };
            let open = self.model.as_ref();
            let fits = open.is_some_and(|open| {
                open.stamp.is(&built.of.model) && built.direction.vector.fits(&open.shape)
            });
            if !fits || built_as.contains(&Some(*id)) {
                continue;
            }
            // The file may hold it already, as it does once it was saved there and opened.
            let is_it = |d: &Direction| d.name == *name && is_same(d, &built.direction);
            if let Some(at) = list.iter().position(is_it) {
                built_as[at] = Some(*id);
                continue;
            }
            let name = unique(name, |name| list.iter().any(|d| d.name == name));
            list.push(Direction {
                name,
                ..built.direction.clone()
            });
            built_as.push(Some(*id));
        }
        match Directions::new(list) {
            Ok(directions) => (self.directions, self.built_as) = (directions, built_as),
            // Never: each was checked when it was built or read, and names are made unique.
            Err(_) => {
                self.directions = self.opened.clone();
                self.built_as = vec![None; self.directions.as_slice().len()];
            }
        }
        self.pasted = None;
        self.pictures.clear();
    }

    /// The open directions, for sliders.
    pub(super) fn attribute_infos(&self) -> Vec<AttributeInfo> {
        let all = self.directions.as_slice().iter().enumerate();
        let info = |(i, d): (usize, &Direction)| {
            let built = self.built_as.get(i).copied().flatten();
            AttributeInfo {
                name: d.name.clone(),
                auc: d.figures.auc,
                counts: d.figures.counts,
                range: d.range,
                built,
                method: d.figures.method.clone(),
                held_out: d.figures.held_out,
                leakage: built.map_or_else(Vec::new, |_| self.leakage_of(i)),
            }
        };
        all.map(info).collect()
    }

    /// What +1 on a direction does to the scores on the others, the largest first.
    fn leakage_of(&self, i: usize) -> Vec<(String, f32)> {
        let others = self.directions.as_slice().iter().enumerate();
        let others = others.filter(|(j, _)| *j != i);
        let leaks =
            others.filter_map(|(j, d)| Some((d.name.clone(), self.directions.leakage(i, j)?)));
        let mut leaks: Vec<(String, f32)> = leaks.collect();
        leaks.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        leaks
    }

    /// Writes the open directions, or those of them that were built here.
    ///
    /// Errors: none to write; the system's.
    pub(in crate::engine) fn save_directions(
        &self,
        path: &Path,
        only_built: bool,
    ) -> Result<(), EngineError> {
        let all = self.directions.as_slice().iter().zip(&self.built_as);
        let wanted = all.filter(|(_, built)| !only_built || built.is_some());
        let list: Vec<Direction> = wanted.map(|(d, _)| d.clone()).collect();
        if list.is_empty() {
            return Err(EngineError::Request(format!(
                "there are no directions to save; build one first: {}",
                path.display()
            )));
        }
        let directions = Directions::new(list)?.with_leakage();
        let config = self.config()?;
        let fingerprint = self.fingerprint();
        Ok(attributes::write(
            path,
            config,
            fingerprint,
            &directions,
            Precision::F16,
        )?)
    }

    /// Those that were built here and are wanted, by model, under the names that the window gave them.
    pub(super) fn wanted_built(&self) -> Vec<(Arc<Stamp>, Vec<Direction>)> {
        let mut groups: Vec<(Arc<Stamp>, Vec<Direction>)> = Vec::new();
        for (id, name) in &self.arranged {
            let Some(built) = self.built.get(id) else {
                continue;
            };
            let at = groups.iter().position(|(of, _)| *of == built.of);
            let at = at.unwrap_or_else(|| {
                groups.push((Arc::clone(&built.of), Vec::new()));
                groups.len() - 1
            });
            let list = &mut groups[at].1;
            let name = unique(name, |name| list.iter().any(|d| d.name == name));
            list.push(Direction {
                name,
                ..built.direction.clone()
            });
        }
        groups
    }
}

/// The first 8 bytes of SHA-256 over its numbers.
fn id_of(direction: &Direction) -> DirectionId {
    let mut hash = Sha256::new();
    for level in &direction.vector.levels {
        for value in &level.data {
            hash.update(value.to_le_bytes());
        }
    }
    let digest = hash.finalize();
    let first: [u8; 8] = std::array::from_fn(|i| digest[i]);
    DirectionId(u64::from_le_bytes(first))
}

fn is_same(a: &Direction, b: &Direction) -> bool {
    if a.vector.levels.len() != b.vector.levels.len() {
        return false;
    }
    let lengths = a.vector.norm() * b.vector.norm();
    dot(&a.vector, &b.vector) > SAME_COSINE * lengths
}

/// A name that is not taken: itself, or with a number.
fn unique(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut unique = name.to_owned();
    let mut number = 1;
    while taken(&unique) {
        number += 1;
        unique = format!("{name} {number}");
    }
    unique
}
