//! The languages a job may name: which image, which file, which commands, which limits.
//!
//! A language is data: a `language.toml` in `images/<name>/`, embedded when Caisson is built, or a `[languages.NAME]` table
//! of the operator's configuration. Nothing else of Caisson knows a language by name.

mod limits;
mod placeholder;
mod read;

use std::collections::BTreeMap;

pub(crate) use limits::{LONGEST_MS, limit_kind};
pub use placeholder::{Placeholders, expand, main_stem, unknown_placeholder};
pub(crate) use read::{IMAGE, language as read_language};
pub use read::{LANGUAGE_FIELDS, LanguageField};

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

    /// The language of a file by the extension of its name, without the dot: `py`.
    pub fn by_extension(&self, extension: &str) -> Option<&Language> {
        self.iter().find(|language| language.extensions.iter().any(|it| it == extension))
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
        assert_eq!(languages.insert(c.clone()), Some(c));
        assert_eq!(languages.names().collect::<Vec<_>>(), ["c"]);
    }
}
