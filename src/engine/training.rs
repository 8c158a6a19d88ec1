//! The thread that trains, beside the one that decodes: how it is steered, and what it tells.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::panic_text;
use super::mail::Outbox;
use super::message::{
    Event, TrainCommand, TrainOrder, TrainReport, TrainingBegun, TrainingEnd, TrainingStep,
};
use crate::train::error::TrainError;
use crate::train::order::{Ordered, ReadyTraining};
use crate::train::trainer::{TrainEvent, Trainer};

/// Reports of steps come no closer together: each may draw the window anew.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// As large as a program's main thread has it; differentiation on a device recurses.
const STACK_BYTES: usize = 16 << 20;

/// The training, if there is one. Dropping it saves the training and ends it.
#[derive(Default)]
pub(super) struct Training {
    running: Option<TrainingThread>,
}

struct TrainingThread {
    steering: Arc<Steering>,
    thread: JoinHandle<()>,
}

impl Training {
    /// Does what the window wants.
    pub(super) fn accept(&mut self, command: TrainCommand, outbox: &Outbox) {
        match (command, &self.running) {
            (TrainCommand::Start(order), _) => self.start(*order, outbox),
            (TrainCommand::Pause(paused), Some(running)) => {
                running.steering.change(|wish| wish.paused = paused);
            }
            (TrainCommand::Stop, Some(running)) => running.steering.change(|wish| {
                (wish.stop, wish.unsaved) = (true, false);
            }),
            (TrainCommand::Pause(_) | TrainCommand::Stop, None) => {}
        }
    }

    fn start(&mut self, order: TrainOrder, outbox: &Outbox) {
        let before = self.running.take_if(|running| running.steering.has_ended());
        if let Some(TrainingThread { thread, .. }) = before {
            // It has nothing left to do; its panics are caught inside.
            let _ = thread.join();
        }
        if self.running.is_some() {
            let text = "a training is under way; stop it before another is started";
            return outbox.send(Event::Note(text.to_owned()));
        }
        let steering = Arc::new(Steering::default());
        let (own, reports) = (Arc::clone(&steering), outbox.clone());
        let path = order.out.clone();
        let spawned = std::thread::Builder::new()
            .name("glow-training".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&order, &own, &reports));
        match spawned {
            Ok(thread) => self.running = Some(TrainingThread { steering, thread }),
            Err(error) => {
                let message = format!(
                    "the training's thread cannot be started ({error}); close other programs and try again"
                );
                let end = TrainingEnd::Failed { message, path };
                outbox.send(Event::Training(TrainReport::Ended(end)));
            }
        }
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        if let Some(TrainingThread { steering, thread }) = self.running.take() {
            steering.change(|wish| (wish.stop, wish.leaving) = (true, true));
            let _ = thread.join();
        }
    }
}

/// What is wished of the thread.
#[derive(Default)]
struct Steering {
    wish: Mutex<TrainWishes>,
    changed: Condvar,
}

#[derive(Default)]
struct TrainWishes {
    paused: bool,
    stop: bool,
    /// The last save failed, and nobody has said yet what is to come of it.
    unsaved: bool,
    /// Nobody will: the program ends.
    leaving: bool,
    /// How long it was held up.
    held: Duration,
    ended: bool,
}

impl Steering {
    /// Nothing in it could be left half done by a panic.
    fn wish(&self) -> MutexGuard<'_, TrainWishes> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut TrainWishes)) {
        change(&mut self.wish());
        self.changed.notify_all();
    }

    fn has_ended(&self) -> bool {
        self.wish().ended
    }

    fn held(&self) -> Duration {
        self.wish().held
    }

    /// Whether the training is to stop; while it is paused the answer is waited for.
    fn stops(&self, outbox: &Outbox) -> bool {
        let mut wish = self.wish();
        if wish.paused && !wish.stop {
            let since = Instant::now();
            report(outbox, TrainReport::Paused(true));
            while wish.paused && !wish.stop {
                wish = self
                    .changed
                    .wait(wish)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            wish.held += since.elapsed();
            if !wish.stop {
                report(outbox, TrainReport::Paused(false));
            }
        }
        wish.stop
    }

    /// After a save that failed: waits to be told to try again or to go on. `false` where nobody is left to say so.
    fn waits_for_a_way_out(&self, outbox: &Outbox, message: String) -> bool {
        let mut wish = self.wish();
        if wish.leaving {
            return false;
        }
        let since = Instant::now();
        (wish.stop, wish.paused, wish.unsaved) = (false, true, true);
        report(outbox, TrainReport::Unsaved(message));
        while wish.unsaved && wish.paused && !wish.leaving {
            wish = self
                .changed
                .wait(wish)
                .unwrap_or_else(PoisonError::into_inner);
        }
        (wish.unsaved, wish.paused) = (false, false);
        wish.held += since.elapsed();
        if !wish.stop {
            report(outbox, TrainReport::Paused(false));
        }
        true
    }
}

fn report(outbox: &Outbox, report: TrainReport) {
    outbox.send(Event::Training(report));
}

/// The thread: the whole training, and whatever it ends with.
fn work(order: &TrainOrder, steering: &Steering, outbox: &Outbox) {
    lower_priority();
    let end = caught(&order.out, || follow(order, steering, outbox));
    if let TrainingEnd::Failed { message, .. } = &end
        && steering.wish().leaving
    {
        // The window is gone. Standard error may be closed too, and then nobody can be told.
        let _ = writeln!(std::io::stderr(), "glow-explorer: {message}");
    }
    steering.change(|wish| wish.ended = true);
    report(outbox, TrainReport::Ended(end));
}

/// What work ends with, also where it fails or panics.
fn caught(out: &Path, work: impl FnOnce() -> Result<TrainingEnd, TrainError>) -> TrainingEnd {
    let message = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(end)) => return end,
        Ok(Err(error)) => in_the_window(&error, out),
        Err(panic) => format!(
            "a fault in the program stopped the training ({}); what was saved before is kept, and it can go on from there: {}",
            panic_text(panic.as_ref()),
            out.display()
        ),
    };
    let path = out.to_owned();
    TrainingEnd::Failed { message, path }
}

fn follow(
    order: &TrainOrder,
    steering: &Steering,
    outbox: &Outbox,
) -> Result<TrainingEnd, TrainError> {
    let threads = threads();
    let ready = match order.prepare(threads)? {
        Ordered::Earlier(earlier) => return Ok(TrainingEnd::Earlier(earlier)),
        Ordered::Ready(ready) => *ready,
    };
    // Before the first step there is nothing to save.
    if steering.wish().stop {
        return Ok(TrainingEnd::Stopped);
    }
    for note in &ready.notes {
        report(outbox, TrainReport::Note(note.clone()));
    }
    report(outbox, TrainReport::Begun(Box::new(begun(&ready, threads))));
    let mut trainer = ready.trainer;
    let stop = || steering.stops(outbox);
    let mut teller = Teller::new(order.pictures, steering, outbox);
    loop {
        match trainer.train(&stop, &mut |event| teller.tell(event)) {
            Ok(()) if is_done(&trainer, order) => return Ok(TrainingEnd::Finished),
            Ok(()) => return Ok(TrainingEnd::Stopped),
            Err(error) if is_of_the_disk(&error) => {
                let message = in_the_window(&error, &order.out);
                if !steering.waits_for_a_way_out(outbox, message) {
                    return Err(error);
                }
            }
            Err(error) => {
                // Where it is the pictures that have gone, what was learnt from them has not.
                if let TrainError::Data(_) = error {
                    let _ = trainer.train(&|| true, &mut |event| teller.tell(event));
                }
                return Err(error);
            }
        }
    }
}

fn begun(ready: &ReadyTraining, threads: usize) -> TrainingBegun {
    let curve = ready.curve().to_vec();
    let progress = ready.trainer.progress();
    TrainingBegun {
        model: ready.config.parts_text(),
        side: ready.config.image_size,
        n_parameters: ready.trainer.n_parameters(),
        n_pictures: ready.n_pictures,
        n_valid: ready.n_valid,
        pictures_seen: progress.pictures_seen,
        curve,
        threads,
    }
}

fn is_done(trainer: &Trainer, order: &TrainOrder) -> bool {
    let seen = trainer.progress().pictures_seen;
    order.pictures.is_some_and(|n| seen >= n)
}

/// Whether a file could not be written, which another try may mend.
fn is_of_the_disk(error: &TrainError) -> bool {
    matches!(error, TrainError::Format(_) | TrainError::Export(_))
}

/// An error in words of the window, which has no flags.
fn in_the_window(error: &TrainError, out: &Path) -> String {
    match error {
        TrainError::Diverged { times, reason, .. } => format!(
            "the training diverged {times} times, the last time because {reason}; what was saved before is kept. Go on with \
             careful learning, or begin with a smaller network: {}",
            out.display()
        ),
        error => error.to_string(),
    }
}

/// One core is left to the window and the pictures in it.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores - 1).max(1)
}

/// Lets everything else go first, where that is one word to the system. Threads that this one starts are as patient.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Ok(this) = std::fs::read_link("/proc/thread-self")
        && let Some(id) = this.file_name()
    {
        use std::process::{Command, Stdio};
        let mut renice = Command::new("renice");
        let renice = renice.args(["-n", "10", "-p"]).arg(id);
        let quiet = renice.stdin(Stdio::null()).stdout(Stdio::null());
        // Without that program the training is only less polite.
        let _ = quiet.stderr(Stdio::null()).status();
    }
}

/// Turns the trainer's events into reports, not too many of them.
struct Teller<'a> {
    steering: &'a Steering,
    outbox: &'a Outbox,
    /// Pictures at the end, where there is one.
    target: Option<u64>,
    started: Instant,
    told: Option<Instant>,
    /// Bits per dimension of the steps since the last report, and how many.
    bits: (f64, u32),
    seen: u64,
    /// Pictures learnt from since the start, whether or not they still count.
    done: u64,
}

impl<'a> Teller<'a> {
    fn new(target: Option<u64>, steering: &'a Steering, outbox: &'a Outbox) -> Self {
        Self {
            steering,
            outbox,
            target,
            started: Instant::now(),
            told: None,
            bits: (0.0, 0),
            seen: 0,
            done: 0,
        }
    }

    fn tell(&mut self, event: TrainEvent) {
        let said = match event {
            TrainEvent::Started { pictures_seen, .. } => {
                self.seen = pictures_seen;
                return;
            }
            TrainEvent::Step {
                pictures_seen,
                bits_per_dim,
                ..
            } => match self.step(pictures_seen, bits_per_dim) {
                Some(step) => TrainReport::Step(step),
                None => return,
            },
            TrainEvent::LeftOut(name) => TrainReport::LeftOut(name),
            TrainEvent::Note(text) => TrainReport::Note(text),
            TrainEvent::WentBack {
                reason,
                pictures_seen,
                ..
            } => {
                self.seen = pictures_seen;
                TrainReport::WentBack {
                    reason,
                    pictures_seen,
                }
            }
            TrainEvent::Saved(point) => TrainReport::Saved(point),
            TrainEvent::Samples(pictures) => {
                TrainReport::Samples(pictures.into_iter().map(Arc::new).collect())
            }
            // Twenty of them running are said as a divergence.
            TrainEvent::Skipped => return,
        };
        report(self.outbox, said);
    }

    fn step(&mut self, pictures_seen: u64, bits_per_dim: f64) -> Option<TrainingStep> {
        self.done += pictures_seen.saturating_sub(self.seen);
        self.seen = pictures_seen;
        self.bits = (self.bits.0 + bits_per_dim, self.bits.1 + 1);
        if self.told.is_some_and(|told| told.elapsed() < REPORT_EVERY) {
            return None;
        }
        self.told = Some(Instant::now());
        let (sum, n) = std::mem::take(&mut self.bits);
        let worked = self.started.elapsed().saturating_sub(self.steering.held());
        let rate = self.done as f64 / worked.as_secs_f64().max(1e-6);
        let left = self.target.map(|n| n.saturating_sub(pictures_seen) as f64);
        Some(TrainingStep {
            pictures_seen,
            bits_per_dim: sum / f64::from(n),
            pictures_per_sec: rate,
            secs_left: left.map(|left| left / rate.max(1e-9)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_the_training_and_not_the_program() {
        let end = caught(Path::new("/data/w.safetensors"), || panic!("index 7"));
        let TrainingEnd::Failed { message, path } = end else {
            panic!("{end:?}");
        };
        assert!(message.contains("index 7") && message.contains("go on from there"));
        assert!(message.ends_with("w.safetensors") && path.ends_with("w.safetensors"));
    }
}
