//! What the worker's answers do to the [`State`].

use super::answers::Answers;
use super::dialog::{AskForm, Dialog};
use super::state::{
    Flight, Framing, Item, ItemStatus, Live, LogLevel, Named, Origin, Photo, Progress, ShelfEntry,
    Shown, State, Tab, ViewState,
};
use crate::engine::message::{
    AttributeInfo, Command, Event, ItemId, ItemSource, ModelInfo, Recipe, Ticket, View,
};

/// Decode times kept for the status bar.
const TIMES_KEPT: usize = 48;
/// Models that are remembered.
const MODELS_KEPT: usize = 8;
/// Figures kept.
const INSPECTIONS_KEPT: usize = 64;

impl State {
    /// Takes an answer in.
    pub fn receive(&mut self, event: Event) -> Vec<Command> {
        if matches!(
            event,
            Event::ModelOpened(_)
                | Event::SessionSaved { .. }
                | Event::SessionRead { .. }
                | Event::Imported { .. }
                | Event::FolderRead { .. }
                | Event::Folder { .. }
        ) {
            self.typed = None; // it was a good one
        }
        match event {
            Event::ModelOpened(info) => return self.model_opened(*info),
            Event::ModelAsks {
                path,
                asks,
                pictures,
                again,
            } => {
                self.live.opening = false;
                let pictures = pictures.into_iter().map(|p| self.picture(p, 0)).collect();
                let form = AskForm {
                    path,
                    options: asks,
                    pictures,
                    busy: false,
                };
                // Samples for a dialog that was closed, or that has other answers by now, are late.
                let is_late = match &self.dialog {
                    Some(Dialog::Ask(open)) => {
                        (&open.path, &open.options) != (&form.path, &form.options)
                    }
                    _ => true,
                };
                if !(again && is_late) {
                    self.dialog = Some(Dialog::Ask(form));
                }
            }
            Event::SessionSaved { ticket, path } => self.session_saved(ticket, &path),
            Event::SessionRead {
                ticket,
                path,
                session,
            } => return self.session_read(ticket, path, *session),
            Event::Forgotten(items) => self.drop_items(&items),
            Event::ItemsRestored { ticket, fit } => self.items_restored(ticket, fit),
            Event::Waiting { items, message } => {
                self.wait_for(items);
                self.log(LogLevel::Notice, message);
            }
            Event::PhotoMissing { item, message } => self.photo_missing(item, message),
            Event::FolderRead { ticket, listing } => return self.folder_read(ticket, listing),
            Event::Folder { ticket, news } => self.folder_news(ticket, news),
            Event::Note(message) => self.log(LogLevel::Notice, message),
            Event::Training(report) => self.training_reported(report),
            Event::Inquired {
                item,
                path,
                settings,
            } => return self.inquired(item, path, settings.as_deref()),
            Event::AttributesOpened(attributes) => {
                self.live.attributes = attributes;
                for tab in Tab::ALL {
                    tab.screen().attributes_opened(self);
                }
                self.live.inspections.clear();
                self.live.inspect_failed = None;
                self.live.answers = Answers::default();
                // What was drawn along the old directions is not what their names mean now.
                self.live.views.clear();
            }
            Event::DirectionsArranged(attributes) => self.directions_arranged(attributes),
            Event::Built { ticket, report } => {
                self.live.building.take_if(|t| *t == ticket);
                self.clear_progress(ticket);
                for tab in Tab::ALL {
                    tab.screen().built(self, report.clone());
                }
            }
            Event::Imported {
                item,
                name,
                preview,
                size,
                crop,
                face_found,
                notes,
            } => {
                let preview = self.picture(preview, 0);
                if let Some(entry) = self.doc.shelf.iter_mut().find(|e| e.id == item) {
                    entry.crop.get_or_insert(crop);
                }
                self.history.learn_crop(item, crop);
                let comes_with_a_folder = self.comes_with_a_folder(item);
                if !comes_with_a_folder {
                    self.remember_picture(item);
                }
                if let Some(it) = self.items.get_mut(&item) {
                    it.missing = None;
                    it.known = true;
                    // A photo that a session brings back has been spoken of before; those of a folder are many.
                    let spoken_of = it.framing.is_some() || it.photo.is_some();
                    let level = match spoken_of || comes_with_a_folder {
                        true => LogLevel::Info,
                        false => LogLevel::Notice,
                    };
                    let said: Vec<String> = notes.iter().map(|n| format!("{name}: {n}")).collect();
                    let framing = it.framing.unwrap_or(Framing {
                        proposal: it.photo.as_ref().map_or(crop, |p| p.proposal),
                        face_found,
                    });
                    it.photo = Some(Photo {
                        preview,
                        size,
                        crop,
                        proposal: framing.proposal,
                        face_found: framing.face_found,
                        notes,
                    });
                    for text in said {
                        self.log(level, text);
                    }
                }
            }
            Event::Encoded {
                item,
                thumbnail,
                inspection,
            } => {
                let non_finite = inspection.as_ref().map_or(0, |i| i.non_finite);
                let picture = self.picture(thumbnail, non_finite);
                // What comes without figures is the picture of a latent that was there before.
                let is_new = inspection.is_some();
                if let Some(it) = self.items.get_mut(&item) {
                    it.thumbnail = Some(picture);
                    it.inspection = inspection;
                    it.status = ItemStatus::Ready;
                    it.has_latent = true;
                    it.lasting = true;
                    it.known = true;
                }
                if is_new {
                    self.session.encoded += 1;
                }
                self.imports_settled();
                self.item_changed(item);
                self.given_encoded(item);
            }
            Event::Rendered {
                view,
                ticket,
                cell,
                pixels,
                non_finite,
                draft,
                elapsed,
            } => {
                let picture = self.picture(pixels, non_finite);
                self.rendered(view, ticket, cell, picture, draft);
                // The times of drafts say nothing about the model.
                if let Some(elapsed) = elapsed.filter(|_| !draft) {
                    let times = &mut self.live.decode_ms;
                    times.push_back(elapsed.as_secs_f32() * 1e3);
                    while times.len() > TIMES_KEPT {
                        times.pop_front();
                    }
                }
            }
            Event::RenderDone { view, ticket } => {
                let view = self.live.views.entry(view).or_default();
                if let Some(flight) = view.in_flight.take_if(|f| f.ticket == ticket) {
                    view.give_up(flight);
                }
            }
            Event::Inspected { ticket, inspection } => {
                if let Some((wanted, recipe)) = self.live.inspecting.take() {
                    if wanted == ticket
                        && let Recipe::Item(id) = recipe
                    {
                        if let Some(item) = self.items.get_mut(&id) {
                            item.inspection = Some(inspection);
                        }
                    } else if wanted == ticket {
                        self.live.inspections.push_back((recipe, inspection));
                        while self.live.inspections.len() > INSPECTIONS_KEPT {
                            self.live.inspections.pop_front();
                        }
                    } else {
                        self.live.inspecting = Some((wanted, recipe));
                    }
                }
            }
            Event::Answered { ticket, answer } => {
                let pictures = answer.pictures().into_iter();
                let pictures = pictures.map(|pixels| self.picture(pixels, 0)).collect();
                self.live.answers.answered(ticket, answer, pictures);
            }
            Event::Progress {
                ticket,
                what,
                done,
                total,
            } => {
                self.live.progress = (done < total).then_some(Progress {
                    ticket,
                    what,
                    done,
                    total,
                });
            }
            Event::Exported { ticket, path } => {
                self.live.exporting.retain(|(t, _)| *t != ticket);
                self.clear_progress(ticket);
                self.log(LogLevel::Done, format!("saved {}", path.display()));
            }
            Event::Queue { waiting } => self.live.waiting = waiting,
            Event::Failed {
                ticket,
                item,
                message,
            } => return self.failed(ticket, item, message),
        }
        Vec::new()
    }

    /// Directions that were built here were opened, closed or renamed; those of the file are what they were.
    fn directions_arranged(&mut self, attributes: Vec<AttributeInfo>) {
        self.live.attributes = attributes;
        for tab in Tab::ALL {
            tab.screen().attributes_opened(self);
        }
        // Figures say where a latent lies on each direction.
        self.live.inspections.clear();
        self.live.inspect_failed = None;
        for item in self.items.values_mut() {
            item.inspection = None;
        }
        for view in self.live.views.values_mut() {
            view.shown.retain(|_, shown| !is_edited(&shown.recipe));
            view.failed = None;
        }
    }

    fn model_opened(&mut self, info: ModelInfo) -> Vec<Command> {
        let brought_along = std::mem::take(&mut self.session.keep_amounts);
        let keep = self.live.model.is_none() || brought_along;
        self.fit_recipes(info.latent_shape().levels.len());
        // Every earlier answer is void: what is on its way will not come, what is shown is old.
        self.live = Live {
            log: std::mem::take(&mut self.live.log),
            toasts: std::mem::take(&mut self.live.toasts),
            exporting: std::mem::take(&mut self.live.exporting),
            ..Live::default()
        };
        self.log(
            LogLevel::Info,
            format!("opened {} on {}", info.name, info.device),
        );
        if let Some(path) = &info.path {
            self.recent_models.retain(|p| p != path);
            self.recent_models.insert(0, path.clone());
            self.recent_models.truncate(MODELS_KEPT);
        }
        self.live.model = Some(info.clone());
        for tab in Tab::ALL {
            tab.screen().model_opened(self, &info, keep);
        }
        let mut commands = Vec::new();
        for (id, item) in &mut self.items {
            let crop = self.doc.shelf.iter().find(|e| e.id == *id);
            let crop = crop.and_then(|entry| entry.crop);
            item.has_latent = false;
            // The worker makes every latent anew, or says that it cannot. What it never got is asked for once more:
            // it may be there by now.
            if matches!(item.status, ItemStatus::Failed(_)) && !item.known {
                commands.push(match &item.source {
                    ItemSource::Photo { source, .. } => Command::Import {
                        item: *id,
                        source: source.clone(),
                        crop,
                    },
                    ItemSource::Recipe(recipe) => Command::Pin {
                        item: *id,
                        recipe: recipe.clone(),
                    },
                    ItemSource::Latent => continue,
                });
            }
            item.status = ItemStatus::Busy;
        }
        if !self.session.is_opening() {
            commands.extend(self.first_pins());
        }
        self.history.amend(&self.doc);
        commands
    }

    /// Temperatures of another number of levels than the open model has stay with what they mean: what the
    /// document names is drawn with those of the levels there are.
    pub(super) fn fit_recipes(&mut self, levels: usize) {
        for tab in Tab::ALL {
            let fit = &mut |named: &mut Named| {
                fit_recipe(&mut named.recipe, levels);
                true
            };
            tab.screen().retain(&mut self.doc, fit);
        }
    }

    /// Samples on a shelf that has none, so that there is something to begin with.
    pub(super) fn first_pins(&mut self) -> Vec<Command> {
        let has_samples = self.items.values().any(|i| i.origin == Origin::Sample);
        let mut commands = Vec::new();
        if !has_samples {
            let pictures = Tab::ALL.iter().map(|tab| tab.screen().first_pictures(self));
            let pictures: Vec<Named> = pictures.flatten().collect();
            commands.extend(pictures.into_iter().map(|named| self.pin(named)));
            let is_sample = |e: &&ShelfEntry| {
                let item = self.items.get(&e.id);
                item.is_some_and(|i| i.origin == Origin::Sample)
            };
            let pinned = self.doc.shelf.iter().filter(is_sample);
            let pinned: Vec<Named> = pinned.map(ShelfEntry::named).collect();
            for tab in Tab::ALL {
                tab.screen().first_shelf(&mut self.doc, &pinned);
            }
            let only_samples = |i: &Item| i.origin == Origin::Sample;
            if self.items.values().all(only_samples) {
                self.session.untouched = Some(self.doc.clone());
            }
        }
        self.history.amend(&self.doc);
        commands
    }

    fn rendered(
        &mut self,
        view: View,
        ticket: Ticket,
        cell: u32,
        picture: super::state::Picture,
        draft: bool,
    ) {
        let view = self.live.views.entry(view).or_default();
        let Some(flight) = &mut view.in_flight else {
            return;
        };
        if flight.ticket != ticket {
            return;
        }
        if let Some(recipe) = flight.cells.get(&cell) {
            flight.answered += 1;
            let recipe = recipe.clone();
            let shown = Shown {
                recipe,
                picture,
                draft,
            };
            view.shown.insert(cell, shown);
            if flight.answered >= flight.cells.len() {
                view.in_flight = None;
            }
        }
    }

    /// A latent changed under its id (another crop): what was drawn from it is old.
    fn item_changed(&mut self, id: ItemId) {
        for view in self.live.views.values_mut() {
            view.shown
                .retain(|_, s| !super::apply::mentions(&s.recipe, id));
            view.failed = None;
            let touched = |f: &Flight| f.cells.values().any(|r| super::apply::mentions(r, id));
            if view.in_flight.as_ref().is_some_and(touched) {
                view.in_flight = None;
            }
        }
        (self.live.inspections).retain(|(r, _)| !super::apply::mentions(r, id));
        self.live.inspect_failed = None;
        self.live.answers.forget(id);
    }

    fn clear_progress(&mut self, ticket: Ticket) {
        let progress = self.live.progress.as_ref();
        if progress.is_some_and(|p| p.ticket == Some(ticket)) {
            self.live.progress = None;
        }
    }

    fn failed(
        &mut self,
        ticket: Option<Ticket>,
        item: Option<ItemId>,
        message: String,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut level = LogLevel::Error;
        // Answers that no model can have show no samples; the dialog waits for others.
        if let Some(Dialog::Ask(form)) = &mut self.dialog {
            form.busy = false;
        }
        if let Some(ticket) = ticket {
            let was_cancelled = self.live.cancelled.take_if(|t| *t == ticket).is_some();
            if was_cancelled {
                // The person's own wish is no failure.
                level = LogLevel::Info;
            }
            let was_opening = self.session.is_opening();
            if let Some(said) = self.session_failed(ticket, &message) {
                level = said;
                if was_opening && self.live.model.is_some() {
                    commands = self.first_pins();
                }
            }
            self.live.exporting.retain(|(t, _)| *t != ticket);
            self.live.building.take_if(|t| *t == ticket);
            self.live.answers.gave_up(ticket);
            self.map_failed(ticket);
            self.clear_progress(ticket);
            for view in self.live.views.values_mut() {
                if let Some(flight) = view.in_flight.take_if(|f| f.ticket == ticket) {
                    view.give_up(flight);
                }
            }
            if let Some((_, recipe)) = self.live.inspecting.take_if(|(t, _)| *t == ticket) {
                self.live.inspect_failed = Some(recipe);
            }
        } else if item.is_none() {
            self.live.opening = false;
        }
        let of_folder = item.filter(|id| self.comes_with_a_folder(*id));
        if let Some(id) = of_folder {
            self.left_out_of_folder(id, &message);
        }
        if let Some(id) = item
            && let Some(it) = self.items.get_mut(&id)
        {
            if it.has_latent {
                // Another crop that could not be had: the picture stays what it was.
                it.status = ItemStatus::Ready;
            } else if it.lasting {
                // It was here before: its place is kept until it is back.
                it.status = ItemStatus::Failed(message.clone());
            } else {
                self.drop_items(&[id]);
            }
        }
        if let Some((purpose, path)) = self.typed.take() {
            if message.contains(&path.display().to_string()) {
                self.ask_for_path(purpose, &path, &message);
            } else {
                self.typed = Some((purpose, path));
            }
        }
        // What is wrong with one of a folder's pictures is said once all are there.
        if of_folder.is_none() {
            self.log(level, message);
        }
        commands
    }

    /// The photo of an item is not there; its latent is. Said once, however many there are.
    fn photo_missing(&mut self, item: ItemId, message: String) {
        let first = !self.items.values().any(|it| it.missing.is_some());
        let level = if first {
            LogLevel::Notice
        } else {
            LogLevel::Info
        };
        self.log(
            level,
            format!("its latent stands in for it, but it cannot be framed anew: {message}"),
        );
        if let Some(it) = self.items.get_mut(&item) {
            it.missing = Some(message);
        }
    }

    /// Whether an item has a latent.
    pub fn is_ready(&self, id: ItemId) -> bool {
        matches!(
            self.items.get(&id),
            Some(Item {
                status: ItemStatus::Ready,
                ..
            })
        )
    }
}

/// Whether a recipe moves anything along a direction.
fn is_edited(recipe: &Recipe) -> bool {
    matches!(recipe, Recipe::Edited { .. }) || recipe.parts().into_iter().any(is_edited)
}

/// A recipe with as many temperatures as there are levels, where it has one for each.
fn fit_recipe(recipe: &mut Recipe, levels: usize) {
    if let Recipe::Scaled { temperature, .. } = recipe {
        let last = temperature.last().copied().unwrap_or(1.0);
        if temperature.len() > 1 {
            temperature.resize(levels, last);
        }
    }
    for part in recipe.parts_mut() {
        fit_recipe(part, levels);
    }
}

impl ViewState {
    /// Whether a cell does not show the picture of a recipe; where the exact one is wanted, a draft is not it.
    pub(super) fn lacks(&self, cell: u32, recipe: &Recipe, exact: bool) -> bool {
        let shown = self.shown.get(&cell);
        !shown.is_some_and(|s| s.recipe == *recipe && !(exact && s.draft))
    }

    /// Ends a request. Cells that it leaves without their picture are not asked for again until
    /// something changes: asking the same once more would fail the same.
    fn give_up(&mut self, flight: Flight) {
        let mut left = flight.cells;
        left.retain(|cell, recipe| self.lacks(*cell, recipe, !flight.draft));
        if !left.is_empty() {
            self.failed = Some(left);
        }
    }
}
