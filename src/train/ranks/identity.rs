//! Whether all ranks were given the same work: version, model, settings, pictures.

use serde::{Deserialize, Serialize};

use super::{Communicator, RanksError};
use crate::data::batches::PictureSet;
use crate::model::GlowConfig;
use crate::train::config::TrainConfig;
use crate::train::error::TrainError;

/// What every rank of a run must have in common, and where it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The machine.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// The model.
    pub config: serde_json::Value,
    /// The settings.
    pub settings: serde_json::Value,
    /// How many pictures.
    pub n_pictures: usize,
    /// A digest of their names, and of their sizes where those were asked for.
    pub listing: String,
}

impl Identity {
    /// That of this rank; with `sizes`, files are looked at, not only their names.
    pub fn new(
        ranks: &dyn Communicator,
        config: &GlowConfig,
        settings: &TrainConfig,
        pictures: &PictureSet,
        sizes: bool,
    ) -> Self {
        let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
        Self {
            host: ranks.host(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: json(serde_json::to_value(config)),
            settings: json(serde_json::to_value(settings)),
            n_pictures: pictures.len(),
            listing: pictures.listing_digest(sizes),
        }
    }

    /// In what `self` differs from that of rank 0; `None` where in nothing that matters.
    fn difference(&self, first: &Self) -> Option<String> {
        if self.version != first.version {
            return Some(format!(
                "version {} instead of {}",
                self.version, first.version
            ));
        }
        if self.config != first.config {
            let fields = differences(&self.config, &first.config);
            return Some(format!("another model: {fields}"));
        }
        if self.settings != first.settings {
            let fields = differences(&self.settings, &first.settings);
            return Some(format!("other settings: {fields}"));
        }
        if self.n_pictures != first.n_pictures {
            return Some(format!(
                "{} pictures instead of {}",
                self.n_pictures, first.n_pictures
            ));
        }
        (self.listing != first.listing).then(|| {
            "as many pictures, but others: their names or sizes are not the same".to_owned()
        })
    }
}

/// The fields in which two objects differ, each with both values.
pub(in crate::train) fn differences(now: &serde_json::Value, before: &serde_json::Value) -> String {
    let empty = serde_json::Map::new();
    let (now, before) = (
        now.as_object().unwrap_or(&empty),
        before.as_object().unwrap_or(&empty),
    );
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    // Settings are f32, whose digits in f64 nobody wrote.
    let text = |map: &serde_json::Map<_, serde_json::Value>, name: &String| match map.get(name) {
        None => "none".to_owned(),
        Some(value) if value.is_f64() => (value.as_f64().unwrap_or(f64::NAN) as f32).to_string(),
        Some(value) => value.to_string(),
    };
    let differ = names.into_iter().filter(|n| before.get(*n) != now.get(*n));
    let parts: Vec<String> = differ
        .map(|name| {
            format!(
                "{name} {} instead of {}",
                text(now, name),
                text(before, name)
            )
        })
        .collect();
    parts.join(", ")
}

/// Compares what the ranks were given; gives the identities of all, in the order of the ranks.
///
/// Errors: a rank has other work than rank 0, on every rank the same line.
pub fn check_identity(
    ranks: &dyn Communicator,
    mine: &Identity,
) -> Result<Vec<Identity>, TrainError> {
    let text = serde_json::to_vec(mine).map_err(|e| RanksError::OutOfStep(e.to_string()))?;
    let all = ranks.gather(&text)?;
    let read = |text: &Vec<u8>| serde_json::from_slice::<Identity>(text);
    let all: Vec<Identity> = all
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|_| {
            // Fields are those of the version.
            RanksError::Failed(
                "the ranks run different versions of this program; install the same one everywhere"
                    .into(),
            )
        })?;
    let others = all.iter().enumerate().skip(1);
    let differ = others.filter_map(|(rank, identity)| {
        let what = identity.difference(&all[0])?;
        Some(match identity.host.as_str() {
            "" => format!("rank {rank} has {what}"),
            host => format!("rank {rank} on {host} has {what}"),
        })
    });
    let differ: Vec<String> = differ.collect();
    match differ.first() {
        None => Ok(all),
        Some(first) => {
            let more = match differ.len() {
                1 => String::new(),
                n => format!(", and {} more ranks differ", n - 1),
            };
            Err(RanksError::Failed(format!(
                "the ranks were not given the same as rank 0: {first}{more}; give every rank the same program, command line and pictures"
            ))
            .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::threads::on_ranks;
    use super::*;

    fn identity() -> Identity {
        Identity {
            host: String::new(),
            version: "1".into(),
            config: serde_json::json!({ "width": 8 }),
            settings: serde_json::json!({ "batch": 4 }),
            n_pictures: 10,
            listing: "a".into(),
        }
    }

    #[test]
    fn a_rank_with_other_work_is_named_with_what_differs() {
        for (part, change) in [
            (
                "version 2 instead of 1",
                (|i: &mut Identity| i.version = "2".into()) as fn(&mut Identity),
            ),
            ("width 9 instead of 8", |i| i.config["width"] = 9.into()),
            ("batch 2 instead of 4", |i| i.settings["batch"] = 2.into()),
            ("9 pictures instead of 10", |i| i.n_pictures = 9),
            ("names or sizes", |i| i.listing = "b".into()),
        ] {
            let found = on_ranks(3, |ranks| {
                let mut mine = identity();
                if ranks.rank() == 2 {
                    change(&mut mine);
                }
                check_identity(&**ranks, &mine).unwrap_err().to_string()
            });
            assert!(found.iter().all(|f| *f == found[0]), "{found:?}");
            assert!(found[0].contains(part), "{part}: {}", found[0]);
            assert!(found[0].contains("rank 2 has"), "{}", found[0]);
        }
        let same = on_ranks(2, |ranks| {
            check_identity(&**ranks, &identity()).unwrap().len()
        });
        assert_eq!(same, [2, 2]);
    }
}
