//! Questions to the worker, asked once, and their answers, kept while they hold.

use std::collections::VecDeque;
use std::mem::discriminant;

use super::picture::Picture;
use crate::engine::message::{Answer, ItemId, Question, Ticket};

/// Answers kept.
const KEPT: usize = 24;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// On their way, one of each kind at most.
    asked: Vec<(Ticket, Question)>,
    /// Newest last.
    known: VecDeque<Known>,
    /// Those that failed, newest last; not asked again until something changes.
    failed: VecDeque<Question>,
}

/// An answer, its pictures with numbers of their own.
#[derive(Clone, Debug)]
struct Known {
    question: Question,
    answer: Answer,
    pictures: Vec<Picture>,
}

impl Answers {
    /// The answer to a question, where it is known.
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.find(question).map(|known| &known.answer)
    }

    /// A picture of the answer, by its place.
    pub fn picture(&self, question: &Question, at: usize) -> Option<&Picture> {
        self.find(question)?.pictures.get(at)
    }

    /// The answer that came last of those to questions that are `wanted`, and its question.
    pub fn newest(&self, wanted: impl Fn(&Question) -> bool) -> Option<(&Question, &Answer)> {
        let mut known = self.known.iter().rev();
        let known = known.find(|known| wanted(&known.question))?;
        Some((&known.question, &known.answer))
    }

    fn find(&self, question: &Question) -> Option<&Known> {
        self.known
            .iter()
            .rev()
            .find(|known| known.question == *question)
    }

    /// Whether it could not be answered.
    pub fn has_failed(&self, question: &Question) -> bool {
        self.failed.contains(question)
    }

    /// Whether it is neither answered, nor on its way, nor known to have no answer.
    pub(crate) fn lacks(&self, question: &Question) -> bool {
        let asked = self.asked.iter().any(|(_, q)| q == question);
        !asked && self.get(question).is_none() && !self.has_failed(question)
    }

    /// Takes note of a question that is sent; an older one of its kind is no longer waited for.
    pub(crate) fn ask(&mut self, ticket: Ticket, question: Question) {
        self.asked
            .retain(|(_, q)| discriminant(q) != discriminant(&question));
        self.asked.push((ticket, question));
    }

    /// What was known of it holds no longer.
    pub(crate) fn outdate(&mut self, question: &Question) {
        self.known.retain(|known| known.question != *question);
        self.failed.retain(|q| q != question);
    }

    /// Takes an answer in, if it is still waited for.
    pub(crate) fn answered(&mut self, ticket: Ticket, answer: Answer, pictures: Vec<Picture>) {
        let Some(at) = self.asked.iter().position(|(t, _)| *t == ticket) else {
            return;
        };
        let (_, question) = self.asked.swap_remove(at);
        if let Question::Photo { .. } = question {
            // Parts of photos are large, and soon looked past: the last one stands in until the next is there.
            self.known
                .retain(|known| !matches!(known.question, Question::Photo { .. }));
        }
        self.known.push_back(Known {
            question,
            answer,
            pictures,
        });
        while self.known.len() > KEPT {
            self.known.pop_front();
        }
    }

    /// A question could not be answered.
    pub(super) fn gave_up(&mut self, ticket: Ticket) {
        let Some(at) = self.asked.iter().position(|(t, _)| *t == ticket) else {
            return;
        };
        let (_, question) = self.asked.swap_remove(at);
        self.failed.push_back(question);
        while self.failed.len() > KEPT {
            self.failed.pop_front();
        }
    }

    /// What lies in folders may have changed since it was asked.
    pub(super) fn forget_entries(&mut self) {
        self.known
            .retain(|known| !matches!(known.question, Question::Entries { .. }));
    }

    /// An item is another one now: what was said of it is old.
    pub(super) fn forget(&mut self, id: ItemId) {
        self.asked.retain(|(_, question)| !question.concerns(id));
        self.known.retain(|known| !known.question.concerns(id));
        self.failed.retain(|question| !question.concerns(id));
    }
}
