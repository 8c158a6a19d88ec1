//! The worker's side of the workshop: it begins a build, works off what that asks of the model, and hands on what it says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::error::EngineError;
use super::super::library::{Stamp, store};
use super::super::message::{
    Answer, BuildReport, BuildRequest, Command, Event, ExampleSource, SessionFile, Ticket,
};
use super::super::queue::Job;
use super::super::workbench::{self, Chore, Letter};
use super::Worker;
use crate::files::attributes;
use crate::workshop::Built;

/// What people are told of a build that they gave up.
pub(super) const CANCELLED: &str = "building the directions was cancelled";

/// A build under way.
pub(super) struct Building {
    ticket: Ticket,
    /// Tells the workshop to end.
    cancel: Arc<AtomicBool>,
}

impl Worker {
    /// Begins to build directions. The workshop has a thread of its own; see [`workbench`].
    pub(super) fn begin_build(
        &mut self,
        ticket: Ticket,
        request: BuildRequest,
    ) -> Result<(), EngineError> {
        if self.building.is_some() {
            let text = "directions are being built already; wait for them, or cancel that first";
            return Err(EngineError::Request(text.to_owned()));
        }
        let order = self.session.work_order(request)?;
        let cancel = Arc::new(AtomicBool::new(false));
        let letters = self.inbox.letters_in();
        workbench::start(order, ticket, letters, Arc::clone(&cancel)).map_err(no_thread)?;
        self.building = Some(Building { ticket, cancel });
        Ok(())
    }

    fn is_building(&self, ticket: Ticket) -> bool {
        let building = self.building.as_ref();
        building.is_some_and(|building| building.ticket == ticket)
    }

    /// Ends a build; whether it was under way.
    pub(super) fn end_build(&mut self, ticket: Ticket) -> bool {
        let ended = self.building.take_if(|building| building.ticket == ticket);
        if let Some(building) = &ended {
            building.cancel.store(true, Ordering::Relaxed);
        }
        ended.is_some()
    }

    /// Another model is open: its latents are others.
    pub(super) fn give_build_up(&mut self) {
        let Some(ticket) = self.building.as_ref().map(|building| building.ticket) else {
            return;
        };
        self.end_build(ticket);
        let text = "another model was opened while directions were being built; build them again";
        self.fail(Some(ticket), None, text.to_owned());
    }

    /// Takes in what the workshop says. What comes from one that was given up is of no use.
    pub(super) fn read_letter(&mut self, letter: Letter) {
        match letter {
            Letter::Event(event) => self.outbox.send(event),
            Letter::Chore(ticket, chore) if self.is_building(ticket) => {
                self.queue.push(Job::Chore(ticket, chore));
            }
            Letter::Progress(ticket, at) if self.is_building(ticket) => {
                self.outbox.send(Event::Progress {
                    ticket: Some(ticket),
                    what: at.what.to_owned(),
                    done: at.done,
                    total: at.total,
                });
            }
            Letter::Done(ticket, result) if self.end_build(ticket) => {
                self.guarded(Some(ticket), None, |worker| {
                    let built = result.map_err(EngineError::Outside)?;
                    worker.built(ticket, built)
                });
            }
            Letter::Chore(..) | Letter::Progress(..) | Letter::Done(..) => {}
        }
    }

    fn built(&mut self, ticket: Ticket, built: Built) -> Result<(), EngineError> {
        let left_out = built.left_out.iter();
        let left_out = left_out.map(|l| format!("{}: {}", l.column, l.reason));
        let report = BuildReport {
            directions: self.session.keep_built(&built.directions)?,
            left_out: left_out.collect(),
            unreadable: built.unreadable,
        };
        self.outbox.send(Event::Built { ticket, report });
        Ok(())
    }

    /// A few pieces of what the workshop asked for; the rest comes first in the line, behind interactive requests.
    pub(super) fn chore(&mut self, ticket: Ticket, chore: Chore) {
        if !self.is_building(ticket) {
            return;
        }
        let inbox = &self.inbox;
        let given_up = |c: &Command| matches!(c, Command::Cancel(t) if *t == ticket);
        let cancelled = || inbox.stopped() || inbox.any(given_up);
        let session = &self.session;
        let n = session.cells_at_once();
        let step = || -> Result<Option<Chore>, EngineError> {
            Ok(match chore {
                Chore::Encode(all) => all
                    .step(n, |x| session.encode_x(x, &cancelled))?
                    .map(Chore::Encode),
                Chore::Decode(all) => all
                    .step(n, |latents| session.decode(&latents, &cancelled))?
                    .map(Chore::Decode),
            })
        };
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(Ok(Some(rest))) => self.queue.resume(Job::Chore(ticket, rest)),
            Ok(Ok(None)) => {}
            // The command that cancels it says so.
            Ok(Err(EngineError::Cancelled)) if cancelled() => {}
            Ok(Err(error)) => {
                self.end_build(ticket);
                self.fail(Some(ticket), None, error.to_string());
            }
            Err(panic) => {
                self.end_build(ticket);
                self.recover(Some(ticket), None, panic.as_ref());
            }
        }
    }

    /// Has examples counted beside the worker: a table may be long.
    pub(super) fn count_examples(
        &self,
        ticket: Ticket,
        source: &ExampleSource,
    ) -> Result<(), EngineError> {
        let config = self.session.config()?.clone();
        let answer = move |counted| match counted {
            Ok(counts) => Event::Answered {
                ticket,
                answer: Answer::Examples(counts),
            },
            Err(message) => Event::Failed {
                ticket: Some(ticket),
                item: None,
                message,
            },
        };
        let letters = self.inbox.letters_in();
        workbench::count_on_thread(source.clone(), config, answer, letters).map_err(no_thread)
    }

    /// Takes in the directions that were built in a session; why, where some cannot be read.
    pub(super) fn restore_directions(
        &mut self,
        path: &Path,
        session: &SessionFile,
    ) -> Option<String> {
        let mut problem = None;
        for stored in &session.directions {
            match attributes::read(&store::beside(path, &stored.file)) {
                Ok(file) => {
                    let mut model = stored.model.clone();
                    model.fingerprint = file.fingerprint.or(model.fingerprint);
                    let of = Arc::new(Stamp {
                        config: file.config,
                        model,
                    });
                    self.session.keep_built_of(&file.directions, &of);
                }
                Err(error) => {
                    let why = format!("directions that were built in it cannot be read ({error})");
                    problem.get_or_insert(why);
                }
            }
        }
        if let Some(event) = self.session.arranged_anew() {
            self.outbox.send(event);
        }
        problem
    }
}

fn no_thread(error: std::io::Error) -> EngineError {
    EngineError::Request(format!(
        "no thread can be started ({error}); close other programs and try again"
    ))
}
