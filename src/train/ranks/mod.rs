//! Several processes that train one model together: each takes a share of every batch, and gradients are summed.
//!
//! What a rank may not decide for itself is decided here: whether a turn failed somewhere ([`agree`]), and whether all
//! ranks were given the same work ([`check_identity`]).

mod identity;
#[cfg(feature = "mpi")]
pub mod mpirun;
#[cfg(test)]
pub(crate) mod threads;

use std::fmt::Display;
use std::sync::Arc;

pub(super) use identity::differences;
pub use identity::{Identity, check_identity};

pub use super::error::RanksError;
use super::error::TrainError;
use crate::data::batches::Share;

/// The processes of a run, and what they do together. Every rank calls the same operations in the same order, each
/// from the thread that trains.
pub trait Communicator: Send + Sync {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// Processes of the run.
    fn n_ranks(&self) -> usize;

    /// The number of this process among those of its machine.
    fn local_rank(&self) -> usize {
        0
    }

    /// Processes of the run on this machine.
    fn n_local(&self) -> usize {
        1
    }

    /// The machine, for messages.
    fn host(&self) -> String {
        String::new()
    }

    /// Each number becomes the sum of what the ranks hold, the same on all of them.
    ///
    /// Errors: the ranks no longer hear of each other.
    fn sum_f32(&self, values: &mut [f32]) -> Result<(), RanksError>;

    /// As [`Communicator::sum_f32`], in double precision.
    ///
    /// Errors: as there.
    fn sum_f64(&self, values: &mut [f64]) -> Result<(), RanksError>;

    /// The bytes of every rank, in the order of the ranks; for little.
    ///
    /// Errors: as [`Communicator::sum_f32`].
    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, RanksError>;

    /// The bytes of rank 0, on every rank; `mine` counts on rank 0 alone.
    ///
    /// Errors: as [`Communicator::sum_f32`].
    fn broadcast(&self, mine: Vec<u8>) -> Result<Vec<u8>, RanksError>;

    /// Ends every process of the run at once, whatever it does.
    fn abort(&self, code: i32) -> ! {
        std::process::exit(code)
    }

    /// Whether this is rank 0, which alone evaluates, saves and prints.
    fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there is no other.
    fn is_alone(&self) -> bool {
        self.n_ranks() == 1
    }

    /// The part of each batch that this rank works on.
    fn share(&self) -> Share {
        Share {
            index: self.rank(),
            of: self.n_ranks(),
        }
    }
}

/// One process alone: sums are what they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Communicator for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn n_ranks(&self) -> usize {
        1
    }

    fn sum_f32(&self, _: &mut [f32]) -> Result<(), RanksError> {
        Ok(())
    }

    fn sum_f64(&self, _: &mut [f64]) -> Result<(), RanksError> {
        Ok(())
    }

    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        Ok(vec![mine.to_vec()])
    }

    fn broadcast(&self, mine: Vec<u8>) -> Result<Vec<u8>, RanksError> {
        Ok(mine)
    }
}

/// A rank whose sums are left out: what a step takes without them is measured with it.
#[derive(Clone, Copy, Debug)]
pub struct Silent {
    /// Its number.
    pub rank: usize,
    /// Ranks.
    pub n_ranks: usize,
}

impl Communicator for Silent {
    fn rank(&self) -> usize {
        self.rank
    }

    fn n_ranks(&self) -> usize {
        self.n_ranks
    }

    fn sum_f32(&self, _: &mut [f32]) -> Result<(), RanksError> {
        Ok(())
    }

    fn sum_f64(&self, _: &mut [f64]) -> Result<(), RanksError> {
        Ok(())
    }

    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        Ok(vec![mine.to_vec(); self.n_ranks])
    }

    fn broadcast(&self, mine: Vec<u8>) -> Result<Vec<u8>, RanksError> {
        Ok(mine)
    }
}

/// One process alone.
pub fn alone() -> Arc<dyn Communicator> {
    Arc::new(Alone)
}

/// What every rank has, or the failure of any of them on all: the own one where all failed alike, else a line that
/// names the ranks which failed.
///
/// Errors: as said.
pub fn agree<T, E: Display + From<RanksError>>(
    ranks: &dyn Communicator,
    mine: Result<T, E>,
) -> Result<T, E> {
    if ranks.is_alone() {
        return mine;
    }
    // A byte ahead: an error may have nothing to say.
    let said = match &mine {
        Ok(_) => Vec::new(),
        Err(error) => format!("!{error}").into_bytes(),
    };
    let all = ranks.gather(&said)?;
    match (all.iter().all(|text| *text == said), mine) {
        (true, mine) => mine,
        (false, _) => Err(RanksError::Failed(failures(&all)).into()),
    }
}

/// The number that `mpirun` gave this process before MPI is started; `None` where it did not start it.
pub fn rank_before_start() -> Option<usize> {
    let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"];
    names
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// `rank 2: no such file …`, with the ranks that say the same named together. Rank 0 alone has no number: it does for
/// all of them what a process alone would do.
fn failures(all: &[Vec<u8>]) -> String {
    let mut said: Vec<(String, Vec<usize>)> = Vec::new();
    for (rank, text) in all.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        let text = String::from_utf8_lossy(&text[1..]).into_owned();
        match said.iter_mut().find(|(known, _)| *known == text) {
            Some((_, ranks)) => ranks.push(rank),
            None => said.push((text, vec![rank])),
        }
    }
    if let [(text, ranks)] = &said[..]
        && ranks[..] == [0]
    {
        return text.clone();
    }
    let line = |(text, ranks): &(String, Vec<usize>)| {
        let names: Vec<String> = ranks.iter().map(ToString::to_string).collect();
        let plural = if names.len() > 1 { "s" } else { "" };
        format!("rank{plural} {}: {text}", names.join(", "))
    };
    said.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// A serialisable value of rank 0, on every rank.
///
/// Errors: it cannot be read, where ranks are of different versions.
pub(super) fn of_first<T: serde::Serialize + serde::de::DeserializeOwned>(
    ranks: &dyn Communicator,
    mine: T,
) -> Result<T, TrainError> {
    if ranks.is_alone() {
        return Ok(mine);
    }
    let out_of_step = |e: serde_json::Error| RanksError::OutOfStep(e.to_string());
    let text = match ranks.is_first() {
        true => serde_json::to_vec(&mine).map_err(out_of_step)?,
        false => Vec::new(),
    };
    let text = ranks.broadcast(text)?;
    Ok(serde_json::from_slice(&text).map_err(out_of_step)?)
}

/// Numbers become those of rank 0 on every rank.
///
/// Errors: another count of them.
pub(super) fn take_from_first(
    ranks: &dyn Communicator,
    values: &mut [f32],
) -> Result<(), TrainError> {
    if ranks.is_alone() {
        return Ok(());
    }
    let mine = match ranks.is_first() {
        true => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        false => Vec::new(),
    };
    let bytes = ranks.broadcast(mine)?;
    if bytes.len() != size_of_val(values) {
        let problem = format!("{} bytes for {} weights", bytes.len(), values.len());
        return Err(RanksError::OutOfStep(problem).into());
    }
    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::threads::on_ranks;
    use super::*;

    #[test]
    fn a_failure_of_one_rank_is_known_to_all_by_its_number() {
        let found = on_ranks(3, |ranks| {
            let mine = match ranks.rank() {
                1 => Err(TrainError::Setup("no such folder: x".into())),
                _ => Ok(()),
            };
            agree(&**ranks, mine).unwrap_err().to_string()
        });
        assert_eq!(found, ["rank 1: no such folder: x"; 3]);
    }

    #[test]
    fn what_fails_alike_everywhere_is_said_once_and_names_no_rank() {
        let found = on_ranks(2, |ranks| {
            let mine: Result<(), _> = Err(TrainError::Setup("--batch must be more".into()));
            agree(&**ranks, mine).unwrap_err().to_string()
        });
        assert_eq!(found, ["--batch must be more"; 2]);
        let found = on_ranks(2, |ranks| {
            agree(&**ranks, Ok::<_, TrainError>(ranks.rank())).unwrap()
        });
        assert_eq!(found, [0, 1]);
    }

    #[test]
    fn numbers_of_the_first_rank_reach_the_others() {
        let found = on_ranks(3, |ranks| {
            let mut values = vec![ranks.rank() as f32; 5];
            take_from_first(&**ranks, &mut values).unwrap();
            (values, of_first(&**ranks, ranks.rank() + 7).unwrap())
        });
        assert!(found.iter().all(|f| *f == (vec![0.0; 5], 7)));
    }
}
