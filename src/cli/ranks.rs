//! One process, or one of those that `mpirun` has started.

use std::fmt::{self, Display};
use std::sync::Arc;

use super::common::note;
use crate::train::error::TrainError;
#[cfg(feature = "mpi")]
use crate::train::ranks::mpirun;
use crate::train::ranks::{Communicator, Identity, RanksError, alone, rank_before_start};

/// How long a rank that has failed waits for the others to end as well.
#[cfg(feature = "mpi")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// The processes of a run, from their start to their end.
pub(super) struct Connection {
    ranks: Arc<dyn Communicator>,
    #[cfg(feature = "mpi")]
    session: Option<mpirun::MpiSession>,
}

impl Connection {
    /// With the others, where `mpirun` has started several.
    ///
    /// Errors: it has, and this program knows nothing of MPI.
    #[cfg(feature = "mpi")]
    pub(super) fn new() -> anyhow::Result<Self> {
        if rank_before_start().is_none() {
            return Ok(Self {
                ranks: alone(),
                session: None,
            });
        }
        let (session, ranks) = mpirun::connect()?;
        Ok(Self {
            ranks: Arc::new(ranks),
            session: Some(session),
        })
    }

    /// Alone.
    ///
    /// Errors: `mpirun` has started several.
    #[cfg(not(feature = "mpi"))]
    pub(super) fn new() -> anyhow::Result<Self> {
        let size = |name| std::env::var(name).ok()?.parse::<usize>().ok();
        let n = size("OMPI_COMM_WORLD_SIZE").or_else(|| size("PMI_SIZE"));
        if rank_before_start().is_some() && n.is_none_or(|n| n > 1) {
            anyhow::bail!(
                "mpirun has started several processes, but this program was built without MPI; build it with --features mpi"
            );
        }
        Ok(Self { ranks: alone() })
    }

    pub(super) fn ranks(&self) -> &Arc<dyn Communicator> {
        &self.ranks
    }

    /// Nothing is to be waited for.
    #[cfg(not(feature = "mpi"))]
    pub(super) fn end(self, ended: anyhow::Result<()>) -> anyhow::Result<()> {
        ended
    }

    /// Waits for the others to end as well. Of what all know only rank 0 speaks, and all leave with its code.
    #[cfg(feature = "mpi")]
    pub(super) fn end(self, ended: anyhow::Result<()>) -> anyhow::Result<()> {
        let Err(error) = &ended else {
            return ended;
        };
        if self.session.is_none() {
            return ended;
        }
        // In one piece: other ranks may write there as well.
        let line = format!("glow-explorer: {}\n", super::error_line(error));
        let cause = error.downcast_ref::<TrainError>();
        if let Some(TrainError::Ranks(RanksError::OutOfStep(_))) = cause {
            // The others wait for something else than this rank's end.
            eprint!("{line}");
            self.ranks.abort(1);
        }
        let is_first = self.ranks.is_first();
        // Before the others can end, which mpirun takes as a reason to end this one.
        if is_first {
            eprint!("{line}");
        }
        let ranks = Arc::clone(&self.ranks);
        std::thread::spawn(move || {
            std::thread::sleep(PATIENCE);
            if !is_first {
                eprint!("{line}");
            }
            ranks.abort(1);
        });
        drop(self);
        std::process::exit(1)
    }
}

/// An error as the line that people see.
pub(super) struct SaidLine(pub(super) anyhow::Error);

impl Display for SaidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::error_line(&self.0))
    }
}

impl From<RanksError> for SaidLine {
    fn from(error: RanksError) -> Self {
        Self(TrainError::from(error).into())
    }
}

/// A line for each rank.
pub(super) fn say_identities(identities: &[Identity]) {
    for (rank, identity) in identities.iter().enumerate() {
        let host = match identity.host.as_str() {
            "" => String::new(),
            host => format!(" on {host}"),
        };
        note(format_args!(
            "rank {rank}{host}: version {}, {} pictures, listing {}",
            identity.version, identity.n_pictures, identity.listing
        ));
    }
    note(format_args!(
        "the {} ranks were given the same",
        identities.len()
    ));
}

/// How many work together, where, on how many threads each.
pub(super) fn team(identities: &[Identity], n_threads: usize) -> String {
    let mut hosts: Vec<&str> = identities.iter().map(|i| i.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let several = |n: usize, what: &str| match n {
        1 => format!("one {what}"),
        n => format!("{n} {what}s"),
    };
    format!(
        "{} on {}, {} each",
        several(identities.len(), "rank"),
        several(hosts.len(), "machine"),
        several(n_threads, "thread")
    )
}
