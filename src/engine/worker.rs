//! The thread: take what came, do the step that matters most, answer; sleep where there is nothing.

use std::any::Any;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::EngineError;
use super::export::{ExportJob, Step};
use super::mail::{Inbox, Outbox};
use super::message::{Command, Event, ItemId, PictureSource, Recipe, StoredItem, Ticket, View};
use super::queue::{Accepted, Job, Next, Queue, Slot, Work};
use super::seams::Exporter;
use super::session::{Picture, Session, failed, store};
use crate::formats::latents;
use crate::latent::Latent;
use crate::model::Decoded;

/// See the module.
pub(super) struct Worker {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) session: Session,
    pub(super) exporter: Box<dyn Exporter>,
    queue: Queue,
    /// Imports done since the line last held none.
    imports_done: usize,
    reported_waiting: usize,
    /// Views whose last decode was cancelled. The next one is finished whatever comes, so that a
    /// slider that moves faster than decodes still shows something.
    cut_short: HashSet<View>,
}

impl Worker {
    pub(super) fn new(
        inbox: Inbox,
        outbox: Outbox,
        session: Session,
        exporter: Box<dyn Exporter>,
    ) -> Self {
        Self {
            inbox,
            outbox,
            session,
            exporter,
            queue: Queue::default(),
            imports_done: 0,
            reported_waiting: 0,
            cut_short: HashSet::new(),
        }
    }

    /// Works until the engine is dropped.
    pub(super) fn run(mut self) {
        while !self.inbox.stopped() {
            while let Some(command) = self.inbox.take() {
                self.accept(command);
            }
            self.report_queue();
            match self.queue.next() {
                Some(Next::Slot(slot)) => self.serve(slot),
                Some(Next::Job(job)) => self.work(job),
                None => match self.inbox.wait() {
                    Some(command) => self.accept(command),
                    None => return,
                },
            }
        }
    }

    fn accept(&mut self, command: Command) {
        match self.queue.accept(command) {
            Accepted::Queued => {}
            Accepted::Forget(items) => self.session.forget(&items),
            Accepted::ExportCancelled(job) => {
                let path = job.request.path.display();
                self.fail(Some(job.ticket), None, format!("export cancelled: {path}"));
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

    // --- Interactive requests ---

    fn serve(&mut self, mut slot: Slot) {
        let ticket = slot.ticket;
        let result = catch_unwind(AssertUnwindSafe(|| match &slot.work {
            Work::Render { view, .. } => {
                let view = *view;
                self.render_step(&mut slot, view)
            }
            Work::Inspect(recipe) => self.inspect(ticket, recipe).map(|()| true),
        }));
        match result {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => self.queue.put_back(slot),
            // The newer request, or the cancellation, is in the letter box and deals with the slot.
            Ok(Err(EngineError::Cancelled)) if self.is_superseded(&slot) => {
                if let Work::Render { view, .. } = slot.work {
                    self.cut_short.insert(view);
                }
                self.queue.put_back(slot);
            }
            Ok(Err(error)) => self.fail(Some(ticket), None, error.to_string()),
            Err(panic) => self.recover(Some(ticket), None, panic.as_ref()),
        }
    }

    fn is_superseded(&self, slot: &Slot) -> bool {
        superseded(&self.inbox, slot.ticket, &slot.work)
    }

    /// Sends the next few cells of a render; true when it is done.
    fn render_step(&mut self, slot: &mut Slot, view: View) -> Result<bool, EngineError> {
        let ticket = slot.ticket;
        let Work::Render { cells, .. } = &mut slot.work else {
            return Ok(true);
        };
        let batch = self.gather(cells, slot.begun);
        let latents: Vec<Latent> = batch.iter().filter_map(Ready::latent).cloned().collect();
        let started = Instant::now();
        let decoded = if latents.is_empty() {
            Vec::new()
        } else {
            let patient = self.cut_short.contains(&view);
            let (inbox, work) = (&self.inbox, &slot.work);
            let cancelled = || inbox.stopped() || (!patient && superseded(inbox, ticket, work));
            self.session.decode(&latents, &cancelled)?
        };
        self.cut_short.remove(&view);
        let elapsed = started.elapsed() / latents.len().max(1) as u32;

        let n_done = batch.len();
        slot.begun |= !latents.is_empty();
        self.answer(slot, view, batch, decoded, elapsed);
        let Work::Render { cells, .. } = &mut slot.work else {
            return Ok(true);
        };
        cells.drain(..n_done);
        if !cells.is_empty() {
            return Ok(false);
        }
        // Last, and once: a failure ends a request in the window, which the good cells must not miss.
        if let Some(message) = slot.complaint.take() {
            self.fail(Some(ticket), None, message);
        }
        self.outbox.send(Event::RenderDone { view, ticket });
        Ok(true)
    }

    /// The next cells that can be answered now: those that are known already, or else a few to decode.
    fn gather(&mut self, cells: &VecDeque<(u32, Recipe)>, begun: bool) -> Vec<Ready> {
        let at_once = if begun {
            self.session.cells_at_once()
        } else {
            1
        };
        let mut batch = Vec::new();
        let mut n_decodes = 0;
        for (_, recipe) in cells {
            if n_decodes == at_once || self.queue.is_pending(recipe) {
                break;
            }
            let ready = self.look_up(recipe);
            if ready.latent().is_some() {
                if n_decodes == 0 && !batch.is_empty() {
                    break; // what is known must not wait for a decode
                }
                n_decodes += 1;
            }
            batch.push(ready);
        }
        batch
    }

    fn look_up(&mut self, recipe: &Recipe) -> Ready {
        let key = match self.session.key(recipe, None) {
            Ok(key) => key,
            Err(error) => return Ready::Failed(error.to_string()),
        };
        if let Some(picture) = self.session.cached(&key) {
            return Ready::Cached(picture);
        }
        match self.session.latent(recipe, None) {
            Ok(latent) => Ready::Decode {
                key,
                latent: (*latent).clone(),
            },
            Err(error) => Ready::Failed(error.to_string()),
        }
    }

    fn answer(
        &mut self,
        slot: &mut Slot,
        view: View,
        batch: Vec<Ready>,
        decoded: Vec<Decoded>,
        elapsed: Duration,
    ) {
        let ticket = slot.ticket;
        let Work::Render { cells, .. } = &slot.work else {
            return;
        };
        let mut decoded = decoded.into_iter();
        for (ready, (cell, _)) in batch.into_iter().zip(cells) {
            let (picture, elapsed) = match ready {
                Ready::Cached(picture) => (Some(picture), None),
                Ready::Decode { key, .. } => {
                    let picture = decoded.next().map(|d| self.session.keep(&key, d));
                    (picture, Some(elapsed))
                }
                Ready::Failed(message) => {
                    slot.complaint.get_or_insert(message);
                    continue;
                }
            };
            if let Some(Picture { pixels, non_finite }) = picture {
                self.outbox.send(Event::Rendered {
                    view,
                    ticket,
                    cell: *cell,
                    pixels,
                    non_finite,
                    elapsed,
                });
            }
        }
    }

    fn inspect(&mut self, ticket: Ticket, recipe: &Recipe) -> Result<(), EngineError> {
        let inbox = &self.inbox;
        let cancelled = || {
            let newer = |c: &Command| match c {
                Command::Inspect { .. } => true,
                Command::Cancel(t) => *t == ticket,
                _ => false,
            };
            inbox.stopped() || inbox.any(newer)
        };
        let inspection = self.session.inspect(recipe, &cancelled)?;
        self.outbox.send(Event::Inspected { ticket, inspection });
        Ok(())
    }

    // --- Batch jobs ---

    fn work(&mut self, job: Job) {
        let item = job.item();
        let is_import = job.is_import();
        match job {
            Job::Export(job) => return self.export(job),
            Job::Open(path, barrier) => {
                // Passed first: whoever waits for it waits no longer, even if it fails.
                self.queue.pass(barrier);
                self.guarded(None, None, |worker| {
                    let opened = worker.session.open_model(path)?;
                    worker.opened(opened);
                    Ok(())
                });
            }
            Job::Attributes(path, barrier) => {
                self.queue.pass(barrier);
                self.guarded(None, None, |worker| {
                    let event = worker.session.open_attributes(&path)?;
                    worker.outbox.send(event);
                    Ok(())
                });
            }
            Job::SaveSession {
                ticket,
                path,
                items,
                window,
            } => self.guarded(Some(ticket), None, |worker| {
                worker.session.save_session(&path, &items, window)?;
                worker.outbox.send(Event::SessionSaved { ticket, path });
                Ok(())
            }),
            Job::OpenSession { ticket, path } => self.guarded(Some(ticket), None, |worker| {
                let (session, latents) = store::read_session(&path)?;
                worker.outbox.send(Event::SessionRead {
                    ticket,
                    path,
                    session: Box::new(session),
                    latents,
                });
                Ok(())
            }),
            Job::ImportLatents { path, items } => self.guarded(None, None, |worker| {
                worker.import_latents(path, items);
                Ok(())
            }),
            Job::Restore {
                item,
                stored,
                latent,
            } => self.guarded(None, Some(item), |worker| {
                worker.restore(item, stored, latent)
            }),
            Job::Inquire { item, path } => {
                let settings = crate::export::read_settings(&path);
                self.outbox.send(Event::Inquired {
                    item,
                    path,
                    settings,
                });
            }
            Job::Import { item, source, crop } => self.guarded(None, Some(item), |worker| {
                let event = worker.session.import(item, source, crop)?;
                worker.outbox.send(event);
                worker.encode(item, |session, cancelled| {
                    session.encode(item, None, cancelled)
                })
            }),
            Job::Recrop { item, crop } => self.guarded(None, Some(item), |worker| {
                worker.encode(item, |session, cancelled| {
                    session.encode(item, Some(crop), cancelled)
                })
            }),
            Job::Refresh(item) => self.guarded(None, Some(item), |worker| {
                worker.encode(item, |session, cancelled| {
                    session.encode(item, None, cancelled)
                })
            }),
            Job::Pin { item, recipe } => self.guarded(None, Some(item), |worker| {
                worker.encode(item, |session, cancelled| {
                    session.pin(item, &recipe, cancelled)
                })
            }),
        }
        if item.is_some() && is_import {
            self.report_imports();
        }
    }

    /// Sends the event of a job that gives `item` a latent, unless it is forgotten or cropped anew
    /// meanwhile: then nobody wants to know.
    fn encode(
        &mut self,
        item: ItemId,
        job: impl FnOnce(&mut Session, &(dyn Fn() -> bool + Sync)) -> Result<Event, EngineError>,
    ) -> Result<(), EngineError> {
        let inbox = &self.inbox;
        let unwanted = |c: &Command| match c {
            Command::Forget(items) => items.contains(&item),
            Command::Recrop { item: other, .. } => *other == item,
            _ => false,
        };
        let cancelled = || inbox.stopped() || inbox.any(unwanted);
        match job(&mut self.session, &cancelled) {
            Ok(event) => self.outbox.send(event),
            Err(EngineError::Cancelled) if cancelled() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the latents of a session. What can be put on the shelf is put in the line; what cannot is
    /// said once.
    fn import_latents(&mut self, path: Option<PathBuf>, items: Vec<(ItemId, StoredItem)>) {
        let latents = match path.as_deref().map(latents::read).transpose() {
            Ok(file) => file.map_or_else(Vec::new, |f| f.latents),
            Err(error) => {
                self.fail(None, None, error.to_string());
                Vec::new()
            }
        };
        let latents: Vec<Arc<Latent>> = latents.into_iter().map(Arc::new).collect();
        let config = self.session.config().ok().cloned();
        let fits = |latent: &Arc<Latent>| config.as_ref().is_some_and(|c| latent.fits(c));
        let (mut lost, mut foreign) = (Vec::new(), false);
        for (item, stored) in items {
            let latent = stored.latent.and_then(|row| latents.get(row)).cloned();
            foreign |= latent.as_ref().is_some_and(|l| !fits(l));
            let latent = latent.filter(fits);
            if latent.is_none() && stored.photo.is_none() {
                lost.push(item);
                continue;
            }
            self.queue.push(Job::Restore {
                item,
                stored,
                latent,
            });
        }
        if foreign {
            let path = path.unwrap_or_default();
            let message = format!(
                "latents of this session belong to a model of another shape; open its model, then the session again: {}",
                path.display()
            );
            self.fail(None, None, message);
        }
        if !lost.is_empty() {
            self.outbox.send(Event::Forgotten(lost));
        }
    }

    fn restore(
        &mut self,
        item: ItemId,
        stored: StoredItem,
        latent: Option<Arc<Latent>>,
    ) -> Result<(), EngineError> {
        if let Some(photo) = stored.photo {
            let source = PictureSource::Path(photo.path);
            match (self.session.import(item, source, Some(photo.crop)), &latent) {
                (Ok(event), _) => {
                    self.outbox.send(event);
                    return self.encode(item, |session, cancelled| {
                        session.encode(item, None, cancelled)
                    });
                }
                (Err(error), Some(_)) => {
                    let message =
                        format!("its latent is kept, but it cannot be framed anew: {error}");
                    self.fail(None, None, message);
                }
                (Err(error), None) => return Err(error),
            }
        }
        let latent = latent.ok_or_else(|| EngineError::NotEncoded(stored.name.clone()))?;
        self.encode(item, |session, cancelled| {
            session.put_back(item, stored.name, latent, cancelled)
        })
    }

    fn opened(&mut self, (events, anew): (Vec<Event>, Vec<ItemId>)) {
        for event in events {
            self.outbox.send(event);
        }
        self.queue.drop_refreshes();
        for item in anew {
            self.queue.push(Job::Refresh(item));
        }
    }

    fn report_imports(&mut self) {
        self.imports_done += 1;
        let left = self.queue.imports();
        let total = self.imports_done + left;
        if total > 1 {
            self.outbox.send(Event::Progress {
                ticket: None,
                what: "encoding".to_owned(),
                done: self.imports_done,
                total,
            });
        }
        if left == 0 {
            self.imports_done = 0;
        }
    }

    fn export(&mut self, mut job: Box<ExportJob>) {
        let (ticket, total) = (job.ticket, job.total());
        let inbox = &self.inbox;
        let given_up = || inbox.any(|c| matches!(c, Command::Cancel(t) if *t == ticket));
        let cancelled = || inbox.stopped() || given_up();
        let (session, exporter) = (&mut self.session, self.exporter.as_ref());
        let result = catch_unwind(AssertUnwindSafe(|| job.step(session, exporter, &cancelled)));
        match result {
            Ok(Ok(Step::Going(done))) => {
                self.outbox.send(Event::Progress {
                    ticket: Some(ticket),
                    what: "exporting".to_owned(),
                    done,
                    total,
                });
                self.queue.resume(Job::Export(job));
            }
            Ok(Ok(Step::Finished)) => {
                let path = job.request.path;
                self.outbox.send(Event::Exported { ticket, path });
            }
            // The command that cancels it takes it from the head of the line.
            Ok(Err(EngineError::Cancelled)) if cancelled() => {
                self.queue.resume(Job::Export(job));
            }
            Ok(Err(error)) => self.fail(Some(ticket), None, error.to_string()),
            Err(panic) => self.recover(Some(ticket), None, panic.as_ref()),
        }
    }

    // --- Failures ---

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

/// Whether a newer command makes an interactive request pointless.
fn superseded(inbox: &Inbox, ticket: Ticket, work: &Work) -> bool {
    inbox.any(|command| match (command, work) {
        (Command::Cancel(t), _) => *t == ticket,
        (Command::Render { view, .. }, Work::Render { view: own, .. }) => view == own,
        (Command::Inspect { .. }, Work::Inspect(_)) => true,
        _ => false,
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// A cell on its way to the window.
enum Ready {
    Cached(Picture),
    Decode { key: Vec<u8>, latent: Latent },
    Failed(String),
}

impl Ready {
    fn latent(&self) -> Option<&Latent> {
        match self {
            Self::Decode { latent, .. } => Some(latent),
            _ => None,
        }
    }
}
