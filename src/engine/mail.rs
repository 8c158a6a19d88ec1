//! The worker's letter box: commands in, readable from inside a decode; events out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, TryRecvError, select, unbounded};

use super::message::{Command, Event};
use super::workbench::Letter;

/// Commands as they come. Work under way peeks at those that wait, to learn that it is not needed.
pub(super) struct Inbox {
    commands: Receiver<Command>,
    /// Taken from the channel by [`Inbox::any`], not yet by [`Inbox::take`].
    waiting: Mutex<VecDeque<Command>>,
    /// What the workshop says, and the end that it says it into.
    letters: Receiver<Letter>,
    letters_in: Sender<Letter>,
    /// Never carries anything; closed when the engine is dropped.
    stop: Receiver<()>,
}

impl Inbox {
    pub(super) fn new(commands: Receiver<Command>, stop: Receiver<()>) -> Self {
        let (letters_in, letters) = unbounded();
        Self {
            commands,
            waiting: Mutex::new(VecDeque::new()),
            letters,
            letters_in,
            stop,
        }
    }

    /// The queue holds nothing that a panic could leave half done.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the engine is being dropped.
    pub(super) fn stopped(&self) -> bool {
        self.stop.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Whether a command of this kind waits.
    pub(super) fn any(&self, wanted: impl Fn(&Command) -> bool) -> bool {
        let mut waiting = self.waiting();
        waiting.extend(self.commands.try_iter());
        waiting.iter().any(wanted)
    }

    /// The oldest command that waits.
    pub(super) fn take(&self) -> Option<Command> {
        let oldest = self.waiting().pop_front();
        oldest.or_else(|| self.commands.try_recv().ok())
    }

    /// Where the workshop sends its letters.
    pub(super) fn letters_in(&self) -> Sender<Letter> {
        self.letters_in.clone()
    }

    /// The oldest letter that waits.
    pub(super) fn letter(&self) -> Option<Letter> {
        self.letters.try_recv().ok()
    }

    /// Sleeps until there is something; `None` when it is time to stop.
    pub(super) fn wait(&self) -> Option<Mail> {
        if let Some(command) = self.waiting().pop_front() {
            return Some(Mail::Command(command));
        }
        select! {
            recv(self.commands) -> command => command.ok().map(Mail::Command),
            recv(self.letters) -> letter => letter.ok().map(Mail::Letter),
            recv(self.stop) -> _ => None,
        }
    }
}

/// What came in.
pub(super) enum Mail {
    /// From the window.
    Command(Command),
    /// From the workshop.
    Letter(Letter),
}

/// Events out; wakes the window after each.
#[derive(Clone)]
pub(super) struct Outbox {
    pub(super) events: Sender<Event>,
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
}

impl Outbox {
    pub(super) fn send(&self, event: Event) {
        // A window that has gone away needs no answer.
        if self.events.send(event).is_ok() {
            (self.wake)();
        }
    }
}
