//! Batch jobs: models, imports, sessions and exports, in order.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::super::error::EngineError;
use super::super::export::{ExportJob, ExportStep};
use super::super::folder::{self, FolderJob, FolderStep};
use super::super::library::{
    Library, ModelOpening, Owned, Stamp, failed, other_training, store, waits_for_model,
};
use super::super::message::{
    Command, Event, Fit, FolderNews, ItemId, PictureSource, SessionFile, StoredItem, StoredModel,
    Ticket,
};
use super::super::queue::Job;
use super::{Worker, panic_text};
use crate::data::DataError;
use crate::data::folder::list_pictures;
use crate::files::import::looks_like_a_model;
use crate::files::latents;
use crate::latent::Latent;

impl Worker {
    pub(super) fn work(&mut self, job: Job) {
        let item = job.item();
        let is_import = job.is_import();
        match job {
            Job::Export(job) => return self.export(job),
            Job::Folder(job) => return self.encode_folder(job),
            Job::Chore(ticket, chore) => return self.chore(ticket, chore),
            Job::Build { ticket, request } => self.guarded(Some(ticket), None, |worker| {
                worker.begin_build(ticket, *request)
            }),
            Job::SaveDirections {
                ticket,
                path,
                only_built,
            } => self.guarded(Some(ticket), None, |worker| {
                worker.session.save_directions(&path, only_built)?;
                worker.outbox.send(Event::Exported { ticket, path });
                Ok(())
            }),
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
                    let events = worker.session.open_attributes(&path)?;
                    events
                        .into_iter()
                        .for_each(|event| worker.outbox.send(event));
                    Ok(())
                });
            }
            Job::SaveSession {
                ticket,
                path,
                items,
                model,
                window,
            } => self.guarded(Some(ticket), None, |worker| {
                worker.session.save_session(&path, &items, model, window)?;
                worker.outbox.send(Event::SessionSaved { ticket, path });
                Ok(())
            }),
            Job::OpenSession { ticket, path } => self.guarded(Some(ticket), None, |worker| {
                let session = store::read_session(&path)?;
                worker.outbox.send(Event::SessionRead {
                    ticket,
                    path,
                    session: Box::new(session),
                });
                Ok(())
            }),
            Job::RestoreItems {
                ticket,
                path,
                session,
                items,
            } => self.guarded(Some(ticket), None, |worker| {
                let problem = worker.restore_directions(&path, &session);
                let mut fit = worker.restore_items(&path, &session, items);
                // What cannot be read must not be written over.
                fit.lacks = fit.lacks.or(problem);
                worker.outbox.send(Event::ItemsRestored { ticket, fit });
                Ok(())
            }),
            Job::Thumbnail(item) => self.guarded(None, Some(item), |worker| {
                worker.encode(item, |session, cancelled| {
                    session.thumbnail(item, cancelled)
                })
            }),
            Job::ReadAgain(item) => self.guarded(None, Some(item), |worker| {
                let event = worker.session.read_again(item)?;
                worker.outbox.send(event);
                Ok(())
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
            Job::ReadFolder { ticket, path } => self.guarded(Some(ticket), None, |worker| {
                let listing = list_pictures(&path)?;
                let ticket = Some(ticket);
                worker.outbox.send(Event::FolderRead { ticket, listing });
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
                    // Or a folder, all of which is meant.
                    (Err(EngineError::Picture(DataError::IsFolder { .. })), Some(path)) => {
                        worker.outbox.send(Event::Forgotten(vec![item]));
                        let listing = list_pictures(&path)?;
                        let ticket = None;
                        worker.outbox.send(Event::FolderRead { ticket, listing });
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

    /// Puts the items of a session on the shelf, each with its latent where it has one: nothing has to be encoded
    /// anew, and a session that is saved in the next moment lacks nothing. What is to be drawn and read for them is
    /// put in the line.
    fn restore_items(
        &mut self,
        path: &Path,
        session: &SessionFile,
        items: Vec<(ItemId, StoredItem)>,
    ) -> Fit {
        let mut fit = Fit::default();
        let open = self.session.stamp().cloned();
        let shape = self.session.shape().ok().cloned();
        let mut found = LatentsBeside::new(path, session);
        let (mut drawn, mut later, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (item, stored) in items {
            let kept = found.of(&stored);
            let photo = stored.photo.as_ref().and_then(|photo| {
                let source = PictureSource::Path(photo.place(path));
                Some((source, photo.crop?, photo.condition.clone()))
            });
            let is_photo = stored.photo.is_some();
            let same = kept.as_ref().zip(open.as_ref());
            let same = same.is_some_and(|(kept, open)| open.is(&kept.of.model));
            let usable = kept.as_ref().is_some_and(|kept| {
                let fits = shape.as_ref().is_some_and(|s| kept.latent.fits(s));
                fits && (same || !is_photo)
            });
            let wanted = stored.photo.as_ref().and_then(|photo| photo.crop);
            let moved = is_photo && kept.as_ref().is_some_and(|kept| kept.crop != wanted);
            if usable && !is_photo && !same {
                others.push(stored.name.clone());
            }
            let why = kept.as_ref().map(|kept| waits_for_model(&kept.of));
            let name = stored.name.clone();
            let source = stored.photo.as_ref();
            let source = source.map(|p| PictureSource::Path(p.place(path)));
            // What is still to be read or pinned comes with that; everything else has its place from now on.
            let to_come = kept.is_none() && photo.is_none();
            if !to_come || (!is_photo && stored.recipe.is_none()) {
                self.session.put_back(item, name, photo, kept, usable);
            }
            if usable {
                fit.ready.push(item);
                drawn.push(Job::Thumbnail(item));
            }
            match (source, stored.recipe) {
                (Some(_), _) if usable && !moved => later.push(Job::ReadAgain(item)),
                (Some(source), _) => later.push(Job::Import {
                    item,
                    source,
                    crop: wanted,
                }),
                (None, _) if usable => {}
                (None, Some(recipe)) => drawn.push(Job::Pin { item, recipe }),
                (None, None) => {
                    let nothing = || "nothing of it is left but its name".to_owned();
                    fit.waiting.push((item, why.unwrap_or_else(nothing)));
                }
            }
        }
        drawn
            .into_iter()
            .chain(later)
            .for_each(|job| self.queue.push(job));
        if let Some(note) = other_training(&others) {
            self.outbox.send(note);
        }
        fit.lacks = found.problem.take().or_else(|| {
            let wanted = session.model.as_ref()?;
            lacks_model(wanted, open.as_deref(), found.own.as_deref())
        });
        fit
    }

    pub(super) fn opened(&mut self, (events, anew): (Vec<Event>, Vec<ItemId>)) {
        self.give_build_up();
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
            Ok(Ok(ExportStep::Going(done))) => {
                self.outbox.send(Event::Progress {
                    ticket: Some(ticket),
                    what: "exporting".to_owned(),
                    done,
                    total,
                });
                self.queue.resume(Job::Export(job));
            }
            Ok(Ok(ExportStep::Finished)) => {
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
            Ok(Err(error)) => {
                let stays = job.take_back();
                self.fail(Some(ticket), None, format!("{error}{stays}"));
            }
            Err(panic) => {
                job.take_back();
                self.recover(Some(ticket), None, panic.as_ref());
            }
        }
    }
}

impl Worker {
    /// Encodes the next picture of a folder for a map. One that cannot be, or that makes us panic, is left out.
    fn encode_folder(&mut self, mut job: Box<FolderJob>) {
        let ticket = job.ticket;
        let inbox = &self.inbox;
        let given_up = || inbox.any(|c| matches!(c, Command::Cancel(t) if *t == ticket));
        let cancelled = || inbox.stopped() || given_up();
        let session = &mut self.session;
        let result = catch_unwind(AssertUnwindSafe(|| job.step(session, &cancelled)));
        let step = match result {
            Ok(Ok(step)) => step,
            // The command that cancels it takes it from the line.
            Ok(Err(EngineError::Cancelled)) if cancelled() => {
                return self.queue.resume_folder(job);
            }
            Ok(Err(error)) => return self.fail(Some(ticket), None, error.to_string()),
            Err(panic) => {
                let what = panic_text(panic.as_ref());
                let why = format!("a fault in the program ({what}): {}", job.last_name());
                if self.session.model_panicked() {
                    self.recover(None, None, panic.as_ref());
                }
                job.faults += 1;
                // The model may be another one by now, or break on each of them.
                if job.faults > MAX_FAULTS || self.session.map(ticket).is_none() {
                    return self.fail(Some(ticket), None, format!("the folder is given up: {why}"));
                }
                FolderStep {
                    news: vec![FolderNews::LeftOut(why)],
                    finished: false,
                }
            }
        };
        self.send_folder_news(ticket, step.news);
        let (done, total) = job.progress();
        self.outbox.send(Event::Progress {
            ticket: Some(ticket),
            what: "mapping".to_owned(),
            done,
            total,
        });
        if !step.finished {
            self.queue.resume_folder(job);
        }
    }

    pub(super) fn send_folder_news(&self, ticket: Ticket, news: Vec<FolderNews>) {
        for event in folder::events(ticket, news) {
            self.outbox.send(event);
        }
    }
}

/// Pictures of a folder that may make the program panic before the rest is given up.
const MAX_FAULTS: usize = 3;

/// Latents, and what model they belong to.
type Stamped = (Vec<Arc<Latent>>, Arc<Stamp>);

/// The latents files of a session, each read when the first item asks for it.
struct LatentsBeside<'a> {
    path: &'a Path,
    session: &'a SessionFile,
    files: HashMap<String, Option<Stamped>>,
    /// What the session's own latents belong to, once they were read.
    own: Option<Arc<Stamp>>,
    /// The first file that cannot be read.
    problem: Option<String>,
}

impl<'a> LatentsBeside<'a> {
    fn new(path: &'a Path, session: &'a SessionFile) -> Self {
        Self {
            path,
            session,
            files: HashMap::new(),
            own: None,
            problem: None,
        }
    }

    /// The latent of an item, where it has one.
    fn of(&mut self, stored: &StoredItem) -> Option<Owned> {
        let own = stored.latents.is_none();
        let name = stored.latents.as_ref().or(self.session.latents.as_ref())?;
        let row = stored.latent?;
        if !self.files.contains_key(name) {
            let read = self.read(name, own);
            self.files.insert(name.clone(), read);
        }
        let (latents, stamp) = self.files.get(name)?.as_ref()?;
        if own {
            self.own = Some(Arc::clone(stamp));
        }
        let photo = stored.photo.as_ref();
        Some(Owned {
            latent: Arc::clone(latents.get(row)?),
            of: Arc::clone(stamp),
            crop: photo.and_then(|photo| photo.latent_crop.or(photo.crop)),
        })
    }

    fn read(&mut self, name: &str, own: bool) -> Option<(Vec<Arc<Latent>>, Arc<Stamp>)> {
        let file = match latents::read(&store::beside(self.path, name)) {
            Ok(file) => file,
            Err(error) => {
                let problem = format!("its latents cannot be read ({error})");
                self.problem.get_or_insert(problem);
                return None;
            }
        };
        let others = &self.session.others;
        let model = match own {
            true => self.session.model.clone(),
            false => others
                .iter()
                .find(|o| o.file == name)
                .map(|o| o.model.clone()),
        };
        let mut model = model.unwrap_or_default();
        model.fingerprint = file.fingerprint.or(model.fingerprint);
        let stamp = Arc::new(Stamp {
            config: file.config,
            model,
        });
        Some((file.latents.into_iter().map(Arc::new).collect(), stamp))
    }
}

/// Why the open model is not that of a session; `None` where it is.
fn lacks_model(
    wanted: &StoredModel,
    open: Option<&Stamp>,
    latents: Option<&Stamp>,
) -> Option<String> {
    let place = wanted.path.as_ref().map(|path| path.display().to_string());
    let place = place.unwrap_or_else(|| wanted.name.clone());
    let Some(open) = open else {
        return Some(format!("its model is not open: {place}"));
    };
    if latents.is_some_and(|latents| latents.config.latent_shape() != open.config.latent_shape()) {
        return Some(format!(
            "its latents belong to a model of another shape: {place}"
        ));
    }
    if open.is(wanted) {
        return None;
    }
    match (open.model.path == wanted.path, wanted.fingerprint) {
        (true, Some(_)) => Some(format!(
            "it was made with another training than this file now holds: {place}"
        )),
        _ => Some(format!("its model is not open: {place}")),
    }
}
