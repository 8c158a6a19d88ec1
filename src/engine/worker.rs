//! The thread: take what came, do the step that matters most, answer; sleep where there is nothing.

mod batch;
mod building;
mod interactive;

use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::{EngineError, panic_text};
use super::library::{Library, failed};
use super::mail::{Inbox, Mail, Outbox};
use super::message::{Command, Event, ItemId, Ticket, View};
use super::queue::{Accepted, Next, Queue};
use super::training::Training;
use building::Building;

/// See the module.
pub(super) struct Worker {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) session: Library,
    queue: Queue,
    training: Training,
    /// Imports done since the line last held none.
    imports_done: usize,
    reported_waiting: usize,
    /// Views whose last decode was cancelled. The next one is finished whatever comes, so that a
    /// slider that moves faster than decodes still shows something.
    cut_short: HashSet<View>,
    /// The directions that are being built.
    building: Option<Building>,
}

impl Worker {
    pub(super) fn new(inbox: Inbox, outbox: Outbox, session: Library) -> Self {
        Self {
            inbox,
            outbox,
            session,
            queue: Queue::default(),
            training: Training::default(),
            imports_done: 0,
            reported_waiting: 0,
            cut_short: HashSet::new(),
            building: None,
        }
    }

    /// Works until the engine is dropped.
    pub(super) fn run(mut self) {
        while !self.inbox.stopped() {
            while let Some(command) = self.inbox.take() {
                self.accept(command);
            }
            while let Some(letter) = self.inbox.letter() {
                self.read_letter(letter);
            }
            self.report_queue();
            match self.queue.next() {
                Some(Next::Slot(slot)) => self.serve(slot),
                Some(Next::Job(job)) => self.work(job),
                None => match self.inbox.wait() {
                    Some(Mail::Command(command)) => self.accept(command),
                    Some(Mail::Letter(letter)) => self.read_letter(letter),
                    None => return,
                },
            }
        }
    }

    fn accept(&mut self, command: Command) {
        match self.queue.accept(command) {
            Accepted::Queued => {}
            Accepted::Condition(condition) => self.session.set_condition(condition),
            Accepted::Forget(items) => self.session.forget(&items),
            Accepted::Arrange(list) => {
                let event = self.session.arrange(list);
                event.into_iter().for_each(|event| self.outbox.send(event));
            }
            Accepted::Cancelled(ticket, had_not_begun) => {
                if self.end_build(ticket) || had_not_begun {
                    self.fail(Some(ticket), None, building::CANCELLED.to_owned());
                }
            }
            Accepted::Train(command) => self.training.accept(command, &self.outbox),
            Accepted::ExportCancelled(mut job) => {
                let stays = job.take_back();
                let path = job.request.path.display();
                let message = format!("export cancelled{stays}: {path}");
                self.fail(Some(job.ticket), None, message);
            }
            Accepted::FolderCancelled(job) => {
                let news = job.last_news(&mut self.session, true);
                self.send_folder_news(job.ticket, news);
            }
        }
    }

    fn report_queue(&mut self) {
        let waiting = self.queue.len();
        if waiting != self.reported_waiting {
            self.reported_waiting = waiting;
            self.outbox.send(Event::Queue { waiting });
        }
    }

    fn fail(&self, ticket: Option<Ticket>, item: Option<ItemId>, message: String) {
        self.outbox.send(Event::Failed {
            ticket,
            item,
            message,
        });
    }

    /// Runs a job; an error or a panic becomes an event.
    fn guarded(
        &mut self,
        ticket: Option<Ticket>,
        item: Option<ItemId>,
        job: impl FnOnce(&mut Self) -> Result<(), EngineError>,
    ) {
        match catch_unwind(AssertUnwindSafe(|| job(self))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(ticket, item, error.to_string()),
            Err(panic) => self.recover(ticket, item, panic.as_ref()),
        }
    }

    /// After a panic: says so, and opens the model again where the panic came from inside it.
    fn recover(&mut self, ticket: Option<Ticket>, item: Option<ItemId>, panic: &(dyn Any + Send)) {
        let what = panic_text(panic);
        if !self.session.model_panicked() {
            let message =
                format!("a fault in the program stopped this request ({what}); the others go on");
            return self.fail(ticket, item, message);
        }
        let message = format!(
            "a fault in the model's code stopped this request ({what}); the model is opened again"
        );
        self.fail(ticket, item, message);
        let reopened = catch_unwind(AssertUnwindSafe(|| self.session.reopen_model()));
        match reopened {
            Ok(Ok(opened)) => self.reopened(opened),
            Ok(Err(error)) => self.outbox.send(failed(None, error.to_string())),
            Err(panic) => {
                let what = panic_text(panic.as_ref());
                let message = format!("the model cannot be opened again ({what}); open another");
                self.outbox.send(failed(None, message));
            }
        }
    }

    fn reopened(&mut self, opened: (Vec<Event>, Vec<ItemId>)) {
        // The same model: nothing to tell, and items that wait to be encoded still do.
        if !opened.0.is_empty() {
            self.opened(opened);
        }
    }
}
