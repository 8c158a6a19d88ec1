//! Batch jobs: models, imports, sessions and exports, in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use super::super::error::EngineError;
use super::super::export::{ExportJob, Step};
use super::super::library::{Library, ModelOpening, failed, store};
use super::super::message::{Command, Event, ItemId, PictureSource, StoredItem};
use super::super::queue::Job;
use super::Worker;
use crate::files::import::looks_like_a_model;
use crate::files::latents;
use crate::latent::Latent;
use crate::recipe::RecipeError;

impl Worker {
    pub(super) fn work(&mut self, job: Job) {
        let item = job.item();
        let is_import = job.is_import();
        match job {
            Job::Export(job) => return self.export(job),
            Job::Open(path, barrier) => {
                // Passed first: whoever waits for it waits no longer, even if it fails.
                self.queue.pass(barrier);
                self.guarded(None, None, |worker| {
                    match worker.session.open_model(path)? {
                        ModelOpening::Adopted(opened) => worker.opened(opened),
                        ModelOpening::Asks(event) => worker.outbox.send(event),
                    }
                    Ok(())
                });
            }
            Job::OpenAs(path, options, barrier) => {
                self.queue.pass(barrier);
                self.guarded(None, None, |worker| {
                    let opened = worker.session.open_model_as(path, options)?;
                    worker.opened(opened);
                    Ok(())
                });
            }
            Job::Try(path, options) => self.guarded(None, None, |worker| {
                let event = worker.session.try_model(&path, &options)?;
                worker.outbox.send(event);
                Ok(())
            }),
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
            Job::Inquire { item, path } => self.guarded(None, Some(item), |worker| {
                let settings = crate::export::read_settings(&path);
                worker.outbox.send(Event::Inquired {
                    item,
                    path,
                    settings,
                });
                Ok(())
            }),
            Job::Import { item, source, crop } => self.guarded(None, Some(item), |worker| {
                let path = match &source {
                    PictureSource::Path(path) => Some(path.clone()),
                    _ => None,
                };
                let event = match (worker.session.import(item, source, crop), path) {
                    // Somebody who drops a model on the window means to open it, whatever it is called.
                    (Err(_), Some(path)) if looks_like_a_model(&path) => {
                        worker.outbox.send(Event::Forgotten(vec![item]));
                        worker.queue.accept(Command::OpenModel(Some(path)));
                        return Ok(());
                    }
                    (imported, _) => imported?,
                };
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
            Job::Give { item, condition } => self.guarded(None, Some(item), |worker| {
                worker.encode(item, |session, cancelled| {
                    session.give(item, condition, cancelled)
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
        job: impl FnOnce(&mut Library, &(dyn Fn() -> bool + Sync)) -> Result<Event, EngineError>,
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
        let shape = self.session.shape().ok().cloned();
        let fits = |latent: &Arc<Latent>| shape.as_ref().is_some_and(|s| latent.fits(s));
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
            let imported =
                self.session
                    .import_given(item, source, Some(photo.crop), photo.condition);
            match (imported, &latent) {
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
        let latent = latent.ok_or_else(|| RecipeError::NotEncoded(stored.name.clone()))?;
        self.encode(item, |session, cancelled| {
            session.put_back(item, stored.name, latent, cancelled)
        })
    }

    pub(super) fn opened(&mut self, (events, anew): (Vec<Event>, Vec<ItemId>)) {
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
        let session = &mut self.session;
        let result = catch_unwind(AssertUnwindSafe(|| job.step(session, &cancelled)));
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
                for note in job.notes {
                    let message = format!("{note}: {}", path.display());
                    self.outbox.send(failed(None, message));
                }
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
}
