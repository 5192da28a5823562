//! From the file to the configuration. Goes through everything that stands there, so that no mistake hides another.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, Origin, Setting, TABLES, settings};
use crate::language::read_language;
use crate::limits::{LIMIT_FIELDS, LimitsRequest};
use crate::strict_toml::{Mistake, Source, did_you_mean};

pub(super) fn apply(config: &mut Config, source: &Source<'_>, mistakes: &mut Vec<Mistake>) {
    let top = source.parse(mistakes);
    apply_table(config, source, "", &top, mistakes);
}

fn apply_table(config: &mut Config, source: &Source<'_>, at: &str, table: &DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if let Some(setting) = settings().iter().find(|setting| setting.table == at && setting.name == name) {
            if let Some(checked) = source.value(&setting.kind, &setting.key(), value, mistakes) {
                setting.set_from(config, checked, Origin::File(source.place(key.span().start)));
            }
            continue;
        }
        match value.get_ref() {
            DeValue::Table(languages) if at.is_empty() && name == "languages" => {
                apply_languages(config, source, languages, mistakes);
            }
            DeValue::Table(inner) if at.is_empty() && is_table(name) => {
                apply_table(config, source, name, inner, mistakes);
            }
            _ if at.is_empty() && (is_table(name) || name == "languages") => {
                mistakes.push(source.mistake(key.span().start, name, format!("is no table; allowed is [{name}]")));
            }
            _ => mistakes.push(source.mistake(key.span().start, full(at, name), unknown(at, name))),
        }
    }
}

fn apply_languages(config: &mut Config, source: &Source<'_>, tables: &DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    for (key, value) in tables {
        let name = key.get_ref().as_ref();
        let Some(table) = value.get_ref().as_table() else {
            let problem = format!("is no table; allowed is [languages.{name}]");
            mistakes.push(source.mistake(key.span().start, full("languages", name), problem));
            continue;
        };
        let language = read_language(source, table, Some((name, key.span().start)), mistakes);
        if language.name.is_empty() {
            continue;
        }
        // Also one with mistakes goes on to the checks of how things fit; the configuration as a whole is refused anyway.
        for (place, request) in [("limits", &language.limits), ("compile_limits", &language.compile_limits)] {
            remember_limits(config, source, &format!("languages.{name}.{place}"), table.get(place), request);
        }
        config.origins.insert(format!("languages.{name}"), Origin::File(source.place(key.span().start)));
        config.languages.insert(language);
    }
}

/// Notes the lines of a language's limits: whether they are under the maximum is only known when all has been read.
fn remember_limits(
    config: &mut Config,
    source: &Source<'_>,
    at: &str,
    table: Option<&Spanned<DeValue<'_>>>,
    request: &LimitsRequest,
) {
    for field in LIMIT_FIELDS.iter().filter(|field| (field.requested)(request).is_some()) {
        if let Some((key, _)) = table.and_then(|table| table.get_ref().as_table()?.get_key_value(field.name)) {
            config.origins.insert(format!("{at}.{}", field.name), Origin::File(source.place(key.span().start)));
        }
    }
}

fn is_table(name: &str) -> bool {
    !name.is_empty() && TABLES.iter().any(|(table, _)| *table == name)
}

fn full(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// What to say of a key nobody knows: the near name, the right table for a name that exists elsewhere, or what there is.
fn unknown(at: &str, name: &str) -> String {
    let here = || settings().iter().filter(|setting| setting.table == at).map(|setting| setting.name);
    let tables =
        || TABLES.iter().map(|(table, _)| *table).chain(["languages"]).filter(|it| at.is_empty() && !it.is_empty());
    let near = did_you_mean(name, here().chain(tables()));
    if !near.is_empty() {
        return format!("unknown key{near}");
    }
    let elsewhere: Vec<String> = settings().iter().filter(|setting| setting.name == name).map(home).collect();
    match elsewhere.is_empty() {
        true => format!("unknown key; allowed is {}", here().chain(tables()).collect::<Vec<_>>().join(", ")),
        false => format!("unknown key here; {name} belongs {}", elsewhere.join(", ")),
    }
}

fn home(setting: &Setting) -> String {
    match setting.table {
        "" => "at the top of the file, before the first table".to_owned(),
        table => format!("under [{table}]"),
    }
}
