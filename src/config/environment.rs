//! From the environment to the configuration: a variable for each setting, and a mistake for each `CAISSON_` variable that
//! is none, since a misspelt one would silently change nothing.

use super::{Config, Origin, settings};
use crate::strict_toml::{Mistake, Place, did_you_mean};

/// Variables with Caisson's prefix that are no settings, each with what it is for. A `*` stands for any ending.
pub const OTHER_VARIABLES: [(&str, &str); 5] = [
    ("CAISSON_CONFIG", "The path of the configuration file, like `--config`."),
    ("CAISSON_LOG", "Short for `CAISSON_LOG_LEVEL`, and goes before the file in the same way."),
    ("CAISSON_BASE_IMAGE", "Read by the scripts that build the images, never by the worker: the image to build upon."),
    ("CAISSON_CRASH_AT", "For tests: the point at which the worker ends itself as if it had been killed."),
    ("CAISSON_TEST_*", "For tests: where to find a queue, an engine or an image to test with."),
];

const SHORT_LOG: &str = "CAISSON_LOG";

/// The process's environment. What isn't UTF-8 comes with replacement characters, so that its name can be reported.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

pub(super) fn apply(config: &mut Config, env: impl Iterator<Item = (String, String)>, mistakes: &mut Vec<Mistake>) {
    let mut log_level = None;
    // An empty variable is one that isn't set: unit files and compose files can't say it otherwise.
    for (name, value) in env.filter(|(name, value)| name.starts_with("CAISSON_") && !value.is_empty()) {
        let wanted = if name == SHORT_LOG { "CAISSON_LOG_LEVEL" } else { name.as_str() };
        if wanted == "CAISSON_LOG_LEVEL"
            && let Some(other) = log_level.replace(name.clone())
        {
            mistakes.push(mistake(&name, format!("says the same as {other}; keep one")));
            continue;
        }
        match settings().iter().find(|setting| setting.variable() == wanted) {
            Some(setting) => match setting.kind.read_text(&value) {
                Ok(value) => setting.set_from(config, value, Origin::Environment(name)),
                Err(problem) => mistakes.push(mistake(&name, problem)),
            },
            None if is_other(&name) => {}
            None => {
                let names: Vec<String> = settings().iter().map(|setting| setting.variable()).collect();
                let near = did_you_mean(&name, names.iter().map(String::as_str));
                mistakes.push(mistake(&name, format!("unknown variable{near}")));
            }
        }
    }
}

fn is_other(name: &str) -> bool {
    OTHER_VARIABLES.iter().any(|(known, _)| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

fn mistake(name: &str, problem: String) -> Mistake {
    Mistake { place: Place::Environment, key: name.to_owned(), problem }
}
