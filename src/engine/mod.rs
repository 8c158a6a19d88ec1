//! The worker thread: it owns the model, the device and every latent.
//!
//! [`Engine`] is the window's side. It sends [`Command`]s and receives [`Event`]s; see
//! [`message`] for what they mean. Requests of a view replace each other, batch work goes in
//! order, and the thread sleeps where there is nothing to do.

mod error;
mod examples;
mod export;
mod figures;
mod folder;
mod library;
mod loader;
mod mail;
mod map;
pub mod message;
mod queue;
mod seams;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
mod training;
mod workbench;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

pub use crate::files::shipped;
pub use loader::Loader;
pub use seams::{ModelOpener, OpenForeign};

use library::{Library, failed};
use mail::{Inbox, Outbox};
use message::{Command, Event};
use worker::Worker;

/// The window's end of the two channels. [`Engine`] gives one; tests make their own with a script
/// in the worker's place.
#[derive(Clone)]
pub struct EngineLink {
    /// Commands out. Unbounded: sending never blocks the window.
    pub commands: Sender<Command>,
    /// Events in.
    pub events: Receiver<Event>,
}

/// What an engine works with.
pub struct EngineOptions {
    /// Loads models.
    pub open: ModelOpener,
    /// Loads models of other programs, given what their files do not say.
    pub open_foreign: OpenForeign,
    /// Decoded pictures that are kept, in bytes.
    pub picture_bytes: usize,
    /// Whole imported pictures that are kept for other crops, in bytes; others are read again.
    pub source_bytes: usize,
}

impl EngineOptions {
    /// With the usual bounds: 128 MiB of decoded pictures (10,000 of 64 pixels a side) and 256 MiB of
    /// whole ones.
    pub fn new(open: ModelOpener) -> Self {
        Self {
            open,
            open_foreign: Box::new(|path, _| {
                Err(format!(
                    "no model of another program opens here: {}",
                    path.display()
                ))
            }),
            picture_bytes: 128 << 20,
            source_bytes: 256 << 20,
        }
    }
}

/// A running worker. Dropping it cancels what is under way and joins the thread.
pub struct Engine {
    link: EngineLink,
    /// Closed to stop the thread: other holders of the link may keep the commands open.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the thread. `wake` is called after every event, from that thread; it must not block.
    pub fn spawn(options: EngineOptions, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (command_sender, command_receiver) = unbounded();
        let (event_sender, event_receiver) = unbounded();
        let (stop, stopped) = unbounded();
        let own_events = event_sender.clone();
        let spawned = std::thread::Builder::new()
            .name("glow-worker".to_owned())
            .spawn(move || {
                let inbox = Inbox::new(command_receiver, stopped);
                let outbox = Outbox {
                    events: event_sender,
                    wake: Arc::new(wake),
                };
                let session = Library::new(
                    options.open,
                    options.open_foreign,
                    options.picture_bytes,
                    options.source_bytes,
                );
                Worker::new(inbox, outbox, session).run();
            });
        let thread = spawned
            .inspect_err(|e| {
                let message = format!("the worker thread cannot be started ({e}); close other programs and start again");
                // The receiver is alive: it is in `link` below.
                let _ = own_events.send(failed(None, message));
            })
            .ok();
        Self {
            link: EngineLink {
                commands: command_sender,
                events: event_receiver,
            },
            stop: Some(stop),
            thread,
        }
    }

    /// A copy of the window's end of the channels.
    pub fn link(&self) -> EngineLink {
        self.link.clone()
    }

    /// Sends a command; never blocks.
    #[cfg(test)]
    pub(crate) fn send(&self, command: Command) {
        // The thread ends before the engine only if it could not be started, which was reported.
        let _ = self.link.commands.send(command);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Panics inside jobs are caught; one outside has printed its message already.
            let _ = thread.join();
        }
    }
}
