//! Configuration, languages and their placeholders.

use super::Input;
use caisson::config::Config;
use caisson::language::{Language, Placeholders, expand, main_stem, unknown_placeholder};
use caisson::limits::LIMIT_FIELDS;

/// A configuration without mistakes shows itself as one that loads back to the same; mistakes are lines with places.
pub fn config_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse("fuzz.toml", text) {
        Ok(config) => config,
        Err(errors) => return check_mistakes(text, errors.mistakes().iter().map(ToString::to_string)),
    };
    let shown = config.show();
    let again = Config::parse("fuzz.toml", &shown).unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
    assert_eq!(config.queue, again.queue, "{shown}");
    assert_eq!(config.worker, again.worker, "{shown}");
    assert_eq!(config.sandbox, again.sandbox, "{shown}");
    assert_eq!(config.limits, again.limits, "{shown}");
    assert_eq!(config.images, again.images, "{shown}");
    assert_eq!(config.languages, again.languages, "{shown}");
    assert_eq!(config.log, again.log, "{shown}");
    let (run, compile) = (config.limits.run, config.limits.compile);
    for field in &LIMIT_FIELDS {
        let maximum = (field.get)(&config.limits.maximum);
        assert!((field.get)(&run) <= maximum && (field.get)(&compile) <= maximum, "{}\n{shown}", field.name);
        assert!((field.get)(&run) > 0 && (field.get)(&compile) > 0, "{}\n{shown}", field.name);
    }
}

/// One `language.toml`: no mistake goes unplaced, and what has none can be run.
pub fn language_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Language::parse("fuzz.toml", text) {
        Ok(language) => {
            assert!(!language.name.is_empty() && !language.image.is_empty() && !language.main.is_empty());
            assert!(!language.run.is_empty() && language.compile.as_ref().is_none_or(|it| !it.is_empty()));
            let arguments = language.run.iter().chain(language.compile.iter().flatten());
            assert!(arguments.clone().all(|argument| !argument.contains('\0')));
            assert!(arguments.clone().all(|argument| unknown_placeholder(argument).is_none()));
            assert!(language.env.iter().all(|(name, value)| !name.contains(['\0', '=']) && !value.contains('\0')));
        }
        Err(mistakes) => check_mistakes(text, mistakes.iter().map(ToString::to_string)),
    }
}

/// Lines such as `fuzz.toml:3: queue.wait_time_s: 30 is out of range; …`.
fn check_mistakes(text: &str, mistakes: impl Iterator<Item = String>) {
    let mut any = false;
    for mistake in mistakes {
        any = true;
        assert!(!mistake.chars().any(char::is_control), "{mistake:?}");
        let place = mistake.strip_prefix("fuzz.toml:").and_then(|rest| rest.split([':', ' ']).next());
        if let Some(line) = place.and_then(|line| line.parse::<usize>().ok()) {
            assert!((1..=text.split('\n').count()).contains(&line), "{mistake}");
        }
    }
    assert!(any, "it is refused, but nothing is wrong with it");
}

/// Placeholders are replaced once and wherever they stand, and nothing else changes.
pub fn placeholders(data: &[u8]) {
    let mut input = Input(data);
    let length = usize::from(input.byte());
    let main = input.text(length);
    let memory_mb = input.number() as u64;
    let argument = String::from_utf8_lossy(input.0).into_owned();
    let placeholders =
        Placeholders { main: &main, program: "./program", memory_mb, heap_mb: memory_mb / 2, stack_kb: 7 };
    let expanded = expand(&argument, &placeholders);

    let stem = main_stem(&main);
    assert!(main.starts_with(stem) && (stem == main || main[stem.len()..].starts_with('.')), "{main:?}: {stem:?}");
    assert!(
        !main[stem.len()..].contains('/') && stem.rsplit('/').next() != Some("") || stem == main,
        "{main:?}: {stem:?}"
    );

    // Names that a program would take for an option, or a command of its own, are written as paths.
    let is_option = |path: &str| path.starts_with(['-', '+', '@']);
    let path = |path: &str, is_odd: bool| if is_odd { format!("./{path}") } else { path.to_owned() };
    let is_word = !main.contains(['.', '/']);
    let meanings = [
        ("{main}", path(&main, is_option(&main) || is_word)),
        ("{main_stem}", path(stem, is_option(stem))),
        ("{program}", "./program".to_owned()),
        ("{memory_mb}", memory_mb.to_string()),
        ("{heap_mb}", (memory_mb / 2).to_string()),
        ("{stack_kb}", "7".to_owned()),
    ];
    let mut plain = String::new();
    let mut rest = argument.as_str();
    while let Some(first) = rest.chars().next() {
        match meanings.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, meaning)) => {
                plain.push_str(meaning.as_str());
                rest = &rest[name.len()..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    assert_eq!(expanded, plain, "{argument:?} with {main:?}");
    if let Some(name) = unknown_placeholder(&argument) {
        let braced = format!("{{{name}}}");
        assert!(argument.contains(&braced) && !meanings.iter().any(|(known, _)| *known == braced));
    }
}
