//! What waits: one slot a view where the newest request wins, and a line of batch jobs. Plain state; the
//! worker asks it what comes next.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use super::export::ExportJob;
use super::folder::FolderJob;
use super::message::{
    BuildRequest, Command, Condition, CropSquare, DirectionId, ItemId, KeptItem, ModelOptions,
    PictureSource, Question, Recipe, SessionFile, StoredItem, StoredModel, Ticket, TrainCommand,
    View,
};
use super::workbench::Chore;
use crate::recipe::{items_of, needs};

/// Interactive steps in a row while a batch job waits, so that an endless animation does not hold up an
/// export for ever.
const MAX_IN_A_ROW: usize = 4;

/// One job of the line.
pub(super) enum Job {
    /// Open a model; the number names the barrier that it ends.
    Open(Option<PathBuf>, u64),
    /// Open a model of another program, given what its file does not say; likewise.
    OpenAs(PathBuf, ModelOptions, u64),
    /// Show what that would come to.
    Try(PathBuf, ModelOptions),
    /// Open directions; likewise.
    Attributes(PathBuf, u64),
    /// Read, crop and encode a picture.
    Import {
        item: ItemId,
        source: PictureSource,
        crop: Option<CropSquare>,
    },
    /// Say what a folder holds.
    ReadFolder { ticket: Ticket, path: PathBuf },
    /// Encode it with another crop.
    Recrop { item: ItemId, crop: CropSquare },
    /// Encode or decode it given another condition.
    Give { item: ItemId, condition: Condition },
    /// Encode or decode an item with another model.
    Refresh(ItemId),
    /// Keep a latent.
    Pin { item: ItemId, recipe: Recipe },
    /// Write a session.
    SaveSession {
        ticket: Ticket,
        path: PathBuf,
        items: Vec<KeptItem>,
        model: Option<StoredModel>,
        window: serde_json::Value,
    },
    /// Read a session.
    OpenSession { ticket: Ticket, path: PathBuf },
    /// Read the latents of a session and put its items on the shelf.
    RestoreItems {
        ticket: Ticket,
        path: PathBuf,
        session: Box<SessionFile>,
        items: Vec<(ItemId, StoredItem)>,
    },
    /// Draw the picture of an item that came with its latent.
    Thumbnail(ItemId),
    /// Read the photo of such an item.
    ReadAgain(ItemId),
    /// Look for settings in a picture.
    Inquire { item: ItemId, path: PathBuf },
    /// Encode a folder for a map; done in steps, with everything else of the line between them.
    Folder(Box<FolderJob>),
    /// Begin to build directions.
    Build {
        ticket: Ticket,
        request: Box<BuildRequest>,
    },
    /// Work for the model that building them needs; done in steps.
    Chore(Ticket, Chore),
    /// Write the open directions.
    SaveDirections {
        ticket: Ticket,
        path: PathBuf,
        only_built: bool,
    },
    /// Write a file; done in steps, and at the head of the line until it is finished.
    Export(Box<ExportJob>),
}

impl Job {
    /// The item that has a (new) latent once this is done.
    pub(super) fn item(&self) -> Option<ItemId> {
        match self {
            Self::Import { item, .. }
            | Self::Recrop { item, .. }
            | Self::Give { item, .. }
            | Self::Pin { item, .. } => Some(*item),
            Self::Refresh(item) => Some(*item),
            Self::Open(..)
            | Self::OpenAs(..)
            | Self::Try(..)
            | Self::Attributes(..)
            | Self::SaveSession { .. }
            | Self::OpenSession { .. }
            | Self::RestoreItems { .. }
            | Self::Thumbnail(_)
            | Self::ReadAgain(_)
            | Self::Inquire { .. }
            | Self::ReadFolder { .. }
            | Self::Folder(_)
            | Self::Build { .. }
            | Self::Chore(..)
            | Self::SaveDirections { .. }
            | Self::Export(_) => None,
        }
    }

    /// The item that it is about.
    fn about(&self) -> Option<ItemId> {
        match self {
            Self::Thumbnail(item) | Self::ReadAgain(item) => Some(*item),
            _ => self.item(),
        }
    }

    /// Counted in the progress of imports.
    pub(super) fn is_import(&self) -> bool {
        matches!(self, Self::Import { .. } | Self::Refresh(_))
    }
}

/// The work of a slot.
pub(super) enum Work {
    /// Cells still to be sent.
    Render {
        view: View,
        cells: VecDeque<(u32, Recipe)>,
        draft: bool,
    },
    /// Figures.
    Inspect(Recipe),
    /// Something else.
    Ask(Question),
}

/// Who takes turns with whom, and what a newer request replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Turn {
    /// Pictures of a view.
    View(View),
    /// The inspector's figures.
    Inspect,
    /// A kind of question.
    Ask(std::mem::Discriminant<Question>),
}

impl Turn {
    /// The kind of a question.
    pub(super) fn of(question: &Question) -> Self {
        Self::Ask(std::mem::discriminant(question))
    }
}

impl Work {
    pub(super) fn turn(&self) -> Turn {
        match self {
            Self::Render { view, .. } => Turn::View(*view),
            Self::Inspect(_) => Turn::Inspect,
            Self::Ask(question) => Turn::of(question),
        }
    }

    /// What it needs first.
    fn recipe(&self) -> Option<&Recipe> {
        match self {
            Self::Render { cells, .. } => cells.front().map(|(_, recipe)| recipe),
            Self::Inspect(recipe) => Some(recipe),
            Self::Ask(question) => question.recipe(),
        }
    }
}

/// One interactive request.
pub(super) struct Slot {
    pub(super) ticket: Ticket,
    pub(super) work: Work,
    /// Models and directions that were asked for before it: it waits until they are open.
    barrier: u64,
    /// What the first cell that could not be drawn failed with; said once, after the others.
    pub(super) complaint: Option<String>,
    /// Whether a cell was sent already. The first is decoded alone: it is the one that is waited for.
    pub(super) begun: bool,
}

/// What comes next.
pub(super) enum Next {
    /// A step of an interactive request.
    Slot(Slot),
    /// A step of a job.
    Job(Job),
}

/// What a command asks for beyond the line itself.
pub(super) enum Accepted {
    /// Nothing.
    Queued,
    /// Photos are given this from now on.
    Condition(Condition),
    /// The session forgets these items.
    Forget(Vec<ItemId>),
    /// Which directions are open.
    Arrange(Vec<(DirectionId, String)>),
    /// A request was given up; whether it is a build that has not begun.
    Cancelled(Ticket, bool),
    /// The training is told.
    Train(TrainCommand),
    /// An export was given up.
    ExportCancelled(Box<ExportJob>),
    /// The encoding of a folder was given up.
    FolderCancelled(Box<FolderJob>),
}

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    /// One for each view at most.
    slots: Vec<Slot>,
    /// When each view had its last turn, counted in steps.
    turns: HashMap<Turn, u64>,
    clock: u64,
    jobs: VecDeque<Job>,
    /// Sessions to be written. They wait for nothing: the command says what the worker does not know yet, a film or
    /// a shelf of photos may take minutes, and whoever closes the window waits for this.
    saves: VecDeque<Job>,
    /// Barriers asked for, and passed.
    barriers: u64,
    passed: u64,
    in_a_row: usize,
}

impl Queue {
    /// Requests that wait.
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.jobs.len() + self.saves.len()
    }

    /// Imports that wait.
    pub(super) fn imports(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_import()).count()
    }

    /// Takes a command in.
    pub(super) fn accept(&mut self, command: Command) -> Accepted {
        match command {
            Command::OpenModel(path) => self.barrier(|n| Job::Open(path, n)),
            Command::OpenModelAs { path, options } => {
                self.barrier(|n| Job::OpenAs(path, options, n));
            }
            Command::TryModel { path, options } => {
                // Only the newest counts, and somebody looks at it.
                self.jobs.retain(|job| !matches!(job, Job::Try(..)));
                self.jobs.push_front(Job::Try(path, options));
            }
            Command::OpenAttributes(path) => self.barrier(|n| Job::Attributes(path, n)),
            Command::Import { item, source, crop } => {
                self.jobs.push_back(Job::Import { item, source, crop });
            }
            // Somebody waits to be told, and it is done in a moment.
            Command::ReadFolder { ticket, path } => {
                self.jobs.push_front(Job::ReadFolder { ticket, path });
            }
            Command::EncodeFolder { ticket, path } => {
                let job = Box::new(FolderJob::new(ticket, path));
                self.jobs.push_back(Job::Folder(job));
            }
            Command::Recrop { item, crop } => {
                // Only the newest crop of a picture counts.
                self.jobs
                    .retain(|job| !matches!(job, Job::Recrop { item: i, .. } if *i == item));
                self.jobs.push_back(Job::Recrop { item, crop });
            }
            Command::Give { item, condition } => {
                // Only the newest counts.
                self.jobs
                    .retain(|job| !matches!(job, Job::Give { item: i, .. } if *i == item));
                self.jobs.push_back(Job::Give { item, condition });
            }
            Command::Build { ticket, request } => {
                self.jobs.push_back(Job::Build { ticket, request });
            }
            Command::SaveDirections {
                ticket,
                path,
                only_built,
            } => self.jobs.push_back(Job::SaveDirections {
                ticket,
                path,
                only_built,
            }),
            Command::ArrangeDirections(list) => return Accepted::Arrange(list),
            Command::SetCondition(condition) => return Accepted::Condition(condition),
            Command::Train(command) => return Accepted::Train(command),
            Command::Pin { item, recipe } => self.jobs.push_back(Job::Pin { item, recipe }),
            Command::Forget(items) => {
                self.jobs
                    .retain(|job| !job.about().is_some_and(|i| items.contains(&i)));
                return Accepted::Forget(items);
            }
            Command::Render {
                view,
                ticket,
                cells,
                draft,
            } => {
                let cells = cells.into();
                self.newest_wins(ticket, Work::Render { view, cells, draft });
            }
            Command::Inspect { ticket, recipe } => {
                self.newest_wins(ticket, Work::Inspect(recipe));
            }
            Command::Ask { ticket, question } => self.newest_wins(ticket, Work::Ask(question)),
            Command::Export { ticket, request } => {
                let job = Box::new(ExportJob::new(ticket, request));
                self.jobs.push_back(Job::Export(job));
            }
            Command::SaveSession {
                ticket,
                path,
                items,
                model,
                window,
            } => self.saves.push_back(Job::SaveSession {
                ticket,
                path,
                items,
                model,
                window,
            }),
            Command::OpenSession { ticket, path } => {
                self.jobs.push_back(Job::OpenSession { ticket, path });
            }
            Command::RestoreItems {
                ticket,
                path,
                session,
                items,
            } => self.jobs.push_back(Job::RestoreItems {
                ticket,
                path,
                session,
                items,
            }),
            Command::Inquire { item, path } => self.jobs.push_back(Job::Inquire { item, path }),
            Command::Cancel(ticket) => {
                self.slots.retain(|slot| slot.ticket != ticket);
                let is_it = |job: &Job| match job {
                    Job::Export(export) => export.ticket == ticket,
                    Job::Folder(folder) => folder.ticket == ticket,
                    _ => false,
                };
                let at = self.jobs.iter().position(is_it);
                match at.and_then(|at| self.jobs.remove(at)) {
                    Some(Job::Export(job)) => return Accepted::ExportCancelled(job),
                    Some(Job::Folder(job)) => return Accepted::FolderCancelled(job),
                    _ => {}
                }
                let n_jobs = self.jobs.len();
                self.jobs
                    .retain(|job| !matches!(job, Job::Build { ticket: t, .. } if *t == ticket));
                let had_not_begun = self.jobs.len() < n_jobs;
                self.jobs
                    .retain(|job| !matches!(job, Job::Chore(t, _) if *t == ticket));
                return Accepted::Cancelled(ticket, had_not_begun);
            }
        }
        Accepted::Queued
    }

    fn newest_wins(&mut self, ticket: Ticket, work: Work) {
        self.slots.retain(|s| s.work.turn() != work.turn());
        self.slots.push(Slot {
            ticket,
            work,
            barrier: self.barriers,
            complaint: None,
            begun: false,
        });
    }

    /// A model overtakes pictures that wait to be encoded (they would have to be encoded again), but
    /// nothing that was asked of the model before it.
    fn barrier(&mut self, job: impl FnOnce(u64) -> Job) {
        self.barriers += 1;
        let encodes =
            |job: &Job| job.is_import() || matches!(job, Job::Recrop { .. } | Job::Folder(_));
        let after = self.jobs.iter().rposition(|job| !encodes(job));
        self.jobs
            .insert(after.map_or(0, |at| at + 1), job(self.barriers));
    }

    /// A model or directions were opened, or could not be.
    pub(super) fn pass(&mut self, barrier: u64) {
        self.passed = self.passed.max(barrier);
    }

    /// Adds a job that the worker asks of itself.
    pub(super) fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Drops what an earlier model's items were still to be encoded for.
    pub(super) fn drop_refreshes(&mut self) {
        let is_old =
            |job: &Job| matches!(job, Job::Refresh(_) | Job::Thumbnail(_) | Job::Folder(_));
        self.jobs.retain(|job| !is_old(job));
    }

    /// Puts an unfinished job back to the head of the line.
    pub(super) fn resume(&mut self, job: Job) {
        self.jobs.push_front(job);
    }

    /// Puts an unfinished folder behind everything else, but ahead of folders that were asked for later.
    pub(super) fn resume_folder(&mut self, job: Box<FolderJob>) {
        let is_folder = |job: &Job| matches!(job, Job::Folder(_));
        let at = self.jobs.iter().position(is_folder);
        self.jobs
            .insert(at.unwrap_or(self.jobs.len()), Job::Folder(job));
    }

    /// Puts an unfinished request back.
    pub(super) fn put_back(&mut self, slot: Slot) {
        self.slots.push(slot);
    }

    /// Whether a job is still to give the recipe one of its items.
    pub(super) fn is_pending(&self, recipe: &Recipe) -> bool {
        let made_by_a_job = |id| self.jobs.iter().any(|job| job.item() == Some(id));
        !self.jobs.is_empty() && needs(recipe, made_by_a_job)
    }

    fn is_ready(&self, slot: &Slot) -> bool {
        let recipe = slot.work.recipe();
        slot.barrier <= self.passed && !recipe.is_some_and(|r| self.is_pending(r))
    }

    /// What comes next: interactive requests first, the view that has waited longest for a turn in
    /// front, but a batch step now and then.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(save) = self.saves.pop_front() {
            return Some(Next::Job(save));
        }
        let ready = self.slots.iter().enumerate();
        let ready = ready.filter(|(_, slot)| self.is_ready(slot));
        let turn = |slot: &Slot| self.turns.get(&slot.work.turn()).copied();
        let longest_waiting = ready.min_by_key(|(_, slot)| turn(slot)).map(|(at, _)| at);
        if let Some(at) = longest_waiting
            && (self.jobs.is_empty() || self.in_a_row < MAX_IN_A_ROW)
        {
            let slot = self.slots.remove(at);
            self.in_a_row += 1;
            self.clock += 1;
            self.turns.insert(slot.work.turn(), self.clock);
            return Some(Next::Slot(slot));
        }
        self.in_a_row = 0;
        let at = self.awaited().unwrap_or(0);
        self.jobs.remove(at).map(Next::Job)
    }

    /// The first job that makes an item which somebody looks at, if it can be done now.
    fn awaited(&self) -> Option<usize> {
        let waiting = self.slots.iter().filter(|slot| slot.barrier <= self.passed);
        let wanted: Vec<ItemId> = waiting
            .filter_map(|slot| items_of(slot.work.recipe()?).ok())
            .flatten()
            .collect();
        let at = self.jobs.iter().position(|job| {
            let item = job.item();
            item.is_some_and(|item| wanted.contains(&item))
        })?;
        match &self.jobs[at] {
            Job::Pin { recipe, .. } if self.is_pending(recipe) => None,
            _ => Some(at),
        }
    }
}

#[cfg(test)]
mod tests;
