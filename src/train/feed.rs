//! The batches of a training: the share of this rank, of the same whole batch on every rank.

use std::sync::Arc;

use super::error::TrainError;
use super::ranks::{Communicator, RanksError, agree};
use crate::data::batches::{Batch, BatchStream, PictureSet};

/// The stream of a run.
pub(super) struct Feed {
    ranks: Arc<dyn Communicator>,
    pictures: Arc<PictureSet>,
    plan: Plan,
    /// Where the next batch starts.
    position: u64,
    stream: BatchStream,
}

/// What decides the batches beside the pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Pictures of a whole batch.
    pub(super) batch: usize,
    pub(super) seed: u64,
    pub(super) flip: bool,
    /// Threads that decode.
    pub(super) threads: usize,
}

impl Feed {
    /// Starts behind the first `position` pictures.
    ///
    /// Errors: the system gives no thread.
    pub(super) fn new(
        ranks: &Arc<dyn Communicator>,
        pictures: &Arc<PictureSet>,
        plan: Plan,
        position: u64,
    ) -> Result<Self, TrainError> {
        Ok(Self {
            stream: stream(ranks, pictures, plan, position)?,
            ranks: Arc::clone(ranks),
            pictures: Arc::clone(pictures),
            plan,
            position,
        })
    }

    /// The next batch; waits for it where it is not ready. A picture that one rank cannot read is left out by all of
    /// them, and the next one takes its place, as if one process had met it.
    ///
    /// Errors: no picture can be read, or ranks found other batches than each other.
    pub(super) fn next_batch(&mut self) -> Result<Batch, TrainError> {
        let mut left_out = Vec::new();
        loop {
            let mine = self.stream.next_batch().map_err(TrainError::from);
            if self.ranks.is_alone() {
                return mine;
            }
            let (n_failed, end) = mine
                .as_ref()
                .map_or((0, 0), |batch| (batch.failed.len(), batch.end_position));
            // Positions are whole numbers far below 2^53.
            let mut sums = [
                f64::from(u8::from(mine.is_err())),
                n_failed as f64,
                end as f64,
            ];
            self.ranks.sum_f64(&mut sums)?;
            if sums[0] > 0.0 {
                return agree(&*self.ranks, mine);
            }
            let batch = mine?;
            if sums[2] != end as f64 * self.ranks.n_ranks() as f64 {
                let problem = format!("picture {end} here is another one elsewhere");
                return Err(RanksError::OutOfStep(problem).into());
            }
            if sums[1] == 0.0 {
                self.position = batch.end_position;
                return Ok(Batch { left_out, ..batch });
            }
            left_out.extend(self.exchange_failures(&batch)?);
            // Behind the failures every place of the batch is another.
            self.stream = stream(&self.ranks, &self.pictures, self.plan, self.position)?;
        }
    }

    /// Every rank learns which pictures the others could not read; the reasons that are new.
    fn exchange_failures(&self, batch: &Batch) -> Result<Vec<String>, TrainError> {
        let out_of_step = |e: serde_json::Error| RanksError::OutOfStep(e.to_string());
        let mine = serde_json::to_vec(&batch.failed).map_err(out_of_step)?;
        let mut new = Vec::new();
        for text in self.ranks.gather(&mine)? {
            let failed: Vec<(usize, String)> =
                serde_json::from_slice(&text).map_err(out_of_step)?;
            for (index, reason) in failed {
                if self.pictures.note_failure(index, reason.clone()) {
                    new.push(reason);
                }
            }
        }
        Ok(new)
    }
}

fn stream(
    ranks: &Arc<dyn Communicator>,
    pictures: &Arc<PictureSet>,
    plan: Plan,
    position: u64,
) -> Result<BatchStream, TrainError> {
    Ok(BatchStream::of_share(
        Arc::clone(pictures),
        (plan.batch, plan.seed, position, plan.flip),
        plan.threads,
        ranks.share(),
    )?)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::super::ranks::alone;
    use super::super::ranks::threads::on_ranks;
    use super::*;

    #[test]
    fn ranks_leave_out_what_one_of_them_cannot_read_as_one_process_does() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..9u8 {
            let path = folder.path().join(format!("{i}.png"));
            match i {
                2 | 6 => std::fs::write(path, b"no picture").unwrap(),
                _ => RgbImage::from_pixel(8, 8, Rgb([i; 3])).save(path).unwrap(),
            }
        }
        let take = |ranks: &Arc<dyn Communicator>| {
            let set = Arc::new(PictureSet::open(folder.path(), None, 8, 3).unwrap());
            let plan = Plan {
                batch: 4,
                seed: 3,
                flip: true,
                threads: 1,
            };
            let mut feed = Feed::new(ranks, &set, plan, 0).unwrap();
            let batches = [(); 6].map(|()| feed.next_batch().unwrap());
            assert_eq!(set.failures().len(), 2);
            batches
        };
        let whole = take(&alone());
        for n in [2, 3] {
            let shares = on_ranks(n, take);
            for (at, whole) in whole.iter().enumerate() {
                let parts = || shares.iter().map(|batches| &batches[at]);
                let indices: Vec<usize> = parts().flat_map(|b| b.indices.clone()).collect();
                assert_eq!(indices, whole.indices);
                assert!(parts().all(|b| b.end_position == whole.end_position));
            }
        }
    }

    #[test]
    fn ranks_without_a_readable_picture_end_alike() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..3 {
            std::fs::write(folder.path().join(format!("{i}.png")), b"no picture").unwrap();
        }
        let found = on_ranks(2, |ranks| {
            let set = Arc::new(PictureSet::open(folder.path(), None, 8, 3).unwrap());
            let plan = Plan {
                batch: 2,
                seed: 3,
                flip: true,
                threads: 1,
            };
            let mut feed = Feed::new(ranks, &set, plan, 0).unwrap();
            feed.next_batch().unwrap_err().to_string()
        });
        assert_eq!(found[0], found[1]);
        assert!(found[0].contains("none of the 3 pictures"), "{}", found[0]);
    }
}
