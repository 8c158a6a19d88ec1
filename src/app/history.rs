//! Undo and redo: whole documents, which are small.

use super::document::Document;
use crate::engine::message::{CropSquare, ItemId};

/// Most documents kept.
const CAPACITY: usize = 200;

/// Documents before and after the present one.
#[derive(Clone, Debug, Default)]
pub struct History {
    past: Vec<Document>,
    present: Document,
    future: Vec<Document>,
}

impl History {
    /// Begins anew at a document.
    pub fn reset(&mut self, doc: &Document) {
        *self = Self {
            present: doc.clone(),
            ..Self::default()
        };
    }

    /// Takes note of the document. Called between gestures, never while a pointer button is down,
    /// so that a whole drag is one step.
    pub fn observe(&mut self, doc: &Document) {
        if self.present == *doc {
            return;
        }
        let before = std::mem::replace(&mut self.present, doc.clone());
        self.past.push(before);
        if self.past.len() > CAPACITY {
            self.past.remove(0);
        }
        self.future.clear();
    }

    /// Replaces the present document without a step: for changes that nobody made by hand.
    pub fn amend(&mut self, doc: &Document) {
        self.present = doc.clone();
    }

    /// How a photo came to be framed, in every document that does not say: no step leads behind that.
    pub fn learn_crop(&mut self, id: ItemId, crop: CropSquare) {
        let all = self.past.iter_mut().chain(&mut self.future);
        let entries = all
            .chain([&mut self.present])
            .flat_map(|doc| &mut doc.shelf);
        for entry in entries.filter(|entry| entry.id == id) {
            entry.crop.get_or_insert(crop);
        }
    }

    /// Takes items out of every document: they came to nothing, and undo cannot bring them back.
    pub fn forget(&mut self, gone: &[ItemId]) {
        let all = self.past.iter_mut().chain(&mut self.future);
        for doc in all.chain([&mut self.present]) {
            doc.shelf.retain(|entry| !gone.contains(&entry.id));
        }
        // A step that did nothing else would do nothing now.
        self.past.dedup();
        while self.past.last() == Some(&self.present) {
            self.past.pop();
        }
    }

    /// Whether there is something to undo.
    pub fn can_undo(&self, doc: &Document) -> bool {
        !self.past.is_empty() || self.present != *doc
    }

    /// Whether there is something to redo.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// One step back from `doc`.
    pub fn undo(&mut self, doc: &Document) -> Option<Document> {
        self.observe(doc);
        let before = self.past.pop()?;
        let after = std::mem::replace(&mut self.present, before);
        self.future.push(after);
        Some(self.present.clone())
    }

    /// One step forward.
    pub fn redo(&mut self) -> Option<Document> {
        let after = self.future.pop()?;
        let before = std::mem::replace(&mut self.present, after);
        self.past.push(before);
        Some(self.present.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(seed: u64) -> Document {
        let mut doc = Document::default();
        doc.sample.seed = seed;
        doc
    }

    #[test]
    fn walks_back_and_forth() {
        let mut history = History::default();
        history.reset(&seeded(1));
        history.observe(&seeded(2));
        history.observe(&seeded(3));
        assert_eq!(history.undo(&seeded(3)).unwrap().sample.seed, 2);
        assert_eq!(history.undo(&seeded(2)).unwrap().sample.seed, 1);
        assert!(history.undo(&seeded(1)).is_none());
        assert_eq!(history.redo().unwrap().sample.seed, 2);
        history.observe(&seeded(9));
        assert!(!history.can_redo(), "a new edit forgets what was undone");
    }

    #[test]
    fn undo_right_after_an_unobserved_change() {
        let mut history = History::default();
        history.reset(&seeded(1));
        assert!(history.can_undo(&seeded(2)));
        assert_eq!(history.undo(&seeded(2)).unwrap().sample.seed, 1);
    }
}
