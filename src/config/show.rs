//! The configuration in force, for people and for a file: `caisson config show`.

use std::fmt::Write as _;

use super::{Config, Fallback, Origin, TABLES, settings};
use crate::language::{LANGUAGE_FIELDS, Language};
use crate::limits::{LIMIT_FIELDS, LimitsRequest};
use crate::strict_toml::Value;

pub(super) fn show(config: &Config) -> String {
    let mut text = String::from("# The configuration in force, and where each value comes from.\n");
    for (table, _) in TABLES {
        text.push('\n');
        if !table.is_empty() {
            line(&mut text, format_args!("[{table}]"));
        }
        for setting in settings().iter().filter(|setting| setting.table == table) {
            let origin = config.origins.get(&setting.key());
            match (setting.get(config), &setting.fallback) {
                (Some(value), _) => line(&mut text, format_args!("{} = {value}  # {}", setting.name, words(origin))),
                (None, Fallback::Words(default)) => {
                    line(&mut text, format_args!("# {} is not set: {default}", setting.name))
                }
                (None, Fallback::Value(_)) => {}
            }
        }
    }
    languages(&mut text, config);
    text
}

fn words(origin: Option<&Origin>) -> String {
    match origin {
        None => "default".to_owned(),
        Some(Origin::File(place)) => place.to_string(),
        Some(Origin::Environment(name)) => name.clone(),
        Some(Origin::Derived(how)) => how.clone(),
    }
}

/// The operator's languages in full; the built-in ones, which every Caisson of this version has, by name.
fn languages(text: &mut String, config: &Config) {
    let origin = |language: &Language| config.origins.get(&format!("languages.{}", language.name));
    let built_in: Vec<&str> =
        config.languages.iter().filter(|language| origin(language).is_none()).map(|it| it.name.as_str()).collect();
    line(text, format_args!("\n# Built-in languages: {}", built_in.join(", ")));
    for language in config.languages.iter().filter(|language| origin(language).is_some()) {
        let is_bare = language.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let key = if is_bare { language.name.clone() } else { Value::Text(language.name.clone()).to_string() };
        line(text, format_args!("\n[languages.{key}]  # {}", words(origin(language))));
        for field in LANGUAGE_FIELDS.iter().filter(|field| field.name != "name") {
            if let Some(value) = (field.get)(language) {
                line(text, format_args!("{} = {value}", field.name));
            }
        }
        for (name, request) in [("limits", &language.limits), ("compile_limits", &language.compile_limits)] {
            if *request != LimitsRequest::default() {
                line(text, format_args!("{name} = {{ {} }}", requested(request)));
            }
        }
    }
}

fn requested(request: &LimitsRequest) -> String {
    let pairs =
        LIMIT_FIELDS.iter().filter_map(|field| Some(format!("{} = {}", field.name, (field.requested)(request)?)));
    pairs.collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{arguments}");
}
