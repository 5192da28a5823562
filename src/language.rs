//! The languages a job may name: which image, which file, which commands, which limits.
//!
//! A language is data: a `language.toml` in `images/<name>/`, embedded when Caisson is built, or a `[languages.NAME]` table
//! of the operator's configuration. Nothing else of Caisson knows a language by name.

mod exhaustion;
mod limits;
mod names;
mod placeholder;
mod read;
mod room;

use std::collections::BTreeMap;

pub use exhaustion::Exhaustion;
pub(crate) use exhaustion::HeapWatch;
pub(crate) use limits::{LONGEST_MS, limit_kind};
pub(crate) use names::{free_path, has_extension, is_hidden};
pub use placeholder::{Placeholders, expand, main_stem, unknown_placeholder};
pub(crate) use read::{IMAGE, language as read_language};
pub use read::{LANGUAGE_FIELDS, LanguageField};
pub(crate) use room::{heap_mb, stack_bytes, stack_kb};

use crate::limits::LimitsRequest;
use crate::strict_toml::{Mistake, Place, Source};

include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// One language. The commands are argument vectors, never a shell's text, and hold the [`Placeholders`] unexpanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Language {
    /// The word in a job's `language`.
    pub name: String,
    /// For people: `Python 3`.
    pub title: String,
    pub image: String,
    /// Without the dot; no two languages of a registry share one.
    pub extensions: Vec<String>,
    /// The path of the entry file that is taken when a job names no other.
    pub main: String,
    /// `None` for a language that runs its source.
    pub compile: Option<Vec<String>>,
    pub run: Vec<String>,
    /// What `{program}` is where no file of the job is in the way; the entry file's stem when absent.
    pub program: Option<String>,
    /// What the runtime takes of the memory beside its heap: so much, and so much of each hundred.
    pub heap_beside_mb: Option<u64>,
    pub heap_beside_percent: Option<u64>,
    /// What it says on stderr when its heap has run out, and how it ends then; see [`Exhaustion`].
    pub heap_exhausted: Option<Vec<String>>,
    pub heap_exhausted_ends: Option<Vec<String>>,
    /// Of the stack: the least with which the runtime starts, what it needs beside the program's, and how much of the memory it
    /// may be.
    pub stack_least_kb: Option<u64>,
    pub stack_beside_kb: Option<u64>,
    pub stack_memory_percent: Option<u64>,
    /// The environment of both steps.
    pub env: BTreeMap<String, String>,
    /// What this language needs other than the operator's defaults, for a run.
    pub limits: LimitsRequest,
    /// The same for the compile step.
    pub compile_limits: LimitsRequest,
}

impl Language {
    /// Reads a whole `language.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub fn parse(file: &str, text: &str) -> Result<Language, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let source = Source { name: file, text };
        let table = source.parse(&mut mistakes);
        let language = read::language(&source, &table, None, &mut mistakes);
        crate::strict_toml::settle(&mut mistakes);
        if mistakes.is_empty() { Ok(language) } else { Err(mistakes) }
    }
}

/// The languages of a worker, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Languages(BTreeMap<String, Language>);

impl Languages {
    /// The languages that come with Caisson.
    ///
    /// # Errors
    /// The mistakes in their files; a build whose tests passed has none.
    pub fn built_in() -> Result<Languages, Vec<Mistake>> {
        let mut languages = Languages::default();
        let mut mistakes = Vec::new();
        for (name, text) in BUILT_IN {
            let file = format!("images/{name}/language.toml");
            match Language::parse(&file, text) {
                Ok(language) if language.name != *name => mistakes.push(Mistake {
                    place: Place::File(file),
                    key: "name".to_owned(),
                    problem: format!("is {:?}; allowed is the folder's name", language.name),
                }),
                Ok(language) => drop(languages.insert(language)),
                Err(more) => mistakes.extend(more),
            }
        }
        if mistakes.is_empty() { Ok(languages) } else { Err(mistakes) }
    }

    pub fn get(&self, name: &str) -> Option<&Language> {
        self.0.get(name)
    }

    /// The language of a file by the extension of its name, without the dot: `py`, or `PY` where no language has that.
    pub fn by_extension(&self, extension: &str) -> Option<&Language> {
        let of = |wanted: &str| self.iter().find(|language| language.extensions.iter().any(|it| it == wanted));
        of(extension).or_else(|| of(&extension.to_lowercase()))
    }

    /// In alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// In the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        self.0.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Language> {
        self.0.values_mut()
    }

    /// Those of these names; all of them where no name is given.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Languages {
        let is_meant = |name: &String| names.is_empty() || names.contains(name);
        Languages(self.0.iter().filter(|(name, _)| is_meant(name)).map(|(name, one)| (name.clone(), one.clone())).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a language; one of the same name makes way and is returned.
    pub fn insert(&mut self, language: Language) -> Option<Language> {
        self.0.insert(language.name.clone(), language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_languages_have_no_mistakes_and_share_no_extension() {
        let languages = Languages::built_in().unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        assert_eq!(languages.len(), BUILT_IN.len());
        let mut extensions: Vec<&String> = languages.iter().flat_map(|language| &language.extensions).collect();
        let all = extensions.len();
        extensions.sort();
        extensions.dedup();
        assert_eq!(extensions.len(), all, "{extensions:?}");
    }

    #[test]
    fn a_language_is_found_by_name_and_by_extension() {
        let mut languages = Languages::default();
        let c = Language { name: "c".to_owned(), extensions: vec!["c".to_owned()], ..Language::default() };
        assert_eq!(languages.insert(c.clone()), None);
        assert_eq!(languages.get("c"), Some(&c));
        assert_eq!(languages.by_extension("c"), Some(&c));
        assert_eq!(languages.by_extension("h"), None);
        assert_eq!(languages.by_extension("C"), Some(&c));
        let cpp = Language { name: "cpp".to_owned(), extensions: vec!["C".to_owned()], ..Language::default() };
        languages.insert(cpp.clone());
        assert_eq!(languages.by_extension("C"), Some(&cpp), "the one that has it as it is goes first");
        languages.0.remove("cpp");
        assert_eq!(languages.insert(c.clone()), Some(c));
        assert_eq!(languages.names().collect::<Vec<_>>(), ["c"]);
    }
}
