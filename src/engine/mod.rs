//! The worker thread: it owns the model, the device and every latent.

pub mod message;

use crossbeam_channel::{Receiver, Sender};
use message::{Command, Event};

/// The window's end of the two channels. [`Engine`] gives one; tests make their own with a script
/// in the worker's place.
pub struct EngineLink {
    /// Commands out. Unbounded: sending never blocks the window.
    pub commands: Sender<Command>,
    /// Events in.
    pub events: Receiver<Event>,
}
