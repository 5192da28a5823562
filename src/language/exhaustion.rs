//! How a runtime says that its own heap ran out: in words on stderr, and by the way it ends. Both are the language's
//! to name.
//!
//! The kernel knows nothing of such a heap: it is smaller than the memory limit, so nobody is killed.

use std::sync::Arc;

use memchr::memmem;

use super::Language;
use crate::evidence::Ending;

/// What a language says of its runtime's end.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhaustion {
    texts: Vec<String>,
    endings: Vec<Ending>,
}

impl Exhaustion {
    pub(crate) fn of(language: &Language) -> Option<Arc<Exhaustion>> {
        let texts = language.heap_exhausted.clone()?;
        let endings = language.heap_exhausted_ends.iter().flatten().filter_map(|text| ending(text)).collect();
        Some(Arc::new(Exhaustion { texts, endings }))
    }

    /// Whether a program ends like this for want of heap: as the runtime does, by a kill at a limit since other
    /// threads waited for one that had died of it, or with 0 since others went on.
    fn may_end(&self, ending: Ending) -> bool {
        const KILLED: i32 = 9;
        matches!(ending, Ending::Exited(0) | Ending::Signalled(KILLED)) || self.endings.contains(&ending)
    }
}

/// An ending in the words of a `language.toml`: `exit 1`, `signal 6`.
pub(super) fn ending(text: &str) -> Option<Ending> {
    let (kind, number) = text.split_once(' ')?;
    let number = number.parse().ok().filter(|number| (0..=255).contains(number))?;
    match kind {
        "exit" => Some(Ending::Exited(number)),
        "signal" => Some(Ending::Signalled(number)),
        _ => None,
    }
}

/// Looks for a runtime's last words in a step's stderr while it comes.
#[derive(Debug)]
pub(crate) struct HeapWatch<'a> {
    exhaustion: Option<&'a Exhaustion>,
    /// The end of what has come, shorter than the longest text: one may be cut by the next piece.
    tail: Vec<u8>,
    found: bool,
}

impl<'a> HeapWatch<'a> {
    pub(crate) fn new(exhaustion: Option<&'a Exhaustion>) -> HeapWatch<'a> {
        HeapWatch { exhaustion, tail: Vec::new(), found: false }
    }

    /// Takes the next piece of stderr.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let Some(exhaustion) = self.exhaustion.filter(|_| !self.found) else { return };
        let kept = exhaustion.texts.iter().map(String::len).max().unwrap_or(0).saturating_sub(1);
        self.tail.extend_from_slice(piece);
        self.found = exhaustion.texts.iter().any(|text| memmem::find(&self.tail, text.as_bytes()).is_some());
        self.tail.drain(..self.tail.len().saturating_sub(kept));
    }

    /// Whether the program that ended so had run out of heap.
    pub(crate) fn exhausted(&self, ending: Ending) -> bool {
        self.found && self.exhaustion.is_some_and(|exhaustion| exhaustion.may_end(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java() -> Arc<Exhaustion> {
        let texts = ["java.lang.OutOfMemoryError: Java heap space", "java.lang.OutOfMemoryError: Metaspace"];
        Exhaustion::of(&Language {
            heap_exhausted: Some(texts.map(str::to_owned).to_vec()),
            heap_exhausted_ends: Some(vec!["exit 1".to_owned(), "signal 6".to_owned()]),
            ..Language::default()
        })
        .expect("it names texts")
    }

    #[test]
    fn the_words_are_found_wherever_the_stream_is_cut() {
        let exhaustion = java();
        let stream = b"noise\nException in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n\tat Main\n";
        for cut in 0..stream.len() {
            let mut watch = HeapWatch::new(Some(&exhaustion));
            watch.push(&stream[..cut]);
            watch.push(&stream[cut..]);
            (0..100).for_each(|_| watch.push(&[b'x'; 1000]));
            assert!(watch.exhausted(Ending::Exited(1)), "cut at {cut}");
        }
        let mut watch = HeapWatch::new(Some(&exhaustion));
        stream.iter().for_each(|byte| watch.push(&[*byte]));
        assert!(watch.exhausted(Ending::Exited(1)), "byte by byte");
    }

    #[test]
    fn words_alone_or_an_ending_alone_say_nothing() {
        let exhaustion = java();
        let mut watch = HeapWatch::new(Some(&exhaustion));
        watch.push(b"java.lang.OutOfMemoryError: unable to create native thread\n");
        assert!(!watch.exhausted(Ending::Exited(1)), "that is the limit of processes");
        watch.push(b"java.lang.OutOfMemoryError: Metaspace");
        for (ending, expected) in [
            (Ending::Exited(1), true),
            (Ending::Signalled(6), true),
            (Ending::Signalled(9), true),
            (Ending::Exited(0), true),
            (Ending::Exited(7), false),
            (Ending::Signalled(11), false),
            (Ending::SandboxBroken, false),
        ] {
            assert_eq!(watch.exhausted(ending), expected, "{ending:?}");
        }
        let mut nobody = HeapWatch::new(None);
        nobody.push(b"java.lang.OutOfMemoryError: Metaspace");
        assert!(!nobody.exhausted(Ending::Exited(1)), "a language that says nothing");
    }
}
