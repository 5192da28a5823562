//! What became of the entries of a batch, by the service's answer.
//!
//! An entry is done when the answer names it among the successful ones, and only then. An answer that leaves one out, as a proxy
//! or a service in trouble may give it, says nothing: taken for a success, a result would be nowhere and its job deleted.

use std::collections::HashSet;

use aws_sdk_sqs::types::BatchResultErrorEntry;

use super::Refused;

/// The code of an entry that the answer doesn't name at all.
const UNCONFIRMED: &str = "Unconfirmed";

/// The entries of a batch of `count` that were not done. Entries go by their index as id; `done` are the ids of those that the
/// answer calls successful, `failed` those that it says were refused.
pub(super) fn not_done<'a>(
    count: usize,
    done: impl IntoIterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Refused> {
    let done: HashSet<&str> = done.into_iter().collect();
    let not_done = (0..count).map(|index| (index, index.to_string())).filter(|(_, id)| !done.contains(id.as_str()));
    not_done
        .map(|(index, id)| match failed.iter().find(|entry| entry.id == id) {
            Some(entry) => {
                Refused { index, code: entry.code.clone(), reason: entry.message.clone().unwrap_or_default() }
            }
            None => Refused {
                index,
                code: UNCONFIRMED.to_owned(),
                reason: "the queue answered without saying what became of it".to_owned(),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(id: &str) -> BatchResultErrorEntry {
        let entry = BatchResultErrorEntry::builder().id(id).code("InternalError").sender_fault(false);
        entry.build().expect("it has all that it needs")
    }

    fn found(count: usize, done: &[&str], failed: &[BatchResultErrorEntry]) -> Vec<(usize, String)> {
        let refused = not_done(count, done.iter().copied(), failed);
        refused.into_iter().map(|entry| (entry.index, entry.code)).collect()
    }

    #[test]
    fn only_what_the_answer_confirms_is_done() {
        let unconfirmed = |index| (index, UNCONFIRMED.to_owned());
        let refused = |index| (index, "InternalError".to_owned());
        assert_eq!(found(2, &["1", "0"], &[]), []);
        assert_eq!(found(2, &[], &[]), [unconfirmed(0), unconfirmed(1)]);
        assert_eq!(found(3, &["0"], &[failed("2")]), [unconfirmed(1), refused(2)]);
        assert_eq!(found(1, &[], &[failed("7")]), [unconfirmed(0)], "an id that nobody sent");
        assert_eq!(found(1, &["7", "00", ""], &[failed("x")]), [unconfirmed(0)], "nor these");
        assert_eq!(found(1, &["0"], &[failed("0")]), [], "what is there is there, whatever else is said of it");
    }
}
