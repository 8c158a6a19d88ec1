//! Batches for training, prepared on a thread of their own.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::DataError;
use super::order::EpochPlan;
pub use super::picture_set::PictureSet;

/// Batches that wait ready: one in the hands of the trainer, these behind it.
const N_PREFETCHED: usize = 2;

/// The part of each batch that one of several readers fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which reader, from 0.
    pub index: usize,
    /// Readers.
    pub of: usize,
}

impl Share {
    /// The batch of one reader alone.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The places of `n` that are this reader's: one after the other, their numbers equal to within one.
    pub fn range(self, n: usize) -> Range<usize> {
        n * self.index / self.of..n * (self.index + 1) / self.of
    }
}

/// Some pictures, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Where this share starts in the whole batch.
    pub first: usize,
    /// Pictures in the whole batch, of which this is a share.
    pub n_whole: usize,
    /// `[n, h, w, c]`, bytes.
    pub pixels: Vec<u8>,
    /// The picture's number in its set, for each of the `n`.
    pub indices: Vec<usize>,
    /// Whether it is mirrored, for each of the `n`.
    pub mirrored: Vec<bool>,
    /// Pictures drawn up to the end of this batch, those left out included: a stream that starts
    /// here gives the batch that follows this one.
    pub end_position: u64,
    /// Pictures found unreadable since the last batch, each with the reason. They are left out
    /// from now on and named only once.
    pub left_out: Vec<String>,
    /// Pictures of a share that cannot be read, with the reasons. Another picture takes the place of each once all
    /// readers know of it, so the whole batch is to be asked for again.
    pub failed: Vec<(usize, String)>,
}

/// An endless stream of batches, prepared ahead on background threads.
///
/// The order is a permutation of the set for each epoch, decided by the seed. Batches run across
/// the end of an epoch, so each is full. What a batch holds does not depend on how many readers share it.
pub struct BatchStream {
    /// `None` only while dropping.
    batches: Option<Receiver<Result<Batch, DataError>>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl BatchStream {
    /// Starts the stream behind the first `start_position` pictures; a run that goes on passes the
    /// [`Batch::end_position`] of its last batch. With `flip`, half of the pictures are mirrored.
    /// `n_threads` decode what is not yet in memory.
    pub fn new(
        set: Arc<PictureSet>,
        batch: usize,
        seed: u64,
        start_position: u64,
        flip: bool,
        n_threads: usize,
    ) -> Result<Self, DataError> {
        let plan = (batch, seed, start_position, flip);
        Self::of_share(set, plan, n_threads, Share::WHOLE)
    }

    /// The same for one of several readers: `(batch, seed, start_position, flip)` are those of the whole batch. Only
    /// `PictureSet::note_failure` makes such a stream leave pictures out, for its readers must agree on them.
    pub fn of_share(
        set: Arc<PictureSet>,
        (batch, seed, start_position, flip): (usize, u64, u64, bool),
        n_threads: usize,
        share: Share,
    ) -> Result<Self, DataError> {
        let (sender, receiver) = bounded(N_PREFETCHED);
        let stop = Arc::new(AtomicBool::new(false));
        let producer = Producer {
            plan: EpochPlan::new(seed, start_position / set.len() as u64, set.len()),
            set,
            batch: batch.max(1),
            seed,
            position: start_position,
            flip,
            share,
            n_threads: n_threads.max(1),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("batches".into())
            .spawn(move || producer.run(&sender))
            .map_err(|e| DataError::Stopped {
                reason: e.to_string(),
            })?;
        Ok(Self {
            batches: Some(receiver),
            thread: Some(thread),
            stop,
        })
    }

    /// The next batch; waits for it where it is not ready. Fails where no picture of the set can
    /// be read.
    pub fn next_batch(&mut self) -> Result<Batch, DataError> {
        let next = self.batches.as_ref().and_then(|b| b.recv().ok());
        next.unwrap_or_else(|| {
            Err(DataError::Stopped {
                reason: "it failed before".into(),
            })
        })
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Without a receiver the thread's next send fails, which ends it.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

/// What the background thread owns.
struct Producer {
    set: Arc<PictureSet>,
    batch: usize,
    seed: u64,
    position: u64,
    flip: bool,
    share: Share,
    n_threads: usize,
    plan: EpochPlan,
    stop: Arc<AtomicBool>,
}

/// A picture that a batch asks for.
struct Draw {
    index: usize,
    mirrored: bool,
}

impl Producer {
    fn run(mut self, sender: &Sender<Result<Batch, DataError>>) {
        while let Some(batch) = self.next_batch().transpose() {
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }

    /// `None` when the stream is being dropped.
    fn next_batch(&mut self) -> Result<Option<Batch>, DataError> {
        let mine = self.share.range(self.batch);
        let mut batch = Batch {
            first: mine.start,
            n_whole: self.batch,
            pixels: Vec::with_capacity(mine.len() * self.set.bytes_per_picture()),
            indices: Vec::with_capacity(mine.len()),
            mirrored: Vec::with_capacity(mine.len()),
            end_position: self.position,
            left_out: Vec::new(),
            failed: Vec::new(),
        };
        if self.share != Share::WHOLE {
            return self.next_share(batch, mine);
        }
        // More than one round only where pictures turned out unreadable.
        while batch.indices.len() < self.batch {
            let draws: Vec<Draw> = (batch.indices.len()..self.batch)
                .map(|_| self.draw())
                .collect();
            self.fetch(&draws, &mut batch);
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some(error) = self.set.all_failed() {
                return Err(error);
            }
        }
        batch.end_position = self.position;
        Ok(Some(batch))
    }

    /// The share `mine` of the next pictures that are not known to be unreadable.
    fn next_share(
        &mut self,
        mut batch: Batch,
        mine: Range<usize>,
    ) -> Result<Option<Batch>, DataError> {
        if let Some(error) = self.set.all_failed() {
            return Err(error);
        }
        let mut draws = Vec::with_capacity(mine.len());
        let mut place = 0;
        while place < self.batch {
            let draw = self.draw();
            if self.set.has_failed(draw.index) {
                continue;
            }
            if mine.contains(&place) {
                draws.push(draw);
            }
            place += 1;
        }
        self.fetch(&draws, &mut batch);
        batch.end_position = self.position;
        Ok((!self.stop.load(Ordering::Relaxed)).then_some(batch))
    }

    fn draw(&mut self) -> Draw {
        let n = self.set.len();
        let epoch = self.position / n as u64;
        if epoch != self.plan.epoch() {
            self.plan = EpochPlan::new(self.seed, epoch, n);
        }
        let place = (self.position % n as u64) as usize;
        self.position += 1;
        let (index, mirrored) = self.plan.draw(place).unwrap_or_default();
        Draw {
            index,
            mirrored: mirrored && self.flip,
        }
    }

    /// Appends the pictures drawn, those that can be read, in the order drawn.
    fn fetch(&self, draws: &[Draw], batch: &mut Batch) {
        let n_bytes = self.set.bytes_per_picture();
        let mut pixels = vec![0u8; draws.len() * n_bytes];
        let mut results: Vec<Option<Result<(), DataError>>> = draws.iter().map(|_| None).collect();
        let n_new = draws.iter().filter(|d| !self.set.is_kept(d.index)).count();
        let n_threads = self.n_threads.min(n_new).max(1);
        let share = draws.len().div_ceil(n_threads).max(1);
        let jobs = draws
            .chunks(share)
            .zip(pixels.chunks_mut(share * n_bytes))
            .zip(results.chunks_mut(share));
        if n_threads == 1 {
            jobs.for_each(|((draws, pixels), results)| self.fetch_share(draws, pixels, results));
        } else {
            thread::scope(|scope| {
                for ((draws, pixels), results) in jobs {
                    scope.spawn(move || self.fetch_share(draws, pixels, results));
                }
            });
        }
        for ((draw, pixels), result) in draws.iter().zip(pixels.chunks(n_bytes)).zip(results) {
            match result {
                Some(Ok(())) => {
                    batch.pixels.extend_from_slice(pixels);
                    batch.indices.push(draw.index);
                    batch.mirrored.push(draw.mirrored);
                }
                Some(Err(error)) => {
                    let reason = error.to_string();
                    if self.share != Share::WHOLE {
                        batch.failed.push((draw.index, reason));
                    } else if self.set.note_failure(draw.index, reason.clone()) {
                        batch.left_out.push(reason);
                    }
                }
                // Known to be unreadable, or the stream is being dropped.
                None => {}
            }
        }
    }

    fn fetch_share(
        &self,
        draws: &[Draw],
        pixels: &mut [u8],
        results: &mut [Option<Result<(), DataError>>],
    ) {
        let n_bytes = self.set.bytes_per_picture();
        let targets = pixels.chunks_mut(n_bytes).zip(results);
        for (draw, (target, result)) in draws.iter().zip(targets) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if self.set.has_failed(draw.index) {
                continue;
            }
            let fetched = self.set.copy_to(draw.index, target);
            if fetched.is_ok() && draw.mirrored {
                mirror(target, self.set.size(), self.set.channels());
            }
            *result = Some(fetched);
        }
    }
}

/// Swaps left and right of one picture.
fn mirror(pixels: &mut [u8], size: usize, channels: usize) {
    for row in pixels.chunks_exact_mut(size * channels) {
        for x in 0..size / 2 {
            for c in 0..channels {
                row.swap(x * channels + c, (size - 1 - x) * channels + c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use image::{Rgb, RgbImage};

    use super::*;

    /// A folder of `n` pictures of 8 pixels; the red of the left half is the picture's number.
    fn folder(n: u8) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..n {
            RgbImage::from_fn(8, 8, |x, _| Rgb([if x < 4 { i } else { 255 }, 0, 0]))
                .save(folder.path().join(format!("{i:03}.png")))
                .unwrap();
        }
        folder
    }

    fn open(folder: &Path) -> Arc<PictureSet> {
        Arc::new(PictureSet::open(folder, None, 8, 3).unwrap())
    }

    fn take(set: &Arc<PictureSet>, batch: usize, start: u64, flip: bool, n: usize) -> Vec<Batch> {
        let mut stream = BatchStream::new(Arc::clone(set), batch, 5, start, flip, 2).unwrap();
        (0..n).map(|_| stream.next_batch().unwrap()).collect()
    }

    #[test]
    fn an_epoch_shows_every_picture_once_with_its_own_pixels() {
        let folder = folder(10);
        let batches = take(&open(folder.path()), 5, 0, false, 2);
        let mut seen: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
        for batch in &batches {
            assert_eq!(batch.pixels.len(), 5 * 8 * 8 * 3);
            for (index, pixels) in batch.indices.iter().zip(batch.pixels.chunks(192)) {
                assert_eq!(usize::from(pixels[0]), *index);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(batches[1].end_position, 10);
    }

    #[test]
    fn a_resumed_stream_goes_on_in_the_same_order() {
        let folder = folder(7);
        let all = take(&open(folder.path()), 3, 0, true, 6);
        let later = take(&open(folder.path()), 3, all[2].end_position, true, 3);
        assert_eq!(all[3..], later);
    }

    #[test]
    fn shares_make_up_the_whole_batch_also_where_it_does_not_divide() {
        let folder = folder(7);
        let set = open(folder.path());
        let whole = take(&set, 5, 2, true, 3);
        for of in [2, 3, 7] {
            let shares = (0..of).map(|index| {
                let share = Share { index, of };
                let stream = BatchStream::of_share(Arc::clone(&set), (5, 5, 2, true), 1, share);
                let mut stream = stream.unwrap();
                [(); 3].map(|()| stream.next_batch().unwrap())
            });
            let shares: Vec<[Batch; 3]> = shares.collect();
            for (at, whole) in whole.iter().enumerate() {
                let parts = || shares.iter().map(|batches| &batches[at]);
                let indices: Vec<usize> = parts().flat_map(|b| b.indices.clone()).collect();
                let pixels: Vec<u8> = parts().flat_map(|b| b.pixels.clone()).collect();
                assert_eq!(
                    (indices, pixels),
                    (whole.indices.clone(), whole.pixels.clone())
                );
                assert!(parts().all(|b| b.end_position == whole.end_position));
                let mut place = 0;
                for part in parts() {
                    assert_eq!((part.first, part.n_whole), (place, 5));
                    place += part.indices.len();
                }
            }
        }
    }

    #[test]
    fn a_share_leaves_out_only_what_all_readers_know_of() {
        let folder = folder(5);
        fs::write(folder.path().join("001.png"), b"no picture").unwrap();
        let whole = take(&open(folder.path()), 4, 0, false, 2);
        let set = open(folder.path());
        let share = |index| {
            let share = Share { index, of: 2 };
            BatchStream::of_share(Arc::clone(&set), (4, 5, 0, false), 1, share).unwrap()
        };
        let take = |index| {
            let mut stream = share(index);
            [(); 2].map(|()| stream.next_batch().unwrap())
        };
        let found: Vec<(usize, String)> = [0, 1]
            .into_iter()
            .flat_map(|index| take(index).into_iter().flat_map(|b| b.failed))
            .collect();
        assert!(found.iter().all(|(index, _)| *index == 1) && !found.is_empty());
        assert!(set.failures().is_empty());
        set.note_failure(1, found[0].1.clone());
        let (a, b) = (take(0), take(1));
        for at in 0..2 {
            let indices = [&a[at].indices[..], &b[at].indices[..]].concat();
            assert_eq!(indices, whole[at].indices);
            assert_eq!(a[at].end_position, whole[at].end_position);
        }
    }

    #[test]
    fn mirrored_pictures_are_mirrored() {
        let folder = folder(16);
        let batch = take(&open(folder.path()), 16, 0, true, 1).remove(0);
        let n_mirrored = batch.mirrored.iter().filter(|&&m| m).count();
        assert!(n_mirrored > 0 && n_mirrored < 16);
        let each = batch.indices.iter().zip(&batch.mirrored);
        for ((index, mirrored), pixels) in each.zip(batch.pixels.chunks(192)) {
            let left = if *mirrored { 255 } else { *index };
            assert_eq!(usize::from(pixels[0]), left);
        }
    }

    #[test]
    fn unreadable_pictures_are_left_out_and_named_once() {
        let folder = folder(5);
        fs::write(folder.path().join("001.png"), b"<html>not found</html>").unwrap();
        let set = open(folder.path());
        let batches = take(&set, 4, 0, false, 4);
        let named: Vec<&String> = batches.iter().flat_map(|b| &b.left_out).collect();
        assert_eq!(named.len(), 1);
        assert!(named[0].contains("001.png"), "{}", named[0]);
        assert!(batches.iter().all(|b| b.indices.len() == 4));
        assert!(batches.iter().all(|b| !b.indices.contains(&1)));
        assert_eq!(set.failures().len(), 1);
        // The position counts what was left out, so a resumed run agrees.
        let later = take(&open(folder.path()), 4, batches[1].end_position, false, 1);
        assert_eq!(later[0].indices, batches[2].indices);
    }

    #[test]
    fn a_set_without_a_readable_picture_is_an_error() {
        let folder = folder(2);
        for i in 0..2 {
            fs::write(folder.path().join(format!("{i:03}.png")), b"").unwrap();
        }
        let mut stream = BatchStream::new(open(folder.path()), 4, 0, 0, false, 1).unwrap();
        let message = stream.next_batch().unwrap_err().to_string();
        assert!(message.contains("none of the 2 pictures"), "{message}");
        assert!(matches!(
            stream.next_batch(),
            Err(DataError::Stopped { .. })
        ));
    }

    #[test]
    fn dropping_an_unread_stream_ends_its_thread() {
        let folder = folder(6);
        let set = open(folder.path());
        drop(BatchStream::new(Arc::clone(&set), 4, 0, 0, true, 2).unwrap());
        // The thread has been joined, so no one else holds the set.
        assert_eq!(Arc::strong_count(&set), 1);
    }
}
