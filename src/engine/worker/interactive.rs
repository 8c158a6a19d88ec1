//! Interactive requests: a few cells at a time, given up where a newer request has come.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::super::error::EngineError;
use super::super::library::DrawnPicture;
use super::super::mail::Inbox;
use super::super::message::{Command, Event, Question, Recipe, Ticket, View};
use super::super::queue::{Slot, Turn, Work};
use super::Worker;
use crate::latent::Latent;
use crate::model::Decoded;

impl Worker {
    pub(super) fn serve(&mut self, mut slot: Slot) {
        let ticket = slot.ticket;
        let result = catch_unwind(AssertUnwindSafe(|| match &slot.work {
            Work::Render { view, .. } => {
                let view = *view;
                self.render_step(&mut slot, view)
            }
            Work::Inspect(recipe) => self.inspect(ticket, recipe).map(|()| true),
            Work::Ask(question) => self.answer_question(ticket, question).map(|()| true),
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
        let Work::Render { cells, draft, .. } = &slot.work else {
            return Ok(true);
        };
        let batch = self.gather(cells, slot.begun);
        let latents: Vec<Latent> = batch.iter().filter_map(Ready::latent).cloned().collect();
        let started = Instant::now();
        let (decoded, drafts) = if latents.is_empty() {
            (Vec::new(), false)
        } else {
            let patient = self.cut_short.contains(&view);
            let (inbox, work) = (&self.inbox, &slot.work);
            let cancelled = || inbox.stopped() || (!patient && superseded(inbox, ticket, work));
            if *draft {
                self.session.draft(&latents, &cancelled)?
            } else {
                (self.session.decode(&latents, &cancelled)?, false)
            }
        };
        self.cut_short.remove(&view);
        let elapsed = started.elapsed() / latents.len().max(1) as u32;

        let n_done = batch.len();
        slot.begun |= !latents.is_empty();
        self.answer(slot, view, batch, decoded, drafts, elapsed);
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
        drafts: bool,
        elapsed: Duration,
    ) {
        let ticket = slot.ticket;
        let Work::Render { cells, .. } = &slot.work else {
            return;
        };
        let mut decoded = decoded.into_iter();
        for (ready, (cell, _)) in batch.into_iter().zip(cells) {
            let (picture, draft, elapsed) = match ready {
                Ready::Cached(picture) => (Some(picture), false, None),
                Ready::Decode { key, .. } => {
                    // What is kept is exact.
                    let picture = decoded.next().map(|d| match drafts {
                        true => DrawnPicture::new(d),
                        false => self.session.keep(&key, d),
                    });
                    (picture, drafts, Some(elapsed))
                }
                Ready::Failed(message) => {
                    slot.complaint.get_or_insert(message);
                    continue;
                }
            };
            if let Some(DrawnPicture { pixels, non_finite }) = picture {
                self.outbox.send(Event::Rendered {
                    view,
                    ticket,
                    cell: *cell,
                    pixels,
                    non_finite,
                    draft,
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

    fn answer_question(&mut self, ticket: Ticket, question: &Question) -> Result<(), EngineError> {
        let inbox = &self.inbox;
        let cancelled = || {
            let newer = |c: &Command| match c {
                Command::Ask {
                    question: other, ..
                } => Turn::of(other) == Turn::of(question),
                Command::Cancel(t) => *t == ticket,
                _ => false,
            };
            inbox.stopped() || inbox.any(newer)
        };
        if let Question::Examples(source) = question {
            return self.count_examples(ticket, source);
        }
        let answer = self.session.answer(question, &cancelled)?;
        self.outbox.send(Event::Answered { ticket, answer });
        Ok(())
    }
}

/// Whether a newer command makes an interactive request pointless.
fn superseded(inbox: &Inbox, ticket: Ticket, work: &Work) -> bool {
    inbox.any(|command| match (command, work) {
        (Command::Cancel(t), _) => *t == ticket,
        (Command::Render { view, .. }, Work::Render { view: own, .. }) => view == own,
        (Command::Inspect { .. }, Work::Inspect(_)) => true,
        (Command::Ask { question, .. }, Work::Ask(own)) => Turn::of(question) == Turn::of(own),
        _ => false,
    })
}

/// A cell on its way to the window.
enum Ready {
    Cached(DrawnPicture),
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
