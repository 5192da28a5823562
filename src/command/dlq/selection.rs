//! Which messages are meant, and which of those asked for by name were found.

use std::collections::BTreeSet;

use super::contents::{Contents, is_copy};
use crate::cli::dlq::Which;
use crate::queue::letter::Letter;

pub(super) struct Selection {
    messages: BTreeSet<String>,
    jobs: BTreeSet<String>,
    is_all: bool,
    copies: bool,
    found: BTreeSet<String>,
    left: Option<u64>,
}

impl Selection {
    /// `copies`: whether "all" includes copies of what was no job.
    pub(super) fn new(which: &Which, copies: bool, limit: Option<u64>) -> Selection {
        Selection {
            messages: which.message.iter().cloned().collect(),
            jobs: which.job.iter().cloned().collect(),
            is_all: which.is_all(),
            copies,
            found: BTreeSet::new(),
            left: limit,
        }
    }

    /// Whether this one is meant; it counts against the limit then.
    pub(super) fn takes(&mut self, letter: &Letter) -> bool {
        if self.left == Some(0) {
            return false;
        }
        let job = Contents::of(letter).job_id;
        let is_meant = if self.messages.contains(&letter.id) {
            self.found.insert(letter.id.clone());
            true
        } else if let Some(job) = job.filter(|job| self.jobs.contains(job)) {
            self.found.insert(job);
            true
        } else {
            self.is_all && (self.copies || !is_copy(letter))
        };
        if is_meant {
            self.left = self.left.map(|left| left - 1);
        }
        is_meant
    }

    /// One that was taken wasn't dealt with after all.
    pub(super) fn put_back(&mut self) {
        self.left = self.left.map(|left| left + 1);
    }

    /// Whether nothing more can be meant. A job may have several messages, so only message ids end the search.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
            || (!self.messages.is_empty() && self.jobs.is_empty() && self.messages.is_subset(&self.found))
    }

    /// What was asked for by name and never seen.
    pub(super) fn missing(&self) -> Vec<&str> {
        self.messages.union(&self.jobs).filter(|name| !self.found.contains(*name)).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::contents::tests::letter;
    use super::*;
    use crate::queue::dead_letters::COPY;
    use crate::queue::letter::{Attribute, Content};

    fn which(message: &[&str], job: &[&str]) -> Which {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Which { message: owned(message), job: owned(job) }
    }

    #[test]
    fn names_are_found_and_the_missing_ones_told() {
        let mut selection = Selection::new(&which(&["m", "gone"], &["j"]), false, None);
        assert!(selection.takes(&letter("{}")));
        assert!(!selection.takes(&Letter { id: "other".to_owned(), ..letter("{}") }));
        assert!(selection.takes(&Letter { id: "third".to_owned(), ..letter(r#"{"id":"j"}"#) }));
        assert_eq!(selection.missing(), ["gone"]);
        assert!(!selection.is_done());
    }

    #[test]
    fn all_means_no_copies_unless_they_are_asked_for_or_named() {
        let one = Attribute { data_type: "String".to_owned(), content: Content::Text("1".to_owned()) };
        let copy = Letter { attributes: [(COPY.to_owned(), one)].into(), ..letter("{") };
        assert!(!Selection::new(&which(&[], &[]), false, None).takes(&copy));
        assert!(Selection::new(&which(&[], &[]), true, None).takes(&copy));
        assert!(Selection::new(&which(&["m"], &[]), false, None).takes(&copy));
    }

    #[test]
    fn a_limit_counts_what_was_taken() {
        let mut selection = Selection::new(&which(&[], &[]), false, Some(1));
        assert!(selection.takes(&letter("")) && selection.is_done() && !selection.takes(&letter("")));
        selection.put_back();
        assert!(selection.takes(&letter("")));
    }
}
