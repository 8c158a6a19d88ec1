//! Ranks that are threads of one process, for tests without MPI.

use std::sync::{Arc, Barrier, Mutex};

use super::{Communicator, RanksError};

/// A rank among threads.
pub(crate) struct Threads {
    rank: usize,
    shared: Arc<Shared>,
}

struct Shared {
    barrier: Barrier,
    /// What each rank gave to the operation under way.
    given: Mutex<Vec<Vec<u8>>>,
}

/// Runs `work` on so many ranks and gives what each found.
pub(crate) fn on_ranks<T: Send>(
    n: usize,
    work: impl Fn(&Arc<dyn Communicator>) -> T + Sync,
) -> Vec<T> {
    let shared = Arc::new(Shared {
        barrier: Barrier::new(n),
        given: Mutex::new(vec![Vec::new(); n]),
    });
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..n)
            .map(|rank| {
                let shared = Arc::clone(&shared);
                let work = &work;
                scope.spawn(move || {
                    let ranks: Arc<dyn Communicator> = Arc::new(Threads { rank, shared });
                    work(&ranks)
                })
            })
            .collect();
        started.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn n_ranks(&self) -> usize {
        self.shared.given.lock().unwrap().len()
    }

    fn sum_f32(&self, values: &mut [f32]) -> Result<(), RanksError> {
        let mine: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let all = self.gather(&mine)?;
        for (at, value) in values.iter_mut().enumerate() {
            let of = |bytes: &Vec<u8>| f32::from_le_bytes(bytes.as_chunks::<4>().0[at]);
            *value = all.iter().map(of).sum();
        }
        Ok(())
    }

    fn sum_f64(&self, values: &mut [f64]) -> Result<(), RanksError> {
        let mine: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let all = self.gather(&mine)?;
        for (at, value) in values.iter_mut().enumerate() {
            let of = |bytes: &Vec<u8>| f64::from_le_bytes(bytes.as_chunks::<8>().0[at]);
            *value = all.iter().map(of).sum();
        }
        Ok(())
    }

    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        self.shared.given.lock().unwrap()[self.rank] = mine.to_vec();
        self.shared.barrier.wait();
        let all = self.shared.given.lock().unwrap().clone();
        // Nobody gives anew before all have read.
        self.shared.barrier.wait();
        Ok(all)
    }

    fn broadcast(&self, mine: Vec<u8>) -> Result<Vec<u8>, RanksError> {
        Ok(self.gather(&mine)?.swap_remove(0))
    }
}
