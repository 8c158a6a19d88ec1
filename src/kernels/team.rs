//! A few threads that work through the same phases together.
//!
//! A decode of one picture is some hundred short phases (about 0.1 ms each); handing each to a thread pool
//! costs a good part of that, so the threads stay together and meet at a spinning barrier.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Spins before the thread lets others run: a phase is short, but the machine may be busy.
const SPINS: u32 = 4_000;

/// Where the members of a team wait for each other.
pub struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    poisoned: AtomicBool,
}

impl Barrier {
    fn new(members: usize) -> Self {
        Self {
            members,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    /// Returns once every member is here. What they wrote before is visible after.
    ///
    /// # Panics
    /// When another member panicked, so that nobody waits for it for ever.
    pub fn wait(&self) {
        if self.members == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.round.load(Ordering::Acquire) == round {
            assert!(
                !self.poisoned.load(Ordering::Relaxed),
                "another thread of the team panicked"
            );
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

struct PoisonOnPanic<'a>(&'a Barrier);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poisoned.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `work(member, barrier)` on `members` threads, the caller's among them.
///
/// # Panics
/// With the panic of a member, after all of them have ended.
pub fn run(members: usize, work: impl Fn(usize, &Barrier) + Sync) {
    let barrier = Barrier::new(members.max(1));
    let (barrier, work) = (&barrier, &work);
    std::thread::scope(|scope| {
        for member in 1..members {
            scope.spawn(move || {
                let _guard = PoisonOnPanic(barrier);
                work(member, barrier);
            });
        }
        let _guard = PoisonOnPanic(barrier);
        work(0, barrier);
    });
}

/// The part of `n` rows that `member` of `members` takes, cut at multiples of `grain`.
pub fn share(n: usize, grain: usize, member: usize, members: usize) -> Range<usize> {
    let grains = n.div_ceil(grain);
    let at = |m: usize| (grains * m / members * grain).min(n);
    at(member)..at(member + 1)
}

/// One buffer that the members of a team write in turns: in a phase, each writes rows of its own or all
/// only read.
pub struct SharedBuffer<'a> {
    start: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: access goes through the two unsafe methods, whose callers keep writers and readers apart.
unsafe impl Send for SharedBuffer<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedBuffer<'_> {}

impl<'a> SharedBuffer<'a> {
    /// Shares `buffer`.
    pub fn new(buffer: &'a mut [f32]) -> Self {
        Self {
            start: buffer.as_mut_ptr(),
            len: buffer.len(),
            owner: PhantomData,
        }
    }

    /// Rows `rows` of `stride` floats, to write.
    ///
    /// # Safety
    /// Until the next barrier, no other member reads or writes these rows.
    ///
    /// # Panics
    /// Where the rows are not in the buffer.
    #[expect(
        clippy::mut_from_ref,
        reason = "the barrier keeps writers apart, see the safety section"
    )]
    pub unsafe fn rows_mut(&self, rows: Range<usize>, stride: usize) -> &mut [f32] {
        assert!(rows.start <= rows.end && rows.end * stride <= self.len);
        // SAFETY: inside the buffer by the assertion; unaliased by the contract.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.add(rows.start * stride), rows.len() * stride)
        }
    }

    /// The whole buffer, to read.
    ///
    /// # Safety
    /// Until the next barrier, no member writes to the buffer.
    pub unsafe fn all(&self) -> &[f32] {
        // SAFETY: the buffer outlives `self`; nobody writes by the contract.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for (n, grain, members) in [(1024, 8, 2), (16, 8, 3), (7, 8, 2), (65, 8, 4)] {
            let mut next = 0;
            for member in 0..members {
                let part = share(n, grain, member, members);
                assert_eq!(part.start, next);
                next = part.end;
            }
            assert_eq!(next, n);
        }
    }

    #[test]
    fn members_meet_at_every_phase() {
        let mut buffer = vec![0.0f32; 4];
        let rows = SharedBuffer::new(&mut buffer);
        run(4, |member, barrier| {
            for phase in 0..100 {
                // SAFETY: each member writes its own row, and reads only after the barrier.
                unsafe { rows.rows_mut(member..member + 1, 1)[0] += 1.0 };
                barrier.wait();
                // SAFETY: nobody writes between the two barriers.
                let sum: f32 = unsafe { rows.all() }.iter().sum();
                assert_eq!(sum, 4.0 * (phase + 1) as f32);
                barrier.wait();
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_nobody_waits_for_ever() {
        let result = std::panic::catch_unwind(|| {
            run(3, |member, barrier| {
                assert!(member != 1, "member 1 fails");
                barrier.wait();
            });
        });
        assert!(result.is_err());
    }
}
