//! What comes onto the shelf, and what leaves it.

use std::path::Path;

use super::apply::mentions;
use super::document::name_of_path;
use super::state::{Item, ItemStatus, LogLevel, Named, Origin, Selection, ShelfEntry, State, Tab};
use crate::engine::message::{Command, ItemId, ItemSource, ModelInfo, PictureSource};

/// Removed items whose latents are kept for undo.
pub(super) const REMOVED_KEPT: usize = 32;

impl State {
    fn add(&mut self, source: ItemSource, name: String) -> ItemId {
        let id = ItemId(self.fresh());
        self.items.insert(id, Item::new(source));
        self.doc.shelf.push(ShelfEntry {
            id,
            name,
            crop: None,
        });
        id
    }

    /// Keeps a recipe on the shelf.
    pub(super) fn pin(&mut self, named: Named) -> Command {
        let id = self.add(ItemSource::Recipe(named.recipe.clone()), named.label);
        Command::Pin {
            item: id,
            recipe: named.recipe,
        }
    }

    pub(super) fn import(&mut self, sources: Vec<PictureSource>) -> Vec<Command> {
        let mut commands = self.import_as_they_are(sources);
        for command in &mut commands {
            // It may be one of our own, which says what it was made of.
            if let Command::Import {
                item,
                source: PictureSource::Path(path),
                crop: None,
            } = command
                && may_carry_settings(path)
            {
                *command = Command::Inquire {
                    item: *item,
                    path: path.clone(),
                };
            }
        }
        commands
    }

    /// As [`State::import`], without a look at what one of our own says it was made of: of many pictures, none is to
    /// change the screens.
    pub(super) fn import_as_they_are(&mut self, sources: Vec<PictureSource>) -> Vec<Command> {
        let mut commands = Vec::with_capacity(sources.len());
        if self.before_import.is_none() {
            self.before_import = Some(self.selection);
        }
        commands.extend(condition_command(self));
        for source in sources {
            let photo = ItemSource::Photo {
                source: source.clone(),
                crop: None,
            };
            let item = self.add(photo, name_of_source(&source));
            self.selection = Selection::Item(item);
            commands.push(Command::Import {
                item,
                source,
                crop: None,
            });
        }
        if !commands.is_empty() {
            self.settings.shelf_open = true;
        }
        commands
    }

    /// Takes an item off the shelf, and out of everything that stands on it.
    fn detach(&mut self, id: ItemId) {
        self.doc.shelf.retain(|e| e.id != id);
        let uses = |named: &Named| mentions(&named.recipe, id);
        for tab in Tab::ALL {
            let keep = &mut |named: &mut Named| !uses(named);
            tab.screen().retain(&mut self.doc, keep);
        }
        if self.selection == Selection::Item(id) {
            self.selection = Selection::None;
        }
    }

    pub(super) fn remove(&mut self, id: ItemId) -> Vec<Command> {
        self.detach(id);
        // The latent stays in the worker for a while, so that undo can bring the item back.
        self.removed.push_back(id);
        let mut forgotten = Vec::new();
        while self.removed.len() > REMOVED_KEPT {
            if let Some(old) = self.removed.pop_front()
                && !self.doc.shelf.iter().any(|e| e.id == old)
            {
                self.items.remove(&old);
                forgotten.push(old);
            }
        }
        if forgotten.is_empty() {
            Vec::new()
        } else {
            vec![Command::Forget(forgotten)]
        }
    }

    /// Items that came to nothing leave without a trace, as if they had never been asked for.
    pub(super) fn drop_items(&mut self, gone: &[ItemId]) {
        let selected = matches!(self.selection, Selection::Item(id) if gone.contains(&id));
        for id in gone {
            self.detach(*id);
            self.items.remove(id);
            self.removed.retain(|r| r != id);
        }
        self.history.forget(gone);
        self.history.amend(&self.doc);
        if selected {
            self.selection = self.before_import.unwrap_or_default();
            if self.selected().is_none() {
                self.selection = Selection::FIRST;
            }
        }
        self.imports_settled();
    }

    /// A photo of the command line has its latent: into its slot. Until then a sample stands there, so that
    /// one that cannot be read leaves no gap.
    pub(super) fn given_encoded(&mut self, id: ItemId) {
        let mut given = self.given.iter_mut().enumerate();
        let Some((slot, given)) = given.find(|(_, given)| **given == Some(id)) else {
            return;
        };
        *given = None;
        if let Some(named) = self.subject(Selection::Item(id)) {
            for tab in Tab::ALL {
                tab.screen().given(self, slot, &named);
            }
        }
    }

    /// Once nothing is on its way any more, what was selected before does not matter.
    pub(super) fn imports_settled(&mut self) {
        let busy = |item: &Item| item.status == ItemStatus::Busy;
        if !self.items.values().any(busy) {
            self.before_import = None;
        }
        self.folders_settled();
    }

    /// Photos that have no latent yet leave the shelf; the worker drops them from its queue.
    pub(super) fn cancel_imports(&mut self) -> Vec<Command> {
        let busy: Vec<ItemId> = (self.items.iter())
            .filter(|(_, it)| it.origin == Origin::Photo && it.thumbnail.is_none())
            .filter(|(_, it)| it.status == ItemStatus::Busy && !it.lasting)
            .map(|(id, _)| *id)
            .collect();
        self.doc.shelf.retain(|e| !busy.contains(&e.id));
        for id in &busy {
            self.items.remove(id);
        }
        if self.selected().is_none() {
            self.selection = Selection::FIRST;
        }
        self.history.forget(&busy);
        self.history.amend(&self.doc);
        self.live.progress = None;
        self.log(LogLevel::Info, "cancelled");
        self.folders_cancelled();
        self.folders_settled();
        vec![Command::Forget(busy)]
    }
}

/// The worker encodes photos given what the samples are given.
pub(super) fn condition_command(state: &State) -> Option<Command> {
    let is_conditional = |m: &ModelInfo| m.config.variant.condition > 0;
    let wanted = state.live.model.as_ref().is_some_and(is_conditional);
    wanted.then(|| Command::SetCondition(state.doc.sample.condition.clone()))
}

/// The endings of pictures that carry settings where this program wrote them.
fn may_carry_settings(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_ascii_lowercase());
    ending.is_some_and(|e| e == "png" || e == "apng")
}

fn name_of_source(source: &PictureSource) -> String {
    match source {
        PictureSource::Path(path) => name_of_path(path),
        PictureSource::Bytes { name, .. } => name.clone(),
        PictureSource::Rgba { .. } => "Pasted picture".to_owned(),
    }
}
