//! Ranks that are processes started by `mpirun`.

use std::time::Duration;

use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::request::{LocalScope, Request};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _, Root as _};

use super::{Communicator, RanksError};

/// The longest wait between two looks at an operation under way. A sum over many ranks goes on only when it is looked
/// at, once for each of its messages.
const LONGEST_PAUSE: Duration = Duration::from_micros(50);

/// Looks at an operation without a pause, which is enough for small ones between processes that are awake.
const EAGER_LOOKS: u32 = 64;

/// Bytes of one broadcast: MPI counts in 32 bits.
const BROADCAST_BYTES: usize = 64 << 20;

/// MPI, started; ends with this value, which waits for the other ranks.
pub struct MpiSession {
    _universe: Universe,
}

/// This process among those of `mpirun`.
pub struct Mpi {
    rank: usize,
    n_ranks: usize,
    local_rank: usize,
    n_local: usize,
    host: String,
}

/// Starts MPI. A panic on any thread from here on ends every rank, which would wait for this one for ever.
///
/// Errors: it was started before.
pub fn connect() -> Result<(MpiSession, Mpi), RanksError> {
    // Every call comes from the thread that trains.
    let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Funneled)
        .ok_or_else(|| RanksError::OutOfStep("MPI was started twice".into()))?;
    let world = universe.world();
    let local = world.split_shared(world.rank());
    let ranks = Mpi {
        rank: world.rank() as usize,
        n_ranks: world.size() as usize,
        local_rank: local.rank() as usize,
        n_local: local.size() as usize,
        host: mpi::environment::processor_name().unwrap_or_default(),
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        SimpleCommunicator::world().abort(101);
    }));
    let session = MpiSession {
        _universe: universe,
    };
    Ok((session, ranks))
}

/// Waits without keeping a core busy: the threads that compute need it.
fn wait<'a, D: ?Sized>(mut request: Request<'a, D, &LocalScope<'a>>) {
    let mut pause = Duration::from_micros(5);
    for look in 0u64.. {
        match request.test() {
            Ok(_) => return,
            Err(unfinished) => request = unfinished,
        }
        if look < u64::from(EAGER_LOOKS) {
            std::thread::yield_now();
        } else {
            std::thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

macro_rules! sum {
    ($values:expr) => {{
        let sent = $values.to_vec();
        mpi::request::scope(|scope| {
            wait(SimpleCommunicator::world().immediate_all_reduce_into(
                scope,
                &sent[..],
                $values,
                SystemOperation::sum(),
            ));
        });
        Ok(())
    }};
}

impl Communicator for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn n_ranks(&self) -> usize {
        self.n_ranks
    }

    fn local_rank(&self) -> usize {
        self.local_rank
    }

    fn n_local(&self) -> usize {
        self.n_local
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn sum_f32(&self, values: &mut [f32]) -> Result<(), RanksError> {
        sum!(values)
    }

    fn sum_f64(&self, values: &mut [f64]) -> Result<(), RanksError> {
        sum!(values)
    }

    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        // A byte ahead, since nobody may send nothing: the address of an empty vector of bytes is 1, which Open MPI takes
        // for its own `MPI_IN_PLACE`.
        let mine = &[&[0], mine].concat()[..];
        let mut counts = vec![0.0f64; self.n_ranks];
        counts[self.rank] = mine.len() as f64;
        self.sum_f64(&mut counts)?;
        let counts: Vec<i32> = counts.iter().map(|&n| n as i32).collect();
        let starts = counts.iter().scan(0, |end, &n| {
            let start = *end;
            *end += n;
            Some(start)
        });
        let starts: Vec<i32> = starts.collect();
        let mut all = vec![0u8; counts.iter().map(|&n| n as usize).sum()];
        {
            let mut parts = PartitionMut::new(&mut all[..], &counts[..], &starts[..]);
            SimpleCommunicator::world().all_gather_varcount_into(mine, &mut parts);
        }
        let part = |(&n, &start): (&i32, &i32)| {
            let bytes = &all[start as usize..(start + n) as usize];
            bytes[1..].to_vec()
        };
        Ok(counts.iter().zip(&starts).map(part).collect())
    }

    fn broadcast(&self, mut mine: Vec<u8>) -> Result<Vec<u8>, RanksError> {
        let mut length = [match self.is_first() {
            true => mine.len() as f64,
            false => 0.0,
        }];
        // Also wakes the others gently: rank 0 may be long at what it sends.
        self.sum_f64(&mut length)?;
        mine.resize(length[0] as usize, 0);
        for part in mine.chunks_mut(BROADCAST_BYTES) {
            let world = SimpleCommunicator::world();
            world.process_at_rank(0).broadcast_into(part);
        }
        Ok(mine)
    }

    fn abort(&self, code: i32) -> ! {
        SimpleCommunicator::world().abort(code)
    }
}
