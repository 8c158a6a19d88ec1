//! The workshop on a thread of its own. The model stays with the worker: what is to be encoded or decoded is asked of it
//! by letter, and comes back in portions between which interactive requests are served.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, bounded};

use super::error::{EngineError, panic_text};
use super::examples::{BuildRequest, ExampleCounts, ExampleSource, FindBy};
use super::message::{Event, Ticket};
use crate::data::DataError;
use crate::data::batches::PictureSet;
use crate::data::labels::LabelTable;
use crate::latent::Latent;
use crate::latent::attributes::compare::Approach;
use crate::model::{Decoded, Encoded, GlowConfig};
use crate::workshop::{
    self, Built, Coder, ColumnCount, LeftOut, WorkshopError, WorkshopOptions, WorkshopProgress,
};

/// Pictures that are decoded after edits, to see how far these stay plausible: fewer than on the command line, as
/// somebody waits.
const DECODED: usize = 16;

/// Latents that are kept together at most, in bytes, but for this many.
const MAX_LATENT_BYTES: usize = 1 << 30;
const FEWEST: usize = 100;

/// Pictures whose components are found, and how many of these, at most: each step goes over all pictures.
const MAX_FOR_COMPONENTS: usize = 1000;
const MAX_COMPONENTS: u32 = 16;

/// What the workshop has to say to the worker.
pub(super) enum Letter {
    /// Something for the model.
    Chore(Ticket, Chore),
    /// How far it is.
    Progress(Ticket, WorkshopProgress),
    /// It has ended; an error is what people are told.
    Done(Ticket, Result<Built, String>),
    /// Something for the window.
    Event(Event),
}

/// Work for the model.
pub(super) enum Chore {
    /// Encode model inputs.
    Encode(Portions<Vec<f32>, Encoded>),
    /// Decode latents.
    Decode(Portions<Latent, Decoded>),
}

/// Work that is done a few pieces at a time. Dropped, it is cancelled.
pub(super) struct Portions<I, O> {
    left: VecDeque<I>,
    done: Vec<O>,
    reply: Sender<Result<Vec<O>, String>>,
}

impl<I, O> Portions<I, O> {
    fn new(all: impl IntoIterator<Item = I>, reply: Sender<Result<Vec<O>, String>>) -> Self {
        Self {
            left: all.into_iter().collect(),
            done: Vec::new(),
            reply,
        }
    }

    /// Does at most `n` pieces by `work`; gives itself back while there are more.
    ///
    /// Errors: those of `work`. All but a cancellation are told the workshop, which then ends.
    pub(super) fn step(
        mut self,
        n: usize,
        work: impl FnOnce(Vec<I>) -> Result<Vec<O>, EngineError>,
    ) -> Result<Option<Self>, EngineError> {
        let n = n.clamp(1, self.left.len().max(1)).min(self.left.len());
        match work(self.left.drain(..n).collect()) {
            Ok(done) => self.done.extend(done),
            Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
            Err(error) => {
                // A workshop that has gone needs no answer, here and below.
                let _ = self.reply.send(Err(error.to_string()));
                return Ok(None);
            }
        }
        if !self.left.is_empty() {
            return Ok(Some(self));
        }
        let _ = self.reply.send(Ok(self.done));
        Ok(None)
    }
}

/// What the thread works with.
pub(super) struct WorkOrder {
    pub(super) request: BuildRequest,
    /// Latents that were tagged, each with whether it has the attribute.
    pub(super) tagged: Vec<(Latent, bool)>,
    pub(super) config: GlowConfig,
    /// The model, for the provenance.
    pub(super) model: String,
}

/// The model as the workshop sees it.
struct Remote {
    ticket: Ticket,
    config: GlowConfig,
    letters: Sender<Letter>,
    cancel: Arc<AtomicBool>,
}

impl Remote {
    fn ask<O>(
        &self,
        chore: impl FnOnce(Sender<Result<Vec<O>, String>>) -> Chore,
    ) -> Result<Vec<O>, WorkshopError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(WorkshopError::Cancelled);
        }
        let (reply, answer) = bounded(1);
        let letter = Letter::Chore(self.ticket, chore(reply));
        let sent = self.letters.send(letter);
        sent.map_err(|_| WorkshopError::Cancelled)?;
        match answer.recv() {
            Ok(answer) => answer.map_err(WorkshopError::Unanswered),
            Err(_) => Err(WorkshopError::Cancelled),
        }
    }
}

impl Coder for Remote {
    fn config(&self) -> &GlowConfig {
        &self.config
    }

    fn encode_x(&self, x: Vec<Vec<f32>>) -> Result<Vec<Encoded>, WorkshopError> {
        if x.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|reply| Chore::Encode(Portions::new(x, reply)))
    }

    fn decode(&self, latents: &[Latent]) -> Result<Vec<Decoded>, WorkshopError> {
        if latents.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|reply| Chore::Decode(Portions::new(latents.iter().cloned(), reply)))
    }
}

/// Builds directions on a thread of their own, which ends with [`Letter::Done`].
///
/// Errors: the system starts no thread.
pub(super) fn start(
    order: WorkOrder,
    ticket: Ticket,
    letters: Sender<Letter>,
    cancel: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let work = move || {
        let remote = Remote {
            ticket,
            config: order.config.clone(),
            letters: letters.clone(),
            cancel: Arc::clone(&cancel),
        };
        let mut watch = |at: WorkshopProgress| {
            let sent = letters.send(Letter::Progress(ticket, at));
            sent.is_ok() && !cancel.load(Ordering::Relaxed)
        };
        let built = catch_unwind(AssertUnwindSafe(|| build(&order, &remote, &mut watch)));
        let built = built.unwrap_or_else(|panic| Err(fault(panic.as_ref())));
        // A worker that has gone needs no answer.
        let _ = letters.send(Letter::Done(ticket, built));
    };
    std::thread::Builder::new()
        .name("glow-workshop".to_owned())
        .spawn(work)
        .map(drop)
}

/// Counts examples on a thread of its own: a table may be long.
///
/// Errors: the system starts no thread.
pub(super) fn count_on_thread(
    source: ExampleSource,
    config: GlowConfig,
    answer: impl FnOnce(Result<ExampleCounts, String>) -> Event + Send + 'static,
    letters: Sender<Letter>,
) -> std::io::Result<()> {
    let work = move || {
        let counted = catch_unwind(AssertUnwindSafe(|| count(&source, &config)));
        let counted = counted.unwrap_or_else(|panic| Err(fault(panic.as_ref())));
        // A worker that has gone needs no answer.
        let _ = letters.send(Letter::Event(answer(counted)));
    };
    std::thread::Builder::new()
        .name("glow-counting".to_owned())
        .spawn(work)
        .map(drop)
}

fn fault(panic: &(dyn Any + Send)) -> String {
    let text = panic_text(panic);
    format!("a fault in the program stopped the building of directions ({text}); the rest goes on")
}

/// The pictures of a folder as the model takes them; none is kept, as each is needed once.
fn open_folder(
    folder: &Path,
    chosen: Option<(&LabelTable, &str)>,
    config: &GlowConfig,
) -> Result<PictureSet, DataError> {
    let set = PictureSet::open(folder, chosen, config.image_size, config.channels)?;
    Ok(set.with_memory_budget(0))
}

/// A table with the folder of its pictures. Of a table with splits the one for training counts, or all rows where it
/// has no such split.
fn open_labels(
    table: &Path,
    pictures: &Path,
    config: &GlowConfig,
) -> Result<(LabelTable, PictureSet), String> {
    let labels = LabelTable::read(table).map_err(|e| e.to_string())?;
    let is_train = |split: &&str| *split == "train";
    let chosen = labels.splits().into_iter().find(is_train);
    let chosen = chosen.map(|split| (&labels, split));
    let set = open_folder(pictures, chosen, config).map_err(|e| e.to_string())?;
    let (n_lost, notes) = labels.notes_on((0..set.len()).filter_map(|i| set.name(i)));
    if chosen.is_none() && n_lost == labels.len() {
        return Err(format!("{}: {}", notes.join("; "), table.display()));
    }
    Ok((labels, set))
}

/// What is there, before anything is encoded.
fn count(source: &ExampleSource, config: &GlowConfig) -> Result<ExampleCounts, String> {
    let one = |counts| ColumnCount {
        name: String::new(),
        counts,
        is_number: false,
    };
    match source {
        ExampleSource::Tagged { with, without } => Ok(ExampleCounts {
            columns: vec![one([with.len(), without.len()])],
            notes: Vec::new(),
        }),
        ExampleSource::Folders { with, without } => {
            let open = |folder| open_folder(folder, None, config).map_err(|e| e.to_string());
            let sets = [open(with)?, open(without)?];
            let mut notes = Vec::new();
            for (set, folder) in sets.iter().zip([with, without]) {
                match set.n_folders_inside() {
                    0 => {}
                    n => notes.push(format!(
                        "{n} folders inside are not read: {}",
                        folder.display()
                    )),
                }
            }
            Ok(ExampleCounts {
                columns: vec![one([sets[0].len(), sets[1].len()])],
                notes,
            })
        }
        ExampleSource::Unlabelled(all) => Ok(ExampleCounts {
            columns: vec![one([all.len(), 0])],
            notes: Vec::new(),
        }),
        ExampleSource::UnlabelledFolder(folder) => {
            let set = open_folder(folder, None, config).map_err(|e| e.to_string())?;
            Ok(ExampleCounts {
                columns: vec![one([set.len(), 0])],
                notes: Vec::new(),
            })
        }
        ExampleSource::Labels { table, pictures } => {
            let (labels, set) = open_labels(table, pictures, config)?;
            let (_, notes) = labels.notes_on((0..set.len()).filter_map(|i| set.name(i)));
            // What lies outside the split is left out on purpose.
            let notes = notes.into_iter().filter(|_| labels.splits().is_empty());
            Ok(ExampleCounts {
                columns: workshop::count(&set, &labels),
                notes: labels.notes().into_iter().chain(notes).collect(),
            })
        }
    }
}

/// Builds what was asked for.
fn build(
    order: &WorkOrder,
    model: &dyn Coder,
    watch: workshop::Watch<'_>,
) -> Result<Built, String> {
    let WorkOrder {
        request,
        tagged,
        config,
        ..
    } = order;
    let said = |error: WorkshopError| error.to_string();
    match &request.source {
        ExampleSource::Tagged { .. } => {
            let n_with = tagged.iter().filter(|(_, with)| *with).count();
            let options = options(order, [n_with, tagged.len() - n_with], 1, "pictures tagged");
            workshop::build_from_latents(model, &request.name, tagged, &options, watch).map_err(
                |error| match error {
                    WorkshopError::NoDirection(LeftOut { reason, .. }) => reason,
                    other => said(other),
                },
            )
        }
        ExampleSource::Unlabelled(_) => {
            let latents: Vec<Latent> = tagged.iter().map(|(latent, _)| latent.clone()).collect();
            let from = format!("{} pictures without labels", latents.len());
            let options = options(order, [0; 2], 1, &from);
            workshop::components_of_latents(model, &numbered(request), &latents, &options, watch)
                .map_err(said)
        }
        ExampleSource::UnlabelledFolder(folder) => {
            let set = open_folder(folder, None, config).map_err(|e| e.to_string())?;
            let set = set.with_faces_framed(request.frame_faces);
            let from = format!("folder {} without labels", name_of(folder));
            let options = WorkshopOptions {
                limit: MAX_FOR_COMPONENTS.min(limit(config, false)),
                ..options(order, [0; 2], 1, &from)
            };
            workshop::components_of_folder(model, &numbered(request), &set, &options, watch)
                .map_err(said)
        }
        ExampleSource::Folders { with, without } => {
            let open = |folder: &Path| {
                let set = open_folder(folder, None, config).map_err(|e| e.to_string())?;
                Ok::<_, String>(set.with_faces_framed(request.frame_faces))
            };
            let sets = [open(with)?, open(without)?];
            let from = format!("folders {} and {}", name_of(with), name_of(without));
            let options = options(order, [sets[0].len(), sets[1].len()], 1, &from);
            let sets = [&sets[0], &sets[1]];
            let built = workshop::build_from_folders(model, &request.name, sets, &options, watch);
            built.map_err(|error| match error {
                // What cannot be read is the likelier reason.
                WorkshopError::NoDirection(LeftOut { reason, .. }) => {
                    let failures = sets.iter().flat_map(|set| set.failures());
                    let first = failures.into_iter().next();
                    first.map_or(reason.clone(), |first| format!("{reason}; {first}"))
                }
                other => said(other),
            })
        }
        ExampleSource::Labels { table, pictures } => {
            let (labels, set) = open_labels(table, pictures, config)?;
            let set = set.with_faces_framed(request.frame_faces);
            let chosen = workshop::count(&set, &labels).into_iter();
            let chosen = chosen.filter(|column| request.columns.contains(&column.name));
            let sides = chosen.map(|column| column.counts);
            let sides = sides.min_by_key(|counts| counts[0].min(counts[1]));
            let from = format!("labels of {}", name_of(table));
            let n_columns = labels.columns().len();
            let options = WorkshopOptions {
                columns: request.columns.clone(),
                ..options(order, sides.unwrap_or_default(), n_columns, &from)
            };
            let built = workshop::build(model, &set, &labels, &options, watch);
            built.map_err(|error| match error.is_about_tables() {
                true => format!("{error}: {}", table.display()),
                false => said(error),
            })
        }
    }
}

/// How the workshop is run for so many examples on the two sides.
fn options(order: &WorkOrder, sides: [usize; 2], n_columns: usize, from: &str) -> WorkshopOptions {
    let approach = match order.request.how {
        FindBy::Usual => Some(workshop::usual_approach(sides, n_columns)),
        FindBy::Method(method) => Some(Approach::new(method)),
        FindBy::Compared => None,
    };
    WorkshopOptions {
        approach,
        held_out: workshop::usual_held_out(sides),
        mirror: order.request.mirror,
        limit: limit(&order.config, order.request.mirror),
        decode: DECODED,
        provenance: format!(
            "model {}; {from}; made by glow-explorer {}",
            order.model,
            env!("CARGO_PKG_VERSION")
        ),
        ..WorkshopOptions::default()
    }
}

/// Pictures an attribute at most: fewer where their latents would not fit.
fn limit(config: &GlowConfig, mirror: bool) -> usize {
    let bytes = size_of::<f32>() * config.dims() * if mirror { 2 } else { 1 };
    let usual = WorkshopOptions::default().limit;
    (MAX_LATENT_BYTES / bytes.max(1)).clamp(FEWEST.min(usual), usual)
}

/// Names of the components that are asked for.
fn numbered(request: &BuildRequest) -> Vec<String> {
    let n = request.components.clamp(1, MAX_COMPONENTS);
    (1..=n).map(|i| format!("{} {i}", request.name)).collect()
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
