//! docs/languages.md, from the language files that are built in.

use super::{GENERATED, code, table};
use crate::language::{Language, Languages};
use crate::limits::{LIMIT_FIELDS, LimitsRequest};
use crate::strict_toml::Value;

const HEAD: &str = r#"
What a job can name as its `language` without anything in the operator's configuration. Each is a folder of `images/`
with a `Dockerfile` and a `language.toml`; adding such a folder adds a language. An operator adds more, or replaces
these, by [`[languages.NAME]`](configuration.md#languagesname) tables.

A job may give its own `compile` and `run`, which then stand in the place of those below. `{main}` is the entry file,
`{main_stem}` the same without its last extension, `{memory_mb}` the memory limit in MiB.

"#;

/// The list of the built-in languages.
pub fn languages() -> String {
    // The files' own test keeps them free of mistakes; a page cannot say more about one than not to show it.
    let languages = Languages::built_in().unwrap_or_default();
    let mut page = format!("# Languages\n\n{GENERATED}\n{HEAD}");
    page.push_str(&table(
        &["language", "title", "files", "entry file", "image"],
        languages.iter().map(|language| {
            let extensions: Vec<String> = language.extensions.iter().map(|it| code(&format!(".{it}"))).collect();
            let Language { name, title, main, image, .. } = language;
            vec![code(name), title.clone(), extensions.join(", "), code(main), code(image)]
        }),
    ));
    page.extend(languages.iter().map(section));
    format!("{}\n", page.trim_end())
}

fn section(language: &Language) -> String {
    let mut text = format!("## {}\n\n```toml\n", language.title);
    if let Some(compile) = &language.compile {
        text.push_str(&format!("compile = {}\n", Value::List(compile.clone())));
    }
    text.push_str(&format!("run = {}\n", Value::List(language.run.clone())));
    if !language.env.is_empty() {
        text.push_str(&format!("env = {}\n", Value::Map(language.env.clone())));
    }
    text.push_str("```\n\n");
    for (step, request) in [("run", &language.limits), ("compile step", &language.compile_limits)] {
        if let Some(limits) = requested(request) {
            text.push_str(&format!("Limits of its {step} that differ from the operator's defaults: {limits}.\n\n"));
        }
    }
    text
}

fn requested(request: &LimitsRequest) -> Option<String> {
    let given = LIMIT_FIELDS.iter().filter_map(|field| Some((field.name, (field.requested)(request)?)));
    let given: Vec<String> = given.map(|(name, value)| code(&format!("{name} = {value}"))).collect();
    (!given.is_empty()).then(|| given.join(", "))
}
